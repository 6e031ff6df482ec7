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
  tid: number;
  key: string;
  op: Op | null;
  code: OpCode;
}

/**
 * Lets a chooser decide on a machine. The main task, which only waits for the programs, is no part of it: it goes on
 * when nobody else can.
 */
export class MachineChooser implements Policy {
  readonly name = 'search';
  readonly sticky = false;
  /** Steps of the search so far, as task and operation; for tokens and diagrams. */
  readonly steps: { task: Task; op: Op; code: OpCode }[] = [];
  readonly #chooser: Chooser;
  readonly #tasks: Names;
  readonly #objs: Names;
  readonly #main: Task;
  readonly #known = new Map<Task, Known>();
  readonly #objIds = new Map<Obj, number>();
  readonly #counts = new Map<string, number>();
  readonly #tids: number[] = [];
  readonly #ops: OpCode[] = [];
  readonly #enabled: boolean[] = [];
  readonly #list: Task[] = [];
  #idles: number;
  #last: { task: Task; op: Op; code: OpCode } | null = null;

  /** Made in the main task when the set-up is done. */
  constructor(chooser: Chooser, tasks: Names, objs: Names, main: Task) {
    this.#chooser = chooser;
    this.#tasks = tasks;
    this.#objs = objs;
    this.#main = main;
    this.#idles = machine.idles;
  }

  /**
   * What a task is called in every execution: its name when the main task started it, else who started it and which of
   * that one's tasks it is. (The kernel's own names of workers say which number was free.)
   */
  #key(task: Task): string {
    const known = this.#known.get(task);
    if (known !== undefined) return known.key;
    if (task === this.#main) return 'main';
    const name = task.name.replace(/:\d+$/, '');
    let key: string;
    if (task.kind === 'timer' || task.kind === 'hardirq') {
      const n = this.#counts.get(task.name) ?? 0;
      this.#counts.set(task.name, n + 1);
      key = n === 0 ? task.name : `${task.name}!${n}`;
    } else if (task.maker === null || task.maker === this.#main || !this.#known.has(task.maker)) {
      key = task.kind === 'user' ? task.name : `${name}!${task.spawn_nr}`;
    } else {
      key = `${this.#key(task.maker)}>${name}${task.spawn_nr === 0 ? '' : `!${task.spawn_nr}`}`;
    }
    this.#known.set(task, { tid: this.#tasks.id(key, key), key, op: null, code: 0 });
    return key;
  }

  #obj(obj: Obj): number {
    const target = obj instanceof wait_queue_head_t ? obj.lock : obj;
    let id = this.#objIds.get(target);
    if (id === undefined) {
      const maker = target.maker;
      const key =
        maker === null
          ? `?${target.made_nr}`
          : `${maker === this.#main ? 'main' : maker.done && !this.#known.has(maker) ? maker.name : this.#key(maker)}:${target.made_nr}`;
      id = this.#objs.id(`${key} ${target.name}`, target.name);
      this.#objIds.set(target, id);
    }
    return id;
  }

  #code(task: Task): Known {
    let known = this.#known.get(task);
    if (known === undefined) {
      this.#key(task);
      known = this.#known.get(task) as Known;
    }
    if (known.op !== task.op) {
      known.op = task.op;
      const kind = kindOfOp(task.op);
      known.code = opCode(kind, kind === LOCAL || kind === JOIN ? 0 : this.#obj(task.op.obj));
    }
    return known;
  }

  #settle(): void {
    const last = this.#last;
    if (last !== null && isTry(kindOf(last.code)) && last.task.held.some((h) => h.lock === last.op.obj))
      this.#chooser.succeeded();
    this.#last = null;
  }

  pick(running: Task | null, enabled: readonly Task[]): Task {
    if (enabled.length === 1 && enabled[0] === this.#main) return this.#main;
    this.#settle();
    const list = this.#list;
    let n = 0;
    let e = 0;
    for (const task of machine.tasks) {
      if (task === this.#main) {
        if (enabled[e] === task) e++;
        continue;
      }
      const known = this.#code(task);
      list[n] = task;
      this.#tids[n] = known.tid;
      this.#ops[n] = known.code;
      this.#enabled[n] = enabled[e] === task;
      if (enabled[e] === task) e++;
      n++;
    }
    // Setting a length is slow even when it stays.
    if (list.length !== n) list.length = this.#tids.length = this.#ops.length = this.#enabled.length = n;
    const passed = machine.idles !== this.#idles;
    this.#idles = machine.idles;
    const task = list[this.#chooser.choose(n, this.#tids, this.#ops, this.#enabled, passed)];
    if (machine.tracing && running !== null && task !== running && enabled.includes(running))
      trace('preempt', `before ${siteText(running.op)}: ${task.name} goes on`);
    const step = { task, op: task.op, code: this.#code(task).code };
    this.#last = step;
    this.steps.push(step);
    return task;
  }

  /** The run is over. */
  end(): void {
    this.#settle();
    let n = 0;
    for (const [task, known] of this.#known) {
      if (task.done || task.daemon || task.op.kind === 'idle' || known.op === null) continue;
      this.#tids[n] = known.tid;
      this.#ops[n++] = this.#code(task).code;
    }
    this.#tids.length = this.#ops.length = n;
    this.#chooser.end(n, this.#tids, this.#ops);
  }
}
