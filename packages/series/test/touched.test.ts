// SPDX-License-Identifier: GPL-2.0-only
import { describe, expect, it } from 'vitest';
import { revision, touchedBy, touches } from '../src/index.ts';

/** Objects of the kernel that a search meets, by the names it has for them. */
const OBJECTS = [
  '&vdev->memory_lock',
  '&vdev->igate',
  '&vdev->irqlock',
  '&vdev->vma_lock',
  '&dev->power.lock',
  'usage_count',
  'child_count',
  'hw 0000:01:00.0',
  '&ctx->wqh',
  '&new_dev_set->lock',
  '&group->group_rwsem',
  'pci_bus_sem',
  'vfio_device.open_count',
  'page table',
];

const looked = (rev: string): string[] => {
  const touched = touchedBy(revision(rev));
  return OBJECTS.filter((name) => touches(touched, name));
};

describe('what the patches of a revision touch', () => {
  it('the base: nothing', () => {
    expect(touchedBy(revision('base')).functions).toEqual([]);
    expect(looked('base')).toEqual([]);
  });

  it('v4 1/6 masks INTx around suspend: the lock of INTx', () => {
    expect(looked('v4@1')).toEqual(['&vdev->irqlock']);
    expect(touchedBy(revision('v4@1')).words).toContain('pm_intx_masked');
  });

  it('v4 3/6 takes a reference around ioctls: the usage count and the lock it is under', () => {
    expect(looked('v4@3')).toEqual(expect.arrayContaining(['usage_count', '&dev->power.lock']));
    expect(looked('v4@3')).not.toContain('&vdev->igate');
  });

  it('v4 4/6 brings D3cold: memory_lock and the device', () => {
    expect(looked('v4@3')).not.toContain('hw 0000:01:00.0');
    expect(looked('v4@4')).toEqual(expect.arrayContaining(['&vdev->memory_lock', 'hw 0000:01:00.0']));
  });

  it('v4 6/6 signals an eventfd under igate', () => {
    expect(looked('v4@5')).not.toContain('&vdev->igate');
    expect(looked('v4@6')).toEqual(expect.arrayContaining(['&vdev->igate', '&ctx->wqh']));
  });

  it('never what no patch deals with', () => {
    for (const rev of ['v3', 'v4', 'v5', 'v6', 'v7'])
      for (const name of ['pci_bus_sem', 'child_count', 'page table', '&group->group_rwsem'])
        expect([rev, name, looked(rev).includes(name)]).toEqual([rev, name, false]);
  });

  it('lines that only moved do not count', () => {
    // v7 5/5 adds to ENTER; SET_IRQS stays as it was.
    expect(touchedBy(revision('v7')).functions).not.toContain('vfio_pci_set_irqs_ioctl');
  });
});
