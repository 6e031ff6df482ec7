// SPDX-License-Identifier: GPL-2.0-only

import type { SeriesInfo } from '../types.ts';
import * as p1 from './1-add-the-device-features-for-the-low-power-entry-and-exit.ts';
import * as p2 from './2-increment-the-runtime-pm-usage-count-during-ioctl-call.ts';
import * as p3 from './3-mask-intx-during-runtime-suspend.ts';
import * as p4 from './4-implement-vfio-device-feature-low-power-entry-exit.ts';
import * as p5 from './5-implement-vfio-device-feature-low-power-entry-with-wakeup.ts';

/** "vfio/pci: power management changes", v6: five patches. */
export const v6: SeriesInfo = {
  name: 'v6',
  title: 'vfio/pci: power management changes',
  version: 6,
  author: { name: 'Abhishek Sahu', email: 'abhsahu@nvidia.com' },
  date: '2022-08-17T05:13:18Z',
  messageId: '20220817051323.20091-1-abhsahu@nvidia.com',
  base: 'v6.0-rc1',
  summary:
    'Lets the user of a VFIO PCI device allow it the deepest sleep that the platform can give it, D3cold where there is one, ' +
    'through device features and runtime power management; and, if the user wants, tells it when the host has woken the device.',
  changelog: [
    'rebased on v6.0-rc1',
    'the text of the user API: ENTRY allows low power',
    'the test of what pm_runtime_resume_and_get() returns',
    'exit from low power is taken apart: only the resume callback signals, and it does so before it unmasks INTx',
    'commit messages and comments',
  ],
  patches: [p1, p2, p3, p4, p5],
};
