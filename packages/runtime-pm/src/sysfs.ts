// SPDX-License-Identifier: GPL-2.0-only
// drivers/base/power/sysfs.c, v5.19: the files of a device's power/ directory
import type { int } from '@vfio-lab/sim';
import { atomic_read } from '@vfio-lab/locking';
import {
  attribute_group,
  type Awaitable,
  type device,
  device_add_group,
  type device_attribute,
  device_lock,
  device_remove_group,
  device_unlock,
  EINVAL,
  EIO,
  NSEC_PER_MSEC,
  sysfs_streq,
} from '@vfio-lab/kernel';
import { pm_runtime_active_time, pm_runtime_suspended_time } from './runtime.ts';
import { pm_runtime_allow, pm_runtime_forbid, pm_runtime_set_autosuspend_delay } from './setup.ts';
import { rpm_status_names } from './types.ts';
import { device_can_wakeup, device_may_wakeup, device_set_wakeup_enable, wakeup_source } from './wakeup.ts';

type show_fn = (dev: device) => Awaitable<string | number>;
type store_fn = (dev: device, buf: string) => Awaitable<number>;

function DEVICE_ATTR(name: string, show: show_fn, store?: store_fn): device_attribute {
  if (store === undefined) return Object.freeze({ name, mode: 0o444, show });
  return Object.freeze<device_attribute>({
    name,
    mode: 0o644,
    show,
    store: (dev, _attr, buf) => store(dev, buf),
  });
}

/** C: drivers/base/power/sysfs.c control_show() */
export function control_show(dev: device): string {
  return dev.power.runtime_auto ? 'auto\n' : 'on\n';
}

/** C: drivers/base/power/sysfs.c control_store() */
export async function control_store(dev: device, buf: string): Promise<number> {
  let n = buf.length;
  await device_lock(dev);
  if (sysfs_streq(buf, 'auto')) await pm_runtime_allow(dev);
  else if (sysfs_streq(buf, 'on')) await pm_runtime_forbid(dev);
  else n = -EINVAL;
  await device_unlock(dev);
  return n;
}

/** C: drivers/base/power/sysfs.c runtime_status_show() */
export function runtime_status_show(dev: device): string | number {
  const p = dev.power;
  if (p.runtime_error) return 'error\n';
  if (p.disable_depth) return 'unsupported\n';
  const name = rpm_status_names[p.runtime_status];
  return name === undefined ? -EIO : `${name}\n`;
}

/** C: drivers/base/power/sysfs.c autosuspend_delay_ms_show() */
export function autosuspend_delay_ms_show(dev: device): string | number {
  return dev.power.use_autosuspend ? `${dev.power.autosuspend_delay}\n` : -EIO;
}

/** C: drivers/base/power/sysfs.c autosuspend_delay_ms_store() */
export async function autosuspend_delay_ms_store(dev: device, buf: string): Promise<number> {
  if (!dev.power.use_autosuspend) return -EIO;
  if (!/^[+-]?\d+\n?$/.test(buf)) return -EINVAL;
  const delay = Number.parseInt(buf, 10);
  if (delay !== (delay | 0)) return -EINVAL;
  await device_lock(dev);
  await pm_runtime_set_autosuspend_delay(dev, delay);
  await device_unlock(dev);
  return buf.length;
}

/** C: drivers/base/power/sysfs.c wakeup_show() */
export function wakeup_show(dev: device): string {
  if (!device_can_wakeup(dev)) return '\n';
  return device_may_wakeup(dev) ? 'enabled\n' : 'disabled\n';
}

/** C: drivers/base/power/sysfs.c wakeup_store() */
export function wakeup_store(dev: device, buf: string): number {
  if (!device_can_wakeup(dev)) return -EINVAL;
  if (sysfs_streq(buf, 'enabled')) device_set_wakeup_enable(dev, true);
  else if (sysfs_streq(buf, 'disabled')) device_set_wakeup_enable(dev, false);
  else return -EINVAL;
  return buf.length;
}

function wakeup_stat(value: (ws: wakeup_source) => number): show_fn {
  return (dev) => {
    const ws = dev.power.wakeup;
    return ws instanceof wakeup_source ? `${value(ws)}\n` : '\n';
  };
}

function ms(ns: number): number {
  return Math.floor(ns / NSEC_PER_MSEC);
}

/** C: drivers/base/power/sysfs.c runtime_usage_show() */
export async function runtime_usage_show(dev: device): Promise<string> {
  return `${await atomic_read(dev.power.usage_count)}\n`;
}

/** C: drivers/base/power/sysfs.c runtime_active_kids_show() */
export async function runtime_active_kids_show(dev: device): Promise<string> {
  return `${dev.power.ignore_children ? 0 : await atomic_read(dev.power.child_count)}\n`;
}

/** C: drivers/base/power/sysfs.c runtime_enabled_show() */
export function runtime_enabled_show(dev: device): string {
  const { disable_depth, runtime_auto } = dev.power;
  if (disable_depth && !runtime_auto) return 'disabled & forbidden\n';
  if (disable_depth) return 'disabled\n';
  return runtime_auto ? 'enabled\n' : 'forbidden\n';
}

/** C: drivers/base/power/sysfs.c async_store() */
function async_store(dev: device, buf: string): number {
  if (sysfs_streq(buf, 'enabled')) dev.power.async_suspend = true;
  else if (sysfs_streq(buf, 'disabled')) dev.power.async_suspend = false;
  else return -EINVAL;
  return buf.length;
}

/** With CONFIG_PM_ADVANCED_DEBUG. */
const pm_attr_group = new attribute_group({
  name: 'power',
  attrs: [
    DEVICE_ATTR('async', (dev) => (dev.power.async_suspend ? 'enabled\n' : 'disabled\n'), async_store),
    DEVICE_ATTR('runtime_status', runtime_status_show),
    DEVICE_ATTR('runtime_usage', runtime_usage_show),
    DEVICE_ATTR('runtime_active_kids', runtime_active_kids_show),
    DEVICE_ATTR('runtime_enabled', runtime_enabled_show),
  ],
});

const pm_wakeup_attr_group = new attribute_group({
  name: 'power',
  attrs: [
    DEVICE_ATTR('wakeup', wakeup_show, wakeup_store),
    DEVICE_ATTR(
      'wakeup_count',
      wakeup_stat((ws) => ws.wakeup_count),
    ),
    DEVICE_ATTR(
      'wakeup_active_count',
      wakeup_stat((ws) => ws.active_count),
    ),
    // v5.19 shows the wakeup count here, too.
    DEVICE_ATTR(
      'wakeup_abort_count',
      wakeup_stat((ws) => ws.wakeup_count),
    ),
    DEVICE_ATTR(
      'wakeup_expire_count',
      wakeup_stat((ws) => ws.expire_count),
    ),
    DEVICE_ATTR(
      'wakeup_active',
      wakeup_stat((ws) => (ws.active ? 1 : 0)),
    ),
    DEVICE_ATTR(
      'wakeup_total_time_ms',
      wakeup_stat((ws) => ms(ws.total_time)),
    ),
    DEVICE_ATTR(
      'wakeup_max_time_ms',
      wakeup_stat((ws) => ms(ws.max_time)),
    ),
    DEVICE_ATTR(
      'wakeup_last_time_ms',
      wakeup_stat((ws) => ms(ws.last_time)),
    ),
  ],
});

const pm_runtime_attr_group = new attribute_group({
  name: 'power',
  attrs: [
    DEVICE_ATTR('control', control_show, control_store),
    DEVICE_ATTR('runtime_suspended_time', async (dev) => `${ms(await pm_runtime_suspended_time(dev))}\n`),
    DEVICE_ATTR('runtime_active_time', async (dev) => `${ms(await pm_runtime_active_time(dev))}\n`),
    DEVICE_ATTR('autosuspend_delay_ms', autosuspend_delay_ms_show, autosuspend_delay_ms_store),
  ],
});

/** Make power/ of a device that is in sysfs. 0 or -EEXIST. C: drivers/base/power/sysfs.c dpm_sysfs_add() */
export function dpm_sysfs_add(dev: device): int {
  if (dev.power.no_pm) return 0;
  let rc = device_add_group(dev, pm_attr_group);
  if (rc === 0 && !dev.power.no_callbacks) rc = device_add_group(dev, pm_runtime_attr_group);
  if (rc === 0 && device_can_wakeup(dev)) rc = device_add_group(dev, pm_wakeup_attr_group);
  return rc;
}

/** C: drivers/base/power/sysfs.c wakeup_sysfs_add() */
export function wakeup_sysfs_add(dev: device): int {
  return device_add_group(dev, pm_wakeup_attr_group);
}

/** C: drivers/base/power/sysfs.c wakeup_sysfs_remove() */
export function wakeup_sysfs_remove(dev: device): Promise<void> {
  return device_remove_group(dev, pm_wakeup_attr_group);
}

/** C: drivers/base/power/sysfs.c rpm_sysfs_remove() */
export function rpm_sysfs_remove(dev: device): Promise<void> {
  return device_remove_group(dev, pm_runtime_attr_group);
}

/** C: drivers/base/power/sysfs.c dpm_sysfs_remove() */
export async function dpm_sysfs_remove(dev: device): Promise<void> {
  if (dev.power.no_pm) return;
  await rpm_sysfs_remove(dev);
  await device_remove_group(dev, pm_wakeup_attr_group);
  await device_remove_group(dev, pm_attr_group);
}
