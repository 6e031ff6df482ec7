// SPDX-License-Identifier: GPL-2.0-only
/*
 * What if only the power state said whether memory is within reach? The PCI core changes it without memory_lock: a device
 * that the host has woken is in D0, and about to sleep again.
 */

import type { u16 } from '@vfio-lab/sim';
import { le16_to_cpu } from '@vfio-lab/kernel';
import { PCI_COMMAND, PCI_COMMAND_MEMORY, PCI_D3hot } from '@vfio-lab/pci';
import type { Kernel, vfio_pci_core_device } from '@vfio-lab/headers';
import { le16_at } from '@vfio-lab/vfio-pci-config';
import type { WhatIfInfo } from '../types.ts';

export const whatif: WhatIfInfo = {
  name: 'no-engaged-test',
  summary: 'a mapped BAR is refused by the power state alone, not because low power is engaged',
  series: 'v4',
  prefixes: [4, 5, 6],
  functions: {
    'drivers/vfio/pci/vfio_pci_config.c': ['__vfio_pci_memory_enabled'],
  },
};

/** C: drivers/vfio/pci/vfio_pci_config.c __vfio_pci_memory_enabled() */
export function __vfio_pci_memory_enabled(this: Kernel, vdev: vfio_pci_core_device): boolean {
  const pdev = vdev.pdev;
  const cmd: u16 = le16_to_cpu(le16_at(vdev.vconfig, PCI_COMMAND).v);

  return pdev.current_state < PCI_D3hot && (pdev.no_command_memory || (cmd & PCI_COMMAND_MEMORY) !== 0);
}
