// SPDX-License-Identifier: GPL-2.0-only
// v3 3/8: the guest sees a device without PME. The base has it as it was.

import type { PatchInfo } from '../types.ts';

export const patch: PatchInfo = {
  number: 3,
  subject: 'vfio/pci: Virtualize PME related registers bits and initialize to zero',
  messageId: '20220425092615.10133-4-abhsahu@nvidia.com',
  date: '2022-04-25T09:26:10Z',
  inBase: true,
  files: ['drivers/vfio/pci/vfio_pci_config.c'],
  functions: {
    'drivers/vfio/pci/vfio_pci_config.c': [
      'init_pci_cap_pm_perm',
      'vfio_update_pm_vconfig_bytes',
      'vfio_cap_init',
    ],
  },
};
