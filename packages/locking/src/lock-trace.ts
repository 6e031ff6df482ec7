// SPDX-License-Identifier: GPL-2.0-only
import {
  type HeldLock,
  type LockObserver,
  machine,
  type Obj,
  type Task,
  type TraceEvent,
} from '@vfio-lab/sim';
import { mutex } from './mutex.ts';
import { rw_semaphore } from './rwsem.ts';

/** Timeline entries for lock operations; put in front of another observer when the machine is tracing. */
export class LockTrace implements LockObserver {
  readonly next: LockObserver | null;

  constructor(next: LockObserver | null) {
    this.next = next;
  }

  contended(lock: Obj, mode: 'read' | 'write', task: Task): void {
    if (machine.tracing) this.event(task, `wait ${lock.name}`, mode);
    this.next?.contended(lock, mode, task);
  }

  acquired(lock: Obj, mode: 'read' | 'write', task: Task, waited: number, tried: boolean): void {
    if (machine.tracing) this.event(task, `${verb(lock, mode, true)} ${lock.name}`, mode);
    this.next?.acquired(lock, mode, task, waited, tried);
  }

  released(lock: Obj, held: HeldLock, task: Task): void {
    if (machine.tracing) this.event(task, `${verb(lock, held.mode, false)} ${lock.name}`, held.mode);
    this.next?.released(lock, held, task);
  }

  private event(task: Task, text: string, mode: string): void {
    const event: TraceEvent = {
      at: machine.clock.now,
      task: task.name,
      fn: task.site,
      kind: 'lock',
      text,
      data: { mode },
    };
    if (task.fns.length > 0) event.fns = task.fns.slice();
    machine.events.push(event);
  }
}

function verb(lock: Obj, mode: 'read' | 'write', taken: boolean): string {
  if (lock instanceof rw_semaphore) return `${taken ? 'down' : 'up'}_${mode}`;
  const kind = lock instanceof mutex ? 'mutex' : 'spin';
  return `${kind}_${taken ? 'lock' : 'unlock'}`;
}
