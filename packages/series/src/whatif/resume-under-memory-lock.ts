// SPDX-License-Identifier: GPL-2.0-only
/*
 * What if EXIT woke the device before it released memory_lock? The resume callback takes that lock.
 */

import type { int, u32 } from '@vfio-lab/sim';
import { down_read, down_write, up_read, up_write } from '@vfio-lab/locking';
import type { user_ptr } from '@vfio-lab/kernel';
import { container_of, copy_from_user, copy_to_user, EFAULT, EINVAL, sizeof } from '@vfio-lab/kernel';
import {
  pm_runtime_get_noresume,
  pm_runtime_put,
  pm_runtime_put_noidle,
  pm_runtime_resume,
} from '@vfio-lab/runtime-pm';
import type { Kernel, vfio_device, vfio_pci_core_device } from '@vfio-lab/headers';
import { vfio_check_feature, VFIO_DEVICE_FEATURE_GET, VFIO_DEVICE_FEATURE_SET } from '@vfio-lab/headers';
import type { WhatIfInfo } from '../types.ts';
import {
  vfio_device_feature_power_management,
  VFIO_PM_LOW_POWER_ENTER,
  VFIO_PM_LOW_POWER_EXIT,
  VFIO_PM_LOW_POWER_REENTERY_DISABLE,
} from '../v4/2-add-a-new-device-feature-for-the-power-management.ts';

export const whatif: WhatIfInfo = {
  name: 'resume-under-memory-lock',
  summary: 'EXIT wakes the device with memory_lock held',
  series: 'v4',
  prefixes: [5, 6],
  functions: {
    'drivers/vfio/pci/vfio_pci_core.c': ['vfio_pci_core_feature_pm'],
  },
};

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_feature_pm() */
export async function vfio_pci_core_feature_pm(
  this: Kernel,
  device: vfio_device,
  flags: u32,
  arg: user_ptr,
  argsz: number,
): Promise<int> {
  const vdev = container_of<vfio_pci_core_device>(device);
  const { pdev } = vdev;
  const vfio_pm = new vfio_device_feature_power_management();

  let ret = vfio_check_feature(
    flags,
    argsz,
    VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_GET,
    sizeof(vfio_device_feature_power_management),
  );
  if (ret !== 1) return ret;

  if (flags & VFIO_DEVICE_FEATURE_GET) {
    await down_read(vdev.memory_lock);
    if (vdev.pm_runtime_engaged) {
      vfio_pm.flags = VFIO_PM_LOW_POWER_ENTER;
      if (!vdev.pm_runtime_reentry_allowed) vfio_pm.flags |= VFIO_PM_LOW_POWER_REENTERY_DISABLE;
    } else {
      vfio_pm.flags = VFIO_PM_LOW_POWER_EXIT;
      if (!this.vfio_pci_low_power_reentry_allowed(pdev)) vfio_pm.flags |= VFIO_PM_LOW_POWER_REENTERY_DISABLE;
    }
    await up_read(vdev.memory_lock);

    if (copy_to_user(arg, vfio_pm, sizeof(vfio_device_feature_power_management))) return -EFAULT;

    return 0;
  }

  if (copy_from_user(vfio_pm, arg, sizeof(vfio_device_feature_power_management))) return -EFAULT;

  ret = this.vfio_pci_pm_validate_flags(vfio_pm.flags);
  if (ret) return ret;

  // memory_lock protects the low power state.
  if (vfio_pm.flags & VFIO_PM_LOW_POWER_ENTER) {
    await this.vfio_pci_zap_and_down_write_memory_lock(vdev);
    if (vdev.pm_runtime_engaged) {
      await up_write(vdev.memory_lock);
      return -EINVAL;
    }

    vdev.pm_runtime_engaged = true;
    vdev.pm_runtime_resumed = false;

    // After a wake by the host the device would go back to sleep by itself: may it?
    vdev.pm_runtime_reentry_allowed =
      this.vfio_pci_low_power_reentry_allowed(pdev) && !(vfio_pm.flags & VFIO_PM_LOW_POWER_REENTERY_DISABLE);

    await up_write(vdev.memory_lock);
    await pm_runtime_put(pdev.dev);
  } else if (vfio_pm.flags & VFIO_PM_LOW_POWER_EXIT) {
    await down_write(vdev.memory_lock);
    if (!vdev.pm_runtime_engaged) {
      await up_write(vdev.memory_lock);
      return -EINVAL;
    }

    vdev.pm_runtime_engaged = false;
    if (vdev.pm_runtime_resumed) {
      vdev.pm_runtime_resumed = false;
      await up_write(vdev.memory_lock);
      return 0;
    }

    await pm_runtime_get_noresume(pdev.dev);
    ret = await pm_runtime_resume(pdev.dev);
    if (ret < 0) {
      vdev.pm_runtime_engaged = true;
      await pm_runtime_put_noidle(pdev.dev);
    }
    await up_write(vdev.memory_lock);
    if (ret < 0) return ret;
  } else {
    return -EINVAL;
  }

  return 0;
}
