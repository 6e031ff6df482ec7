// SPDX-License-Identifier: GPL-2.0-only
// drivers/pci/setup-res.c (v5.19-rc4): writing BARs.

import { pci_err } from '@vfio-lab/kernel';
import { type int, ref } from '@vfio-lab/sim';
import {
  pci_read_config_dword,
  pci_read_config_word,
  pci_write_config_dword,
  pci_write_config_word,
} from './access.ts';
import { pci_iov_update_resource } from './iov.ts';
import * as R from './pci_regs.ts';
import { IORESOURCE_IO, IORESOURCE_MEM_64, IORESOURCE_ROM_ENABLE, IORESOURCE_UNSET } from './resource.ts';
import { PCI_IOV_RESOURCES, PCI_IOV_RESOURCE_END, PCI_ROM_RESOURCE, type pci_dev } from './types.ts';

async function pci_std_update_resource(dev: pci_dev, resno: int): Promise<void> {
  const res = dev.resource[resno];
  // A VF's BARs are its PF's.
  if (dev.is_virtfn) return;
  if (!res.flags || res.flags & IORESOURCE_UNSET) return;
  let mask: number;
  let low = res.start % 2 ** 32;
  if (res.flags & IORESOURCE_IO) {
    mask = R.PCI_BASE_ADDRESS_IO_MASK;
    low += res.flags & ~R.PCI_BASE_ADDRESS_IO_MASK & 0x3;
  } else if (resno === PCI_ROM_RESOURCE) {
    mask = R.PCI_ROM_ADDRESS_MASK;
  } else {
    mask = R.PCI_BASE_ADDRESS_MEM_MASK;
    low += res.flags & 0xf;
  }
  let reg: int;
  if (resno < PCI_ROM_RESOURCE) {
    reg = R.PCI_BASE_ADDRESS_0 + 4 * resno;
  } else {
    // A ROM that is off stays off.
    if (!(res.flags & IORESOURCE_ROM_ENABLE)) return;
    reg = dev.rom_base_reg;
    low += R.PCI_ROM_ADDRESS_ENABLE;
  }
  const wide = (res.flags & IORESOURCE_MEM_64) !== 0;
  const disable = wide && !dev.mmio_always_on;
  const cmd = ref(0);
  if (disable) {
    await pci_read_config_word(dev, R.PCI_COMMAND, cmd);
    await pci_write_config_word(dev, R.PCI_COMMAND, cmd.v & ~R.PCI_COMMAND_MEMORY);
  }
  await pci_write_config_dword(dev, reg, low);
  const check = ref(0);
  await pci_read_config_dword(dev, reg, check);
  if (((low ^ check.v) & mask) !== 0) pci_err(dev, `BAR ${resno}: error updating\n`);
  if (wide) {
    const high = Math.floor(res.start / 2 ** 32);
    await pci_write_config_dword(dev, reg + 4, high);
    await pci_read_config_dword(dev, reg + 4, check);
    if (check.v !== high) pci_err(dev, `BAR ${resno}: error updating (high)\n`);
  }
  if (disable) await pci_write_config_word(dev, R.PCI_COMMAND, cmd.v);
}

/** Write a BAR from its resource. C: drivers/pci/setup-res.c pci_update_resource() */
export async function pci_update_resource(dev: pci_dev, resno: int): Promise<void> {
  if (resno <= PCI_ROM_RESOURCE) await pci_std_update_resource(dev, resno);
  else if (resno >= PCI_IOV_RESOURCES && resno <= PCI_IOV_RESOURCE_END)
    await pci_iov_update_resource(dev, resno);
}
