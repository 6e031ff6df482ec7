// SPDX-License-Identifier: GPL-2.0-only
/*
 * v6 3/5: a handler on a shared line must not read the config space of a device in D3cold, so INTx is masked while the
 * device is suspended. The functions are those of v5.
 */

import type { PatchInfo } from '../types.ts';

export const patch: PatchInfo = {
  number: 3,
  subject: 'vfio/pci: Mask INTx during runtime suspend',
  messageId: '20220817051323.20091-4-abhsahu@nvidia.com',
  date: '2022-08-17T05:13:21Z',
  files: [
    'drivers/vfio/pci/vfio_pci_core.c',
    'drivers/vfio/pci/vfio_pci_intrs.c',
    'include/linux/vfio_pci_core.h',
  ],
  functions: {
    'drivers/vfio/pci/vfio_pci_core.c': ['vfio_pci_core_runtime_suspend', 'vfio_pci_core_runtime_resume'],
    'drivers/vfio/pci/vfio_pci_intrs.c': ['vfio_pci_intx_mask'],
  },
};

export {
  fields,
  statics,
  vfio_pci_core_runtime_suspend,
  vfio_pci_core_runtime_resume,
  vfio_pci_intx_mask,
} from '../v5/3-mask-intx-during-runtime-suspend.ts';
