// SPDX-License-Identifier: GPL-2.0-only
/*
 * What if 3/6 were not there? An ioctl that has begun while the device was awake goes on when another thread lets it
 * sleep.
 */

import type { int } from '@vfio-lab/sim';
import type { Kernel, vfio_device } from '@vfio-lab/headers';
import type { WhatIfInfo } from '../types.ts';

export const whatif: WhatIfInfo = {
  name: 'no-ioctl-reference',
  summary: 'an ioctl holds no usage reference',
  series: 'v4',
  prefixes: [3, 4, 5, 6],
  functions: {
    'drivers/vfio/vfio.c': ['vfio_device_pm_runtime_get', 'vfio_device_pm_runtime_put'],
  },
};

/** C: drivers/vfio/vfio.c vfio_device_pm_runtime_get() */
export function vfio_device_pm_runtime_get(this: Kernel, _device: vfio_device): Promise<int> {
  return Promise.resolve(0);
}

/** C: drivers/vfio/vfio.c vfio_device_pm_runtime_put() */
export function vfio_device_pm_runtime_put(this: Kernel, _device: vfio_device): Promise<void> {
  return Promise.resolve();
}
