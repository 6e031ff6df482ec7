// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random schedulers behind one interface: uniform random, PCT (Burckhardt and others, ASPLOS 2010), POS (Yuan and
 * others, CAV 2018), URW and SURW (Zhao and others, ASPLOS 2025). The seed decides everything.
 */
import { Prng } from '@vfio-lab/sim';
import type { Chooser } from './chooser.ts';
import { Execution } from './execution.ts';
import { dependent, type OpCode } from './ops.ts';

/** Says whether an operation is one of those that SURW spreads evenly. */
export type Interesting = (op: OpCode) => boolean;

/** A chooser that can be asked for one execution after another. */
export abstract class Sampler implements Chooser {
  readonly execution = new Execution();
  executions = 0;
  deepest = 0;
  /** Points at which there was a choice, at most, so far. */
  decisions = 1;
  protected readonly prng: Prng;
  protected decision = 0;

  constructor(seed: number) {
    this.prng = new Prng(seed);
  }

  begin(): void {
    this.execution.reset();
    this.decision = 0;
  }

  choose(
    n: number,
    tids: readonly number[],
    ops: readonly OpCode[],
    enabled: readonly boolean[],
    timePassed: boolean,
  ): number {
    this.execution.observe(n, tids, ops, enabled, timePassed);
    let count = 0;
    let at = -1;
    for (let i = 0; i < n; i++) {
      if (!enabled[i]) continue;
      if (at < 0) at = i;
      count++;
    }
    if (count > 1) {
      this.decision++;
      at = this.pick(n, tids, ops, enabled, count);
    }
    this.execution.push(tids[at], ops[at]);
    this.ran(tids[at], ops[at], n, tids, ops, enabled);
    return at;
  }

  /** One of the enabled (more than one). */
  protected abstract pick(
    n: number,
    tids: readonly number[],
    ops: readonly OpCode[],
    enabled: readonly boolean[],
    count: number,
  ): number;

  /** A step was taken, by choice or for lack of one. */
  protected ran(
    _tid: number,
    _op: OpCode,
    _n: number,
    _tids: readonly number[],
    _ops: readonly OpCode[],
    _enabled: readonly boolean[],
  ): void {}

  succeeded(): void {
    this.execution.succeeded();
  }

  end(n: number, tids: readonly number[], ops: readonly OpCode[]): void {
    this.executions++;
    if (this.decision > this.decisions) this.decisions = this.decision;
    if (this.execution.length > this.deepest) this.deepest = this.execution.length;
    this.execution.races(this.execution.length, n, tids, ops, () => undefined);
  }

  /** There is always another one. */
  advance(): boolean {
    return true;
  }
}

/** Everybody equally likely at every point. */
export class RandomWalk extends Sampler {
  protected pick(
    n: number,
    _tids: readonly number[],
    _ops: readonly OpCode[],
    enabled: readonly boolean[],
    count: number,
  ): number {
    let k = this.prng.below(count);
    for (let i = 0; i < n; i++) if (enabled[i] && k-- === 0) return i;
    return -1;
  }
}

/**
 * Random priorities, lowered at d - 1 random points. Hits a bug of depth d in a program of n tasks and k decisions with a
 * probability of at least 1 / (n k^(d-1)) in every execution.
 */
export class Pct extends Sampler {
  readonly depth: number;
  /** Most tasks at once so far. */
  tasks = 1;
  #priority = new Map<number, number>();
  #drops = new Set<number>();
  #floor = 0;

  constructor(seed: number, depth = 3) {
    super(seed);
    this.depth = depth;
  }

  /** The bound, with the n and k seen so far. */
  get bound(): number {
    return 1 / (this.tasks * this.decisions ** (this.depth - 1));
  }

  override begin(): void {
    super.begin();
    this.#priority.clear();
    this.#drops.clear();
    this.#floor = 0;
    for (let i = 1; i < this.depth; i++) this.#drops.add(1 + this.prng.below(this.decisions));
  }

  #of(tid: number): number {
    let p = this.#priority.get(tid);
    if (p === undefined) this.#priority.set(tid, (p = 1 + this.prng.below(1 << 30)));
    return p;
  }

  #best(n: number, tids: readonly number[], enabled: readonly boolean[]): number {
    let at = -1;
    for (let i = 0; i < n; i++) if (enabled[i] && (at < 0 || this.#of(tids[i]) > this.#of(tids[at]))) at = i;
    return at;
  }

  protected pick(
    n: number,
    tids: readonly number[],
    _ops: readonly OpCode[],
    enabled: readonly boolean[],
  ): number {
    if (n > this.tasks) this.tasks = n;
    if (this.#drops.has(this.decision)) this.#priority.set(tids[this.#best(n, tids, enabled)], --this.#floor);
    return this.#best(n, tids, enabled);
  }
}

/** A random priority for every event, drawn again for those that race with what was done. */
export class Pos extends Sampler {
  #priority = new Map<number, number>();

  override begin(): void {
    super.begin();
    this.#priority.clear();
  }

  #of(tid: number): number {
    let p = this.#priority.get(tid);
    if (p === undefined) this.#priority.set(tid, (p = this.prng.below(1 << 30)));
    return p;
  }

  protected pick(
    n: number,
    tids: readonly number[],
    _ops: readonly OpCode[],
    enabled: readonly boolean[],
  ): number {
    let at = -1;
    for (let i = 0; i < n; i++) if (enabled[i] && (at < 0 || this.#of(tids[i]) < this.#of(tids[at]))) at = i;
    return at;
  }

  protected override ran(
    tid: number,
    op: OpCode,
    n: number,
    tids: readonly number[],
    ops: readonly OpCode[],
    enabled: readonly boolean[],
  ): void {
    this.#priority.delete(tid);
    for (let i = 0; i < n; i++) if (enabled[i] && dependent(ops[i], op)) this.#priority.delete(tids[i]);
  }
}

/**
 * Tasks in proportion to what they still have to do, as counted in the execution before: every interleaving of
 * independent tasks is equally likely. With `interesting` (SURW), only the order of those operations is spread so.
 */
export class Urw extends Sampler {
  readonly #interesting: Interesting | null;
  #total = new Map<number, number>();
  #left = new Map<number, number>();
  #counts = new Map<number, number>();
  #intended = -1;

  constructor(seed: number, interesting: Interesting | null = null) {
    super(seed);
    this.#interesting = interesting;
  }

  override begin(): void {
    super.begin();
    for (const [t, c] of this.#counts) this.#total.set(t, c);
    this.#left = new Map(this.#total);
    this.#counts = new Map();
    this.#intended = -1;
  }

  #weight(tid: number): number {
    return Math.max(1, this.#left.get(tid) ?? 1);
  }

  #draw(n: number, tids: readonly number[], can: (i: number) => boolean): number {
    let sum = 0;
    for (let i = 0; i < n; i++) if (can(i)) sum += this.#weight(tids[i]);
    if (sum === 0) return -1;
    let k = this.prng.below(sum);
    for (let i = 0; i < n; i++) {
      if (!can(i)) continue;
      k -= this.#weight(tids[i]);
      if (k < 0) return i;
    }
    return -1;
  }

  protected pick(
    n: number,
    tids: readonly number[],
    ops: readonly OpCode[],
    enabled: readonly boolean[],
  ): number {
    const interesting = this.#interesting;
    if (interesting === null) return this.#draw(n, tids, (i) => enabled[i]);
    let at = tids.indexOf(this.#intended);
    if (at < 0 || at >= n || !enabled[at]) {
      at = this.#draw(n, tids, (i) => enabled[i]);
      this.#intended = tids[at];
    }
    // Others may do what does not matter; an operation that matters waits for the one whose turn it is.
    const free: number[] = [];
    for (let i = 0; i < n; i++)
      if (enabled[i] && (tids[i] === this.#intended || !interesting(ops[i]))) free.push(i);
    return free[this.prng.below(free.length)];
  }

  protected override ran(tid: number, op: OpCode): void {
    if (this.#interesting !== null && !this.#interesting(op)) return;
    this.#counts.set(tid, (this.#counts.get(tid) ?? 0) + 1);
    const left = this.#left.get(tid);
    if (left !== undefined) this.#left.set(tid, left - 1);
    if (tid === this.#intended) this.#intended = -1;
  }
}
