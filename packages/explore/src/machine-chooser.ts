// SPDX-License-Identifier: GPL-2.0-only
import { machine, type Obj, type Op, type Policy, type Task, trace } from '@vfio-lab/sim';
import { mutex, rw_semaphore, spinlock_t, wait_queue_head_t } from '@vfio-lab/locking';
import { type Chooser } from './chooser.ts';
import {
  ACQUIRE,
  ACQUIRE_SHARED,
  ADD,
  JOIN,
  kindOf,
  LOCAL,
  opCode,
  type OpCode,
  READ,
  RELEASE,
  RELEASE_SHARED,
  TRY,
  TRY_SHARED,
  isTry,
  WAIT,
  WRITE,
} from './ops.ts';

/**
 * Numbers for names that are the same in every execution, whatever the order: a task is known by who started it and
 * which of that task's children it is, an object by who made it and when in that task's life.
 */
export class Names {
  readonly #ids = new Map<string, number>();
  readonly keys: string[] = [];
  /** What people call it. */
  readonly labels: string[] = [];

  id(key: string, label: string): number {
    let id = this.#ids.get(key);
    if (id === undefined) {
      id = this.keys.length;
      this.#ids.set(key, id);
      this.keys.push(key);
      this.labels.push(label);
    }
    return id;
  }
}

function isLock(obj: Obj): boolean {
  return obj instanceof mutex || obj instanceof spinlock_t || obj instanceof rw_semaphore;
}

/** What an announced operation is to the search. */
function kindOfOp(op: Op): number {
  switch (op.kind) {
    case 'lock':
      return op.write ? ACQUIRE : ACQUIRE_SHARED;
    case 'unlock':
      return op.write ? RELEASE : RELEASE_SHARED;
    case 'trylock':
      if (isLock(op.obj)) return op.write ? TRY : TRY_SHARED;
      return WRITE;
    case 'add':
      return ADD;
    case 'start':
    case 'yield':
      return LOCAL;
    case 'sleep':
    case 'idle':
      return JOIN;
    default:
      if (op.enabled === undefined) return op.write ? WRITE : READ;
      if (op.kind === 'irq') return LOCAL;
      return op.write ? WAIT : JOIN;
  }
}

/** What a task is about to do, in words. */
function siteText({ kind, obj }: Op): string {
  return obj.name.startsWith(kind) ? `an access to ${obj.name}` : `${kind} ${obj.name}`;
}

interface Known {
  task: Task;
  tid: number;
  key: string;
  op: Op | null;
  code: OpCode;
}

/** Numbers of objects that were there before the programs started: the same ones in every execution. */
export type ObjNumbers = WeakMap<Obj, number>;

/**
 * Lets a chooser decide on a machine. The main task, which only waits for the programs, is no part of it: it goes on
 * when nobody else can.
 */
export class MachineChooser implements Policy {
  readonly name = 'search';
  readonly sticky = false;
  readonly #chooser: Chooser;
  readonly #tasks: Names;
  readonly #objs: Names;
  readonly #main: Task;
  /** By id of the task. */
  readonly #known: (Known | undefined)[] = [];
  readonly #kept: ObjNumbers;
  readonly #fresh = new Map<Obj, number>();
  readonly #counts = new Map<string, number>();
  // As long as there were ever tasks.
  readonly #tids: number[] = [];
  readonly #ops: OpCode[] = [];
  readonly #enabled: boolean[] = [];
  readonly #list: Task[] = [];
  #idles: number;
  /** Who went on last, when that was to try for a lock, and which. */
  #tried: Task | null = null;
  #lock: Obj | null = null;

  /** Made in the main task when the set-up is done. */
  constructor(chooser: Chooser, tasks: Names, objs: Names, kept: ObjNumbers, main: Task) {
    this.#chooser = chooser;
    this.#tasks = tasks;
    this.#objs = objs;
    this.#kept = kept;
    this.#main = main;
    this.#idles = machine.idles;
  }

  /**
   * What a task is called in every execution: its name when the main task started it, else who started it and which of
   * that one's tasks it is. (The kernel's own names of workers say which number was free.)
   */
  #know(task: Task): Known {
    const { maker } = task;
    const name = task.name.replace(/:\d+$/, '');
    const by = maker === null || maker === this.#main ? undefined : this.#known[maker.id];
    let key: string;
    if (task.kind === 'timer' || task.kind === 'hardirq') {
      const n = this.#counts.get(task.name) ?? 0;
      this.#counts.set(task.name, n + 1);
      key = n === 0 ? task.name : `${task.name}!${n}`;
    } else if (by === undefined) {
      key = task.kind === 'user' ? task.name : `${name}!${task.spawn_nr}`;
    } else {
      key = `${by.key}>${name}${task.spawn_nr === 0 ? '' : `!${task.spawn_nr}`}`;
    }
    const known = { task, tid: this.#tasks.id(key, key), key, op: null, code: 0 };
    this.#known[task.id] = known;
    return known;
  }

  #obj(obj: Obj): number {
    const target = obj instanceof wait_queue_head_t ? obj.lock : obj;
    const by = this.#maker(target);
    const numbers = by === null ? this.#kept : this.#fresh;
    let id = numbers.get(target);
    if (id === undefined) {
      const { maker, made_nr, name } = target;
      const who = by?.key ?? (maker === this.#main ? 'main' : maker?.name);
      const key = who === undefined ? `?${made_nr}` : `${who}:${made_nr}`;
      id = this.#objs.id(`${key} ${name}`, name);
      numbers.set(target, id);
    }
    return id;
  }

  /** The task that made an object; null for the main task and for those that had ended before. */
  #maker({ maker }: Obj): Known | null {
    if (maker === null || maker === this.#main) return null;
    return this.#known[maker.id] ?? (maker.done ? null : this.#know(maker));
  }

  #code(task: Task): Known {
    const known = this.#known[task.id] ?? this.#know(task);
    const { op } = task;
    if (op.numbering !== this.#objs) {
      const kind = kindOfOp(op);
      op.code = opCode(kind, kind === LOCAL || kind === JOIN ? 0 : this.#obj(op.obj));
      op.numbering = this.#objs;
    }
    known.op = op;
    known.code = op.code;
    return known;
  }

  #settle(): void {
    const tried = this.#tried;
    if (tried === null) return;
    this.#tried = null;
    if (tried.held.some((h) => h.lock === this.#lock)) this.#chooser.succeeded();
  }

  pick(running: Task | null, enabled: readonly Task[]): Task {
    if (enabled.length === 1 && enabled[0] === this.#main) return this.#main;
    this.#settle();
    const { tasks, idles } = machine;
    const list = this.#list;
    const known = this.#known;
    const tids = this.#tids;
    const ops = this.#ops;
    const can = this.#enabled;
    const main = this.#main;
    let n = 0;
    let e = 0;
    for (let i = 0; i < tasks.length; i++) {
      const task = tasks[i];
      const able = e < enabled.length && enabled[e] === task;
      if (able) e++;
      if (task === main) continue;
      let k = known[task.id];
      if (k === undefined || k.op !== task.op) k = this.#code(task);
      list[n] = task;
      tids[n] = k.tid;
      ops[n] = k.code;
      can[n++] = able;
    }
    const passed = idles !== this.#idles;
    this.#idles = idles;
    const task = list[this.#chooser.choose(n, tids, ops, can, passed)];
    if (machine.tracing && running !== null && task !== running && enabled.includes(running))
      trace('preempt', `before ${siteText(running.op)}: ${task.name} goes on`);
    if (isTry(kindOf(task.op.code))) {
      this.#tried = task;
      this.#lock = task.op.obj;
    }
    return task;
  }

  /** The run is over. */
  end(): void {
    this.#settle();
    let n = 0;
    for (const known of this.#known) {
      if (known === undefined || known.op === null) continue;
      const { task, tid } = known;
      if (task.done || task.daemon || task.op.kind === 'idle') continue;
      this.#tids[n] = tid;
      this.#ops[n++] = this.#code(task).code;
    }
    this.#chooser.end(n, this.#tids, this.#ops);
  }
}
