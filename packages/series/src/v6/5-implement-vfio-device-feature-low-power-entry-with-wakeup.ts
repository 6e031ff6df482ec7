// SPDX-License-Identifier: GPL-2.0-only
/*
 * v6 5/5: ENTRY_WITH_WAKEUP. The first resume after it signals the eventfd, once, and ends low power: the device stays
 * awake until the user lets it sleep again. Only then is INTx unmasked.
 */

import type { int } from '@vfio-lab/sim';
import { down_write, up_write } from '@vfio-lab/locking';
import type { device } from '@vfio-lab/kernel';
import { dev_get_drvdata, eventfd_ctx_put, eventfd_signal } from '@vfio-lab/kernel';
import { pm_runtime_get_noresume } from '@vfio-lab/runtime-pm';
import type { Kernel, vfio_pci_core_device } from '@vfio-lab/headers';
import type { PatchInfo } from '../types.ts';

export const patch: PatchInfo = {
  number: 5,
  subject: 'vfio/pci: Implement VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP',
  messageId: '20220817051323.20091-6-abhsahu@nvidia.com',
  date: '2022-08-17T05:13:23Z',
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

/** C: drivers/vfio/pci/vfio_pci_core.c __vfio_pci_runtime_pm_exit() */
export async function __vfio_pci_runtime_pm_exit(this: Kernel, vdev: vfio_pci_core_device): Promise<void> {
  if (vdev.pm_runtime_engaged) {
    vdev.pm_runtime_engaged = false;
    await pm_runtime_get_noresume(vdev.pdev.dev);

    if (vdev.pm_wake_eventfd_ctx) {
      await eventfd_ctx_put(vdev.pm_wake_eventfd_ctx);
      vdev.pm_wake_eventfd_ctx = null;
    }
  }
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_runtime_resume() */
export async function vfio_pci_core_runtime_resume(this: Kernel, dev: device): Promise<int> {
  const vdev = dev_get_drvdata<vfio_pci_core_device>(dev);

  // the end of low power for who wanted to be told of it
  await down_write(vdev.memory_lock);
  if (vdev.pm_wake_eventfd_ctx) {
    await eventfd_signal(vdev.pm_wake_eventfd_ctx, 1);
    await this.__vfio_pci_runtime_pm_exit(vdev);
  }
  await up_write(vdev.memory_lock);

  if (vdev.pm_intx_masked) await this.vfio_pci_intx_unmask(vdev);

  return 0;
}

// as in v5 5/5
export {
  fields,
  vfio_pci_runtime_pm_entry,
  vfio_pci_core_pm_entry,
  vfio_pci_core_pm_entry_with_wakeup,
  vfio_pci_core_ioctl_feature,
} from '../v5/5-implement-vfio-device-feature-low-power-entry-with-wakeup.ts';
