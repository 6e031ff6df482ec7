// SPDX-License-Identifier: GPL-2.0-only
// In which contexts the locks of a class are taken: the usage bits of kernel/locking/lockdep.c, mark_usage().
import { hash_with, NOT_STATE, type Task } from '@vfio-lab/sim';

/** Where a class was used for the first time in some way. */
export interface LockUse {
  readonly task: string;
  /** C functions, outermost first. */
  readonly fns: readonly string[];
  /** What else was held. */
  readonly held: readonly string[];
}

/** A lock class: all locks initialised under one name. */
export interface LockClass {
  readonly name: string;
  /** Sum of the bits below. */
  bits: number;
  /** Taken in a hard-IRQ handler, and where first. */
  readonly in_hardirq: boolean;
  hardirq_at: LockUse | null;
  /** Held with interrupts on, and where first. */
  readonly irqs_on: boolean;
  irqs_on_at: LockUse | null;
}

// One bit for each of: taken in a handler, taken with interrupts on; hard or soft; for writing or reading.
const HARD_IN = 1;
const HARD_ON = 2;
const SOFT_IN = 4;
const SOFT_ON = 8;
const READ_SHIFT = 4;

class Class implements LockClass {
  readonly name: string;
  bits = 0;
  hardirq_at: LockUse | null = null;
  irqs_on_at: LockUse | null = null;

  constructor(name: string) {
    this.name = name;
  }

  get in_hardirq(): boolean {
    return this.hardirq_at !== null;
  }

  get irqs_on(): boolean {
    return this.irqs_on_at !== null;
  }
}

function use(task: Task): LockUse {
  return Object.freeze({
    task: task.name,
    fns: Object.freeze([...task.fns]),
    held: Object.freeze(task.held.slice(0, -1).map((h) => h.lock.name)),
  });
}

/** Soft interrupts run here as timer callbacks; nothing ever switches them off alone. */
function bits_of(task: Task, mode: 'read' | 'write', tried: boolean): number {
  let bits = 0;
  if (!tried) {
    if (task.kind === 'hardirq') bits |= HARD_IN;
    if (task.kind === 'timer') bits |= SOFT_IN;
  }
  if (task.kind !== 'hardirq' && !task.cpu.irqs_off)
    bits |= task.kind === 'timer' ? HARD_ON : HARD_ON | SOFT_ON;
  return mode === 'read' ? bits << READ_SHIFT : bits;
}

/** The classes of a machine's locks. */
export class LockUsage {
  readonly classes = new Map<string, LockClass>();

  /** A number for the classes that were used, and how. */
  private hash = 0;

  /** Which class was used first is of no consequence. */
  get [NOT_STATE](): readonly string[] {
    return ['classes'];
  }

  /** A task has taken a lock. True: in a way that is new for its class. */
  note(name: string, mode: 'read' | 'write', task: Task, tried: boolean): boolean {
    let cls = this.classes.get(name);
    if (cls === undefined) {
      this.classes.set(name, (cls = new Class(name)));
      this.hash = hash_with(this.hash, text_of(cls));
    }
    const bits = bits_of(task, mode, tried);
    if ((cls.bits & bits) === bits) return false;
    this.hash = hash_with(this.hash, text_of(cls), -1);
    cls.bits |= bits;
    this.hash = hash_with(this.hash, text_of(cls));
    if (bits & (HARD_IN | (HARD_IN << READ_SHIFT))) cls.hardirq_at ??= use(task);
    if (bits & (HARD_ON | (HARD_ON << READ_SHIFT))) cls.irqs_on_at ??= use(task);
    return true;
  }
}

function text_of({ name, bits }: LockClass): string {
  return `${name} ${bits}`;
}

/** The four characters of lockdep: hard IRQ, its read side, soft IRQ, its read side. C: get_usage_chars() */
export function usage_of(cls: LockClass): string {
  const char = (taken_in: number, taken_on: number): string => {
    if (cls.bits & taken_in) return cls.bits & taken_on ? '?' : '-';
    return cls.bits & taken_on ? '+' : '.';
  };
  return (
    char(HARD_IN, HARD_ON) +
    char(HARD_IN << READ_SHIFT, HARD_ON << READ_SHIFT) +
    char(SOFT_IN, SOFT_ON) +
    char(SOFT_IN << READ_SHIFT, SOFT_ON << READ_SHIFT)
  );
}
