// SPDX-License-Identifier: GPL-2.0-only
/*
 * What if EXIT took the reference of the open file back without a look whether ENTRY has given it up? A second EXIT then
 * takes one more.
 */

import { eventfd_ctx_put } from '@vfio-lab/kernel';
import { pm_runtime_get_noresume } from '@vfio-lab/runtime-pm';
import type { Kernel, vfio_pci_core_device } from '@vfio-lab/headers';
import type { WhatIfInfo } from '../types.ts';

export const whatif: WhatIfInfo = {
  name: 'exit-unchecked',
  summary: 'EXIT takes a reference whether low power is engaged or not',
  series: 'v7',
  prefixes: [5],
  functions: {
    'drivers/vfio/pci/vfio_pci_core.c': ['__vfio_pci_runtime_pm_exit'],
  },
};

/** C: drivers/vfio/pci/vfio_pci_core.c __vfio_pci_runtime_pm_exit() */
export async function __vfio_pci_runtime_pm_exit(this: Kernel, vdev: vfio_pci_core_device): Promise<void> {
  vdev.pm_runtime_engaged = false;
  await pm_runtime_get_noresume(vdev.pdev.dev);

  if (vdev.pm_wake_eventfd_ctx) {
    await eventfd_ctx_put(vdev.pm_wake_eventfd_ctx);
    vdev.pm_wake_eventfd_ctx = null;
  }
}
