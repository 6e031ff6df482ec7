// SPDX-License-Identifier: GPL-2.0-only
/*
 * include/linux/vfio.h, drivers/vfio/vfio.h and the structs of drivers/vfio/vfio.c (v5.19-rc4).
 *
 * A function pointer may give a promise: whoever calls through one awaits. Positions (loff_t) are numbers: one
 * past 2^53 lies past the last region in any case. A pointer that is only set after allocation is declared
 * with `!`; one that the code compares with NULL is `| null`.
 */

import {
  blocking_notifier_head,
  cdev,
  device,
  EINVAL,
  ida,
  list_head,
  PAGE_SIZE,
  poll_table,
} from '@vfio-lab/kernel';
import { work_struct } from '@vfio-lab/kernel';
import type { Awaitable, dev_t, device_class, err_ptr, eventfd_ctx, file, module } from '@vfio-lab/kernel';
import type { notifier_block, user_ptr, vm_area_struct } from '@vfio-lab/kernel';
import type { iommu_group } from '@vfio-lab/iommu';
import { completion, kref, mutex, refcount_t, rw_semaphore, wait_queue_entry_t } from '@vfio-lab/locking';
import type { int, Ref, u32 } from '@vfio-lab/sim';
import { ref } from '@vfio-lab/sim';
import { VFIO_DEVICE_FEATURE_GET, VFIO_DEVICE_FEATURE_PROBE, VFIO_DEVICE_FEATURE_SET } from './uapi/vfio.ts';
import type { vfio_device_mig_state } from './uapi/vfio.ts';

/** A virtual machine, by reference only. */
export type kvm = object;

/* ---- include/linux/vfio.h ---- */

export class vfio_device_set {
  set_id: unknown = null;
  lock = new mutex();
  device_list = new list_head<vfio_device>();
  device_count = 0;
}

export class vfio_device {
  /** The struct this one is embedded in. */
  container: unknown;
  dev!: device;
  ops!: vfio_device_ops;
  group!: vfio_group;
  dev_set!: vfio_device_set;
  dev_set_list = new list_head<vfio_device>(this);
  migration_flags: u32 = 0;
  kvm: kvm | null = null;
  refcount = new refcount_t();
  open_count = 0;
  comp = new completion();
  group_next = new list_head<vfio_device>(this);

  constructor(container: unknown = null) {
    this.container = container;
  }
}

export interface vfio_device_ops {
  name: string;
  open_device?(vdev: vfio_device): Awaitable<int>;
  close_device?(vdev: vfio_device): Awaitable<void>;
  read?(vdev: vfio_device, buf: user_ptr, count: number, ppos: Ref<number>): Awaitable<number>;
  write?(vdev: vfio_device, buf: user_ptr, count: number, ppos: Ref<number>): Awaitable<number>;
  ioctl?(vdev: vfio_device, cmd: u32, arg: user_ptr): Awaitable<number>;
  mmap?(vdev: vfio_device, vma: vm_area_struct): Awaitable<int>;
  request?(vdev: vfio_device, count: number): Awaitable<void>;
  match?(vdev: vfio_device, buf: string): Awaitable<int>;
  device_feature?(device: vfio_device, flags: u32, arg: user_ptr, argsz: number): Awaitable<int>;
  migration_set_state?(
    device: vfio_device,
    new_state: vfio_device_mig_state,
  ): Awaitable<file | err_ptr | null>;
  migration_get_state?(device: vfio_device, curr_state: Ref<vfio_device_mig_state>): Awaitable<int>;
}

/**
 * Checks what user space asked of a feature against what the driver can do.
 *
 * @returns 1 to go on with the get or set, otherwise what the ioctl has to return: 0 for a probe, -EINVAL.
 * C: include/linux/vfio.h vfio_check_feature()
 */
export function vfio_check_feature(flags: u32, argsz: number, supported_ops: u32, minsz: number): int {
  if (flags & (VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET) & ~supported_ops) return -EINVAL;
  if (flags & VFIO_DEVICE_FEATURE_PROBE) return 0;
  if (!(flags & (VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET))) return -EINVAL;
  if (argsz < minsz) return -EINVAL;
  return 1;
}

export const VFIO_PIN_PAGES_MAX_ENTRIES = PAGE_SIZE / 8;

/** enum vfio_notify_type */
export type vfio_notify_type = number;
export const VFIO_IOMMU_NOTIFY = 0;
export const VFIO_IOMMU_NOTIFY_DMA_UNMAP = 1 << 0;

export class vfio_info_cap {
  buf: Uint8Array | null = null;
  size = 0;
}

/** A struct that begins with struct vfio_info_cap_header, as bytes. */
export interface vfio_info_cap_bytes {
  readonly bytes: Uint8Array;
}

/** No POWER EEH here. C: include/linux/vfio.h vfio_spapr_pci_eeh_open() */
export function vfio_spapr_pci_eeh_open(_pdev: unknown): void {}

/** No POWER EEH here. C: include/linux/vfio.h vfio_spapr_pci_eeh_release() */
export function vfio_spapr_pci_eeh_release(_pdev: unknown): void {}

/** `pvirqfd`: the caller's pointer to its virqfd, shared with the shutdown path. */
export type virqfd_ref = Ref<virqfd | null>;

export class virqfd {
  opaque: unknown = null;
  eventfd!: eventfd_ctx;
  handler: ((opaque: unknown, data: unknown) => Awaitable<int>) | null = null;
  thread: ((opaque: unknown, data: unknown) => Awaitable<void>) | null = null;
  data: unknown = null;
  inject = new work_struct(this);
  wait = new wait_queue_entry_t(this);
  pt = new poll_table(this);
  shutdown = new work_struct(this);
  pvirqfd: virqfd_ref = ref<virqfd | null>(null);
}

/* ---- drivers/vfio/vfio.h ---- */

/** enum vfio_group_type */
export type vfio_group_type = number;
export const VFIO_IOMMU = 0;
export const VFIO_EMULATED_IOMMU = 1;
export const VFIO_NO_IOMMU = 2;

/** enum vfio_iommu_notify_type */
export type vfio_iommu_notify_type = number;
export const VFIO_IOMMU_CONTAINER_CLOSE = 0;

export interface vfio_iommu_driver_ops {
  name: string;
  owner: module | null;
  open(arg: number): Awaitable<unknown>;
  release(iommu_data: unknown): Awaitable<void>;
  ioctl(iommu_data: unknown, cmd: u32, arg: user_ptr): Awaitable<number>;
  attach_group(iommu_data: unknown, group: iommu_group, type: vfio_group_type): Awaitable<int>;
  detach_group(iommu_data: unknown, group: iommu_group): Awaitable<void>;
  pin_pages?(
    iommu_data: unknown,
    group: iommu_group,
    user_pfn: number[],
    npage: int,
    prot: int,
    phys_pfn: number[],
  ): Awaitable<int>;
  unpin_pages?(iommu_data: unknown, user_pfn: number[], npage: int): Awaitable<int>;
  register_notifier?(iommu_data: unknown, events: Ref<number>, nb: notifier_block): Awaitable<int>;
  unregister_notifier?(iommu_data: unknown, nb: notifier_block): Awaitable<int>;
  dma_rw?(
    iommu_data: unknown,
    user_iova: bigint,
    data: Uint8Array,
    count: number,
    write: boolean,
  ): Awaitable<int>;
  notify?(iommu_data: unknown, event: vfio_iommu_notify_type): Awaitable<void>;
}

/* ---- drivers/vfio/vfio.c ---- */

/** struct vfio: the file-scope state of vfio.c. */
export class vfio_state {
  class: device_class | null = null;
  iommu_drivers_list = new list_head<vfio_iommu_driver>();
  iommu_drivers_lock = new mutex();
  group_list = new list_head<vfio_group>();
  group_lock = new mutex();
  group_ida = new ida();
  group_devt: Ref<dev_t> = ref(0);
}

export class vfio_iommu_driver {
  ops!: vfio_iommu_driver_ops;
  vfio_next = new list_head<vfio_iommu_driver>(this);
}

export class vfio_container {
  kref = new kref(this);
  group_list = new list_head<vfio_group>();
  group_lock = new rw_semaphore();
  iommu_driver: vfio_iommu_driver | null = null;
  iommu_data: unknown = null;
  noiommu = false;
}

export class vfio_group {
  dev = new device(this);
  cdev = new cdev(this);
  users = new refcount_t();
  container_users = 0;
  iommu_group!: iommu_group;
  container: vfio_container | null = null;
  device_list = new list_head<vfio_device>();
  device_lock = new mutex();
  vfio_next = new list_head<vfio_group>(this);
  container_next = new list_head<vfio_group>(this);
  type: vfio_group_type = VFIO_IOMMU;
  dev_counter = 0;
  group_rwsem = new rw_semaphore();
  kvm: kvm | null = null;
  opened_file: file | null = null;
  notifier = new blocking_notifier_head();
}
