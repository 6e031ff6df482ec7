// SPDX-License-Identifier: GPL-2.0-only
import type { Ref } from '@vfio-lab/sim';

/** A value, or a promise of it when the callee reached a scheduling point. */
export type Awaitable<T> = T | Promise<T>;

/** The struct that `member` is embedded in. C: include/linux/container_of.h container_of() */
export function container_of<T>(member: { readonly container: unknown }): T {
  return member.container as T;
}

/** C's `&obj->key`: a reference that reads and writes one field. */
export function field_ref<T extends object, K extends keyof T>(obj: T, key: K): Ref<T[K]> {
  return {
    get v(): T[K] {
      return obj[key];
    },
    set v(value: T[K]) {
      obj[key] = value;
    },
  };
}
