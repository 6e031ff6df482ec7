// SPDX-License-Identifier: GPL-2.0-only
/*
 * What if 1/6 were not there? The handler of a shared line then reads config space of a device that may have lost its
 * power.
 */

import type { int } from '@vfio-lab/sim';
import { down_write, up_write } from '@vfio-lab/locking';
import type { device } from '@vfio-lab/kernel';
import { dev_get_drvdata } from '@vfio-lab/kernel';
import { PCI_D0 } from '@vfio-lab/pci';
import type { Kernel, vfio_pci_core_device } from '@vfio-lab/headers';
import type { WhatIfInfo } from '../types.ts';

export const whatif: WhatIfInfo = {
  name: 'no-intx-mask',
  summary: 'suspend leaves INTx as it is',
  series: 'v4',
  prefixes: [4, 5, 6],
  functions: {
    'drivers/vfio/pci/vfio_pci_core.c': ['vfio_pci_core_runtime_suspend'],
  },
};

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_runtime_suspend() */
export async function vfio_pci_core_runtime_suspend(this: Kernel, dev: device): Promise<int> {
  const vdev = dev_get_drvdata<vfio_pci_core_device>(dev);

  await down_write(vdev.memory_lock);
  await this.vfio_pci_set_power_state(vdev, PCI_D0);
  await up_write(vdev.memory_lock);

  return 0;
}
