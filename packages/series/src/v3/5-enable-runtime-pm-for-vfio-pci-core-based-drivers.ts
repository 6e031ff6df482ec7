// SPDX-License-Identifier: GPL-2.0-only
// v3 5/8: a device that nobody has open suspends through runtime PM. The base has it, with the changes of two more rounds.

import type { PatchInfo } from '../types.ts';

export const patch: PatchInfo = {
  number: 5,
  subject: 'vfio/pci: Enable runtime PM for vfio_pci_core based drivers',
  messageId: '20220425092615.10133-6-abhsahu@nvidia.com',
  date: '2022-04-25T09:26:12Z',
  inBase: true,
  files: ['drivers/vfio/pci/vfio_pci_core.c'],
  functions: {
    'drivers/vfio/pci/vfio_pci_core.c': [
      'vfio_pci_core_enable',
      'vfio_pci_core_disable',
      'vfio_pci_core_register_device',
      'vfio_pci_core_unregister_device',
      'vfio_pci_core_sriov_configure',
      'vfio_pci_dev_set_pm_runtime_get',
      'vfio_pci_dev_set_try_reset',
    ],
  },
};
