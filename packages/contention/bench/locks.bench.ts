// SPDX-License-Identifier: GPL-2.0-only
// Each lock, with nobody, lock_stat, lockdep, or both looking on, against a bare async-mutex Semaphore.
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
} from '@vfio-lab/locking';
import { type LockObserver, Machine } from '@vfio-lab/sim';
import { Semaphore } from 'async-mutex';
import { type Body, measure } from './measure.ts';

const PAIRS = 20_000;

const LOCKS: Record<string, () => Promise<void>> = {
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

const OBSERVERS: Record<string, () => LockObserver | null> = {
  'observers off': () => null,
  lock_stat: () => new LockStat(),
  lockdep: () => new Lockdep(),
  'lockdep and lock_stat': () => new LockWatch(new Lockdep(), new LockStat()),
};

const bare: Body = {
  name: 'bare async-mutex Semaphore',
  operations: PAIRS,
  async run() {
    const sem = new Semaphore(1);
    for (let i = 0; i < PAIRS; i++) {
      await sem.acquire();
      sem.release();
    }
  },
};

for (const [lock, body] of Object.entries(LOCKS)) {
  const bodies = Object.entries(OBSERVERS).map(([name, observer]) => ({
    name: `${lock}, ${name}`,
    operations: PAIRS,
    async run() {
      const m = new Machine();
      m.lock_observer = observer();
      await m.run(body);
    },
  }));
  await measure(`lock and unlock: ${lock}`, [bare, ...bodies], 150);
}
