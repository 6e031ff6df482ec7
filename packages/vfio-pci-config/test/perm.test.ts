// SPDX-License-Identifier: GPL-2.0-only
import { perm_bits } from '@vfio-lab/headers';
import { ENOMEM, slab_fail, slab_live } from '@vfio-lab/kernel';
import * as pci from '@vfio-lab/pci';
import { Machine } from '@vfio-lab/sim';
import { describe, expect, it } from 'vitest';

import { image } from './rig.ts';

/** Offset -> [virtual bits, writable bits, width in bytes]; what is not named is read from the device only. */
type Registers = Record<number, [virt: number, write: number, width: 1 | 2 | 4]>;

function expand(size: number, registers: Registers): { virt: string; write: string } {
  const virt = new Uint8Array(size);
  const write = new Uint8Array(size);
  for (const [off, [v, w, width]] of Object.entries(registers)) {
    for (let i = 0; i < width; i++) {
      virt[Number(off) + i] = v >>> (8 * i);
      write[Number(off) + i] = w >>> (8 * i);
    }
  }
  return { virt: hex(virt), write: hex(write) };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function bits(perm: perm_bits): { virt: string; write: string } {
  return { virt: hex(perm.virt), write: hex(perm.write) };
}

const ALL = 0xffffffff;
const next: Registers = { 1: [0xff, 0, 1] };

const tables: Record<string, { cap?: number; ecap?: number; size: number; registers: Registers }> = {
  header: {
    cap: 0,
    size: 0x40,
    registers: {
      0x00: [0xffff, 0, 2], // vendor
      0x02: [0xffff, 0, 2], // device
      0x04: [0x0400, 0xffff, 2], // command: INTx disable
      0x06: [0x0010, 0, 2], // status: capability list
      0x0c: [0, 0xff, 1], // cache line size
      0x0d: [0, 0xff, 1], // latency timer
      0x0f: [0, 0xff, 1], // BIST
      0x10: [ALL, ALL, 4],
      0x14: [ALL, ALL, 4],
      0x18: [ALL, ALL, 4],
      0x1c: [ALL, ALL, 4],
      0x20: [ALL, ALL, 4],
      0x24: [ALL, ALL, 4],
      0x30: [ALL, ALL, 4], // ROM
      0x34: [0xff, 0, 1], // capability pointer
      0x3c: [0xff, 0xff, 1], // interrupt line
      0x3d: [0xff, 0, 1], // interrupt pin
    },
  },
  'power management': {
    cap: pci.PCI_CAP_ID_PM,
    size: 8,
    registers: { ...next, 2: [0xf800, 0, 2], 4: [0x8100, 0xffff7efc, 4] },
  },
  'vital product data': {
    cap: pci.PCI_CAP_ID_VPD,
    size: 8,
    registers: { ...next, 2: [0xffff, 0xffff, 2], 4: [ALL, ALL, 4] },
  },
  'PCI-X': { cap: pci.PCI_CAP_ID_PCIX, size: 24, registers: { ...next, 2: [0, 0xffff, 2], 8: [0, ALL, 4] } },
  'PCI Express': {
    cap: pci.PCI_CAP_ID_EXP,
    size: 0x34,
    registers: { ...next, 0x08: [0xf0e0, 0xfdff, 2], 0x28: [0, 0xffdf, 2] },
  },
  'advanced features': { cap: pci.PCI_CAP_ID_AF, size: 8, registers: { ...next, 4: [1, 1, 1] } },
  'advanced error reporting': {
    ecap: pci.PCI_EXT_CAP_ID_ERR,
    size: 0x2c,
    registers: {
      0x00: [ALL, 0, 4],
      0x04: [0, 0x03fff031, 4],
      0x08: [0, 0x03fff031, 4],
      0x0c: [0, 0x03fff031, 4],
      0x10: [0, 0xf1c1, 4],
      0x14: [0, 0xf1c1, 4],
      0x18: [0, 0x0140, 4],
    },
  },
  'power budgeting': {
    ecap: pci.PCI_EXT_CAP_ID_PWR,
    size: 16,
    registers: { 0: [ALL, 0, 4], 8: [0, 0xff, 1] },
  },
};

const msi = { 0: [0, 0, 1], ...next, 2: [0xff, 0xff, 1], 4: [ALL, ALL, 4] } as Registers;
const msi_layouts: Record<string, { flags: number; len: number; size: number; registers: Registers }> = {
  '32 bit': { flags: 0, len: 10, size: 12, registers: { ...msi, 8: [0xffff, 0xffff, 2] } },
  '32 bit with masking': {
    flags: pci.PCI_MSI_FLAGS_MASKBIT,
    len: 20,
    size: 20,
    registers: { ...msi, 8: [0xffff, 0xffff, 2], 0xc: [0, ALL, 4], 0x10: [0, ALL, 4] },
  },
  '64 bit': {
    flags: pci.PCI_MSI_FLAGS_64BIT,
    len: 14,
    size: 16,
    registers: { ...msi, 8: [ALL, ALL, 4], 0xc: [0xffff, 0xffff, 2] },
  },
  '64 bit with masking': {
    flags: pci.PCI_MSI_FLAGS_64BIT | pci.PCI_MSI_FLAGS_MASKBIT,
    len: 24,
    size: 24,
    registers: { ...msi, 8: [ALL, ALL, 4], 0xc: [0xffff, 0xffff, 2], 0x10: [0, ALL, 4], 0x14: [0, ALL, 4] },
  },
};

describe('vfio_pci_init_perm_bits', () => {
  it.each(Object.entries(tables))('should make virtual and writable exactly these bits: %s', (_, table) =>
    new Machine().run(async () => {
      const k = image();
      expect(k.vfio_pci_init_perm_bits()).toBe(0);
      const perm = table.cap !== undefined ? k.cap_perms[table.cap] : k.ecap_perms[table.ecap ?? 0];
      expect(bits(perm)).toEqual(expand(table.size, table.registers));
    }),
  );

  it('should leave every other capability readable and without a table', () =>
    new Machine().run(async () => {
      const k = image();
      k.vfio_pci_init_perm_bits();
      const own = Object.values(tables);
      const vendor = { cap: [pci.PCI_CAP_ID_VNDR], ecap: [pci.PCI_EXT_CAP_ID_VNDR] };
      for (const [kind, perms] of [
        ['cap', k.cap_perms],
        ['ecap', k.ecap_perms],
      ] as const) {
        perms.forEach((perm, id) => {
          expect(perm.readfn).not.toBeNull();
          if (own.some((t) => t[kind] === id)) return;
          expect(perm.virt).toBeUndefined();
          expect(perm.writefn !== null).toBe(vendor[kind].includes(id));
        });
      }
    }));

  it('should give everything back in vfio_pci_uninit_perm_bits', () =>
    new Machine().run(async () => {
      const k = image();
      k.vfio_pci_init_perm_bits();
      expect(slab_live()).toHaveLength(16);
      k.vfio_pci_uninit_perm_bits();
      expect(slab_live()).toHaveLength(0);
    }));

  it('should fail and free all when any allocation fails', async () => {
    for (let n = 1; n <= 16; n++) {
      await new Machine().run(async () => {
        const k = image();
        slab_fail(n);
        expect(k.vfio_pci_init_perm_bits()).toBe(-ENOMEM);
        expect(slab_live()).toHaveLength(0);
      });
    }
  });

  it('should keep the tables of two images apart', () =>
    new Machine().run(async () => {
      const [a, b] = [image(), image()];
      a.vfio_pci_init_perm_bits();
      expect(b.cap_perms[0].virt).toBeUndefined();
    }));
});

describe('init_pci_cap_msi_perm', () => {
  it.each(Object.entries(msi_layouts))(
    'should make virtual and writable exactly these bits: %s',
    (_, layout) =>
      new Machine().run(async () => {
        const k = image();
        const perm = new perm_bits();
        expect(k.init_pci_cap_msi_perm(perm, layout.len, layout.flags)).toBe(0);
        expect(bits(perm)).toEqual(expand(layout.size, layout.registers));
      }),
  );
});

describe('lengths of capabilities', () => {
  it('should hide those without a length', () => {
    const k = image();
    const hidden = (lengths: ArrayLike<number>): number[] =>
      Array.from(lengths, (len, id) => (len === 0 ? id : -1)).filter((id) => id >= 0);
    // SLOTID, CHSWP, DBG, CCRC, SHPC, SSVID, AGP3, SECDEV, EA
    expect(hidden(k.pci_cap_length)).toEqual([0x04, 0x06, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x14]);
    // null, root complex ones, CAC, MRIOV, AMD, SECPCI to PASID and what is newer
    expect(hidden(k.pci_ext_cap_length)).toEqual([
      0x00, 0x05, 0x06, 0x07, 0x0a, 0x0c, 0x11, 0x14, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f, 0x20, 0x21,
      0x22, 0x23, 0x24, 0x25, 0x26,
    ]);
    expect(k.pci_cap_length[pci.PCI_CAP_ID_MSIX]).toBe(12);
    expect(k.pci_ext_cap_length[pci.PCI_EXT_CAP_ID_SRIOV]).toBe(64);
  });
});
