// SPDX-License-Identifier: GPL-2.0-only
import type { Kernel, virqfd_ref } from '@vfio-lab/headers';
import {
  VFIO_PCI_INDEX_TO_OFFSET,
  vfio_pci_core_device,
  vfio_pci_ioeventfd,
  VFIO_PCI_IOEVENTFD_MAX,
  virqfd,
} from '@vfio-lab/headers';
import {
  create_process,
  EBADF,
  EBUSY,
  EEXIST,
  EFAULT,
  EINVAL,
  EIO,
  ENODEV,
  ENOMEM,
  ENOSPC,
  GFP_KERNEL,
  INIT_LIST_HEAD,
  kfree,
  kzalloc,
  list_first_entry,
  slab_fail,
  slab_mark,
  slab_report_leaks,
  spawn_thread,
} from '@vfio-lab/kernel';
import { down_write, init_rwsem, mutex_init, rwsem_is_locked, up_write } from '@vfio-lab/locking';
import type { pci_device_model, resource } from '@vfio-lab/pci';
import {
  IORESOURCE_IO,
  IORESOURCE_MEM,
  IORESOURCE_ROM_SHADOW,
  pci,
  pci_dev,
  pci_function_hw,
  pci_iounmap,
  pci_release_selected_regions,
  pci_request_selected_regions,
  request_resource,
  vga_arbiter_add_pci_device,
} from '@vfio-lab/pci';
import type { Ref } from '@vfio-lab/sim';
import { join, Machine, ref, report, spawn, yield_now } from '@vfio-lab/sim';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { vfio_pci_rdwr } from '../src/index.ts';

/** A device whose BARs are memory; every access is noted as `r4 bar0@10`, writes with the value. */
class Memory implements pci_device_model {
  readonly name = 'memory';
  readonly seen: string[] = [];
  readonly bars = Array.from({ length: 7 }, () => new Uint8Array(0x2000));

  mmio_read(bar: number, off: number, size: number): number {
    this.seen.push(`r${size} bar${bar}@${off.toString(16)}`);
    let val = 0;
    for (let i = 0; i < size; i++) val += this.bars[bar][off + i] * 2 ** (8 * i);
    return val;
  }

  mmio_write(bar: number, off: number, size: number, val: number): void {
    this.seen.push(`w${size} bar${bar}@${off.toString(16)}=${val.toString(16)}`);
    for (let i = 0; i < size; i++) this.bars[bar][off + i] = val >>> (8 * i);
  }
}

interface Rig {
  readonly k: Kernel;
  readonly vdev: vfio_pci_core_device;
  readonly pdev: pci_dev;
  readonly device: Memory;
  /** Accesses of the device since the last call. */
  seen(): string[];
  /** pread() of a region: bytes in hex, or the errno; `moved` is how far the position went. */
  read(bar: number, off: number, len: number): Promise<string | number>;
  write(bar: number, off: number, hex: string): Promise<number>;
  vga(off: number, len: number): Promise<string | number>;
  /** Memory decode, as __vfio_pci_memory_enabled() sees it. */
  memory: boolean;
}

const BAR0 = 0xfe000000;
const BAR1 = 0xc000;
const ROM = 0xfe100000;

async function with_device(test: (rig: Rig) => Promise<void>): Promise<void> {
  const m = new Machine();
  await m.run(async () => {
    const mark = slab_mark();
    const device = new Memory();
    const config = new Uint8Array(256);
    const view = new DataView(config.buffer);
    config[4] = 3;
    view.setUint32(0x10, BAR0, true);
    view.setUint32(0x14, BAR1 | 1, true);
    view.setUint32(0x30, ROM, true);
    // an option ROM of 1 KiB in a BAR of 4 KiB
    device.bars[6].set([0x55, 0xaa, 2]);
    device.bars[6][0x18] = 0x40;
    device.bars[6].set([0x50, 0x43, 0x49, 0x52], 0x40);
    device.bars[6][0x50] = 2;
    device.bars[6][0x55] = 0x80;

    const hw = new pci_function_hw({
      name: '0000:01:00.0',
      config,
      bar_sizes: [0x2000, 0x20, 0, 0, 0, 0, 0x1000],
      model: device,
    });
    pci().fabric.add(hw, null);
    const pdev = new pci_dev(hw);
    pdev.dev.name = hw.name;
    pdev.current_state = 0;
    pdev.rom_base_reg = 0x30;
    const bar = (n: number, tree: resource, start: number, len: number, flags: number): void => {
      Object.assign(pdev.resource[n], { start, end: start + len - 1, flags });
      request_resource(tree, pdev.resource[n]);
    };
    bar(0, pci().iomem_resource, BAR0, 0x2000, IORESOURCE_MEM);
    bar(1, pci().ioport_resource, BAR1, 0x20, IORESOURCE_IO);
    bar(6, pci().iomem_resource, ROM, 0x1000, IORESOURCE_MEM);

    const vdev = kzalloc(vfio_pci_core_device, GFP_KERNEL);
    if (vdev === null) throw new Error('no memory');
    vdev.pdev = pdev;
    vdev.msix_bar = 0xff;
    init_rwsem(vdev.memory_lock, '&vdev->memory_lock');
    mutex_init(vdev.ioeventfds_lock, '&vdev->ioeventfds_lock');
    INIT_LIST_HEAD(vdev.ioeventfds_list);

    const k = Object.create({ ...vfio_pci_rdwr }) as Kernel;
    const program = create_process('test');
    const mm = program.mm;
    if (mm === null) throw new Error('no memory');
    const buffer = mm.alloc(0x4000);

    const pread = async (
      rw: 'vfio_pci_bar_rw' | 'vfio_pci_vga_rw',
      ppos: Ref<number>,
      len: number,
    ): Promise<string | number> => {
      const from = ppos.v;
      const ret = await k[rw](vdev, buffer, len, ppos, false);
      expect(ppos.v - from).toBe(Math.max(0, ret));
      return ret < 0 ? ret : Buffer.from(mm.load(buffer, ret)).toString('hex');
    };
    const rig: Rig = {
      k,
      vdev,
      pdev,
      device,
      memory: true,
      seen: () => device.seen.splice(0),
      read: (n, off, len) => pread('vfio_pci_bar_rw', ref(VFIO_PCI_INDEX_TO_OFFSET(n) + off), len),
      vga: (off, len) => pread('vfio_pci_vga_rw', ref(VFIO_PCI_INDEX_TO_OFFSET(8) + off), len),
      async write(n, off, hex) {
        const bytes = Buffer.from(hex, 'hex');
        mm.store(buffer, bytes);
        return await k.vfio_pci_bar_rw(
          vdev,
          buffer,
          bytes.length,
          ref(VFIO_PCI_INDEX_TO_OFFSET(n) + off),
          true,
        );
      },
    };
    k.__vfio_pci_memory_enabled = () => rig.memory;

    const task = spawn_thread(program, 'user', () => test(rig));
    await join(task);
    if (rwsem_is_locked(vdev.memory_lock)) report('locked', 'memory_lock is still held');
    vdev.barmap.forEach((io, n) => {
      if (io === null) return;
      pci_iounmap(pdev, io);
      pci_release_selected_regions(pdev, 1 << n);
    });
    kfree(vdev);
    slab_report_leaks(mark);
  });
  expect(m.findings).toEqual([]);
}

describe('vfio_pci_bar_rw', () => {
  it('should use the widest aligned accesses', async () => {
    await with_device(async ({ read, write, seen }) => {
      expect(await write(0, 0x11, '0102030405060708090a')).toBe(10);
      expect(seen()).toEqual([
        'w1 bar0@11=1',
        'w2 bar0@12=302',
        'w4 bar0@14=7060504',
        'w2 bar0@18=908',
        'w1 bar0@1a=a',
      ]);
      expect(await read(0, 0x11, 10)).toBe('0102030405060708090a');
      expect(seen()).toEqual(['r1 bar0@11', 'r2 bar0@12', 'r4 bar0@14', 'r2 bar0@18', 'r1 bar0@1a']);
    });
  });

  it('should end at the end of the BAR', () =>
    with_device(async ({ read, write }) => {
      expect(await read(0, 0x1ffc, 100)).toBe('00000000');
      expect(await write(0, 0x1ffe, '11223344')).toBe(2);
      expect(await read(0, 0x2000, 1)).toBe(-EINVAL);
      expect(await read(0, 2 ** 39, 1)).toBe(-EINVAL);
      expect(await read(2, 0, 1)).toBe(-EINVAL);
      expect(await read(0, 0, 0)).toBe('');
    }));

  it('should need memory decode for memory and not for ports', () =>
    with_device(async (rig) => {
      rig.memory = false;
      for (const n of [1, 2, 4]) {
        expect(await rig.read(0, 0, n)).toBe(-EIO);
        expect(await rig.write(0, 0, '00'.repeat(n))).toBe(-EIO);
      }
      expect(rig.seen()).toEqual([]);
      expect(await rig.write(1, 0, '5a')).toBe(1);
      expect(await rig.read(1, 0, 1)).toBe('5a');
    }));

  it('should stop where the user memory does', () =>
    with_device(async ({ k, vdev }) => {
      for (const n of [1, 2, 4]) {
        expect(await k.vfio_pci_bar_rw(vdev, 0x1000, n, ref(0), false)).toBe(-EFAULT);
        expect(await k.vfio_pci_bar_rw(vdev, 0x1000, n, ref(0), true)).toBe(-EFAULT);
      }
    }));

  it('should leave a hole for the MSI-X table', () =>
    with_device(async ({ k, vdev, read, write, seen }) => {
      vdev.msix_bar = 0;
      vdev.msix_offset = 0x10;
      vdev.msix_size = 0x10;
      expect(await read(0, 0xc, 0x18)).toBe('00000000' + 'ff'.repeat(16) + '00000000');
      expect(seen()).toEqual(['r4 bar0@c', 'r4 bar0@20']);
      expect(await write(0, 0xe, '11'.repeat(0x14))).toBe(0x14);
      expect(seen()).toEqual(['w2 bar0@e=1111', 'w2 bar0@20=1111']);
      expect(await k.vfio_pci_bar_rw(vdev, 0x1000, 4, ref(0x10), false)).toBe(-EFAULT);
      expect(await k.vfio_pci_bar_rw(vdev, 0x1000, 4, ref(0x10), true)).toBe(4);
    }));

  it('should claim and map a BAR once', () =>
    with_device(async ({ vdev, pdev, read }) => {
      expect(pci_request_selected_regions(pdev, 1, 'other')).toBe(0);
      expect(await read(0, 0, 4)).toBe(-EBUSY);
      expect(vdev.barmap[0]).toBeNull();
      pci_release_selected_regions(pdev, 1);
      await read(0, 0, 4);
      const io = vdev.barmap[0];
      await read(0, 0, 4);
      expect(io).not.toBeNull();
      expect(vdev.barmap[0]).toBe(io);
    }));

  it('should give a BAR back that cannot be mapped', () =>
    with_device(async ({ vdev, pdev, read }) => {
      pdev.resource[0].flags = 0;
      expect(await read(0, 0, 4)).toBe(-ENOMEM);
      expect(vdev.barmap[0]).toBeNull();
      pdev.resource[0].flags = IORESOURCE_MEM;
      expect(await read(0, 0, 4)).toBe('00000000');
    }));

  it('should show the image of the ROM and ff behind it', () =>
    with_device(async ({ read, write, pdev }) => {
      const rom = String(await read(6, 0, 0x2000));
      expect(rom).toHaveLength(2 * 0x1000);
      expect(rom.slice(0, 6)).toBe('55aa02');
      expect(rom.slice(2 * 0x400)).toBe('ff'.repeat(0xc00));
      expect(await write(6, 0x800, '00000000')).toBe(4);
      expect(pdev.hw.get32(0x30) & 1).toBe(0);
    }));

  it('should have no ROM without a valid image', () =>
    with_device(async ({ read, device }) => {
      device.bars[6].fill(0xff);
      expect(await read(6, 0, 4)).toBe(-ENOMEM);
    }));

  it('should take a shadow copy for a ROM without a BAR', () =>
    with_device(async ({ read, pdev }) => {
      Object.assign(pdev.resource[6], { start: 0, end: 0, flags: IORESOURCE_ROM_SHADOW });
      expect(await read(6, 0x20000, 4)).toBe(-EINVAL);
      expect(await read(6, 0, 4)).toBe(-ENOMEM);
    }));

  it('should read what was written in whatever pieces', () =>
    fc.assert(
      fc.asyncProperty(
        fc.nat(0x40),
        fc.uint8Array({ minLength: 1, maxLength: 40 }),
        fc.integer({ min: 1, max: 9 }),
        async (off, bytes, piece) => {
          await with_device(async ({ read, write }) => {
            expect(await write(0, off, Buffer.from(bytes).toString('hex'))).toBe(bytes.length);
            let got = '';
            for (let at = 0; at < bytes.length; at += piece) {
              got += String(await read(0, off + at, Math.min(piece, bytes.length - at)));
            }
            expect(got).toBe(Buffer.from(bytes).toString('hex'));
          });
        },
      ),
      { numRuns: 40 },
    ));
});

describe('vfio_pci_vga_rw', () => {
  it('should be for VGA devices and the legacy ranges only', () =>
    with_device(async ({ vdev, vga }) => {
      expect(await vga(0xa0000, 4)).toBe(-EINVAL);
      vdev.has_vga = true;
      for (const off of [0, 0x3af, 0x3bc, 0x3bf, 0x3e0, 0x9ffff, 0xc0000, 2 ** 33]) {
        expect(await vga(off, 4)).toBe(-EINVAL);
      }
    }));

  it('should end at the end of a range, whatever memory decode says', () =>
    with_device(async (rig) => {
      rig.vdev.has_vga = true;
      rig.memory = false;
      expect(await rig.vga(0x3b8, 16)).toBe('ff'.repeat(4));
      expect(await rig.vga(0x3de, 4)).toBe('ffff');
      expect(await rig.vga(0xbfffe, 4)).toBe('ffff');
    }));
});

describe('vfio_pci_vga_rw without the arbiter', () => {
  it('should give its error back', () =>
    with_device(async ({ vdev, vga }) => {
      vdev.has_vga = true;
      // the machine has a VGA device, which is another one
      const other = new pci_dev(
        new pci_function_hw({ name: '0000:02:00.0', config: new Uint8Array(256), bar_sizes: [] }),
      );
      other.class = 0x030000;
      vga_arbiter_add_pci_device(other);
      expect(await vga(0xa0000, 4)).toBe(-EINVAL);
      expect(await vga(0x3c0, 4)).toBe(-EINVAL);
    }));
});

describe('vfio_pci_ioeventfd', () => {
  type Handler = (opaque: unknown, data: unknown) => Promise<number>;
  type Thread = (opaque: unknown, data: unknown) => Promise<void>;
  interface Wired {
    opaque: unknown;
    handler: Handler;
    thread: Thread;
  }

  /** Stands in for virqfd.c: fds below 100 are eventfds. */
  function virqfds(k: Kernel): Wired[] {
    const wired: Wired[] = [];
    k.vfio_virqfd_enable = async (opaque, handler, thread, _data, pvirqfd, fd) => {
      if (fd >= 100) return -EBADF;
      wired.push({ opaque, handler: handler as Handler, thread: thread as Thread });
      pvirqfd.v = new virqfd();
      return 0;
    };
    k.vfio_virqfd_disable = async (pvirqfd: virqfd_ref) => {
      pvirqfd.v = null;
    };
    return wired;
  }

  /** Take all away again, as the last close does. */
  async function remove_all(k: Kernel, vdev: vfio_pci_core_device): Promise<void> {
    while (vdev.ioeventfds_nr > 0) {
      const e = list_first_entry(vdev.ioeventfds_list);
      expect(
        await k.vfio_pci_ioeventfd(vdev, e.pos + VFIO_PCI_INDEX_TO_OFFSET(e.bar), e.data, e.count, -1),
      ).toBe(0);
      expect(e.virqfd).toBeNull();
    }
  }

  it('should answer as recorded on a real kernel', async () => {
    await with_device(async ({ k, vdev }) => {
      virqfds(k);
      const set = (off: number, data: bigint, count: number, fd: number): Promise<number> =>
        k.vfio_pci_ioeventfd(vdev, off, data, count, fd);
      expect(await set(4, 5n, 4, 3)).toBe(0);
      expect(await set(4, 5n, 4, 3)).toBe(-EEXIST);
      expect(await set(4, 6n, 4, 3)).toBe(0);
      expect(await set(8, 5n, 8, 4)).toBe(0);
      expect(await set(0x80, 5n, 1, 4)).toBe(0);
      expect(await set(0x80, 5n, 4, -2)).toBe(-ENODEV);
      expect(await set(0x80, 5n, 4, 9999)).toBe(-EBADF);
      expect(await set(VFIO_PCI_INDEX_TO_OFFSET(7) + 0x80, 5n, 4, 4)).toBe(-EINVAL);
      expect(await set(VFIO_PCI_INDEX_TO_OFFSET(2) + 0x80, 5n, 4, 4)).toBe(-EINVAL);
      expect(await set(-4, 5n, 4, 4)).toBe(-EINVAL);
      expect(await set(0x2000, 5n, 4, 4)).toBe(-EINVAL);
      expect(await set(0x1ffc, 5n, 4, 4)).toBe(0);
      expect(await set(0x1ffd, 5n, 4, 4)).toBe(-EINVAL);
      expect(await set(4, 5n, 4, -1)).toBe(0);
      expect(await set(4, 5n, 4, -1)).toBe(-ENODEV);
      expect(vdev.ioeventfds_nr).toBe(4);
      await remove_all(k, vdev);
    });
  });

  it('should keep off the MSI-X table', () =>
    with_device(async ({ k, vdev }) => {
      virqfds(k);
      Object.assign(vdev, { msix_bar: 0, msix_offset: 0x10, msix_size: 0x10 });
      expect(await k.vfio_pci_ioeventfd(vdev, 0x1c, 0n, 4, 3)).toBe(-EINVAL);
      expect(await k.vfio_pci_ioeventfd(vdev, 0x0e, 0n, 4, 3)).toBe(-EINVAL);
      expect(await k.vfio_pci_ioeventfd(vdev, 0x0c, 0n, 4, 3)).toBe(0);
      expect(await k.vfio_pci_ioeventfd(vdev, 0x20, 0n, 4, 3)).toBe(0);
      await remove_all(k, vdev);
    }));

  it('should end at a thousand, and at failures', async () => {
    await with_device(async ({ k, vdev, pdev }) => {
      virqfds(k);
      expect(pci_request_selected_regions(pdev, 1, 'other')).toBe(0);
      expect(await k.vfio_pci_ioeventfd(vdev, 0, 0n, 4, 3)).toBe(-EBUSY);
      pci_release_selected_regions(pdev, 1);
      for (let i = 0; i < VFIO_PCI_IOEVENTFD_MAX; i++) {
        if ((await k.vfio_pci_ioeventfd(vdev, 0, BigInt(i), 4, 3)) !== 0) throw new Error('refused');
      }
      expect(await k.vfio_pci_ioeventfd(vdev, 4, 0n, 4, 3)).toBe(-ENOSPC);
      await remove_all(k, vdev);
      slab_fail();
      expect(await k.vfio_pci_ioeventfd(vdev, 4, 0n, 4, 3)).toBe(-ENOMEM);
    });
  });

  it.each([
    [1, ['w1 bar0@8=88']],
    [2, ['w2 bar0@8=7788']],
    [4, ['w4 bar0@8=55667788']],
    [8, ['w4 bar0@8=55667788', 'w4 bar0@c=11223344']],
  ])('should write %i bytes from the handler', (count, accesses) =>
    with_device(async (rig) => {
      const { k, vdev, seen } = rig;
      const wired = virqfds(k);
      await k.vfio_pci_ioeventfd(vdev, 8, 0x1122334455667788n, count, 3);
      const [{ opaque, handler, thread }] = wired;
      expect(opaque).toBeInstanceOf(vfio_pci_ioeventfd);
      expect(await handler(opaque, null)).toBe(0);
      expect(seen()).toEqual(accesses);
      await thread(opaque, null);
      expect(seen()).toEqual(accesses);

      rig.memory = false;
      expect(await handler(opaque, null)).toBe(0);
      await thread(opaque, null);
      expect(seen()).toEqual([]);
      await remove_all(k, vdev);
    }),
  );

  it('should leave the write to the thread while the memory lock is taken', () =>
    with_device(async ({ k, vdev, seen }) => {
      const [{ opaque, handler, thread }] = await (async () => {
        const wired = virqfds(k);
        await k.vfio_pci_ioeventfd(vdev, 8, 1n, 4, 3);
        return wired;
      })();
      await down_write(vdev.memory_lock);
      const task = spawn('handler', async () => {
        expect(await handler(opaque, null)).toBe(1);
      });
      await join(task);
      const late = spawn('thread', () => thread(opaque, null));
      await yield_now();
      expect(seen()).toEqual([]);
      await up_write(vdev.memory_lock);
      await join(late);
      expect(seen()).toEqual(['w4 bar0@8=1']);
      await remove_all(k, vdev);
    }));

  it('should not look at memory decode for ports', () =>
    with_device(async (rig) => {
      const { k, vdev, seen } = rig;
      const wired = virqfds(k);
      rig.memory = false;
      await k.vfio_pci_ioeventfd(vdev, VFIO_PCI_INDEX_TO_OFFSET(1) + 8, 1n, 1, 3);
      await wired[0].handler(wired[0].opaque, null);
      await wired[0].thread(wired[0].opaque, null);
      expect(seen()).toEqual(['w1 bar1@8=1', 'w1 bar1@8=1']);
      await remove_all(k, vdev);
    }));
});
