// SPDX-License-Identifier: GPL-2.0-only
import type { Cpu, Task } from '@vfio-lab/sim';
import type { Gate } from './gate.ts';
import type { Timed } from './heap.ts';

/**
 * ready: waits for a processor. running: has one and an event at which its next operation happens. spinning: has one and
 * waits for a lock. blocked: sleeps for a lock. waiting: sleeps for a condition. sleeping: until its event. irq: an
 * interrupt or timer on its way to its processor.
 */
export type ThreadState =
  | 'ready'
  | 'running'
  | 'spinning'
  | 'blocked'
  | 'waiting'
  | 'sleeping'
  | 'irq'
  | 'ended';

/** What a thread spends its time on. Waiting for locks is kept by lock. */
export interface Account {
  /** Thinking, or waiting for the next arrival. */
  think: number;
  /** Executing, lock and cache costs included. */
  run: number;
  /** Waiting for a device to answer. */
  hardware: number;
  /** Runnable without a processor. */
  ready: number;
  /** Sleeping in a delay (D3 exits) or for a condition. */
  sleep: number;
  /** By lock class. */
  locks: Map<string, number>;
}

export function emptyAccount(): Account {
  return { think: 0, run: 0, hardware: 0, ready: 0, sleep: 0, locks: new Map() };
}

/** The engine's side of a task. */
export class Thread implements Timed {
  at = 0;
  seq = 0;
  slot = -1;
  readonly task: Task;
  state: ThreadState = 'ready';
  cpu: Processor;
  /** Processor time to go before the announced operation happens, while it is not running. */
  need = 0;
  /** When the operation is due, while it is running; its event comes earlier when the time slice ends before. */
  due = 0;
  /** When the present state began, for the account. */
  since = 0;
  /** When it went on from its point. */
  resumed = 0;
  /** To be paid with the next operation: wake-ups it did. */
  debt = 0;
  /** The gate of the lock that it gives up in this step, when somebody waits there. */
  unlocked: Gate | null = null;
  /** The lock it waits for, how and since when. */
  gate: Gate | null = null;
  write = false;
  waiting_since = 0;
  /** Nobody can take the lock before it. */
  granted = false;
  /** How long the last acquisition waited, until the lock says that it is taken. */
  waited = -1;
  /** The sleep is thinking. */
  thinks = false;
  readonly account: Account = emptyAccount();

  constructor(task: Task, cpu: Processor) {
    this.task = task;
    this.cpu = cpu;
  }

  /** May lose its processor at a scheduling point. */
  get preemptible(): boolean {
    return this.task.preempt_count === 0 && !this.task.atomic;
  }
}

/** A processor with its run queue. */
export class Processor {
  readonly id: number;
  readonly cpu: Cpu;
  /** Runs or spins here; an interrupt handler sits on top of what it interrupted. */
  current: Thread | null = null;
  readonly interrupted: Thread[] = [];
  readonly queue: Thread[] = [];
  /** Interrupts and timers that cannot be taken now. */
  readonly pending: Thread[] = [];
  slice_end = 0;
  /** Nothing can start here before. */
  free_at = 0;
  /** Who ran here last, and who is idle since when. */
  last: Thread | null = null;

  constructor(cpu: Cpu) {
    this.id = cpu.id;
    this.cpu = cpu;
  }
}
