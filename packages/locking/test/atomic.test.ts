// SPDX-License-Identifier: GPL-2.0-only
import { describe, expect, it } from 'vitest';
import { join, Machine, RandomPolicy, spawn, type Finding } from '@vfio-lab/sim';
import {
  atomic_add_return,
  atomic_add_unless,
  atomic_cmpxchg,
  atomic_dec,
  atomic_dec_and_test,
  atomic_inc,
  atomic_inc_not_zero,
  atomic_read,
  atomic_set,
  atomic_t,
  atomic_xchg,
  kref,
  kref_get,
  kref_get_unless_zero,
  kref_init,
  kref_put,
  mutex,
  mutex_is_locked,
  mutex_lock,
  mutex_unlock,
  READ_ONCE,
  refcount_dec,
  refcount_dec_and_mutex_lock,
  refcount_dec_and_test,
  refcount_inc,
  refcount_inc_not_zero,
  refcount_read,
  refcount_set,
  refcount_t,
  WRITE_ONCE,
} from '../src/index.ts';

async function run(body: () => Promise<void>, seed?: number): Promise<Finding[]> {
  const m = new Machine(seed === undefined ? {} : { policy: new RandomPolicy(seed) });
  await m.run(body);
  return m.findings;
}

describe('atomic_t', () => {
  it('does what the C functions do', async () => {
    await run(async () => {
      const v = new atomic_t();
      atomic_set(v, 3);
      await atomic_inc(v);
      await atomic_dec(v);
      expect(await atomic_read(v)).toBe(3);
      expect(await atomic_add_return(-2, v)).toBe(1);
      expect(await atomic_inc_not_zero(v)).toBe(true);
      expect(await atomic_add_unless(v, 5, 2)).toBe(false);
      expect(await atomic_dec_and_test(v)).toBe(false);
      expect(await atomic_dec_and_test(v)).toBe(true);
      expect(await atomic_inc_not_zero(v)).toBe(false);
      expect(await atomic_xchg(v, 9)).toBe(0);
      expect(await atomic_cmpxchg(v, 1, 2)).toBe(9);
      expect(await atomic_cmpxchg(v, 9, 2)).toBe(9);
      expect(v.counter).toBe(2);
    });
  });

  it('loses no increment, a read and a write apart do', async () => {
    const lost = new Set<number>();
    for (let seed = 0; seed < 40; seed++) {
      const v = new atomic_t();
      const plain = { n: 0 };
      await run(async () => {
        const body = async (): Promise<void> => {
          for (let i = 0; i < 3; i++) {
            await atomic_inc(v);
            await WRITE_ONCE(plain, 'n', (await READ_ONCE(plain, 'n')) + 1);
          }
        };
        const a = spawn('a', body);
        const b = spawn('b', body);
        await join(a);
        await join(b);
      }, seed);
      expect(v.counter).toBe(6);
      lost.add(plain.n);
    }
    expect(Math.min(...lost)).toBeLessThan(6);
  });
});

describe('refcount_t', () => {
  it('warns at 0 in every direction', async () => {
    const findings = await run(async () => {
      const r = new refcount_t(0, 'object');
      await refcount_inc(r);
      expect(await refcount_inc_not_zero(r)).toBe(false);
      expect(await refcount_dec_and_test(r)).toBe(false);
      refcount_set(r, 1);
      await refcount_dec(r);
      refcount_set(r, 2);
      await refcount_inc(r);
      expect(await refcount_read(r)).toBe(3);
      await refcount_dec(r);
      expect(await refcount_dec_and_test(r)).toBe(false);
      expect(await refcount_dec_and_test(r)).toBe(true);
    });
    expect(findings.map((f) => f.text)).toEqual([
      'object: addition on 0; use after free',
      'object: underflow; use after free',
      'object: decrement hit 0; leaking memory',
    ]);
  });

  it('dec_and_mutex_lock returns with the mutex only for the last reference', async () => {
    await run(async () => {
      const r = new refcount_t(2);
      const l = new mutex();
      expect(await refcount_dec_and_mutex_lock(r, l)).toBe(false);
      expect(mutex_is_locked(l)).toBe(false);
      expect(await refcount_dec_and_mutex_lock(r, l)).toBe(true);
      expect(mutex_is_locked(l)).toBe(true);
      await mutex_unlock(l);
    });
  });

  it('dec_and_mutex_lock gives the mutex back when somebody took a reference meanwhile', async () => {
    await run(async () => {
      const r = new refcount_t(1);
      const l = new mutex();
      await mutex_lock(l);
      const last = spawn('last', async () => {
        expect(await refcount_dec_and_mutex_lock(r, l)).toBe(false);
      });
      await refcount_inc(r);
      await mutex_unlock(l);
      await join(last);
      expect(r.counter).toBe(1);
      expect(mutex_is_locked(l)).toBe(false);
    });
  });
});

describe('kref', () => {
  it('runs the release once, at the last put', async () => {
    await run(async () => {
      const k = new kref();
      let released = 0;
      const release = (): void => void released++;
      kref_init(k);
      await kref_get(k);
      expect(await kref_put(k, release)).toBe(0);
      expect(await kref_get_unless_zero(k)).toBe(true);
      expect(await kref_put(k, release)).toBe(0);
      expect(await kref_put(k, release)).toBe(1);
      expect(released).toBe(1);
      expect(await kref_get_unless_zero(k)).toBe(false);
    });
  });
});
