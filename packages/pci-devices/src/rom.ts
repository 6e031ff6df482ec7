// SPDX-License-Identifier: GPL-2.0-only
// Expansion ROM images. The bytes of a ROM are no part of a machine file; these are the images that the recorded
// machines had, made from the identification of the device.

import { read_le, write_le } from './regs.ts';

const PCIR_OFFSET = 0x18;

/**
 * The 2 KiB test image the recorded e1000e has: signature, a PCI data structure with the identification of the
 * device at 0x1c, a counting pattern from 0x100 on and a checksum that makes all bytes sum up to 0.
 */
export function test_rom(config: Uint8Array): Uint8Array {
  const rom = new Uint8Array(0x800);
  rom.set([0x55, 0xaa, rom.length / 512, 0xcb]);
  write_le(rom, PCIR_OFFSET, 2, 0x1c);
  rom.set([0x50, 0x43, 0x49, 0x52], 0x1c);
  rom.set(config.subarray(0, 4), 0x20);
  write_le(rom, 0x26, 2, 0x18);
  rom.set(config.subarray(9, 12), 0x29);
  write_le(rom, 0x2c, 2, rom.length / 512);
  rom[0x31] = 0x80;
  for (let i = 0x100; i < rom.length - 1; i++) rom[i] = (i * 7) & 0xff;
  checksum(rom);
  return rom;
}

/**
 * The part of the VGA BIOS that anybody looks at: header, entry code, and the PCI data structure where the header
 * points; 39 KiB, the rest 0. `checksum` is a byte of the header that
 * firmware patches to fit its variables.
 */
export function vga_rom(config: Uint8Array, checksum_byte = 0x41): Uint8Array {
  const rom = new Uint8Array(0x4e * 512);
  rom.set([0x55, 0xaa, 0x4e, 0xe9, 0x15, 0x57, checksum_byte]);
  const pcir = 0x99dc;
  write_le(rom, PCIR_OFFSET, 2, pcir);
  rom.set([0x49, 0x42, 0x4d, 0x00], 0x1e);
  rom.set(
    [
      0x2e, 0x8b, 0x16, 0x60, 0x9a, 0x85, 0xd2, 0x74, 0x01, 0xee, 0xc2, 0x02, 0x00, 0x84, 0xc0, 0x74, 0x34,
      0x66, 0x55, 0x66, 0x89, 0xe5, 0x66, 0x53, 0x66, 0x89, 0xc3, 0x66, 0xb8, 0x00,
    ],
    0x22,
  );
  rom.set([0x50, 0x43, 0x49, 0x52], pcir);
  rom.set(config.subarray(0, 4), pcir + 4);
  write_le(rom, pcir + 0xa, 2, 0x18);
  rom.set(config.subarray(9, 12), pcir + 0xd);
  write_le(rom, pcir + 0x10, 2, 0x4e);
  rom[pcir + 0x15] = 0x80;
  return rom;
}

/** A ROM in its window: bytes behind the image read as 0. */
export function rom_read(rom: Uint8Array, off: number, size: number): number {
  return read_le(rom, off, size);
}

function checksum(rom: Uint8Array): void {
  let sum = 0;
  for (const byte of rom) sum += byte;
  rom[rom.length - 1] = -sum & 0xff;
}
