// SPDX-License-Identifier: GPL-2.0-only
/*
 * mm/slab: allocation. What is allocated is written down until it is freed, which finds leaks, double frees and frees
 * of what was never allocated. With kasan on, a freed struct also tells when somebody touches it.
 */
import {
  type BeforeRestore,
  current,
  type FreedStruct,
  type Machine,
  machine,
  now,
  per_machine,
  report,
  type Task,
} from '@vfio-lab/sim';

export type gfp_t = number;
export const GFP_KERNEL: gfp_t = 0xcc0;
export const GFP_ATOMIC: gfp_t = 0xa20;
export const GFP_KERNEL_ACCOUNT: gfp_t = 0x400cc0;
export const __GFP_NOWARN: gfp_t = 0x2000;
export const __GFP_ZERO: gfp_t = 0x100;

/** A string in memory of its own, to be freed with kfree(). */
export class kstring {
  readonly str: string;

  constructor(str: string) {
    this.str = str;
  }

  toString(): string {
    return this.str;
  }
}

/** A live allocation. */
export interface Allocation {
  readonly what: string;
  /** Task and, in an instrumented image, C function that allocated. */
  readonly task: string;
  readonly fn: string;
  readonly at: number;
  /** In order of allocation, from 1. */
  readonly seq: number;
}

class Slab implements BeforeRestore {
  readonly live = new Map<object, Allocation>();
  /** What is live again after a restored checkpoint may still be here: `live` goes first. */
  freed = new WeakMap<object, Allocation>();
  /** Freed structs whose fields tell of their use: `kept` of them for as long as the machine lives. */
  readonly poisoned: Poison[] = [];
  kept = 0;
  seq = 0;
  kasan = false;
  /** Sequence numbers of allocations that shall fail. */
  readonly fail = new Set<number>();

  at_checkpoint(): void {
    this.kept = this.poisoned.length;
  }

  before_restore(): void {
    for (let i = this.kept; i < this.poisoned.length; i++) unpoison(this.poisoned[i]);
  }
}

const slab = per_machine(() => new Slab());

function fails(s: Slab): boolean {
  return s.fail.size > 0 && s.fail.delete(s.seq + 1) && ++s.seq > 0;
}

function note<T extends object>(s: Slab, obj: T, what: string): T {
  const t = current as Task | undefined;
  s.live.set(obj, Object.freeze({ what, task: t?.name ?? '', fn: t?.site ?? '', at: now(), seq: ++s.seq }));
  return obj;
}

function construct<T extends object>(cls: new () => T): T {
  const obj = new cls();
  const extra = machine.struct_fields.size === 0 ? undefined : machine.struct_fields.get(cls);
  if (extra !== undefined) {
    for (const [key, make] of Object.entries(extra)) (obj as Record<string, unknown>)[key] = make();
  }
  return machine.adopt(obj);
}

/**
 * A zeroed struct, with the fields that patches of the running image add to it.
 *
 * @returns null when the allocation was made to fail (slab_fail)
 * C: include/linux/slab.h kzalloc()
 */
export function kzalloc<T extends object>(cls: new () => T, gfp: gfp_t): T | null {
  const s = slab();
  if (fails(s)) return null;
  return note(s, construct(cls), cls.name);
}

/** A zeroed array of n structs, or of n nulls for an array of pointers. C: include/linux/slab.h kcalloc() */
export function kcalloc<T extends object>(n: number, cls: new () => T, gfp: gfp_t): T[] | null;
export function kcalloc<T>(n: number, cls: null, gfp: gfp_t): (T | null)[] | null;
export function kcalloc<T extends object>(
  n: number,
  cls: (new () => T) | null,
  gfp: gfp_t,
): (T | null)[] | null {
  const s = slab();
  if (fails(s)) return null;
  const a: (T | null)[] = [];
  for (let i = 0; i < n; i++) a.push(cls === null ? null : construct(cls));
  return note(s, a, cls === null ? `pointers[${n}]` : `${cls.name}[${n}]`);
}

/**
 * n bytes. Not initialised in C; zero here, since a run must be repeatable.
 * C: include/linux/slab.h kmalloc()
 */
export function kmalloc(n: number, gfp: gfp_t): Uint8Array | null {
  const s = slab();
  if (fails(s)) return null;
  return note(s, new Uint8Array(n), `u8[${n}]`);
}

/** n zeroed bytes. C: include/linux/slab.h kzalloc() of a byte count */
export const kzalloc_bytes = kmalloc;

/** A copy of n bytes. C: mm/util.c kmemdup() */
export function kmemdup(src: Uint8Array, n: number, gfp: gfp_t): Uint8Array | null {
  const p = kmalloc(n, gfp);
  p?.set(src.subarray(0, n));
  return p;
}

/**
 * Resize keeping the content; the old block is gone on success, valid on failure. For arrays of structs give the
 * class: elements keep their identity, new ones are made.
 *
 * @returns null on failure; the old block stays valid then
 * C: mm/slab_common.c krealloc()
 */
export function krealloc(p: Uint8Array | null, n: number, gfp: gfp_t): Uint8Array | null;
export function krealloc<T extends object>(
  p: T[] | null,
  n: number,
  gfp: gfp_t,
  cls: new () => T,
): T[] | null;
export function krealloc<T extends object>(
  p: Uint8Array | T[] | null,
  n: number,
  gfp: gfp_t,
  cls?: new () => T,
): Uint8Array | T[] | null {
  const s = slab();
  if (fails(s)) return null;
  if (cls !== undefined) {
    const old = (p ?? []) as T[];
    const a = old.slice(0, n);
    while (a.length < n) a.push(construct(cls));
    if (p !== null) forget(s, p);
    return note(s, a, `${cls.name}[${n}]`);
  }
  const a = new Uint8Array(n);
  if (p !== null) {
    a.set((p as Uint8Array).subarray(0, n));
    kfree(p);
  }
  return note(s, a, `u8[${n}]`);
}

/** A formatted string in memory of its own. C: lib/kasprintf.c kasprintf() */
export function kasprintf(gfp: gfp_t, text: string): kstring | null {
  const s = slab();
  if (fails(s)) return null;
  return note(s, new kstring(text), `"${text}"`);
}

/** C: mm/util.c kstrdup() */
export const kstrdup = (text: string, gfp: gfp_t): kstring | null => kasprintf(gfp, text);

function forget(s: Slab, obj: object): Allocation | undefined {
  const a = s.live.get(obj);
  if (a === undefined) {
    const was = s.freed.get(obj);
    if (was !== undefined) {
      report('double-free', `${was.what} allocated by ${who(was)} is freed again`, { allocation: was });
    } else {
      report('bad-free', `kfree of ${obj.constructor.name}, which was not allocated`);
    }
    return undefined;
  }
  s.live.delete(obj);
  s.freed.set(obj, a);
  return a;
}

function who(a: Allocation): string {
  return a.fn === '' ? a.task : `${a.fn}() in ${a.task}`;
}

/** Free; null is allowed. Findings: `double-free`, `bad-free`. C: mm/slub.c kfree() */
export function kfree(obj: object | null | undefined): void {
  if (obj === null || obj === undefined) return;
  const s = slab();
  const a = forget(s, obj);
  if (a === undefined) return;
  if (obj instanceof Uint8Array) obj.fill(0x6b);
  else if (s.kasan) poison(s, obj, a);
}

export const kvfree = kfree;

/** A freed struct. What its fields hold is kept here, in the open. */
class Poison implements FreedStruct {
  readonly obj: Poisoned;
  readonly values: Record<string, unknown>;
  readonly allocation: Allocation;
  told = false;

  constructor(obj: object, allocation: Allocation) {
    this.obj = obj as Poisoned;
    this.values = { ...obj };
    this.allocation = allocation;
  }

  used(field: string, how: 'read' | 'write'): void {
    // Whoever looks when the machine does not run is no part of it.
    if (this.told || (machine as Machine | undefined) === undefined) return;
    this.told = true;
    const { allocation } = this;
    report(
      'use-after-free',
      `${how} of .${field} in a freed ${allocation.what} allocated by ${who(allocation)}`,
      { allocation },
    );
  }
}

const POISON = Symbol('poison');

interface Poisoned {
  [key: string]: unknown;
  [POISON]: Poison;
}

// Code, not state: one accessor for all freed fields of a name.
const accessors = new Map<string, PropertyDescriptor>();

function accessorOf(key: string): PropertyDescriptor {
  let accessor = accessors.get(key);
  if (accessor === undefined) {
    accessor = {
      configurable: true,
      enumerable: true,
      get(this: Poisoned) {
        const poison = this[POISON];
        poison.used(key, 'read');
        return poison.values[key];
      },
      set(this: Poisoned, value: unknown) {
        const poison = this[POISON];
        poison.used(key, 'write');
        poison.values[key] = value;
      },
    };
    accessors.set(key, accessor);
  }
  return accessor;
}

/** Take fields out, last in, first out: then the engine goes back to the shapes that the object had before. */
function take_out(obj: Poisoned, keys: readonly string[]): void {
  for (let i = keys.length - 1; i >= 0; i--) delete obj[keys[i]];
}

/** Replace every field by one that reports its use, once for each object, and goes on with the old value. */
function poison(s: Slab, struct: object, allocation: Allocation): void {
  const p = new Poison(struct, allocation);
  const { obj } = p;
  const keys = Object.keys(obj);
  take_out(obj, keys);
  Object.defineProperty(obj, POISON, { configurable: true, value: p });
  for (const key of keys) Object.defineProperty(obj, key, accessorOf(key));
  s.poisoned.push(p);
  machine.disown(obj, p);
}

/** Plain fields again. */
function unpoison({ obj, values }: Poison): void {
  const keys = Object.keys(values);
  take_out(obj, keys);
  delete (obj as Partial<Poisoned>)[POISON];
  for (const key of keys) obj[key] = values[key];
}

/** Report every later use of freed structs on this machine (finding `use-after-free`). Off by default. */
export function set_kasan(on: boolean): void {
  slab().kasan = on;
}

/** Was this object allocated and freed? */
export function slab_is_freed(obj: object): boolean {
  const s = slab();
  return !s.live.has(obj) && s.freed.has(obj);
}

/** Make the n-th allocation from now fail (1: the next). */
export function slab_fail(n = 1): void {
  const s = slab();
  s.fail.add(s.seq + n);
}

/** A point in the order of allocations, for slab_live(). */
export function slab_mark(): number {
  return slab().seq;
}

/** What is allocated and not freed, in order of allocation; from `since` (slab_mark) on. */
export function slab_live(since = 0): Allocation[] {
  return [...slab().live.values()].filter((a) => a.seq > since);
}

/** Write a finding `leak` for everything allocated since `since` and not freed. Returns how many. */
export function slab_report_leaks(since = 0): number {
  const live = slab_live(since);
  for (const a of live) report('leak', `${a.what} allocated by ${who(a)} was never freed`, { allocation: a });
  return live.length;
}
