// SPDX-License-Identifier: GPL-2.0-only
/*
 * What if reads and writes took no reference, only a look at pm_runtime_engaged? Between the look and the access the
 * device can be put in low power.
 */

import type { Ref } from '@vfio-lab/sim';
import type { user_ptr } from '@vfio-lab/kernel';
import { EINVAL, EIO } from '@vfio-lab/kernel';
import type { Kernel, vfio_pci_core_device } from '@vfio-lab/headers';
import {
  VFIO_PCI_BAR0_REGION_INDEX,
  VFIO_PCI_BAR1_REGION_INDEX,
  VFIO_PCI_BAR2_REGION_INDEX,
  VFIO_PCI_BAR3_REGION_INDEX,
  VFIO_PCI_BAR4_REGION_INDEX,
  VFIO_PCI_BAR5_REGION_INDEX,
  VFIO_PCI_CONFIG_REGION_INDEX,
  VFIO_PCI_NUM_REGIONS,
  VFIO_PCI_OFFSET_TO_INDEX,
  VFIO_PCI_ROM_REGION_INDEX,
  VFIO_PCI_VGA_REGION_INDEX,
} from '@vfio-lab/headers';
import type { WhatIfInfo } from '../types.ts';

export const whatif: WhatIfInfo = {
  name: 'no-usage-reference',
  summary: 'a region access only looks whether the device is in low power, and holds no reference',
  series: 'v4',
  prefixes: [4, 5, 6],
  functions: {
    'drivers/vfio/pci/vfio_pci_core.c': ['vfio_pci_rw'],
  },
};

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_rw() */
export async function vfio_pci_rw(
  this: Kernel,
  vdev: vfio_pci_core_device,
  buf: user_ptr,
  count: number,
  ppos: Ref<number>,
  iswrite: boolean,
): Promise<number> {
  let index = VFIO_PCI_OFFSET_TO_INDEX(ppos.v);

  if (index >= VFIO_PCI_NUM_REGIONS + vdev.num_regions) return -EINVAL;

  if (vdev.pm_runtime_engaged) return -EIO;

  switch (index) {
    case VFIO_PCI_CONFIG_REGION_INDEX:
      return await this.vfio_pci_config_rw(vdev, buf, count, ppos, iswrite);

    case VFIO_PCI_ROM_REGION_INDEX:
      if (iswrite) return -EINVAL;
      return await this.vfio_pci_bar_rw(vdev, buf, count, ppos, false);

    case VFIO_PCI_BAR0_REGION_INDEX:
    case VFIO_PCI_BAR1_REGION_INDEX:
    case VFIO_PCI_BAR2_REGION_INDEX:
    case VFIO_PCI_BAR3_REGION_INDEX:
    case VFIO_PCI_BAR4_REGION_INDEX:
    case VFIO_PCI_BAR5_REGION_INDEX:
      return await this.vfio_pci_bar_rw(vdev, buf, count, ppos, iswrite);

    case VFIO_PCI_VGA_REGION_INDEX:
      return await this.vfio_pci_vga_rw(vdev, buf, count, ppos, iswrite);
    default:
      index -= VFIO_PCI_NUM_REGIONS;
      return await (vdev.region ?? [])[index].ops.rw(vdev, buf, count, ppos, iswrite);
  }
}
