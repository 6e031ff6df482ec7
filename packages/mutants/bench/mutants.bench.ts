// SPDX-License-Identifier: GPL-2.0-only
// All mutants of v4 and v7, with those that are held for the same driver put to the test as well. `npm run bench mutants`;
// takes minutes. VFIO_LAB_REVISIONS=v7 for one of them.
import { availableParallelism } from 'node:os';
import { assess, tally } from '../src/index.ts';

/** What is asked for: of the mutants that can be noticed, this share is. */
const SHARE = 0.9;

for (const revision of (process.env['VFIO_LAB_REVISIONS'] ?? 'v4,v7').split(',')) {
  const started = performance.now();
  const { verdicts, wrong } = await assess(revision, {
    functions: [],
    programs: 150,
    breadth: 50,
    schedules: 60,
    seed: 1,
    doubt: true,
    limit: Infinity,
    jobs: availableParallelism(),
  });
  const seconds = (performance.now() - started) / 1000;
  const { total, killed, survived, equivalent, score } = tally(verdicts);
  process.stdout.write(
    `${revision}: ${total} mutants, ${killed} killed, ${survived} survived, ${equivalent} equivalent, ` +
      `${(score * 100).toFixed(1)} % of those that can be noticed; ${seconds.toFixed(0)} s\n`,
  );
  for (const { key, fate, reason } of verdicts)
    if (fate === 'survived') process.stdout.write(`  survives: ${key}: ${reason ?? ''}\n`);
  for (const key of wrong) process.stdout.write(`  held for the same driver, but noticed: ${key}\n`);
  if (score < SHARE || wrong.length > 0) process.exitCode = 1;
}
