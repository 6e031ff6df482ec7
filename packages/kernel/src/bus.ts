// SPDX-License-Identifier: GPL-2.0-only
/* drivers/base/bus.c, dd.c, driver.c: buses, drivers and how a device gets one. */
import type { Awaitable } from './container.ts';
import type { device } from './device.ts';
import { dev_name, dev_set_drvdata, device_lock, device_unlock, get_device, put_device } from './device.ts';
import { type attribute_group, device_add_group, device_remove_group } from './device.ts';
import type { dev_pm_ops } from './device_pm.ts';
import { pm_core } from './device_pm.ts';
import { EAGAIN, EBUSY, EINVAL, ENODEV, ENXIO, EPROBE_DEFER } from './errno.ts';
import type { module } from './module.ts';
import {
  blocking_notifier_call_chain,
  blocking_notifier_chain_register,
  blocking_notifier_chain_unregister,
  blocking_notifier_head,
  type notifier_block,
} from './notifier.ts';
import { pr_err, pr_warn } from './printk.ts';
import {
  sysfs_create_file,
  sysfs_create_link,
  type sysfs_dir,
  sysfs_mkdir,
  sysfs_remove_dir,
  sysfs_remove_link,
  sysfs_root,
} from './sysfs.ts';

export const BUS_NOTIFY_ADD_DEVICE = 1;
export const BUS_NOTIFY_DEL_DEVICE = 2;
export const BUS_NOTIFY_REMOVED_DEVICE = 3;
export const BUS_NOTIFY_BIND_DRIVER = 4;
export const BUS_NOTIFY_BOUND_DRIVER = 5;
export const BUS_NOTIFY_UNBIND_DRIVER = 6;
export const BUS_NOTIFY_UNBOUND_DRIVER = 7;
export const BUS_NOTIFY_DRIVER_NOT_BOUND = 8;

/** An attribute of a driver or of a bus. */
export interface plain_attribute<T> {
  readonly name: string;
  readonly mode: number;
  show?(owner: T): Awaitable<string | number>;
  store?(owner: T, buf: string): Awaitable<number>;
}

/** struct device_driver */
export class device_driver {
  readonly container: unknown;
  name = '';
  bus!: bus_type;
  owner: module | null = null;
  pm: dev_pm_ops | null = null;
  suppress_bind_attrs = false;
  probe: ((dev: device) => Awaitable<number>) | null = null;
  remove: ((dev: device) => Awaitable<void>) | null = null;
  shutdown: ((dev: device) => Awaitable<void>) | null = null;
  attrs: readonly plain_attribute<device_driver>[] = [];
  dev_groups: readonly attribute_group[] = [];
  /** Bound devices, in the order of binding. */
  readonly devices: device[] = [];
  sysfs: sysfs_dir | null = null;

  constructor(container: unknown = null) {
    this.container = container;
  }
}

/** struct bus_type, one object for a machine. */
export class bus_type {
  readonly name: string;
  /** Non-zero: the driver may have this device. */
  match: ((dev: device, drv: device_driver) => Awaitable<number | boolean>) | null = null;
  probe: ((dev: device) => Awaitable<number>) | null = null;
  remove: ((dev: device) => Awaitable<void>) | null = null;
  shutdown: ((dev: device) => Awaitable<void>) | null = null;
  dma_configure: ((dev: device) => Awaitable<number>) | null = null;
  dma_cleanup: ((dev: device) => Awaitable<void>) | null = null;
  num_vf: ((dev: device) => number) | null = null;
  pm: dev_pm_ops | null = null;
  need_parent_lock = false;
  dev_groups: readonly attribute_group[] = [];
  drivers_autoprobe = true;
  readonly bus_notifier = new blocking_notifier_head();
  readonly devices: device[] = [];
  readonly drivers: device_driver[] = [];
  sysfs: sysfs_dir | null = null;

  constructor(name: string) {
    this.name = name;
  }
}

function add_attr<T>(dir: sysfs_dir, owner: T, attr: plain_attribute<T>): void {
  const { show, store } = attr;
  sysfs_create_file(dir, {
    name: attr.name,
    mode: attr.mode,
    ...(show === undefined ? {} : { show: () => show(owner) }),
    ...(store === undefined ? {} : { store: (text: string) => store(owner, text) }),
  });
}

/** Make a bus known, with drivers_probe and drivers_autoprobe. C: drivers/base/bus.c bus_register() */
export function bus_register(bus: bus_type): number {
  const dir = sysfs_mkdir(sysfs_root(), `bus/${bus.name}`);
  bus.sysfs = dir;
  sysfs_mkdir(dir, 'devices');
  sysfs_mkdir(dir, 'drivers');
  add_attr(dir, bus, { name: 'drivers_probe', mode: 0o200, store: drivers_probe_store });
  add_attr(dir, bus, {
    name: 'drivers_autoprobe',
    mode: 0o644,
    show: (b) => `${b.drivers_autoprobe ? 1 : 0}\n`,
    store: (b, buf) => {
      b.drivers_autoprobe = buf[0] !== '0';
      return buf.length;
    },
  });
  return 0;
}

/** Add an attribute to a bus. C: drivers/base/bus.c bus_create_file() */
export function bus_create_file(bus: bus_type, attr: plain_attribute<bus_type>): number {
  if (bus.sysfs === null) return -EINVAL;
  add_attr(bus.sysfs, bus, attr);
  return 0;
}

/** Be told of what happens to devices of a bus. C: drivers/base/bus.c bus_register_notifier() */
export function bus_register_notifier(bus: bus_type, nb: notifier_block): Promise<number> {
  return blocking_notifier_chain_register(bus.bus_notifier, nb);
}

/** C: drivers/base/bus.c bus_unregister_notifier() */
export function bus_unregister_notifier(bus: bus_type, nb: notifier_block): Promise<number> {
  return blocking_notifier_chain_unregister(bus.bus_notifier, nb);
}

/**
 * Call for every device in order of addition, until one gives non-zero.
 * C: drivers/base/bus.c bus_for_each_dev()
 */
export async function bus_for_each_dev(
  bus: bus_type,
  fn: (dev: device) => Awaitable<number>,
): Promise<number> {
  for (const dev of [...bus.devices]) {
    const ret = await fn(dev);
    if (ret !== 0) return ret;
  }
  return 0;
}

/**
 * The device of this name with a reference, or null.
 * C: include/linux/device/bus.h bus_find_device_by_name()
 */
export async function bus_find_device_by_name(bus: bus_type, name: string): Promise<device | null> {
  const wanted = name.replace(/\n$/, '');
  const dev = bus.devices.find((d) => dev_name(d) === wanted);
  return dev === undefined ? null : get_device(dev);
}

/** @returns the driver of this name, or null. C: drivers/base/driver.c driver_find() */
export function driver_find(name: string, bus: bus_type): device_driver | null {
  return bus.drivers.find((d) => d.name === name) ?? null;
}

/** C: drivers/base/bus.c bus_add_device() */
export function bus_add_device(bus: bus_type, dev: device): void {
  for (const group of bus.dev_groups) device_add_group(dev, group);
  if (bus.sysfs !== null && dev.sysfs !== null) {
    sysfs_create_link(sysfs_mkdir(bus.sysfs, 'devices'), dev.sysfs, dev.name);
    sysfs_create_link(dev.sysfs, bus.sysfs, 'subsystem');
  }
  bus.devices.push(dev);
}

/** C: drivers/base/bus.c bus_probe_device() */
export async function bus_probe_device(dev: device): Promise<void> {
  if (dev.bus.drivers_autoprobe) await device_attach(dev);
}

/** C: drivers/base/bus.c bus_remove_device() */
export async function bus_remove_device(bus: bus_type, dev: device): Promise<void> {
  if (bus.sysfs !== null) sysfs_remove_link(sysfs_mkdir(bus.sysfs, 'devices'), dev.name);
  if (dev.sysfs !== null) sysfs_remove_link(dev.sysfs, 'subsystem');
  for (const group of bus.dev_groups) await device_remove_group(dev, group);
  const i = bus.devices.indexOf(dev);
  if (i >= 0) bus.devices.splice(i, 1);
  await device_release_driver(dev);
}

async function drivers_probe_store(bus: bus_type, buf: string): Promise<number> {
  const dev = await bus_find_device_by_name(bus, buf);
  if (dev === null) return -ENODEV;
  const ret = await bus_rescan_devices_helper(dev);
  await put_device(dev);
  return ret === 0 ? buf.length : -EINVAL;
}

async function bus_rescan_devices_helper(dev: device): Promise<number> {
  if (dev.driver !== null) return 0;
  const ret = await device_attach(dev);
  return ret < 0 ? ret : 0;
}

/** Look for drivers for devices without one. C: drivers/base/bus.c bus_rescan_devices() */
export function bus_rescan_devices(bus: bus_type): Promise<number> {
  return bus_for_each_dev(bus, bus_rescan_devices_helper);
}

async function unbind_store(drv: device_driver, buf: string): Promise<number> {
  const dev = await bus_find_device_by_name(drv.bus, buf);
  let err = -ENODEV;
  if (dev !== null && dev.driver === drv) {
    await device_driver_detach(dev);
    err = buf.length;
  }
  await put_device(dev);
  return err;
}

async function bind_store(drv: device_driver, buf: string): Promise<number> {
  const dev = await bus_find_device_by_name(drv.bus, buf);
  let err = -ENODEV;
  if (dev !== null && (await driver_match_device(drv, dev))) {
    err = await device_driver_attach(drv, dev);
    if (err === 0) err = buf.length;
  }
  await put_device(dev);
  return err;
}

/** C: drivers/base/base.h driver_match_device() */
async function driver_match_device(drv: device_driver, dev: device): Promise<boolean> {
  const { match } = drv.bus;
  return match === null || Number(await match(dev, drv)) > 0;
}

/** Is a driver bound to the device? C: drivers/base/dd.c device_is_bound() */
export function device_is_bound(dev: device): boolean {
  return dev.driver !== null && dev.driver.devices.includes(dev);
}

async function notify(dev: device, action: number): Promise<void> {
  await blocking_notifier_call_chain(dev.bus.bus_notifier, action, dev);
}

async function driver_bound(dev: device, drv: device_driver): Promise<void> {
  if (device_is_bound(dev)) {
    pr_warn(`driver_bound: device ${dev_name(dev)} already bound`);
    return;
  }
  drv.devices.push(dev);
  await notify(dev, BUS_NOTIFY_BOUND_DRIVER);
}

async function driver_sysfs_add(dev: device, drv: device_driver): Promise<void> {
  await notify(dev, BUS_NOTIFY_BIND_DRIVER);
  if (dev.sysfs === null || drv.sysfs === null) return;
  sysfs_create_link(drv.sysfs, dev.sysfs, dev.name);
  sysfs_create_link(dev.sysfs, drv.sysfs, 'driver');
}

function driver_sysfs_remove(dev: device, drv: device_driver): void {
  if (drv.sysfs !== null) sysfs_remove_link(drv.sysfs, dev.name);
  if (dev.sysfs !== null) sysfs_remove_link(dev.sysfs, 'driver');
}

async function device_unbind_cleanup(dev: device): Promise<void> {
  dev.driver = null;
  dev_set_drvdata(dev, null);
  await dev.pm_domain?.dismiss?.(dev);
  await pm_core().reinit(dev);
  dev.power.driver_flags = 0;
}

async function device_remove(dev: device, drv: device_driver): Promise<void> {
  for (const group of drv.dev_groups) await device_remove_group(dev, group);
  if (dev.bus.remove !== null) await dev.bus.remove(dev);
  else await drv.remove?.(dev);
}

async function call_driver_probe(dev: device, drv: device_driver): Promise<number> {
  let ret = 0;
  if (dev.bus.probe !== null) ret = await dev.bus.probe(dev);
  else if (drv.probe !== null) ret = await drv.probe(dev);
  if (ret !== 0 && ret !== -EPROBE_DEFER && ret !== -ENODEV && ret !== -ENXIO) {
    pr_warn(`${drv.name}: probe of ${dev_name(dev)} failed with error ${ret}`);
  }
  return ret;
}

/** Positive error numbers come from probe itself. C: drivers/base/dd.c really_probe() */
async function really_probe(dev: device, drv: device_driver): Promise<number> {
  dev.driver = drv;
  let ret = 0;
  pinctrl_bind_failed: {
    if (dev.bus.dma_configure !== null) {
      ret = await dev.bus.dma_configure(dev);
      if (ret !== 0) break pinctrl_bind_failed;
    }
    probe_failed: {
      await driver_sysfs_add(dev, drv);
      if (dev.pm_domain?.activate !== undefined) {
        ret = await dev.pm_domain.activate(dev);
        if (ret !== 0) break probe_failed;
      }
      ret = -(await call_driver_probe(dev, drv));
      if (ret !== 0) break probe_failed;
      dev_groups_failed: {
        for (const group of drv.dev_groups) {
          ret = device_add_group(dev, group);
          if (ret !== 0) break dev_groups_failed;
        }
        await dev.pm_domain?.sync?.(dev);
        await driver_bound(dev, drv);
        return 0;
      }
      await device_remove(dev, drv);
    }
    driver_sysfs_remove(dev, drv);
    await notify(dev, BUS_NOTIFY_DRIVER_NOT_BOUND);
    await dev.bus.dma_cleanup?.(dev);
  }
  await device_unbind_cleanup(dev);
  return ret;
}

/** C: drivers/base/dd.c __driver_probe_device() */
async function __driver_probe_device(drv: device_driver, dev: device): Promise<number> {
  if (dev.dead || !dev.registered) return -ENODEV;
  if (dev.driver !== null) return -EBUSY;
  dev.can_match = true;
  const pm = pm_core();
  if (dev.parent !== null) await pm.get_sync(dev.parent);
  await pm.barrier(dev);
  const ret = await really_probe(dev, drv);
  await pm.request_idle(dev);
  if (dev.parent !== null) await pm.put(dev.parent);
  return ret;
}

async function lock_pair(dev: device): Promise<device | null> {
  const parent = dev.bus.need_parent_lock ? dev.parent : null;
  if (parent !== null) await device_lock(parent);
  await device_lock(dev);
  return parent;
}

async function unlock_pair(dev: device, parent: device | null): Promise<void> {
  await device_unlock(dev);
  if (parent !== null) await device_unlock(parent);
}

/**
 * Bind one driver to one device.
 * @returns 0 or a negative error.
 * C: drivers/base/dd.c device_driver_attach()
 */
export async function device_driver_attach(drv: device_driver, dev: device): Promise<number> {
  const parent = await lock_pair(dev);
  let ret = await __driver_probe_device(drv, dev);
  await unlock_pair(dev, parent);
  if (ret > 0) ret = -ret;
  return ret === -EPROBE_DEFER ? -EAGAIN : ret;
}

/**
 * Look for a driver.
 * @returns 1 when the device has one now, 0 when none fits or the one that fits failed
 * C: drivers/base/dd.c device_attach()
 */
export async function device_attach(dev: device): Promise<number> {
  await device_lock(dev);
  const ret = await __device_attach(dev);
  await device_unlock(dev);
  return ret;
}

async function __device_attach(dev: device): Promise<number> {
  if (dev.dead) return 0;
  if (dev.driver !== null) return 1;
  const pm = pm_core();
  if (dev.parent !== null) await pm.get_sync(dev.parent);
  let ret = 0;
  for (const drv of [...dev.bus.drivers]) {
    if (!(await driver_match_device(drv, dev))) continue;
    const err = await __driver_probe_device(drv, dev);
    // A positive error is probe's own: try the next driver.
    if (err > 0) continue;
    ret = err === 0 ? 1 : err;
    break;
  }
  if (dev.parent !== null) await pm.put(dev.parent);
  return ret;
}

/** Offer a driver to every device of its bus. C: drivers/base/dd.c driver_attach() */
export function driver_attach(drv: device_driver): Promise<number> {
  return bus_for_each_dev(drv.bus, async (dev) => {
    if (!(await driver_match_device(drv, dev))) return 0;
    const parent = await lock_pair(dev);
    await __driver_probe_device(drv, dev);
    await unlock_pair(dev, parent);
    return 0;
  });
}

/** C: drivers/base/dd.c __device_release_driver() */
async function __device_release_driver(dev: device): Promise<void> {
  const drv = dev.driver;
  if (drv === null) return;
  const pm = pm_core();
  await pm.get_sync(dev);
  driver_sysfs_remove(dev, drv);
  await notify(dev, BUS_NOTIFY_UNBIND_DRIVER);
  await pm.put_sync(dev);
  await device_remove(dev, drv);
  await dev.bus.dma_cleanup?.(dev);
  await device_unbind_cleanup(dev);
  const i = drv.devices.indexOf(dev);
  if (i >= 0) drv.devices.splice(i, 1);
  await notify(dev, BUS_NOTIFY_UNBOUND_DRIVER);
}

/**
 * Unbind. Its own remove must not call this (it would deadlock).
 * C: drivers/base/dd.c device_release_driver()
 */
export async function device_release_driver(dev: device): Promise<void> {
  await device_lock(dev);
  await __device_release_driver(dev);
  await device_unlock(dev);
}

/** Unbind, with the parent's lock where the bus wants it. C: drivers/base/dd.c device_driver_detach() */
export async function device_driver_detach(dev: device): Promise<void> {
  const parent = await lock_pair(dev);
  await __device_release_driver(dev);
  await unlock_pair(dev, parent);
}

/** Unbind a driver from everything it has, last bound first. C: drivers/base/dd.c driver_detach() */
export async function driver_detach(drv: device_driver): Promise<void> {
  for (let dev = drv.devices.at(-1); dev !== undefined; dev = drv.devices.at(-1)) {
    await get_device(dev);
    const parent = await lock_pair(dev);
    if (dev.driver === drv) await __device_release_driver(dev);
    await unlock_pair(dev, parent);
    await put_device(dev);
  }
}

/**
 * Add a driver to its bus and bind what it fits.
 * @returns 0 or -EBUSY for a name in use.
 * C: drivers/base/driver.c driver_register()
 */
export async function driver_register(drv: device_driver): Promise<number> {
  const { bus } = drv;
  if (driver_find(drv.name, bus) !== null) {
    pr_err(`Error: Driver '${drv.name}' is already registered, aborting...`);
    return -EBUSY;
  }
  bus.drivers.push(drv);
  if (bus.sysfs !== null) {
    drv.sysfs = sysfs_mkdir(bus.sysfs, `drivers/${drv.name}`);
    if (!drv.suppress_bind_attrs) {
      add_attr(drv.sysfs, drv, { name: 'bind', mode: 0o200, store: bind_store });
      add_attr(drv.sysfs, drv, { name: 'unbind', mode: 0o200, store: unbind_store });
    }
    for (const attr of drv.attrs) add_attr(drv.sysfs, drv, attr);
  }
  if (bus.drivers_autoprobe) return driver_attach(drv);
  return 0;
}

/** C: drivers/base/driver.c driver_unregister() */
export async function driver_unregister(drv: device_driver): Promise<void> {
  const { bus } = drv;
  await driver_detach(drv);
  const i = bus.drivers.indexOf(drv);
  if (i >= 0) bus.drivers.splice(i, 1);
  if (drv.sysfs !== null) await sysfs_remove_dir(drv.sysfs);
  drv.sysfs = null;
}
