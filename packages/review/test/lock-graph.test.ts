// SPDX-License-Identifier: GPL-2.0-only
// The lock order of base and v7 against what lockdep learnt on a real kernel, and of the revisions against each other.
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { lockDifferences, lockGraph, type LockGraph } from '../src/matrix/index.ts';

type Rev = 'base' | 'v7';
const BOTH: readonly Rev[] = ['base', 'v7'];

interface Recorded {
  usage: Record<Rev, Record<string, string>>;
  edges: { held: string; taken: string; on: Rev[] }[];
}

/** Classes with their usage bits and edges, as a real kernel had them after scripts and stress of every path. */
const recorded = JSON.parse(
  readFileSync(new URL('fixtures/lockdep.json', import.meta.url), 'utf8'),
) as Recorded;

/** One of ours: the recording lists an edge when one of its ends is such a class. */
const OURS = /vdev|group_rwsem|new_dev_set|device_lock|vfio/;

/** Attributes have a class each in the kernel, numbered as it met them; here they are one. */
const plain = (name: string): string => name.replace(/#\d+$/, '');

/** Learnt here and not recorded on a revision: every one has a reason. */
const MORE: readonly { why: string; on: readonly Rev[]; edges: readonly (readonly [string, string])[] }[] = [
  {
    why: 'a device is closed with interrupts on, which takes them away; the recording switched them off before',
    on: BOTH,
    edges: [
      ['&group->group_rwsem', '&desc->request_mutex'],
      ['&group->group_rwsem', '&irq_desc_lock_class'],
      ['&new_dev_set->lock', '&desc->request_mutex'],
      ['&new_dev_set->lock', '&irq_desc_lock_class'],
    ],
  },
  {
    why: 'the same with INTx: free_irq() calls the handler once more; recorded on v7, where suspend masks INTx too',
    on: ['base'],
    edges: [
      ['&group->group_rwsem', '&vdev->irqlock'],
      ['&new_dev_set->lock', '&vdev->irqlock'],
    ],
  },
  {
    why: 'opening resets a device that can be reset; recorded for the lock around it, &new_dev_set->lock',
    on: BOTH,
    edges: [
      ['&group->group_rwsem', 'pci_cfg_wait.lock'],
      ['&group->group_rwsem', 'pci_lock'],
    ],
  },
  {
    why: 'VFs are probed by vfio-pci while they are enabled; the recorded machine has none for it to probe',
    on: BOTH,
    edges: [
      ['&vdev->memory_lock', '&dev->power.lock'],
      ['&vdev->memory_lock', '&group->device_lock'],
      ['&vdev->memory_lock', '&new_dev_set->lock'],
      ['&vdev->memory_lock', '&vfio.group_lock'],
      ['&vdev->memory_lock', 'vfio_pci_sriov_pfs_mutex'],
    ],
  },
  {
    why: 'the same path; recorded on v7 alone',
    on: ['base'],
    edges: [
      ['&vdev->memory_lock', 'pci_bus_sem'],
      ['kn->active', '&vdev->memory_lock'],
    ],
  },
  {
    why: 'devices are unbound and bound by sysfs, group and all; the recording did it at the loading of the module',
    on: BOTH,
    edges: [
      ['&vfio.group_lock', '&dev->power.lock'],
      ['kn->active', '&group->device_lock'],
      ['kn->active', '&new_dev_set->lock'],
      ['kn->active', '&vfio.group_lock'],
      ['kn->active', 'vfio_pci_sriov_pfs_mutex'],
    ],
  },
  {
    why: 'only tried for, in a hot reset of two devices and in an eventfd: recorded where another lock was taken inside',
    on: BOTH,
    edges: [
      ['&ctx->wqh', '&vdev->memory_lock'],
      ['&new_dev_set->lock', '&mm->mmap_lock'],
      ['&vdev->vma_lock', '&vdev->vma_lock'],
    ],
  },
  {
    why: 'the same; recorded on v7 alone',
    on: ['base'],
    edges: [
      ['&new_dev_set->lock', '&vdev->vma_lock'],
      ['&vdev->memory_lock', '&vdev->memory_lock'],
    ],
  },
];

/** Usage bits that differ, and why. */
const USAGE: readonly { name: string; on: readonly Rev[]; here: string | undefined; why: string }[] = [
  {
    name: '&device->physical_node_lock',
    on: BOTH,
    here: undefined,
    why: 'a lock of ACPI, which is a table here',
  },
  {
    name: '&vdev->irqlock',
    on: BOTH,
    here: '-...',
    why: 'no interrupt comes during a soft interrupt here',
  },
  {
    name: '&dev->power.lock',
    on: ['v7'],
    here: '..-.',
    why: 'ports suspend after a delay, which a timer ends; those of the recorded machine stay awake',
  },
];

/** Enabling VFs probes them under the PF's memory_lock: from v5.19 on, and in every revision. */
const VF_PROBE = ['&vdev->memory_lock', '&new_dev_set->lock'];

const g: Record<string, LockGraph> = {};
/** On a kernel with the options of the recorded one. */
const debug: Partial<Record<Rev, LockGraph>> = {};

beforeAll(async () => {
  for (const rev of BOTH) debug[rev] = await lockGraph(rev, { debugShirq: true });
  for (const rev of ['base', 'v3', 'v4', 'v5', 'v6', 'v7']) g[rev] = await lockGraph(rev);
}, 60_000);

/** Every pair of classes, one held when the other was taken or tried for. */
function pairs(rev: Rev): Set<string> {
  const graph = debug[rev] as LockGraph;
  return new Set([...graph.edges, ...graph.tried].map((e) => `${e.from} > ${e.to}`));
}

describe.each(BOTH)('a real kernel and this one, with the driver of %s', (rev) => {
  it('every edge that lockdep learnt there is learnt here', () => {
    const here = pairs(rev);
    const there = recorded.edges.filter((e) => e.on.includes(rev));
    expect(there.length).toBeGreaterThan(25);
    expect(there.filter((e) => !here.has(`${plain(e.held)} > ${e.taken}`))).toEqual([]);
  });

  it('every edge that is learnt here and not there has a reason, and no reason is left over', () => {
    const there = new Set(
      recorded.edges.filter((e) => e.on.includes(rev)).map((e) => `${plain(e.held)} > ${e.taken}`),
    );
    const known = new Set(recorded.edges.flatMap((e) => [plain(e.held), e.taken]));
    for (const name of Object.keys(recorded.usage[rev])) known.add(name);
    const more = [...pairs(rev)].filter((pair) => {
      const [from, to] = pair.split(' > ');
      return !there.has(pair) && known.has(from) && known.has(to) && (OURS.test(from) || OURS.test(to));
    });
    const reasons = MORE.filter((m) => m.on.includes(rev)).flatMap((m) => m.edges.map((e) => e.join(' > ')));
    expect(more.sort()).toEqual(reasons.sort());
  });

  it('the classes have the usage bits that they had there', () => {
    const differ = Object.entries(recorded.usage[rev])
      .map(([name, there]) => ({ name, there, here: debug[rev]?.usage[name] }))
      .filter(({ there, here }) => there !== here)
      .map(({ name, here }) => `${name} ${here}`);
    const reasons = USAGE.filter((u) => u.on.includes(rev)).map((u) => `${u.name} ${u.here}`);
    expect(differ.sort()).toEqual(reasons.sort());
  });

  it('lockdep is silent, as it was there, but for VFs that are probed while they are enabled', () => {
    const others = debug[rev]?.findings.filter((f) => !f.text.includes(VF_PROBE.join(' -> ')));
    expect(others).toEqual([]);
  });

  it('over all paths no order is inverted, but for VFs that are probed while they are enabled', () => {
    const others = debug[rev]?.cycles.filter(
      (c) => !c.some((name, i) => name === VF_PROBE[0] && c[i + 1] === VF_PROBE[1]),
    );
    expect(others).toEqual([]);
  });
});

describe('the lock orders of the revisions', () => {
  const pair = (rev: string): string[] =>
    g[rev]?.cycles.map((c) => c.join(' > ')).filter((c) => !c.includes(VF_PROBE.join(' > '))) ?? [];

  it('v4 takes igate under memory_lock, which SET_IRQS takes the other way round; no other does', () => {
    expect(pair('v4')).toEqual(['&vdev->igate > &vdev->memory_lock > &vdev->igate']);
    for (const rev of ['v3', 'v5', 'v6', 'v7']) expect(pair(rev)).toEqual([]);
    const { onlyA, onlyB } = lockDifferences(g['v4'] as LockGraph, g['v7'] as LockGraph);
    expect(onlyA.map((e) => [e.from, e.to, e.fns.at(-1)])).toEqual([
      ['&vdev->memory_lock', '&vdev->igate', 'vfio_pci_core_runtime_resume'],
      ['kn->active', '&vdev->igate', 'vfio_pci_core_runtime_resume'],
    ]);
    expect(onlyB.map((e) => e.to)).toEqual(['&vdev->irqlock', '&vdev->irqlock']);
  });

  it('v6 and v7 have the same', () => {
    expect(lockDifferences(g['v6'] as LockGraph, g['v7'] as LockGraph)).toEqual({ onlyA: [], onlyB: [] });
  });
});
