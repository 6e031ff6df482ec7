// SPDX-License-Identifier: GPL-2.0-only
// Who does the jobs of a campaign: this thread, or several others.
import { simulationPool } from '@vfio-lab/explore';
import type { Tinypool } from 'tinypool';
import { type Job, makeSmall, type Report, runProgram, type Stop } from './job.ts';

export interface Crew {
  /** So many jobs keep it busy. */
  readonly size: number;
  /** Executions of programs that its unfinished jobs have made so far, about. */
  readonly underWay: number;
  do<J extends Job>(job: J): Promise<Report<J>>;
  /** End the jobs at hand early, with what they have. */
  hurry(): void;
  end(): Promise<void>;
}

/** Do a job here. */
export function perform<J extends Job>(job: J, stop: Stop): Promise<Report<J>> {
  const done = job.kind === 'program' ? runProgram(job, stop) : makeSmall(job, stop);
  return done as Promise<Report<J>>;
}

/** One job after the other, in this thread. */
export class Alone implements Crew {
  readonly size = 1;
  underWay = 0;
  readonly #stop: Stop;
  #last: Promise<unknown> = Promise.resolve();

  /** @param stop asked between executions; true: no more */
  constructor(stop: Stop) {
    this.#stop = stop;
  }

  do<J extends Job>(job: J): Promise<Report<J>> {
    const mine = this.#last.then(() => this.#do(job));
    this.#last = mine.catch(() => undefined);
    return mine;
  }

  async #do<J extends Job>(job: J): Promise<Report<J>> {
    const report = await perform(job, (executions) => {
      if (job.kind === 'program') this.underWay = executions;
      return this.#stop(executions);
    });
    this.underWay = 0;
    return report;
  }

  hurry(): void {}

  async end(): Promise<void> {}
}

/** What a crew shares with its threads. */
export const HURRY = 0;
export const EXECUTIONS = 1;

/** A job on its way to a thread. */
export interface Errand {
  job: Job;
  shared: Int32Array;
}

/** Threads that each do one job at a time. */
export class Threads implements Crew {
  readonly size: number;
  readonly #pool: Tinypool;
  readonly #shared = new Int32Array(new SharedArrayBuffer(8));
  #finished = 0;

  constructor(threads: number) {
    // One more than there are threads, so that none waits for this one.
    this.size = threads + 1;
    this.#pool = simulationPool(new URL('./worker.ts', import.meta.url), threads);
  }

  get underWay(): number {
    return Math.max(0, Atomics.load(this.#shared, EXECUTIONS) - this.#finished);
  }

  async do<J extends Job>(job: J): Promise<Report<J>> {
    const errand: Errand = { job, shared: this.#shared };
    const report = (await this.#pool.run(errand, { name: 'run' })) as Report<J>;
    if (job.kind === 'program') this.#finished += report.executions;
    return report;
  }

  hurry(): void {
    Atomics.store(this.#shared, HURRY, 1);
  }

  async end(): Promise<void> {
    await this.#pool.destroy();
  }
}
