// SPDX-License-Identifier: GPL-2.0-only
/** C's integer types. JavaScript numbers; unsigned 32-bit values are kept non-negative with `>>> 0`. */
export type int = number;
export type long = number;
export type u8 = number;
export type u16 = number;
export type u32 = number;

/** A C out-parameter: `&x` is a Ref, `*x` is `x.v`. */
export interface Ref<T> {
  v: T;
}

/** Make the variable behind an out-parameter. */
export function ref<T>(v: T): Ref<T> {
  return { v };
}

/** What a task is about to do at a scheduling point. */
export type OpKind =
  | 'start'
  | 'lock'
  | 'unlock'
  | 'trylock'
  | 'atomic'
  /** An atomic change that gives no result: two of them may as well come the other way round. */
  | 'add'
  | 'read'
  | 'write'
  /** A plain access that nothing orders, as the kernel has some: it orders nothing either, but a search has to see it. */
  | 'plain'
  | 'wait'
  | 'idle'
  | 'wake'
  | 'work'
  | 'timer'
  | 'sleep'
  | 'hw'
  | 'irq'
  | 'syscall'
  | 'yield';
