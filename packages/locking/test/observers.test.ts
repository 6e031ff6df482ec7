// SPDX-License-Identifier: GPL-2.0-only
import { describe, expect, it } from 'vitest';
import {
  current,
  delay_ns,
  join,
  Machine,
  type Finding,
  type LockObserver,
  spawn,
  yield_now,
} from '@vfio-lab/sim';
import {
  down_read,
  down_write,
  Lockdep,
  lockdep_of,
  LockStat,
  LockTrace,
  LockWatch,
  mutex,
  mutex_lock,
  mutex_trylock,
  mutex_unlock,
  rw_semaphore,
  spin_lock,
  spin_lock_irqsave,
  spin_unlock,
  spin_unlock_irqrestore,
  spinlock_t,
  up_read,
  up_write,
} from '../src/index.ts';

async function run(observer: LockObserver, body: () => Promise<void>, tracing = false): Promise<Machine> {
  const m = new Machine({ tracing });
  m.lock_observer = observer;
  await m.run(body);
  return m;
}

const kinds = (f: Finding[]): string[] => f.map((x) => x.kind);

async function nest(outer: mutex, inner: mutex): Promise<void> {
  await mutex_lock(outer);
  await mutex_lock(inner);
  await mutex_unlock(inner);
  await mutex_unlock(outer);
}

describe('lockdep', () => {
  it('learns held -> taken by class', async () => {
    const dep = new Lockdep();
    const m = await run(dep, async () => {
      current.fns.push('vfio_pci_core_enable');
      await nest(new mutex('a'), new mutex('b'));
      await nest(new mutex('b'), new mutex('c'));
    });
    expect([...dep.edges.keys()]).toEqual(['a -> b', 'b -> c']);
    expect(dep.edges.get('a -> b')).toMatchObject({ fns: ['vfio_pci_core_enable'], task: 'main' });
    expect(dep.path('a', 'c')).toEqual(['a', 'b', 'c']);
    expect(dep.path('c', 'a')).toBeNull();
    expect(m.findings).toEqual([]);
  });

  it('reports an inversion from single runs, over several locks, once', async () => {
    const m = await run(new Lockdep(), async () => {
      await nest(new mutex('a'), new mutex('b'));
      await nest(new mutex('b'), new mutex('c'));
      await nest(new mutex('c'), new mutex('a'));
      await nest(new mutex('c'), new mutex('a'));
    });
    expect(kinds(m.findings)).toEqual(['lockdep-inversion']);
    expect(m.findings[0].text).toBe('c -> a here, a -> b -> c before');
  });

  it('is silent on trylocks and on the device mutex', async () => {
    const m = await run(new Lockdep(), async () => {
      const a = new mutex('a');
      const b = new mutex('b');
      await nest(a, b);
      await mutex_lock(b);
      await mutex_trylock(a);
      await mutex_unlock(a);
      await mutex_unlock(b);
      await nest(new mutex('&dev->mutex'), new mutex('&dev->mutex'));
      await nest(a, new mutex('&dev->mutex'));
      await nest(new mutex('&dev->mutex'), a);
    });
    expect(m.findings).toEqual([]);
  });

  it('reports a class taken inside itself, a read inside a read too', async () => {
    const m = await run(new Lockdep(), async () => {
      await nest(new mutex('a'), new mutex('a'));
      const s = new rw_semaphore('s');
      await down_read(s);
      await down_read(s);
      await up_read(s);
      await up_read(s);
      await down_read(s);
      await down_read(s);
    });
    expect(kinds(m.findings)).toEqual(['lockdep-recursion', 'lockdep-recursion']);
    expect(m.findings[1].text).toContain('the same lock is held for read');
  });

  it('reports a lock of a handler that is also taken with interrupts on', async () => {
    const handler = (l: spinlock_t) => async (): Promise<void> => {
      const flags = await spin_lock_irqsave(l);
      await spin_unlock_irqrestore(l, flags);
    };
    const body = (safe: boolean) => async (): Promise<void> => {
      const l = new spinlock_t('&x->irqlock');
      spawn('irq', handler(l), { kind: 'hardirq' });
      await yield_now();
      if (safe) await handler(l)();
      else {
        await spin_lock(l);
        await spin_unlock(l);
      }
    };
    expect(kinds((await run(new Lockdep(), body(true))).findings)).toEqual([]);
    expect(kinds((await run(new Lockdep(), body(false))).findings)).toEqual(['lockdep-irq']);
  });
});

describe('lock_stat', () => {
  it('counts acquisitions, contentions, waits and holds in virtual time', async () => {
    const stat = new LockStat();
    await run(new LockWatch(new Lockdep(), stat), async () => {
      const l = new mutex('&vdev->igate');
      current.fns.push('vfio_pci_ioctl');
      await mutex_lock(l);
      const waiter = spawn('waiter', async () => {
        current.fns.push('vfio_pci_set_irqs');
        await mutex_lock(l);
        delay_ns(30);
        await mutex_unlock(l);
      });
      const ready = spawn('go', () => {});
      await join(ready);
      delay_ns(100);
      await mutex_unlock(l);
      await join(waiter);
    });
    const row = stat.row('&vdev->igate', 'write');
    expect(row).toMatchObject({ acquisitions: 2, contentions: 1, acq_bounces: 2, con_bounces: 1 });
    expect(row.wait).toMatchObject({ n: 1, min: 100, max: 100, total: 100 });
    expect(row.hold).toMatchObject({ n: 2, min: 30, max: 100, total: 130 });
    expect([...row.wait_sites]).toEqual([['vfio_pci_set_irqs', 1]]);
    expect([...row.hold_sites]).toEqual([['vfio_pci_ioctl', 1]]);
  });

  it('keeps readers and writers apart', async () => {
    const stat = new LockStat();
    await run(stat, async () => {
      const s = new rw_semaphore('&vdev->memory_lock');
      await down_read(s);
      await up_read(s);
      await down_write(s);
      await up_write(s);
      await down_write(s);
      await up_write(s);
    });
    expect(stat.row('&vdev->memory_lock', 'read').acquisitions).toBe(1);
    expect(stat.row('&vdev->memory_lock', 'write').acquisitions).toBe(2);
  });
});

describe('observers together', () => {
  it('the trace passes everything on', async () => {
    const dep = new Lockdep();
    const stat = new LockStat();
    const watch = new LockWatch(dep, stat);
    const m = await run(
      new LockTrace(watch),
      async () => {
        const a = new mutex('a');
        await nest(a, new mutex('b'));
        const s = new spinlock_t('l');
        await spin_lock(s);
        await spin_unlock(s);
        await mutex_lock(a);
        const w = spawn('w', async () => {
          await mutex_lock(a);
          await mutex_unlock(a);
        });
        await join(spawn('go', () => {}));
        await mutex_unlock(a);
        await join(w);
      },
      true,
    );
    expect(m.events.map((e) => e.text)).toEqual([
      'mutex_lock a',
      'mutex_lock b',
      'mutex_unlock b',
      'mutex_unlock a',
      'spin_lock l',
      'spin_unlock l',
      'mutex_lock a',
      'wait a',
      'mutex_unlock a',
      'mutex_lock a',
      'mutex_unlock a',
    ]);
    expect(dep.edges.size).toBe(1);
    expect(stat.row('a', 'write').acquisitions).toBe(3);
    expect(lockdep_of(watch)).toBe(dep);
    expect(lockdep_of(dep)).toBe(dep);
    expect(lockdep_of(null)).toBeNull();
  });
});
