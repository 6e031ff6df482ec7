// SPDX-License-Identifier: GPL-2.0-only
import { pci } from '@vfio-lab/pci';
import { BASE_FILES, functionsOf, type Revision } from '@vfio-lab/series';
import { join, machine, RunToBlock, spawn, type Task } from '@vfio-lab/sim';
import { bootTestbed, type MachineDescription } from '@vfio-lab/testbed';
import { type CostModel, loadCosts } from './costs.ts';
import { Engine } from './engine/engine.ts';
import { HAND_OVER } from './engine/gate.ts';
import { emptyAccount, type Account } from './engine/thread.ts';
import { Stream } from './random.ts';
import { callResult, lockResults, percentile, type RunResult, type Shares } from './result.ts';
import { ContentionStat } from './stat.ts';
import { type Arrival, Bench, type Client, type Workload } from './workload.ts';

export interface RunOptions {
  workload: Workload;
  revision: string;
  tasks: number;
  cpus: number;
  seed: number;
  costs?: CostModel;
  /** A name in HAND_OVER; left out: linux. */
  handOver?: string;
  arrival?: Arrival;
  /** Requests of all tasks together; left out: what the workload says. */
  requests?: number;
  /** Keep who did and held what, for the timeline. */
  timeline?: boolean;
}

/**
 * Run a workload on the driver of a revision and measure it. A run is a function of its options.
 *
 * @throws InputError for an unknown revision
 */
export async function runWorkload(opts: RunOptions): Promise<RunResult> {
  const { workload, tasks } = opts;
  const costs = opts.costs ?? loadCosts();
  const arrival = opts.arrival ?? workload.arrival;
  const requests = opts.requests ?? workload.requests(tasks);
  const testbed = await bootTestbed({
    ...machineOf(workload),
    revision: opts.revision,
    instrument: true,
  });
  const bench = new Bench(testbed, costs.ns);
  const stat = new ContentionStat(opts.timeline === true);
  const account = emptyAccount();
  const latencies: number[] = [];
  let duration = 0;
  await testbed.asUser(async () => {
    useHardwareCosts(costs);
    const state = await workload.setup(bench, tasks);
    // What the set-up left to workers is over before the first request.
    await bench.settle();
    machine.lock_observer = stat;
    const engine = new Engine(machine, {
      cpus: opts.cpus,
      costs: costs.ns,
      handOver: HAND_OVER[opts.handOver ?? 'linux'],
      watch: stat,
    });
    stat.engine = engine;
    bench.engine = engine;
    const start = engine.now;
    engine.start();
    const plan = arrivalPlan(arrival, opts.seed, tasks, start);
    let begun = 0;
    const clients: Task[] = [];
    for (let index = 0; index < tasks; index++) {
      const client = { index, tasks, done: 0, random: new Stream(opts.seed, 2 * index + 1) };
      clients.push(
        spawn(`task${index}`, async () => {
          while (begun < requests) {
            begun++;
            const since = await plan.wait(engine, client);
            await workload.request(bench, state, client);
            latencies.push(engine.now - since);
            client.done++;
          }
        }),
      );
    }
    for (const task of clients) {
      await join(task);
      addAccount(account, engine.thread(task).account);
    }
    duration = engine.now - start;
    engine.finish();
    machine.lock_observer = null;
    machine.policy = new RunToBlock();
    bench.engine = null;
    await bench.settle();
    await testbed.exitProcess();
  });
  latencies.sort((a, b) => a - b);
  return {
    workload: workload.name,
    revision: opts.revision,
    tasks,
    cpus: opts.cpus,
    seed: opts.seed,
    handOver: opts.handOver ?? 'linux',
    arrival,
    exact: workload.random !== true && arrival.model === 'closed' && arrival.distribution === 'fixed',
    requests: latencies.length,
    duration,
    throughput: (latencies.length / duration) * 1e9,
    latency: latencies.reduce((sum, ns) => sum + ns, 0) / latencies.length,
    p99: percentile(latencies, 0.99),
    shares: sharesOf(account),
    calls: [...bench.latencies].map(([name, list]) => callResult(name, list, duration)),
    locks: lockResults(stat.classes),
    findings: testbed.machine.findings.map((f) => ({ kind: f.kind, text: f.text })),
    spans: stat.spans,
    modules: modulesOf(testbed.revision),
  };
}

function machineOf({ topology }: Workload): { topology: string } | { machine: MachineDescription } {
  return typeof topology === 'string' ? { topology } : { machine: topology };
}

/** What devices cost and how long they take to wake up is the machine's, and comes from the cost file here. */
function useHardwareCosts(model: CostModel): void {
  const { ns } = model;
  const core = pci();
  Object.assign(core.costs, {
    config: ns.config_read,
    config_write: ns.config_write,
    mmio_read: ns.mmio_read,
    mmio_write: ns.mmio_write,
    port: ns.port,
  });
  core.pci_pm_d3hot_delay = 0;
  for (const pdev of core.devices) {
    pdev.d3hot_delay = ns.d3hot_exit / 1e6;
    pdev.d3cold_delay = ns.d3cold_exit / 1e6;
  }
}

interface Plan {
  /** Wait for the next request of this client; the time at which the request came. */
  wait(engine: Engine, client: Client): Promise<number>;
}

function arrivalPlan(arrival: Arrival, seed: number, tasks: number, start: number): Plan {
  if (arrival.model === 'closed') {
    const streams = Array.from({ length: tasks }, (_, i) => new Stream(seed, 2 * i + 2));
    return {
      async wait(engine, { index }) {
        const { think } = arrival;
        await engine.think(arrival.distribution === 'fixed' ? think : streams[index].exponential(think));
        return engine.now;
      },
    };
  }
  const stream = new Stream(seed, 0);
  const gap = 1e9 / arrival.perSecond;
  let next = start;
  return {
    async wait(engine) {
      next += stream.exponential(gap);
      const at = next;
      if (at > engine.now) await engine.think(at - engine.now);
      return at;
    },
  };
}

function addAccount(sum: Account, one: Account): void {
  for (const key of ['think', 'run', 'hardware', 'ready', 'sleep'] as const) sum[key] += one[key];
  for (const [name, ns] of one.locks) sum.locks.set(name, (sum.locks.get(name) ?? 0) + ns);
}

function sharesOf(account: Account): Shares {
  const { run, hardware, ready, sleep, locks } = account;
  let total = run + hardware + ready + sleep;
  for (const ns of locks.values()) total += ns;
  if (total === 0) total = 1;
  return {
    run: run / total,
    hardware: hardware / total,
    ready: ready / total,
    sleep: sleep / total,
    locks: [...locks].map(([name, ns]) => ({ name, share: ns / total })).sort((a, b) => b.share - a.share),
  };
}

const MODULES: Readonly<Record<string, string>> = {
  'drivers/vfio/vfio.c': 'vfio',
  'drivers/vfio/vfio_main.c': 'vfio',
  'drivers/vfio/virqfd.c': 'vfio_virqfd',
  'drivers/vfio/pci/vfio_pci.c': 'vfio_pci',
};

/** The kernel module that each driver function is in. */
function modulesOf(revision: Revision): Record<string, string> {
  const modules: Record<string, string> = {};
  const add = (file: string, names: Iterable<string>): void => {
    for (const name of names) modules[name] = MODULES[file] ?? 'vfio_pci_core';
  };
  for (const [file, module] of Object.entries(BASE_FILES)) add(file, functionsOf(module).keys());
  for (const { patch } of revision.series?.patches ?? []) {
    for (const [file, names] of Object.entries(patch.functions)) add(file, names);
  }
  return modules;
}
