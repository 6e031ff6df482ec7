// SPDX-License-Identifier: GPL-2.0-only
/* Config space put together from registers and capabilities. */
import { PCI_CAPABILITY_LIST, PCI_STATUS, PCI_STATUS_CAP_LIST } from '@vfio-lab/pci';

/** A capability: its id, where it is, and the bytes after id and next pointer (hex). */
export interface Cap {
  id: number;
  at: number;
  body?: string;
}

/** An extended capability: bytes after the header (hex). */
export interface Ecap extends Cap {
  version?: number;
}

/**
 * Make config space: `caps` and `ecaps` are chained in the order given.
 * @param registers offset -> bytes in hex, put in last
 */
export function space(
  size: 256 | 4096,
  caps: readonly Cap[],
  ecaps: readonly Ecap[] = [],
  registers: Readonly<Record<number, string>> = {},
): Uint8Array {
  const config = new Uint8Array(size);
  const put = (at: number, hex: string): void => config.set(Buffer.from(hex, 'hex'), at);
  put(0, '8680d310'); // an Intel NIC
  put(8, '01000002');
  if (caps.length > 0) {
    config[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
    config[PCI_CAPABILITY_LIST] = caps[0].at;
  }
  caps.forEach((cap, i) => {
    config[cap.at] = cap.id;
    config[cap.at + 1] = caps[i + 1]?.at ?? 0;
    put(cap.at + 2, cap.body ?? '');
  });
  ecaps.forEach((cap, i) => {
    const header = cap.id | ((cap.version ?? 1) << 16) | ((ecaps[i + 1]?.at ?? 0) << 20);
    new DataView(config.buffer).setUint32(cap.at, header, true);
    put(cap.at + 4, cap.body ?? '');
  });
  for (const [at, hex] of Object.entries(registers)) put(Number(at), hex);
  return config;
}

/** An endpoint with a bit of everything: PM, VPD, MSI (64 bit, masking), PCI Express v2 with FLR, MSI-X, AF, vendor. */
export function endpoint(): Uint8Array {
  return space(
    4096,
    [
      { id: 0x01, at: 0x40, body: '03c80021' }, // PME from D0, D3hot, D3cold; PME_En set
      { id: 0x03, at: 0x48 },
      { id: 0x05, at: 0x50, body: '8a01' }, // 32 messages, 64 bit, masking
      { id: 0x10, at: 0x70, body: '0200' + '00000010' + '1028' }, // v2 endpoint, FLR, 512 bytes of read request
      { id: 0x11, at: 0xb0, body: '0400' },
      { id: 0x13, at: 0xc0, body: '060300' }, // AF: FLR and TP
      { id: 0x09, at: 0xd0, body: '10' }, // vendor: 16 bytes
    ],
    [
      { id: 0x01, at: 0x100 },
      { id: 0x0b, at: 0x140, body: '11110001' }, // 16 bytes
      { id: 0x04, at: 0x160 },
    ],
    { 0x04: '0300', 0x3c: '0b01', 0xe4: 'aabbccdd' },
  );
}
