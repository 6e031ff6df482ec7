// SPDX-License-Identifier: GPL-2.0-only
// Who waits for whom when nobody can go on any more.
import type { HeldLock, Task } from './task.ts';

/** Why a task cannot go on, and who would have to do what first. */
export interface Wait {
  task: string;
  /** What it waits for: the lock, the wait queue, the processor. */
  waits: string;
  /** Who has it or is to end the wait; '' when that is nobody. */
  on: string;
  /** How `on` keeps it: the lock held, what it is in the middle of, or the processor kept. */
  how: 'lock' | 'wait' | 'processor' | '';
  /** The C functions the task is in, outermost first. */
  fns: string[];
  /** What it holds, with the C functions that took it. */
  holds: { lock: string; mode: 'read' | 'write'; fns: string[] }[];
}

interface Blocked {
  on: Task | null;
  what: string;
  how: Wait['how'];
}

function holder(t: Task, tasks: readonly Task[]): { task: Task; hold: HeldLock } | null {
  for (const task of tasks) {
    // A reader waits for the writer, a writer for anybody.
    const hold = task.held.find((h) => h.lock === t.op.obj && (t.op.write || h.mode === 'write'));
    if (hold !== undefined) return { task, hold };
  }
  return null;
}

/** Who keeps a task from going on; all that can be known from outside. */
function blockedBy(t: Task, tasks: readonly Task[]): Blocked[] {
  const what = t.op.obj.name;
  const cpu = `processor ${t.cpu.id}`;
  if (t.op.enabled === undefined || t.op.enabled(t)) {
    const user = t.kind === 'hardirq' ? null : (t.cpu.irq_task ?? t.cpu.pinned);
    return user === null || user === t ? [] : [{ on: user, what: cpu, how: 'processor' }];
  }
  if (t.kind === 'hardirq' && !t.started) {
    const user = t.cpu.irq_task ?? t.cpu.pinned;
    return user === null ? [] : [{ on: user, what: cpu, how: 'processor' }];
  }
  const held = holder(t, tasks);
  if (t.op.kind === 'lock' && held !== null) return [{ on: held.task, what, how: 'lock' }];
  const awaited = t.op.awaits?.() ?? [];
  const ends = tasks.includes(t.op.obj as Task) ? [t.op.obj as Task, ...awaited] : awaited;
  return ends.length > 0 ? ends.map((on) => ({ on, what, how: 'wait' })) : [{ on: null, what, how: '' }];
}

function describe(t: Task, b: Blocked): Wait {
  return {
    task: t.name,
    waits: b.what,
    on: b.on?.name ?? '',
    how: b.how,
    fns: [...t.fns],
    holds: t.held.map((h) => ({ lock: h.lock.name, mode: h.mode, fns: [...(h.fns ?? [])] })),
  };
}

/** The first circle of waits, each task once, in the order of who waits for whom. Empty: there is none. */
function circle(stuck: readonly Task[]): Wait[] {
  const edges = new Map(stuck.map((t) => [t, blockedBy(t, stuck)]));
  for (const start of stuck) {
    const way: { task: Task; by: Blocked }[] = [];
    const seen = new Set<Task>();
    const walk = (t: Task): boolean => {
      for (const by of edges.get(t) ?? []) {
        if (by.on === null) continue;
        way.push({ task: t, by });
        if (by.on === start) return true;
        if (edges.has(by.on) && !seen.has(by.on)) {
          seen.add(by.on);
          if (walk(by.on)) return true;
        }
        way.pop();
      }
      return false;
    };
    if (walk(start)) return way.map(({ task, by }) => describe(task, by));
  }
  return [];
}

function sentence(w: Wait): string {
  const what = w.how === 'wait' ? `${w.waits} (${w.on === w.task ? 'itself' : w.on})` : w.waits;
  const where = w.fns.length === 0 ? '' : ` in ${w.fns[w.fns.length - 1]}`;
  const holding = w.holds.length === 0 ? '' : ` holding ${w.holds.map((h) => h.lock).join(', ')}`;
  return `${w.task} waits for ${what}${where}${holding}`;
}

/** What a deadlock is made of. */
export interface Deadlock {
  /** Of whom the finding is told. */
  first: Task;
  text: string;
  /** The circle, each waiting for the next and the last for the first; empty when somebody waits for nobody. */
  cycle: Wait[];
  /** Everybody who cannot go on. */
  tasks: Wait[];
}

/** Explain why nobody of `stuck` (at least one) can go on. */
export function explainDeadlock(stuck: readonly Task[]): Deadlock {
  const cycle = circle(stuck);
  const tasks = stuck.map((t) =>
    describe(t, blockedBy(t, stuck)[0] ?? { on: null, what: t.op.obj.name, how: '' }),
  );
  // Who only waits for a stuck task to end is not part of the knot.
  const tied = tasks.filter((_, i) => !stuck.includes(stuck[i].op.obj as Task));
  const told = cycle.length > 0 ? cycle : tied.length > 0 ? tied : tasks;
  return {
    first: stuck.find((t) => t.name === told[0].task) as Task,
    text: told.map(sentence).join('; '),
    cycle,
    tasks,
  };
}
