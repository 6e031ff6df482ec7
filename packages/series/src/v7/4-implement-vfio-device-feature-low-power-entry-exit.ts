// SPDX-License-Identifier: GPL-2.0-only
/*
 * v7 4/5: ENTRY gives up the reference of the open file, so that the device may suspend as deep as the platform can; every
 * access takes a reference for its time; EXIT takes the one of the file back.
 */

import type { int, u32 } from '@vfio-lab/sim';
import { down_write, up_write } from '@vfio-lab/locking';
import type { device, user_ptr } from '@vfio-lab/kernel';
import { dev_get_drvdata, ENOTTY } from '@vfio-lab/kernel';
import { PCI_D0 } from '@vfio-lab/pci';
import type { Kernel, vfio_device, vfio_pci_core_device } from '@vfio-lab/headers';
import {
  VFIO_DEVICE_FEATURE_MASK,
  VFIO_DEVICE_FEATURE_PCI_VF_TOKEN,
  VFIO_PCI_INTX_IRQ_INDEX,
} from '@vfio-lab/headers';
import type { PatchInfo } from '../types.ts';
import {
  VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY,
  VFIO_DEVICE_FEATURE_LOW_POWER_EXIT,
} from './1-add-the-device-features-for-the-low-power-entry-and-exit.ts';

export const patch: PatchInfo = {
  number: 4,
  subject: 'vfio/pci: Implement VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY/EXIT',
  messageId: '20220829114850.4341-5-abhsahu@nvidia.com',
  date: '2022-08-29T11:48:49Z',
  files: ['drivers/vfio/pci/vfio_pci_core.c', 'include/linux/vfio_pci_core.h'],
  functions: {
    'drivers/vfio/pci/vfio_pci_core.c': [
      'vfio_pci_runtime_pm_entry',
      'vfio_pci_core_pm_entry',
      '__vfio_pci_runtime_pm_exit',
      'vfio_pci_runtime_pm_exit',
      'vfio_pci_core_pm_exit',
      'vfio_pci_core_runtime_suspend',
      'vfio_pci_core_disable',
      'vfio_pci_core_ioctl_feature',
      'vfio_pci_rw',
      'vfio_pci_mmap_fault',
      'vfio_pci_dev_set_hot_reset',
    ],
  },
};

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_runtime_suspend() */
export async function vfio_pci_core_runtime_suspend(this: Kernel, dev: device): Promise<int> {
  const vdev = dev_get_drvdata<vfio_pci_core_device>(dev);

  await down_write(vdev.memory_lock);
  // The guest may have put the device in D3hot. From D0 the PCI core saves its state and picks the target itself, and
  // a device that loses its state (NoSoftRst-) gets back here what pm_save holds.
  await this.vfio_pci_set_power_state(vdev, PCI_D0);
  await up_write(vdev.memory_lock);

  // Only what is masked here is unmasked on resume, not what the user has masked before.
  vdev.pm_intx_masked = vdev.irq_type === VFIO_PCI_INTX_IRQ_INDEX && (await this.vfio_pci_intx_mask(vdev));

  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_ioctl_feature() */
export async function vfio_pci_core_ioctl_feature(
  this: Kernel,
  device: vfio_device,
  flags: u32,
  arg: user_ptr,
  argsz: number,
): Promise<int> {
  switch (flags & VFIO_DEVICE_FEATURE_MASK) {
    case VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY:
      return await this.vfio_pci_core_pm_entry(device, flags, arg, argsz);
    case VFIO_DEVICE_FEATURE_LOW_POWER_EXIT:
      return await this.vfio_pci_core_pm_exit(device, flags, arg, argsz);
    case VFIO_DEVICE_FEATURE_PCI_VF_TOKEN:
      return await this.vfio_pci_core_feature_token(device, flags, arg, argsz);
    default:
      return -ENOTTY;
  }
}

// as in v6 4/5
export {
  fields,
  vfio_pci_runtime_pm_entry,
  vfio_pci_core_pm_entry,
  __vfio_pci_runtime_pm_exit,
  vfio_pci_runtime_pm_exit,
  vfio_pci_core_pm_exit,
  vfio_pci_core_disable,
  vfio_pci_rw,
  vfio_pci_mmap_fault,
  vfio_pci_dev_set_hot_reset,
} from '../v6/4-implement-vfio-device-feature-low-power-entry-exit.ts';
