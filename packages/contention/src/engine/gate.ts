// SPDX-License-Identifier: GPL-2.0-only
import { mutex, rw_semaphore, spinlock_t } from '@vfio-lab/locking';
import type { Obj, Op, Task } from '@vfio-lab/sim';
import type { Thread } from './thread.ts';

/** How a lock goes from one holder to the next. */
export interface HandOver {
  readonly name: string;
  readonly about: string;
  /** Strict order of arrival: the lock belongs to the first waiter from the moment it is given up. */
  readonly fifo: boolean;
  /** Waiters stay on their processor while the owner runs. */
  readonly spin: boolean;
}

/** By name. */
export const HAND_OVER: Readonly<Record<string, HandOver>> = {
  linux: {
    name: 'linux',
    about:
      'mutex.c and rwsem.c of v5.19: optimistic spinning, stealing, hand-off to a waiter that was overtaken; readers in batches; hand-off after 4 ms',
    fifo: false,
    spin: true,
  },
  'linux-no-spin': {
    name: 'linux-no-spin',
    about:
      'the same without optimistic spinning (CONFIG_MUTEX_SPIN_ON_OWNER and CONFIG_RWSEM_SPIN_ON_OWNER off)',
    fifo: false,
    spin: false,
  },
  fifo: {
    name: 'fifo',
    about:
      'async-mutex: waiters in order of arrival, the lock handed to the first; readers next to each other go together',
    fifo: true,
    spin: false,
  },
};

export type LockKind = 'mutex' | 'rwsem' | 'spinlock';

/** What perf and lock_stat call a lock; null for an object that is no lock. */
export function lockKind(obj: Obj): LockKind | null {
  if (obj instanceof spinlock_t) return 'spinlock';
  if (obj instanceof mutex) return 'mutex';
  if (obj instanceof rw_semaphore) return 'rwsem';
  return null;
}

/** A batch of readers: MAX_READERS_WAKEUP of kernel/locking/rwsem.c. */
export const MAX_READERS = 256;

/**
 * The waiters of one lock.
 *
 * 1. `queue` is in order of arrival. Its head may spin (a spinlock's waiters all do).
 * 2. While `grants` is not 0, the lock is promised: to one writer, or to that many readers.
 * 3. `hand_off`: nobody may overtake the head of the queue any more.
 */
export class Gate {
  readonly lock: Obj;
  readonly kind: LockKind;
  readonly queue: Thread[] = [];
  /** Optimistic spinners, in order. */
  readonly spinners: Thread[] = [];
  grants = 0;
  grant_write = false;
  hand_off = false;

  constructor(lock: Obj, kind: LockKind) {
    this.lock = lock;
    this.kind = kind;
  }

  get empty(): boolean {
    return this.queue.length === 0 && this.spinners.length === 0 && this.grants === 0;
  }

  /** Nobody holds it and it is not promised. */
  get free(): boolean {
    return this.grants === 0 && is_free(this.lock);
  }

  /** The task that holds it exclusively. */
  get owner(): Task | null {
    return (this.lock as mutex | rw_semaphore | spinlock_t).owner;
  }

  get readers(): number {
    return this.lock instanceof rw_semaphore ? this.lock.readers : 0;
  }

  /** May this thread take the lock now? `op` is how. */
  admits(thread: Thread, op: Op, rule: HandOver): boolean {
    const possible = op.enabled === undefined || op.enabled(thread.task);
    if (thread.granted && thread.gate === this) return possible;
    if (!possible) return false;
    if (this.grants > 0 && (op.write || this.grant_write)) return false;
    if (this.queue.length === 0) return true;
    const head = this.queue[0] === thread;
    if (this.kind === 'spinlock' || rule.fifo) return head;
    if (this.hand_off) return head;
    // A reader joins others only while nobody queues, so that writers get their turn.
    if (this.kind === 'rwsem' && !op.write && !head) return this.readers === 0 && this.grants === 0;
    return true;
  }
}

function is_free(lock: Obj): boolean {
  return (lock as mutex | rw_semaphore | spinlock_t).sem.getValue() > 0;
}
