// SPDX-License-Identifier: GPL-2.0-only
import { type Alarm, Clock, type ClockEntry } from './clock.ts';
import { explainDeadlock } from './deadlock.ts';
import { constant, NOT_STATE } from './state.ts';
import { formatSchedule, type Policy, RunToBlock } from './policy.ts';
import { Cpu, type HeldLock, type Obj, Op, Task, type TaskKind } from './task.ts';
import type { OpKind } from './types.ts';

/** Something a checker noticed. `kind` is a stable word, `text` one sentence. */
export interface Finding {
  kind: string;
  text: string;
  task: string;
  fns: string[];
  held: string[];
  at: number;
  detail: Record<string, unknown>;
}

/** One line of the timeline. Times are virtual ns. */
export interface TraceEvent {
  at: number;
  task: string;
  fn: string;
  /** The whole stack of C functions, outermost first, where the image keeps one. */
  fns?: readonly string[];
  kind: string;
  text: string;
  data: Record<string, unknown>;
}

/** A struct that nobody should use any more. */
export interface FreedStruct {
  used(field: string, how: 'read' | 'write'): void;
}

/** Told of every lock operation; see the locking package. The null observer is free. */
export interface LockObserver {
  /** A task found the lock taken and has to wait. */
  contended(lock: Obj, mode: 'read' | 'write', task: Task): void;
  /** The task has it now; `waited` ns since it asked; `tried` when by trylock. */
  acquired(lock: Obj, mode: 'read' | 'write', task: Task, waited: number, tried: boolean): void;
  released(lock: Obj, held: HeldLock, task: Task): void;
}

export interface MachineOptions {
  policy?: Policy;
  tracing?: boolean;
  /**
   * Time as several processors spend it: delays and hardware accesses keep only the task that makes them busy, the
   * others go on meanwhile. Otherwise (default) they move the clock of everybody on.
   */
  parallel_time?: boolean;
  /** Give up after so many scheduling points: a livelock. Default 20 million. */
  max_steps?: number;
}

/** A kernel BUG: the task dies where it is, holding what it holds, and the machine goes on. */
export class Oops extends Error {}

/** The task that runs now: the kernel's `current`. */
export let current: Task;
/** The machine that runs now. */
export let machine: Machine;

/** With only periodic timers left for so long, whoever still waits is stuck. */
const MAX_IDLE_NS = 600e9;

/** Under parallel time a kernel thread starts so long after it was woken: an idle processor has to wake first. */
const WAKEUP_NS = 30e3;

let running = false;

/**
 * A simulated machine: tasks, processors, virtual clock, policy, and what was observed.
 *
 * Invariants:
 * 1. Exactly one task is between two scheduling points.
 * 2. Every await in kernel code ends at a scheduling point, so `current` is right after every await.
 * 3. A task whose announced operation cannot proceed is never picked.
 * 4. A run is a function of the program and the policy alone.
 */
export class Machine {
  readonly clock = new Clock();
  readonly findings: Finding[] = [];
  readonly events: TraceEvent[] = [];
  /** Kernel log: one `<level>text` a line. */
  readonly log: string[] = [];
  readonly tasks: Task[] = [];
  /** Fields that patches add to structs, by class; applied by the allocator. */
  readonly struct_fields = new Map<unknown, Record<string, () => unknown>>();
  tracing: boolean;
  readonly parallel_time: boolean;
  lock_observer: LockObserver | null = null;
  steps = 0;
  /** Time stands still while somebody can go on: timers fire when nobody can. For searches, where order is not speed. */
  hold_timers = false;
  /** How often it was put back to a checkpoint. */
  restored = 0;
  /** How often the clock moved because nobody could go on. */
  idles = 0;
  readonly max_steps: number;

  private scopes = new Map<unknown, unknown>();
  private cpus: Cpu[] = [];
  private next_task = 0;
  /** Who can go on, and lists of each length for it: to change an array's length is slow. */
  private readonly able: Task[] = constant([]);
  private readonly lists: Task[][] = constant([]);
  /** Keep the decisions, for `schedule`. */
  recording = true;
  private choices: string[] = [];
  /** Interrupt handlers and timer callbacks that have not ended. */
  private urgent = 0;
  /** The running task may go on without a choice: a sticky policy and nothing urgent. */
  private stay: boolean;
  private _policy: Policy;
  /** When a task other than a timer last ran. */
  private progress = 0;
  private finish: ((error: unknown) => void) | null = null;
  /** The task that resume() goes on with. */
  private parked: Task | null = null;

  constructor(opts: MachineOptions = {}) {
    this._policy = opts.policy ?? new RunToBlock();
    this.parallel_time = opts.parallel_time ?? false;
    this.stay = this._policy.sticky && !this.parallel_time;
    this.tracing = opts.tracing ?? false;
    this.max_steps = opts.max_steps ?? 20_000_000;
  }

  /** Reports and counts, and what a machine that does not run has no use for. */
  get [NOT_STATE](): readonly string[] {
    return ['findings', 'events', 'log', 'steps', 'idles', 'restored', 'recording', 'choices', 'finish'];
  }

  get policy(): Policy {
    return this._policy;
  }

  /** May be changed while the machine runs: a set-up runs under one policy, what follows under another. */
  set policy(policy: Policy) {
    this._policy = policy;
    this.stay = policy.sticky && this.urgent === 0 && !this.parallel_time;
  }

  private add_urgent(n: number): void {
    this.urgent += n;
    this.stay = this._policy.sticky && this.urgent === 0 && !this.parallel_time;
  }

  /** Decisions between more than one task so far, as a token that ReplayPolicy follows. Empty under run-to-block. */
  get schedule(): string {
    return formatSchedule(this.choices);
  }

  /** The same as names. Stays as it is when the recording is restarted. */
  get decisions(): readonly string[] {
    return this.choices;
  }

  /** Forget the decisions so far: what follows is recorded from here. */
  restart_recording(): void {
    this.choices = [];
  }

  /** Per-machine state of a layer, made on first use. For what is used in every step see per_machine(). */
  scope<T>(key: unknown, make: () => T): T {
    let value = this.scopes.get(key) as T | undefined;
    if (value === undefined) {
      value = make();
      this.scopes.set(key, value);
    }
    return value;
  }

  /** Look at the state of the machine, which does not run, with the functions that look at the running one. */
  inspect<T>(look: () => T): T {
    const outer = machine;
    machine = this;
    try {
      return look();
    } finally {
      machine = outer;
    }
  }

  /** The processor with this number. */
  cpu(id: number): Cpu {
    for (let n = this.cpus.length; n <= id; n++) this.cpus.push(this.make_cpu(n));
    return this.cpus[id];
  }

  protected make_cpu(id: number): Cpu {
    return new Cpu(id);
  }

  /**
   * Run a program as the task `main` until it and every task it started (daemons apart) have ended. A deadlock ends
   * the run with a finding; an error thrown by simulated code rejects. May be called again on the same machine.
   */
  async run(main: () => Promise<void> | void, name = 'main'): Promise<void> {
    await this.go(() => this.spawn(name, main, {}));
  }

  /**
   * For the task that run() started, as the last thing it does: the run ends when the task returns, with everything else
   * left as it is, and resume() goes on with `next` in the same task.
   */
  park(next: () => Promise<void> | void): void {
    current.next = next;
    this.parked = current;
  }

  /** Go on where park() stopped; as run(). */
  async resume(): Promise<void> {
    const task = this.parked;
    if (task === null) throw new Error('no task is parked on this machine');
    this.parked = null;
    await this.go(() => task);
  }

  private async go(first: () => Task): Promise<void> {
    if (running) throw new Error('a machine is running already in this process');
    running = true;
    const outer_machine = machine;
    const outer_task = current;
    machine = this;
    try {
      const ended = new Promise<void>((resolve, reject) => {
        this.finish = (error) => (error === null ? resolve() : reject(error as Error));
      });
      this.switch(first());
      await ended;
    } finally {
      this.finish = null;
      machine = outer_machine;
      current = outer_task;
      running = false;
    }
  }

  spawn(name: string, fn: () => Promise<void> | void, opts: SpawnOptions): Task {
    const id = this.next_task++;
    const kind = opts.kind ?? 'user';
    const cpu = this.cpu(opts.cpu ?? (kind === 'hardirq' || kind === 'timer' ? 0 : id));
    const parent = this === machine ? current : undefined;
    const process = opts.process !== undefined ? opts.process : (parent?.process ?? null);
    const task = new Task(id, name, kind, cpu, opts.daemon ?? false, process, opts.comm ?? name, fn);
    if (parent !== undefined && kind !== 'timer' && kind !== 'hardirq') task.spawn_nr = parent.spawned++;
    if (kind === 'hardirq') {
      task.op = new Op('irq', task, true, irq_deliverable);
      this.add_urgent(1);
    } else if (kind === 'timer') {
      this.add_urgent(1);
    }
    if (this.parallel_time && kind === 'kthread') {
      task.busy_until = this.clock.now + WAKEUP_NS;
      this.clock.add(task.busy_until, null);
    }
    this.tasks.push(task);
    this._policy.spawned?.(task);
    this.ready(task);
    return task;
  }

  /** Make a task begin its function when it is switched to. */
  private ready(task: Task): void {
    const gate = new Promise<void>((resolve) => {
      task.resume = resolve;
    });
    void this.body(task, gate);
  }

  /** After a restored checkpoint: every task is one that has not started. */
  revive(): void {
    this.restored++;
    for (const task of this.tasks) this.ready(task);
  }

  private async body(task: Task, gate: Promise<void>): Promise<void> {
    await gate;
    task.started = true;
    if (task.kind === 'hardirq') task.cpu.irq_task = task;
    try {
      await task.fn();
    } catch (error) {
      if (!(error instanceof Oops)) {
        this.stop(error);
        return;
      }
      report('BUG', error.message);
    }
    if (task === this.parked) this.suspend(task);
    else this.end(task);
  }

  /** The parked task waits for resume() like one that has not started. */
  private suspend(task: Task): void {
    task.fn = task.next as () => Promise<void> | void;
    task.next = null;
    task.started = false;
    task.op = new Op('start', task, true);
    this.ready(task);
    this.stop(null);
  }

  /** A task has run to its end. */
  protected end(task: Task): void {
    task.done = true;
    if (task.kind === 'hardirq' || task.kind === 'timer') this.add_urgent(-1);
    if (task.cpu.irq_task === task) task.cpu.irq_task = null;
    if (task.held.length > 0 && task.kind !== 'user') {
      report(
        'lock-held-at-exit',
        `${task.name} ended with ${task.held[task.held.length - 1].lock.name} held`,
      );
    }
    this.tasks.splice(this.tasks.indexOf(task), 1);
    try {
      const next = this.choose(null);
      if (next !== null) this.switch(next);
    } catch (error) {
      this.stop(error);
    }
  }

  private stop(error: unknown): void {
    const finish = this.finish;
    this.finish = null;
    if (finish !== null) finish(error);
  }

  /** A new struct, before anybody else knows of it. A machine that watches structs makes it one that it can watch. */
  adopt<T extends object>(obj: T): T {
    return obj;
  }

  /** A struct that adopt() was told of is freed: from here on `freed` has to know who uses a field that is watched. */
  disown(_obj: object, _freed: FreedStruct): void {}

  /** The running task lets go of `obj` without a scheduling point: who waits for it may go on. */
  publish(_obj: Obj): void {}

  /** The running task comes after all that was published at `obj`, without a scheduling point. */
  observe(_obj: Obj): void {}

  /** What the running task has done so far, for SpawnOptions.after. */
  stamp(): unknown {
    return null;
  }

  /** Look at simulated state from outside: what `look` reads, the running task has not read. */
  peek<T>(look: () => T): T {
    return look();
  }

  /** The running task spends `ns` of virtual time. */
  spend(ns: number): void {
    const clock = this.clock;
    if (!this.parallel_time) {
      clock.advance(ns);
      return;
    }
    const task = current;
    task.busy_until = Math.max(clock.now, task.busy_until) + ns;
    clock.add(task.busy_until, null);
  }

  /** The scheduling point; see point(). */
  point(op: Op): Promise<void> | undefined {
    const task = current;
    task.op = op;
    if (++this.steps > this.max_steps) {
      throw new Error(
        `no end after ${this.max_steps} points: ${task.name} in ${task.site || op.kind} on ${op.obj.name}`,
      );
    }
    if (this.stay && this.clock.next_at > this.clock.now && (op.enabled === undefined || op.enabled(task)))
      return undefined;
    return this.leave(task);
  }

  private leave(task: Task): Promise<void> | undefined {
    const next = this.choose(task);
    if (next === task) return undefined;
    const gate = new Promise<void>((resolve) => {
      task.resume = resolve;
    });
    if (next !== null) this.switch(next);
    return gate;
  }

  /** A task goes on, with the operation that it has announced. */
  protected switch(next: Task): void {
    current = next;
    next.resume();
  }

  /** Pick who goes on; null when the run is over (finished, or nobody can go on). */
  private choose(task: Task | null): Task | null {
    if (this._policy.next !== undefined) {
      const next = this._policy.next(task);
      if (next === null) this.over();
      return next;
    }
    for (;;) {
      if (!this.hold_timers) this.fire_due();
      const { able } = this;
      const { now } = this.clock;
      let n = 0;
      let busy = false;
      for (const t of this.tasks) {
        if (t.op.kind !== 'idle') busy = true;
        if (t.busy_until <= now && can_run(t)) able[n++] = t;
      }
      if (n > 0) {
        const enabled = this.list(n);
        for (let i = 0; i < n; i++) enabled[i] = able[i];
        const next = this._policy.pick(task, enabled);
        if (next.kind === 'user' || next.kind === 'kthread') this.progress = this.clock.now;
        if (n > 1 && this.recording && !this._policy.sticky) this.choices.push(next.name);
        return next;
      }
      if (busy && this.clock.now - this.progress <= MAX_IDLE_NS) {
        const entry = this.clock.take();
        if (entry !== null) {
          this.idles++;
          this.fire(entry);
          this.fire_due();
          continue;
        }
      }
      this.over();
      return null;
    }
  }

  private list(n: number): Task[] {
    for (let k = this.lists.length; k <= n; k++) this.lists.push([]);
    return this.lists[n];
  }

  private fire_due(): void {
    while (this.clock.due()) this.fire(this.clock.take() as ClockEntry);
  }

  private fire(entry: ClockEntry): void {
    entry.alarm?.fire();
  }

  private over(): void {
    const stuck = this.tasks.filter((t) => t.op.kind !== 'idle' && !(t.daemon && !t.started));
    if (stuck.length > 0) {
      const { first, text, cycle, tasks } = explainDeadlock(stuck);
      this.findings.push({
        kind: 'deadlock',
        text,
        task: first.name,
        fns: [...first.fns],
        held: first.held.map((h) => h.lock.name),
        at: this.clock.now,
        detail: { cycle, tasks },
      });
      for (const t of stuck) this.tasks.splice(this.tasks.indexOf(t), 1);
    }
    this.stop(null);
  }
}

export interface SpawnOptions {
  kind?: TaskKind;
  cpu?: number;
  process?: unknown;
  comm?: string;
  /** Waits for work for ever; does not keep the machine running. */
  daemon?: boolean;
  /** It comes after what this stamp was taken of, not after what the running task has done. */
  after?: unknown;
}

function irq_deliverable(task: Task): boolean {
  return !task.cpu.irqs_off && task.cpu.irq_task === null;
}

function can_run(t: Task): boolean {
  const cpu = t.cpu;
  if (t.kind !== 'hardirq') {
    if (cpu.irq_task !== null) return false;
    if (cpu.pinned !== null && cpu.pinned !== t) return false;
  }
  return t.op.enabled === undefined || t.op.enabled(t);
}

/**
 * THE scheduling point: announce what the running task is about to do and go on when it is picked. Returns undefined
 * when it goes on at once (nothing to await). The operation is enabled when this returns or resolves.
 */
export function point(op: Op): Promise<void> | undefined {
  return machine.point(op);
}

/**
 * Scheduling point before an atomic or hardware access. `ns` (default 0) is what the access costs on the virtual clock.
 */
export function access(obj: Obj, write: boolean, kind: OpKind = 'atomic', ns = 0): Promise<void> | undefined {
  const ops = (obj.accesses ??= []);
  let op: Op | undefined;
  for (const o of ops) if (o.kind === kind && o.write === write) op = o;
  if (op === undefined) ops.push((op = new Op(kind, obj, write)));
  if (ns > 0) machine.spend(ns);
  return machine.point(op);
}

/**
 * Block until `cond` holds. `cond` must be a pure function of simulated state. `awaits` names the tasks that alone can
 * make it hold, for the report of a deadlock.
 */
export function wait_until(
  obj: Obj,
  cond: () => boolean,
  awaits?: () => readonly Task[],
): Promise<void> | undefined {
  return machine.point(new Op('wait', obj, false, cond, awaits));
}

/** As wait_until, for a daemon without work: being blocked here is rest, not deadlock. */
export function wait_idle(obj: Obj, cond: () => boolean): Promise<void> | undefined {
  return machine.point(new Op('idle', obj, false, cond));
}

/** As wait_until with a limit in virtual ns. True: `cond` held; false: time ran out first. */
export async function wait_until_timeout(obj: Obj, cond: () => boolean, ns: number): Promise<boolean> {
  const clock = machine.clock;
  const entry = clock.add(clock.now + ns, null);
  await machine.point(new Op('wait', obj, false, () => cond() || clock.now >= entry.at));
  entry.live = false;
  return cond();
}

/** Sleep in virtual time, others run meanwhile (user space's nanosleep). */
export async function sleep_ns(ns: number): Promise<void> {
  const clock = machine.clock;
  const entry = clock.add(clock.now + ns, null);
  await machine.point(new Op('sleep', current, false, () => clock.now >= entry.at));
}

/** A delay inside the kernel (msleep, udelay): time passes, see MachineOptions.parallel_time for whom. */
export function delay_ns(ns: number): void {
  machine.spend(ns);
}

/**
 * A function that gives the running machine's state of a layer, as Machine.scope() does, and remembers it as long as
 * the same machine runs on.
 */
export function per_machine<T>(make: () => T): () => T {
  let of: Machine | null = null;
  let restored = 0;
  let state: T;
  return () => {
    const m = machine;
    if (of !== m || restored !== m.restored) {
      state = m.scope(make, make);
      of = m;
      ({ restored } = m);
    }
    return state;
  };
}

/** Virtual ns since boot. */
export function now(): number {
  return machine.clock.now;
}

/** Start a task on the running machine. It runs when the policy picks it. */
export function spawn(name: string, fn: () => Promise<void> | void, opts: SpawnOptions = {}): Task {
  return machine.spawn(name, fn, opts);
}

/** Wait until a task has ended. */
export function join(task: Task): Promise<void> | undefined {
  return wait_until(task, () => task.done);
}

/** Let others run: a scheduling point that touches nothing. */
export function yield_now(): Promise<void> | undefined {
  return access(current, false, 'yield');
}

/** A timer: `fn` runs as a task of its own, in timer context, when the virtual clock reaches it. */
export class SimTimer {
  readonly name: string;
  private readonly _fn: () => Promise<void> | void;
  private readonly _cpu: number;
  private entry: ClockEntry | null = null;

  constructor(name: string, fn: () => Promise<void> | void, cpu = 0) {
    this.name = name;
    this._fn = fn;
    this._cpu = cpu;
  }

  get pending(): boolean {
    return this.entry !== null;
  }

  /** Absolute virtual ns at which it is due; only when pending. */
  get expires(): number {
    return this.entry === null ? 0 : this.entry.at;
  }

  /** (Re)arm for an absolute virtual time in ns. */
  start(at_ns: number): void {
    this.cancel();
    const m = machine;
    const after = m.stamp();
    this.entry = m.clock.add(at_ns, new TimerAlarm(this, after));
  }

  /** It is due: its function runs, `after` what the stamp was taken of. */
  fire(after: unknown): void {
    this.entry = null;
    machine.spawn(this.name, this._fn, { kind: 'timer', cpu: this._cpu, process: null, after });
  }

  /** Disarm. True when it was armed. */
  cancel(): boolean {
    if (this.entry === null) return false;
    this.entry.live = false;
    this.entry = null;
    return true;
  }
}

/** An armed timer. */
class TimerAlarm implements Alarm {
  readonly timer: SimTimer;
  readonly after: unknown;

  constructor(timer: SimTimer, after: unknown) {
    this.timer = timer;
    this.after = after;
  }

  fire(): void {
    this.timer.fire(this.after);
  }
}

/** Record a finding: what a checker noticed, with the task, its C functions and the locks it holds. */
export function report(kind: string, text: string, detail: Record<string, unknown> = {}): void {
  const t = current as Task | undefined;
  machine.findings.push({
    kind,
    text,
    task: t?.name ?? '',
    fns: t === undefined ? [] : [...t.fns],
    held: t === undefined ? [] : t.held.map((h) => h.lock.name),
    at: machine.clock.now,
    detail,
  });
  if (machine.tracing) trace('finding', `${kind}: ${text}`);
}

/** Add a line to the timeline when the machine is tracing. Callers on hot paths test `machine.tracing` first. */
export function trace(kind: string, text: string, data: Record<string, unknown> = {}): void {
  if (!machine.tracing) return;
  const { name, site: fn, fns } = current;
  const event: TraceEvent = { at: machine.clock.now, task: name, fn, kind, text, data };
  if (fns.length > 0) event.fns = fns.slice();
  machine.events.push(event);
}
