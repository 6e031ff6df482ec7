// SPDX-License-Identifier: GPL-2.0-only
/* Prototypes and file-scope data of drivers/vfio/vfio.c (v5.19-rc4), static ones too, in the file's order. */

import type {
  device,
  err_ptr,
  file,
  file_operations,
  inode,
  kstring,
  miscdevice,
  module,
} from '@vfio-lab/kernel';
import type { notifier_block, user_ptr, vm_area_struct, xarray } from '@vfio-lab/kernel';
import type { iommu_group } from '@vfio-lab/iommu';
import type { kref } from '@vfio-lab/locking';
import type { int, Ref, u16, u32 } from '@vfio-lab/sim';
import type {
  vfio_device_feature_mig_state,
  vfio_device_mig_state,
  vfio_info_cap_header,
} from '../uapi/vfio.ts';
import type { vfio_irq_set } from '../uapi/vfio.ts';
import type {
  kvm,
  vfio_container,
  vfio_device,
  vfio_device_ops,
  vfio_device_set,
  vfio_group,
} from '../vfio.ts';
import type { vfio_group_type, vfio_info_cap, vfio_info_cap_bytes, vfio_iommu_driver } from '../vfio.ts';
import type { vfio_iommu_driver_ops, vfio_notify_type, vfio_state } from '../vfio.ts';

export interface vfio_c {
  /** THIS_MODULE of vfio.ko */
  vfio_module: module;
  /** CONFIG_VFIO_NOIOMMU, a build option: off in distribution kernels' default and in the recorded ones. */
  CONFIG_VFIO_NOIOMMU: boolean;
  vfio: vfio_state;
  /** module parameter enable_unsafe_noiommu_mode */
  noiommu: boolean;
  vfio_device_set_xa: xarray<vfio_device_set>;
  vfio_noiommu_ops: vfio_iommu_driver_ops;
  vfio_fops: file_operations;
  vfio_group_fops: file_operations;
  vfio_device_fops: file_operations;
  vfio_dev: miscdevice;

  vfio_assign_device_set(device: vfio_device, set_id: unknown): Promise<int>;
  vfio_release_device_set(device: vfio_device): Promise<void>;
  vfio_noiommu_open(arg: number): err_ptr | null;
  vfio_noiommu_release(iommu_data: unknown): void;
  vfio_noiommu_ioctl(iommu_data: unknown, cmd: u32, arg: number): number;
  vfio_noiommu_attach_group(iommu_data: unknown, iommu_group: iommu_group, type: vfio_group_type): int;
  vfio_noiommu_detach_group(iommu_data: unknown, iommu_group: iommu_group): void;
  vfio_iommu_driver_allowed(container: vfio_container, driver: vfio_iommu_driver): boolean;
  vfio_register_iommu_driver(ops: vfio_iommu_driver_ops): Promise<int>;
  vfio_unregister_iommu_driver(ops: vfio_iommu_driver_ops): Promise<void>;
  vfio_container_get(container: vfio_container): Promise<void>;
  vfio_container_release(kref: kref): void;
  vfio_container_put(container: vfio_container): Promise<void>;
  __vfio_group_get_from_iommu(iommu_group: iommu_group): Promise<vfio_group | null>;
  vfio_group_get_from_iommu(iommu_group: iommu_group): Promise<vfio_group | null>;
  vfio_group_release(dev: device): Promise<void>;
  vfio_group_alloc(iommu_group: iommu_group, type: vfio_group_type): Promise<vfio_group | err_ptr>;
  vfio_create_group(iommu_group: iommu_group, type: vfio_group_type): Promise<vfio_group | err_ptr>;
  vfio_group_put(group: vfio_group): Promise<void>;
  vfio_group_get(group: vfio_group): Promise<void>;
  vfio_device_put(device: vfio_device): Promise<void>;
  vfio_device_try_get(device: vfio_device): Promise<boolean>;
  vfio_group_get_device(group: vfio_group, dev: device): Promise<vfio_device | null>;
  vfio_init_group_dev(device: vfio_device, dev: device, ops: vfio_device_ops): void;
  vfio_uninit_group_dev(device: vfio_device): Promise<void>;
  vfio_noiommu_group_alloc(dev: device, type: vfio_group_type): Promise<vfio_group | err_ptr>;
  vfio_group_find_or_alloc(dev: device): Promise<vfio_group | err_ptr>;
  __vfio_register_dev(device: vfio_device, group: vfio_group | err_ptr): Promise<int>;
  vfio_register_group_dev(device: vfio_device): Promise<int>;
  vfio_register_emulated_iommu_dev(device: vfio_device): Promise<int>;
  vfio_device_get_from_name(group: vfio_group, buf: string): Promise<vfio_device | err_ptr>;
  vfio_unregister_group_dev(device: vfio_device): Promise<void>;
  vfio_ioctl_check_extension(container: vfio_container, arg: number): Promise<number>;
  __vfio_container_attach_groups(
    container: vfio_container,
    driver: vfio_iommu_driver,
    data: unknown,
  ): Promise<int>;
  vfio_ioctl_set_iommu(container: vfio_container, arg: number): Promise<number>;
  vfio_fops_unl_ioctl(filep: file, cmd: u32, arg: user_ptr): Promise<number>;
  vfio_fops_open(inode: inode, filep: file): int;
  vfio_fops_release(inode: inode, filep: file): Promise<int>;
  __vfio_group_unset_container(group: vfio_group): Promise<void>;
  vfio_group_unset_container(group: vfio_group): Promise<int>;
  vfio_group_set_container(group: vfio_group, container_fd: int): Promise<int>;
  vfio_assert_device_open(device: vfio_device): Promise<boolean>;
  vfio_device_assign_container(device: vfio_device): Promise<int>;
  vfio_device_unassign_container(device: vfio_device): Promise<void>;
  vfio_device_open(device: vfio_device): Promise<file | err_ptr>;
  vfio_group_get_device_fd(group: vfio_group, buf: string): Promise<int>;
  vfio_group_fops_unl_ioctl(filep: file, cmd: u32, arg: user_ptr): Promise<number>;
  vfio_group_fops_open(inode: inode, filep: file): Promise<int>;
  vfio_group_fops_release(inode: inode, filep: file): Promise<int>;
  vfio_device_fops_release(inode: inode, filep: file): Promise<int>;
  vfio_mig_get_next_state(
    device: vfio_device,
    cur_fsm: vfio_device_mig_state,
    new_fsm: vfio_device_mig_state,
    next_fsm: Ref<vfio_device_mig_state>,
  ): int;
  vfio_ioct_mig_return_fd(filp: file, arg: user_ptr, mig: vfio_device_feature_mig_state): Promise<int>;
  vfio_ioctl_device_feature_mig_device_state(
    device: vfio_device,
    flags: u32,
    arg: user_ptr,
    argsz: number,
  ): Promise<int>;
  vfio_ioctl_device_feature_migration(device: vfio_device, flags: u32, arg: user_ptr, argsz: number): int;
  vfio_ioctl_device_feature(device: vfio_device, arg: user_ptr): Promise<int>;
  vfio_device_fops_unl_ioctl(filep: file, cmd: u32, arg: user_ptr): Promise<number>;
  vfio_device_fops_read(filep: file, buf: user_ptr, count: number, ppos: Ref<number>): Promise<number>;
  vfio_device_fops_write(filep: file, buf: user_ptr, count: number, ppos: Ref<number>): Promise<number>;
  vfio_device_fops_mmap(filep: file, vma: vm_area_struct): Promise<int>;
  vfio_file_iommu_group(file: file): iommu_group | null;
  vfio_file_enforced_coherent(file: file): Promise<boolean>;
  vfio_file_set_kvm(file: file, kvm: kvm | null): Promise<void>;
  vfio_file_has_dev(file: file, device: vfio_device): boolean;
  vfio_info_cap_add(caps: vfio_info_cap, size: number, id: u16, version: u16): vfio_info_cap_header | err_ptr;
  vfio_info_cap_shift(caps: vfio_info_cap, offset: number): void;
  /** cap: the whole struct, its header first; size: its size in bytes. */
  vfio_info_add_capability(caps: vfio_info_cap, cap: vfio_info_cap_bytes, size: number): int;
  vfio_set_irqs_validate_and_prepare(
    hdr: vfio_irq_set,
    num_irqs: int,
    max_irq_type: int,
    data_size: Ref<number> | null,
  ): int;
  vfio_pin_pages(
    device: vfio_device,
    user_pfn: number[] | null,
    npage: int,
    prot: int,
    phys_pfn: number[] | null,
  ): Promise<int>;
  vfio_unpin_pages(device: vfio_device, user_pfn: number[] | null, npage: int): Promise<int>;
  vfio_dma_rw(
    device: vfio_device,
    user_iova: bigint,
    data: Uint8Array | null,
    len: number,
    write: boolean,
  ): Promise<int>;
  vfio_register_iommu_notifier(group: vfio_group, events: Ref<number>, nb: notifier_block): Promise<int>;
  vfio_unregister_iommu_notifier(group: vfio_group, nb: notifier_block): Promise<int>;
  vfio_register_notifier(
    device: vfio_device,
    type: vfio_notify_type,
    events: Ref<number> | null,
    nb: notifier_block | null,
  ): Promise<int>;
  vfio_unregister_notifier(
    device: vfio_device,
    type: vfio_notify_type,
    nb: notifier_block | null,
  ): Promise<int>;
  vfio_devnode(dev: device, mode: Ref<number> | null): kstring | null;
  vfio_init(): Promise<int>;
  vfio_cleanup(): Promise<void>;
}
