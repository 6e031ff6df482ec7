// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address spaces: mm/mmap.c, mm/memory.c, arch/x86/mm/fault.c.
 *
 * Anonymous memory is pages of bytes. A mapping of a device has a page table of its own: page number -> frame number.
 */
import {
  atomic_dec_and_test,
  atomic_inc_not_zero,
  atomic_t,
  down_read,
  down_read_trylock,
  down_write,
  downgrade_write,
  rw_semaphore,
  up_read,
  up_write,
} from '@vfio-lab/locking';
import { access, machine, Obj } from '@vfio-lab/sim';
import { PAGE_ALIGN, PAGE_ALIGNED, PAGE_SIZE } from './bits.ts';
import type { Awaitable } from './container.ts';
import { EACCES, EBADF, EINVAL, ENODEV, ENOMEM, EOVERFLOW } from './errno.ts';
import { fget, type file, FMODE_READ, FMODE_WRITE, fput, get_file } from './file.ts';
import { BUG } from './printk.ts';
import { current_mm } from './process.ts';
import { syscall_enter, syscall_exit } from './task.ts';
import { access_ok, TASK_SIZE_MAX, type user_ptr } from './uaccess.ts';

export const VM_NONE = 0;
export const VM_READ = 0x1;
export const VM_WRITE = 0x2;
export const VM_EXEC = 0x4;
export const VM_SHARED = 0x8;
export const VM_MAYREAD = 0x10;
export const VM_MAYWRITE = 0x20;
export const VM_MAYEXEC = 0x40;
export const VM_MAYSHARE = 0x80;
export const VM_PFNMAP = 0x400;
export const VM_IO = 0x4000;
export const VM_DONTCOPY = 0x20000;
export const VM_DONTEXPAND = 0x40000;
export const VM_DONTDUMP = 0x4000000;

export const VM_FAULT_OOM = 0x1;
export const VM_FAULT_SIGBUS = 0x2;
export const VM_FAULT_SIGSEGV = 0x40;
export const VM_FAULT_NOPAGE = 0x100;
export const VM_FAULT_RETRY = 0x400;

export const FAULT_FLAG_WRITE = 0x1;

export const PROT_NONE = 0;
export const PROT_READ = 1;
export const PROT_WRITE = 2;
export const PROT_EXEC = 4;
export const MAP_SHARED = 1;
export const MAP_PRIVATE = 2;
export const MAP_SHARED_VALIDATE = 3;
export const MAP_TYPE = 0xf;
export const MAP_FIXED = 0x10;
export const MAP_ANONYMOUS = 0x20;

export const SEGV_MAPERR = 1;
export const SEGV_ACCERR = 2;
export const BUS_ADRERR = 2;

const MMAP_BASE = 0x7f0000000000;
const HEAP_BASE = 0x555555600000;
const HEAP_SIZE = 0x40000000;

export type pgprot_t = number;
const PGPROT_NOCACHE = 0x18;

/** C: pgprot_noncached() */
export function pgprot_noncached(prot: pgprot_t): pgprot_t {
  return prot | PGPROT_NOCACHE;
}

/** struct vm_operations_struct */
export interface vm_operations_struct {
  open?(vma: vm_area_struct): Awaitable<void>;
  close?(vma: vm_area_struct): Awaitable<void>;
  fault?(vmf: vm_fault): Awaitable<number>;
}

/** struct vm_fault */
export class vm_fault {
  readonly vma: vm_area_struct;
  /** The faulting address, rounded down to its page. */
  readonly address: number;
  readonly real_address: number;
  /** Page offset in the mapped file. */
  readonly pgoff: number;
  readonly flags: number;

  constructor(vma: vm_area_struct, address: number, flags: number) {
    this.vma = vma;
    this.real_address = address;
    this.address = address - (address % PAGE_SIZE);
    this.pgoff = (this.address - vma.vm_start) / PAGE_SIZE + vma.vm_pgoff;
    this.flags = flags;
  }
}

/** struct vm_area_struct */
export class vm_area_struct {
  readonly vm_mm: mm_struct;
  vm_start: number;
  vm_end: number;
  vm_pgoff = 0;
  vm_flags: number;
  vm_page_prot: pgprot_t = 0;
  vm_ops: vm_operations_struct | null = null;
  vm_private_data: unknown = null;
  vm_file: file | null = null;
  /** Page table of a device mapping: page number of the address -> frame number. */
  readonly ptes = new Map<number, number>();
  /** What accesses through the page table and changes of it are ordered by. */
  readonly pt = new Obj('page table');
  /** Bytes of anonymous memory, by page number of the address. */
  readonly pages = new Map<number, Uint8Array>();

  constructor(mm: mm_struct, start: number, end: number, flags: number) {
    this.vm_mm = mm;
    this.vm_start = start;
    this.vm_end = end;
    this.vm_flags = flags;
  }

  /** Does the kernel's copy_*_user() reach it? A device mapping is not memory. */
  get is_memory(): boolean {
    return this.vm_file === null && (this.vm_flags & (VM_IO | VM_PFNMAP)) === 0;
  }
}

/** struct mm_struct */
export class mm_struct {
  readonly mmap_lock = new rw_semaphore('&mm->mmap_lock');
  readonly mm_users = new atomic_t(1, 'mm_users');
  /** Sorted by address. */
  readonly vmas: vm_area_struct[] = [];
  private last: vm_area_struct | null = null;
  private next_map = MMAP_BASE;
  private brk = HEAP_BASE;
  private readonly _free = new Map<number, number[]>();

  /** The area that an address lies in, or null. C: include/linux/mm.h vma_lookup() */
  vma_lookup(addr: number): vm_area_struct | null {
    const last = this.last;
    if (last !== null && addr >= last.vm_start && addr < last.vm_end) return last;
    for (const vma of this.vmas) {
      if (addr < vma.vm_start) return null;
      if (addr < vma.vm_end) return (this.last = vma);
    }
    return null;
  }

  /** The first area that ends above an address, or null. C: mm/mmap.c find_vma() */
  find_vma(addr: number): vm_area_struct | null {
    return this.vmas.find((vma) => addr < vma.vm_end) ?? null;
  }

  link(vma: vm_area_struct): void {
    const i = this.vmas.findIndex((v) => v.vm_start >= vma.vm_end);
    if (i < 0) this.vmas.push(vma);
    else this.vmas.splice(i, 0, vma);
  }

  unlink(vma: vm_area_struct): void {
    this.vmas.splice(this.vmas.indexOf(vma), 1);
    if (this.last === vma) this.last = null;
  }

  /** A range of this size that nothing uses and that touches nothing. */
  get_unmapped_area(len: number): number {
    const addr = this.next_map;
    this.next_map = addr + len + PAGE_SIZE;
    return addr;
  }

  /**
   * Copy between anonymous memory and bytes; stops at the first address that is not mapped or not allowed.
   * @returns how many bytes were copied
   */
  copy(addr: number, bytes: Uint8Array, off: number, n: number, write: boolean): number {
    let done = 0;
    while (done < n) {
      const vma = this.vma_lookup(addr);
      if (vma === null || !vma.is_memory || (vma.vm_flags & (write ? VM_WRITE : VM_READ)) === 0) break;
      const at = addr % PAGE_SIZE;
      const step = Math.min(n - done, PAGE_SIZE - at);
      const nr = (addr - at) / PAGE_SIZE;
      let page = vma.pages.get(nr);
      if (write) {
        if (page === undefined) vma.pages.set(nr, (page = new Uint8Array(PAGE_SIZE)));
        for (let i = 0; i < step; i++) page[at + i] = bytes[off + done + i];
      } else if (page === undefined) {
        bytes.fill(0, off + done, off + done + step);
      } else {
        for (let i = 0; i < step; i++) bytes[off + done + i] = page[at + i];
      }
      done += step;
      addr += step;
    }
    return done;
  }

  /**
   * malloc(3): memory of the process's heap, aligned to 16, zeroed when fresh. No system call, no scheduling
   * point.
   */
  alloc(size: number): user_ptr {
    const room = Math.max(16, Math.ceil(size / 16) * 16);
    const old = this._free.get(room)?.pop();
    if (old !== undefined) return old;
    if (this.brk === HEAP_BASE) {
      this.link(
        new vm_area_struct(
          this,
          HEAP_BASE,
          HEAP_BASE + HEAP_SIZE,
          VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE,
        ),
      );
    }
    const addr = this.brk;
    this.brk += room;
    return addr;
  }

  /** free(3) of what alloc() gave; `size` as it was asked for. */
  free(addr: user_ptr, size: number): void {
    const room = Math.max(16, Math.ceil(size / 16) * 16);
    const list = this._free.get(room);
    if (list === undefined) this._free.set(room, [addr]);
    else list.push(addr);
  }

  /** The program stores bytes in its own memory. Throws a RangeError where it would get a signal. */
  store(addr: user_ptr, bytes: Uint8Array): void {
    if (this.copy(addr, bytes, 0, bytes.length, true) < bytes.length)
      throw new RangeError('store to memory not mapped');
  }

  /** The program loads bytes from its own memory. Throws a RangeError where it would get a signal. */
  load(addr: user_ptr, n: number): Uint8Array {
    const bytes = new Uint8Array(n);
    if (this.copy(addr, bytes, 0, n, false) < n) throw new RangeError('load from memory not mapped');
    return bytes;
  }
}

export async function mmap_read_lock(mm: mm_struct): Promise<void> {
  await down_read(mm.mmap_lock);
}
/** 1 or 0, never sleeps. */
export async function mmap_read_trylock(mm: mm_struct): Promise<number> {
  return down_read_trylock(mm.mmap_lock);
}
export async function mmap_read_unlock(mm: mm_struct): Promise<void> {
  await up_read(mm.mmap_lock);
}
export async function mmap_write_lock(mm: mm_struct): Promise<void> {
  await down_write(mm.mmap_lock);
}
export async function mmap_write_unlock(mm: mm_struct): Promise<void> {
  await up_write(mm.mmap_lock);
}

/**
 * A user reference on an address space unless its last one is gone.
 * C: include/linux/sched/mm.h mmget_not_zero()
 */
export function mmget_not_zero(mm: mm_struct): Promise<boolean> {
  return atomic_inc_not_zero(mm.mm_users);
}

/** Drop a reference; the last one unmaps everything. C: kernel/fork.c mmput() */
export async function mmput(mm: mm_struct): Promise<void> {
  if (await atomic_dec_and_test(mm.mm_users)) await exit_mmap(mm);
}

async function remove_vma(vma: vm_area_struct): Promise<void> {
  await vma.vm_ops?.close?.(vma);
  if (vma.vm_file !== null) await fput(vma.vm_file);
}

/** C: mm/mmap.c exit_mmap() */
async function exit_mmap(mm: mm_struct): Promise<void> {
  await mmap_write_lock(mm);
  for (const vma of [...mm.vmas]) {
    vma.ptes.clear();
    mm.unlink(vma);
    await remove_vma(vma);
  }
  await mmap_write_unlock(mm);
}

/** Cut an area in two at an address; the upper part becomes a new area. C: mm/mmap.c __split_vma() */
async function split_vma(vma: vm_area_struct, addr: number): Promise<void> {
  const upper = new vm_area_struct(vma.vm_mm, addr, vma.vm_end, vma.vm_flags);
  upper.vm_pgoff = vma.vm_pgoff + (addr - vma.vm_start) / PAGE_SIZE;
  upper.vm_page_prot = vma.vm_page_prot;
  upper.vm_ops = vma.vm_ops;
  upper.vm_private_data = vma.vm_private_data;
  if (vma.vm_file !== null) upper.vm_file = await get_file(vma.vm_file);
  for (const table of ['ptes', 'pages'] as const) {
    for (const [nr, x] of vma[table] as Map<number, unknown>) {
      if (nr * PAGE_SIZE < addr) continue;
      (upper[table] as Map<number, unknown>).set(nr, x);
    }
  }
  await upper.vm_ops?.open?.(upper);
  vma.vm_end = addr;
  for (const nr of upper.ptes.keys()) vma.ptes.delete(nr);
  for (const nr of upper.pages.keys()) vma.pages.delete(nr);
  vma.vm_mm.link(upper);
}

/** Returns 1 when it left the lock downgraded to shared. C: mm/mmap.c __do_munmap() */
async function do_munmap(mm: mm_struct, start: number, len: number, downgrade: boolean): Promise<number> {
  if (!PAGE_ALIGNED(start) || start > TASK_SIZE_MAX || len > TASK_SIZE_MAX - start) return -EINVAL;
  const end = start + PAGE_ALIGN(len);
  if (end === start) return -EINVAL;
  const first = mm.vma_lookup(start);
  if (first !== null && first.vm_start < start) await split_vma(first, start);
  const last = mm.vma_lookup(end);
  if (last !== null && last.vm_start < end) await split_vma(last, end);
  const gone = mm.vmas.filter((vma) => vma.vm_start >= start && vma.vm_end <= end);
  if (gone.length === 0) return 0;
  for (const vma of gone) mm.unlink(vma);
  if (downgrade) await downgrade_write(mm.mmap_lock);
  for (const vma of gone) {
    if (vma.vm_file !== null) await access(vma.pt, true, 'write');
    vma.ptes.clear();
  }
  for (const vma of gone) await remove_vma(vma);
  return downgrade ? 1 : 0;
}

/** Page protection flags from PROT_*, with what the area may be given later. */
function vm_flags_of(prot: number): number {
  return (prot & (VM_READ | VM_WRITE | VM_EXEC)) | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC;
}

/** C: mm/mmap.c do_mmap(), mmap_region(); with the lock held for writing. */
async function do_mmap(
  mm: mm_struct,
  f: file | null,
  hint: number,
  bytes: number,
  prot: number,
  flags: number,
  pgoff: number,
): Promise<number> {
  if (bytes === 0) return -EINVAL;
  const len = PAGE_ALIGN(bytes);
  if (len > TASK_SIZE_MAX) return -ENOMEM;
  if (pgoff + len / PAGE_SIZE > 2 ** 52) return -EOVERFLOW;
  let vm_flags = vm_flags_of(prot);
  const type = flags & MAP_TYPE;
  if (f !== null) {
    switch (type) {
      case MAP_SHARED:
      case MAP_SHARED_VALIDATE:
        if (prot & PROT_WRITE && !(f.f_mode & FMODE_WRITE)) return -EACCES;
        vm_flags |= VM_SHARED | VM_MAYSHARE;
        if (!(f.f_mode & FMODE_WRITE)) vm_flags &= ~(VM_MAYWRITE | VM_SHARED);
      // falls through
      case MAP_PRIVATE:
        if (!(f.f_mode & FMODE_READ)) return -EACCES;
        if (f.f_op.mmap === undefined) return -ENODEV;
        break;
      default:
        return -EINVAL;
    }
  } else if (type === MAP_SHARED) {
    vm_flags |= VM_SHARED | VM_MAYSHARE;
  } else if (type !== MAP_PRIVATE) {
    return -EINVAL;
  }

  let addr: number;
  if (flags & MAP_FIXED) {
    if (!PAGE_ALIGNED(hint) || !access_ok(hint, len)) return -EINVAL;
    addr = hint;
    const ret = await do_munmap(mm, addr, len, false);
    if (ret < 0) return ret;
  } else {
    addr = mm.get_unmapped_area(len);
  }
  const vma = new vm_area_struct(mm, addr, addr + len, vm_flags);
  vma.vm_page_prot = prot;
  vma.vm_pgoff = f === null ? addr / PAGE_SIZE : pgoff;
  if (f !== null) {
    vma.vm_file = await get_file(f);
    const err = (await f.f_op.mmap?.(f, vma)) ?? -ENODEV;
    if (err !== 0) {
      vma.ptes.clear();
      await fput(f);
      return err;
    }
  }
  mm.link(vma);
  return addr;
}

/**
 * mmap(2).
 *
 * @param off offset in the file, in bytes
 * @returns the address, or -EINVAL (length 0, misaligned offset, wrong type), -EBADF, -EACCES, -ENODEV, -ENOMEM,
 *   -EOVERFLOW, or what the file's mmap says
 */
export async function sys_mmap(
  addr: number,
  len: number,
  prot: number,
  flags: number,
  fd: number,
  off: number,
): Promise<number> {
  const mm = current_mm();
  if (mm === null) return -EINVAL;
  const t = syscall_enter();
  let ret: number;
  if (off % PAGE_SIZE !== 0) {
    ret = -EINVAL;
  } else {
    let f: file | null = null;
    if (!(flags & MAP_ANONYMOUS)) f = await fget(fd);
    if (f === null && !(flags & MAP_ANONYMOUS)) {
      ret = -EBADF;
    } else {
      await mmap_write_lock(mm);
      ret = await do_mmap(mm, f, addr, len, prot, flags, off / PAGE_SIZE);
      await mmap_write_unlock(mm);
      if (f !== null) await fput(f);
    }
  }
  return syscall_exit(t, ret);
}

/**
 * munmap(2). The areas' close runs with the lock downgraded to shared, as since v4.20.
 * @returns 0 or -EINVAL (length 0, misaligned)
 */
export async function sys_munmap(addr: number, len: number): Promise<number> {
  const mm = current_mm();
  if (mm === null) return -EINVAL;
  const t = syscall_enter();
  await mmap_write_lock(mm);
  const ret = await do_munmap(mm, addr, len, true);
  if (ret === 1) await mmap_read_unlock(mm);
  else await mmap_write_unlock(mm);
  return syscall_exit(t, ret === 1 ? 0 : ret);
}

/**
 * Remove the page-table entries of a range of a device mapping; the next access faults. Does nothing when the range
 * is not inside the area or the area is no device mapping. Needs mmap_lock at least shared.
 * C: mm/memory.c zap_vma_ptes()
 */
export async function zap_vma_ptes(vma: vm_area_struct, address: number, size: number): Promise<void> {
  if (address < vma.vm_start || address + size > vma.vm_end || !(vma.vm_flags & VM_PFNMAP)) return;
  await access(vma.pt, true, 'write');
  if (address === vma.vm_start && address + size === vma.vm_end) {
    vma.ptes.clear();
    return;
  }
  for (let a = address; a < address + size; a += PAGE_SIZE) vma.ptes.delete(Math.floor(a / PAGE_SIZE));
}

/**
 * Map a range to consecutive frames. An entry that is there already is a BUG.
 * @returns 0
 * C: mm/memory.c remap_pfn_range()
 */
export async function io_remap_pfn_range(
  vma: vm_area_struct,
  addr: number,
  pfn: number,
  size: number,
  prot: pgprot_t,
): Promise<number> {
  await access(vma.pt, true, 'write');
  vma.vm_flags |= VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP;
  const first = addr / PAGE_SIZE;
  const n = PAGE_ALIGN(size) / PAGE_SIZE;
  for (let i = 0; i < n; i++) {
    if (vma.ptes.has(first + i)) BUG('a page-table entry is there already (remap_pte_range)');
    vma.ptes.set(first + i, pfn + i);
  }
  return 0;
}

/** Map one frame unless the entry is there. Returns VM_FAULT_NOPAGE. C: mm/memory.c vmf_insert_pfn() */
export async function vmf_insert_pfn(vma: vm_area_struct, addr: number, pfn: number): Promise<number> {
  await access(vma.pt, true, 'write');
  const nr = Math.floor(addr / PAGE_SIZE);
  if (!vma.ptes.has(nr)) vma.ptes.set(nr, pfn);
  return VM_FAULT_NOPAGE;
}

/**
 * Physical memory behind device mappings. Sizes are 1, 2, 4 and 8; a value of 8 bytes may be a bigint.
 *
 * `point` announces the access: the scheduling point. `read` and `write` then do it. A space without `point` has its
 * scheduling point inside read and write, and an entry removed just then is not noticed.
 */
export interface phys_space {
  point?(addr: number, write: boolean): Promise<void> | undefined;
  read(addr: number, size: number): Awaitable<number | bigint>;
  write(addr: number, size: number, value: number | bigint): Awaitable<void>;
}

class Phys {
  space: phys_space | null = null;
}

/** The PCI fabric registers itself here, once for a machine. */
export function register_phys_space(space: phys_space): void {
  machine.scope(Phys, () => new Phys()).space = space;
}

function phys(): phys_space {
  const space = machine.scope(Phys, () => new Phys()).space;
  if (space === null) throw new Error('no physical address space is registered');
  return space;
}

/** A signal that an access of the program got instead of a result. */
export interface user_signal {
  readonly signal: 'SIGBUS' | 'SIGSEGV' | 'SIGKILL';
  readonly si_code: number;
  readonly addr: number;
}

function segv(addr: number, si_code: number): user_signal {
  return { signal: 'SIGSEGV', si_code, addr };
}

/** Handle a page fault of the program. Null: try again. C: arch/x86/mm/fault.c do_user_addr_fault() */
async function handle_fault(mm: mm_struct, addr: number, write: boolean): Promise<user_signal | null> {
  await mmap_read_lock(mm);
  const vma = mm.vma_lookup(addr);
  let result: user_signal | null = null;
  if (vma === null) {
    result = segv(addr, SEGV_MAPERR);
  } else if ((vma.vm_flags & (write ? VM_WRITE : VM_READ)) === 0) {
    result = segv(addr, SEGV_ACCERR);
  } else if (!vma.is_memory && !vma.ptes.has(Math.floor(addr / PAGE_SIZE))) {
    const vmf = new vm_fault(vma, addr, write ? FAULT_FLAG_WRITE : 0);
    const ret = (await vma.vm_ops?.fault?.(vmf)) ?? VM_FAULT_SIGBUS;
    if (ret & VM_FAULT_OOM) result = { signal: 'SIGKILL', si_code: 0, addr };
    else if (ret & VM_FAULT_SIGBUS) result = { signal: 'SIGBUS', si_code: BUS_ADRERR, addr };
    else if (ret & VM_FAULT_SIGSEGV) result = segv(addr, SEGV_MAPERR);
  }
  await mmap_read_unlock(mm);
  return result;
}

/** Where an access goes: bytes of memory, a physical address, or a fault. */
async function user_access(
  addr: number,
  size: number,
  write: boolean,
): Promise<{ mm: mm_struct; pa: number } | { mm: mm_struct; pa: null } | user_signal> {
  const mm = current_mm();
  if (mm === null) return segv(addr, SEGV_MAPERR);
  for (;;) {
    const vma = mm.vma_lookup(addr);
    const allowed = vma !== null && (vma.vm_flags & (write ? VM_WRITE : VM_READ)) !== 0;
    if (allowed && vma.is_memory) return { mm, pa: null };
    if (allowed) {
      const nr = Math.floor(addr / PAGE_SIZE);
      await access(vma.pt, false, 'read');
      const pfn = vma.ptes.get(nr);
      if (pfn !== undefined) {
        const pa = pfn * PAGE_SIZE + (addr % PAGE_SIZE);
        await phys().point?.(pa, write);
        // The processor looks at the page table and does the access in one step: what was zapped meanwhile faults.
        if (vma.ptes.get(nr) === pfn) return { mm, pa };
        continue;
      }
    }
    const fault = await handle_fault(mm, addr, write);
    if (fault !== null) return fault;
  }
}

/**
 * The program loads from its memory or a mapped device, as one instruction.
 *
 * @param size 1, 2, 4 or 8
 * @returns the value, or the signal it got
 */
export async function user_load(
  addr: number,
  size: number,
): Promise<{ readonly value: bigint } | user_signal> {
  const where = await user_access(addr, size, false);
  if ('signal' in where) return where;
  if (where.pa !== null) return { value: BigInt(await phys().read(where.pa, size)) };
  const b = new Uint8Array(size);
  const done = where.mm.copy(addr, b, 0, size, false);
  if (done < size) return segv(addr + done, SEGV_MAPERR);
  let value = 0n;
  for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(b[i]);
  return { value };
}

/** The program stores to its memory or a mapped device, as one instruction. `null`, or the signal it got. */
export async function user_store(
  addr: number,
  size: number,
  value: number | bigint,
): Promise<user_signal | null> {
  const where = await user_access(addr, size, true);
  if ('signal' in where) return where;
  if (where.pa !== null) {
    await phys().write(where.pa, size, value);
    return null;
  }
  const b = new Uint8Array(size);
  let v = BigInt.asUintN(64, BigInt(value));
  for (let i = 0; i < size; i++, v >>= 8n) b[i] = Number(v & 0xffn);
  const done = where.mm.copy(addr, b, 0, size, true);
  return done < size ? segv(addr + done, SEGV_MAPERR) : null;
}
