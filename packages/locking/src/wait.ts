// SPDX-License-Identifier: GPL-2.0-only
import { access, current, machine, Obj, point, Op, type Task, wait_until_timeout } from '@vfio-lab/sim';
import { might_sleep } from './context.ts';
import { spin_lock_irqsave, spin_unlock_irqrestore, spin_lock_init, spinlock_t } from './spinlock.ts';

/** Timer ticks a second. */
export const HZ = 250;
/** Virtual nanoseconds of a tick. */
export const NS_PER_JIFFY = 1_000_000_000 / HZ;
export const MAX_SCHEDULE_TIMEOUT = Number.MAX_SAFE_INTEGER;
const ERESTARTSYS = 512;

/** An entry of a wait queue: a sleeping task, or a callback run at wake-up with the head's lock held. */
export interface wait_queue_entry {
  /** Called with the head's lock held and interrupts off. Non-zero: the wake-up counts as delivered. */
  func(entry: wait_queue_entry, mode: number, flags: number, key: number): number | Promise<number>;
  private: unknown;
}

/** A wait queue entry that a driver embeds in a struct of its own (`container`). */
export class wait_queue_entry_t implements wait_queue_entry {
  func: (entry: wait_queue_entry_t, mode: number, flags: number, key: number) => number | Promise<number> =
    () => 0;
  private: unknown = null;
  readonly container: unknown;

  constructor(container: unknown = null) {
    this.container = container;
  }
}

/** struct wait_queue_head */
export class wait_queue_head_t extends Obj {
  readonly lock = new spinlock_t('&wq->lock');
  readonly head: wait_queue_entry[] = [];

  constructor(name = 'wait queue') {
    super(name);
  }
}

/** Name the queue and its lock (the lockdep class). C: include/linux/wait.h init_waitqueue_head() */
export function init_waitqueue_head(wq: wait_queue_head_t, name: string): void {
  wq.name = name;
  spin_lock_init(wq.lock, name);
}

class Sleeper implements wait_queue_entry {
  readonly private: Task;
  readonly op: Op;
  woken = false;

  constructor(task: Task, obj: Obj, interruptible: boolean) {
    this.private = task;
    this.op = new Op('wait', obj, false, () => this.woken || (interruptible && task.signal_pending));
  }

  func(): number {
    machine.publish(this.op.obj);
    this.woken = true;
    return 1;
  }
}

/** C: kernel/sched/wait.c init_waitqueue_func_entry() */
export function init_waitqueue_func_entry<E extends wait_queue_entry>(entry: E, func: E['func']): void {
  entry.func = func;
}

/** C: kernel/sched/wait.c add_wait_queue() */
export async function add_wait_queue(wq: wait_queue_head_t, entry: wait_queue_entry): Promise<void> {
  const flags = await spin_lock_irqsave(wq.lock);
  wq.head.unshift(entry);
  await spin_unlock_irqrestore(wq.lock, flags);
}

/** The caller holds the head's lock. C: include/linux/wait.h __remove_wait_queue() */
export function __remove_wait_queue(wq: wait_queue_head_t, entry: wait_queue_entry): void {
  const i = wq.head.indexOf(entry);
  if (i >= 0) wq.head.splice(i, 1);
}

/** C: kernel/sched/wait.c remove_wait_queue() */
export async function remove_wait_queue(wq: wait_queue_head_t, entry: wait_queue_entry): Promise<void> {
  const flags = await spin_lock_irqsave(wq.lock);
  __remove_wait_queue(wq, entry);
  await spin_unlock_irqrestore(wq.lock, flags);
}

/** Is anybody queued? C: include/linux/wait.h waitqueue_active() */
export function waitqueue_active(wq: wait_queue_head_t): boolean {
  return wq.head.length > 0;
}

/** Wake everybody with the head's lock held by the caller; `key` is the poll mask. C: kernel/sched/wait.c __wake_up_locked_key() */
export async function wake_up_locked_poll(wq: wait_queue_head_t, key: number): Promise<void> {
  for (const entry of [...wq.head]) await entry.func(entry, 0, 0, key);
}

/** Wake all sleepers and run all callbacks. C: include/linux/wait.h wake_up_all() */
export async function wake_up_all(wq: wait_queue_head_t): Promise<void> {
  const flags = await spin_lock_irqsave(wq.lock);
  await wake_up_locked_poll(wq, 0);
  await spin_unlock_irqrestore(wq.lock, flags);
}

/** No waiter here is exclusive, so one wake-up reaches all. C: include/linux/wait.h wake_up() */
export const wake_up = wake_up_all;

function enqueue(wq: wait_queue_head_t, interruptible: boolean): Sleeper {
  const sleeper = new Sleeper(current, wq, interruptible);
  wq.head.push(sleeper);
  return sleeper;
}

/**
 * Sleep until `cond` holds, checked at first and after every wake-up (a forgotten wake-up therefore hangs, as in the
 * kernel). `cond` is synchronous. C: include/linux/wait.h wait_event()
 */
export async function wait_event(wq: wait_queue_head_t, cond: () => boolean): Promise<void> {
  might_sleep('wait_event');
  if (cond()) return;
  await access(wq, true, 'wait');
  const sleeper = enqueue(wq, false);
  while (!cond()) {
    await point(sleeper.op);
    sleeper.woken = false;
  }
  __remove_wait_queue(wq, sleeper);
}

/** As wait_event; -ERESTARTSYS when a signal came first. C: include/linux/wait.h wait_event_interruptible() */
export async function wait_event_interruptible(wq: wait_queue_head_t, cond: () => boolean): Promise<number> {
  might_sleep('wait_event_interruptible');
  if (cond()) return 0;
  await access(wq, true, 'wait');
  const sleeper = enqueue(wq, true);
  let ret = 0;
  while (!cond()) {
    if (sleeper.private.signal_pending) {
      ret = -ERESTARTSYS;
      break;
    }
    await point(sleeper.op);
    sleeper.woken = false;
  }
  __remove_wait_queue(wq, sleeper);
  return ret;
}

/** Jiffies left (at least 1) when `cond` holds, 0 when time ran out. C: include/linux/wait.h wait_event_timeout() */
export async function wait_event_timeout(
  wq: wait_queue_head_t,
  cond: () => boolean,
  timeout: number,
): Promise<number> {
  might_sleep('wait_event_timeout');
  if (cond()) return timeout > 0 ? timeout : 1;
  await access(wq, true, 'wait');
  const sleeper = enqueue(wq, false);
  const end = machine.clock.now + timeout * NS_PER_JIFFY;
  while (!cond() && machine.clock.now < end) {
    await wait_until_timeout(wq, () => sleeper.woken, end - machine.clock.now);
    sleeper.woken = false;
  }
  __remove_wait_queue(wq, sleeper);
  if (!cond()) return 0;
  return Math.max(1, Math.ceil((end - machine.clock.now) / NS_PER_JIFFY));
}

/** struct completion */
export class completion extends Obj {
  count = 0;
  readonly op_wait = new Op('wait', this, true, () => this.count > 0);

  constructor(name = 'completion') {
    super(name);
  }
}

const COMPLETE_ALL = 2 ** 31;

/** C: include/linux/completion.h init_completion() */
export function init_completion(x: completion): void {
  x.count = 0;
}

/** Let one waiter through. C: kernel/sched/completion.c complete() */
export async function complete(x: completion): Promise<void> {
  await access(x, true, 'wake');
  if (x.count < COMPLETE_ALL) x.count++;
}

/** Let everybody through from now on. C: kernel/sched/completion.c complete_all() */
export async function complete_all(x: completion): Promise<void> {
  await access(x, true, 'wake');
  x.count = COMPLETE_ALL;
}

function consume(x: completion): void {
  if (x.count < COMPLETE_ALL) x.count--;
}

/** Sleep uninterruptibly until completed. C: kernel/sched/completion.c wait_for_completion() */
export async function wait_for_completion(x: completion): Promise<void> {
  might_sleep('wait_for_completion');
  await point(x.op_wait);
  consume(x);
}

/** 0 when `timeout` jiffies passed first, else the jiffies left, at least 1. C: kernel/sched/completion.c wait_for_completion_timeout() */
export async function wait_for_completion_timeout(x: completion, timeout: number): Promise<number> {
  might_sleep('wait_for_completion_timeout');
  const end = machine.clock.now + timeout * NS_PER_JIFFY;
  if (!(await wait_until_timeout(x, () => x.count > 0, timeout * NS_PER_JIFFY))) return 0;
  consume(x);
  return Math.max(1, Math.ceil((end - machine.clock.now) / NS_PER_JIFFY));
}

/** As the timeout form; -ERESTARTSYS when a signal came first. C: kernel/sched/completion.c wait_for_completion_interruptible_timeout() */
export async function wait_for_completion_interruptible_timeout(
  x: completion,
  timeout: number,
): Promise<number> {
  might_sleep('wait_for_completion_interruptible_timeout');
  const task = current;
  const end = machine.clock.now + timeout * NS_PER_JIFFY;
  await wait_until_timeout(x, () => x.count > 0 || task.signal_pending, timeout * NS_PER_JIFFY);
  if (x.count === 0) return task.signal_pending ? -ERESTARTSYS : 0;
  consume(x);
  return Math.max(1, Math.ceil((end - machine.clock.now) / NS_PER_JIFFY));
}

/** True when one completion was consumed; never sleeps. C: kernel/sched/completion.c try_wait_for_completion() */
export async function try_wait_for_completion(x: completion): Promise<boolean> {
  await access(x, true, 'trylock');
  if (x.count === 0) return false;
  consume(x);
  return true;
}
