// SPDX-License-Identifier: GPL-2.0-only
import { LockStatRow, Span } from '@vfio-lab/locking';
import { type HeldLock, type LockObserver, machine, type Obj, type Task } from '@vfio-lab/sim';
import type { Engine, EngineWatch, SpanKind } from './engine/engine.ts';
import { type Gate, lockKind, type LockKind } from './engine/gate.ts';
import type { Thread } from './engine/thread.ts';

/** A stretch of a task's time, or a hold of a lock, for the timeline. */
export interface TimelineSpan {
  task: string;
  what: SpanKind | 'hold';
  /** The lock waited for or held; '' for none. */
  lock: string;
  site: string;
  from: number;
  to: number;
}

/** Counters of one lock class in one mode, with the waits by the C function that waited. */
export class StatRow extends LockStatRow {
  readonly callers = new Map<string, Span>();
}

export interface StatClass {
  kind: LockKind | null;
  read: StatRow;
  write: StatRow;
}

/** So many stretches are kept for the timeline. */
const MAX_SPANS = 6000;

/**
 * Lock statistics under the engine, which knows who waited. C: kernel/locking/lockdep.c __lock_contended(), __lock_acquired()
 */
export class ContentionStat implements LockObserver, EngineWatch {
  readonly classes = new Map<string, StatClass>();
  readonly spans: TimelineSpan[] = [];
  timeline: boolean;
  engine: Engine | null = null;
  /** Last holder's processor and C function, by lock. */
  #last = new Map<Obj, { cpu: number; site: string }>();

  constructor(timeline: boolean) {
    this.timeline = timeline;
  }

  #row(lock: Obj, name: string, mode: 'read' | 'write'): StatRow {
    let stat = this.classes.get(name);
    if (stat === undefined) {
      stat = { kind: lockKind(lock), read: new StatRow(), write: new StatRow() };
      this.classes.set(name, stat);
    }
    return mode === 'read' ? stat.read : stat.write;
  }

  contended(gate: Gate | Obj, write: boolean | 'read' | 'write', thread: Thread | Task): void {
    // Called by the engine, which knows; the locks' own call (with a task) only guesses.
    if (typeof write === 'string') return;
    const { lock } = gate as Gate;
    const { task } = thread as Thread;
    const row = this.#row(lock, lock.name, write ? 'write' : 'read');
    const last = this.#last.get(lock);
    row.contentions++;
    if (last?.cpu !== task.cpu.id) row.con_bounces++;
    count(row.wait_sites, siteOf(task));
    count(row.hold_sites, last?.site ?? 'kernel');
  }

  acquired(lock: Obj, mode: 'read' | 'write', task: Task): void {
    const hold = task.held[task.held.length - 1];
    const row = this.#row(lock, className(hold), mode);
    const site = siteOf(task);
    row.acquisitions++;
    const cpu = task.cpu.id;
    const last = this.#last.get(lock);
    if (last === undefined) this.#last.set(lock, { cpu, site });
    if (last?.cpu !== cpu) row.acq_bounces++;
    if (last !== undefined) {
      last.cpu = cpu;
      last.site = site;
    }
    const thread = this.engine?.running;
    if (thread !== undefined && thread.waited >= 0) {
      row.wait.add(thread.waited);
      let caller = row.callers.get(site);
      if (caller === undefined) row.callers.set(site, (caller = new Span()));
      caller.add(thread.waited);
      thread.waited = -1;
    }
  }

  released(lock: Obj, held: HeldLock, task: Task): void {
    const { now } = machine.clock;
    this.#row(lock, className(held), held.mode).hold.add(now - held.since);
    if (this.timeline)
      this.#keep({
        task: task.name,
        what: 'hold',
        lock: lock.name,
        site: siteOf(task),
        from: held.since,
        to: now,
      });
  }

  span(thread: Thread, what: SpanKind, detail: string, from: number, to: number): void {
    this.#keep({ task: thread.task.name, what, lock: detail, site: siteOf(thread.task), from, to });
  }

  #keep(span: TimelineSpan): void {
    this.spans.push(span);
    if (this.spans.length >= MAX_SPANS) this.timeline = false;
  }
}

function className(hold: HeldLock): string {
  const { subclass } = hold;
  return subclass === undefined || subclass === 0 ? hold.lock.name : `${hold.lock.name}/${subclass}`;
}

/** The innermost C function of the driver that a task is in; the worker or 'kernel' outside of it. */
export function siteOf(task: Task): string {
  if (task.fns.length > 0) return task.site;
  return task.kind === 'user' ? 'kernel' : task.comm.replace(/:\d+$/, '');
}

function count(map: Map<string, number>, key: string): void {
  map.set(key, (map.get(key) ?? 0) + 1);
}
