// SPDX-License-Identifier: GPL-2.0-only
// drivers/pci/msi/msi.c (v5.19-rc4): MSI and MSI-X.

import { type int, machine, ref, trace, type u16, type u32 } from '@vfio-lab/sim';
import { EINVAL, EIO, ENOMEM, ENOSPC, ERANGE, pci_info, WARN_ON_ONCE } from '@vfio-lab/kernel';
import {
  irq_activate,
  irq_alloc_msi,
  type irq_chip,
  irq_deactivate,
  type irq_desc,
  irq_free_msi,
  irq_to_desc,
  IRQD_ACTIVATED,
  trigger_msi,
} from '@vfio-lab/irq';
import {
  pci_read_config_dword,
  pci_read_config_word,
  pci_write_config_dword,
  pci_write_config_word,
} from './access.ts';
import { pci } from './core.ts';
import { ioread32, type iomem, ioremap, iounmap, iowrite32 } from './iomap.ts';
import { pci_intx } from './pci.ts';
import * as R from './pci_regs.ts';
import { IORESOURCE_UNSET } from './resource.ts';
import { PCI_D0, PCI_DEV_FLAGS_MSI_INTX_DISABLE_BUG, type pci_dev } from './types.ts';

export const PCI_IRQ_LEGACY = 1 << 0;
export const PCI_IRQ_MSI = 1 << 1;
export const PCI_IRQ_MSIX = 1 << 2;
export const PCI_IRQ_ALL_TYPES = PCI_IRQ_LEGACY | PCI_IRQ_MSI | PCI_IRQ_MSIX;

/** struct msi_msg */
export class msi_msg {
  address_lo: u32 = 0;
  address_hi: u32 = 0;
  data: u32 = 0;
}

/** struct msi_desc: one MSI-X entry, or the MSI capability with all its vectors. */
export class msi_desc {
  readonly dev: pci_dev;
  irq: int = 0;
  nvec_used: int = 1;
  msi_index: int = 0;
  /** Data of the message that reaches the first vector. */
  vector: u32 = 0;
  readonly msg = new msi_msg();
  is_msix = false;
  is_64 = false;
  can_mask = false;
  multi_cap = 0;
  multiple = 0;
  default_irq: u32 = 0;
  mask_pos: int = 0;
  msi_mask: u32 = 0;
  mask_base: iomem | null = null;
  msix_ctrl: u32 = 0;

  constructor(dev: pci_dev) {
    this.dev = dev;
  }
}

const MSI_ADDRESS = 0xfee00000;

/** A message arrived at the host bridge. Unknown ones are dropped, as interrupt remapping does. */
export function deliver_msi(data: u32): void {
  const irq = pci().msi_vectors.get(data);
  if (irq !== undefined && trigger_msi(irq)) return;
  if (machine.tracing) trace('irq', `message with data 0x${data.toString(16)} goes nowhere`);
}

function entry_addr(desc: msi_desc): iomem {
  const base = desc.mask_base;
  if (base === null) throw new Error('MSI-X entry without a mapped table');
  return base.plus(desc.msi_index * R.PCI_MSIX_ENTRY_SIZE);
}

async function pci_msix_write_vector_ctrl(desc: msi_desc, ctrl: u32): Promise<void> {
  if (desc.can_mask) await iowrite32(ctrl, entry_addr(desc).plus(R.PCI_MSIX_ENTRY_VECTOR_CTRL));
}

async function pci_msix_mask(desc: msi_desc): Promise<void> {
  desc.msix_ctrl |= R.PCI_MSIX_ENTRY_CTRL_MASKBIT;
  await pci_msix_write_vector_ctrl(desc, desc.msix_ctrl);
  // Read back: the write is posted.
  await ioread32(entry_addr(desc));
}

async function pci_msix_unmask(desc: msi_desc): Promise<void> {
  desc.msix_ctrl &= ~R.PCI_MSIX_ENTRY_CTRL_MASKBIT;
  await pci_msix_write_vector_ctrl(desc, desc.msix_ctrl);
}

async function pci_msi_update_mask(desc: msi_desc, clear: u32, set: u32): Promise<void> {
  if (!desc.can_mask) return;
  desc.msi_mask = ((desc.msi_mask & ~clear) | set) >>> 0;
  await pci_write_config_dword(desc.dev, desc.mask_pos, desc.msi_mask);
}

function msi_multi_mask(desc: msi_desc): u32 {
  return desc.multi_cap >= 5 ? 0xffffffff : (1 << (1 << desc.multi_cap)) - 1;
}

const msi_chip: Partial<irq_chip> = {
  async irq_mask(d) {
    const desc = d.chip_data as msi_desc;
    if (desc.is_msix) await pci_msix_mask(desc);
    else await pci_msi_update_mask(desc, 0, 1 << (d.irq - desc.irq));
  },
  async irq_unmask(d) {
    const desc = d.chip_data as msi_desc;
    if (desc.is_msix) await pci_msix_unmask(desc);
    else await pci_msi_update_mask(desc, 1 << (d.irq - desc.irq), 0);
  },
  async irq_activate(d) {
    const desc = d.chip_data as msi_desc;
    if (d.irq === desc.irq) await __pci_write_msi_msg(desc, compose_msi_msg(desc));
    return 0;
  },
  async irq_deactivate(d) {
    const desc = d.chip_data as msi_desc;
    if (d.irq === desc.irq) await __pci_write_msi_msg(desc, new msi_msg());
  },
};

/** C: arch/x86/kernel/apic/vector.c x86_vector_msi_compose_msg() */
function compose_msi_msg(desc: msi_desc): msi_msg {
  const msg = new msi_msg();
  msg.address_lo = MSI_ADDRESS;
  msg.data = desc.vector;
  return msg;
}

/**
 * Vectors that can be masked are only reserved, with their message written, until they are requested.
 * C: kernel/irq/msi.c msi_check_reservation_mode()
 */
function msi_can_reserve(desc: msi_desc): boolean {
  return desc.is_msix || desc.can_mask;
}

/** C: drivers/pci/msi/msi.c __pci_write_msi_msg(): the hardware only in D0, the cached message always */
export async function __pci_write_msi_msg(desc: msi_desc, msg: msi_msg): Promise<void> {
  const dev = desc.dev;
  if (dev.current_state === PCI_D0 && !dev.is_disconnected) {
    if (desc.is_msix) await write_msix_entry(desc, msg);
    else await write_msi_capability(desc, msg);
  }
  desc.msg.address_lo = msg.address_lo;
  desc.msg.address_hi = msg.address_hi;
  desc.msg.data = msg.data;
}

async function write_msix_entry(desc: msi_desc, msg: msi_msg): Promise<void> {
  const addr = entry_addr(desc);
  const unmasked = !(desc.msix_ctrl & R.PCI_MSIX_ENTRY_CTRL_MASKBIT);
  // Never let a half-written message fire.
  if (unmasked) await pci_msix_write_vector_ctrl(desc, desc.msix_ctrl | R.PCI_MSIX_ENTRY_CTRL_MASKBIT);
  await iowrite32(msg.address_lo, addr.plus(R.PCI_MSIX_ENTRY_LOWER_ADDR));
  await iowrite32(msg.address_hi, addr.plus(R.PCI_MSIX_ENTRY_UPPER_ADDR));
  await iowrite32(msg.data, addr.plus(R.PCI_MSIX_ENTRY_DATA));
  if (unmasked) await pci_msix_write_vector_ctrl(desc, desc.msix_ctrl);
  await ioread32(addr.plus(R.PCI_MSIX_ENTRY_DATA));
}

async function write_msi_capability(desc: msi_desc, msg: msi_msg): Promise<void> {
  const dev = desc.dev;
  const pos = dev.msi_cap;
  const ctl = ref(0);
  await pci_read_config_word(dev, pos + R.PCI_MSI_FLAGS, ctl);
  await pci_write_config_word(
    dev,
    pos + R.PCI_MSI_FLAGS,
    (ctl.v & ~R.PCI_MSI_FLAGS_QSIZE) | (desc.multiple << 4),
  );
  await pci_write_config_dword(dev, pos + R.PCI_MSI_ADDRESS_LO, msg.address_lo);
  if (desc.is_64) {
    await pci_write_config_dword(dev, pos + R.PCI_MSI_ADDRESS_HI, msg.address_hi);
    await pci_write_config_word(dev, pos + R.PCI_MSI_DATA_64, msg.data);
  } else {
    await pci_write_config_word(dev, pos + R.PCI_MSI_DATA_32, msg.data);
  }
  await pci_read_config_word(dev, pos + R.PCI_MSI_FLAGS, ctl);
}

function irq_get_msi_desc(irq: int): msi_desc | null {
  const data = irq_to_desc(irq)?.irq_data.chip_data;
  return data instanceof msi_desc ? data : null;
}

/** Write a message to the device for a vector. C: drivers/pci/msi/msi.c pci_write_msi_msg() */
export async function pci_write_msi_msg(irq: int, msg: msi_msg): Promise<void> {
  const desc = irq_get_msi_desc(irq);
  if (desc !== null) await __pci_write_msi_msg(desc, msg);
}

/** The message last written for a vector, copied into `msg`. C: kernel/irq/msi.c get_cached_msi_msg() */
export function get_cached_msi_msg(irq: int, msg: msi_msg): void {
  const desc = irq_get_msi_desc(irq);
  if (desc === null) return;
  msg.address_lo = desc.msg.address_lo;
  msg.address_hi = desc.msg.address_hi;
  msg.data = desc.msg.data;
}

/** Give every descriptor its vectors and write the messages. C: drivers/pci/msi pci_msi_setup_msi_irqs() */
async function pci_msi_setup_msi_irqs(dev: pci_dev): Promise<int> {
  const core = pci();
  for (const desc of dev.msi_descs) {
    desc.vector = core.next_msi_data;
    core.next_msi_data += 32;
    for (let i = 0; i < desc.nvec_used; i++) {
      const irq = irq_alloc_msi(msi_chip, desc);
      if (i === 0) desc.irq = irq;
      core.msi_vectors.set(desc.vector + i, irq);
    }
    for (let i = 0; i < desc.nvec_used; i++) {
      const d = irq_to_desc(desc.irq + i) as irq_desc;
      await irq_activate(d);
      if (msi_can_reserve(desc)) d.irq_data.state &= ~IRQD_ACTIVATED;
    }
  }
  return 0;
}

/** C: drivers/pci/msi/msi.c free_msi_irqs() */
async function free_msi_irqs(dev: pci_dev): Promise<void> {
  const core = pci();
  for (const desc of dev.msi_descs) {
    for (let i = 0; i < desc.nvec_used; i++) {
      if (desc.irq) {
        await irq_deactivate(irq_to_desc(desc.irq + i) as irq_desc);
        irq_free_msi(desc.irq + i);
      }
      core.msi_vectors.delete(desc.vector + i);
    }
  }
  dev.msi_descs.length = 0;
  if (dev.msix_base !== null) {
    iounmap(dev.msix_base);
    dev.msix_base = null;
  }
}

async function pci_intx_for_msi(dev: pci_dev, enable: int): Promise<void> {
  if (!(dev.dev_flags & PCI_DEV_FLAGS_MSI_INTX_DISABLE_BUG)) await pci_intx(dev, enable);
}

async function pci_msi_set_enable(dev: pci_dev, enable: boolean): Promise<void> {
  const control = ref(0);
  await pci_read_config_word(dev, dev.msi_cap + R.PCI_MSI_FLAGS, control);
  const off = control.v & ~R.PCI_MSI_FLAGS_ENABLE;
  await pci_write_config_word(
    dev,
    dev.msi_cap + R.PCI_MSI_FLAGS,
    enable ? off | R.PCI_MSI_FLAGS_ENABLE : off,
  );
}

async function __pci_restore_msi_state(dev: pci_dev): Promise<void> {
  if (!dev.msi_enabled) return;
  const entry = irq_get_msi_desc(dev.irq);
  if (entry === null) return;
  await pci_intx_for_msi(dev, 0);
  await pci_msi_set_enable(dev, false);
  await __pci_write_msi_msg(entry, entry.msg);
  const control = ref(0);
  await pci_read_config_word(dev, dev.msi_cap + R.PCI_MSI_FLAGS, control);
  await pci_msi_update_mask(entry, 0, 0);
  await pci_write_config_word(
    dev,
    dev.msi_cap + R.PCI_MSI_FLAGS,
    (control.v & ~R.PCI_MSI_FLAGS_QSIZE) | (entry.multiple << 4) | R.PCI_MSI_FLAGS_ENABLE,
  );
}

async function pci_msix_clear_and_set_ctrl(dev: pci_dev, clear: u16, set: u16): Promise<void> {
  const ctrl = ref(0);
  await pci_read_config_word(dev, dev.msix_cap + R.PCI_MSIX_FLAGS, ctrl);
  await pci_write_config_word(dev, dev.msix_cap + R.PCI_MSIX_FLAGS, (ctrl.v & ~clear) | set);
}

async function __pci_restore_msix_state(dev: pci_dev): Promise<void> {
  if (!dev.msix_enabled) return;
  await pci_intx_for_msi(dev, 0);
  await pci_msix_clear_and_set_ctrl(dev, 0, R.PCI_MSIX_FLAGS_ENABLE | R.PCI_MSIX_FLAGS_MASKALL);
  for (const entry of dev.msi_descs) {
    await __pci_write_msi_msg(entry, entry.msg);
    await pci_msix_write_vector_ctrl(entry, entry.msix_ctrl);
  }
  await pci_msix_clear_and_set_ctrl(dev, R.PCI_MSIX_FLAGS_MASKALL, 0);
}

/** Bring MSI or MSI-X back from the descriptors. C: drivers/pci/msi/msi.c pci_restore_msi_state() */
export async function pci_restore_msi_state(dev: pci_dev): Promise<void> {
  await __pci_restore_msi_state(dev);
  if (!dev.msix_enabled) return;
  const cmd = ref(0);
  if (pci().v61) {
    // The table sits in a memory BAR.
    await pci_read_config_word(dev, R.PCI_COMMAND, cmd);
    if (!(cmd.v & R.PCI_COMMAND_MEMORY))
      await pci_write_config_word(dev, R.PCI_COMMAND, cmd.v | R.PCI_COMMAND_MEMORY);
  }
  await __pci_restore_msix_state(dev);
  if (!pci().v61 || cmd.v & R.PCI_COMMAND_MEMORY) return;
  const now = ref(0);
  await pci_read_config_word(dev, R.PCI_COMMAND, now);
  await pci_write_config_word(dev, R.PCI_COMMAND, now.v & ~R.PCI_COMMAND_MEMORY);
}

async function msi_setup_msi_desc(dev: pci_dev, nvec: int): Promise<msi_desc> {
  const control = ref(0);
  await pci_read_config_word(dev, dev.msi_cap + R.PCI_MSI_FLAGS, control);
  const desc = new msi_desc(dev);
  desc.nvec_used = nvec;
  desc.is_64 = (control.v & R.PCI_MSI_FLAGS_64BIT) !== 0;
  desc.can_mask = (control.v & R.PCI_MSI_FLAGS_MASKBIT) !== 0;
  desc.default_irq = dev.irq;
  desc.multi_cap = (control.v & R.PCI_MSI_FLAGS_QMASK) >>> 1;
  desc.multiple = nvec > 1 ? 32 - Math.clz32(nvec - 1) : 0;
  desc.mask_pos = dev.msi_cap + (desc.is_64 ? R.PCI_MSI_MASK_64 : R.PCI_MSI_MASK_32);
  if (desc.can_mask) {
    const mask = ref(0);
    await pci_read_config_dword(dev, desc.mask_pos, mask);
    desc.msi_mask = mask.v;
  }
  dev.msi_descs.push(desc);
  return desc;
}

async function msi_capability_init(dev: pci_dev, nvec: int): Promise<int> {
  await pci_msi_set_enable(dev, false);
  dev.msi_enabled = true;
  const entry = await msi_setup_msi_desc(dev, nvec);
  await pci_msi_update_mask(entry, 0, msi_multi_mask(entry));
  const ret = (await pci_msi_setup_msi_irqs(dev)) || (dev.no_64bit_msi && entry.msg.address_hi ? -EIO : 0);
  if (ret) {
    await pci_msi_update_mask(entry, msi_multi_mask(entry), 0);
    await free_msi_irqs(dev);
    dev.msi_enabled = false;
    return ret;
  }
  await pci_intx_for_msi(dev, 0);
  await pci_msi_set_enable(dev, true);
  dev.irq = entry.irq;
  return 0;
}

async function msix_map_region(dev: pci_dev, nr_entries: int): Promise<iomem | null> {
  const table = ref(0);
  await pci_read_config_dword(dev, dev.msix_cap + R.PCI_MSIX_TABLE, table);
  const bir = table.v & R.PCI_MSIX_TABLE_BIR;
  const res = dev.resource[bir];
  if (bir > 5 || !res.flags || res.flags & IORESOURCE_UNSET) return null;
  return ioremap(res.start + ((table.v & R.PCI_MSIX_TABLE_OFFSET) >>> 0), nr_entries * R.PCI_MSIX_ENTRY_SIZE);
}

async function msix_setup_interrupts(dev: pci_dev, base: iomem, nvec: int): Promise<int> {
  for (let i = 0; i < nvec; i++) {
    const desc = new msi_desc(dev);
    desc.is_msix = true;
    desc.is_64 = true;
    desc.default_irq = dev.irq;
    desc.mask_base = base;
    desc.msi_index = i;
    desc.can_mask = true;
    desc.msix_ctrl = await ioread32(entry_addr(desc).plus(R.PCI_MSIX_ENTRY_VECTOR_CTRL));
    dev.msi_descs.push(desc);
  }
  return pci_msi_setup_msi_irqs(dev);
}

async function msix_capability_init(dev: pci_dev, nvec: int): Promise<int> {
  await pci_msix_clear_and_set_ctrl(dev, 0, R.PCI_MSIX_FLAGS_MASKALL | R.PCI_MSIX_FLAGS_ENABLE);
  dev.msix_enabled = true;
  const control = ref(0);
  await pci_read_config_word(dev, dev.msix_cap + R.PCI_MSIX_FLAGS, control);
  const tsize = (control.v & R.PCI_MSIX_FLAGS_QSIZE) + 1;
  const base = await msix_map_region(dev, tsize);
  if (base === null) {
    dev.msix_enabled = false;
    await pci_msix_clear_and_set_ctrl(dev, R.PCI_MSIX_FLAGS_MASKALL | R.PCI_MSIX_FLAGS_ENABLE, 0);
    return -ENOMEM;
  }
  dev.msix_base = base;
  await msix_setup_interrupts(dev, base, nvec);
  await pci_intx_for_msi(dev, 0);
  for (let i = 0; i < tsize; i++) {
    await iowrite32(
      R.PCI_MSIX_ENTRY_CTRL_MASKBIT,
      base.plus(i * R.PCI_MSIX_ENTRY_SIZE + R.PCI_MSIX_ENTRY_VECTOR_CTRL),
    );
  }
  await pci_msix_clear_and_set_ctrl(dev, R.PCI_MSIX_FLAGS_MASKALL, 0);
  return 0;
}

function pci_msi_supported(dev: pci_dev, nvec: int): boolean {
  return !dev.no_msi && nvec >= 1;
}

/** How many messages the MSI capability offers; -EINVAL without one. C: drivers/pci/msi/msi.c pci_msi_vec_count() */
export async function pci_msi_vec_count(dev: pci_dev): Promise<int> {
  if (!dev.msi_cap) return -EINVAL;
  const ctl = ref(0);
  await pci_read_config_word(dev, dev.msi_cap + R.PCI_MSI_FLAGS, ctl);
  return 1 << ((ctl.v & R.PCI_MSI_FLAGS_QMASK) >>> 1);
}

/** Size of the MSI-X table; -EINVAL without one. C: drivers/pci/msi/msi.c pci_msix_vec_count() */
export async function pci_msix_vec_count(dev: pci_dev): Promise<int> {
  if (!dev.msix_cap) return -EINVAL;
  const ctl = ref(0);
  await pci_read_config_word(dev, dev.msix_cap + R.PCI_MSIX_FLAGS, ctl);
  return (ctl.v & R.PCI_MSIX_FLAGS_QSIZE) + 1;
}

async function pci_disable_msi(dev: pci_dev): Promise<void> {
  if (!dev.msi_enabled) return;
  await pci_msi_set_enable(dev, false);
  await pci_intx_for_msi(dev, 1);
  dev.msi_enabled = false;
  const desc = dev.msi_descs[0];
  await pci_msi_update_mask(desc, msi_multi_mask(desc), 0);
  dev.irq = desc.default_irq;
  await free_msi_irqs(dev);
}

async function pci_disable_msix(dev: pci_dev): Promise<void> {
  if (!dev.msix_enabled) return;
  if (!dev.is_disconnected) {
    for (const desc of dev.msi_descs) await pci_msix_mask(desc);
    await pci_msix_clear_and_set_ctrl(dev, R.PCI_MSIX_FLAGS_ENABLE, 0);
    await pci_intx_for_msi(dev, 1);
  }
  dev.msix_enabled = false;
  await free_msi_irqs(dev);
}

async function __pci_enable_msi_range(dev: pci_dev, minvec: int, maxvec: int): Promise<int> {
  if (!pci_msi_supported(dev, minvec) || dev.current_state !== PCI_D0) return -EINVAL;
  if (dev.msix_enabled) {
    pci_info(dev, "can't enable MSI (MSI-X already enabled)\n");
    return -EINVAL;
  }
  if (maxvec < minvec) return -ERANGE;
  if (WARN_ON_ONCE(dev.msi_enabled)) return -EINVAL;
  const offered = await pci_msi_vec_count(dev);
  if (offered < 0) return offered;
  if (offered < minvec) return -ENOSPC;
  const nvec = Math.min(offered, maxvec);
  const rc = await msi_capability_init(dev, nvec);
  return rc === 0 ? nvec : rc < 0 ? rc : -ENOSPC;
}

async function __pci_enable_msix_range(dev: pci_dev, minvec: int, maxvec: int): Promise<int> {
  if (maxvec < minvec) return -ERANGE;
  if (dev.msi_enabled) {
    pci_info(dev, "can't enable MSI-X (MSI already enabled)\n");
    return -EINVAL;
  }
  if (WARN_ON_ONCE(dev.msix_enabled)) return -EINVAL;
  if (!pci_msi_supported(dev, maxvec) || dev.current_state !== PCI_D0) return -EINVAL;
  const offered = await pci_msix_vec_count(dev);
  if (offered < 0) return offered;
  if (offered < minvec) return -ENOSPC;
  const nvec = Math.min(offered, maxvec);
  const rc = await msix_capability_init(dev, nvec);
  return rc === 0 ? nvec : rc;
}

/**
 * Allocate interrupt vectors: MSI-X, then MSI, then INTx, as `flags` (PCI_IRQ_*) allow.
 * @returns how many (at least `min`), or the last error: -ENOSPC, -EINVAL (not in D0, other kind on), -ERANGE
 * C: drivers/pci/msi/msi.c pci_alloc_irq_vectors()
 */
export async function pci_alloc_irq_vectors(dev: pci_dev, min: int, max: int, flags: u32): Promise<int> {
  let nvecs = -ENOSPC;
  if (flags & PCI_IRQ_MSIX) {
    nvecs = await __pci_enable_msix_range(dev, min, max);
    if (nvecs > 0) return nvecs;
  }
  if (flags & PCI_IRQ_MSI) {
    nvecs = await __pci_enable_msi_range(dev, min, max);
    if (nvecs > 0) return nvecs;
  }
  if (flags & PCI_IRQ_LEGACY && min === 1 && dev.irq) {
    await pci_intx(dev, 1);
    return 1;
  }
  return nvecs;
}

/** Vectors go, MSI and MSI-X off, INTx allowed again. No handler may be left. C: drivers/pci/msi/msi.c pci_free_irq_vectors() */
export async function pci_free_irq_vectors(dev: pci_dev): Promise<void> {
  await pci_disable_msix(dev);
  await pci_disable_msi(dev);
}

/** Linux irq of vector `nr`; -EINVAL if there is none. C: drivers/pci/msi/msi.c pci_irq_vector() */
export function pci_irq_vector(dev: pci_dev, nr: int): int {
  if (dev.msix_enabled) {
    const desc = dev.msi_descs[nr];
    return desc === undefined ? -EINVAL : desc.irq;
  }
  if (dev.msi_enabled) {
    const entry = dev.msi_descs[0];
    return nr >= entry.nvec_used ? -EINVAL : entry.irq + nr;
  }
  return nr > 0 ? -EINVAL : dev.irq;
}

/** At scan: find the capabilities and make sure both are off. C: drivers/pci/probe.c pci_msi_init(), pci_msix_init() */
export async function pci_msi_init(dev: pci_dev, msi_cap: int, msix_cap: int): Promise<void> {
  dev.msi_cap = msi_cap;
  dev.msix_cap = msix_cap;
  const ctrl = ref(0);
  if (msi_cap) {
    await pci_read_config_word(dev, msi_cap + R.PCI_MSI_FLAGS, ctrl);
    if (ctrl.v & R.PCI_MSI_FLAGS_ENABLE)
      await pci_write_config_word(dev, msi_cap + R.PCI_MSI_FLAGS, ctrl.v & ~R.PCI_MSI_FLAGS_ENABLE);
    if (!(ctrl.v & R.PCI_MSI_FLAGS_64BIT)) dev.no_64bit_msi = true;
  }
  if (msix_cap) {
    await pci_read_config_word(dev, msix_cap + R.PCI_MSIX_FLAGS, ctrl);
    if (ctrl.v & R.PCI_MSIX_FLAGS_ENABLE)
      await pci_write_config_word(dev, msix_cap + R.PCI_MSIX_FLAGS, ctrl.v & ~R.PCI_MSIX_FLAGS_ENABLE);
  }
}
