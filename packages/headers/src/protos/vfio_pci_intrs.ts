// SPDX-License-Identifier: GPL-2.0-only
// What drivers/vfio/pci/vfio_pci_intrs.c (v5.19-rc4) defines, static functions too, in its order.

import type { int, Ref, u32 } from '@vfio-lab/sim';
import type { eventfd_ctx } from '@vfio-lab/kernel';
import type { vfio_pci_core_device } from '../vfio_pci_core.ts';

/** The data behind a struct vfio_irq_set, already in kernel memory: flags of one byte or 32-bit file descriptors. */
export type irq_set_data = Uint8Array | null;

export interface vfio_pci_intrs_c {
  vfio_send_intx_eventfd(opaque: unknown, unused: unknown): Promise<void>;
  vfio_pci_intx_mask(vdev: vfio_pci_core_device): Promise<void>;
  vfio_pci_intx_unmask_handler(opaque: unknown, unused: unknown): Promise<int>;
  vfio_pci_intx_unmask(vdev: vfio_pci_core_device): Promise<void>;
  vfio_intx_handler(irq: int, dev_id: unknown): Promise<int>;
  vfio_intx_enable(vdev: vfio_pci_core_device): Promise<int>;
  vfio_intx_set_signal(vdev: vfio_pci_core_device, fd: int): Promise<int>;
  vfio_intx_disable(vdev: vfio_pci_core_device): Promise<void>;
  vfio_msihandler(irq: int, arg: unknown): Promise<int>;
  vfio_msi_enable(vdev: vfio_pci_core_device, nvec: int, msix: boolean): Promise<int>;
  vfio_msi_set_vector_signal(vdev: vfio_pci_core_device, vector: int, fd: int, msix: boolean): Promise<int>;
  vfio_msi_set_block(
    vdev: vfio_pci_core_device,
    start: u32,
    count: u32,
    fds: Int32Array | null,
    msix: boolean,
  ): Promise<int>;
  vfio_msi_disable(vdev: vfio_pci_core_device, msix: boolean): Promise<void>;
  vfio_pci_set_intx_unmask(
    vdev: vfio_pci_core_device,
    index: u32,
    start: u32,
    count: u32,
    flags: u32,
    data: irq_set_data,
  ): Promise<int>;
  vfio_pci_set_intx_mask(
    vdev: vfio_pci_core_device,
    index: u32,
    start: u32,
    count: u32,
    flags: u32,
    data: irq_set_data,
  ): Promise<int>;
  vfio_pci_set_intx_trigger(
    vdev: vfio_pci_core_device,
    index: u32,
    start: u32,
    count: u32,
    flags: u32,
    data: irq_set_data,
  ): Promise<int>;
  vfio_pci_set_msi_trigger(
    vdev: vfio_pci_core_device,
    index: u32,
    start: u32,
    count: u32,
    flags: u32,
    data: irq_set_data,
  ): Promise<int>;
  vfio_pci_set_ctx_trigger_single(
    ctx: Ref<eventfd_ctx | null>,
    count: u32,
    flags: u32,
    data: irq_set_data,
  ): Promise<int>;
  vfio_pci_set_err_trigger(
    vdev: vfio_pci_core_device,
    index: u32,
    start: u32,
    count: u32,
    flags: u32,
    data: irq_set_data,
  ): Promise<int>;
  vfio_pci_set_req_trigger(
    vdev: vfio_pci_core_device,
    index: u32,
    start: u32,
    count: u32,
    flags: u32,
    data: irq_set_data,
  ): Promise<int>;
  vfio_pci_set_irqs_ioctl(
    vdev: vfio_pci_core_device,
    flags: u32,
    index: u32,
    start: u32,
    count: u32,
    data: irq_set_data,
  ): Promise<int>;
}
