// SPDX-License-Identifier: GPL-2.0-only
// The lock order of a revision: what lockdep learns on the paths of the driver.
import { VFIO_DEVICE_IOEVENTFD, VFIO_DEVICE_SET_IRQS } from '@vfio-lab/headers';
import { set_debug_shirq } from '@vfio-lab/irq';
import { down_write, type LockClass, type LockEdge, up_write, usage_of } from '@vfio-lab/locking';
import { current, join, spawn, wait_until } from '@vfio-lab/sim';
import { type Bench, CARD, PMCSR, runBench } from '../claims/bench.ts';

export interface LockGraph {
  revision: string;
  /** Lock classes that were taken, by name. */
  classes: string[];
  /** How each was taken: the four characters of lockdep. */
  usage: Record<string, string>;
  /** Held and taken, with the path that first made it and the C functions, outermost first. */
  edges: (LockEdge & { path: string })[];
  /** The same for locks that were only tried for: these make no order, as nobody waits. */
  tried: (LockEdge & { path: string })[];
  /** What lockdep reported, by path. */
  findings: { path: string; kind: string; text: string }[];
  /** Classes that are taken in a circle, over all paths: the start is named again at the end. */
  cycles: string[][];
}

interface Path {
  readonly name: string;
  readonly topology: string;
  readonly options?: string;
  readonly open?: readonly string[];
  run(b: Bench): Promise<void>;
}

const AUDIO = '0000:01:00.1';
const NUMVFS = `/sys/bus/pci/devices/${CARD}/sriov_numvfs`;
const AUTOPROBE = `/sys/bus/pci/devices/${CARD}/sriov_drivers_autoprobe`;
const INTX = 0;
const MSI = 1;

const words = (...w: number[]): Uint8Array => new Uint8Array(Uint32Array.from(w).buffer);

/** ENTER, where there is such a thing, until the device is asleep. */
async function sleep(b: Bench): Promise<void> {
  if (b.low.has.lowPower) await b.sleep();
}

async function wake(b: Bench): Promise<void> {
  if (b.low.has.lowPower) await b.exit();
  await b.settle();
}

const PATHS: readonly Path[] = [
  {
    name: 'interrupts',
    topology: 'ports',
    run: async (b) => {
      const { dev, user } = b;
      const fd = await user.eventfd();
      await dev.setTrigger(INTX, fd);
      await b.lab.ring(CARD);
      await b.settle();
      await b.lab.acknowledge(dev);
      await dev.unmaskIrq(INTX);
      await dev.maskIrq(INTX);
      // unmasked by an eventfd
      const unmask = await user.eventfd();
      await user.ioctlBytes(dev.fd, VFIO_DEVICE_SET_IRQS, words(24, 4 | 16, INTX, 0, 1, unmask));
      await user.eventfdWrite(unmask, 1n);
      await b.settle();
      await dev.writeConfig(4, 2, 0x406);
      await dev.writeConfig(4, 2, 6);
      await dev.disableIrq(INTX);
      await dev.setTrigger(MSI, fd);
      await dev.disableIrq(MSI);
      await dev.setTrigger(MSI, fd);
      await dev.setTrigger(3, fd);
      await dev.setTrigger(4, fd);
      await dev.close();
    },
  },
  {
    name: 'ioeventfd',
    topology: 'ports',
    run: async (b) => {
      const fd = await b.user.eventfd();
      await b.user.ioctlBytes(b.dev.fd, VFIO_DEVICE_IOEVENTFD, words(32, 4, 0x20, 0, 1, 0, fd, 0));
      await b.user.eventfdWrite(fd, 1n);
      await b.settle();
      await b.user.ioctlBytes(
        b.dev.fd,
        VFIO_DEVICE_IOEVENTFD,
        words(32, 4, 0x24, 0, 1, 0, await b.user.eventfd(), 0),
      );
    },
  },
  {
    name: 'ioeventfd while memory is off',
    topology: 'ports',
    run: async (b) => {
      const fd = await b.user.eventfd();
      await b.user.ioctlBytes(b.dev.fd, VFIO_DEVICE_IOEVENTFD, words(32, 4, 0x20, 0, 1, 0, fd, 0));
      // As a reset has it; the eventfd's own context may not wait, so a worker does.
      const { memory_lock } = b.vdev;
      let written = false;
      const reset = spawn('reset', async () => {
        await down_write(memory_lock);
        await wait_until(current, () => written);
        await up_write(memory_lock);
      });
      await wait_until(current, () => memory_lock.owner === reset);
      await b.user.eventfdWrite(fd, 1n);
      written = true;
      await join(reset);
      await b.settle();
    },
  },
  {
    name: 'mappings',
    topology: 'own-power',
    run: async (b) => {
      const addr = await b.dev.mmap('bar0', 4096);
      await b.touch(addr);
      await b.dev.writeConfig(4, 2, 0);
      await b.touch(addr);
      await b.dev.writeConfig(4, 2, 6);
      await b.touch(addr);
      await b.dev.writeConfig(PMCSR, 2, 3);
      await b.touch(addr);
      await b.dev.writeConfig(PMCSR, 2, 0);
      await b.touch(addr);
      await b.dev.read('bar0', 0, 4);
      await b.dev.write('bar0', 0x40, 4, 1);
      await b.dev.reset();
      await b.user.munmap(addr, 4096);
    },
  },
  {
    name: 'low power',
    topology: 'own-power',
    run: async (b) => {
      const addr = await b.dev.mmap('bar0', 4096);
      await b.touch(addr);
      await b.dev.setTrigger(INTX, await b.user.eventfd());
      await sleep(b);
      await b.lspci();
      await b.touch(addr);
      await b.dev.numIrqs();
      await b.settle();
      await b.dev.readConfig(0, 4);
      await b.settle();
      await wake(b);
      if (b.low.has.lowPower && (b.low.has.wakeup || b.k.VFIO_PCI_NUM_IRQS > 5)) {
        await b.enterNotified();
        await b.settle();
        await b.lspci();
        await wake(b);
      }
      await sleep(b);
      await b.dev.reset();
      await b.settle();
      await b.control('on');
      await b.control('auto');
      await b.settle();
      await b.dev.close();
    },
  },
  {
    name: 'low power, closed asleep with MSI',
    topology: 'ports',
    run: async (b) => {
      await b.dev.setTrigger(MSI, await b.user.eventfd());
      await sleep(b);
      await b.dev.close();
    },
  },
  {
    name: 'hot reset',
    topology: 'gpu',
    open: [CARD, AUDIO],
    run: async (b) => {
      const groups = [...b.lab.session.groups.values()];
      const addr = await b.dev.mmap('bar0', 4096);
      await b.touch(addr);
      await b.dev.hotReset(groups);
      await sleep(b);
      await b.dev.hotReset(groups);
      await b.settle();
      await wake(b);
      await b.devs[1].setTrigger(INTX, await b.user.eventfd());
      await sleep(b);
      await b.devs[1].close();
      await b.dev.close();
    },
  },
  {
    name: 'SR-IOV',
    topology: 'sriov',
    options: 'enable_sriov=1',
    run: async (b) => {
      await b.lab.host(() => b.testbed.sysfsWrite(AUTOPROBE, '0'));
      await b.lab.host(() => b.testbed.sysfsWrite(NUMVFS, '2'));
      await b.dev.writeConfig(PMCSR, 2, 3);
      await b.lab.host(() => b.testbed.sysfsWrite(NUMVFS, '0'));
      await sleep(b);
      await b.lspci();
      await wake(b);
    },
  },
];

/**
 * Run the paths of one revision and return what lockdep learnt. Throws InputError for an unknown revision.
 *
 * @param opts debugShirq: a kernel with CONFIG_DEBUG_SHIRQ, which calls shared handlers while they are taken away
 */
export async function lockGraph(rev: string, opts: { debugShirq?: boolean } = {}): Promise<LockGraph> {
  const classes = new Map<string, LockClass>();
  const tried = new Map<string, LockGraph['edges'][number]>();
  const edges = new Map<string, LockGraph['edges'][number]>();
  const findings: LockGraph['findings'] = [];
  for (const path of PATHS) {
    let testbed: Bench['testbed'] | undefined;
    const run = await runBench(
      rev,
      async (b) => {
        testbed = b.testbed;
        set_debug_shirq(opts.debugShirq === true);
        await path.run(b);
      },
      {
        topology: path.topology,
        ...(path.options !== undefined && { options: path.options }),
        ...(path.open !== undefined && { open: path.open }),
        instrument: true,
      },
    );
    if (testbed === undefined) continue;
    const { lockdep } = testbed;
    for (const [name, cls] of lockdep.classes) {
      const known = classes.get(name);
      if (known === undefined) classes.set(name, cls);
      else known.bits |= cls.bits;
    }
    for (const [all, some] of [
      [edges, lockdep.edges],
      [tried, lockdep.tried_edges],
    ] as const)
      for (const [key, edge] of some) if (!all.has(key)) all.set(key, { ...edge, path: path.name });
    for (const f of run.findings) findings.push({ path: path.name, kind: f.kind, text: f.text });
  }
  const sorted = byName(edges);
  const names = [...classes.keys()].sort();
  return {
    revision: rev,
    classes: names,
    usage: Object.fromEntries(names.map((name) => [name, usage_of(classes.get(name) as LockClass)])),
    edges: sorted,
    tried: byName(tried),
    findings,
    cycles: cyclesOf(sorted),
  };
}

function byName<T extends LockEdge>(edges: ReadonlyMap<string, T>): T[] {
  return [...edges.values()].sort((a, b) => (`${a.from} ${a.to}` < `${b.from} ${b.to}` ? -1 : 1));
}

/** The shortest circle through each edge that is in one, each circle once. */
function cyclesOf(edges: readonly LockEdge[]): string[][] {
  const out = new Map<string, string[]>();
  for (const e of edges) out.set(e.from, [...(out.get(e.from) ?? []), e.to]);
  const found = new Map<string, string[]>();
  for (const e of edges) {
    const back = new Map<string, string>([[e.to, '']]);
    const queue = [e.to];
    for (let i = 0; i < queue.length && !back.has(e.from); i++) {
      for (const next of out.get(queue[i]) ?? []) {
        if (back.has(next)) continue;
        back.set(next, queue[i]);
        queue.push(next);
      }
    }
    if (!back.has(e.from)) continue;
    const way = [e.from];
    for (let at = back.get(e.from) ?? ''; at !== ''; at = back.get(at) ?? '') way.unshift(at);
    const key = [...way].sort().join();
    if (!found.has(key)) found.set(key, [e.from, ...way]);
  }
  return [...found.values()];
}

/** The edges that only one of two graphs has. */
export function lockDifferences(
  a: LockGraph,
  b: LockGraph,
): { onlyA: LockGraph['edges']; onlyB: LockGraph['edges'] } {
  const keys = (g: LockGraph): Set<string> => new Set(g.edges.map((e) => `${e.from} -> ${e.to}`));
  const inA = keys(a);
  const inB = keys(b);
  return {
    onlyA: a.edges.filter((e) => !inB.has(`${e.from} -> ${e.to}`)),
    onlyB: b.edges.filter((e) => !inA.has(`${e.from} -> ${e.to}`)),
  };
}

/** The paths that are run, by name. */
export const LOCK_PATHS: readonly string[] = PATHS.map((p) => p.name);
