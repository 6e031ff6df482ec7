// SPDX-License-Identifier: GPL-2.0-only
import { type HeldLock, type LockObserver, machine, type Obj, report, type Task } from '@vfio-lab/sim';
import { mutex } from './mutex.ts';
import { rw_semaphore } from './rwsem.ts';
import { spinlock_t } from './spinlock.ts';

/** "While holding `from`, `to` was taken", with where that was seen first. */
export interface LockEdge {
  from: string;
  to: string;
  /** C functions, outermost first, of the task that made the edge. */
  fns: string[];
  task: string;
}

/** A lock class: all locks initialised under one name. */
export interface LockClass {
  name: string;
  /** Taken in a hard-IRQ handler. */
  in_hardirq: boolean;
  /** Held with interrupts on. */
  irqs_on: boolean;
}

/** Classes that lockdep does not validate in the kernel either (lockdep_set_novalidate_class). */
const NOVALIDATE = new Set(['&dev->mutex']);

/**
 * The lock-order graph by class, as the kernel's lockdep learns it: held -> taken, trylocks make no incoming edge,
 * and a report the first time an order is inverted, a class recurses, or an irq-safe lock is taken irq-unsafely.
 */
export class Lockdep implements LockObserver {
  readonly classes = new Map<string, LockClass>();
  readonly edges = new Map<string, LockEdge>();
  private out = new Map<string, Set<string>>();
  private reported = new Set<string>();

  contended(): void {}

  acquired(lock: Obj, mode: 'read' | 'write', task: Task, _waited: number, tried: boolean): void {
    const name = lock.name;
    let cls = this.classes.get(name);
    if (cls === undefined) this.classes.set(name, (cls = { name, in_hardirq: false, irqs_on: false }));
    const held = task.held;
    if (lock instanceof spinlock_t) this.usage(cls, task);
    if (held.length < 2 || tried || NOVALIDATE.has(name)) return;
    for (let i = held.length - 2; i >= 0; i--) {
      const from = held[i].lock.name;
      if (NOVALIDATE.has(from)) continue;
      if (from === name) {
        if (!held[held.length - 1].subclass) this.recursion(held[i], lock, mode);
        continue;
      }
      const out = this.out.get(from);
      if (out !== undefined && out.has(name)) continue;
      this.edge(from, name, task);
    }
  }

  released(_lock: Obj, _held: HeldLock, _task: Task): void {}

  /** Is there a way from class `from` to class `to`? Returns the classes on it, both ends included, or null. */
  path(from: string, to: string): string[] | null {
    const back = new Map<string, string>([[from, '']]);
    const queue = [from];
    for (let i = 0; i < queue.length; i++) {
      if (queue[i] === to) {
        const way: string[] = [];
        for (let at = to; at !== ''; at = back.get(at) as string) way.unshift(at);
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

  private edge(from: string, to: string, task: Task): void {
    const cycle = this.path(to, from);
    let out = this.out.get(from);
    if (out === undefined) this.out.set(from, (out = new Set()));
    out.add(to);
    this.edges.set(`${from} -> ${to}`, { from, to, fns: [...task.fns], task: task.name });
    if (cycle !== null) {
      const other = this.edges.get(`${cycle[0]} -> ${cycle[1]}`);
      report('lockdep-inversion', `${from} -> ${to} here, ${cycle.join(' -> ')} before`, {
        cycle: [from, ...cycle],
        before: other === undefined ? null : { task: other.task, fns: other.fns },
      });
    }
  }

  private recursion(held: HeldLock, lock: Obj, mode: 'read' | 'write'): void {
    const key = `recursion ${lock.name}`;
    if (this.reported.has(key)) return;
    this.reported.add(key);
    const same = held.lock === lock ? 'the same lock' : 'another lock of the class';
    report('lockdep-recursion', `${lock.name} taken for ${mode} while ${same} is held for ${held.mode}`, {
      first: held.site,
    });
  }

  private usage(cls: LockClass, task: Task): void {
    if (task.kind === 'hardirq') cls.in_hardirq = true;
    else if (!task.cpu.irqs_off) cls.irqs_on = true;
    if (cls.in_hardirq && cls.irqs_on && !this.reported.has(cls.name)) {
      this.reported.add(cls.name);
      report('lockdep-irq', `${cls.name} is taken in a hard-IRQ handler and also with interrupts on`);
    }
  }
}

/** The machine's lockdep, when it watches its locks. */
export function lockdep_of(observer: LockObserver | null): Lockdep | null {
  if (observer instanceof Lockdep) return observer;
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

/** Timeline entries for lock operations; put in front of another observer when the machine is tracing. */
export class LockTrace implements LockObserver {
  readonly next: LockObserver | null;

  constructor(next: LockObserver | null) {
    this.next = next;
  }

  contended(lock: Obj, mode: 'read' | 'write', task: Task): void {
    if (machine.tracing) this.event(task, `wait ${lock.name}`, mode);
    this.next?.contended(lock, mode, task);
  }

  acquired(lock: Obj, mode: 'read' | 'write', task: Task, waited: number, tried: boolean): void {
    if (machine.tracing) this.event(task, `${verb(lock, mode, true)} ${lock.name}`, mode);
    this.next?.acquired(lock, mode, task, waited, tried);
  }

  released(lock: Obj, held: HeldLock, task: Task): void {
    if (machine.tracing) this.event(task, `${verb(lock, held.mode, false)} ${lock.name}`, held.mode);
    this.next?.released(lock, held, task);
  }

  private event(task: Task, text: string, mode: string): void {
    machine.events.push({
      at: machine.clock.now,
      task: task.name,
      fn: task.site,
      kind: 'lock',
      text,
      data: { mode },
    });
  }
}

function verb(lock: Obj, mode: 'read' | 'write', taken: boolean): string {
  if (lock instanceof rw_semaphore) return `${taken ? 'down' : 'up'}_${mode}`;
  const kind = lock instanceof mutex ? 'mutex' : 'spin';
  return `${kind}_${taken ? 'lock' : 'unlock'}`;
}
