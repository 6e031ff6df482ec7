// SPDX-License-Identifier: GPL-2.0-only
// C's typed pointers into byte arrays: *(__le16 *)&vconfig[pos] is le16_at(vconfig, pos).v here.
//
// Like the C, nothing checks bounds: bytes past the end read 0 and writes there are lost (a typed array drops them).

import type { Ref, u16, u32, u8 } from '@vfio-lab/sim';

/** A pointer into bytes. */
abstract class pointer {
  protected readonly buf: Uint8Array;
  protected readonly off: number;

  constructor(buf: Uint8Array, off: number) {
    this.buf = buf;
    this.off = off;
  }
}

class u8_pointer extends pointer implements Ref<u8> {
  get v(): u8 {
    return this.buf[this.off] ?? 0;
  }

  set v(x: u8) {
    this.buf[this.off] = x;
  }
}

class le16_pointer extends pointer implements Ref<u16> {
  get v(): u16 {
    const { buf, off } = this;
    return (buf[off] ?? 0) | ((buf[off + 1] ?? 0) << 8);
  }

  set v(x: u16) {
    const { buf, off } = this;
    buf[off] = x;
    buf[off + 1] = x >>> 8;
  }
}

class le32_pointer extends pointer implements Ref<u32> {
  get v(): u32 {
    return get_le32(this.buf, this.off);
  }

  set v(x: u32) {
    set_le32(this.buf, this.off, x);
  }
}

function get_le32(buf: Uint8Array, off: number): u32 {
  return (
    ((buf[off] ?? 0) |
      ((buf[off + 1] ?? 0) << 8) |
      ((buf[off + 2] ?? 0) << 16) |
      ((buf[off + 3] ?? 0) << 24)) >>>
    0
  );
}

function set_le32(buf: Uint8Array, off: number, x: u32): void {
  buf[off] = x;
  buf[off + 1] = x >>> 8;
  buf[off + 2] = x >>> 16;
  buf[off + 3] = x >>> 24;
}

/** A `u8 *` to one byte of `buf`. */
export function u8_at(buf: Uint8Array, off: number): Ref<u8> {
  return new u8_pointer(buf, off);
}

/** A `__le16 *` to two bytes of `buf`, at any alignment. */
export function le16_at(buf: Uint8Array, off: number): Ref<u16> {
  return new le16_pointer(buf, off);
}

/** A `__le32 *` to four bytes of `buf`, at any alignment. */
export function le32_at(buf: Uint8Array, off: number): Ref<u32> {
  return new le32_pointer(buf, off);
}

/**
 * memcpy() of up to 4 bytes, between bytes and a `__le32` variable, of which only the low `n` bytes are set.
 * @param to variable or bytes (a subarray: `vconfig.subarray(pos)` is `vconfig + pos`)
 * @param from the other
 * @param n bytes to copy, 1 to 4
 */
export function memcpy(to: Ref<u32> | Uint8Array, from: Ref<u32> | Uint8Array, n: number): void {
  const src = from instanceof Uint8Array ? get_le32(from, 0) : from.v;
  const mask = 0xffffffff >>> (32 - n * 8);
  if (to instanceof Uint8Array) set_le32(to, 0, (get_le32(to, 0) & ~mask) | (src & mask));
  else to.v = ((to.v & ~mask) | (src & mask)) >>> 0;
}
