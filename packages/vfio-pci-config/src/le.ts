// SPDX-License-Identifier: GPL-2.0-only
// C's typed pointers into byte arrays: *(__le16 *)&vconfig[pos] is le16_at(vconfig, pos).v here.
//
// Like the C, nothing checks bounds: bytes past the end read 0 and writes there are lost (a typed array drops them).

import type { Ref, u16, u32, u8 } from '@vfio-lab/sim';

/** A `u8 *` to one byte of `buf`. */
export function u8_at(buf: Uint8Array, off: number): Ref<u8> {
  return {
    get v(): u8 {
      return buf[off] ?? 0;
    },
    set v(x: u8) {
      buf[off] = x;
    },
  };
}

/** A `__le16 *` to two bytes of `buf`, at any alignment. */
export function le16_at(buf: Uint8Array, off: number): Ref<u16> {
  return {
    get v(): u16 {
      return (buf[off] ?? 0) | ((buf[off + 1] ?? 0) << 8);
    },
    set v(x: u16) {
      buf[off] = x;
      buf[off + 1] = x >>> 8;
    },
  };
}

/** A `__le32 *` to four bytes of `buf`, at any alignment. */
export function le32_at(buf: Uint8Array, off: number): Ref<u32> {
  return {
    get v(): u32 {
      return (
        ((buf[off] ?? 0) |
          ((buf[off + 1] ?? 0) << 8) |
          ((buf[off + 2] ?? 0) << 16) |
          ((buf[off + 3] ?? 0) << 24)) >>>
        0
      );
    },
    set v(x: u32) {
      buf[off] = x;
      buf[off + 1] = x >>> 8;
      buf[off + 2] = x >>> 16;
      buf[off + 3] = x >>> 24;
    },
  };
}

/**
 * memcpy() of up to 4 bytes, between bytes and a `__le32` variable, of which only the low `n` bytes are set.
 * @param to variable or bytes (a subarray: `vconfig.subarray(pos)` is `vconfig + pos`)
 * @param from the other
 * @param n bytes to copy, 1 to 4
 */
export function memcpy(to: Ref<u32> | Uint8Array, from: Ref<u32> | Uint8Array, n: number): void {
  const src = from instanceof Uint8Array ? le32_at(from, 0).v : from.v;
  const dst = to instanceof Uint8Array ? le32_at(to, 0) : to;
  const mask = 0xffffffff >>> (32 - n * 8);
  dst.v = ((dst.v & ~mask) | (src & mask)) >>> 0;
}
