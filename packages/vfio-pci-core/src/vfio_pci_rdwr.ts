// SPDX-License-Identifier: GPL-2.0-only
/*
 * drivers/vfio/pci/vfio_pci_rdwr.c, v5.19-rc4, little endian, with CONFIG_VFIO_PCI_VGA and iowrite64
 *
 * Reads and writes of BARs, the ROM and the legacy VGA ranges, and ioeventfds: an eventfd that writes a register.
 */
import type { int, Ref, u16, u32, u8 } from '@vfio-lab/sim';
import { ref } from '@vfio-lab/sim';
import { down_read, down_read_trylock, mutex_lock, mutex_unlock, up_read } from '@vfio-lab/locking';
import type { user_ptr } from '@vfio-lab/kernel';
import {
  copy_from_user,
  copy_to_user,
  EEXIST,
  EFAULT,
  EINVAL,
  EIO,
  ENODEV,
  ENOMEM,
  ENOSPC,
  field_ref,
  GFP_KERNEL,
  kfree,
  kzalloc,
  list_add,
  list_del,
  list_for_each_entry,
  min,
} from '@vfio-lab/kernel';
import type { iomem } from '@vfio-lab/pci';
import {
  ioport_map,
  ioport_unmap,
  ioread16,
  ioread32,
  ioread8,
  IORESOURCE_MEM,
  IORESOURCE_ROM_SHADOW,
  ioremap,
  iounmap,
  iowrite16,
  iowrite32,
  iowrite64,
  iowrite8,
  pci_iomap,
  pci_map_rom,
  pci_release_selected_regions,
  pci_request_selected_regions,
  pci_resource_len,
  pci_resource_start,
  PCI_ROM_RESOURCE,
  pci_unmap_rom,
  vga_get_interruptible,
  vga_put,
  VGA_RSRC_LEGACY_IO,
  VGA_RSRC_LEGACY_MEM,
} from '@vfio-lab/pci';
import type { Kernel, vfio_pci_core_device } from '@vfio-lab/headers';
import {
  VFIO_PCI_BAR5_REGION_INDEX,
  vfio_pci_ioeventfd as struct_vfio_pci_ioeventfd,
  VFIO_PCI_IOEVENTFD_MAX,
  VFIO_PCI_OFFSET_TO_INDEX,
  VFIO_PCI_OFFSET_TO_POS,
} from '@vfio-lab/headers';

/** C: drivers/vfio/pci/vfio_pci_rdwr.c static VFIO_IOWRITE(8) */
export async function vfio_pci_iowrite8(
  this: Kernel,
  vdev: vfio_pci_core_device,
  test_mem: boolean,
  val: u8,
  io: iomem,
): Promise<int> {
  if (test_mem) {
    await down_read(vdev.memory_lock);
    if (!this.__vfio_pci_memory_enabled(vdev)) {
      await up_read(vdev.memory_lock);
      return -EIO;
    }
  }

  await iowrite8(val, io);

  if (test_mem) await up_read(vdev.memory_lock);

  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_rdwr.c static VFIO_IOWRITE(16) */
export async function vfio_pci_iowrite16(
  this: Kernel,
  vdev: vfio_pci_core_device,
  test_mem: boolean,
  val: u16,
  io: iomem,
): Promise<int> {
  if (test_mem) {
    await down_read(vdev.memory_lock);
    if (!this.__vfio_pci_memory_enabled(vdev)) {
      await up_read(vdev.memory_lock);
      return -EIO;
    }
  }

  await iowrite16(val, io);

  if (test_mem) await up_read(vdev.memory_lock);

  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_rdwr.c static VFIO_IOWRITE(32) */
export async function vfio_pci_iowrite32(
  this: Kernel,
  vdev: vfio_pci_core_device,
  test_mem: boolean,
  val: u32,
  io: iomem,
): Promise<int> {
  if (test_mem) {
    await down_read(vdev.memory_lock);
    if (!this.__vfio_pci_memory_enabled(vdev)) {
      await up_read(vdev.memory_lock);
      return -EIO;
    }
  }

  await iowrite32(val, io);

  if (test_mem) await up_read(vdev.memory_lock);

  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_rdwr.c static VFIO_IOWRITE(64) */
export async function vfio_pci_iowrite64(
  this: Kernel,
  vdev: vfio_pci_core_device,
  test_mem: boolean,
  val: bigint,
  io: iomem,
): Promise<int> {
  if (test_mem) {
    await down_read(vdev.memory_lock);
    if (!this.__vfio_pci_memory_enabled(vdev)) {
      await up_read(vdev.memory_lock);
      return -EIO;
    }
  }

  await iowrite64(val, io);

  if (test_mem) await up_read(vdev.memory_lock);

  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_rdwr.c static VFIO_IOREAD(8) */
export async function vfio_pci_ioread8(
  this: Kernel,
  vdev: vfio_pci_core_device,
  test_mem: boolean,
  val: Ref<u8>,
  io: iomem,
): Promise<int> {
  if (test_mem) {
    await down_read(vdev.memory_lock);
    if (!this.__vfio_pci_memory_enabled(vdev)) {
      await up_read(vdev.memory_lock);
      return -EIO;
    }
  }

  val.v = await ioread8(io);

  if (test_mem) await up_read(vdev.memory_lock);

  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_rdwr.c static VFIO_IOREAD(16) */
export async function vfio_pci_ioread16(
  this: Kernel,
  vdev: vfio_pci_core_device,
  test_mem: boolean,
  val: Ref<u16>,
  io: iomem,
): Promise<int> {
  if (test_mem) {
    await down_read(vdev.memory_lock);
    if (!this.__vfio_pci_memory_enabled(vdev)) {
      await up_read(vdev.memory_lock);
      return -EIO;
    }
  }

  val.v = await ioread16(io);

  if (test_mem) await up_read(vdev.memory_lock);

  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_rdwr.c static VFIO_IOREAD(32) */
export async function vfio_pci_ioread32(
  this: Kernel,
  vdev: vfio_pci_core_device,
  test_mem: boolean,
  val: Ref<u32>,
  io: iomem,
): Promise<int> {
  if (test_mem) {
    await down_read(vdev.memory_lock);
    if (!this.__vfio_pci_memory_enabled(vdev)) {
      await up_read(vdev.memory_lock);
      return -EIO;
    }
  }

  val.v = await ioread32(io);

  if (test_mem) await up_read(vdev.memory_lock);

  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_rdwr.c static do_io_rw() */
export async function do_io_rw(
  this: Kernel,
  vdev: vfio_pci_core_device,
  test_mem: boolean,
  io: iomem,
  buf: user_ptr,
  off: number,
  count: number,
  x_start: number,
  x_end: number,
  iswrite: boolean,
): Promise<number> {
  let done = 0;
  let ret: int;
  const bytes = new Uint8Array(4);
  const word = new DataView(bytes.buffer);

  while (count) {
    let fillable: number;
    let filled: number;

    if (off < x_start) fillable = min(count, x_start - off);
    else if (off >= x_end) fillable = count;
    else fillable = 0;

    if (fillable >= 4 && !(off % 4)) {
      const val: Ref<u32> = ref(0);

      if (iswrite) {
        if (copy_from_user(bytes, buf, 4)) return -EFAULT;
        val.v = word.getUint32(0, true);

        ret = await this.vfio_pci_iowrite32(vdev, test_mem, val.v, io.plus(off));
        if (ret) return ret;
      } else {
        ret = await this.vfio_pci_ioread32(vdev, test_mem, val, io.plus(off));
        if (ret) return ret;

        word.setUint32(0, val.v, true);
        if (copy_to_user(buf, bytes, 4)) return -EFAULT;
      }

      filled = 4;
    } else if (fillable >= 2 && !(off % 2)) {
      const val: Ref<u16> = ref(0);

      if (iswrite) {
        if (copy_from_user(bytes, buf, 2)) return -EFAULT;
        val.v = word.getUint16(0, true);

        ret = await this.vfio_pci_iowrite16(vdev, test_mem, val.v, io.plus(off));
        if (ret) return ret;
      } else {
        ret = await this.vfio_pci_ioread16(vdev, test_mem, val, io.plus(off));
        if (ret) return ret;

        word.setUint16(0, val.v, true);
        if (copy_to_user(buf, bytes, 2)) return -EFAULT;
      }

      filled = 2;
    } else if (fillable) {
      const val: Ref<u8> = ref(0);

      if (iswrite) {
        if (copy_from_user(bytes, buf, 1)) return -EFAULT;
        val.v = word.getUint8(0);

        ret = await this.vfio_pci_iowrite8(vdev, test_mem, val.v, io.plus(off));
        if (ret) return ret;
      } else {
        ret = await this.vfio_pci_ioread8(vdev, test_mem, val, io.plus(off));
        if (ret) return ret;

        word.setUint8(0, val.v);
        if (copy_to_user(buf, bytes, 1)) return -EFAULT;
      }

      filled = 1;
    } else {
      // The hole: writes are lost, reads give ff
      filled = min(count, x_end - off);
      if (!iswrite) {
        const val = new Uint8Array([0xff]);

        for (let i = 0; i < filled; i++) if (copy_to_user(buf + i, val, 1)) return -EFAULT;
      }
    }

    count -= filled;
    done += filled;
    off += filled;
    buf += filled;
  }

  return done;
}

/** C: drivers/vfio/pci/vfio_pci_rdwr.c static vfio_pci_setup_barmap() */
export async function vfio_pci_setup_barmap(
  this: Kernel,
  vdev: vfio_pci_core_device,
  bar: int,
): Promise<int> {
  const pdev = vdev.pdev;

  if (vdev.barmap[bar]) return 0;

  const ret = pci_request_selected_regions(pdev, 1 << bar, 'vfio');
  if (ret) return ret;

  const io = pci_iomap(pdev, bar, 0);
  if (!io) {
    pci_release_selected_regions(pdev, 1 << bar);
    return -ENOMEM;
  }

  vdev.barmap[bar] = io;

  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_rdwr.c vfio_pci_bar_rw() */
export async function vfio_pci_bar_rw(
  this: Kernel,
  vdev: vfio_pci_core_device,
  buf: user_ptr,
  count: number,
  ppos: Ref<number>,
  iswrite: boolean,
): Promise<number> {
  const pdev = vdev.pdev;
  const pos = VFIO_PCI_OFFSET_TO_POS(ppos.v);
  const bar = VFIO_PCI_OFFSET_TO_INDEX(ppos.v);
  const x_start: Ref<number> = ref(0);
  let x_end = 0;
  let end: number;
  let io: iomem | null;
  const res = vdev.pdev.resource[bar];
  let done: number;

  if (pci_resource_start(pdev, bar)) end = pci_resource_len(pdev, bar);
  else if (bar === PCI_ROM_RESOURCE && pdev.resource[bar].flags & IORESOURCE_ROM_SHADOW) end = 0x20000;
  else return -EINVAL;

  if (pos >= end) return -EINVAL;

  count = min(count, end - pos);

  out: {
    if (bar === PCI_ROM_RESOURCE) {
      // The image may be smaller than the BAR. What is behind it need not be read from the device.
      io = await pci_map_rom(pdev, x_start);
      if (!io) {
        done = -ENOMEM;
        break out;
      }
      x_end = end;
    } else {
      const ret = await this.vfio_pci_setup_barmap(vdev, bar);
      if (ret) {
        done = ret;
        break out;
      }

      io = vdev.barmap[bar]!;
    }

    if (bar === vdev.msix_bar) {
      x_start.v = vdev.msix_offset;
      x_end = vdev.msix_offset + vdev.msix_size;
    }

    done = await this.do_io_rw(
      vdev,
      (res.flags & IORESOURCE_MEM) !== 0,
      io,
      buf,
      pos,
      count,
      x_start.v,
      x_end,
      iswrite,
    );

    if (done >= 0) ppos.v += done;

    if (bar === PCI_ROM_RESOURCE) await pci_unmap_rom(pdev, io);
  }
  return done;
}

/** C: drivers/vfio/pci/vfio_pci_rdwr.c vfio_pci_vga_rw() */
export async function vfio_pci_vga_rw(
  this: Kernel,
  vdev: vfio_pci_core_device,
  buf: user_ptr,
  count: number,
  ppos: Ref<number>,
  iswrite: boolean,
): Promise<number> {
  const pos = VFIO_PCI_OFFSET_TO_POS(ppos.v);
  let off: number;
  let iomem: iomem | null = null;
  let rsrc: u32;
  let is_ioport: boolean;

  if (!vdev.has_vga) return -EINVAL;

  if (pos > 0xbffff) return -EINVAL;

  if (pos >= 0xa0000 && pos <= 0xbffff) {
    count = min(count, 0xc0000 - pos);
    iomem = ioremap(0xa0000, 0xbffff - 0xa0000 + 1);
    off = pos - 0xa0000;
    rsrc = VGA_RSRC_LEGACY_MEM;
    is_ioport = false;
  } else if (pos >= 0x3b0 && pos <= 0x3bb) {
    count = min(count, 0x3bc - pos);
    iomem = ioport_map(0x3b0, 0x3bb - 0x3b0 + 1);
    off = pos - 0x3b0;
    rsrc = VGA_RSRC_LEGACY_IO;
    is_ioport = true;
  } else if (pos >= 0x3c0 && pos <= 0x3df) {
    count = min(count, 0x3e0 - pos);
    iomem = ioport_map(0x3c0, 0x3df - 0x3c0 + 1);
    off = pos - 0x3c0;
    rsrc = VGA_RSRC_LEGACY_IO;
    is_ioport = true;
  } else return -EINVAL;

  if (!iomem) return -ENOMEM;

  const ret = await vga_get_interruptible(vdev.pdev, rsrc);
  if (ret) {
    if (is_ioport) ioport_unmap(iomem);
    else iounmap(iomem);
    return ret;
  }

  // A legacy range is no BAR; it is left to the arbiter, not to the memory enable bit
  const done = await this.do_io_rw(vdev, false, iomem, buf, off, count, 0, 0, iswrite);

  await vga_put(vdev.pdev, rsrc);

  if (is_ioport) ioport_unmap(iomem);
  else iounmap(iomem);

  if (done >= 0) ppos.v += done;

  return done;
}

/** C: drivers/vfio/pci/vfio_pci_rdwr.c static vfio_pci_ioeventfd_do_write() */
export async function vfio_pci_ioeventfd_do_write(
  this: Kernel,
  ioeventfd: struct_vfio_pci_ioeventfd,
  test_mem: boolean,
): Promise<void> {
  // The data is a u64, cut to the width of the register
  const data = (bits: number): number => Number(BigInt.asUintN(bits, ioeventfd.data));

  switch (ioeventfd.count) {
    case 1:
      await this.vfio_pci_iowrite8(ioeventfd.vdev, test_mem, data(8), ioeventfd.addr);
      break;
    case 2:
      await this.vfio_pci_iowrite16(ioeventfd.vdev, test_mem, data(16), ioeventfd.addr);
      break;
    case 4:
      await this.vfio_pci_iowrite32(ioeventfd.vdev, test_mem, data(32), ioeventfd.addr);
      break;
    case 8:
      await this.vfio_pci_iowrite64(ioeventfd.vdev, test_mem, ioeventfd.data, ioeventfd.addr);
      break;
  }
}

/** C: drivers/vfio/pci/vfio_pci_rdwr.c static vfio_pci_ioeventfd_handler() */
export async function vfio_pci_ioeventfd_handler(
  this: Kernel,
  opaque: struct_vfio_pci_ioeventfd,
  unused: unknown,
): Promise<int> {
  const ioeventfd = opaque;
  const vdev = ioeventfd.vdev;

  if (ioeventfd.test_mem) {
    if (!(await down_read_trylock(vdev.memory_lock))) return 1; // contended: by way of the thread
    if (!this.__vfio_pci_memory_enabled(vdev)) {
      await up_read(vdev.memory_lock);
      return 0;
    }
  }

  await this.vfio_pci_ioeventfd_do_write(ioeventfd, false);

  if (ioeventfd.test_mem) await up_read(vdev.memory_lock);

  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_rdwr.c static vfio_pci_ioeventfd_thread() */
export async function vfio_pci_ioeventfd_thread(
  this: Kernel,
  opaque: struct_vfio_pci_ioeventfd,
  unused: unknown,
): Promise<void> {
  const ioeventfd = opaque;

  await this.vfio_pci_ioeventfd_do_write(ioeventfd, ioeventfd.test_mem);
}

/** C: drivers/vfio/pci/vfio_pci_rdwr.c vfio_pci_ioeventfd() */
export async function vfio_pci_ioeventfd(
  this: Kernel,
  vdev: vfio_pci_core_device,
  offset: number,
  data: bigint,
  count: int,
  fd: int,
): Promise<int> {
  const pdev = vdev.pdev;
  const pos = VFIO_PCI_OFFSET_TO_POS(offset);
  let ret: int;
  const bar = VFIO_PCI_OFFSET_TO_INDEX(offset);
  let ioeventfd: struct_vfio_pci_ioeventfd | null;

  // Registers in BARs only. (The C lets a negative offset through, to before the resources of the device.)
  if (bar < 0 || bar > VFIO_PCI_BAR5_REGION_INDEX) return -EINVAL;

  if (pos + count > pci_resource_len(pdev, bar)) return -EINVAL;

  // The MSI-X table is not to be written this way either
  if (bar === vdev.msix_bar && !(pos + count <= vdev.msix_offset || pos >= vdev.msix_offset + vdev.msix_size))
    return -EINVAL;

  ret = await this.vfio_pci_setup_barmap(vdev, bar);
  if (ret) return ret;

  await mutex_lock(vdev.ioeventfds_lock);

  out_unlock: {
    for (ioeventfd of list_for_each_entry(vdev.ioeventfds_list)) {
      if (
        ioeventfd.pos === pos &&
        ioeventfd.bar === bar &&
        ioeventfd.data === data &&
        ioeventfd.count === count
      ) {
        if (fd === -1) {
          await this.vfio_virqfd_disable(field_ref(ioeventfd, 'virqfd'));
          list_del(ioeventfd.next);
          vdev.ioeventfds_nr--;
          kfree(ioeventfd);
          ret = 0;
        } else ret = -EEXIST;

        break out_unlock;
      }
    }

    if (fd < 0) {
      ret = -ENODEV;
      break out_unlock;
    }

    if (vdev.ioeventfds_nr >= VFIO_PCI_IOEVENTFD_MAX) {
      ret = -ENOSPC;
      break out_unlock;
    }

    ioeventfd = kzalloc(struct_vfio_pci_ioeventfd, GFP_KERNEL);
    if (!ioeventfd) {
      ret = -ENOMEM;
      break out_unlock;
    }

    ioeventfd.vdev = vdev;
    ioeventfd.addr = vdev.barmap[bar]!.plus(pos);
    ioeventfd.data = data;
    ioeventfd.pos = pos;
    ioeventfd.bar = bar;
    ioeventfd.count = count;
    ioeventfd.test_mem = (vdev.pdev.resource[bar].flags & IORESOURCE_MEM) !== 0;

    ret = await this.vfio_virqfd_enable(
      ioeventfd,
      (opaque, unused) => this.vfio_pci_ioeventfd_handler(opaque, unused),
      (opaque, unused) => this.vfio_pci_ioeventfd_thread(opaque, unused),
      null,
      field_ref(ioeventfd, 'virqfd'),
      fd,
    );
    if (ret) {
      kfree(ioeventfd);
      break out_unlock;
    }

    list_add(ioeventfd.next, vdev.ioeventfds_list);
    vdev.ioeventfds_nr++;
  }
  await mutex_unlock(vdev.ioeventfds_lock);

  return ret;
}
