// SPDX-License-Identifier: GPL-2.0-only
// kernel/irq/chip.c, v5.19: states of a line and the flow handlers
import type { int } from '@vfio-lab/sim';
import { DONE, raw_spin_lock, raw_spin_unlock } from '@vfio-lab/locking';
import { WARN_ON, WARN_ON_ONCE } from '@vfio-lab/kernel';
import { handle_irq_event } from './handle.ts';
import { check_irq_resend } from './resend.ts';
import { irq_wait_for_poll } from './spurious.ts';
import {
  IRQ_DISABLE_UNLAZY,
  IRQCHIP_EOI_IF_HANDLED,
  IRQCHIP_EOI_THREADED,
  IRQD_ACTIVATED,
  IRQD_IRQ_DISABLED,
  IRQD_IRQ_INPROGRESS,
  IRQD_IRQ_MASKED,
  IRQD_IRQ_STARTED,
  IRQD_WAKEUP_ARMED,
  type irq_chip,
  type irq_desc,
  irqd_irq_disabled,
  irqd_irq_masked,
  irqd_is_activated,
  irqd_is_started,
  IRQS_ONESHOT,
  IRQS_PENDING,
  IRQS_POLL_INPROGRESS,
  IRQS_REPLAY,
  IRQS_WAITING,
} from './types.ts';

/** C: kernel/irq/chip.c __irq_startup() */
async function __irq_startup(desc: irq_desc): Promise<void> {
  const d = desc.irq_data;
  WARN_ON_ONCE(!irqd_is_activated(d));
  if (d.chip.irq_startup) {
    await d.chip.irq_startup(d);
    d.state &= ~(IRQD_IRQ_DISABLED | IRQD_IRQ_MASKED);
  } else {
    await irq_enable(desc);
  }
  d.state |= IRQD_IRQ_STARTED;
}

/** Turn the line on whatever its depth was. Caller holds desc->lock. C: kernel/irq/chip.c irq_startup() */
export async function irq_startup(desc: irq_desc, resend: boolean): Promise<void> {
  desc.depth = 0;
  if (irqd_is_started(desc.irq_data)) await irq_enable(desc);
  else await __irq_startup(desc);
  if (resend) check_irq_resend(desc, false);
}

/** C: kernel/irq/chip.c irq_activate() */
export async function irq_activate(desc: irq_desc): Promise<int> {
  const d = desc.irq_data;
  if (irqd_is_activated(d)) return 0;
  const ret = d.chip.irq_activate ? await d.chip.irq_activate(d) : 0;
  if (ret === 0) d.state |= IRQD_ACTIVATED;
  return ret;
}

/** C: kernel/irq/irqdomain.c irq_domain_deactivate_irq() */
export async function irq_deactivate(desc: irq_desc): Promise<void> {
  const d = desc.irq_data;
  if (!irqd_is_activated(d)) return;
  if (d.chip.irq_deactivate) await d.chip.irq_deactivate(d);
  d.state &= ~IRQD_ACTIVATED;
}

/** The last handler left. C: kernel/irq/chip.c irq_shutdown() */
export async function irq_shutdown(desc: irq_desc): Promise<void> {
  const d = desc.irq_data;
  if (!irqd_is_started(d)) return;
  desc.depth = 1;
  if (d.chip.irq_shutdown) {
    await d.chip.irq_shutdown(d);
    d.state |= IRQD_IRQ_DISABLED | IRQD_IRQ_MASKED;
  } else {
    await __irq_disable(desc, true);
  }
  d.state &= ~IRQD_IRQ_STARTED;
}

/** C: kernel/irq/chip.c irq_enable() */
export async function irq_enable(desc: irq_desc): Promise<void> {
  const d = desc.irq_data;
  if (!irqd_irq_disabled(d)) {
    await unmask_irq(desc);
    return;
  }
  d.state &= ~IRQD_IRQ_DISABLED;
  if (d.chip.irq_enable) {
    await d.chip.irq_enable(d);
    d.state &= ~IRQD_IRQ_MASKED;
  } else {
    await unmask_irq(desc);
  }
}

/** C: kernel/irq/chip.c __irq_disable() */
async function __irq_disable(desc: irq_desc, mask: boolean): Promise<void> {
  const d = desc.irq_data;
  if (irqd_irq_disabled(d)) {
    if (mask) await mask_irq(desc);
    return;
  }
  d.state |= IRQD_IRQ_DISABLED;
  if (d.chip.irq_disable) {
    await d.chip.irq_disable(d);
    d.state |= IRQD_IRQ_MASKED;
  } else if (mask) {
    await mask_irq(desc);
  }
}

/** Lazy unless the chip or the line says otherwise: the next interrupt masks. C: kernel/irq/chip.c irq_disable() */
export function irq_disable(desc: irq_desc): Promise<void> {
  return __irq_disable(desc, (desc.status & IRQ_DISABLE_UNLAZY) !== 0);
}

/** C: kernel/irq/chip.c mask_ack_irq() */
async function mask_ack_irq(desc: irq_desc): Promise<void> {
  const d = desc.irq_data;
  if (d.chip.irq_mask_ack) {
    await d.chip.irq_mask_ack(d);
    d.state |= IRQD_IRQ_MASKED;
    return;
  }
  await mask_irq(desc);
  if (d.chip.irq_ack) await d.chip.irq_ack(d);
}

/** C: kernel/irq/chip.c mask_irq() */
export async function mask_irq(desc: irq_desc): Promise<void> {
  const d = desc.irq_data;
  if (irqd_irq_masked(d) || !d.chip.irq_mask) return;
  await d.chip.irq_mask(d);
  d.state |= IRQD_IRQ_MASKED;
}

/** C: kernel/irq/chip.c unmask_irq() */
export async function unmask_irq(desc: irq_desc): Promise<void> {
  const d = desc.irq_data;
  if (!irqd_irq_masked(d) || !d.chip.irq_unmask) return;
  await d.chip.irq_unmask(d);
  d.state &= ~IRQD_IRQ_MASKED;
}

/** C: kernel/irq/chip.c unmask_threaded_irq() */
export async function unmask_threaded_irq(desc: irq_desc): Promise<void> {
  const d = desc.irq_data;
  if (((d.chip.flags ?? 0) & IRQCHIP_EOI_THREADED) !== 0 && d.chip.irq_eoi) await d.chip.irq_eoi(d);
  await unmask_irq(desc);
}

/** C: kernel/irq/chip.c irq_may_run() */
function irq_may_run(desc: irq_desc): boolean | Promise<boolean> {
  if ((desc.irq_data.state & (IRQD_IRQ_INPROGRESS | IRQD_WAKEUP_ARMED)) === 0) return true;
  if ((desc.istate & IRQS_POLL_INPROGRESS) === 0) return false;
  return irq_wait_for_poll(desc);
}

/** C: kernel/irq/chip.c cond_unmask_irq() */
async function cond_unmask_irq(desc: irq_desc): Promise<void> {
  const d = desc.irq_data;
  if (!irqd_irq_disabled(d) && irqd_irq_masked(d) && desc.threads_oneshot === 0) await unmask_irq(desc);
}

/** Level lines behind an old controller: masked while handlers run. C: kernel/irq/chip.c handle_level_irq() */
export async function handle_level_irq(desc: irq_desc): Promise<void> {
  await raw_spin_lock(desc.lock);
  await mask_ack_irq(desc);
  out_unlock: {
    if (!(await irq_may_run(desc))) break out_unlock;
    desc.istate &= ~(IRQS_REPLAY | IRQS_WAITING);
    if (desc.action === null || irqd_irq_disabled(desc.irq_data)) {
      desc.istate |= IRQS_PENDING;
      break out_unlock;
    }
    desc.tot_count++;
    await handle_irq_event(desc);
    await cond_unmask_irq(desc);
  }
  await raw_spin_unlock(desc.lock);
}

/** C: kernel/irq/chip.c cond_unmask_eoi_irq() */
async function cond_unmask_eoi_irq(desc: irq_desc, chip: irq_chip): Promise<void> {
  const d = desc.irq_data;
  // A oneshot line whose thread was not woken comes back at once.
  if (!irqd_irq_disabled(d) && irqd_irq_masked(d) && desc.threads_oneshot === 0) {
    await chip.irq_eoi?.(d);
    await unmask_irq(desc);
  } else if (((chip.flags ?? 0) & IRQCHIP_EOI_THREADED) === 0) {
    await chip.irq_eoi?.(d);
  }
}

/**
 * Level lines of the IO-APIC: held off by the missing end of interrupt. A storm comes through here 100,000 times, so
 * it awaits only where there is something to wait for. C: kernel/irq/chip.c handle_fasteoi_irq()
 */
export async function handle_fasteoi_irq(desc: irq_desc): Promise<void> {
  const d = desc.irq_data;
  const { chip } = d;
  let wait = raw_spin_lock(desc.lock);
  if (wait !== DONE) await wait;
  const may_run = irq_may_run(desc);
  if (may_run === true || (may_run !== false && (await may_run))) {
    desc.istate &= ~(IRQS_REPLAY | IRQS_WAITING);
    if (desc.action === null || irqd_irq_disabled(d)) {
      desc.istate |= IRQS_PENDING;
      await mask_irq(desc);
    } else {
      desc.tot_count++;
      const oneshot = (desc.istate & IRQS_ONESHOT) !== 0;
      if (oneshot) await mask_irq(desc);
      await handle_irq_event(desc);
      if (oneshot) await cond_unmask_eoi_irq(desc, chip);
      else await chip.irq_eoi?.(d);
      wait = raw_spin_unlock(desc.lock);
      if (wait !== DONE) await wait;
      return;
    }
  }
  if (((chip.flags ?? 0) & IRQCHIP_EOI_IF_HANDLED) === 0) await chip.irq_eoi?.(d);
  await raw_spin_unlock(desc.lock);
}

/** MSI: one that comes while handlers run makes them run again. C: kernel/irq/chip.c handle_edge_irq() */
export async function handle_edge_irq(desc: irq_desc): Promise<void> {
  const d = desc.irq_data;
  await raw_spin_lock(desc.lock);
  desc.istate &= ~(IRQS_REPLAY | IRQS_WAITING);
  out_unlock: {
    if (!(await irq_may_run(desc)) || irqd_irq_disabled(d) || desc.action === null) {
      desc.istate |= IRQS_PENDING;
      await mask_ack_irq(desc);
      break out_unlock;
    }
    desc.tot_count++;
    await d.chip.irq_ack?.(d);
    do {
      if (desc.action === null) {
        await mask_irq(desc);
        break;
      }
      if ((desc.istate & IRQS_PENDING) !== 0 && !irqd_irq_disabled(d) && irqd_irq_masked(d))
        await unmask_irq(desc);
      await handle_irq_event(desc);
    } while ((desc.istate & IRQS_PENDING) !== 0 && !irqd_irq_disabled(d));
  }
  await raw_spin_unlock(desc.lock);
}

/** C: kernel/irq/chip.c irq_activate_and_startup() */
export async function irq_activate_and_startup(desc: irq_desc, resend: boolean): Promise<void> {
  if (WARN_ON((await irq_activate(desc)) !== 0)) return;
  await irq_startup(desc, resend);
}
