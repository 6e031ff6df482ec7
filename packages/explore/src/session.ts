// SPDX-License-Identifier: GPL-2.0-only
import { Limited, StepLimit } from './chooser.ts';
import type { Execution } from './execution.ts';
import type { Search } from './exhaust.ts';
import { Hashes } from './hashes.ts';
import type { Observation, Subject, SubjectFinding } from './subject.ts';
import { formatToken, Replay, type Segment, segmentsOf } from './token.ts';

/** A finding as it came up, with the schedule of the execution that had it first. */
export interface Collected {
  finding: SubjectFinding;
  /** Executions that had it. */
  runs: number;
  /** The execution that had it first, from 1. */
  at: number;
  segments: Segment[];
}

/** A part of what a session has collected. */
export interface SessionPart {
  executions: number;
  deepest: number;
  classes: string[];
  outcomes: [text: string, of: { runs: number; schedule: string }][];
  found: [key: string, of: Collected][];
}

/** What makes two findings the same: the kind, where, and the text without its numbers. */
export function findingKey(f: SubjectFinding): string {
  // The two sides of a race come in either order, and with what else they hold by chance.
  if (typeof f.detail?.race === 'string') return `${f.kind} ${f.detail.race.replace(/\d+/g, 'N')}`;
  return `${f.kind} ${f.fns.at(-1) ?? f.task} ${f.text.replace(/\d+/g, 'N')}`;
}

/** One execution under a schedule. */
export async function replay(
  subject: Subject,
  segments: readonly Segment[],
): Promise<{ observation: Observation; replay: Replay }> {
  const chooser = new Replay(segments, subject);
  const observation = await subject.run(chooser);
  return { observation, replay: chooser };
}

/** Collects what the executions of a search show. */
export class Session {
  readonly outcomes = new Map<string, { runs: number; schedule: string }>();
  readonly found = new Map<string, Collected>();
  readonly classes = new Set<string>();
  executions = 0;
  deepest = 0;
  readonly #subject: Subject;
  /** For fingerprints. */
  readonly hashes: Hashes;
  readonly #recheck: number;
  readonly #before: number;
  readonly #steps: number;
  /** Executions that were given up because of their length. */
  cut = 0;

  /**
   * @param recheck run every so many-th execution again and compare; 0: never
   * @param steps give executions up that have more
   * @param before executions that count for `recheck` and for nothing else
   */
  constructor(subject: Subject, recheck: number, steps = Infinity, before = 0) {
    this.#before = before;
    this.#steps = steps;
    this.#subject = subject;
    this.hashes = new Hashes(subject.tables);
    this.#recheck = recheck;
  }

  /** One execution of a search, looked at. */
  async execute(search: Search): Promise<void> {
    search.begin();
    if (this.#steps === Infinity) return this.#see(search, await this.#subject.run(search));
    try {
      await this.#see(search, await this.#subject.run(new Limited(search, this.#steps)));
    } catch (error) {
      if (!(error instanceof StepLimit)) throw error;
      this.cut++;
      this.#note({ outcome: `given up after ${this.#steps} steps`, findings: [] }, search.execution);
    }
  }

  /** What has been collected, made to be sent. */
  get part(): SessionPart {
    const { executions, deepest, classes, outcomes, found } = this;
    return { executions, deepest, classes: [...classes], outcomes: [...outcomes], found: [...found] };
  }

  /** Take over what somebody else has collected of the executions that come next. */
  merge(part: SessionPart): void {
    for (const c of part.classes) this.classes.add(c);
    for (const [text, { runs, schedule }] of part.outcomes) {
      const known = this.outcomes.get(text);
      if (known === undefined) this.outcomes.set(text, { runs, schedule });
      else known.runs += runs;
    }
    for (const [key, c] of part.found) {
      const known = this.found.get(key);
      if (known === undefined) this.found.set(key, { ...c, at: this.executions + c.at });
      else known.runs += c.runs;
    }
    this.executions += part.executions;
    if (part.deepest > this.deepest) this.deepest = part.deepest;
  }

  async #see(search: Search, observation: Observation): Promise<void> {
    this.#note(observation, search.execution);
    if (this.#recheck > 0 && (this.#before + this.executions) % this.#recheck === 0)
      await this.#check(search.execution, observation);
  }

  #note(observation: Observation, execution: Execution): void {
    this.executions++;
    if (execution.length > this.deepest) this.deepest = execution.length;
    this.classes.add(execution.fingerprint(this.hashes));
    const outcome = this.outcomes.get(observation.outcome);
    if (outcome === undefined)
      this.outcomes.set(observation.outcome, {
        runs: 1,
        schedule: formatToken(segmentsOf(execution, this.#subject)),
      });
    else outcome.runs++;
    const keys = new Set<string>();
    for (const finding of observation.findings) {
      const key = findingKey(finding);
      if (keys.has(key)) continue;
      keys.add(key);
      const known = this.found.get(key);
      if (known !== undefined) known.runs++;
      else this.#find(key, finding, segmentsOf(execution, this.#subject));
    }
  }

  #find(key: string, finding: SubjectFinding, segments: Segment[]): void {
    this.found.set(key, { finding, runs: 1, at: this.executions, segments });
  }

  /** A finding that is no execution's: what went wrong with the search itself. */
  nondeterminism(text: string, segments: Segment[] = []): void {
    this.#find(
      `nondeterminism ${text}`,
      { kind: 'nondeterminism', text, task: '', fns: [], held: [] },
      segments,
    );
  }

  /** The same schedule must give the same execution. */
  async #check(execution: Execution, was: Observation): Promise<void> {
    const print = execution.fingerprint(this.hashes);
    const segments = segmentsOf(execution, this.#subject);
    const again = await replay(this.#subject, segments);
    const now = again.replay.execution.fingerprint(this.hashes);
    if (now === print && again.observation.outcome === was.outcome) return;
    const what = now === print ? `${again.observation.outcome}, not ${was.outcome}` : 'other steps';
    this.nondeterminism(
      `the schedule of execution ${this.executions} gives something else when run again: ${what}`,
      segments,
    );
  }
}
