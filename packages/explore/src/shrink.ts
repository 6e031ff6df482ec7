// SPDX-License-Identifier: GPL-2.0-only
import { type Collected, findingKey, replay } from './session.ts';
import type { Subject, SubjectFinding } from './subject.ts';
import { formatToken, type Segment } from './token.ts';

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

/**
 * Fewest switches, then fewest steps: take parts out of the schedule as long as the finding stays.
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
  let best: { segments: Segment[]; preemptions: number; steps: number } | null = null;
  let runs = 0;
  const attempt = async (segments: Segment[]): Promise<boolean> => {
    runs++;
    const { observation, replay: r } = await replay(subject, segments);
    if (!observation.findings.some((f) => keyOf(f) === key)) return false;
    const made = { segments, preemptions: r.preemptions, steps: r.execution.length };
    if (
      best !== null &&
      (made.preemptions > best.preemptions ||
        (made.preemptions === best.preemptions &&
          made.steps >= best.steps &&
          segments.length >= best.segments.length))
    )
      return false;
    best = made;
    return true;
  };
  if (c.finding.kind !== 'nondeterminism') await attempt(c.segments);
  for (let size = Math.ceil(c.segments.length / 2); best !== null && size >= 1 && runs < most;) {
    let better = false;
    for (let i = (best as { segments: Segment[] }).segments.length - size; i >= 0 && runs < most; i--) {
      if (await attempt((best as { segments: Segment[] }).segments.toSpliced(i, size))) {
        better = true;
        i = Math.min(i, (best as { segments: Segment[] }).segments.length - size + 1);
      }
    }
    if (!better || size > 1) size = size === 1 ? 0 : Math.floor(size / 2);
  }
  const { segments, preemptions, steps } = best ?? { segments: c.segments, preemptions: -1, steps: -1 };
  return { ...c.finding, runs: c.runs, at: c.at, schedule: formatToken(segments), preemptions, steps };
}
