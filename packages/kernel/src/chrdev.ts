// SPDX-License-Identifier: GPL-2.0-only
/* fs/char_dev.c, drivers/char/misc.c, drivers/base/devtmpfs.c: character devices and their nodes in /dev. */
import {
  refcount_dec_and_test,
  refcount_inc,
  refcount_inc_not_zero,
  refcount_set,
  refcount_t,
} from '@vfio-lab/locking';
import { machine, type Ref } from '@vfio-lab/sim';
import {
  type device,
  device_add,
  device_class,
  device_del,
  device_initialize,
  dev_name,
  device as device_struct,
  get_device,
  put_device,
} from './device.ts';
import { EBUSY, EINVAL, ENXIO } from './errno.ts';
import { type file, type file_operations, inode, set_can_mode } from './file.ts';
import { type module, module_put, try_module_get } from './module.ts';
import { type kstring, kfree } from './slab.ts';

export type dev_t = number;
export const MINORBITS = 20;
export const MINORMASK = (1 << MINORBITS) - 1;
export const MISC_DYNAMIC_MINOR = 255;
const MISC_MAJOR = 10;
const DYNAMIC_MAJOR = 511;
const DYNAMIC_MISC_MINOR = 127;

export function MAJOR(dev: dev_t): number {
  return dev >>> MINORBITS;
}
export function MINOR(dev: dev_t): number {
  return dev & MINORMASK;
}
export function MKDEV(major: number, minor: number): dev_t {
  return ((major << MINORBITS) | minor) >>> 0;
}

/** struct cdev */
export class cdev {
  readonly container: unknown;
  readonly kobj = new refcount_t(0, 'cdev');
  ops: file_operations = {};
  owner: module | null = null;
  dev: dev_t = 0;
  /** Kept while the cdev is referenced. */
  parent: device | null = null;

  constructor(container: unknown = null) {
    this.container = container;
  }
}

/** struct miscdevice */
export interface miscdevice {
  minor: number;
  name: string;
  fops: file_operations;
  nodename?: string;
  mode?: number;
  this_device?: device | null;
}

class Chrdevs {
  readonly nodes = new Map<string, inode>();
  readonly misc = new Map<number, miscdevice>();
  readonly regions = new Map<number, { major: number; minor: number; count: number; name: string }>();
  readonly misc_class = new device_class('misc', null);
}

function chrdevs(): Chrdevs {
  return machine.scope(Chrdevs, () => new Chrdevs());
}

/**
 * Reserve a major number with a range of minors.
 * @param dev receives the first number
 * @returns 0 or -EBUSY
 * C: fs/char_dev.c alloc_chrdev_region()
 */
export function alloc_chrdev_region(dev: Ref<dev_t>, baseminor: number, count: number, name: string): number {
  const { regions } = chrdevs();
  let major = DYNAMIC_MAJOR;
  while (regions.has(major)) major--;
  if (major <= 0) return -EBUSY;
  regions.set(major, { major, minor: baseminor, count, name });
  dev.v = MKDEV(major, baseminor);
  return 0;
}

/** C: fs/char_dev.c unregister_chrdev_region() */
export function unregister_chrdev_region(from: dev_t, count: number): void {
  chrdevs().regions.delete(MAJOR(from));
}

/** Bind file operations to a cdev. C: fs/char_dev.c cdev_init() */
export function cdev_init(c: cdev, fops: file_operations): void {
  refcount_set(c.kobj, 1);
  c.ops = fops;
}

/** C: fs/char_dev.c cdev_get() */
async function cdev_get(c: cdev): Promise<boolean> {
  if (!try_module_get(c.owner)) return false;
  if (await refcount_inc_not_zero(c.kobj)) return true;
  module_put(c.owner);
  return false;
}

async function cdev_unref(c: cdev): Promise<void> {
  if (await refcount_dec_and_test(c.kobj)) await put_device(c.parent);
}

/** C: fs/char_dev.c cdev_put() */
export async function cdev_put(c: cdev): Promise<void> {
  const { owner } = c;
  await cdev_unref(c);
  module_put(owner);
}

/**
 * Publish the cdev and add the device, which makes the node.
 * @returns 0 or what device_add says.
 * C: fs/char_dev.c cdev_device_add()
 */
export async function cdev_device_add(c: cdev, dev: device): Promise<number> {
  if (dev.devt !== 0) {
    c.parent = await get_device(dev);
    c.dev = dev.devt;
  }
  cdev_pending.set(dev, c);
  const rc = await device_add(dev);
  cdev_pending.delete(dev);
  if (rc !== 0 && dev.devt !== 0) await cdev_unref(c);
  return rc;
}

/** Which cdev stands behind the node that device_add() is about to make. */
const cdev_pending = new WeakMap<device, cdev>();

/** Remove device, node and cdev; open files live on. C: fs/char_dev.c cdev_device_del() */
export async function cdev_device_del(c: cdev, dev: device): Promise<void> {
  await device_del(dev);
  if (dev.devt !== 0) await cdev_unref(c);
}

function node_path(dev: device): string {
  const name: kstring | null = dev.class?.devnode?.(dev, null) ?? null;
  const path = `/dev/${name === null ? dev_name(dev) : String(name)}`;
  kfree(name);
  return path;
}

/** C: drivers/base/devtmpfs.c devtmpfs_create_node() */
export function devtmpfs_create_node(dev: device): void {
  const path = node_path(dev);
  const node = new inode(path, true);
  node.i_rdev = dev.devt;
  const c = cdev_pending.get(dev);
  if (c !== undefined) node.i_cdev = c;
  chrdevs().nodes.set(path, node);
}

/** C: drivers/base/devtmpfs.c devtmpfs_delete_node() */
export function devtmpfs_delete_node(dev: device): void {
  chrdevs().nodes.delete(node_path(dev));
}

/** The device node at a path, or null. */
export function devtmpfs_lookup(path: string): inode | null {
  return chrdevs().nodes.get(path) ?? null;
}

/** Names below a directory of /dev, one level, sorted. */
export function devtmpfs_list(dir: string): string[] {
  const prefix = dir.endsWith('/') ? dir : `${dir}/`;
  const names = new Set<string>();
  for (const path of chrdevs().nodes.keys()) {
    if (path.startsWith(prefix)) names.add(path.slice(prefix.length).split('/')[0]);
  }
  return [...names].sort();
}

/**
 * Open a node: give the file its operations and call open.
 * @returns 0, -ENXIO or what open says.
 * C: fs/char_dev.c chrdev_open()
 */
export async function chrdev_open(node: inode, f: file): Promise<number> {
  const c = node.i_cdev as cdev | undefined;
  if (c === undefined || !(await cdev_get(c))) return -ENXIO;
  const fops = c.ops;
  if (!try_module_get(fops.owner)) {
    await cdev_put(c);
    return -ENXIO;
  }
  f.f_op = fops;
  set_can_mode(f);
  const ret = (await fops.open?.(node, f)) ?? 0;
  if (ret !== 0) {
    module_put(fops.owner);
    await cdev_put(c);
  }
  return ret;
}

/**
 * Register a misc character device; makes the node.
 * @returns 0, -EBUSY for a minor in use.
 * C: drivers/char/misc.c misc_register()
 */
export async function misc_register(misc: miscdevice): Promise<number> {
  const { misc: table, nodes, misc_class } = chrdevs();
  if (misc.minor === MISC_DYNAMIC_MINOR) {
    let minor = DYNAMIC_MISC_MINOR;
    while (table.has(minor)) minor--;
    misc.minor = minor;
  } else if (table.has(misc.minor)) {
    return -EBUSY;
  }
  table.set(misc.minor, misc);
  const dev = new device_struct();
  dev.name = misc.name;
  dev.class = misc_class;
  dev.release = () => {};
  device_initialize(dev);
  const ret = await device_add(dev);
  if (ret !== 0) {
    table.delete(misc.minor);
    return ret;
  }
  misc.this_device = dev;
  const c = new cdev();
  cdev_init(c, misc_ops(misc));
  const node = new inode(`/dev/${misc.nodename ?? misc.name}`, true);
  node.i_rdev = MKDEV(MISC_MAJOR, misc.minor);
  node.i_cdev = c;
  nodes.set(node.name, node);
  return 0;
}

/** C: drivers/char/misc.c misc_open(): the device's own operations take the place of these. */
function misc_ops(misc: miscdevice): file_operations {
  return {
    open: async (node, f) => {
      if (!try_module_get(misc.fops.owner)) return -ENXIO;
      f.private_data = misc;
      f.f_op = misc.fops;
      set_can_mode(f);
      const ret = (await misc.fops.open?.(node, f)) ?? 0;
      if (ret !== 0) module_put(misc.fops.owner);
      return ret;
    },
  };
}

/** C: drivers/char/misc.c misc_deregister() */
export async function misc_deregister(misc: miscdevice): Promise<void> {
  const { misc: table, nodes } = chrdevs();
  table.delete(misc.minor);
  const path = `/dev/${misc.nodename ?? misc.name}`;
  const c = nodes.get(path)?.i_cdev;
  nodes.delete(path);
  const dev = misc.this_device ?? null;
  misc.this_device = null;
  if (dev !== null) {
    await device_del(dev);
    await put_device(dev);
  }
  if (c !== undefined) await cdev_unref(c);
}

/** The 32-bit entry of a handler that takes pointers: the same handler. C: fs/ioctl.c compat_ptr_ioctl() */
export async function compat_ptr_ioctl(f: file, cmd: number, arg: number): Promise<number> {
  return (await f.f_op.unlocked_ioctl?.(f, cmd, arg)) ?? -EINVAL;
}

/** One more reference on a cdev that is referenced already. */
export function cdev_ref(c: cdev): Promise<void> {
  return refcount_inc(c.kobj);
}
