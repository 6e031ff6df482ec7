// SPDX-License-Identifier: GPL-2.0-only
// Which config bits a function lets be written when nobody measured it: what the specification wants.

import type { int } from '@vfio-lab/sim';
import * as R from '../pci_regs.ts';
import type { pci_function_hw } from './function.ts';
import { PCI_ROM_BAR } from './model.ts';

/** Is this the low half of a 64-bit memory BAR. */
export function is_64bit_bar(low: number): boolean {
  return (
    !(low & R.PCI_BASE_ADDRESS_SPACE_IO) &&
    (low & R.PCI_BASE_ADDRESS_MEM_TYPE_MASK) === R.PCI_BASE_ADDRESS_MEM_TYPE_64
  );
}

/** Bits that can be written, from the header type, BAR sizes and capabilities. */
export function default_wmask(f: pci_function_hw): Uint8Array {
  const m = new Uint8Array(f.config.length);
  const put = (off: int, size: int, mask: number): void => {
    for (let i = 0; i < size; i++) m[off + i] = Math.floor(mask / 2 ** (8 * i)) & 0xff;
  };
  put(R.PCI_COMMAND, 2, 0x0547);
  m[R.PCI_CACHE_LINE_SIZE] = 0xff;
  m[R.PCI_INTERRUPT_LINE] = 0xff;
  const bars = f.is_bridge ? 2 : 6;
  for (let i = 0; i < bars; i++) {
    const size = f.bar_sizes[i];
    if (size === 0) continue;
    const low = f.get32(R.PCI_BASE_ADDRESS_0 + 4 * i);
    const type = low & R.PCI_BASE_ADDRESS_SPACE_IO ? 3 : 15;
    put(R.PCI_BASE_ADDRESS_0 + 4 * i, 4, (~(size - 1) & ~type) >>> 0);
    if (is_64bit_bar(low)) put(R.PCI_BASE_ADDRESS_0 + 4 * i + 4, 4, ~Math.floor((size - 1) / 2 ** 32) >>> 0);
  }
  if (f.bar_sizes[PCI_ROM_BAR] > 0) {
    put(f.is_bridge ? R.PCI_ROM_ADDRESS1 : R.PCI_ROM_ADDRESS, 4, (~(f.bar_sizes[PCI_ROM_BAR] - 1) | 1) >>> 0);
  }
  if (f.is_bridge) {
    put(R.PCI_PRIMARY_BUS, 4, 0xffffffff);
    put(R.PCI_IO_BASE, 2, 0xf0f0);
    put(R.PCI_MEMORY_BASE, 4, 0xfff0fff0);
    put(R.PCI_PREF_MEMORY_BASE, 4, 0xfff0fff0);
    put(R.PCI_PREF_BASE_UPPER32, 8, 0xffffffffffff);
    put(R.PCI_BRIDGE_CONTROL, 2, 0x005f);
  }
  if (f.pm_cap !== 0) put(f.pm_cap + R.PCI_PM_CTRL, 2, 0x1f03);
  if (f.msi_cap !== 0) {
    const flags = f.get16(f.msi_cap + R.PCI_MSI_FLAGS);
    put(f.msi_cap + R.PCI_MSI_FLAGS, 2, R.PCI_MSI_FLAGS_ENABLE | R.PCI_MSI_FLAGS_QSIZE);
    put(f.msi_cap + R.PCI_MSI_ADDRESS_LO, 4, 0xfffffffc);
    if (flags & R.PCI_MSI_FLAGS_64BIT) {
      put(f.msi_cap + R.PCI_MSI_ADDRESS_HI, 4, 0xffffffff);
      put(f.msi_cap + R.PCI_MSI_DATA_64, 2, 0xffff);
      if (flags & R.PCI_MSI_FLAGS_MASKBIT) put(f.msi_cap + R.PCI_MSI_MASK_64, 4, 0xffffffff);
    } else {
      put(f.msi_cap + R.PCI_MSI_DATA_32, 2, 0xffff);
      if (flags & R.PCI_MSI_FLAGS_MASKBIT) put(f.msi_cap + R.PCI_MSI_MASK_32, 4, 0xffffffff);
    }
  }
  if (f.msix_cap !== 0)
    put(f.msix_cap + R.PCI_MSIX_FLAGS, 2, R.PCI_MSIX_FLAGS_ENABLE | R.PCI_MSIX_FLAGS_MASKALL);
  if (f.exp_cap !== 0) {
    const reset = f.get32(f.exp_cap + R.PCI_EXP_DEVCAP) & R.PCI_EXP_DEVCAP_FLR ? R.PCI_EXP_DEVCTL_BCR_FLR : 0;
    put(f.exp_cap + R.PCI_EXP_DEVCTL, 2, 0x7fff | reset);
    put(f.exp_cap + R.PCI_EXP_LNKCTL, 2, 0x01f3);
    if ((f.get16(f.exp_cap + R.PCI_EXP_FLAGS) & R.PCI_EXP_FLAGS_VERS) >= 2) {
      put(f.exp_cap + R.PCI_EXP_DEVCTL2, 2, 0x641f);
      put(f.exp_cap + R.PCI_EXP_LNKCTL2, 2, 0x000f);
    }
    if (f.is_bridge) {
      put(f.exp_cap + R.PCI_EXP_SLTCTL, 2, 0x17ff);
      put(f.exp_cap + R.PCI_EXP_RTCTL, 2, 0x001f);
    }
  }
  if (f.vpd_cap !== 0) put(f.vpd_cap + R.PCI_VPD_ADDR, 6, 0xffffffffffff);
  if (f.sriov_cap !== 0) {
    put(f.sriov_cap + R.PCI_SRIOV_CTRL, 2, 0x001f);
    put(f.sriov_cap + R.PCI_SRIOV_NUM_VF, 2, 0xffff);
    put(f.sriov_cap + R.PCI_SRIOV_SYS_PGSIZE, 4, 0xffffffff);
  }
  return m;
}

/** Bits that are cleared by writing 1. */
export function default_w1c(f: pci_function_hw): Uint8Array {
  const m = new Uint8Array(f.config.length);
  m[R.PCI_STATUS + 1] = 0xf9;
  if (f.pm_cap !== 0) m[f.pm_cap + R.PCI_PM_CTRL + 1] = R.PCI_PM_CTRL_PME_STATUS >>> 8;
  if (f.exp_cap !== 0) m[f.exp_cap + R.PCI_EXP_DEVSTA] = 0x0f;
  if (f.exp_cap !== 0 && f.is_bridge) m[f.exp_cap + R.PCI_EXP_RTSTA + 2] = R.PCI_EXP_RTSTA_PME >>> 16;
  return m;
}

/** Values after power-on: what firmware left, without the writable bits. */
export function default_power_on(f: pci_function_hw): Uint8Array {
  const p = Uint8Array.from(f.config);
  for (let i = 0; i < p.length; i++) p[i] &= ~(f.wmask[i] | f.w1c[i]);
  return p;
}
