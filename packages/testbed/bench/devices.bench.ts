// SPDX-License-Identifier: GPL-2.0-only
// Machines with many devices on 64 buses: boot, probe by vfio-pci, open, low power, close. Time and memory a device
// must not grow with their number.
import { spawnSync } from 'node:child_process';
import { VFIO_DEVICE_FEATURE_SET } from '@vfio-lab/headers';
import { sleep_ns } from '@vfio-lab/sim';
import {
  bootTestbed,
  describeTopology,
  type MachineDescription,
  type TopologyDevice,
  User,
  type VfioDevice,
  VfioSession,
} from '../src/index.ts';

const BUSES = 64;
const SIZES = [256, 512, 1024, 2048, 4096];
/** Above this it is not linear. */
const MOST_GROWTH = 1.5;
const LOW_POWER_ENTRY = 3;
const SETTLE_NS = 1e9;

const two = (n: number): string => n.toString(16).padStart(2, '0');

/** `count` functions with an interrupt, power management and a BAR each, spread over 64 buses behind a root port each. */
function manyDevices(count: number): MachineDescription {
  const devices: TopologyDevice[] = [
    { bdf: '0000:00:00.0', what: 'host bridge', vendor: '8086', device: '29c0', class: '060000', group: 0 },
  ];
  for (let bus = 1; bus <= BUSES; bus++) {
    const at = bus + 7;
    const bdf = `0000:00:${two(at >> 3)}.${at & 7}`;
    const port = {
      what: 'root port',
      vendor: '8086',
      device: '1901',
      class: '060400',
      pm: { noSoftRst: true },
    };
    devices.push({ ...port, bdf, secondary: bus, pin: 'A', msi: true, group: bus });
  }
  for (let bus = 1; bus <= BUSES; bus++) {
    for (let i = 0; i < count / BUSES; i++) {
      const bdf = `0000:${two(bus)}:${two(i >> 3)}.${i & 7}`;
      const card = {
        what: 'card',
        vendor: '1ab0',
        device: '0002',
        class: 'ff0000',
        pin: 'A',
        bars: { 0: '1000' },
      };
      devices.push({
        ...card,
        bdf,
        pm: { noSoftRst: true },
        pcie: true,
        msi: true,
        model: 'lab-intx',
        group: 1000 + bus * 256 + i,
      });
    }
  }
  return describeTopology({
    name: `${count} devices`,
    about: '',
    biosYear: 2020,
    devices,
    powerResources: [],
  });
}

interface Figures {
  count: number;
  /** ms of processor time a phase: what else runs on the computer does not count. */
  phases: Record<string, number>;
  heap: number;
}

async function measure(count: number): Promise<Figures> {
  const phases: Record<string, number> = {};
  const gc = globalThis.gc ?? ((): void => undefined);
  gc();
  const before = process.memoryUsage().heapUsed;
  const timed = async <T>(phase: string, body: () => T | Promise<T>): Promise<T> => {
    const started = process.cpuUsage();
    const value = await body();
    const { user, system } = process.cpuUsage(started);
    phases[phase] = (user + system) / 1000;
    return value;
  };
  const machine = await timed('describe', () => manyDevices(count));
  const bdfs = machine.devices.filter((d) => !d.bdf.startsWith('0000:00:')).map((d) => d.bdf);
  const testbed = await timed('boot', () => bootTestbed({ revision: 'v7', machine }));
  if (testbed.process.files !== null) testbed.process.files.rlimit_nofile = 4 * count + 1024;
  // A container for each bus, as 64 monitors would have: type1 looks through all groups of one at every attach.
  const sessions = new Map<string, VfioSession>();
  const sessionOf = (bdf: string): VfioSession => {
    const bus = bdf.slice(5, 7);
    let session = sessions.get(bus);
    if (session === undefined) sessions.set(bus, (session = new VfioSession(new User(testbed.process))));
    return session;
  };
  const open: VfioDevice[] = [];
  await testbed.asUser(async () => {
    await timed('probe', async () => {
      for (const bdf of bdfs) await testbed.bindVfio(bdf);
      await sleep_ns(SETTLE_NS);
    });
    await timed('open', async () => {
      for (const bdf of bdfs) open.push(await sessionOf(bdf).open(bdf, testbed.groupOf(bdf)));
    });
    await timed('low power', async () => {
      for (const dev of open) {
        const { ret } = await dev.feature(VFIO_DEVICE_FEATURE_SET | LOW_POWER_ENTRY, new Uint8Array());
        if (ret !== 0) throw new Error(`low power on ${dev.bdf}: ${ret}`);
      }
      await sleep_ns(SETTLE_NS);
      for (const { bdf } of open) {
        const count = testbed.pciDevice(bdf).dev.power.usage_count.counter;
        if (count !== 0) throw new Error(`${bdf}: usage count ${count} in low power`);
      }
    });
  });
  gc();
  const heap = process.memoryUsage().heapUsed - before;
  await testbed.asUser(() => timed('close', () => testbed.exitProcess()));
  const [finding] = testbed.machine.findings;
  if (finding !== undefined) throw new Error(`${finding.kind}: ${finding.text}`);
  return { count, phases, heap };
}

/** One size in a process of its own: another's heap and compiled code would show. */
function inProcess(count: number): Figures {
  const args = ['--expose-gc', '--import', './tools/register.mjs', import.meta.filename, String(count)];
  const child = spawnSync(process.execPath, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  if (child.status !== 0) throw new Error(`measuring ${count} devices failed`);
  return JSON.parse(child.stdout) as Figures;
}

const asked = process.argv[2];
if (asked !== undefined) {
  // Once to compile and to load what is loaded on first use.
  await measure(BUSES);
  process.stdout.write(JSON.stringify(await measure(Number(asked))));
} else {
  const all = SIZES.map(inProcess);
  const names = Object.keys(all[0].phases);
  const row = (cells: string[]): void =>
    void process.stdout.write(`${cells.map((c) => c.padStart(12)).join('')}\n`);
  row(['devices', ...names, 'total', 'heap']);
  const totals = all.map(({ phases }) => Object.values(phases).reduce((sum, ms) => sum + ms, 0));
  for (const [i, { count, phases, heap }] of all.entries()) {
    const times = [...Object.values(phases), totals[i]];
    row([String(count), ...times.map((ms) => `${ms.toFixed(0)} ms`), `${(heap / 2 ** 20).toFixed(0)} MiB`]);
    row([
      'each',
      ...times.map((ms) => `${((ms * 1000) / count).toFixed(0)} us`),
      `${(heap / 1024 / count).toFixed(1)} KiB`,
    ]);
  }
  // The smallest sizes are mostly the compiler's: growth shows from the middle on.
  const middle = all.length >> 1;
  const growth = (of: (i: number) => number): number =>
    of(all.length - 1) / all[all.length - 1].count / (of(middle) / all[middle].count);
  const time = growth((i) => totals[i]);
  const memory = growth((i) => all[i].heap);
  process.stdout.write(
    `processor time; ${all[all.length - 1].count} devices against ${all[middle].count}: ` +
      `${time.toFixed(2)} times the time and ${memory.toFixed(2)} times the memory a device\n`,
  );
  if (time > MOST_GROWTH || memory > MOST_GROWTH) process.exitCode = 1;
}
