// SPDX-License-Identifier: GPL-2.0-only
/*
 * Models: a few tasks, locks and shared variables in one file, searched by the same engine as the driver. Tasks are
 * generators, so that an execution of a small model takes microseconds: no promise, no event loop.
 */
import { type Chooser } from './chooser.ts';
import {
  ACQUIRE,
  ACQUIRE_SHARED,
  ADD,
  AWAIT,
  opCode,
  type OpCode,
  READ,
  RELEASE,
  RELEASE_SHARED,
  TRY,
  TRY_SHARED,
  WAIT,
  WRITE,
} from './ops.ts';
import type { Tables } from './dpor.ts';
import { InputError } from '@vfio-lab/sim';
import { MAX_TASKS, ModelChecker } from './model-checks.ts';
import type { Observation } from './subject.ts';

/** What a task yields at a scheduling point. */
export interface ModelOp {
  readonly code: OpCode;
  readonly what: string;
  enabled(): boolean;
  /** Done when picked; its result is what the yield gives. */
  perform(run: ModelRun, task: ModelTask): unknown;
}

export type Body = Generator<ModelOp, void, unknown>;
type Point<T> = Generator<ModelOp, T, unknown>;

/** A task of a model. */
export class ModelTask {
  readonly tid: number;
  readonly name: string;
  readonly body: Body;
  op: ModelOp | null = null;
  /** Locks it holds, in the order of taking. */
  readonly held: Lock[] = [];

  constructor(tid: number, name: string, body: Body) {
    this.tid = tid;
    this.name = name;
    this.body = body;
  }
}

/** An operation on an object of a model. Classes, not closures: an execution makes many and does little with each. */
abstract class ObjectOp<O extends { readonly name: string }> implements ModelOp {
  readonly code: OpCode;
  readonly on: O;

  constructor(kind: number, obj: number, on: O) {
    this.code = opCode(kind, obj);
    this.on = on;
  }

  abstract readonly verb: string;

  get what(): string {
    return `${this.verb} ${this.on.name}`;
  }

  enabled(): boolean {
    return true;
  }

  abstract perform(run: ModelRun, task: ModelTask): unknown;
}

class ReadOp extends ObjectOp<Variable<unknown>> {
  get verb(): string {
    return 'read';
  }

  perform(): unknown {
    return this.on.value;
  }
}

class WriteOp extends ObjectOp<Variable<unknown>> {
  next: unknown = undefined;

  get verb(): string {
    return 'write';
  }

  perform(): void {
    this.on.value = this.next;
  }
}

class UpdateOp extends ObjectOp<Variable<unknown>> {
  change: (value: unknown) => unknown = same;

  get verb(): string {
    return 'update';
  }

  perform(): unknown {
    const old = this.on.value;
    this.on.value = this.change(old);
    return old;
  }
}

class AddOp extends ObjectOp<Variable<unknown>> {
  by = 0;

  get verb(): string {
    return 'add to';
  }

  perform(): void {
    (this.on as Variable<number>).value += this.by;
  }
}

class UntilOp extends ObjectOp<Variable<unknown>> {
  wanted: (value: unknown) => boolean = Boolean;

  get verb(): string {
    return 'wait for';
  }

  override enabled(): boolean {
    return this.wanted(this.on.value);
  }

  perform(): unknown {
    return this.on.value;
  }
}

function same(value: unknown): unknown {
  return value;
}

/** A shared variable whose every access is a scheduling point (READ_ONCE, WRITE_ONCE, atomics). */
export class Variable<T> {
  readonly name: string;
  value: T;
  readonly #obj: number;
  private readonly opRead: ReadOp;

  constructor(name: string, obj: number, value: T) {
    this.name = name;
    this.value = value;
    this.#obj = obj;
    this.opRead = new ReadOp(READ, obj, this as Variable<unknown>);
  }

  *read(): Point<T> {
    return (yield this.opRead) as T;
  }

  *write(value: T): Point<void> {
    const op = new WriteOp(WRITE, this.#obj, this as Variable<unknown>);
    op.next = value;
    yield op;
  }

  /** Read, change and write at once; gives the old value. */
  *update(change: (value: T) => T): Point<T> {
    const op = new UpdateOp(WRITE, this.#obj, this as Variable<unknown>);
    op.change = change as (value: unknown) => unknown;
    return (yield op) as T;
  }

  /** Add to a number and learn nothing of it; additions commute. */
  *add(this: Variable<number>, by: number): Point<void> {
    const op = new AddOp(ADD, this.#obj, this as Variable<unknown>);
    op.by = by;
    yield op;
  }

  /** Wait until the value is as wanted. */
  *until(wanted: (value: T) => boolean): Point<T> {
    const op = new UntilOp(AWAIT, this.#obj, this as Variable<unknown>);
    op.wanted = wanted as (value: unknown) => boolean;
    return (yield op) as T;
  }
}

/** A plain field: no scheduling point, and two accesses that nothing orders are a data race. */
export class Field<T> {
  readonly name: string;
  readonly #run: ModelRun;
  readonly #id: number;
  #value: T;

  constructor(name: string, run: ModelRun, id: number, value: T) {
    this.name = name;
    this.#run = run;
    this.#id = id;
    this.#value = value;
  }

  get(): T {
    this.#run.checker.access(this.#run, this.#id, this.name, false);
    return this.#value;
  }

  set(value: T): void {
    this.#run.checker.access(this.#run, this.#id, this.name, true);
    this.#value = value;
  }
}

class LockOp extends ObjectOp<Lock> {
  get verb(): string {
    return 'lock';
  }

  override enabled(): boolean {
    return this.on.free;
  }

  perform(run: ModelRun, task: ModelTask): void {
    this.on.take(run, task, false);
  }
}

class UnlockOp extends ObjectOp<Lock> {
  get verb(): string {
    return 'unlock';
  }

  perform(run: ModelRun, task: ModelTask): void {
    this.on.drop(run, task);
  }
}

class TryOp extends ObjectOp<Lock> {
  get verb(): string {
    return 'try';
  }

  perform(run: ModelRun, task: ModelTask): boolean {
    if (!this.on.free) return false;
    run.chooser.succeeded();
    this.on.take(run, task, true);
    return true;
  }
}

/** What mutexes, spinlocks and rw-semaphores have in common. */
export class Lock {
  readonly name: string;
  readonly obj: number;
  writer: ModelTask | null = null;
  readers: ModelTask[] = NOBODY;
  protected readonly opLock: LockOp;
  protected readonly opUnlock: UnlockOp;

  constructor(name: string, obj: number) {
    this.name = name;
    this.obj = obj;
    this.opLock = new LockOp(ACQUIRE, obj, this);
    this.opUnlock = new UnlockOp(RELEASE, obj, this);
  }

  /** Can it be had exclusively? */
  get free(): boolean {
    return this.writer === null && this.readers.length === 0;
  }

  take(run: ModelRun, task: ModelTask, tried: boolean): void {
    this.writer = task;
    run.checker.taken(run, task, this, tried);
    task.held.push(this);
  }

  drop(run: ModelRun, task: ModelTask): void {
    if (this.writer !== task) {
      run.report(
        'lock-owner',
        `${task.name} unlocks ${this.name}, which ${this.writer === null ? 'nobody' : this.writer.name} holds`,
      );
      return;
    }
    this.writer = null;
    forget(task, this);
  }
}

/** Shared by all locks without readers; never changed. */
const NOBODY: ModelTask[] = [];

function forget(task: ModelTask, lock: Lock): void {
  const { held } = task;
  if (held[held.length - 1] === lock) {
    held.pop();
    return;
  }
  const at = held.lastIndexOf(lock);
  if (at >= 0) held.splice(at, 1);
}

/** A mutex or a spinlock: one holder. */
export class ModelMutex extends Lock {
  *lock(): Point<void> {
    yield this.opLock;
  }

  *unlock(): Point<void> {
    yield this.opUnlock;
  }

  /** True: taken. */
  *trylock(): Point<boolean> {
    return (yield new TryOp(TRY, this.obj, this)) as boolean;
  }
}

class DownReadOp extends ObjectOp<ModelRwsem> {
  get verb(): string {
    return 'down_read';
  }

  override enabled(): boolean {
    return this.on.writer === null;
  }

  perform(run: ModelRun, task: ModelTask): void {
    this.on.takeShared(run, task, false);
  }
}

class UpReadOp extends ObjectOp<ModelRwsem> {
  get verb(): string {
    return 'up_read';
  }

  perform(run: ModelRun, task: ModelTask): void {
    this.on.dropShared(run, task);
  }
}

class TryReadOp extends ObjectOp<ModelRwsem> {
  get verb(): string {
    return 'down_read_trylock';
  }

  perform(run: ModelRun, task: ModelTask): boolean {
    if (this.on.writer !== null) return false;
    run.chooser.succeeded();
    this.on.takeShared(run, task, true);
    return true;
  }
}

/** A rw-semaphore: one writer or any number of readers. */
export class ModelRwsem extends Lock {
  constructor(name: string, obj: number) {
    super(name, obj);
    this.readers = [];
  }

  takeShared(run: ModelRun, task: ModelTask, tried: boolean): void {
    this.readers.push(task);
    run.checker.taken(run, task, this, tried);
    task.held.push(this);
  }

  dropShared(run: ModelRun, task: ModelTask): void {
    const at = this.readers.indexOf(task);
    if (at < 0) {
      run.report('lock-owner', `${task.name} does up_read on ${this.name} without holding it so`);
      return;
    }
    this.readers.splice(at, 1);
    forget(task, this);
  }

  *downRead(): Point<void> {
    yield new DownReadOp(ACQUIRE_SHARED, this.obj, this);
  }

  *upRead(): Point<void> {
    yield new UpReadOp(RELEASE_SHARED, this.obj, this);
  }

  *tryRead(): Point<boolean> {
    return (yield new TryReadOp(TRY_SHARED, this.obj, this)) as boolean;
  }

  *downWrite(): Point<void> {
    yield this.opLock;
  }

  *upWrite(): Point<void> {
    yield this.opUnlock;
  }

  *tryWrite(): Point<boolean> {
    return (yield new TryOp(TRY, this.obj, this)) as boolean;
  }
}

class CompleteOp extends ObjectOp<ModelCompletion> {
  get verb(): string {
    return 'complete';
  }

  perform(): void {
    this.on.count++;
  }
}

class WaitOp extends ObjectOp<ModelCompletion> {
  get verb(): string {
    return 'wait for';
  }

  override enabled(): boolean {
    return this.on.count > 0;
  }

  perform(): void {
    this.on.count--;
  }
}

/** A completion: complete() lets one waiter through. */
export class ModelCompletion {
  readonly name: string;
  readonly obj: number;
  count = 0;

  constructor(name: string, obj: number) {
    this.name = name;
    this.obj = obj;
  }

  *complete(): Point<void> {
    yield new CompleteOp(WRITE, this.obj, this);
  }

  *wait(): Point<void> {
    yield new WaitOp(WAIT, this.obj, this);
  }
}

/** One execution of a model. */
export class ModelRun {
  readonly tasks: ModelTask[] = [];
  readonly findings: { kind: string; text: string; task: string }[] = [];
  readonly names: string[] = [];
  readonly checker: ModelChecker;
  chooser: Chooser;
  /** The task that runs now. */
  task: ModelTask | null = null;
  check: (() => string | void) | null = null;
  fields = 0;

  constructor(chooser: Chooser, checker: ModelChecker) {
    this.chooser = chooser;
    this.checker = checker;
  }

  report(kind: string, text: string): void {
    this.findings.push({ kind, text, task: this.task?.name ?? '' });
  }
}

/** What a model's file builds its world with. */
export class ModelBuilder {
  readonly #run: ModelRun;

  constructor(run: ModelRun) {
    this.#run = run;
  }

  #obj(name: string): number {
    return this.#run.names.push(name) - 1;
  }

  /** A shared variable; every access is a scheduling point. */
  variable<T>(name: string, value: T): Variable<T> {
    return new Variable(name, this.#obj(name), value);
  }

  /** A plain field; accesses that nothing orders are a finding. */
  field<T>(name: string, value: T): Field<T> {
    return new Field(name, this.#run, this.#run.fields++, value);
  }

  mutex(name: string): ModelMutex {
    return new ModelMutex(name, this.#obj(name));
  }

  spinlock(name: string): ModelMutex {
    return new ModelMutex(name, this.#obj(name));
  }

  rwsem(name: string): ModelRwsem {
    return new ModelRwsem(name, this.#obj(name));
  }

  completion(name: string): ModelCompletion {
    return new ModelCompletion(name, this.#obj(name));
  }

  task(name: string, body: () => Body): void {
    const { tasks } = this.#run;
    tasks.push(new ModelTask(tasks.length, name, body()));
  }

  /** Looked at when all tasks have ended. A text it returns is the outcome; an error it throws is a finding. */
  check(check: () => string | void): void {
    this.#run.check = check;
  }
}

/** A model: its name and how to build a fresh one. */
export interface Model {
  readonly kind: 'model';
  readonly name: string;
  readonly build: (m: ModelBuilder) => void;
}

/** Define a model. `build` is called for every execution and must make everything afresh. */
export function defineModel(name: string, build: (m: ModelBuilder) => void): Model {
  return { kind: 'model', name, build };
}

const NO_CHOICE: Chooser = {
  choose: () => {
    throw new Error('nothing runs here');
  },
  succeeded: () => undefined,
  end: () => undefined,
};

/** Runs executions of a model. */
export class ModelSubject {
  readonly model: Model;
  readonly checker: ModelChecker;
  last: ModelRun | null = null;
  readonly #tids: number[] = [];
  readonly #ops: OpCode[] = [];
  readonly #enabled: boolean[] = [];

  constructor(model: Model, opts: { checks?: boolean } = {}) {
    this.model = model;
    this.checker = new ModelChecker(opts.checks ?? true);
  }

  /** One execution; throws what a task throws that is no assertion of it. */
  run(chooser: Chooser): Observation {
    const run = new ModelRun(chooser, this.checker);
    this.last = run;
    this.checker.begin();
    this.model.build(new ModelBuilder(run));
    const { tasks } = run;
    if (tasks.length > MAX_TASKS)
      throw new InputError(`${tasks.length} tasks`, this.model.name, `a model may have ${MAX_TASKS}`);
    for (const task of tasks) this.#advance(run, task, undefined);
    const tids = this.#tids;
    const ops = this.#ops;
    const enabled = this.#enabled;
    for (;;) {
      let n = 0;
      let any = false;
      for (const task of tasks) {
        const op = task.op;
        if (op === null) continue;
        tids[n] = task.tid;
        ops[n] = op.code;
        const can = op.enabled();
        enabled[n] = can;
        if (can) any = true;
        n++;
      }
      tids.length = n;
      if (!any) {
        run.task = null;
        if (n > 0) this.#deadlock(run);
        this.checker.end(run);
        chooser.end(n, tids, ops);
        return this.#observe(run, n > 0);
      }
      const task = tasks[tids[chooser.choose(n, tids, ops, enabled, false)]];
      const op = task.op as ModelOp;
      run.task = task;
      this.checker.step(task.tid, op.code, tasks.length);
      this.#advance(run, task, op.perform(run, task));
    }
  }

  /** A world that nothing has run in. */
  #built(): ModelRun {
    const run = new ModelRun(NO_CHOICE, new ModelChecker(false));
    this.model.build(new ModelBuilder(run));
    return run;
  }

  #advance(run: ModelRun, task: ModelTask, value: unknown): void {
    run.task = task;
    try {
      const next = task.body.next(value);
      task.op = next.done === true ? null : next.value;
    } catch (error) {
      run.report('assertion', `${task.name}: ${error instanceof Error ? error.message : String(error)}`);
      task.op = null;
    }
  }

  #deadlock(run: ModelRun): void {
    const stuck = run.tasks.filter((t) => t.op !== null);
    const lines = stuck.map((t) => {
      const holding = t.held.length > 0 ? ` holding ${t.held.map((l) => l.name).join(', ')}` : '';
      return `${t.name} waits to ${t.op?.what}${holding}`;
    });
    run.findings.push({ kind: 'deadlock', text: lines.join('; '), task: stuck[0].name });
  }

  #observe(run: ModelRun, stuck: boolean): Observation {
    let outcome = stuck ? 'deadlock' : 'ok';
    if (!stuck && run.check !== null) {
      try {
        outcome = run.check() ?? 'ok';
      } catch (error) {
        run.report('assertion', error instanceof Error ? error.message : String(error));
        outcome = 'assertion failed';
      }
    }
    return {
      outcome,
      findings: run.findings.map((f) => ({ kind: f.kind, text: f.text, task: f.task, fns: [], held: [] })),
    };
  }

  /** A model numbers its tasks and objects in the order of its file, which is the same everywhere. */
  readonly tables: Tables = {
    taskKeys: () => Array.from({ length: MAX_TASKS }, (_, i) => String(i)),
    objKeys: () => (this.last ?? this.#built()).names.map((_, i) => String(i)),
    taskId: Number,
    objId: Number,
  };

  /** What a task is called. */
  taskName(tid: number): string {
    return this.last?.tasks[tid]?.name ?? `task ${tid}`;
  }

  /** What an object is called. */
  objName(obj: number): string {
    return this.last?.names[obj] ?? `#${obj}`;
  }
}
