// SPDX-License-Identifier: GPL-2.0-only
/*
 * v7 3/5: a handler on a shared line must not read the config space of a device in D3cold, so INTx is masked while the
 * device is suspended. is_intx() has become private to vfio_pci_intrs.c.
 */

import type { int } from '@vfio-lab/sim';
import type { device } from '@vfio-lab/kernel';
import { dev_get_drvdata } from '@vfio-lab/kernel';
import type { Kernel, vfio_pci_core_device } from '@vfio-lab/headers';
import { VFIO_PCI_INTX_IRQ_INDEX } from '@vfio-lab/headers';
import type { PatchInfo } from '../types.ts';

export const patch: PatchInfo = {
  number: 3,
  subject: 'vfio/pci: Mask INTx during runtime suspend',
  messageId: '20220829114850.4341-4-abhsahu@nvidia.com',
  date: '2022-08-29T11:48:48Z',
  files: [
    'drivers/vfio/pci/vfio_pci_core.c',
    'drivers/vfio/pci/vfio_pci_intrs.c',
    'drivers/vfio/pci/vfio_pci_priv.h',
    'include/linux/vfio_pci_core.h',
  ],
  functions: {
    'drivers/vfio/pci/vfio_pci_core.c': ['vfio_pci_core_runtime_suspend', 'vfio_pci_core_runtime_resume'],
    'drivers/vfio/pci/vfio_pci_intrs.c': ['vfio_pci_intx_mask'],
  },
};

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_runtime_suspend() */
export async function vfio_pci_core_runtime_suspend(this: Kernel, dev: device): Promise<int> {
  const vdev = dev_get_drvdata<vfio_pci_core_device>(dev);

  // Only what is masked here is unmasked on resume, not what the user has masked before.
  vdev.pm_intx_masked = vdev.irq_type === VFIO_PCI_INTX_IRQ_INDEX && (await this.vfio_pci_intx_mask(vdev));

  return 0;
}

// as in v6 3/5
export {
  fields,
  statics,
  vfio_pci_core_runtime_resume,
  vfio_pci_intx_mask,
} from '../v6/3-mask-intx-during-runtime-suspend.ts';
