// SPDX-License-Identifier: GPL-2.0-only
// What a thread of a race crew runs.
import type { ThreadJob, Verdicts } from './race-crew.ts';
import { searchRaces } from './race-search.ts';

/** Run a job, unless all are to stop. */
export async function run({ job, board, n }: ThreadJob): Promise<Verdicts> {
  const tick = (executions: number): boolean => {
    Atomics.store(board, 1 + n, executions);
    return Atomics.load(board, 0) === 1;
  };
  return tick(0) ? null : searchRaces(job, tick);
}
