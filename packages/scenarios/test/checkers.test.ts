// SPDX-License-Identifier: GPL-2.0-only
// Every checker that is in force for every run: a case that makes it speak, and the same done right, on which all are
// silent.
import type { Finding } from '@vfio-lab/sim';
import { describe, expect, it } from 'vitest';
import { defineScenario, runScenario } from '../src/index.ts';
import { CARD, type Case } from './checker-case.ts';
import { DEADLOCKS, LOCKDEP } from './checker-locks.ts';
import { HARDWARE, INTERRUPTS, MEMORY, REFERENCES, WARNINGS } from './checker-others.ts';

async function findingsOf(c: Case, bad: boolean): Promise<Finding[]> {
  const scenario = defineScenario({
    name: 'case',
    about: c.what,
    topology: c.topology ?? 'own-power',
    setup: async (lab) => {
      const dev = await lab.open(CARD);
      const eventfd = await lab.user.eventfd();
      await dev.setTrigger(0, eventfd);
      await c.run(bad, lab, dev, eventfd);
    },
  });
  return (await runScenario(scenario, { revision: c.revision ?? 'base' })).findings;
}

describe.each([
  ['deadlock', DEADLOCKS],
  ['lock order', LOCKDEP],
  ['hardware and runtime PM', HARDWARE],
  ['memory', MEMORY],
  ['references', REFERENCES],
  ['interrupts', INTERRUPTS],
  ['warnings', WARNINGS],
])('checkers: %s', (_group, cases) => {
  it.each(cases)('$kind speaks of $what', async (c) => {
    const found = await findingsOf(c, true);
    const mine = found.filter((f) => f.kind === c.kind).map((f) => f.text);
    if (typeof c.says === 'string') expect(mine.join('\n')).toContain(c.says);
    else expect(mine.join('\n')).toMatch(c.says);
    expect(found.map((f) => f.kind).filter((k) => k !== c.kind && !c.also?.includes(k))).toEqual([]);
  });

  it.each(cases)('all are silent without $what', async (c) => {
    expect(await findingsOf(c, false)).toEqual([]);
  });
});
