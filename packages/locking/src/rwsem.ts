// SPDX-License-Identifier: GPL-2.0-only
import { Semaphore } from 'async-mutex';
import { access, current, machine, Obj, type Op, point, report, type Task } from '@vfio-lab/sim';
import { might_sleep } from './context.ts';
import { note_acquired, note_contended, note_released } from './observe.ts';

/**
 * Readers that can hold a rw_semaphore at once; a writer takes all units. Small, because Semaphore.release() walks
 * from its value down to one.
 */
export const RWSEM_UNITS = 64;

class Acquire implements Op {
  readonly kind = 'lock';
  readonly obj: rw_semaphore;
  readonly write: boolean;

  constructor(obj: rw_semaphore, write: boolean) {
    this.obj = obj;
    this.write = write;
  }

  enabled(): boolean {
    const free = this.obj.sem.getValue();
    return this.write ? free === RWSEM_UNITS : free > 0;
  }
}

/** struct rw_semaphore. Its state is an async-mutex Semaphore: one unit a reader, all of them a writer. */
export class rw_semaphore extends Obj {
  readonly sem = new Semaphore(RWSEM_UNITS);
  owner: Task | null = null;
  readonly op_read: Op = new Acquire(this, false);
  readonly op_write: Op = new Acquire(this, true);
  readonly op_up_read: Op = { kind: 'unlock', obj: this, write: false };
  readonly op_up_write: Op = { kind: 'unlock', obj: this, write: true };

  constructor(name = 'rw_semaphore') {
    super(name);
  }
}

/** C: include/linux/rwsem.h init_rwsem() */
export function init_rwsem(sem: rw_semaphore, name: string): void {
  sem.name = name;
}

function take(sem: rw_semaphore, write: boolean, since: number, tried: boolean): void {
  // The gate has established that the units are free: acquire() takes them before it returns.
  void sem.sem.acquire(write ? RWSEM_UNITS : 1);
  if (write) sem.owner = current;
  note_acquired(sem, write ? 'write' : 'read', current, since, tried);
}

async function take_after(sem: rw_semaphore, write: boolean, wait: Promise<void>, since: number): Promise<void> {
  await wait;
  take(sem, write, since, false);
}

function down(sem: rw_semaphore, write: boolean): Promise<void> | undefined {
  const since = machine.clock.now;
  const op = write ? sem.op_write : sem.op_read;
  const free = sem.sem.getValue();
  if (write ? free < RWSEM_UNITS : free === 0) note_contended(sem, write ? 'write' : 'read', current);
  const wait = point(op);
  if (wait !== undefined) return take_after(sem, write, wait, since);
  take(sem, write, since, false);
}

/** Sleep until held shared. C: kernel/locking/rwsem.c down_read() */
export function down_read(sem: rw_semaphore): Promise<void> | undefined {
  might_sleep('down_read');
  return down(sem, false);
}

/** Sleep until held exclusively. C: kernel/locking/rwsem.c down_write() */
export function down_write(sem: rw_semaphore): Promise<void> | undefined {
  might_sleep('down_write');
  return down(sem, true);
}

/** Shared without sleeping: 1 taken, 0 not. C: kernel/locking/rwsem.c down_read_trylock() */
export async function down_read_trylock(sem: rw_semaphore): Promise<number> {
  await access(sem, false, 'trylock');
  if (sem.sem.getValue() === 0) return 0;
  take(sem, false, machine.clock.now, true);
  return 1;
}

/** Exclusive without sleeping: 1 taken, 0 not. C: kernel/locking/rwsem.c down_write_trylock() */
export async function down_write_trylock(sem: rw_semaphore): Promise<number> {
  await access(sem, true, 'trylock');
  if (sem.sem.getValue() < RWSEM_UNITS) return 0;
  take(sem, true, machine.clock.now, true);
  return 1;
}

function release(sem: rw_semaphore, write: boolean): void {
  if (!note_released(sem, write ? 'write' : 'read', current)) {
    report('lock-owner', `${current.name} does up_${write ? 'write' : 'read'} on ${sem.name} without holding it so`);
    const free = sem.sem.getValue();
    if (write ? sem.owner === null : free === RWSEM_UNITS || sem.owner !== null) return;
  }
  if (write) sem.owner = null;
  sem.sem.release(write ? RWSEM_UNITS : 1);
}

async function release_after(sem: rw_semaphore, write: boolean, wait: Promise<void>): Promise<void> {
  await wait;
  release(sem, write);
}

/** C: kernel/locking/rwsem.c up_read() */
export function up_read(sem: rw_semaphore): Promise<void> | undefined {
  const wait = point(sem.op_up_read);
  if (wait !== undefined) return release_after(sem, false, wait);
  release(sem, false);
}

/** C: kernel/locking/rwsem.c up_write() */
export function up_write(sem: rw_semaphore): Promise<void> | undefined {
  const wait = point(sem.op_up_write);
  if (wait !== undefined) return release_after(sem, true, wait);
  release(sem, true);
}

/** Exclusive to shared without letting a writer in. C: kernel/locking/rwsem.c downgrade_write() */
export async function downgrade_write(sem: rw_semaphore): Promise<void> {
  await point(sem.op_up_write);
  if (!note_released(sem, 'write', current)) {
    report('lock-owner', `${current.name} downgrades ${sem.name} without holding it for writing`);
    return;
  }
  sem.owner = null;
  sem.sem.release(RWSEM_UNITS - 1);
  note_acquired(sem, 'read', current, machine.clock.now, true);
}

/** C: include/linux/rwsem.h rwsem_is_locked() */
export function rwsem_is_locked(sem: rw_semaphore): boolean {
  return sem.sem.getValue() < RWSEM_UNITS;
}
