// SPDX-License-Identifier: GPL-2.0-only
// drivers/pci/access.c (v5.19-rc4): configuration space, for the kernel and on behalf of users.
//
// x86 accesses configuration space without pci_lock (CONFIG_PCI_LOCKLESS_CONFIG), so plain accessors are one hardware
// cycle each. The user accessors take pci_lock, since they must see block_cfg_access.

import { access, current, type int, type Ref, ref, report, type u16, type u32 } from '@vfio-lab/sim';
import {
  raw_spin_lock_irq,
  raw_spin_lock_irqsave,
  raw_spin_unlock_irq,
  raw_spin_unlock_irqrestore,
  wait_event,
  wake_up_all,
} from '@vfio-lab/locking';
import { EFAULT, EINVAL, EIO, ENODEV, ENOSPC, ENOTTY, ERANGE, WARN_ON_ONCE } from '@vfio-lab/kernel';
import { pci } from './core.ts';
import { ones, PCI_HW_D3COLD, type pci_function_hw } from './hw/function.ts';
import * as R from './pci_regs.ts';
import type { pci_dev } from './types.ts';

export const PCIBIOS_SUCCESSFUL = 0x00;
export const PCIBIOS_FUNC_NOT_SUPPORTED = 0x81;
export const PCIBIOS_BAD_VENDOR_ID = 0x83;
export const PCIBIOS_DEVICE_NOT_FOUND = 0x86;
export const PCIBIOS_BAD_REGISTER_NUMBER = 0x87;
export const PCIBIOS_SET_FAILED = 0x88;
export const PCIBIOS_BUFFER_TOO_SMALL = 0x89;

/** Turn a PCIBIOS_* code into a negative errno; negative codes and 0 pass, unknown ones give -ERANGE. C: include/linux/pci.h */
export function pcibios_err_to_errno(err: int): int {
  if (err <= PCIBIOS_SUCCESSFUL) return err;
  switch (err) {
    case PCIBIOS_FUNC_NOT_SUPPORTED:
      return -ENOTTY;
    case PCIBIOS_BAD_VENDOR_ID:
      return -ENOTTY;
    case PCIBIOS_DEVICE_NOT_FOUND:
      return -ENODEV;
    case PCIBIOS_BAD_REGISTER_NUMBER:
      return -EFAULT;
    case PCIBIOS_SET_FAILED:
      return -EIO;
    case PCIBIOS_BUFFER_TOO_SMALL:
      return -ENOSPC;
  }
  return -ERANGE;
}

/** Does a value read look like the answer of nobody. C: include/linux/pci.h PCI_POSSIBLE_ERROR() */
export function PCI_POSSIBLE_ERROR(val: u32, size: int): boolean {
  return val === ones(size);
}

/** Note an access to a function without power: on real hosts these hang or bring machine checks. */
export function check_powered(fn: pci_function_hw, what: string): void {
  if (fn.hw_state() !== PCI_HW_D3COLD || !fn.present) return;
  const where = current.site === '' ? current.name : current.site;
  const key = `${what} ${where}`;
  if (fn.reported.has(key)) return;
  fn.reported.add(key);
  report('d3cold-access', `${what} of ${fn.name} in D3cold by ${where}`, {
    device: fn.name,
    what,
    site: where,
  });
}

/** Scheduling point and cost of a hardware access to a function, and the D3cold check. */
export function hw_access(fn: pci_function_hw, write: boolean, ns: number): Promise<void> | undefined {
  return access(fn.obj, write, 'hw', ns);
}

async function config_read(fn: pci_function_hw, off: int, size: int): Promise<u32> {
  await hw_access(fn, false, pci().costs.config);
  check_powered(fn, 'config read');
  return fn.config_read(off, size);
}

function write_now(fn: pci_function_hw, off: int, size: int, val: u32): void {
  check_powered(fn, 'config write');
  fn.config_write(off, size, val >>> 0);
}

async function write_after(
  gate: Promise<void>,
  fn: pci_function_hw,
  off: int,
  size: int,
  val: u32,
): Promise<void> {
  await gate;
  write_now(fn, off, size, val);
}

/** A reset of the secondary bus is a write to every function on it. */
async function bridge_control_write(fn: pci_function_hw, off: int, size: int, val: u32): Promise<void> {
  for (const f of fn.below()) await hw_access(f, true, 0);
  await hw_access(fn, true, config_write_cost());
  write_now(fn, off, size, val);
}

function config_write_cost(): number {
  const { costs } = pci();
  return costs.config_write ?? costs.config;
}

/** As bus_read(); undefined: done. */
function config_write(fn: pci_function_hw, off: int, size: int, val: u32): Promise<void> | undefined {
  if (fn.is_bridge && off <= R.PCI_BRIDGE_CONTROL + 1 && off + size > R.PCI_BRIDGE_CONTROL)
    return bridge_control_write(fn, off, size, val);
  const gate = hw_access(fn, true, config_write_cost());
  if (gate !== undefined) return write_after(gate, fn, off, size, val);
  write_now(fn, off, size, val);
  return undefined;
}

const OK: Promise<int> = Promise.resolve(PCIBIOS_SUCCESSFUL);
const BAD_REGISTER: Promise<int> = Promise.resolve(PCIBIOS_BAD_REGISTER_NUMBER);
const NOT_FOUND: Promise<int> = Promise.resolve(PCIBIOS_DEVICE_NOT_FOUND);

async function finish_read(
  gate: Promise<void>,
  fn: pci_function_hw,
  off: int,
  size: int,
  val: Ref<u32>,
): Promise<int> {
  await gate;
  check_powered(fn, 'config read');
  val.v = fn.config_read(off, size);
  return PCIBIOS_SUCCESSFUL;
}

/** Half of all a boot does is this, so it does not wait where the task goes straight on. */
function bus_read(dev: pci_dev, off: int, size: int, val: Ref<u32>): Promise<int> {
  if (off & (size - 1)) return BAD_REGISTER;
  const fn = dev.hw;
  const gate = hw_access(fn, false, pci().costs.config);
  if (gate !== undefined) return finish_read(gate, fn, off, size, val);
  check_powered(fn, 'config read');
  val.v = fn.config_read(off, size);
  return OK;
}

async function finish_write(gate: Promise<void>): Promise<int> {
  await gate;
  return PCIBIOS_SUCCESSFUL;
}

function bus_write(dev: pci_dev, off: int, size: int, val: u32): Promise<int> {
  if (off & (size - 1)) return BAD_REGISTER;
  const gate = config_write(dev.hw, off, size, val);
  return gate === undefined ? OK : finish_write(gate);
}

/** One bus operation as the INTx helpers do it, under pci_lock. C: bus->ops->read */
export function pci_bus_ops_read(dev: pci_dev, off: int, size: int): Promise<u32> {
  return config_read(dev.hw, off, size);
}

/** C: bus->ops->write */
export async function pci_bus_ops_write(dev: pci_dev, off: int, size: int, val: u32): Promise<void> {
  await config_write(dev.hw, off, size, val);
}

function read_config(dev: pci_dev, off: int, size: int, val: Ref<u32>): Promise<int> {
  if (dev.is_disconnected) {
    val.v = ones(size);
    return NOT_FOUND;
  }
  return bus_read(dev, off, size, val);
}

function write_config(dev: pci_dev, off: int, size: int, val: u32): Promise<int> {
  if (dev.is_disconnected) return NOT_FOUND;
  return bus_write(dev, off, size, val);
}

/** C: drivers/pci/access.c pci_read_config_byte(); a PCIBIOS code */
export function pci_read_config_byte(dev: pci_dev, where: int, val: Ref<u32>): Promise<int> {
  return read_config(dev, where, 1, val);
}

/** C: drivers/pci/access.c pci_read_config_word() */
export function pci_read_config_word(dev: pci_dev, where: int, val: Ref<u32>): Promise<int> {
  return read_config(dev, where, 2, val);
}

/** C: drivers/pci/access.c pci_read_config_dword() */
export function pci_read_config_dword(dev: pci_dev, where: int, val: Ref<u32>): Promise<int> {
  return read_config(dev, where, 4, val);
}

/** C: drivers/pci/access.c pci_write_config_byte() */
export function pci_write_config_byte(dev: pci_dev, where: int, val: u32): Promise<int> {
  return write_config(dev, where, 1, val & 0xff);
}

/** C: drivers/pci/access.c pci_write_config_word() */
export function pci_write_config_word(dev: pci_dev, where: int, val: u32): Promise<int> {
  return write_config(dev, where, 2, val & 0xffff);
}

/** C: drivers/pci/access.c pci_write_config_dword() */
export function pci_write_config_dword(dev: pci_dev, where: int, val: u32): Promise<int> {
  return write_config(dev, where, 4, val);
}

/** Set or clear block_cfg_access with pci_lock held. A point, for pci_wait_cfg(), which looks without it. */
async function block_cfg_access(dev: pci_dev, on: boolean): Promise<void> {
  await access(pci().pci_cfg_wait, true, 'plain');
  dev.block_cfg_access = on;
}

/** C: drivers/pci/access.c pci_wait_cfg(): called and left with pci_lock held */
async function pci_wait_cfg(dev: pci_dev): Promise<void> {
  const core = pci();
  do {
    await raw_spin_unlock_irq(core.pci_lock);
    await wait_event(core.pci_cfg_wait, () => !dev.block_cfg_access);
    await raw_spin_lock_irq(core.pci_lock);
  } while (dev.block_cfg_access);
}

async function user_read(dev: pci_dev, pos: int, size: int, val: Ref<u32>): Promise<int> {
  if (pos & (size - 1)) return -EINVAL;
  const core = pci();
  await raw_spin_lock_irq(core.pci_lock);
  if (dev.block_cfg_access) await pci_wait_cfg(dev);
  const ret = await bus_read(dev, pos, size, val);
  await raw_spin_unlock_irq(core.pci_lock);
  return pcibios_err_to_errno(ret);
}

async function user_write(dev: pci_dev, pos: int, size: int, val: u32): Promise<int> {
  if (pos & (size - 1)) return -EINVAL;
  const core = pci();
  await raw_spin_lock_irq(core.pci_lock);
  if (dev.block_cfg_access) await pci_wait_cfg(dev);
  const ret = await bus_write(dev, pos, size, val);
  await raw_spin_unlock_irq(core.pci_lock);
  return pcibios_err_to_errno(ret);
}

/** Read for a user: sleeps while a reset blocks access; -errno. C: drivers/pci/access.c pci_user_read_config_byte() */
export function pci_user_read_config_byte(dev: pci_dev, pos: int, val: Ref<u32>): Promise<int> {
  return user_read(dev, pos, 1, val);
}

/** C: drivers/pci/access.c pci_user_read_config_word() */
export function pci_user_read_config_word(dev: pci_dev, pos: int, val: Ref<u32>): Promise<int> {
  return user_read(dev, pos, 2, val);
}

/** C: drivers/pci/access.c pci_user_read_config_dword() */
export function pci_user_read_config_dword(dev: pci_dev, pos: int, val: Ref<u32>): Promise<int> {
  return user_read(dev, pos, 4, val);
}

/** C: drivers/pci/access.c pci_user_write_config_byte() */
export function pci_user_write_config_byte(dev: pci_dev, pos: int, val: u32): Promise<int> {
  return user_write(dev, pos, 1, val & 0xff);
}

/** C: drivers/pci/access.c pci_user_write_config_word() */
export function pci_user_write_config_word(dev: pci_dev, pos: int, val: u32): Promise<int> {
  return user_write(dev, pos, 2, val & 0xffff);
}

/** C: drivers/pci/access.c pci_user_write_config_dword() */
export function pci_user_write_config_dword(dev: pci_dev, pos: int, val: u32): Promise<int> {
  return user_write(dev, pos, 4, val);
}

/** C: drivers/pci/access.c pci_cfg_access_lock(): sleeps until nobody else blocks users */
export async function pci_cfg_access_lock(dev: pci_dev): Promise<void> {
  const core = pci();
  await raw_spin_lock_irq(core.pci_lock);
  if (dev.block_cfg_access) await pci_wait_cfg(dev);
  await block_cfg_access(dev, true);
  await raw_spin_unlock_irq(core.pci_lock);
}

/** C: drivers/pci/access.c pci_cfg_access_trylock() */
export async function pci_cfg_access_trylock(dev: pci_dev): Promise<boolean> {
  const core = pci();
  let locked = true;
  const flags = await raw_spin_lock_irqsave(core.pci_lock);
  if (dev.block_cfg_access) locked = false;
  else await block_cfg_access(dev, true);
  await raw_spin_unlock_irqrestore(core.pci_lock, flags);
  return locked;
}

/** C: drivers/pci/access.c pci_cfg_access_unlock() */
export async function pci_cfg_access_unlock(dev: pci_dev): Promise<void> {
  const core = pci();
  const flags = await raw_spin_lock_irqsave(core.pci_lock);
  WARN_ON_ONCE(!dev.block_cfg_access, 'pci_cfg_access_unlock: not locked');
  await block_cfg_access(dev, false);
  await raw_spin_unlock_irqrestore(core.pci_lock, flags);
  await wake_up_all(core.pci_cfg_wait);
}

// Accessors of the PCI Express capability

/** C: include/linux/pci.h pci_is_pcie() */
export function pci_is_pcie(dev: pci_dev): boolean {
  return dev.pcie_cap !== 0;
}

/** C: include/linux/pci.h pcie_caps_reg() */
export function pcie_caps_reg(dev: pci_dev): u16 {
  return dev.pcie_flags_reg;
}

/** C: include/linux/pci.h pci_pcie_type() */
export function pci_pcie_type(dev: pci_dev): int {
  return (pcie_caps_reg(dev) & R.PCI_EXP_FLAGS_TYPE) >>> 4;
}

function pcie_cap_version(dev: pci_dev): int {
  return pcie_caps_reg(dev) & R.PCI_EXP_FLAGS_VERS;
}

/** C: drivers/pci/access.c pcie_cap_has_lnkctl() */
export function pcie_cap_has_lnkctl(dev: pci_dev): boolean {
  const type = pci_pcie_type(dev);
  return (
    type === R.PCI_EXP_TYPE_ENDPOINT ||
    type === R.PCI_EXP_TYPE_LEG_END ||
    type === R.PCI_EXP_TYPE_ROOT_PORT ||
    type === R.PCI_EXP_TYPE_UPSTREAM ||
    type === R.PCI_EXP_TYPE_DOWNSTREAM ||
    type === R.PCI_EXP_TYPE_PCI_BRIDGE ||
    type === R.PCI_EXP_TYPE_PCIE_BRIDGE
  );
}

/** C: drivers/pci/pci.h pcie_downstream_port() */
export function pcie_downstream_port(dev: pci_dev): boolean {
  const type = pci_pcie_type(dev);
  return (
    type === R.PCI_EXP_TYPE_ROOT_PORT ||
    type === R.PCI_EXP_TYPE_DOWNSTREAM ||
    type === R.PCI_EXP_TYPE_PCIE_BRIDGE
  );
}

function pcie_cap_has_sltctl(dev: pci_dev): boolean {
  return pcie_downstream_port(dev) && (pcie_caps_reg(dev) & R.PCI_EXP_FLAGS_SLOT) !== 0;
}

function pcie_cap_has_rtctl(dev: pci_dev): boolean {
  const type = pci_pcie_type(dev);
  return type === R.PCI_EXP_TYPE_ROOT_PORT || type === R.PCI_EXP_TYPE_RC_EC;
}

function pcie_capability_reg_implemented(dev: pci_dev, pos: int): boolean {
  if (!pci_is_pcie(dev)) return false;
  switch (pos) {
    case R.PCI_EXP_FLAGS:
      return true;
    case R.PCI_EXP_DEVCAP:
    case R.PCI_EXP_DEVCTL:
    case R.PCI_EXP_DEVSTA:
      return true;
    case R.PCI_EXP_LNKCAP:
    case R.PCI_EXP_LNKCTL:
    case R.PCI_EXP_LNKSTA:
      return pcie_cap_has_lnkctl(dev);
    case R.PCI_EXP_SLTCAP:
    case R.PCI_EXP_SLTCTL:
    case R.PCI_EXP_SLTSTA:
      return pcie_cap_has_sltctl(dev);
    case R.PCI_EXP_RTCTL:
    case R.PCI_EXP_RTCAP:
    case R.PCI_EXP_RTSTA:
      return pcie_cap_has_rtctl(dev);
    case R.PCI_EXP_DEVCAP2:
    case R.PCI_EXP_DEVCTL2:
    case R.PCI_EXP_LNKCAP2:
    case R.PCI_EXP_LNKCTL2:
    case R.PCI_EXP_LNKSTA2:
      return pcie_cap_version(dev) > 1;
  }
  return false;
}

/** C: drivers/pci/access.c pcie_capability_read_word(); registers that are not there read 0 (slot status: 0x40) */
export async function pcie_capability_read_word(dev: pci_dev, pos: int, val: Ref<u32>): Promise<int> {
  val.v = 0;
  if (pos & 1) return PCIBIOS_BAD_REGISTER_NUMBER;
  if (pcie_capability_reg_implemented(dev, pos)) {
    const ret = await pci_read_config_word(dev, dev.pcie_cap + pos, val);
    if (ret) val.v = 0;
    return ret;
  }
  if (pci_is_pcie(dev) && pcie_downstream_port(dev) && pos === R.PCI_EXP_SLTSTA) val.v = R.PCI_EXP_SLTSTA_PDS;
  return 0;
}

/** C: drivers/pci/access.c pcie_capability_read_dword() */
export async function pcie_capability_read_dword(dev: pci_dev, pos: int, val: Ref<u32>): Promise<int> {
  val.v = 0;
  if (pos & 3) return PCIBIOS_BAD_REGISTER_NUMBER;
  if (pcie_capability_reg_implemented(dev, pos)) {
    const ret = await pci_read_config_dword(dev, dev.pcie_cap + pos, val);
    if (ret) val.v = 0;
    return ret;
  }
  if (pci_is_pcie(dev) && pcie_downstream_port(dev) && pos === R.PCI_EXP_SLTSTA) val.v = R.PCI_EXP_SLTSTA_PDS;
  return 0;
}

/** C: drivers/pci/access.c pcie_capability_write_word() */
export async function pcie_capability_write_word(dev: pci_dev, pos: int, val: u16): Promise<int> {
  if (pos & 1) return PCIBIOS_BAD_REGISTER_NUMBER;
  if (!pcie_capability_reg_implemented(dev, pos)) return 0;
  return pci_write_config_word(dev, dev.pcie_cap + pos, val);
}

/** C: drivers/pci/access.c pcie_capability_clear_and_set_word() */
export async function pcie_capability_clear_and_set_word(
  dev: pci_dev,
  pos: int,
  clear: u16,
  set: u16,
): Promise<int> {
  const val = ref(0);
  const ret = await pcie_capability_read_word(dev, pos, val);
  if (ret) return ret;
  return pcie_capability_write_word(dev, pos, (val.v & ~clear) | set);
}

/** C: drivers/pci/access.c pcie_capability_write_dword() */
export async function pcie_capability_write_dword(dev: pci_dev, pos: int, val: u32): Promise<int> {
  if (pos & 3) return PCIBIOS_BAD_REGISTER_NUMBER;
  if (!pcie_capability_reg_implemented(dev, pos)) return 0;
  return pci_write_config_dword(dev, dev.pcie_cap + pos, val);
}

/** C: drivers/pci/access.c pcie_capability_clear_and_set_dword() */
export async function pcie_capability_clear_and_set_dword(
  dev: pci_dev,
  pos: int,
  clear: u32,
  set: u32,
): Promise<int> {
  const val = ref(0);
  const ret = await pcie_capability_read_dword(dev, pos, val);
  if (ret) return ret;
  return pcie_capability_write_dword(dev, pos, ((val.v & ~clear) | set) >>> 0);
}

/** C: include/linux/pci.h pcie_capability_set_word() */
export function pcie_capability_set_word(dev: pci_dev, pos: int, set: u16): Promise<int> {
  return pcie_capability_clear_and_set_word(dev, pos, 0, set);
}
