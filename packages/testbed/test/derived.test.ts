// SPDX-License-Identifier: GPL-2.0-only
// Machines that nobody recorded, made from the recorded ones.
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { type IndexEntry, readIndex, recordingsDir, replay, type ReplayRequest } from '../src/index.ts';
import {
  loadMachine,
  renumberLine,
  renumberMachine,
  renumberScript,
  type Renumbering,
  storeMachine,
} from './derived.ts';

const SEED = Number(process.env['VFIO_LAB_SEED'] ?? 20_221_126);
const RUNS = Number(process.env['VFIO_LAB_RUNS'] ?? 25);

const recordings = recordingsDir();
const machines = path.join(recordings, 'machines');
const dir = mkdtempSync(path.join(tmpdir(), 'vfio-lab-'));
afterAll(() => rmSync(dir, { recursive: true }));
for (const sub of ['scripts', 'machines', 'traces/linux-renumbered'])
  mkdirSync(path.join(dir, sub), { recursive: true });
copyFileSync(path.join(recordings, 'volatile.json'), path.join(dir, 'volatile.json'));

const BUSES = 16;
const GROUPS = 32;
/** Slots of the root bus that move: the others hold what a chipset has in fixed places. */
const MOVING_SLOTS = Array.from({ length: 0x0b }, (_, i) => 1 + i);

/**
 * Buses keep their order and get gaps between them; so do the slots of the root bus, in steps of four, with which the
 * interrupt lines stay; groups swap their numbers, of which none is free, as a kernel gives them.
 */
const renumbering: fc.Arbitrary<(groups: number) => Renumbering> = fc
  .record({
    gaps: fc.array(fc.integer({ min: 0, max: 12 }), { minLength: BUSES, maxLength: BUSES }),
    steps: fc.tuple(fc.integer({ min: 1, max: 0x0b }), fc.integer({ min: 0, max: 3 })),
    groups: fc.shuffledSubarray(
      Array.from({ length: GROUPS }, (_, i) => i),
      { minLength: GROUPS, maxLength: GROUPS },
    ),
  })
  .map(({ gaps, steps: [from, by], groups }) => (count) => {
    const bus = new Map<number, number>();
    let last = 0;
    for (let b = 1; b <= BUSES; b++) bus.set(b, (last += 1 + gaps[b - 1]));
    return {
      bus,
      rootSlot: new Map(MOVING_SLOTS.map((s) => [s, s >= from ? s + 4 * by : s])),
      group: new Map(groups.filter((g) => g < count).map((g, i) => [i, g])),
    };
  });

/** A recording as it would be on the machine with new numbers, as files. */
function renumbered(e: IndexEntry, numbers: (groups: number) => Renumbering): ReplayRequest {
  const machine = loadMachine(machines, e.machineName);
  const r = numbers(new Set(machine.devices.map((d) => d.iommu_group)).size);
  const script = path.join(dir, 'scripts', `${e.name}.vt`);
  const against = path.join(dir, 'traces/linux-renumbered', path.basename(e.against));
  writeFileSync(script, renumberScript(readFileSync(e.script, 'utf8'), r));
  const lines = readFileSync(e.against, 'utf8').trim().split('\n');
  writeFileSync(against, lines.map((l) => JSON.stringify(renumberLine(l, r))).join('\n'));
  return {
    script,
    machine: storeMachine(path.join(dir, 'machines'), e.machineName, renumberMachine(machine, r)),
    revision: e.revision,
    against,
  };
}

describe(`machines with other numbers (seed ${SEED})`, () => {
  const entries = readIndex(recordings).filter((e) => e.sharedBoot === false);

  it('answer a script with other numbers with the recording with other numbers', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...entries), renumbering, async (e, r) => {
        const { differences } = await replay(renumbered(e, r));
        expect(differences.slice(0, 3), path.basename(e.against)).toEqual([]);
      }),
      { seed: SEED, numRuns: RUNS },
    );
  });
});
