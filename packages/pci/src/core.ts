// SPDX-License-Identifier: GPL-2.0-only
// What the kernel's PCI core keeps in file-scope variables, one set per machine.

import { fixed, type int, Obj, per_machine, type u32 } from '@vfio-lab/sim';
import {
  init_rwsem,
  init_waitqueue_head,
  mutex,
  mutex_init,
  raw_spin_lock_init,
  raw_spinlock_t,
  rw_semaphore,
  wait_queue_head_t,
} from '@vfio-lab/locking';
import type { delayed_work } from '@vfio-lab/kernel';
import { default_hw_costs } from './hw/costs.ts';
import { pci_fabric } from './hw/fabric.ts';
import type { pci_function_hw } from './hw/function.ts';
import type { pci_known } from './machine.ts';
import type { acpi_power_resource } from './pci-acpi.ts';
import type { pci_dma_owner } from './pci-driver.ts';
import { IORESOURCE_IO, IORESOURCE_MEM, resource } from './resource.ts';
import type { pci_bus, pci_dev } from './types.ts';
import type { vga_device } from './vgaarb.ts';

/** Which kernel's PCI core to be where v5.19 and Debian's 6.1 differ. */
export type pci_kernel = 'v5.19' | 'v6.1.192';

function tree(name: string, flags: number): resource {
  const r = new resource();
  r.name = name;
  r.flags = flags;
  r.end = Number.MAX_SAFE_INTEGER;
  return r;
}

/** The PCI core of one machine. */
export class pci_core {
  kernel: pci_kernel = 'v5.19';
  readonly fabric = new pci_fabric();
  readonly costs = default_hw_costs();
  /** What the description says about a function beyond its config space. */
  readonly descriptions = new Map<pci_function_hw, pci_known>();
  /** Stands for addresses that no function claims. */
  readonly nowhere = new Obj('unclaimed address');
  /** Raw, irqs off: config accesses of users and the INTx mask helpers. */
  readonly pci_lock = new raw_spinlock_t();
  readonly pci_cfg_wait = new wait_queue_head_t();
  readonly pci_bus_sem = new rw_semaphore();
  readonly pci_slot_mutex = new mutex();
  readonly pci_rescan_remove_lock = new mutex();
  readonly pci_pme_list_mutex = new mutex();
  readonly pci_pme_list: pci_dev[] = [];
  pci_pme_work: delayed_work | null = null;
  readonly pci_root_buses: pci_bus[] = [];
  readonly iomem_resource = tree('PCI mem', IORESOURCE_MEM);
  readonly ioport_resource = tree('PCI IO', IORESOURCE_IO);
  /** All devices in the order in which they were found. */
  readonly devices: pci_dev[] = [];
  pci_pm_d3hot_delay = 10;
  /** pcie_port_pm=off|force */
  pci_bridge_d3_disable = false;
  pci_bridge_d3_force = false;
  /** Year of the BIOS date (DMI); ports may use D3 from 2015 on. */
  bios_year = 2020;
  /** Native PCIe hotplug was granted by the firmware. */
  native_pcie_hotplug = false;
  /** Set by the IOMMU package. */
  dma_owner: pci_dma_owner | null = null;
  readonly power_resources: acpi_power_resource[] = [];
  /** Which vector a message means. On real hosts that is in the interrupt remapping table. */
  readonly msi_vectors = new Map<u32, int>();
  next_msi_data = 32;
  readonly vga_devices: vga_device[] = [];
  readonly vga_wait = new wait_queue_head_t();

  constructor() {
    raw_spin_lock_init(this.pci_lock, 'pci_lock');
    init_waitqueue_head(this.pci_cfg_wait, 'pci_cfg_wait.lock');
    init_rwsem(this.pci_bus_sem, 'pci_bus_sem');
    mutex_init(this.pci_slot_mutex, 'pci_slot_mutex');
    mutex_init(this.pci_rescan_remove_lock, 'pci_rescan_remove_lock');
    mutex_init(this.pci_pme_list_mutex, 'pci_pme_list_mutex');
    init_waitqueue_head(this.vga_wait, 'vga_wait_queue.lock');
  }

  /** Is this the 6.1 tree with Debian's stable fixes. */
  get v61(): boolean {
    return this.kernel === 'v6.1.192';
  }
}

fixed(pci_core, [
  'fabric',
  'costs',
  'descriptions',
  'nowhere',
  'pci_lock',
  'pci_cfg_wait',
  'pci_bus_sem',
  'pci_slot_mutex',
  'pci_rescan_remove_lock',
  'pci_pme_list_mutex',
  'pci_pme_list',
  'pci_root_buses',
  'iomem_resource',
  'ioport_resource',
  'devices',
  'power_resources',
  'msi_vectors',
  'vga_devices',
  'vga_wait',
]);

/** The running machine's PCI core. */
export const pci: () => pci_core = per_machine(() => new pci_core());
