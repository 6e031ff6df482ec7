// SPDX-License-Identifier: GPL-2.0-only
/* Bit, byte-order, size and string helpers of include/linux that the drivers use. */

export const U8_MAX = 0xff;
export const U16_MAX = 0xffff;
export const U32_MAX = 0xffffffff;
export const INT_MAX = 0x7fffffff;
export const ULLONG_MAX = 0xffffffffffffffffn;

export const SZ_1K = 0x400;
export const SZ_4K = 0x1000;
export const SZ_64K = 0x10000;
export const SZ_1M = 0x100000;

export const PAGE_SHIFT = 12;
export const PAGE_SIZE = 4096;

/** Round an address up to a page. Works above 2^32, where the bit operators of JavaScript do not. */
export function PAGE_ALIGN(addr: number): number {
  return Math.ceil(addr / PAGE_SIZE) * PAGE_SIZE;
}

/** C: PAGE_ALIGNED() */
export function PAGE_ALIGNED(addr: number): boolean {
  return addr % PAGE_SIZE === 0;
}

/** `addr & PAGE_MASK` */
export function page_start(addr: number): number {
  return addr - (addr % PAGE_SIZE);
}

/** `addr & ~PAGE_MASK` */
export function offset_in_page(addr: number): number {
  return addr % PAGE_SIZE;
}

/** Bit n of a 32-bit word. */
export function BIT(n: number): number {
  return (1 << n) >>> 0;
}

/** Bits h..l of a 32-bit word, both included. */
export function GENMASK(h: number, l: number): number {
  return ((0xffffffff >>> (31 - h)) & (0xffffffff << l)) >>> 0;
}

export function test_bit(nr: number, word: number): boolean {
  return ((word >>> nr) & 1) === 1;
}

/** 1-based index of the highest set bit, 0 for none. */
export function fls(x: number): number {
  return 32 - Math.clz32(x);
}

/** 1-based index of the lowest set bit, 0 for none. */
export function ffs(x: number): number {
  return x === 0 ? 0 : 32 - Math.clz32(x & -x);
}

/** 0-based index of the lowest set bit; undefined for 0, as in C. */
export function __ffs(x: number): number {
  return ffs(x) - 1;
}

export function hweight32(x: number): number {
  let n = 0;
  for (let v = x >>> 0; v !== 0; v &= v - 1) n++;
  return n;
}

export function hweight8(x: number): number {
  return hweight32(x & 0xff);
}

export function hweight16(x: number): number {
  return hweight32(x & 0xffff);
}

/** log2 rounded down; -1 for 0. */
export function ilog2(x: number): number {
  return fls(x) - 1;
}

export function is_power_of_2(x: number): boolean {
  return x > 0 && (x & (x - 1)) === 0;
}

export function roundup_pow_of_two(x: number): number {
  return x <= 1 ? 1 : 2 ** (32 - Math.clz32(x - 1));
}

export function min(a: number, b: number): number {
  return a < b ? a : b;
}

export function max(a: number, b: number): number {
  return a > b ? a : b;
}

/** Round up to a multiple of `to`. */
export function round_up(x: number, to: number): number {
  return Math.ceil(x / to) * to;
}

/** Round down to a multiple of `to`. */
export function round_down(x: number, to: number): number {
  return Math.floor(x / to) * to;
}

export const ALIGN = round_up;

export function IS_ALIGNED(x: number, to: number): boolean {
  return x % to === 0;
}

export function DIV_ROUND_UP(n: number, d: number): number {
  return Math.ceil(n / d);
}

export function ARRAY_SIZE(a: ArrayLike<unknown>): number {
  return a.length;
}

/** Without speculation there is nothing to clamp; an index out of range gives 0, as in C. */
export function array_index_nospec(index: number, size: number): number {
  return index < size ? index : 0;
}

// The machine is little endian, like the recorded ones.
export function cpu_to_le16(x: number): number {
  return x & 0xffff;
}
export function cpu_to_le32(x: number): number {
  return x >>> 0;
}
export function le16_to_cpu(x: number): number {
  return x & 0xffff;
}
export function le32_to_cpu(x: number): number {
  return x >>> 0;
}

export function lower_32_bits(x: number): number {
  return x >>> 0;
}
export function upper_32_bits(x: number): number {
  return Math.floor(x / 2 ** 32) >>> 0;
}

/** Configuration options are booleans of the image. C: IS_ENABLED() */
export function IS_ENABLED(option: boolean): boolean {
  return option;
}

/** Holds by construction or the image does not load. C: BUILD_BUG_ON() */
export function BUILD_BUG_ON(cond: boolean): void {
  if (cond) throw new Error('BUILD_BUG_ON');
}

/** Copy bytes, as memcpy(3): `dst[dst_off..]` from `src[src_off..]`. */
export function memcpy(dst: Uint8Array, src: Uint8Array, n: number, dst_off = 0, src_off = 0): void {
  for (let i = 0; i < n; i++) dst[dst_off + i] = src[src_off + i];
}

/** Fill bytes, as memset(3). */
export function memset(dst: Uint8Array, value: number, n: number, off = 0): void {
  dst.fill(value, off, off + n);
}

export function strlen(s: string): number {
  return s.length;
}

/** Negative, 0 or positive, as strcmp(3). */
export function strcmp(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** strcmp of at most the first n characters. */
export function strncmp(a: string, b: string, n: number): number {
  return strcmp(a.slice(0, n), b.slice(0, n));
}

/** Equal but for one trailing newline of either. C: lib/string_helpers.c sysfs_streq() */
export function sysfs_streq(a: string, b: string): boolean {
  return trim_newline(a) === trim_newline(b);
}

function trim_newline(s: string): string {
  return s.endsWith('\n') ? s.slice(0, -1) : s;
}

/**
 * Parse a boolean as sysfs files take it: y, Y, 1, on / n, N, 0, off.
 *
 * @returns the value, or null where C gives -EINVAL
 * C: lib/kstrtox.c kstrtobool()
 */
export function kstrtobool(s: string): boolean | null {
  if (/^[yYtT1]/.test(s) || /^[oO][nN]/.test(s)) return true;
  if (/^[nNfF0]/.test(s) || /^[oO][fF]/.test(s)) return false;
  return null;
}

/**
 * Parse an unsigned or signed integer, base 0 as in C (0x, leading 0), one trailing newline allowed.
 *
 * @returns the number, or null where C gives -EINVAL
 * C: lib/kstrtox.c kstrtol()
 */
export function kstrtol(s: string): number | null {
  const m = /^([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)\n?$/.exec(s);
  if (m === null) return null;
  const digits = m[2];
  const value = /^0[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number(digits);
  return m[1] === '-' ? -value : value;
}
