// SPDX-License-Identifier: GPL-2.0-only
// The cost of a lock+unlock pair against a bare async-mutex Semaphore, as ratios within one run.
import { Semaphore } from 'async-mutex';
import { Machine, type LockObserver } from '@vfio-lab/sim';
import {
  down_read,
  down_write,
  Lockdep,
  LockStat,
  LockWatch,
  mutex,
  mutex_lock,
  mutex_unlock,
  rw_semaphore,
  spin_lock,
  spin_unlock,
  spinlock_t,
  up_read,
  up_write,
} from '../src/index.ts';

const PAIRS = 200_000;
const ROUNDS = 15;

async function bare(): Promise<void> {
  const sem = new Semaphore(1);
  for (let i = 0; i < PAIRS; i++) {
    await sem.acquire();
    sem.release();
  }
}

const ours: Record<string, () => Promise<void>> = {
  async mutex() {
    const l = new mutex('&bench->mutex');
    for (let i = 0; i < PAIRS; i++) {
      await mutex_lock(l);
      await mutex_unlock(l);
    }
  },
  async spinlock() {
    const l = new spinlock_t('&bench->spinlock');
    for (let i = 0; i < PAIRS; i++) {
      await spin_lock(l);
      await spin_unlock(l);
    }
  },
  async 'rw_semaphore, read'() {
    const l = new rw_semaphore('&bench->rwsem');
    for (let i = 0; i < PAIRS; i++) {
      await down_read(l);
      await up_read(l);
    }
  },
  async 'rw_semaphore, write'() {
    const l = new rw_semaphore('&bench->rwsem');
    for (let i = 0; i < PAIRS; i++) {
      await down_write(l);
      await up_write(l);
    }
  },
};

async function timed(body: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await body();
  return performance.now() - start;
}

function on_machine(body: () => Promise<void>, observer: () => LockObserver | null): () => Promise<void> {
  return async () => {
    const m = new Machine();
    m.lock_observer = observer();
    await m.run(body);
  };
}

const median = (xs: number[]): number => xs.sort((a, b) => a - b)[xs.length >> 1];
const watch = (): LockObserver => new LockWatch(new Lockdep(), new LockStat());

const rows: Array<{ lock: string; off: number; on: number }> = [];
for (const [lock, body] of Object.entries(ours)) {
  const off: number[] = [];
  const on: number[] = [];
  for (let r = 0; r < ROUNDS; r++) {
    const base = await timed(bare);
    off.push((await timed(on_machine(body, () => null))) / base);
    on.push((await timed(on_machine(body, watch))) / base);
  }
  rows.push({ lock, off: median(off), on: median(on) });
}

console.log('lock+unlock against a bare async-mutex Semaphore (median of ratios taken side by side)');
console.log('lock                  observers off   lockdep + lock_stat   budget');
for (const r of rows) {
  console.log(
    `${r.lock.padEnd(20)}  ${r.off.toFixed(2).padStart(12)}x  ${r.on.toFixed(2).padStart(19)}x   1.2x / 2.5x`,
  );
}
if (rows.some((r) => r.off > 1.2 || r.on > 2.5)) {
  console.log('over the budget');
  process.exitCode = 1;
}
