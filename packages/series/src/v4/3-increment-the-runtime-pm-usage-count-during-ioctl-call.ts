// SPDX-License-Identifier: GPL-2.0-only
// v4 3/6: a device is awake, and stays so, for the length of every ioctl but the power management feature.

import type { int, u32 } from '@vfio-lab/sim';
import type { file, user_ptr } from '@vfio-lab/kernel';
import { copy_from_user, dev_info_ratelimited, EFAULT, EINVAL, EIO, offsetofend } from '@vfio-lab/kernel';
import { pm_runtime_put, pm_runtime_resume_and_get } from '@vfio-lab/runtime-pm';
import type { Kernel, vfio_device } from '@vfio-lab/headers';
import {
  VFIO_DEVICE_FEATURE,
  vfio_device_feature,
  VFIO_DEVICE_FEATURE_DATA,
  VFIO_DEVICE_FEATURE_GET,
  VFIO_DEVICE_FEATURE_MASK,
  VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE,
  VFIO_DEVICE_FEATURE_MIGRATION,
  VFIO_DEVICE_FEATURE_PROBE,
  VFIO_DEVICE_FEATURE_SET,
} from '@vfio-lab/headers';
import type { PatchInfo } from '../types.ts';
import { VFIO_DEVICE_FEATURE_POWER_MANAGEMENT } from './2-add-a-new-device-feature-for-the-power-management.ts';

declare module '@vfio-lab/headers' {
  interface vfio_c {
    vfio_device_pm_runtime_get(device: vfio_device): Promise<int>;
    vfio_device_pm_runtime_put(device: vfio_device): Promise<void>;
  }
}

export const patch: PatchInfo = {
  number: 3,
  subject: 'vfio: Increment the runtime PM usage count during IOCTL call',
  messageId: '20220701110814.7310-4-abhsahu@nvidia.com',
  date: '2022-07-01T11:08:11Z',
  files: ['drivers/vfio/vfio.c'],
  functions: {
    'drivers/vfio/vfio.c': [
      'vfio_device_pm_runtime_get',
      'vfio_device_pm_runtime_put',
      'vfio_ioctl_device_feature',
      'vfio_device_fops_unl_ioctl',
    ],
  },
};

/** C: drivers/vfio/vfio.c vfio_device_pm_runtime_get() */
export async function vfio_device_pm_runtime_get(this: Kernel, device: vfio_device): Promise<int> {
  const { dev } = device;

  // only drivers that take part in runtime PM
  if (dev.driver && dev.driver.pm) {
    const ret = await pm_runtime_resume_and_get(dev);
    if (ret < 0) {
      // The reason says nothing about what the user asked for: it gets -EIO.
      dev_info_ratelimited(dev, `vfio: runtime resume failed ${ret}\n`);
      return -EIO;
    }
  }

  return 0;
}

/** C: drivers/vfio/vfio.c vfio_device_pm_runtime_put() */
export async function vfio_device_pm_runtime_put(this: Kernel, device: vfio_device): Promise<void> {
  const { dev } = device;

  if (dev.driver && dev.driver.pm) await pm_runtime_put(dev);
}

/** C: drivers/vfio/vfio.c vfio_ioctl_device_feature() */
export async function vfio_ioctl_device_feature(
  this: Kernel,
  device: vfio_device,
  arg: user_ptr,
): Promise<int> {
  const minsz = offsetofend(vfio_device_feature, 'flags');
  const feature = new vfio_device_feature();
  let ret: int = 0;

  if (copy_from_user(feature, arg, minsz)) return -EFAULT;

  if (feature.argsz < minsz) return -EINVAL;

  // Flags that mean nothing
  if (
    feature.flags &
    ~(
      VFIO_DEVICE_FEATURE_MASK |
      VFIO_DEVICE_FEATURE_SET |
      VFIO_DEVICE_FEATURE_GET |
      VFIO_DEVICE_FEATURE_PROBE
    )
  )
    return -EINVAL;

  // Both at once only to probe
  if (
    !(feature.flags & VFIO_DEVICE_FEATURE_PROBE) &&
    feature.flags & VFIO_DEVICE_FEATURE_SET &&
    feature.flags & VFIO_DEVICE_FEATURE_GET
  )
    return -EINVAL;

  const feature_cmd = feature.flags & VFIO_DEVICE_FEATURE_MASK;

  // The power management feature itself lets the device sleep and wakes it.
  if (feature_cmd !== VFIO_DEVICE_FEATURE_POWER_MANAGEMENT) {
    ret = await this.vfio_device_pm_runtime_get(device);
    if (ret) return ret;
  }

  const data = arg + VFIO_DEVICE_FEATURE_DATA;
  switch (feature_cmd) {
    case VFIO_DEVICE_FEATURE_MIGRATION:
      ret = this.vfio_ioctl_device_feature_migration(device, feature.flags, data, feature.argsz - minsz);
      break;
    case VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE:
      ret = await this.vfio_ioctl_device_feature_mig_device_state(
        device,
        feature.flags,
        data,
        feature.argsz - minsz,
      );
      break;
    default:
      if (!device.ops.device_feature) ret = -EINVAL;
      else ret = await device.ops.device_feature(device, feature.flags, data, feature.argsz - minsz);
      break;
  }

  if (feature_cmd !== VFIO_DEVICE_FEATURE_POWER_MANAGEMENT) await this.vfio_device_pm_runtime_put(device);

  return ret;
}

/** C: drivers/vfio/vfio.c vfio_device_fops_unl_ioctl() */
export async function vfio_device_fops_unl_ioctl(
  this: Kernel,
  filep: file,
  cmd: u32,
  arg: user_ptr,
): Promise<number> {
  const device = filep.private_data as vfio_device;
  let ret: int;

  switch (cmd) {
    case VFIO_DEVICE_FEATURE:
      return await this.vfio_ioctl_device_feature(device, arg);
    default:
      if (!device.ops.ioctl) return -EINVAL;

      ret = await this.vfio_device_pm_runtime_get(device);
      if (ret) return ret;

      ret = await device.ops.ioctl(device, cmd, arg);
      await this.vfio_device_pm_runtime_put(device);
      return ret;
  }
}
