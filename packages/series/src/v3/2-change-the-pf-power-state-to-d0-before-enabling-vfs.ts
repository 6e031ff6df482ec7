// SPDX-License-Identifier: GPL-2.0-only
// v3 2/8: a PF is in D0 as long as it has VFs. The base has it, and holds memory_lock across both steps.

import type { PatchInfo } from '../types.ts';

export const patch: PatchInfo = {
  number: 2,
  subject: 'vfio/pci: Change the PF power state to D0 before enabling VFs',
  messageId: '20220425092615.10133-3-abhsahu@nvidia.com',
  date: '2022-04-25T09:26:09Z',
  inBase: true,
  files: ['drivers/vfio/pci/vfio_pci_core.c'],
  functions: {
    'drivers/vfio/pci/vfio_pci_core.c': ['vfio_pci_set_power_state', 'vfio_pci_core_sriov_configure'],
  },
};
