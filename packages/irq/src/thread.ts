// SPDX-License-Identifier: GPL-2.0-only
// kernel/irq/manage.c, v5.19: threaded handlers
import { wait_until } from '@vfio-lab/sim';
import {
  atomic_dec_and_test,
  atomic_inc,
  raw_spin_lock_irq,
  raw_spin_unlock_irq,
  wake_up,
} from '@vfio-lab/locking';
import { unmask_threaded_irq } from './chip.ts';
import {
  IRQ_HANDLED,
  type irq_desc,
  irqd_irq_disabled,
  irqd_irq_inprogress,
  irqd_irq_masked,
  type irqaction,
  IRQS_ONESHOT,
} from './types.ts';

/** C: kernel/irq/manage.c irq_finalize_oneshot() */
async function irq_finalize_oneshot(desc: irq_desc, action: irqaction): Promise<void> {
  if ((desc.istate & IRQS_ONESHOT) === 0) return;
  const d = desc.irq_data;
  // The thread may be faster than the hard handler that woke it: let that one finish first.
  for (;;) {
    await raw_spin_lock_irq(desc.lock);
    if (!irqd_irq_inprogress(d)) break;
    await raw_spin_unlock_irq(desc.lock);
    await wait_until(desc.lock, () => !irqd_irq_inprogress(d));
  }
  if (!action.thread_runs) {
    desc.threads_oneshot &= ~action.thread_mask;
    if (desc.threads_oneshot === 0 && !irqd_irq_disabled(d) && irqd_irq_masked(d))
      await unmask_threaded_irq(desc);
  }
  await raw_spin_unlock_irq(desc.lock);
}

/** Run the threaded handler as often as it was woken. C: kernel/irq/manage.c irq_thread() and irq_thread_fn() */
export async function irq_thread(desc: irq_desc, action: irqaction): Promise<void> {
  while (action.thread_runs && action.thread_fn !== null) {
    action.thread_runs = false;
    const ret = await action.thread_fn(action.irq, action.dev_id);
    if (ret === IRQ_HANDLED) await atomic_inc(desc.threads_handled);
    await irq_finalize_oneshot(desc, action);
    if (await atomic_dec_and_test(desc.threads_active)) await wake_up(desc.wait_for_threads);
  }
  action.thread = null;
}
