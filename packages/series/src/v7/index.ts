// SPDX-License-Identifier: GPL-2.0-only

import type { SeriesInfo } from '../types.ts';
import * as p1 from './1-add-the-device-features-for-the-low-power-entry-and-exit.ts';
import * as p2 from './2-increment-the-runtime-pm-usage-count-during-ioctl-call.ts';
import * as p3 from './3-mask-intx-during-runtime-suspend.ts';
import * as p4 from './4-implement-vfio-device-feature-low-power-entry-exit.ts';
import * as p5 from './5-implement-vfio-device-feature-low-power-entry-with-wakeup.ts';

/** "vfio/pci: power management changes", v7: five patches, as they were merged for v6.1. */
export const v7: SeriesInfo = {
  name: 'v7',
  title: 'vfio/pci: power management changes',
  version: 7,
  author: { name: 'Abhishek Sahu', email: 'abhsahu@nvidia.com' },
  date: '2022-08-29T11:48:45Z',
  messageId: '20220829114850.4341-1-abhsahu@nvidia.com',
  base: 'vfio next (2022-08)',
  summary:
    'Lets the user of a VFIO PCI device allow it the deepest sleep that the platform can give it, D3cold where there is one, ' +
    'through device features and runtime power management; and, if the user wants, tells it when the host has woken the device.',
  changelog: [
    'rebased on two series that split up the header and the ioctl function of vfio-pci',
    'irq_type is compared in place of is_intx(), which has become static',
    'a typed user pointer in the entry with wakeup',
    'the features in alphabetical order',
  ],
  patches: [p1, p2, p3, p4, p5],
};
