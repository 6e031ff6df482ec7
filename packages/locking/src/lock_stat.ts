// SPDX-License-Identifier: GPL-2.0-only
import { type HeldLock, type LockObserver, machine, type Obj, type Task } from '@vfio-lab/sim';

/** Minimum, maximum and sum of a duration in virtual ns. `n` is 0 when nothing was measured. */
export class Span {
  n = 0;
  min = 0;
  max = 0;
  total = 0;

  add(ns: number): void {
    if (this.n === 0 || ns < this.min) this.min = ns;
    if (ns > this.max) this.max = ns;
    this.total += ns;
    this.n++;
  }
}

/** The counters of one row of /proc/lock_stat: a lock class, readers and writers apart for rw_semaphores. */
export class LockStatRow {
  con_bounces = 0;
  contentions = 0;
  acq_bounces = 0;
  acquisitions = 0;
  readonly wait = new Span();
  readonly hold = new Span();
  /** How often a task had to wait, by the C function it waited in. */
  readonly wait_sites = new Map<string, number>();
  /** And by the C function of the one that held the lock then. */
  readonly hold_sites = new Map<string, number>();
  last_cpu = -1;
}

interface ClassStat {
  read: LockStatRow;
  write: LockStatRow;
}

/** Collects what /proc/lock_stat shows, per lock class. Times are virtual. C: kernel/locking/lockdep.c lock_contended(), lock_acquired() */
export class LockStat implements LockObserver {
  readonly classes = new Map<string, ClassStat>();
  private holders = new Map<Obj, string>();

  row(name: string, mode: 'read' | 'write'): LockStatRow {
    let stat = this.classes.get(name);
    if (stat === undefined)
      this.classes.set(name, (stat = { read: new LockStatRow(), write: new LockStatRow() }));
    return mode === 'read' ? stat.read : stat.write;
  }

  contended(lock: Obj, mode: 'read' | 'write', task: Task): void {
    const row = this.row(lock.name, mode);
    row.contentions++;
    if (row.last_cpu !== task.cpu.id) row.con_bounces++;
    count(row.wait_sites, task.site);
    count(row.hold_sites, this.holders.get(lock) ?? '');
  }

  acquired(lock: Obj, mode: 'read' | 'write', task: Task, waited: number, _tried: boolean): void {
    const row = this.row(lock.name, mode);
    row.acquisitions++;
    if (row.last_cpu !== task.cpu.id) {
      row.acq_bounces++;
      row.last_cpu = task.cpu.id;
    }
    if (waited > 0) row.wait.add(waited);
    if (task.fns.length > 0) this.holders.set(lock, task.site);
  }

  released(lock: Obj, held: HeldLock, _task: Task): void {
    this.row(lock.name, held.mode).hold.add(machine.clock.now - held.since);
  }
}

function count(map: Map<string, number>, key: string): void {
  map.set(key, (map.get(key) ?? 0) + 1);
}
