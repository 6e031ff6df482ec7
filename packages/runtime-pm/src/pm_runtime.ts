// SPDX-License-Identifier: GPL-2.0-only
// include/linux/pm_runtime.h, v5.19: the inline functions that drivers call
import type { int } from '@vfio-lab/sim';
import { atomic_add_unless, atomic_inc } from '@vfio-lab/locking';
import { type device, RPM_ACTIVE, RPM_SUSPENDED } from '@vfio-lab/kernel';
import {
  __pm_runtime_idle,
  __pm_runtime_resume,
  __pm_runtime_suspend,
  pm_runtime_get_if_active,
} from './entry.ts';
import { trace_rpm } from './runtime.ts';
import { __pm_runtime_disable, __pm_runtime_set_status, __pm_runtime_use_autosuspend } from './setup.ts';
import { RPM_ASYNC, RPM_AUTO, RPM_GET_PUT } from './types.ts';

/** +1 if ACTIVE and in use; 1 taken, 0 not, -EINVAL disabled. C: include/linux/pm_runtime.h pm_runtime_get_if_in_use() */
export function pm_runtime_get_if_in_use(dev: device): Promise<int> {
  return pm_runtime_get_if_active(dev, false);
}

/** C: include/linux/pm_runtime.h pm_suspend_ignore_children() */
export function pm_suspend_ignore_children(dev: device, enable: boolean): void {
  dev.power.ignore_children = enable;
}

/** Usage count + 1 and nothing else. C: include/linux/pm_runtime.h pm_runtime_get_noresume() */
export async function pm_runtime_get_noresume(dev: device): Promise<void> {
  await atomic_inc(dev.power.usage_count);
  trace_rpm(dev, 'get_noresume');
}

/** Usage count - 1 unless it is 0; no idle check. C: include/linux/pm_runtime.h pm_runtime_put_noidle() */
export async function pm_runtime_put_noidle(dev: device): Promise<void> {
  await atomic_add_unless(dev.power.usage_count, -1, 0);
  trace_rpm(dev, 'put_noidle');
}

/** C: include/linux/pm_runtime.h pm_runtime_suspended() */
export function pm_runtime_suspended(dev: device): boolean {
  return dev.power.runtime_status === RPM_SUSPENDED && dev.power.disable_depth === 0;
}

/** Also true while disabled. C: include/linux/pm_runtime.h pm_runtime_active() */
export function pm_runtime_active(dev: device): boolean {
  return dev.power.runtime_status === RPM_ACTIVE || dev.power.disable_depth !== 0;
}

/** C: include/linux/pm_runtime.h pm_runtime_status_suspended() */
export function pm_runtime_status_suspended(dev: device): boolean {
  return dev.power.runtime_status === RPM_SUSPENDED;
}

/** C: include/linux/pm_runtime.h pm_runtime_enabled() */
export function pm_runtime_enabled(dev: device): boolean {
  return dev.power.disable_depth === 0;
}

/** C: include/linux/pm_runtime.h pm_runtime_has_no_callbacks() */
export function pm_runtime_has_no_callbacks(dev: device): boolean {
  return dev.power.no_callbacks;
}

/** C: include/linux/pm_runtime.h pm_runtime_is_irq_safe() */
export function pm_runtime_is_irq_safe(dev: device): boolean {
  return dev.power.irq_safe;
}

/** C: include/linux/pm_runtime.h pm_runtime_idle() */
export function pm_runtime_idle(dev: device): Promise<int> {
  return __pm_runtime_idle(dev, 0);
}

/** C: include/linux/pm_runtime.h pm_runtime_suspend() */
export function pm_runtime_suspend(dev: device): Promise<int> {
  return __pm_runtime_suspend(dev, 0);
}

/** C: include/linux/pm_runtime.h pm_runtime_autosuspend() */
export function pm_runtime_autosuspend(dev: device): Promise<int> {
  return __pm_runtime_suspend(dev, RPM_AUTO);
}

/** 0 resumed, 1 was active, or an error. C: include/linux/pm_runtime.h pm_runtime_resume() */
export function pm_runtime_resume(dev: device): Promise<int> {
  return __pm_runtime_resume(dev, 0);
}

/** C: include/linux/pm_runtime.h pm_request_idle() */
export function pm_request_idle(dev: device): Promise<int> {
  return __pm_runtime_idle(dev, RPM_ASYNC);
}

/** C: include/linux/pm_runtime.h pm_request_resume() */
export function pm_request_resume(dev: device): Promise<int> {
  return __pm_runtime_resume(dev, RPM_ASYNC);
}

/** C: include/linux/pm_runtime.h pm_request_autosuspend() */
export function pm_request_autosuspend(dev: device): Promise<int> {
  return __pm_runtime_suspend(dev, RPM_ASYNC | RPM_AUTO);
}

/** Usage count + 1 and ask for a resume. C: include/linux/pm_runtime.h pm_runtime_get() */
export function pm_runtime_get(dev: device): Promise<int> {
  return __pm_runtime_resume(dev, RPM_GET_PUT | RPM_ASYNC);
}

/** Usage count + 1 (kept on error) and resume. C: include/linux/pm_runtime.h pm_runtime_get_sync() */
export function pm_runtime_get_sync(dev: device): Promise<int> {
  return __pm_runtime_resume(dev, RPM_GET_PUT);
}

/** Usage count + 1 (given back on error) and resume: 0 or an error. C: include/linux/pm_runtime.h pm_runtime_resume_and_get() */
export async function pm_runtime_resume_and_get(dev: device): Promise<int> {
  const ret = await __pm_runtime_resume(dev, RPM_GET_PUT);
  if (ret < 0) {
    await pm_runtime_put_noidle(dev);
    return ret;
  }
  return 0;
}

/** Usage count - 1; at 0 queue an idle check. C: include/linux/pm_runtime.h pm_runtime_put() */
export function pm_runtime_put(dev: device): Promise<int> {
  return __pm_runtime_idle(dev, RPM_GET_PUT | RPM_ASYNC);
}

/** C: include/linux/pm_runtime.h pm_runtime_put_autosuspend() */
export function pm_runtime_put_autosuspend(dev: device): Promise<int> {
  return __pm_runtime_suspend(dev, RPM_GET_PUT | RPM_ASYNC | RPM_AUTO);
}

/** Usage count - 1; at 0 idle and suspend here and now. C: include/linux/pm_runtime.h pm_runtime_put_sync() */
export function pm_runtime_put_sync(dev: device): Promise<int> {
  return __pm_runtime_idle(dev, RPM_GET_PUT);
}

/** C: include/linux/pm_runtime.h pm_runtime_put_sync_suspend() */
export function pm_runtime_put_sync_suspend(dev: device): Promise<int> {
  return __pm_runtime_suspend(dev, RPM_GET_PUT);
}

/** C: include/linux/pm_runtime.h pm_runtime_put_sync_autosuspend() */
export function pm_runtime_put_sync_autosuspend(dev: device): Promise<int> {
  return __pm_runtime_suspend(dev, RPM_GET_PUT | RPM_AUTO);
}

/** Say that it is active; only while disabled or in error. C: include/linux/pm_runtime.h pm_runtime_set_active() */
export function pm_runtime_set_active(dev: device): Promise<int> {
  return __pm_runtime_set_status(dev, RPM_ACTIVE);
}

/** Say that it is suspended; only while disabled or in error. C: include/linux/pm_runtime.h pm_runtime_set_suspended() */
export function pm_runtime_set_suspended(dev: device): Promise<int> {
  return __pm_runtime_set_status(dev, RPM_SUSPENDED);
}

/** C: include/linux/pm_runtime.h pm_runtime_disable() */
export function pm_runtime_disable(dev: device): Promise<void> {
  return __pm_runtime_disable(dev, true);
}

/** C: include/linux/pm_runtime.h pm_runtime_use_autosuspend() */
export function pm_runtime_use_autosuspend(dev: device): Promise<void> {
  return __pm_runtime_use_autosuspend(dev, true);
}

/** C: include/linux/pm_runtime.h pm_runtime_dont_use_autosuspend() */
export function pm_runtime_dont_use_autosuspend(dev: device): Promise<void> {
  return __pm_runtime_use_autosuspend(dev, false);
}
