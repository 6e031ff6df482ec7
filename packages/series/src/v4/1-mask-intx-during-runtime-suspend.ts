// SPDX-License-Identifier: GPL-2.0-only
/*
 * v4 1/6: a handler on a shared line must not read the config space of a device in D3cold, so INTx is masked while the
 * device is suspended.
 */

import type { int } from '@vfio-lab/sim';
import { spin_lock_irqsave, spin_unlock_irqrestore } from '@vfio-lab/locking';
import type { device } from '@vfio-lab/kernel';
import { dev_get_drvdata } from '@vfio-lab/kernel';
import { disable_irq_nosync } from '@vfio-lab/irq';
import { pci_intx } from '@vfio-lab/pci';
import type { Kernel, vfio_pci_core_device } from '@vfio-lab/headers';
import { is_intx } from '@vfio-lab/headers';
import type { PatchInfo } from '../types.ts';

declare module '@vfio-lab/headers' {
  interface vfio_pci_core_device {
    /** The suspend callback has masked INTx. */
    pm_intx_masked: boolean;
  }
  interface vfio_pci_core_c {
    vfio_pci_core_runtime_suspend(dev: device): Promise<int>;
    vfio_pci_core_runtime_resume(dev: device): Promise<int>;
  }
  interface vfio_pci_intrs_c {
    vfio_pci_intx_mask(vdev: vfio_pci_core_device): Promise<boolean>;
  }
}

export const patch: PatchInfo = {
  number: 1,
  subject: 'vfio/pci: Mask INTx during runtime suspend',
  messageId: '20220701110814.7310-2-abhsahu@nvidia.com',
  date: '2022-07-01T11:08:09Z',
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

export const fields = {
  vfio_pci_core_device: { pm_intx_masked: () => false },
};

export function statics(k: Kernel): Partial<Kernel> {
  return {
    vfio_pci_core_pm_ops: {
      runtime_suspend: (dev) => k.vfio_pci_core_runtime_suspend(dev),
      runtime_resume: (dev) => k.vfio_pci_core_runtime_resume(dev),
    },
  };
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_runtime_suspend() */
export async function vfio_pci_core_runtime_suspend(this: Kernel, dev: device): Promise<int> {
  const vdev = dev_get_drvdata<vfio_pci_core_device>(dev);

  // Only what is masked here is unmasked on resume, not what the user has masked before.
  vdev.pm_intx_masked = is_intx(vdev) && (await this.vfio_pci_intx_mask(vdev));

  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_runtime_resume() */
export async function vfio_pci_core_runtime_resume(this: Kernel, dev: device): Promise<int> {
  const vdev = dev_get_drvdata<vfio_pci_core_device>(dev);

  if (vdev.pm_intx_masked) await this.vfio_pci_intx_unmask(vdev);

  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_intrs.c vfio_pci_intx_mask() */
export async function vfio_pci_intx_mask(this: Kernel, vdev: vfio_pci_core_device): Promise<boolean> {
  const { pdev } = vdev;
  let intx_masked = false;

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
    intx_masked = true;
  }

  await spin_unlock_irqrestore(vdev.irqlock, flags);
  return intx_masked;
}
