// SPDX-License-Identifier: GPL-2.0-only
// drivers/vfio/vfio_iommu_type1.c (v5.19-rc4): its structs, its parameters and the table of user mappings.

import { blocking_notifier_head, PAGE_SIZE } from '@vfio-lab/kernel';
import type { mm_struct } from '@vfio-lab/kernel';
import { mutex, wait_queue_head_t } from '@vfio-lab/locking';
import { machine } from '@vfio-lab/sim';
import type { int } from '@vfio-lab/sim';
import type { iommu_domain } from './domain.ts';
import type { iommu_group } from './group.ts';

export const PAGE_SHIFT_N = 12n;
export const PAGE_SIZE_N = BigInt(PAGE_SIZE);
export const U64_MAX = (1n << 64n) - 1n;
/** Arithmetic on u64 wraps. */
export const u64 = (x: bigint): bigint => BigInt.asUintN(64, x);

export const CAP_IPC_LOCK = 14;
/** Waited for a vaddr; the lock was dropped meanwhile. */
export const WAITED = 1;

/** Module parameters, per machine. */
export class type1_params {
  allow_unsafe_interrupts = false;
  dma_entry_limit = 0xffff;
  /** RLIMIT_MEMLOCK of the user processes, in bytes; counts for those without CAP_IPC_LOCK. */
  rlimit_memlock = 8 * 1024 * 1024;
  /**
   * Kernels from v6.1.15 on answer VFIO_UPDATE_VADDR on a container only that has its IOMMU set; v5.19 always says 1.
   */
  update_vaddr_needs_container = false;
}

/** The running machine's parameters of vfio_iommu_type1. */
export function vfio_iommu_type1_params(): type1_params {
  return machine.scope(type1_params, () => new type1_params());
}

/** struct vfio_pfn: a page pinned by a driver */
export interface vfio_pfn {
  readonly iova: bigint;
  readonly pfn: number;
  ref_count: int;
}

/** struct vfio_dma: one mapping of user space */
export class vfio_dma {
  iova = 0n;
  vaddr = 0n;
  size = 0n;
  prot = 0;
  iommu_mapped = false;
  lock_cap = false;
  vaddr_invalid = false;
  mm!: mm_struct;
  readonly pfn_list = new Map<bigint, vfio_pfn>();
  bitmap: Uint8Array | null = null;
}

/** struct vfio_iommu_group */
export class vfio_iommu_group {
  iommu_group!: iommu_group;
  pinned_page_dirty_scope = false;
}

/** struct vfio_domain */
export class vfio_domain {
  domain!: iommu_domain;
  group_list: vfio_iommu_group[] = [];
  enforce_cache_coherency = false;
}

/** struct vfio_iova: a range that may be mapped, both ends included */
export interface vfio_iova {
  start: bigint;
  end: bigint;
}

/** struct vfio_iommu. Invariant: dma_list is sorted by iova and its entries do not overlap. */
export class vfio_iommu {
  domain_list: vfio_domain[] = [];
  iova_list: vfio_iova[] = [];
  readonly lock = new mutex('&iommu->lock');
  readonly dma_list: vfio_dma[] = [];
  readonly notifier = new blocking_notifier_head();
  dma_avail = 0;
  vaddr_invalid_count = 0;
  pgsize_bitmap = 0n;
  num_non_pinned_groups = 0;
  readonly vaddr_wait = new wait_queue_head_t('&iommu->vaddr_wait');
  v2 = false;
  nesting = false;
  dirty_page_tracking = false;
  container_open = false;
  emulated_iommu_groups: vfio_iommu_group[] = [];
}

/** Smallest page size of a bitmap of page sizes. */
export function min_pgsize(iommu: vfio_iommu): bigint {
  return iommu.pgsize_bitmap & -iommu.pgsize_bitmap;
}

/** Position of a mapping that overlaps start..start+size (an empty range lies inside one or not), or -1 - where it would go. */
function locate(iommu: vfio_iommu, start: bigint, size: bigint): int {
  let low = 0;
  let high = iommu.dma_list.length;
  while (low < high) {
    const mid = (low + high) >> 1;
    const dma = iommu.dma_list[mid];
    if (u64(start + size) <= dma.iova) high = mid;
    else if (start >= u64(dma.iova + dma.size)) low = mid + 1;
    else return mid;
  }
  return -1 - low;
}

/** A mapping that overlaps the range, or null. C: drivers/vfio/vfio_iommu_type1.c vfio_find_dma() */
export function vfio_find_dma(iommu: vfio_iommu, start: bigint, size: bigint): vfio_dma | null {
  const at = locate(iommu, start, size);
  return at < 0 ? null : iommu.dma_list[at];
}

/**
 * Index of the first mapping that ends above `start`, -1 when there is none or it begins behind the range.
 * C: drivers/vfio/vfio_iommu_type1.c vfio_find_dma_first_node()
 */
export function vfio_find_dma_first_node(iommu: vfio_iommu, start: bigint, size: bigint): int {
  let low = 0;
  let high = iommu.dma_list.length;
  while (low < high) {
    const mid = (low + high) >> 1;
    const dma = iommu.dma_list[mid];
    if (start < u64(dma.iova + dma.size)) high = mid;
    else low = mid + 1;
  }
  const res = iommu.dma_list[low];
  if (res === undefined || (size && res.iova >= u64(start + size))) return -1;
  return low;
}

/** C: drivers/vfio/vfio_iommu_type1.c vfio_link_dma() */
export function vfio_link_dma(iommu: vfio_iommu, dma: vfio_dma): void {
  let low = 0;
  let high = iommu.dma_list.length;
  while (low < high) {
    const mid = (low + high) >> 1;
    if (iommu.dma_list[mid].iova < dma.iova) low = mid + 1;
    else high = mid;
  }
  iommu.dma_list.splice(low, 0, dma);
}

/** C: drivers/vfio/vfio_iommu_type1.c vfio_unlink_dma() */
export function vfio_unlink_dma(iommu: vfio_iommu, dma: vfio_dma): void {
  const at = iommu.dma_list.indexOf(dma);
  if (at >= 0) iommu.dma_list.splice(at, 1);
}
