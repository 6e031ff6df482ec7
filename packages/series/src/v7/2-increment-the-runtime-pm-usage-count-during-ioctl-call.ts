// SPDX-License-Identifier: GPL-2.0-only
// v7 2/5: a device is awake, and stays so, for the length of every ioctl. The functions are those of v6.

import type { PatchInfo } from '../types.ts';

export const patch: PatchInfo = {
  number: 2,
  subject: 'vfio: Increment the runtime PM usage count during IOCTL call',
  messageId: '20220829114850.4341-3-abhsahu@nvidia.com',
  date: '2022-08-29T11:48:47Z',
  files: ['drivers/vfio/vfio_main.c'],
  functions: {
    'drivers/vfio/vfio_main.c': [
      'vfio_device_pm_runtime_get',
      'vfio_device_pm_runtime_put',
      'vfio_device_fops_unl_ioctl',
    ],
  },
};

export {
  vfio_device_pm_runtime_get,
  vfio_device_pm_runtime_put,
  vfio_device_fops_unl_ioctl,
} from '../v6/2-increment-the-runtime-pm-usage-count-during-ioctl-call.ts';
