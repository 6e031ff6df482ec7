// SPDX-License-Identifier: GPL-2.0-only
/*
 * What if memory_lock were released between the move to D0 and the VFs, as in part 1 v4? The user of the PF can write
 * D3hot in between, which is refused only once there are VFs.
 */

import type { int } from '@vfio-lab/sim';
import { down_write, mutex_lock, mutex_unlock, up_write } from '@vfio-lab/locking';
import { device_lock_assert, EINVAL, list_add_tail, list_del_init, list_empty } from '@vfio-lab/kernel';
import { pm_runtime_put, pm_runtime_resume_and_get } from '@vfio-lab/runtime-pm';
import { PCI_D0, pci_disable_sriov, pci_enable_sriov, pci_num_vf } from '@vfio-lab/pci';
import type { Kernel, vfio_pci_core_device } from '@vfio-lab/headers';
import type { WhatIfInfo } from '../types.ts';

export const whatif: WhatIfInfo = {
  name: 'vf-enable-unlocked',
  summary: 'VFs are enabled after memory_lock is released',
  series: 'v4',
  prefixes: [0, 1, 2, 3, 4, 5, 6],
  functions: {
    'drivers/vfio/pci/vfio_pci_core.c': ['vfio_pci_core_sriov_configure'],
  },
};

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_sriov_configure() */
export async function vfio_pci_core_sriov_configure(
  this: Kernel,
  vdev: vfio_pci_core_device,
  nr_virtfn: int,
): Promise<int> {
  const { pdev } = vdev;
  let ret: int = 0;

  device_lock_assert(pdev.dev);

  out_unlock: {
    out_del: {
      if (nr_virtfn) {
        await mutex_lock(this.vfio_pci_sriov_pfs_mutex);
        if (!list_empty(vdev.sriov_pfs_item)) {
          ret = -EINVAL;
          break out_unlock;
        }
        list_add_tail(vdev.sriov_pfs_item, this.vfio_pci_sriov_pfs);
        await mutex_unlock(this.vfio_pci_sriov_pfs_mutex);

        ret = await pm_runtime_resume_and_get(pdev.dev);
        if (ret) break out_del;

        await down_write(vdev.memory_lock);
        await this.vfio_pci_set_power_state(vdev, PCI_D0);
        await up_write(vdev.memory_lock);

        ret = await pci_enable_sriov(pdev, nr_virtfn);
        if (ret) {
          await pm_runtime_put(pdev.dev);
          break out_del;
        }
        return nr_virtfn;
      }

      if (pci_num_vf(pdev)) {
        await pci_disable_sriov(pdev);
        await pm_runtime_put(pdev.dev);
      }
    }
    await mutex_lock(this.vfio_pci_sriov_pfs_mutex);
    list_del_init(vdev.sriov_pfs_item);
  }
  await mutex_unlock(this.vfio_pci_sriov_pfs_mutex);
  return ret;
}
