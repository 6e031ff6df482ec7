// SPDX-License-Identifier: GPL-2.0-only
/*
 * v3 7/8: a handler on a shared line must not read the config space of a device in D3cold, so INTx is masked while the
 * device is suspended. The functions are those of v4 1/6.
 */

import type { PatchInfo } from '../types.ts';

export const patch: PatchInfo = {
  number: 7,
  subject: 'vfio/pci: Mask INTx during runtime suspend',
  messageId: '20220425092615.10133-8-abhsahu@nvidia.com',
  date: '2022-04-25T09:26:14Z',
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
  vfio_pci_core_runtime_resume,
  vfio_pci_core_runtime_suspend,
  vfio_pci_intx_mask,
} from '../v4/1-mask-intx-during-runtime-suspend.ts';
