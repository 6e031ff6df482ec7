// SPDX-License-Identifier: GPL-2.0-only
// drivers/vfio/vfio_iommu_type1.c (v5.19-rc4): pinning user memory and accounting for it.
//
// A page is identified by its address in its process, since nothing here moves pages. Runs of pages are pinned as far
// as one memory area goes; the C goes as far as frames are contiguous, which no caller can see.

import {
  EFAULT,
  ENODEV,
  ENOMEM,
  ESRCH,
  FAULT_FLAG_WRITE,
  mmap_read_lock,
  mmap_read_unlock,
  mmap_write_lock,
  mmap_write_unlock,
  mmget_not_zero,
  mmput,
  PAGE_SIZE,
  pr_warn,
  VM_PFNMAP,
  VM_READ,
  VM_WRITE,
  vm_fault,
  VM_FAULT_SIGBUS,
} from '@vfio-lab/kernel';
import type { mm_struct, vm_area_struct } from '@vfio-lab/kernel';
import { machine } from '@vfio-lab/sim';
import type { int } from '@vfio-lab/sim';
import { IOMMU_WRITE } from './domain.ts';
import { PAGE_SHIFT_N, PAGE_SIZE_N, vfio_iommu_type1_params } from './type1_state.ts';
import type { vfio_dma } from './type1_state.ts';

const VM_FAULT_ERROR = VM_FAULT_SIGBUS | 0x1 | 0x40;

/** Pages locked by each process, and the frame numbers handed out to drivers. */
class pinned_pages {
  readonly locked_vm = new Map<mm_struct, number>();
  readonly frames = new Map<mm_struct, Map<number, number>>();
  next_frame = 0x100000;
}

function pins(): pinned_pages {
  return machine.scope(pinned_pages, () => new pinned_pages());
}

/** Pages that count against RLIMIT_MEMLOCK of a process. C: mm->locked_vm */
export function mm_locked_vm(mm: mm_struct): number {
  return pins().locked_vm.get(mm) ?? 0;
}

/** All pages locked on the running machine; 0 when every mapping is gone. */
export function total_locked_vm(): number {
  let sum = 0;
  for (const n of pins().locked_vm.values()) sum += n;
  return sum;
}

/** C: mm/util.c __account_locked_vm() */
function __account_locked_vm(mm: mm_struct, pages: number, lock_cap: boolean): int {
  const { locked_vm } = pins();
  const now = locked_vm.get(mm) ?? 0;
  if (pages > 0 && !lock_cap && now + pages > memlock_limit()) return -ENOMEM;
  const sum = now + pages;
  if (sum === 0) locked_vm.delete(mm);
  else locked_vm.set(mm, sum);
  return 0;
}

/** RLIMIT_MEMLOCK in pages. */
export function memlock_limit(): number {
  return Math.floor(vfio_iommu_type1_params().rlimit_memlock / PAGE_SIZE);
}

/**
 * Add pages to what the process of a mapping has locked, or take them off.
 * @param other called from another context than the process: its address space may be gone
 * @returns 0, -ESRCH when it is, -ENOMEM over the limit
 * C: drivers/vfio/vfio_iommu_type1.c vfio_lock_acct()
 */
export async function vfio_lock_acct(dma: vfio_dma, npage: number, other: boolean): Promise<int> {
  if (!npage) return 0;
  const { mm } = dma;
  if (other && !(await mmget_not_zero(mm))) {
    pins().locked_vm.delete(mm);
    return -ESRCH;
  }
  await mmap_write_lock(mm);
  const ret = __account_locked_vm(mm, npage, dma.lock_cap);
  await mmap_write_unlock(mm);
  if (other) await mmput(mm);
  return ret;
}

/** Fault in the page of a device mapping. Returns 0 or -EFAULT. C: drivers/vfio/vfio_iommu_type1.c follow_fault_pfn() */
async function follow_fault_pfn(vma: vm_area_struct, vaddr: number, write: boolean): Promise<int> {
  if (!(vma.vm_flags & (write ? VM_WRITE : VM_READ))) return -EFAULT;
  const nr = Math.floor(vaddr / PAGE_SIZE);
  if (vma.ptes.has(nr)) return 0;
  const ret =
    (await vma.vm_ops?.fault?.(new vm_fault(vma, vaddr, write ? FAULT_FLAG_WRITE : 0))) ?? VM_FAULT_SIGBUS;
  return ret & VM_FAULT_ERROR || !vma.ptes.has(nr) ? -EFAULT : 0;
}

/** What pinning a run of pages gave: how many, and whether they are memory or a device's. */
export interface pinned_run {
  readonly npage: number;
  readonly rsvd: boolean;
}

/**
 * Pin up to `npage` pages from an address on.
 * @returns at least one page, or -EFAULT where nothing is mapped or not with the rights needed
 * C: drivers/vfio/vfio_iommu_type1.c vaddr_get_pfns()
 */
async function vaddr_get_pfns(
  mm: mm_struct,
  vaddr: number,
  npage: number,
  prot: int,
): Promise<pinned_run | int> {
  const write = (prot & IOMMU_WRITE) !== 0;
  await mmap_read_lock(mm);
  const vma = mm.vma_lookup(vaddr);
  let run: pinned_run | int = -EFAULT;
  if (vma !== null && vma.is_memory) {
    const room = (vma.vm_end - vaddr) / PAGE_SIZE;
    if (vma.vm_flags & (write ? VM_WRITE : VM_READ)) run = { npage: Math.min(npage, room), rsvd: false };
  } else if (vma !== null && vma.vm_flags & VM_PFNMAP) {
    const ret = await follow_fault_pfn(vma, vaddr, write);
    run = ret ? ret : { npage: 1, rsvd: true };
  }
  await mmap_read_unlock(mm);
  return run;
}

/**
 * Pin a run of pages of the calling process and account for them.
 * @returns -ENODEV without a process, -EFAULT, -ENOMEM over the limit
 * C: drivers/vfio/vfio_iommu_type1.c vfio_pin_pages_remote()
 */
export async function vfio_pin_pages_remote(
  dma: vfio_dma,
  mm: mm_struct | null,
  vaddr: bigint,
  npage: number,
  limit: number,
): Promise<pinned_run | int> {
  if (mm === null) return -ENODEV;
  const run = await vaddr_get_pfns(mm, Number(vaddr), npage, dma.prot);
  if (typeof run === 'number' || run.rsvd) return run;
  const iova = vaddr - dma.vaddr + dma.iova;
  const lock_acct = run.npage - external_pages(dma, iova, run.npage);
  if (!dma.lock_cap && mm_locked_vm(mm) + lock_acct > limit) {
    pr_warn(`vfio_pin_pages_remote: RLIMIT_MEMLOCK (${limit * PAGE_SIZE}) exceeded`);
    return -ENOMEM;
  }
  const ret = await vfio_lock_acct(dma, lock_acct, false);
  return ret < 0 ? ret : run;
}

/** How many pages of a range a driver has pinned, and accounted for, already. */
function external_pages(dma: vfio_dma, iova: bigint, npage: number): number {
  let n = 0;
  const end = iova + BigInt(npage) * PAGE_SIZE_N;
  for (const at of dma.pfn_list.keys()) if (at >= iova && at < end) n++;
  return n;
}

/**
 * Unpin a run of memory pages. @returns how many.
 * C: drivers/vfio/vfio_iommu_type1.c vfio_unpin_pages_remote()
 */
export async function vfio_unpin_pages_remote(
  dma: vfio_dma,
  iova: bigint,
  run: pinned_run,
  do_accounting: boolean,
): Promise<number> {
  const unlocked = run.rsvd ? 0 : run.npage;
  const locked = run.rsvd ? 0 : external_pages(dma, iova, run.npage);
  if (do_accounting) await vfio_lock_acct(dma, locked - unlocked, true);
  return unlocked;
}

/** Frame number of a page of a process, made up on first use. */
function frame_of(mm: mm_struct, vaddr: bigint): number {
  const state = pins();
  let frames = state.frames.get(mm);
  if (!frames) state.frames.set(mm, (frames = new Map()));
  const nr = Number(vaddr >> PAGE_SHIFT_N);
  let frame = frames.get(nr);
  if (frame === undefined) frames.set(nr, (frame = state.next_frame++));
  return frame;
}

/** Pin one page for a driver. @returns its frame, or a negative error. C: vfio_pin_page_external() */
export async function vfio_pin_page_external(
  dma: vfio_dma,
  vaddr: bigint,
  do_accounting: boolean,
): Promise<number> {
  const { mm } = dma;
  if (!(await mmget_not_zero(mm))) return -ENODEV;
  const run = await vaddr_get_pfns(mm, Number(vaddr), 1, dma.prot);
  let ret = typeof run === 'number' ? run : frame_of(mm, vaddr);
  if (typeof run !== 'number' && do_accounting && !run.rsvd) {
    const err = await vfio_lock_acct(dma, 1, true);
    if (err) ret = err;
  }
  await mmput(mm);
  return ret;
}

/** Drop a driver's pin. @returns how many pages are free now. C: vfio_unpin_page_external() */
export async function vfio_unpin_page_external(
  dma: vfio_dma,
  iova: bigint,
  do_accounting: boolean,
): Promise<number> {
  const vpfn = dma.pfn_list.get(iova);
  if (!vpfn) return 0;
  if (--vpfn.ref_count > 0) return 0;
  dma.pfn_list.delete(iova);
  if (do_accounting) await vfio_lock_acct(dma, -1, true);
  return 1;
}
