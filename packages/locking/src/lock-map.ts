// SPDX-License-Identifier: GPL-2.0-only
// What is no lock, and yet waited for: lockdep learns its order as that of a lock. C: include/linux/lockdep.h lock_map_*()
import { current, machine } from '@vfio-lab/sim';
import { lockdep_of } from './lockdep.ts';

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

/** C: include/linux/lockdep.h lock_map_release() */
export function lock_map_release(name: string): void {
  const i = current.maps.lastIndexOf(name);
  if (i >= 0) current.maps.splice(i, 1);
}
