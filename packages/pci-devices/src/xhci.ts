// SPDX-License-Identifier: GPL-2.0-only
// qemu-xhci (1b36:000d): capability and operational registers, halted, nothing plugged in.

import type { pci_bar, pci_device_model } from '@vfio-lab/pci';
import type { int, u32 } from '@vfio-lab/sim';
import { byte_regs, touches } from './byte_regs.ts';
import type { register_def } from './byte_regs.ts';

const OPER = 0x40;
const PORTS = 0x440;
const RUNTIME = 0x1000;
const USBCMD = OPER;
const USBSTS = OPER + 4;

const USBCMD_RS = 0x1;
const USBCMD_HCRST = 0x2;
const USBSTS_HCH = 0x1;
const PORTS_OF_EACH_KIND = 4;
const PORTSC_PP_RXDETECT = 0x000002a0;

const PORT_REGISTERS = Array.from({ length: 2 * PORTS_OF_EACH_KIND }, (_, i): register_def => [
  PORTS + i * 0x10,
  4,
  PORTSC_PP_RXDETECT,
  0x0e00c200,
  0x00fe0000,
]);

const REGISTERS: readonly register_def[] = [
  [0x00, 4, 0x01000040], // version 1.0, operational registers at 0x40
  [0x04, 4, ((2 * PORTS_OF_EACH_KIND) << 24) | (16 << 8) | 64],
  [0x08, 4, 0x0000000f],
  [0x0c, 4, 0x00000000],
  [0x10, 4, 0x00087001],
  [0x14, 4, 0x00002000], // doorbells
  [0x18, 4, RUNTIME],
  // Supported protocols: USB 2 and USB 3.
  [0x20, 4, 0x02000402],
  [0x24, 4, 0x20425355],
  [0x28, 4, (PORTS_OF_EACH_KIND << 8) | (PORTS_OF_EACH_KIND + 1)],
  [0x30, 4, 0x03000002],
  [0x34, 4, 0x20425355],
  [0x38, 4, (PORTS_OF_EACH_KIND << 8) | 1],
  [USBCMD, 4, 0, 0x00000f0d],
  [USBSTS, 4, USBSTS_HCH, 0, 0x0000041c],
  [OPER + 0x08, 4, 1], // page size 4K
  [OPER + 0x14, 4, 0, 0xffff],
  [OPER + 0x18, 4, 0, 0xffffffc7],
  [OPER + 0x1c, 4, 0, 0xffffffff],
  [OPER + 0x30, 4, 0, 0xffffffc0],
  [OPER + 0x34, 4, 0, 0xffffffff],
  [OPER + 0x38, 4, 0, 0xff],
  [RUNTIME + 0x20, 4, 0, 0x2, 0x1],
  [RUNTIME + 0x24, 4, 0, 0xffffffff],
  [RUNTIME + 0x28, 4, 0, 0xffff],
  ...PORT_REGISTERS,
];

/** A host controller without devices. */
export class xhci_device implements pci_device_model {
  readonly name = 'xhci';
  private readonly regs = new byte_regs(0x4000, REGISTERS);

  reset(): void {
    this.regs.reset();
  }

  mmio_read(bar: pci_bar, off: int, size: int): u32 {
    return bar === 0 ? this.regs.get(off, size) : 0;
  }

  mmio_write(bar: pci_bar, off: int, size: int, val: u32): void {
    if (bar !== 0) return;
    this.regs.write(off, size, val);
    if (!touches(off, size, USBCMD, 4)) return;
    if (off === USBCMD && val & USBCMD_HCRST) {
      this.regs.reset();
      return;
    }
    this.regs.set(USBSTS, 4, this.regs.get(USBCMD, 4) & USBCMD_RS ? 0 : USBSTS_HCH);
  }
}
