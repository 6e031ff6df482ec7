// SPDX-License-Identifier: GPL-2.0-only
// v6 2/5: a device is awake, and stays so, for the length of every ioctl.

import type { int } from '@vfio-lab/sim';
import { dev_info_ratelimited, EIO } from '@vfio-lab/kernel';
import { pm_runtime_resume_and_get } from '@vfio-lab/runtime-pm';
import type { Kernel, vfio_device } from '@vfio-lab/headers';
import type { PatchInfo } from '../types.ts';

export const patch: PatchInfo = {
  number: 2,
  subject: 'vfio: Increment the runtime PM usage count during IOCTL call',
  messageId: '20220817051323.20091-3-abhsahu@nvidia.com',
  date: '2022-08-17T05:13:20Z',
  files: ['drivers/vfio/vfio_main.c'],
  functions: {
    'drivers/vfio/vfio_main.c': [
      'vfio_device_pm_runtime_get',
      'vfio_device_pm_runtime_put',
      'vfio_device_fops_unl_ioctl',
    ],
  },
};

/** C: drivers/vfio/vfio_main.c vfio_device_pm_runtime_get() */
export async function vfio_device_pm_runtime_get(this: Kernel, device: vfio_device): Promise<int> {
  const { dev } = device;

  // only drivers that take part in runtime PM
  if (dev.driver && dev.driver.pm) {
    const ret = await pm_runtime_resume_and_get(dev);
    if (ret) {
      // The reason says nothing about what the user asked for: it gets -EIO.
      dev_info_ratelimited(dev, `vfio: runtime resume failed ${ret}\n`);
      return -EIO;
    }
  }

  return 0;
}

// as in v5 2/5
export {
  vfio_device_pm_runtime_put,
  vfio_device_fops_unl_ioctl,
} from '../v5/2-increment-the-runtime-pm-usage-count-during-ioctl-call.ts';
