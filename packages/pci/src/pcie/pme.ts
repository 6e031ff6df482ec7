// SPDX-License-Identifier: GPL-2.0-only
// drivers/pci/pcie/pme.c (v5.19-rc4): PME messages at the root port.

import { spawn } from '@vfio-lab/sim';
import { INIT_WORK, schedule_work, work_struct } from '@vfio-lab/kernel';
import { device_set_wakeup_capable, pm_request_resume } from '@vfio-lab/runtime-pm';
import { pcie_find_root_port, pci_walk_bus } from '../pci.ts';
import { pci_check_pme_status } from '../pci-pm.ts';
import type { pci_dev } from '../types.ts';

/** Every device below a port with PME service counts as able to wake. C: drivers/pci/pcie/pme.c pcie_pme_mark_devices() */
export async function pcie_pme_mark_devices(port: pci_dev): Promise<void> {
  device_set_wakeup_capable(port.dev, true);
  if (port.subordinate === null) return;
  await pci_walk_bus(port.subordinate, (dev) => {
    device_set_wakeup_capable(dev.dev, true);
    return 0;
  });
}

/** C: drivers/pci/pcie/pme.c pcie_pme_handle_request() for a known requester */
async function pcie_pme_handle_request(dev: pci_dev): Promise<void> {
  // A real PME came, so there is no need to poll.
  dev.pme_poll = false;
  if (await pci_check_pme_status(dev)) await pm_request_resume(dev.dev);
}

/** Let PME messages of a device's hardware reach the kernel, by interrupt and work item of the root port. */
export function pcie_pme_connect(dev: pci_dev): void {
  const work = new work_struct(dev);
  INIT_WORK(work, () => pcie_pme_handle_request(dev), 'pcie_pme_work_fn');
  dev.hw.on_pme = () => {
    if (pcie_find_root_port(dev)?.driver?.name !== 'pcieport') return;
    const handler = async (): Promise<void> => {
      await schedule_work(work);
    };
    spawn(`PCIe PME ${dev.dev.name}`, handler, { kind: 'hardirq', process: null });
  };
}
