// SPDX-License-Identifier: GPL-2.0-only
export * from './types.ts';
export * from './pm_runtime.ts';
export {
  __pm_runtime_idle,
  __pm_runtime_resume,
  __pm_runtime_suspend,
  pm_runtime_get_if_active,
} from './entry.ts';
export {
  pm_runtime_active_time,
  pm_runtime_autosuspend_expiration,
  pm_runtime_mark_last_busy,
  pm_runtime_suspended_time,
  pm_schedule_suspend,
  pm_wq,
} from './runtime.ts';
export {
  __pm_runtime_disable,
  __pm_runtime_set_status,
  __pm_runtime_use_autosuspend,
  device_pm_init,
  pm_runtime_allow,
  pm_runtime_barrier,
  pm_runtime_enable,
  pm_runtime_forbid,
  pm_runtime_force_resume,
  pm_runtime_force_suspend,
  pm_runtime_init,
  pm_runtime_irq_safe,
  pm_runtime_no_callbacks,
  pm_runtime_reinit,
  pm_runtime_remove,
  pm_runtime_set_autosuspend_delay,
} from './setup.ts';
export {
  DL_FLAG_PM_RUNTIME,
  DL_FLAG_STATELESS,
  device_link,
  device_link_add,
  device_link_del,
  pm_runtime_drop_link,
  pm_runtime_get_suppliers,
  pm_runtime_new_link,
  pm_runtime_put_suppliers,
} from './links.ts';
export * from './sysfs.ts';
export * from './wakeup.ts';
export { runtime_pm_init } from './core.ts';
export { pmerr } from './pmerr.ts';
