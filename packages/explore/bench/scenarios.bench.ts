// SPDX-License-Identifier: GPL-2.0-only
// The search on the driver: executions a second of processor time in one thread, and whole searches by the clock with one
// thread and with two. Run: npm run bench scenarios
import { scenarioByName } from '@vfio-lab/scenarios';
import { Dpor, explore, Mate, ScenarioSubject } from '../src/index.ts';

const SEARCHES = [
  ['config-access-vs-low-power-entry', 'v4@6'],
  ['config-access-vs-low-power-entry', 'v7'],
  ['exit-vs-host-access', 'v4@6'],
  ['exit-vs-host-access', 'v7'],
] as const;

/** What must be found, and the changed driver that it is found on. */
const WHAT_IFS = [
  ['config-access-vs-low-power-entry', 'v4+no-usage-reference'],
  ['exit-vs-host-access', 'v4+exit-order'],
] as const;

const cpu = (): number => (process.cpuUsage().user + process.cpuUsage().system) / 1e6;
const wall = (): number => performance.now() / 1000;

async function rate(name: string, revision: string, checkers: boolean): Promise<void> {
  const subject = new ScenarioSubject(scenarioByName(name), revision, { checkers });
  let dpor = new Dpor();
  let from = 0;
  let steps = 0;
  const [warm, n] = [500, 1500];
  for (let i = 0; i < warm + n; i++) {
    if (i === warm) from = cpu();
    dpor.begin();
    await subject.run(dpor);
    if (i >= warm) steps += dpor.execution.length;
    if (!dpor.advance()) dpor = new Dpor();
  }
  const spent = cpu() - from;
  console.log(
    `${`${name} on ${revision}`.padEnd(52)} ${Math.round(n / spent)} executions/s of processor time with checkers ${checkers ? 'on' : 'off'}, ${Math.round(steps / n)} steps each`,
  );
}

async function whole(name: string, revision: string, threads: number): Promise<void> {
  const spec = { kind: 'scenario', scenario: name, revision } as const;
  const mates = Array.from({ length: threads - 1 }, () => new Mate(spec));
  const from = wall();
  const r = await explore(new ScenarioSubject(scenarioByName(name), revision), { warmUp: 1000, mates });
  const seconds = wall() - from;
  for (const mate of mates) await mate.end();
  console.log(
    `${`${name} on ${revision}`.padEnd(52)} ${threads} threads: ${r.exhausted ? 'exhausted' : 'not exhausted'}, ${r.findings.length} findings, ${r.executions} executions in ${seconds.toFixed(1)} s`,
  );
}

async function first(name: string, revision: string): Promise<void> {
  const from = wall();
  const r = await explore(new ScenarioSubject(scenarioByName(name), revision), { warmUp: 1000, first: true });
  console.log(
    `${`${name} on ${revision}`.padEnd(52)} ${r.findings[0]?.kind ?? 'nothing'} in execution ${r.executions}, ${(wall() - from).toFixed(2)} s with its shortest schedule`,
  );
}

const RATES = [...SEARCHES, ['config-read-vs-low-power-entry', 'v7']] as const;
for (const [name, revision] of RATES) for (const on of [true, false]) await rate(name, revision, on);
for (const [name, revision] of WHAT_IFS) await first(name, revision);
for (const [name, revision] of SEARCHES) for (const threads of [1, 2]) await whole(name, revision, threads);
