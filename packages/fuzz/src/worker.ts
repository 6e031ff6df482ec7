// SPDX-License-Identifier: GPL-2.0-only
// What a thread of a crew runs.
import { type Errand, EXECUTIONS, HURRY, perform } from './crew.ts';
import type { Job, Report } from './job.ts';

/** Do a job. */
export async function run({ job, shared }: Errand): Promise<Report<Job>> {
  let counted = 0;
  const count = (executions: number): void => {
    if (job.kind === 'program') Atomics.add(shared, EXECUTIONS, executions - counted);
    counted = executions;
  };
  const report = await perform(job, (executions) => {
    count(executions);
    return Atomics.load(shared, HURRY) !== 0;
  });
  count(report.executions);
  return report;
}
