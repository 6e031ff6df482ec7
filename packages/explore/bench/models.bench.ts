// SPDX-License-Identifier: GPL-2.0-only
// Executions a second of the search, in processor time. Run: node --import ./tools/register.mjs packages/explore/bench/models.bench.ts
import { Dpor, exhaustModel, type Model, ModelSubject } from '../src/index.ts';
import { filesystem, indexer, lastzero, readers, twoTaskLock } from '../test/classics.ts';

const seconds = (): number => process.cpuUsage().user / 1e6;

function line(name: string, executions: number, spent: number): void {
  console.log(
    `${name.padEnd(44)} ${String(executions).padStart(7)} executions ${spent.toFixed(2).padStart(7)} s ${String(Math.round(executions / spent)).padStart(7)}/s`,
  );
}

function measure(name: string, model: Model, checks: boolean, least: number): void {
  const subject = new ModelSubject(model, { checks });
  let executions = 0;
  const from = seconds();
  while (executions < least) {
    const dpor = new Dpor();
    exhaustModel(subject, dpor);
    executions += dpor.executions;
  }
  line(name, executions, seconds() - from);
}

for (const checks of [true, false]) {
  measure('warm-up', twoTaskLock(), checks, 10_000);
  measure(`two-task lock, checkers ${checks ? 'on' : 'off'}`, twoTaskLock(), checks, 40_000);
}
for (const model of [
  readers(8),
  readers(13),
  lastzero(5),
  lastzero(10),
  lastzero(10),
  lastzero(15),
  indexer(12),
  indexer(15),
  filesystem(14),
  filesystem(16),
  filesystem(18),
  filesystem(19),
]) {
  measure(model.name, model, false, 1);
}
