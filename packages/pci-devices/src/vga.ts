// SPDX-License-Identifier: GPL-2.0-only
// Bochs VGA (1234:1111): 16 MiB of video memory behind BAR 0, EDID, the VGA ports and the display interface behind
// BAR 2, a ROM, and the legacy ranges 0xa0000-0xbffff and 0x3b0-0x3df. It comes up as the firmware leaves it: in
// 80x25 text mode with its banner on the screen.

import { PCI_ROM_BAR } from '@vfio-lab/pci';
import type { pci_bar, pci_device_model, pci_function } from '@vfio-lab/pci';
import type { int, u32 } from '@vfio-lab/sim';
import { sparse_memory } from './memory.ts';
import { read_le } from './regs.ts';
import { rom_read, vga_rom } from './rom.ts';

const FRAMEBUFFER_BAR = 0;
const MMIO_BAR = 2;
const MMIO_EDID_BYTES = 0x80;
const MMIO_PORTS = 0x400; // ports 0x3c0-0x3df
const MMIO_DISPI = 0x500; // display interface, 16 bits each
const MMIO_END = 0x600;

const DISPI_ID = 0;
const DISPI_ID5 = 0xb0c5;
const DISPI_REGISTERS = 11;

const ATT_W = 0x3c0;
const ATT_R = 0x3c1;
const MIS_W = 0x3c2;
const SEQ_I = 0x3c4;
const SEQ_D = 0x3c5;
const PEL_MASK = 0x3c6;
const MIS_R = 0x3cc;
const GFX_I = 0x3ce;
const GFX_D = 0x3cf;
const CRT_IC = 0x3d4;
const CRT_DC = 0x3d5;
const IS1_RC = 0x3da;
const CRT_IM = 0x3b4;
const CRT_DM = 0x3b5;
const IS1_RM = 0x3ba;

const MIS_COLOR = 0x01;
const SEQ_CHAIN4 = 0x08;
const GFX_ODD_EVEN = 0x10;
const MAP_OPEN = 0xff; // what an address outside the window reads

const LEGACY_BASE = 0xa0000;
const SHADOW = 0xc0000;
/** Base and length of the window for each memory map of graphics register 6. */
const WINDOWS: readonly (readonly [int, int])[] = [
  [0xa0000, 0x20000],
  [0xa0000, 0x10000],
  [0xb0000, 0x8000],
  [0xb8000, 0x8000],
];

const SEQ_TEXT = [0x03, 0x00, 0x03, 0x00, 0x02];
const GFX_TEXT = [0, 0, 0, 0, 0, 0x10, 0x0e, 0x0f, 0xff];
const CRT_TEXT = [
  0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0x00, 0x00, 0x00, 0x00, 0x9c, 0x8e,
  0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff,
];
const ATT_TEXT = [
  0, 1, 2, 3, 4, 5, 0x14, 7, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x0c, 0, 0x0f, 0x08, 0,
];

const BANNER = 'SeaBIOS (version 1.16.2-debian-1.16.2-1)';

/** First bytes of the EDID: header, manufacturer, product, no serial number, week, year, version 1.4, digital. */
const EDID = [
  0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, 0x49, 0x14, 0x34, 0x12, 0, 0, 0, 0, 0x2a, 0x18, 0x01, 0x04,
  0xa5,
];

/** Bochs VGA. `rom_checksum` is the checksum byte of its ROM. */
export class vga_device implements pci_device_model {
  readonly name = 'vga';
  private readonly rom_checksum: int | undefined;
  private rom: Uint8Array = new Uint8Array(0);
  private readonly vram = new sparse_memory();
  private readonly edid = new Uint8Array(MMIO_EDID_BYTES);
  private readonly dispi = new Uint16Array(DISPI_REGISTERS);
  private misc = 0x67;
  private pel_mask = 0xff;
  private index = { seq: 0, gfx: 0, crt: 0, att: 0 };
  private att_data = true;
  private readonly seq = new Uint8Array(8);
  private readonly gfx = new Uint8Array(16);
  private readonly crt = new Uint8Array(32);
  private readonly att = new Uint8Array(32);

  constructor(rom_checksum?: int) {
    this.rom_checksum = rom_checksum;
    this.edid.set(EDID);
    this.dispi[DISPI_ID] = DISPI_ID5;
    this.text_mode();
    this.clear_screen();
  }

  attach(hw: pci_function): void {
    this.rom = vga_rom(hw.config, this.rom_checksum);
  }

  /** Registers go back; what is in video memory stays. */
  reset(): void {
    this.dispi.fill(0);
    this.dispi[DISPI_ID] = DISPI_ID5;
    this.misc = 0;
    this.index = { seq: 0, gfx: 0, crt: 0, att: 0 };
    this.att_data = false;
    for (const bank of [this.seq, this.gfx, this.crt, this.att]) bank.fill(0);
  }

  mmio_read(bar: pci_bar, off: int, size: int): u32 {
    if (bar === FRAMEBUFFER_BAR) return this.vram.read(off, size);
    if (bar === PCI_ROM_BAR) return rom_read(this.rom, off, size);
    if (bar !== MMIO_BAR) return 0;
    if (off < MMIO_EDID_BYTES) return read_le(this.edid, off, size);
    if (off >= MMIO_DISPI && off < MMIO_END) return this.dispi_read((off - MMIO_DISPI) >> 1, size);
    if (off >= MMIO_PORTS && off < MMIO_PORTS + 0x20)
      return this.legacy_read(true, 0x3c0 + off - MMIO_PORTS, size);
    return 0;
  }

  mmio_write(bar: pci_bar, off: int, size: int, val: u32): void {
    if (bar === FRAMEBUFFER_BAR) this.vram.write(off, size, val);
    if (bar !== MMIO_BAR) return;
    if (off >= MMIO_DISPI && off < MMIO_END) {
      const n = (off - MMIO_DISPI) >> 1;
      if (n > DISPI_ID && n < DISPI_REGISTERS) this.dispi[n] = val;
    } else if (off >= MMIO_PORTS && off < MMIO_PORTS + 0x20) {
      this.legacy_write(true, 0x3c0 + off - MMIO_PORTS, size, val);
    }
  }

  /**
   * A read of the VGA ranges: memory 0xa0000-0xbffff, or ports 0x3b0-0x3df, byte by byte as the bus splits it; and
   * of the ROM's shadow at 0xc0000.
   */
  legacy_read(io: boolean, addr: int, size: int): u32 {
    if (!io && addr >= SHADOW) return rom_read(this.rom, addr - SHADOW, size);
    let val = 0;
    for (let i = 0; i < size; i++) {
      const byte = io ? this.port_read(addr + i) : this.window_read(addr + i);
      val += byte * 2 ** (8 * i);
    }
    return val;
  }

  /** A write to the VGA ranges. */
  legacy_write(io: boolean, addr: int, size: int, val: u32): void {
    for (let i = 0; i < size; i++) {
      const byte = (val >>> (8 * i)) & 0xff;
      if (io) this.port_write(addr + i, byte);
      else this.window_write(addr + i, byte);
    }
  }

  private dispi_read(n: int, size: int): u32 {
    const low = this.dispi[n] ?? 0;
    return size === 4 ? low + (this.dispi[n + 1] ?? 0) * 0x10000 : low;
  }

  private text_mode(): void {
    this.seq.set(SEQ_TEXT);
    this.gfx.set(GFX_TEXT);
    this.crt.set(CRT_TEXT);
    this.att.set(ATT_TEXT);
  }

  /** Blank, grey on black, with the banner in the first line: character in plane 0, attribute in plane 1. */
  private clear_screen(): void {
    for (let cell = 0; cell < 0x4000; cell++) {
      this.vram.write(cell * 4, 2, 0x0700 | (BANNER.charCodeAt(cell) || 0x20));
    }
  }

  /** Offset in video memory of an address of the window, and its plane; null outside the window. */
  private place(addr: int): { at: int; plane: int } | null {
    const [base, length] = WINDOWS[((this.gfx[6] ?? 0) >> 2) & 3] ?? [LEGACY_BASE, 0];
    const off = addr - base;
    if (off < 0 || off >= length) return null;
    if ((this.seq[4] ?? 0) & SEQ_CHAIN4) return { at: off, plane: off & 3 };
    if ((this.gfx[5] ?? 0) & GFX_ODD_EVEN) {
      const plane = ((this.gfx[4] ?? 0) & 2) | (off & 1);
      return { at: ((off & ~1) << 1) | plane, plane };
    }
    const plane = (this.gfx[4] ?? 0) & 3;
    return { at: off * 4 + plane, plane };
  }

  private window_read(addr: int): int {
    const place = this.place(addr);
    return place ? this.vram.read(place.at, 1) : MAP_OPEN;
  }

  private window_write(addr: int, byte: int): void {
    const place = this.place(addr);
    if (place && (this.seq[2] ?? 0) & (1 << place.plane)) this.vram.write(place.at, 1, byte);
  }

  /** The monochrome ports answer in monochrome mode and the colour ports in colour mode only. */
  private absent(port: int): boolean {
    const color = (this.misc & MIS_COLOR) !== 0;
    return (port >= 0x3b0 && port <= 0x3bf && color) || (port >= 0x3d0 && port <= 0x3df && !color);
  }

  private port_read(port: int): int {
    if (this.absent(port)) return MAP_OPEN;
    const { index } = this;
    switch (port) {
      case ATT_W:
        return this.att_data ? 0 : index.att;
      case ATT_R:
        return this.att[index.att & 0x1f] ?? 0;
      case MIS_W: // status 0
      case 0x3c7:
      case 0x3c8:
      case 0x3c9:
      case 0x3ca:
        return 0;
      case SEQ_I:
        return index.seq;
      case SEQ_D:
        return this.seq[index.seq] ?? 0;
      case PEL_MASK:
        return this.pel_mask;
      case MIS_R:
        return this.misc;
      case GFX_I:
        return index.gfx;
      case GFX_D:
        return this.gfx[index.gfx] ?? 0;
      case CRT_IC:
      case CRT_IM:
        return index.crt;
      case CRT_DC:
      case CRT_DM:
        return this.crt[index.crt] ?? 0;
      case IS1_RC:
      case IS1_RM:
        this.att_data = false;
        return 0;
      default:
        return port >= 0x3c0 && port <= 0x3cf ? 0 : MAP_OPEN;
    }
  }

  private port_write(port: int, byte: int): void {
    if (this.absent(port)) return;
    const { index } = this;
    switch (port) {
      case ATT_W:
        if (this.att_data) this.att[index.att & 0x1f] = byte;
        else index.att = byte & 0x3f;
        this.att_data = !this.att_data;
        break;
      case MIS_W:
        this.misc = byte & ~0x10;
        break;
      case SEQ_I:
        index.seq = byte & 7;
        break;
      case SEQ_D:
        this.seq[index.seq] = byte;
        break;
      case PEL_MASK:
        this.pel_mask = byte;
        break;
      case GFX_I:
        index.gfx = byte & 0x0f;
        break;
      case GFX_D:
        this.gfx[index.gfx] = byte;
        break;
      case CRT_IC:
      case CRT_IM:
        index.crt = byte & 0x1f;
        break;
      case CRT_DC:
      case CRT_DM:
        this.crt[index.crt] = byte;
        break;
      default:
        break;
    }
  }
}
