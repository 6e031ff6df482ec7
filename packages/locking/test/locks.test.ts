// SPDX-License-Identifier: GPL-2.0-only
import { describe, expect, it } from 'vitest';
import { current, join, machine, Machine, RandomPolicy, spawn, yield_now, type Finding } from '@vfio-lab/sim';
import {
  down_read,
  down_read_trylock,
  down_write,
  down_write_trylock,
  downgrade_write,
  holds,
  in_atomic,
  init_rwsem,
  lockdep_assert_held,
  lockdep_assert_held_read,
  lockdep_assert_held_write,
  lockdep_assert_not_held,
  mutex,
  mutex_destroy,
  mutex_init,
  mutex_is_locked,
  mutex_lock,
  mutex_lock_interruptible,
  mutex_trylock,
  mutex_unlock,
  rw_semaphore,
  rwsem_is_locked,
  spin_is_locked,
  spin_lock,
  spin_lock_init,
  spin_lock_irq,
  spin_lock_irqsave,
  spin_trylock,
  spin_unlock,
  spin_unlock_irq,
  spin_unlock_irqrestore,
  spinlock_t,
  up_read,
  up_write,
} from '../src/index.ts';

/** Run under run-to-block (seed undefined) or a random schedule; returns the findings. */
async function run(body: () => Promise<void>, seed?: number): Promise<Finding[]> {
  const m = new Machine(seed === undefined ? {} : { policy: new RandomPolicy(seed) });
  await m.run(body);
  return m.findings;
}

const kinds = (findings: Finding[]): string[] => findings.map((f) => f.kind);

/** `n` tasks that each enter a critical section a few times; returns the most that were inside at once. */
async function crowd(n: number, enter: () => unknown, leave: () => unknown, seed: number): Promise<number> {
  let inside = 0;
  let most = 0;
  await run(async () => {
    const tasks = Array.from({ length: n }, (_, i) =>
      spawn(`t${i}`, async () => {
        for (let k = 0; k < 3; k++) {
          await enter();
          most = Math.max(most, ++inside);
          await yield_now();
          inside--;
          await leave();
        }
      }),
    );
    for (const t of tasks) await join(t);
  }, seed);
  expect(inside).toBe(0);
  return most;
}

describe('mutex', () => {
  it('lets one task in at a time under any schedule', async () => {
    for (let seed = 0; seed < 30; seed++) {
      const l = new mutex();
      expect(
        await crowd(
          4,
          () => mutex_lock(l),
          () => mutex_unlock(l),
          seed,
        ),
      ).toBe(1);
    }
  });

  it('trylock takes it or says no, never waits', async () => {
    const l = new mutex();
    expect(
      await run(async () => {
        expect(await mutex_trylock(l)).toBe(1);
        expect(mutex_is_locked(l)).toBe(true);
        expect(await mutex_trylock(l)).toBe(0);
        await mutex_unlock(l);
        expect(mutex_is_locked(l)).toBe(false);
      }),
    ).toEqual([]);
  });

  it('only the owner may unlock', async () => {
    const l = new mutex();
    mutex_init(l, '&x->lock');
    const findings = await run(async () => {
      await mutex_unlock(l);
      await mutex_lock(l);
      await join(spawn('other', () => mutex_unlock(l)));
      expect(mutex_is_locked(l)).toBe(false);
    });
    expect(findings.map((f) => f.text)).toEqual([
      'main unlocks &x->lock, which nobody holds',
      'other unlocks &x->lock, which main holds',
    ]);
  });

  it('taken twice by one task is a deadlock', async () => {
    const l = new mutex('&x->lock');
    const findings = await run(async () => {
      await mutex_lock(l);
      await mutex_lock(l);
    });
    expect(kinds(findings)).toEqual(['deadlock']);
    expect(findings[0].text).toBe('main waits for &x->lock holding &x->lock');
  });

  it('an AB-BA pair deadlocks under some schedule and not under run-to-block', async () => {
    const abba = async (seed?: number): Promise<string[]> => {
      const a = new mutex('a');
      const b = new mutex('b');
      const both = (x: mutex, y: mutex) => async (): Promise<void> => {
        await mutex_lock(x);
        await mutex_lock(y);
        await mutex_unlock(y);
        await mutex_unlock(x);
      };
      return kinds(
        await run(async () => {
          spawn('1', both(a, b));
          spawn('2', both(b, a));
          await Promise.resolve();
        }, seed),
      );
    };
    expect(await abba()).toEqual([]);
    const outcomes = new Set<string>();
    for (let seed = 0; seed < 50; seed++) outcomes.add((await abba(seed)).join());
    expect([...outcomes].sort()).toEqual(['', 'deadlock']);
  });

  it('destroyed while held is a finding', async () => {
    const l = new mutex('&x->lock');
    const findings = await run(async () => {
      mutex_destroy(l);
      await mutex_lock(l);
      mutex_destroy(l);
      await mutex_unlock(l);
    });
    expect(kinds(findings)).toEqual(['lock-destroyed-held']);
  });

  it('the interruptible form gives up on a signal', async () => {
    const l = new mutex();
    await run(async () => {
      expect(await mutex_lock_interruptible(l)).toBe(0);
      const waiter = spawn('waiter', async () => {
        expect(await mutex_lock_interruptible(l)).toBe(-4);
      });
      await yield_now();
      waiter.signal_pending = true;
      await join(waiter);
      await mutex_unlock(l);
    });
  });
});

describe('rw_semaphore', () => {
  it('admits readers together and writers alone', async () => {
    let together = 0;
    for (let seed = 0; seed < 30; seed++) {
      const s = new rw_semaphore();
      together = Math.max(
        together,
        await crowd(
          4,
          () => down_read(s),
          () => up_read(s),
          seed,
        ),
      );
      expect(
        await crowd(
          4,
          () => down_write(s),
          () => up_write(s),
          seed,
        ),
      ).toBe(1);
    }
    expect(together).toBe(4);
  });

  it('a writer keeps readers out and the other way round', async () => {
    const s = new rw_semaphore();
    init_rwsem(s, '&x->sem');
    expect(
      await run(async () => {
        await down_read(s);
        expect(rwsem_is_locked(s)).toBe(true);
        expect(await down_write_trylock(s)).toBe(0);
        expect(await down_read_trylock(s)).toBe(1);
        await up_read(s);
        await up_read(s);
        expect(await down_write_trylock(s)).toBe(1);
        expect(await down_read_trylock(s)).toBe(0);
        await downgrade_write(s);
        expect(await down_read_trylock(s)).toBe(1);
        expect(await down_write_trylock(s)).toBe(0);
        await up_read(s);
        await up_read(s);
        expect(rwsem_is_locked(s)).toBe(false);
      }),
    ).toEqual([]);
  });

  it('the last reader lets a waiting writer in', async () => {
    const s = new rw_semaphore();
    const log: string[] = [];
    await run(async () => {
      await down_read(s);
      await down_read(s);
      const writer = spawn('writer', async () => {
        await down_write(s);
        log.push('writer');
        await up_write(s);
      });
      await yield_now();
      await up_read(s);
      log.push('one left');
      await up_read(s);
      await join(writer);
    });
    expect(log).toEqual(['one left', 'writer']);
  });

  it('releases that do not fit are findings', async () => {
    const s = new rw_semaphore('&x->sem');
    const findings = await run(async () => {
      await up_read(s);
      await up_write(s);
      await downgrade_write(s);
      await down_read(s);
      await up_write(s);
      await up_read(s);
      await down_write(s);
      await join(spawn('other', () => up_write(s)));
      await down_read(s);
      await join(spawn('other', () => up_read(s)));
      expect(rwsem_is_locked(s)).toBe(false);
    });
    expect(findings.every((f) => f.kind === 'lock-owner')).toBe(true);
    expect(findings).toHaveLength(6);
  });
});

describe('spinlock', () => {
  it('lets one task in at a time under any schedule', async () => {
    for (let seed = 0; seed < 30; seed++) {
      const l = new spinlock_t();
      expect(
        await crowd(
          3,
          () => spin_lock(l),
          () => spin_unlock(l),
          seed,
        ),
      ).toBe(1);
      expect(
        await crowd(
          3,
          () => spin_lock_irq(l),
          () => spin_unlock_irq(l),
          seed,
        ),
      ).toBe(1);
    }
  });

  it('with interrupts off holds the handler back until the restore', async () => {
    const l = new spinlock_t();
    spin_lock_init(l, '&x->irqlock');
    for (let seed = 0; seed < 20; seed++) {
      const log: string[] = [];
      await run(async () => {
        const flags = await spin_lock_irqsave(l);
        spawn(
          'irq',
          async () => {
            const inner = await spin_lock_irqsave(l);
            log.push('irq');
            await spin_unlock_irqrestore(l, inner);
          },
          { kind: 'hardirq', cpu: current.cpu.id },
        );
        await yield_now();
        log.push('critical');
        expect(spin_is_locked(l)).toBe(true);
        await spin_unlock_irqrestore(l, flags);
        await yield_now();
      }, seed);
      expect(log).toEqual(['critical', 'irq']);
    }
  });

  it('without irqsave a handler on the same processor spins for ever', async () => {
    const l = new spinlock_t('&x->irqlock');
    const findings = await run(async () => {
      await spin_lock(l);
      spawn('irq', () => spin_lock(l), { kind: 'hardirq', cpu: current.cpu.id });
      await yield_now();
      await spin_unlock(l);
    });
    expect(kinds(findings)).toEqual(['deadlock']);
  });

  it('trylock and owner checks', async () => {
    const l = new spinlock_t('&x->l');
    const findings = await run(async () => {
      expect(await spin_trylock(l)).toBe(1);
      expect(await spin_trylock(l)).toBe(0);
      await spin_unlock(l);
      await spin_lock(l);
      await join(
        spawn('thief', async () => {
          current.preempt_count++;
          await spin_unlock(l);
        }),
      );
    });
    expect(kinds(findings)).toEqual(['lock-owner']);
  });
});

describe('context checks', () => {
  it('sleeping with a spinlock held or in a handler is a finding', async () => {
    const l = new spinlock_t();
    const m = new mutex();
    const s = new rw_semaphore();
    const findings = await run(async () => {
      await spin_lock(l);
      expect(in_atomic()).toBe(true);
      await mutex_lock(m);
      await down_read(s);
      await spin_unlock(l);
      expect(in_atomic()).toBe(false);
      await up_read(s);
      await down_write(s);
      spawn('irq', () => void mutex_trylock(m), { kind: 'hardirq' });
      await up_write(s);
      await mutex_unlock(m);
    });
    expect(findings.map((f) => f.text)).toEqual([
      'mutex_lock called from invalid context',
      'down_read called from invalid context',
    ]);
  });

  it('lockdep_assert_* speak only when the lock is not held so', async () => {
    const m = new mutex('m');
    const s = new rw_semaphore('s');
    const findings = await run(async () => {
      lockdep_assert_held(m);
      lockdep_assert_held_write(s);
      lockdep_assert_held_read(s);
      lockdep_assert_not_held(s);
      await mutex_lock(m);
      await down_read(s);
      lockdep_assert_held(m);
      lockdep_assert_held(s);
      lockdep_assert_held_read(s);
      lockdep_assert_held_write(s);
      lockdep_assert_not_held(m);
      expect(holds(current, m)).toBe(true);
      await mutex_unlock(m);
      await up_read(s);
    });
    expect(findings.map((f) => f.text)).toEqual([
      'm is not held',
      's is not held for writing',
      's is not held for reading',
      's is not held for writing',
      'm is held',
    ]);
    expect(machine).toBeUndefined();
  });
});
