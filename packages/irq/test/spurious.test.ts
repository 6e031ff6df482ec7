// SPDX-License-Identifier: GPL-2.0-only
import { access, current, machine, now, RandomPolicy, sleep_ns, yield_now } from '@vfio-lab/sim';
import { NS_PER_JIFFY } from '@vfio-lab/locking';
import { describe, expect, it } from 'vitest';
import {
  enable_irq,
  free_irq,
  get_irq_line,
  IRQ_HANDLED,
  IRQ_IS_POLLED,
  IRQ_NO_DEBUG,
  IRQ_NONE,
  irq_set_status_flags,
  irq_to_desc,
  IRQ_WAKE_THREAD,
  IRQF_IRQPOLL,
  IRQF_ONESHOT,
  IRQF_SHARED,
  irqfixup_setup,
  POLL_SPURIOUS_IRQ_INTERVAL,
  request_irq,
  request_threaded_irq,
  SPURIOUS_LIMIT,
  SPURIOUS_WINDOW,
} from '../src/index.ts';
import type { irq_line } from '../src/index.ts';
import { note_interrupt } from '../src/spurious.ts';
import { boot, clean, kinds, state } from './util.ts';

const none = (): number => IRQ_NONE;
const TENTH = POLL_SPURIOUS_IRQ_INTERVAL * NS_PER_JIFFY;

/** Feed results straight into the detector of line 21. */
async function feed(result: number, times: number): Promise<void> {
  const desc = irq_to_desc(21);
  if (desc === null) throw new Error('no line');
  for (let i = 0; i < times; i++) {
    const wait = note_interrupt(desc, result);
    if (wait !== undefined) await wait;
  }
}

describe('the spurious detector', () => {
  it("has the kernel's numbers", () => {
    expect([SPURIOUS_WINDOW, SPURIOUS_LIMIT, POLL_SPURIOUS_IRQ_INTERVAL]).toEqual([100_000, 99_900, 25]);
  });

  it('ends a storm after 100,000 events: nobody cared', async () => {
    let calls = 0;
    const m = await boot(async () => {
      const line = get_irq_line(21);
      const stuck = (): number => (calls++, IRQ_NONE);
      await request_irq(21, stuck, 0, 'dev', {});
      line.raise('dev');
      await yield_now();
      expect(state(21)).toMatchObject({
        depth: 1,
        masked: true,
        pending: true,
        spurious_disabled: true,
        unhandled: 0,
        count: 0,
      });
      expect(line.lost).toBe(false);
    });
    expect(calls).toBe(100_000);
    expect(kinds(m)).toEqual(['irq-storm']);
    expect(m.findings[0].detail).toEqual({ irq: 21, unhandled: 100_000, handlers: ['dev'] });
    expect(m.log).toEqual([
      '<3>irq 21: nobody cared (try booting with the "irqpoll" option)',
      '<3>handlers:',
      '<3>stuck',
      '<0>Disabling IRQ #21',
    ]);
  }, 30_000);

  it('costs a good line nothing: no counting while nothing is unhandled', async () => {
    await clean(async () => {
      get_irq_line(21);
      await feed(IRQ_HANDLED, 10);
      expect(state(21)).toMatchObject({ count: 0, unhandled: 0 });
      await feed(IRQ_NONE, 1);
      await feed(IRQ_HANDLED, 10);
      expect(state(21)).toMatchObject({ count: 11, unhandled: 1 });
    });
  });

  it('needs more than 99,900 unhandled among 100,000', async () => {
    const just = await clean(async () => {
      get_irq_line(21);
      await feed(IRQ_NONE, SPURIOUS_LIMIT);
      await feed(IRQ_HANDLED, SPURIOUS_WINDOW - SPURIOUS_LIMIT - 1);
      expect(state(21)).toMatchObject({ count: 99_999, unhandled: 99_900 });
      await feed(IRQ_HANDLED, 1);
      expect(state(21)).toMatchObject({ count: 0, unhandled: 0, spurious_disabled: false });
    });
    expect(just.log).toEqual([]);
    const over = await boot(async () => {
      get_irq_line(21);
      await feed(IRQ_NONE, SPURIOUS_LIMIT + 1);
      await feed(IRQ_HANDLED, SPURIOUS_WINDOW - SPURIOUS_LIMIT - 1);
      await yield_now();
      expect(state(21)).toMatchObject({ count: 0, unhandled: 0, spurious_disabled: true });
    });
    expect(kinds(over)).toEqual(['irq-storm']);
  });

  it('starts counting anew when more than a tenth of a second passed', async () => {
    await clean(async () => {
      get_irq_line(21);
      await feed(IRQ_NONE, 5);
      expect(state(21).unhandled).toBe(5);
      await sleep_ns(TENTH);
      await feed(IRQ_NONE, 1);
      expect(state(21).unhandled).toBe(6);
      await sleep_ns(TENTH + NS_PER_JIFFY);
      await feed(IRQ_NONE, 1);
      expect(state(21).unhandled).toBe(1);
    });
  });

  it('a sharer that handles its own keeps the line alive', async () => {
    await clean(async () => {
      const line = get_irq_line(21);
      let left = 200;
      await request_irq(21, none, IRQF_SHARED, 'a', 'a');
      await request_irq(21, () => (--left === 0 && line.lower('b'), IRQ_HANDLED), IRQF_SHARED, 'b', 'b');
      line.raise('b');
      await yield_now();
      expect(state(21)).toMatchObject({ total: 200, count: 0, unhandled: 0 });
    });
  });

  it('logs a bogus return value, at most 100 times', async () => {
    const m = await clean(async () => {
      get_irq_line(21);
      await request_threaded_irq(21, none, none, 0, 'a', 'a');
      for (let i = 0; i < 101; i++) {
        const desc = irq_to_desc(21);
        if (desc) await note_interrupt(desc, 4);
      }
    });
    expect(m.log.length).toBe(300);
    expect(m.log.slice(0, 3)).toEqual([
      '<3>irq event 21: bogus return value 4',
      '<3>handlers:',
      '<3>none threaded none',
    ]);
  });

  it('leaves polled lines and those without debugging alone', async () => {
    await clean(async () => {
      const line = get_irq_line(21);
      irq_set_status_flags(21, IRQ_IS_POLLED);
      await feed(IRQ_NONE, 3);
      expect(state(21).unhandled).toBe(0);
      const quiet = get_irq_line(22);
      irq_set_status_flags(22, IRQ_NO_DEBUG);
      irq_set_status_flags(99, IRQ_NO_DEBUG);
      await request_irq(22, () => (quiet.lower('a'), IRQ_NONE), 0, 'a', null);
      quiet.raise('a');
      await yield_now();
      expect(state(22)).toMatchObject({ total: 1, unhandled: 0 });
      expect(line.lost).toBe(false);
    });
  });

  it('judges threads one event late', async () => {
    await clean(async () => {
      get_irq_line(21);
      const desc = irq_to_desc(21);
      if (desc === null) throw new Error('no line');
      await note_interrupt(desc, IRQ_WAKE_THREAD);
      expect(state(21).unhandled).toBe(0);
      await note_interrupt(desc, IRQ_WAKE_THREAD);
      expect(state(21).unhandled).toBe(1);
      desc.threads_handled.counter++;
      await note_interrupt(desc, IRQ_WAKE_THREAD);
      expect(state(21).unhandled).toBe(1);
      await note_interrupt(desc, IRQ_WAKE_THREAD | IRQ_HANDLED);
      await note_interrupt(desc, IRQ_WAKE_THREAD);
      expect(state(21).unhandled).toBe(1);
    });
  });
});

/** Kill line 21 with the last event of a storm. */
async function kill(line: irq_line): Promise<void> {
  line.desc.irq_count = SPURIOUS_WINDOW - 1;
  line.desc.irqs_unhandled = SPURIOUS_LIMIT;
  line.raise('storm');
  while (!state(21).spurious_disabled) await yield_now();
  expect(state(21).spurious_disabled).toBe(true);
}

describe('a line that was switched off', () => {
  it('is polled ten times a second while it is shared', async () => {
    const polls: number[] = [];
    await boot(async () => {
      const line = get_irq_line(21);
      await request_irq(21, none, IRQF_SHARED, 'a', 'a');
      await kill(line);
      await request_irq(22, none, 0, '', null);
      const desc = irq_to_desc(21);
      if (desc?.action) desc.action.handler = () => (polls.push(now()), IRQ_HANDLED);
      const t0 = now();
      await sleep_ns(5 * TENTH);
      expect(polls.length).toBe(5);
      expect(polls[0] - t0).toBeLessThanOrEqual(TENTH);
      for (let i = 1; i < polls.length; i++) expect(polls[i] - polls[i - 1]).toBeGreaterThanOrEqual(TENTH);
      expect(state(21)).toMatchObject({ depth: 1, spurious_disabled: true, unhandled: 0 });
      await free_irq(21, 'a');
    });
  });

  it('is not polled when it is not shared, and the timer ends with the last such line', async () => {
    let calls = 0;
    await boot(async () => {
      const line = get_irq_line(21);
      await request_irq(21, () => (calls++, IRQ_NONE), 0, 'a', null);
      await kill(line);
      await sleep_ns(3 * TENTH);
      expect(calls).toBe(1);
      await free_irq(21, null);
      line.lower('storm');
      await request_irq(21, none, 0, 'a', null);
      expect(state(21)).toMatchObject({ depth: 0, spurious_disabled: false });
      await sleep_ns(3 * TENTH);
      expect(machine.clock.peek()).toBe(null);
    });
  });

  it('comes back with a new sharer, and by enable_irq without losing the mark', async () => {
    await boot(async () => {
      const line = get_irq_line(21);
      await request_irq(21, none, IRQF_SHARED, 'a', 'a');
      await kill(line);
      line.lower('storm');
      await enable_irq(21);
      expect(state(21)).toMatchObject({ depth: 0, spurious_disabled: true });
      await kill(line);
      line.lower('storm');
      await request_irq(21, none, IRQF_SHARED, 'b', 'b');
      expect(state(21)).toMatchObject({ depth: 0, spurious_disabled: false, count: 0, unhandled: 0 });
      line.lower('storm');
    });
  });

  it('a real interrupt that meets the poll waits for it', async () => {
    for (let seed = 0; seed < 10; seed++) {
      const order: string[] = [];
      await boot(async () => {
        const line = get_irq_line(21);
        await request_irq(21, none, IRQF_SHARED, 'a', 'a');
        await kill(line);
        line.lower('storm');
        const { desc } = line;
        while (state(21).in_flight) await yield_now();
        desc.cpu = 5;
        let inside = 0;
        let raised = false;
        if (desc.action === null) return;
        desc.action.handler = async () => {
          expect(++inside).toBe(1);
          order.push(current.name);
          if (!raised) {
            raised = true;
            line.raise('x');
          } else {
            line.lower('x');
          }
          for (let i = 0; i < 6; i++) await access(desc.vector, true);
          inside--;
          return IRQ_HANDLED;
        };
        // Enabled, yet still marked: both the poll and the line call the handlers.
        await enable_irq(21);
        await sleep_ns(TENTH + 1);
        await free_irq(21, 'a');
      }, new RandomPolicy(seed));
      expect(order).toEqual(['poll_spurious_irqs', 'irq/21']);
    }
  });
});

describe('irqfixup and irqpoll', () => {
  it('look at other shared lines when nobody handles an event', async () => {
    const log: string[] = [];
    await clean(async () => {
      irqfixup_setup(1);
      const line = get_irq_line(21);
      get_irq_line(0);
      get_irq_line(20);
      get_irq_line(22);
      await request_irq(21, () => (line.lower('a'), IRQ_NONE), IRQF_SHARED, 'a', 'a');
      await request_irq(22, () => (log.push('22'), IRQ_HANDLED), IRQF_SHARED, 'b', 'b');
      await request_irq(20, () => (log.push('20'), IRQ_HANDLED), 0, 'c', 'c');
      line.raise('a');
      await yield_now();
      expect(log).toEqual(['22']);
      expect(state(21)).toMatchObject({ unhandled: 0, count: 0 });
    });
  });

  it('mode 2 also for handled events of IRQF_IRQPOLL handlers, mode 1 not', async () => {
    for (const mode of [1, 2] as const) {
      const log: string[] = [];
      await clean(async () => {
        irqfixup_setup(mode);
        const line = get_irq_line(21);
        const zero = get_irq_line(0);
        get_irq_line(22);
        await request_irq(21, () => (line.lower('a'), IRQ_HANDLED), IRQF_IRQPOLL, 'a', 'a');
        await request_irq(0, () => (zero.lower('a'), IRQ_HANDLED), 0, 'timer', 'a');
        await request_irq(22, () => (log.push('22'), IRQ_HANDLED), IRQF_SHARED, 'b', 'b');
        line.raise('a');
        await yield_now();
        zero.raise('a');
        await yield_now();
      });
      expect(log).toEqual(mode === 2 ? ['22', '22'] : []);
    }
  });

  it('leave disabled, polled and running lines alone', async () => {
    const log: string[] = [];
    await clean(async () => {
      irqfixup_setup(1);
      const line = get_irq_line(21);
      get_irq_line(22);
      get_irq_line(23);
      await request_irq(21, () => (line.lower('a'), IRQ_NONE), 0, 'a', 'a');
      await request_irq(23, () => (log.push('23'), IRQ_HANDLED), IRQF_SHARED, 'c', 'c');
      irq_set_status_flags(23, IRQ_IS_POLLED);
      line.raise('a');
      await yield_now();
      expect(state(21).unhandled).toBe(1);
    });
    expect(log).toEqual([]);
  });
});

it('a threaded oneshot line judged by its thread does not storm', async () => {
  await clean(async () => {
    const line = get_irq_line(21);
    let n = 0;
    await request_threaded_irq(
      21,
      null,
      () => (++n === 50 && line.lower('a'), IRQ_HANDLED),
      IRQF_ONESHOT,
      'a',
      'a',
    );
    line.raise('a');
    while (line.asserted) await sleep_ns(1000);
    expect(state(21).unhandled).toBeLessThanOrEqual(1);
  });
});
