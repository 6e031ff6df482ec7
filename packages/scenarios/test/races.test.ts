// SPDX-License-Identifier: GPL-2.0-only
import { KNOWN_RACES } from '@vfio-lab/testbed';
import { describe, expect, it } from 'vitest';
import { defineScenario, type ScenarioRun, scenarios, Stage } from '../src/index.ts';

const hit = new Set<unknown>();

async function runs(name: string, revision: string, seeds: number): Promise<ScenarioRun[]> {
  const scenario = scenarios.find((s) => s.name === name) as (typeof scenarios)[number];
  const stage = await Stage.set(scenario, { revision, races: 'places' });
  stage.keep();
  const list = [await stage.run()];
  for (let seed = 1; seed < seeds; seed++) list.push(await stage.run({ kind: 'random', seed }));
  for (const run of list) for (const { entry } of run.known) hit.add(entry);
  return list;
}

describe('data races on the fields of the driver', () => {
  it.each(['base', 'v3', 'v4', 'v7'])('%s: none but the known ones, in all scenarios', async (revision) => {
    for (const { name } of scenarios) {
      const found = (await runs(name, revision, 3)).flatMap((run) => run.findings);
      expect([name, found.filter((f) => f.kind === 'data-race').map((f) => f.text)]).toEqual([name, []]);
    }
  });

  it('every known one is still needed', () => {
    expect(KNOWN_RACES.filter((known) => !hit.has(known))).toEqual([]);
    for (const known of KNOWN_RACES) expect(known.reason.length).toBeGreaterThan(20);
  });

  it('a field of the driver that two threads change without its lock is told, with both functions', async () => {
    const bare = defineScenario({
      name: 'bare-write',
      about: 'Two threads change a flag of the driver, and nothing orders them',
      topology: 'own-power',
      setup: async (lab) => {
        await lab.open('0000:01:00.0');
      },
      programs: {
        one: async function one_side(lab) {
          await lab.testbed.configRead('0000:01:00.0', 0, 4);
          lab.vdev('0000:01:00.0').needs_reset = true;
        },
        two: async function other_side(lab) {
          await lab.testbed.configRead('0000:01:00.0', 0, 4);
          lab.vdev('0000:01:00.0').needs_reset = true;
        },
      },
    });
    for (const races of ['tasks', 'places'] as const) {
      const stage = await Stage.set(bare, { revision: 'v7', races });
      const found: ScenarioRun['findings'] = [];
      for (let seed = 1; seed < 6; seed++)
        found.push(...(await stage.run({ kind: 'random', seed })).findings);
      const race = found.find((f) => f.kind === 'data-race');
      expect(race?.text).toContain('vfio_pci_core_device.needs_reset');
      expect(race?.text).toContain('and nothing orders the two');
      expect(race?.fns.length).toBe(races === 'places' ? 1 : 0);
    }
  });
});
