// SPDX-License-Identifier: GPL-2.0-only
import { current, join, RandomPolicy, spawn, yield_now } from '@vfio-lab/sim';
import { local_irq_restore, local_irq_save } from '@vfio-lab/locking';
import { EBUSY, EINVAL, ENOMEM, ENOTCONN, slab_fail, slab_live } from '@vfio-lab/kernel';
import { describe, expect, it } from 'vitest';
import {
  disable_hardirq,
  disable_irq,
  disable_irq_nosync,
  enable_irq,
  free_irq,
  get_irq_line,
  IRQ_HANDLED,
  IRQ_NONE,
  IRQ_NOREQUEST,
  IRQ_NOTCONNECTED,
  IRQ_RETVAL,
  irq_set_status_flags,
  irq_to_desc,
  IRQ_WAKE_THREAD,
  irq_wake_thread,
  IRQF_COND_SUSPEND,
  IRQF_NO_AUTOEN,
  IRQF_NO_SUSPEND,
  IRQF_NOBALANCING,
  IRQF_ONESHOT,
  IRQF_PERCPU,
  IRQF_PROBE_SHARED,
  IRQF_SHARED,
  IRQF_TRIGGER_HIGH,
  IRQF_TRIGGER_LOW,
  request_irq,
  request_threaded_irq,
  synchronize_hardirq,
  synchronize_irq,
} from '../src/index.ts';
import { boot, clean, kinds, state } from './util.ts';

const handled = (): number => IRQ_HANDLED;

describe('request_irq', () => {
  it('refuses what cannot work', async () => {
    await clean(async () => {
      get_irq_line(21);
      get_irq_line(22);
      irq_set_status_flags(22, IRQ_NOREQUEST);
      const dev = {};
      const ask = (irq: number, flags: number, d: unknown): Promise<number> =>
        request_irq(irq, handled, flags, 'x', d);
      expect(await ask(IRQ_NOTCONNECTED, 0, dev)).toBe(-ENOTCONN);
      expect(await ask(21, IRQF_SHARED, null)).toBe(-EINVAL);
      expect(await ask(21, IRQF_SHARED | IRQF_NO_AUTOEN, dev)).toBe(-EINVAL);
      expect(await ask(21, IRQF_COND_SUSPEND, dev)).toBe(-EINVAL);
      expect(await ask(21, IRQF_SHARED | IRQF_COND_SUSPEND | IRQF_NO_SUSPEND, dev)).toBe(-EINVAL);
      expect(await ask(99, 0, dev)).toBe(-EINVAL);
      expect(await ask(22, 0, dev)).toBe(-EINVAL);
      expect(await request_threaded_irq(21, null, null, 0, 'x', dev)).toBe(-EINVAL);
      slab_fail();
      expect(await ask(21, 0, dev)).toBe(-ENOMEM);
      expect(state(21)).toMatchObject({ depth: 1, started: false, actions: [] });
      expect(slab_live()).toEqual([]);
    });
    expect([IRQ_RETVAL(1), IRQ_RETVAL(0)]).toEqual([IRQ_HANDLED, IRQ_NONE]);
  });

  it('shares a line only when all ask for it with equal trigger, ONESHOT and PERCPU', async () => {
    const m = await clean(async () => {
      get_irq_line(21);
      const a = {};
      const b = {};
      expect(await request_irq(21, handled, 0, 'first', a)).toBe(0);
      expect(await request_irq(21, handled, IRQF_SHARED, 'second', b)).toBe(-EBUSY);
      expect(await request_irq(21, handled, IRQF_SHARED | IRQF_PROBE_SHARED, 'probe', b)).toBe(-EBUSY);
      await free_irq(21, a);
      expect(await request_irq(21, handled, IRQF_SHARED, 'first', a)).toBe(0);
      expect(await request_irq(21, handled, 0, 'second', b)).toBe(-EBUSY);
      // The first one on 22 names no trigger, so the second sets it.
      get_irq_line(22);
      expect(await request_irq(22, handled, IRQF_SHARED, 'first', a)).toBe(0);
      expect(await request_irq(22, handled, IRQF_SHARED | IRQF_TRIGGER_LOW, 'second', b)).toBe(0);
      expect(await request_irq(22, handled, IRQF_SHARED | IRQF_TRIGGER_HIGH, 'third', {})).toBe(-EBUSY);
      expect(await request_irq(22, handled, IRQF_SHARED | IRQF_PERCPU, 'third', {})).toBe(-EBUSY);
      const oneshot = IRQF_SHARED | IRQF_ONESHOT;
      expect(await request_threaded_irq(22, null, handled, oneshot, 'third', {})).toBe(-EBUSY);
      expect(state(22).actions).toEqual(['first', 'second']);
    });
    expect(m.log).toEqual([
      '<3>genirq: Flags mismatch irq 21. 00000080 (second) vs. 00000000 (first)',
      '<3>genirq: Flags mismatch irq 21. 00000000 (second) vs. 00000080 (first)',
      '<3>genirq: Flags mismatch irq 22. 00000084 (third) vs. 00000080 (first)',
      '<3>genirq: Flags mismatch irq 22. 00000488 (third) vs. 00000080 (first)',
      '<3>genirq: Flags mismatch irq 22. 00002088 (third) vs. 00000080 (first)',
    ]);
  });

  it('the first handler forgets nested disables, a sharer does not touch the depth', async () => {
    await clean(async () => {
      get_irq_line(21);
      expect(state(21).depth).toBe(1);
      await disable_irq_nosync(21);
      await disable_irq_nosync(21);
      expect(state(21).depth).toBe(3);
      const a = {};
      await request_irq(21, handled, IRQF_SHARED | IRQF_NOBALANCING | IRQF_PERCPU, 'a', a);
      expect(state(21)).toMatchObject({ depth: 0, disabled: false, masked: false, started: true });
      await disable_irq_nosync(21);
      await request_irq(21, handled, IRQF_SHARED | IRQF_PERCPU, 'b', {});
      expect(state(21)).toMatchObject({ depth: 1, disabled: true });
    });
  });

  it('with NO_AUTOEN leaves the line off until enable_irq', async () => {
    await clean(async () => {
      const line = get_irq_line(21);
      line.raise('a');
      let calls = 0;
      const h = (): number => {
        calls++;
        line.lower('a');
        return IRQ_HANDLED;
      };
      await request_irq(21, h, IRQF_NO_AUTOEN, 'a', null);
      await yield_now();
      expect([calls, state(21).depth, state(21).started]).toEqual([0, 1, false]);
      await enable_irq(21);
      expect([calls, state(21).depth, state(21).started]).toEqual([1, 0, true]);
    });
  });
});

describe('free_irq', () => {
  it('returns the name, shuts the line down with its last handler, and warns about one that is not there', async () => {
    const m = await boot(async () => {
      get_irq_line(21);
      const a = {};
      const b = {};
      await request_irq(21, handled, IRQF_SHARED, 'a', a);
      await request_irq(21, handled, IRQF_SHARED, 'b', b);
      expect(await free_irq(21, b)).toBe('b');
      expect(state(21)).toMatchObject({ depth: 0, started: true, actions: ['a'] });
      expect(await free_irq(21, b)).toBe(null);
      expect(await free_irq(21, a)).toBe('a');
      expect(state(21)).toMatchObject({
        depth: 1,
        disabled: true,
        masked: true,
        started: false,
        actions: [],
      });
      expect(await free_irq(99, a)).toBe(null);
      expect(slab_live()).toEqual([]);
    });
    expect(m.findings.map((f) => f.text)).toEqual([
      expect.stringMatching(/Trying to free already-free IRQ 21/),
    ]);
  });

  it('waits for a handler in progress, and for an interrupt that is on its way', async () => {
    const log: string[] = [];
    await clean(async () => {
      const line = get_irq_line(21);
      const h = async (): Promise<number> => {
        log.push('in');
        for (let i = 0; i < 5; i++) await yield_now();
        line.lower('a');
        log.push('out');
        return IRQ_HANDLED;
      };
      await request_irq(21, h, 0, 'a', null);
      const t = spawn('freer', async () => {
        await free_irq(21, null);
        log.push('freed');
      });
      line.raise('a');
      await join(t);
    }, new RandomPolicy(3));
    expect(log.indexOf('freed')).toBe(log.length - 1);
    expect(log.filter((l) => l === 'in').length).toBe(log.filter((l) => l === 'out').length);
  });

  it('complains in a handler', async () => {
    const m = await boot(async () => {
      const line = get_irq_line(21);
      await request_irq(21, handled, IRQF_SHARED, 'a', 'a');
      const h = async (): Promise<number> => {
        line.lower('x');
        await free_irq(21, 'nobody');
        return IRQ_HANDLED;
      };
      await request_irq(21, h, IRQF_SHARED, 'b', 'b');
      line.raise('x');
      await yield_now();
    });
    expect(m.findings.map((f) => f.text).join()).toMatch('Trying to free IRQ 21 from IRQ context!');
    expect(kinds(m)).toContain('sleeping-in-atomic');
  });
});

describe('disable and enable', () => {
  it('nest by line, and an enable too many warns', async () => {
    const m = await boot(async () => {
      get_irq_line(21);
      await request_irq(21, handled, 0, 'a', null);
      await disable_irq_nosync(21);
      await disable_irq(21);
      expect(await disable_hardirq(21)).toBe(true);
      expect(state(21).depth).toBe(3);
      await enable_irq(21);
      await enable_irq(21);
      expect(state(21)).toMatchObject({ depth: 1, disabled: true });
      await enable_irq(21);
      expect(state(21)).toMatchObject({ depth: 0, disabled: false });
      await enable_irq(21);
      expect(state(21).depth).toBe(0);
      await enable_irq(99);
      await disable_irq(99);
      await disable_irq_nosync(99);
      expect(await disable_hardirq(99)).toBe(false);
      expect(await synchronize_hardirq(99)).toBe(true);
      await synchronize_irq(99);
    });
    expect(m.findings.map((f) => f.text)).toEqual([expect.stringMatching(/Unbalanced enable for IRQ 21/)]);
  });

  it('disable_irq_nosync from the handler takes effect after it, disable_irq waits for it', async () => {
    const log: string[] = [];
    await clean(async () => {
      const line = get_irq_line(21);
      const h = async (): Promise<number> => {
        log.push('in');
        await disable_irq_nosync(21);
        log.push('out');
        return IRQ_HANDLED;
      };
      await request_irq(21, h, 0, 'a', null);
      line.raise('a');
      await yield_now();
      await disable_irq(21);
      log.push(`depth ${state(21).depth}`);
      line.lower('a');
    });
    expect(log).toEqual(['in', 'out', 'depth 2']);
  });

  it('disable_irq waits for a handler on another processor', async () => {
    for (let seed = 0; seed < 20; seed++) {
      await clean(async () => {
        const line = get_irq_line(21);
        let running = false;
        const h = async (): Promise<number> => {
          running = true;
          await yield_now();
          await yield_now();
          line.lower('a');
          running = false;
          return IRQ_HANDLED;
        };
        await request_irq(21, h, 0, 'a', null);
        const t = spawn('raiser', async () => {
          await yield_now();
          line.raise('a');
        });
        const d = spawn('disabler', async () => {
          await disable_irq(21);
          expect(running).toBe(false);
          line.lower('a');
        });
        await join(t);
        await join(d);
      }, new RandomPolicy(seed));
    }
  });
});

describe('threaded handlers', () => {
  it('run in a thread, the line masked until it is done with ONESHOT', async () => {
    const log: string[] = [];
    await clean(async () => {
      const line = get_irq_line(21);
      const thread = async (): Promise<number> => {
        log.push(`${current.name} ${current.kind} masked=${line.masked}`);
        line.lower('a');
        await yield_now();
        return IRQ_HANDLED;
      };
      expect(await request_threaded_irq(21, null, thread, IRQF_ONESHOT, 'a', 'a')).toBe(0);
      line.raise('a');
      await yield_now();
      await synchronize_irq(21);
      expect(line.masked).toBe(false);
      expect(log.splice(0)).toEqual(['irq/21-a kthread masked=true']);
      line.raise('a');
      await yield_now();
      await free_irq(21, 'a');
      expect(log).toEqual(['irq/21-a kthread masked=true']);
      expect(irq_to_desc(21)?.threads_active.counter).toBe(0);
    });
  });

  it('with a hard handler that decides, and by irq_wake_thread', async () => {
    const log: string[] = [];
    await clean(async () => {
      const line = get_irq_line(21);
      const hard = (): number => {
        if (!line.asserts('a')) return IRQ_NONE;
        line.lower('a');
        return IRQ_WAKE_THREAD;
      };
      const thread = async (): Promise<number> => {
        log.push('thread');
        await yield_now();
        await yield_now();
        return IRQ_HANDLED;
      };
      await request_threaded_irq(21, hard, thread, IRQF_SHARED, 'a', 'a');
      await request_irq(21, () => IRQ_NONE, IRQF_SHARED, 'b', 'b');
      line.raise('a');
      await yield_now();
      expect(await synchronize_hardirq(21)).toBe(false);
      await synchronize_irq(21);
      expect(await synchronize_hardirq(21)).toBe(true);
      expect(log).toEqual(['thread']);
      await irq_wake_thread(21, 'a');
      await irq_wake_thread(21, 'a');
      await irq_wake_thread(21, 'b');
      await irq_wake_thread(99, 'a');
      await synchronize_irq(21);
      expect(log).toEqual(['thread', 'thread']);
    });
  });

  it('a second interrupt while the thread runs makes it run again', async () => {
    for (let seed = 0; seed < 20; seed++) {
      let runs = 0;
      await clean(async () => {
        const line = get_irq_line(21);
        const thread = async (): Promise<number> => {
          runs++;
          await yield_now();
          line.lower('a');
          return IRQ_HANDLED;
        };
        await request_threaded_irq(21, null, thread, IRQF_ONESHOT, 'a', 'a');
        line.raise('a');
        while (runs === 0) await yield_now();
        await irq_wake_thread(21, 'a');
        await synchronize_irq(21);
        expect(line.masked).toBe(false);
      }, new RandomPolicy(seed));
      expect(runs).toBeGreaterThanOrEqual(2);
    }
  });

  it('are refused without hard handler and ONESHOT', async () => {
    const m = await clean(async () => {
      get_irq_line(21);
      expect(await request_threaded_irq(21, null, handled, 0, 'a', 'a')).toBe(-EINVAL);
    });
    expect(m.log).toEqual([
      '<3>genirq: Threaded irq requested with handler=NULL and !ONESHOT for a (irq 21)',
    ]);
  });

  it('a handler that asks for a thread it does not have is logged', async () => {
    const m = await clean(async () => {
      const line = get_irq_line(21);
      const h = (): number => {
        line.lower('a');
        return IRQ_WAKE_THREAD;
      };
      await request_irq(21, h, 0, 'a', null);
      line.raise('a');
      await yield_now();
    });
    expect(m.log).toEqual(['<4>IRQ 21 device a returned IRQ_WAKE_THREAD but no thread function available.']);
  });
});

it('a re-request inside an interrupts-off section does not take the line early', async () => {
  let calls = 0;
  await clean(async () => {
    const line = get_irq_line(21);
    line.raise('a');
    const flags = local_irq_save();
    local_irq_restore(flags);
    await request_irq(21, () => (calls++, line.lower('a'), IRQ_HANDLED), 0, 'a', null);
    await disable_irq_nosync(21);
    expect(calls).toBe(1);
    line.raise('a');
    await yield_now();
    await free_irq(21, null);
    await request_irq(21, () => (calls++, line.lower('a'), IRQ_HANDLED), 0, 'a', null);
    expect([calls, state(21).depth]).toEqual([2, 0]);
  });
});
