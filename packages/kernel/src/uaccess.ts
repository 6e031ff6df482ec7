// SPDX-License-Identifier: GPL-2.0-only
/* Access of the kernel to the memory of the running process: arch/x86/include/asm/uaccess.h, mm/util.c. */
import { might_lock_read, might_sleep } from '@vfio-lab/locking';
import type { Ref } from '@vfio-lab/sim';
import { EFAULT, EINVAL, ENOMEM } from './errno.ts';
import { ERR_PTR, type err_ptr } from './err_ptr.ts';
import type { mm_struct } from './mm.ts';
import { current_mm } from './process.ts';
import { GFP_KERNEL, kmalloc, kasprintf, type kstring } from './slab.ts';
import type { ustruct } from './ustruct.ts';

/** An address in the running process, or whatever number user space passed for one. */
export type user_ptr = number;

/** First address that is not user space's. */
export const TASK_SIZE_MAX = 0x7ffffffff000;

/** Could this be user memory at all? C: access_ok() */
export function access_ok(addr: user_ptr, size: number): boolean {
  return addr >= 0 && size <= TASK_SIZE_MAX && addr <= TASK_SIZE_MAX - size;
}

/** The page may have to be brought in first. C: mm/memory.c __might_fault() */
function might_fault(what: string, mm: mm_struct | null): void {
  might_sleep(what);
  if (mm !== null) might_lock_read(mm.mmap_lock);
}

function bytes_of(x: Uint8Array | ustruct): Uint8Array {
  return x instanceof Uint8Array ? x : x.bytes;
}

/**
 * Copy in. What could not be copied is zeroed.
 *
 * @param to bytes or a struct
 * @param n how many bytes
 * @param to_off where in `to` to begin
 * @returns how many bytes were NOT copied
 * C: include/linux/uaccess.h copy_from_user()
 */
export function copy_from_user(to: Uint8Array | ustruct, from: user_ptr, n: number, to_off = 0): number {
  const bytes = bytes_of(to);
  const mm = current_mm();
  might_fault('copy_from_user', mm);
  const done = mm !== null && access_ok(from, n) ? mm.copy(from, bytes, to_off, n, false) : 0;
  if (done < n) bytes.fill(0, to_off + done, to_off + n);
  return n - done;
}

/** Copy out. @returns how many bytes were NOT copied. C: include/linux/uaccess.h copy_to_user() */
export function copy_to_user(to: user_ptr, from: Uint8Array | ustruct, n: number, from_off = 0): number {
  const mm = current_mm();
  might_fault('copy_to_user', mm);
  if (mm === null || !access_ok(to, n)) return n;
  return n - mm.copy(to, bytes_of(from), from_off, n, true);
}

/** Zero user memory. @returns how many bytes were NOT cleared. C: clear_user() */
export function clear_user(to: user_ptr, n: number): number {
  return copy_to_user(to, new Uint8Array(n), n);
}

const SCALARS = { u8: 1, u16: 2, u32: 4, s32: 4 } as const;

/** Fetch one scalar (default s32, an int). @returns 0 or -EFAULT, the variable is 0 then. C: get_user() */
export function get_user(x: Ref<number>, from: user_ptr, type: keyof typeof SCALARS = 's32'): number {
  const n = SCALARS[type];
  const b = new Uint8Array(4);
  const left = copy_from_user(b, from, n);
  const v = (b[0] | (b[1] << 8) | (b[2] << 16) | (b[3] << 24)) >>> 0;
  x.v = left > 0 ? 0 : type === 's32' ? v | 0 : v;
  return left > 0 ? -EFAULT : 0;
}

/** Store one scalar. @returns 0 or -EFAULT. C: put_user() */
export function put_user(x: number, to: user_ptr, type: keyof typeof SCALARS = 's32'): number {
  const b = new Uint8Array([x, x >>> 8, x >>> 16, x >>> 24]);
  return copy_to_user(to, b, SCALARS[type]) > 0 ? -EFAULT : 0;
}

/** Allocate n bytes and copy them in. @returns ERR_PTR(-ENOMEM or -EFAULT). C: mm/util.c memdup_user() */
export function memdup_user(src: user_ptr, n: number): Uint8Array | err_ptr {
  const mm = current_mm();
  might_fault('memdup_user', mm);
  if (mm === null || !access_ok(src, n)) return ERR_PTR(-EFAULT);
  const tmp = new Uint8Array(n);
  if (mm.copy(src, tmp, 0, n, false) < n) return ERR_PTR(-EFAULT);
  const p = kmalloc(n, GFP_KERNEL);
  if (p === null) return ERR_PTR(-ENOMEM);
  p.set(tmp);
  return p;
}

/**
 * Copy in a string that with its NUL is at most n bytes.
 * @returns ERR_PTR(-EFAULT) for a bad address, ERR_PTR(-EINVAL) when it is too long, ERR_PTR(-ENOMEM)
 * C: mm/util.c strndup_user()
 */
export function strndup_user(s: user_ptr, n: number): kstring | err_ptr {
  const mm = current_mm();
  might_fault('strndup_user', mm);
  if (mm === null || !access_ok(s, 1)) return ERR_PTR(-EFAULT);
  const buf = new Uint8Array(n);
  const got = mm.copy(s, buf, 0, n, false);
  const end = buf.subarray(0, got).indexOf(0);
  if (end < 0) return ERR_PTR(got < n ? -EFAULT : -EINVAL);
  let text = '';
  for (let i = 0; i < end; i++) text += String.fromCharCode(buf[i]);
  return kasprintf(GFP_KERNEL, text) ?? ERR_PTR(-ENOMEM);
}

/**
 * Access the anonymous memory of any process, as DMA or ptrace do. @returns how many bytes were copied.
 * C: mm/memory.c access_process_vm()
 */
export function access_process_vm(mm: mm_struct, addr: number, buf: Uint8Array, write: boolean): number {
  return mm.copy(addr, buf, 0, buf.length, write);
}
