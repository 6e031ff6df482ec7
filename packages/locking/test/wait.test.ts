// SPDX-License-Identifier: GPL-2.0-only
import { describe, expect, it } from 'vitest';
import { join, Machine, now, RandomPolicy, ref, spawn, yield_now, type Finding } from '@vfio-lab/sim';
import {
  add_wait_queue,
  complete,
  complete_all,
  completion,
  HZ,
  init_completion,
  init_waitqueue_func_entry,
  init_waitqueue_head,
  NS_PER_JIFFY,
  remove_wait_queue,
  spin_is_locked,
  try_wait_for_completion,
  wait_event,
  wait_event_interruptible,
  wait_event_timeout,
  wait_for_completion,
  wait_for_completion_interruptible_timeout,
  wait_for_completion_timeout,
  wait_queue_head_t,
  waitqueue_active,
  wake_up,
  wake_up_all,
  type wait_queue_entry,
} from '../src/index.ts';

async function run(body: () => Promise<void>, seed?: number): Promise<Finding[]> {
  const m = new Machine(seed === undefined ? {} : { policy: new RandomPolicy(seed) });
  await m.run(body);
  return m.findings;
}

describe('wait_event', () => {
  it('sleeps until the condition holds and somebody woke, under any schedule', async () => {
    for (let seed = 0; seed < 50; seed++) {
      const wq = new wait_queue_head_t();
      const flag = ref(false);
      const findings = await run(async () => {
        const waiter = spawn('waiter', async () => {
          await wait_event(wq, () => flag.v);
          expect(flag.v).toBe(true);
        });
        await yield_now();
        flag.v = true;
        await wake_up(wq);
        await join(waiter);
        expect(waitqueue_active(wq)).toBe(false);
      }, seed);
      expect(findings).toEqual([]);
    }
  });

  it('hangs when the wake-up is forgotten', async () => {
    const wq = new wait_queue_head_t('&x->wait');
    const flag = ref(false);
    const findings = await run(async () => {
      spawn('waiter', () => wait_event(wq, () => flag.v));
      await join(spawn('forgetful', () => void (flag.v = true)));
    });
    expect(findings[0].kind).toBe('deadlock');
    expect(findings[0].text).toBe('waiter waits for &x->wait');
  });

  it('the interruptible form returns -ERESTARTSYS on a signal', async () => {
    const wq = new wait_queue_head_t();
    const flag = ref(false);
    await run(async () => {
      const a = spawn('a', async () => {
        expect(await wait_event_interruptible(wq, () => flag.v)).toBe(-512);
      });
      a.signal_pending = true;
      await join(a);
      const b = spawn('b', async () => {
        expect(await wait_event_interruptible(wq, () => flag.v)).toBe(0);
        expect(await wait_event_interruptible(wq, () => flag.v)).toBe(0);
      });
      await yield_now();
      flag.v = true;
      await wake_up_all(wq);
      await join(b);
    });
  });

  it('the timeout form returns what is left, at least 1, or 0', async () => {
    const wq = new wait_queue_head_t();
    const flag = ref(false);
    await run(async () => {
      expect(await wait_event_timeout(wq, () => flag.v, HZ)).toBe(0);
      expect(now()).toBe(HZ * NS_PER_JIFFY);
      const waiter = spawn('waiter', async () => {
        expect(await wait_event_timeout(wq, () => flag.v, HZ)).toBe(HZ);
        expect(await wait_event_timeout(wq, () => flag.v, 0)).toBe(1);
      });
      await yield_now();
      flag.v = true;
      await wake_up(wq);
      await join(waiter);
    });
  });
});

describe('custom entries', () => {
  it('are called with the lock of the head held, newest first', async () => {
    const wq = new wait_queue_head_t();
    init_waitqueue_head(wq, '&ctx->wqh');
    const log: string[] = [];
    const entry = (name: string): wait_queue_entry => {
      const e: wait_queue_entry = { func: () => 0, private: null };
      init_waitqueue_func_entry(e, () => {
        log.push(`${name} ${spin_is_locked(wq.lock)}`);
        return 0;
      });
      return e;
    };
    await run(async () => {
      const a = entry('a');
      await add_wait_queue(wq, a);
      await add_wait_queue(wq, entry('b'));
      await wake_up(wq);
      await remove_wait_queue(wq, a);
      await remove_wait_queue(wq, a);
      await wake_up(wq);
    });
    expect(log).toEqual(['b true', 'a true', 'b true']);
  });
});

describe('completion', () => {
  it('lets one waiter through a complete, everybody through a complete_all', async () => {
    await run(async () => {
      const x = new completion();
      init_completion(x);
      expect(await try_wait_for_completion(x)).toBe(false);
      await complete(x);
      expect(await try_wait_for_completion(x)).toBe(true);
      expect(await try_wait_for_completion(x)).toBe(false);
      const a = spawn('a', () => wait_for_completion(x));
      await complete(x);
      await join(a);
      await complete_all(x);
      await complete(x);
      await wait_for_completion(x);
      expect(await try_wait_for_completion(x)).toBe(true);
    });
  });

  it('timeouts count in jiffies', async () => {
    await run(async () => {
      const x = new completion();
      expect(await wait_for_completion_timeout(x, 10 * HZ)).toBe(0);
      expect(now()).toBe(10e9);
      await complete(x);
      expect(await wait_for_completion_timeout(x, HZ)).toBe(HZ);
      await complete(x);
      expect(await wait_for_completion_interruptible_timeout(x, HZ)).toBe(HZ);
      expect(await wait_for_completion_interruptible_timeout(x, HZ)).toBe(0);
      const a = spawn('a', async () => {
        expect(await wait_for_completion_interruptible_timeout(x, HZ)).toBe(-512);
      });
      a.signal_pending = true;
      await join(a);
    });
  });
});
