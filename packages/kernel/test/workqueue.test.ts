// SPDX-License-Identifier: GPL-2.0-only
import { current, join, sleep_ns, spawn, yield_now } from '@vfio-lab/sim';
import { describe, expect, it } from 'vitest';
import * as k from '../src/index.ts';
import { kinds, run, run_clean, run_random } from './machine.ts';

function item(func: k.work_func_t): k.work_struct {
  const w = new k.work_struct();
  k.INIT_WORK(w, func);
  return w;
}

describe('work items', () => {
  it('runs once however often it was queued before that', () =>
    run_clean(async () => {
      let runs = 0;
      const w = item(() => void runs++);
      expect(await k.schedule_work(w)).toBe(true);
      expect(await k.schedule_work(w)).toBe(false);
      expect(k.work_pending(w)).toBe(true);
      expect(await k.flush_work(w)).toBe(true);
      expect(await k.flush_work(w)).toBe(false);
      expect(runs).toBe(1);
    }));

  it('never runs twice at once, and runs again when queued meanwhile', () =>
    run_random(60, async () => {
      let inside = 0;
      let runs = 0;
      const w = item(async () => {
        expect(++inside).toBe(1);
        await yield_now();
        runs++;
        inside--;
      });
      let queued = 0;
      const tasks = [1, 2].map((n) =>
        spawn(`q${n}`, async () => {
          for (let i = 0; i < 2; i++) if (await k.schedule_work(w)) queued++;
        }),
      );
      for (const t of tasks) await join(t);
      await k.flush_work(w);
      expect(runs).toBe(queued);
    }));

  it('has kworkers with stable names and no process', () =>
    run_clean(async () => {
      const names: string[] = [];
      const body = async (): Promise<void> => {
        names.push(current.name);
        expect(k.current_process()).toBe(null);
        await sleep_ns(10);
      };
      const [a, b] = [item(body), item(body)];
      await k.schedule_work(a);
      await k.schedule_work(b);
      await k.flush_workqueue(k.system_wq());
      await k.queue_work(k.system_freezable_wq(), a);
      await k.flush_work(a);
      expect(names).toEqual(['kworker/system', 'kworker/system:1', 'kworker/freezable']);
    }));

  it('is ordered on a single-threaded queue', () =>
    run_random(40, async () => {
      const wq = k.create_singlethread_workqueue('vfio-irqfd-cleanup') as k.workqueue_struct;
      const log: string[] = [];
      const make = (name: string): k.work_struct =>
        item(async () => {
          log.push(`${name} begins`);
          await yield_now();
          log.push(`${name} ends`);
        });
      await k.queue_work(wq, make('a'));
      await k.queue_work(wq, make('b'));
      await k.flush_workqueue(wq);
      expect(log).toEqual(['a begins', 'a ends', 'b begins', 'b ends']);
      await k.destroy_workqueue(wq);
    }));

  it('flush_workqueue waits for what was queued before it, not for what comes later', () =>
    run_clean(async () => {
      const wq = k.alloc_workqueue('q');
      let again = 3;
      const w: k.work_struct = item(async () => {
        if (--again > 0) await k.queue_work(wq, w);
      });
      await k.queue_work(wq, w);
      await k.flush_workqueue(wq);
      expect(again).toBeLessThan(3);
      await k.drain_workqueue(wq);
      expect(again).toBe(0);
      expect(k.alloc_workqueue('o', k.WQ_UNBOUND, 1).ordered).toBe(true);
      expect(k.alloc_ordered_workqueue('p').ordered).toBe(true);
    }));

  it('warns about a queue that is gone and an item without a function', async () => {
    const m = await run(async () => {
      const wq = k.alloc_workqueue('q');
      await k.destroy_workqueue(wq);
      expect(
        await k.queue_work(
          wq,
          item(() => {}),
        ),
      ).toBe(false);
      await k.schedule_work(new k.work_struct());
    });
    expect(kinds(m)).toEqual(['WARN_ON', 'WARN_ON']);
  });

  it('cancel takes a pending item back, cancel_sync waits for a running one', () =>
    run_random(60, async () => {
      let runs = 0;
      let running = false;
      const w = item(async () => {
        running = true;
        await yield_now();
        running = false;
        runs++;
      });
      await k.schedule_work(w);
      const was_pending = await k.cancel_work_sync(w);
      expect(running).toBe(false);
      expect(runs).toBe(was_pending ? 0 : 1);
      expect(await k.cancel_work(w)).toBe(false);
      await k.schedule_work(w);
      const cancelled = await k.cancel_work(w);
      await k.flush_work(w);
      expect(runs).toBe((was_pending ? 0 : 1) + (cancelled ? 0 : 1));
      await k.flush_workqueue(k.system_wq());
    }));

  it('cancels an item that queued itself again', () =>
    run_random(40, async () => {
      let runs = 0;
      const w: k.work_struct = item(async () => {
        runs++;
        await k.schedule_work(w);
        await yield_now();
      });
      await k.schedule_work(w);
      await yield_now();
      await k.cancel_work_sync(w);
      const n = runs;
      await yield_now();
      expect(runs).toBe(n);
      await k.flush_workqueue(k.system_wq());
    }));

  it('sleeping where one must not is reported', async () => {
    const m = await run(async () => {
      const t = spawn('irq', async () => void (await k.flush_work(new k.work_struct())), { kind: 'hardirq' });
      await join(t);
    });
    expect(kinds(m)).toEqual(['sleeping-in-atomic']);
  });
});

describe('delayed work', () => {
  it('runs after its delay, and at once with 0', () =>
    run_clean(async () => {
      const at: number[] = [];
      const d = new k.delayed_work();
      k.INIT_DELAYED_WORK(d, (work) => {
        expect(k.to_delayed_work(work)).toBe(d);
        at.push(k.jiffies());
      });
      expect(await k.schedule_delayed_work(d, 10)).toBe(true);
      expect(await k.schedule_delayed_work(d, 5)).toBe(false);
      expect(k.delayed_work_pending(d)).toBe(true);
      await sleep_ns(100e6);
      expect(at).toEqual([10]);
      await k.queue_delayed_work(k.system_wq(), d, 0);
      await k.flush_delayed_work(d);
      expect(at).toEqual([10, 25]);
    }));

  it('can be moved, flushed and cancelled', () =>
    run_clean(async () => {
      let runs = 0;
      const d = new k.delayed_work();
      k.INIT_DELAYED_WORK(d, () => void runs++);
      expect(await k.mod_delayed_work(k.system_wq(), d, 10)).toBe(false);
      expect(await k.mod_delayed_work(k.system_wq(), d, 20)).toBe(true);
      await sleep_ns(50e6);
      expect(runs).toBe(0);
      expect(await k.flush_delayed_work(d)).toBe(true);
      expect(runs).toBe(1);
      await k.schedule_delayed_work(d, 10);
      expect(await k.cancel_delayed_work(d)).toBe(true);
      await k.schedule_delayed_work(d, 10);
      expect(await k.cancel_delayed_work_sync(d)).toBe(true);
      expect(await k.cancel_delayed_work_sync(d)).toBe(false);
      await sleep_ns(200e6);
      expect(runs).toBe(1);
    }));
});

describe('timers', () => {
  it('fires in timer context, can be moved and stopped', () =>
    run_clean(async () => {
      const at: number[] = [];
      const t = new k.timer_list();
      k.timer_setup(t, () => {
        expect(current.kind).toBe('timer');
        at.push(k.jiffies());
      });
      expect(await k.mod_timer(t, 5)).toBe(false);
      expect(await k.mod_timer(t, 8)).toBe(true);
      expect(k.timer_pending(t)).toBe(true);
      await sleep_ns(100e6);
      expect(at).toEqual([8]);
      expect(await k.del_timer(t)).toBe(false);
      await k.mod_timer(t, 100);
      expect(await k.del_timer_sync(t)).toBe(true);
      await sleep_ns(1e9);
      expect(at).toEqual([8]);
    }));
});
