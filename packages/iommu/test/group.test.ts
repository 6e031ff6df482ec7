// SPDX-License-Identifier: GPL-2.0-only
import { EBUSY, ENOSPC, EPERM, IS_ERR, sysfs_list, sysfs_read } from '@vfio-lab/kernel';
import { describe, expect, it } from 'vitest';
import {
  IOMMU_CAP_CACHE_COHERENCY,
  IOMMU_CAP_INTR_REMAP,
  IOMMU_CAP_NOEXEC,
  iommu_attach_group,
  iommu_capable,
  iommu_detach_group,
  iommu_device_unuse_default_domain,
  iommu_device_use_default_domain,
  iommu_domain_alloc,
  iommu_domain_free,
  iommu_group_add_device,
  iommu_group_alloc,
  iommu_group_claim_dma_owner,
  iommu_group_dma_owner_claimed,
  iommu_group_get,
  iommu_group_get_by_id,
  iommu_group_id,
  iommu_group_put,
  iommu_group_ref_get,
  iommu_group_release_dma_owner,
  iommu_group_remove_device,
  iommu_group_set_name,
  iommu_setup,
} from '../src/index.ts';
import type { iommu_group } from '../src/index.ts';
import { make_device, make_group, on_machine } from './harness.ts';

async function alloc(id?: number): Promise<iommu_group> {
  const group = await iommu_group_alloc(id);
  if (IS_ERR(group)) throw new Error(String(group.err));
  return group;
}

describe('iommu groups', () => {
  it('should give the lowest free number, a wanted one, and refuse a taken one', () =>
    on_machine(async () => {
      const a = await alloc();
      const b = await alloc(5);
      const c = await alloc();
      expect([a, b, c].map(iommu_group_id)).toEqual([0, 5, 1]);
      const again = await iommu_group_alloc(5);
      expect(IS_ERR(again) && again.err).toBe(-ENOSPC);
      await iommu_group_put(a);
      const d = await alloc();
      expect(d.id).toBe(0);
      for (const g of [b, c, d]) await iommu_group_put(g);
      expect(await iommu_group_get_by_id(0)).toBeNull();
    }));

  it('should live as long as a device or a reference holds it', () =>
    on_machine(async () => {
      const { group, dev } = await make_group('0000:01:00.0');
      expect(await iommu_group_get(dev)).toBe(group);
      expect(await iommu_group_ref_get(group)).toBe(group);
      await iommu_group_remove_device(dev);
      expect(await iommu_group_get(dev)).toBeNull();
      await iommu_group_put(group);
      expect(sysfs_list('/sys/kernel/iommu_groups')).toEqual(['0']);
      await iommu_group_put(group);
      expect(sysfs_list('/sys/kernel/iommu_groups')).toEqual([]);
      await iommu_group_remove_device(dev);
      await iommu_group_put(null);
    }));

  it('should show its name while it has one', () =>
    on_machine(async () => {
      const g = await alloc();
      iommu_group_set_name(g, 'vfio-noiommu');
      expect(await sysfs_read('/sys/kernel/iommu_groups/0/name')).toBe('vfio-noiommu');
      iommu_group_set_name(g, null);
      expect(sysfs_list('/sys/kernel/iommu_groups/0')).toEqual(['devices']);
      await iommu_group_put(g);
    }));

  it('should be claimed once, and not while a host driver uses it', () =>
    on_machine(async () => {
      const { group, dev } = await make_group('0000:01:00.0');
      const owner = {};
      expect(await iommu_device_use_default_domain(dev)).toBe(0);
      expect(await iommu_group_dma_owner_claimed(group)).toBe(true);
      expect(await iommu_group_claim_dma_owner(group, owner)).toBe(-EPERM);
      await iommu_device_unuse_default_domain(dev);
      expect(await iommu_group_claim_dma_owner(group, owner)).toBe(0);
      expect(await iommu_group_claim_dma_owner(group, owner)).toBe(-EPERM);
      expect(await iommu_device_use_default_domain(dev)).toBe(-EBUSY);
      await iommu_group_release_dma_owner(group);
      expect(await iommu_group_dma_owner_claimed(group)).toBe(false);
      expect(group.domain).toBe(group.default_domain);
      expect(await iommu_device_use_default_domain(make_device('lonely'))).toBe(0);
    }));

  it('should allow two host drivers at once', () =>
    on_machine(async () => {
      const { group, dev } = await make_group('0000:06:00.0');
      const other = make_device('0000:06:00.1');
      await iommu_group_add_device(group, other);
      expect(await iommu_device_use_default_domain(dev)).toBe(0);
      expect(await iommu_device_use_default_domain(other)).toBe(0);
      await iommu_device_unuse_default_domain(dev);
      expect(await iommu_group_claim_dma_owner(group, {})).toBe(-EPERM);
      await iommu_device_unuse_default_domain(other);
      expect(await iommu_group_claim_dma_owner(group, {})).toBe(0);
    }));

  it('should warn when it is given back by nobody', () =>
    on_machine(async () => {
      const { group, dev } = await make_group('0000:01:00.0');
      await iommu_group_release_dma_owner(group);
      await iommu_device_unuse_default_domain(dev);
    }, ['WARN_ON', 'WARN_ON']));

  it('should take one foreign domain at a time and fall back to what belongs there', () =>
    on_machine(async () => {
      const { group } = await make_group('0000:01:00.0');
      const a = iommu_domain_alloc();
      const b = iommu_domain_alloc();
      if (!a || !b) throw new Error('no domain');
      await iommu_group_claim_dma_owner(group, {});
      expect(await iommu_attach_group(a, group)).toBe(0);
      expect(await iommu_attach_group(b, group)).toBe(-EBUSY);
      await iommu_detach_group(a, group);
      expect(group.domain).toBe(group.blocking_domain);
      await iommu_group_release_dma_owner(group);
      expect(await iommu_attach_group(b, group)).toBe(0);
      expect(await iommu_group_claim_dma_owner(group, {})).toBe(-EBUSY);
      await iommu_detach_group(b, group);
      expect(group.domain).toBe(group.default_domain);
      iommu_domain_free(a);
      iommu_domain_free(b);
    }));

  it('should say what the hardware can', () =>
    on_machine(async () => {
      const { bus } = make_device('x');
      expect(iommu_capable(bus, IOMMU_CAP_CACHE_COHERENCY)).toBe(true);
      expect(iommu_capable(bus, IOMMU_CAP_INTR_REMAP)).toBe(true);
      expect(iommu_capable(bus, IOMMU_CAP_NOEXEC)).toBe(false);
      expect(iommu_capable(null, IOMMU_CAP_CACHE_COHERENCY)).toBe(false);
      iommu_setup({ present: false });
      expect(iommu_capable(bus, IOMMU_CAP_CACHE_COHERENCY)).toBe(false);
      expect(iommu_domain_alloc()).toBeNull();
    }));
});
