// SPDX-License-Identifier: GPL-2.0-only
// drivers/pci/pcie/portdrv_{pci,core}.c (v5.19-rc4): the driver of PCI Express ports.

import type { int } from '@vfio-lab/sim';
import { type device, EBUSY, ENODEV } from '@vfio-lab/kernel';
import {
  pm_runtime_allow,
  pm_runtime_dont_use_autosuspend,
  pm_runtime_forbid,
  pm_runtime_get_noresume,
  pm_runtime_mark_last_busy,
  pm_runtime_put_autosuspend,
  pm_runtime_set_autosuspend_delay,
  pm_runtime_use_autosuspend,
} from '@vfio-lab/runtime-pm';
import { pci_is_pcie, pci_pcie_type } from '../access.ts';
import { pci_disable_device, pci_enable_device, pci_save_state, pci_set_master } from '../pci.ts';
import { pci_bridge_d3_possible } from '../pci-pm.ts';
import { pci_alloc_irq_vectors, PCI_IRQ_MSI, PCI_IRQ_MSIX, pci_free_irq_vectors } from '../msi.ts';
import { pci_register_driver } from '../pci-driver.ts';
import * as R from '../pci_regs.ts';
import { PCI_ANY_ID, PCI_CLASS_BRIDGE_PCI, type pci_dev, pci_driver, to_pci_dev } from '../types.ts';
import { pcie_pme_probe, pcie_pme_remove } from './pme.ts';

const PCIE_PORT_MAX_MSI_ENTRIES = 32;

function pcie_port_runtime_suspend(dev: device): int {
  return to_pci_dev(dev).bridge_d3 ? 0 : -EBUSY;
}

function pcie_port_runtime_idle(dev: device): int {
  // The core has decided already; a port that must stay up says so here.
  return to_pci_dev(dev).bridge_d3 ? 0 : -EBUSY;
}

async function pcie_portdrv_probe(dev: pci_dev): Promise<int> {
  const type = pci_pcie_type(dev);
  const is_port =
    type === R.PCI_EXP_TYPE_ROOT_PORT ||
    type === R.PCI_EXP_TYPE_UPSTREAM ||
    type === R.PCI_EXP_TYPE_DOWNSTREAM;
  if (!pci_is_pcie(dev) || !is_port) return -ENODEV;
  const status = await pci_enable_device(dev);
  if (status) return status;
  await pci_set_master(dev);
  // Service interrupts come as messages where the port has them; the pin serves otherwise.
  await pci_alloc_irq_vectors(dev, 1, PCIE_PORT_MAX_MSI_ENTRIES, PCI_IRQ_MSIX | PCI_IRQ_MSI);
  if (type === R.PCI_EXP_TYPE_ROOT_PORT) await pcie_pme_probe(dev);
  await pci_save_state(dev);
  if (pci_bridge_d3_possible(dev)) {
    // 100 ms, so that one lspci does not bounce the port.
    await pm_runtime_set_autosuspend_delay(dev.dev, 100);
    await pm_runtime_use_autosuspend(dev.dev);
    await pm_runtime_mark_last_busy(dev.dev);
    await pm_runtime_put_autosuspend(dev.dev);
    await pm_runtime_allow(dev.dev);
  }
  return 0;
}

async function pcie_portdrv_remove(dev: pci_dev): Promise<void> {
  if (pci_bridge_d3_possible(dev)) {
    await pm_runtime_forbid(dev.dev);
    await pm_runtime_get_noresume(dev.dev);
    await pm_runtime_dont_use_autosuspend(dev.dev);
  }
  await pcie_pme_remove(dev);
  await pci_free_irq_vectors(dev);
  await pci_disable_device(dev);
}

/** Register the port driver. C: drivers/pci/pcie/portdrv_pci.c pcie_portdrv_init() */
export async function pcie_portdrv_init(): Promise<int> {
  const drv = new pci_driver();
  drv.name = 'pcieport';
  drv.id_table = [0, 1].map((prog) => ({
    vendor: PCI_ANY_ID,
    device: PCI_ANY_ID,
    subvendor: PCI_ANY_ID,
    subdevice: PCI_ANY_ID,
    class: (PCI_CLASS_BRIDGE_PCI << 8) | prog,
    class_mask: 0xffffffff,
  }));
  drv.probe = pcie_portdrv_probe;
  drv.remove = pcie_portdrv_remove;
  drv.shutdown = pcie_portdrv_remove;
  drv.driver_managed_dma = true;
  drv.driver.pm = {
    runtime_suspend: pcie_port_runtime_suspend,
    runtime_resume: () => 0,
    runtime_idle: pcie_port_runtime_idle,
  };
  return pci_register_driver(drv);
}
