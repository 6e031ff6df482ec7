// SPDX-License-Identifier: GPL-2.0-only
// drivers/pci/pci.c (v5.19-rc4): capabilities, saved state, enabling, bus mastering, INTx, regions. Its power section is
// pci-pm.ts, its resets are pci-reset.ts.

import { type int, type Ref, ref, type u32, type u8 } from '@vfio-lab/sim';
import {
  atomic_add_return,
  atomic_dec,
  atomic_dec_and_test,
  atomic_read,
  down_read,
  raw_spin_lock_irqsave,
  raw_spin_unlock_irqrestore,
  up_read,
} from '@vfio-lab/locking';
import {
  EBUSY,
  EINVAL,
  EIO,
  ENOMEM,
  GFP_KERNEL,
  kfree,
  kzalloc,
  mdelay,
  msleep,
  pci_err,
  pci_warn,
  WARN_ON_ONCE,
} from '@vfio-lab/kernel';
import {
  pci_bus_ops_read,
  pci_bus_ops_write,
  pci_is_pcie,
  pci_pcie_type,
  pci_read_config_byte,
  pci_read_config_dword,
  pci_read_config_word,
  pci_write_config_byte,
  pci_write_config_dword,
  pci_write_config_word,
  pcie_capability_clear_and_set_word,
  pcie_capability_read_word,
  pcie_capability_write_word,
} from './access.ts';
import { pci } from './core.ts';
import { pci_restore_iov_state } from './iov.ts';
import { pci_restore_msi_state } from './msi.ts';
import { pci_set_power_state, pci_update_current_state } from './pci-pm.ts';
import * as R from './pci_regs.ts';
import {
  __release_region,
  __request_region,
  IORESOURCE_IO,
  IORESOURCE_MEM,
  type resource,
  resource_size,
} from './resource.ts';
import {
  PCI_D0,
  PCI_ROM_RESOURCE,
  PCI_STD_RESOURCE_END,
  pci_cap_saved_state,
  type pci_bus,
  type pci_dev,
  pci_saved_state,
} from './types.ts';

// Topology

/** 'dddd:bb:dd.f'. C: include/linux/pci.h pci_name() */
export function pci_name(dev: pci_dev): string {
  return dev.dev.name;
}

/** C: include/linux/pci.h pci_domain_nr() */
export function pci_domain_nr(bus: pci_bus): int {
  return bus.domain_nr;
}

/** C: include/linux/pci.h pci_is_root_bus() */
export function pci_is_root_bus(bus: pci_bus): boolean {
  return bus.parent === null;
}

/** C: include/linux/pci.h pci_is_bridge() */
export function pci_is_bridge(dev: pci_dev): boolean {
  return dev.hdr_type === R.PCI_HEADER_TYPE_BRIDGE || dev.hdr_type === R.PCI_HEADER_TYPE_CARDBUS;
}

/** The physical function of a VF, else the device itself. C: include/linux/pci.h pci_physfn() */
export function pci_physfn(dev: pci_dev): pci_dev {
  return dev.is_virtfn && dev.physfn !== null ? dev.physfn : dev;
}

/** The bridge above (a VF counts as its PF), null on a root bus. C: include/linux/pci.h pci_upstream_bridge() */
export function pci_upstream_bridge(dev: pci_dev): pci_dev | null {
  const fn = pci_physfn(dev);
  return pci_is_root_bus(fn.bus) ? null : fn.bus.self;
}

/** The root port above. C: include/linux/pci.h pcie_find_root_port() */
export function pcie_find_root_port(dev: pci_dev): pci_dev | null {
  for (let up: pci_dev | null = dev; up !== null; up = pci_upstream_bridge(up)) {
    if (pci_is_pcie(up) && pci_pcie_type(up) === R.PCI_EXP_TYPE_ROOT_PORT) return up;
  }
  return null;
}

/** C: drivers/pci/pci.c pci_bus_max_busnr() */
export function pci_bus_max_busnr(bus: pci_bus): u8 {
  let max = bus.busn_end;
  for (const tmp of bus.children) max = Math.max(max, pci_bus_max_busnr(tmp));
  return max;
}

// Resources

/** C: include/linux/pci.h pci_resource_start() */
export function pci_resource_start(dev: pci_dev, bar: int): number {
  return dev.resource[bar].start;
}

/** C: include/linux/pci.h pci_resource_end() */
export function pci_resource_end(dev: pci_dev, bar: int): number {
  return dev.resource[bar].end;
}

/** C: include/linux/pci.h pci_resource_flags() */
export function pci_resource_flags(dev: pci_dev, bar: int): u32 {
  return dev.resource[bar].flags;
}

/** 0 when start and end are both 0. C: include/linux/pci.h pci_resource_len() */
export function pci_resource_len(dev: pci_dev, bar: int): number {
  const r = dev.resource[bar];
  return r.end === 0 ? 0 : resource_size(r);
}

// Capabilities

async function __pci_find_next_cap_ttl(dev: pci_dev, start: u8, cap: int, ttl: Ref<int>): Promise<u8> {
  const id = ref(0);
  const pos = ref(start);
  await pci_read_config_byte(dev, pos.v, pos);
  while (ttl.v--) {
    if (pos.v < 0x40) break;
    pos.v &= ~3;
    await pci_read_config_word(dev, pos.v, id);
    const found = id.v & 0xff;
    if (found === 0xff) break;
    if (found === cap) return pos.v;
    pos.v = id.v >>> 8;
  }
  return 0;
}

/** C: drivers/pci/pci.c pci_find_next_capability() */
export function pci_find_next_capability(dev: pci_dev, pos: u8, cap: int): Promise<u8> {
  return __pci_find_next_cap_ttl(dev, pos + R.PCI_CAP_LIST_NEXT, cap, ref(48));
}

/** Offset of a capability, 0 when it is not there; reads the hardware. C: drivers/pci/pci.c pci_find_capability() */
export async function pci_find_capability(dev: pci_dev, cap: int): Promise<u8> {
  const status = ref(0);
  await pci_read_config_word(dev, R.PCI_STATUS, status);
  if (!(status.v & R.PCI_STATUS_CAP_LIST)) return 0;
  return __pci_find_next_cap_ttl(dev, R.PCI_CAPABILITY_LIST, cap, ref(48));
}

/** C: drivers/pci/pci.c pci_find_next_ext_capability() */
export async function pci_find_next_ext_capability(dev: pci_dev, start: int, cap: int): Promise<int> {
  const header = ref(0);
  let pos = R.PCI_CFG_SPACE_SIZE;
  let ttl = (R.PCI_CFG_SPACE_EXP_SIZE - R.PCI_CFG_SPACE_SIZE) / 8;
  if (dev.cfg_size <= R.PCI_CFG_SPACE_SIZE) return 0;
  if (start) pos = start;
  if (await pci_read_config_dword(dev, pos, header)) return 0;
  if (header.v === 0) return 0;
  while (ttl-- > 0) {
    if (R.PCI_EXT_CAP_ID(header.v) === cap && pos !== start) return pos;
    pos = R.PCI_EXT_CAP_NEXT(header.v);
    if (pos < R.PCI_CFG_SPACE_SIZE) break;
    if (await pci_read_config_dword(dev, pos, header)) break;
  }
  return 0;
}

/** C: drivers/pci/pci.c pci_find_ext_capability() */
export function pci_find_ext_capability(dev: pci_dev, cap: int): Promise<int> {
  return pci_find_next_ext_capability(dev, 0, cap);
}

// Saved state

function _pci_find_saved_cap(dev: pci_dev, cap: int, extended: boolean): pci_cap_saved_state | null {
  return dev.saved_cap_space.find((s) => s.cap_nr === cap && s.cap_extended === extended) ?? null;
}

/** C: drivers/pci/pci.c pci_find_saved_cap() */
export function pci_find_saved_cap(dev: pci_dev, cap: int): pci_cap_saved_state | null {
  return _pci_find_saved_cap(dev, cap, false);
}

/** C: drivers/pci/pci.c pci_find_saved_ext_cap() */
export function pci_find_saved_ext_cap(dev: pci_dev, cap: int): pci_cap_saved_state | null {
  return _pci_find_saved_cap(dev, cap, true);
}

const pcie_saved_regs = [
  R.PCI_EXP_DEVCTL,
  R.PCI_EXP_LNKCTL,
  R.PCI_EXP_SLTCTL,
  R.PCI_EXP_RTCTL,
  R.PCI_EXP_DEVCTL2,
  R.PCI_EXP_LNKCTL2,
  R.PCI_EXP_SLTCTL2,
];

async function pci_save_pcie_state(dev: pci_dev): Promise<int> {
  if (!pci_is_pcie(dev)) return 0;
  const save = pci_find_saved_cap(dev, R.PCI_CAP_ID_EXP);
  if (save === null) {
    pci_err(dev, 'buffer not found in pci_save_pcie_state\n');
    return -ENOMEM;
  }
  const val = ref(0);
  for (let i = 0; i < pcie_saved_regs.length; i++) {
    await pcie_capability_read_word(dev, pcie_saved_regs[i], val);
    save.data[i] = val.v;
  }
  return 0;
}

async function pci_restore_pcie_state(dev: pci_dev): Promise<void> {
  const save = pci_find_saved_cap(dev, R.PCI_CAP_ID_EXP);
  if (save === null) return;
  for (let i = 0; i < pcie_saved_regs.length; i++)
    await pcie_capability_write_word(dev, pcie_saved_regs[i], save.data[i]);
}

async function pci_save_pcix_state(dev: pci_dev): Promise<int> {
  const pos = await pci_find_capability(dev, R.PCI_CAP_ID_PCIX);
  if (!pos) return 0;
  const save = pci_find_saved_cap(dev, R.PCI_CAP_ID_PCIX);
  if (save === null) {
    pci_err(dev, 'buffer not found in pci_save_pcix_state\n');
    return -ENOMEM;
  }
  const val = ref(0);
  await pci_read_config_word(dev, pos + R.PCI_X_CMD, val);
  save.data[0] = val.v;
  return 0;
}

async function pci_restore_pcix_state(dev: pci_dev): Promise<void> {
  const save = pci_find_saved_cap(dev, R.PCI_CAP_ID_PCIX);
  const pos = await pci_find_capability(dev, R.PCI_CAP_ID_PCIX);
  if (save === null || !pos) return;
  await pci_write_config_word(dev, pos + R.PCI_X_CMD, save.data[0]);
}

async function pci_save_ltr_state(dev: pci_dev): Promise<void> {
  if (!pci_is_pcie(dev)) return;
  const ltr = await pci_find_ext_capability(dev, R.PCI_EXT_CAP_ID_LTR);
  if (!ltr) return;
  const save = pci_find_saved_ext_cap(dev, R.PCI_EXT_CAP_ID_LTR);
  if (save === null) return;
  const val = ref(0);
  await pci_read_config_dword(dev, ltr + R.PCI_LTR_MAX_SNOOP_LAT, val);
  save.data[0] = val.v;
}

async function pci_restore_ltr_state(dev: pci_dev): Promise<void> {
  const save = pci_find_saved_ext_cap(dev, R.PCI_EXT_CAP_ID_LTR);
  if (save === null) return;
  const ltr = await pci_find_ext_capability(dev, R.PCI_EXT_CAP_ID_LTR);
  if (ltr) await pci_write_config_dword(dev, ltr + R.PCI_LTR_MAX_SNOOP_LAT, save.data[0]);
}

const aer_saved_regs = [R.PCI_ERR_UNCOR_MASK, R.PCI_ERR_UNCOR_SEVER, R.PCI_ERR_COR_MASK, R.PCI_ERR_CAP];

/** C: drivers/pci/pcie/aer.c pci_save_aer_state() */
async function pci_save_aer_state(dev: pci_dev): Promise<void> {
  const save = pci_find_saved_ext_cap(dev, R.PCI_EXT_CAP_ID_ERR);
  if (save === null) return;
  const aer = await pci_find_ext_capability(dev, R.PCI_EXT_CAP_ID_ERR);
  if (!aer) return;
  const val = ref(0);
  for (let i = 0; i < aer_saved_regs.length; i++) {
    await pci_read_config_dword(dev, aer + aer_saved_regs[i], val);
    save.data[i] = val.v;
  }
}

/** C: drivers/pci/pcie/aer.c pci_aer_clear_status(), pci_restore_aer_state() */
async function pci_restore_aer_state(dev: pci_dev): Promise<void> {
  const save = pci_find_saved_ext_cap(dev, R.PCI_EXT_CAP_ID_ERR);
  if (save === null) return;
  const aer = await pci_find_ext_capability(dev, R.PCI_EXT_CAP_ID_ERR);
  if (!aer) return;
  const status = ref(0);
  for (const reg of [R.PCI_ERR_COR_STATUS, R.PCI_ERR_UNCOR_STATUS]) {
    await pci_read_config_dword(dev, aer + reg, status);
    await pci_write_config_dword(dev, aer + reg, status.v);
  }
  for (let i = 0; i < aer_saved_regs.length; i++)
    await pci_write_config_dword(dev, aer + aer_saved_regs[i], save.data[i]);
}

/** Room for the capabilities that pci_save_state() saves. C: drivers/pci/pci.c pci_allocate_cap_save_buffers() */
export async function pci_allocate_cap_save_buffers(dev: pci_dev): Promise<void> {
  const add = async (cap: int, extended: boolean, words: int): Promise<void> => {
    const pos = extended ? await pci_find_ext_capability(dev, cap) : await pci_find_capability(dev, cap);
    if (pos) dev.saved_cap_space.push(new pci_cap_saved_state(cap, extended, words));
  };
  await add(R.PCI_CAP_ID_EXP, false, pcie_saved_regs.length);
  await add(R.PCI_CAP_ID_PCIX, false, 1);
  await add(R.PCI_EXT_CAP_ID_LTR, true, 1);
  await add(R.PCI_EXT_CAP_ID_ERR, true, aer_saved_regs.length);
}

/** Read the header and the capabilities' control registers as the hardware gives them. 0 or -ENOMEM. C: drivers/pci/pci.c pci_save_state() */
export async function pci_save_state(dev: pci_dev): Promise<int> {
  const val = ref(0);
  for (let i = 0; i < 16; i++) {
    await pci_read_config_dword(dev, i * 4, val);
    dev.saved_config_space[i] = val.v;
  }
  dev.state_saved = true;
  let ret = await pci_save_pcie_state(dev);
  if (ret !== 0) return ret;
  ret = await pci_save_pcix_state(dev);
  if (ret !== 0) return ret;
  await pci_save_ltr_state(dev);
  await pci_save_aer_state(dev);
  return 0;
}

async function pci_restore_config_dword(
  dev: pci_dev,
  offset: int,
  saved: u32,
  retry: int,
  force: boolean,
): Promise<void> {
  const val = ref(0);
  await pci_read_config_dword(dev, offset, val);
  if (!force && val.v === saved) return;
  for (;;) {
    await pci_write_config_dword(dev, offset, saved);
    if (retry-- <= 0) return;
    await pci_read_config_dword(dev, offset, val);
    if (val.v === saved) return;
    mdelay(1);
  }
}

async function pci_restore_config_space_range(
  dev: pci_dev,
  start: int,
  end: int,
  retry: int,
  force: boolean,
): Promise<void> {
  for (let i = end; i >= start; i--)
    await pci_restore_config_dword(dev, 4 * i, dev.saved_config_space[i], retry, force);
}

async function pci_restore_config_space(dev: pci_dev): Promise<void> {
  if (dev.hdr_type === R.PCI_HEADER_TYPE_NORMAL) {
    await pci_restore_config_space_range(dev, 10, 15, 0, false);
    // BARs before the command register.
    await pci_restore_config_space_range(dev, 4, 9, 10, false);
    await pci_restore_config_space_range(dev, 0, 3, 0, false);
  } else if (dev.hdr_type === R.PCI_HEADER_TYPE_BRIDGE) {
    await pci_restore_config_space_range(dev, 12, 15, 0, false);
    await pci_restore_config_space_range(dev, 9, 11, 0, true);
    await pci_restore_config_space_range(dev, 0, 8, 0, false);
  } else {
    await pci_restore_config_space_range(dev, 0, 15, 0, false);
  }
}

/** Write the saved image back and use it up; nothing without one. C: drivers/pci/pci.c pci_restore_state() */
export async function pci_restore_state(dev: pci_dev): Promise<void> {
  if (!dev.state_saved) return;
  await pci_restore_ltr_state(dev);
  await pci_restore_pcie_state(dev);
  await pci_restore_aer_state(dev);
  await pci_restore_config_space(dev);
  await pci_restore_pcix_state(dev);
  await pci_restore_msi_state(dev);
  await pci_restore_iov_state(dev);
  dev.state_saved = false;
}

/** Copy of the saved image, null when nothing is saved. C: drivers/pci/pci.c pci_store_saved_state() */
export function pci_store_saved_state(dev: pci_dev): pci_saved_state | null {
  if (!dev.state_saved) return null;
  const state = kzalloc(pci_saved_state, GFP_KERNEL);
  if (state === null) return null;
  state.config_space.set(dev.saved_config_space);
  state.cap = dev.saved_cap_space.map((s) => ({
    cap_nr: s.cap_nr,
    cap_extended: s.cap_extended,
    data: s.data.slice(),
  }));
  return state;
}

/** Make `state` the image that pci_restore_state() writes; null just drops the present one. -EINVAL on a misfit. C: drivers/pci/pci.c pci_load_saved_state() */
export function pci_load_saved_state(dev: pci_dev, state: pci_saved_state | null): int {
  dev.state_saved = false;
  if (state === null) return 0;
  dev.saved_config_space.set(state.config_space);
  for (const cap of state.cap) {
    const tmp = _pci_find_saved_cap(dev, cap.cap_nr, cap.cap_extended);
    if (tmp === null || tmp.data.length !== cap.data.length) return -EINVAL;
    tmp.data.set(cap.data);
  }
  dev.state_saved = true;
  return 0;
}

/** C: drivers/pci/pci.c pci_load_and_free_saved_state() */
export function pci_load_and_free_saved_state(dev: pci_dev, state: Ref<pci_saved_state | null>): int {
  const ret = pci_load_saved_state(dev, state.v);
  kfree(state.v);
  state.v = null;
  return ret;
}

// Enabling

/** C: drivers/pci/setup-res.c pci_enable_resources() */
async function pci_enable_resources(dev: pci_dev, mask: int): Promise<int> {
  const cmd = ref(0);
  await pci_read_config_word(dev, R.PCI_COMMAND, cmd);
  const old_cmd = cmd.v;
  for (let i = 0; i < dev.resource.length; i++) {
    if (!(mask & (1 << i))) continue;
    const r = dev.resource[i];
    if (!(r.flags & (IORESOURCE_IO | IORESOURCE_MEM))) continue;
    if (i === PCI_ROM_RESOURCE) continue;
    if (r.flags & IORESOURCE_IO) cmd.v |= R.PCI_COMMAND_IO;
    if (r.flags & IORESOURCE_MEM) cmd.v |= R.PCI_COMMAND_MEMORY;
  }
  if (cmd.v !== old_cmd) await pci_write_config_word(dev, R.PCI_COMMAND, cmd.v);
  return 0;
}

async function do_pci_enable_device(dev: pci_dev, bars: int): Promise<int> {
  let err = await pci_set_power_state(dev, PCI_D0);
  if (err < 0 && err !== -EIO) return err;
  err = await pci_enable_resources(dev, bars);
  if (err < 0) return err;
  if (dev.msi_enabled || dev.msix_enabled) return 0;
  const pin = ref(0);
  await pci_read_config_byte(dev, R.PCI_INTERRUPT_PIN, pin);
  if (pin.v) {
    const cmd = ref(0);
    await pci_read_config_word(dev, R.PCI_COMMAND, cmd);
    if (cmd.v & R.PCI_COMMAND_INTX_DISABLE)
      await pci_write_config_word(dev, R.PCI_COMMAND, cmd.v & ~R.PCI_COMMAND_INTX_DISABLE);
  }
  return 0;
}

/** C: include/linux/pci.h pci_is_enabled() */
export function pci_is_enabled(dev: pci_dev): boolean {
  return dev.enable_cnt.counter > 0;
}

/** C: drivers/pci/pci.c pci_enable_bridge() */
export async function pci_enable_bridge(dev: pci_dev): Promise<void> {
  const bridge = pci_upstream_bridge(dev);
  if (bridge !== null) await pci_enable_bridge(bridge);
  if (pci_is_enabled(dev)) {
    if (!dev.is_busmaster) await pci_set_master(dev);
    return;
  }
  const retval = await pci_enable_device(dev);
  if (retval) pci_err(dev, `Error enabling bridge (${retval}), continuing\n`);
  await pci_set_master(dev);
}

async function pci_enable_device_flags(dev: pci_dev, flags: u32): Promise<int> {
  // The D-state is read afresh on every call: this is where "unknown" becomes real.
  await pci_update_current_state(dev, dev.current_state);
  if ((await atomic_add_return(1, dev.enable_cnt)) > 1) return 0;
  const bridge = pci_upstream_bridge(dev);
  if (bridge !== null) await pci_enable_bridge(bridge);
  let bars = 0;
  for (let i = 0; i <= PCI_ROM_RESOURCE; i++) if (dev.resource[i].flags & flags) bars |= 1 << i;
  for (let i = 13; i < dev.resource.length; i++) if (dev.resource[i].flags & flags) bars |= 1 << i;
  const err = await do_pci_enable_device(dev, bars);
  if (err < 0) await atomic_dec(dev.enable_cnt);
  return err;
}

/** Count an enable; the first brings the device to D0 and turns its decoders on. 0 or -errno. C: drivers/pci/pci.c pci_enable_device() */
export function pci_enable_device(dev: pci_dev): Promise<int> {
  return pci_enable_device_flags(dev, IORESOURCE_MEM | IORESOURCE_IO);
}

/** C: drivers/pci/pci.c pci_enable_device_mem() */
export function pci_enable_device_mem(dev: pci_dev): Promise<int> {
  return pci_enable_device_flags(dev, IORESOURCE_MEM);
}

/** C: drivers/pci/pci.c pci_reenable_device() */
export async function pci_reenable_device(dev: pci_dev): Promise<int> {
  return pci_is_enabled(dev) ? do_pci_enable_device(dev, 0x1fff) : 0;
}

async function do_pci_disable_device(dev: pci_dev): Promise<void> {
  const cmd = ref(0);
  await pci_read_config_word(dev, R.PCI_COMMAND, cmd);
  if (cmd.v & R.PCI_COMMAND_MASTER)
    await pci_write_config_word(dev, R.PCI_COMMAND, cmd.v & ~R.PCI_COMMAND_MASTER);
}

/** Count a disable; the last stops bus mastering. Decoding and power stay. C: drivers/pci/pci.c pci_disable_device() */
export async function pci_disable_device(dev: pci_dev): Promise<void> {
  WARN_ON_ONCE(
    (await atomic_read(dev.enable_cnt)) <= 0,
    `${pci_name(dev)}: disabling already-disabled device`,
  );
  if (!(await atomic_dec_and_test(dev.enable_cnt))) return;
  await do_pci_disable_device(dev);
  dev.is_busmaster = false;
}

async function __pci_set_master(dev: pci_dev, enable: boolean): Promise<void> {
  const old = ref(0);
  await pci_read_config_word(dev, R.PCI_COMMAND, old);
  const cmd = enable ? old.v | R.PCI_COMMAND_MASTER : old.v & ~R.PCI_COMMAND_MASTER;
  if (cmd !== old.v) await pci_write_config_word(dev, R.PCI_COMMAND, cmd);
  dev.is_busmaster = enable;
}

/** C: drivers/pci/pci.c pci_set_master(), pcibios_set_master() (latency timer of conventional devices) */
export async function pci_set_master(dev: pci_dev): Promise<void> {
  await __pci_set_master(dev, true);
  if (pci_is_pcie(dev)) return;
  const lat = ref(0);
  await pci_read_config_byte(dev, R.PCI_LATENCY_TIMER, lat);
  if (lat.v < 16) lat.v = 64;
  else if (lat.v > 255) lat.v = 255;
  else return;
  await pci_write_config_byte(dev, R.PCI_LATENCY_TIMER, lat.v);
}

/** C: drivers/pci/pci.c pci_clear_master() */
export function pci_clear_master(dev: pci_dev): Promise<void> {
  return __pci_set_master(dev, false);
}

// INTx

/** Set or clear COMMAND.DisINTx; `enable` 1 lets INTx through. C: drivers/pci/pci.c pci_intx() */
export async function pci_intx(dev: pci_dev, enable: int): Promise<void> {
  const cmd = ref(0);
  await pci_read_config_word(dev, R.PCI_COMMAND, cmd);
  const fresh = enable ? cmd.v & ~R.PCI_COMMAND_INTX_DISABLE : cmd.v | R.PCI_COMMAND_INTX_DISABLE;
  if (fresh !== cmd.v) await pci_write_config_word(dev, R.PCI_COMMAND, fresh);
}

async function pci_check_and_set_intx_mask(dev: pci_dev, mask: boolean): Promise<boolean> {
  const core = pci();
  let mask_updated = true;
  const flags = await raw_spin_lock_irqsave(core.pci_lock);
  const cmd_status = await pci_bus_ops_read(dev, R.PCI_COMMAND, 4);
  const irq_pending = ((cmd_status >>> 16) & R.PCI_STATUS_INTERRUPT) !== 0;
  done: {
    // Mask only what this device raised; unmask only what it does not raise any more.
    if (mask !== irq_pending) {
      mask_updated = false;
      break done;
    }
    const origcmd = cmd_status & 0xffff;
    let newcmd = origcmd & ~R.PCI_COMMAND_INTX_DISABLE;
    if (mask) newcmd |= R.PCI_COMMAND_INTX_DISABLE;
    if (newcmd !== origcmd) await pci_bus_ops_write(dev, R.PCI_COMMAND, 2, newcmd);
  }
  await raw_spin_unlock_irqrestore(core.pci_lock, flags);
  return mask_updated;
}

/** True when this device raises INTx: it is masked then. C: drivers/pci/pci.c pci_check_and_mask_intx() */
export function pci_check_and_mask_intx(dev: pci_dev): Promise<boolean> {
  return pci_check_and_set_intx_mask(dev, true);
}

/** True when nothing is pending and INTx was unmasked. C: drivers/pci/pci.c pci_check_and_unmask_intx() */
export function pci_check_and_unmask_intx(dev: pci_dev): Promise<boolean> {
  return pci_check_and_set_intx_mask(dev, false);
}

/** C: include/linux/pci.h pci_intx_mask_supported() */
export function pci_intx_mask_supported(dev: pci_dev): boolean {
  return !dev.broken_intx_masking;
}

/** Wait up to about 1 s for a bit to clear. True when it did. C: drivers/pci/pci.c pci_wait_for_pending() */
export async function pci_wait_for_pending(dev: pci_dev, pos: int, mask: int): Promise<boolean> {
  const status = ref(0);
  for (let i = 0; i < 4; i++) {
    if (i) msleep((1 << (i - 1)) * 100);
    await pci_read_config_word(dev, pos, status);
    if (!(status.v & mask)) return true;
  }
  return false;
}

/** C: drivers/pci/pci.c pci_wait_for_pending_transaction() */
export async function pci_wait_for_pending_transaction(dev: pci_dev): Promise<boolean> {
  if (!pci_is_pcie(dev)) return true;
  return pci_wait_for_pending(dev, dev.pcie_cap + R.PCI_EXP_DEVSTA, R.PCI_EXP_DEVSTA_TRPND);
}

// Regions

function tree_of(dev: pci_dev, bar: int): resource | null {
  const flags = pci_resource_flags(dev, bar);
  if (flags & IORESOURCE_IO) return pci().ioport_resource;
  return flags & IORESOURCE_MEM ? pci().iomem_resource : null;
}

/** C: drivers/pci/pci.c pci_release_region() */
export function pci_release_region(dev: pci_dev, bar: int): void {
  if (pci_resource_len(dev, bar) === 0) return;
  const root = tree_of(dev, bar);
  if (root !== null) __release_region(root, pci_resource_start(dev, bar), pci_resource_len(dev, bar));
}

/** 0 or -EBUSY. C: drivers/pci/pci.c pci_request_region() */
export function pci_request_region(dev: pci_dev, bar: int, res_name: string): int {
  if (pci_resource_len(dev, bar) === 0) return 0;
  const root = tree_of(dev, bar);
  if (root === null) return 0;
  if (__request_region(root, pci_resource_start(dev, bar), pci_resource_len(dev, bar), res_name, 0) !== null)
    return 0;
  const r = dev.resource[bar];
  pci_warn(dev, `BAR ${bar}: can't reserve [mem ${hex(r.start)}-${hex(r.end)}]\n`);
  return -EBUSY;
}

/** C: drivers/pci/pci.c pci_release_selected_regions() */
export function pci_release_selected_regions(dev: pci_dev, bars: int): void {
  for (let i = 0; i <= PCI_STD_RESOURCE_END; i++) if (bars & (1 << i)) pci_release_region(dev, i);
}

/** Claim the BARs of a bit mask, all or none. 0 or -EBUSY. C: drivers/pci/pci.c pci_request_selected_regions() */
export function pci_request_selected_regions(dev: pci_dev, bars: int, res_name: string): int {
  for (let i = 0; i <= PCI_STD_RESOURCE_END; i++) {
    if (!(bars & (1 << i))) continue;
    if (pci_request_region(dev, i, res_name)) {
      while (--i >= 0) if (bars & (1 << i)) pci_release_region(dev, i);
      return -EBUSY;
    }
  }
  return 0;
}

/** C: drivers/pci/pci.c pci_select_bars() */
export function pci_select_bars(dev: pci_dev, flags: u32): int {
  let bars = 0;
  for (let i = 0; i <= PCI_ROM_RESOURCE; i++) if (pci_resource_flags(dev, i) & flags) bars |= 1 << i;
  return bars;
}

// PCI Express payload sizes

/** C: drivers/pci/pci.c pcie_get_readrq() */
export async function pcie_get_readrq(dev: pci_dev): Promise<int> {
  const ctl = ref(0);
  await pcie_capability_read_word(dev, R.PCI_EXP_DEVCTL, ctl);
  return 128 << ((ctl.v & R.PCI_EXP_DEVCTL_READRQ) >>> 12);
}

/** -EINVAL unless a power of two in 128..4096. C: drivers/pci/pci.c pcie_set_readrq() */
export async function pcie_set_readrq(dev: pci_dev, rq: int): Promise<int> {
  if (rq < 128 || rq > 4096 || (rq & (rq - 1)) !== 0) return -EINVAL;
  const v = (31 - Math.clz32(rq) - 7) << 12;
  const ret = await pcie_capability_clear_and_set_word(dev, R.PCI_EXP_DEVCTL, R.PCI_EXP_DEVCTL_READRQ, v);
  return ret > 0 ? -EINVAL : ret;
}

/** C: drivers/pci/pci.c pcie_get_mps() */
export async function pcie_get_mps(dev: pci_dev): Promise<int> {
  const ctl = ref(0);
  await pcie_capability_read_word(dev, R.PCI_EXP_DEVCTL, ctl);
  return 128 << ((ctl.v & R.PCI_EXP_DEVCTL_PAYLOAD) >>> 5);
}

/** Does the device answer config reads with a vendor id. C: drivers/pci/pci.c pci_device_is_present() */
export async function pci_device_is_present(dev: pci_dev): Promise<boolean> {
  const fn = pci_physfn(dev);
  if (fn.is_disconnected) return false;
  const v = ref(0);
  await pci_read_config_dword(fn, R.PCI_VENDOR_ID, v);
  return v.v !== 0xffffffff && v.v !== 0 && v.v !== 0x0000ffff && v.v !== 0xffff0000;
}

/** Call `cb` for every device of a bus and below, parents first, until it gives non-zero. C: drivers/pci/bus.c pci_walk_bus() */
export async function pci_walk_bus(
  top: pci_bus,
  cb: (dev: pci_dev, userdata: unknown) => Promise<int> | int,
  userdata: unknown = null,
): Promise<void> {
  const sem = pci().pci_bus_sem;
  await down_read(sem);
  await walk(top, cb, userdata);
  await up_read(sem);
}

async function walk(
  bus: pci_bus,
  cb: (dev: pci_dev, userdata: unknown) => Promise<int> | int,
  userdata: unknown,
): Promise<int> {
  for (const dev of [...bus.devices]) {
    const ret = await cb(dev, userdata);
    if (ret) return ret;
    if (dev.subordinate !== null) {
      const sub = await walk(dev.subordinate, cb, userdata);
      if (sub) return sub;
    }
  }
  return 0;
}

export function hex(n: number): string {
  return `0x${n.toString(16).padStart(8, '0')}`;
}
