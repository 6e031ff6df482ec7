// SPDX-License-Identifier: GPL-2.0-only
// drivers/pci/rom.c (v5.19-rc4): the expansion ROM.

import { pci_info } from '@vfio-lab/kernel';
import { type int, type Ref, ref } from '@vfio-lab/sim';
import { pci_read_config_dword, pci_write_config_dword } from './access.ts';
import { ioread16, ioread32, ioread8, type iomem, ioremap, iounmap } from './iomap.ts';
import { pci_resource_len, pci_resource_start } from './pci.ts';
import * as R from './pci_regs.ts';
import { IORESOURCE_MEM, IORESOURCE_ROM_ENABLE, IORESOURCE_ROM_SHADOW } from './resource.ts';
import { PCI_ROM_RESOURCE, type pci_dev } from './types.ts';

/** C: drivers/pci/rom.c pci_enable_rom(); 0 or -1 without a ROM BAR */
export async function pci_enable_rom(dev: pci_dev): Promise<int> {
  const res = dev.resource[PCI_ROM_RESOURCE];
  if (!res.flags) return -1;
  if (res.flags & IORESOURCE_ROM_SHADOW) return 0;
  const rom_addr = ref(0);
  await pci_read_config_dword(dev, dev.rom_base_reg, rom_addr);
  const addr = ((rom_addr.v & ~R.PCI_ROM_ADDRESS_MASK) | res.start | R.PCI_ROM_ADDRESS_ENABLE) >>> 0;
  await pci_write_config_dword(dev, dev.rom_base_reg, addr);
  return 0;
}

/** C: drivers/pci/rom.c pci_disable_rom() */
export async function pci_disable_rom(dev: pci_dev): Promise<void> {
  if (dev.resource[PCI_ROM_RESOURCE].flags & IORESOURCE_ROM_SHADOW) return;
  const rom_addr = ref(0);
  await pci_read_config_dword(dev, dev.rom_base_reg, rom_addr);
  await pci_write_config_dword(dev, dev.rom_base_reg, (rom_addr.v & ~R.PCI_ROM_ADDRESS_ENABLE) >>> 0);
}

async function pci_get_rom_size(dev: pci_dev, rom: iomem, size: number): Promise<number> {
  let image = 0;
  let last_image: boolean;
  do {
    // Each image starts with 55 aa and points to a "PCIR" block that tells its length in units of 512.
    const signature = await ioread16(rom, image);
    if (signature !== 0xaa55) {
      pci_info(
        dev,
        `Invalid PCI ROM header signature: expecting 0xaa55, got 0x${signature.toString(16).padStart(4, '0')}\n`,
      );
      break;
    }
    const pds = image + (await ioread16(rom, image + 24));
    const pcir = await ioread32(rom, pds);
    if (pcir !== 0x52494350) {
      pci_info(
        dev,
        `Invalid PCI ROM data signature: expecting 0x52494350, got 0x${pcir.toString(16).padStart(8, '0')}\n`,
      );
      break;
    }
    last_image = ((await ioread8(rom, pds + 21)) & 0x80) !== 0;
    const length = await ioread16(rom, pds + 16);
    image += length * 512;
    if (image >= size) break;
    if (!last_image && (await ioread16(rom, image)) !== 0xaa55) {
      pci_info(dev, 'No more image in the PCI ROM\n');
      break;
    }
    if (length === 0) break;
  } while (!last_image);
  return Math.min(image, size);
}

/**
 * Map the ROM, its decode turned on.
 * @param size out: the true size of the images
 * @returns null when there is no ROM or no valid image
 * C: drivers/pci/rom.c pci_map_rom()
 */
export async function pci_map_rom(dev: pci_dev, size: Ref<number>): Promise<iomem | null> {
  const res = dev.resource[PCI_ROM_RESOURCE];
  if (!(res.flags & IORESOURCE_MEM)) return null;
  const start = pci_resource_start(dev, PCI_ROM_RESOURCE);
  size.v = pci_resource_len(dev, PCI_ROM_RESOURCE);
  if (size.v === 0) return null;
  if (await pci_enable_rom(dev)) return null;
  const rom = ioremap(start, size.v);
  if (rom !== null) {
    size.v = await pci_get_rom_size(dev, rom, size.v);
    if (size.v) return rom;
    iounmap(rom);
  }
  if (!(res.flags & IORESOURCE_ROM_ENABLE)) await pci_disable_rom(dev);
  return null;
}

/** C: drivers/pci/rom.c pci_unmap_rom() */
export async function pci_unmap_rom(dev: pci_dev, rom: iomem): Promise<void> {
  iounmap(rom);
  if (!(dev.resource[PCI_ROM_RESOURCE].flags & IORESOURCE_ROM_ENABLE)) await pci_disable_rom(dev);
}
