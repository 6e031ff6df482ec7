// SPDX-License-Identifier: GPL-2.0-only
/*
 * v6 4/5: ENTRY gives up the reference of the open file, so that the device may suspend as deep as the platform can; every
 * access takes a reference for its time; EXIT takes the one of the file back.
 */

import type { Ref } from '@vfio-lab/sim';
import { down_write, up_write } from '@vfio-lab/locking';
import type { user_ptr } from '@vfio-lab/kernel';
import { EINVAL, EIO, pci_info_ratelimited } from '@vfio-lab/kernel';
import { pm_runtime_get_noresume, pm_runtime_put, pm_runtime_resume_and_get } from '@vfio-lab/runtime-pm';
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
import type { PatchInfo } from '../types.ts';

declare module '@vfio-lab/headers' {
  interface vfio_pci_core_c {
    __vfio_pci_runtime_pm_exit(vdev: vfio_pci_core_device): Promise<void>;
  }
}

export const patch: PatchInfo = {
  number: 4,
  subject: 'vfio/pci: Implement VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY/EXIT',
  messageId: '20220817051323.20091-5-abhsahu@nvidia.com',
  date: '2022-08-17T05:13:22Z',
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

/** C: drivers/vfio/pci/vfio_pci_core.c __vfio_pci_runtime_pm_exit() */
export async function __vfio_pci_runtime_pm_exit(this: Kernel, vdev: vfio_pci_core_device): Promise<void> {
  if (vdev.pm_runtime_engaged) {
    vdev.pm_runtime_engaged = false;
    await pm_runtime_get_noresume(vdev.pdev.dev);
  }
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_runtime_pm_exit() */
export async function vfio_pci_runtime_pm_exit(this: Kernel, vdev: vfio_pci_core_device): Promise<void> {
  // memory_lock protects the low power state.
  await down_write(vdev.memory_lock);
  await this.__vfio_pci_runtime_pm_exit(vdev);
  await up_write(vdev.memory_lock);
}

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
  let ret: number;

  if (index >= VFIO_PCI_NUM_REGIONS + vdev.num_regions) return -EINVAL;

  ret = await pm_runtime_resume_and_get(vdev.pdev.dev);
  if (ret) {
    pci_info_ratelimited(vdev.pdev, `runtime resume failed ${ret}\n`);
    return -EIO;
  }

  switch (index) {
    case VFIO_PCI_CONFIG_REGION_INDEX:
      ret = await this.vfio_pci_config_rw(vdev, buf, count, ppos, iswrite);
      break;

    case VFIO_PCI_ROM_REGION_INDEX:
      if (iswrite) ret = -EINVAL;
      else ret = await this.vfio_pci_bar_rw(vdev, buf, count, ppos, false);
      break;

    case VFIO_PCI_BAR0_REGION_INDEX:
    case VFIO_PCI_BAR1_REGION_INDEX:
    case VFIO_PCI_BAR2_REGION_INDEX:
    case VFIO_PCI_BAR3_REGION_INDEX:
    case VFIO_PCI_BAR4_REGION_INDEX:
    case VFIO_PCI_BAR5_REGION_INDEX:
      ret = await this.vfio_pci_bar_rw(vdev, buf, count, ppos, iswrite);
      break;

    case VFIO_PCI_VGA_REGION_INDEX:
      ret = await this.vfio_pci_vga_rw(vdev, buf, count, ppos, iswrite);
      break;

    default:
      index -= VFIO_PCI_NUM_REGIONS;
      ret = await (vdev.region ?? [])[index].ops.rw(vdev, buf, count, ppos, iswrite);
      break;
  }

  await pm_runtime_put(vdev.pdev.dev);
  return ret;
}

// as in v5 4/5
export {
  fields,
  vfio_pci_runtime_pm_entry,
  vfio_pci_core_pm_entry,
  vfio_pci_core_pm_exit,
  vfio_pci_core_runtime_suspend,
  vfio_pci_core_disable,
  vfio_pci_core_ioctl_feature,
  vfio_pci_mmap_fault,
  vfio_pci_dev_set_hot_reset,
} from '../v5/4-implement-vfio-device-feature-low-power-entry-exit.ts';
