// SPDX-License-Identifier: GPL-2.0-only
// Small tools shared by the simulated devices: little-endian access to a byte image, identification of a function
// by its config bytes, and the serial number that network cards keep their address in.

import type { int, u32 } from '@vfio-lab/sim';

const PCI_VENDOR_ID = 0x00;
const PCI_DEVICE_ID = 0x02;
const PCI_CLASS_REVISION = 0x08;
const PCI_EXT_CAP_START = 0x100;
const PCI_EXT_CAP_ID_DSN = 0x03;

/**
 * Little-endian number of `size` bytes at `off` of an image; bytes past its end read as 0.
 * @param size 1, 2 or 4
 */
export function read_le(image: Uint8Array, off: int, size: int): u32 {
  let val = 0;
  for (let i = 0; i < size; i++) val += (image[off + i] ?? 0) * 2 ** (8 * i);
  return val >>> 0;
}

/** Put `size` bytes of `val` at `off` of an image; what falls behind its end is dropped. */
export function write_le(image: Uint8Array, off: int, size: int, val: u32): void {
  for (let i = 0; i < size; i++) if (off + i < image.length) image[off + i] = (val >>> (8 * i)) & 0xff;
}

/** Replace `size` bytes at byte `shift` of a 32-bit register: what a narrow write does to a byte-addressable one. */
export function merge(old: u32, shift: int, size: int, val: u32): u32 {
  const mask = size >= 4 ? 0xffffffff : ((1 << (8 * size)) - 1) >>> 0;
  const bits = shift * 8;
  return ((old & ~(mask << bits)) | ((val & mask) << bits)) >>> 0;
}

/** What tells one kind of device from another. */
export interface device_ids {
  readonly vendor: int;
  readonly device: int;
  /** 24 bits: base class, subclass, programming interface. */
  readonly class: u32;
}

/** Identification from the config header. */
export function ids_of(config: Uint8Array): device_ids {
  return {
    vendor: read_le(config, PCI_VENDOR_ID, 2),
    device: read_le(config, PCI_DEVICE_ID, 2),
    class: read_le(config, PCI_CLASS_REVISION, 4) >>> 8,
  };
}

/** A network address: six bytes. */
export type mac_address = readonly number[];

/**
 * The network address inside a Device Serial Number capability: an EUI-64 made of the address with ff:ff in the
 * middle. Returns null when there is no such capability or its middle says it is something else.
 */
export function mac_from_serial(config: Uint8Array): mac_address | null {
  if (config.length <= PCI_EXT_CAP_START) return null;
  let pos = PCI_EXT_CAP_START;
  for (let ttl = 0; ttl < 480 && pos >= PCI_EXT_CAP_START; ttl++) {
    const header = read_le(config, pos, 4);
    if (header === 0) return null;
    if ((header & 0xffff) === PCI_EXT_CAP_ID_DSN) {
      const eui = [...config.subarray(pos + 4, pos + 12)].reverse();
      if (eui[3] !== 0xff || eui[4] !== 0xff) return null;
      return [...eui.slice(0, 3), ...eui.slice(5)];
    }
    pos = (header >>> 20) & 0xffc;
  }
  return null;
}

/** The first address QEMU hands out; each further card gets the next one. */
export const FIRST_MAC: mac_address = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];

/** Address `n` of the row that begins with FIRST_MAC. */
export function nth_mac(n: int): mac_address {
  return [...FIRST_MAC.slice(0, 5), (0x56 + n) & 0xff];
}
