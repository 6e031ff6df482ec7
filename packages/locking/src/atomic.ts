// SPDX-License-Identifier: GPL-2.0-only
import { access, Obj, report } from '@vfio-lab/sim';
import { DONE } from './context.ts';
import { mutex_lock, mutex_unlock, type mutex } from './mutex.ts';

/** atomic_t: an int that one operation reads or changes at a time; every operation is a scheduling point. */
export class atomic_t extends Obj {
  counter: number;

  constructor(value = 0, name = 'atomic') {
    super(name);
    this.counter = value;
  }
}

/** Before publication only: no scheduling point. C: atomic_set() */
export function atomic_set(v: atomic_t, i: number): void {
  v.counter = i;
}

async function read_after(wait: Promise<void>, v: atomic_t): Promise<number> {
  await wait;
  return v.counter;
}

/** C: atomic_read() */
export function atomic_read(v: atomic_t): Promise<number> {
  const wait = access(v, false);
  return wait === undefined ? Promise.resolve(v.counter) : read_after(wait, v);
}

async function add_return_after(wait: Promise<void>, i: number, v: atomic_t): Promise<number> {
  await wait;
  return (v.counter += i);
}

/** C: atomic_add_return() */
export function atomic_add_return(i: number, v: atomic_t): Promise<number> {
  const wait = access(v, true);
  return wait === undefined ? Promise.resolve((v.counter += i)) : add_return_after(wait, i, v);
}

async function add_after(wait: Promise<void>, v: atomic_t, i: number): Promise<void> {
  await wait;
  v.counter += i;
}

function add(i: number, v: atomic_t): Promise<void> {
  const wait = access(v, true, 'add');
  if (wait !== undefined) return add_after(wait, v, i);
  v.counter += i;
  return DONE;
}

/** C: atomic_inc() */
export function atomic_inc(v: atomic_t): Promise<void> {
  return add(1, v);
}

/** C: atomic_dec() */
export function atomic_dec(v: atomic_t): Promise<void> {
  return add(-1, v);
}

/** True when the result is 0. C: atomic_dec_and_test() */
export async function atomic_dec_and_test(v: atomic_t): Promise<boolean> {
  await access(v, true);
  return --v.counter === 0;
}

/** Add `a` unless the value is `u`; true when added. C: atomic_add_unless() */
export async function atomic_add_unless(v: atomic_t, a: number, u: number): Promise<boolean> {
  await access(v, true);
  if (v.counter === u) return false;
  v.counter += a;
  return true;
}

/** C: atomic_inc_not_zero() */
export function atomic_inc_not_zero(v: atomic_t): Promise<boolean> {
  return atomic_add_unless(v, 1, 0);
}

/** Returns the old value. C: atomic_xchg() */
export async function atomic_xchg(v: atomic_t, i: number): Promise<number> {
  await access(v, true);
  const old = v.counter;
  v.counter = i;
  return old;
}

/** Returns the old value; changed only when that was `old`. C: atomic_cmpxchg() */
export async function atomic_cmpxchg(v: atomic_t, old: number, i: number): Promise<number> {
  await access(v, true);
  const was = v.counter;
  if (was === old) v.counter = i;
  return was;
}

/** refcount_t: an atomic that never comes back from 0. */
export class refcount_t extends atomic_t {
  constructor(value = 0, name = 'refcount') {
    super(value, name);
  }
}

/** Initialisation only. C: refcount_set() */
export function refcount_set(r: refcount_t, n: number): void {
  r.counter = n;
}

/** C: refcount_read() */
export function refcount_read(r: refcount_t): Promise<number> {
  return atomic_read(r);
}

/** From 0 it warns: somebody uses a freed object. C: refcount_inc() */
export async function refcount_inc(r: refcount_t): Promise<void> {
  await access(r, true);
  if (r.counter === 0) report('refcount', `${r.name}: addition on 0; use after free`);
  else r.counter++;
}

/** C: refcount_inc_not_zero() */
export function refcount_inc_not_zero(r: refcount_t): Promise<boolean> {
  return atomic_add_unless(r, 1, 0);
}

/** True when it reached 0. C: refcount_dec_and_test() */
export async function refcount_dec_and_test(r: refcount_t): Promise<boolean> {
  await access(r, true);
  if (r.counter === 0) {
    report('refcount', `${r.name}: underflow; use after free`);
    return false;
  }
  return --r.counter === 0;
}

/** C: refcount_dec() */
export async function refcount_dec(r: refcount_t): Promise<void> {
  await access(r, true);
  if (r.counter <= 1) report('refcount', `${r.name}: decrement hit 0; leaking memory`);
  r.counter--;
}

/** Drop one; when it would reach 0, take the mutex first and return true with it held. C: lib/refcount.c refcount_dec_and_mutex_lock() */
export async function refcount_dec_and_mutex_lock(r: refcount_t, lock: mutex): Promise<boolean> {
  await access(r, true);
  if (r.counter > 1) {
    r.counter--;
    return false;
  }
  await mutex_lock(lock);
  if (!(await refcount_dec_and_test(r))) {
    await mutex_unlock(lock);
    return false;
  }
  return true;
}

/** struct kref */
export class kref {
  readonly refcount = new refcount_t(1, 'kref');
  /** The struct it is embedded in. */
  readonly container: unknown;

  constructor(container: unknown = null) {
    this.container = container;
  }
}

/** C: include/linux/kref.h kref_init() */
export function kref_init(k: kref): void {
  refcount_set(k.refcount, 1);
}

/** C: include/linux/kref.h kref_get() */
export function kref_get(k: kref): Promise<void> {
  return refcount_inc(k.refcount);
}

/** C: include/linux/kref.h kref_get_unless_zero() */
export function kref_get_unless_zero(k: kref): Promise<boolean> {
  return refcount_inc_not_zero(k.refcount);
}

/** 1 when this was the last reference, after `release` has run. C: include/linux/kref.h kref_put() */
export async function kref_put(k: kref, release: (k: kref) => void | Promise<void>): Promise<number> {
  if (await refcount_dec_and_test(k.refcount)) {
    await release(k);
    return 1;
  }
  return 0;
}

/** What READ_ONCE() and WRITE_ONCE() announce: a field of a struct. */
export class FieldObj extends Obj {
  readonly owner: object;
  readonly field: string;

  constructor(owner: object, field: string, part_of: Obj | null) {
    super(`${owner.constructor.name}.${field}`, part_of);
    this.owner = owner;
    this.field = field;
  }
}

/** What accesses of fields are ordered by, kept in the struct. */
const FIELDS = Symbol('fields');

interface WithFields {
  [FIELDS]?: Record<string, Obj>;
}

/** Known by the struct's first object and the field's name, whoever comes first to touch it. */
function field_obj(owner: object & WithFields, field: string): Obj {
  const fields = (owner[FIELDS] ??= {});
  return (fields[field] ??= new FieldObj(
    owner,
    field,
    owner instanceof Obj ? owner : (Object.values(owner).find((v) => v instanceof Obj) ?? null),
  ));
}

/** One untorn load of a field, at a scheduling point. C: READ_ONCE() */
export async function READ_ONCE<T extends object, K extends keyof T & string>(
  owner: T,
  field: K,
): Promise<T[K]> {
  await access(field_obj(owner, field), false, 'read');
  return owner[field];
}

/** One untorn store to a field, at a scheduling point. C: WRITE_ONCE() */
export async function WRITE_ONCE<T extends object, K extends keyof T & string>(
  owner: T,
  field: K,
  value: T[K],
): Promise<void> {
  await access(field_obj(owner, field), true, 'write');
  owner[field] = value;
}
