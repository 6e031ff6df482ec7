// SPDX-License-Identifier: GPL-2.0-only
import type { Chooser } from './chooser.ts';
import { Execution } from './execution.ts';
import { JOIN, kindOf, LOCAL, objOf, type OpCode } from './ops.ts';

/**
 * Which objects several tasks use, one of them to change it. Stopping a task before it uses another one makes no
 * difference: it may as well be stopped at its next point.
 */
export class SharedObjects {
  /** How many there are; a search that made it grow has to be repeated. */
  size = 0;
  readonly #users = new Map<number, { tid: number; several: boolean; write: boolean; shared: boolean }>();

  /** Learn from an execution, and from what its tasks were about to do when it ended. After races(). */
  learn(execution: Execution): void {
    for (let i = 0; i < execution.length; i++) this.#use(execution.tid[i], execution.op[i]);
    for (const [t, op] of execution.blocked) this.#use(t, op);
  }

  #use(t: number, op: OpCode): void {
    const kind = kindOf(op);
    if (kind === LOCAL || kind === JOIN) return;
    let user = this.#users.get(objOf(op));
    if (user === undefined) {
      user = { tid: t, several: false, write: false, shared: false };
      this.#users.set(objOf(op), user);
    }
    if (user.tid !== t) user.several = true;
    if ((kind & 1) === 1) user.write = true;
    if (user.several && user.write && !user.shared) {
      user.shared = true;
      this.size++;
    }
  }

  has(op: OpCode): boolean {
    const kind = kindOf(op);
    return kind !== LOCAL && kind !== JOIN && this.#users.get(objOf(op))?.shared === true;
  }
}

/**
 * All interleavings, depth first, optionally with at most `bound` preemptions (a switch away from a task that could go
 * on). No reduction, so it is what the other searches are measured against; and the search that a preemption bound uses,
 * because reductions and bounds do not go together when there are trylocks.
 */
export class Interleavings implements Chooser {
  readonly execution = new Execution();
  executions = 0;
  deepest = 0;
  /** A branch was left out because of the bound. */
  cut = false;
  readonly bound: number;
  /** The alternatives left at each point. */
  readonly #left: number[][] = [];
  readonly #path: number[] = [];
  #pos = 0;
  #last = -1;
  #spent = 0;
  /** Objects before whose use a preemption matters; null: all. */
  readonly #shared: SharedObjects | null;

  constructor(bound = Infinity, shared: SharedObjects | null = null) {
    this.bound = bound;
    this.#shared = shared;
  }

  begin(): void {
    this.execution.reset();
    this.#pos = 0;
    this.#last = -1;
    this.#spent = 0;
  }

  choose(
    n: number,
    tids: readonly number[],
    ops: readonly OpCode[],
    enabled: readonly boolean[],
    timePassed: boolean,
  ): number {
    this.execution.observe(n, tids, ops, enabled, timePassed);
    const pos = this.#pos++;
    const last = this.#lastAt(n, tids, enabled);
    if (pos === this.#path.length) {
      const order: number[] = [];
      if (last >= 0) order.push(tids[last]);
      const free = last < 0;
      const pointless = !free && this.#shared !== null && !this.#shared.has(ops[last]);
      for (let i = 0; i < n; i++) {
        if (!enabled[i] || i === last || pointless) continue;
        if (free || this.#spent < this.bound) order.push(tids[i]);
        else this.cut = true;
      }
      this.#path.push(order[0]);
      this.#left.push(order.slice(1));
    }
    const t = this.#path[pos];
    if (last >= 0 && tids[last] !== t) this.#spent++;
    this.#last = t;
    const at = tids.indexOf(t);
    this.execution.push(t, ops[at]);
    return at;
  }

  #lastAt(n: number, tids: readonly number[], enabled: readonly boolean[]): number {
    for (let i = 0; i < n; i++) if (tids[i] === this.#last && enabled[i]) return i;
    return -1;
  }

  succeeded(): void {
    this.execution.succeeded();
  }

  end(n: number, tids: readonly number[], ops: readonly OpCode[]): void {
    this.executions++;
    if (this.#pos > this.deepest) this.deepest = this.#pos;
    this.execution.races(this.execution.length, n, tids, ops, () => undefined);
  }

  advance(): boolean {
    while (this.#path.length > 0) {
      const next = this.#left[this.#left.length - 1].shift();
      if (next !== undefined) {
        this.#path[this.#path.length - 1] = next;
        return true;
      }
      this.#path.pop();
      this.#left.pop();
    }
    return false;
  }
}
