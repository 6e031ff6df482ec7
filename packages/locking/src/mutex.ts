// SPDX-License-Identifier: GPL-2.0-only
import { access, current, fixed, machine, Obj, Op, point, report, type Task } from '@vfio-lab/sim';
import { DONE, might_sleep } from './context.ts';
import { Hold, note_acquired, note_contended, note_released } from './observe.ts';
import { Semaphore } from './semaphore.ts';

/** The semaphore has a unit to give, so that async-mutex never queues and never chooses. */
function can_take(this: Op): boolean {
  return (this.obj as mutex).sem.getValue() > 0;
}

/** struct mutex. Its state is an async-mutex Semaphore of one unit. */
export class mutex extends Obj {
  readonly sem = new Semaphore(1);
  owner: Task | null = null;
  readonly hold = new Hold(this, 'write');
  readonly op_acquire = new Op('lock', this, true, can_take);
  readonly op_release = new Op('unlock', this, true);

  constructor(name = 'mutex') {
    super(name);
  }
}

fixed(mutex, ['sem', 'hold', 'op_acquire', 'op_release']);

/** Name the lock; the name is its lockdep class. C: include/linux/mutex.h mutex_init() */
export function mutex_init(lock: mutex, name: string): void {
  lock.name = name;
}

/** C: kernel/locking/mutex-debug.c mutex_destroy(): complains when the mutex is still held. */
export function mutex_destroy(lock: mutex): void {
  if (lock.owner !== null)
    report('lock-destroyed-held', `${lock.name} destroyed while ${lock.owner.name} holds it`);
}

function take(lock: mutex, since: number, tried: boolean): void {
  // The gate has established that the unit is free, so async-mutex has nobody to queue and nothing to choose.
  lock.sem.setValue(0);
  lock.owner = current;
  note_acquired(lock.hold, current, since, tried);
}

async function take_after(lock: mutex, wait: Promise<void>, since: number): Promise<void> {
  await wait;
  take(lock, since, false);
}

/** Sleep until the mutex is owned. Not recursive, process context only. C: kernel/locking/mutex.c mutex_lock() */
export function mutex_lock(lock: mutex): Promise<void> {
  might_sleep('mutex_lock');
  const since = machine.clock.now;
  if (lock.owner !== null) note_contended(lock, 'write', current);
  const wait = point(lock.op_acquire);
  if (wait !== undefined) return take_after(lock, wait, since);
  take(lock, since, false);
  return DONE;
}

/** As mutex_lock, given up with -EINTR when a signal is pending. C: kernel/locking/mutex.c mutex_lock_interruptible() */
export async function mutex_lock_interruptible(lock: mutex): Promise<number> {
  might_sleep('mutex_lock_interruptible');
  const task = current;
  const since = machine.clock.now;
  if (lock.owner !== null) note_contended(lock, 'write', task);
  await point(new Op('lock', lock, true, () => task.signal_pending || lock.sem.getValue() > 0));
  if (lock.sem.getValue() === 0) return -4;
  take(lock, since, false);
  return 0;
}

/** 1 when taken, 0 when somebody has it; never sleeps. C: kernel/locking/mutex.c mutex_trylock() */
export async function mutex_trylock(lock: mutex): Promise<number> {
  await access(lock, true, 'trylock');
  if (lock.sem.getValue() === 0) return 0;
  take(lock, machine.clock.now, true);
  return 1;
}

function release(lock: mutex): void {
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

async function release_after(lock: mutex, wait: Promise<void>): Promise<void> {
  await wait;
  release(lock);
}

/** Only the owner may. C: kernel/locking/mutex.c mutex_unlock() */
export function mutex_unlock(lock: mutex): Promise<void> {
  const wait = point(lock.op_release);
  if (wait !== undefined) return release_after(lock, wait);
  release(lock);
  return DONE;
}

/** C: kernel/locking/mutex.c mutex_is_locked() */
export function mutex_is_locked(lock: mutex): boolean {
  return lock.sem.getValue() === 0;
}
