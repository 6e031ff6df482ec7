// SPDX-License-Identifier: GPL-2.0-only
// What each part of v4 is good for: without it, the scenario that needs it has the finding that it prevents.
import { describe, expect, it } from 'vitest';
import { runScenario, scenarioByName, searchRandom } from '../src/index.ts';

const kindsOf = async (name: string, revision: string): Promise<string[]> => {
  const run = await runScenario(scenarioByName(name), { revision });
  return [...new Set(run.findings.map((f) => f.kind))];
};

describe('without a part of v4', () => {
  it('flag-in-handler: a device that is still in D0 interrupts for ever', async () => {
    expect(await kindsOf('intx-while-suspended-in-d0', 'v4+flag-in-handler')).toContain('irq-storm');
  });

  it('no-intx-mask: the handler of a shared line reads a device without power', async () => {
    expect(await kindsOf('neighbour-interrupt-in-d3cold', 'v4+no-intx-mask')).toContain('d3cold-access');
  });

  it('no-ioctl-reference: an ioctl touches a device without power', async () => {
    expect(await kindsOf('ioctl-asleep', 'v4+no-ioctl-reference')).toContain('d3cold-access');
  });

  it('before 4/6: hot reset leaves an unused function in D0 that counts as asleep', async () => {
    const hotReset = scenarioByName('hot-reset-unused-member');
    expect((await runScenario(hotReset, { revision: 'v4@3' })).outcome).toBe(
      'reset ok, unused one asleep in D0',
    );
    expect((await runScenario(hotReset, { revision: 'v4@4' })).outcome).toBe(
      'reset ok, unused one asleep in D3hot',
    );
  });
});

/** Races: scenario, the variant that has it, its finding. */
const RACES = [
  ['config-access-vs-low-power-entry', 'v4+no-usage-reference', 'd3cold-access'],
  ['reenter-vs-host-access', 'v4+exit-order', 'undirected-suspend'],
  ['enter-vs-ioctl', 'v4+no-ioctl-reference', 'd3cold-access'],
] as const;

describe.each(RACES)('%s', (name, variant, kind) => {
  it(`on ${variant}: ${kind} within 1,000 random schedules, and the schedule replays`, async () => {
    const scenario = scenarioByName(name);
    const search = await searchRandom(scenario, variant, 1000, { stop: (_done, r) => r.findings.has(kind) });
    const found = search.findings.get(kind);
    expect(found, `${search.runs} schedules`).toBeDefined();
    if (found === undefined) return;
    const { schedule: token, findings } = found.first;
    const replay = await runScenario(scenario, { revision: variant, schedule: { kind: 'replay', token } });
    expect(replay.leftAt).toBe(-1);
    expect(replay.findings).toEqual(findings);
    expect(replay.schedule).toBe(token);
  });

  it('on v4: nothing, under the first 100 random schedules', async () => {
    const search = await searchRandom(scenarioByName(name), 'v4', 100);
    expect(search.runs).toBe(100);
    expect([...search.findings.keys()]).toEqual([]);
  });
});

describe('vf-enable-vs-close', () => {
  it('deadlocks from 4/6 on, and not before', async () => {
    const scenario = scenarioByName('vf-enable-vs-close');
    const before = await searchRandom(scenario, 'v4@3', 50);
    expect([...before.findings.keys()]).toEqual([]);
    const after = await searchRandom(scenario, 'v4@4', 100, {
      stop: (_done, r) => r.findings.has('deadlock'),
    });
    const text =
      after.findings.get('deadlock')?.first.findings.find((f) => f.kind === 'deadlock')?.text ?? '';
    expect(text).toContain('host waits for &new_dev_set->lock holding');
    expect(text).toContain('guest waits for &vdev->memory_lock holding');
  });
});
