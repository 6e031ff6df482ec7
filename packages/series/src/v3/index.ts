// SPDX-License-Identifier: GPL-2.0-only

import type { SeriesInfo } from '../types.ts';
import * as p1 from './1-invalidate-mmaps-and-block-the-access-in-d3hot-power-state.ts';
import * as p2 from './2-change-the-pf-power-state-to-d0-before-enabling-vfs.ts';
import * as p3 from './3-virtualize-pme-related-registers-bits-and-initialize-to-zero.ts';
import * as p4 from './4-add-support-for-setting-driver-data-inside-core-layer.ts';
import * as p5 from './5-enable-runtime-pm-for-vfio-pci-core-based-drivers.ts';
import * as p6 from './6-invoke-runtime-pm-api-for-ioctl-request.ts';
import * as p7 from './7-mask-intx-during-runtime-suspend.ts';
import * as p8 from './8-add-the-support-for-pci-d3cold-state.ts';

/** "vfio/pci: power management changes", v3: eight patches, of which the first five came into v5.19 by themselves. */
export const v3: SeriesInfo = {
  name: 'v3',
  title: 'vfio/pci: power management changes',
  version: 3,
  author: { name: 'Abhishek Sahu', email: 'abhsahu@nvidia.com' },
  date: '2022-04-25T09:26:07Z',
  messageId: '20220425092615.10133-1-abhsahu@nvidia.com',
  base: 'v5.18-rc3',
  summary:
    'Puts a VFIO PCI device that nobody uses to sleep through runtime power management, and lets the user of one put it in ' +
    'the deepest sleep that the platform can give it, through a device feature, once the guest has it in D3hot.',
  changelog: [
    'rebased on v5.18-rc3',
    'no longer an RFC',
    'what the review of v2 asked for',
    'the host may wake the device and let it fall asleep again: to keep it awake is left for later',
    'a device feature instead of a new ioctl',
    'the PCI core does all of the power management; the callbacks only mask INTx',
    'the wake-up is in the vfio core, since there is more than one driver',
    'the PCI core layer of vfio sets the dev_pm_ops, not each driver',
    'a PF with VFs keeps its power',
    'driver data in a patch of its own',
    'INTx is masked while the device is suspended',
    'fixes come first',
    'a flag for D3 in place of a copy of the power state',
    'I/O ports can be accessed in D3',
    'vfio_lock_and_set_power_state() around vfio_pci_set_power_state()',
    'the fixes of NoSoftRst- devices that went in meanwhile',
  ],
  patches: [p1, p2, p3, p4, p5, p6, p7, p8],
};
