// SPDX-License-Identifier: GPL-2.0-only
import { machine, type HeldLock, type Obj, type Task } from '@vfio-lab/sim';

/**
 * Common part of every lock operation: keep the task's list of held locks (owner checks need it always) and tell the
 * machine's observer, when there is one.
 */
export function note_acquired(lock: Obj, mode: 'read' | 'write', task: Task, since: number, tried: boolean): void {
  const now = machine.clock.now;
  task.held.push({ lock, mode, site: task.site, since: now });
  const observer = machine.lock_observer;
  if (observer !== null) observer.acquired(lock, mode, task, now - since, tried);
}

/** The task gives `lock` up. Returns false when it does not hold it (in this mode). */
export function note_released(lock: Obj, mode: 'read' | 'write', task: Task): boolean {
  const held = task.held;
  let i = held.length - 1;
  while (i >= 0 && (held[i].lock !== lock || held[i].mode !== mode)) i--;
  if (i < 0) return false;
  const entry: HeldLock = held[i];
  if (i === held.length - 1) held.pop();
  else held.splice(i, 1);
  const observer = machine.lock_observer;
  if (observer !== null) observer.released(lock, entry, task);
  return true;
}

export function note_contended(lock: Obj, mode: 'read' | 'write', task: Task): void {
  const observer = machine.lock_observer;
  if (observer !== null) observer.contended(lock, mode, task);
}

/** Does the task hold the lock (in this mode; any mode when not given)? */
export function holds(task: Task, lock: Obj, mode?: 'read' | 'write'): boolean {
  for (const h of task.held) if (h.lock === lock && (mode === undefined || h.mode === mode)) return true;
  return false;
}
