// SPDX-License-Identifier: GPL-2.0-only
// kernel/irq/resend.c, v5.19. x86 retriggers through the local APIC, so there is no software resend.
import type { int } from '@vfio-lab/sim';
import { EBUSY, EINVAL } from '@vfio-lab/kernel';
import { IRQ_LEVEL, type irq_desc, IRQS_PENDING, IRQS_REPLAY } from './types.ts';

/**
 * Send a pending edge again. A level line is left to the hardware. Caller holds desc->lock.
 * C: kernel/irq/resend.c check_irq_resend()
 */
export function check_irq_resend(desc: irq_desc, inject: boolean): int {
  if ((desc.status & IRQ_LEVEL) !== 0) {
    desc.istate &= ~IRQS_PENDING;
    return -EINVAL;
  }
  if ((desc.istate & IRQS_REPLAY) !== 0) return -EBUSY;
  if ((desc.istate & IRQS_PENDING) === 0 && !inject) return 0;
  desc.istate &= ~IRQS_PENDING;
  const d = desc.irq_data;
  if (!d.chip.irq_retrigger?.(d)) return -EINVAL;
  desc.istate |= IRQS_REPLAY;
  return 0;
}
