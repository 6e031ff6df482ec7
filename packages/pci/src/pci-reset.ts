// SPDX-License-Identifier: GPL-2.0-only
// drivers/pci/pci.c (v5.19-rc4), its resets: methods of one function, secondary bus, slots, and the locks around them.

import { type int, ref } from '@vfio-lab/sim';
import { down_read, might_sleep, up_read } from '@vfio-lab/locking';
import {
  device_lock,
  device_lock_assert,
  device_trylock,
  device_unlock,
  EAGAIN,
  EINVAL,
  ENOTTY,
  msleep,
  pci_err,
  pci_info,
} from '@vfio-lab/kernel';
import {
  pci_cfg_access_lock,
  pci_cfg_access_trylock,
  pci_cfg_access_unlock,
  pci_is_pcie,
  pci_read_config_byte,
  pci_read_config_word,
  pci_write_config_byte,
  pci_write_config_word,
  pcie_capability_read_dword,
  pcie_capability_read_word,
  pcie_capability_set_word,
  pcie_downstream_port,
} from './access.ts';
import { pci } from './core.ts';
import {
  pci_device_is_present,
  pci_find_capability,
  pci_is_bridge,
  pci_is_root_bus,
  pci_restore_state,
  pci_save_state,
  pci_wait_for_pending,
  pci_wait_for_pending_transaction,
} from './pci.ts';
import { pci_dev_acpi_reset } from './pci-acpi.ts';
import { PCIE_RESET_READY_POLL_MS, pci_dev_d3_sleep, pci_dev_wait, pci_set_power_state } from './pci-pm.ts';
import * as R from './pci_regs.ts';
import {
  PCI_D0,
  PCI_D3hot,
  PCI_DEV_FLAGS_NO_BUS_RESET,
  PCI_DEV_FLAGS_NO_FLR_RESET,
  PCI_DEV_FLAGS_NO_PM_RESET,
  PCI_NUM_RESET_METHODS,
  type pci_bus,
  type pci_dev,
  type pci_slot,
} from './types.ts';

/** C: include/linux/pci.h pci_reset_supported() */
export function pci_reset_supported(dev: pci_dev): boolean {
  return dev.reset_methods.length > 0;
}

/** Function level reset. 0 or -ENOTTY (never came back). C: drivers/pci/pci.c pcie_flr() */
export async function pcie_flr(dev: pci_dev): Promise<int> {
  if (!(await pci_wait_for_pending_transaction(dev))) {
    pci_err(dev, 'timed out waiting for pending transaction; performing function level reset anyway\n');
  }
  await pcie_capability_set_word(dev, R.PCI_EXP_DEVCTL, R.PCI_EXP_DEVCTL_BCR_FLR);
  if (dev.imm_ready) return 0;
  msleep(100);
  return pci_dev_wait(dev, 'FLR', PCIE_RESET_READY_POLL_MS);
}

/** C: drivers/pci/pci.c pcie_reset_flr() */
export async function pcie_reset_flr(dev: pci_dev, probe: boolean): Promise<int> {
  if (dev.dev_flags & PCI_DEV_FLAGS_NO_FLR_RESET) return -ENOTTY;
  if (!(dev.devcap & R.PCI_EXP_DEVCAP_FLR)) return -ENOTTY;
  return probe ? 0 : pcie_flr(dev);
}

async function pci_af_flr(dev: pci_dev, probe: boolean): Promise<int> {
  const pos = await pci_find_capability(dev, R.PCI_CAP_ID_AF);
  if (!pos || dev.dev_flags & PCI_DEV_FLAGS_NO_FLR_RESET) return -ENOTTY;
  const cap = ref(0);
  await pci_read_config_byte(dev, pos + R.PCI_AF_CAP, cap);
  if (!(cap.v & R.PCI_AF_CAP_TP) || !(cap.v & R.PCI_AF_CAP_FLR)) return -ENOTTY;
  if (probe) return 0;
  if (!(await pci_wait_for_pending(dev, pos + R.PCI_AF_CTRL, R.PCI_AF_STATUS_TP << 8))) {
    pci_err(dev, 'timed out waiting for pending transaction; performing AF function level reset anyway\n');
  }
  await pci_write_config_byte(dev, pos + R.PCI_AF_CTRL, R.PCI_AF_CTRL_FLR);
  if (dev.imm_ready) return 0;
  msleep(100);
  return pci_dev_wait(dev, 'AF_FLR', PCIE_RESET_READY_POLL_MS);
}

async function pci_pm_reset(dev: pci_dev, probe: boolean): Promise<int> {
  if (!dev.pm_cap || dev.dev_flags & PCI_DEV_FLAGS_NO_PM_RESET) return -ENOTTY;
  const csr = ref(0);
  await pci_read_config_word(dev, dev.pm_cap + R.PCI_PM_CTRL, csr);
  if (csr.v & R.PCI_PM_CTRL_NO_SOFT_RESET) return -ENOTTY;
  if (probe) return 0;
  if (dev.current_state !== PCI_D0) return -EINVAL;
  const base = csr.v & ~R.PCI_PM_CTRL_STATE_MASK;
  await pci_write_config_word(dev, dev.pm_cap + R.PCI_PM_CTRL, base | PCI_D3hot);
  pci_dev_d3_sleep(dev);
  await pci_write_config_word(dev, dev.pm_cap + R.PCI_PM_CTRL, base | PCI_D0);
  pci_dev_d3_sleep(dev);
  return pci_dev_wait(dev, 'PM D3hot->D0', PCIE_RESET_READY_POLL_MS);
}

async function pcie_wait_for_link_delay(dev: pci_dev, delay: int): Promise<boolean> {
  let timeout = 1000;
  if (!dev.link_active_reporting) {
    msleep(timeout + delay);
    return true;
  }
  msleep(20);
  const status = ref(0);
  let up = false;
  for (;;) {
    await pcie_capability_read_word(dev, R.PCI_EXP_LNKSTA, status);
    up = (status.v & R.PCI_EXP_LNKSTA_DLLLA) !== 0;
    if (up || timeout <= 0) break;
    msleep(10);
    timeout -= 10;
  }
  if (up) msleep(delay);
  return up;
}

function pci_bus_max_d3cold_delay(bus: pci_bus): int {
  let min_delay = 100;
  let max_delay = 0;
  for (const dev of bus.devices) {
    min_delay = Math.min(min_delay, dev.d3cold_delay);
    max_delay = Math.max(max_delay, dev.d3cold_delay);
  }
  return Math.max(min_delay, max_delay);
}

/** GT/s of the fastest link the port can have, as the Supported Link Speeds say. C: drivers/pci/pci.c pcie_get_speed_cap() */
async function faster_than_5gt(dev: pci_dev): Promise<boolean> {
  const cap = ref(0);
  await pcie_capability_read_dword(dev, R.PCI_EXP_LNKCAP2, cap);
  if (cap.v) return (cap.v & ~(R.PCI_EXP_LNKCAP2_SLS_2_5GB | R.PCI_EXP_LNKCAP2_SLS_5_0GB) & 0xfe) !== 0;
  await pcie_capability_read_dword(dev, R.PCI_EXP_LNKCAP, cap);
  return (cap.v & R.PCI_EXP_LNKCAP_SLS) > 2;
}

/** The delays after power or reset of a bus below a bridge. 0, or (6.1) -ENOTTY when nothing appears. C: drivers/pci/pci.c pci_bridge_wait_for_secondary_bus() */
export async function pci_bridge_wait_for_secondary_bus(dev: pci_dev, reset_type: string): Promise<int> {
  const core = pci();
  if (dev.is_disconnected) return 0;
  if (!pci_is_bridge(dev) || (!core.v61 && !dev.bridge_d3)) return 0;
  await down_read(core.pci_bus_sem);
  const bus = dev.subordinate;
  if (bus === null || bus.devices.length === 0) {
    await up_read(core.pci_bus_sem);
    return 0;
  }
  const delay = pci_bus_max_d3cold_delay(bus);
  if (!delay) {
    await up_read(core.pci_bus_sem);
    return 0;
  }
  const child = bus.devices[0];
  await up_read(core.pci_bus_sem);
  if (!pci_is_pcie(dev)) {
    msleep(1000 + delay);
    return 0;
  }
  if (!pcie_downstream_port(dev)) return 0;
  if (!(await faster_than_5gt(dev))) {
    msleep(delay);
  } else if (!(await pcie_wait_for_link_delay(dev, delay))) {
    pci_info(dev, 'Data Link Layer Link Active not set in 1000 msec\n');
    return core.v61 ? -ENOTTY : 0;
  }
  if (core.v61) return pci_dev_wait(child, reset_type, PCIE_RESET_READY_POLL_MS - delay);
  if (!(await pci_device_is_present(child))) msleep(delay);
  return 0;
}

/** C: drivers/pci/pci.c pci_reset_secondary_bus() */
export async function pci_reset_secondary_bus(dev: pci_dev): Promise<void> {
  const ctrl = ref(0);
  await pci_read_config_word(dev, R.PCI_BRIDGE_CONTROL, ctrl);
  await pci_write_config_word(dev, R.PCI_BRIDGE_CONTROL, ctrl.v | R.PCI_BRIDGE_CTL_BUS_RESET);
  msleep(2);
  await pci_write_config_word(dev, R.PCI_BRIDGE_CONTROL, ctrl.v & ~R.PCI_BRIDGE_CTL_BUS_RESET);
  if (!pci().v61) msleep(1000);
}

/** C: drivers/pci/pci.c pci_bridge_secondary_bus_reset() */
export async function pci_bridge_secondary_bus_reset(dev: pci_dev): Promise<int> {
  await pci_reset_secondary_bus(dev);
  return pci().v61
    ? pci_bridge_wait_for_secondary_bus(dev, 'bus reset')
    : pci_dev_wait(dev, 'bus reset', PCIE_RESET_READY_POLL_MS);
}

async function pci_parent_bus_reset(dev: pci_dev, probe: boolean): Promise<int> {
  const bridge = dev.bus.self;
  if (pci_is_root_bus(dev.bus) || dev.subordinate !== null || bridge === null) return -ENOTTY;
  if (dev.dev_flags & PCI_DEV_FLAGS_NO_BUS_RESET) return -ENOTTY;
  if (dev.bus.devices.some((d) => d !== dev)) return -ENOTTY;
  return probe ? 0 : pci_bridge_secondary_bus_reset(bridge);
}

async function pci_reset_hotplug_slot(slot: pci_slot): Promise<int> {
  const ops = slot.hotplug?.ops;
  return ops?.reset_slot === undefined ? -ENOTTY : ops.reset_slot(slot);
}

function pci_probe_hotplug_slot(slot: pci_slot): int {
  const ops = slot.hotplug?.ops;
  return ops?.can_reset === undefined ? -ENOTTY : ops.can_reset(slot);
}

async function pci_dev_reset_slot_function(dev: pci_dev, probe: boolean): Promise<int> {
  if (dev.multifunction || dev.subordinate !== null || dev.slot === null) return -ENOTTY;
  if (dev.dev_flags & PCI_DEV_FLAGS_NO_BUS_RESET) return -ENOTTY;
  return probe ? pci_probe_hotplug_slot(dev.slot) : pci_reset_hotplug_slot(dev.slot);
}

async function pci_reset_bus_function(dev: pci_dev, probe: boolean): Promise<int> {
  const rc = await pci_dev_reset_slot_function(dev, probe);
  return rc !== -ENOTTY ? rc : pci_parent_bus_reset(dev, probe);
}

/** No device here has one. C: drivers/pci/quirks.c pci_dev_specific_reset() */
function pci_dev_specific_reset(_dev: pci_dev, _probe: boolean): int {
  return -ENOTTY;
}

/** Index 0 is unused, as in C. */
export const pci_reset_fn_methods: readonly {
  name: string;
  reset_fn: (dev: pci_dev, probe: boolean) => Promise<int> | int;
}[] = [
  { name: '', reset_fn: () => -ENOTTY },
  { name: 'device_specific', reset_fn: pci_dev_specific_reset },
  { name: 'acpi', reset_fn: pci_dev_acpi_reset },
  { name: 'flr', reset_fn: pcie_reset_flr },
  { name: 'af_flr', reset_fn: pci_af_flr },
  { name: 'pm', reset_fn: pci_pm_reset },
  { name: 'bus', reset_fn: pci_reset_bus_function },
];

/** Find what can reset this function. C: drivers/pci/pci.c pci_init_reset_methods() */
export async function pci_init_reset_methods(dev: pci_dev): Promise<void> {
  dev.reset_methods.length = 0;
  for (let m = 1; m < PCI_NUM_RESET_METHODS; m++) {
    const rc = await pci_reset_fn_methods[m].reset_fn(dev, true);
    if (!rc) dev.reset_methods.push(m);
    else if (rc !== -ENOTTY) break;
  }
}

/** C: drivers/pci/pci.c pci_dev_lock() */
export async function pci_dev_lock(dev: pci_dev): Promise<void> {
  await device_lock(dev.dev);
  await pci_cfg_access_lock(dev);
}

/** 1 when both locks were free. C: drivers/pci/pci.c pci_dev_trylock() */
export async function pci_dev_trylock(dev: pci_dev): Promise<int> {
  if (await device_trylock(dev.dev)) {
    if (await pci_cfg_access_trylock(dev)) return 1;
    await device_unlock(dev.dev);
  }
  return 0;
}

/** C: drivers/pci/pci.c pci_dev_unlock() */
export async function pci_dev_unlock(dev: pci_dev): Promise<void> {
  await pci_cfg_access_unlock(dev);
  await device_unlock(dev.dev);
}

async function pci_dev_save_and_disable(dev: pci_dev): Promise<void> {
  await dev.driver?.err_handler?.reset_prepare?.(dev);
  await pci_set_power_state(dev, PCI_D0);
  await pci_save_state(dev);
  await pci_write_config_word(dev, R.PCI_COMMAND, R.PCI_COMMAND_INTX_DISABLE);
}

async function pci_dev_restore(dev: pci_dev): Promise<void> {
  await pci_restore_state(dev);
  await dev.driver?.err_handler?.reset_done?.(dev);
}

/** Run the methods in turn until one applies. 0, -ENOTTY or that method's error. C: drivers/pci/pci.c __pci_reset_function_locked() */
export async function __pci_reset_function_locked(dev: pci_dev): Promise<int> {
  might_sleep('__pci_reset_function_locked');
  // The C has this in its comment only.
  device_lock_assert(dev.dev);
  for (const m of dev.reset_methods) {
    const rc = await pci_reset_fn_methods[m].reset_fn(dev, false);
    if (rc !== -ENOTTY) return rc;
  }
  return -ENOTTY;
}

/** C: drivers/pci/pci.c pci_reset_function() */
export async function pci_reset_function(dev: pci_dev): Promise<int> {
  if (!pci_reset_supported(dev)) return -ENOTTY;
  await pci_dev_lock(dev);
  const rc = await pci_reset_function_locked(dev);
  await pci_dev_unlock(dev);
  return rc;
}

/** C: drivers/pci/pci.c pci_reset_function_locked() */
export async function pci_reset_function_locked(dev: pci_dev): Promise<int> {
  if (!pci_reset_supported(dev)) return -ENOTTY;
  await pci_dev_save_and_disable(dev);
  const rc = await __pci_reset_function_locked(dev);
  await pci_dev_restore(dev);
  return rc;
}

/** -EAGAIN when a lock is taken. C: drivers/pci/pci.c pci_try_reset_function() */
export async function pci_try_reset_function(dev: pci_dev): Promise<int> {
  if (!pci_reset_supported(dev)) return -ENOTTY;
  if (!(await pci_dev_trylock(dev))) return -EAGAIN;
  const rc = await pci_reset_function_locked(dev);
  await pci_dev_unlock(dev);
  return rc;
}

// Buses and slots

function pci_bus_resetable(bus: pci_bus): boolean {
  if (bus.self !== null && bus.self.dev_flags & PCI_DEV_FLAGS_NO_BUS_RESET) return false;
  for (const dev of bus.devices) {
    if (dev.dev_flags & PCI_DEV_FLAGS_NO_BUS_RESET) return false;
    if (dev.subordinate !== null && !pci_bus_resetable(dev.subordinate)) return false;
  }
  return true;
}

// v5.19 locks every device on the bus and the buses below; 6.1 also the bridge, and a bridge only with its own bus.

async function lock_one(dev: pci_dev): Promise<void> {
  const v61 = pci().v61;
  if (!v61 || dev.subordinate === null) await pci_dev_lock(dev);
  if (dev.subordinate !== null) await pci_bus_lock(dev.subordinate);
}

async function unlock_one(dev: pci_dev): Promise<void> {
  if (dev.subordinate !== null) await pci_bus_unlock(dev.subordinate);
  if (!pci().v61 || dev.subordinate === null) await pci_dev_unlock(dev);
}

async function trylock_one(dev: pci_dev): Promise<boolean> {
  const own = !pci().v61 || dev.subordinate === null;
  if (own && !(await pci_dev_trylock(dev))) return false;
  if (dev.subordinate !== null && !(await pci_bus_trylock(dev.subordinate))) {
    if (own) await pci_dev_unlock(dev);
    return false;
  }
  return true;
}

async function trylock_all(bridge: pci_dev | null, devs: readonly pci_dev[]): Promise<int> {
  const above = pci().v61 ? bridge : null;
  if (above !== null && !(await pci_dev_trylock(above))) return 0;
  for (let i = 0; i < devs.length; i++) {
    if (await trylock_one(devs[i])) continue;
    while (--i >= 0) await unlock_one(devs[i]);
    if (above !== null) await pci_dev_unlock(above);
    return 0;
  }
  return 1;
}

async function unlock_all(bridge: pci_dev | null, devs: readonly pci_dev[]): Promise<void> {
  for (const dev of devs) await unlock_one(dev);
  if (bridge !== null && pci().v61) await pci_dev_unlock(bridge);
}

async function pci_bus_lock(bus: pci_bus): Promise<void> {
  if (bus.self !== null && pci().v61) await pci_dev_lock(bus.self);
  for (const dev of bus.devices) await lock_one(dev);
}

function pci_bus_unlock(bus: pci_bus): Promise<void> {
  return unlock_all(bus.self, bus.devices);
}

function pci_bus_trylock(bus: pci_bus): Promise<int> {
  return trylock_all(bus.self, bus.devices);
}

function slot_devices(slot: pci_slot): pci_dev[] {
  return slot.bus.devices.filter((d) => d.slot === slot);
}

function pci_slot_resetable(slot: pci_slot): boolean {
  if (slot.bus.self !== null && slot.bus.self.dev_flags & PCI_DEV_FLAGS_NO_BUS_RESET) return false;
  for (const dev of slot_devices(slot)) {
    if (dev.dev_flags & PCI_DEV_FLAGS_NO_BUS_RESET) return false;
    if (dev.subordinate !== null && !pci_bus_resetable(dev.subordinate)) return false;
  }
  return true;
}

async function save_and_disable_locked(devs: readonly pci_dev[]): Promise<void> {
  for (const dev of devs) {
    await pci_dev_save_and_disable(dev);
    if (dev.subordinate !== null) await save_and_disable_locked(dev.subordinate.devices);
  }
}

async function restore_locked(devs: readonly pci_dev[]): Promise<void> {
  for (const dev of devs) {
    await pci_dev_restore(dev);
    if (dev.subordinate !== null) await restore_locked(dev.subordinate.devices);
  }
}

/** 0 if the slot can be reset, else -ENOTTY. C: drivers/pci/pci.c pci_probe_reset_slot() */
export function pci_probe_reset_slot(slot: pci_slot | null): int {
  if (slot === null || !pci_slot_resetable(slot)) return -ENOTTY;
  return pci_probe_hotplug_slot(slot);
}

/** 0 if the bus can be reset by its bridge, else -ENOTTY. C: drivers/pci/pci.c pci_probe_reset_bus() */
export function pci_probe_reset_bus(bus: pci_bus): int {
  return bus.self === null || !pci_bus_resetable(bus) ? -ENOTTY : 0;
}

async function __pci_reset_slot(slot: pci_slot): Promise<int> {
  const devs = slot_devices(slot);
  if (!(await trylock_all(slot.bus.self, devs))) return -EAGAIN;
  await save_and_disable_locked(devs);
  might_sleep('__pci_reset_slot');
  const rc = await pci_reset_hotplug_slot(slot);
  await restore_locked(devs);
  await unlock_all(slot.bus.self, devs);
  return rc;
}

async function __pci_reset_bus(bus: pci_bus): Promise<int> {
  const rc = pci_probe_reset_bus(bus);
  if (rc || bus.self === null) return rc;
  if (!(await pci_bus_trylock(bus))) return -EAGAIN;
  await save_and_disable_locked(bus.devices);
  might_sleep('__pci_reset_bus');
  const ret = await pci_bridge_secondary_bus_reset(bus.self);
  await restore_locked(bus.devices);
  await pci_bus_unlock(bus);
  return ret;
}

/** Reset the slot if that is possible, else the bus. -EAGAIN when somebody holds a lock. C: drivers/pci/pci.c pci_reset_bus() */
export async function pci_reset_bus(dev: pci_dev): Promise<int> {
  if (dev.slot !== null && !pci_probe_reset_slot(dev.slot)) return __pci_reset_slot(dev.slot);
  return __pci_reset_bus(dev.bus);
}

/** Reset what is below a bridge, waiting for the locks. C: drivers/pci/pci.c pci_bus_error_reset() */
export async function pci_bus_error_reset(bridge: pci_dev): Promise<int> {
  const bus = bridge.subordinate;
  if (bus === null || pci_probe_reset_bus(bus)) return -ENOTTY;
  await pci_bus_lock(bus);
  const ret = await pci_bridge_secondary_bus_reset(bridge);
  await pci_bus_unlock(bus);
  return ret;
}
