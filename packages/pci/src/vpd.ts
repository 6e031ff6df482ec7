// SPDX-License-Identifier: GPL-2.0-only
// drivers/pci/vpd.c (v5.19-rc4): Vital Product Data through its address and data registers.

import { type int, ref, type u8 } from '@vfio-lab/sim';
import { mutex_lock, mutex_lock_interruptible, mutex_unlock } from '@vfio-lab/locking';
import { EINTR, EINVAL, EIO, ENODEV, ETIMEDOUT, pci_warn, udelay } from '@vfio-lab/kernel';
import {
  pci_user_read_config_dword,
  pci_user_read_config_word,
  pci_user_write_config_dword,
  pci_user_write_config_word,
} from './access.ts';
import * as R from './pci_regs.ts';
import type { pci_dev } from './types.ts';

const PCI_VPD_MAX_SIZE = R.PCI_VPD_ADDR_MASK + 1;

/** Wait until the flag has the wanted value: 0, or -ETIMEDOUT after 125 ms. C: drivers/pci/vpd.c pci_vpd_wait() */
async function pci_vpd_wait(dev: pci_dev, set: boolean): Promise<int> {
  const status = ref(0);
  let slept = 0;
  for (let max_sleep = 16; slept < 125_000; max_sleep = Math.min(2 * max_sleep, 1024)) {
    const ret = await pci_user_read_config_word(dev, dev.vpd.cap + R.PCI_VPD_ADDR, status);
    if (ret < 0) return ret;
    if (((status.v & R.PCI_VPD_ADDR_F) !== 0) === set) return 0;
    udelay(max_sleep);
    slept += max_sleep;
  }
  pci_warn(
    dev,
    'VPD access failed.  This is likely a firmware bug on this device.  Contact the card vendor for a firmware update\n',
  );
  return -ETIMEDOUT;
}

function available(dev: pci_dev): boolean {
  return dev.vpd.cap !== 0 && dev.vpd.len !== 0;
}

/** Read `count` bytes at `pos` into `buf`: bytes read or -errno. C: drivers/pci/vpd.c pci_read_vpd() */
export async function pci_read_vpd(dev: pci_dev, pos: number, count: int, buf: Uint8Array): Promise<int> {
  if (!available(dev)) return -ENODEV;
  if (pos < 0) return -EINVAL;
  if (pos >= dev.vpd.len) return 0;
  const end = Math.min(pos + count, dev.vpd.len);
  if (await mutex_lock_interruptible(dev.vpd.lock)) return -EINTR;
  let ret = 0;
  let at = pos;
  while (at < end) {
    ret = await pci_user_write_config_word(dev, dev.vpd.cap + R.PCI_VPD_ADDR, at & ~3);
    if (ret < 0) break;
    ret = await pci_vpd_wait(dev, true);
    if (ret < 0) break;
    const val = ref(0);
    ret = await pci_user_read_config_dword(dev, dev.vpd.cap + R.PCI_VPD_DATA, val);
    if (ret < 0) break;
    for (let i = at & 3; i < 4 && at < end; i++) buf[at++ - pos] = (val.v >>> (8 * i)) & 0xff;
  }
  await mutex_unlock(dev.vpd.lock);
  return ret < 0 ? ret : end - pos;
}

/** Write whole dwords: bytes written or -errno. C: drivers/pci/vpd.c pci_write_vpd() */
export async function pci_write_vpd(dev: pci_dev, pos: number, count: int, buf: Uint8Array): Promise<int> {
  if (!available(dev)) return -ENODEV;
  if (pos < 0 || pos & 3 || count & 3 || pos + count > dev.vpd.len) return -EINVAL;
  await mutex_lock(dev.vpd.lock);
  let ret = 0;
  for (let i = 0; i < count; i += 4) {
    const b = (k: int): u8 => buf[i + k];
    ret = await pci_user_write_config_dword(
      dev,
      dev.vpd.cap + R.PCI_VPD_DATA,
      (b(0) | (b(1) << 8) | (b(2) << 16) | (b(3) << 24)) >>> 0,
    );
    if (ret < 0) break;
    ret = await pci_user_write_config_word(dev, dev.vpd.cap + R.PCI_VPD_ADDR, (pos + i) | R.PCI_VPD_ADDR_F);
    if (ret < 0) break;
    ret = await pci_vpd_wait(dev, false);
    if (ret < 0) break;
  }
  await mutex_unlock(dev.vpd.lock);
  return ret ? (ret < 0 ? ret : -EIO) : count;
}

/** C: drivers/pci/vpd.c pci_vpd_init() */
export function pci_vpd_init(dev: pci_dev, cap: int): void {
  dev.vpd.cap = cap;
  dev.vpd.len = cap ? PCI_VPD_MAX_SIZE : 0;
}
