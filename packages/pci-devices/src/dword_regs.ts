// SPDX-License-Identifier: GPL-2.0-only
// A block of 32-bit registers as Intel's network cards have it: every register is reached at its dword address only.
// A narrower access reaches the whole register (the low bytes of it, whatever the byte address says).

import type { int, u32 } from '@vfio-lab/sim';

/** How one register behaves when it is not plain memory. */
export interface register_handler {
  read?(): u32;
  write?(val: u32): void;
}

/** Registers by offset. Invariant: an offset that was not declared reads 0 and drops writes. */
export class dword_regs {
  /** What was stored since the last reset. */
  private readonly values = new Map<int, u32>();
  private readonly defaults = new Map<int, u32>();
  /** Declared a range at a time: first and last offset, power-on value 0. */
  private readonly ranges: [first: int, last: int][] = [];
  private readonly handlers = new Map<int, register_handler>();

  /** Declare a readable and writable register with its power-on value. */
  declare_reg(off: int, init = 0): void {
    this.defaults.set(off, init >>> 0);
  }

  /** Declare the registers from `first` to `last`, both included, one every four bytes. */
  declare_range(first: int, last: int): void {
    this.ranges.push([first, last]);
  }

  private declared(off: int): boolean {
    if (this.defaults.has(off)) return true;
    return this.ranges.some(([first, last]) => off >= first && off <= last && (off - first) % 4 === 0);
  }

  /** Give a register a behaviour; what the handler leaves out stays plain memory. */
  handle(off: int, handler: register_handler): void {
    if (!this.declared(off)) this.declare_reg(off);
    this.handlers.set(off, handler);
  }

  /** Power-on values everywhere. */
  reset(): void {
    this.values.clear();
  }

  /** The stored value, without the side effects of a read. */
  get(off: int): u32 {
    return this.values.get(off) ?? this.defaults.get(off) ?? 0;
  }

  /** Store a value without the side effects of a write. */
  set(off: int, val: u32): void {
    if (this.declared(off)) this.values.set(off, val >>> 0);
  }

  /** An access from the bus. */
  read(addr: int): u32 {
    const off = addr & ~3;
    const read = this.handlers.get(off)?.read;
    return read ? read() >>> 0 : this.get(off);
  }

  /** A write from the bus. */
  write(addr: int, val: u32): void {
    const off = addr & ~3;
    const write = this.handlers.get(off)?.write;
    if (write) write(val >>> 0);
    else this.set(off, val);
  }
}
