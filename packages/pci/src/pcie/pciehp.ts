// SPDX-License-Identifier: GPL-2.0-only
// drivers/pci/hotplug/pciehp_hpc.c, drivers/pci/slot.c (v5.19-rc4): hotplug slots, as far as resets go.

import { ref } from '@vfio-lab/sim';
import { rw_semaphore, down_write, init_rwsem, up_write } from '@vfio-lab/locking';
import { pcie_capability_read_word, pcie_capability_write_word } from '../access.ts';
import { pci_bridge_secondary_bus_reset } from '../pci-reset.ts';
import * as R from '../pci_regs.ts';
import { pci_slot, type pci_bus, type pci_dev, PCI_SLOT } from '../types.ts';

/** Make a slot for a device number of a bus (255: all); its devices belong to it. C: drivers/pci/slot.c pci_create_slot() */
export function pci_create_slot(bus: pci_bus, number: number): pci_slot {
  const slot = new pci_slot();
  slot.bus = bus;
  slot.number = number;
  bus.slots.push(slot);
  for (const dev of bus.devices) pci_dev_assign_slot(dev);
  return slot;
}

/** C: drivers/pci/slot.c pci_dev_assign_slot() */
export function pci_dev_assign_slot(dev: pci_dev): void {
  for (const slot of dev.bus.slots)
    if (slot.number === PCI_SLOT(dev.devfn) || slot.number === 0xff) dev.slot = slot;
}

/** Native hotplug drives the slot below this port. C: drivers/pci/hotplug/pciehp_core.c init_slot() */
export function pciehp_init_slot(port: pci_dev): pci_slot | null {
  const bus = port.subordinate;
  if (bus === null) return null;
  const reset_lock = new rw_semaphore();
  init_rwsem(reset_lock, '&ctrl->reset_lock');
  const slot = pci_create_slot(bus, 0);
  slot.hotplug = {
    ops: {
      can_reset: () => 0,
      /** C: drivers/pci/hotplug/pciehp_hpc.c pciehp_reset_slot(): presence and link events are off meanwhile */
      async reset_slot() {
        await down_write(reset_lock);
        const ctl = ref(0);
        await pcie_capability_read_word(port, R.PCI_EXP_SLTCTL, ctl);
        const events = R.PCI_EXP_SLTCTL_PDCE | R.PCI_EXP_SLTCTL_DLLSCE;
        await pcie_capability_write_word(port, R.PCI_EXP_SLTCTL, ctl.v & ~events);
        const rc = await pci_bridge_secondary_bus_reset(port);
        await pcie_capability_write_word(
          port,
          R.PCI_EXP_SLTSTA,
          R.PCI_EXP_SLTSTA_PDC | R.PCI_EXP_SLTSTA_DLLSC,
        );
        await pcie_capability_write_word(port, R.PCI_EXP_SLTCTL, ctl.v);
        await up_write(reset_lock);
        return rc;
      },
    },
  };
  return slot;
}
