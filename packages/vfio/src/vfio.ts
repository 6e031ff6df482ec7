// SPDX-License-Identifier: GPL-2.0-only
/*
 * drivers/vfio/vfio.c, v5.19-rc4: containers, groups and device files, the part of VFIO that no bus knows.
 */

import {
  __xa_cmpxchg,
  __xa_erase,
  add_taint,
  alloc_chrdev_region,
  anon_inode_getfile,
  ARRAY_SIZE,
  BLOCKING_INIT_NOTIFIER_HEAD,
  capable,
  CAP_SYS_RAWIO,
  cdev_device_add,
  cdev_device_del,
  cdev_init,
  class_create,
  class_destroy,
  compat_ptr_ioctl,
  container_of,
  copy_from_user,
  copy_to_user,
  dev_name,
  dev_set_name,
  dev_warn,
  dev_WARN,
  device_initialize,
  E2BIG,
  EBADF,
  EBUSY,
  EFAULT,
  EINVAL,
  ENODEV,
  ENOMEM,
  ENOTTY,
  EPERM,
  ERR_CAST,
  ERR_PTR,
  fd_install,
  fdget,
  fdput,
  FMODE_LSEEK,
  FMODE_PREAD,
  FMODE_PWRITE,
  fput,
  get_file,
  get_module,
  get_unused_fd_flags,
  get_user,
  GFP_KERNEL,
  ida_alloc_max,
  ida_destroy,
  ida_free,
  ida_init,
  INIT_LIST_HEAD,
  IS_ERR,
  kasprintf,
  kfree,
  krealloc,
  kzalloc,
  list_add,
  list_add_tail,
  list_del,
  list_empty,
  list_for_each_entry,
  list_for_each_entry_continue_reverse,
  LOCKDEP_STILL_OK,
  MAJOR,
  memcpy,
  memset,
  MINOR,
  MINORMASK,
  misc_deregister,
  misc_register,
  MKDEV,
  module_put,
  O_CLOEXEC,
  O_RDWR,
  offsetofend,
  PAGE_SIZE,
  pr_err,
  pr_info,
  PTR_ERR,
  put_device,
  put_unused_fd,
  sizeof,
  strcmp,
  strndup_user,
  TAINT_USER,
  task_pid_nr,
  try_module_get,
  U32_MAX,
  unregister_chrdev_region,
  WARN_ON,
  WARN_ON_ONCE,
  xa_destroy,
  xa_err,
  xa_is_err,
  xa_load,
  xa_lock,
  xa_unlock,
  xarray,
} from '@vfio-lab/kernel';
import type {
  device,
  err_ptr,
  file,
  inode,
  kstring,
  notifier_block,
  user_ptr,
  vm_area_struct,
} from '@vfio-lab/kernel';
import {
  IOMMU_CAP_CACHE_COHERENCY,
  iommu_capable,
  iommu_group_add_device,
  iommu_group_alloc,
  iommu_group_claim_dma_owner,
  iommu_group_dma_owner_claimed,
  iommu_group_get,
  iommu_group_id,
  iommu_group_put,
  iommu_group_ref_get,
  iommu_group_release_dma_owner,
  iommu_group_remove_device,
  iommu_group_set_name,
} from '@vfio-lab/iommu';
import type { iommu_group } from '@vfio-lab/iommu';
import {
  complete,
  down_read,
  down_write,
  HZ,
  init_completion,
  init_rwsem,
  kref_get,
  kref_init,
  kref_put,
  lockdep_assert_held_read,
  lockdep_assert_held_write,
  mutex_destroy,
  mutex_init,
  mutex_lock,
  mutex_unlock,
  READ_ONCE,
  refcount_dec_and_mutex_lock,
  refcount_dec_and_test,
  refcount_inc,
  refcount_inc_not_zero,
  refcount_set,
  try_wait_for_completion,
  up_read,
  up_write,
  wait_for_completion_interruptible_timeout,
  wait_for_completion_timeout,
} from '@vfio-lab/locking';
import type { kref } from '@vfio-lab/locking';
import {
  vfio_check_feature,
  vfio_container,
  vfio_device_feature,
  VFIO_API_VERSION,
  VFIO_CHECK_EXTENSION,
  VFIO_DEVICE_FEATURE,
  VFIO_DEVICE_FEATURE_DATA,
  VFIO_DEVICE_FEATURE_GET,
  VFIO_DEVICE_FEATURE_MASK,
  VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE,
  VFIO_DEVICE_FEATURE_MIGRATION,
  VFIO_DEVICE_FEATURE_PROBE,
  VFIO_DEVICE_FEATURE_SET,
  vfio_device_feature_mig_state,
  vfio_device_feature_migration,
  vfio_device_set,
  VFIO_DEVICE_STATE_ERROR,
  VFIO_DEVICE_STATE_RESUMING,
  VFIO_DEVICE_STATE_RUNNING,
  VFIO_DEVICE_STATE_RUNNING_P2P,
  VFIO_DEVICE_STATE_STOP,
  VFIO_DEVICE_STATE_STOP_COPY,
  VFIO_DMA_CC_IOMMU,
  VFIO_EMULATED_IOMMU,
  VFIO_GET_API_VERSION,
  vfio_group,
  VFIO_GROUP_FLAGS_CONTAINER_SET,
  VFIO_GROUP_FLAGS_VIABLE,
  VFIO_GROUP_GET_DEVICE_FD,
  VFIO_GROUP_GET_STATUS,
  VFIO_GROUP_SET_CONTAINER,
  vfio_group_status,
  VFIO_GROUP_UNSET_CONTAINER,
  vfio_info_cap_header,
  VFIO_IOMMU,
  VFIO_IOMMU_CONTAINER_CLOSE,
  vfio_iommu_driver,
  VFIO_IOMMU_NOTIFY,
  vfio_irq_set,
  VFIO_IRQ_SET_ACTION_TYPE_MASK,
  VFIO_IRQ_SET_DATA_BOOL,
  VFIO_IRQ_SET_DATA_EVENTFD,
  VFIO_IRQ_SET_DATA_NONE,
  VFIO_IRQ_SET_DATA_TYPE_MASK,
  VFIO_MIGRATION_P2P,
  VFIO_MIGRATION_STOP_COPY,
  VFIO_NO_IOMMU,
  VFIO_NOIOMMU_IOMMU,
  VFIO_PIN_PAGES_MAX_ENTRIES,
  VFIO_SET_IOMMU,
  vfio_state,
} from '@vfio-lab/headers';
import type {
  Kernel,
  kvm,
  vfio_device,
  vfio_device_mig_state,
  vfio_device_ops,
  vfio_group_type,
  vfio_info_cap,
  vfio_info_cap_bytes,
  vfio_iommu_driver_ops,
  vfio_notify_type,
} from '@vfio-lab/headers';
import { current, ref } from '@vfio-lab/sim';
import type { int, Ref, u16, u32 } from '@vfio-lab/sim';

const DRIVER_VERSION = '0.3';
const DRIVER_DESC = 'VFIO - User Level meta-driver';

const VFIO_MINOR = 196;

/** C: drivers/vfio/vfio.c file-scope data */
export function statics(k: Kernel): Partial<Kernel> {
  const THIS_MODULE = get_module('vfio');
  const vfio_fops: Kernel['vfio_fops'] = {
    owner: THIS_MODULE,
    open: (inode, filep) => k.vfio_fops_open(inode, filep),
    release: (inode, filep) => k.vfio_fops_release(inode, filep),
    unlocked_ioctl: (filep, cmd, arg) => k.vfio_fops_unl_ioctl(filep, cmd, arg),
    compat_ioctl: compat_ptr_ioctl,
  };
  return {
    vfio_module: THIS_MODULE,
    CONFIG_VFIO_NOIOMMU: false,
    vfio: new vfio_state(),
    noiommu: false,
    vfio_device_set_xa: new xarray<vfio_device_set>('vfio_device_set_xa.xa_lock'),
    vfio_noiommu_ops: {
      name: 'vfio-noiommu',
      owner: THIS_MODULE,
      open: (arg) => k.vfio_noiommu_open(arg),
      release: (iommu_data) => k.vfio_noiommu_release(iommu_data),
      ioctl: (iommu_data, cmd, arg) => k.vfio_noiommu_ioctl(iommu_data, cmd, arg),
      attach_group: (iommu_data, iommu_group, type) =>
        k.vfio_noiommu_attach_group(iommu_data, iommu_group, type),
      detach_group: (iommu_data, iommu_group) => k.vfio_noiommu_detach_group(iommu_data, iommu_group),
    },
    vfio_fops,
    vfio_group_fops: {
      owner: THIS_MODULE,
      unlocked_ioctl: (filep, cmd, arg) => k.vfio_group_fops_unl_ioctl(filep, cmd, arg),
      compat_ioctl: compat_ptr_ioctl,
      open: (inode, filep) => k.vfio_group_fops_open(inode, filep),
      release: (inode, filep) => k.vfio_group_fops_release(inode, filep),
    },
    vfio_device_fops: {
      owner: THIS_MODULE,
      release: (inode, filep) => k.vfio_device_fops_release(inode, filep),
      read: (filep, buf, count, ppos) => k.vfio_device_fops_read(filep, buf, count, ppos),
      write: (filep, buf, count, ppos) => k.vfio_device_fops_write(filep, buf, count, ppos),
      unlocked_ioctl: (filep, cmd, arg) => k.vfio_device_fops_unl_ioctl(filep, cmd, arg),
      compat_ioctl: compat_ptr_ioctl,
      mmap: (filep, vma) => k.vfio_device_fops_mmap(filep, vma),
    },
    vfio_dev: {
      minor: VFIO_MINOR,
      name: 'vfio',
      fops: vfio_fops,
      nodename: 'vfio/vfio',
      mode: 0o666,
    },
  };
}

/** C: drivers/vfio/vfio.c vfio_assign_device_set() */
export async function vfio_assign_device_set(
  this: Kernel,
  device: vfio_device,
  set_id: unknown,
): Promise<int> {
  const idx = set_id;
  let dev_set: vfio_device_set | err_ptr | null;

  if (WARN_ON(!set_id)) return -EINVAL;

  found_get_ref: {
    // One set object per id, whoever comes first
    await xa_lock(this.vfio_device_set_xa);
    dev_set = xa_load(this.vfio_device_set_xa, idx);
    if (dev_set) break found_get_ref;
    await xa_unlock(this.vfio_device_set_xa);

    const new_dev_set = kzalloc(vfio_device_set, GFP_KERNEL);
    if (!new_dev_set) return -ENOMEM;
    mutex_init(new_dev_set.lock, '&new_dev_set->lock');
    INIT_LIST_HEAD(new_dev_set.device_list);
    new_dev_set.set_id = set_id;

    await xa_lock(this.vfio_device_set_xa);
    dev_set = __xa_cmpxchg(this.vfio_device_set_xa, idx, null, new_dev_set, GFP_KERNEL);
    if (!dev_set) {
      dev_set = new_dev_set;
      break found_get_ref;
    }

    kfree(new_dev_set);
    if (xa_is_err(dev_set)) {
      await xa_unlock(this.vfio_device_set_xa);
      return xa_err(dev_set);
    }
  }
  dev_set.device_count++;
  await xa_unlock(this.vfio_device_set_xa);
  await mutex_lock(dev_set.lock);
  device.dev_set = dev_set;
  list_add_tail(device.dev_set_list, dev_set.device_list);
  await mutex_unlock(dev_set.lock);
  return 0;
}

/** C: drivers/vfio/vfio.c static vfio_release_device_set() */
export async function vfio_release_device_set(this: Kernel, device: vfio_device): Promise<void> {
  const dev_set = device.dev_set;

  if (!dev_set) return;

  await mutex_lock(dev_set.lock);
  list_del(device.dev_set_list);
  await mutex_unlock(dev_set.lock);

  await xa_lock(this.vfio_device_set_xa);
  if (!--dev_set.device_count) {
    __xa_erase(this.vfio_device_set_xa, dev_set.set_id);
    mutex_destroy(dev_set.lock);
    kfree(dev_set);
  }
  await xa_unlock(this.vfio_device_set_xa);
}

/** C: drivers/vfio/vfio.c static vfio_noiommu_open() */
export function vfio_noiommu_open(this: Kernel, arg: number): err_ptr | null {
  if (arg !== VFIO_NOIOMMU_IOMMU) return ERR_PTR(-EINVAL);
  if (!capable(CAP_SYS_RAWIO)) return ERR_PTR(-EPERM);

  return null;
}

/** C: drivers/vfio/vfio.c static vfio_noiommu_release() */
export function vfio_noiommu_release(this: Kernel, iommu_data: unknown): void {}

/** C: drivers/vfio/vfio.c static vfio_noiommu_ioctl() */
export function vfio_noiommu_ioctl(this: Kernel, iommu_data: unknown, cmd: u32, arg: number): number {
  if (cmd === VFIO_CHECK_EXTENSION) return this.noiommu && arg === VFIO_NOIOMMU_IOMMU ? 1 : 0;

  return -ENOTTY;
}

/** C: drivers/vfio/vfio.c static vfio_noiommu_attach_group() */
export function vfio_noiommu_attach_group(
  this: Kernel,
  iommu_data: unknown,
  iommu_group: iommu_group,
  type: vfio_group_type,
): int {
  return 0;
}

/** C: drivers/vfio/vfio.c static vfio_noiommu_detach_group() */
export function vfio_noiommu_detach_group(
  this: Kernel,
  iommu_data: unknown,
  iommu_group: iommu_group,
): void {}

/** C: drivers/vfio/vfio.c static vfio_iommu_driver_allowed() */
export function vfio_iommu_driver_allowed(
  this: Kernel,
  container: vfio_container,
  driver: vfio_iommu_driver,
): boolean {
  if (!this.CONFIG_VFIO_NOIOMMU) return true;
  return container.noiommu === (driver.ops === this.vfio_noiommu_ops);
}

/** C: drivers/vfio/vfio.c vfio_register_iommu_driver() */
export async function vfio_register_iommu_driver(this: Kernel, ops: vfio_iommu_driver_ops): Promise<int> {
  const driver = kzalloc(vfio_iommu_driver, GFP_KERNEL);
  if (!driver) return -ENOMEM;

  driver.ops = ops;

  await mutex_lock(this.vfio.iommu_drivers_lock);

  for (const tmp of list_for_each_entry(this.vfio.iommu_drivers_list)) {
    if (tmp.ops === ops) {
      await mutex_unlock(this.vfio.iommu_drivers_lock);
      kfree(driver);
      return -EINVAL;
    }
  }

  list_add(driver.vfio_next, this.vfio.iommu_drivers_list);

  await mutex_unlock(this.vfio.iommu_drivers_lock);

  return 0;
}

/** C: drivers/vfio/vfio.c vfio_unregister_iommu_driver() */
export async function vfio_unregister_iommu_driver(this: Kernel, ops: vfio_iommu_driver_ops): Promise<void> {
  await mutex_lock(this.vfio.iommu_drivers_lock);
  for (const driver of list_for_each_entry(this.vfio.iommu_drivers_list)) {
    if (driver.ops === ops) {
      list_del(driver.vfio_next);
      await mutex_unlock(this.vfio.iommu_drivers_lock);
      kfree(driver);
      return;
    }
  }
  await mutex_unlock(this.vfio.iommu_drivers_lock);
}

/** C: drivers/vfio/vfio.c static vfio_container_get() */
export async function vfio_container_get(this: Kernel, container: vfio_container): Promise<void> {
  await kref_get(container.kref);
}

/** C: drivers/vfio/vfio.c static vfio_container_release() */
export function vfio_container_release(this: Kernel, kref: kref): void {
  const container = container_of<vfio_container>(kref);

  kfree(container);
}

/** C: drivers/vfio/vfio.c static vfio_container_put() */
export async function vfio_container_put(this: Kernel, container: vfio_container): Promise<void> {
  await kref_put(container.kref, (kref) => this.vfio_container_release(kref));
}

/** C: drivers/vfio/vfio.c static __vfio_group_get_from_iommu() */
export async function __vfio_group_get_from_iommu(
  this: Kernel,
  iommu_group: iommu_group,
): Promise<vfio_group | null> {
  for (const group of list_for_each_entry(this.vfio.group_list)) {
    if (group.iommu_group === iommu_group) {
      await this.vfio_group_get(group);
      return group;
    }
  }
  return null;
}

/** C: drivers/vfio/vfio.c static vfio_group_get_from_iommu() */
export async function vfio_group_get_from_iommu(
  this: Kernel,
  iommu_group: iommu_group,
): Promise<vfio_group | null> {
  await mutex_lock(this.vfio.group_lock);
  const group = await this.__vfio_group_get_from_iommu(iommu_group);
  await mutex_unlock(this.vfio.group_lock);
  return group;
}

/** C: drivers/vfio/vfio.c static vfio_group_release() */
export async function vfio_group_release(this: Kernel, dev: device): Promise<void> {
  const group = container_of<vfio_group>(dev);

  mutex_destroy(group.device_lock);
  await iommu_group_put(group.iommu_group);
  ida_free(this.vfio.group_ida, MINOR(group.dev.devt));
  kfree(group);
}

/** C: drivers/vfio/vfio.c static vfio_group_alloc() */
export async function vfio_group_alloc(
  this: Kernel,
  iommu_group: iommu_group,
  type: vfio_group_type,
): Promise<vfio_group | err_ptr> {
  const group = kzalloc(vfio_group, GFP_KERNEL);
  if (!group) return ERR_PTR(-ENOMEM);

  const minor = ida_alloc_max(this.vfio.group_ida, MINORMASK, GFP_KERNEL);
  if (minor < 0) {
    kfree(group);
    return ERR_PTR(minor);
  }

  device_initialize(group.dev);
  group.dev.devt = MKDEV(MAJOR(this.vfio.group_devt.v), minor);
  group.dev.class = this.vfio.class;
  group.dev.release = (dev) => this.vfio_group_release(dev);
  cdev_init(group.cdev, this.vfio_group_fops);
  group.cdev.owner = this.vfio_module;

  refcount_set(group.users, 1);
  init_rwsem(group.group_rwsem, '&group->group_rwsem');
  INIT_LIST_HEAD(group.device_list);
  mutex_init(group.device_lock, '&group->device_lock');
  group.iommu_group = iommu_group;
  // Put in vfio_group_release()
  await iommu_group_ref_get(iommu_group);
  group.type = type;
  BLOCKING_INIT_NOTIFIER_HEAD(group.notifier);

  return group;
}

/** C: drivers/vfio/vfio.c static vfio_create_group() */
export async function vfio_create_group(
  this: Kernel,
  iommu_group: iommu_group,
  type: vfio_group_type,
): Promise<vfio_group | err_ptr> {
  let ret: vfio_group | err_ptr | null;
  let err: int;

  const group = await this.vfio_group_alloc(iommu_group, type);
  if (IS_ERR(group)) return group;

  err_put: {
    err = dev_set_name(
      group.dev,
      `${group.type === VFIO_NO_IOMMU ? 'noiommu-' : ''}${iommu_group_id(iommu_group)}`,
    );
    if (err) {
      ret = ERR_PTR(err);
      break err_put;
    }

    await mutex_lock(this.vfio.group_lock);

    err_unlock: {
      // Did somebody else create this group meanwhile?
      ret = await this.__vfio_group_get_from_iommu(iommu_group);
      if (ret) break err_unlock;

      err = await cdev_device_add(group.cdev, group.dev);
      if (err) {
        ret = ERR_PTR(err);
        break err_unlock;
      }

      list_add(group.vfio_next, this.vfio.group_list);

      await mutex_unlock(this.vfio.group_lock);
      return group;
    }
    await mutex_unlock(this.vfio.group_lock);
  }
  await put_device(group.dev);
  return ret;
}

/** C: drivers/vfio/vfio.c static vfio_group_put() */
export async function vfio_group_put(this: Kernel, group: vfio_group): Promise<void> {
  if (!(await refcount_dec_and_mutex_lock(group.users, this.vfio.group_lock))) return;

  // Whoever holds one of these holds a group reference as well, so the last put must find none
  WARN_ON(!list_empty(group.device_list));
  WARN_ON(group.container !== null || group.container_users !== 0);
  WARN_ON(group.notifier.head !== null);

  list_del(group.vfio_next);
  await cdev_device_del(group.cdev, group.dev);
  await mutex_unlock(this.vfio.group_lock);

  await put_device(group.dev);
}

/** C: drivers/vfio/vfio.c static vfio_group_get() */
export async function vfio_group_get(this: Kernel, group: vfio_group): Promise<void> {
  await refcount_inc(group.users);
}

/** C: drivers/vfio/vfio.c static vfio_device_put() */
export async function vfio_device_put(this: Kernel, device: vfio_device): Promise<void> {
  if (await refcount_dec_and_test(device.refcount)) await complete(device.comp);
}

/** C: drivers/vfio/vfio.c static vfio_device_try_get() */
export async function vfio_device_try_get(this: Kernel, device: vfio_device): Promise<boolean> {
  return await refcount_inc_not_zero(device.refcount);
}

/** C: drivers/vfio/vfio.c static vfio_group_get_device() */
export async function vfio_group_get_device(
  this: Kernel,
  group: vfio_group,
  dev: device,
): Promise<vfio_device | null> {
  await mutex_lock(group.device_lock);
  for (const device of list_for_each_entry(group.device_list)) {
    if (device.dev === dev && (await this.vfio_device_try_get(device))) {
      await mutex_unlock(group.device_lock);
      return device;
    }
  }
  await mutex_unlock(group.device_lock);
  return null;
}

/** C: drivers/vfio/vfio.c vfio_init_group_dev() */
export function vfio_init_group_dev(
  this: Kernel,
  device: vfio_device,
  dev: device,
  ops: vfio_device_ops,
): void {
  init_completion(device.comp);
  device.dev = dev;
  device.ops = ops;
}

/** C: drivers/vfio/vfio.c vfio_uninit_group_dev() */
export async function vfio_uninit_group_dev(this: Kernel, device: vfio_device): Promise<void> {
  await this.vfio_release_device_set(device);
}

/** C: drivers/vfio/vfio.c static vfio_noiommu_group_alloc() */
export async function vfio_noiommu_group_alloc(
  this: Kernel,
  dev: device,
  type: vfio_group_type,
): Promise<vfio_group | err_ptr> {
  let ret: int;

  const iommu_group = await iommu_group_alloc();
  if (IS_ERR(iommu_group)) return ERR_CAST(iommu_group);

  iommu_group_set_name(iommu_group, 'vfio-noiommu');
  out_put_group: {
    ret = await iommu_group_add_device(iommu_group, dev);
    if (ret) break out_put_group;

    out_remove_device: {
      const group = await this.vfio_create_group(iommu_group, type);
      if (IS_ERR(group)) {
        ret = PTR_ERR(group);
        break out_remove_device;
      }
      await iommu_group_put(iommu_group);
      return group;
    }
    await iommu_group_remove_device(dev);
  }
  await iommu_group_put(iommu_group);
  return ERR_PTR(ret);
}

/** C: drivers/vfio/vfio.c static vfio_group_find_or_alloc() */
export async function vfio_group_find_or_alloc(this: Kernel, dev: device): Promise<vfio_group | err_ptr> {
  let group: vfio_group | err_ptr | null;

  const iommu_group = await iommu_group_get(dev);
  if (this.CONFIG_VFIO_NOIOMMU && !iommu_group && this.noiommu) {
    // No IOMMU protects the host from this device: make a group for it, and taint the kernel
    group = await this.vfio_noiommu_group_alloc(dev, VFIO_NO_IOMMU);
    if (!IS_ERR(group)) {
      add_taint(TAINT_USER, LOCKDEP_STILL_OK);
      dev_warn(dev, 'Adding kernel taint for vfio-noiommu group on device\n');
    }
    return group;
  }
  if (!iommu_group) return ERR_PTR(-EINVAL);

  group = await this.vfio_group_get_from_iommu(iommu_group);
  if (!group) group = await this.vfio_create_group(iommu_group, VFIO_IOMMU);

  // The vfio_group has its own reference to the iommu_group
  await iommu_group_put(iommu_group);
  return group;
}

/** C: drivers/vfio/vfio.c static __vfio_register_dev() */
export async function __vfio_register_dev(
  this: Kernel,
  device: vfio_device,
  group: vfio_group | err_ptr,
): Promise<int> {
  if (IS_ERR(group)) return PTR_ERR(group);

  // A driver that names no set gets one for the device alone
  if (!device.dev_set) await this.vfio_assign_device_set(device, device);

  const existing_device = await this.vfio_group_get_device(group, device.dev);
  if (existing_device) {
    dev_WARN(device.dev, `Device already exists on group ${iommu_group_id(group.iommu_group)}\n`);
    await this.vfio_device_put(existing_device);
    if (group.type === VFIO_NO_IOMMU || group.type === VFIO_EMULATED_IOMMU)
      await iommu_group_remove_device(device.dev);
    await this.vfio_group_put(group);
    return -EBUSY;
  }

  // The group reference now belongs to the device
  device.group = group;

  refcount_set(device.refcount, 1);

  await mutex_lock(group.device_lock);
  list_add(device.group_next, group.device_list);
  group.dev_counter++;
  await mutex_unlock(group.device_lock);

  return 0;
}

/** C: drivers/vfio/vfio.c vfio_register_group_dev() */
export async function vfio_register_group_dev(this: Kernel, device: vfio_device): Promise<int> {
  // User space has no way to flush caches for DMA: without coherent DMA there is no safe mapping
  if (!iommu_capable(device.dev.bus, IOMMU_CAP_CACHE_COHERENCY)) return -EINVAL;

  return await this.__vfio_register_dev(device, await this.vfio_group_find_or_alloc(device.dev));
}

/** C: drivers/vfio/vfio.c vfio_register_emulated_iommu_dev() */
export async function vfio_register_emulated_iommu_dev(this: Kernel, device: vfio_device): Promise<int> {
  return await this.__vfio_register_dev(
    device,
    await this.vfio_noiommu_group_alloc(device.dev, VFIO_EMULATED_IOMMU),
  );
}

/** C: drivers/vfio/vfio.c static vfio_device_get_from_name() */
export async function vfio_device_get_from_name(
  this: Kernel,
  group: vfio_group,
  buf: string,
): Promise<vfio_device | err_ptr> {
  let device: vfio_device | err_ptr = ERR_PTR(-ENODEV);

  await mutex_lock(group.device_lock);
  for (const it of list_for_each_entry(group.device_list)) {
    let ret: int;

    if (it.ops.match) {
      ret = await it.ops.match(it, buf);
      if (ret < 0) {
        device = ERR_PTR(ret);
        break;
      }
    } else {
      ret = Number(!strcmp(dev_name(it.dev), buf));
    }

    if (ret && (await this.vfio_device_try_get(it))) {
      device = it;
      break;
    }
  }
  await mutex_unlock(group.device_lock);

  return device;
}

/** C: drivers/vfio/vfio.c vfio_unregister_group_dev() */
export async function vfio_unregister_group_dev(this: Kernel, device: vfio_device): Promise<void> {
  const group = device.group;
  let i = 0;
  let interrupted = false;
  let rc: number;

  await this.vfio_device_put(device);
  rc = Number(await try_wait_for_completion(device.comp));
  while (rc <= 0) {
    if (device.ops.request) await device.ops.request(device, i++);

    if (interrupted) {
      rc = await wait_for_completion_timeout(device.comp, HZ * 10);
    } else {
      rc = await wait_for_completion_interruptible_timeout(device.comp, HZ * 10);
      if (rc < 0) {
        interrupted = true;
        dev_warn(
          device.dev,
          `Device is currently in use, task "${current.comm}" (${task_pid_nr(current)}) blocked until device is released`,
        );
      }
    }
  }

  await mutex_lock(group.device_lock);
  list_del(device.group_next);
  group.dev_counter--;
  await mutex_unlock(group.device_lock);

  if (group.type === VFIO_NO_IOMMU || group.type === VFIO_EMULATED_IOMMU)
    await iommu_group_remove_device(device.dev);

  // Matches the get in vfio_register_group_dev()
  await this.vfio_group_put(group);
}

/** C: drivers/vfio/vfio.c static vfio_ioctl_check_extension() */
export async function vfio_ioctl_check_extension(
  this: Kernel,
  container: vfio_container,
  arg: number,
): Promise<number> {
  let ret = 0;

  await down_read(container.group_lock);

  const driver = container.iommu_driver;

  switch (arg) {
    // No base extensions
    default:
      // The first driver with a positive answer decides, unless one is set already
      if (!driver) {
        await mutex_lock(this.vfio.iommu_drivers_lock);
        for (const driver of list_for_each_entry(this.vfio.iommu_drivers_list)) {
          if (!list_empty(container.group_list) && !this.vfio_iommu_driver_allowed(container, driver))
            continue;
          if (!try_module_get(driver.ops.owner)) continue;

          ret = await driver.ops.ioctl(null, VFIO_CHECK_EXTENSION, arg);
          module_put(driver.ops.owner);
          if (ret > 0) break;
        }
        await mutex_unlock(this.vfio.iommu_drivers_lock);
      } else ret = await driver.ops.ioctl(container.iommu_data, VFIO_CHECK_EXTENSION, arg);
  }

  await up_read(container.group_lock);

  return ret;
}

/** C: drivers/vfio/vfio.c static __vfio_container_attach_groups() */
export async function __vfio_container_attach_groups(
  this: Kernel,
  container: vfio_container,
  driver: vfio_iommu_driver,
  data: unknown,
): Promise<int> {
  let failed: vfio_group;
  let ret: int = -ENODEV;

  unwind: {
    for (const group of list_for_each_entry(container.group_list)) {
      ret = await driver.ops.attach_group(data, group.iommu_group, group.type);
      if (ret) {
        failed = group;
        break unwind;
      }
    }

    return ret;
  }
  for (const group of list_for_each_entry_continue_reverse(failed.container_next, container.group_list)) {
    await driver.ops.detach_group(data, group.iommu_group);
  }

  return ret;
}

/** C: drivers/vfio/vfio.c static vfio_ioctl_set_iommu() */
export async function vfio_ioctl_set_iommu(
  this: Kernel,
  container: vfio_container,
  arg: number,
): Promise<number> {
  let ret = -ENODEV;

  await down_write(container.group_lock);

  // Owning a group is what entitles a user to an IOMMU context; without groups there is none to set
  if (list_empty(container.group_list) || container.iommu_driver) {
    await up_write(container.group_lock);
    return -EINVAL;
  }

  await mutex_lock(this.vfio.iommu_drivers_lock);
  for (const driver of list_for_each_entry(this.vfio.iommu_drivers_list)) {
    if (!this.vfio_iommu_driver_allowed(container, driver)) continue;
    if (!try_module_get(driver.ops.owner)) continue;

    // The number is that of CHECK_EXTENSION: the driver that knows it is the one to open
    if ((await driver.ops.ioctl(null, VFIO_CHECK_EXTENSION, arg)) <= 0) {
      module_put(driver.ops.owner);
      continue;
    }

    const data = await driver.ops.open(arg);
    if (IS_ERR(data)) {
      ret = PTR_ERR(data);
      module_put(driver.ops.owner);
      continue;
    }

    ret = await this.__vfio_container_attach_groups(container, driver, data);
    if (ret) {
      await driver.ops.release(data);
      module_put(driver.ops.owner);
      continue;
    }

    container.iommu_driver = driver;
    container.iommu_data = data;
    break;
  }

  await mutex_unlock(this.vfio.iommu_drivers_lock);
  await up_write(container.group_lock);

  return ret;
}

/** C: drivers/vfio/vfio.c static vfio_fops_unl_ioctl() */
export async function vfio_fops_unl_ioctl(
  this: Kernel,
  filep: file,
  cmd: u32,
  arg: user_ptr,
): Promise<number> {
  const container = filep.private_data as vfio_container | null;
  let driver: vfio_iommu_driver | null;
  let data: unknown;
  let ret = -EINVAL;

  if (!container) return ret;

  switch (cmd) {
    case VFIO_GET_API_VERSION:
      ret = VFIO_API_VERSION;
      break;
    case VFIO_CHECK_EXTENSION:
      ret = await this.vfio_ioctl_check_extension(container, arg);
      break;
    case VFIO_SET_IOMMU:
      ret = await this.vfio_ioctl_set_iommu(container, arg);
      break;
    default:
      driver = container.iommu_driver;
      data = container.iommu_data;

      // The IOMMU driver knows the rest
      if (driver) ret = await driver.ops.ioctl(data, cmd, arg);
  }

  return ret;
}

/** C: drivers/vfio/vfio.c static vfio_fops_open() */
export function vfio_fops_open(this: Kernel, inode: inode, filep: file): int {
  const container = kzalloc(vfio_container, GFP_KERNEL);
  if (!container) return -ENOMEM;

  INIT_LIST_HEAD(container.group_list);
  init_rwsem(container.group_lock, '&container->group_lock');
  kref_init(container.kref);

  filep.private_data = container;

  return 0;
}

/** C: drivers/vfio/vfio.c static vfio_fops_release() */
export async function vfio_fops_release(this: Kernel, inode: inode, filep: file): Promise<int> {
  const container = filep.private_data as vfio_container;
  const driver = container.iommu_driver;

  if (driver && driver.ops.notify) await driver.ops.notify(container.iommu_data, VFIO_IOMMU_CONTAINER_CLOSE);

  filep.private_data = null;

  await this.vfio_container_put(container);

  return 0;
}

/** C: drivers/vfio/vfio.c static __vfio_group_unset_container() */
export async function __vfio_group_unset_container(this: Kernel, group: vfio_group): Promise<void> {
  const container = group.container as vfio_container;

  lockdep_assert_held_write(group.group_rwsem);

  await down_write(container.group_lock);

  const driver = container.iommu_driver;
  if (driver) await driver.ops.detach_group(container.iommu_data, group.iommu_group);

  if (group.type === VFIO_IOMMU) await iommu_group_release_dma_owner(group.iommu_group);

  group.container = null;
  group.container_users = 0;
  list_del(group.container_next);

  // The last group takes the privilege of having an IOMMU with it
  if (driver && list_empty(container.group_list)) {
    await driver.ops.release(container.iommu_data);
    module_put(driver.ops.owner);
    container.iommu_driver = null;
    container.iommu_data = null;
  }

  await up_write(container.group_lock);

  await this.vfio_container_put(container);
}

/** C: drivers/vfio/vfio.c static vfio_group_unset_container() */
export async function vfio_group_unset_container(this: Kernel, group: vfio_group): Promise<int> {
  lockdep_assert_held_write(group.group_rwsem);

  if (!group.container) return -EINVAL;
  if (group.container_users !== 1) return -EBUSY;
  await this.__vfio_group_unset_container(group);
  return 0;
}

/** C: drivers/vfio/vfio.c static vfio_group_set_container() */
export async function vfio_group_set_container(
  this: Kernel,
  group: vfio_group,
  container_fd: int,
): Promise<int> {
  let ret: int = 0;

  lockdep_assert_held_write(group.group_rwsem);

  if (group.container || WARN_ON(group.container_users !== 0)) return -EINVAL;

  if (group.type === VFIO_NO_IOMMU && !capable(CAP_SYS_RAWIO)) return -EPERM;

  const f = await fdget(container_fd);
  if (!f.file) return -EBADF;

  // Is it a container at all?
  if (f.file.f_op !== this.vfio_fops) {
    await fdput(f);
    return -EINVAL;
  }

  const container = f.file.private_data as vfio_container;
  WARN_ON(!container);

  await down_write(container.group_lock);

  unlock_out: {
    // Groups with and without an IOMMU do not share a container
    if (!list_empty(container.group_list) && container.noiommu !== (group.type === VFIO_NO_IOMMU)) {
      ret = -EPERM;
      break unlock_out;
    }

    if (group.type === VFIO_IOMMU) {
      ret = await iommu_group_claim_dma_owner(group.iommu_group, f.file);
      if (ret) break unlock_out;
    }

    const driver = container.iommu_driver;
    if (driver) {
      ret = await driver.ops.attach_group(container.iommu_data, group.iommu_group, group.type);
      if (ret) {
        if (group.type === VFIO_IOMMU) await iommu_group_release_dma_owner(group.iommu_group);
        break unlock_out;
      }
    }

    group.container = container;
    group.container_users = 1;
    container.noiommu = group.type === VFIO_NO_IOMMU;
    list_add(group.container_next, container.group_list);

    await this.vfio_container_get(container);
  }
  await up_write(container.group_lock);
  await fdput(f);
  return ret;
}

/** C: drivers/vfio/vfio.c static vfio_assert_device_open() */
export async function vfio_assert_device_open(this: Kernel, device: vfio_device): Promise<boolean> {
  return !WARN_ON_ONCE(!(await READ_ONCE(device, 'open_count')));
}

/** C: drivers/vfio/vfio.c static vfio_device_assign_container() */
export async function vfio_device_assign_container(this: Kernel, device: vfio_device): Promise<int> {
  const group = device.group;

  lockdep_assert_held_write(group.group_rwsem);

  if (!group.container || !group.container.iommu_driver || WARN_ON(!group.container_users)) return -EINVAL;

  if (group.type === VFIO_NO_IOMMU && !capable(CAP_SYS_RAWIO)) return -EPERM;

  await get_file(group.opened_file as file);
  group.container_users++;
  return 0;
}

/** C: drivers/vfio/vfio.c static vfio_device_unassign_container() */
export async function vfio_device_unassign_container(this: Kernel, device: vfio_device): Promise<void> {
  await down_write(device.group.group_rwsem);
  WARN_ON(device.group.container_users <= 1);
  device.group.container_users--;
  await fput(device.group.opened_file as file);
  await up_write(device.group.group_rwsem);
}

/** C: drivers/vfio/vfio.c static vfio_device_open() */
export async function vfio_device_open(this: Kernel, device: vfio_device): Promise<file | err_ptr> {
  const owner = device.dev.driver?.owner ?? null;
  let ret: int;

  await down_write(device.group.group_rwsem);
  ret = await this.vfio_device_assign_container(device);
  await up_write(device.group.group_rwsem);
  if (ret) return ERR_PTR(ret);

  err_unassign_container: {
    if (!try_module_get(owner)) {
      ret = -ENODEV;
      break err_unassign_container;
    }

    err_undo_count: {
      err_close_device: {
        await mutex_lock(device.dev_set.lock);
        device.open_count++;
        if (device.open_count === 1) {
          // The group's KVM is handed over under the lock; the driver takes its own reference if it needs one
          await down_read(device.group.group_rwsem);
          device.kvm = device.group.kvm;

          if (device.ops.open_device) {
            ret = await device.ops.open_device(device);
            if (ret) break err_undo_count;
          }
          await up_read(device.group.group_rwsem);
        }
        await mutex_unlock(device.dev_set.lock);

        const filep = anon_inode_getfile('[vfio-device]', this.vfio_device_fops, device, O_RDWR);
        if (IS_ERR(filep)) {
          ret = PTR_ERR(filep);
          break err_close_device;
        }

        // An anonymous inode allows ioctls only; this file has a position as well
        filep.f_mode |= FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE;

        if (device.group.type === VFIO_NO_IOMMU)
          dev_warn(
            device.dev,
            `vfio-noiommu device opened by user (${current.comm}:${task_pid_nr(current)})\n`,
          );
        // The device reference now belongs to the file; vfio_device_fops_release() puts it
        return filep;
      }
      await mutex_lock(device.dev_set.lock);
      await down_read(device.group.group_rwsem);
      if (device.open_count === 1 && device.ops.close_device) await device.ops.close_device(device);
    }
    device.open_count--;
    if (device.open_count === 0 && device.kvm) device.kvm = null;
    await up_read(device.group.group_rwsem);
    await mutex_unlock(device.dev_set.lock);
    module_put(owner);
  }
  await this.vfio_device_unassign_container(device);
  return ERR_PTR(ret);
}

/** C: drivers/vfio/vfio.c static vfio_group_get_device_fd() */
export async function vfio_group_get_device_fd(this: Kernel, group: vfio_group, buf: string): Promise<int> {
  let ret: int;

  const device = await this.vfio_device_get_from_name(group, buf);
  if (IS_ERR(device)) return PTR_ERR(device);

  err_put_device: {
    const fdno = get_unused_fd_flags(O_CLOEXEC);
    if (fdno < 0) {
      ret = fdno;
      break err_put_device;
    }

    err_put_fdno: {
      const filep = await this.vfio_device_open(device);
      if (IS_ERR(filep)) {
        ret = PTR_ERR(filep);
        break err_put_fdno;
      }

      fd_install(fdno, filep);
      return fdno;
    }
    put_unused_fd(fdno);
  }
  await this.vfio_device_put(device);
  return ret;
}

/** C: drivers/vfio/vfio.c static vfio_group_fops_unl_ioctl() */
export async function vfio_group_fops_unl_ioctl(
  this: Kernel,
  filep: file,
  cmd: u32,
  arg: user_ptr,
): Promise<number> {
  const group = filep.private_data as vfio_group;
  let ret = -ENOTTY;

  switch (cmd) {
    case VFIO_GROUP_GET_STATUS: {
      const status = new vfio_group_status();

      const minsz = offsetofend(vfio_group_status, 'flags');

      if (copy_from_user(status, arg, minsz)) return -EFAULT;

      if (status.argsz < minsz) return -EINVAL;

      status.flags = 0;

      await down_read(group.group_rwsem);
      if (group.container) status.flags |= VFIO_GROUP_FLAGS_CONTAINER_SET | VFIO_GROUP_FLAGS_VIABLE;
      else if (!(await iommu_group_dma_owner_claimed(group.iommu_group)))
        status.flags |= VFIO_GROUP_FLAGS_VIABLE;
      await up_read(group.group_rwsem);

      if (copy_to_user(arg, status, minsz)) return -EFAULT;

      ret = 0;
      break;
    }
    case VFIO_GROUP_SET_CONTAINER: {
      const fd = ref<int>(0);

      if (get_user(fd, arg, 's32')) return -EFAULT;

      if (fd.v < 0) return -EINVAL;

      await down_write(group.group_rwsem);
      ret = await this.vfio_group_set_container(group, fd.v);
      await up_write(group.group_rwsem);
      break;
    }
    case VFIO_GROUP_UNSET_CONTAINER:
      await down_write(group.group_rwsem);
      ret = await this.vfio_group_unset_container(group);
      await up_write(group.group_rwsem);
      break;
    case VFIO_GROUP_GET_DEVICE_FD: {
      const buf = strndup_user(arg, PAGE_SIZE);
      if (IS_ERR(buf)) return PTR_ERR(buf);

      ret = await this.vfio_group_get_device_fd(group, String(buf));
      kfree(buf);
      break;
    }
  }

  return ret;
}

/** C: drivers/vfio/vfio.c static vfio_group_fops_open() */
export async function vfio_group_fops_open(this: Kernel, inode: inode, filep: file): Promise<int> {
  const group = container_of<vfio_group>(inode.i_cdev);
  let ret: int;

  await down_write(group.group_rwsem);

  err_unlock: {
    // No users left: this open raced with vfio_group_put()
    if (!(await refcount_inc_not_zero(group.users))) {
      ret = -ENODEV;
      break err_unlock;
    }

    err_put: {
      if (group.type === VFIO_NO_IOMMU && !capable(CAP_SYS_RAWIO)) {
        ret = -EPERM;
        break err_put;
      }

      // One opener at a time
      if (group.opened_file) {
        ret = -EBUSY;
        break err_put;
      }
      group.opened_file = filep;
      filep.private_data = group;

      await up_write(group.group_rwsem);
      return 0;
    }
    await this.vfio_group_put(group);
  }
  await up_write(group.group_rwsem);
  return ret;
}

/** C: drivers/vfio/vfio.c static vfio_group_fops_release() */
export async function vfio_group_fops_release(this: Kernel, inode: inode, filep: file): Promise<int> {
  const group = filep.private_data as vfio_group;

  filep.private_data = null;

  await down_write(group.group_rwsem);
  // An open device holds the group's file, so none is open here
  WARN_ON(group.notifier.head !== null);
  if (group.container) {
    WARN_ON(group.container_users !== 1);
    await this.__vfio_group_unset_container(group);
  }
  group.opened_file = null;
  await up_write(group.group_rwsem);

  await this.vfio_group_put(group);

  return 0;
}

/** C: drivers/vfio/vfio.c static vfio_device_fops_release() */
export async function vfio_device_fops_release(this: Kernel, inode: inode, filep: file): Promise<int> {
  const device = filep.private_data as vfio_device;

  await mutex_lock(device.dev_set.lock);
  await this.vfio_assert_device_open(device);
  await down_read(device.group.group_rwsem);
  if (device.open_count === 1 && device.ops.close_device) await device.ops.close_device(device);
  await up_read(device.group.group_rwsem);
  device.open_count--;
  if (device.open_count === 0) device.kvm = null;
  await mutex_unlock(device.dev_set.lock);

  module_put(device.dev.driver?.owner ?? null);

  await this.vfio_device_unassign_container(device);

  await this.vfio_device_put(device);

  return 0;
}

/*
 * The next state on the way from one to another. A driver has to implement these arcs:
 *   RESUMING -> STOP, STOP -> RESUMING, STOP -> STOP_COPY, STOP_COPY -> STOP,
 * with P2P: RUNNING <-> RUNNING_P2P <-> STOP; without: RUNNING <-> STOP.
 */
const vfio_from_fsm_table: readonly (readonly vfio_device_mig_state[])[] = (() => {
  const [ERROR, STOP, RUNNING] = [VFIO_DEVICE_STATE_ERROR, VFIO_DEVICE_STATE_STOP, VFIO_DEVICE_STATE_RUNNING];
  const [COPY, RESUMING, P2P] = [
    VFIO_DEVICE_STATE_STOP_COPY,
    VFIO_DEVICE_STATE_RESUMING,
    VFIO_DEVICE_STATE_RUNNING_P2P,
  ];
  // columns: to ERROR, STOP, RUNNING, STOP_COPY, RESUMING, RUNNING_P2P
  const table: vfio_device_mig_state[][] = [];
  table[ERROR] = [ERROR, ERROR, ERROR, ERROR, ERROR, ERROR];
  table[STOP] = [ERROR, STOP, P2P, COPY, RESUMING, P2P];
  table[RUNNING] = [ERROR, P2P, RUNNING, P2P, P2P, P2P];
  table[COPY] = [ERROR, STOP, STOP, COPY, STOP, STOP];
  table[RESUMING] = [ERROR, STOP, STOP, STOP, RESUMING, STOP];
  table[P2P] = [ERROR, STOP, RUNNING, STOP, STOP, P2P];
  return table;
})();

/** Which migration flags a device needs for a state to exist; indexed by state. ERROR needs what none has. */
const state_flags_table: readonly u32[] = [
  0xffffffff,
  VFIO_MIGRATION_STOP_COPY,
  VFIO_MIGRATION_STOP_COPY,
  VFIO_MIGRATION_STOP_COPY,
  VFIO_MIGRATION_STOP_COPY,
  VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_P2P,
];

/** C: drivers/vfio/vfio.c vfio_mig_get_next_state() */
export function vfio_mig_get_next_state(
  this: Kernel,
  device: vfio_device,
  cur_fsm: vfio_device_mig_state,
  new_fsm: vfio_device_mig_state,
  next_fsm: Ref<vfio_device_mig_state>,
): int {
  const supported = (state: vfio_device_mig_state): boolean =>
    (state_flags_table[state] & device.migration_flags) >>> 0 === state_flags_table[state];

  if (WARN_ON(cur_fsm >= ARRAY_SIZE(vfio_from_fsm_table) || !supported(cur_fsm))) return -EINVAL;

  if (new_fsm >= ARRAY_SIZE(vfio_from_fsm_table) || !supported(new_fsm)) return -EINVAL;

  // States that the device lacks are stepped over
  next_fsm.v = vfio_from_fsm_table[cur_fsm][new_fsm];
  while (!supported(next_fsm.v)) next_fsm.v = vfio_from_fsm_table[next_fsm.v][new_fsm];

  return next_fsm.v !== VFIO_DEVICE_STATE_ERROR ? 0 : -EINVAL;
}

/** C: drivers/vfio/vfio.c static vfio_ioct_mig_return_fd() */
export async function vfio_ioct_mig_return_fd(
  this: Kernel,
  filp: file,
  arg: user_ptr,
  mig: vfio_device_feature_mig_state,
): Promise<int> {
  let ret: int;

  out_fput: {
    const fd = get_unused_fd_flags(O_CLOEXEC);
    if (fd < 0) {
      ret = fd;
      break out_fput;
    }

    out_put_unused: {
      mig.data_fd = fd;
      if (copy_to_user(arg, mig, sizeof(vfio_device_feature_mig_state))) {
        ret = -EFAULT;
        break out_put_unused;
      }
      fd_install(fd, filp);
      return 0;
    }
    put_unused_fd(fd);
  }
  await fput(filp);
  return ret;
}

/** C: drivers/vfio/vfio.c static vfio_ioctl_device_feature_mig_device_state() */
export async function vfio_ioctl_device_feature_mig_device_state(
  this: Kernel,
  device: vfio_device,
  flags: u32,
  arg: user_ptr,
  argsz: number,
): Promise<int> {
  const minsz = offsetofend(vfio_device_feature_mig_state, 'data_fd');
  const mig = new vfio_device_feature_mig_state();
  let filp: file | err_ptr | null = null;
  let ret: int;

  if (!device.ops.migration_set_state || !device.ops.migration_get_state) return -ENOTTY;

  ret = vfio_check_feature(
    flags,
    argsz,
    VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_GET,
    sizeof(vfio_device_feature_mig_state),
  );
  if (ret !== 1) return ret;

  if (copy_from_user(mig, arg, minsz)) return -EFAULT;

  out_copy: {
    if (flags & VFIO_DEVICE_FEATURE_GET) {
      const curr_state = ref<vfio_device_mig_state>(0);

      ret = await device.ops.migration_get_state(device, curr_state);
      if (ret) return ret;
      mig.device_state = curr_state.v;
      break out_copy;
    }

    // What is left is VFIO_DEVICE_FEATURE_SET
    filp = await device.ops.migration_set_state(device, mig.device_state);
    if (IS_ERR(filp) || !filp) break out_copy;

    return await this.vfio_ioct_mig_return_fd(filp, arg, mig);
  }
  mig.data_fd = -1;
  if (copy_to_user(arg, mig, sizeof(vfio_device_feature_mig_state))) return -EFAULT;
  if (IS_ERR(filp)) return PTR_ERR(filp);
  return 0;
}

/** C: drivers/vfio/vfio.c static vfio_ioctl_device_feature_migration() */
export function vfio_ioctl_device_feature_migration(
  this: Kernel,
  device: vfio_device,
  flags: u32,
  arg: user_ptr,
  argsz: number,
): int {
  const mig = new vfio_device_feature_migration();
  mig.flags = device.migration_flags;

  if (!device.ops.migration_set_state || !device.ops.migration_get_state) return -ENOTTY;

  const ret = vfio_check_feature(
    flags,
    argsz,
    VFIO_DEVICE_FEATURE_GET,
    sizeof(vfio_device_feature_migration),
  );
  if (ret !== 1) return ret;
  if (copy_to_user(arg, mig, sizeof(vfio_device_feature_migration))) return -EFAULT;
  return 0;
}

/** C: drivers/vfio/vfio.c static vfio_ioctl_device_feature() */
export async function vfio_ioctl_device_feature(
  this: Kernel,
  device: vfio_device,
  arg: user_ptr,
): Promise<int> {
  const minsz = offsetofend(vfio_device_feature, 'flags');
  const feature = new vfio_device_feature();

  if (copy_from_user(feature, arg, minsz)) return -EFAULT;

  if (feature.argsz < minsz) return -EINVAL;

  // Flags that mean nothing
  if (
    feature.flags &
    ~(
      VFIO_DEVICE_FEATURE_MASK |
      VFIO_DEVICE_FEATURE_SET |
      VFIO_DEVICE_FEATURE_GET |
      VFIO_DEVICE_FEATURE_PROBE
    )
  )
    return -EINVAL;

  // Both at once only to probe
  if (
    !(feature.flags & VFIO_DEVICE_FEATURE_PROBE) &&
    feature.flags & VFIO_DEVICE_FEATURE_SET &&
    feature.flags & VFIO_DEVICE_FEATURE_GET
  )
    return -EINVAL;

  const data = arg + VFIO_DEVICE_FEATURE_DATA;
  switch (feature.flags & VFIO_DEVICE_FEATURE_MASK) {
    case VFIO_DEVICE_FEATURE_MIGRATION:
      return this.vfio_ioctl_device_feature_migration(device, feature.flags, data, feature.argsz - minsz);
    case VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE:
      return await this.vfio_ioctl_device_feature_mig_device_state(
        device,
        feature.flags,
        data,
        feature.argsz - minsz,
      );
    default:
      if (!device.ops.device_feature) return -EINVAL;
      return await device.ops.device_feature(device, feature.flags, data, feature.argsz - minsz);
  }
}

/** C: drivers/vfio/vfio.c static vfio_device_fops_unl_ioctl() */
export async function vfio_device_fops_unl_ioctl(
  this: Kernel,
  filep: file,
  cmd: u32,
  arg: user_ptr,
): Promise<number> {
  const device = filep.private_data as vfio_device;

  switch (cmd) {
    case VFIO_DEVICE_FEATURE:
      return await this.vfio_ioctl_device_feature(device, arg);
    default:
      if (!device.ops.ioctl) return -EINVAL;
      return await device.ops.ioctl(device, cmd, arg);
  }
}

/** C: drivers/vfio/vfio.c static vfio_device_fops_read() */
export async function vfio_device_fops_read(
  this: Kernel,
  filep: file,
  buf: user_ptr,
  count: number,
  ppos: Ref<number>,
): Promise<number> {
  const device = filep.private_data as vfio_device;

  if (!device.ops.read) return -EINVAL;

  return await device.ops.read(device, buf, count, ppos);
}

/** C: drivers/vfio/vfio.c static vfio_device_fops_write() */
export async function vfio_device_fops_write(
  this: Kernel,
  filep: file,
  buf: user_ptr,
  count: number,
  ppos: Ref<number>,
): Promise<number> {
  const device = filep.private_data as vfio_device;

  if (!device.ops.write) return -EINVAL;

  return await device.ops.write(device, buf, count, ppos);
}

/** C: drivers/vfio/vfio.c static vfio_device_fops_mmap() */
export async function vfio_device_fops_mmap(this: Kernel, filep: file, vma: vm_area_struct): Promise<int> {
  const device = filep.private_data as vfio_device;

  if (!device.ops.mmap) return -EINVAL;

  return await device.ops.mmap(device, vma);
}

/** C: drivers/vfio/vfio.c vfio_file_iommu_group() */
export function vfio_file_iommu_group(this: Kernel, file: file): iommu_group | null {
  const group = file.private_data as vfio_group;

  if (file.f_op !== this.vfio_group_fops) return null;
  return group.iommu_group;
}

/** C: drivers/vfio/vfio.c vfio_file_enforced_coherent() */
export async function vfio_file_enforced_coherent(this: Kernel, file: file): Promise<boolean> {
  const group = file.private_data as vfio_group;
  let ret: boolean;

  if (file.f_op !== this.vfio_group_fops) return true;

  await down_read(group.group_rwsem);
  if (group.container) {
    ret = (await this.vfio_ioctl_check_extension(group.container, VFIO_DMA_CC_IOMMU)) !== 0;
  } else {
    // Known only once a container is attached; until then the user has shown no right to more
    ret = true;
  }
  await up_read(group.group_rwsem);
  return ret;
}

/** C: drivers/vfio/vfio.c vfio_file_set_kvm() */
export async function vfio_file_set_kvm(this: Kernel, file: file, kvm: kvm | null): Promise<void> {
  const group = file.private_data as vfio_group;

  if (file.f_op !== this.vfio_group_fops) return;

  await down_write(group.group_rwsem);
  group.kvm = kvm;
  await up_write(group.group_rwsem);
}

/** C: drivers/vfio/vfio.c vfio_file_has_dev() */
export function vfio_file_has_dev(this: Kernel, file: file, device: vfio_device): boolean {
  const group = file.private_data as vfio_group;

  if (file.f_op !== this.vfio_group_fops) return false;

  return group === device.group;
}

/** C: drivers/vfio/vfio.c vfio_info_cap_add() */
export function vfio_info_cap_add(
  this: Kernel,
  caps: vfio_info_cap,
  size: number,
  id: u16,
  version: u16,
): vfio_info_cap_header | err_ptr {
  const buf = krealloc(caps.buf, caps.size + size, GFP_KERNEL);
  if (!buf) {
    kfree(caps.buf);
    caps.size = 0;
    return ERR_PTR(-ENOMEM);
  }

  caps.buf = buf;
  const header = new vfio_info_cap_header(buf, caps.size);

  // All of it is copied to user space some day
  memset(buf, 0, size, caps.size);

  header.id = id;
  header.version = version;

  // To the end of the chain
  let tmp = new vfio_info_cap_header(buf);
  while (tmp.next) tmp = new vfio_info_cap_header(buf, tmp.next);

  tmp.next = caps.size;
  caps.size += size;

  return header;
}

/** C: drivers/vfio/vfio.c vfio_info_cap_shift() */
export function vfio_info_cap_shift(this: Kernel, caps: vfio_info_cap, offset: number): void {
  const buf = caps.buf as Uint8Array;

  let tmp = new vfio_info_cap_header(buf);
  for (; tmp.next; tmp = new vfio_info_cap_header(buf, tmp.next - offset)) tmp.next += offset;
}

/** C: drivers/vfio/vfio.c vfio_info_add_capability() */
export function vfio_info_add_capability(
  this: Kernel,
  caps: vfio_info_cap,
  cap: vfio_info_cap_bytes,
  size: number,
): int {
  const { id, version } = new vfio_info_cap_header(cap.bytes);
  const at = caps.size;
  const header = this.vfio_info_cap_add(caps, size, id, version);
  if (IS_ERR(header)) return PTR_ERR(header);

  // What follows the header, in both
  const hdrsz = sizeof(vfio_info_cap_header);
  memcpy(caps.buf as Uint8Array, cap.bytes, size - hdrsz, at + hdrsz, hdrsz);

  return 0;
}

/** C: drivers/vfio/vfio.c vfio_set_irqs_validate_and_prepare() */
export function vfio_set_irqs_validate_and_prepare(
  this: Kernel,
  hdr: vfio_irq_set,
  num_irqs: int,
  max_irq_type: int,
  data_size: Ref<number> | null,
): int {
  let size: number;

  const minsz = offsetofend(vfio_irq_set, 'count');

  if (
    hdr.argsz < minsz ||
    hdr.index >= max_irq_type ||
    hdr.count >= U32_MAX - hdr.start ||
    hdr.flags & ~(VFIO_IRQ_SET_DATA_TYPE_MASK | VFIO_IRQ_SET_ACTION_TYPE_MASK)
  )
    return -EINVAL;

  if (data_size) data_size.v = 0;

  if (hdr.start >= num_irqs || hdr.start + hdr.count > num_irqs) return -EINVAL;

  switch (hdr.flags & VFIO_IRQ_SET_DATA_TYPE_MASK) {
    case VFIO_IRQ_SET_DATA_NONE:
      size = 0;
      break;
    case VFIO_IRQ_SET_DATA_BOOL:
      size = 1;
      break;
    case VFIO_IRQ_SET_DATA_EVENTFD:
      size = 4;
      break;
    default:
      return -EINVAL;
  }

  if (size) {
    if (hdr.argsz - minsz < hdr.count * size) return -EINVAL;

    if (!data_size) return -EINVAL;

    data_size.v = hdr.count * size;
  }

  return 0;
}

/** C: drivers/vfio/vfio.c vfio_pin_pages() */
export async function vfio_pin_pages(
  this: Kernel,
  device: vfio_device,
  user_pfn: number[] | null,
  npage: int,
  prot: int,
  phys_pfn: number[] | null,
): Promise<int> {
  const group = device.group;
  let ret: int;

  if (!user_pfn || !phys_pfn || !npage || !(await this.vfio_assert_device_open(device))) return -EINVAL;

  if (npage > VFIO_PIN_PAGES_MAX_ENTRIES) return -E2BIG;

  if (group.dev_counter > 1) return -EINVAL;

  // The container stays while a device is open
  const container = group.container as vfio_container;
  const driver = container.iommu_driver;
  if (driver && driver.ops.pin_pages)
    ret = await driver.ops.pin_pages(
      container.iommu_data,
      group.iommu_group,
      user_pfn,
      npage,
      prot,
      phys_pfn,
    );
  else ret = -ENOTTY;

  return ret;
}

/** C: drivers/vfio/vfio.c vfio_unpin_pages() */
export async function vfio_unpin_pages(
  this: Kernel,
  device: vfio_device,
  user_pfn: number[] | null,
  npage: int,
): Promise<int> {
  let ret: int;

  if (!user_pfn || !npage || !(await this.vfio_assert_device_open(device))) return -EINVAL;

  if (npage > VFIO_PIN_PAGES_MAX_ENTRIES) return -E2BIG;

  const container = device.group.container as vfio_container;
  const driver = container.iommu_driver;
  if (driver && driver.ops.unpin_pages)
    ret = await driver.ops.unpin_pages(container.iommu_data, user_pfn, npage);
  else ret = -ENOTTY;

  return ret;
}

/** C: drivers/vfio/vfio.c vfio_dma_rw() */
export async function vfio_dma_rw(
  this: Kernel,
  device: vfio_device,
  user_iova: bigint,
  data: Uint8Array | null,
  len: number,
  write: boolean,
): Promise<int> {
  let ret: int = 0;

  if (!data || len <= 0 || !(await this.vfio_assert_device_open(device))) return -EINVAL;

  const container = device.group.container as vfio_container;
  const driver = container.iommu_driver;

  if (driver && driver.ops.dma_rw)
    ret = await driver.ops.dma_rw(container.iommu_data, user_iova, data, len, write);
  else ret = -ENOTTY;
  return ret;
}

/** C: drivers/vfio/vfio.c static vfio_register_iommu_notifier() */
export async function vfio_register_iommu_notifier(
  this: Kernel,
  group: vfio_group,
  events: Ref<number>,
  nb: notifier_block,
): Promise<int> {
  let ret: int;

  lockdep_assert_held_read(group.group_rwsem);

  const container = group.container as vfio_container;
  const driver = container.iommu_driver;
  if (driver && driver.ops.register_notifier)
    ret = await driver.ops.register_notifier(container.iommu_data, events, nb);
  else ret = -ENOTTY;

  return ret;
}

/** C: drivers/vfio/vfio.c static vfio_unregister_iommu_notifier() */
export async function vfio_unregister_iommu_notifier(
  this: Kernel,
  group: vfio_group,
  nb: notifier_block,
): Promise<int> {
  let ret: int;

  lockdep_assert_held_read(group.group_rwsem);

  const container = group.container as vfio_container;
  const driver = container.iommu_driver;
  if (driver && driver.ops.unregister_notifier)
    ret = await driver.ops.unregister_notifier(container.iommu_data, nb);
  else ret = -ENOTTY;

  return ret;
}

/** C: drivers/vfio/vfio.c vfio_register_notifier() */
export async function vfio_register_notifier(
  this: Kernel,
  device: vfio_device,
  type: vfio_notify_type,
  events: Ref<number> | null,
  nb: notifier_block | null,
): Promise<int> {
  const group = device.group;
  let ret: int;

  if (!nb || !events || events.v === 0 || !(await this.vfio_assert_device_open(device))) return -EINVAL;

  switch (type) {
    case VFIO_IOMMU_NOTIFY:
      ret = await this.vfio_register_iommu_notifier(group, events, nb);
      break;
    default:
      ret = -EINVAL;
  }
  return ret;
}

/** C: drivers/vfio/vfio.c vfio_unregister_notifier() */
export async function vfio_unregister_notifier(
  this: Kernel,
  device: vfio_device,
  type: vfio_notify_type,
  nb: notifier_block | null,
): Promise<int> {
  const group = device.group;
  let ret: int;

  if (!nb || !(await this.vfio_assert_device_open(device))) return -EINVAL;

  switch (type) {
    case VFIO_IOMMU_NOTIFY:
      ret = await this.vfio_unregister_iommu_notifier(group, nb);
      break;
    default:
      ret = -EINVAL;
  }
  return ret;
}

/** C: drivers/vfio/vfio.c static vfio_devnode() */
export function vfio_devnode(this: Kernel, dev: device, mode: Ref<number> | null): kstring | null {
  return kasprintf(GFP_KERNEL, `vfio/${dev_name(dev)}`);
}

/** C: drivers/vfio/vfio.c static vfio_init() */
export async function vfio_init(this: Kernel): Promise<int> {
  let ret: int;

  ida_init(this.vfio.group_ida);
  mutex_init(this.vfio.group_lock, '&vfio.group_lock');
  mutex_init(this.vfio.iommu_drivers_lock, '&vfio.iommu_drivers_lock');
  INIT_LIST_HEAD(this.vfio.group_list);
  INIT_LIST_HEAD(this.vfio.iommu_drivers_list);

  ret = await misc_register(this.vfio_dev);
  if (ret) {
    pr_err('vfio: misc device register failed\n');
    return ret;
  }

  // /dev/vfio/$GROUP
  err_class: {
    const vfio_class = class_create(this.vfio_module, 'vfio');
    if (IS_ERR(vfio_class)) {
      ret = PTR_ERR(vfio_class);
      break err_class;
    }
    this.vfio.class = vfio_class;

    this.vfio.class.devnode = (dev, mode) => this.vfio_devnode(dev, mode);

    err_alloc_chrdev: {
      ret = alloc_chrdev_region(this.vfio.group_devt, 0, MINORMASK + 1, 'vfio');
      if (ret) break err_alloc_chrdev;

      pr_info(`${DRIVER_DESC} version: ${DRIVER_VERSION}\n`);

      if (this.CONFIG_VFIO_NOIOMMU) await this.vfio_register_iommu_driver(this.vfio_noiommu_ops);
      return 0;
    }
    class_destroy(this.vfio.class);
    this.vfio.class = null;
  }
  await misc_deregister(this.vfio_dev);
  return ret;
}

/** C: drivers/vfio/vfio.c static vfio_cleanup() */
export async function vfio_cleanup(this: Kernel): Promise<void> {
  WARN_ON(!list_empty(this.vfio.group_list));

  if (this.CONFIG_VFIO_NOIOMMU) await this.vfio_unregister_iommu_driver(this.vfio_noiommu_ops);
  ida_destroy(this.vfio.group_ida);
  unregister_chrdev_region(this.vfio.group_devt.v, MINORMASK + 1);
  class_destroy(this.vfio.class);
  this.vfio.class = null;
  await misc_deregister(this.vfio_dev);
  xa_destroy(this.vfio_device_set_xa);
}
