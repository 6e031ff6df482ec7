// SPDX-License-Identifier: GPL-2.0-only
// Stand-ins for the host's own drivers (e1000e, nvme, shpchp, pci-stub): they take a device and do nothing with it.

import { pci_alloc_irq_vectors, PCI_IRQ_MSI, pci_free_irq_vectors } from './msi.ts';
import { pci_disable_device, pci_enable_device, pci_set_master } from './pci.ts';
import { pci_driver, type pci_device_id } from './types.ts';

/**
 * A driver for the host's side of a test. Register it with pci_register_driver().
 * @param opts.enable it enables the device and its bus mastering while bound (default true; pci-stub does not)
 * @param opts.msi it asks for one message-signalled vector, too (shpchp)
 */
export function pci_host_driver(
  name: string,
  id_table: readonly pci_device_id[],
  opts: { enable?: boolean; msi?: boolean } = {},
): pci_driver {
  const enable = opts.enable ?? true;
  const drv = new pci_driver();
  drv.name = name;
  drv.id_table = id_table;
  drv.probe = async (dev) => {
    if (!enable) return 0;
    const err = await pci_enable_device(dev);
    if (err) return err;
    await pci_set_master(dev);
    if (opts.msi === true) await pci_alloc_irq_vectors(dev, 1, 1, PCI_IRQ_MSI);
    return 0;
  };
  drv.remove = async (dev) => {
    await pci_free_irq_vectors(dev);
    if (enable) await pci_disable_device(dev);
  };
  return drv;
}
