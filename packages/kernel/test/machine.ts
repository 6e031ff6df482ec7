// SPDX-License-Identifier: GPL-2.0-only
import { current, type Finding, Machine, type MachineOptions, RandomPolicy } from '@vfio-lab/sim';
import { create_process, type process } from '../src/index.ts';

/** Run a program as a thread of a process of its own; gives the machine for its findings and log. */
export async function run(
  fn: (p: process) => Promise<void> | void,
  opts: MachineOptions = {},
): Promise<Machine> {
  const m = new Machine(opts);
  await m.run(async () => {
    const p = create_process('test');
    current.process = p;
    await fn(p);
  });
  return m;
}

/** As run(), with nothing found. */
export async function run_clean(
  fn: (p: process) => Promise<void> | void,
  opts: MachineOptions = {},
): Promise<Machine> {
  const m = await run(fn, opts);
  if (m.findings.length > 0) throw new Error(m.findings.map((f) => `${f.kind}: ${f.text}`).join('\n'));
  return m;
}

/** The program under many random schedules, each clean. */
export async function run_random(n: number, fn: (p: process) => Promise<void> | void): Promise<void> {
  for (let seed = 1; seed <= n; seed++) {
    await run_clean(fn, { policy: new RandomPolicy(seed) });
  }
}

export function kinds(m: { findings: readonly Finding[] }): string[] {
  return m.findings.map((f) => f.kind);
}
