// SPDX-License-Identifier: GPL-2.0-only
// What drivers/vfio/pci/vfio_pci_core.c (v5.19-rc4) defines, static functions and file-scope data too, in its order.

import type { int, Ref, u16, u32 } from '@vfio-lab/sim';
import type { mutex } from '@vfio-lab/locking';
import type {
  dev_pm_ops,
  file,
  list_head,
  notifier_block,
  user_ptr,
  uuid_t,
  vm_area_struct,
  vm_fault,
  vm_operations_struct,
} from '@vfio-lab/kernel';
import type { pci_dev, pci_error_handlers, pci_slot } from '@vfio-lab/pci';
import type { vfio_device, vfio_device_ops, vfio_device_set, vfio_info_cap } from '../vfio.ts';
import type { vfio_pci_dependent_device } from '../uapi/vfio.ts';
import type { vfio_pci_core_device, vfio_pci_regops } from '../vfio_pci_core.ts';

/** Called for every device of a slot or bus; anything but 0 ends the walk. */
export type vfio_pci_walk_fn = (pdev: pci_dev, data: unknown) => int | Promise<int>;

export interface vfio_pci_fill_info {
  max: int;
  cur: int;
  devices: vfio_pci_dependent_device[];
}

export interface vfio_pci_group_info {
  count: int;
  files: (file | null)[];
}

export interface vfio_pci_walk_info {
  fn: vfio_pci_walk_fn;
  data: unknown;
  pdev: pci_dev;
  slot: boolean;
  ret: int;
}

export interface vfio_pci_core_c {
  // Module parameters, copied in by vfio_pci_core_set_params().
  nointxmask: boolean;
  disable_vga: boolean;
  disable_idle_d3: boolean;
  vfio_pci_sriov_pfs_mutex: mutex;
  vfio_pci_sriov_pfs: list_head<vfio_pci_core_device>;
  vfio_pci_core_pm_ops: dev_pm_ops;
  vfio_pci_mmap_ops: vm_operations_struct;
  vfio_pci_core_err_handlers: pci_error_handlers;
  /** From the uapi header, where a patch changes it. */
  VFIO_PCI_NUM_IRQS: int;

  vfio_vga_disabled(): boolean;
  vfio_pci_set_decode(pdev: pci_dev, single_vga: boolean): Promise<u32>;
  vfio_pci_probe_mmaps(vdev: vfio_pci_core_device): void;
  vfio_pci_nointx(pdev: pci_dev): boolean;
  vfio_pci_probe_power_state(vdev: vfio_pci_core_device): Promise<void>;
  vfio_pci_set_power_state(vdev: vfio_pci_core_device, state: int): Promise<int>;
  vfio_pci_core_enable(vdev: vfio_pci_core_device): Promise<int>;
  vfio_pci_core_disable(vdev: vfio_pci_core_device): Promise<void>;
  vfio_pci_core_close_device(core_vdev: vfio_device): Promise<void>;
  vfio_pci_core_finish_enable(vdev: vfio_pci_core_device): Promise<void>;
  vfio_pci_get_irq_count(vdev: vfio_pci_core_device, irq_type: int): Promise<int>;
  vfio_pci_count_devs(pdev: pci_dev, data: unknown): int;
  vfio_pci_fill_devs(pdev: pci_dev, data: unknown): Promise<int>;
  vfio_pci_dev_below_slot(pdev: pci_dev, slot: pci_slot | null): boolean;
  vfio_pci_walk_wrapper(pdev: pci_dev, data: unknown): Promise<int>;
  vfio_pci_for_each_slot_or_bus(
    pdev: pci_dev,
    fn: vfio_pci_walk_fn,
    data: unknown,
    slot: boolean,
  ): Promise<int>;
  msix_mmappable_cap(vdev: vfio_pci_core_device, caps: vfio_info_cap): int;
  vfio_pci_register_dev_region(
    vdev: vfio_pci_core_device,
    type: u32,
    subtype: u32,
    ops: vfio_pci_regops,
    size: number,
    flags: u32,
    data: unknown,
  ): int;
  vfio_pci_core_ioctl(core_vdev: vfio_device, cmd: u32, arg: user_ptr): Promise<number>;
  vfio_pci_core_feature_token(device: vfio_device, flags: u32, arg: user_ptr, argsz: number): Promise<int>;
  vfio_pci_core_ioctl_feature(device: vfio_device, flags: u32, arg: user_ptr, argsz: number): Promise<int>;
  vfio_pci_rw(
    vdev: vfio_pci_core_device,
    buf: user_ptr,
    count: number,
    ppos: Ref<number>,
    iswrite: boolean,
  ): Promise<number>;
  vfio_pci_core_read(
    core_vdev: vfio_device,
    buf: user_ptr,
    count: number,
    ppos: Ref<number>,
  ): Promise<number>;
  vfio_pci_core_write(
    core_vdev: vfio_device,
    buf: user_ptr,
    count: number,
    ppos: Ref<number>,
  ): Promise<number>;
  vfio_pci_zap_and_vma_lock(vdev: vfio_pci_core_device, try_: boolean): Promise<int>;
  vfio_pci_zap_and_down_write_memory_lock(vdev: vfio_pci_core_device): Promise<void>;
  vfio_pci_memory_lock_and_enable(vdev: vfio_pci_core_device): Promise<u16>;
  vfio_pci_memory_unlock_and_restore(vdev: vfio_pci_core_device, cmd: u16): Promise<void>;
  __vfio_pci_add_vma(vdev: vfio_pci_core_device, vma: vm_area_struct): int;
  vfio_pci_mmap_open(vma: vm_area_struct): Promise<void>;
  vfio_pci_mmap_close(vma: vm_area_struct): Promise<void>;
  vfio_pci_mmap_fault(vmf: vm_fault): Promise<int>;
  vfio_pci_core_mmap(core_vdev: vfio_device, vma: vm_area_struct): Promise<int>;
  vfio_pci_core_request(core_vdev: vfio_device, count: u32): Promise<void>;
  vfio_pci_validate_vf_token(vdev: vfio_pci_core_device, vf_token: boolean, uuid: uuid_t): Promise<int>;
  vfio_pci_core_match(core_vdev: vfio_device, buf: string): Promise<int>;
  vfio_pci_bus_notifier(nb: notifier_block, action: number, data: unknown): int;
  vfio_pci_vf_init(vdev: vfio_pci_core_device): Promise<int>;
  vfio_pci_vf_uninit(vdev: vfio_pci_core_device): Promise<void>;
  vfio_pci_vga_init(vdev: vfio_pci_core_device): Promise<int>;
  vfio_pci_vga_uninit(vdev: vfio_pci_core_device): Promise<void>;
  vfio_pci_core_init_device(vdev: vfio_pci_core_device, pdev: pci_dev, vfio_pci_ops: vfio_device_ops): void;
  vfio_pci_core_uninit_device(vdev: vfio_pci_core_device): Promise<void>;
  vfio_pci_core_register_device(vdev: vfio_pci_core_device): Promise<int>;
  vfio_pci_core_unregister_device(vdev: vfio_pci_core_device): Promise<void>;
  vfio_pci_core_aer_err_detected(pdev: pci_dev, state: int): Promise<int>;
  vfio_pci_core_sriov_configure(vdev: vfio_pci_core_device, nr_virtfn: int): Promise<int>;
  vfio_dev_in_groups(vdev: vfio_pci_core_device, groups: vfio_pci_group_info): boolean;
  vfio_pci_is_device_in_set(pdev: pci_dev, data: unknown): int;
  vfio_pci_dev_set_resettable(dev_set: vfio_device_set): Promise<pci_dev | null>;
  vfio_pci_dev_set_pm_runtime_get(dev_set: vfio_device_set): Promise<int>;
  vfio_pci_dev_set_hot_reset(dev_set: vfio_device_set, groups: vfio_pci_group_info): Promise<int>;
  vfio_pci_dev_set_needs_reset(dev_set: vfio_device_set): boolean;
  vfio_pci_dev_set_try_reset(dev_set: vfio_device_set): Promise<void>;
  vfio_pci_core_set_params(nointxmask: boolean, is_disable_vga: boolean, is_disable_idle_d3: boolean): void;
  vfio_pci_core_cleanup(): void;
  vfio_pci_core_init(): int;
}
