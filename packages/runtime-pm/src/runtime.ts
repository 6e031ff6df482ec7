// SPDX-License-Identifier: GPL-2.0-only
// drivers/base/power/runtime.c, v5.19: the transitions. Wake irqs are not modelled.
import { current, machine, now, trace } from '@vfio-lab/sim';
import type { int } from '@vfio-lab/sim';
import {
  atomic_add_unless,
  atomic_inc,
  atomic_read,
  READ_ONCE,
  SINGLE_DEPTH_NESTING,
  spin_lock,
  spin_lock_irq,
  spin_lock_irqsave,
  spin_lock_nested,
  spin_unlock,
  spin_unlock_irq,
  spin_unlock_irqrestore,
  wake_up_all,
  WRITE_ONCE,
} from '@vfio-lab/locking';
import {
  alloc_workqueue,
  dev_name,
  type device,
  EACCES,
  EAGAIN,
  EBUSY,
  EINPROGRESS,
  EINVAL,
  EIO,
  EPERM,
  NSEC_PER_MSEC,
  type pm_callback,
  queue_work,
  RPM_ACTIVE,
  RPM_REQ_AUTOSUSPEND,
  RPM_REQ_IDLE,
  RPM_REQ_NONE,
  RPM_REQ_RESUME,
  RPM_REQ_SUSPEND,
  type rpm_request,
  RPM_RESUMING,
  type rpm_status,
  RPM_SUSPENDED,
  RPM_SUSPENDING,
  WQ_FREEZABLE,
  type workqueue_struct,
  type work_struct,
} from '@vfio-lab/kernel';
import { __rpm_put_suppliers, rpm_get_suppliers, rpm_put_suppliers, rpm_suspend_suppliers } from './links.ts';
import { pm_runtime_get_noresume, pm_runtime_put } from './pm_runtime.ts';
import { RPM_ASYNC, RPM_AUTO, RPM_NOWAIT, rpm_status_names } from './types.ts';
import { rpm_wait_while } from './wait.ts';

type callback_name = 'runtime_suspend' | 'runtime_resume' | 'runtime_idle';

const PM_WQ = Symbol('pm_wq');

/** The queue of asynchronous runtime-PM requests. C: kernel/power/main.c pm_wq */
export function pm_wq(): workqueue_struct {
  return machine.scope(PM_WQ, () => alloc_workqueue('pm', WQ_FREEZABLE));
}

/** A line for the timeline: where the device and its usage count stand. Costs a test when nobody traces. */
export function trace_rpm(dev: device, what: string): void {
  if (!machine.tracing) return;
  const name = dev_name(dev);
  const status = rpm_status_names[machine.peek(() => dev.power.runtime_status)] ?? 'invalid';
  const usage = dev.power.usage_count.counter;
  trace('pm', `${name}: ${what}`, { dev: name, status, usage });
}

/** C: drivers/base/power/runtime.c __rpm_get_callback() */
export function RPM_GET_CALLBACK(dev: device, name: callback_name): pm_callback | null {
  const ops = dev.pm_domain?.ops ?? dev.type?.pm ?? dev.class?.pm ?? dev.bus?.pm ?? null;
  return ops?.[name] ?? dev.driver?.pm?.[name] ?? null;
}

/** C: drivers/base/power/runtime.c update_pm_runtime_accounting() */
export function update_pm_runtime_accounting(dev: device): void {
  const p = dev.power;
  if (p.disable_depth > 0) return;
  const delta = now() - p.accounting_timestamp;
  p.accounting_timestamp = now();
  if (p.runtime_status === RPM_SUSPENDED) p.suspended_time += delta;
  else p.active_time += delta;
}

/** C: drivers/base/power/runtime.c __update_runtime_status() */
export function __update_runtime_status(dev: device, status: rpm_status): void {
  update_pm_runtime_accounting(dev);
  dev.power.runtime_status = status;
  trace_rpm(dev, rpm_status_names[status] ?? 'invalid');
}

/** C: drivers/base/power/runtime.c rpm_get_accounted_time() */
async function rpm_get_accounted_time(dev: device, suspended: boolean): Promise<number> {
  const flags = await spin_lock_irqsave(dev.power.lock);
  update_pm_runtime_accounting(dev);
  const time = suspended ? dev.power.suspended_time : dev.power.active_time;
  await spin_unlock_irqrestore(dev.power.lock, flags);
  return time;
}

/** Virtual ns spent not suspended while enabled. C: drivers/base/power/runtime.c pm_runtime_active_time() */
export function pm_runtime_active_time(dev: device): Promise<number> {
  return rpm_get_accounted_time(dev, false);
}

/** Virtual ns spent suspended while enabled. C: drivers/base/power/runtime.c pm_runtime_suspended_time() */
export function pm_runtime_suspended_time(dev: device): Promise<number> {
  return rpm_get_accounted_time(dev, true);
}

/** C: drivers/base/power/runtime.c pm_runtime_deactivate_timer() */
export function pm_runtime_deactivate_timer(dev: device): void {
  if (dev.power.timer_expires > 0) {
    dev.power.suspend_timer?.cancel();
    dev.power.timer_expires = 0;
  }
}

/** C: drivers/base/power/runtime.c pm_runtime_cancel_pending() */
export function pm_runtime_cancel_pending(dev: device): void {
  pm_runtime_deactivate_timer(dev);
  // Work that is queued stays queued and finds nothing to do.
  dev.power.request = RPM_REQ_NONE;
}

/**
 * When the autosuspend delay is over, in virtual ns; 0 when it is over, negative or not in use.
 * C: drivers/base/power/runtime.c pm_runtime_autosuspend_expiration()
 */
export async function pm_runtime_autosuspend_expiration(dev: device): Promise<number> {
  if (!dev.power.use_autosuspend) return 0;
  const autosuspend_delay = await READ_ONCE(dev.power, 'autosuspend_delay');
  if (autosuspend_delay < 0) return 0;
  const expires = (await READ_ONCE(dev.power, 'last_busy')) + autosuspend_delay * NSEC_PER_MSEC;
  return expires > now() ? expires : 0;
}

/** C: include/linux/pm_runtime.h pm_runtime_mark_last_busy() */
export function pm_runtime_mark_last_busy(dev: device): Promise<void> {
  return WRITE_ONCE(dev.power, 'last_busy', now());
}

/**
 * May the device be suspended? 0 yes, 1 it is already; -EINVAL error pending, -EACCES disabled, -EAGAIN in use or a
 * resume is on its way, -EBUSY active children, -EPERM PM QoS. Caller holds power.lock.
 * C: drivers/base/power/runtime.c rpm_check_suspend_allowed()
 */
export async function rpm_check_suspend_allowed(dev: device): Promise<int> {
  const p = dev.power;
  if (p.runtime_error) return -EINVAL;
  if (p.disable_depth > 0) return -EACCES;
  if (await atomic_read(p.usage_count)) return -EAGAIN;
  if (!p.ignore_children && (await atomic_read(p.child_count))) return -EBUSY;
  // A resume that waits its turn comes before any suspend.
  if (
    (p.deferred_resume && p.runtime_status === RPM_SUSPENDING) ||
    (p.request_pending && p.request === RPM_REQ_RESUME)
  ) {
    return -EAGAIN;
  }
  if (p.qos_resume_latency === 0) return -EPERM;
  return p.runtime_status === RPM_SUSPENDED ? 1 : 0;
}

/** The lock is free while the callback runs, unless irq_safe. C: drivers/base/power/runtime.c __rpm_callback() */
async function __rpm_callback(cb: pm_callback | null, dev: device): Promise<int> {
  const p = dev.power;
  const use_links = p.links_count > 0;
  let retval: int = 0;
  p.callback_task = current;
  if (p.irq_safe) {
    await spin_unlock(p.lock);
    if (cb) retval = await cb(dev);
    await spin_lock(p.lock);
    p.callback_task = null;
    return retval;
  }
  await spin_unlock_irq(p.lock);
  fail: {
    // The status cannot change until the callback is over, so it may be read without the lock.
    if (use_links && p.runtime_status === RPM_RESUMING) {
      retval = await rpm_get_suppliers(dev);
      if (retval) {
        await rpm_put_suppliers(dev);
        break fail;
      }
    }
    if (cb) retval = await cb(dev);
    const let_go =
      (p.runtime_status === RPM_SUSPENDING && retval === 0) ||
      (p.runtime_status === RPM_RESUMING && retval !== 0);
    if (use_links && let_go) await __rpm_put_suppliers(dev, false);
  }
  await spin_lock_irq(p.lock);
  p.callback_task = null;
  return retval;
}

/** The callback's result, -EACCES turned to -EIO; runtime_error keeps it as it is. C: drivers/base/power/runtime.c rpm_callback() */
async function rpm_callback(cb: pm_callback | null, dev: device): Promise<int> {
  const retval = await __rpm_callback(cb, dev);
  dev.power.runtime_error = retval;
  return retval !== -EACCES ? retval : -EIO;
}

/** Hand the request over to the work item. */
async function rpm_queue(dev: device, request: rpm_request): Promise<void> {
  const p = dev.power;
  p.request = request;
  if (!p.request_pending) {
    p.request_pending = true;
    await queue_work(pm_wq(), p.work);
  }
}

/**
 * Tell the bus that the device is idle; without an idle callback, or when that returns 0, suspend it (RPM_AUTO).
 * Caller holds power.lock, interrupts off. C: drivers/base/power/runtime.c rpm_idle()
 */
export async function rpm_idle(dev: device, rpmflags: int): Promise<int> {
  const p = dev.power;
  let retval = await rpm_check_suspend_allowed(dev);
  out: {
    if (retval < 0) break out;
    if (p.runtime_status !== RPM_ACTIVE) retval = -EAGAIN;
    // Any request but an idle one comes before this; the timer may run.
    else if (p.request_pending && p.request > RPM_REQ_IDLE) retval = -EAGAIN;
    else if (p.idle_notification) retval = -EINPROGRESS;
    if (retval) break out;

    p.request = RPM_REQ_NONE;
    const callback = RPM_GET_CALLBACK(dev, 'runtime_idle');
    if (callback === null || p.no_callbacks) break out;
    if (rpmflags & RPM_ASYNC) {
      await rpm_queue(dev, RPM_REQ_IDLE);
      return 0;
    }
    p.idle_notification = true;
    retval = await __rpm_callback(callback, dev);
    p.idle_notification = false;
    await wake_up_all(p.wait_queue);
  }
  return retval ? retval : rpm_suspend(dev, rpmflags | RPM_AUTO);
}

/** Put the suspend off until the autosuspend delay is over; false when it is. */
async function rpm_defer_suspend(dev: device): Promise<boolean> {
  const p = dev.power;
  const expires = await pm_runtime_autosuspend_expiration(dev);
  if (expires === 0) return false;
  p.request = RPM_REQ_NONE;
  // A timer that fires no later is left alone: its function looks at the time again.
  if (!(p.timer_expires && p.timer_expires <= expires)) {
    const slack = (await READ_ONCE(p, 'autosuspend_delay')) * (NSEC_PER_MSEC >> 2);
    p.timer_expires = expires;
    // Nothing else wakes the processor here, so a range timer fires at the end of its range.
    p.suspend_timer?.start(expires + Math.max(slack, 1));
  }
  p.timer_autosuspends = true;
  return true;
}

/**
 * Suspend the device. 0 done or queued, 1 already; else a negative error, see rpm_check_suspend_allowed().
 * Caller holds power.lock, interrupts off; the lock is dropped meanwhile. C: drivers/base/power/runtime.c rpm_suspend()
 */
export async function rpm_suspend(dev: device, rpmflags: int): Promise<int> {
  const p = dev.power;
  for (;;) {
    let retval = await rpm_check_suspend_allowed(dev);
    if (retval < 0) return retval;
    if (p.runtime_status === RPM_RESUMING && !(rpmflags & RPM_ASYNC)) retval = -EAGAIN;
    if (retval) return retval;

    if (rpmflags & RPM_AUTO && p.runtime_status !== RPM_SUSPENDING && (await rpm_defer_suspend(dev)))
      return 0;

    pm_runtime_cancel_pending(dev);

    if (p.runtime_status === RPM_SUSPENDING) {
      if (rpmflags & (RPM_ASYNC | RPM_NOWAIT)) return -EINPROGRESS;
      await rpm_wait_status(dev, () => p.runtime_status === RPM_SUSPENDING);
      continue;
    }

    if (!p.no_callbacks) {
      if (rpmflags & RPM_ASYNC) {
        await rpm_queue(dev, rpmflags & RPM_AUTO ? RPM_REQ_AUTOSUSPEND : RPM_REQ_SUSPEND);
        return 0;
      }
      __update_runtime_status(dev, RPM_SUSPENDING);
      retval = await rpm_callback(RPM_GET_CALLBACK(dev, 'runtime_suspend'), dev);
      if (retval) {
        if (await rpm_suspend_failed(dev, rpmflags, retval)) continue;
        return retval;
      }
    }
    return rpm_suspended(dev);
  }
}

/** The `fail:` part of rpm_suspend(). True: there is a new autosuspend time, go round again. */
async function rpm_suspend_failed(dev: device, rpmflags: int, retval: int): Promise<boolean> {
  const p = dev.power;
  __update_runtime_status(dev, RPM_ACTIVE);
  p.deferred_resume = false;
  await wake_up_all(p.wait_queue);
  if (retval === -EAGAIN || retval === -EBUSY) {
    p.runtime_error = 0;
    return (rpmflags & RPM_AUTO) !== 0 && (await pm_runtime_autosuspend_expiration(dev)) !== 0;
  }
  pm_runtime_cancel_pending(dev);
  return false;
}

/** The `no_callback:` part of rpm_suspend(): it is suspended, now the neighbours. */
async function rpm_suspended(dev: device): Promise<int> {
  const p = dev.power;
  const { parent } = dev;
  __update_runtime_status(dev, RPM_SUSPENDED);
  pm_runtime_deactivate_timer(dev);
  if (parent) await atomic_add_unless(parent.power.child_count, -1, 0);
  await wake_up_all(p.wait_queue);

  if (p.deferred_resume) {
    p.deferred_resume = false;
    await rpm_resume(dev, 0);
    return -EAGAIN;
  }
  if (p.irq_safe) return 0;

  if (parent && !parent.power.ignore_children) {
    await spin_unlock(p.lock);
    await spin_lock(parent.power.lock);
    await rpm_idle(parent, RPM_ASYNC);
    await spin_unlock(parent.power.lock);
    await spin_lock(p.lock);
  }
  if (p.links_count > 0) {
    await spin_unlock_irq(p.lock);
    await rpm_suspend_suppliers(dev);
    await spin_lock_irq(p.lock);
  }
  return 0;
}

/** Wait for a transition somebody else carries out: asleep, or spinning when irq_safe. */
async function rpm_wait_status(dev: device, busy: () => boolean): Promise<void> {
  if (dev.power.irq_safe) {
    await spin_unlock(dev.power.lock);
    await spin_lock(dev.power.lock);
  } else {
    await rpm_wait_while(dev, busy);
  }
}

/**
 * Resume the device, its parent first; the usage count is never looked at. 0 done or queued, 1 it was active;
 * -EINVAL error pending, -EACCES disabled, -EINPROGRESS under way (asynchronous only), -EBUSY parent not active, or
 * the callback's error. Caller holds power.lock, interrupts off; the lock is dropped meanwhile.
 * C: drivers/base/power/runtime.c rpm_resume()
 */
export async function rpm_resume(dev: device, rpmflags: int): Promise<int> {
  const p = dev.power;
  let parent: device | null = null;
  let failed = false;
  let retval: int = 0;

  out: for (;;) {
    if (p.runtime_error) retval = -EINVAL;
    else if (p.disable_depth > 0)
      retval = p.runtime_status === RPM_ACTIVE && p.last_status === RPM_ACTIVE ? 1 : -EACCES;
    if (retval) break out;

    // An autosuspend timer is left running: it will find the device busy.
    p.request = RPM_REQ_NONE;
    if (!p.timer_autosuspends) pm_runtime_deactivate_timer(dev);

    if (p.runtime_status === RPM_ACTIVE) {
      retval = 1;
      break out;
    }

    if (p.runtime_status === RPM_RESUMING || p.runtime_status === RPM_SUSPENDING) {
      if (rpmflags & (RPM_ASYNC | RPM_NOWAIT)) {
        if (p.runtime_status === RPM_SUSPENDING) p.deferred_resume = true;
        else retval = -EINPROGRESS;
        break out;
      }
      await rpm_wait_status(
        dev,
        () => p.runtime_status === RPM_RESUMING || p.runtime_status === RPM_SUSPENDING,
      );
      continue;
    }

    no_callback: {
      // Without callbacks the resume cannot fail, so the parent need not be woken to be sure.
      if (p.no_callbacks && !parent && dev.parent) {
        const up = dev.parent.power;
        await spin_lock_nested(up.lock, SINGLE_DEPTH_NESTING);
        if (up.disable_depth > 0 || up.ignore_children || up.runtime_status === RPM_ACTIVE) {
          await atomic_inc(up.child_count);
          await spin_unlock(up.lock);
          retval = 1;
          break no_callback;
        }
        await spin_unlock(up.lock);
      }

      if (rpmflags & RPM_ASYNC) {
        await rpm_queue(dev, RPM_REQ_RESUME);
        break out;
      }

      if (!parent && dev.parent) {
        parent = dev.parent;
        // The parent of an irq-safe device is up for good.
        if (!p.irq_safe) {
          retval = await rpm_resume_parent(dev, parent);
          if (retval) break out;
          continue;
        }
      }

      if (p.no_callbacks) break no_callback;

      __update_runtime_status(dev, RPM_RESUMING);
      retval = await rpm_callback(RPM_GET_CALLBACK(dev, 'runtime_resume'), dev);
      failed = retval !== 0;
    }

    if (failed) {
      __update_runtime_status(dev, RPM_SUSPENDED);
      pm_runtime_cancel_pending(dev);
    } else {
      __update_runtime_status(dev, RPM_ACTIVE);
      await pm_runtime_mark_last_busy(dev);
      if (parent) await atomic_inc(parent.power.child_count);
    }
    await wake_up_all(p.wait_queue);
    if (retval >= 0) await rpm_idle(dev, RPM_ASYNC);
    break out;
  }

  if (parent && !p.irq_safe) {
    await spin_unlock_irq(p.lock);
    await pm_runtime_put(parent);
    await spin_lock_irq(p.lock);
  }
  return retval;
}

/** Hold the parent by a usage count and resume it, the device's own lock dropped; -EBUSY when it does not come up. */
async function rpm_resume_parent(dev: device, parent: device): Promise<int> {
  let retval: int = 0;
  await spin_unlock(dev.power.lock);
  await pm_runtime_get_noresume(parent);
  await spin_lock(parent.power.lock);
  if (!parent.power.disable_depth && !parent.power.ignore_children) {
    await rpm_resume(parent, 0);
    if (parent.power.runtime_status !== RPM_ACTIVE) retval = -EBUSY;
  }
  await spin_unlock(parent.power.lock);
  await spin_lock(dev.power.lock);
  return retval;
}

/** Carry out what was requested. C: drivers/base/power/runtime.c pm_runtime_work() */
export async function pm_runtime_work(work: work_struct): Promise<void> {
  const dev = work.container as device;
  const p = dev.power;
  await spin_lock_irq(p.lock);
  if (p.request_pending) {
    const req = p.request;
    p.request = RPM_REQ_NONE;
    p.request_pending = false;
    if (req === RPM_REQ_IDLE) await rpm_idle(dev, RPM_NOWAIT);
    else if (req === RPM_REQ_SUSPEND) await rpm_suspend(dev, RPM_NOWAIT);
    else if (req === RPM_REQ_AUTOSUSPEND) await rpm_suspend(dev, RPM_NOWAIT | RPM_AUTO);
    else if (req === RPM_REQ_RESUME) await rpm_resume(dev, RPM_NOWAIT);
  }
  await spin_unlock_irq(p.lock);
}

/** The suspend timer fired. C: drivers/base/power/runtime.c pm_suspend_timer_fn() */
export async function pm_suspend_timer_fn(dev: device): Promise<void> {
  const p = dev.power;
  const flags = await spin_lock_irqsave(p.lock);
  const expires = p.timer_expires;
  // Later than now: it was started again meanwhile.
  if (expires > 0 && expires < now()) {
    p.timer_expires = 0;
    await rpm_suspend(dev, p.timer_autosuspends ? RPM_ASYNC | RPM_AUTO : RPM_ASYNC);
  }
  await spin_unlock_irqrestore(p.lock, flags);
}

/** Suspend after `delay` ms; 0 ms: request it now. C: drivers/base/power/runtime.c pm_schedule_suspend() */
export async function pm_schedule_suspend(dev: device, delay: int): Promise<int> {
  const p = dev.power;
  const flags = await spin_lock_irqsave(p.lock);
  let retval: int;
  if (delay === 0) {
    retval = await rpm_suspend(dev, RPM_ASYNC);
  } else {
    retval = await rpm_check_suspend_allowed(dev);
    if (retval === 0) {
      pm_runtime_cancel_pending(dev);
      const expires = now() + delay * NSEC_PER_MSEC;
      p.timer_expires = expires;
      p.timer_autosuspends = false;
      p.suspend_timer?.start(expires + 1);
    }
  }
  await spin_unlock_irqrestore(p.lock, flags);
  return retval;
}
