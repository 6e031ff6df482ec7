// SPDX-License-Identifier: GPL-2.0-only
// v5 2/5: a device is awake, and stays so, for the length of every ioctl, the low power features among them.

import type { int, u32 } from '@vfio-lab/sim';
import type { file, user_ptr } from '@vfio-lab/kernel';
import { EINVAL } from '@vfio-lab/kernel';
import type { Kernel, vfio_device } from '@vfio-lab/headers';
import { VFIO_DEVICE_FEATURE } from '@vfio-lab/headers';
import type { PatchInfo } from '../types.ts';

export const patch: PatchInfo = {
  number: 2,
  subject: 'vfio: Increment the runtime PM usage count during IOCTL call',
  messageId: '20220719121523.21396-3-abhsahu@nvidia.com',
  date: '2022-07-19T12:15:20Z',
  files: ['drivers/vfio/vfio.c'],
  functions: {
    'drivers/vfio/vfio.c': [
      'vfio_device_pm_runtime_get',
      'vfio_device_pm_runtime_put',
      'vfio_device_fops_unl_ioctl',
    ],
  },
};

// as in v4 3/6
export {
  vfio_device_pm_runtime_get,
  vfio_device_pm_runtime_put,
} from '../v4/3-increment-the-runtime-pm-usage-count-during-ioctl-call.ts';

/** C: drivers/vfio/vfio.c vfio_device_fops_unl_ioctl() */
export async function vfio_device_fops_unl_ioctl(
  this: Kernel,
  filep: file,
  cmd: u32,
  arg: user_ptr,
): Promise<number> {
  const device = filep.private_data as vfio_device;
  let ret: int;

  ret = await this.vfio_device_pm_runtime_get(device);
  if (ret) return ret;

  switch (cmd) {
    case VFIO_DEVICE_FEATURE:
      ret = await this.vfio_ioctl_device_feature(device, arg);
      break;

    default:
      if (!device.ops.ioctl) ret = -EINVAL;
      else ret = await device.ops.ioctl(device, cmd, arg);
      break;
  }

  await this.vfio_device_pm_runtime_put(device);
  return ret;
}
