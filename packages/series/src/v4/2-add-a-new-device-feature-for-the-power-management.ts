// SPDX-License-Identifier: GPL-2.0-only
// v4 2/6: the user API of the low power feature; nothing behind it yet.

import { ustruct } from '@vfio-lab/kernel';
import type { PatchInfo } from '../types.ts';

export const patch: PatchInfo = {
  number: 2,
  subject: 'vfio: Add a new device feature for the power management',
  messageId: '20220701110814.7310-3-abhsahu@nvidia.com',
  date: '2022-07-01T11:08:10Z',
  files: ['include/uapi/linux/vfio.h'],
  functions: {},
};

/** C: include/uapi/linux/vfio.h struct vfio_device_feature_power_management; `reserved` is looked at by nobody. */
export const vfio_device_feature_power_management = ustruct('vfio_device_feature_power_management', {
  flags: 'u32',
  reserved: 'u32',
});
export type vfio_device_feature_power_management = InstanceType<typeof vfio_device_feature_power_management>;

export const VFIO_PM_LOW_POWER_ENTER = 1 << 0;
export const VFIO_PM_LOW_POWER_EXIT = 1 << 1;
export const VFIO_PM_LOW_POWER_REENTERY_DISABLE = 1 << 2; // spelled as in the header

export const VFIO_DEVICE_FEATURE_POWER_MANAGEMENT = 3;
