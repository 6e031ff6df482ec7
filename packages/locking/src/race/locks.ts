// SPDX-License-Identifier: GPL-2.0-only
import type { HeldLock, LockObserver, Obj, Task } from '@vfio-lab/sim';
import type { RaceMachine } from './machine.ts';

/** Hands lock operations to a RaceMachine, then to the next observer. */
export class RaceLocks implements LockObserver {
  readonly machine: RaceMachine;
  readonly next: LockObserver | null;

  constructor(machine: RaceMachine, next: LockObserver | null) {
    this.machine = machine;
    this.next = next;
  }

  contended(lock: Obj, mode: 'read' | 'write', task: Task): void {
    this.next?.contended(lock, mode, task);
  }

  acquired(lock: Obj, mode: 'read' | 'write', task: Task, waited: number, tried: boolean): void {
    this.machine.acquired(lock, mode);
    this.next?.acquired(lock, mode, task, waited, tried);
  }

  released(lock: Obj, held: HeldLock, task: Task): void {
    this.machine.released(lock, held.mode);
    this.next?.released(lock, held, task);
  }
}
