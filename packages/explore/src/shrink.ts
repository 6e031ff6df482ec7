// SPDX-License-Identifier: GPL-2.0-only
import { type Collected, findingKey, replay } from './session.ts';
import type { Observation, Subject, SubjectFinding } from './subject.ts';
import { formatToken, parseToken, type Segment } from './token.ts';

/** A finding with the way to it. */
export interface Found extends SubjectFinding {
  /** Executions that had it. */
  runs: number;
  /** The execution that had it first, from 1. */
  at: number;
  schedule: string;
  preemptions: number;
  steps: number;
}

const SHRINK_RUNS = 200;

/** A schedule, and what it took. */
interface Made {
  segments: Segment[];
  preemptions: number;
  steps: number;
}

function isShorter(a: Made, b: Made): boolean {
  if (a.preemptions !== b.preemptions) return a.preemptions < b.preemptions;
  return a.steps < b.steps || a.segments.length < b.segments.length;
}

/**
 * Fewest switches, then fewest steps: take parts out of a schedule as long as an execution comes to the same.
 *
 * @param same does it?
 * @param most executions that it may take
 * @returns null when the schedule as it is does not come to it
 */
async function shorten(
  subject: Subject,
  schedule: Segment[],
  same: (observation: Observation) => boolean,
  most: number,
): Promise<Made | null> {
  let runs = 0;
  const attempt = async (segments: Segment[]): Promise<Made | null> => {
    runs++;
    const { observation, replay: r } = await replay(subject, segments);
    return same(observation) ? { segments, preemptions: r.preemptions, steps: r.execution.length } : null;
  };
  let best = await attempt(schedule);
  if (best === null) return null;
  for (let size = Math.ceil(schedule.length / 2); size >= 1 && runs < most;) {
    let better = false;
    for (let i = best.segments.length - size; i >= 0 && runs < most; i--) {
      const made: Made | null = await attempt(best.segments.toSpliced(i, size));
      if (made === null || !isShorter(made, best)) continue;
      best = made;
      better = true;
      i = Math.min(i, best.segments.length - size + 1);
    }
    if (!better || size > 1) size = size === 1 ? 0 : Math.floor(size / 2);
  }
  return best;
}

/**
 * The shortest schedule found for a finding.
 *
 * @param keyOf what makes two findings the same
 * @param most executions that it may take
 */
export async function shortest(
  subject: Subject,
  c: Collected,
  keyOf: (finding: SubjectFinding) => string = findingKey,
  most = SHRINK_RUNS,
): Promise<Found> {
  const key = keyOf(c.finding);
  const same = ({ findings }: Observation): boolean => findings.some((f) => keyOf(f) === key);
  const best = c.finding.kind === 'nondeterminism' ? null : await shorten(subject, c.segments, same, most);
  const { segments, preemptions, steps } = best ?? { segments: c.segments, preemptions: -1, steps: -1 };
  return { ...c.finding, runs: c.runs, at: c.at, schedule: formatToken(segments), preemptions, steps };
}

/** The shortest schedule found for an outcome; `schedule`: one that has it. */
export async function shortestTo(
  subject: Subject,
  outcome: string,
  schedule: string,
  most = SHRINK_RUNS,
): Promise<string> {
  const best = await shorten(subject, parseToken(schedule), (o) => o.outcome === outcome, most);
  return best === null ? schedule : formatToken(best.segments);
}
