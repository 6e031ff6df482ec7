// SPDX-License-Identifier: GPL-2.0-only
/*
 * include/linux/pm.h: what a device has for power management, and the entry points of the runtime-PM core that the
 * driver core calls.
 */
import { atomic_t, spinlock_t, wait_queue_head_t } from '@vfio-lab/locking';
import { machine, type SimTimer, type Task } from '@vfio-lab/sim';
import type { Awaitable } from './container.ts';
import type { device } from './device.ts';
import { work_struct } from './workqueue.ts';

/** enum rpm_status */
export type rpm_status = number;
export const RPM_INVALID: rpm_status = -1;
export const RPM_ACTIVE: rpm_status = 0;
export const RPM_RESUMING: rpm_status = 1;
export const RPM_SUSPENDED: rpm_status = 2;
export const RPM_SUSPENDING: rpm_status = 3;

/** enum rpm_request */
export type rpm_request = number;
export const RPM_REQ_NONE: rpm_request = 0;
export const RPM_REQ_IDLE: rpm_request = 1;
export const RPM_REQ_SUSPEND: rpm_request = 2;
export const RPM_REQ_AUTOSUSPEND: rpm_request = 3;
export const RPM_REQ_RESUME: rpm_request = 4;

export type pm_callback = (dev: device) => Awaitable<number>;

/** struct dev_pm_ops */
export interface dev_pm_ops {
  prepare?: pm_callback;
  complete?: (dev: device) => Awaitable<void>;
  suspend?: pm_callback;
  resume?: pm_callback;
  suspend_late?: pm_callback;
  resume_early?: pm_callback;
  suspend_noirq?: pm_callback;
  resume_noirq?: pm_callback;
  runtime_suspend?: pm_callback;
  runtime_resume?: pm_callback;
  runtime_idle?: pm_callback;
}

/** struct dev_pm_domain */
export interface dev_pm_domain {
  ops: dev_pm_ops;
  activate?(dev: device): Awaitable<number>;
  sync?(dev: device): Awaitable<void>;
  dismiss?(dev: device): Awaitable<void>;
}

/** struct dev_pm_info */
export class dev_pm_info {
  readonly lock = new spinlock_t('&dev->power.lock');
  runtime_status: rpm_status = RPM_SUSPENDED;
  last_status: rpm_status = RPM_INVALID;
  readonly usage_count = new atomic_t(0, 'usage_count');
  readonly child_count = new atomic_t(0, 'child_count');
  disable_depth = 1;
  runtime_error = 0;
  runtime_auto = true;
  ignore_children = false;
  no_callbacks = false;
  irq_safe = false;
  use_autosuspend = false;
  /** ms */
  autosuspend_delay = 0;
  /** ns */
  last_busy = 0;
  request: rpm_request = RPM_REQ_NONE;
  request_pending = false;
  readonly work: work_struct;
  suspend_timer: SimTimer | null = null;
  timer_expires = 0;
  timer_autosuspends = false;
  idle_notification = false;
  deferred_resume = false;
  readonly wait_queue = new wait_queue_head_t('&dev->power.wait_queue');
  /** Who is in a callback of the device: whom those in `wait_queue` wait for. */
  callback_task: Task | null = null;
  memalloc_noio = false;
  links_count = 0;
  needs_force_resume = false;
  wakeirq: unknown = null;
  qos: unknown = null;
  /** us; 0 forbids suspend, negative: no constraint. */
  qos_resume_latency = -1;
  /** Device links to suppliers, for the runtime-PM core. */
  readonly suppliers: unknown[] = [];
  active_time = 0;
  suspended_time = 0;
  accounting_timestamp = 0;

  can_wakeup = false;
  should_wakeup = false;
  wakeup: unknown = null;
  wakeup_count = 0;
  async_suspend = false;
  driver_flags = 0;
  no_pm = false;
  no_pm_callbacks = false;
  direct_complete = false;
  is_prepared = false;
  is_suspended = false;
  early_init = false;

  constructor(dev: device) {
    this.work = new work_struct(dev);
  }
}

/** What the driver core wants of the runtime-PM core. */
export interface pm_core {
  /** device_initialize(). C: drivers/base/power/power.h device_pm_init() */
  init(dev: device): void;
  /** device_add(), before the bus looks for a driver: the power/ attributes. C: dpm_sysfs_add() */
  add(dev: device): Awaitable<void>;
  /** device_del(). C: device_pm_remove(), which ends with pm_runtime_remove() */
  remove(dev: device): Awaitable<void>;
  /** After a driver is gone. C: pm_runtime_reinit() */
  reinit(dev: device): Awaitable<void>;
  get_sync(dev: device): Awaitable<number>;
  put(dev: device): Awaitable<number>;
  put_sync(dev: device): Awaitable<number>;
  request_idle(dev: device): Awaitable<number>;
  barrier(dev: device): Awaitable<number>;
}

const NO_PM: pm_core = Object.freeze({
  init: () => {},
  add: () => {},
  remove: () => {},
  reinit: () => {},
  get_sync: () => 1,
  put: () => 0,
  put_sync: () => 0,
  request_idle: () => 0,
  barrier: () => 0,
});

class PmCore {
  ops = NO_PM;
}

/** The runtime-PM core registers itself here, once for a machine and before the first device. */
export function register_pm_core(ops: pm_core): void {
  machine.scope(PmCore, () => new PmCore()).ops = ops;
}

/** The machine's runtime-PM core; one that does nothing when none is registered. */
export function pm_core(): pm_core {
  return machine.scope(PmCore, () => new PmCore()).ops;
}
