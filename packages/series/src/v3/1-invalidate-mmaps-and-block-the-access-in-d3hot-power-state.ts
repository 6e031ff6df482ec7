// SPDX-License-Identifier: GPL-2.0-only
/*
 * v3 1/8: no memory of a device in D3hot. The base has it in a later form: __vfio_pci_memory_enabled() asks for the power
 * state of the PCI core, where this one kept a flag of its own, power_state_d3.
 */

import type { PatchInfo } from '../types.ts';

export const patch: PatchInfo = {
  number: 1,
  subject: 'vfio/pci: Invalidate mmaps and block the access in D3hot power state',
  messageId: '20220425092615.10133-2-abhsahu@nvidia.com',
  date: '2022-04-25T09:26:08Z',
  inBase: true,
  files: [
    'drivers/vfio/pci/vfio_pci_config.c',
    'drivers/vfio/pci/vfio_pci_core.c',
    'drivers/vfio/pci/vfio_pci_rdwr.c',
    'include/linux/vfio_pci_core.h',
  ],
  functions: {
    'drivers/vfio/pci/vfio_pci_config.c': ['vfio_lock_and_set_power_state', 'vfio_pm_config_write'],
    'drivers/vfio/pci/vfio_pci_core.c': ['vfio_pci_set_power_state', 'vfio_pci_mmap_fault'],
    'drivers/vfio/pci/vfio_pci_rdwr.c': [
      'vfio_pci_iowrite8',
      'vfio_pci_iowrite16',
      'vfio_pci_iowrite32',
      'vfio_pci_iowrite64',
      'vfio_pci_ioread8',
      'vfio_pci_ioread16',
      'vfio_pci_ioread32',
    ],
  },
};
