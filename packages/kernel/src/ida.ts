// SPDX-License-Identifier: GPL-2.0-only
/* lib/idr.c: id allocator. */
import { EINVAL, ENOSPC } from './errno.ts';
import { INT_MAX } from './bits.ts';
import { report } from '@vfio-lab/sim';
import type { gfp_t } from './slab.ts';

/** struct ida */
export class ida {
  readonly used = new Set<number>();
  /** No id below this one is free. */
  low = 0;
}

/** C: include/linux/idr.h ida_init() */
export function ida_init(ida: ida): void {
  ida.used.clear();
  ida.low = 0;
}

/**
 * The lowest free id in min..max.
 * @returns -ENOSPC when there is none
 * C: lib/idr.c ida_alloc_range()
 */
export function ida_alloc_range(ida: ida, min: number, max: number, gfp: gfp_t): number {
  if (min > INT_MAX) return -ENOSPC;
  let id = Math.max(min, ida.low);
  while (ida.used.has(id)) id++;
  if (id > max) return -ENOSPC;
  ida.used.add(id);
  if (min <= ida.low) ida.low = id + 1;
  return id;
}

/** C: include/linux/idr.h ida_alloc_max() */
export function ida_alloc_max(ida: ida, max: number, gfp: gfp_t): number {
  return ida_alloc_range(ida, 0, max, gfp);
}

/** C: include/linux/idr.h ida_alloc() */
export function ida_alloc(ida: ida, gfp: gfp_t): number {
  return ida_alloc_range(ida, 0, INT_MAX, gfp);
}

/** Give an id back. C: lib/idr.c ida_free() */
export function ida_free(ida: ida, id: number): number {
  if (!ida.used.delete(id)) {
    report('ida', `ida_free called for id=${id} which is not allocated`);
    return -EINVAL;
  }
  if (id < ida.low) ida.low = id;
  return 0;
}

/** Give everything back. C: lib/idr.c ida_destroy() */
export function ida_destroy(ida: ida): void {
  ida_init(ida);
}

/** C: include/linux/idr.h ida_is_empty() */
export function ida_is_empty(ida: ida): boolean {
  return ida.used.size === 0;
}
