// SPDX-License-Identifier: GPL-2.0-only
import { current, type Obj, report } from '@vfio-lab/sim';
import { holds } from './observe.ts';

/** Finding `lockdep-assert` unless the running task holds the lock in any mode. C: include/linux/lockdep.h lockdep_assert_held() */
export function lockdep_assert_held(lock: Obj): void {
  if (!holds(current, lock)) report('lockdep-assert', `${lock.name} is not held`);
}

/** As lockdep_assert_held, and exclusively. C: include/linux/lockdep.h lockdep_assert_held_write() */
export function lockdep_assert_held_write(lock: Obj): void {
  if (!holds(current, lock, 'write')) report('lockdep-assert', `${lock.name} is not held for writing`);
}

/** As lockdep_assert_held, and shared. C: include/linux/lockdep.h lockdep_assert_held_read() */
export function lockdep_assert_held_read(lock: Obj): void {
  if (!holds(current, lock, 'read')) report('lockdep-assert', `${lock.name} is not held for reading`);
}

/** C: include/linux/lockdep.h lockdep_assert_not_held() */
export function lockdep_assert_not_held(lock: Obj): void {
  if (holds(current, lock)) report('lockdep-assert', `${lock.name} is held`);
}
