// SPDX-License-Identifier: GPL-2.0-only
// kernel/irq/manage.c, v5.19: request and free, disable and enable. Forced threading (threadirqs) is not modelled.
import { access, current, join, machine, wait_until } from '@vfio-lab/sim';
import type { int, u32 } from '@vfio-lab/sim';
import {
  atomic_read,
  local_irq_restore,
  local_irq_save,
  mutex_lock,
  mutex_unlock,
  raw_spin_lock_irqsave,
  raw_spin_unlock_irqrestore,
  wait_event,
} from '@vfio-lab/locking';
import {
  EBUSY,
  EINVAL,
  ENOMEM,
  ENOTCONN,
  GFP_KERNEL,
  kfree,
  kzalloc,
  pr_err,
  WARN,
  WARN_ON_ONCE,
} from '@vfio-lab/kernel';
import { irq_activate, irq_deactivate, irq_disable, irq_shutdown, irq_startup } from './chip.ts';
import { __irq_wake_thread } from './handle.ts';
import { irq_to_desc } from './irqdesc.ts';
import {
  IRQ_DISABLE_UNLAZY,
  IRQ_LEVEL,
  IRQ_NO_BALANCING,
  IRQ_NO_DEBUG,
  IRQ_NOAUTOEN,
  IRQ_NOPROBE,
  IRQ_NOREQUEST,
  IRQ_NOTCONNECTED,
  IRQ_TYPE_LEVEL_MASK,
  IRQ_WAKE_THREAD,
  IRQCHIP_ONESHOT_SAFE,
  IRQD_DEFAULT_TRIGGER_SET,
  IRQD_IRQ_INPROGRESS,
  IRQD_LEVEL,
  IRQD_NO_BALANCING,
  IRQD_PER_CPU,
  IRQD_TRIGGER_MASK,
  type irq_desc,
  type irq_handler_t,
  irqaction,
  irqd_get_trigger_type,
  irqd_irq_inprogress,
  IRQF_COND_SUSPEND,
  IRQF_NO_AUTOEN,
  IRQF_NO_DEBUG,
  IRQF_NO_SUSPEND,
  IRQF_NOBALANCING,
  IRQF_ONESHOT,
  IRQF_PERCPU,
  IRQF_PROBE_SHARED,
  IRQF_SHARED,
  IRQF_TRIGGER_MASK,
  IRQS_AUTODETECT,
  IRQS_ONESHOT,
  IRQS_SPURIOUS_DISABLED,
  IRQS_SUSPENDED,
  IRQS_WAITING,
} from './types.ts';

/** C: kernel/irq/manage.c __synchronize_hardirq() */
async function __synchronize_hardirq(desc: irq_desc, sync_chip: boolean): Promise<void> {
  const d = desc.irq_data;
  const busy = (): boolean => irqd_irq_inprogress(d) || (sync_chip && (d.chip.irq_in_flight?.(d) ?? false));
  let inprogress: boolean;
  do {
    await wait_until(
      desc.lock,
      () => !busy(),
      () => machine.tasks.filter((t) => t.kind === 'hardirq' && t.name === desc.vector.name),
    );
    const flags = await raw_spin_lock_irqsave(desc.lock);
    inprogress = busy();
    await raw_spin_unlock_irqrestore(desc.lock, flags);
  } while (inprogress);
}

/** Wait for running hard handlers; false when a threaded one is active. C: kernel/irq/manage.c synchronize_hardirq() */
export async function synchronize_hardirq(irq: int): Promise<boolean> {
  const desc = irq_to_desc(irq);
  if (desc === null) return true;
  await __synchronize_hardirq(desc, false);
  return (await atomic_read(desc.threads_active)) === 0;
}

/** Wait for running handlers and threads. C: kernel/irq/manage.c synchronize_irq() */
export async function synchronize_irq(irq: int): Promise<void> {
  const desc = irq_to_desc(irq);
  if (desc === null) return;
  await __synchronize_hardirq(desc, true);
  await wait_event(desc.wait_for_threads, () => desc.threads_active.counter === 0);
}

/** C: kernel/irq/manage.c __disable_irq_nosync() */
async function __disable_irq_nosync(irq: int): Promise<int> {
  const desc = irq_to_desc(irq);
  if (desc === null) return -EINVAL;
  const flags = await raw_spin_lock_irqsave(desc.lock);
  if (desc.depth++ === 0) await irq_disable(desc);
  await raw_spin_unlock_irqrestore(desc.lock, flags);
  return 0;
}

/** Line depth + 1; off on 0 -> 1, lazily. A running handler goes on. C: kernel/irq/manage.c disable_irq_nosync() */
export async function disable_irq_nosync(irq: int): Promise<void> {
  await __disable_irq_nosync(irq);
}

/** As disable_irq_nosync, then wait for handlers and threads. C: kernel/irq/manage.c disable_irq() */
export async function disable_irq(irq: int): Promise<void> {
  if ((await __disable_irq_nosync(irq)) === 0) await synchronize_irq(irq);
}

/** As disable_irq_nosync, then wait for hard handlers only. C: kernel/irq/manage.c disable_hardirq() */
export async function disable_hardirq(irq: int): Promise<boolean> {
  if ((await __disable_irq_nosync(irq)) === 0) return synchronize_hardirq(irq);
  return false;
}

/** Caller holds desc->lock. C: kernel/irq/manage.c __enable_irq() */
async function __enable_irq(desc: irq_desc): Promise<void> {
  if (desc.depth > 1) {
    desc.depth--;
  } else if (desc.depth === 0 || (desc.istate & IRQS_SUSPENDED) !== 0) {
    WARN(true, `Unbalanced enable for IRQ ${desc.irq_data.irq}\n`);
  } else {
    desc.status |= IRQ_NOPROBE;
    await irq_startup(desc, true);
  }
}

/**
 * Line depth - 1; on 1 -> 0 it is on again and what is asserted or pending fires. Depth 0 already: a warning.
 * C: kernel/irq/manage.c enable_irq()
 */
export async function enable_irq(irq: int): Promise<void> {
  const desc = irq_to_desc(irq);
  if (desc === null) return;
  const flags = await raw_spin_lock_irqsave(desc.lock);
  await __enable_irq(desc);
  await raw_spin_unlock_irqrestore(desc.lock, flags);
  // What fires now is taken here, if this processor has its interrupts on.
  if (desc.vector.irr) await access(desc.vector, false, 'irq');
}

/** C: kernel/irq/manage.c irq_default_primary_handler() */
function irq_default_primary_handler(): int {
  return IRQ_WAKE_THREAD;
}

/** Wake the thread of the handler with this dev_id. C: kernel/irq/manage.c irq_wake_thread() */
export async function irq_wake_thread(irq: int, dev_id: unknown): Promise<void> {
  const desc = irq_to_desc(irq);
  if (desc === null) return;
  const flags = await raw_spin_lock_irqsave(desc.lock);
  let action = desc.action;
  while (action !== null && action.dev_id !== dev_id) action = action.next;
  if (action !== null && action.thread_fn !== null) await __irq_wake_thread(desc, action);
  await raw_spin_unlock_irqrestore(desc.lock, flags);
}

/** C: kernel/irq/manage.c __irq_set_trigger() */
async function __irq_set_trigger(desc: irq_desc, type: u32): Promise<int> {
  const d = desc.irq_data;
  if (!d.chip.irq_set_type) return 0;
  const ret = await d.chip.irq_set_type(d, type);
  if (ret !== 0) {
    pr_err(`genirq: Setting trigger mode ${type} for irq ${d.irq} failed (${d.chip.name})\n`);
    return ret;
  }
  const level = (type & IRQ_TYPE_LEVEL_MASK) !== 0;
  d.state = (d.state & ~(IRQD_TRIGGER_MASK | IRQD_LEVEL)) | type | (level ? IRQD_LEVEL : 0);
  desc.status = (desc.status & ~IRQ_LEVEL) | (level ? IRQ_LEVEL : 0);
  return 0;
}

/** May `action` join the handlers of the line? C: kernel/irq/manage.c __setup_irq(), the sharing rules */
function may_share(desc: irq_desc, old: irqaction, action: irqaction): boolean {
  const d = desc.irq_data;
  // Nobody configured the line before: what the newcomer asks for counts.
  if ((d.state & IRQD_DEFAULT_TRIGGER_SET) === 0) {
    d.state = (d.state & ~IRQD_TRIGGER_MASK) | (action.flags & IRQF_TRIGGER_MASK) | IRQD_DEFAULT_TRIGGER_SET;
  }
  return (
    (old.flags & action.flags & IRQF_SHARED) !== 0 &&
    irqd_get_trigger_type(d) === (action.flags & IRQF_TRIGGER_MASK) &&
    ((old.flags ^ action.flags) & (IRQF_ONESHOT | IRQF_PERCPU)) === 0
  );
}

/** The first handler sets the line up and turns it on. C: kernel/irq/manage.c __setup_irq(), `if (!shared)` */
async function setup_first(desc: irq_desc, action: irqaction): Promise<int> {
  const d = desc.irq_data;
  if ((action.flags & IRQF_TRIGGER_MASK) !== 0) {
    const ret = await __irq_set_trigger(desc, action.flags & IRQF_TRIGGER_MASK);
    if (ret !== 0) return ret;
  }
  const ret = await irq_activate(desc);
  if (ret !== 0) return ret;
  desc.istate &= ~(IRQS_AUTODETECT | IRQS_SPURIOUS_DISABLED | IRQS_ONESHOT | IRQS_WAITING);
  d.state &= ~IRQD_IRQ_INPROGRESS;
  if ((action.flags & IRQF_PERCPU) !== 0) {
    d.state |= IRQD_PER_CPU;
    if ((action.flags & IRQF_NO_DEBUG) !== 0) desc.status |= IRQ_NO_DEBUG;
  }
  if ((action.flags & IRQF_ONESHOT) !== 0) desc.istate |= IRQS_ONESHOT;
  if ((action.flags & IRQF_NOBALANCING) !== 0) {
    desc.status |= IRQ_NO_BALANCING;
    d.state |= IRQD_NO_BALANCING;
  }
  if ((action.flags & IRQF_NO_AUTOEN) === 0 && (desc.status & IRQ_NOAUTOEN) === 0) {
    await irq_startup(desc, true);
  } else {
    WARN_ON_ONCE((action.flags & IRQF_SHARED) !== 0);
    desc.depth = 1;
  }
  return 0;
}

/** C: kernel/irq/manage.c __setup_irq() */
async function __setup_irq(irq: int, desc: irq_desc, action: irqaction): Promise<int> {
  const d = desc.irq_data;
  const chip_flags = d.chip.flags ?? 0;
  let ret: int;
  action.irq = irq;
  if ((action.flags & IRQF_TRIGGER_MASK) === 0) action.flags |= irqd_get_trigger_type(d);
  if ((chip_flags & IRQCHIP_ONESHOT_SAFE) !== 0) action.flags &= ~IRQF_ONESHOT;

  await mutex_lock(desc.request_mutex);
  out_bus_unlock: {
    if (desc.action === null && d.chip.irq_request_resources) {
      ret = await d.chip.irq_request_resources(d);
      if (ret !== 0) {
        pr_err(
          `genirq: Failed to request resources for ${action.name} (irq ${irq}) on irqchip ${d.chip.name}\n`,
        );
        break out_bus_unlock;
      }
    }
    const flags = await raw_spin_lock_irqsave(desc.lock);
    out_unlock: {
      const first = desc.action;
      let last: irqaction | null = null;
      let thread_mask = 0;
      if (first !== null) {
        if (!may_share(desc, first, action)) {
          if ((action.flags & IRQF_PROBE_SHARED) === 0) {
            pr_err(
              `genirq: Flags mismatch irq ${irq}. ${hex(action.flags)} (${action.name}) vs. ${hex(first.flags)} (${first.name})\n`,
            );
          }
          ret = -EBUSY;
          break out_unlock;
        }
        for (let old: irqaction | null = first; old !== null; old = old.next) {
          thread_mask |= old.thread_mask;
          last = old;
        }
      }
      if ((action.flags & IRQF_ONESHOT) !== 0) {
        // The first zero bit; no line has 32 threaded handlers.
        action.thread_mask = ~thread_mask & (thread_mask + 1);
      } else if (
        action.handler === irq_default_primary_handler &&
        (chip_flags & IRQCHIP_ONESHOT_SAFE) === 0
      ) {
        // On a level line it would fire for ever before the thread gets a chance.
        pr_err(
          `genirq: Threaded irq requested with handler=NULL and !ONESHOT for ${action.name} (irq ${irq})\n`,
        );
        ret = -EINVAL;
        break out_unlock;
      }
      if (last === null) {
        ret = await setup_first(desc, action);
        if (ret !== 0) break out_unlock;
        desc.action = action;
      } else {
        last.next = action;
      }
      desc.irq_count = 0;
      desc.irqs_unhandled = 0;
      // A line that the spurious detector killed gets another chance with its new sharer.
      if (last !== null && (desc.istate & IRQS_SPURIOUS_DISABLED) !== 0) {
        desc.istate &= ~IRQS_SPURIOUS_DISABLED;
        await __enable_irq(desc);
      }
      await raw_spin_unlock_irqrestore(desc.lock, flags);
      await mutex_unlock(desc.request_mutex);
      return 0;
    }
    await raw_spin_unlock_irqrestore(desc.lock, flags);
    if (desc.action === null && d.chip.irq_release_resources) await d.chip.irq_release_resources(d);
  }
  await mutex_unlock(desc.request_mutex);
  return ret;
}

function hex(flags: u32): string {
  return (flags >>> 0).toString(16).padStart(8, '0');
}

class DebugShirq {
  on = false;
}

/** CONFIG_DEBUG_SHIRQ of the running machine: a shared handler must bear being called until free_irq() returns. */
export function set_debug_shirq(on: boolean): void {
  machine.scope(DebugShirq, () => new DebugShirq()).on = on;
}

/** C: kernel/irq/manage.c __free_irq(), CONFIG_DEBUG_SHIRQ */
async function call_once_more(desc: irq_desc, action: irqaction): Promise<void> {
  if (!machine.scope(DebugShirq, () => new DebugShirq()).on || (action.flags & IRQF_SHARED) === 0) return;
  const flags = local_irq_save();
  await action.handler(desc.irq_data.irq, action.dev_id);
  local_irq_restore(flags);
}

/** C: kernel/irq/manage.c __free_irq() */
async function __free_irq(desc: irq_desc, dev_id: unknown): Promise<irqaction | null> {
  const d = desc.irq_data;
  WARN(
    current.kind === 'hardirq' || current.kind === 'timer',
    `Trying to free IRQ ${d.irq} from IRQ context!\n`,
  );
  await mutex_lock(desc.request_mutex);
  let flags = await raw_spin_lock_irqsave(desc.lock);
  let before: irqaction | null = null;
  let action = desc.action;
  while (action !== null && action.dev_id !== dev_id) {
    before = action;
    action = action.next;
  }
  if (action === null) {
    WARN(true, `Trying to free already-free IRQ ${d.irq}\n`);
    await raw_spin_unlock_irqrestore(desc.lock, flags);
    await mutex_unlock(desc.request_mutex);
    return null;
  }
  if (before === null) desc.action = action.next;
  else before.next = action.next;
  if (desc.action === null) {
    desc.status &= ~IRQ_DISABLE_UNLAZY;
    await irq_shutdown(desc);
  }
  await raw_spin_unlock_irqrestore(desc.lock, flags);
  // Also another sharer's handler is waited for: it may have found this action in the list.
  await __synchronize_hardirq(desc, true);
  await call_once_more(desc, action);
  if (action.thread !== null) await join(action.thread);
  if (desc.action === null) {
    flags = await raw_spin_lock_irqsave(desc.lock);
    await irq_deactivate(desc);
    await raw_spin_unlock_irqrestore(desc.lock, flags);
    if (d.chip.irq_release_resources) await d.chip.irq_release_resources(d);
  }
  await mutex_unlock(desc.request_mutex);
  return action;
}

/**
 * Detach the handler with this dev_id and wait for running handlers; the last one shuts the line down. Sleeps.
 * Returns the name given at request, null (and a warning) when there is none. C: kernel/irq/manage.c free_irq()
 */
export async function free_irq(irq: int, dev_id: unknown): Promise<string | null> {
  const desc = irq_to_desc(irq);
  if (desc === null) return null;
  const action = await __free_irq(desc, dev_id);
  if (action === null) return null;
  const { name } = action;
  kfree(action);
  return name;
}

/**
 * Attach a handler, a thread for it, or both, and turn the line on. Sleeps.
 * -ENOTCONN for IRQ_NOTCONNECTED; -EINVAL for impossible flags, no such irq, not requestable, no handler at all;
 * -EBUSY when the line is taken and cannot be shared. C: kernel/irq/manage.c request_threaded_irq()
 */
export async function request_threaded_irq(
  irq: int,
  handler: irq_handler_t | null,
  thread_fn: irq_handler_t | null,
  irqflags: u32,
  devname: string,
  dev_id: unknown,
): Promise<int> {
  if (irq === IRQ_NOTCONNECTED) return -ENOTCONN;
  const shared = (irqflags & IRQF_SHARED) !== 0;
  const cond_suspend = (irqflags & IRQF_COND_SUSPEND) !== 0;
  if (
    (shared && (dev_id === null || dev_id === undefined)) ||
    (shared && (irqflags & IRQF_NO_AUTOEN) !== 0) ||
    (!shared && cond_suspend) ||
    ((irqflags & IRQF_NO_SUSPEND) !== 0 && cond_suspend)
  ) {
    return -EINVAL;
  }
  const desc = irq_to_desc(irq);
  if (desc === null || (desc.status & IRQ_NOREQUEST) !== 0) return -EINVAL;
  if (handler === null && thread_fn === null) return -EINVAL;
  const action = kzalloc(irqaction, GFP_KERNEL);
  if (action === null) return -ENOMEM;
  action.handler = handler ?? irq_default_primary_handler;
  action.thread_fn = thread_fn;
  action.flags = irqflags;
  action.name = devname;
  action.dev_id = dev_id;
  const retval = await __setup_irq(irq, desc, action);
  if (retval !== 0) kfree(action);
  return retval;
}

/** As request_threaded_irq without a thread. C: include/linux/interrupt.h request_irq() */
export function request_irq(
  irq: int,
  handler: irq_handler_t,
  flags: u32,
  name: string,
  dev: unknown,
): Promise<int> {
  return request_threaded_irq(irq, handler, null, flags, name, dev);
}
