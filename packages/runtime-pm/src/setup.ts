// SPDX-License-Identifier: GPL-2.0-only
// drivers/base/power/runtime.c, v5.19: status, barrier, enable and disable, allow and forbid, autosuspend, init
import { now, SimTimer } from '@vfio-lab/sim';
import type { int } from '@vfio-lab/sim';
import {
  atomic_add_unless,
  atomic_dec,
  atomic_inc,
  atomic_read,
  atomic_set,
  init_waitqueue_head,
  SINGLE_DEPTH_NESTING,
  spin_lock_init,
  spin_lock_irq,
  spin_lock_irqsave,
  spin_lock_nested,
  spin_unlock,
  spin_unlock_irq,
  spin_unlock_irqrestore,
} from '@vfio-lab/locking';
import {
  cancel_work_sync,
  dev_err,
  dev_name,
  dev_warn,
  type device,
  device_is_registered,
  EAGAIN,
  EBUSY,
  EINVAL,
  INIT_WORK,
  RPM_ACTIVE,
  RPM_INVALID,
  RPM_REQ_NONE,
  RPM_REQ_RESUME,
  RPM_RESUMING,
  type rpm_status,
  RPM_SUSPENDED,
  RPM_SUSPENDING,
} from '@vfio-lab/kernel';
import { rpm_drop_usage_count } from './entry.ts';
import { rpm_get_suppliers, rpm_put_suppliers } from './links.ts';
import {
  pm_request_idle,
  pm_runtime_disable,
  pm_runtime_enabled,
  pm_runtime_get_noresume,
  pm_runtime_get_sync,
  pm_runtime_put,
  pm_runtime_put_noidle,
  pm_runtime_set_suspended,
  pm_runtime_status_suspended,
  pm_suspend_ignore_children,
} from './pm_runtime.ts';
import {
  __update_runtime_status,
  pm_runtime_deactivate_timer,
  pm_runtime_mark_last_busy,
  pm_runtime_work,
  pm_suspend_timer_fn,
  RPM_GET_CALLBACK,
  rpm_idle,
  rpm_resume,
  trace_rpm,
  update_pm_runtime_accounting,
} from './runtime.ts';
import { rpm_sysfs_remove } from './sysfs.ts';
import { RPM_ASYNC, RPM_AUTO } from './types.ts';
import { rpm_wait_while } from './wait.ts';

/**
 * Say what state the device is in, without any callback; clears runtime_error. -EAGAIN while enabled and without
 * error, -EBUSY for an active child under a parent that is not, -EINVAL for another status.
 * C: drivers/base/power/runtime.c __pm_runtime_set_status()
 */
export async function __pm_runtime_set_status(dev: device, wanted: rpm_status): Promise<int> {
  const p = dev.power;
  const { parent } = dev;
  let status = wanted;
  let notify_parent = false;
  let error: int = 0;

  if (status !== RPM_ACTIVE && status !== RPM_SUSPENDED) return -EINVAL;

  let flags = await spin_lock_irqsave(p.lock);
  // Nobody may enable it while this works.
  if (p.runtime_error || p.disable_depth) p.disable_depth++;
  else error = -EAGAIN;
  await spin_unlock_irqrestore(p.lock, flags);
  if (error) return error;

  if (status === RPM_ACTIVE) {
    error = await rpm_get_suppliers(dev);
    if (error) status = RPM_SUSPENDED;
  }

  flags = await spin_lock_irqsave(p.lock);
  out: {
    if (p.runtime_status !== status && parent) {
      if (status === RPM_SUSPENDED) {
        await atomic_add_unless(parent.power.child_count, -1, 0);
        notify_parent = !parent.power.ignore_children;
      } else {
        const up = parent.power;
        await spin_lock_nested(up.lock, SINGLE_DEPTH_NESTING);
        if (!up.disable_depth && !up.ignore_children && up.runtime_status !== RPM_ACTIVE) {
          const name = dev_name(dev);
          const parent_name = dev_name(parent);
          dev_err(
            dev,
            `runtime PM trying to activate child device ${name} but parent (${parent_name}) is not active\n`,
          );
          error = -EBUSY;
        } else if (p.runtime_status === RPM_SUSPENDED) {
          await atomic_inc(up.child_count);
        }
        await spin_unlock(up.lock);
        if (error) {
          status = RPM_SUSPENDED;
          break out;
        }
      }
    }
    __update_runtime_status(dev, status);
    if (!error) p.runtime_error = 0;
  }
  await spin_unlock_irqrestore(p.lock, flags);

  if (notify_parent && parent) await pm_request_idle(parent);
  if (status === RPM_SUSPENDED) await rpm_put_suppliers(dev);
  await pm_runtime_enable(dev);
  return error;
}

/** Nothing queued and nothing running afterwards. Caller holds power.lock. C: drivers/base/power/runtime.c __pm_runtime_barrier() */
async function __pm_runtime_barrier(dev: device): Promise<void> {
  const p = dev.power;
  pm_runtime_deactivate_timer(dev);
  if (p.request_pending) {
    p.request = RPM_REQ_NONE;
    await spin_unlock_irq(p.lock);
    await cancel_work_sync(p.work);
    await spin_lock_irq(p.lock);
    p.request_pending = false;
  }
  const busy = (): boolean =>
    p.runtime_status === RPM_SUSPENDING || p.runtime_status === RPM_RESUMING || p.idle_notification;
  if (busy()) await rpm_wait_while(dev, busy);
}

/**
 * Flush requests and wait for transitions: 1 when a queued resume was carried out, else 0. An idle request it
 * cancels is lost. C: drivers/base/power/runtime.c pm_runtime_barrier()
 */
export async function pm_runtime_barrier(dev: device): Promise<int> {
  const p = dev.power;
  let retval: int = 0;
  await pm_runtime_get_noresume(dev);
  await spin_lock_irq(p.lock);
  if (p.request_pending && p.request === RPM_REQ_RESUME) {
    await rpm_resume(dev, 0);
    retval = 1;
  }
  await __pm_runtime_barrier(dev);
  await spin_unlock_irq(p.lock);
  await pm_runtime_put_noidle(dev);
  return retval;
}

/** No callback runs and none is queued afterwards; nests. C: drivers/base/power/runtime.c __pm_runtime_disable() */
export async function __pm_runtime_disable(dev: device, check_resume: boolean): Promise<void> {
  const p = dev.power;
  await spin_lock_irq(p.lock);
  if (p.disable_depth > 0) {
    p.disable_depth++;
  } else {
    if (check_resume && p.request_pending && p.request === RPM_REQ_RESUME) {
      // There is probably work for the device: let it have it. The count keeps it up.
      await pm_runtime_get_noresume(dev);
      await rpm_resume(dev, 0);
      await pm_runtime_put_noidle(dev);
    }
    update_pm_runtime_accounting(dev);
    if (p.disable_depth++ === 0) {
      await __pm_runtime_barrier(dev);
      p.last_status = p.runtime_status;
    }
  }
  await spin_unlock_irq(p.lock);
}

/** Undo one disable; sends no idle check. C: drivers/base/power/runtime.c pm_runtime_enable() */
export async function pm_runtime_enable(dev: device): Promise<void> {
  const p = dev.power;
  const flags = await spin_lock_irqsave(p.lock);
  if (p.disable_depth === 0) {
    dev_warn(dev, 'Unbalanced pm_runtime_enable!\n');
  } else if (--p.disable_depth === 0) {
    p.last_status = RPM_INVALID;
    p.accounting_timestamp = now();
    if (p.runtime_status === RPM_SUSPENDED && !p.ignore_children && (await atomic_read(p.child_count)) > 0) {
      dev_warn(dev, 'Enabling runtime PM for inactive device with active children\n');
    }
  }
  await spin_unlock_irqrestore(p.lock, flags);
}

/** power/control "on": takes a usage count and resumes; once only. C: drivers/base/power/runtime.c pm_runtime_forbid() */
export async function pm_runtime_forbid(dev: device): Promise<void> {
  const p = dev.power;
  await spin_lock_irq(p.lock);
  if (p.runtime_auto) {
    p.runtime_auto = false;
    await atomic_inc(p.usage_count);
    trace_rpm(dev, 'forbid');
    await rpm_resume(dev, 0);
  }
  await spin_unlock_irq(p.lock);
}

/** power/control "auto": drops forbid's usage count; at 0 queues an idle check. C: drivers/base/power/runtime.c pm_runtime_allow() */
export async function pm_runtime_allow(dev: device): Promise<void> {
  const p = dev.power;
  await spin_lock_irq(p.lock);
  if (!p.runtime_auto) {
    p.runtime_auto = true;
    if ((await rpm_drop_usage_count(dev)) === 0) await rpm_idle(dev, RPM_AUTO | RPM_ASYNC);
  }
  await spin_unlock_irq(p.lock);
}

/** C: drivers/base/power/runtime.c pm_runtime_no_callbacks() */
export async function pm_runtime_no_callbacks(dev: device): Promise<void> {
  await spin_lock_irq(dev.power.lock);
  dev.power.no_callbacks = true;
  await spin_unlock_irq(dev.power.lock);
  if (device_is_registered(dev)) await rpm_sysfs_remove(dev);
}

/** Callbacks run with the lock held; pins the parent. C: drivers/base/power/runtime.c pm_runtime_irq_safe() */
export async function pm_runtime_irq_safe(dev: device): Promise<void> {
  if (dev.parent) await pm_runtime_get_sync(dev.parent);
  await spin_lock_irq(dev.power.lock);
  dev.power.irq_safe = true;
  await spin_unlock_irq(dev.power.lock);
}

/** C: drivers/base/power/runtime.c update_autosuspend() */
async function update_autosuspend(dev: device, old_delay: int, old_use: boolean): Promise<void> {
  const p = dev.power;
  if (p.use_autosuspend && p.autosuspend_delay < 0) {
    // A negative delay means never.
    if (!old_use || old_delay >= 0) {
      await atomic_inc(p.usage_count);
      await rpm_resume(dev, 0);
    }
    trace_rpm(dev, 'autosuspend off');
    return;
  }
  if (old_use && old_delay < 0) await atomic_dec(p.usage_count);
  await rpm_idle(dev, RPM_AUTO);
}

/** Delay in ms; negative: never. C: drivers/base/power/runtime.c pm_runtime_set_autosuspend_delay() */
export async function pm_runtime_set_autosuspend_delay(dev: device, delay: int): Promise<void> {
  const p = dev.power;
  await spin_lock_irq(p.lock);
  const old_delay = p.autosuspend_delay;
  p.autosuspend_delay = delay;
  await update_autosuspend(dev, old_delay, p.use_autosuspend);
  await spin_unlock_irq(p.lock);
}

/** C: drivers/base/power/runtime.c __pm_runtime_use_autosuspend() */
export async function __pm_runtime_use_autosuspend(dev: device, use: boolean): Promise<void> {
  const p = dev.power;
  await spin_lock_irq(p.lock);
  const old_use = p.use_autosuspend;
  p.use_autosuspend = use;
  await update_autosuspend(dev, p.autosuspend_delay, old_use);
  await spin_unlock_irq(p.lock);
}

/** Start values: SUSPENDED, disabled once, "auto", counts 0. C: drivers/base/power/runtime.c pm_runtime_init() */
export function pm_runtime_init(dev: device): void {
  const p = dev.power;
  p.runtime_status = RPM_SUSPENDED;
  p.last_status = RPM_INVALID;
  p.idle_notification = false;
  p.disable_depth = 1;
  atomic_set(p.usage_count, 0);
  p.runtime_error = 0;
  atomic_set(p.child_count, 0);
  pm_suspend_ignore_children(dev, false);
  p.runtime_auto = true;
  p.request_pending = false;
  p.request = RPM_REQ_NONE;
  p.deferred_resume = false;
  p.needs_force_resume = false;
  INIT_WORK(p.work, pm_runtime_work, '&dev->power.work');
  p.timer_expires = 0;
  p.suspend_timer = new SimTimer(`hrtimer ${dev_name(dev)}`, () => pm_suspend_timer_fn(dev));
  init_waitqueue_head(p.wait_queue, '&dev->power.wait_queue');
}

/** The lock, then runtime PM. C: drivers/base/power/power.h device_pm_init() */
export function device_pm_init(dev: device): void {
  spin_lock_init(dev.power.lock, '&dev->power.lock');
  pm_runtime_init(dev);
}

/** After unbinding, disabled. C: drivers/base/power/runtime.c pm_runtime_reinit() */
export async function pm_runtime_reinit(dev: device): Promise<void> {
  if (pm_runtime_enabled(dev)) return;
  if (dev.power.runtime_status === RPM_ACTIVE) await pm_runtime_set_suspended(dev);
  if (dev.power.irq_safe) {
    await spin_lock_irq(dev.power.lock);
    dev.power.irq_safe = false;
    await spin_unlock_irq(dev.power.lock);
    if (dev.parent) await pm_runtime_put(dev.parent);
  }
}

/** The device goes away. C: drivers/base/power/runtime.c pm_runtime_remove() */
export async function pm_runtime_remove(dev: device): Promise<void> {
  await __pm_runtime_disable(dev, false);
  await pm_runtime_reinit(dev);
}

/** C: drivers/base/power/runtime.c pm_runtime_need_not_resume() */
async function pm_runtime_need_not_resume(dev: device): Promise<boolean> {
  const p = dev.power;
  return (
    (await atomic_read(p.usage_count)) <= 1 && (p.ignore_children || (await atomic_read(p.child_count)) === 0)
  );
}

/** System sleep: suspend whatever the counts say, and stay disabled. C: drivers/base/power/runtime.c pm_runtime_force_suspend() */
export async function pm_runtime_force_suspend(dev: device): Promise<int> {
  await pm_runtime_disable(dev);
  if (pm_runtime_status_suspended(dev)) return 0;
  const callback = RPM_GET_CALLBACK(dev, 'runtime_suspend');
  const ret = callback ? await callback(dev) : 0;
  if (ret) {
    await pm_runtime_enable(dev);
    return ret;
  }
  if (await pm_runtime_need_not_resume(dev)) {
    await pm_runtime_set_suspended(dev);
  } else {
    __update_runtime_status(dev, RPM_SUSPENDED);
    dev.power.needs_force_resume = true;
  }
  return 0;
}

/** Undo pm_runtime_force_suspend() if the device was in use. C: drivers/base/power/runtime.c pm_runtime_force_resume() */
export async function pm_runtime_force_resume(dev: device): Promise<int> {
  let ret: int = 0;
  if (pm_runtime_status_suspended(dev) && dev.power.needs_force_resume) {
    __update_runtime_status(dev, RPM_ACTIVE);
    const callback = RPM_GET_CALLBACK(dev, 'runtime_resume');
    ret = callback ? await callback(dev) : 0;
    if (ret) await pm_runtime_set_suspended(dev);
    else await pm_runtime_mark_last_busy(dev);
  }
  dev.power.needs_force_resume = false;
  await pm_runtime_enable(dev);
  return ret;
}
