// SPDX-License-Identifier: GPL-2.0-only
// A block of registers that can be reached a byte at a time: an image with, for every byte, which bits can be
// written and which are cleared by writing 1.

import type { int, u32 } from '@vfio-lab/sim';
import { read_le, write_le } from './regs.ts';

/** One register: where, how wide, power-on value, writable bits, bits cleared by writing 1. */
export type register_def = readonly [off: int, size: int, init: u32, writable?: u32, w1c?: u32];

/** Byte-addressable registers. Invariant: bits that no definition makes writable never change by a bus write. */
export class byte_regs {
  private readonly image: Uint8Array;
  private readonly power_on: Uint8Array;
  private readonly writable: Uint8Array;
  private readonly w1c: Uint8Array;

  constructor(length: int, defs: readonly register_def[]) {
    this.power_on = new Uint8Array(length);
    this.writable = new Uint8Array(length);
    this.w1c = new Uint8Array(length);
    for (const [off, size, init, writable = 0, w1c = 0] of defs) {
      write_le(this.power_on, off, size, init);
      write_le(this.writable, off, size, writable);
      write_le(this.w1c, off, size, w1c);
    }
    this.image = this.power_on.slice();
  }

  /** Power-on values everywhere. */
  reset(): void {
    this.image.set(this.power_on);
  }

  get(off: int, size: int): u32 {
    return read_le(this.image, off, size);
  }

  /** Store without regard to the write masks. */
  set(off: int, size: int, val: u32): void {
    write_le(this.image, off, size, val);
  }

  /** A write from the bus, by the masks. */
  write(off: int, size: int, val: u32): void {
    for (let i = off; i < off + size && i < this.image.length; i++) {
      const byte = (val >>> (8 * (i - off))) & 0xff;
      const writable = this.writable[i] ?? 0;
      const w1c = this.w1c[i] ?? 0;
      const old = (this.image[i] ?? 0) & ~(byte & w1c);
      this.image[i] = (old & ~writable) | (byte & writable);
    }
  }
}

/** Does an access of `size` bytes at `off` touch the register of `width` bytes at `reg`? */
export function touches(off: int, size: int, reg: int, width: int): boolean {
  return off < reg + width && reg < off + size;
}
