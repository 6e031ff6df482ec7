// SPDX-License-Identifier: GPL-2.0-only
// Intel 82540EM (8086:100e) as QEMU has it: register file and INTx; its I/O window reads 0. No packet ever flows.

import type { pci_bar, pci_device_model, pci_function } from '@vfio-lab/pci';
import type { int, u32 } from '@vfio-lab/sim';
import { dword_regs } from './dword_regs.ts';
import { FIRST_MAC } from './regs.ts';
import type { mac_address } from './regs.ts';

const CTRL = 0x00000;
const STATUS = 0x00008;
const EECD = 0x00010;
const EERD = 0x00014;
const VET = 0x00038;
const ICR = 0x000c0;
const ITR = 0x000c4;
const ICS = 0x000c8;
const IMS = 0x000d0;
const IMC = 0x000d8;
const RCTL = 0x00100;
const TCTL = 0x00400;
const LEDCTL = 0x00e00;
const PBA = 0x01000;
const MANC = 0x05820;
const RAL0 = 0x05400;
const RAH0 = 0x05404;

const CTRL_RST = 0x04000000;
const EERD_START = 0x1;
const EERD_DONE = 0x10;
const EECD_PRESENT = 0x100;
const EECD_GRANT = 0x80;
const EECD_REQUEST = 0x40;

const INITIAL: readonly (readonly [int, u32])[] = [
  [CTRL, 0x00140240],
  [STATUS, 0x80080783],
  [EECD, EECD_PRESENT],
  [LEDCTL, 0x602],
  [PBA, 0x00100030],
  [MANC, 0x0037a000],
];

const PLAIN: readonly (readonly [int, int])[] = [
  [EERD, EERD],
  [VET, VET],
  [ITR, ITR],
  [RCTL, RCTL],
  [TCTL, TCTL],
  [0x02160, 0x0216c],
  [0x02800, 0x02820],
  [0x0282c, 0x0282c],
  [0x03800, 0x0382c],
  [0x04000, 0x040fc], // statistics
  [0x05200, 0x0547c],
  [0x05600, 0x057fc],
  [0x05800, 0x05810],
];

/** Intel 82540EM. */
export class e1000_device implements pci_device_model {
  readonly name = 'e1000';
  private hw: pci_function | null = null;
  private readonly mac: mac_address;
  private readonly regs = new dword_regs();

  constructor(mac: mac_address = FIRST_MAC) {
    this.mac = mac;
    for (const [first, last] of PLAIN) this.regs.declare_range(first, last);
    for (const [off, init] of INITIAL) this.regs.declare_reg(off, init);
    this.wire();
    this.load_address();
  }

  attach(hw: pci_function): void {
    this.hw = hw;
  }

  reset(): void {
    this.regs.reset();
    this.load_address();
  }

  mmio_read(bar: pci_bar, off: int, _size: int): u32 {
    return bar === 0 ? this.regs.read(off) : 0;
  }

  mmio_write(bar: pci_bar, off: int, _size: int, val: u32): void {
    if (bar === 0) this.regs.write(off, val);
  }

  private load_address(): void {
    const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = this.mac;
    this.regs.set(RAL0, a | (b << 8) | (c << 16) | (d << 24));
    this.regs.set(RAH0, e | (f << 8) | 0x80000000);
  }

  private wire(): void {
    const { regs } = this;
    regs.handle(CTRL, { write: (val) => regs.set(CTRL, val & ~CTRL_RST) });
    regs.handle(STATUS, { write: () => undefined });
    regs.handle(EECD, {
      write: (val) => regs.set(EECD, (val & 0x4f) | EECD_PRESENT | (val & EECD_REQUEST ? EECD_GRANT : 0)),
    });
    regs.handle(EERD, {
      write: (val) => {
        const word = (val >>> 8) & 0x3f;
        const data = word < 3 ? (this.mac[word * 2] ?? 0) | ((this.mac[word * 2 + 1] ?? 0) << 8) : 0;
        regs.set(EERD, val & EERD_START ? (data << 16) | EERD_DONE | (word << 8) : val);
      },
    });
    regs.handle(ICR, {
      read: () => {
        const icr = regs.get(ICR);
        this.set_causes(0);
        return icr;
      },
      write: (val) => this.set_causes(regs.get(ICR) & ~val),
    });
    regs.handle(ICS, { write: (val) => this.set_causes(regs.get(ICR) | val) });
    regs.handle(IMS, {
      write: (val) => {
        regs.set(IMS, regs.get(IMS) | val);
        this.set_causes(regs.get(ICR));
      },
    });
    regs.handle(IMC, {
      read: () => 0,
      write: (val) => {
        regs.set(IMS, regs.get(IMS) & ~val);
        this.set_causes(regs.get(ICR));
      },
    });
  }

  private set_causes(causes: u32): void {
    this.regs.set(ICR, causes);
    this.regs.set(ICS, causes);
    if (causes & this.regs.get(IMS)) this.hw?.raise_intx();
    else this.hw?.lower_intx();
  }
}
