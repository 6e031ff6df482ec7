// SPDX-License-Identifier: GPL-2.0-only
import { describe, expect, it } from 'vitest';
import { runScenario, type ScenarioRun, type Schedule, scenarios, Stage } from '../src/index.ts';

const SCHEDULES: Schedule[] = [
  { kind: 'default' },
  { kind: 'random', seed: 1 },
  { kind: 'random', seed: 2 },
  { kind: 'random', seed: 3 },
];

function all(run: ScenarioRun): unknown {
  return [run.outcome, run.findings, run.schedule, run.log, run.duration];
}

describe.each(['base', 'v4', 'v7'])('Stage on %s', (revision) => {
  it.each(scenarios.map((s) => s.name))('should give %s from a checkpoint as from a boot', async (name) => {
    const scenario = scenarios.find((s) => s.name === name) as (typeof scenarios)[number];
    const stage = await Stage.set(scenario, { revision });
    expect(stage.keep()).toBe(true);
    const booted: unknown[] = [];
    for (const schedule of SCHEDULES) booted.push(all(await runScenario(scenario, { revision, schedule })));
    // Each after each other one.
    for (let i = 0; i < SCHEDULES.length ** 2; i++) {
      const at = (i + Math.floor(i / SCHEDULES.length)) % SCHEDULES.length;
      expect(all(await stage.run(SCHEDULES[at]))).toEqual(booted[at]);
    }
  });

  it.each(scenarios.map((s) => s.name))('should give %s the end that its state leads to', async (name) => {
    const scenario = scenarios.find((s) => s.name === name) as (typeof scenarios)[number];
    const [whole, known] = [await Stage.set(scenario, { revision }), await Stage.set(scenario, { revision })];
    expect([whole.keep(), known.keep(true)]).toEqual([true, true]);
    // Each twice: the second time its state is known.
    for (const seed of [1, 2, 3, 4, 1, 2, 3, 4]) {
      const schedule: Schedule = { kind: 'random', seed };
      expect(all(await known.run(schedule))).toEqual(all(await whole.run(schedule)));
    }
  });
});
