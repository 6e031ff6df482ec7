// SPDX-License-Identifier: GPL-2.0-only
import type { OpCode } from './ops.ts';

/**
 * Whoever decides who goes on. What is being searched (a model, a machine) calls choose() at every scheduling point with
 * all tasks that have not ended, and end() when none of them can go on. The arrays are only valid during the call.
 */
export interface Chooser {
  /**
   * @param n how many tasks
   * @param tids their numbers, stable over executions
   * @param ops what each is about to do
   * @param enabled which of them can; at least one
   * @param timePassed since the last choice nobody could go on, and the clock moved
   * @returns the place in the arrays of the one to go on
   */
  choose(
    n: number,
    tids: readonly number[],
    ops: readonly OpCode[],
    enabled: readonly boolean[],
    timePassed: boolean,
  ): number;
  /** The last step was a try for a lock, and got it. */
  succeeded(): void;
  /** The execution is over; the tasks given here are blocked for ever. */
  end(n: number, tids: readonly number[], ops: readonly OpCode[]): void;
}

/** The search and what it searches do not agree on what has happened: something outside the schedule decides. */
export class Nondeterminism extends Error {
  readonly step: number;

  constructor(step: number, message: string) {
    super(message);
    this.name = 'Nondeterminism';
    this.step = step;
  }
}
