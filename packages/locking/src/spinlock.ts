// SPDX-License-Identifier: GPL-2.0-only
import { access, current, fixed, machine, Obj, Op, point, report, type Task } from '@vfio-lab/sim';
import { DONE, local_irq_restore, local_irq_save, pin, unpin } from './context.ts';
import { Hold, note_acquired, note_contended, note_released } from './observe.ts';
import { Semaphore } from './semaphore.ts';

/** The semaphore has a unit to give, so that async-mutex never queues and never chooses. */
function can_take(this: Op): boolean {
  return (this.obj as spinlock_t).sem.getValue() > 0;
}

/** spinlock_t and raw_spinlock_t. Its state is an async-mutex Semaphore of one unit; a spinner is a task not enabled. */
export class spinlock_t extends Obj {
  readonly sem = new Semaphore(1);
  owner: Task | null = null;
  readonly hold = new Hold(this, 'write');
  readonly op_acquire = new Op('lock', this, true, can_take);
  readonly op_release = new Op('unlock', this, true);

  constructor(name = 'spinlock') {
    super(name);
  }
}

fixed(spinlock_t, ['sem', 'hold', 'op_acquire', 'op_release']);

/** C: include/linux/spinlock.h spin_lock_init() */
export function spin_lock_init(lock: spinlock_t, name: string): void {
  lock.name = name;
}

function take(lock: spinlock_t, since: number, tried: boolean): void {
  // The gate has established that the unit is free, so async-mutex has nobody to queue and nothing to choose.
  lock.sem.setValue(0);
  lock.owner = current;
  note_acquired(lock.hold, current, since, tried);
}

async function take_after(lock: spinlock_t, wait: Promise<void>, since: number): Promise<void> {
  await wait;
  take(lock, since, false);
}

/** Preemption is off from here, also while spinning. C: include/linux/spinlock.h spin_lock() */
export function spin_lock(lock: spinlock_t): Promise<void> {
  pin();
  const since = machine.clock.now;
  if (lock.owner !== null) note_contended(lock, 'write', current);
  const wait = point(lock.op_acquire);
  if (wait !== undefined) return take_after(lock, wait, since);
  take(lock, since, false);
  return DONE;
}

/** For spin_lock_nested(): one lock of the class is held already. */
export const SINGLE_DEPTH_NESTING = 1;

/** As spin_lock, telling lockdep that another lock of the class may be held. C: include/linux/spinlock.h spin_lock_nested() */
export async function spin_lock_nested(lock: spinlock_t, subclass: number): Promise<void> {
  pin();
  const since = machine.clock.now;
  if (lock.owner !== null) note_contended(lock, 'write', current);
  await point(lock.op_acquire);
  lock.hold.subclass = subclass;
  take(lock, since, false);
  lock.hold.subclass = 0;
}

/** 1 taken, 0 not. C: include/linux/spinlock.h spin_trylock() */
export async function spin_trylock(lock: spinlock_t): Promise<number> {
  await access(lock, true, 'trylock');
  if (lock.sem.getValue() === 0) return 0;
  pin();
  take(lock, machine.clock.now, true);
  return 1;
}

function release(lock: spinlock_t): void {
  if (note_released(lock, 'write', current) === null) {
    report(
      'lock-owner',
      `${current.name} unlocks ${lock.name}, which ${lock.owner === null ? 'nobody' : lock.owner.name} holds`,
    );
    if (lock.owner === null) return;
  }
  lock.owner = null;
  lock.sem.setValue(1);
}

async function release_after(lock: spinlock_t, wait: Promise<void>): Promise<void> {
  await wait;
  release(lock);
  unpin();
}

/** C: include/linux/spinlock.h spin_unlock() */
export function spin_unlock(lock: spinlock_t): Promise<void> {
  const wait = point(lock.op_release);
  if (wait !== undefined) return release_after(lock, wait);
  release(lock);
  unpin();
  return DONE;
}

const WERE_ON = Promise.resolve(false);
const WERE_OFF = Promise.resolve(true);

async function flags_after(wait: Promise<void>, flags: boolean): Promise<boolean> {
  await wait;
  return flags;
}

/** Interrupts off on this processor, then spin; returns the interrupt state to restore. C: include/linux/spinlock.h spin_lock_irqsave() */
export function spin_lock_irqsave(lock: spinlock_t): Promise<boolean> {
  const flags = local_irq_save();
  const wait = spin_lock(lock);
  return wait === DONE ? (flags ? WERE_OFF : WERE_ON) : flags_after(wait, flags);
}

async function restore_after(wait: Promise<void>, flags: boolean): Promise<void> {
  await wait;
  local_irq_restore(flags);
}

/** C: include/linux/spinlock.h spin_unlock_irqrestore() */
export function spin_unlock_irqrestore(lock: spinlock_t, flags: boolean): Promise<void> {
  const wait = spin_unlock(lock);
  if (wait !== DONE) return restore_after(wait, flags);
  local_irq_restore(flags);
  return DONE;
}

/** Interrupts off, whatever they were. C: include/linux/spinlock.h spin_lock_irq() */
export function spin_lock_irq(lock: spinlock_t): Promise<void> {
  local_irq_save();
  return spin_lock(lock);
}

/** Interrupts on, whatever they were. C: include/linux/spinlock.h spin_unlock_irq() */
export function spin_unlock_irq(lock: spinlock_t): Promise<void> {
  return spin_unlock_irqrestore(lock, false);
}

/** C: include/linux/spinlock.h spin_is_locked() */
export function spin_is_locked(lock: spinlock_t): boolean {
  return lock.sem.getValue() === 0;
}

export type raw_spinlock_t = spinlock_t;
export const raw_spinlock_t = spinlock_t;
export const raw_spin_lock_init = spin_lock_init;
export const raw_spin_lock = spin_lock;
export const raw_spin_unlock = spin_unlock;
export const raw_spin_lock_irq = spin_lock_irq;
export const raw_spin_unlock_irq = spin_unlock_irq;
export const raw_spin_lock_irqsave = spin_lock_irqsave;
export const raw_spin_unlock_irqrestore = spin_unlock_irqrestore;
