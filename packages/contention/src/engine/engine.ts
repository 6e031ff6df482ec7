// SPDX-License-Identifier: GPL-2.0-only
import { current, type Machine, machine, Obj, Op, type Policy, type Task } from '@vfio-lab/sim';
import { file } from '@vfio-lab/kernel';
import type { Costs } from '../costs.ts';
import { Gate, type HandOver, HAND_OVER, type LockKind, lockKind, MAX_READERS } from './gate.ts';
import { EventHeap } from './heap.ts';
import { Line, lineAccess } from './lines.ts';
import { Processor, Thread } from './thread.ts';

/** Told of what the engine decides about locks; times are virtual ns. */
export interface EngineWatch {
  /** A thread found the lock taken at `at`. */
  contended(gate: Gate, write: boolean, thread: Thread, at: number): void;
  /** A state of a thread has ended: what it did from `from` to `to`. Only called when `timeline` is true. */
  span(thread: Thread, what: SpanKind, detail: string, from: number, to: number): void;
  readonly timeline: boolean;
}

export type SpanKind = 'run' | 'hardware' | 'spin' | 'block' | 'ready' | 'sleep' | 'think';

export interface EngineOptions {
  cpus: number;
  costs: Costs;
  handOver?: HandOver;
  watch?: EngineWatch | null;
}

/** A delay of so much outside atomic context is a sleep, not a busy loop: Documentation/timers/timers-howto.rst. */
const SLEEP_NS = 10_000;
/** With only timers left for so long, whoever still waits is stuck. */
const MAX_IDLE_NS = 600e9;

/** Locks by whose taking an eventfd's signal and a page fault are known. */
const EVENTFD_LOCK = '&ctx->wqh';
const FAULT_LOCK = '&mm->mmap_lock';

const program = new Obj('program');
const THINK = new Op('sleep', program, false);
const WORK = new Op('yield', program, false);

/**
 * A machine's processors in virtual time, as the policy of a Machine: tasks on M processors with run queues and time slices,
 * progressing in parallel.
 *
 * 1. Every operation of a task costs processor time, and takes place when that is over. Among all operations the one that
 *    is due first happens next; of those due at once, the one that was announced first.
 * 2. A step (from one point to the next) happens as a whole at its beginning; delays in it pass afterwards.
 * 3. Sleeping locks give the processor up, spinning ones do not. A task that holds a spinlock keeps its processor.
 * 4. Who gets a lock is the hand-over rule's choice. The lock's own state says only whether it can be had.
 * 5. Interrupts and timers run on top of what their processor runs, when it lets them.
 * 6. `machine.clock.now` is the time of the processor whose task runs; it differs between processors.
 */
export class Engine implements Policy {
  readonly name = 'processors';
  readonly sticky = false;
  readonly costs: Costs;
  readonly rule: HandOver;
  readonly processors: Processor[] = [];
  /** Operations that have taken place. */
  steps = 0;
  #machine: Machine;
  #threads = new Map<Task, Thread>();
  #events = new EventHeap<Thread>();
  #gates = new Map<Obj, Gate>();
  #lines = new Map<Obj, Line>();
  #running: Thread | null = null;
  #idle = new Set<Processor>();
  #waiting = new Set<Thread>();
  #ready = 0;
  #progress = 0;
  #watch: EngineWatch | null;
  #free: boolean;
  #keep_ended = true;

  /** @param m the machine; every task it has now joins at the present time of its clock */
  constructor(m: Machine, opts: EngineOptions) {
    this.#machine = m;
    this.costs = opts.costs;
    this.rule = opts.handOver ?? HAND_OVER['linux'];
    this.#watch = opts.watch ?? null;
    const c = opts.costs;
    this.#free =
      c.code + c.lock + c.unlock + c.atomic + c.line_transfer + c.eventfd_signal + c.workqueue === 0;
    for (let n = 0; n < opts.cpus; n++) {
      const p = new Processor(m.cpu(n));
      p.free_at = m.clock.now;
      this.processors.push(p);
      this.#idle.add(p);
    }
  }

  /** Take the machine over. To be called by one of its tasks. */
  start(): void {
    const m = this.#machine;
    m.policy = this;
    for (const task of m.tasks) this.spawned(task);
    const me = this.#threads.get(current) as Thread;
    this.#events.remove(me);
    this.#idle.delete(me.cpu);
    me.cpu.current = me;
    me.task.cpu = me.cpu.cpu;
    me.cpu.slice_end = m.clock.now + this.costs.time_slice;
    me.state = 'running';
    me.resumed = m.clock.now;
    this.#running = me;
  }

  /** Bring the clock up to the furthest processor, for a policy that follows. To be called by a task. */
  finish(): void {
    const { clock } = this.#machine;
    for (const p of this.processors) if (p.free_at > clock.now) clock.now = p.free_at;
    for (const t of this.#threads.values()) if (t.resumed > clock.now) clock.now = t.resumed;
  }

  thread(task: Task): Thread {
    return this.#threads.get(task) as Thread;
  }

  /** The thread whose task runs. */
  get running(): Thread {
    return this.#running as Thread;
  }

  /** Threads that there are or were. */
  threads(): Iterable<Thread> {
    return this.#threads.values();
  }

  pick(running: Task | null, enabled: readonly Task[]): Task {
    return running ?? enabled[0];
  }

  spawned(task: Task): void {
    const { now } = this.#machine.clock;
    const hard = task.kind === 'hardirq' || task.kind === 'timer';
    const n = this.processors.length;
    const thread = new Thread(task, this.processors[(hard ? task.cpu.id : task.id) % n]);
    this.#threads.set(task, thread);
    thread.since = now;
    thread.state = hard ? 'irq' : 'sleeping';
    if (task.kind === 'kthread') thread.need = this.costs.workqueue;
    // It becomes runnable in the order of events, not in the middle of the step that made it.
    this.#events.push(thread, now);
  }

  next(_running: Task | null): Task | null {
    const { clock } = this.#machine;
    const me = this.#running;
    if (me !== null) {
      this.#running = null;
      const now = clock.now;
      if (me.unlocked !== null) {
        const gate = me.unlocked;
        me.unlocked = null;
        this.#hand_over(gate, me, me.resumed);
      }
      const p = me.cpu;
      if (me.task.done) this.#end(me, now);
      else if (this.#settle(me, now)) return me.task;
      if (p.pending.length > 0) this.#deliver_pending(p, now);
      if (this.#waiting.size > 0) this.#recheck(me.resumed, now);
    }
    for (;;) {
      const { items } = this.#events;
      const top = items.length > 0 ? items[0].at : Infinity;
      if (clock.next_at <= top) {
        const entry = clock.peek();
        if (entry !== null && entry.at <= top) {
          if (top === Infinity && (!this.#busy() || entry.at - this.#progress > MAX_IDLE_NS)) return null;
          clock.take();
          clock.now = entry.at;
          entry.alarm?.fire();
          if (this.#waiting.size > 0) this.#recheck(entry.at, entry.at);
          continue;
        }
      }
      if (items.length === 0) return null;
      const thread = this.#events.pop();
      const { at } = thread;
      clock.now = at;
      if (thread.state === 'running') {
        if (at < thread.due) this.#slice(thread, at);
        else if (this.#decide(thread, at)) return thread.task;
      } else if (thread.state === 'sleeping') {
        this.#make_ready(thread, at);
      } else if (thread.state === 'irq') {
        this.#interrupt(thread, at);
      }
    }
  }

  /** Sleep for so long, as a user program between two requests. */
  think(ns: number): Promise<void> | undefined {
    const me = this.#running as Thread;
    me.need = ns;
    me.thinks = true;
    return machine.point(THINK);
  }

  /** Use the processor for so long. */
  work(ns: number): Promise<void> | undefined {
    (this.#running as Thread).need = ns;
    return machine.point(WORK);
  }

  /** Let the next operation of the running task cost so much more. */
  charge(ns: number): void {
    (this.#running as Thread).debt += ns;
  }

  /** The time of the running task. */
  get now(): number {
    return this.#machine.clock.now;
  }

  #busy(): boolean {
    for (const t of this.#machine.tasks) if (t.op.kind !== 'idle') return true;
    return false;
  }

  #gate(obj: Obj): Gate {
    let gate = this.#gates.get(obj);
    if (gate === undefined) this.#gates.set(obj, (gate = new Gate(obj, lockKind(obj) as LockKind)));
    return gate;
  }

  /** The account of the state that ends now. */
  #spent(thread: Thread, what: SpanKind, to: number, detail = ''): void {
    const from = thread.since;
    thread.since = to;
    const ns = to - from;
    if (ns <= 0) return;
    const { account } = thread;
    if (what === 'spin' || what === 'block') account.locks.set(detail, (account.locks.get(detail) ?? 0) + ns);
    else account[what] += ns;
    if (this.#watch !== null && this.#watch.timeline) this.#watch.span(thread, what, detail, from, to);
  }

  /** Cost of the announced operation, as the time at which it is due. */
  #due(thread: Thread, op: Op, now: number): number {
    const { costs } = this;
    const extra = thread.debt;
    thread.debt = 0;
    if (op === WORK) {
      const ns = thread.need;
      thread.need = 0;
      return now + extra + ns;
    }
    if (this.#free) return now + extra;
    let start = now + extra + costs.code;
    switch (op.kind) {
      case 'lock':
        // What these two do beside their lock has no scheduling point of its own.
        if (op.obj.name === EVENTFD_LOCK) start += costs.eventfd_signal;
        else if (op.obj.name === FAULT_LOCK && !op.write) start += costs.page_fault;
        return this.#line(thread, op, start, costs.lock);
      case 'trylock':
        return this.#line(thread, op, start, costs.lock);
      case 'unlock':
        return this.#line(thread, op, start, costs.unlock);
      case 'atomic':
      case 'add':
        // An fput() is announced as if it read, since puts commute; it is an atomic decrement all the same.
        return this.#line(
          thread,
          op.obj instanceof file ? new Op('atomic', op.obj, true) : op,
          start,
          costs.atomic,
        );
      case 'read':
      case 'write':
      case 'wake':
      case 'work':
        return this.#line(thread, op, start, 0);
      default:
        return start;
    }
  }

  #line(thread: Thread, op: Op, now: number, base: number): number {
    let line = this.#lines.get(op.obj);
    if (line === undefined) this.#lines.set(op.obj, (line = new Line()));
    return lineAccess(line, op, thread.cpu.id, now, base, this.costs);
  }

  /** A step is over at `now`: announce its next operation. True when it goes on at once. */
  #settle(thread: Thread, now: number): boolean {
    const { op } = thread.task;
    const p = thread.cpu;
    if (op === THINK) {
      const ns = thread.need;
      thread.need = 0;
      this.#leave(thread, 'sleeping', now);
      this.#events.push(thread, now + ns);
      return false;
    }
    const elapsed = now - thread.resumed;
    if (elapsed >= SLEEP_NS && thread.preemptible) {
      // The delay was a sleep: the processor was free from its beginning.
      this.#leave(thread, 'sleeping', thread.resumed);
      thread.thinks = false;
      this.#events.push(thread, now);
      return false;
    }
    if (elapsed > 0) this.#spent(thread, op.kind === 'hw' ? 'hardware' : 'run', now);
    const due = this.#due(thread, op, now);
    thread.due = due;
    if (due > p.slice_end && p.queue.length > 0 && thread.preemptible) {
      this.#preempt(thread, now);
      return false;
    }
    p.free_at = due;
    const { items } = this.#events;
    const none_before = (items.length === 0 || items[0].at > due) && this.#machine.clock.next_at > due;
    if (none_before && due <= p.slice_end && p.pending.length === 0 && this.#waiting.size === 0) {
      this.#machine.clock.now = due;
      return this.#decide(thread, due);
    }
    this.#events.push(thread, due > p.slice_end ? Math.max(p.slice_end, now) : due);
    return false;
  }

  /** The time slice has ended before the operation is due. */
  #slice(thread: Thread, now: number): void {
    const p = thread.cpu;
    if (p.queue.length > 0 && thread.preemptible) {
      this.#preempt(thread, now);
      return;
    }
    p.slice_end = now + Math.max(this.costs.time_slice, 1);
    this.#events.push(thread, Math.min(thread.due, p.slice_end));
  }

  #preempt(thread: Thread, now: number): void {
    thread.need = Math.max(0, thread.due - now);
    this.#leave(thread, 'ready', now);
    thread.cpu.queue.push(thread);
    this.#ready++;
    if (thread.cpu.current === null) this.#dispatch(thread.cpu, now);
  }

  /** The operation is due: do it, or wait. True when the thread goes on. */
  #decide(thread: Thread, now: number): boolean {
    const { op } = thread.task;
    if (op.kind === 'lock') {
      const gate = this.#gates.get(op.obj);
      if (
        gate === undefined
          ? op.enabled !== undefined && !op.enabled(thread.task)
          : !gate.admits(thread, op, this.rule)
      ) {
        this.#wait_for(thread, gate ?? this.#gate(op.obj), op, now);
        return false;
      }
      if (gate !== undefined && thread.gate === gate) this.#admitted(thread, gate, now);
    } else if (op.enabled !== undefined && !op.enabled(thread.task)) {
      this.#leave(thread, 'waiting', now);
      this.#waiting.add(thread);
      return false;
    }
    if (op.kind === 'unlock') {
      const gate = this.#gates.get(op.obj);
      if (gate !== undefined && !gate.empty) thread.unlocked = gate;
    }
    this.#go(thread, now);
    return true;
  }

  #go(thread: Thread, now: number): void {
    // A task that thought has begun its next request only now, with the processor back.
    this.#spent(thread, thread.thinks ? 'think' : 'run', now);
    thread.thinks = false;
    this.steps++;
    this.#progress = now;
    thread.resumed = now;
    this.#running = thread;
  }

  /** It waited and may take the lock now. */
  #admitted(thread: Thread, gate: Gate, now: number): void {
    if (thread.granted) {
      thread.granted = false;
      gate.grants--;
    } else {
      const i = gate.queue.indexOf(thread);
      if (i >= 0) gate.queue.splice(i, 1);
    }
    gate.hand_off = false;
    thread.gate = null;
    thread.waited = now - thread.waiting_since;
  }

  #wait_for(thread: Thread, gate: Gate, op: Op, now: number): void {
    const again = thread.gate === gate;
    if (!again) {
      thread.gate = gate;
      thread.write = op.write;
      thread.waiting_since = now;
      this.#spent(thread, 'run', now);
      this.#watch?.contended(gate, op.write, thread, now);
    } else {
      if (thread.granted) {
        // Somebody took it with a trylock in between.
        thread.granted = false;
        gate.grants--;
        gate.queue.unshift(thread);
      }
      // It was woken and overtaken: the next time the lock is its own.
      const patience = gate.kind === 'rwsem' ? this.costs.rwsem_handoff : 0;
      if (gate.queue[0] === thread && now - thread.waiting_since >= patience) gate.hand_off = true;
      this.#spent(thread, 'run', now);
    }
    if (gate.kind === 'spinlock') {
      thread.state = 'spinning';
      if (!again) gate.queue.push(thread);
    } else if (this.rule.spin && op.write && this.#may_spin(thread, gate)) {
      thread.state = 'spinning';
      if (!again) gate.spinners.push(thread);
    } else {
      if (!again) gate.queue.push(thread);
      this.#leave(thread, 'blocked', now);
    }
  }

  /** The owner runs, or somebody in front spins; and nobody else wants this processor. */
  #may_spin(thread: Thread, gate: Gate): boolean {
    if (thread.cpu.queue.length > 0) return false;
    const { owner } = gate;
    if (owner !== null) {
      const t = this.#threads.get(owner) as Thread;
      return t.state === 'running' || t.state === 'spinning' || t === this.#running;
    }
    return gate.readers === 0 && gate.spinners.length > 0;
  }

  /** Give the processor up. */
  #leave(thread: Thread, state: 'ready' | 'blocked' | 'waiting' | 'sleeping', now: number): void {
    if (thread.state === 'running') this.#spent(thread, 'run', now);
    else if (thread.state === 'spinning') this.#spent(thread, 'spin', now, (thread.gate as Gate).lock.name);
    thread.state = state;
    const p = thread.cpu;
    p.free_at = now;
    p.current = null;
    if (thread.task.held.length > 0) this.#owner_left(thread, now);
    if (state !== 'ready') this.#dispatch(p, now);
  }

  /** Who spins for a lock of a thread that does not run any more goes to sleep. */
  #owner_left(thread: Thread, now: number): void {
    for (const { lock } of thread.task.held) {
      const gate = this.#gates.get(lock);
      if (gate === undefined || gate.kind === 'spinlock') continue;
      for (const t of gate.spinners.splice(0)) {
        gate.queue.push(t);
        this.#sleep_spinner(t, now);
      }
      const head = gate.queue[0];
      if (head !== undefined && head.state === 'spinning') this.#sleep_spinner(head, now);
    }
  }

  #sleep_spinner(t: Thread, now: number): void {
    if (t.cpu.current === t) this.#leave(t, 'blocked', now);
    else this.#uninterrupt(t, now);
  }

  /** A spinner under an interrupt handler loses its place on the processor. */
  #uninterrupt(t: Thread, now: number): void {
    const i = t.cpu.interrupted.indexOf(t);
    if (i >= 0) t.cpu.interrupted.splice(i, 1);
    this.#spent(t, 'spin', now, (t.gate as Gate).lock.name);
    t.state = 'blocked';
  }

  /** The thread gave the lock up at `now`; who has it next? */
  #hand_over(gate: Gate, by: Thread, now: number): void {
    if (gate.grants > 0 || gate.empty) return;
    if (!gate.free) {
      // Downgraded, or other readers are left: readers in front may come in.
      if (
        gate.readers > 0 &&
        gate.queue.length > 0 &&
        !gate.queue[0].write &&
        by.task.held.some((h) => h.lock === gate.lock)
      ) {
        this.#grant_readers(gate, by, now);
      }
      return;
    }
    const { queue, spinners } = gate;
    if (gate.kind === 'spinlock') {
      if (queue.length > 0) this.#grant(gate, queue.shift() as Thread, by, now);
      return;
    }
    const head = queue[0] as Thread | undefined;
    const starved =
      head !== undefined && gate.kind === 'rwsem' && now - head.waiting_since > this.costs.rwsem_handoff;
    if (spinners.length > 0 && !gate.hand_off && !starved) {
      this.#grant(gate, spinners.shift() as Thread, by, now);
      if (head !== undefined && gate.kind === 'mutex') this.#wake_waiter(head, by, now);
      return;
    }
    if (head === undefined) {
      if (spinners.length > 0) this.#grant(gate, spinners.shift() as Thread, by, now);
      return;
    }
    if (gate.kind === 'rwsem' && !head.write) this.#grant_readers(gate, by, now);
    else if (this.rule.fifo || gate.hand_off || starved) this.#grant(gate, queue.shift() as Thread, by, now);
    else this.#wake_waiter(head, by, now);
  }

  /** Readers come in together: under Linux all that wait, in order of arrival only those before the first writer. */
  #grant_readers(gate: Gate, by: Thread, now: number): void {
    const batch: Thread[] = [];
    const rest: Thread[] = [];
    for (const t of gate.queue) {
      const goes = !t.write && batch.length < MAX_READERS && (!this.rule.fifo || rest.length === 0);
      (goes ? batch : rest).push(t);
    }
    gate.queue.length = 0;
    gate.queue.push(...rest);
    for (const t of batch) this.#grant(gate, t, by, now);
  }

  #grant(gate: Gate, t: Thread, by: Thread, now: number): void {
    t.granted = true;
    gate.grants++;
    gate.grant_write = t.write;
    gate.hand_off = false;
    this.#wake_waiter(t, by, now);
  }

  #wake_waiter(t: Thread, by: Thread, now: number): void {
    const name = (t.gate as Gate).lock.name;
    if (t.state === 'spinning') {
      this.#spent(t, 'spin', now, name);
      const transfer = this.#free ? 0 : this.costs.line_transfer;
      if (t.cpu.current === t) {
        t.state = 'running';
        t.due = now + transfer;
        this.#events.push(t, t.due);
      } else {
        t.state = 'running';
        t.need = transfer;
      }
    } else if (t.state === 'blocked') {
      this.#spent(t, 'block', now, name);
      by.debt += this.costs.wake_up;
      this.#make_ready(t, now);
    }
  }

  /** Look again at everybody who waits for a condition; `seen` is what the clock shows them. */
  #recheck(seen: number, now: number): void {
    const { clock } = this.#machine;
    const was = clock.now;
    for (const t of this.#waiting) {
      clock.now = seen;
      const { op } = t.task;
      if (op.enabled !== undefined && !op.enabled(t.task)) continue;
      this.#waiting.delete(t);
      this.#make_ready(t, now);
    }
    clock.now = was;
  }

  #make_ready(thread: Thread, now: number): void {
    if (thread.state === 'sleeping' || thread.state === 'waiting') {
      this.#spent(thread, thread.thinks ? 'think' : 'sleep', now);
    }
    thread.state = 'ready';
    let p = thread.cpu;
    if (!this.#idle.has(p)) {
      const idle = this.#idle.values().next();
      if (!idle.done) p = idle.value;
    }
    thread.cpu = p;
    p.queue.push(thread);
    this.#ready++;
    if (p.current === null) {
      // An idle processor has to leave its sleep first.
      const start = Math.max(now, p.free_at);
      this.#dispatch(p, p.last === null ? start : start + this.costs.idle_exit);
    }
  }

  /** Give a free processor to the next in its queue, or to one from the longest queue, or let it idle. */
  #dispatch(p: Processor, now: number): void {
    if (p.interrupted.length > 0) {
      this.#resume_interrupted(p, now);
      return;
    }
    if (p.queue.length === 0 && this.#ready > 0) this.#steal(p);
    const next = p.queue.shift();
    if (next === undefined) {
      this.#idle.add(p);
      return;
    }
    this.#ready--;
    this.#idle.delete(p);
    const start = Math.max(now, p.free_at);
    this.#spent(next, next.thinks ? 'think' : 'ready', start);
    const due = start + next.need + (p.last === next ? 0 : this.costs.context_switch);
    next.need = 0;
    next.state = 'running';
    next.task.cpu = p.cpu;
    p.current = next;
    p.last = next;
    p.slice_end = start + this.costs.time_slice;
    next.due = due;
    p.free_at = due;
    this.#events.push(next, due > p.slice_end ? p.slice_end : due);
  }

  #steal(p: Processor): void {
    let longest: Processor | null = null;
    for (const q of this.processors) {
      if (q.queue.length > (longest === null ? 0 : longest.queue.length)) longest = q;
    }
    const thread = longest?.queue.shift();
    if (thread === undefined) return;
    thread.cpu = p;
    p.queue.push(thread);
  }

  #end(thread: Thread, now: number): void {
    this.#spent(thread, 'run', now);
    thread.state = 'ended';
    const p = thread.cpu;
    p.current = null;
    p.free_at = now;
    if (!this.#keep_ended) this.#threads.delete(thread.task);
    if (p.interrupted.length > 0) this.#resume_interrupted(p, now);
    else this.#dispatch(p, now);
  }

  /** Forget threads that have ended: for programs that start millions. */
  forget_ended(): void {
    this.#keep_ended = false;
  }

  #resume_interrupted(p: Processor, now: number): void {
    const t = p.interrupted.pop() as Thread;
    p.current = t;
    if (t.state === 'spinning') return;
    t.state = 'running';
    t.due = Math.max(now, p.free_at) + t.need;
    t.need = 0;
    this.#events.push(t, t.due);
  }

  #deliverable(p: Processor, irq: Thread): boolean {
    if (p.cpu.irqs_off || p.cpu.irq_task !== null) return false;
    if (irq.task.kind === 'hardirq') return true;
    return p.current === null || p.current.preemptible;
  }

  #interrupt(irq: Thread, now: number): void {
    const p = irq.cpu;
    if (!this.#deliverable(p, irq)) {
      p.pending.push(irq);
      return;
    }
    this.#spent(irq, 'ready', now);
    const below = p.current;
    if (below !== null) {
      if (below.slot >= 0) {
        this.#events.remove(below);
        below.need = Math.max(0, below.due - now);
      }
      p.interrupted.push(below);
    } else {
      this.#idle.delete(p);
    }
    p.current = irq;
    irq.task.cpu = p.cpu;
    irq.state = 'running';
    irq.due = now;
    this.#events.push(irq, now);
  }

  #deliver_pending(p: Processor, now: number): void {
    for (let i = 0; i < p.pending.length; i++) {
      if (!this.#deliverable(p, p.pending[i])) continue;
      const [irq] = p.pending.splice(i, 1);
      this.#interrupt(irq, now);
      return;
    }
  }
}
