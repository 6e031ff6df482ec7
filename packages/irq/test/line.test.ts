// SPDX-License-Identifier: GPL-2.0-only
import { current, join, Machine, spawn, yield_now } from '@vfio-lab/sim';
import {
  local_irq_restore,
  local_irq_save,
  spin_lock_irq,
  spin_unlock_irq,
  spinlock_t,
} from '@vfio-lab/locking';
import { describe, expect, it } from 'vitest';
import {
  all_irq_lines,
  disable_irq_nosync,
  enable_irq,
  free_irq,
  get_irq_line,
  IRQ_HANDLED,
  IRQ_NONE,
  irq_alloc_msi,
  irq_desc_state,
  irq_line,
  irq_set_affinity,
  irq_to_desc,
  IRQF_SHARED,
  IRQS_PENDING,
  lost_irqs,
  request_irq,
  trigger_msi,
} from '../src/index.ts';
import { boot, clean, kinds, state } from './util.ts';

/** A device that asserts its wire until its handler is called. */
function device(line: irq_line, log: string[], name: string) {
  return {
    handler: (irq: number): number => {
      if (!line.asserts(name)) {
        log.push(`${name}:none`);
        return IRQ_NONE;
      }
      log.push(`${name}:${irq}`);
      line.lower(name);
      return IRQ_HANDLED;
    },
  };
}

describe('a level-triggered line', () => {
  it('is asserted while one of its sources asserts it, each source counting once (1)', async () => {
    await clean(async () => {
      const line = get_irq_line(21);
      expect(get_irq_line(21)).toBe(line);
      expect(() => new irq_line(21)).toThrow('irq 21 is there already');
      expect(line.asserted).toBe(false);
      line.raise('a');
      line.raise('a');
      line.raise('b');
      line.lower('a');
      expect([line.asserted, line.asserts('a'), line.asserts('b')]).toEqual([true, false, true]);
      line.lower('b');
      expect(line.asserted).toBe(false);
      get_irq_line(16);
      expect(all_irq_lines().map((l) => l.irq)).toEqual([16, 21]);
      const msi = irq_alloc_msi();
      expect(() => get_irq_line(msi)).toThrow('is not a line');
    });
  });

  it('calls the handler in hard-IRQ context with interrupts off', async () => {
    const seen: unknown[] = [];
    await clean(async () => {
      const line = get_irq_line(21);
      const h = (irq: number, dev: unknown): number => {
        seen.push([irq, dev, current.name, current.hardirq, current.cpu.irqs_off]);
        line.lower('dev');
        return IRQ_HANDLED;
      };
      expect(await request_irq(21, h, 0, 'dev', 'cookie')).toBe(0);
      line.raise('dev');
      await yield_now();
      expect(current.cpu.irqs_off).toBe(false);
    });
    expect(seen).toEqual([[21, 'cookie', 'irq/21', true, true]]);
  });

  it('calls every handler of a shared line, in order of request, and fires again until all sources are silent (4)', async () => {
    const log: string[] = [];
    await clean(async () => {
      const line = get_irq_line(21);
      await request_irq(21, device(line, log, 'a').handler, IRQF_SHARED, 'a', 'a');
      await request_irq(21, device(line, log, 'b').handler, IRQF_SHARED, 'b', 'b');
      line.raise('b');
      await yield_now();
      expect(log.splice(0)).toEqual(['a:none', 'b:21']);
      line.raise('a');
      line.raise('b');
      await yield_now();
      expect(log.splice(0)).toEqual(['a:21', 'b:21']);
      expect(state(21)).toMatchObject({ total: 2, unhandled: 0, actions: ['a', 'b'], in_flight: false });
    });
  });

  it('with a pin that is deaf while free, only a change of the wire after the request is seen (5)', async () => {
    const log: string[] = [];
    await clean(async () => {
      const line = get_irq_line(21);
      line.deaf_while_free = true;
      line.raise('a');
      await request_irq(21, device(line, log, 'a').handler, 0, 'a', null);
      await yield_now();
      expect([log, line.asserted]).toEqual([[], true]);
      line.lower('a');
      line.raise('a');
      await yield_now();
      expect(log).toEqual(['a:21']);
    });
  });

  it('fires before request_irq returns when it is asserted already', async () => {
    const log: string[] = [];
    await clean(async () => {
      const line = get_irq_line(21);
      line.raise('a');
      expect(line.masked).toBe(true);
      await request_irq(21, device(line, log, 'a').handler, 0, 'a', null);
      expect(log).toEqual(['a:21']);
    });
  });

  it('is taken even if the source lets go before the processor gets to it (3)', async () => {
    const log: string[] = [];
    await clean(async () => {
      const line = get_irq_line(21);
      await request_irq(21, device(line, log, 'a').handler, 0, 'a', null);
      const flags = local_irq_save();
      line.raise('a');
      expect(state(21).in_flight).toBe(true);
      line.lower('a');
      await yield_now();
      expect(log).toEqual([]);
      local_irq_restore(flags);
      await yield_now();
    });
    expect(log).toEqual(['a:none']);
  });

  it('shows on the timeline, a storm not 100,000 times', async () => {
    const m = new Machine({ tracing: true });
    await m.run(async () => {
      const line = get_irq_line(21);
      let n = 0;
      await request_irq(21, () => (++n === 50 && line.lower('a'), IRQ_NONE), 0, 'a', null);
      line.raise('a');
      await yield_now();
    });
    const taken = m.events.filter((e) => e.kind === 'irq').map((e) => `${e.task}: ${e.text}`);
    expect(taken).toEqual(Array.from({ length: 10 }, () => 'irq/21: irq 21 taken'));
  });

  it('waits while the processor has interrupts off, and goes to the processor it was given', async () => {
    const log: string[] = [];
    await clean(async () => {
      const line = get_irq_line(21);
      irq_set_affinity(21, 3);
      const h = (): number => {
        log.push(`cpu ${current.cpu.id}`);
        line.lower('a');
        return IRQ_HANDLED;
      };
      await request_irq(21, h, 0, 'a', null);
      const lock = new spinlock_t('test');
      const holder = spawn(
        'holder',
        async () => {
          await spin_lock_irq(lock);
          line.raise('a');
          await yield_now();
          log.push('still off');
          await spin_unlock_irq(lock);
        },
        { cpu: 3 },
      );
      await join(holder);
      await yield_now();
    });
    expect(log).toEqual(['still off', 'cpu 3']);
  });

  it('warns about a handler that turns interrupts on', async () => {
    const m = await boot(async () => {
      const line = get_irq_line(21);
      const lock = new spinlock_t('test');
      const h = async (): Promise<number> => {
        await spin_lock_irq(lock);
        await spin_unlock_irq(lock);
        line.lower('a');
        return IRQ_HANDLED;
      };
      await request_irq(21, h, 0, 'a', null);
      line.raise('a');
      await yield_now();
    });
    expect(kinds(m)).toContain('WARN_ON');
    expect(m.findings.map((f) => f.text).join()).toMatch('irq 21 handler h enabled interrupts');
  });

  it('is disabled lazily: the next interrupt finds it disabled, is marked pending, and masks the pin', async () => {
    const log: string[] = [];
    await clean(async () => {
      const line = get_irq_line(21);
      await request_irq(21, device(line, log, 'a').handler, 0, 'a', null);
      await disable_irq_nosync(21);
      expect(state(21)).toMatchObject({ depth: 1, disabled: true, masked: false, pending: false });
      line.raise('a');
      await yield_now();
      expect(state(21)).toMatchObject({ depth: 1, masked: true, pending: true, in_flight: false });
      expect(log).toEqual([]);
      expect(line.lost).toBe(false);
      // A level line is not sent again by software: it is still asserted, so the hardware does.
      await enable_irq(21);
      expect(log).toEqual(['a:21']);
      expect(state(21)).toMatchObject({ depth: 0, disabled: false, masked: false, pending: false });
    });
  });

  it('is forgotten when the source lets go while it is disabled', async () => {
    const log: string[] = [];
    await clean(async () => {
      const line = get_irq_line(21);
      await request_irq(21, device(line, log, 'a').handler, 0, 'a', null);
      await disable_irq_nosync(21);
      line.raise('a');
      await yield_now();
      line.lower('a');
      await enable_irq(21);
    });
    expect(log).toEqual([]);
  });

  it('knows when an interrupt is lost', async () => {
    await clean(async () => {
      const line = get_irq_line(21);
      await request_irq(21, () => IRQ_HANDLED, 0, 'a', null);
      line.masked = true;
      line.raise('a');
      const msi = irq_alloc_msi();
      await request_irq(msi, () => IRQ_HANDLED, 0, 'm', null);
      const desc = irq_to_desc(msi);
      if (desc !== null) desc.istate |= IRQS_PENDING;
      expect(line.lost).toBe(true);
      expect(lost_irqs()).toEqual([
        { irq: 21, kind: 'level', actions: ['a'] },
        { irq: msi, kind: 'edge', actions: ['m'] },
      ]);
      line.lower('a');
      expect(line.lost).toBe(false);
      trigger_msi(msi);
      await yield_now();
      expect(lost_irqs()).toEqual([]);
      await free_irq(21, null);
    });
  });

  it('has no state when there is no such irq', async () => {
    await clean(async () => {
      expect(irq_desc_state(5)).toBe(null);
      irq_set_affinity(5, 1);
    });
  });
});
