// SPDX-License-Identifier: GPL-2.0-only
import {
  is_msi,
  PCI_CAP_ID_INVALID,
  PCI_CAP_ID_INVALID_VIRT,
  VFIO_PCI_MSI_IRQ_INDEX,
} from '@vfio-lab/headers';
import { EFAULT, EIO, ENODEV, ENOMEM, slab_fail } from '@vfio-lab/kernel';
import { mutex, rwsem_is_locked } from '@vfio-lab/locking';
import type { pci_device_model } from '@vfio-lab/pci';
import {
  IORESOURCE_IO,
  IORESOURCE_MEM,
  IORESOURCE_MEM_64,
  IORESOURCE_PREFETCH,
  IORESOURCE_ROM_SHADOW,
} from '@vfio-lab/pci';
import { machine } from '@vfio-lab/sim';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { Rig } from './rig.ts';
import { with_device } from './rig.ts';
import { endpoint, space } from './space.ts';

const everything = (size: number): Uint8Array => new Uint8Array(size).fill(0xff);

/** The access widths and places that reach the device, as `r4@0`. */
function watch(rig: Rig): string[] {
  const seen: string[] = [];
  const { vfio_user_config_read: read, vfio_user_config_write: write } = rig.k;
  rig.k.vfio_user_config_read = async function (pdev, offset, val, count) {
    seen.push(`r${count}@${offset.toString(16)}`);
    return await read.call(rig.k, pdev, offset, val, count);
  };
  rig.k.vfio_user_config_write = async function (pdev, offset, val, count) {
    seen.push(`w${count}@${offset.toString(16)}`);
    return await write.call(rig.k, pdev, offset, val, count);
  };
  return seen;
}

/** Runs of equal bytes in the map, as `at: id x length`. */
function runs(map: Uint8Array): string[] {
  const out: string[] = [];
  for (let i = 0; i < map.length;) {
    let n = i;
    while (n < map.length && map[n] === map[i]) n++;
    out.push(`${i.toString(16)}: ${map[i].toString(16)} x ${n - i}`);
    i = n;
  }
  return out;
}

describe('vfio_config_init', () => {
  it('should map every byte to its capability', async () => {
    await with_device(endpoint(), {}, async ({ vdev, init }) => {
      expect(init).toBe(0);
      expect(runs(vdev.pci_config_map)).toEqual([
        '0: 0 x 64',
        '40: 1 x 8',
        '48: 3 x 8',
        '50: 5 x 24',
        '68: ff x 8',
        '70: 10 x 50',
        'a2: ff x 14',
        'b0: 11 x 12',
        'bc: ff x 4',
        'c0: 13 x 6',
        'c6: ff x 10',
        'd0: 9 x 16',
        'e0: ff x 32',
        '100: 1 x 44',
        '12c: ff x 20',
        '140: b x 16',
        '150: ff x 16',
        '160: 4 x 16',
        '170: ff x 3728',
      ]);
    });
  });

  it('should take PME away from the user', () =>
    with_device(endpoint(), {}, async ({ read, phys }) => {
      expect(phys(0x42, 2)).toBe(0xc803);
      expect(phys(0x44, 2)).toBe(0x2100);
      expect(await read(0x42, 4)).toBe('03000020');
    }));

  it('should do without capabilities', () =>
    with_device(space(256, []), {}, async ({ vdev, init }) => {
      expect(init).toBe(0);
      expect(runs(vdev.pci_config_map)).toEqual(['0: 0 x 64', '40: ff x 192']);
    }));

  it('should unlink hidden capabilities and count the others', () =>
    // null capability, bridge ids, a too new one, all hidden around PM
    with_device(
      space(256, [
        { id: 0x00, at: 0x40 },
        { id: 0x0d, at: 0x44 },
        { id: 0x01, at: 0x50 },
        { id: 0x7f, at: 0x58 },
        { id: 0x11, at: 0x60 },
        { id: 0x0a, at: 0x70 },
      ]),
      {},
      async ({ read, phys }) => {
        expect(machine.log).toEqual([
          expect.stringContaining('vfio_cap_init: hiding cap 0@0x40'),
          expect.stringContaining('vfio_cap_init: hiding cap 0xd@0x44'),
          expect.stringContaining('vfio_cap_init: hiding cap 0x7f@0x58'),
          expect.stringContaining('vfio_cap_init: hiding cap 0xa@0x70'),
        ]);
        expect(phys(0x34, 1)).toBe(0x40);
        expect(await read(0x34, 1)).toBe('50');
        expect(await read(0x50, 2)).toBe('0160');
        expect(await read(0x60, 2)).toBe('1100');
        // MSI-X has no table: a dword read mixes vconfig's next pointer into the device's bytes
        expect(await read(0x60, 4)).toBe('11000000');
        expect(await read(0x61, 1)).toBe('00');
        expect(await read(0x06, 2)).toBe('1000');
      },
    ));

  it('should clear the capability bit of status when all are hidden', () =>
    with_device(space(256, [{ id: 0x0d, at: 0x40 }]), {}, async ({ read, phys }) => {
      expect(phys(0x06, 2)).toBe(0x0010);
      expect(await read(0x06, 2)).toBe('0000');
      expect(await read(0x34, 1)).toBe('00');
    }));

  it('should stop on a chain that loops, and complain of what overlaps', () =>
    with_device(
      space(256, [{ id: 0x11, at: 0x40 }], [], { 0x41: '44', 0x44: '0140' }),
      {},
      async ({ init }) => {
        expect(init).toBe(0);
        expect(machine.log[0]).toContain(
          'vfio_cap_init: PCI config conflict @0x44, was cap 0x11 now cap 0x1',
        );
      },
    ));

  it('should survive a device that answers ff', () =>
    with_device(everything(4096), {}, async ({ init, read }) => {
      expect(init).toBe(0);
      expect(machine.log).toHaveLength(48);
      expect(machine.log[0]).toContain('hiding cap 0xff@0xff');
      expect(await read(0, 4)).toBe('ffffffff');
    }));

  it('should survive a vendor capability longer than config space', () =>
    with_device(space(256, [{ id: 0x09, at: 0xf0, body: 'ff' }]), {}, async ({ init, read, vdev }) => {
      expect(init).toBe(0);
      expect(vdev.pci_config_map).toHaveLength(256);
      expect(await read(0xf0, 16)).toBe('0900ff' + '00'.repeat(13));
    }));

  it('should give the error of the device and free all', async () => {
    const prepare = (rig: Rig): void => {
      rig.pdev.is_disconnected = true;
    };
    await with_device(endpoint(), { prepare }, async ({ init, vdev }) => {
      expect(init).toBe(-ENODEV);
      expect(vdev.vconfig).toBeNull();
      expect(vdev.pci_config_map).toBeNull();
    });
  });

  it.each([1, 2])('should give ENOMEM when allocation %i fails', async (n) => {
    await with_device(endpoint(), { prepare: () => slab_fail(n) }, async ({ init }) => {
      expect(init).toBe(-ENOMEM);
    });
  });

  it.each([3, 4, 5])('should give ENOMEM when allocation %i, of the MSI table, fails', async (n) => {
    await with_device(endpoint(), { prepare: () => slab_fail(n) }, async ({ init }) => {
      expect(init).toBe(-ENOMEM);
    });
  });

  it('should pass on errors of capabilities and extended capabilities', async () => {
    for (const name of ['vfio_cap_init', 'vfio_ecap_init', 'vfio_fill_vconfig_bytes'] as const) {
      await with_device(
        endpoint(),
        { overrides: { [name]: async () => 0x87 } },
        async ({ k, vdev, init }) => {
          expect(init).toBe(-EFAULT);
          k.vfio_config_free(vdev);
        },
      );
    }
  });

  it('should keep the MSI table from one open to the next', () =>
    with_device(endpoint(), {}, async ({ k, vdev }) => {
      const perm = vdev.msi_perm;
      expect(await k.vfio_msi_cap_len(vdev, 0x50)).toBe(24);
      expect(vdev.msi_perm).toBe(perm);
    }));
});

describe('virtual functions', () => {
  const vf = space(256, [], [], { 0: 'ffffffff', 0x3c: '0001' });

  it('should get their ids and memory enable from the host, and no INTx pin', () =>
    with_device(
      vf,
      { pdev: { is_virtfn: true, no_command_memory: true, vendor: 0x8086, device: 0x10ed } },
      async ({ k, vdev, read, pdev }) => {
        expect(await read(0, 4)).toBe('8680ed10');
        expect(await read(4, 2)).toBe('0200');
        expect(await read(0x3d, 1)).toBe('00');
        expect(machine.log[0]).toContain('Hardware bug: VF reports bogus INTx pin 1');
        expect(k.__vfio_pci_memory_enabled(vdev)).toBe(true);
        pdev.current_state = 3;
        expect(k.__vfio_pci_memory_enabled(vdev)).toBe(false);
      },
    ));

  it('should not be nagged about when the device is known', () =>
    with_device(vf, { pdev: { is_virtfn: true, vendor: 0x8086, device: 0x270c } }, async () => {
      expect(machine.log).toEqual([]);
    }));

  it('should not have their BARs restored', () =>
    with_device(vf, { pdev: { is_virtfn: true } }, async ({ k, vdev }) => {
      await k.vfio_bar_restore(vdev);
      expect(machine.log.join()).not.toContain('restoring');
    }));
});

describe('INTx', () => {
  it('should be hidden when the device must not use it', () =>
    with_device(endpoint(), { prepare: ({ vdev }) => void (vdev.nointx = true) }, async ({ read, phys }) => {
      expect(phys(0x3d, 1)).toBe(1);
      expect(await read(0x3d, 1)).toBe('00');
    }));

  it('should follow the virtual disable bit, in the word and in its upper byte', () =>
    with_device(endpoint(), { wmask: everything(4096) }, async ({ write, read, phys, calls, vdev }) => {
      expect(await write(4, '0304')).toBe(2);
      expect(calls.splice(0)).toEqual(['intx mask']);
      expect(vdev.virq_disabled).toBe(true);
      expect(await read(4, 2)).toBe('0304');
      expect(phys(4, 2)).toBe(0x0003);

      await write(4, '0304');
      expect(calls.splice(0)).toEqual([]);

      expect(await write(5, '00')).toBe(1);
      expect(calls.splice(0)).toEqual(['intx unmask']);
      expect(vdev.virq_disabled).toBe(false);
    }));
});

describe('the command register', () => {
  it('should take the memory lock, zapping mappings when memory goes off', () =>
    with_device(endpoint(), { wmask: everything(4096) }, async ({ write, read, calls, vdev, k }) => {
      expect(k.__vfio_pci_memory_enabled(vdev)).toBe(true);
      expect(await write(4, '0100')).toBe(2);
      expect(calls.splice(0)).toEqual(['zap']);
      expect(await read(4, 2)).toBe('0100');
      expect(k.__vfio_pci_memory_enabled(vdev)).toBe(false);

      expect(await write(4, '0700')).toBe(2);
      expect(calls.splice(0)).toEqual([]);
      expect(k.__vfio_pci_memory_enabled(vdev)).toBe(true);
      expect(rwsem_is_locked(vdev.memory_lock)).toBe(false);
    }));

  it.each([
    ['vfio_user_config_read', '0300'],
    ['vfio_user_config_write', '0300'],
    ['vfio_user_config_write', '0000'],
  ] as const)('should give the error of %s back with the lock free', async (name, value) => {
    const overrides = { [name]: async () => -EIO };
    await with_device(endpoint(), { overrides }, async ({ write }) => {
      expect(await write(4, value)).toBe(-EIO);
    });
  });

  const bars = { 0x10: '000000fe', 0x30: '010010fe' };

  it('should bring the BARs back after a reset behind our back', () =>
    with_device(space(256, [], [], { 4: '0300', ...bars }), { wmask: everything(256) }, async (rig) => {
      const { hw, vdev, write, phys } = rig;
      vdev.nointx = true;
      hw.set32(0x10, 0);
      hw.set32(0x30, 0);
      expect(await write(4, '0300')).toBe(2);
      expect(machine.log[0]).toContain('vfio_bar_restore: reset recovery - restoring BARs');
      expect(phys(0x10, 4)).toBe(0xfe000000);
      expect(phys(0x30, 4)).toBe(0xfe100001);
      expect(phys(4, 2)).toBe(0x0403);
    }));

  it.each([
    ['memory', 0x0001, '0200', true],
    ['I/O', 0x0002, '0100', true],
    ['nothing', 0x0003, '0300', false],
  ])('should notice that the device lost %s', (_, lost, value, restored) =>
    with_device(space(256, [], [], { 4: '0300' }), { wmask: everything(256) }, async ({ hw, write }) => {
      hw.set16(4, lost);
      await write(4, value);
      expect(machine.log.join().includes('restoring BARs')).toBe(restored);
    }),
  );
});

describe('BARs', () => {
  const config = space(256, [], [], {
    0x10: '00e0fffe', // memory, 8 KiB
    0x14: '01c00000', // I/O, 32
    0x18: '0c000000' + '08000000', // 64-bit prefetchable, 4 GiB, at 32 GiB
    0x30: '000010fe',
  });
  const resources = {
    0: { start: 0xfeffe000, end: 0xfeffffff, flags: IORESOURCE_MEM },
    1: { start: 0xc000, end: 0xc01f, flags: IORESOURCE_IO },
    2: {
      start: 0x800000000,
      end: 0x8ffffffff,
      flags: IORESOURCE_MEM | IORESOURCE_MEM_64 | IORESOURCE_PREFETCH,
    },
    6: { start: 0xfe100000, end: 0xfe10ffff, flags: IORESOURCE_MEM },
  };

  it('should size themselves without touching the device', () =>
    with_device(config, { resources }, async ({ write, read, phys, vdev }) => {
      expect(await read(0x10, 24)).toBe('00e0fffe01c000000c00000008000000' + '0000000000000000');
      expect(vdev.bardirty).toBe(false);
      for (let off = 0x10; off < 0x28; off += 4) expect(await write(off, 'ffffffff')).toBe(4);
      expect(await write(0x30, 'ffffffff')).toBe(4);
      expect(vdev.bardirty).toBe(true);
      expect(await read(0x10, 24)).toBe('00e0ffffe1ffffff0c000000ffffffff' + '0000000000000000');
      expect(await read(0x30, 4)).toBe('0100ffff');
      expect(phys(0x10, 4)).toBe(0xfeffe000);
      expect(phys(0x30, 4)).toBe(0xfe100000);
    }));

  it('should have the size of the shadow where the ROM has one', () =>
    with_device(config, { resources: { 6: { flags: IORESOURCE_ROM_SHADOW } } }, async ({ write, read }) => {
      await write(0x30, 'ffffffff');
      expect(await read(0x30, 4)).toBe('0100feff');
      expect(await read(0x10, 4)).toBe('00000000');
    }));
});

describe('access by width and place', () => {
  it('should be cut at dwords and at ends of capabilities', () =>
    with_device(endpoint(), { wmask: everything(4096) }, async (rig) => {
      const seen = watch(rig);
      await rig.read(0x3e, 6); // end of the header, then PM
      expect(seen.splice(0)).toEqual(['r2@3e', 'r4@40']);
      await rig.read(0xc4, 4); // AF ends in a word, then no capability
      expect(seen.splice(0)).toEqual(['r2@c4', 'r2@c6']);
      await rig.read(0xe1, 7);
      expect(seen.splice(0)).toEqual(['r1@e1', 'r2@e2', 'r4@e4']);
      await rig.write(0xe3, '11223344556677');
      expect(seen.splice(0)).toEqual(['w1@e3', 'w4@e4', 'w2@e8']);
    }));

  it('should go straight to the device between capabilities', () =>
    with_device(endpoint(), { wmask: everything(4096) }, async ({ read, write, phys, hw }) => {
      expect(await read(0xe4, 4)).toBe('aabbccdd');
      hw.set32(0xe4, 0x12345678);
      expect(await read(0xe4, 4)).toBe('78563412');
      expect(await write(0xe6, 'beef')).toBe(2);
      expect(phys(0xe4, 4)).toBe(0xefbe5678);
    }));

  it('should not go past the end of config space', () =>
    with_device(space(256, []), {}, async ({ read, write }) => {
      expect(await read(0xfc, 4)).toBe('00000000');
      expect(await read(0xfc, 5)).toBe(-EFAULT);
      expect(await read(0x100, 1)).toBe(-EFAULT);
      expect(await read(0xf8, 4097)).toBe(-EFAULT);
      expect(await write(0xff, '0000')).toBe(-EFAULT);
      expect(await read(0x100, 0)).toBe('');
    }));

  it('should fail on bad user memory', () =>
    with_device(endpoint(), {}, async ({ k, vdev }) => {
      expect(await k.vfio_pci_config_rw(vdev, 0x1000, 4, { v: 0 }, false)).toBe(-EFAULT);
      expect(await k.vfio_pci_config_rw(vdev, 0x1000, 4, { v: 0xe4 }, true)).toBe(-EFAULT);
      // without a writefn nothing is copied in
      expect(await k.vfio_pci_config_rw(vdev, 0x1000, 4, { v: 0xb0 }, true)).toBe(4);
    }));

  it('should stay in vconfig where the map says so', () =>
    with_device(endpoint(), { wmask: everything(4096) }, async (rig) => {
      rig.vdev.pci_config_map.fill(PCI_CAP_ID_INVALID_VIRT, 0xf0, 0xf8);
      const seen = watch(rig);
      expect(await rig.write(0xf0, '0011223344')).toBe(5);
      expect(await rig.read(0xf0, 5)).toBe('0011223344');
      expect(seen).toEqual([]);
    }));

  it('should pass on what the device says', async () => {
    const overrides = { vfio_user_config_read: async () => -EIO, vfio_user_config_write: async () => -EIO };
    await with_device(endpoint(), { overrides }, async ({ read, write }) => {
      for (const off of [0x08, 0xb0, 0xe4, 0x40, 0x50, 0x104]) expect(await read(off, 4)).toBe(-EIO);
      for (const off of [0x0c, 0xe4, 0xd4, 0x104, 0x44]) expect(await write(off, '01020304')).toBe(-EIO);
      for (const off of [0x78, 0x58]) expect(await write(off, '0102')).toBe(off === 0x58 ? 2 : -EIO);
    });
  });

  it('should refuse other widths than 1, 2 and 4', () =>
    with_device(endpoint(), {}, async ({ k, pdev }) => {
      expect(await k.vfio_user_config_read(pdev, 0, { v: 0 }, 3)).toBe(-22);
      expect(await k.vfio_user_config_write(pdev, 0, 0, 3)).toBe(-22);
    }));
});

describe('power management', () => {
  it.each([
    ['00', 'D0', []],
    ['01', 'D1', []],
    ['02', 'D2', []],
    ['03', 'D3', ['zap']],
  ])('should set the state for %s without writing it', (value, state, before) =>
    with_device(endpoint(), { wmask: everything(4096) }, async ({ write, phys, calls }) => {
      expect(await write(0x44, value)).toBe(1);
      expect(calls).toEqual([...before, state]);
      expect(phys(0x44, 1) & 3).toBe(0);
    }),
  );

  it('should do so for words, dwords and pieces of longer writes, not for the byte above', () =>
    with_device(endpoint(), { wmask: everything(4096) }, async ({ write, read, phys, calls }) => {
      expect(await write(0x44, '0300')).toBe(2);
      expect(calls.splice(0)).toEqual(['zap', 'D3']);
      expect(await write(0x44, '00000000')).toBe(4);
      expect(calls.splice(0)).toEqual(['D0']);
      expect(await write(0x42, '000003000000')).toBe(6);
      expect(calls.splice(0)).toEqual(['zap', 'D3']);
      expect(await write(0x45, 'ff')).toBe(1);
      expect(calls.splice(0)).toEqual([]);
      // PME_En and PME_Status are the host's, the data select bits the user's
      expect(phys(0x44, 2)).toBe(0x7f00);
      expect(await read(0x44, 2)).toBe('007e');
    }));
});

describe('MSI', () => {
  it('should be on only when SET_IRQS says so, with no more vectors than allocated', () =>
    with_device(endpoint(), { wmask: everything(4096) }, async ({ vdev, write, read, phys }) => {
      vdev.irq_type = 5;
      expect(await write(0x52, 'ff')).toBe(1);
      expect(await read(0x52, 2)).toBe('8e01');
      expect(phys(0x52, 2)).toBe(0x018e);

      vdev.irq_type = VFIO_PCI_MSI_IRQ_INDEX;
      expect(is_msi(vdev)).toBe(true);
      vdev.msi_qmax = 2;
      expect(await write(0x52, 'd100')).toBe(2);
      expect(phys(0x52, 2)).toBe(0x01a1);
      expect(await read(0x52, 2)).toBe('a101');
      expect(await write(0x50, '000090ff')).toBe(4);
      expect(phys(0x52, 2)).toBe(0x0190);
    }));

  it('should keep address and data from the device, and pass masks', () =>
    with_device(endpoint(), { wmask: everything(4096) }, async ({ write, read, phys }) => {
      expect(await write(0x54, '0000e0fe' + '01000000' + '31400000' + 'f0000000')).toBe(16);
      expect(await read(0x54, 16)).toBe('0000e0fe' + '01000000' + '31400000' + 'f0000000');
      expect([phys(0x54, 4), phys(0x58, 4), phys(0x5c, 4), phys(0x60, 4)]).toEqual([0, 0, 0, 0xf0]);
    }));
});

describe('PCI Express', () => {
  const writable = { wmask: everything(4096) };

  it('should reset a function that has FLR, and read the bit as 0', () =>
    with_device(endpoint(), writable, async ({ write, read, calls, hw }) => {
      expect(await write(0x78, '1080')).toBe(2);
      expect(calls.splice(0)).toEqual(['zap']);
      expect(await read(0x78, 2)).toBe('1000');

      hw.set32(0x74, 0);
      expect(await write(0x79, '80')).toBe(1);
      expect(calls).toEqual([]);
      expect(await read(0x79, 1)).toBe('00');
    }));

  it('should keep the payload size virtual, and requests at least that long', () =>
    with_device(endpoint(), writable, async ({ write, read, phys, hw }) => {
      hw.set16(0x78, 0x2830); // payload 256
      expect(await write(0x78, 'f00f')).toBe(2);
      expect(await read(0x78, 2)).toBe('f00d');
      expect(phys(0x78, 2)).toBe(0x1d30);
      await write(0x78, '0050');
      expect(phys(0x78, 2)).toBe(0x5020);
    }));

  it('should keep ARI forwarding from the user', () =>
    with_device(endpoint(), writable, async ({ write, phys }) => {
      await write(0x98, 'ffff');
      expect(phys(0x98, 2)).toBe(0xffdf);
    }));
});

describe('advanced features', () => {
  it('should reset a function that has FLR, and read the bit as 0', () =>
    with_device(endpoint(), { wmask: everything(4096) }, async ({ write, read, calls, hw }) => {
      expect(await write(0xc4, '01')).toBe(1);
      expect(calls.splice(0)).toEqual(['zap']);
      expect(await read(0xc4, 1)).toBe('00');

      hw.config[0xc3] = 1;
      expect(await write(0xc4, '01')).toBe(1);
      expect(calls).toEqual([]);
    }));
});

describe('vital product data', () => {
  const vpd = (): Uint8Array => Uint8Array.from({ length: 16 }, (_, i) => i);
  const model = (data: Uint8Array): pci_device_model => ({ name: 'vpd', vpd: data });

  it('should read a dword and set the flag', () =>
    with_device(
      endpoint(),
      { model: model(vpd()), pdev: { vpd: { lock: new mutex(), len: 16, cap: 0x48 } } },
      async (rig) => {
        expect(await rig.write(0x4a, '0400')).toBe(2);
        expect(await rig.read(0x4a, 6)).toBe('0480' + '04050607');
      },
    ));

  it('should write a dword and clear the flag', () => {
    const data = vpd();
    return with_device(
      endpoint(),
      { model: model(data), pdev: { vpd: { lock: new mutex(), len: 16, cap: 0x48 } } },
      async ({ write, read }) => {
        expect(await write(0x4c, 'aabbccdd')).toBe(4);
        expect(await write(0x4a, '08')).toBe(1);
        expect(data[8]).toBe(8);
        expect(await write(0x4b, '80')).toBe(1);
        expect([...data.subarray(8, 12)]).toEqual([0xaa, 0xbb, 0xcc, 0xdd]);
        expect(await read(0x4a, 2)).toBe('0800');
      },
    );
  });

  it('should never finish where there is none', () =>
    with_device(endpoint(), {}, async ({ write, read }) => {
      expect(await write(0x4a, '0400')).toBe(2);
      expect(await read(0x4a, 2)).toBe('0400');
      expect(await write(0x4a, '0480')).toBe(2);
      expect(await read(0x4a, 2)).toBe('0480');
    }));
});

describe('what a user program can reach', () => {
  /** For each byte of config space: bits that live in vconfig and bits that may be written. */
  function rights({ k, vdev }: Rig): { virt: Uint8Array; write: Uint8Array } {
    const map = vdev.pci_config_map;
    const virt = new Uint8Array(map.length);
    const write = new Uint8Array(map.length);
    map.forEach((id, pos) => {
      const perm = id === 5 && pos < 256 ? vdev.msi_perm : pos < 256 ? k.cap_perms[id] : k.ecap_perms[id];
      if (id === PCI_CAP_ID_INVALID || id === (pos < 256 ? 0x09 : 0x0b)) write[pos] = 0xff;
      else if (perm?.virt !== undefined) {
        const off = pos - k.vfio_find_cap_start(vdev, pos);
        virt[pos] = perm.virt[off];
        write[pos] = perm.write[off];
      }
    });
    return { virt, write };
  }

  const place = fc.oneof(fc.integer({ min: 0, max: 0x17f }), fc.integer({ min: 0, max: 4200 }));

  it('should be a count or an errno for every read', () =>
    fc.assert(
      fc.asyncProperty(place, fc.integer({ min: 1, max: 64 }), async (off, len) => {
        await with_device(endpoint(), {}, async ({ read }) => {
          const got = await read(off, len);
          if (off + len > 4096) expect(got).toBe(-EFAULT);
          else expect(got).toHaveLength(2 * len);
        });
      }),
      { numRuns: 60 },
    ));

  it('should be the same bytes in whatever pieces it reads', () =>
    with_device(endpoint(), {}, async ({ read }) => {
      const whole = await read(0, 0x180);
      const bytes: string[] = [];
      for (let off = 0; off < 0x180; off++) bytes.push(String(await read(off, 1)));
      expect(bytes.join('')).toBe(whole);
      const words: string[] = [];
      for (let off = 0; off < 0x180; off += 2) words.push(String(await read(off, 2)));
      expect(words.join('')).toBe(whole);
    }));

  it('should be no read-only and no virtual bit of the device for any write', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(place, fc.uint8Array({ minLength: 1, maxLength: 24 })), {
          minLength: 1,
          maxLength: 6,
        }),
        async (writes) => {
          await with_device(endpoint(), { wmask: everything(4096) }, async (rig) => {
            const { k, hw, vdev, write } = rig;
            // resets, request sizes and VPD transfers are not what is tested here
            k.cap_perms[0x10].writefn = (...a) => k.vfio_default_config_write(...a);
            k.cap_perms[0x13].writefn = (...a) => k.vfio_default_config_write(...a);
            k.cap_perms[0x03].writefn = (...a) => k.vfio_default_config_write(...a);
            const may = rights(rig);
            const phys = Uint8Array.from(hw.config);
            const virt = Uint8Array.from(vdev.vconfig);
            for (const [off, bytes] of writes) {
              const ret = await write(off, Buffer.from(bytes).toString('hex'));
              expect(ret).toBe(off + bytes.length > 4096 ? -EFAULT : bytes.length);
            }
            const device = may.write.map((w, i) => w & ~may.virt[i]);
            const ours = may.write.map((w, i) => w & may.virt[i]);
            // vconfig also remembers memory and I/O enable; MSI control is written from it
            ours[4] |= 3;
            device[0x52] = 0xff;
            for (let i = 0; i < 4096; i++) {
              if ((hw.config[i] ^ phys[i]) & ~device[i]) expect(`device ${i.toString(16)}`).toBe('');
              if ((vdev.vconfig[i] ^ virt[i]) & ~ours[i]) {
                expect(`vconfig ${i.toString(16)}`).toBe('');
              }
            }
          });
        },
      ),
      { numRuns: 60 },
    ));
});
