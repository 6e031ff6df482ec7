// SPDX-License-Identifier: GPL-2.0-only
import { fixed, NOT_STATE, scratch } from './state.ts';
import { current } from './machine.ts';
import type { OpKind } from './types.ts';

/** Anything an operation can touch. The id is unique in the process and only ever compared for equality. */
export class Obj {
  // Declared, not defined: a machine makes thousands of these, and a defined field costs a call for each.
  declare name: string;
  /** The accesses made to it so far, each announced with the same operation every time. */
  declare accesses: Op[] | null;
  /** The task that made it (null: before any ran), and how many that one had made before: an identity over replays. */
  declare readonly maker: Task | null;
  declare readonly made_nr: number;

  /** @param part_of what it shares its identity with, name apart; not given: it has one of its own */
  constructor(name: string, part_of?: Obj | null) {
    this.name = name;
    this.accesses = null;
    if (part_of !== undefined) {
      this.maker = part_of?.maker ?? null;
      this.made_nr = part_of?.made_nr ?? -1;
      return;
    }
    const maker = current as Task | undefined;
    this.maker = maker ?? null;
    this.made_nr = maker === undefined ? 0 : maker.made++;
  }
}

/** Can the task proceed with it? A pure function of the state. */
export type Enabled = (this: Op, task: Task) => boolean;

/**
 * An announced operation. There is one class for all, and none derived: what every task is about to do is looked at in
 * every step.
 */
export class Op {
  readonly kind: OpKind;
  readonly obj: Obj;
  readonly write: boolean;
  /** undefined: it can always proceed. */
  readonly enabled: Enabled | undefined;
  /** For reports of a deadlock: the tasks that alone can end this wait, where that is known. */
  readonly awaits: (() => readonly Task[]) | undefined;
  /** For a policy that knows operations by numbers: its number, and in which numbering. */
  code = 0;
  numbering: object | null = null;

  constructor(kind: OpKind, obj: Obj, write: boolean, enabled?: Enabled, awaits?: () => readonly Task[]) {
    this.kind = kind;
    this.obj = obj;
    this.write = write;
    this.enabled = enabled;
    this.awaits = awaits;
  }
}

fixed(Op, ['kind', 'obj', 'write', 'enabled', 'awaits']);
scratch(Op, ['code', 'numbering']);

export type TaskKind = 'user' | 'kthread' | 'hardirq' | 'timer';

/** One simulated processor. */
export class Cpu {
  readonly id: number;
  /** Declared, so that a subclass may make an accessor of it. */
  declare irqs_off: boolean;
  /** The task that may not be preempted here (it holds a spinlock or has interrupts off). */
  pinned: Task | null = null;
  /** The hard-IRQ handler that runs here. */
  irq_task: Task | null = null;

  constructor(id: number) {
    this.id = id;
    this.irqs_off = false;
  }
}

/** One hold of a lock: which, how, the C function that took it ('' when not instrumented), virtual ns of the taking. */
export interface HeldLock {
  readonly lock: Obj;
  readonly mode: 'read' | 'write';
  site: string;
  /** The stack of C functions that took it, outermost first. */
  fns?: readonly string[] | undefined;
  since: number;
  /** Non-zero: taken with a nesting annotation, so that another lock of its class may be held. */
  subclass?: number;
}

/** A kernel thread of execution: user thread, kworker, interrupt handler or timer callback. */
export class Task extends Obj {
  readonly id: number;
  readonly kind: TaskKind;
  /** Where it runs; only a policy with processors of its own moves a task. */
  cpu: Cpu;
  /** Runs in a context that can never sleep: an interrupt handler or a timer callback. */
  readonly atomic: boolean;
  /** A daemon waits for work for ever; it does not keep the machine running. */
  readonly daemon: boolean;
  process: unknown;
  comm: string;
  op: Op;
  /** What it runs from its start to its end, and what a parked task will run after that. */
  fn: () => Promise<void> | void;
  next: (() => Promise<void> | void) | null = null;
  done = false;
  started = false;
  preempt_count = 0;
  signal_pending = false;
  /** Objects it has made so far, and tasks it has started. */
  made = 0;
  spawned = 0;
  /** Which of its starter's tasks it is. */
  spawn_nr = 0;
  /** Virtual time until which the task is busy with what it did last; only under parallel time. */
  busy_until = 0;
  readonly held: HeldLock[] = [];
  /** What is no lock and yet ordered like one: work items and attributes that the task is in. Outermost first. */
  readonly maps: string[] = [];
  /** Stack of C functions, kept only by an instrumented image. */
  readonly fns: string[] = [];
  /** For layers above: per-task data by key. */
  readonly local = new Map<unknown, unknown>();
  /** Lets the task go on from its scheduling point. */
  resume: () => void = unset;

  constructor(
    id: number,
    name: string,
    kind: TaskKind,
    cpu: Cpu,
    daemon: boolean,
    process: unknown,
    comm: string,
    fn: () => Promise<void> | void,
  ) {
    super(name);
    this.fn = fn;
    this.id = id;
    this.kind = kind;
    this.cpu = cpu;
    this.atomic = kind === 'hardirq' || kind === 'timer';
    this.daemon = daemon;
    this.process = process;
    this.comm = comm;
    this.op = new Op('start', this, true);
  }

  /** Of a task that is at a scheduling point, the operation says what it waits for. */
  get [NOT_STATE](): readonly string[] {
    return ['resume'];
  }

  get pid(): number {
    return 100 + this.id;
  }

  get hardirq(): boolean {
    return this.kind === 'hardirq';
  }

  /** The innermost C function this task is in, '' when the image is not instrumented. */
  get site(): string {
    return this.fns.length > 0 ? this.fns[this.fns.length - 1] : '';
  }
}

fixed(Task, ['name', 'id', 'kind', 'atomic', 'daemon', 'held', 'maps', 'fns', 'local']);

function unset(): void {
  throw new Error('this task is not at a scheduling point');
}
