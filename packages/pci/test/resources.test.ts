// SPDX-License-Identifier: GPL-2.0-only
import { ref, spawn, join } from '@vfio-lab/sim';
import {
  create_process,
  EBUSY,
  EINTR,
  EINVAL,
  ENODEV,
  ETIMEDOUT,
  MAP_SHARED,
  PROT_READ,
  PROT_WRITE,
  spawn_thread,
  sys_mmap,
  sys_openat,
  user_load,
  user_store,
} from '@vfio-lab/kernel';
import { describe, expect, it } from 'vitest';
import * as P from '../src/index.ts';
import { board, boot, endpoint, kinds, model_of, port } from './board.ts';

function range(start: number, end: number, flags = P.IORESOURCE_MEM): P.resource {
  const r = new P.resource();
  r.start = start;
  r.end = end;
  r.flags = flags;
  return r;
}

describe('the resource tree', () => {
  it('keeps siblings in order and refuses overlaps', () => {
    const root = range(0, 1000);
    const a = range(100, 199);
    const b = range(300, 399);
    expect(P.request_resource(root, b)).toBe(0);
    expect(P.request_resource(root, a)).toBe(0);
    expect(P.request_resource(root, range(150, 250))).toBe(-EBUSY);
    expect(P.request_resource(root, range(900, 1100))).toBe(-EBUSY);
    expect(P.request_resource(root, range(5, 4))).toBe(-EBUSY);
    expect([root.child, a.sibling, P.resource_size(a)]).toEqual([a, b, 100]);
    expect(P.release_resource(b)).toBe(0);
    expect(P.release_resource(b)).toBe(-EINVAL);
    expect(P.release_resource(a)).toBe(0);
    expect(root.child).toBeNull();
    const lost = range(1, 2);
    lost.parent = root;
    expect(P.release_resource(lost)).toBe(-EINVAL);
  });

  it('inserts inside what is larger, claims busy regions at the bottom', () => {
    const root = range(0, 1000);
    const window = range(100, 499);
    const bar = range(200, 299);
    expect(P.insert_resource(root, window)).toBe(0);
    expect(P.insert_resource(root, bar)).toBe(0);
    expect(bar.parent).toBe(window);
    expect(P.insert_resource(root, range(200, 299))).toBe(-EBUSY);
    expect(P.insert_resource(root, range(900, 1100))).toBe(-EBUSY);
    const busy = P.__request_region(root, 200, 100, 'x', 0);
    expect(busy?.parent).toBe(bar);
    expect(P.__request_region(root, 200, 50, 'y', 0)).toBeNull();
    P.__release_region(root, 700, 10);
    P.__release_region(root, 200, 50);
    expect(bar.child).toBe(busy);
    P.__release_region(root, 200, 100);
    expect(bar.child).toBeNull();
  });
});

describe('iomem', () => {
  it('reads and writes each size at offsets', () =>
    boot(board(), async (dev) => {
      const bar = P.pci_iomap(dev, 0, 0);
      if (bar === null) throw new Error('no BAR');
      await P.iowrite32(0x11223344, bar, 16);
      expect(await P.ioread32(bar.plus(16))).toBe(0x11223344);
      expect(await P.ioread16(bar, 16)).toBe(0x3344);
      await P.iowrite16(0xabcd, bar.plus(0), 16);
      expect(await P.ioread8(P.iomem_add(bar, 16))).toBe(0xcd);
      await P.iowrite8(1, bar, 20);
      await P.iowrite64(0x1_0000_0002n, bar, 24);
      expect(await P.ioread64(bar, 24)).toBe(0x1_0000_0002n);
      expect(P.pci_iomap(dev, 5, 0)).toBeNull();
      expect(P.pci_iomap(dev, 0, 8)?.len).toBe(8);
      const io = P.pci_iomap(dev, 2, 0);
      if (io === null) throw new Error('no ports');
      await P.iowrite8(7, io, 1);
      expect(await P.ioread8(io, 1)).toBe(7);
      P.pci_iounmap(dev, bar);
      await P.ioread8(bar, 0);
    }).then((m) => expect(kinds(m)).toEqual(['iomem-use-after-unmap'])));

  it('ioremap and ioport_map find the function by address; nobody answers elsewhere', () =>
    boot(board(), async (dev) => {
      const mem = P.ioremap(0xfe000000, 16);
      const nothing = P.ioremap(0x1000, 16);
      const io = P.ioport_map(0xe000, 4);
      if (mem === null || nothing === null || io === null) throw new Error('not mapped');
      await P.iowrite32(3, mem);
      expect(await P.ioread32(mem)).toBe(3);
      expect(await P.ioread32(nothing)).toBe(0xffffffff);
      expect(await P.ioread32(nothing.plus(4), 4)).toBe(0xffffffff);
      await P.iowrite32(3, nothing);
      expect(await P.ioread8(io)).toBe(0);
      expect(P.ioremap(5, 0)).toBeNull();
      expect(P.ioport_map(0x10000, 1)).toBeNull();
      P.iounmap(mem);
      P.ioport_unmap(io);
      dev.resource[0].flags = 0;
      expect(P.pci_iomap(dev, 0, 0)).toBeNull();
    }).then((m) => expect(kinds(m)).toEqual([])));

  it('a BAR moved in hardware is decoded at its new place', () =>
    boot(board(), async (dev) => {
      const bar = P.pci_iomap(dev, 0, 0);
      if (bar === null) throw new Error('no BAR');
      await P.iowrite32(9, bar);
      await P.pci_write_config_dword(dev, P.PCI_BASE_ADDRESS_0, 0xfe800000);
      expect(await P.ioread32(bar)).toBe(0xffffffff);
      const moved = P.ioremap(0xfe800000, 16);
      if (moved !== null) expect(await P.ioread32(moved)).toBe(9);
    }).then(() => {}));

  it('a process that maps resource0 gets to the registers; without decode it reads all ones', () =>
    boot(board(), async (dev) => {
      const p = create_process('user');
      await join(
        spawn_thread(p, 'user', async () => {
          const fd = await sys_openat('/sys/bus/pci/devices/0000:01:00.0/resource0', 2);
          const addr = await sys_mmap(0, 0x1000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
          expect(await user_store(addr + 8, 4, 0x1234)).toBeNull();
          expect(await user_load(addr + 8, 4)).toEqual({ value: 0x1234n });
          await P.pci_write_config_word(dev, P.PCI_COMMAND, 0);
          expect(await user_load(addr + 8, 4)).toEqual({ value: 0xffffffffn });
        }),
      );
    }).then((m) => expect(kinds(m)).toEqual([])));

  it('user mappings reach the device by physical address, 8 bytes as two', () =>
    boot(board({ pmcsr: 8 }), async (dev) => {
      P.phys_store(0xfe000010, 8, 0x1_0000_0002n);
      expect(P.phys_load(0xfe000010, 8)).toBe(0x1_0000_0002n);
      P.phys_store(0xfe000020, 4, 5);
      P.phys_store(0xfe000024, 4, 0x12345);
      expect(P.phys_load(0xfe000024, 1)).toBe(0x45n);
      dev.hw.quirks.narrow_loads_whole = true;
      expect(P.phys_load(0xfe000024, 1)).toBe(0x12345n);
      expect(P.phys_load(0x100, 8)).toBe(0xffff_ffff_ffff_ffffn);
      P.phys_store(0x100, 8, 0n);
      expect(P.pci_phys_hint(0xfe000010)?.off).toBe(0x10);
      expect(P.pci_phys_hint(0x10)).toBeNull();
      await P.pci_set_power_state(dev, P.PCI_D3hot);
      expect(P.phys_load(0xfe000010, 4)).toBe(0xffffffffn);
    }).then((m) => expect(kinds(m)).toEqual(['d3hot-access'])));
});

describe('writing BARs', () => {
  it('a 64-bit BAR is written with memory decode off, both halves', () => {
    const e = endpoint();
    e.config[0x10] = 0x04;
    e.config.set([0, 0, 0, 0], 0x14);
    const resources = e.resources.map((r, i) =>
      i === 0
        ? { start: 0x1_fe00_0000, end: 0x1_fe00_0fff, flags: 0x140204 }
        : i === 1
          ? { start: 0, end: 0, flags: 0 }
          : r,
    );
    return boot({ devices: [port(), { ...e, resources }] }, async (dev) => {
      await P.pci_update_resource(dev, 0);
      expect([dev.hw.get32(0x10), dev.hw.get32(0x14)]).toEqual([0xfe000004, 1]);
      expect(dev.hw.bar_address(0)).toBe(0x1_fe00_0000);
      expect(dev.hw.get16(P.PCI_COMMAND)).toBe(3);
      dev.hw.wmask.fill(0, 0x10, 0x18);
      dev.resource[0].start = 0x2_aa00_0000;
      await P.pci_update_resource(dev, 0);
    }).then((m) => expect(m.log.filter((l) => l.includes('error updating')).length).toBe(2));
  });

  it('a ROM BAR only when enabled; VFs and unset resources never', () =>
    boot(board({ rom: true }), async (dev) => {
      dev.hw.config.fill(0, 0x30, 0x34);
      await P.pci_update_resource(dev, 6);
      expect(dev.hw.get32(0x30)).toBe(0);
      dev.resource[6].flags |= P.IORESOURCE_ROM_ENABLE;
      await P.pci_update_resource(dev, 6);
      expect(dev.hw.get32(0x30)).toBe(0xfe002001);
      dev.resource[6].flags |= P.IORESOURCE_UNSET;
      await P.pci_update_resource(dev, 6);
      dev.is_virtfn = true;
      await P.pci_update_resource(dev, 0);
      await P.pci_update_resource(dev, 14);
    }).then(() => {}));
});

describe('VPD', () => {
  const bytes = (): Uint8Array => Uint8Array.from({ length: 16 }, (_, i) => i);

  it('reads any range by dwords and writes whole ones', () =>
    boot(board({ vpd: bytes() }), async (dev) => {
      const buf = new Uint8Array(5);
      expect(await P.pci_read_vpd(dev, 3, 5, buf)).toBe(5);
      expect([...buf]).toEqual([3, 4, 5, 6, 7]);
      expect(await P.pci_write_vpd(dev, 4, 4, Uint8Array.of(9, 8, 7, 6))).toBe(4);
      expect(model_of(dev).vpd?.slice(4, 8)).toEqual(Uint8Array.of(9, 8, 7, 6));
      expect(await P.pci_write_vpd(dev, 1, 4, buf)).toBe(-EINVAL);
      expect(await P.pci_read_vpd(dev, -1, 4, buf)).toBe(-EINVAL);
      expect(await P.pci_write_vpd(dev, -4, 4, buf)).toBe(-EINVAL);
      expect(await P.pci_read_vpd(dev, 0x8000, 4, buf)).toBe(0);
    }).then(() => {}));

  it('gives up when the flag never flips, and has nothing without the capability', () =>
    boot(board({ vpd: bytes() }), async (dev, up) => {
      delete model_of(dev).vpd;
      const buf = new Uint8Array(4);
      expect(await P.pci_read_vpd(dev, 0, 4, buf)).toBe(-ETIMEDOUT);
      expect(await P.pci_write_vpd(dev, 0, 4, buf)).toBe(-ETIMEDOUT);
      expect(await P.pci_read_vpd(up, 0, 4, buf)).toBe(-ENODEV);
      expect(await P.pci_write_vpd(up, 0, 4, buf)).toBe(-ENODEV);
    }).then(() => {}));

  it('a signal interrupts the wait for the lock', () =>
    boot(board({ vpd: bytes() }), async (dev) => {
      const { mutex_lock, mutex_unlock } = await import('@vfio-lab/locking');
      await mutex_lock(dev.vpd.lock);
      const got = ref(0);
      const t = spawn('reader', async () => {
        got.v = await P.pci_read_vpd(dev, 0, 4, new Uint8Array(4));
      });
      t.signal_pending = true;
      await join(t);
      expect(got.v).toBe(-EINTR);
      await mutex_unlock(dev.vpd.lock);
    }).then(() => {}));
});

describe('the VGA arbiter', () => {
  it('one adapter at a time holds a legacy range', () =>
    boot(
      {
        devices: [
          port(),
          endpoint({ bdf: '0000:01:00.1', base: 0xfe010000, class: 0x030000 }),
          endpoint({ header: 0x80, class: 0x030000 }),
        ],
      },
      async (dev, up) => {
        const other = P.pci_find_device_by_name('0000:01:00.1') as P.pci_dev;
        expect(P.pci().vga_devices.length).toBe(2);
        expect(await P.vga_client_register(up, () => 0)).toBe(-ENODEV);
        expect(await P.vga_client_register(dev, () => 3)).toBe(0);
        await P.vga_set_legacy_decoding(dev, 3);
        await P.vga_set_legacy_decoding(up, 3);
        expect(await P.vga_get_interruptible(dev, P.VGA_RSRC_LEGACY_IO | P.VGA_RSRC_LEGACY_MEM)).toBe(0);
        expect(await P.vga_get_interruptible(up, 1)).toBe(-EINVAL);
        let held = false;
        const t = spawn('other', async () => {
          await P.vga_get_interruptible(other, P.VGA_RSRC_LEGACY_MEM);
          held = true;
        });
        await P.vga_put(up, 3);
        expect(held).toBe(false);
        await P.vga_put(dev, 3);
        await join(t);
        expect(held).toBe(true);
        const blocked = spawn('blocked', async () => {
          expect(await P.vga_get_interruptible(dev, P.VGA_RSRC_LEGACY_MEM)).toBeLessThan(0);
        });
        blocked.signal_pending = true;
        await join(blocked);
        await P.vga_client_unregister(dev);
        await P.vga_client_unregister(up);
      },
    ).then(() => {}));

  it('without any adapter everybody may', () =>
    boot(board(), async (dev) => {
      expect(await P.vga_get_interruptible(dev, 1)).toBe(0);
    }).then(() => {}));
});

describe('the description of a machine', () => {
  it('texts and addresses', () => {
    expect(P.pci_parse_resources('0x10 0x1f 0x200\n\n0x0 0x0 0x0\n')).toEqual([
      { start: 16, end: 31, flags: 512 },
      { start: 0, end: 0, flags: 0 },
    ]);
    expect(P.pci_parse_bdf('0001:02:1f.3')).toEqual({ domain: 1, bus: 2, devfn: 0xfb });
    expect(() => P.pci_parse_bdf('2:1.0')).toThrow('not a PCI address');
    expect([P.PCI_SLOT(0xfb), P.PCI_FUNC(0xfb)]).toEqual([31, 3]);
    expect(P.pci_power_name(P.PCI_POWER_ERROR)).toBe('error');
    expect(P.PCI_EXT_CAP_VER(0x10000)).toBe(1);
    expect(P.PCI_X_CMD_VERSION(0x2000)).toBe(2);
  });

  it('a bridge that is not described is an error', async () => {
    await expect(boot({ devices: [endpoint({ parent: '0000:00:09.0' })] }, async () => {})).rejects.toThrow(
      'no bridge 0000:00:09.0',
    );
  });

  it('what was enabled at boot is counted, its state known; wmask, w1c and power-on values may be given', () => {
    const e = endpoint();
    const w1c = new Uint8Array(4096);
    const power_on = Uint8Array.from(e.config);
    return boot(
      { devices: [port(), { ...e, enabled: 1, w1c, power_on }], costs: { config: 5 } },
      async (dev) => {
        expect([dev.enable_cnt.counter, dev.current_state]).toEqual([1, P.PCI_D0]);
        expect(dev.hw.w1c[7]).toBe(0);
        dev.hw.reset('flr');
        expect(dev.hw.get16(P.PCI_COMMAND)).toBe(3);
        expect(P.pci().costs.config).toBe(5);
      },
    ).then(() => {});
  });
});
