// SPDX-License-Identifier: GPL-2.0-only
/* drivers/base/core.c: devices. */
import {
  kref,
  kref_get,
  kref_init,
  kref_put,
  lockdep_assert_held,
  mutex,
  mutex_init,
  mutex_lock,
  mutex_trylock,
  mutex_unlock,
} from '@vfio-lab/locking';
import {
  type bus_type,
  BUS_NOTIFY_ADD_DEVICE,
  BUS_NOTIFY_DEL_DEVICE,
  BUS_NOTIFY_REMOVED_DEVICE,
  bus_add_device,
  bus_probe_device,
  bus_remove_device,
} from './bus.ts';
import type { device_driver } from './bus.ts';
import { devtmpfs_create_node, devtmpfs_delete_node, MAJOR } from './chrdev.ts';
import { type dev_t } from './chrdev.ts';
import type { Awaitable } from './container.ts';
import { type dev_pm_domain, dev_pm_info, type dev_pm_ops, pm_core } from './device_pm.ts';
import { EINVAL } from './errno.ts';
import type { module } from './module.ts';
import { blocking_notifier_call_chain } from './notifier.ts';
import { WARN } from './printk.ts';
import type { kstring } from './slab.ts';
import {
  sysfs_create_bin_file,
  sysfs_create_file,
  sysfs_create_link,
  type sysfs_dir,
  sysfs_mkdir,
  sysfs_remove_dir,
  sysfs_remove_file,
  sysfs_remove_link,
  sysfs_root,
} from './sysfs.ts';
import type { Ref } from '@vfio-lab/sim';

/** struct device_attribute */
export interface device_attribute {
  readonly name: string;
  readonly mode: number;
  show?(dev: device, attr: device_attribute): Awaitable<string | number>;
  store?(dev: device, attr: device_attribute, buf: string): Awaitable<number>;
}

/** struct bin_attribute of a device */
export interface bin_attribute {
  readonly name: string;
  readonly mode: number;
  readonly size: number;
  read?(dev: device, attr: bin_attribute, off: number, count: number): Awaitable<Uint8Array | number>;
  write?(dev: device, attr: bin_attribute, bytes: Uint8Array, off: number): Awaitable<number>;
  mmap?(dev: device, attr: bin_attribute, vma: import('./mm.ts').vm_area_struct): Awaitable<number>;
}

/** struct attribute_group: attributes in a directory of their own when it has a name. */
export class attribute_group {
  readonly name: string | null;
  readonly attrs: readonly device_attribute[];
  readonly bin_attrs: readonly bin_attribute[];
  /** Mode, 0 to leave it out. */
  readonly is_visible: ((dev: device, attr: device_attribute | bin_attribute) => number) | null;

  constructor(init: {
    name?: string | null;
    attrs?: readonly device_attribute[];
    bin_attrs?: readonly bin_attribute[];
    is_visible?: (dev: device, attr: device_attribute | bin_attribute) => number;
  }) {
    this.name = init.name ?? null;
    this.attrs = init.attrs ?? [];
    this.bin_attrs = init.bin_attrs ?? [];
    this.is_visible = init.is_visible ?? null;
  }
}

/** struct class */
export class device_class {
  readonly name: string;
  readonly owner: module | null;
  devnode: ((dev: device, mode: Ref<number> | null) => kstring | null) | null = null;
  dev_release: ((dev: device) => Awaitable<void>) | null = null;
  pm: dev_pm_ops | null = null;

  constructor(name: string, owner: module | null) {
    this.name = name;
    this.owner = owner;
  }
}

/** struct device_type */
export interface device_type {
  name: string;
  groups?: readonly attribute_group[];
  release?(dev: device): Awaitable<void>;
  pm?: dev_pm_ops;
}

/** struct device */
export class device {
  readonly container: unknown;
  /** Its name; set with dev_set_name(). */
  name = '';
  readonly kref = new kref(this);
  readonly mutex = new mutex('&dev->mutex');
  parent: device | null = null;
  bus!: bus_type;
  driver: device_driver | null = null;
  type: device_type | null = null;
  class: device_class | null = null;
  driver_data: unknown = null;
  devt: dev_t = 0;
  release: ((dev: device) => Awaitable<void>) | null = null;
  groups: readonly attribute_group[] = [];
  readonly power = new dev_pm_info(this);
  pm_domain: dev_pm_domain | null = null;
  /** struct iommu_group of this device, for the IOMMU core. */
  iommu_group: unknown = null;
  iommu: unknown = null;
  readonly children: device[] = [];
  /** Directory in sysfs, from device_add() to device_del(). */
  sysfs: sysfs_dir | null = null;
  registered = false;
  dead = false;
  can_match = false;
  numa_node = -1;

  constructor(container: unknown = null) {
    this.container = container;
  }
}

/** One reference; from here it is freed with put_device(). C: drivers/base/core.c device_initialize() */
export function device_initialize(dev: device): void {
  kref_init(dev.kref);
  mutex_init(dev.mutex, '&dev->mutex');
  pm_core().init(dev);
}

/** C: include/linux/device.h dev_name() */
export function dev_name(dev: device): string {
  return dev.name;
}

/** @returns 0. C: drivers/base/core.c dev_set_name() */
export function dev_set_name(dev: device, name: string): number {
  dev.name = name;
  return 0;
}

/** The driver's private pointer. C: include/linux/device.h dev_get_drvdata() */
export function dev_get_drvdata<T>(dev: device): T {
  return dev.driver_data as T;
}

/** C: include/linux/device.h dev_set_drvdata() */
export function dev_set_drvdata(dev: device, data: unknown): void {
  dev.driver_data = data;
}

/** C: include/linux/device.h device_lock() */
export async function device_lock(dev: device): Promise<void> {
  await mutex_lock(dev.mutex);
}

/** 1 when taken. C: include/linux/device.h device_trylock() */
export function device_trylock(dev: device): Promise<number> {
  return mutex_trylock(dev.mutex);
}

/** C: include/linux/device.h device_unlock() */
export async function device_unlock(dev: device): Promise<void> {
  await mutex_unlock(dev.mutex);
}

/** C: include/linux/device.h device_lock_assert() */
export function device_lock_assert(dev: device): void {
  lockdep_assert_held(dev.mutex);
}

/** C: drivers/base/core.c get_device() */
export async function get_device<T extends device | null>(dev: T): Promise<T> {
  if (dev !== null) await kref_get(dev.kref);
  return dev;
}

async function device_release(k: kref): Promise<void> {
  const dev = k.container as device;
  const release = dev.release ?? dev.type?.release ?? dev.class?.dev_release ?? null;
  if (release !== null) await release(dev);
  else WARN(true, `Device '${dev.name}' does not have a release() function`);
}

/** Drop a reference; the last one calls release. C: drivers/base/core.c put_device() */
export async function put_device(dev: device | null): Promise<void> {
  if (dev !== null) await kref_put(dev.kref, device_release);
}

/** C: include/linux/device.h device_is_registered() */
export function device_is_registered(dev: device): boolean {
  return dev.registered;
}

/** @returns 0 or -EEXIST, -EINVAL before device_add(). C: drivers/base/core.c device_create_file() */
export function device_create_file(
  dev: device,
  attr: device_attribute,
  dir: sysfs_dir | null = dev.sysfs,
): number {
  if (dir === null) return -EINVAL;
  const { show, store } = attr;
  return sysfs_create_file(dir, {
    name: attr.name,
    mode: attr.mode,
    ...(show === undefined ? {} : { show: () => show.call(attr, dev, attr) }),
    ...(store === undefined ? {} : { store: (text: string) => store.call(attr, dev, attr, text) }),
  });
}

/** C: drivers/base/core.c device_remove_file() */
export async function device_remove_file(dev: device, attr: { readonly name: string }): Promise<void> {
  if (dev.sysfs !== null) await sysfs_remove_file(dev.sysfs, attr.name);
}

/** @returns 0 or -EEXIST, -EINVAL. C: drivers/base/core.c device_create_bin_file() */
export function device_create_bin_file(
  dev: device,
  attr: bin_attribute,
  dir: sysfs_dir | null = dev.sysfs,
): number {
  if (dir === null) return -EINVAL;
  const { read, write, mmap } = attr;
  return sysfs_create_bin_file(dir, {
    name: attr.name,
    mode: attr.mode,
    size: attr.size,
    ...(read === undefined ? {} : { read: (off: number, n: number) => read.call(attr, dev, attr, off, n) }),
    ...(write === undefined
      ? {}
      : { write: (bytes: Uint8Array, off: number) => write.call(attr, dev, attr, bytes, off) }),
    ...(mmap === undefined
      ? {}
      : { mmap: (_file: unknown, vma: import('./mm.ts').vm_area_struct) => mmap.call(attr, dev, attr, vma) }),
  });
}

function group_dir(dev: device, group: attribute_group): sysfs_dir | null {
  if (dev.sysfs === null) return null;
  return group.name === null ? dev.sysfs : sysfs_mkdir(dev.sysfs, group.name);
}

/**
 * Add a group of attributes, in a directory of its name if it has one.
 * C: fs/sysfs/group.c sysfs_create_group()
 */
export function device_add_group(dev: device, group: attribute_group): number {
  const dir = group_dir(dev, group);
  const shown = (a: device_attribute | bin_attribute): boolean =>
    group.is_visible === null || group.is_visible(dev, a) !== 0;
  for (const attr of group.attrs) {
    const err = shown(attr) ? device_create_file(dev, attr, dir) : 0;
    if (err !== 0) return err;
  }
  for (const attr of group.bin_attrs) {
    const err = shown(attr) ? device_create_bin_file(dev, attr, dir) : 0;
    if (err !== 0) return err;
  }
  return 0;
}

/** C: fs/sysfs/group.c sysfs_remove_group() */
export async function device_remove_group(dev: device, group: attribute_group): Promise<void> {
  const dir = group_dir(dev, group);
  if (dir === null) return;
  for (const attr of [...group.attrs, ...group.bin_attrs]) await sysfs_remove_file(dir, attr.name);
  if (group.name !== null && dir.children.size === 0) await sysfs_remove_dir(dir);
}

function device_dir(dev: device): sysfs_dir {
  const { parent } = dev;
  if (parent?.sysfs) return sysfs_mkdir(parent.sysfs, dev.name);
  const below = dev.class !== null ? `devices/virtual/${dev.class.name}` : 'devices';
  return sysfs_mkdir(sysfs_root(), `${below}/${dev.name}`);
}

/**
 * Make a device known: sysfs, its bus, the device node; then look for a driver.
 * @returns 0, -EINVAL without a name, or what its bus says
 * C: drivers/base/core.c device_add()
 */
export async function device_add(dev: device): Promise<number> {
  await get_device(dev);
  if (dev.name === '') {
    await put_device(dev);
    return -EINVAL;
  }
  await get_device(dev.parent);
  dev.sysfs = device_dir(dev);
  dev.registered = true;
  dev.dead = false;
  const cls = dev.class;
  if (cls !== null) {
    sysfs_create_link(sysfs_mkdir(sysfs_root(), `class/${cls.name}`), dev.sysfs, dev.name);
  }
  for (const group of [...(dev.type?.groups ?? []), ...dev.groups]) device_add_group(dev, group);
  const bus = dev.bus as bus_type | undefined;
  if (bus !== undefined) bus_add_device(bus, dev);
  await pm_core().add(dev);
  if (MAJOR(dev.devt) !== 0) devtmpfs_create_node(dev);
  dev.parent?.children.push(dev);
  if (bus !== undefined) await blocking_notifier_call_chain(bus.bus_notifier, BUS_NOTIFY_ADD_DEVICE, dev);
  if (bus !== undefined) await bus_probe_device(dev);
  return 0;
}

/** C: drivers/base/core.c device_register() */
export async function device_register(dev: device): Promise<number> {
  device_initialize(dev);
  return device_add(dev);
}

/** Undo device_add(): the driver is unbound. References live on. C: drivers/base/core.c device_del() */
export async function device_del(dev: device): Promise<void> {
  await device_lock(dev);
  dev.dead = true;
  await device_unlock(dev);
  const bus = dev.bus as bus_type | undefined;
  if (bus !== undefined) await blocking_notifier_call_chain(bus.bus_notifier, BUS_NOTIFY_DEL_DEVICE, dev);
  const { parent } = dev;
  if (parent !== null) {
    const i = parent.children.indexOf(dev);
    if (i >= 0) parent.children.splice(i, 1);
  }
  if (MAJOR(dev.devt) !== 0) devtmpfs_delete_node(dev);
  if (dev.class !== null) sysfs_remove_link(sysfs_mkdir(sysfs_root(), `class/${dev.class.name}`), dev.name);
  if (bus !== undefined) await bus_remove_device(bus, dev);
  await pm_core().remove(dev);
  if (bus !== undefined) await blocking_notifier_call_chain(bus.bus_notifier, BUS_NOTIFY_REMOVED_DEVICE, dev);
  if (dev.sysfs !== null) await sysfs_remove_dir(dev.sysfs);
  dev.sysfs = null;
  dev.registered = false;
  await put_device(parent);
  await put_device(dev);
}

/** C: drivers/base/core.c device_unregister() */
export async function device_unregister(dev: device): Promise<void> {
  await device_del(dev);
  await put_device(dev);
}

/** Call for every child, stop at the first non-zero. C: drivers/base/core.c device_for_each_child() */
export async function device_for_each_child(
  parent: device,
  fn: (dev: device) => Awaitable<number>,
): Promise<number> {
  for (const child of [...parent.children]) {
    const ret = await fn(child);
    if (ret !== 0) return ret;
  }
  return 0;
}

/** @returns the class; never fails here. C: include/linux/device/class.h class_create() */
export function class_create(owner: module | null, name: string): device_class {
  sysfs_mkdir(sysfs_root(), `class/${name}`);
  return new device_class(name, owner);
}

/** C: drivers/base/class.c class_destroy() */
export function class_destroy(cls: device_class | null): void {
  if (cls === null) return;
  sysfs_mkdir(sysfs_root(), 'class').children.delete(cls.name);
}
