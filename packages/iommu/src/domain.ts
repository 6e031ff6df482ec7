// SPDX-License-Identifier: GPL-2.0-only
// drivers/iommu/iommu.c (v5.19-rc4): domains. A domain is a table from device address to a page of some process.

import { EBUSY, EINVAL, ENODEV, GFP_KERNEL, kfree, kzalloc } from '@vfio-lab/kernel';
import type { mm_struct } from '@vfio-lab/kernel';
import { mutex_lock, mutex_unlock } from '@vfio-lab/locking';
import { report } from '@vfio-lab/sim';
import type { int } from '@vfio-lab/sim';
import type { iommu_group } from './group.ts';
import { iommu } from './state.ts';
import type { iommu_resv_region } from './state.ts';

export const IOMMU_READ = 1 << 0;
export const IOMMU_WRITE = 1 << 1;
export const IOMMU_CACHE = 1 << 2;

/** What a domain is for. */
export const IOMMU_DOMAIN_BLOCKED = 0;
export const IOMMU_DOMAIN_UNMANAGED = 1;
export const IOMMU_DOMAIN_DMA = 3;

/** Where memory is: an address of a process stands for the physical page behind it. */
export interface iommu_phys {
  readonly mm: mm_struct;
  readonly vaddr: bigint;
  /** A device's registers, not memory. */
  readonly rsvd: boolean;
}

/** One run of mapped pages. */
export interface iommu_mapping extends iommu_phys {
  readonly iova: bigint;
  readonly size: bigint;
  readonly prot: int;
}

/** struct iommu_domain. Invariant: mappings are sorted by iova and do not overlap. */
export class iommu_domain {
  type = IOMMU_DOMAIN_UNMANAGED;
  pgsize_bitmap = 0n;
  geometry = { aperture_start: 0n, aperture_end: 0n };
  nested = false;
  readonly mappings: iommu_mapping[] = [];
}

/**
 * A new domain of a kind.
 * @returns null without an IOMMU or memory
 * C: drivers/iommu/iommu.c __iommu_domain_alloc()
 */
export function __iommu_domain_alloc(type: int): iommu_domain | null {
  const { hardware } = iommu();
  if (!hardware.present) return null;
  const domain = kzalloc(iommu_domain, GFP_KERNEL);
  if (domain === null) return null;
  domain.type = type;
  domain.pgsize_bitmap = hardware.pgsize_bitmap;
  domain.geometry.aperture_end = hardware.aperture_end;
  return domain;
}

/** An empty domain for a caller who maps. C: drivers/iommu/iommu.c iommu_domain_alloc() */
export function iommu_domain_alloc(): iommu_domain | null {
  return __iommu_domain_alloc(IOMMU_DOMAIN_UNMANAGED);
}

/** Mappings left behind are a finding. C: drivers/iommu/iommu.c iommu_domain_free() */
export function iommu_domain_free(domain: iommu_domain): void {
  if (domain.mappings.length > 0)
    report('iommu', `a domain is freed with ${domain.mappings.length} mappings`);
  kfree(domain);
}

/** C: drivers/iommu/iommu.c iommu_enable_nesting() */
export function iommu_enable_nesting(domain: iommu_domain): int {
  if (!iommu().hardware.nesting) return -EINVAL;
  domain.nested = true;
  return 0;
}

/** Does translation of this domain block no-snoop requests. C: domain->ops->enforce_cache_coherency() */
export function iommu_enforce_cache_coherency(_domain: iommu_domain): boolean {
  return iommu().hardware.snoop_control;
}

/** Attach with group->mutex held. C: drivers/iommu/iommu.c __iommu_attach_group() */
export function __iommu_attach_group(domain: iommu_domain, group: iommu_group): int {
  if (group.domain && group.domain !== group.default_domain && group.domain !== group.blocking_domain)
    return -EBUSY;
  group.domain = domain;
  return 0;
}

/**
 * All DMA of the group goes through this domain from now on.
 * @returns 0 or -EBUSY when another caller's domain is attached
 * C: drivers/iommu/iommu.c iommu_attach_group()
 */
export async function iommu_attach_group(domain: iommu_domain, group: iommu_group): Promise<int> {
  await mutex_lock(group.mutex);
  const ret = __iommu_attach_group(domain, group);
  await mutex_unlock(group.mutex);
  return ret;
}

/** Back to the kernel's own domain, or to none while somebody owns the group. C: drivers/iommu/iommu.c iommu_detach_group() */
export async function iommu_detach_group(_domain: iommu_domain, group: iommu_group): Promise<void> {
  await mutex_lock(group.mutex);
  group.domain = group.owner !== null ? group.blocking_domain : group.default_domain;
  await mutex_unlock(group.mutex);
}

/** Index of the first mapping that ends above `iova`. */
function first_above(domain: iommu_domain, iova: bigint): int {
  let low = 0;
  let high = domain.mappings.length;
  while (low < high) {
    const mid = (low + high) >> 1;
    const m = domain.mappings[mid];
    if (m.iova + m.size <= iova) low = mid + 1;
    else high = mid;
  }
  return low;
}

/**
 * Map a run of pages.
 * @returns 0, -ENODEV for a domain nothing can be mapped in, -EINVAL for a range that is mapped already, misaligned or
 *   outside the aperture
 * C: drivers/iommu/iommu.c iommu_map()
 */
export function iommu_map(
  domain: iommu_domain,
  iova: bigint,
  phys: iommu_phys,
  size: bigint,
  prot: int,
): int {
  if (domain.type !== IOMMU_DOMAIN_UNMANAGED) return -ENODEV;
  const page = domain.pgsize_bitmap & -domain.pgsize_bitmap;
  if ((iova | phys.vaddr | size) & (page - 1n)) return -EINVAL;
  if (iova + size - 1n > domain.geometry.aperture_end) return -EINVAL;
  const at = first_above(domain, iova);
  if (at < domain.mappings.length && domain.mappings[at].iova < iova + size) return -EINVAL;
  domain.mappings.splice(at, 0, { iova, size, prot, mm: phys.mm, vaddr: phys.vaddr, rsvd: phys.rsvd });
  return 0;
}

/** Unmap what lies in a range. @returns how many bytes were mapped there. C: drivers/iommu/iommu.c iommu_unmap() */
export function iommu_unmap(domain: iommu_domain, iova: bigint, size: bigint): bigint {
  const end = iova + size;
  let unmapped = 0n;
  let at = first_above(domain, iova);
  while (at < domain.mappings.length && domain.mappings[at].iova < end) {
    const m = domain.mappings[at];
    const m_end = m.iova + m.size;
    const keep: iommu_mapping[] = [];
    if (m.iova < iova) keep.push({ ...m, size: iova - m.iova });
    if (m_end > end) keep.push({ ...m, iova: end, vaddr: m.vaddr + (end - m.iova), size: m_end - end });
    domain.mappings.splice(at, 1, ...keep);
    unmapped += (m_end < end ? m_end : end) - (m.iova > iova ? m.iova : iova);
    at += keep.length;
  }
  return unmapped;
}

/** The mapping that covers a device address, or null. C: drivers/iommu/iommu.c iommu_iova_to_phys() */
export function iommu_iova_to_phys(domain: iommu_domain, iova: bigint): iommu_mapping | null {
  const m = domain.mappings[first_above(domain, iova)];
  return m !== undefined && m.iova <= iova ? m : null;
}

/** Ranges that mappings of this group must leave alone. C: drivers/iommu/iommu.c iommu_get_group_resv_regions() */
export async function iommu_get_group_resv_regions(group: iommu_group): Promise<iommu_resv_region[]> {
  await mutex_lock(group.mutex);
  const regions = group.devices.length > 0 ? [...iommu().hardware.resv_regions] : [];
  await mutex_unlock(group.mutex);
  return regions;
}
