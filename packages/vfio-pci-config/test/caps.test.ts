// SPDX-License-Identifier: GPL-2.0-only
import { machine } from '@vfio-lab/sim';
import { describe, expect, it } from 'vitest';

import { with_device } from './rig.ts';
import { space } from './space.ts';

/** How many bytes from `at` on belong to one capability. */
function length_at(map: Uint8Array, at: number): number {
  let end = at;
  while (end < map.length && map[end] === map[at]) end++;
  return end - at;
}

/** A PCI Express capability of this version and type, enough to have extended capabilities looked for. */
function exp(at: number, version = 2, type = 0): { id: number; at: number; body: string } {
  const flags = version | (type << 4);
  return { id: 0x10, at, body: Buffer.from([flags & 0xff, flags >> 8]).toString('hex') };
}

describe('vfio_cap_len', () => {
  it.each([
    ['power management', 0x01, '', 8],
    ['AGP', 0x02, '', 12],
    ['VPD', 0x03, '', 8],
    ['MSI, 32 bit', 0x05, '0000', 10],
    ['MSI, 32 bit with masking', 0x05, '0001', 20],
    ['MSI, 64 bit', 0x05, '8000', 14],
    ['MSI, 64 bit with masking', 0x05, '8001', 24],
    ['PCI-X, version 0', 0x07, '0000', 8],
    ['PCI-X, version 2', 0x07, '0020', 24],
    ['HyperTransport slave', 0x08, '0000', 28],
    ['HyperTransport with a long id', 0x08, '00a0', 24],
    ['vendor', 0x09, '14', 20],
    ['MSI-X', 0x11, '', 12],
    ['SATA with registers in place', 0x12, '00000f00', 16],
    ['SATA with registers in a BAR', 0x12, '00004000', 8],
    ['advanced features', 0x13, '', 6],
  ])('should know the length of %s', (_, id, body, len) =>
    with_device(space(256, [{ id, at: 0x80, body }]), {}, async ({ vdev }) => {
      expect(length_at(vdev.pci_config_map, 0x80)).toBe(len);
    }),
  );

  it.each([
    [1, 0, 0x14],
    [1, 9, 0x0c],
    [2, 0, 0x32],
    [2, 9, 0x2c],
  ])('should know the length of PCI Express version %i type %i', (version, type, len) =>
    with_device(space(4096, [exp(0x80, version, type)]), {}, async ({ vdev }) => {
      expect(length_at(vdev.pci_config_map, 0x80)).toBe(len);
      expect(vdev.extended_caps).toBe(false);
    }),
  );

  it('should find extended capabilities behind PCI-X 2', () =>
    with_device(
      space(4096, [{ id: 0x07, at: 0x80, body: '0020' }], [{ id: 0x03, at: 0x100 }]),
      {},
      async (rig) => {
        expect(rig.vdev.extended_caps).toBe(true);
        expect(length_at(rig.vdev.pci_config_map, 0x100)).toBe(12);
      },
    ));

  it('should hide a vendor capability without a length', () =>
    with_device(space(256, [{ id: 0x09, at: 0x80, body: '00' }]), {}, async ({ vdev }) => {
      expect(vdev.pci_config_map[0x80]).toBe(0xff);
      expect(machine.log[0]).toContain('hiding cap 0x9@0x80');
    }));

  it('should warn about what it does not know', () =>
    with_device(space(256, []), {}, async ({ k, vdev }) => {
      expect(await k.vfio_cap_len(vdev, 0x01, 0x80)).toBe(0);
      expect(await k.vfio_ext_cap_len(vdev, 0x01, 0x100)).toBe(0);
      expect(machine.log).toEqual([
        expect.stringContaining('vfio_cap_len: unknown length for PCI cap 0x1@0x80'),
        expect.stringContaining('vfio_ext_cap_len: unknown length for PCI ecap 0x1@0x100'),
      ]);
    }));

  it('should pass on errors of the device', () =>
    with_device(space(4096, []), {}, async ({ k, vdev, pdev }) => {
      pdev.is_disconnected = true;
      for (const cap of [0x05, 0x07, 0x08, 0x09, 0x12])
        expect(await k.vfio_cap_len(vdev, cap, 0x80)).toBe(-19);
      for (const ecap of [0x02, 0x08, 0x09, 0x0b, 0x0d, 0x15, 0x16, 0x17]) {
        expect(await k.vfio_ext_cap_len(vdev, ecap, 0x100)).toBe(-19);
      }
    }));
});

describe('vfio_ext_cap_len', () => {
  it.each([
    ['AER', 0x01, '', 0x2c],
    ['VC without arbitration', 0x02, '00000000' + '00000000', 0x1c],
    ['VC with 3 channels and 32 phases', 0x02, '02000000' + '02000000', 0x40 + 16],
    ['MFVC with 64 phases', 0x08, '00000000' + '04000000', 0x20 + 32],
    ['VC of the other id with 128 phases', 0x09, '00000000' + '08000000', 0x20 + 64],
    ['DSN', 0x03, '', 12],
    ['vendor', 0x0b, '34120003', 0x30],
    ['ACS', 0x0d, '1f00', 8],
    ['ACS with egress control of 256', 0x0d, '2000', 8 + 32],
    ['ACS with egress control of 33', 0x0d, '2021', 8 + 8],
    ['ARI', 0x0e, '', 8],
    ['SR-IOV', 0x10, '', 64],
    ['resizable BAR, 3 of them', 0x15, '00000000' + '60000000', 28],
    ['DPA with 5 substates', 0x16, '04000000', 16 + 5],
    ['TPH', 0x17, '00000000', 12],
    ['TPH with 8 tags', 0x17, '00020700', 12 + 16],
    ['LTR', 0x18, '', 8],
  ])('should know the length of %s', (_, id, body, len) =>
    with_device(space(4096, [exp(0x80)], [{ id, at: 0x100, body }]), {}, async ({ vdev }) => {
      expect(vdev.extended_caps).toBe(true);
      expect(length_at(vdev.pci_config_map, 0x100)).toBe(len);
      expect(machine.log).toEqual([]);
    }),
  );
});

describe('vfio_ecap_init', () => {
  it('should skip what is hidden', () =>
    with_device(
      space(
        4096,
        [exp(0x80)],
        [
          { id: 0x01, at: 0x100 },
          { id: 0x19, at: 0x140 },
          { id: 0x03, at: 0x180 },
          { id: 0x7777, at: 0x200 },
        ],
      ),
      {},
      async ({ read, vdev }) => {
        expect(await read(0x100, 4)).toBe('01000118');
        expect(await read(0x180, 4)).toBe('03000100');
        expect(vdev.pci_config_map[0x140]).toBe(0xff);
        expect(machine.log).toEqual([
          expect.stringContaining('vfio_ecap_init: hiding ecap 0x19@0x140'),
          expect.stringContaining('vfio_ecap_init: hiding ecap 0x7777@0x200'),
        ]);
      },
    ));

  it('should keep an empty header where the first is hidden', () =>
    with_device(
      space(
        4096,
        [exp(0x80)],
        [
          { id: 0x19, at: 0x100 },
          { id: 0x03, at: 0x180, body: '1122334455667788' },
        ],
      ),
      {},
      async ({ read, vdev }) => {
        expect(length_at(vdev.pci_config_map, 0x100)).toBe(4);
        expect(await read(0x100, 4)).toBe('00000018');
        expect(await read(0x180, 12)).toBe('03000100' + '1122334455667788');
      },
    ));

  it('should show nothing when all are hidden', () =>
    with_device(space(4096, [exp(0x80)], [{ id: 0x19, at: 0x100, version: 3 }]), {}, async ({ read }) => {
      expect(await read(0x100, 4)).toBe('00000000');
    }));

  it('should read an unknown first one as empty, and warn as the kernel does', async () => {
    const config = space(
      4096,
      [exp(0x80)],
      [
        { id: 0x2e, at: 0x100 },
        { id: 0x03, at: 0x180 },
      ],
    );
    await with_device(config, { findings: ['WARN_ON', 'WARN_ON', 'WARN_ON'] }, async ({ read, write }) => {
      expect(await read(0x100, 4)).toBe('00000018');
      expect(await write(0x100, 'ffffffff')).toBe(4);
      expect(await read(0x100, 4)).toBe('00000018');
    });
  });

  it('should complain of what overlaps', () =>
    with_device(
      space(
        4096,
        [exp(0x80)],
        [
          { id: 0x01, at: 0x100 },
          { id: 0x03, at: 0x128 },
        ],
      ),
      {},
      async () => {
        expect(machine.log).toHaveLength(4);
        expect(machine.log[0]).toContain(
          'vfio_ecap_init: PCI config conflict @0x128, was ecap 0x1 now ecap 0x3',
        );
      },
    ));

  it('should end on a chain that loops', () =>
    with_device(
      space(4096, [exp(0x80)], [{ id: 0x03, at: 0x100 }], { 0x102: '0110' }),
      {},
      async ({ init }) => {
        expect(init).toBe(0);
      },
    ));

  it('should virtualize only the header of a capability without a table', () =>
    with_device(
      space(4096, [exp(0x80)], [{ id: 0x03, at: 0x100, body: '1122334455667788' }]),
      { wmask: new Uint8Array(4096).fill(0xff) },
      async ({ read, write, hw }) => {
        expect(await write(0x100, '00'.repeat(12))).toBe(12);
        hw.set32(0x100, 0);
        hw.set32(0x104, 0xdeadbeef);
        expect(await read(0x100, 12)).toBe('03000100' + 'efbeadde' + '55667788');
      },
    ));
});
