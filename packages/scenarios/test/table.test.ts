// SPDX-License-Identifier: GPL-2.0-only
// What v4 promises, step by step: usage count, engaged, resumed and power state are checked by the scenarios
// themselves, after every step. Outcomes are what the user sees.
import { describe, expect, it } from 'vitest';
import { runScenario, scenarioByName, scenarios } from '../src/index.ts';

const NONE = 'no low power (ENOTTY)';

/** Outcomes with 4, 5 and 6 patches; one alone is that of all three. */
const ROWS: readonly (readonly [name: string, ...outcomes: string[]])[] = [
  ['open-and-close', 'open: awake in D0, closed: asleep in D3cold'],
  ['low-power-enter', 'asleep in D3cold'],
  [
    'get-and-probe-asleep',
    'GET ENTER, PROBE ok, asleep in D3cold',
    'GET ENTER+REENTERY_DISABLE, PROBE ok, asleep in D3cold',
    'GET ENTER+REENTERY_DISABLE, PROBE ok, asleep in D3cold',
  ],
  [
    'lspci-reentry-allowed',
    'lspci woke it, asleep in D3cold, PME_Status 0',
    'lspci woke it, asleep in D3cold, PME_Status 0',
    'lspci woke it, asleep in D3cold, PME_Status 1',
  ],
  [
    'lspci-reentry-forbidden-by-class',
    'lspci woke it, asleep in D3cold',
    'lspci woke it, awake in D0',
    'lspci woke it, awake in D0',
  ],
  [
    'lspci-reentry-forbidden-by-flag',
    'ENTER EINVAL',
    'lspci woke it, awake in D0, without the flag: asleep in D3cold',
    'lspci woke it, awake in D0, without the flag: asleep in D3cold',
  ],
  [
    'lspci-with-pme',
    'no PME interrupt, asleep in D3cold',
    'no PME interrupt, asleep in D3cold',
    '1 PME, awake in D0',
  ],
  [
    'config-read-asleep',
    'read woke it, asleep in D3cold',
    'read woke it, awake in D0',
    'read woke it, awake in D0',
  ],
  [
    'ioctl-asleep',
    'GET_INFO and SET_IRQS work, asleep in D3cold',
    'GET_INFO and SET_IRQS work, awake in D0',
    'GET_INFO and SET_IRQS work, awake in D0',
  ],
  ['exit-asleep', 'EXIT ok, awake in D0'],
  ['exit-resumed', 'ENTER EINVAL', 'EXIT ok, awake in D0', 'EXIT ok, awake in D0'],
  [
    'enter-twice',
    'second ENTER EINVAL',
    'second ENTER EINVAL, when pinned EINVAL',
    'second ENTER EINVAL, when pinned EINVAL',
  ],
  ['exit-without-enter', 'EXIT EINVAL'],
  ['enter-with-bad-flags', 'EINVAL'],
  ['close-asleep', 'closed: asleep in D3cold, opened again: awake in D0'],
  [
    'close-resumed',
    'asleep in D3cold, closed: asleep in D3cold',
    'awake in D0, closed: asleep in D3cold',
    'awake in D0, closed: asleep in D3cold',
  ],
];

describe('the states of a device', () => {
  describe.each(ROWS)('%s', (name, ...outcomes) => {
    it.each([4, 5, 6])('on v4@%i', async (prefix) => {
      const run = await runScenario(scenarioByName(name), { revision: `v4@${prefix}` });
      expect(run.findings).toEqual([]);
      expect(run.outcome).toBe(outcomes.length === 1 ? outcomes[0] : outcomes[prefix - 4]);
    });
  });
});

describe('every scenario', () => {
  // VFs are probed under memory_lock; 4/6 takes that lock in close, under the lock which the probe takes.
  const INVERSION = ['sriov-pf-with-vfs', 'vf-enable-vs-close', 'sriov-enable-vs-d3hot-write'];

  it.each([...scenarios])('$name has no findings on v4@6', async (scenario) => {
    const run = await runScenario(scenario, { revision: 'v4@6' });
    const kinds = [...new Set(run.findings.map((f) => f.kind))];
    expect(kinds).toEqual(INVERSION.includes(scenario.name) ? ['lockdep-inversion'] : []);
  });

  it.each([...scenarios])('$name has no findings on the base, and says what is missing', async (scenario) => {
    const run = await runScenario(scenario, { revision: 'base' });
    expect(run.findings).toEqual([]);
    expect(run.outcome).not.toBe('');
    if (scenario.name === 'low-power-enter') expect(run.outcome).toBe(NONE);
  });
});
