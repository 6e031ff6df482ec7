// SPDX-License-Identifier: GPL-2.0-only
import { current, join, RandomPolicy, spawn, yield_now } from '@vfio-lab/sim';
import { local_irq_restore, local_irq_save } from '@vfio-lab/locking';
import { EINVAL, EIO } from '@vfio-lab/kernel';
import { describe, expect, it } from 'vitest';
import {
  all_irq_descs,
  disable_irq,
  disable_irq_nosync,
  enable_irq,
  free_irq,
  get_irq_line,
  handle_level_irq,
  IRQ_DISABLE_UNLAZY,
  IRQ_HANDLED,
  irq_alloc_msi,
  irq_free_msi,
  irq_set_affinity,
  irq_set_status_flags,
  irq_to_desc,
  IRQF_ONESHOT,
  IRQF_SHARED,
  IRQF_TRIGGER_RISING,
  IRQS_PENDING,
  request_irq,
  request_threaded_irq,
  trigger_msi,
} from '../src/index.ts';
import type { irq_chip, irq_desc } from '../src/index.ts';
import { irq_activate_and_startup } from '../src/chip.ts';
import { irq_alloc_desc } from '../src/irqdesc.ts';
import { check_irq_resend } from '../src/resend.ts';
import { boot, clean, kinds, state } from './util.ts';

describe('MSI vectors', () => {
  it('are numbered upwards from 24, the lowest free one first', async () => {
    await clean(async () => {
      get_irq_line(21);
      get_irq_line(25);
      expect([irq_alloc_msi(), irq_alloc_msi(), irq_alloc_msi()]).toEqual([24, 26, 27]);
      irq_free_msi(26);
      expect(irq_alloc_msi()).toBe(26);
      expect(all_irq_descs().map((d) => d.irq_data.irq)).toEqual([21, 24, 25, 26, 27]);
      irq_free_msi(99);
      expect([trigger_msi(99), trigger_msi(21)]).toEqual([false, false]);
    });
  });

  it('are edges: one message, one event; what comes while one is on its way is lost in it', async () => {
    let calls = 0;
    await clean(async () => {
      const irq = irq_alloc_msi();
      await request_irq(irq, () => (calls++, IRQ_HANDLED), 0, 'msi', 'd');
      expect(trigger_msi(irq)).toBe(true);
      await yield_now();
      expect(calls).toBe(1);
      const flags = local_irq_save();
      trigger_msi(irq);
      trigger_msi(irq);
      expect(state(irq).in_flight).toBe(true);
      local_irq_restore(flags);
      await yield_now();
      expect(calls).toBe(2);
      await free_irq(irq, 'd');
      irq_free_msi(irq);
    });
  });

  it('one that comes while the handler runs makes it run again, also on another processor', async () => {
    const log: string[] = [];
    await clean(async () => {
      const irq = irq_alloc_msi();
      let first = true;
      const h = async (): Promise<number> => {
        log.push(`in ${current.cpu.id}`);
        if (first) {
          first = false;
          irq_set_affinity(irq, 7);
          trigger_msi(irq);
          while (!state(irq).pending) await yield_now();
          expect(state(irq)).toMatchObject({ pending: true, masked: true, inprogress: true });
        }
        log.push('out');
        return IRQ_HANDLED;
      };
      await request_irq(irq, h, 0, 'msi', 'd');
      trigger_msi(irq);
      await yield_now();
      while (log.length < 4) await yield_now();
      expect(state(irq)).toMatchObject({ pending: false, masked: false, total: 1 });
    }, new RandomPolicy(1));
    expect(log).toEqual(['in 0', 'out', 'in 0', 'out']);
  });

  it('while disabled one is pending and masked, and enable_irq sends it again', async () => {
    let calls = 0;
    await clean(async () => {
      const irq = irq_alloc_msi();
      await request_irq(irq, () => (calls++, IRQ_HANDLED), 0, 'msi', 'd');
      await disable_irq(irq);
      expect(state(irq)).toMatchObject({ disabled: true, masked: false });
      trigger_msi(irq);
      await yield_now();
      expect(state(irq)).toMatchObject({ pending: true, masked: true });
      expect(calls).toBe(0);
      await enable_irq(irq);
      await yield_now();
      expect(calls).toBe(1);
    });
  });

  it('call the device side to mask, unmask, activate and deactivate', async () => {
    const log: string[] = [];
    await clean(async () => {
      let fail = true;
      const chip: Partial<irq_chip> = {
        irq_mask: () => void log.push('mask'),
        irq_unmask: () => void log.push('unmask'),
        irq_activate: () => (log.push('activate'), fail ? -EIO : 0),
        irq_deactivate: () => void log.push('deactivate'),
      };
      const irq = irq_alloc_msi(chip, 'data');
      expect(irq_to_desc(irq)?.irq_data.chip_data).toBe('data');
      expect(await request_irq(irq, () => IRQ_HANDLED, 0, 'msi', 'd')).toBe(-EIO);
      fail = false;
      expect(await request_irq(irq, () => IRQ_HANDLED, 0, 'msi', 'd')).toBe(0);
      await free_irq(irq, 'd');
    });
    expect(log).toEqual(['activate', 'activate', 'unmask', 'mask', 'deactivate']);
  });

  it('need no ONESHOT, and it is dropped', async () => {
    await clean(async () => {
      const irq = irq_alloc_msi();
      expect(await request_threaded_irq(irq, null, () => IRQ_HANDLED, IRQF_ONESHOT, 'msi', 'd')).toBe(0);
      expect(irq_to_desc(irq)?.action?.flags).toBe(0);
      await free_irq(irq, 'd');
      expect(await request_threaded_irq(irq, null, () => IRQ_HANDLED, 0, 'msi', 'd')).toBe(0);
      trigger_msi(irq);
      await yield_now();
      await free_irq(irq, 'd');
    });
  });

  it('must have no handler left when they are given back', async () => {
    const m = await boot(async () => {
      const irq = irq_alloc_msi();
      await request_irq(irq, () => IRQ_HANDLED, 0, 'msi', 'd');
      irq_free_msi(irq);
    });
    expect(kinds(m)).toEqual(['WARN_ON']);
  });

  it('an interrupt that is on its way when the last handler goes finds nobody', async () => {
    let calls = 0;
    await clean(async () => {
      const irq = irq_alloc_msi();
      await request_irq(irq, () => (calls++, IRQ_HANDLED), 0, 'msi', 'd');
      const t = spawn('free', async () => {
        irq_set_affinity(irq, current.cpu.id);
        const flags = local_irq_save();
        trigger_msi(irq);
        local_irq_restore(flags);
        const desc = irq_to_desc(irq) as irq_desc;
        desc.action = null;
      });
      await join(t);
      await yield_now();
      expect(state(irq)).toMatchObject({ pending: true, masked: true });
    });
    expect(calls).toBe(0);
  });
});

/** A line behind a controller with every optional operation. */
function old_line(log: string[], irq: number, extra: Partial<irq_chip> = {}): irq_desc {
  const op = (name: string) => (): void => void log.push(name);
  return irq_alloc_desc(
    irq,
    {
      name: 'XT-PIC',
      irq_startup: op('startup'),
      irq_shutdown: op('shutdown'),
      irq_enable: op('enable'),
      irq_disable: op('disable'),
      irq_mask_ack: op('mask_ack'),
      irq_unmask: op('unmask'),
      irq_set_type: (_d, type) => (log.push(`type ${type}`), 0),
      irq_request_resources: () => (log.push('request'), 0),
      irq_release_resources: op('release'),
      ...extra,
    },
    handle_level_irq,
  );
}

/** Call a flow handler as the entry code does: interrupts off. */
async function take(desc: irq_desc): Promise<void> {
  const flags = local_irq_save();
  await desc.handle_irq(desc);
  local_irq_restore(flags);
}

describe('handle_level_irq', () => {
  it('masks while handlers run', async () => {
    const log: string[] = [];
    await clean(async () => {
      const desc = old_line(log, 5);
      const h = (): number => (log.push('handler'), IRQ_HANDLED);
      expect(await request_irq(5, h, IRQF_TRIGGER_RISING, 'a', 'a')).toBe(0);
      await take(desc);
      await disable_irq_nosync(5);
      await take(desc);
      expect(desc.istate & IRQS_PENDING).not.toBe(0);
      await enable_irq(5);
      desc.irq_data.state |= 1 << 18;
      await take(desc);
      desc.irq_data.state &= ~(1 << 18);
      await free_irq(5, 'a');
    });
    expect(log).toEqual([
      'request',
      'type 1',
      'startup',
      'mask_ack',
      'handler',
      'unmask',
      'disable',
      'mask_ack',
      'enable',
      'mask_ack',
      'shutdown',
      'release',
    ]);
  });

  it('works with a controller that has mask and ack apart, and unlazy disable', async () => {
    const log: string[] = [];
    await clean(async () => {
      const op = (name: string) => (): void => void log.push(name);
      const chip: irq_chip = {
        name: 'plain',
        irq_mask: op('mask'),
        irq_ack: op('ack'),
        irq_unmask: op('unmask'),
      };
      const desc = irq_alloc_desc(6, chip, handle_level_irq);
      irq_set_status_flags(6, IRQ_DISABLE_UNLAZY);
      await request_irq(6, () => IRQ_HANDLED, IRQF_TRIGGER_RISING, 'a', 'a');
      await take(desc);
      await disable_irq_nosync(6);
      await enable_irq(6);
      await free_irq(6, 'a');
    });
    expect(log).toEqual(['unmask', 'mask', 'ack', 'unmask', 'mask', 'unmask', 'mask']);
  });

  it('fails the request when the controller refuses the type or the resources', async () => {
    const log: string[] = [];
    const m = await clean(async () => {
      old_line(log, 5, { irq_set_type: () => -EINVAL });
      expect(await request_irq(5, () => IRQ_HANDLED, IRQF_TRIGGER_RISING, 'a', 'a')).toBe(-EINVAL);
      old_line(log, 6, { irq_request_resources: () => -EIO });
      expect(await request_irq(6, () => IRQ_HANDLED, 0, 'a', 'a')).toBe(-EIO);
    });
    expect(log).toEqual(['request', 'release']);
    expect(m.log).toEqual([
      '<3>genirq: Setting trigger mode 1 for irq 5 failed (XT-PIC)',
      '<3>genirq: Failed to request resources for a (irq 6) on irqchip XT-PIC',
    ]);
  });
});

describe('check_irq_resend', () => {
  it('leaves level lines to the hardware and sends an edge once', async () => {
    await clean(async () => {
      const level = get_irq_line(21).desc;
      level.istate |= IRQS_PENDING;
      expect(check_irq_resend(level, false)).toBe(-EINVAL);
      expect(level.istate & IRQS_PENDING).toBe(0);
      const irq = irq_alloc_msi();
      const desc = irq_to_desc(irq) as irq_desc;
      await request_irq(irq, () => IRQ_HANDLED, IRQF_SHARED, 'a', 'a');
      expect(check_irq_resend(desc, false)).toBe(0);
      const flags = local_irq_save();
      expect(check_irq_resend(desc, true)).toBe(0);
      expect(check_irq_resend(desc, true)).toBe(-16);
      local_irq_restore(flags);
      await yield_now();
      const dumb = irq_alloc_msi({ irq_retrigger: () => false });
      expect(check_irq_resend(irq_to_desc(dumb) as irq_desc, true)).toBe(-EINVAL);
    });
  });

  it('irq_activate_and_startup turns a line on without a handler', async () => {
    await clean(async () => {
      const { desc } = get_irq_line(21);
      await irq_activate_and_startup(desc, false);
      expect(state(21)).toMatchObject({ depth: 0, started: true });
    });
  });
});
