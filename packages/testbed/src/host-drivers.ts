// SPDX-License-Identifier: GPL-2.0-only
// Host drivers that scripts load beside vfio: enough of each to own a device.
import {
  PCI_ANY_ID,
  pci_clear_master,
  type pci_dev,
  type pci_device_id,
  pci_disable_device,
  pci_driver,
  pci_enable_device,
  pci_set_master,
} from '@vfio-lab/pci';

interface HostDriver {
  ids: readonly Partial<pci_device_id>[];
  /** Takes the device into use (enable, bus master), as a real driver's probe does. */
  enables: boolean;
}

const ID: pci_device_id = {
  vendor: PCI_ANY_ID,
  device: PCI_ANY_ID,
  subvendor: PCI_ANY_ID,
  subdevice: PCI_ANY_ID,
  class: 0,
  class_mask: 0,
};

/** Drivers by module name, with the devices that they serve. */
const DRIVERS: Readonly<Record<string, HostDriver>> = {
  e1000e: { ids: [{ vendor: 0x8086, device: 0x10d3 }], enables: true },
  nvme: { ids: [{ class: 0x010802, class_mask: 0xffffff }], enables: true },
  'pci-stub': { ids: [], enables: false },
  shpchp: { ids: [{ class: 0x060400, class_mask: 0xffffff }], enables: true },
};

/** Is there such a driver module? */
export function isHostDriver(name: string): boolean {
  return name in DRIVERS;
}

/** The driver of a module, to be registered. Throws when there is no such module. */
export function hostDriver(name: string): pci_driver {
  const host = DRIVERS[name];
  if (host === undefined) throw new Error(`no host driver ${name}`);
  const drv = new pci_driver();
  drv.name = name;
  drv.driver_managed_dma = name === 'pci-stub';
  drv.id_table = host.ids.map((id) => ({ ...ID, ...id }));
  drv.probe = async (dev: pci_dev) => {
    if (!host.enables) return 0;
    const ret = await pci_enable_device(dev);
    if (ret === 0) await pci_set_master(dev);
    return ret;
  };
  drv.remove = async (dev: pci_dev) => {
    if (!host.enables) return;
    await pci_clear_master(dev);
    await pci_disable_device(dev);
  };
  return drv;
}
