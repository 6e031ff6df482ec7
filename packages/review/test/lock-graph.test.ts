// SPDX-License-Identifier: GPL-2.0-only
// The lock order of base and v7 against what lockdep learnt on a real kernel, and of the revisions against each other.
import { beforeAll, describe, expect, it } from 'vitest';
import { lockDifferences, lockGraph, type LockGraph } from '../src/matrix/index.ts';

/** Held, taken, seen on base, seen on v7: as recorded. */
const SEEN: readonly (readonly [held: string, taken: string, base: boolean, v7: boolean])[] = [
  ['&ctx->wqh', '&vdev->irqlock', true, true],
  ['&group->group_rwsem', '&dev->power.lock', true, true],
  ['&group->group_rwsem', '&vdev->igate', true, true],
  ['&group->group_rwsem', '&vdev->irqlock', false, true],
  ['&group->group_rwsem', '&vdev->memory_lock', true, true],
  ['&mm->mmap_lock', '&vdev->memory_lock', true, true],
  ['&mm->mmap_lock', '&vdev->vma_lock', true, true],
  ['&new_dev_set->lock', '&dev->power.lock', true, true],
  ['&new_dev_set->lock', '&group->group_rwsem', true, true],
  ['&new_dev_set->lock', '&vdev->igate', true, true],
  ['&new_dev_set->lock', '&vdev->irqlock', false, true],
  ['&new_dev_set->lock', '&vdev->memory_lock', true, true],
  ['&new_dev_set->lock', 'pci_bus_sem', true, true],
  ['&new_dev_set->lock', 'pci_cfg_wait.lock', true, true],
  ['&new_dev_set->lock', 'pci_lock', true, true],
  ['&vdev->igate', '&ctx->wqh', true, true],
  ['&vdev->igate', '&desc->request_mutex', true, true],
  ['&vdev->igate', '&irq_desc_lock_class', true, true],
  ['&vdev->igate', '&vdev->irqlock', true, true],
  ['&vdev->igate', '&vdev->memory_lock', true, true],
  ['&vdev->igate', 'pci_lock', true, true],
  ['&vdev->ioeventfds_lock', '&ctx->wqh', true, true],
  ['&vdev->irqlock', 'pci_lock', true, true],
  ['&vdev->memory_lock', '&ctx->wqh', false, true],
  ['&vdev->memory_lock', '&desc->request_mutex', true, true],
  ['&vdev->memory_lock', '&irq_desc_lock_class', true, true],
  ['&vdev->memory_lock', 'pci_cfg_wait.lock', true, true],
  ['&vdev->memory_lock', 'pci_lock', true, true],
  ['&vdev->vma_lock', '&vdev->memory_lock', true, true],
];

/** Recorded, and why it is not expected here. */
const NOT_HERE: readonly (readonly [held: string, taken: string, why: string])[] = [
  ['&desc->request_mutex', '&vdev->irqlock', 'CONFIG_DEBUG_SHIRQ calls the handler while it is taken away'],
  [
    '&new_dev_set->lock',
    '&vdev->vma_lock',
    'a process has to end while a hot reset holds its memory: the paths here run one after the other',
  ],
  [
    '&vdev->memory_lock',
    '&vdev->memory_lock',
    'a VF has to suspend while its PF enables VFs: the VFs here are awake by then',
  ],
  ['(work_completion)(&dev->power.work)', '&vdev->irqlock', 'work items are no lock classes here'],
  ['(work_completion)(&dev->power.work)', '&vdev->memory_lock', 'work items are no lock classes here'],
  ['(work_completion)(&virqfd->inject)', '&vdev->memory_lock', 'work items are no lock classes here'],
  ['kn->active', '&vdev->irqlock', 'active references of sysfs files are no lock class here'],
  ['kn->active', '&vdev->memory_lock', 'active references of sysfs files are no lock class here'],
  ['kn->active#4', '&vdev->irqlock', 'active references of sysfs files are no lock class here'],
  ['kn->active#4', '&vdev->memory_lock', 'active references of sysfs files are no lock class here'],
  ['kn->active#5', '&vdev->irqlock', 'active references of sysfs files are no lock class here'],
  ['kn->active#5', '&vdev->memory_lock', 'active references of sysfs files are no lock class here'],
];

/** Recorded on v7 alone because the path was not run on base. */
const ON_BOTH_HERE: readonly (readonly [held: string, taken: string])[] = [
  ['&vdev->memory_lock', 'pci_bus_sem'],
];

/** Enabling VFs probes them under the PF's memory_lock: from v5.19 on, and in every revision. */
const VF_PROBE = ['&vdev->memory_lock', '&new_dev_set->lock'];

const g: Record<string, LockGraph> = {};

beforeAll(async () => {
  for (const rev of ['base', 'v3', 'v4', 'v5', 'v6', 'v7']) g[rev] = await lockGraph(rev);
}, 60_000);

function has(rev: string, held: string, taken: string): boolean {
  return g[rev]?.edges.some((e) => e.from === held && e.to === taken) ?? false;
}

describe('the lock order of a real kernel', () => {
  it.each(SEEN)('%s, then %s', (held, taken, base, v7) => {
    expect([has('base', held, taken), has('v7', held, taken)]).toEqual([base, v7]);
  });

  it.each(NOT_HERE)('%s, then %s: not here', (held, taken) => {
    expect([has('base', held, taken), has('v7', held, taken)]).toEqual([false, false]);
  });

  it.each(ON_BOTH_HERE)('%s, then %s: on both here', (held, taken) => {
    expect([has('base', held, taken), has('v7', held, taken)]).toEqual([true, true]);
  });

  it('is silent on base and on v7, but for VFs that are probed while they are enabled', () => {
    for (const rev of ['base', 'v7']) {
      expect(g[rev]?.findings.filter((f) => f.path !== 'SR-IOV')).toEqual([]);
      const others = g[rev]?.cycles.filter(
        (c) => !c.some((name, i) => name === VF_PROBE[0] && c[i + 1] === VF_PROBE[1]),
      );
      expect(others).toEqual([]);
    }
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
    ]);
    expect(onlyB.map((e) => e.to)).toEqual(['&vdev->irqlock', '&vdev->irqlock']);
  });

  it('v6 and v7 have the same', () => {
    expect(lockDifferences(g['v6'] as LockGraph, g['v7'] as LockGraph)).toEqual({ onlyA: [], onlyB: [] });
  });
});
