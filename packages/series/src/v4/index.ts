// SPDX-License-Identifier: GPL-2.0-only

import type { SeriesInfo } from '../types.ts';
import * as p1 from './1-mask-intx-during-runtime-suspend.ts';
import * as p2 from './2-add-a-new-device-feature-for-the-power-management.ts';
import * as p3 from './3-increment-the-runtime-pm-usage-count-during-ioctl-call.ts';
import * as p4 from './4-add-the-support-for-pci-d3cold-state.ts';
import * as p5 from './5-prevent-low-power-re-entry-without-guest-driver.ts';
import * as p6 from './6-add-support-for-virtual-pme.ts';

/** "vfio/pci: power management changes", v4: six patches on v5.19-rc4. */
export const v4: SeriesInfo = {
  name: 'v4',
  title: 'vfio/pci: power management changes',
  version: 4,
  author: { name: 'Abhishek Sahu', email: 'abhsahu@nvidia.com' },
  date: '2022-07-01T11:08:08Z',
  messageId: '20220701110814.7310-1-abhsahu@nvidia.com',
  base: 'v5.19-rc4',
  summary:
    'Lets the user of a VFIO PCI device put it in the deepest sleep that the platform can give it, D3cold where there is ' +
    'one, through a device feature and runtime power management; and says what happens when the host wakes it meanwhile.',
  changelog: [
    'rebased on v5.19-rc4',
    'a virtual PME tells the guest that the host has woken its device',
    'the feature takes flags to enter and exit instead of a state',
    'NVIDIA display devices stay awake after a wake by the host until the guest acts',
    'a flag asks for the same with any device',
    'the D3cold patch is split up',
    'every ioctl but the feature, and every access to a region, holds a usage reference',
    'a resume that fails gives -EIO to the user, whatever the reason',
    'suspend and resume callbacks and the feature are rewritten',
    'a helper also for the put in vfio.c; both take a struct vfio_device',
    'the device need not be in D3hot before it enters low power',
    'the new struct members have new names',
    'the test for low power is in __vfio_pci_memory_enabled()',
  ],
  patches: [p1, p2, p3, p4, p5, p6],
};
