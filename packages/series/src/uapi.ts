// SPDX-License-Identifier: GPL-2.0-only
// What the series put into include/uapi/linux/vfio.h, for user space. v3 and v4 gave one name two layouts.

export {
  vfio_device_feature_power_management as v3_feature_power_management,
  VFIO_DEVICE_LOW_POWER_STATE_ENTER,
  VFIO_DEVICE_LOW_POWER_STATE_EXIT,
} from './v3/8-add-the-support-for-pci-d3cold-state.ts';
export {
  VFIO_DEVICE_FEATURE_POWER_MANAGEMENT,
  vfio_device_feature_power_management as v4_feature_power_management,
  VFIO_PM_LOW_POWER_ENTER,
  VFIO_PM_LOW_POWER_EXIT,
  VFIO_PM_LOW_POWER_REENTERY_DISABLE,
} from './v4/2-add-a-new-device-feature-for-the-power-management.ts';
export {
  VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY,
  VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP,
  VFIO_DEVICE_FEATURE_LOW_POWER_EXIT,
  vfio_device_low_power_entry_with_wakeup,
} from './v7/1-add-the-device-features-for-the-low-power-entry-and-exit.ts';
