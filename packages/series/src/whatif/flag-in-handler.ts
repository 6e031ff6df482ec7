// SPDX-License-Identifier: GPL-2.0-only
/*
 * What if the handler of a shared line only looked at a flag, as was proposed in the review of 1/6? The flag is set
 * while the device is in D0 and able to interrupt, and on many a platform it never gets further than D3hot.
 */

import type { int } from '@vfio-lab/sim';
import {
  down_write,
  mutex_lock,
  mutex_unlock,
  spin_lock_irqsave,
  spin_unlock_irqrestore,
  up_write,
} from '@vfio-lab/locking';
import type { device } from '@vfio-lab/kernel';
import { cpu_to_le16, dev_get_drvdata, eventfd_signal, le16_to_cpu } from '@vfio-lab/kernel';
import { disable_irq_nosync, IRQ_HANDLED, IRQ_NONE } from '@vfio-lab/irq';
import { pm_runtime_get_noresume } from '@vfio-lab/runtime-pm';
import {
  pci_check_and_mask_intx,
  PCI_D0,
  PCI_PM_CTRL,
  PCI_PM_CTRL_PME_ENABLE,
  PCI_PM_CTRL_PME_STATUS,
} from '@vfio-lab/pci';
import type { Kernel, vfio_pci_core_device } from '@vfio-lab/headers';
import { le16_at } from '@vfio-lab/vfio-pci-config';
import type { WhatIfInfo } from '../types.ts';

declare module '@vfio-lab/headers' {
  interface vfio_pci_core_device {
    /** Between suspend and resume. */
    pm_asleep: boolean;
  }
}

export const whatif: WhatIfInfo = {
  name: 'flag-in-handler',
  summary: 'suspend sets a flag on which the INTx handler leaves, instead of masking INTx',
  series: 'v4',
  prefixes: [6],
  functions: {
    'drivers/vfio/pci/vfio_pci_core.c': ['vfio_pci_core_runtime_suspend', 'vfio_pci_core_runtime_resume'],
    'drivers/vfio/pci/vfio_pci_intrs.c': ['vfio_intx_handler'],
  },
};

export const fields = {
  vfio_pci_core_device: { pm_asleep: () => false },
};

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_runtime_suspend() */
export async function vfio_pci_core_runtime_suspend(this: Kernel, dev: device): Promise<int> {
  const vdev = dev_get_drvdata<vfio_pci_core_device>(dev);

  await down_write(vdev.memory_lock);
  // The guest may have put the device in D3hot. From D0 the PCI core saves its state and picks the target itself, and
  // a device that loses its state (NoSoftRst-) gets back here what pm_save holds.
  await this.vfio_pci_set_power_state(vdev, PCI_D0);
  await up_write(vdev.memory_lock);

  vdev.pm_asleep = true;

  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_runtime_resume() */
export async function vfio_pci_core_runtime_resume(this: Kernel, dev: device): Promise<int> {
  const vdev = dev_get_drvdata<vfio_pci_core_device>(dev);

  vdev.pm_asleep = false;

  await down_write(vdev.memory_lock);

  // EXIT and close clear pm_runtime_engaged before they wake the device; so this wake is not the guest's. It is told so
  // by PME_Status, which does not need PME_En, and by the eventfd, which does. Told, or with a device that must not go
  // back to sleep without it, the device is held awake.
  if (vdev.pm_runtime_engaged) {
    let pme_triggered = false;
    const ctrl = le16_at(vdev.vconfig, vdev.pm_cap_offset + PCI_PM_CTRL);

    ctrl.v |= cpu_to_le16(PCI_PM_CTRL_PME_STATUS);
    if (le16_to_cpu(ctrl.v) & PCI_PM_CTRL_PME_ENABLE) {
      await mutex_lock(vdev.igate);
      if (vdev.pme_trigger) {
        pme_triggered = true;
        await eventfd_signal(vdev.pme_trigger, 1);
      }
      await mutex_unlock(vdev.igate);
    }

    if (!vdev.pm_runtime_reentry_allowed || pme_triggered) {
      await pm_runtime_get_noresume(dev);
      vdev.pm_runtime_resumed = true;
    }
  }
  await up_write(vdev.memory_lock);

  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_intrs.c vfio_intx_handler() */
export async function vfio_intx_handler(this: Kernel, irq: int, dev_id: unknown): Promise<int> {
  const vdev = dev_id as vfio_pci_core_device;
  let ret: int = IRQ_NONE;

  const flags = await spin_lock_irqsave(vdev.irqlock);

  if (vdev.pm_asleep) {
    // leave the device alone
  } else if (!vdev.pci_2_3) {
    await disable_irq_nosync(vdev.pdev.irq);
    vdev.ctx[0].masked = true;
    ret = IRQ_HANDLED;
  } else if (
    !vdev.ctx[0].masked && // the line may be shared
    (await pci_check_and_mask_intx(vdev.pdev))
  ) {
    vdev.ctx[0].masked = true;
    ret = IRQ_HANDLED;
  }

  await spin_unlock_irqrestore(vdev.irqlock, flags);

  if (ret === IRQ_HANDLED) await this.vfio_send_intx_eventfd(vdev, null);

  return ret;
}
