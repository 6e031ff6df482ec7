// SPDX-License-Identifier: GPL-2.0-only
// drivers/pci/pci.c (v5.19-rc4), its power section: D-states, wake-up, PME, which ports may use D3.

import { access, type int, machine, ref, trace } from '@vfio-lab/sim';
import { mutex_lock, mutex_unlock } from '@vfio-lab/locking';
import {
  delayed_work,
  EINVAL,
  EIO,
  ENOTTY,
  HZ,
  INIT_DELAYED_WORK,
  msleep,
  pci_err,
  pci_info,
  pci_info_ratelimited,
  pci_warn,
  queue_delayed_work,
  system_wq,
  udelay,
} from '@vfio-lab/kernel';
import {
  device_can_wakeup,
  device_may_wakeup,
  device_set_wakeup_capable,
  pm_request_resume,
  pm_runtime_barrier,
  pm_runtime_enable,
  pm_runtime_forbid,
  pm_runtime_get_noresume,
  pm_runtime_get_sync,
  pm_runtime_put,
  pm_runtime_put_sync,
  pm_runtime_resume,
  pm_runtime_set_active,
} from '@vfio-lab/runtime-pm';
import {
  PCI_POSSIBLE_ERROR,
  pci_is_pcie,
  pci_pcie_type,
  pci_read_config_dword,
  pci_read_config_word,
  pci_write_config_word,
} from './access.ts';
import { pci } from './core.ts';
import { pci_find_capability, pci_is_bridge, pci_name, pci_upstream_bridge, pci_walk_bus } from './pci.ts';
import {
  acpi_pci_bridge_d3,
  acpi_pci_choose_state,
  acpi_pci_get_power_state,
  acpi_pci_power_manageable,
  acpi_pci_refresh_power_state,
  acpi_pci_set_power_state,
  acpi_pci_wakeup,
} from './pci-acpi.ts';
import * as R from './pci_regs.ts';
import { pci_update_resource } from './setup-res.ts';
import {
  PCI_BRIDGE_RESOURCES,
  PCI_D0,
  PCI_D1,
  PCI_D2,
  PCI_D3cold,
  PCI_D3hot,
  PCI_DEV_FLAGS_NO_D3,
  PCI_POWER_ERROR,
  PCI_UNKNOWN,
  type pci_bus,
  type pci_dev,
  type pci_power_t,
  pci_power_name,
} from './types.ts';

export const PCI_PM_D2_DELAY = 200; // us
export const PCI_PM_D3HOT_WAIT = 10; // ms
export const PCI_PM_D3COLD_WAIT = 100; // ms
export const PCIE_RESET_READY_POLL_MS = 60000;
const PME_TIMEOUT = 1000; // ms

/** Record a change of what software believes. A point, for pci_config_pm_runtime_get(), which looks without a lock. */
async function set_state(dev: pci_dev, state: pci_power_t): Promise<void> {
  const was = machine.peek(() => dev.current_state);
  if (was !== state) await access(dev.state_obj, true, 'plain');
  if (was !== state && machine.tracing) {
    trace('pci', `${pci_name(dev)}: ${pci_power_name(was)} -> ${pci_power_name(state)}`, {
      device: pci_name(dev),
      from: pci_power_name(was),
      to: pci_power_name(state),
    });
  }
  dev.current_state = state;
}

/** C: drivers/pci/pci.c pci_dev_d3_sleep() */
export function pci_dev_d3_sleep(dev: pci_dev): void {
  const delay = Math.max(dev.d3hot_delay, pci().pci_pm_d3hot_delay);
  if (delay) msleep(delay);
}

function pci_no_d1d2(dev: pci_dev): boolean {
  const parent = dev.bus.self;
  return dev.no_d1d2 || (parent?.no_d1d2 ?? false);
}

/** C: drivers/pci/pci.h pci_power_manageable() */
export function pci_power_manageable(dev: pci_dev): boolean {
  return !(pci_is_bridge(dev) && dev.subordinate !== null) || dev.bridge_d3;
}

async function pci_restore_bars(dev: pci_dev): Promise<void> {
  for (let i = 0; i < PCI_BRIDGE_RESOURCES; i++) await pci_update_resource(dev, i);
}

/** Set current_state to what platform and PMCSR say, or `state` without either. C: drivers/pci/pci.c pci_update_current_state() */
export async function pci_update_current_state(dev: pci_dev, state: pci_power_t): Promise<void> {
  if (acpi_pci_get_power_state(dev) === PCI_D3cold) {
    await set_state(dev, PCI_D3cold);
  } else if (dev.pm_cap) {
    const pmcsr = ref(0);
    await pci_read_config_word(dev, dev.pm_cap + R.PCI_PM_CTRL, pmcsr);
    await set_state(dev, PCI_POSSIBLE_ERROR(pmcsr.v, 2) ? PCI_D3cold : pmcsr.v & R.PCI_PM_CTRL_STATE_MASK);
  } else {
    await set_state(dev, state);
  }
}

/** C: drivers/pci/pci.c pci_refresh_power_state() */
export async function pci_refresh_power_state(dev: pci_dev): Promise<void> {
  acpi_pci_refresh_power_state(dev);
  await pci_update_current_state(dev, dev.current_state);
}

/** C: drivers/pci/pci.c pci_platform_power_transition() */
export async function pci_platform_power_transition(dev: pci_dev, state: pci_power_t): Promise<int> {
  const error = await acpi_pci_set_power_state(dev, state);
  if (!error) await pci_update_current_state(dev, state);
  else if (!dev.pm_cap) await set_state(dev, PCI_D0);
  return error;
}

/** Ask every device of a bus and below to resume. C: drivers/pci/pci.c pci_resume_bus() */
export async function pci_resume_bus(bus: pci_bus | null): Promise<void> {
  if (bus === null) return;
  await pci_walk_bus(bus, async (dev) => {
    await pm_request_resume(dev.dev);
    return 0;
  });
}

/** Poll until the device answers. 0, or -ENOTTY after about `timeout` ms. C: drivers/pci/pci.c pci_dev_wait() */
export async function pci_dev_wait(dev: pci_dev, reset_type: string, timeout: int): Promise<int> {
  let delay = 1;
  const id = ref(0);
  await pci_read_config_dword(dev, R.PCI_COMMAND, id);
  while (PCI_POSSIBLE_ERROR(id.v, 4)) {
    if (delay > timeout) {
      pci_warn(dev, `not ready ${delay - 1}ms after ${reset_type}; giving up\n`);
      return -ENOTTY;
    }
    if (delay > 1000) pci_info(dev, `not ready ${delay - 1}ms after ${reset_type}; waiting\n`);
    msleep(delay);
    delay *= 2;
    await pci_read_config_dword(dev, R.PCI_COMMAND, id);
  }
  if (delay > 1000) pci_info(dev, `ready ${delay - 1}ms after ${reset_type}\n`);
  return 0;
}

/** To D0 by platform and PMCSR. 1: BARs may be lost, 0, or -EIO. C: drivers/pci/pci.c pci_power_up() */
export async function pci_power_up(dev: pci_dev): Promise<int> {
  const core = pci();
  await acpi_pci_set_power_state(dev, PCI_D0);
  if (!dev.pm_cap) {
    const state = acpi_pci_get_power_state(dev);
    await set_state(dev, state === PCI_UNKNOWN ? PCI_D0 : state);
    return !core.v61 && state === PCI_D0 ? 0 : -EIO;
  }
  if (core.v61 && dev.is_disconnected) {
    await set_state(dev, PCI_D3cold);
    return -EIO;
  }
  const pmcsr = ref(0);
  await pci_read_config_word(dev, dev.pm_cap + R.PCI_PM_CTRL, pmcsr);
  if (PCI_POSSIBLE_ERROR(pmcsr.v, 2)) {
    pci_err(
      dev,
      `Unable to change power state from ${pci_power_name(dev.current_state)} to D0, device inaccessible\n`,
    );
    await set_state(dev, PCI_D3cold);
    return -EIO;
  }
  const state = pmcsr.v & R.PCI_PM_CTRL_STATE_MASK;
  const soft_reset = !(pmcsr.v & R.PCI_PM_CTRL_NO_SOFT_RESET);
  const need_restore = (state === PCI_D3hot || dev.current_state >= PCI_D3hot) && soft_reset;
  if (state !== PCI_D0) {
    // The whole word to 0: state D0 and PME_En off, PME_Status kept.
    await pci_write_config_word(dev, dev.pm_cap + R.PCI_PM_CTRL, 0);
    if (state === PCI_D3hot) {
      pci_dev_d3_sleep(dev);
      if (
        core.v61 &&
        soft_reset &&
        (await pci_dev_wait(dev, 'power up D3hot->D0uninitialized', PCIE_RESET_READY_POLL_MS))
      ) {
        await set_state(dev, PCI_D3cold);
        return -EIO;
      }
    } else if (state === PCI_D2) {
      udelay(PCI_PM_D2_DELAY);
    }
  }
  await set_state(dev, PCI_D0);
  return need_restore ? 1 : 0;
}

async function pci_set_full_power_state(dev: pci_dev): Promise<int> {
  const ret = await pci_power_up(dev);
  if (ret < 0) return pci().v61 && dev.current_state === PCI_D0 ? 0 : ret;
  if (!dev.pm_cap) return 0;
  const pmcsr = ref(0);
  await pci_read_config_word(dev, dev.pm_cap + R.PCI_PM_CTRL, pmcsr);
  await set_state(dev, pmcsr.v & R.PCI_PM_CTRL_STATE_MASK);
  if (dev.current_state !== PCI_D0) {
    pci_info_ratelimited(
      dev,
      `Refused to change power state from ${pci_power_name(dev.current_state)} to D0\n`,
    );
  } else if (ret > 0) {
    // The D3hot -> D0 reset took the BARs; they alone are put back here.
    await pci_restore_bars(dev);
  }
  return 0;
}

/** C: drivers/pci/pci.c pci_bus_set_current_state() */
export async function pci_bus_set_current_state(bus: pci_bus | null, state: pci_power_t): Promise<void> {
  if (bus === null) return;
  await pci_walk_bus(bus, async (dev) => {
    await set_state(dev, state);
    return 0;
  });
}

async function pci_set_low_power_state(dev: pci_dev, state: pci_power_t): Promise<int> {
  if (!dev.pm_cap) return -EIO;
  if (dev.current_state <= PCI_D3cold && dev.current_state > state) return -EINVAL;
  if ((state === PCI_D1 && !dev.d1_support) || (state === PCI_D2 && !dev.d2_support)) return -EIO;
  if (pci().v61 && dev.current_state === state) return 0;
  const pmcsr = ref(0);
  await pci_read_config_word(dev, dev.pm_cap + R.PCI_PM_CTRL, pmcsr);
  if (PCI_POSSIBLE_ERROR(pmcsr.v, 2)) {
    pci_err(
      dev,
      `Unable to change power state from ${pci_power_name(dev.current_state)} to ${pci_power_name(state)}, device inaccessible\n`,
    );
    await set_state(dev, PCI_D3cold);
    return -EIO;
  }
  await pci_write_config_word(dev, dev.pm_cap + R.PCI_PM_CTRL, (pmcsr.v & ~R.PCI_PM_CTRL_STATE_MASK) | state);
  if (state === PCI_D3hot) pci_dev_d3_sleep(dev);
  else if (state === PCI_D2) udelay(PCI_PM_D2_DELAY);
  await pci_read_config_word(dev, dev.pm_cap + R.PCI_PM_CTRL, pmcsr);
  await set_state(dev, pmcsr.v & R.PCI_PM_CTRL_STATE_MASK);
  if (dev.current_state !== state) {
    pci_info_ratelimited(
      dev,
      `Refused to change power state from ${pci_power_name(dev.current_state)} to ${pci_power_name(state)}\n`,
    );
  }
  return 0;
}

/**
 * Move to a D-state by the PM capability and the platform.
 * @returns 0 (also when nothing had to, or could by quirk, be done), -EINVAL, -EIO
 * C: drivers/pci/pci.c pci_set_power_state()
 */
export async function pci_set_power_state(dev: pci_dev, state: pci_power_t): Promise<int> {
  if (state > PCI_D3cold) state = PCI_D3cold;
  else if (state < PCI_D0) state = PCI_D0;
  else if ((state === PCI_D1 || state === PCI_D2) && pci_no_d1d2(dev)) return 0;
  if (dev.current_state === state) return 0;
  if (state === PCI_D0) return pci_set_full_power_state(dev);
  if (state >= PCI_D3hot && dev.dev_flags & PCI_DEV_FLAGS_NO_D3) return 0;
  if (state === PCI_D3cold) {
    const error = await pci_set_low_power_state(dev, PCI_D3hot);
    if (await pci_platform_power_transition(dev, PCI_D3cold)) return error;
    // A bridge without power takes everything below with it.
    if (dev.current_state === PCI_D3cold) await pci_bus_set_current_state(dev.subordinate, PCI_D3cold);
  } else {
    const error = await pci_set_low_power_state(dev, state);
    if (await pci_platform_power_transition(dev, state)) return error;
  }
  return 0;
}

// PME and wake-up

/** Clear PME_Status if set, and PME_En with it; true when both were set. C: drivers/pci/pci.c pci_check_pme_status() */
export async function pci_check_pme_status(dev: pci_dev): Promise<boolean> {
  if (!dev.pm_cap) return false;
  const pmcsr = ref(0);
  await pci_read_config_word(dev, dev.pm_cap + R.PCI_PM_CTRL, pmcsr);
  if (!(pmcsr.v & R.PCI_PM_CTRL_PME_STATUS)) return false;
  let ret = false;
  if (pmcsr.v & R.PCI_PM_CTRL_PME_ENABLE) {
    pmcsr.v &= ~R.PCI_PM_CTRL_PME_ENABLE;
    ret = true;
  }
  await pci_write_config_word(dev, dev.pm_cap + R.PCI_PM_CTRL, pmcsr.v);
  return ret;
}

async function pci_pme_wakeup(dev: pci_dev, reset: boolean): Promise<int> {
  if (reset && dev.pme_poll) dev.pme_poll = false;
  if (await pci_check_pme_status(dev)) await pm_request_resume(dev.dev);
  return 0;
}

/** C: drivers/pci/pci.c pci_pme_wakeup_bus() */
export async function pci_pme_wakeup_bus(bus: pci_bus | null): Promise<void> {
  if (bus !== null) await pci_walk_bus(bus, (dev) => pci_pme_wakeup(dev, true));
}

/** C: drivers/pci/pci.c pci_pme_capable() */
export function pci_pme_capable(dev: pci_dev, state: pci_power_t): boolean {
  return dev.pm_cap !== 0 && (dev.pme_support & (1 << state)) !== 0;
}

async function pci_pme_list_scan(): Promise<void> {
  const core = pci();
  await mutex_lock(core.pci_pme_list_mutex);
  for (const dev of [...core.pci_pme_list]) {
    if (!dev.pme_poll) {
      core.pci_pme_list.splice(core.pci_pme_list.indexOf(dev), 1);
      continue;
    }
    const bridge = dev.bus.self;
    if (bridge !== null && bridge.current_state !== PCI_D0) continue;
    if (dev.current_state === PCI_D3cold) continue;
    await pci_pme_wakeup(dev, false);
  }
  if (core.pci_pme_list.length > 0) await start_pme_poll();
  await mutex_unlock(core.pci_pme_list_mutex);
}

async function start_pme_poll(): Promise<void> {
  const core = pci();
  if (core.pci_pme_work === null) {
    core.pci_pme_work = new delayed_work();
    INIT_DELAYED_WORK(core.pci_pme_work, pci_pme_list_scan);
  }
  await queue_delayed_work(system_wq(), core.pci_pme_work, (PME_TIMEOUT * HZ) / 1000);
}

async function __pci_pme_active(dev: pci_dev, enable: boolean): Promise<void> {
  if (!dev.pme_support) return;
  const pmcsr = ref(0);
  await pci_read_config_word(dev, dev.pm_cap + R.PCI_PM_CTRL, pmcsr);
  let v = pmcsr.v | R.PCI_PM_CTRL_PME_STATUS | R.PCI_PM_CTRL_PME_ENABLE;
  if (!enable) v &= ~R.PCI_PM_CTRL_PME_ENABLE;
  await pci_write_config_word(dev, dev.pm_cap + R.PCI_PM_CTRL, v);
}

/** C: drivers/pci/pci.c pci_pme_restore() */
export async function pci_pme_restore(dev: pci_dev): Promise<void> {
  if (!dev.pme_support) return;
  const pmcsr = ref(0);
  await pci_read_config_word(dev, dev.pm_cap + R.PCI_PM_CTRL, pmcsr);
  let v = pmcsr.v;
  if (dev.wakeup_prepared) v = (v | R.PCI_PM_CTRL_PME_ENABLE) & ~R.PCI_PM_CTRL_PME_STATUS;
  else v = (v & ~R.PCI_PM_CTRL_PME_ENABLE) | R.PCI_PM_CTRL_PME_STATUS;
  await pci_write_config_word(dev, dev.pm_cap + R.PCI_PM_CTRL, v);
}

/** Switch PME on or off, and the poll that stands in for lost PMEs. C: drivers/pci/pci.c pci_pme_active() */
export async function pci_pme_active(dev: pci_dev, enable: boolean): Promise<void> {
  await __pci_pme_active(dev, enable);
  if (!dev.pme_poll) return;
  const core = pci();
  await mutex_lock(core.pci_pme_list_mutex);
  if (enable) {
    core.pci_pme_list.unshift(dev);
    if (core.pci_pme_list.length === 1) await start_pme_poll();
  } else {
    const i = core.pci_pme_list.indexOf(dev);
    if (i >= 0) core.pci_pme_list.splice(i, 1);
  }
  await mutex_unlock(core.pci_pme_list_mutex);
}

async function __pci_enable_wake(dev: pci_dev, state: pci_power_t, enable: boolean): Promise<int> {
  let ret = 0;
  if (!pci_power_manageable(dev)) return 0;
  if (enable === dev.wakeup_prepared) return 0;
  if (enable) {
    if (pci_pme_capable(dev, state) || pci_pme_capable(dev, PCI_D3cold)) await pci_pme_active(dev, true);
    else ret = 1;
    const error = acpi_pci_wakeup(dev, true);
    if (ret) ret = error;
    if (!ret) dev.wakeup_prepared = true;
  } else {
    acpi_pci_wakeup(dev, false);
    await pci_pme_active(dev, false);
    dev.wakeup_prepared = false;
  }
  return ret;
}

/** Enabling needs the user's permission (power/wakeup), -EINVAL without. C: drivers/pci/pci.c pci_enable_wake() */
export async function pci_enable_wake(dev: pci_dev, state: pci_power_t, enable: boolean): Promise<int> {
  if (enable && !device_may_wakeup(dev.dev)) return -EINVAL;
  return __pci_enable_wake(dev, state, enable);
}

/** C: drivers/pci/pci.c pci_wake_from_d3() */
export function pci_wake_from_d3(dev: pci_dev, enable: boolean): Promise<int> {
  return pci_enable_wake(dev, pci_pme_capable(dev, PCI_D3cold) ? PCI_D3cold : PCI_D3hot, enable);
}

function pci_target_state(dev: pci_dev, wakeup: boolean): pci_power_t {
  if (acpi_pci_power_manageable(dev)) {
    const state = acpi_pci_choose_state(dev);
    if (state === PCI_POWER_ERROR || state === PCI_UNKNOWN) return PCI_D3hot;
    if ((state === PCI_D1 || state === PCI_D2) && pci_no_d1d2(dev)) return PCI_D3hot;
    return state;
  }
  if (dev.current_state === PCI_D3cold) return PCI_D3cold;
  if (!dev.pm_cap) return PCI_D0;
  if (wakeup && dev.pme_support) {
    let state = PCI_D3hot;
    while (state && !(dev.pme_support & (1 << state))) state--;
    if (state) return state;
    if (dev.pme_support & 1) return PCI_D0;
  }
  return PCI_D3hot;
}

/** C: drivers/pci/pci.c pci_finish_runtime_suspend() */
export async function pci_finish_runtime_suspend(dev: pci_dev): Promise<int> {
  const target = pci_target_state(dev, device_can_wakeup(dev.dev));
  if (target === PCI_POWER_ERROR) return -EIO;
  await __pci_enable_wake(dev, target, pci_dev_run_wake(dev));
  const error = await pci_set_power_state(dev, target);
  if (error) await pci_enable_wake(dev, target, false);
  return error;
}

/** Can the device wake up at run time: PME from the target state, and somebody to deliver it. C: drivers/pci/pci.c pci_dev_run_wake() */
export function pci_dev_run_wake(dev: pci_dev): boolean {
  if (!dev.pme_support) return false;
  if (!pci_pme_capable(dev, pci_target_state(dev, true))) return false;
  if (device_can_wakeup(dev.dev)) return true;
  let bus: pci_bus = dev.bus;
  while (bus.parent !== null) {
    if (bus.self !== null && device_can_wakeup(bus.self.dev)) return true;
    bus = bus.parent;
  }
  return bus.bridge !== null && device_can_wakeup(bus.bridge);
}

/** Make config space reachable for an access from outside the driver: only a device in D3cold is resumed. C: drivers/pci/pci.c pci_config_pm_runtime_get() */
export async function pci_config_pm_runtime_get(dev: pci_dev): Promise<void> {
  const parent = dev.dev.parent;
  if (parent !== null) await pm_runtime_get_sync(parent);
  await pm_runtime_get_noresume(dev.dev);
  await pm_runtime_barrier(dev.dev);
  await access(dev.state_obj, false, 'plain');
  if (dev.current_state === PCI_D3cold) await pm_runtime_resume(dev.dev);
}

/** C: drivers/pci/pci.c pci_config_pm_runtime_put() */
export async function pci_config_pm_runtime_put(dev: pci_dev): Promise<void> {
  const parent = dev.dev.parent;
  await pm_runtime_put(dev.dev);
  if (parent !== null) await pm_runtime_put_sync(parent);
}

// Which ports may use D3

/** May this port ever use D3. C: drivers/pci/pci.c pci_bridge_d3_possible() */
export function pci_bridge_d3_possible(bridge: pci_dev): boolean {
  if (!pci_is_pcie(bridge)) return false;
  const type = pci_pcie_type(bridge);
  if (
    type !== R.PCI_EXP_TYPE_ROOT_PORT &&
    type !== R.PCI_EXP_TYPE_UPSTREAM &&
    type !== R.PCI_EXP_TYPE_DOWNSTREAM
  )
    return false;
  const core = pci();
  if (core.pci_bridge_d3_disable) return false;
  if (bridge.is_hotplug_bridge && !core.native_pcie_hotplug) return false;
  if (core.pci_bridge_d3_force) return true;
  if (bridge.is_thunderbolt) return true;
  if (acpi_pci_bridge_d3(bridge)) return true;
  if (bridge.is_hotplug_bridge) return false;
  return core.bios_year >= 2015;
}

function d3cold_ok(dev: pci_dev): boolean {
  if (dev.no_d3cold || !dev.d3cold_allowed) return false;
  if (device_may_wakeup(dev.dev) && !pci_pme_capable(dev, PCI_D3cold)) return false;
  return pci_power_manageable(dev);
}

/** A device was added, changed or (`remove`) goes: may the port above still use D3? C: drivers/pci/pci.c pci_bridge_d3_update() */
export async function pci_bridge_d3_update(dev: pci_dev, remove = false): Promise<void> {
  const bridge = pci_upstream_bridge(dev);
  if (bridge === null || !pci_bridge_d3_possible(bridge)) return;
  if (remove && bridge.bridge_d3) return;
  let ok = remove || d3cold_ok(dev);
  if (ok && !bridge.bridge_d3 && bridge.subordinate !== null) {
    await pci_walk_bus(bridge.subordinate, (d) => {
      if (!d3cold_ok(d)) ok = false;
      return ok ? 0 : 1;
    });
  }
  if (bridge.bridge_d3 !== ok) {
    bridge.bridge_d3 = ok;
    await pci_bridge_d3_update(bridge);
  }
}

/** C: drivers/pci/pci.c pci_d3cold_enable() */
export async function pci_d3cold_enable(dev: pci_dev): Promise<void> {
  if (!dev.no_d3cold) return;
  dev.no_d3cold = false;
  await pci_bridge_d3_update(dev);
}

/** C: drivers/pci/pci.c pci_d3cold_disable() */
export async function pci_d3cold_disable(dev: pci_dev): Promise<void> {
  if (dev.no_d3cold) return;
  dev.no_d3cold = true;
  await pci_bridge_d3_update(dev);
}

/** C: drivers/pci/pci.c pci_pm_init(): the device is ACTIVE and forbidden from here on */
export async function pci_pm_init(dev: pci_dev): Promise<void> {
  await pm_runtime_forbid(dev.dev);
  await pm_runtime_set_active(dev.dev);
  await pm_runtime_enable(dev.dev);
  dev.wakeup_prepared = false;
  dev.pm_cap = 0;
  dev.pme_support = 0;
  const pm = await pci_find_capability(dev, R.PCI_CAP_ID_PM);
  if (!pm) return;
  const pmc = ref(0);
  await pci_read_config_word(dev, pm + R.PCI_PM_PMC, pmc);
  const version = pmc.v & R.PCI_PM_CAP_VER_MASK;
  if (version > 3) {
    pci_err(dev, `unsupported PM cap regs version (${version})\n`);
    return;
  }
  dev.pm_cap = pm;
  dev.d3hot_delay = PCI_PM_D3HOT_WAIT;
  dev.d3cold_delay = PCI_PM_D3COLD_WAIT;
  dev.bridge_d3 = pci_bridge_d3_possible(dev);
  dev.d3cold_allowed = true;
  dev.d1_support = false;
  dev.d2_support = false;
  if (!pci_no_d1d2(dev)) {
    dev.d1_support = (pmc.v & R.PCI_PM_CAP_D1) !== 0;
    dev.d2_support = (pmc.v & R.PCI_PM_CAP_D2) !== 0;
  }
  const pme = pmc.v & R.PCI_PM_CAP_PME_MASK;
  if (pme) {
    dev.pme_support = pme >>> R.PCI_PM_CAP_PME_SHIFT;
    dev.pme_poll = true;
    device_set_wakeup_capable(dev.dev, true);
    await pci_pme_active(dev, false);
  }
  const status = ref(0);
  await pci_read_config_word(dev, R.PCI_STATUS, status);
  if (status.v & R.PCI_STATUS_IMM_READY) dev.imm_ready = true;
}
