// SPDX-License-Identifier: GPL-2.0-only
// Inter-VM shared memory (1af4:1110), the plain kind without doorbell: four registers and a BAR of memory.

import type { pci_bar, pci_device_model, pci_function } from '@vfio-lab/pci';
import type { int, u32 } from '@vfio-lab/sim';
import { sparse_memory } from './memory.ts';

const INTRMASK = 0x0;
const INTRSTATUS = 0x4; // cleared by reading
const IVPOSITION = 0x8;
const SHARED_BAR = 2;

/** ivshmem-plain. */
export class ivshmem_device implements pci_device_model {
  readonly name = 'ivshmem';
  private hw: pci_function | null = null;
  private mask = 0;
  private status = 0;
  private readonly memory = new sparse_memory();

  attach(hw: pci_function): void {
    this.hw = hw;
  }

  /** The memory belongs to the host and outlives every reset. */
  reset(): void {
    this.mask = 0;
    this.status = 0;
  }

  mmio_read(bar: pci_bar, off: int, size: int): u32 {
    if (bar === SHARED_BAR) return this.memory.read(off, size);
    if (bar !== 0 || size !== 4) return 0;
    switch (off) {
      case INTRMASK:
        return this.mask;
      case INTRSTATUS: {
        const status = this.status;
        this.status = 0;
        this.update();
        return status;
      }
      case IVPOSITION:
      default:
        return 0;
    }
  }

  mmio_write(bar: pci_bar, off: int, size: int, val: u32): void {
    if (bar === SHARED_BAR) this.memory.write(off, size, val);
    if (bar !== 0 || size !== 4) return;
    if (off === INTRMASK) this.mask = val;
    else if (off === INTRSTATUS) this.status = val;
    else return;
    this.update();
  }

  private update(): void {
    if (this.status & this.mask) this.hw?.raise_intx();
    else this.hw?.lower_intx();
  }
}
