// SPDX-License-Identifier: GPL-2.0-only
// drivers/iommu/iommu.c (v5.19-rc4): groups of devices that the IOMMU cannot tell apart, and who may do DMA with them.
//
// A group is owned by nobody, by the kernel (one count for each driver that uses the default domain) or by one user
// (owner set, count 1), never by two of these.

import {
  dev_info,
  EBUSY,
  EINVAL,
  ENOMEM,
  ERR_PTR,
  EPERM,
  GFP_KERNEL,
  ida_alloc_range,
  ida_free,
  INT_MAX,
  kfree,
  kzalloc,
  sysfs_create_file,
  sysfs_create_link,
  sysfs_mkdir,
  sysfs_remove_dir,
  sysfs_remove_link,
  sysfs_root,
  WARN_ON,
} from '@vfio-lab/kernel';
import type { bus_type, device, err_ptr, sysfs_dir } from '@vfio-lab/kernel';
import {
  mutex,
  mutex_init,
  mutex_lock,
  mutex_unlock,
  refcount_dec_and_test,
  refcount_inc,
} from '@vfio-lab/locking';
import { refcount_set, refcount_t } from '@vfio-lab/locking';
import type { int } from '@vfio-lab/sim';
import { __iommu_domain_alloc, IOMMU_DOMAIN_BLOCKED, IOMMU_DOMAIN_DMA, iommu_domain_free } from './domain.ts';
import type { iommu_domain } from './domain.ts';
import { iommu } from './state.ts';

/** enum iommu_cap */
export type iommu_cap = int;
export const IOMMU_CAP_CACHE_COHERENCY: iommu_cap = 0;
export const IOMMU_CAP_INTR_REMAP: iommu_cap = 1;
export const IOMMU_CAP_NOEXEC: iommu_cap = 2;

/** struct iommu_group */
export class iommu_group {
  id = -1;
  name: string | null = null;
  readonly mutex = new mutex('&group->mutex');
  readonly refs = new refcount_t(1, 'iommu_group');
  readonly devices: device[] = [];
  default_domain: iommu_domain | null = null;
  blocking_domain: iommu_domain | null = null;
  domain: iommu_domain | null = null;
  owner_cnt = 0;
  owner: unknown = null;
  /** /sys/kernel/iommu_groups/ID */
  sysfs: sysfs_dir | null = null;
}

/** The group pointer of a device, without a reference. */
export function group_of(dev: device): iommu_group | null {
  return dev.iommu_group instanceof iommu_group ? dev.iommu_group : null;
}

/** Can the IOMMU of this bus do that; false without one. C: drivers/iommu/iommu.c iommu_capable() */
export function iommu_capable(bus: bus_type | null, cap: iommu_cap): boolean {
  const { hardware } = iommu();
  if (bus === null || !hardware.present) return false;
  if (cap === IOMMU_CAP_CACHE_COHERENCY) return hardware.cache_coherency;
  return cap === IOMMU_CAP_INTR_REMAP && hardware.intr_remap;
}

/**
 * A new empty group with the lowest free number; the caller holds its only reference.
 * @param id this very number instead, as a described machine wants it
 * @returns ERR_PTR(-ENOMEM), or ERR_PTR(-ENOSPC) when the number is taken
 * C: drivers/iommu/iommu.c iommu_group_alloc()
 */
export async function iommu_group_alloc(id?: int): Promise<iommu_group | err_ptr> {
  const group = kzalloc(iommu_group, GFP_KERNEL);
  if (group === null) return ERR_PTR(-ENOMEM);
  mutex_init(group.mutex, '&group->mutex');
  refcount_set(group.refs, 1);
  const state = iommu();
  const ret = ida_alloc_range(state.group_ida, id ?? 0, id ?? INT_MAX, GFP_KERNEL);
  if (ret < 0) {
    kfree(group);
    return ERR_PTR(ret);
  }
  group.id = ret;
  group.sysfs = sysfs_mkdir(sysfs_root(), `kernel/iommu_groups/${ret}`);
  sysfs_mkdir(group.sysfs, 'devices');
  state.groups.set(ret, group);
  return group;
}

async function iommu_group_release(group: iommu_group): Promise<void> {
  const state = iommu();
  if (group.sysfs) await sysfs_remove_dir(group.sysfs);
  ida_free(state.group_ida, group.id);
  state.groups.delete(group.id);
  if (group.default_domain) iommu_domain_free(group.default_domain);
  if (group.blocking_domain) iommu_domain_free(group.blocking_domain);
  kfree(group);
}

/** The group with this number, with a reference; null if there is none. C: drivers/iommu/iommu.c iommu_group_get_by_id() */
export async function iommu_group_get_by_id(id: int): Promise<iommu_group | null> {
  const group = iommu().groups.get(id) ?? null;
  if (group) await refcount_inc(group.refs);
  return group;
}

/** Name shown in sysfs; null takes it away. C: drivers/iommu/iommu.c iommu_group_set_name() */
export function iommu_group_set_name(group: iommu_group, name: string | null): int {
  const { sysfs } = group;
  group.name = name;
  if (sysfs && name === null) sysfs.children.delete('name');
  else if (sysfs && !sysfs.children.has('name')) {
    return sysfs_create_file(sysfs, { name: 'name', mode: 0o444, show: () => `${group.name ?? ''}\n` });
  }
  return 0;
}

/**
 * Put a device in a group, which takes a reference on it for as long.
 * @returns 0
 * C: drivers/iommu/iommu.c iommu_group_add_device()
 */
export async function iommu_group_add_device(group: iommu_group, dev: device): Promise<int> {
  await refcount_inc(group.refs);
  dev.iommu_group = group;
  if (group.sysfs && dev.sysfs) {
    sysfs_create_link(dev.sysfs, group.sysfs, 'iommu_group');
    sysfs_create_link(sysfs_mkdir(group.sysfs, 'devices'), dev.sysfs, dev.name);
  }
  await mutex_lock(group.mutex);
  group.devices.push(dev);
  await mutex_unlock(group.mutex);
  dev_info(dev, `Adding to iommu group ${group.id}`);
  return 0;
}

/** Take a device out of its group. C: drivers/iommu/iommu.c iommu_group_remove_device() */
export async function iommu_group_remove_device(dev: device): Promise<void> {
  const group = group_of(dev);
  if (!group) return;
  dev_info(dev, `Removing from iommu group ${group.id}`);
  await mutex_lock(group.mutex);
  const at = group.devices.indexOf(dev);
  if (at >= 0) group.devices.splice(at, 1);
  await mutex_unlock(group.mutex);
  if (at < 0) return;
  if (group.sysfs) sysfs_remove_link(sysfs_mkdir(group.sysfs, 'devices'), dev.name);
  if (dev.sysfs) sysfs_remove_link(dev.sysfs, 'iommu_group');
  dev.iommu_group = null;
  await iommu_group_put(group);
}

/**
 * Call `fn` for each device with the group locked, until it returns something other than 0.
 * C: drivers/iommu/iommu.c iommu_group_for_each_dev()
 */
export async function iommu_group_for_each_dev(group: iommu_group, fn: (dev: device) => int): Promise<int> {
  let ret = 0;
  await mutex_lock(group.mutex);
  for (const dev of group.devices) {
    ret = fn(dev);
    if (ret) break;
  }
  await mutex_unlock(group.mutex);
  return ret;
}

/** The group of a device with a reference, or null. C: drivers/iommu/iommu.c iommu_group_get() */
export async function iommu_group_get(dev: device): Promise<iommu_group | null> {
  const group = group_of(dev);
  if (group) await refcount_inc(group.refs);
  return group;
}

/** One more reference on a group in hand. C: drivers/iommu/iommu.c iommu_group_ref_get() */
export async function iommu_group_ref_get(group: iommu_group): Promise<iommu_group> {
  await refcount_inc(group.refs);
  return group;
}

/** Drop a reference; the last one frees the group and its number. C: drivers/iommu/iommu.c iommu_group_put() */
export async function iommu_group_put(group: iommu_group | null): Promise<void> {
  if (group && (await refcount_dec_and_test(group.refs))) await iommu_group_release(group);
}

/** C: drivers/iommu/iommu.c iommu_group_id() */
export function iommu_group_id(group: iommu_group): int {
  return group.id;
}

/** Give a group the kernel's own domain. C: drivers/iommu/iommu.c iommu_group_alloc_default_domain() */
export function iommu_group_alloc_default_domain(group: iommu_group): int {
  if (group.default_domain) return 0;
  group.default_domain = __iommu_domain_alloc(IOMMU_DOMAIN_DMA);
  if (!group.default_domain) return -ENOMEM;
  group.domain ??= group.default_domain;
  return 0;
}

/**
 * A driver that lets the kernel do its DMA is about to be bound.
 * @returns 0, or -EBUSY when a user owns the group
 * C: drivers/iommu/iommu.c iommu_device_use_default_domain()
 */
export async function iommu_device_use_default_domain(dev: device): Promise<int> {
  const group = await iommu_group_get(dev);
  if (!group) return 0;
  let ret = 0;
  await mutex_lock(group.mutex);
  if (group.owner_cnt && (group.domain !== group.default_domain || group.owner !== null)) ret = -EBUSY;
  else group.owner_cnt++;
  await mutex_unlock(group.mutex);
  await iommu_group_put(group);
  return ret;
}

/** The driver is gone. C: drivers/iommu/iommu.c iommu_device_unuse_default_domain() */
export async function iommu_device_unuse_default_domain(dev: device): Promise<void> {
  const group = await iommu_group_get(dev);
  if (!group) return;
  await mutex_lock(group.mutex);
  if (!WARN_ON(!group.owner_cnt, '!group->owner_cnt')) group.owner_cnt--;
  await mutex_unlock(group.mutex);
  await iommu_group_put(group);
}

/** C: drivers/iommu/iommu.c __iommu_group_alloc_blocking_domain() */
function __iommu_group_alloc_blocking_domain(group: iommu_group): int {
  if (group.blocking_domain) return 0;
  group.blocking_domain = __iommu_domain_alloc(IOMMU_DOMAIN_BLOCKED);
  return group.blocking_domain ? 0 : -EINVAL;
}

/**
 * Become the only one who does DMA with this group; until a domain is attached nothing can.
 * @param owner whom release must come from
 * @returns 0, -EPERM when it is owned or a host driver uses it, -EBUSY when it has another domain
 * C: drivers/iommu/iommu.c iommu_group_claim_dma_owner()
 */
export async function iommu_group_claim_dma_owner(group: iommu_group, owner: unknown): Promise<int> {
  await mutex_lock(group.mutex);
  const ret = claim(group, owner);
  await mutex_unlock(group.mutex);
  return ret;
}

function claim(group: iommu_group, owner: unknown): int {
  if (group.owner_cnt) return -EPERM;
  if (group.domain && group.domain !== group.default_domain) return -EBUSY;
  const ret = __iommu_group_alloc_blocking_domain(group);
  if (ret) return ret;
  group.domain = group.blocking_domain;
  group.owner = owner;
  group.owner_cnt++;
  return 0;
}

/** Give the group back to the kernel. C: drivers/iommu/iommu.c iommu_group_release_dma_owner() */
export async function iommu_group_release_dma_owner(group: iommu_group): Promise<void> {
  await mutex_lock(group.mutex);
  if (!WARN_ON(!group.owner_cnt || group.owner === null, '!group->owner_cnt || !group->owner')) {
    group.owner_cnt = 0;
    group.owner = null;
    group.domain = group.default_domain;
  }
  await mutex_unlock(group.mutex);
}

/** Does anybody own or use the group now. C: drivers/iommu/iommu.c iommu_group_dma_owner_claimed() */
export async function iommu_group_dma_owner_claimed(group: iommu_group): Promise<boolean> {
  await mutex_lock(group.mutex);
  const user = group.owner_cnt;
  await mutex_unlock(group.mutex);
  return user !== 0;
}
