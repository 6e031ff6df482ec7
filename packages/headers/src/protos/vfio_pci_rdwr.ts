// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prototypes of drivers/vfio/pci/vfio_pci_rdwr.c, v5.19-rc4, with those that VFIO_IOWRITE and VFIO_IOREAD make.
 */
import type { user_ptr } from '@vfio-lab/kernel';
import type { iomem } from '@vfio-lab/pci';
import type { int, Ref, u16, u32, u8 } from '@vfio-lab/sim';

import type { vfio_pci_core_device, vfio_pci_ioeventfd } from '../vfio_pci_core.ts';

/** Prototypes of vfio_pci_rdwr.c, in file order. */
export interface vfio_pci_rdwr_c {
  vfio_pci_iowrite8(vdev: vfio_pci_core_device, test_mem: boolean, val: u8, io: iomem): Promise<int>;
  vfio_pci_iowrite16(vdev: vfio_pci_core_device, test_mem: boolean, val: u16, io: iomem): Promise<int>;
  vfio_pci_iowrite32(vdev: vfio_pci_core_device, test_mem: boolean, val: u32, io: iomem): Promise<int>;
  vfio_pci_iowrite64(vdev: vfio_pci_core_device, test_mem: boolean, val: bigint, io: iomem): Promise<int>;
  vfio_pci_ioread8(vdev: vfio_pci_core_device, test_mem: boolean, val: Ref<u8>, io: iomem): Promise<int>;
  vfio_pci_ioread16(vdev: vfio_pci_core_device, test_mem: boolean, val: Ref<u16>, io: iomem): Promise<int>;
  vfio_pci_ioread32(vdev: vfio_pci_core_device, test_mem: boolean, val: Ref<u32>, io: iomem): Promise<int>;
  do_io_rw(
    vdev: vfio_pci_core_device,
    test_mem: boolean,
    io: iomem,
    buf: user_ptr,
    off: number,
    count: number,
    x_start: number,
    x_end: number,
    iswrite: boolean,
  ): Promise<number>;
  vfio_pci_setup_barmap(vdev: vfio_pci_core_device, bar: int): Promise<int>;
  vfio_pci_bar_rw(
    vdev: vfio_pci_core_device,
    buf: user_ptr,
    count: number,
    ppos: Ref<number>,
    iswrite: boolean,
  ): Promise<number>;
  vfio_pci_vga_rw(
    vdev: vfio_pci_core_device,
    buf: user_ptr,
    count: number,
    ppos: Ref<number>,
    iswrite: boolean,
  ): Promise<number>;
  vfio_pci_ioeventfd_do_write(ioeventfd: vfio_pci_ioeventfd, test_mem: boolean): Promise<void>;
  vfio_pci_ioeventfd_handler(opaque: vfio_pci_ioeventfd, unused: unknown): Promise<int>;
  vfio_pci_ioeventfd_thread(opaque: vfio_pci_ioeventfd, unused: unknown): Promise<void>;
  vfio_pci_ioeventfd(
    vdev: vfio_pci_core_device,
    offset: number,
    data: bigint,
    count: int,
    fd: int,
  ): Promise<int>;
}
