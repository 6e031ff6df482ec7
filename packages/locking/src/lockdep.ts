// SPDX-License-Identifier: GPL-2.0-only
import {
  CONSTANT,
  hash_with,
  type HeldLock,
  type LockObserver,
  NOT_STATE,
  type Obj,
  report,
  type Task,
} from '@vfio-lab/sim';
import { type LockClass, LockUsage, usage_of } from './lock-usage.ts';
import type { Hold } from './observe.ts';

/** "While holding `from`, `to` was taken", with where that was seen first. */
export interface LockEdge {
  readonly from: string;
  readonly to: string;
  readonly task: string;
  /** C functions, outermost first, that the task was in when it took `to`. */
  readonly fns: readonly string[];
  /** Those that it was in when it took `from`. */
  readonly outer_fns: readonly string[];
  /** All that it held when it took `to`, outermost first. */
  readonly held: readonly string[];
}

/** Classes that lockdep does not validate in the kernel either (lockdep_set_novalidate_class). */
const NOVALIDATE = new Set(['&dev->mutex']);

/**
 * The lock-order graph by class, as the kernel's lockdep learns it: held -> taken, also across locks in between;
 * trylocks make no incoming edge. It reports the first time
 *
 * 1. an order is inverted (`lockdep-inversion`),
 * 2. a class is taken inside itself without an annotation (`lockdep-recursion`),
 * 3. a class that handlers take is also taken with interrupts on (`lockdep-irq`),
 * 4. inside a class that handlers take, one is taken that is elsewhere taken with interrupts on (`lockdep-irq-order`).
 */
export class Lockdep implements LockObserver {
  readonly edges = new Map<string, LockEdge>();
  /** Held when `to` was taken by a trylock: nobody waits, so these make no order. */
  readonly tried_edges = new Map<string, LockEdge>();
  private readonly usage = new LockUsage();
  private readonly out = new Map<string, Set<string>>();
  private readonly reported = new Set<string>();

  /** Numbers for what was learned and what was told. */
  private edges_hash = 0;
  private reported_hash = 0;

  /** What was learned counts, not in which order or where. */
  get [NOT_STATE](): readonly string[] {
    return ['edges', 'tried_edges', 'out', 'reported'];
  }

  /** Lock classes that were taken, by name. */
  get classes(): ReadonlyMap<string, LockClass> {
    return this.usage.classes;
  }

  contended(): void {}

  acquired(lock: Obj, mode: 'read' | 'write', task: Task, _waited: number, tried: boolean): void {
    const name = lock.name;
    if (this.usage.note(name, mode, task, tried)) this.check_usage(name);
    const held = task.held;
    if ((held.length < 2 && task.maps.length === 0) || NOVALIDATE.has(name)) return;
    if (tried) {
      this.tried(name, task);
      return;
    }
    for (const map of task.maps) if (!this.knows(map, name)) this.edge(map, name, task, task.fns);
    for (let i = held.length - 2; i >= 0; i--) {
      const from = held[i].lock.name;
      if (NOVALIDATE.has(from)) continue;
      if (from === name) {
        const subclass = held[held.length - 1].subclass ?? 0;
        if (subclass === 0) this.recursion(held[i], lock, mode, task);
        else this.edge(name, `${name}/${subclass}`, task, held[i].fns);
        continue;
      }
      if (!this.knows(from, name)) this.edge(from, name, task, held[i].fns);
    }
  }

  released(_lock: Obj, _held: HeldLock, _task: Task): void {}

  /** The task might take the lock here: whether it does or not, the order counts. */
  might_lock(hold: Hold, task: Task): void {
    task.held.push(hold);
    this.acquired(hold.lock, hold.mode, task, 0, false);
    task.held.pop();
  }

  /** Is there a way from class `from` to class `to`? Returns the classes on it, both ends included, or null. */
  path(from: string, to: string): string[] | null {
    return this.search(from, (name) => name === to);
  }

  /** The shortest way from a class to one that is wanted, both ends included. */
  private search(from: string, wanted: (name: string) => boolean): string[] | null {
    const back = new Map<string, string>([[from, '']]);
    const queue = [from];
    for (let i = 0; i < queue.length; i++) {
      if (wanted(queue[i])) {
        const way: string[] = [];
        for (let at = queue[i]; at !== ''; at = back.get(at) as string) way.unshift(at);
        return way;
      }
      for (const next of this.out.get(queue[i]) ?? []) {
        if (back.has(next)) continue;
        back.set(next, queue[i]);
        queue.push(next);
      }
    }
    return null;
  }

  /** The task goes into what is no lock; see lock_map_acquire(). */
  map_acquired(name: string, task: Task, tried: boolean): void {
    if (tried) return;
    for (const map of task.maps) if (map !== name) this.edge(map, name, task, task.fns);
    for (const { lock, fns } of task.held)
      if (!NOVALIDATE.has(lock.name)) this.edge(lock.name, name, task, fns);
  }

  private knows(from: string, to: string): boolean {
    const out = this.out.get(from);
    return out !== undefined && out.has(to);
  }

  private tried(to: string, task: Task): void {
    for (const outer of task.held.slice(0, -1)) {
      const from = outer.lock.name;
      const key = `${from} -> ${to}`;
      if (!NOVALIDATE.has(from) && !this.tried_edges.has(key))
        this.tried_edges.set(key, new Edge(from, to, task, outer.fns));
    }
  }

  private edge(from: string, to: string, task: Task, outer_fns: readonly string[] | undefined): void {
    if (this.knows(from, to)) return;
    // Most classes are taken inside of others only.
    const cycle = this.out.has(to) ? this.path(to, from) : null;
    let out = this.out.get(from);
    if (out === undefined) this.out.set(from, (out = new Set()));
    out.add(to);
    const edge = new Edge(from, to, task, outer_fns);
    const name = `${from} -> ${to}`;
    this.edges.set(name, edge);
    this.edges_hash = hash_with(this.edges_hash, name);
    if (cycle !== null) {
      report('lockdep-inversion', `${from} -> ${to} here, ${cycle.join(' -> ')} before`, {
        cycle: [from, ...cycle],
        edges: [edge, ...this.along(cycle)],
      });
    }
    for (const [name, cls] of this.classes) {
      if (cls.in_hardirq && (name === from || this.out.has(name)) && this.path(name, from) !== null)
        this.check_order(name);
    }
  }

  private along(way: readonly string[]): LockEdge[] {
    return way.slice(1).map((to, i) => this.edges.get(`${way[i]} -> ${to}`) as LockEdge);
  }

  private once(key: string): boolean {
    if (this.reported.has(key)) return false;
    this.reported.add(key);
    this.reported_hash = hash_with(this.reported_hash, key);
    return true;
  }

  private recursion(held: HeldLock, lock: Obj, mode: 'read' | 'write', task: Task): void {
    if (!this.once(`recursion ${lock.name}`)) return;
    const same = held.lock === lock ? 'the same lock' : 'another lock of the class';
    report('lockdep-recursion', `${lock.name} taken for ${mode} while ${same} is held for ${held.mode}`, {
      first: held.site,
      edges: [new Edge(lock.name, lock.name, task, held.fns)],
    });
  }

  /** The usage of a class has changed: rules 3 and 4. */
  private check_usage(name: string): void {
    const cls = this.classes.get(name) as LockClass;
    if (cls.in_hardirq && cls.irqs_on && this.once(`irq ${name}`)) {
      report('lockdep-irq', `${name} is taken in a hard-IRQ handler and also with interrupts on`, {
        usage: usage_of(cls),
        in_handler: cls.hardirq_at,
        with_interrupts_on: cls.irqs_on_at,
      });
    }
    for (const [outer, c] of this.classes) if (c.in_hardirq) this.check_order(outer);
  }

  /** Rule 4, from a class that handlers take. */
  private check_order(outer: string): void {
    const way = this.search(outer, (name) => name !== outer && (this.classes.get(name)?.irqs_on ?? false));
    if (way === null || !this.once(`order ${outer} ${way[way.length - 1]}`)) return;
    const inner = this.classes.get(way[way.length - 1]) as LockClass;
    const text = `${outer}, which a hard-IRQ handler takes, is held when ${inner.name} is taken, which elsewhere is held with interrupts on`;
    report('lockdep-irq-order', text, {
      way,
      edges: this.along(way),
      in_handler: (this.classes.get(outer) as LockClass).hardirq_at,
      with_interrupts_on: inner.irqs_on_at,
    });
  }
}

/** Made anew in every run for what the run learns. */
class Edge implements LockEdge {
  readonly from: string;
  readonly to: string;
  readonly task: string;
  readonly fns: readonly string[];
  readonly outer_fns: readonly string[];
  readonly held: readonly string[];

  constructor(from: string, to: string, task: Task, outer_fns: readonly string[] | undefined) {
    this.from = from;
    this.to = to;
    this.task = task.name;
    this.fns = copy(task.fns);
    this.outer_fns = copy(outer_fns);
    const held = task.held.map((h) => h.lock.name);
    if (held.at(-1) === to) held.pop();
    this.held = held;
  }

  get [CONSTANT](): boolean {
    return true;
  }
}

const NONE: readonly string[] = [];

function copy(fns: readonly string[] | undefined): readonly string[] {
  return fns === undefined || fns.length === 0 ? NONE : fns.slice();
}

/** The machine's lockdep, when it watches its locks. */
export function lockdep_of(observer: LockObserver | null): Lockdep | null {
  if (observer instanceof Lockdep) return observer;
  if (observer !== null && 'next' in observer) return lockdep_of(observer.next as LockObserver | null);
  return observer instanceof LockWatch ? observer.lockdep : null;
}

/** Lockdep and lock_stat in one observer. */
export class LockWatch implements LockObserver {
  readonly lockdep: Lockdep;
  readonly stat: LockObserver;

  constructor(lockdep: Lockdep, stat: LockObserver) {
    this.lockdep = lockdep;
    this.stat = stat;
  }

  contended(lock: Obj, mode: 'read' | 'write', task: Task): void {
    this.stat.contended(lock, mode, task);
  }

  acquired(lock: Obj, mode: 'read' | 'write', task: Task, waited: number, tried: boolean): void {
    this.lockdep.acquired(lock, mode, task, waited, tried);
    this.stat.acquired(lock, mode, task, waited, tried);
  }

  released(lock: Obj, held: HeldLock, task: Task): void {
    this.stat.released(lock, held, task);
  }
}
