// SPDX-License-Identifier: GPL-2.0-only
// Machines that nobody recorded, made from the recorded ones.
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import {
  bootTestbed,
  type IndexEntry,
  parseScript,
  readMachineFile,
  readIndex,
  recordingsDir,
  replay,
  type ReplayRequest,
  runScript,
  type TraceLine,
} from '../src/index.ts';
import { applyEdit, type Edit, edits } from './derived-edits.ts';
import {
  type DeviceJson,
  isEndpoint,
  loadMachine,
  type MachineJson,
  moveCapabilities,
  renumberLine,
  renumberMachine,
  renumberScript,
  type Renumbering,
  storeMachine,
} from './derived.ts';

const SEED = Number(process.env['VFIO_LAB_SEED'] ?? 20_221_126);
const RUNS = Number(process.env['VFIO_LAB_RUNS'] ?? 15);

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

/** What every function must stand: information, config space, interrupts, low power, resets. */
function scriptFor(m: MachineJson, bdf: string): string {
  const group = m.devices.find((d) => d.bdf === bdf)?.iommu_group;
  const members = m.devices.filter((d) => d.iommu_group === group && isEndpoint(d)).map((d) => d.bdf);
  const sweep = Array.from({ length: 64 }, (_, i) => 4 * i).filter((off) => off !== 4);
  return [
    'load_vfio',
    ...members.map((b) => `bind ${b}`),
    'container C',
    `group G ${bdf}`,
    'set_container G C',
    'set_iommu C 1',
    `device D G ${bdf}`,
    'info D',
    ...Array.from({ length: 10 }, (_, i) => `region D ${i} argsz=512`),
    ...Array.from({ length: 6 }, (_, i) => `irq D ${i}`),
    'hotreset_info D argsz=4096',
    'rd D cfg 0 256',
    'rd D cfg 0 4096',
    'wr D cfg 4 2 7',
    'efd E',
    ...['intx', 'msi', 'msix'].flatMap((irq) => [
      `set_irqs D DEFD|TRIGGER ${irq} 0 1 efd:E`,
      `set_irqs D DNONE|TRIGGER ${irq} 0 1`,
      'efd_rd E 20',
      `set_irqs D DNONE|TRIGGER ${irq} 0 0`,
    ]),
    ...Array.from({ length: 6 }, (_, i) => `rd D bar${i} 0 4`),
    'mmap M D bar0 0 0x1000 rw',
    'mrd M 0 4',
    'feature D SET|LP_ENTRY',
    `syswait ${bdf}/power/runtime_status suspended 1000`,
    'mrd M 0 4',
    'rd D bar0 0 4',
    `hostcfg_r ${bdf} 0 64`,
    'feature D SET|LP_EXIT',
    ...sweep.flatMap((off) => [
      `rd D cfg ${off} 4`,
      `wr D cfg ${off} 4 0xffffffff`,
      `rd D cfg ${off} 4`,
      `wr D cfg ${off} 4 0`,
    ]),
    'reset D',
    'hotreset D fds:G',
    'munmap M',
    'close D',
    `unbind ${bdf}`,
    `pm ${bdf}`,
  ].join('\n');
}

async function run(machine: MachineJson, script: string): Promise<TraceLine[]> {
  const file = storeMachine(path.join(dir, 'machines'), 'derived', machine);
  const testbed = await bootTestbed({
    revision: 'v7',
    machine: readMachineFile(file),
    kernel: 'v6.1.192',
    maxSteps: 2_000_000,
  });
  const lines: TraceLine[] = [];
  await runScript(testbed, parseScript(script, 'derived.vt'), (l) => lines.push(l));
  for (const f of testbed.machine.findings) lines.push({ n: 0, op: 'finding', kind: f.kind, text: f.text });
  return lines;
}

function edited(name: string, changes: readonly Edit[]): MachineJson {
  const m = loadMachine(machines, name);
  for (const change of changes) applyEdit(m, change);
  return m;
}

describe(`machines with other devices (seed ${SEED})`, () => {
  it('boot, and every function answers every operation', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('machineA', 'machineB', 'machineP'),
        edits,
        fc.nat(),
        async (name, changes, which) => {
          const m = edited(name, changes);
          const endpoints = m.devices.filter(isEndpoint);
          fc.pre(endpoints.length > 0);
          const { bdf } = endpoints[which % endpoints.length];
          const script = scriptFor(m, bdf);
          const lines = await run(m, script);
          expect(lines.filter((l) => l.n === 0)).toEqual([]);
          expect(lines).toHaveLength(script.split('\n').length);
          expect(lines.find((l) => l.op === `bind ${bdf}`)).toMatchObject({ driver: 'vfio-pci' });
          expect(lines.at(-1)).toMatchObject({ power_state: 'D0', runtime_usage: '1' });
        },
      ),
      { seed: SEED, numRuns: RUNS },
    );
  });
});

describe(`capabilities in other places (seed ${SEED})`, () => {
  it.each(['0000:02:00.0', '0000:03:00.0', '0000:01:00.0'])('of %s work there', async (bdf) => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(0xffff), { minLength: 16, maxLength: 16 }), async (how) => {
        const m = loadMachine(machines, 'machineA');
        const d = m.devices.find((x) => x.bdf === bdf) as DeviceJson;
        let next = 0;
        const at = moveCapabilities(m, d, (n) => how[next++ % how.length] % n);
        const [pm, msi, msix] = [0x01, 0x05, 0x11].map((id) => at.get(id));
        const lines = await run(
          m,
          [
            `load_vfio\nbind ${bdf}\ncontainer C\ngroup G ${bdf}\nset_container G C\nset_iommu C 1\ndevice D G ${bdf}`,
            'irq D msi\nirq D msix\nefd E\nwr D cfg 4 2 6',
            ...(msi === undefined
              ? []
              : [
                  'set_irqs D DEFD|TRIGGER msi 0 1 efd:E',
                  `hostcfg_r ${bdf} ${msi + 2} 1`,
                  'set_irqs D DNONE|TRIGGER msi 0 0',
                ]),
            ...(msix === undefined
              ? []
              : ['set_irqs D DEFD|TRIGGER msix 0 1 efd:E', `hostcfg_r ${bdf} ${msix + 3} 1`]),
            ...(pm === undefined ? [] : [`wr D cfg ${pm + 4} 2 3`, `pm ${bdf}`]),
          ].join('\n'),
        );
        const result = (op: string): TraceLine => lines.find((l) => l.op.startsWith(op)) as TraceLine;
        expect(lines.filter((l) => l.rc === -1 || l.n === 0)).toEqual([]);
        expect([result('irq D msi').count, result('irq D msix').count].map((n) => Number(n) > 0)).toEqual([
          msi !== undefined,
          msix !== undefined,
        ]);
        const byte = (l: TraceLine): number => parseInt(l.data as string, 16);
        if (msi !== undefined) expect(byte(result(`hostcfg_r ${bdf} ${msi + 2} 1`)) & 1).toBe(1);
        if (msix !== undefined) expect(byte(result(`hostcfg_r ${bdf} ${msix + 3} 1`)) & 0x80).toBe(0x80);
        if (pm !== undefined) expect(result('pm ').power_state).toBe('D3hot');
      }),
      { seed: SEED, numRuns: Math.ceil(RUNS / 5) },
    );
  });
});
