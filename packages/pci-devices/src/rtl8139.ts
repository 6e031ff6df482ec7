// SPDX-License-Identifier: GPL-2.0-only
// Realtek 8139C+ (10ec:8139): the same 256 bytes of registers behind an I/O and a memory BAR. No packet ever flows;
// software can only see interrupts of the timer, which is the one source of ISR bits here.

import type { pci_bar, pci_device_model, pci_function } from '@vfio-lab/pci';
import type { int, u32 } from '@vfio-lab/sim';
import { byte_regs, touches } from './byte_regs.ts';
import { FIRST_MAC } from './regs.ts';
import type { mac_address } from './regs.ts';

const IDR0 = 0x00;
const CHIP_CMD = 0x37;
const INTR_MASK = 0x3c;
const INTR_STATUS = 0x3e;
const TX_CONFIG = 0x40;
const TIMER_INT = 0x54;

const CMD_RESET = 0x10;
const CMD_RX_EMPTY = 0x01;
const INTR_TIMEOUT = 0x4000;

const REGISTERS = [
  [IDR0, 4, 0, 0xffffffff],
  [IDR0 + 4, 2, 0, 0xffff],
  [0x08, 4, 0, 0xffffffff], // multicast filter
  [0x0c, 4, 0, 0xffffffff],
  [0x20, 4, 0, 0xfffffffc], // transmit buffers
  [0x24, 4, 0, 0xfffffffc],
  [0x28, 4, 0, 0xfffffffc],
  [0x2c, 4, 0, 0xfffffffc],
  [0x30, 4, 0, 0xffffffff], // receive buffer
  [CHIP_CMD, 1, CMD_RX_EMPTY, 0x0c],
  [0x38, 2, 0, 0xffff],
  [INTR_MASK, 2, 0, 0xe1ff],
  [INTR_STATUS, 2, 0, 0, 0xffff],
  [TX_CONFIG, 4, 0x74800000, 0x0307fff0],
  [0x44, 4, 0, 0xffffffff], // RxConfig
  [0x50, 1, 0, 0xc8], // 93C46
  [0x51, 1, 0],
  [0x52, 1, 0x0c, 0xc3],
  [TIMER_INT, 4, 0, 0xffffffff],
  [0x58, 1, 0x10, 0xc0],
  [0x59, 1, 0x01, 0xfe],
  [0x62, 2, 0x1000, 0xffff], // basic mode control
  [0x64, 2, 0x7809],
] as const;

/** RTL8139C+. */
export class rtl8139_device implements pci_device_model {
  readonly name = 'rtl8139';
  private hw: pci_function | null = null;
  private readonly mac: mac_address;
  private readonly regs = new byte_regs(0x100, REGISTERS);

  constructor(mac: mac_address = FIRST_MAC) {
    this.mac = mac;
    this.load_address();
  }

  attach(hw: pci_function): void {
    this.hw = hw;
  }

  reset(): void {
    this.reset_chip();
  }

  mmio_read(bar: pci_bar, off: int, size: int): u32 {
    return bar <= 1 ? this.regs.get(off, size) : 0;
  }

  mmio_write(bar: pci_bar, off: int, size: int, val: u32): void {
    if (bar > 1) return;
    this.regs.write(off, size, val);
    if (touches(off, size, CHIP_CMD, 1) && (val >>> (8 * (CHIP_CMD - off))) & CMD_RESET) this.reset_chip();
    if (touches(off, size, TIMER_INT, 4) && this.regs.get(TIMER_INT, 4)) {
      this.regs.set(INTR_STATUS, 2, this.regs.get(INTR_STATUS, 2) | INTR_TIMEOUT);
    }
    this.update();
  }

  private reset_chip(): void {
    this.regs.reset();
    this.load_address();
    this.update();
  }

  private load_address(): void {
    this.mac.forEach((byte, i) => this.regs.set(IDR0 + i, 1, byte));
  }

  private update(): void {
    if (this.regs.get(INTR_STATUS, 2) & this.regs.get(INTR_MASK, 2)) this.hw?.raise_intx();
    else this.hw?.lower_intx();
  }
}
