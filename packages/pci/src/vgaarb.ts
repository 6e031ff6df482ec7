// SPDX-License-Identifier: GPL-2.0-only
// drivers/pci/vgaarb.c (v5.19-rc4): who owns the legacy VGA ranges.

import type { int, u32 } from '@vfio-lab/sim';
import { wait_event_interruptible, wake_up_all } from '@vfio-lab/locking';
import { EINVAL, ENODEV } from '@vfio-lab/kernel';
import { pci } from './core.ts';
import { PCI_CLASS_DISPLAY_VGA, type pci_dev } from './types.ts';

export const VGA_RSRC_NONE = 0x00;
export const VGA_RSRC_LEGACY_IO = 0x01;
export const VGA_RSRC_LEGACY_MEM = 0x02;
export const VGA_RSRC_LEGACY_MASK = VGA_RSRC_LEGACY_IO | VGA_RSRC_LEGACY_MEM;
export const VGA_RSRC_NORMAL_IO = 0x04;
export const VGA_RSRC_NORMAL_MEM = 0x08;

/** struct vga_device */
export interface vga_device {
  readonly pdev: pci_dev;
  decodes: u32;
  /** How often each of legacy I/O and memory is held. */
  io_lock_cnt: int;
  mem_lock_cnt: int;
  set_decode: ((dev: pci_dev, decode: boolean) => Promise<u32> | u32) | null;
}

function vgadev_find(dev: pci_dev): vga_device | null {
  return pci().vga_devices.find((v) => v.pdev === dev) ?? null;
}

/** A VGA device came. C: drivers/pci/vgaarb.c vga_arbiter_add_pci_device() */
export function vga_arbiter_add_pci_device(dev: pci_dev): void {
  if (dev.class >>> 8 !== PCI_CLASS_DISPLAY_VGA || vgadev_find(dev) !== null) return;
  const decodes = VGA_RSRC_LEGACY_MASK | VGA_RSRC_NORMAL_IO | VGA_RSRC_NORMAL_MEM;
  pci().vga_devices.push({ pdev: dev, decodes, io_lock_cnt: 0, mem_lock_cnt: 0, set_decode: null });
}

/** C: drivers/pci/vgaarb.c vga_client_register(); -ENODEV for a device that is no VGA */
export async function vga_client_register(
  dev: pci_dev,
  set_decode: (dev: pci_dev, decode: boolean) => Promise<u32> | u32,
): Promise<int> {
  const vgadev = vgadev_find(dev);
  if (vgadev === null) return -ENODEV;
  vgadev.set_decode = set_decode;
  return 0;
}

/** C: include/linux/vgaarb.h vga_client_unregister() */
export async function vga_client_unregister(dev: pci_dev): Promise<void> {
  const vgadev = vgadev_find(dev);
  if (vgadev !== null) vgadev.set_decode = null;
}

/** Tell the arbiter what the device decodes. C: drivers/pci/vgaarb.c vga_set_legacy_decoding() */
export async function vga_set_legacy_decoding(dev: pci_dev, decodes: u32): Promise<void> {
  const vgadev = vgadev_find(dev);
  if (vgadev === null) return;
  vgadev.decodes = decodes;
  await wake_up_all(pci().vga_wait);
}

function conflict(vgadev: vga_device, rsrc: u32): boolean {
  return pci().vga_devices.some(
    (v) =>
      v !== vgadev &&
      ((rsrc & VGA_RSRC_LEGACY_IO && v.io_lock_cnt > 0) ||
        (rsrc & VGA_RSRC_LEGACY_MEM && v.mem_lock_cnt > 0)),
  );
}

/** Hold legacy ranges for a device; sleeps while another holds them. 0, -EINVAL, -ERESTARTSYS. C: drivers/pci/vgaarb.c vga_get_interruptible() */
export async function vga_get_interruptible(dev: pci_dev, rsrc: u32): Promise<int> {
  const vgadev = vgadev_find(dev);
  if (vgadev === null) return pci().vga_devices.length === 0 ? 0 : -EINVAL;
  const ret = await wait_event_interruptible(pci().vga_wait, () => !conflict(vgadev, rsrc));
  if (ret) return ret;
  if (rsrc & VGA_RSRC_LEGACY_IO) vgadev.io_lock_cnt++;
  if (rsrc & VGA_RSRC_LEGACY_MEM) vgadev.mem_lock_cnt++;
  return 0;
}

/** C: drivers/pci/vgaarb.c vga_put() */
export async function vga_put(dev: pci_dev, rsrc: u32): Promise<void> {
  const vgadev = vgadev_find(dev);
  if (vgadev === null) return;
  if (rsrc & VGA_RSRC_LEGACY_IO && vgadev.io_lock_cnt > 0) vgadev.io_lock_cnt--;
  if (rsrc & VGA_RSRC_LEGACY_MEM && vgadev.mem_lock_cnt > 0) vgadev.mem_lock_cnt--;
  await wake_up_all(pci().vga_wait);
}
