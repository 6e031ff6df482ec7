// SPDX-License-Identifier: GPL-2.0-only
// include/linux/ioport.h, kernel/resource.c: address ranges and who claims them. Addresses are numbers (below 2^53).

import { type int, type u32 } from '@vfio-lab/sim';
import { EBUSY, EINVAL } from '@vfio-lab/kernel';

export const IORESOURCE_BITS = 0xff;
export const IORESOURCE_IO = 0x100;
export const IORESOURCE_MEM = 0x200;
export const IORESOURCE_TYPE_BITS = 0x1f00;
export const IORESOURCE_PREFETCH = 0x2000;
export const IORESOURCE_READONLY = 0x4000;
export const IORESOURCE_SIZEALIGN = 0x40000;
export const IORESOURCE_MEM_64 = 0x100000;
export const IORESOURCE_EXCLUSIVE = 0x8000000;
export const IORESOURCE_DISABLED = 0x10000000;
export const IORESOURCE_UNSET = 0x20000000;
export const IORESOURCE_BUSY = 0x80000000;
export const IORESOURCE_ROM_ENABLE = 1;
export const IORESOURCE_ROM_SHADOW = 2;

/** struct resource: a range of addresses in a tree of claims. `end` is inclusive; 0..0 with no flags: unused. */
export class resource {
  start = 0;
  end = 0;
  name = '';
  flags: u32 = 0;
  desc: u32 = 0;
  parent: resource | null = null;
  child: resource | null = null;
  sibling: resource | null = null;
}

/** end - start + 1 */
export function resource_size(res: resource): number {
  return res.end - res.start + 1;
}

/** Space type of a resource (IORESOURCE_IO, IORESOURCE_MEM). */
export function resource_type(res: resource): u32 {
  return res.flags & IORESOURCE_TYPE_BITS;
}

/** C: kernel/resource.c __request_resource(); null when it went in, else what is in the way. */
function __request_resource(root: resource, fresh: resource): resource | null {
  if (fresh.end < fresh.start || fresh.start < root.start || fresh.end > root.end) return root;
  let prev: resource | null = null;
  let next = root.child;
  while (next !== null && next.start <= fresh.end) {
    if (next.end >= fresh.start) return next;
    prev = next;
    next = next.sibling;
  }
  fresh.sibling = next;
  if (prev === null) root.child = fresh;
  else prev.sibling = fresh;
  fresh.parent = root;
  return null;
}

/**
 * Insert a resource under a parent.
 * @returns 0, or -EBUSY when something is in the way
 * C: kernel/resource.c request_resource()
 */
export function request_resource(root: resource, fresh: resource): int {
  return __request_resource(root, fresh) === null ? 0 : -EBUSY;
}

/**
 * Take a resource out of the tree. Its children go to nobody.
 * @returns 0, or -EINVAL when it is not in a tree
 * C: kernel/resource.c release_resource()
 */
export function release_resource(old: resource): int {
  const up = old.parent;
  if (up === null) return -EINVAL;
  let p = up.child;
  if (p === old) up.child = old.sibling;
  else {
    while (p !== null && p.sibling !== old) p = p.sibling;
    if (p === null) return -EINVAL;
    p.sibling = old.sibling;
  }
  old.parent = null;
  old.sibling = null;
  return 0;
}

/** Insert, letting what lies inside become its children (how PCI claims BARs at scan). C: kernel/resource.c insert_resource() */
export function insert_resource(root: resource, fresh: resource): int {
  let up = root;
  for (;;) {
    const conflict = __request_resource(up, fresh);
    if (conflict === null) return 0;
    if (conflict === up) return -EBUSY;
    if (
      conflict.start <= fresh.start &&
      conflict.end >= fresh.end &&
      !(conflict.start === fresh.start && conflict.end === fresh.end)
    ) {
      up = conflict;
      continue;
    }
    return -EBUSY;
  }
}

/** C: kernel/resource.c __request_region(): claim a busy region inside the tree; null when taken. */
export function __request_region(
  root: resource,
  start: number,
  n: number,
  name: string,
  flags: u32,
): resource | null {
  const res = new resource();
  res.name = name;
  res.start = start;
  res.end = start + n - 1;
  let up = root;
  for (;;) {
    res.flags = (resource_type(up) | flags | IORESOURCE_BUSY) >>> 0;
    const conflict = __request_resource(up, res);
    if (conflict === null) return res;
    if (conflict !== up && !(conflict.flags & IORESOURCE_BUSY)) {
      up = conflict;
      continue;
    }
    return null;
  }
}

/** C: kernel/resource.c __release_region() */
export function __release_region(root: resource, start: number, n: number): void {
  const end = start + n - 1;
  let p = root.child;
  while (p !== null) {
    if (p.start <= start && p.end >= end) {
      if (!(p.flags & IORESOURCE_BUSY)) {
        p = p.child;
        continue;
      }
      if (p.start === start && p.end === end) release_resource(p);
      return;
    }
    p = p.sibling;
  }
}
