// SPDX-License-Identifier: GPL-2.0-only
// The engine of the contention lab: speed, growth, memory, and every point of theory.
import { mutex, mutex_lock, mutex_unlock } from '@vfio-lab/locking';
import { describeTopology, type TopologyDevice, type VfioDevice } from '@vfio-lab/testbed';
import {
  closedNetwork,
  defineWorkload,
  loadCosts,
  meanValueAnalysis,
  openQueue,
  openWait,
  runWorkload,
  simulate,
} from '../src/index.ts';
import { record } from './measure.ts';

const MS = 1e6;
const two = (n: number): string => n.toString(16).padStart(2, '0');

/** Lock operations (each taking and each giving up is one) a second of processor time, best of three. */
async function speed(tasks: number, cpus: number, locks: number): Promise<number> {
  let best = 0;
  for (let round = 0; round < 3; round++) {
    let left = 150_000;
    const start = process.cpuUsage();
    await simulate({ cpus, costs: loadCosts().ns }, (engine) => {
      const all = Array.from({ length: locks }, (_, i) => new mutex(`&dev${i}->mutex`));
      return Array.from({ length: tasks }, (_, i) => async () => {
        while (left-- > 0) {
          await mutex_lock(all[i % locks]);
          await engine.work(100);
          await mutex_unlock(all[i % locks]);
        }
      });
    });
    const { user, system } = process.cpuUsage(start);
    best = Math.max(best, (2 * 150_000 * 1e6) / (user + system));
  }
  return best;
}

process.stdout.write('simulated lock operations a second (budget 300,000)\n');
let slow = false;
const shapes = [
  [1, 1, 1],
  [8, 8, 1],
  [64, 64, 1],
  [64, 16, 256],
  [256, 64, 256],
  [1024, 64, 256],
] as const;
for (const [tasks, cpus, locks] of shapes) {
  const rate = await speed(tasks, cpus, locks);
  slow ||= rate < 300_000;
  process.stdout.write(
    `  ${tasks} tasks, ${cpus} processors, ${locks} locks`.padEnd(46) +
      `${Math.round(rate).toLocaleString('en')}\n`,
  );
}

/** Registers of many devices, every task on its own device as far as there are so many. */
function fleet(devices: number): ReturnType<typeof defineWorkload> {
  const buses = Math.ceil(devices / 64);
  const list: TopologyDevice[] = [
    { bdf: '0000:00:00.0', what: 'host bridge', vendor: '8086', device: '29c0', class: '060000', group: 0 },
  ];
  const bdfs: string[] = [];
  for (let bus = 1; bus <= buses; bus++) {
    list.push({
      bdf: `0000:00:${two(bus)}.0`,
      what: 'root port',
      vendor: '8086',
      device: '1901',
      class: '060400',
      secondary: bus,
      pin: 'A',
      group: bus,
    });
  }
  for (let i = 0; i < devices; i++) {
    const bdf = `0000:${two(1 + (i >> 6))}:${two((i & 63) >> 3)}.${i & 7}`;
    bdfs.push(bdf);
    list.push({
      bdf,
      what: 'card',
      vendor: '1ab0',
      device: '0002',
      class: 'ff0000',
      bars: { 0: '1000' },
      pm: { noSoftRst: true },
      pcie: true,
      model: 'lab-intx',
      group: 100 + i,
    });
  }
  return defineWorkload({
    name: 'fleet',
    about: 'registers of many devices',
    topology: describeTopology({
      name: 'fleet',
      about: '',
      biosYear: 2020,
      devices: list,
      powerResources: [],
    }),
    arrival: { model: 'closed', think: 10_000, distribution: 'exponential' },
    requests: (tasks) => 8 * tasks,
    setup: async (bench) => {
      if (bench.testbed.process.files !== null)
        bench.testbed.process.files.rlimit_nofile = 4 * devices + 1024;
      const open: VfioDevice[] = [];
      for (const bdf of bdfs) open.push(await bench.open(bdf));
      return open;
    },
    request: async (bench, open, { index }) => {
      await bench.call('pread config', () => open[index % open.length].readConfig(0x44, 2));
    },
  });
}

process.stdout.write('the driver of v7, 8 reads a task, processor time of the whole run\n');
for (const [tasks, devices] of [
  [64, 16],
  [256, 64],
  [1024, 256],
] as const) {
  const start = process.cpuUsage().user;
  await runWorkload({ workload: fleet(devices), revision: 'v7', tasks, cpus: 64, seed: 1 });
  const seconds = (process.cpuUsage().user - start) / 1e6;
  process.stdout.write(
    `  ${tasks} tasks, ${devices} devices`.padEnd(46) +
      `${seconds.toFixed(2)} s, ${((seconds * 1e3) / tasks).toFixed(2)} ms a task\n`,
  );
}

const rss = process.resourceUsage().maxRSS / 1024;
process.stdout.write(`memory, at the most: ${rss.toFixed(0)} MiB (budget 1024)\n`);

if (process.argv.includes('--theory') || process.env['VFIO_LAB_THEORY'] === '1') {
  let worst = 0;
  for (let n = 1; n <= 64; n++) {
    const want = meanValueAnalysis(n, 4 * MS, MS);
    const got = await closedNetwork(n, 4 * MS, MS, n < 6 ? 600_000 : 250_000, 1);
    const off = Math.max(
      Math.abs(got.throughput / want.throughput - 1),
      n === 1 ? 0 : Math.abs(got.wait / want.wait - 1),
    );
    worst = Math.max(worst, off);
    if (off > 0.01) process.stdout.write(`  N = ${n}: ${(off * 100).toFixed(2)} % off\n`);
  }
  process.stdout.write(
    `closed network, N = 1..64: at most ${(worst * 100).toFixed(2)} % from mean value analysis (budget 1 %)\n`,
  );
  for (const fixed of [false, true]) {
    for (const [load, customers] of [
      [0.5, 1_000_000],
      [0.8, 3_000_000],
      [0.9, 6_000_000],
    ] as const) {
      const { wait } = await openQueue(load, MS, fixed, customers, 1);
      const off = wait / openWait(load, MS, fixed ? 0 : 1) - 1;
      process.stdout.write(
        `${fixed ? 'M/D/1' : 'M/M/1'} at ${load}: wait ${(off * 100).toFixed(2)} % off (budget 2 %)\n`,
      );
    }
  }
}
record('lock operations below budget', slow ? 1 : 0);
if (slow || rss > 1024) process.exitCode = 1;
