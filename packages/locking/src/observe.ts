// SPDX-License-Identifier: GPL-2.0-only
import { fixed, type HeldLock, machine, type Obj, scratch, type Task } from '@vfio-lab/sim';

/** A hold of a lock. Exclusive holds are reused: a lock has one holder at a time, so it owns the record. */
export class Hold implements HeldLock {
  readonly lock: Obj;
  readonly mode: 'read' | 'write';
  site = '';
  fns: readonly string[] | undefined = undefined;
  since = 0;
  subclass = 0;

  constructor(lock: Obj, mode: 'read' | 'write') {
    this.lock = lock;
    this.mode = mode;
  }
}

fixed(Hold, ['lock', 'mode']);
scratch(Hold, ['site', 'fns', 'since', 'subclass']);

/**
 * Common part of every acquisition: keep the task's list of holds (owner checks need it always) and tell the machine's
 * observer, when there is one.
 */
export function note_acquired(hold: Hold, task: Task, since: number, tried: boolean): void {
  task.held.push(hold);
  const observer = machine.lock_observer;
  if (observer === null) return;
  const now = machine.clock.now;
  hold.since = now;
  hold.site = task.site;
  // Only an instrumented image has a stack.
  hold.fns = task.fns.length > 0 ? task.fns.slice() : undefined;
  observer.acquired(hold.lock, hold.mode, task, now - since, tried);
}

/** The task gives `lock` up. Returns the hold, null when it has none (in this mode). */
export function note_released(lock: Obj, mode: 'read' | 'write', task: Task): HeldLock | null {
  const held = task.held;
  const last = held.length - 1;
  if (last < 0) return null;
  let hold = held[last];
  if (hold.lock === lock && hold.mode === mode) {
    held.pop();
  } else {
    let i = last - 1;
    while (i >= 0 && (held[i].lock !== lock || held[i].mode !== mode)) i--;
    if (i < 0) return null;
    hold = held[i];
    held.splice(i, 1);
  }
  const observer = machine.lock_observer;
  if (observer !== null) observer.released(lock, hold, task);
  return hold;
}

/** The task found the lock taken. */
export function note_contended(lock: Obj, mode: 'read' | 'write', task: Task): void {
  const observer = machine.lock_observer;
  if (observer !== null) observer.contended(lock, mode, task);
}

/** Does the task hold the lock (in this mode; any mode when not given)? */
export function holds(task: Task, lock: Obj, mode?: 'read' | 'write'): boolean {
  for (const h of task.held) if (h.lock === lock && (mode === undefined || h.mode === mode)) return true;
  return false;
}
