// SPDX-License-Identifier: GPL-2.0-only
/*
 * v5 1/5: the user API of the low power features, one to enter, one to enter and be told of the end, one to exit; nothing
 * behind it yet.
 */

import { ustruct } from '@vfio-lab/kernel';
import type { PatchInfo } from '../types.ts';

export const patch: PatchInfo = {
  number: 1,
  subject: 'vfio: Add the device features for the low power entry and exit',
  messageId: '20220719121523.21396-2-abhsahu@nvidia.com',
  date: '2022-07-19T12:15:19Z',
  files: ['include/uapi/linux/vfio.h'],
  functions: {},
};

export const VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY = 3;

/** C: include/uapi/linux/vfio.h struct vfio_device_low_power_entry_with_wakeup; `reserved` is looked at by nobody. */
export const vfio_device_low_power_entry_with_wakeup = ustruct('vfio_device_low_power_entry_with_wakeup', {
  wakeup_eventfd: 's32',
  reserved: 'u32',
});
export type vfio_device_low_power_entry_with_wakeup = InstanceType<
  typeof vfio_device_low_power_entry_with_wakeup
>;

export const VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP = 4;

export const VFIO_DEVICE_FEATURE_LOW_POWER_EXIT = 5;
