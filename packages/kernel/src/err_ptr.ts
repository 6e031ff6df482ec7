// SPDX-License-Identifier: GPL-2.0-only
/* include/linux/err.h: pointers that carry an error number. */
import { MAX_ERRNO } from './errno.ts';

/** An error number where a pointer is expected. */
export class err_ptr {
  /** Negative error number. */
  readonly err: number;

  constructor(err: number) {
    this.err = err;
  }
}

// Immutable and shared: an error pointer is a value, so equal errors are the same pointer as in C.
const CACHE: readonly err_ptr[] = Array.from({ length: MAX_ERRNO + 1 }, (_, n) =>
  Object.freeze(new err_ptr(-n)),
);

/** C: include/linux/err.h ERR_PTR(). @param error negative error number */
export function ERR_PTR(error: number): err_ptr {
  return CACHE[-error] ?? new err_ptr(error);
}

/** C: include/linux/err.h IS_ERR() */
export function IS_ERR(ptr: unknown): ptr is err_ptr {
  return ptr instanceof err_ptr;
}

/** C: include/linux/err.h IS_ERR_OR_NULL() */
export function IS_ERR_OR_NULL(ptr: unknown): ptr is err_ptr | null | undefined {
  return ptr === null || ptr === undefined || ptr instanceof err_ptr;
}

/** The negative error number. C: include/linux/err.h PTR_ERR() */
export function PTR_ERR(ptr: err_ptr): number {
  return ptr.err;
}

/** C: include/linux/err.h PTR_ERR_OR_ZERO() */
export function PTR_ERR_OR_ZERO(ptr: unknown): number {
  return ptr instanceof err_ptr ? ptr.err : 0;
}

/** C: include/linux/err.h ERR_CAST(); the types need no cast here. */
export function ERR_CAST(ptr: err_ptr): err_ptr {
  return ptr;
}
