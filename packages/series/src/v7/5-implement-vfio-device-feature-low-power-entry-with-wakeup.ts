// SPDX-License-Identifier: GPL-2.0-only
/*
 * v7 5/5: ENTRY_WITH_WAKEUP. The first resume after it signals the eventfd, once, and ends low power: the device stays
 * awake until the user lets it sleep again. Only then is INTx unmasked.
 */

import type { int, u32 } from '@vfio-lab/sim';
import type { user_ptr } from '@vfio-lab/kernel';
import { ENOTTY } from '@vfio-lab/kernel';
import type { Kernel, vfio_device } from '@vfio-lab/headers';
import { VFIO_DEVICE_FEATURE_MASK, VFIO_DEVICE_FEATURE_PCI_VF_TOKEN } from '@vfio-lab/headers';
import type { PatchInfo } from '../types.ts';
import {
  VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY,
  VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP,
  VFIO_DEVICE_FEATURE_LOW_POWER_EXIT,
} from './1-add-the-device-features-for-the-low-power-entry-and-exit.ts';

export const patch: PatchInfo = {
  number: 5,
  subject: 'vfio/pci: Implement VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP',
  messageId: '20220829114850.4341-6-abhsahu@nvidia.com',
  date: '2022-08-29T11:48:50Z',
  files: ['drivers/vfio/pci/vfio_pci_core.c', 'include/linux/vfio_pci_core.h'],
  functions: {
    'drivers/vfio/pci/vfio_pci_core.c': [
      'vfio_pci_runtime_pm_entry',
      'vfio_pci_core_pm_entry',
      'vfio_pci_core_pm_entry_with_wakeup',
      '__vfio_pci_runtime_pm_exit',
      'vfio_pci_core_runtime_resume',
      'vfio_pci_core_ioctl_feature',
    ],
  },
};

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
    case VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP:
      return await this.vfio_pci_core_pm_entry_with_wakeup(device, flags, arg, argsz);
    case VFIO_DEVICE_FEATURE_LOW_POWER_EXIT:
      return await this.vfio_pci_core_pm_exit(device, flags, arg, argsz);
    case VFIO_DEVICE_FEATURE_PCI_VF_TOKEN:
      return await this.vfio_pci_core_feature_token(device, flags, arg, argsz);
    default:
      return -ENOTTY;
  }
}

// as in v6 5/5
export {
  fields,
  vfio_pci_runtime_pm_entry,
  vfio_pci_core_pm_entry,
  vfio_pci_core_pm_entry_with_wakeup,
  __vfio_pci_runtime_pm_exit,
  vfio_pci_core_runtime_resume,
} from '../v6/5-implement-vfio-device-feature-low-power-entry-with-wakeup.ts';
