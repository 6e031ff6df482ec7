// SPDX-License-Identifier: GPL-2.0-only
/*
 * v5 3/5: a handler on a shared line must not read the config space of a device in D3cold, so INTx is masked while the
 * device is suspended.
 */

import { spin_lock_irqsave, spin_unlock_irqrestore } from '@vfio-lab/locking';
import { disable_irq_nosync } from '@vfio-lab/irq';
import { pci_intx } from '@vfio-lab/pci';
import type { Kernel, vfio_pci_core_device } from '@vfio-lab/headers';
import { is_intx } from '@vfio-lab/headers';
import type { PatchInfo } from '../types.ts';

export const patch: PatchInfo = {
  number: 3,
  subject: 'vfio/pci: Mask INTx during runtime suspend',
  messageId: '20220719121523.21396-4-abhsahu@nvidia.com',
  date: '2022-07-19T12:15:21Z',
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

// as in v4 1/6
export {
  fields,
  statics,
  vfio_pci_core_runtime_suspend,
  vfio_pci_core_runtime_resume,
} from '../v4/1-mask-intx-during-runtime-suspend.ts';

/** C: drivers/vfio/pci/vfio_pci_intrs.c vfio_pci_intx_mask() */
export async function vfio_pci_intx_mask(this: Kernel, vdev: vfio_pci_core_device): Promise<boolean> {
  const { pdev } = vdev;
  let masked_changed = false;

  const flags = await spin_lock_irqsave(vdev.irqlock);

  // A write of the command register comes here too, whatever the interrupt mode is: then only the physical bit
  // follows the virtual one.
  if (!is_intx(vdev)) {
    if (vdev.pci_2_3) await pci_intx(pdev, 0);
  } else if (!vdev.ctx[0].masked) {
    // not check_and_mask: mask even when nothing is pending
    if (vdev.pci_2_3) await pci_intx(pdev, 0);
    else await disable_irq_nosync(pdev.irq);

    vdev.ctx[0].masked = true;
    masked_changed = true;
  }

  await spin_unlock_irqrestore(vdev.irqlock, flags);
  return masked_changed;
}
