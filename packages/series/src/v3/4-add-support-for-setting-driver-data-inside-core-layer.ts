// SPDX-License-Identifier: GPL-2.0-only
/*
 * v3 4/8: the core sets the driver data that the callbacks of runtime PM need. In the base the drivers set it themselves,
 * and the core checks. The drivers hisi_acc_vfio_pci and mlx5 are not ported.
 */

import type { PatchInfo } from '../types.ts';

export const patch: PatchInfo = {
  number: 4,
  subject: 'vfio/pci: Add support for setting driver data inside core layer',
  messageId: '20220425092615.10133-5-abhsahu@nvidia.com',
  date: '2022-04-25T09:26:11Z',
  inBase: true,
  files: [
    'drivers/vfio/pci/hisilicon/hisi_acc_vfio_pci.c',
    'drivers/vfio/pci/mlx5/main.c',
    'drivers/vfio/pci/vfio_pci.c',
    'drivers/vfio/pci/vfio_pci_core.c',
    'include/linux/vfio_pci_core.h',
  ],
  functions: {
    'drivers/vfio/pci/vfio_pci.c': ['vfio_pci_probe'],
    'drivers/vfio/pci/vfio_pci_core.c': ['vfio_pci_core_register_device', 'vfio_pci_core_unregister_device'],
  },
};
