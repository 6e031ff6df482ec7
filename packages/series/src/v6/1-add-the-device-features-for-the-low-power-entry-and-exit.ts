// SPDX-License-Identifier: GPL-2.0-only
// v6 1/5: the user API of the low power features; as in v5, but the text says that ENTRY allows low power, not that it brings it.

import type { PatchInfo } from '../types.ts';

export const patch: PatchInfo = {
  number: 1,
  subject: 'vfio: Add the device features for the low power entry and exit',
  messageId: '20220817051323.20091-2-abhsahu@nvidia.com',
  date: '2022-08-17T05:13:19Z',
  files: ['include/uapi/linux/vfio.h'],
  functions: {},
};

export {
  VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY,
  VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP,
  vfio_device_low_power_entry_with_wakeup,
  VFIO_DEVICE_FEATURE_LOW_POWER_EXIT,
} from '../v5/1-add-the-device-features-for-the-low-power-entry-and-exit.ts';
