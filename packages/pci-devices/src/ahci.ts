// SPDX-License-Identifier: GPL-2.0-only
// ICH9 SATA controller in AHCI mode (8086:2922): six ports without disks, and the index/data pair in its I/O BAR.

import type { pci_bar, pci_device_model, pci_function } from '@vfio-lab/pci';
import type { int, u32 } from '@vfio-lab/sim';
import { byte_regs, touches } from './byte_regs.ts';
import type { register_def } from './byte_regs.ts';

const ABAR = 5;
const IDP_BAR = 4;
const GHC = 0x04;
const IS = 0x08;
const PORT_BASE = 0x100;
const PORT_STRIDE = 0x80;
const PORTS = 6;
const IDP_INDEX = 0x10;
const IDP_DATA = 0x14;

const GHC_RESET = 0x1;
const GHC_IRQ_EN = 0x2;
const GHC_AHCI_EN = 0x80000000;

function port_registers(n: int): register_def[] {
  const base = PORT_BASE + n * PORT_STRIDE;
  return [
    [base + 0x00, 4, 0, 0xfffffc00],
    [base + 0x04, 4, 0, 0xffffffff],
    [base + 0x08, 4, 0, 0xffffff00],
    [base + 0x0c, 4, 0, 0xffffffff],
    [base + 0x10, 4, 0, 0, 0xffffffff],
    [base + 0x14, 4, 0, 0xfdc000ff],
    [base + 0x18, 4, 0x00000006, 0xf300001d],
    [base + 0x20, 4, 0x0000007f],
    [base + 0x24, 4, 0xffffffff], // no device: no signature
    [base + 0x2c, 4, 0, 0xffffffff],
    [base + 0x30, 4, 0, 0, 0xffffffff],
  ];
}

const REGISTERS: readonly register_def[] = [
  [0x00, 4, 0xc0141f05],
  [GHC, 4, GHC_AHCI_EN, GHC_IRQ_EN],
  [IS, 4, 0, 0, 0x3f],
  [0x0c, 4, (1 << PORTS) - 1],
  [0x10, 4, 0x00010000],
  ...Array.from({ length: PORTS }, (_, n) => port_registers(n)).flat(),
];

/** AHCI controller without disks. */
export class ahci_device implements pci_device_model {
  readonly name = 'ahci';
  private hw: pci_function | null = null;
  private index = 0;
  private readonly regs = new byte_regs(0x1000, REGISTERS);

  attach(hw: pci_function): void {
    this.hw = hw;
  }

  reset(): void {
    this.regs.reset();
    this.index = 0;
  }

  mmio_read(bar: pci_bar, off: int, size: int): u32 {
    if (bar === ABAR) return this.regs.get(off, size);
    if (bar !== IDP_BAR || size !== 4) return 0;
    if (off === IDP_INDEX) return this.index;
    return off === IDP_DATA ? this.regs.get(this.index, 4) : 0;
  }

  mmio_write(bar: pci_bar, off: int, size: int, val: u32): void {
    if (bar === IDP_BAR && size === 4) {
      if (off === IDP_INDEX) this.index = val & 0xffc;
      else if (off === IDP_DATA) this.write_abar(this.index, 4, val);
    } else if (bar === ABAR) {
      this.write_abar(off, size, val);
    }
  }

  private write_abar(off: int, size: int, val: u32): void {
    this.regs.write(off, size, val);
    if (touches(off, size, GHC, 4) && off === GHC && val & GHC_RESET) this.regs.reset();
    const pending = this.regs.get(IS, 4) !== 0 && (this.regs.get(GHC, 4) & GHC_IRQ_EN) !== 0;
    if (!pending) this.hw?.lower_intx();
    else this.hw?.notify(0);
  }
}
