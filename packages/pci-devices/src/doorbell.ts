// SPDX-License-Identifier: GPL-2.0-only
// Devices that exist in no shop: a small register file with scratch registers and a doorbell that interrupts. They
// populate the machines that vfio-lab describes itself, where a test wants an interrupt at a moment of its choosing.

import type { pci_bar, pci_device_model, pci_function } from '@vfio-lab/pci';
import type { int, u32 } from '@vfio-lab/sim';
import { sparse_memory } from './memory.ts';
import { merge } from './regs.ts';

/** Offsets of the doorbell block inside BAR 0. */
export interface doorbell_layout {
  /** Identification, read only. */
  readonly id: int;
  /** Causes not yet acknowledged, read only. */
  readonly status: int;
  /** Causes that may interrupt; all, if there is no such register. */
  readonly enable: int | null;
  /** Writing raises the causes written. */
  readonly raise: int;
  /** Writing acknowledges the causes written. */
  readonly ack: int;
  /** Writing n sends message n, whatever status and enable say. */
  readonly vector: int;
}

/** The layout of our own cards. */
export const DOORBELL_LAYOUT: doorbell_layout = {
  id: 0x00,
  status: 0x04,
  enable: null,
  raise: 0x08,
  ack: 0x0c,
  vector: 0x10,
};

/** How a doorbell device is made. */
export interface doorbell_options {
  readonly name: string;
  readonly id: u32;
  readonly layout?: doorbell_layout;
  /** Power-on values of plain registers in BAR 0. */
  readonly init?: readonly (readonly [off: int, val: u32])[];
  /** Model of VF `index`. */
  readonly vf?: (index: int) => pci_device_model;
}

/**
 * Register file with a doorbell. Invariants:
 * 1. The line is wanted exactly while an enabled cause is pending and no message mode is on.
 * 2. Every other offset of BAR 0 and all of the other BARs is memory, which a reset clears.
 */
export class doorbell_device implements pci_device_model {
  readonly name: string;
  protected hw: pci_function | null = null;
  private readonly id: u32;
  private readonly layout: doorbell_layout;
  private readonly init: readonly (readonly [int, u32])[];
  private readonly vf: ((index: int) => pci_device_model) | undefined;
  private readonly memory = new Map<pci_bar, sparse_memory>();
  private status = 0;
  private enable = 0;

  constructor(opts: doorbell_options) {
    this.name = opts.name;
    this.id = opts.id;
    this.layout = opts.layout ?? DOORBELL_LAYOUT;
    this.init = opts.init ?? [];
    this.vf = opts.vf;
    this.load();
  }

  attach(hw: pci_function): void {
    this.hw = hw;
  }

  reset(): void {
    this.memory.clear();
    this.load();
  }

  virtual_function(index: int): pci_device_model {
    return (
      this.vf?.(index) ?? new doorbell_device({ name: `${this.name}-vf`, id: this.id, layout: this.layout })
    );
  }

  mmio_read(bar: pci_bar, off: int, size: int): u32 {
    const reg = off & ~3;
    const shift = 8 * (off & 3);
    if (bar === 0) {
      if (reg === this.layout.id) return this.id >>> shift;
      if (reg === this.layout.status) return this.status >>> shift;
      if (reg === this.layout.enable) return this.enable >>> shift;
      if (reg === this.layout.raise || reg === this.layout.ack || reg === this.layout.vector) return 0;
    }
    return this.memory.get(bar)?.read(off, size) ?? 0;
  }

  mmio_write(bar: pci_bar, off: int, size: int, val: u32): void {
    const reg = off & ~3;
    const whole = merge(0, off & 3, size, val);
    if (bar === 0) {
      if (reg === this.layout.id) return;
      if (reg === this.layout.raise) return this.set_status(this.status | whole);
      if (reg === this.layout.ack || reg === this.layout.status) return this.set_status(this.status & ~whole);
      if (reg === this.layout.vector) {
        this.hw?.send_msi(whole);
        return;
      }
      if (reg === this.layout.enable) {
        this.enable = merge(this.enable, off & 3, size, val);
        return this.set_status(this.status);
      }
    }
    let memory = this.memory.get(bar);
    if (!memory) this.memory.set(bar, (memory = new sparse_memory()));
    memory.write(off, size, val);
  }

  private load(): void {
    this.status = 0;
    this.enable = this.layout.enable === null ? 0xffffffff : 0;
    for (const [off, val] of this.init) this.mmio_write(0, off, 4, val);
  }

  private set_status(status: u32): void {
    const before = this.status & this.enable;
    this.status = status >>> 0;
    const now = this.status & this.enable;
    if (!this.hw) return;
    if (this.hw.msi_enabled() || this.hw.msix_enabled()) {
      if (now & ~before) this.hw.send_msi(0);
    } else if (now) {
      this.hw.raise_intx();
    } else {
      this.hw.lower_intx();
    }
  }
}

const NV_PMC_BOOT_0 = 0x000; // chip
const NV_PMC_INTR = 0x100;
const NV_PMC_INTR_EN = 0x140;
const NV_DOORBELL = 0x144;
const NV_ACK = 0x148;
const NV_VECTOR = 0x14c;

/** A graphics card like NVIDIA's: chip identification, interrupt status and enable, and our doorbell. */
export function nvidia_gpu(): doorbell_device {
  return new doorbell_device({
    name: 'nvidia-gpu',
    id: 0x164000a1,
    layout: {
      id: NV_PMC_BOOT_0,
      status: NV_PMC_INTR,
      enable: NV_PMC_INTR_EN,
      raise: NV_DOORBELL,
      ack: NV_ACK,
      vector: NV_VECTOR,
    },
    init: [[NV_PMC_INTR_EN, 1]],
  });
}

/** A network card with a doorbell, for functions that lose their state in D3hot and for SR-IOV. */
export function lab_nic(): doorbell_device {
  return new doorbell_device({
    name: 'lab-nic',
    id: 0x1ab0c0de,
    vf: () => new doorbell_device({ name: 'lab-nic-vf', id: 0x1ab0c0df }),
  });
}

/** A card with nothing but a doorbell on its INTx pin. */
export function lab_intx(): doorbell_device {
  return new doorbell_device({ name: 'lab-intx', id: 0x1ab01c7f });
}
