// SPDX-License-Identifier: GPL-2.0-only
// Words of the script language: names of regions, interrupts and flags.

export const REGIONS: Readonly<Record<string, number>> = {
  bar0: 0,
  bar1: 1,
  bar2: 2,
  bar3: 3,
  bar4: 4,
  bar5: 5,
  rom: 6,
  cfg: 7,
  vga: 8,
};

export const IRQS: Readonly<Record<string, number>> = { intx: 0, msi: 1, msix: 2, err: 3, req: 4 };

/** Flag words; READ and WRITE are those of dma_map. */
export const FLAGS: Readonly<Record<string, number>> = {
  DNONE: 1,
  DBOOL: 2,
  DEFD: 4,
  MASK: 8,
  UNMASK: 16,
  TRIGGER: 32,
  GET: 1 << 16,
  SET: 1 << 17,
  PROBE: 1 << 18,
  VF_TOKEN: 0,
  MIGRATION: 1,
  MIG_STATE: 2,
  LP_ENTRY: 3,
  LP_ENTRY_WAKE: 4,
  LP_EXIT: 5,
  LOG_START: 6,
  LOG_STOP: 7,
  LOG_REPORT: 8,
  READ: 1,
  WRITE: 2,
};

/** A region is at `index << 40` in the device file. */
export const REGION_SHIFT = 2 ** 40;

/** A C-style integer, decimal or hex, optionally negative; null when it is none. */
export function parseInteger(text: string): bigint | null {
  if (!/^-?(0x[0-9a-f]+|\d+)$/i.test(text)) return null;
  return text.startsWith('-') ? -BigInt(text.slice(1)) : BigInt(text);
}

/** Words joined by `|`, or numbers; null when a word is unknown. The result is a u32. */
export function parseFlags(text: string): number | null {
  let value = 0n;
  for (const word of text.split('|')) {
    const number = word in FLAGS ? BigInt(FLAGS[word]) : parseInteger(word);
    if (number === null) return null;
    value |= BigInt.asUintN(32, number);
  }
  return Number(value);
}

/** Hex digits to bytes; null when odd or not hex. */
export function parseHex(text: string): Uint8Array | null {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(text)) return null;
  return new Uint8Array(Buffer.from(text, 'hex'));
}

const HEX = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'));

/** Bytes to hex digits, in memory order. */
export function toHex(bytes: Uint8Array): string {
  let out = '';
  for (const b of bytes) out += HEX[b];
  return out;
}
