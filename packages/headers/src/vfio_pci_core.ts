// SPDX-License-Identifier: GPL-2.0-only
// include/linux/vfio_pci_core.h (v5.19-rc4): what the PCI driver keeps about a device it hands to user space.

import type { int, Ref, u16, u32, u8 } from '@vfio-lab/sim';
import { mutex, rw_semaphore, spinlock_t } from '@vfio-lab/locking';
import type { Awaitable, eventfd_ctx, kstring, user_ptr, vm_area_struct } from '@vfio-lab/kernel';
import { ENODEV, list_head, notifier_block, uuid_t } from '@vfio-lab/kernel';
import { irq_bypass_producer } from '@vfio-lab/irq';
import type { iomem, pci_dev, pci_saved_state } from '@vfio-lab/pci';
import { PCI_CLASS_DISPLAY_VGA, PCI_STD_NUM_BARS, resource } from '@vfio-lab/pci';
import type { perm_bits } from './protos/vfio_pci_config.ts';
import type { vfio_info_cap, virqfd } from './vfio.ts';
import { vfio_device } from './vfio.ts';
import { VFIO_PCI_INTX_IRQ_INDEX, VFIO_PCI_MSI_IRQ_INDEX, VFIO_PCI_MSIX_IRQ_INDEX } from './uapi/vfio.ts';

export const VFIO_PCI_OFFSET_SHIFT = 40;

/**
 * The region a file offset falls in. An offset is a number here (the low bits of offsets above 2^53 are lost), which
 * is enough: every region a device has lies below 2^45.
 */
export function VFIO_PCI_OFFSET_TO_INDEX(off: number): number {
  return Math.floor(off / 2 ** VFIO_PCI_OFFSET_SHIFT);
}

/** The file offset where a region begins. */
export function VFIO_PCI_INDEX_TO_OFFSET(index: number): number {
  return index * 2 ** VFIO_PCI_OFFSET_SHIFT;
}

export const VFIO_PCI_OFFSET_MASK = 2 ** VFIO_PCI_OFFSET_SHIFT - 1;

/** `off & VFIO_PCI_OFFSET_MASK`, which the 32-bit `&` of JavaScript cannot do: the position inside the region. */
export function VFIO_PCI_OFFSET_TO_POS(off: number): number {
  return off - VFIO_PCI_INDEX_TO_OFFSET(VFIO_PCI_OFFSET_TO_INDEX(off));
}

// Capability ids that no device has, for access without a permission table.
export const PCI_CAP_ID_INVALID = 0xff;
export const PCI_CAP_ID_INVALID_VIRT = 0xfe;

export const VFIO_PCI_IOEVENTFD_MAX = 1000;

export class vfio_pci_ioeventfd {
  next = new list_head<vfio_pci_ioeventfd>(this);
  vdev!: vfio_pci_core_device;
  virqfd: virqfd | null = null;
  addr!: iomem;
  data = 0n;
  pos = 0;
  bar: int = 0;
  count: int = 0;
  test_mem = false;
}

export class vfio_pci_irq_ctx {
  trigger: eventfd_ctx | null = null;
  unmask: virqfd | null = null;
  mask: virqfd | null = null;
  name: kstring | null = null;
  masked = false;
  producer = new irq_bypass_producer();
}

export interface vfio_pci_regops {
  rw(
    vdev: vfio_pci_core_device,
    buf: user_ptr,
    count: number,
    ppos: Ref<number>,
    iswrite: boolean,
  ): Awaitable<number>;
  release(vdev: vfio_pci_core_device, region: vfio_pci_region): Awaitable<void>;
  mmap?(vdev: vfio_pci_core_device, region: vfio_pci_region, vma: vm_area_struct): Awaitable<int>;
  add_capability?(vdev: vfio_pci_core_device, region: vfio_pci_region, caps: vfio_info_cap): Awaitable<int>;
}

export class vfio_pci_region {
  type: u32 = 0;
  subtype: u32 = 0;
  ops!: vfio_pci_regops;
  data: unknown = null;
  size = 0;
  flags: u32 = 0;
}

export class vfio_pci_dummy_resource {
  resource = new resource();
  index: int = 0;
  res_next = new list_head<vfio_pci_dummy_resource>(this);
}

export class vfio_pci_vf_token {
  lock = new mutex();
  uuid = new uuid_t();
  users: int = 0;
}

export class vfio_pci_mmap_vma {
  vma!: vm_area_struct;
  vma_next = new list_head<vfio_pci_mmap_vma>(this);
}

export class vfio_pci_core_device {
  vdev = new vfio_device(this);
  pdev!: pci_dev;
  barmap: (iomem | null)[] = new Array<iomem | null>(PCI_STD_NUM_BARS).fill(null);
  bar_mmap_supported: boolean[] = new Array<boolean>(PCI_STD_NUM_BARS).fill(false);
  /** Which capability owns a byte of config space; there while the device is open. */
  pci_config_map!: Uint8Array;
  /** Virtual config space; there while the device is open. */
  vconfig!: Uint8Array;
  msi_perm: perm_bits | null = null;
  irqlock = new spinlock_t();
  igate = new mutex();
  /** There while an interrupt mode is set (irq_type); dangling afterwards, as in C. */
  ctx!: vfio_pci_irq_ctx[];
  num_ctx: int = 0;
  irq_type: int = 0;
  num_regions: int = 0;
  region: vfio_pci_region[] | null = null;
  msi_qmax: u8 = 0;
  msix_bar: u8 = 0;
  msix_size: u16 = 0;
  msix_offset: u32 = 0;
  rbar: u32[] = new Array<u32>(7).fill(0);
  pci_2_3 = false;
  virq_disabled = false;
  reset_works = false;
  extended_caps = false;
  bardirty = false;
  has_vga = false;
  needs_reset = false;
  nointx = false;
  needs_pm_restore = false;
  pci_saved_state: pci_saved_state | null = null;
  pm_save: pci_saved_state | null = null;
  ioeventfds_nr: int = 0;
  err_trigger: eventfd_ctx | null = null;
  req_trigger: eventfd_ctx | null = null;
  dummy_resources_list = new list_head<vfio_pci_dummy_resource>();
  ioeventfds_lock = new mutex();
  ioeventfds_list = new list_head<vfio_pci_ioeventfd>();
  vf_token: vfio_pci_vf_token | null = null;
  sriov_pfs_item = new list_head<vfio_pci_core_device>(this);
  sriov_pf_core_dev: vfio_pci_core_device | null = null;
  nb = new notifier_block(this);
  vma_lock = new mutex();
  vma_list = new list_head<vfio_pci_mmap_vma>();
  memory_lock = new rw_semaphore();
}

export function is_intx(vdev: vfio_pci_core_device): boolean {
  return vdev.irq_type === VFIO_PCI_INTX_IRQ_INDEX;
}

export function is_msi(vdev: vfio_pci_core_device): boolean {
  return vdev.irq_type === VFIO_PCI_MSI_IRQ_INDEX;
}

export function is_msix(vdev: vfio_pci_core_device): boolean {
  return vdev.irq_type === VFIO_PCI_MSIX_IRQ_INDEX;
}

export function is_irq_none(vdev: vfio_pci_core_device): boolean {
  return !(is_intx(vdev) || is_msi(vdev) || is_msix(vdev));
}

export function irq_is(vdev: vfio_pci_core_device, type: int): boolean {
  return vdev.irq_type === type;
}

/** Without CONFIG_VFIO_PCI_IGD the header has this in place of vfio_pci_igd.c. */
export function vfio_pci_igd_init(vdev: vfio_pci_core_device): int {
  return -ENODEV;
}

/** Without CONFIG_S390 the header has this in place of vfio_pci_zdev.c. */
export function vfio_pci_info_zdev_add_caps(vdev: vfio_pci_core_device, caps: vfio_info_cap): int {
  return -ENODEV;
}

export function vfio_pci_is_vga(pdev: pci_dev): boolean {
  return pdev.class >>> 8 === PCI_CLASS_DISPLAY_VGA;
}
