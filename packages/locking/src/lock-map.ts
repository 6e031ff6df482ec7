// SPDX-License-Identifier: GPL-2.0-only
// What lockdep is told of besides the locks that are taken. C: include/linux/lockdep.h
import { current, machine } from '@vfio-lab/sim';
import { lockdep_of } from './lockdep.ts';
import { Hold } from './observe.ts';
import type { rw_semaphore } from './rwsem.ts';

/**
 * From here on the running task is in the middle of what `name` stands for (a work item, an attribute of sysfs).
 *
 * @param tried it was not waited for: no order that leads to it
 * C: include/linux/lockdep.h lock_map_acquire()
 */
export function lock_map_acquire(name: string, tried = false): void {
  lockdep_of(machine.lock_observer)?.map_acquired(name, current, tried);
  current.maps.push(name);
}

/** The running task might have to wait here for the lock, held shared. C: include/linux/lockdep.h might_lock_read() */
export function might_lock_read(lock: rw_semaphore): void {
  lockdep_of(machine.lock_observer)?.might_lock(new Hold(lock, 'read'), current);
}

/** C: include/linux/lockdep.h lock_map_release() */
export function lock_map_release(name: string): void {
  const i = current.maps.lastIndexOf(name);
  if (i >= 0) current.maps.splice(i, 1);
}
