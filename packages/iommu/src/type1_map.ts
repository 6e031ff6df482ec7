// SPDX-License-Identifier: GPL-2.0-only
// drivers/vfio/vfio_iommu_type1.c (v5.19-rc4): mapping and unmapping user memory.

import {
  blocking_notifier_call_chain,
  capable,
  current_mm,
  EEXIST,
  EFAULT,
  EINVAL,
  ENOENT,
  ENOMEM,
  ENOSPC,
  GFP_KERNEL,
  kfree,
  kzalloc,
  WARN_ON,
} from '@vfio-lab/kernel';
import { mutex_lock, mutex_unlock, wait_event, wake_up_all } from '@vfio-lab/locking';
import type { int } from '@vfio-lab/sim';
import {
  IOMMU_CACHE,
  iommu_iova_to_phys,
  iommu_map,
  IOMMU_READ,
  iommu_unmap,
  IOMMU_WRITE,
} from './domain.ts';
import type { iommu_domain, iommu_phys } from './domain.ts';
import { update_user_bitmap, vfio_dma_bitmap_alloc, vfio_dma_bitmap_free } from './type1_bitmap.ts';
import { vfio_iommu_iova_dma_valid } from './type1_iova.ts';
import {
  memlock_limit,
  vfio_lock_acct,
  vfio_pin_pages_remote,
  vfio_unpin_pages_remote,
} from './type1_pin.ts';
import type { pinned_run } from './type1_pin.ts';
import {
  CAP_IPC_LOCK,
  min_pgsize,
  PAGE_SHIFT_N,
  U64_MAX,
  u64,
  vfio_dma,
  vfio_find_dma,
  vfio_find_dma_first_node,
  vfio_link_dma,
  vfio_unlink_dma,
  WAITED,
} from './type1_state.ts';
import type { vfio_domain, vfio_iommu } from './type1_state.ts';
import {
  VFIO_DMA_MAP_FLAG_READ,
  VFIO_DMA_MAP_FLAG_VADDR,
  VFIO_DMA_MAP_FLAG_WRITE,
  VFIO_DMA_UNMAP_FLAG_ALL,
  VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP,
  VFIO_DMA_UNMAP_FLAG_VADDR,
} from './uapi.ts';
import type { vfio_bitmap, vfio_iommu_type1_dma_map, vfio_iommu_type1_dma_unmap } from './uapi.ts';

const VFIO_IOMMU_NOTIFY_DMA_UNMAP = 1;

/** Sleep until a vaddr is updated, the lock dropped. @returns WAITED, or -EFAULT when the container is gone. */
async function vfio_wait(iommu: vfio_iommu): Promise<int> {
  const before = iommu.vaddr_invalid_count;
  await mutex_unlock(iommu.lock);
  await wait_event(iommu.vaddr_wait, () => iommu.vaddr_invalid_count < before || !iommu.container_open);
  await mutex_lock(iommu.lock);
  return iommu.container_open ? WAITED : -EFAULT;
}

/**
 * The mapping of a range, once its vaddr is valid.
 * @returns the mapping and whether the lock was dropped, -EINVAL without one, -EFAULT when the container is gone
 * C: drivers/vfio/vfio_iommu_type1.c vfio_find_dma_valid()
 */
export async function vfio_find_dma_valid(
  iommu: vfio_iommu,
  start: bigint,
  size: bigint,
): Promise<{ dma: vfio_dma; waited: boolean } | int> {
  let ret = 0;
  do {
    const dma = vfio_find_dma(iommu, start, size);
    if (!dma) return -EINVAL;
    if (!dma.vaddr_invalid) return { dma, waited: ret === WAITED };
    ret = await vfio_wait(iommu);
  } while (ret === WAITED);
  return ret;
}

/** C: drivers/vfio/vfio_iommu_type1.c vfio_wait_all_valid() */
async function vfio_wait_all_valid(iommu: vfio_iommu): Promise<int> {
  let ret = 0;
  while (iommu.vaddr_invalid_count && ret >= 0) ret = await vfio_wait(iommu);
  return ret;
}

/**
 * Take a mapping out of all domains and unpin its memory.
 * @returns how many pages were unpinned and are not accounted for yet
 * C: drivers/vfio/vfio_iommu_type1.c vfio_unmap_unpin()
 */
async function vfio_unmap_unpin(iommu: vfio_iommu, dma: vfio_dma, do_accounting: boolean): Promise<number> {
  if (!dma.size) return 0;
  const [first, ...others] = iommu.domain_list;
  if (!first) return 0;
  for (const d of others) iommu_unmap(d.domain, dma.iova, dma.size);
  const end = dma.iova + dma.size;
  let unlocked = 0;
  let iova = dma.iova;
  while (iova < end) {
    const m = iommu_iova_to_phys(first.domain, iova);
    if (WARN_ON(!m, '!phys') || !m) break;
    const to = m.iova + m.size < end ? m.iova + m.size : end;
    const run = { npage: Number((to - iova) >> PAGE_SHIFT_N), rsvd: m.rsvd };
    iommu_unmap(first.domain, iova, to - iova);
    unlocked += await vfio_unpin_pages_remote(dma, iova, run, false);
    iova = to;
  }
  dma.iommu_mapped = false;
  if (!do_accounting) return unlocked;
  await vfio_lock_acct(dma, -unlocked, true);
  return 0;
}

/** C: drivers/vfio/vfio_iommu_type1.c vfio_remove_dma() */
export async function vfio_remove_dma(iommu: vfio_iommu, dma: vfio_dma): Promise<void> {
  WARN_ON(dma.pfn_list.size > 0, '!RB_EMPTY_ROOT(&dma->pfn_list)');
  await vfio_unmap_unpin(iommu, dma, true);
  vfio_unlink_dma(iommu, dma);
  vfio_dma_bitmap_free(dma);
  if (dma.vaddr_invalid) {
    iommu.vaddr_invalid_count--;
    await wake_up_all(iommu.vaddr_wait);
  }
  kfree(dma);
  iommu.dma_avail++;
}

/** C: drivers/vfio/vfio_iommu_type1.c vfio_iommu_unmap_unpin_all() */
export async function vfio_iommu_unmap_unpin_all(iommu: vfio_iommu): Promise<void> {
  for (let dma = iommu.dma_list[0]; dma !== undefined; dma = iommu.dma_list[0])
    await vfio_remove_dma(iommu, dma);
}

/** The last domain goes, the mappings stay for drivers. C: vfio_iommu_unmap_unpin_reaccount() */
export async function vfio_iommu_unmap_unpin_reaccount(iommu: vfio_iommu): Promise<void> {
  for (const dma of [...iommu.dma_list]) {
    const unlocked = await vfio_unmap_unpin(iommu, dma, false);
    await vfio_lock_acct(dma, dma.pfn_list.size - unlocked, true);
  }
}

/**
 * UNMAP_DMA. `unmap.size` becomes what was unmapped.
 * @param bitmap where dirty bits go, with VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP
 * @returns 0; -EINVAL for a range that is misaligned, wraps, or (v2) cuts a mapping in two; -EFAULT
 * C: drivers/vfio/vfio_iommu_type1.c vfio_dma_do_unmap()
 */
export async function vfio_dma_do_unmap(
  iommu: vfio_iommu,
  unmap: vfio_iommu_type1_dma_unmap,
  bitmap: vfio_bitmap,
): Promise<int> {
  await mutex_lock(iommu.lock);
  const done = await unmap_locked(iommu, unmap, bitmap);
  await mutex_unlock(iommu.lock);
  unmap.size = done.unmapped;
  return done.ret;
}

async function unmap_locked(
  iommu: vfio_iommu,
  unmap: vfio_iommu_type1_dma_unmap,
  bitmap: vfio_bitmap,
): Promise<{ ret: int; unmapped: bigint }> {
  const { iova, flags } = unmap;
  let { size } = unmap;
  const unmap_all = (flags & VFIO_DMA_UNMAP_FLAG_ALL) !== 0;
  const get_dirty = (flags & VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP) !== 0;
  const pgsize = min_pgsize(iommu);
  const invalid = { ret: -EINVAL, unmapped: 0n };

  if (iova & (pgsize - 1n)) return invalid;
  if (unmap_all) {
    if (iova || size) return invalid;
    size = U64_MAX;
  } else if (!size || size & (pgsize - 1n) || u64(iova + size - 1n) < iova) {
    return invalid;
  }
  if (get_dirty && (!iommu.dirty_page_tracking || bitmap.pgsize !== pgsize)) return invalid;

  const end = u64(iova + size);
  let unmapped = 0n;
  for (;;) {
    // v2: a range must not cut a mapping in two. v1: a range that begins inside one unmaps nothing.
    if (iommu.v2 && !unmap_all) {
      const head = vfio_find_dma(iommu, iova, 1n);
      if (head && head.iova !== iova) return { ret: -EINVAL, unmapped };
      const tail = vfio_find_dma(iommu, u64(iova + size - 1n), 0n);
      if (tail && u64(tail.iova + tail.size) !== end) return { ret: -EINVAL, unmapped };
    }

    const first = vfio_find_dma_first_node(iommu, iova, size);
    let n = first;
    let again = false;
    while (n >= 0 && n < iommu.dma_list.length) {
      const dma = iommu.dma_list[n];
      if (dma.iova >= end) break;
      if (!iommu.v2 && iova > dma.iova) break;
      if (dma.mm !== current_mm()) break;

      if (flags & VFIO_DMA_UNMAP_FLAG_VADDR) {
        if (dma.vaddr_invalid) {
          for (const back of iommu.dma_list.slice(first, n)) {
            back.vaddr_invalid = false;
            iommu.vaddr_invalid_count--;
          }
          return { ret: -EINVAL, unmapped: 0n };
        }
        dma.vaddr_invalid = true;
        iommu.vaddr_invalid_count++;
        unmapped += dma.size;
        n++;
        continue;
      }

      if (dma.pfn_list.size > 0) {
        // Drivers have to unpin when they are told; then look again, since the lock was dropped.
        const range = { iova: dma.iova, size: dma.size };
        await mutex_unlock(iommu.lock);
        await blocking_notifier_call_chain(iommu.notifier, VFIO_IOMMU_NOTIFY_DMA_UNMAP, range);
        await mutex_lock(iommu.lock);
        again = true;
        break;
      }

      if (get_dirty) {
        const ret = update_user_bitmap(Number(bitmap.data), iommu, dma, iova, pgsize);
        if (ret) return { ret, unmapped };
      }
      unmapped += dma.size;
      await vfio_remove_dma(iommu, dma);
    }
    if (!again) return { ret: 0, unmapped };
  }
}

/** Into every domain, or none. C: drivers/vfio/vfio_iommu_type1.c vfio_iommu_map() */
function vfio_iommu_map(iommu: vfio_iommu, dma: vfio_dma, iova: bigint, vaddr: bigint, run: pinned_run): int {
  const size = BigInt(run.npage) << PAGE_SHIFT_N;
  const done: vfio_domain[] = [];
  for (const d of iommu.domain_list) {
    const ret = iommu_map(
      d.domain,
      iova,
      { mm: dma.mm, vaddr, rsvd: run.rsvd },
      size,
      dma.prot | IOMMU_CACHE,
    );
    if (ret) {
      for (const back of done.reverse()) iommu_unmap(back.domain, iova, size);
      return ret;
    }
    done.push(d);
  }
  return 0;
}

/** Pin and map run by run, growing the mapping. C: drivers/vfio/vfio_iommu_type1.c vfio_pin_map_dma() */
async function vfio_pin_map_dma(iommu: vfio_iommu, dma: vfio_dma, map_size: bigint): Promise<int> {
  let left = map_size;
  let ret = 0;
  while (left) {
    const vaddr = dma.vaddr + dma.size;
    const run = await vfio_pin_pages_remote(
      dma,
      current_mm(),
      vaddr,
      Number(left >> PAGE_SHIFT_N),
      memlock_limit(),
    );
    if (typeof run === 'number') {
      ret = run;
      break;
    }
    ret = vfio_iommu_map(iommu, dma, dma.iova + dma.size, vaddr, run);
    if (ret) {
      await vfio_unpin_pages_remote(dma, dma.iova + dma.size, run, true);
      break;
    }
    const bytes = BigInt(run.npage) << PAGE_SHIFT_N;
    left -= bytes;
    dma.size += bytes;
  }
  dma.iommu_mapped = true;
  if (ret) await vfio_remove_dma(iommu, dma);
  return ret;
}

/**
 * MAP_DMA.
 * @returns 0; -EINVAL for flags, alignment, a wrap, or a range outside the aperture or in a reserved one; -EEXIST for
 *   an overlap; -ENOENT (VADDR flag) without a mapping; -ENOSPC at the limit of mappings; -ENOMEM; -EFAULT
 * C: drivers/vfio/vfio_iommu_type1.c vfio_dma_do_map()
 */
export async function vfio_dma_do_map(iommu: vfio_iommu, map: vfio_iommu_type1_dma_map): Promise<int> {
  const set_vaddr = (map.flags & VFIO_DMA_MAP_FLAG_VADDR) !== 0;
  let prot = 0;
  if (map.flags & VFIO_DMA_MAP_FLAG_WRITE) prot |= IOMMU_WRITE;
  if (map.flags & VFIO_DMA_MAP_FLAG_READ) prot |= IOMMU_READ;
  if ((prot !== 0) === set_vaddr) return -EINVAL;
  await mutex_lock(iommu.lock);
  const ret = await map_locked(iommu, map, prot, set_vaddr);
  await mutex_unlock(iommu.lock);
  return ret;
}

async function map_locked(
  iommu: vfio_iommu,
  map: vfio_iommu_type1_dma_map,
  prot: int,
  set_vaddr: boolean,
): Promise<int> {
  const { iova, vaddr, size } = map;
  const pgsize = min_pgsize(iommu);
  if (!size || (size | iova | vaddr) & (pgsize - 1n)) return -EINVAL;
  if (u64(iova + size - 1n) < iova || u64(vaddr + size - 1n) < vaddr) return -EINVAL;

  const old = vfio_find_dma(iommu, iova, size);
  if (set_vaddr) {
    if (!old) return -ENOENT;
    if (!old.vaddr_invalid || old.iova !== iova || old.size !== size) return -EINVAL;
    old.vaddr = vaddr;
    old.vaddr_invalid = false;
    iommu.vaddr_invalid_count--;
    await wake_up_all(iommu.vaddr_wait);
    return 0;
  }
  if (old) return -EEXIST;
  if (!iommu.dma_avail) return -ENOSPC;
  if (!vfio_iommu_iova_dma_valid(iommu, iova, iova + size - 1n)) return -EINVAL;

  const mm = current_mm();
  const dma = mm === null ? null : kzalloc(vfio_dma, GFP_KERNEL);
  if (mm === null || dma === null) return -ENOMEM;
  iommu.dma_avail--;
  dma.iova = iova;
  dma.vaddr = vaddr;
  dma.prot = prot;
  dma.mm = mm;
  dma.lock_cap = capable(CAP_IPC_LOCK);
  vfio_link_dma(iommu, dma);
  let ret = 0;
  if (iommu.domain_list.length === 0) dma.size = size;
  else ret = await vfio_pin_map_dma(iommu, dma, size);
  if (!ret && iommu.dirty_page_tracking) {
    ret = vfio_dma_bitmap_alloc(dma, pgsize);
    if (ret) await vfio_remove_dma(iommu, dma);
  }
  return ret;
}

/**
 * Bring all mappings into a new domain: from another domain what is mapped, else by pinning now.
 * @returns 0 or what pinning or mapping said; then the new domain is empty again
 * C: drivers/vfio/vfio_iommu_type1.c vfio_iommu_replay()
 */
export async function vfio_iommu_replay(iommu: vfio_iommu, domain: iommu_domain): Promise<int> {
  const ret = await vfio_wait_all_valid(iommu);
  if (ret < 0) return ret;
  const source = iommu.domain_list[0]?.domain;
  const pinned: { dma: vfio_dma; iova: bigint; run: pinned_run }[] = [];
  let err = 0;
  for (const dma of iommu.dma_list) {
    const end = dma.iova + dma.size;
    for (let iova = dma.iova; iova < end && !err;) {
      let bytes: bigint;
      let phys: iommu_phys;
      if (dma.iommu_mapped) {
        const m = source && iommu_iova_to_phys(source, iova);
        if (WARN_ON(!m, '!phys') || !m) {
          err = -EINVAL;
          break;
        }
        bytes = (m.iova + m.size < end ? m.iova + m.size : end) - iova;
        phys = { mm: m.mm, vaddr: m.vaddr + (iova - m.iova), rsvd: m.rsvd };
      } else {
        const vaddr = dma.vaddr + (iova - dma.iova);
        const npage = Number((end - iova) >> PAGE_SHIFT_N);
        const run = await vfio_pin_pages_remote(dma, current_mm(), vaddr, npage, memlock_limit());
        if (typeof run === 'number') {
          err = run;
          break;
        }
        pinned.push({ dma, iova, run });
        bytes = BigInt(run.npage) << PAGE_SHIFT_N;
        phys = { mm: dma.mm, vaddr, rsvd: run.rsvd };
      }
      err = iommu_map(domain, iova, phys, bytes, dma.prot | IOMMU_CACHE);
      iova += bytes;
    }
    if (err) break;
  }
  if (err) {
    for (const { dma, iova, run } of pinned) await vfio_unpin_pages_remote(dma, iova, run, true);
    for (const dma of iommu.dma_list) iommu_unmap(domain, dma.iova, dma.size);
    return err;
  }
  for (const dma of iommu.dma_list) dma.iommu_mapped = true;
  return 0;
}
