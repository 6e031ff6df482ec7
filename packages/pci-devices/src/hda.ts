// SPDX-License-Identifier: GPL-2.0-only
// Intel HD Audio controller (8086:293e and its kin) without codecs: global registers, controller reset, and the
// interrupt that follows WAKEEN and STATESTS. Also the audio function of a graphics card, which has one codec.

import type { pci_bar, pci_device_model, pci_function } from '@vfio-lab/pci';
import type { int, u32 } from '@vfio-lab/sim';
import { byte_regs } from './byte_regs.ts';
import type { register_def } from './byte_regs.ts';

const GCAP = 0x00;
const GCTL = 0x08;
const WAKEEN = 0x0c;
const STATESTS = 0x0e;
const INTCTL = 0x20;
const INTSTS = 0x24;
const RIRBSTS = 0x5d;

const GCTL_RESET = 0x1; // 0 holds the controller in reset
const GIE = 0x80000000;
const CIE = 0x40000000;

/** One of the eight stream descriptors: control, status, position, length, last index, FIFO size, format, list. */
function stream(n: int): register_def[] {
  const base = 0x80 + 0x20 * n;
  return [
    [base, 4, 0, 0x00fc001f],
    [base + 0x03, 1, 0, 0, 0x1c],
    [base + 0x04, 4, 0],
    [base + 0x08, 4, 0, 0xffffffff],
    [base + 0x0c, 2, 0, 0x00ff],
    [base + 0x10, 2, 0x0100],
    [base + 0x12, 2, 0, 0x7f7f],
    [base + 0x18, 4, 0, 0xffffff80],
    [base + 0x1c, 4, 0, 0xffffffff],
  ];
}

const REGISTERS: readonly register_def[] = [
  [GCAP, 2, 0x4401],
  [0x02, 1, 0x00], // version 1.0
  [0x03, 1, 0x01],
  [0x04, 2, 0x003c],
  [0x06, 2, 0x001d],
  [GCTL, 4, 0, 0x0103],
  [WAKEEN, 2, 0, 0x7fff],
  [STATESTS, 2, 0, 0, 0x7fff],
  [INTCTL, 4, 0, 0xc00000ff],
  [INTSTS, 4, 0],
  [0x40, 4, 0, 0xffffff80], // CORB
  [0x44, 4, 0, 0xffffffff],
  [0x48, 2, 0, 0x00ff],
  [0x4a, 2, 0, 0x80ff],
  [0x4c, 1, 0, 0x03],
  [0x4d, 1, 0, 0, 0x01],
  [0x4e, 1, 0x42],
  [0x50, 4, 0, 0xffffff80], // RIRB
  [0x54, 4, 0, 0xffffffff],
  [0x58, 2, 0],
  [0x5a, 2, 0, 0x00ff],
  [0x5c, 1, 0, 0x07],
  [RIRBSTS, 1, 0, 0, 0x05],
  [0x5e, 1, 0x42],
  [0x70, 4, 0, 0xffffff81],
  [0x74, 4, 0, 0xffffffff],
  ...Array.from({ length: 8 }, (_, n) => stream(n)).flat(),
];

/** Width of the register that begins at an offset. */
const WIDTHS: ReadonlyMap<int, int> = new Map(REGISTERS.map(([off, size]) => [off, size]));

/**
 * HD Audio controller; `codecs` has a bit for each codec on the link. An access reaches the one register that begins at
 * its address and nothing behind it, however wide it is.
 */
export class hda_device implements pci_device_model {
  readonly name: string;
  private hw: pci_function | null = null;
  private readonly codecs: u32;
  private readonly regs = new byte_regs(0x4000, REGISTERS);

  constructor(name = 'hda', codecs = 0) {
    this.name = name;
    this.codecs = codecs;
  }

  attach(hw: pci_function): void {
    this.hw = hw;
  }

  reset(): void {
    this.regs.reset();
  }

  mmio_read(bar: pci_bar, off: int, size: int): u32 {
    return bar === 0 ? this.regs.get(off, Math.min(size, WIDTHS.get(off) ?? 0)) : 0;
  }

  mmio_write(bar: pci_bar, off: int, size: int, val: u32): void {
    const width = Math.min(size, WIDTHS.get(off) ?? 0);
    if (bar !== 0 || width === 0) return;
    const was_running = this.regs.get(GCTL, 4) & GCTL_RESET;
    this.regs.write(off, width, val);
    if (off === GCTL) {
      const running = this.regs.get(GCTL, 4) & GCTL_RESET;
      if (!running && was_running) this.regs.reset();
      if (running && !was_running) this.regs.set(STATESTS, 2, this.codecs);
    }
    this.update();
  }

  private update(): void {
    let sts = 0;
    if (this.regs.get(RIRBSTS, 1) || this.regs.get(STATESTS, 2) & this.regs.get(WAKEEN, 2)) sts |= CIE;
    const intctl = this.regs.get(INTCTL, 4);
    if (sts & intctl) sts |= GIE;
    this.regs.set(INTSTS, 4, sts);
    const line = (sts & GIE) !== 0 && (intctl & GIE) !== 0;
    if (!this.hw) return;
    if (this.hw.msi_enabled()) {
      if (line) this.hw.send_msi(0);
    } else if (line) {
      this.hw.raise_intx();
    } else {
      this.hw.lower_intx();
    }
  }
}
