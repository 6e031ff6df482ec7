// SPDX-License-Identifier: GPL-2.0-only
// drivers/base/power/wakeup.c, v5.19, as far as a device's own wakeup setting goes
import { now } from '@vfio-lab/sim';
import type { int } from '@vfio-lab/sim';
import { device_is_registered, type device, EEXIST, EINVAL, NSEC_PER_MSEC } from '@vfio-lab/kernel';
import { wakeup_sysfs_add, wakeup_sysfs_remove } from './sysfs.ts';

/** struct wakeup_source: what a device that may wake the system has counted. */
export class wakeup_source {
  wakeup_count = 0;
  active_count = 0;
  expire_count = 0;
  active = false;
  total_time = 0;
  max_time = 0;
  last_time = 0;
}

/** C: include/linux/pm_wakeup.h device_can_wakeup() */
export function device_can_wakeup(dev: device): boolean {
  return dev.power.can_wakeup;
}

/** C: include/linux/pm_wakeup.h device_may_wakeup() */
export function device_may_wakeup(dev: device): boolean {
  return dev.power.can_wakeup && dev.power.wakeup !== null;
}

/**
 * Can the hardware signal wakeup? Adds the files of power/, or removes them, which waits for their readers.
 * C: drivers/base/power/wakeup.c device_set_wakeup_capable()
 */
export function device_set_wakeup_capable(dev: device, capable: true): void;
export function device_set_wakeup_capable(dev: device, capable: boolean): Promise<void> | undefined;
export function device_set_wakeup_capable(dev: device, capable: boolean): Promise<void> | undefined {
  if (dev.power.can_wakeup === capable) return undefined;
  dev.power.can_wakeup = capable;
  if (!device_is_registered(dev) || dev.power.no_pm) return undefined;
  if (!capable) return wakeup_sysfs_remove(dev);
  wakeup_sysfs_add(dev);
  return undefined;
}

/** Shall it? -EINVAL when it cannot. C: drivers/base/power/wakeup.c device_set_wakeup_enable() */
export function device_set_wakeup_enable(dev: device, enable: boolean): int {
  return enable ? device_wakeup_enable(dev) : device_wakeup_disable(dev);
}

/** C: drivers/base/power/wakeup.c device_wakeup_enable() */
export function device_wakeup_enable(dev: device): int {
  if (!dev.power.can_wakeup) return -EINVAL;
  if (dev.power.wakeup !== null) return -EEXIST;
  dev.power.wakeup = new wakeup_source();
  return 0;
}

/** C: drivers/base/power/wakeup.c device_wakeup_disable() */
export function device_wakeup_disable(dev: device): int {
  if (!dev.power.can_wakeup) return -EINVAL;
  dev.power.wakeup = null;
  return 0;
}

/** A wakeup event that is dealt with in `msec` ms. C: include/linux/pm_wakeup.h pm_wakeup_event() */
export function pm_wakeup_event(dev: device, msec: int): void {
  const ws = dev.power.wakeup;
  if (!(ws instanceof wakeup_source)) return;
  const ns = msec * NSEC_PER_MSEC;
  ws.wakeup_count++;
  ws.active_count++;
  if (msec > 0) ws.expire_count++;
  ws.total_time += ns;
  ws.max_time = Math.max(ws.max_time, ns);
  ws.last_time = now();
}
