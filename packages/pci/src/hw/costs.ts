// SPDX-License-Identifier: GPL-2.0-only
// What an access to the hardware costs on the virtual clock, in ns. Orders of magnitude of a PCIe endpoint behind one
// root port; a testbed that models other hardware overwrites them.

export interface pci_hw_costs {
  /** One configuration cycle through ECAM or ports 0xcf8/0xcfc: a non-posted round trip. */
  config: number;
  /** The same for a write, where it differs. */
  config_write?: number;
  /** A read from a memory BAR: a non-posted round trip. */
  mmio_read: number;
  /** A write to a memory BAR: posted. */
  mmio_write: number;
  /** An I/O port access: non-posted both ways. */
  port: number;
}

export function default_hw_costs(): pci_hw_costs {
  return { config: 1000, mmio_read: 800, mmio_write: 60, port: 1000 };
}
