// SPDX-License-Identifier: GPL-2.0-only

import type { SeriesInfo } from '../types.ts';
import * as p1 from './1-add-the-device-features-for-the-low-power-entry-and-exit.ts';
import * as p2 from './2-increment-the-runtime-pm-usage-count-during-ioctl-call.ts';
import * as p3 from './3-mask-intx-during-runtime-suspend.ts';
import * as p4 from './4-implement-vfio-device-feature-low-power-entry-exit.ts';
import * as p5 from './5-implement-vfio-device-feature-low-power-entry-with-wakeup.ts';

/** "vfio/pci: power management changes", v5: five patches. */
export const v5: SeriesInfo = {
  name: 'v5',
  title: 'vfio/pci: power management changes',
  version: 5,
  author: { name: 'Abhishek Sahu', email: 'abhsahu@nvidia.com' },
  date: '2022-07-19T12:15:18Z',
  messageId: '20220719121523.21396-1-abhsahu@nvidia.com',
  base: 'vfio next (2022-07)',
  summary:
    'Lets the user of a VFIO PCI device allow it the deepest sleep that the platform can give it, D3cold where there is one, ' +
    'through device features and runtime power management; and, if the user wants, tells it when the host has woken the device.',
  changelog: [
    'rebased on the next branch of vfio',
    'three device features, one to enter, one to enter and be told of the wake, one to exit',
    'no virtual PME',
    'every ioctl holds a usage reference, the power management features too',
    'entry and exit are functions of their own',
    'no policy in the kernel: user space decides whether the device may sleep again',
    "'intx_masked' is now 'masked_changed', and the comment says what it means",
    'another order of the patches',
  ],
  patches: [p1, p2, p3, p4, p5],
};
