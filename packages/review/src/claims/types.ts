// SPDX-License-Identifier: GPL-2.0-only
import type { TraceEvent } from '@vfio-lab/sim';
import type { LowPower } from '@vfio-lab/testbed';
import type { Bench, BenchOptions, BenchRun } from './bench.ts';
import type { Race, RaceResult } from './race.ts';

/**
 * What became of a claim on a revision.
 *
 * - `holds`: the sentence is true of this revision;
 * - `does-not-hold`: it is not;
 * - `not-reachable`: nothing in this revision can make it true or false, and the evidence says why;
 * - `not-about-behaviour`: nothing that runs could tell.
 */
export type Verdict = 'holds' | 'does-not-hold' | 'not-reachable' | 'not-about-behaviour';

export const VERDICTS: readonly Verdict[] = [
  'holds',
  'does-not-hold',
  'not-reachable',
  'not-about-behaviour',
];

/** How a claim is meant: a defect (bad where it holds), a rule (bad where it does not), or neither. */
export type Sense = 'defect' | 'rule' | 'remark';

/** What a check found out about one revision. */
export interface Judgement {
  verdict: Verdict;
  /** What was seen, in a sentence. */
  text: string;
  /** The values that the verdict rests on. */
  values?: Record<string, unknown>;
  /** For a race: the seed and the schedule of the run that shows it. */
  seed?: number;
  schedule?: string;
}

/** Why to believe a verdict. */
export interface Evidence extends Omit<Judgement, 'verdict'> {
  /** Shows it again. */
  command?: string;
  /** The timeline of the last run, when asked for. */
  events?: TraceEvent[];
}

/** What a check works with: one revision, and the means to run it. */
export interface ClaimContext {
  readonly revision: string;
  readonly low: LowPower;
  /** Is there such a driver function in the revision? */
  has(fn: string): boolean;
  /** Can a user be told of a wake at all? */
  readonly notifies: boolean;
  /** Boot a machine, open its device and run a program on it; optionally on another revision. */
  bench<T>(body: (b: Bench) => Promise<T>, opts?: BenchOptions): Promise<BenchRun<T>>;
  /** Run programs against each other under random schedules. */
  race<S>(race: Race<S>, opts?: { runs?: number; revision?: string }): Promise<RaceResult>;
}

/** Something that was said in the review, and how to find out whether it is so. */
export interface Claim {
  /** C1 to C59. */
  readonly id: string;
  readonly who: string;
  /** Days, ISO 8601. */
  readonly when: string;
  /** Revision and patch: 'v3 4/8'. */
  readonly on: string;
  /** What they said, as a sentence that is true or false of a revision. */
  readonly text: string;
  readonly kind: 'behaviour' | 'other';
  readonly sense: Sense;
  /** What became of it. */
  readonly fate: string;
  /** What a revision must have for the question to arise; without it the claim is not reachable there. */
  readonly needs?: 'low-power' | 'notice' | 'wakeup';
  readonly check?: (c: ClaimContext) => Promise<Judgement>;
}

/** A claim with its verdicts. */
export interface ClaimResult {
  id: string;
  who: string;
  when: string;
  on: string;
  text: string;
  kind: Claim['kind'];
  sense: Sense;
  fate: string;
  verdicts: Record<string, Verdict>;
  evidence: Record<string, Evidence>;
}
