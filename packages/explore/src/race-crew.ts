// SPDX-License-Identifier: GPL-2.0-only
/*
 * Searches for races run one after another here, or in threads. What comes of a search is the same either way.
 */
import { setTimeout } from 'node:timers/promises';
import { simulationPool } from './pool.ts';
import { type JudgedRace, type RaceJob, searchRaces } from './race-search.ts';

/** Verdicts of a job by claim; null: it was not begun. */
export type Verdicts = Record<string, JudgedRace> | null;

/** Asked now and then with how far the jobs are; true: stop. */
export type Watch = (jobs: readonly JobState[]) => boolean | Promise<boolean>;

/** -1: not begun yet; else the executions so far. */
export interface JobState {
  executions: number;
  done: boolean;
}

/** Milliseconds between two looks at the threads. */
const LOOK_MS = 50;

/** What a thread gets with a job. */
export interface ThreadJob {
  job: RaceJob;
  /** Shared memory of all threads: [0] 1: stop; [1 + n] what job n has to say. */
  board: Int32Array;
  n: number;
}

/** One after another, in this thread. */
export async function runHere(jobs: readonly RaceJob[], watch: Watch): Promise<Verdicts[]> {
  const states = jobs.map(() => ({ executions: -1, done: false }));
  const verdicts: Verdicts[] = jobs.map(() => null);
  let stop = false;
  for (const [n, job] of jobs.entries()) {
    const tick = async (executions: number): Promise<boolean> => {
      states[n].executions = executions;
      return (stop ||= await watch(states));
    };
    if (await tick(0)) break;
    verdicts[n] = await searchRaces(job, tick);
    states[n].done = true;
  }
  return verdicts;
}

/** In threads: a job goes to the first that is free. */
export async function runInThreads(
  jobs: readonly RaceJob[],
  watch: Watch,
  threads: number,
): Promise<Verdicts[]> {
  const pool = simulationPool(new URL('./race-worker.ts', import.meta.url), threads);
  const board = new Int32Array(new SharedArrayBuffer((jobs.length + 1) * Int32Array.BYTES_PER_ELEMENT));
  board.fill(-1, 1);
  const done = jobs.map(() => false);
  let working = true;
  const all = Promise.all(
    jobs.map(async (job, n) => {
      const task: ThreadJob = { job, board, n };
      const verdicts = (await pool.run(task, { name: 'run' })) as Verdicts;
      done[n] = true;
      return verdicts;
    }),
  ).finally(() => (working = false));
  const looking = async (): Promise<void> => {
    while (working) {
      const states = done.map((d, n) => ({ executions: Atomics.load(board, 1 + n), done: d }));
      if (await watch(states)) Atomics.store(board, 0, 1);
      await Promise.race([all, setTimeout(LOOK_MS)]);
    }
  };
  try {
    const [verdicts] = await Promise.all([all, looking()]);
    return verdicts;
  } finally {
    await pool.destroy();
  }
}
