// SPDX-License-Identifier: GPL-2.0-only
import {
  EBUSY,
  EINVAL,
  EIO,
  EPERM,
  sysfs_bin_read,
  sysfs_bin_write,
  sysfs_file,
  sysfs_list,
  sysfs_lookup,
  sysfs_read,
  sysfs_write,
} from '@vfio-lab/kernel';
import { describe, expect, it } from 'vitest';
import * as P from '../src/index.ts';
import { board, boot, endpoint, kinds, model_of, port } from './board.ts';

const at = (file: string, bdf = '0000:01:00.0'): string => `/sys/bus/pci/devices/${bdf}/${file}`;
const any = {
  vendor: P.PCI_ANY_ID,
  device: P.PCI_ANY_ID,
  subvendor: P.PCI_ANY_ID,
  subdevice: P.PCI_ANY_ID,
  class: 0,
  class_mask: 0,
};

function file(path: string): sysfs_file {
  const node = sysfs_lookup(path);
  if (!(node instanceof sysfs_file)) throw new Error(`no file ${path}`);
  return node;
}

describe('texts', () => {
  it('have the shapes that the kernel prints', () =>
    boot(board(), async () => {
      const want: Record<string, string> = {
        vendor: '0x1234',
        device: '0x5678',
        subsystem_vendor: '0x1af4',
        subsystem_device: '0x1100',
        class: '0xff0000',
        revision: '0x01',
        irq: '11',
        power_state: 'unknown',
        enable: '0',
        d3cold_allowed: '1',
        driver_override: '(null)',
        modalias: 'pci:v00001234d00005678sv00001AF4sd00001100bcFFsc00i00',
        msi_bus: '1',
        ari_enabled: '0',
        broken_parity_status: '0',
        numa_node: '-1',
        reset_method: 'pm bus',
        current_link_speed: '2.5 GT/s PCIe',
        current_link_width: '1',
        max_link_speed: '2.5 GT/s PCIe',
        max_link_width: '1',
        local_cpus: 'ff',
        local_cpulist: '0-7',
        dma_mask_bits: '32',
        consistent_dma_mask_bits: '32',
      };
      for (const [name, text] of Object.entries(want))
        expect([name, await sysfs_read(at(name))]).toEqual([name, text]);
      const resource = await sysfs_read(at('resource'));
      expect(String(resource).split('\n').length).toBe(13);
      expect(String(resource).split('\n')[0]).toBe(
        '0x00000000fe000000 0x00000000fe000fff 0x0000000000040200',
      );
      expect(String(await sysfs_read(at('resource', '0000:00:01.0'))).split('\n').length).toBe(17);
      expect(await sysfs_read(at('secondary_bus_number', '0000:00:01.0'))).toBe('1');
      expect(await sysfs_read(at('subordinate_bus_number', '0000:00:01.0'))).toBe('1');
      expect(sysfs_list(at(''))).not.toContain('secondary_bus_number');
    }).then(() => {}));

  it('6.1 shows a port reset and takes runtime PM around link registers', () =>
    boot({ ...board({ pmcsr: 8 }), kernel: 'v6.1.192' }, async (dev) => {
      expect(await sysfs_read(at('max_link_speed', '0000:00:01.0'))).toBe('5.0 GT/s PCIe');
      expect(await sysfs_write(at('reset_subordinate', '0000:00:01.0'), 'x')).toBe(-EINVAL);
      expect(await sysfs_write(at('reset_subordinate', '0000:00:01.0'), '1')).toBe(1);
      expect(model_of(dev).resets).toEqual(['bus']);
    }).then(() => {}));

  it('a device without reset has no reset files, one without PCIe no link files; VGA shows boot_vga', () =>
    boot(
      board({ bdf: '0000:00:05.0', parent: null, pcie: false, no_pm: true, class: 0x030000 }),
      async () => {
        const files = sysfs_list(at('', '0000:00:05.0'));
        expect(files).not.toContain('reset');
        expect(files).not.toContain('max_link_speed');
        expect(await sysfs_read(at('boot_vga', '0000:00:05.0'))).toBe('1');
      },
    ).then(() => {}));
});

describe('writes', () => {
  it('enable counts, and is busy with a driver', () =>
    boot(board(), async (dev) => {
      expect(await sysfs_write(at('enable'), '0')).toBe(-EIO);
      expect(await sysfs_write(at('enable'), '1')).toBe(1);
      expect(await sysfs_read(at('enable'))).toBe('1');
      expect(await sysfs_read(at('power_state'))).toBe('D0');
      expect(await sysfs_write(at('enable'), '0')).toBe(1);
      expect(await sysfs_write(at('enable'), 'x')).toBe(-EINVAL);
      const drv = P.pci_host_driver('stub', [any], { enable: false });
      await P.pci_register_driver(drv);
      expect(await sysfs_write(at('enable'), '1')).toBe(-EBUSY);
      expect(dev.driver).toBe(drv);
      await P.pci_unregister_driver(drv);
    }).then(() => {}));

  it('reset only takes 1, and leaves the device as it was', () =>
    boot(board({ flr: true }), async (dev) => {
      expect(await sysfs_write(at('reset'), '2')).toBe(-EINVAL);
      expect(await sysfs_write(at('reset'), '1')).toBe(1);
      expect(model_of(dev).resets).toEqual(['flr']);
      await sysfs_write(at('reset_method'), 'flr');
      dev.hw.present = false;
      expect(Number(await sysfs_write(at('reset'), '1'))).toBeLessThan(0);
    }).then(() => {}));

  it('reset_method takes an order of supported methods, "default" and nothing', () =>
    boot(board({ flr: true }), async (dev) => {
      expect(await sysfs_write(at('reset_method'), 'bus flr\n')).toBe(8);
      expect(await sysfs_read(at('reset_method'))).toBe('bus flr');
      expect(await sysfs_write(at('reset_method'), 'bogus')).toBe(-EINVAL);
      expect(await sysfs_write(at('reset_method'), 'af_flr')).toBe(-EINVAL);
      expect(await sysfs_write(at('reset_method'), 'flr flr flr flr flr flr flr')).toBe(-EINVAL);
      expect(await sysfs_write(at('reset_method'), '\n')).toBe(1);
      expect(await sysfs_read(at('reset_method'))).toBe('');
      expect(await sysfs_write(at('reset_method'), 'default')).toBe(7);
      expect(dev.reset_methods.length).toBe(3);
    }).then(() => {}));

  it('driver_override is a name or nothing', () =>
    boot(board(), async (dev) => {
      expect(await sysfs_write(at('driver_override'), 'vfio-pci')).toBe(8);
      expect(await sysfs_read(at('driver_override'))).toBe('vfio-pci');
      expect(await sysfs_write(at('driver_override'), '\n')).toBe(1);
      expect(dev.driver_override).toBeNull();
      expect(await sysfs_write(at('driver_override'), 'x'.repeat(4096))).toBe(-EINVAL);
    }).then(() => {}));

  it('flags', () =>
    boot(board(), async (dev) => {
      await sysfs_write(at('broken_parity_status'), '1');
      await sysfs_write(at('msi_bus'), '0');
      expect([dev.broken_parity_status, dev.no_msi]).toEqual([true, true]);
      for (const name of ['broken_parity_status', 'msi_bus', 'd3cold_allowed', 'remove', 'rescan']) {
        expect(await sysfs_write(at(name), 'x')).toBe(-EINVAL);
      }
    }).then(() => {}));

  it('numbers are read as kstrtoul does', () => {
    expect(['10', '0x1f\n', '010', '0', '-1', '1x', '', '08'].map(P.kstrtoul)).toEqual([
      10,
      31,
      8,
      0,
      null,
      null,
      null,
      null,
    ]);
  });

  it('remove takes the device away, rescan brings it back', () =>
    boot(board(), async (dev) => {
      expect(await sysfs_write(at('remove'), '0')).toBe(1);
      expect(await sysfs_write(at('remove'), '1')).toBe(1);
      expect(P.pci_find_device_by_name('0000:01:00.0')).toBeNull();
      expect(sysfs_lookup(at('vendor'))).toBeNull();
      expect(await sysfs_write('/sys/bus/pci/rescan', 'x')).toBe(-EINVAL);
      expect(await sysfs_write('/sys/bus/pci/rescan', '1')).toBe(1);
      const again = P.pci_find_device_by_name('0000:01:00.0');
      expect(again).not.toBe(dev);
      expect(again?.is_added).toBe(true);
      expect(await sysfs_write(at('rescan', '0000:00:01.0'), '1')).toBe(1);
      await P.pci_stop_and_remove_bus_device(P.pci_find_device_by_name('0000:00:01.0') as P.pci_dev);
      expect(P.pci().devices).toEqual([]);
    }).then((m) => expect(kinds(m)).toEqual([])));
});

describe('the config file', () => {
  it('reads any range in aligned pieces, to the end of config space', () =>
    boot(board(), async (dev) => {
      const whole = await P.pci_read_config(dev, 0, 4096);
      expect(whole).toEqual(Uint8Array.from(dev.hw.config));
      for (const [off, n] of [
        [1, 1],
        [1, 7],
        [2, 3],
        [3, 10],
        [5, 2],
      ]) {
        expect(await P.pci_read_config(dev, off, n)).toEqual(whole.slice(off, off + n));
      }
      expect((await P.pci_read_config(dev, 4090, 20)).length).toBe(6);
      expect((await P.pci_read_config(dev, 5000, 4)).length).toBe(0);
      const bytes = await sysfs_bin_read(file(at('config')), 0, 4);
      expect(bytes).toEqual(Uint8Array.of(0x34, 0x12, 0x78, 0x56));
    }).then(() => {}));

  it('writes any range', () =>
    boot(board(), async (dev) => {
      dev.hw.wmask.fill(0xff, 0xd0, 0xf0);
      const data = Uint8Array.from({ length: 14 }, (_, i) => i + 1);
      expect(await P.pci_write_config(dev, data, 0xd1)).toBe(14);
      expect(dev.hw.config.slice(0xd1, 0xdf)).toEqual(data);
      expect(await P.pci_write_config(dev, data.subarray(0, 3), 0xe2)).toBe(3);
      expect(await sysfs_bin_write(file(at('config')), Uint8Array.of(9, 8), 0xe8)).toBe(2);
      expect(dev.hw.config[0xe9]).toBe(8);
      expect(await P.pci_write_config(dev, data, 4090)).toBe(6);
      expect(await P.pci_write_config(dev, data, 4097)).toBe(0);
    }).then(() => {}));
});

describe('rom and resource files', () => {
  const image = Uint8Array.from({ length: 2048 }, (_, i) => i & 0xff);
  image.set([0x55, 0xaa], 0);
  image.set([0x1c, 0], 24);
  image.set([0x50, 0x43, 0x49, 0x52], 28);
  image.set([2, 0], 28 + 16);
  image[28 + 21] = 0x80;
  const with_rom = (): P.pci_machine_description => {
    const e = endpoint({ rom: true });
    e.model.mmio_read = (bar, off) =>
      bar === 6 ? image[off] | (image[off + 1] << 8) | (image[off + 2] << 16) | (image[off + 3] << 24) : 0;
    return { devices: [port(), e] };
  };

  it('the ROM is read only after a 1 was written, as long as its images are', () =>
    boot(with_rom(), async (dev) => {
      const rom = file(at('rom'));
      expect(await sysfs_bin_read(rom, 0, 4)).toBe(-EINVAL);
      expect(await sysfs_bin_write(rom, Uint8Array.of(0x31), 0)).toBe(1);
      expect(await sysfs_bin_read(rom, 0, 4)).toEqual(image.slice(0, 4));
      expect(((await sysfs_bin_read(rom, 1020, 100)) as Uint8Array).length).toBe(4);
      expect(((await sysfs_bin_read(rom, 5000, 100)) as Uint8Array).length).toBe(0);
      expect(dev.hw.get32(P.PCI_ROM_ADDRESS) & 1).toBe(0);
      image[0] = 0;
      expect(await sysfs_bin_read(rom, 0, 4)).toBe(-EIO);
      image[0] = 0x55;
      expect(await sysfs_bin_write(rom, Uint8Array.of(0x30, 0x0a), 0)).toBe(2);
      expect(dev.rom_attr_enabled).toBe(false);
      P.pci().kernel = 'v6.1.192';
      expect(await sysfs_bin_write(rom, Uint8Array.of(0x31), 0)).toBe(1);
      expect(await sysfs_bin_write(rom, Uint8Array.of(0x71), 0)).toBe(-EINVAL);
    }).then(() => {}));

  it('an image without a PCIR block, or with another to follow that is none, ends there', () =>
    boot(with_rom(), async (dev) => {
      const size = { v: 0 };
      image[28] = 0;
      expect(await P.pci_map_rom(dev, size)).toBeNull();
      image[28] = 0x50;
      image[28 + 21] = 0;
      const rom = await P.pci_map_rom(dev, size);
      expect(size.v).toBe(1024);
      if (rom !== null) await P.pci_unmap_rom(dev, rom);
      image.set([4, 0], 28 + 16);
      await P.pci_map_rom(dev, size);
      expect(size.v).toBe(2048);
      image.set([0, 0], 28 + 16);
      expect(await P.pci_map_rom(dev, size)).toBeNull();
      image.set([2, 0], 28 + 16);
      image[28 + 21] = 0x80;
    }).then((m) => expect(m.log.some((l) => l.includes('No more image in the PCI ROM'))).toBe(true)));

  it('without a ROM BAR there is none; a shadowed one is not switched', () =>
    boot(board(), async (dev) => {
      expect(await P.pci_map_rom(dev, { v: 0 })).toBeNull();
      expect(await P.pci_enable_rom(dev)).toBe(-1);
      dev.resource[6].flags = P.IORESOURCE_MEM | P.IORESOURCE_ROM_SHADOW;
      expect(await P.pci_enable_rom(dev)).toBe(0);
      await P.pci_disable_rom(dev);
      expect(await P.pci_map_rom(dev, { v: 0 })).toBe(null);
    }).then(() => {}));

  it('memory BARs can be mapped, not beyond their end; port BARs not at all', () =>
    boot(board(), async () => {
      const f = file(at('resource0')).bin;
      const vma = (start: number, end: number, pgoff: number): never =>
        ({
          vm_start: start,
          vm_end: end,
          vm_pgoff: pgoff,
          vm_page_prot: 0,
          vm_flags: 0,
          ptes: new Map(),
          pt: P.pci().nowhere,
        }) as never;
      const ok = vma(0x10000, 0x11000, 0);
      expect(await f?.mmap?.(null as never, ok)).toBe(0);
      expect((ok as { ptes: Map<number, number> }).ptes.get(0x10)).toBe(0xfe000);
      expect(await f?.mmap?.(null as never, vma(0x10000, 0x11000, 1))).toBe(-EINVAL);
      expect(file(at('resource2')).bin?.mmap).toBeUndefined();
    }).then(() => {}));
});

describe('permission', () => {
  it('an unprivileged process reads 64 bytes of config space and cannot enable', async () => {
    const { CAP_SYS_ADMIN, create_process, spawn_thread } = await import('@vfio-lab/kernel');
    const { join } = await import('@vfio-lab/sim');
    await boot(board(), async (dev) => {
      const p = create_process('user');
      p.dropped_caps.add(CAP_SYS_ADMIN);
      await join(
        spawn_thread(p, 'user', async () => {
          expect((await P.pci_read_config(dev, 0, 4096)).length).toBe(64);
          expect(await sysfs_write(at('enable'), '1')).toBe(-EPERM);
          expect(await sysfs_write(at('msi_bus'), '1')).toBe(-EPERM);
        }),
      );
    });
  });
});
