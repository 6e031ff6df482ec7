// SPDX-License-Identifier: GPL-2.0-only
// A function nobody has a model of: its BARs read 0 and drop writes, or they are memory.

import type { pci_bar, pci_device_model } from '@vfio-lab/pci';
import type { int, u32 } from '@vfio-lab/sim';
import { sparse_memory } from './memory.ts';

/** Which BARs of an unknown function are memory. */
export interface generic_options {
  /** true: all of them. */
  readonly ram?: boolean | readonly pci_bar[];
}

/** Unknown device. */
export class generic_device implements pci_device_model {
  readonly name = 'generic';
  private readonly is_ram: (bar: pci_bar) => boolean;
  private readonly memory = new Map<pci_bar, sparse_memory>();

  constructor(opts: generic_options = {}) {
    const { ram = false } = opts;
    this.is_ram = typeof ram === 'boolean' ? () => ram : (bar) => ram.includes(bar);
  }

  reset(): void {
    this.memory.clear();
  }

  virtual_function(_index: int): pci_device_model {
    return new generic_device({ ram: true });
  }

  mmio_read(bar: pci_bar, off: int, size: int): u32 {
    return this.memory.get(bar)?.read(off, size) ?? 0;
  }

  mmio_write(bar: pci_bar, off: int, size: int, val: u32): void {
    if (!this.is_ram(bar)) return;
    let memory = this.memory.get(bar);
    if (!memory) this.memory.set(bar, (memory = new sparse_memory()));
    memory.write(off, size, val);
  }
}
