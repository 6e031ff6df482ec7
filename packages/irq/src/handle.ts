// SPDX-License-Identifier: GPL-2.0-only
// kernel/irq/handle.c, v5.19: run the handlers of a line
import { current, spawn } from '@vfio-lab/sim';
import { atomic_inc, DONE, raw_spin_lock, raw_spin_unlock } from '@vfio-lab/locking';
import { pr_warn, WARN_ONCE } from '@vfio-lab/kernel';
import { irq_thread } from './thread.ts';
import { note_interrupt } from './spurious.ts';
import {
  IRQ_NO_DEBUG,
  IRQ_NONE,
  IRQ_WAKE_THREAD,
  IRQD_IRQ_INPROGRESS,
  type irq_desc,
  type irqaction,
  type irqreturn_t,
  IRQS_PENDING,
} from './types.ts';

/**
 * Make the thread of a handler run (once more). Its task is there only while it has work, which is the same to
 * everybody outside: nothing can tell a sleeping thread from none.
 * C: kernel/irq/handle.c __irq_wake_thread()
 */
export async function __irq_wake_thread(desc: irq_desc, action: irqaction): Promise<void> {
  if (action.thread_runs) return;
  action.thread_runs = true;
  desc.threads_oneshot |= action.thread_mask;
  await atomic_inc(desc.threads_active);
  action.thread ??= spawn(`irq/${action.irq}-${action.name}`, () => irq_thread(desc, action), {
    kind: 'kthread',
    process: null,
  });
}

/** Every handler of the line is called, always all of them. C: kernel/irq/handle.c __handle_irq_event_percpu() */
async function __handle_irq_event_percpu(desc: irq_desc): Promise<irqreturn_t> {
  const { irq } = desc.irq_data;
  const { cpu } = current;
  let retval: irqreturn_t = IRQ_NONE;
  for (let action = desc.action; action !== null; action = action.next) {
    const said = action.handler(irq, action.dev_id);
    const res = typeof said === 'number' ? said : await said;
    if (!cpu.irqs_off) {
      WARN_ONCE(true, `irq ${irq} handler ${action.handler.name} enabled interrupts\n`);
      cpu.irqs_off = true;
    }
    if (res === IRQ_WAKE_THREAD) {
      if (action.thread_fn === null) {
        pr_warn(
          `IRQ ${irq} device ${action.name} returned IRQ_WAKE_THREAD but no thread function available.`,
        );
      } else {
        await __irq_wake_thread(desc, action);
      }
    }
    retval |= res;
  }
  return retval;
}

/** Caller holds desc->lock, which is dropped while handlers run. C: kernel/irq/handle.c handle_irq_event() */
export async function handle_irq_event(desc: irq_desc): Promise<irqreturn_t> {
  desc.istate &= ~IRQS_PENDING;
  desc.irq_data.state |= IRQD_IRQ_INPROGRESS;
  let wait = raw_spin_unlock(desc.lock);
  if (wait !== DONE) await wait;
  const ret = await __handle_irq_event_percpu(desc);
  if ((desc.status & IRQ_NO_DEBUG) === 0) {
    const noted = note_interrupt(desc, ret);
    if (noted !== undefined) await noted;
  }
  wait = raw_spin_lock(desc.lock);
  if (wait !== DONE) await wait;
  desc.irq_data.state &= ~IRQD_IRQ_INPROGRESS;
  return ret;
}
