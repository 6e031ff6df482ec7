// SPDX-License-Identifier: GPL-2.0-only
// Where the driver core meets runtime PM
import { register_pm_core } from '@vfio-lab/kernel';
import { pm_request_idle, pm_runtime_get_sync, pm_runtime_put, pm_runtime_put_sync } from './pm_runtime.ts';
import { device_pm_init, pm_runtime_barrier, pm_runtime_reinit, pm_runtime_remove } from './setup.ts';
import { dpm_sysfs_add, dpm_sysfs_remove } from './sysfs.ts';

/** Make this the running machine's runtime-PM core. Call it before the first device_initialize(). */
export function runtime_pm_init(): void {
  register_pm_core({
    init: device_pm_init,
    add(dev) {
      dpm_sysfs_add(dev);
    },
    async remove(dev) {
      await dpm_sysfs_remove(dev);
      await pm_runtime_remove(dev);
    },
    reinit: pm_runtime_reinit,
    get_sync: pm_runtime_get_sync,
    put: pm_runtime_put,
    put_sync: pm_runtime_put_sync,
    request_idle: pm_request_idle,
    barrier: pm_runtime_barrier,
  });
}
