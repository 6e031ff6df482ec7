// SPDX-License-Identifier: GPL-2.0-only
import { access, current, fixed, machine, Obj, Op, point, report, type Task } from '@vfio-lab/sim';
import { DONE, might_sleep } from './context.ts';
import { Hold, note_acquired, note_contended, note_released } from './observe.ts';
import { Semaphore } from './semaphore.ts';

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
  /** Records of shared holds that are over, for the next readers. */
  readonly spare: Hold[] = [];
  readonly op_read = new Op('lock', this, false, enabled);
  readonly op_write = new Op('lock', this, true, enabled);
  readonly op_up_read = new Op('unlock', this, false);
  readonly op_up_write = new Op('unlock', this, true);

  constructor(name = 'rw_semaphore') {
    super(name);
  }
}

fixed(rw_semaphore, ['sem', 'hold', 'spare', 'op_read', 'op_write', 'op_up_read', 'op_up_write']);

function enabled(this: Op): boolean {
  return can_take(this.obj as rw_semaphore, this.write);
}

function can_take(sem: rw_semaphore, write: boolean): boolean {
  return sem.sem.getValue() > 0 || (!write && sem.readers > 0);
}

/** C: include/linux/rwsem.h init_rwsem() */
export function init_rwsem(sem: rw_semaphore, name: string): void {
  sem.name = name;
}

// The gate has established that it can be had, so async-mutex has nobody to queue and nothing to choose.

function take_read(sem: rw_semaphore, since: number, tried: boolean): void {
  if (sem.readers++ === 0) sem.sem.setValue(0);
  note_acquired(sem.spare.pop() ?? new Hold(sem, 'read'), current, since, tried);
}

function take_write(sem: rw_semaphore, since: number, tried: boolean): void {
  sem.sem.setValue(0);
  sem.owner = current;
  note_acquired(sem.hold, current, since, tried);
}

async function read_after(sem: rw_semaphore, wait: Promise<void>, since: number): Promise<void> {
  await wait;
  take_read(sem, since, false);
}

async function write_after(sem: rw_semaphore, wait: Promise<void>, since: number): Promise<void> {
  await wait;
  take_write(sem, since, false);
}

/** Sleep until held shared. C: kernel/locking/rwsem.c down_read() */
export function down_read(sem: rw_semaphore): Promise<void> {
  might_sleep('down_read');
  const since = machine.clock.now;
  if (sem.owner !== null) note_contended(sem, 'read', current);
  const wait = point(sem.op_read);
  if (wait !== undefined) return read_after(sem, wait, since);
  take_read(sem, since, false);
  return DONE;
}

/** Sleep until held exclusively. C: kernel/locking/rwsem.c down_write() */
export function down_write(sem: rw_semaphore): Promise<void> {
  might_sleep('down_write');
  const since = machine.clock.now;
  if (sem.owner !== null || sem.readers > 0) note_contended(sem, 'write', current);
  const wait = point(sem.op_write);
  if (wait !== undefined) return write_after(sem, wait, since);
  take_write(sem, since, false);
  return DONE;
}

/** Shared without sleeping: 1 taken, 0 not. C: kernel/locking/rwsem.c down_read_trylock() */
export async function down_read_trylock(sem: rw_semaphore): Promise<number> {
  await access(sem, false, 'trylock');
  if (!can_take(sem, false)) return 0;
  take_read(sem, machine.clock.now, true);
  return 1;
}

/** Exclusive without sleeping: 1 taken, 0 not. C: kernel/locking/rwsem.c down_write_trylock() */
export async function down_write_trylock(sem: rw_semaphore): Promise<number> {
  await access(sem, true, 'trylock');
  if (!can_take(sem, true)) return 0;
  take_write(sem, machine.clock.now, true);
  return 1;
}

function not_held(sem: rw_semaphore, mode: 'read' | 'write'): void {
  report('lock-owner', `${current.name} does up_${mode} on ${sem.name} without holding it so`);
}

function release_read(sem: rw_semaphore): void {
  const hold = note_released(sem, 'read', current);
  if (hold === null) {
    not_held(sem, 'read');
    if (sem.readers === 0) return;
  } else {
    sem.spare.push(hold as Hold);
  }
  if (--sem.readers === 0) sem.sem.setValue(1);
}

function release_write(sem: rw_semaphore): void {
  if (note_released(sem, 'write', current) === null) {
    not_held(sem, 'write');
    if (sem.owner === null) return;
  }
  sem.owner = null;
  sem.sem.setValue(1);
}

async function release_after(
  sem: rw_semaphore,
  release: (sem: rw_semaphore) => void,
  wait: Promise<void>,
): Promise<void> {
  await wait;
  release(sem);
}

/** C: kernel/locking/rwsem.c up_read() */
export function up_read(sem: rw_semaphore): Promise<void> {
  const wait = point(sem.op_up_read);
  if (wait !== undefined) return release_after(sem, release_read, wait);
  release_read(sem);
  return DONE;
}

/** C: kernel/locking/rwsem.c up_write() */
export function up_write(sem: rw_semaphore): Promise<void> {
  const wait = point(sem.op_up_write);
  if (wait !== undefined) return release_after(sem, release_write, wait);
  release_write(sem);
  return DONE;
}

/** Exclusive to shared without letting a writer in. C: kernel/locking/rwsem.c downgrade_write() */
export async function downgrade_write(sem: rw_semaphore): Promise<void> {
  await point(sem.op_up_write);
  if (note_released(sem, 'write', current) === null) {
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
