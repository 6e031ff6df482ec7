// SPDX-License-Identifier: GPL-2.0-only
/* Prototypes and file-scope data of drivers/vfio/pci/vfio_pci.c (v5.19-rc4), static ones too, in the file's order. */

import type { module } from '@vfio-lab/kernel';
import type { pci_dev, pci_device_id, pci_driver } from '@vfio-lab/pci';
import type { int } from '@vfio-lab/sim';
import type { vfio_device, vfio_device_ops } from '../vfio.ts';

/**
 * The module parameters of vfio-pci. In C these are file-scope variables; vfio_pci_core.c has three of the same
 * names, so here they share a struct.
 */
export interface vfio_pci_parameters {
  ids: string;
  nointxmask: boolean;
  disable_vga: boolean;
  disable_idle_d3: boolean;
  enable_sriov: boolean;
  disable_denylist: boolean;
}

export interface vfio_pci_c {
  /** THIS_MODULE of vfio-pci.ko */
  vfio_pci_module: module;
  /** CONFIG_VFIO_PCI_VGA and CONFIG_VFIO_PCI_IGD, build options of distribution kernels for x86. */
  CONFIG_VFIO_PCI_VGA: boolean;
  CONFIG_VFIO_PCI_IGD: boolean;

  /** What /sys/module/vfio_pci/parameters has; to be set before vfio_pci_init(). */
  vfio_pci_parameters: vfio_pci_parameters;

  vfio_pci_ops: vfio_device_ops;
  vfio_pci_table: pci_device_id[];
  vfio_pci_driver: pci_driver;

  vfio_pci_dev_in_denylist(pdev: pci_dev): boolean;
  vfio_pci_is_denylisted(pdev: pci_dev): boolean;
  vfio_pci_open_device(core_vdev: vfio_device): Promise<int>;
  vfio_pci_probe(pdev: pci_dev, id: pci_device_id): Promise<int>;
  vfio_pci_remove(pdev: pci_dev): Promise<void>;
  vfio_pci_sriov_configure(pdev: pci_dev, nr_virtfn: int): Promise<int>;
  vfio_pci_fill_ids(): Promise<void>;
  vfio_pci_init(): Promise<int>;
  vfio_pci_cleanup(): Promise<void>;
}
