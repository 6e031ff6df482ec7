// SPDX-License-Identifier: GPL-2.0-only
// v3 6/8: a device is awake, and stays so, for the length of every ioctl.

import type { int, u32 } from '@vfio-lab/sim';
import type { device, file, user_ptr } from '@vfio-lab/kernel';
import { EINVAL } from '@vfio-lab/kernel';
import { pm_runtime_put, pm_runtime_resume_and_get } from '@vfio-lab/runtime-pm';
import type { Kernel, vfio_device } from '@vfio-lab/headers';
import { VFIO_DEVICE_FEATURE } from '@vfio-lab/headers';
import type { PatchInfo } from '../types.ts';

declare module '@vfio-lab/headers' {
  interface vfio_c {
    vfio_device_pm_runtime_get(dev: device): Promise<int>;
  }
}

export const patch: PatchInfo = {
  number: 6,
  subject: 'vfio: Invoke runtime PM API for IOCTL request',
  messageId: '20220425092615.10133-7-abhsahu@nvidia.com',
  date: '2022-04-25T09:26:13Z',
  files: ['drivers/vfio/vfio.c'],
  functions: {
    'drivers/vfio/vfio.c': ['vfio_device_pm_runtime_get', 'vfio_device_fops_unl_ioctl'],
  },
};

/** C: drivers/vfio/vfio.c vfio_device_pm_runtime_get() */
export async function vfio_device_pm_runtime_get(this: Kernel, dev: device): Promise<int> {
  // only drivers that take part in runtime PM
  if (!dev.driver || !dev.driver.pm) return 0;

  const ret = await pm_runtime_resume_and_get(dev);
  if (ret < 0) return ret;

  // there is something to put
  return 1;
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

  const pm_ret = await this.vfio_device_pm_runtime_get(device.dev);
  if (pm_ret < 0) return pm_ret;

  switch (cmd) {
    case VFIO_DEVICE_FEATURE:
      ret = await this.vfio_ioctl_device_feature(device, arg);
      break;
    default:
      if (!device.ops.ioctl) ret = -EINVAL;
      else ret = await device.ops.ioctl(device, cmd, arg);
      break;
  }

  if (pm_ret) await pm_runtime_put(device.dev);

  return ret;
}
