// SPDX-License-Identifier: GPL-2.0-only
/* lib/xarray.c: a map with a lock. Where C uses a pointer as the index, the index here is the object itself. */
import { spin_lock, spin_unlock, spinlock_t } from '@vfio-lab/locking';
import { err_ptr } from './err_ptr.ts';
import type { gfp_t } from './slab.ts';

/** struct xarray */
export class xarray<T> {
  readonly xa_lock: spinlock_t;
  readonly entries = new Map<unknown, T>();

  constructor(name = '&xa->xa_lock') {
    this.xa_lock = new spinlock_t(name);
  }
}

/** C: include/linux/xarray.h xa_lock() */
export async function xa_lock<T>(xa: xarray<T>): Promise<void> {
  await spin_lock(xa.xa_lock);
}

/** C: include/linux/xarray.h xa_unlock() */
export async function xa_unlock<T>(xa: xarray<T>): Promise<void> {
  await spin_unlock(xa.xa_lock);
}

/** The entry at an index or null. C: lib/xarray.c xa_load() */
export function xa_load<T>(xa: xarray<T>, index: unknown): T | null {
  return xa.entries.get(index) ?? null;
}

/**
 * Replace the entry if it is `old`, with the lock held.
 * @returns the entry found (null: none), or an encoded error (xa_is_err)
 * C: lib/xarray.c __xa_cmpxchg()
 */
export function __xa_cmpxchg<T>(
  xa: xarray<T>,
  index: unknown,
  old: T | null,
  entry: T,
  gfp: gfp_t,
): T | err_ptr | null {
  const found = xa.entries.get(index) ?? null;
  if (found === old) xa.entries.set(index, entry);
  return found;
}

/** Remove an entry, with the lock held. C: lib/xarray.c __xa_erase() */
export function __xa_erase<T>(xa: xarray<T>, index: unknown): T | null {
  const found = xa.entries.get(index) ?? null;
  xa.entries.delete(index);
  return found;
}

/** C: include/linux/xarray.h xa_is_err() */
export function xa_is_err(entry: unknown): entry is err_ptr {
  return entry instanceof err_ptr;
}

/** The negative error number of an encoded error, 0 otherwise. C: include/linux/xarray.h xa_err() */
export function xa_err(entry: unknown): number {
  return entry instanceof err_ptr ? entry.err : 0;
}

/** C: include/linux/xarray.h xa_empty() */
export function xa_empty<T>(xa: xarray<T>): boolean {
  return xa.entries.size === 0;
}

/** C: lib/xarray.c xa_destroy() */
export function xa_destroy<T>(xa: xarray<T>): void {
  xa.entries.clear();
}
