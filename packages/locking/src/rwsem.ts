// SPDX-License-Identifier: GPL-2.0-only
import { Semaphore } from 'async-mutex';
import { access, current, machine, Obj, type Op, point, report, type Task } from '@vfio-lab/sim';
import { DONE, might_sleep } from './context.ts';
import { Hold, note_acquired, note_contended, note_released } from './observe.ts';

class Acquire implements Op {
  readonly kind = 'lock';
  readonly obj: rw_semaphore;
  readonly write: boolean;

  constructor(obj: rw_semaphore, write: boolean) {
    this.obj = obj;
    this.write = write;
  }

  enabled(): boolean {
    return can_take(this.obj, this.write);
  }
}

/**
 * struct rw_semaphore. Its state is an async-mutex Semaphore of one unit, which a writer takes, or the first reader
 * for all readers until the last one leaves. (A unit for each reader would cost: Semaphore.release() walks from its
 * value down to one.)
 */
export class rw_semaphore extends Obj {
  readonly sem = new Semaphore(1);
  readers = 0;
  owner: Task | null = null;
  readonly hold = new Hold(this, 'write');
  readonly op_read: Op = new Acquire(this, false);
  readonly op_write: Op = new Acquire(this, true);
  readonly op_up_read: Op = { kind: 'unlock', obj: this, write: false };
  readonly op_up_write: Op = { kind: 'unlock', obj: this, write: true };

  constructor(name = 'rw_semaphore') {
    super(name);
  }
}

function can_take(sem: rw_semaphore, write: boolean): boolean {
  return sem.sem.getValue() > 0 || (!write && sem.readers > 0);
}

/** C: include/linux/rwsem.h init_rwsem() */
export function init_rwsem(sem: rw_semaphore, name: string): void {
  sem.name = name;
}

function take(sem: rw_semaphore, write: boolean, since: number, tried: boolean): void {
  // The gate has established that it can be had, so async-mutex has nobody to queue and nothing to choose.
  if (write) {
    sem.sem.setValue(0);
    sem.owner = current;
    note_acquired(sem.hold, current, since, tried);
  } else {
    if (sem.readers++ === 0) sem.sem.setValue(0);
    note_acquired(new Hold(sem, 'read'), current, since, tried);
  }
}

async function take_after(
  sem: rw_semaphore,
  write: boolean,
  wait: Promise<void>,
  since: number,
): Promise<void> {
  await wait;
  take(sem, write, since, false);
}

function down(sem: rw_semaphore, write: boolean): Promise<void> {
  const since = machine.clock.now;
  const op = write ? sem.op_write : sem.op_read;
  if (!can_take(sem, write)) note_contended(sem, write ? 'write' : 'read', current);
  const wait = point(op);
  if (wait !== undefined) return take_after(sem, write, wait, since);
  take(sem, write, since, false);
  return DONE;
}

/** Sleep until held shared. C: kernel/locking/rwsem.c down_read() */
export function down_read(sem: rw_semaphore): Promise<void> {
  might_sleep('down_read');
  return down(sem, false);
}

/** Sleep until held exclusively. C: kernel/locking/rwsem.c down_write() */
export function down_write(sem: rw_semaphore): Promise<void> {
  might_sleep('down_write');
  return down(sem, true);
}

/** Shared without sleeping: 1 taken, 0 not. C: kernel/locking/rwsem.c down_read_trylock() */
export async function down_read_trylock(sem: rw_semaphore): Promise<number> {
  await access(sem, false, 'trylock');
  if (!can_take(sem, false)) return 0;
  take(sem, false, machine.clock.now, true);
  return 1;
}

/** Exclusive without sleeping: 1 taken, 0 not. C: kernel/locking/rwsem.c down_write_trylock() */
export async function down_write_trylock(sem: rw_semaphore): Promise<number> {
  await access(sem, true, 'trylock');
  if (!can_take(sem, true)) return 0;
  take(sem, true, machine.clock.now, true);
  return 1;
}

function release(sem: rw_semaphore, write: boolean): void {
  if (!note_released(sem, write ? 'write' : 'read', current)) {
    report(
      'lock-owner',
      `${current.name} does up_${write ? 'write' : 'read'} on ${sem.name} without holding it so`,
    );
    if (write ? sem.owner === null : sem.readers === 0) return;
  }
  if (write) sem.owner = null;
  else if (--sem.readers > 0) return;
  sem.sem.setValue(1);
}

async function release_after(sem: rw_semaphore, write: boolean, wait: Promise<void>): Promise<void> {
  await wait;
  release(sem, write);
}

/** C: kernel/locking/rwsem.c up_read() */
export function up_read(sem: rw_semaphore): Promise<void> {
  const wait = point(sem.op_up_read);
  if (wait !== undefined) return release_after(sem, false, wait);
  release(sem, false);
  return DONE;
}

/** C: kernel/locking/rwsem.c up_write() */
export function up_write(sem: rw_semaphore): Promise<void> {
  const wait = point(sem.op_up_write);
  if (wait !== undefined) return release_after(sem, true, wait);
  release(sem, true);
  return DONE;
}

/** Exclusive to shared without letting a writer in. C: kernel/locking/rwsem.c downgrade_write() */
export async function downgrade_write(sem: rw_semaphore): Promise<void> {
  await point(sem.op_up_write);
  if (!note_released(sem, 'write', current)) {
    report('lock-owner', `${current.name} downgrades ${sem.name} without holding it for writing`);
    return;
  }
  sem.owner = null;
  sem.readers = 1;
  note_acquired(new Hold(sem, 'read'), current, machine.clock.now, true);
}

/** C: include/linux/rwsem.h rwsem_is_locked() */
export function rwsem_is_locked(sem: rw_semaphore): boolean {
  return sem.sem.getValue() === 0;
}
