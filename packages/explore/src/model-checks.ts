// SPDX-License-Identifier: GPL-2.0-only
import type { Lock, ModelRun, ModelTask } from './model.ts';
import { isAcquire, isRelease, JOIN, kindOf, LOCAL, objOf, type OpCode, READ } from './ops.ts';

/** Tasks that a model can have. */
export const MAX_TASKS = 64;

interface Row {
  stamp: number;
  clock: Int32Array;
}

interface Access {
  stamp: number;
  /** Last write: task and its time. */
  writer: number;
  written: number;
  /** Time of the last read by task. */
  reads: number[];
}

/**
 * Checks on every execution of a model: data races on plain fields by happens-before (vector clocks), lock order,
 * locks held at the end.
 */
export class ModelChecker {
  readonly on: boolean;
  #stamp = 0;
  readonly #tasks: Row[] = [];
  readonly #objects: Row[] = [];
  readonly #fields: Access[] = [];
  /** "a>b": b was taken while a was held, by whom. */
  readonly #order = new Map<string, string>();

  constructor(on: boolean) {
    this.on = on;
  }

  begin(): void {
    this.#stamp++;
    if (this.#order.size > 0) this.#order.clear();
  }

  /** The row of a task or of an object: its clock, started anew in every execution. */
  #row(rows: Row[], at: number, own: boolean): Int32Array {
    while (rows.length <= at) rows.push({ stamp: 0, clock: new Int32Array(MAX_TASKS) });
    const row = rows[at];
    if (row.stamp !== this.#stamp) {
      row.stamp = this.#stamp;
      row.clock.fill(0);
      if (own) row.clock[at] = 1;
    }
    return row.clock;
  }

  /** A task does an operation: what orders tasks. What may change an object publishes; all but a release observe. */
  step(t: number, op: OpCode, tasks: number): void {
    if (!this.on) return;
    const kind = kindOf(op);
    if (kind === LOCAL || kind === JOIN) return;
    const clock = this.#row(this.#tasks, t, true);
    const seen = this.#row(this.#objects, objOf(op), false);
    if (!isRelease(kind)) for (let i = 0; i < tasks; i++) if (seen[i] > clock[i]) clock[i] = seen[i];
    if (!isAcquire(kind) && kind !== READ)
      for (let i = 0; i < tasks; i++) if (clock[i] > seen[i]) seen[i] = clock[i];
    clock[t]++;
  }

  /** A plain access by the running task. */
  access(run: ModelRun, id: number, name: string, write: boolean): void {
    if (!this.on || run.task === null) return;
    const t = run.task.tid;
    const clock = this.#row(this.#tasks, t, true);
    let a = this.#fields[id];
    if (a === undefined) a = this.#fields[id] = { stamp: 0, writer: -1, written: 0, reads: [] };
    if (a.stamp !== this.#stamp) {
      a.stamp = this.#stamp;
      a.writer = -1;
      a.reads.length = 0;
    }
    if (a.writer >= 0 && a.writer !== t && clock[a.writer] < a.written)
      this.#race(run, name, a.writer, write ? 'writes' : 'reads', 'wrote');
    if (write) {
      for (let r = 0; r < a.reads.length; r++) {
        if (r !== t && (a.reads[r] ?? 0) > clock[r]) this.#race(run, name, r, 'writes', 'read');
      }
      a.writer = t;
      a.written = clock[t];
      a.reads.length = 0;
    } else {
      a.reads[t] = clock[t];
    }
  }

  #race(run: ModelRun, name: string, other: number, now: string, then: string): void {
    run.report(
      'data-race',
      `${run.task?.name} ${now} ${name}, which ${run.tasks[other].name} ${then}, and nothing orders the two`,
    );
  }

  /** A lock is about to be added to what the task holds. */
  taken(run: ModelRun, task: ModelTask, lock: Lock, tried: boolean): void {
    if (!this.on || tried) return;
    for (const held of task.held) {
      if (held === lock) continue;
      const back = this.#order.get(`${lock.name}>${held.name}`);
      if (back !== undefined)
        run.report(
          'lock-order',
          `${task.name} takes ${lock.name} with ${held.name} held; ${back} takes them the other way round`,
        );
      const key = `${held.name}>${lock.name}`;
      if (!this.#order.has(key)) this.#order.set(key, task.name);
    }
  }

  end(run: ModelRun): void {
    if (!this.on) return;
    for (const task of run.tasks) {
      if (task.op === null && task.held.length > 0)
        run.report('lock-held-at-exit', `${task.name} ended with ${task.held[0].name} held`);
    }
  }
}
