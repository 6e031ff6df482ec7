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

/** An execution has more steps than it may, and is given up. */
export class StepLimit extends Error {}

/**
 * Gives an execution up after so many steps. For the search it ends with what its tasks were about to do, so that it
 * sees the races with that.
 */
export class Limited implements Chooser {
  readonly #inner: Chooser;
  #left: number;

  constructor(inner: Chooser, steps: number) {
    this.#inner = inner;
    this.#left = steps;
  }

  choose(
    n: number,
    tids: readonly number[],
    ops: readonly OpCode[],
    enabled: readonly boolean[],
    timePassed: boolean,
  ): number {
    if (this.#left-- === 0) {
      this.#inner.end(n, tids, ops);
      throw new StepLimit('too many steps');
    }
    return this.#inner.choose(n, tids, ops, enabled, timePassed);
  }

  succeeded(): void {
    this.#inner.succeeded();
  }

  end(n: number, tids: readonly number[], ops: readonly OpCode[]): void {
    this.#inner.end(n, tids, ops);
  }
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
