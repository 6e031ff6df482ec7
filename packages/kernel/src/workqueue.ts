// SPDX-License-Identifier: GPL-2.0-only
/*
 * kernel/workqueue.c, as far as its users can tell.
 *
 * 1. A work item is pending from being queued until its function is about to run; queueing a pending item does nothing.
 * 2. An item never runs twice at once: queued while it runs, it runs again in the same worker afterwards.
 * 3. Items of one queue run at the same time as others, each in a kworker, except on an ordered queue: one at a time,
 *    in order.
 * 4. Workers are tasks that exist while there is work. The first of a queue is called kworker/QUEUE, further ones that
 *    live at the same time kworker/QUEUE:1 and so on: the lowest number that is free.
 */
import { lock_map_acquire, lock_map_release, might_sleep, NS_PER_JIFFY } from '@vfio-lab/locking';
import { access, current, machine, now, Obj, SimTimer, spawn, type Task, wait_until } from '@vfio-lab/sim';
import type { Awaitable } from './container.ts';
import { WARN_ON } from './printk.ts';

export type work_func_t = (work: work_struct) => Awaitable<void>;

/** struct work_struct */
export class work_struct extends Obj {
  func: work_func_t | null = null;
  pending = false;
  /** The worker that runs it now. */
  worker: worker | null = null;
  /** Nothing queues it while somebody cancels it. */
  canceling = false;
  /** Number of the latest queueing, and of the latest one that has finished. */
  queued = 0;
  finished = 0;
  entry: work_entry | null = null;
  /** What its users are ordered by: itself, or the ordered queue it was last put on. */
  order: Obj = this;
  readonly container: unknown;

  constructor(container: unknown = null) {
    super('work');
    this.container = container;
  }
}

/** One queueing of an item. */
interface work_entry {
  readonly work: work_struct;
  readonly wq: workqueue_struct;
  readonly nr: number;
  readonly seq: number;
  cancelled: boolean;
}

class worker {
  readonly list: work_entry[] = [];
  readonly number: number;
  task: Task | null = null;

  constructor(number: number) {
    this.number = number;
  }
}

export const WQ_UNBOUND = 1 << 1;
export const WQ_FREEZABLE = 1 << 2;
export const WQ_MEM_RECLAIM = 1 << 3;
export const WQ_HIGHPRI = 1 << 4;
export const __WQ_ORDERED = 1 << 17;

/** struct workqueue_struct */
export class workqueue_struct extends Obj {
  readonly flags: number;
  readonly workers: (worker | null)[] = [];
  /** Queueings not finished yet, oldest first. */
  readonly in_flight = new Set<number>();
  seq = 0;
  destroyed = false;
  draining = false;

  constructor(name: string, flags: number) {
    super(name);
    this.flags = flags;
  }

  get ordered(): boolean {
    return (this.flags & __WQ_ORDERED) !== 0;
  }
}

/**
 * Bind a function to an item. `name`: what lockdep would call it.
 * C: include/linux/workqueue.h INIT_WORK()
 */
export function INIT_WORK(work: work_struct, func: work_func_t, name = 'work'): void {
  work.name = name;
  work.func = func;
  work.pending = false;
  work.entry = null;
}

/** @param flags WQ_* C: kernel/workqueue.c alloc_workqueue() */
export function alloc_workqueue(name: string, flags = 0, max_active = 0): workqueue_struct {
  return new workqueue_struct(name, max_active === 1 && flags & WQ_UNBOUND ? flags | __WQ_ORDERED : flags);
}

/** One item at a time, in order. C: include/linux/workqueue.h alloc_ordered_workqueue() */
export function alloc_ordered_workqueue(name: string, flags = 0): workqueue_struct {
  return new workqueue_struct(name, flags | WQ_UNBOUND | __WQ_ORDERED);
}

/** Ordered, with a rescuer. C: include/linux/workqueue.h create_singlethread_workqueue() */
export function create_singlethread_workqueue(name: string): workqueue_struct | null {
  return alloc_ordered_workqueue(name, WQ_MEM_RECLAIM);
}

class SystemQueues {
  readonly system = new workqueue_struct('system', 0);
  readonly freezable = new workqueue_struct('freezable', WQ_FREEZABLE);
}

function queues(): SystemQueues {
  return machine.scope(SystemQueues, () => new SystemQueues());
}

/** The machine's system_wq; workers kworker/system. */
export function system_wq(): workqueue_struct {
  return queues().system;
}

/** The machine's system_freezable_wq; workers kworker/freezable. */
export function system_freezable_wq(): workqueue_struct {
  return queues().freezable;
}

function start(wq: workqueue_struct, entry: work_entry): void {
  if (entry.work.worker !== null) {
    entry.work.worker.list.push(entry);
    return;
  }
  if (wq.ordered && wq.workers.length > 0 && wq.workers[0] !== null) {
    wq.workers[0].list.push(entry);
    return;
  }
  let n = wq.workers.indexOf(null);
  if (n < 0) n = wq.workers.length;
  const w = new worker(n);
  w.list.push(entry);
  wq.workers[n] = w;
  const name = n === 0 ? `kworker/${wq.name}` : `kworker/${wq.name}:${n}`;
  w.task = spawn(name, () => worker_thread(wq, w), { kind: 'kthread', process: null });
}

async function worker_thread(wq: workqueue_struct, w: worker): Promise<void> {
  for (let entry = w.list.shift(); entry !== undefined; entry = w.list.shift()) {
    if (!entry.cancelled) await process_one_work(w, entry);
  }
  wq.workers[w.number] = null;
}

async function process_one_work(w: worker, entry: work_entry): Promise<void> {
  const { work } = entry;
  await access(work.order, true, 'work');
  if (entry.cancelled) return;
  work.pending = false;
  work.entry = null;
  work.worker = w;
  if (work.func === null) WARN_ON(true, `${work.name} without a function`);
  else {
    const map = map_of(work);
    lock_map_acquire(map);
    const { fns } = current;
    if (machine.tracing && work.func.name !== '') fns.push(work.func.name);
    await work.func(work);
    fns.length = 0;
    lock_map_release(map);
  }
  await access(work.order, true, 'work');
  work.worker = null;
  work.finished = entry.nr;
  entry.wq.in_flight.delete(entry.seq);
  // For who flushes the queue.
  machine.publish(entry.wq);
}

function insert(wq: workqueue_struct, work: work_struct): boolean {
  if (work.pending || work.canceling) return false;
  if (WARN_ON(wq.destroyed, `${work.name} queued on destroyed workqueue ${wq.name}`)) return false;
  work.pending = true;
  const entry: work_entry = { work, wq, nr: ++work.queued, seq: ++wq.seq, cancelled: false };
  work.entry = entry;
  wq.in_flight.add(entry.seq);
  start(wq, entry);
  return true;
}

/**
 * Queue an item. Any context.
 * @returns false when it was pending already.
 * C: include/linux/workqueue.h queue_work()
 */
export async function queue_work(wq: workqueue_struct, work: work_struct): Promise<boolean> {
  if (!work.pending && work.worker === null) work.order = wq.ordered ? wq : work;
  await access(work.order, true, 'work');
  return insert(wq, work);
}

/** queue_work() on system_wq. C: include/linux/workqueue.h schedule_work() */
export function schedule_work(work: work_struct): Promise<boolean> {
  return queue_work(system_wq(), work);
}

/** Is the item queued and not yet running? C: include/linux/workqueue.h work_pending() */
export function work_pending(work: work_struct): boolean {
  return work.pending;
}

/** What lockdep calls being in a work item, and waiting for one. C: kernel/workqueue.c work_struct.lockdep_map */
function map_of(work: work_struct): string {
  return `(work_completion)(${work.name})`;
}

/** Whoever waits for an item must not keep what it needs. C: kernel/workqueue.c __flush_work() */
function note_flush(work: work_struct): void {
  lock_map_acquire(map_of(work));
  lock_map_release(map_of(work));
}

/** Who has to do something for the item to be finished: its worker, or those of its queue. */
function workers_of(work: work_struct): Task[] {
  const workers = work.worker !== null ? [work.worker] : (work.entry?.wq.workers ?? []);
  return workers.flatMap((w) => (w === null || w.task === null ? [] : [w.task]));
}

/**
 * Sleep until the latest queueing of an item has finished.
 * @returns false when it was idle already
 * C: kernel/workqueue.c flush_work()
 */
export async function flush_work(work: work_struct): Promise<boolean> {
  might_sleep('flush_work');
  note_flush(work);
  await access(work.order, false, 'work');
  const nr = work.queued;
  if (work.finished >= nr) return false;
  await wait_until(
    work.order,
    () => work.finished >= nr,
    () => workers_of(work),
  );
  return true;
}

/** Sleep until everything that is queued now has finished. C: kernel/workqueue.c flush_workqueue() */
export async function flush_workqueue(wq: workqueue_struct): Promise<void> {
  might_sleep('flush_workqueue');
  await access(wq, false, 'work');
  const seq = wq.seq;
  await wait_until(
    wq,
    () => oldest(wq) > seq,
    () => wq.workers.flatMap((w) => (w === null || w.task === null ? [] : [w.task])),
  );
}

function oldest(wq: workqueue_struct): number {
  let min = Infinity;
  for (const seq of wq.in_flight) if (seq < min) min = seq;
  return min;
}

/** Flush until nothing queues itself again. C: kernel/workqueue.c drain_workqueue() */
export async function drain_workqueue(wq: workqueue_struct): Promise<void> {
  do await flush_workqueue(wq);
  while (wq.in_flight.size > 0);
}

/** Drain and free. Queueing on it afterwards warns. C: kernel/workqueue.c destroy_workqueue() */
export async function destroy_workqueue(wq: workqueue_struct): Promise<void> {
  await drain_workqueue(wq);
  wq.destroyed = true;
}

function take_back(work: work_struct): boolean {
  const { entry } = work;
  if (!work.pending || entry === null) return false;
  entry.cancelled = true;
  entry.wq.in_flight.delete(entry.seq);
  work.pending = false;
  work.entry = null;
  if (work.worker === null) work.finished = entry.nr;
  else work.queued = entry.nr - 1;
  return true;
}

/** Take a pending item off its queue; does not wait. C: kernel/workqueue.c cancel_work() */
export async function cancel_work(work: work_struct): Promise<boolean> {
  await access(work.order, true, 'work');
  return take_back(work);
}

/**
 * Take an item off its queue and wait until it does not run; it cannot be queued meanwhile.
 * @returns whether it was pending
 * C: kernel/workqueue.c cancel_work_sync()
 */
export async function cancel_work_sync(work: work_struct): Promise<boolean> {
  might_sleep('cancel_work_sync');
  note_flush(work);
  await access(work.order, true, 'work');
  const was_pending = take_back(work);
  work.canceling = true;
  await wait_until(
    work.order,
    () => work.worker === null,
    () => workers_of(work),
  );
  work.canceling = false;
  return was_pending;
}

/** struct delayed_work */
export class delayed_work {
  readonly work: work_struct;
  wq: workqueue_struct | null = null;
  /** Waits for its time. */
  timer_pending = false;
  readonly timer: SimTimer;
  readonly container: unknown;

  constructor(container: unknown = null) {
    this.container = container;
    this.work = new work_struct(this);
    this.timer = new SimTimer('delayed_work', () => this.fire());
  }

  private async fire(): Promise<void> {
    await access(this.work, true, 'work');
    if (!this.timer_pending) return;
    this.timer_pending = false;
    insert(this.wq as workqueue_struct, this.work);
  }
}

/** C: include/linux/workqueue.h to_delayed_work() */
export function to_delayed_work(work: work_struct): delayed_work {
  return work.container as delayed_work;
}

/** C: include/linux/workqueue.h INIT_DELAYED_WORK() */
export function INIT_DELAYED_WORK(dwork: delayed_work, func: work_func_t, name = 'delayed_work'): void {
  INIT_WORK(dwork.work, func, name);
}

function arm(dwork: delayed_work, wq: workqueue_struct, delay: number): void {
  dwork.wq = wq;
  if (delay === 0) {
    insert(wq, dwork.work);
    return;
  }
  dwork.timer_pending = true;
  dwork.timer.start(now() + delay * NS_PER_JIFFY);
}

function disarm(dwork: delayed_work): boolean {
  if (!dwork.timer_pending) return false;
  dwork.timer_pending = false;
  dwork.timer.cancel();
  return true;
}

/**
 * Queue after `delay` jiffies.
 * @returns false when it waits or is pending already.
 * C: queue_delayed_work()
 */
export async function queue_delayed_work(
  wq: workqueue_struct,
  dwork: delayed_work,
  delay: number,
): Promise<boolean> {
  await access(dwork.work, true, 'work');
  if (dwork.timer_pending || dwork.work.pending || dwork.work.canceling) return false;
  arm(dwork, wq, delay);
  return true;
}

/** C: include/linux/workqueue.h schedule_delayed_work() */
export function schedule_delayed_work(dwork: delayed_work, delay: number): Promise<boolean> {
  return queue_delayed_work(system_wq(), dwork, delay);
}

/**
 * Change the delay, or queue if idle.
 * @returns whether it was waiting or pending.
 * C: kernel/workqueue.c mod_delayed_work()
 */
export async function mod_delayed_work(
  wq: workqueue_struct,
  dwork: delayed_work,
  delay: number,
): Promise<boolean> {
  await access(dwork.work, true, 'work');
  const was = disarm(dwork) || take_back(dwork.work);
  arm(dwork, wq, delay);
  return was;
}

/** C: kernel/workqueue.c cancel_delayed_work() */
export async function cancel_delayed_work(dwork: delayed_work): Promise<boolean> {
  await access(dwork.work, true, 'work');
  return disarm(dwork) || take_back(dwork.work);
}

/** C: kernel/workqueue.c cancel_delayed_work_sync() */
export async function cancel_delayed_work_sync(dwork: delayed_work): Promise<boolean> {
  const waited = disarm(dwork);
  return (await cancel_work_sync(dwork.work)) || waited;
}

/** Queue now if it waits, then sleep until it has finished. C: kernel/workqueue.c flush_delayed_work() */
export async function flush_delayed_work(dwork: delayed_work): Promise<boolean> {
  await access(dwork.work, true, 'work');
  if (disarm(dwork)) insert(dwork.wq as workqueue_struct, dwork.work);
  return flush_work(dwork.work);
}

/** C: include/linux/workqueue.h delayed_work_pending() */
export function delayed_work_pending(dwork: delayed_work): boolean {
  return dwork.timer_pending || dwork.work.pending;
}
