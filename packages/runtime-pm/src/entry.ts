// SPDX-License-Identifier: GPL-2.0-only
// drivers/base/power/runtime.c, v5.19: the entry points behind the inline functions
import { report } from '@vfio-lab/sim';
import type { int } from '@vfio-lab/sim';
import {
  atomic_add_return,
  atomic_inc,
  atomic_inc_not_zero,
  might_sleep,
  spin_lock_irqsave,
  spin_unlock_irqrestore,
} from '@vfio-lab/locking';
import { dev_name, dev_warn, type device, EINVAL, RPM_ACTIVE } from '@vfio-lab/kernel';
import { rpm_idle, rpm_resume, rpm_suspend, trace_rpm } from './runtime.ts';
import { RPM_ASYNC, RPM_GET_PUT } from './types.ts';

/** The count after taking one off; below 0 it is put back: -EINVAL. C: drivers/base/power/runtime.c rpm_drop_usage_count() */
export async function rpm_drop_usage_count(dev: device): Promise<int> {
  const ret = await atomic_add_return(-1, dev.power.usage_count);
  if (ret >= 0) {
    trace_rpm(dev, 'put');
    return ret;
  }
  await atomic_inc(dev.power.usage_count);
  dev_warn(dev, 'Runtime PM usage count underflow!\n');
  report('pm-underflow', `${dev_name(dev)}: runtime PM usage count underflow`, { dev: dev_name(dev) });
  return -EINVAL;
}

function might_sleep_if_sync(dev: device, rpmflags: int, what: string): void {
  if (!(rpmflags & RPM_ASYNC) && !dev.power.irq_safe) might_sleep(what);
}

/**
 * Idle notification, with RPM_GET_PUT after dropping a count (still above 0: 0 and nothing more; below: -EINVAL).
 * C: drivers/base/power/runtime.c __pm_runtime_idle()
 */
export async function __pm_runtime_idle(dev: device, rpmflags: int): Promise<int> {
  if (rpmflags & RPM_GET_PUT) {
    const count = await rpm_drop_usage_count(dev);
    if (count < 0) return count;
    if (count > 0) return 0;
  }
  might_sleep_if_sync(dev, rpmflags, '__pm_runtime_idle');
  const flags = await spin_lock_irqsave(dev.power.lock);
  const retval = await rpm_idle(dev, rpmflags);
  await spin_unlock_irqrestore(dev.power.lock, flags);
  return retval;
}

/** As __pm_runtime_idle, suspending without the idle callback. C: drivers/base/power/runtime.c __pm_runtime_suspend() */
export async function __pm_runtime_suspend(dev: device, rpmflags: int): Promise<int> {
  if (rpmflags & RPM_GET_PUT) {
    const count = await rpm_drop_usage_count(dev);
    if (count < 0) return count;
    if (count > 0) return 0;
  }
  might_sleep_if_sync(dev, rpmflags, '__pm_runtime_suspend');
  const flags = await spin_lock_irqsave(dev.power.lock);
  const retval = await rpm_suspend(dev, rpmflags);
  await spin_unlock_irqrestore(dev.power.lock, flags);
  return retval;
}

/** Resume, with RPM_GET_PUT after taking a count, which stays also on error. C: drivers/base/power/runtime.c __pm_runtime_resume() */
export async function __pm_runtime_resume(dev: device, rpmflags: int): Promise<int> {
  if (dev.power.runtime_status !== RPM_ACTIVE) might_sleep_if_sync(dev, rpmflags, '__pm_runtime_resume');
  if (rpmflags & RPM_GET_PUT) {
    await atomic_inc(dev.power.usage_count);
    trace_rpm(dev, 'get');
  }
  const flags = await spin_lock_irqsave(dev.power.lock);
  const retval = await rpm_resume(dev, rpmflags);
  await spin_unlock_irqrestore(dev.power.lock, flags);
  return retval;
}

/**
 * Take a usage count if the device is ACTIVE (and, unless `ign_usage_count`, in use already): 1 taken, 0 not,
 * -EINVAL disabled. C: drivers/base/power/runtime.c pm_runtime_get_if_active()
 */
export async function pm_runtime_get_if_active(dev: device, ign_usage_count: boolean): Promise<int> {
  const p = dev.power;
  let retval: int;
  const flags = await spin_lock_irqsave(p.lock);
  if (p.disable_depth > 0) {
    retval = -EINVAL;
  } else if (p.runtime_status !== RPM_ACTIVE) {
    retval = 0;
  } else if (ign_usage_count) {
    retval = 1;
    await atomic_inc(p.usage_count);
  } else {
    retval = (await atomic_inc_not_zero(p.usage_count)) ? 1 : 0;
  }
  trace_rpm(dev, 'get_if_active');
  await spin_unlock_irqrestore(p.lock, flags);
  return retval;
}
