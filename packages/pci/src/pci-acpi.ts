// SPDX-License-Identifier: GPL-2.0-only
// drivers/pci/pci-acpi.c, drivers/acpi/{device_pm,power}.c (v5.19-rc4): power resources of the platform.

import { access, type int, machine, Obj, trace } from '@vfio-lab/sim';
import { mutex, mutex_init, mutex_lock, mutex_unlock } from '@vfio-lab/locking';
import { type device, EBUSY, EINVAL, ENODEV, ENOTTY, pci_info } from '@vfio-lab/kernel';
import { pm_request_resume } from '@vfio-lab/runtime-pm';
import { pci } from './core.ts';
import type { pci_function_hw } from './hw/function.ts';
import { pcie_find_root_port } from './pci.ts';
import {
  PCI_D0,
  PCI_D3cold,
  PCI_D3hot,
  PCI_POWER_ERROR,
  PCI_UNKNOWN,
  type pci_bus,
  type pci_dev,
  type pci_power_t,
} from './types.ts';

export const ACPI_STATE_D0 = 0;
export const ACPI_STATE_D3_HOT = 3;
export const ACPI_STATE_D3_COLD = 4;
export const ACPI_STATE_UNKNOWN = 0xff;

/** What turning a power resource off does to the hardware. */
export type power_effect =
  /** Nothing: firmware that only pretends. */
  | 'none'
  /** Main power of the functions goes: registers lost, all ones. */
  | 'cut'
  /** The slots below the ports are held in reset: everything below is lost, all ones. */
  | 'slot';

/** struct acpi_power_resource: a switch of the platform, counted by its users. */
export class acpi_power_resource extends Obj {
  readonly resource_lock = new mutex();
  readonly effect: power_effect;
  readonly functions: pci_function_hw[] = [];
  readonly dependents: device[] = [];
  ref_count = 0;
  on = true;
  /** Make _ON or _OFF fail, to test the error paths. */
  broken = false;

  constructor(name: string, effect: power_effect) {
    super(name);
    this.effect = effect;
    mutex_init(this.resource_lock, 'resource->resource_lock');
  }
}

/** struct acpi_device of a PCI device, as far as power is concerned. */
export class acpi_device {
  parent: acpi_device | null = null;
  /** _PR0 and _PR3. */
  pr0: acpi_power_resource[] = [];
  pr3: acpi_power_resource[] = [];
  /** _PS0/_PS3 exist. */
  has_ps = false;
  /** _EJ0 exists: a hotplug slot; the core leaves its power alone. */
  has_ej0 = false;
  /** _RST exists. */
  has_rst = false;
  /** _PRW is valid: the platform can wake the system from here. */
  wakeup_valid = false;
  /** _S0W, null when absent. */
  s0w: int | null = null;
  hotplug_in_d3 = false;
  wakeup_enabled = 0;
  state: int = ACPI_STATE_D0;

  /** flags.power_manageable */
  get power_manageable(): boolean {
    return this.has_ps || this.pr0.length > 0;
  }

  /** power.states[D3cold].flags.valid */
  get d3cold_valid(): boolean {
    return this.pr0.length > 0 && this.pr3.length > 0;
  }

  /** power.states[state].resources */
  resources(state: int): acpi_power_resource[] {
    if (state === ACPI_STATE_D0) return this.pr0;
    return state === ACPI_STATE_D3_HOT ? this.pr3 : [];
  }
}

async function switch_power(res: acpi_power_resource, on: boolean): Promise<int> {
  if (res.broken) return -ENODEV;
  // Everything behind the switch changes at once.
  await access(res, true, 'hw', 0);
  for (const fn of res.functions) {
    await access(fn.obj, true, 'hw', 0);
    if (res.effect === 'slot') for (const below of fn.below()) await access(below.obj, true, 'hw', 0);
  }
  if (machine.tracing) trace('pci', `power resource ${res.name}: ${on ? '_ON' : '_OFF'}`);
  res.on = on;
  if (res.effect !== 'none') for (const fn of res.functions) fn.set_main_power(res.effect, on);
  return 0;
}

async function __acpi_power_on(res: acpi_power_resource): Promise<int> {
  const result = await switch_power(res, true);
  if (result) return result;
  // Other devices on the same switch have power again too, uninitialised.
  if (res.dependents.length > 1) for (const dep of res.dependents) await pm_request_resume(dep);
  return 0;
}

async function acpi_power_on(res: acpi_power_resource): Promise<int> {
  let result = 0;
  await mutex_lock(res.resource_lock);
  if (res.ref_count++ === 0) {
    result = await __acpi_power_on(res);
    if (result) res.ref_count--;
  }
  await mutex_unlock(res.resource_lock);
  return result;
}

async function acpi_power_off(res: acpi_power_resource): Promise<int> {
  let result = 0;
  await mutex_lock(res.resource_lock);
  if (res.ref_count > 0 && --res.ref_count === 0) {
    result = await switch_power(res, false);
    if (result) res.ref_count++;
  }
  await mutex_unlock(res.resource_lock);
  return result;
}

async function acpi_power_on_list(list: readonly acpi_power_resource[]): Promise<int> {
  for (let i = 0; i < list.length; i++) {
    const result = await acpi_power_on(list[i]);
    if (result) {
      while (--i >= 0) await acpi_power_off(list[i]);
      return result;
    }
  }
  return 0;
}

async function acpi_power_off_list(list: readonly acpi_power_resource[]): Promise<void> {
  for (let i = list.length - 1; i >= 0; i--) {
    if (!(await acpi_power_off(list[i]))) continue;
    while (++i < list.length) await acpi_power_on(list[i]);
    return;
  }
}

/** C: drivers/acpi/power.c acpi_power_transition() */
async function acpi_power_transition(adev: acpi_device, state: int): Promise<int> {
  if (adev.state === state) return 0;
  if (adev.state > ACPI_STATE_D3_COLD) return -ENODEV;
  let result = 0;
  if (state < ACPI_STATE_D3_COLD) result = await acpi_power_on_list(adev.resources(state));
  if (!result && adev.state < ACPI_STATE_D3_COLD) await acpi_power_off_list(adev.resources(adev.state));
  adev.state = result ? ACPI_STATE_UNKNOWN : state;
  return result;
}

/** Move a device by the platform's means. 0, -EINVAL, -ENODEV. C: drivers/acpi/device_pm.c acpi_device_set_power() */
export async function acpi_device_set_power(adev: acpi_device, state: int): Promise<int> {
  let target = state;
  if (!adev.power_manageable || state < ACPI_STATE_D0 || state > ACPI_STATE_D3_COLD) return -EINVAL;
  if (state > ACPI_STATE_D0 && state === adev.state) return 0;
  if (state === ACPI_STATE_D3_COLD) {
    state = ACPI_STATE_D3_HOT;
    if (!adev.d3cold_valid) target = state;
  } else if (state !== ACPI_STATE_D0 && state !== ACPI_STATE_D3_HOT) {
    return -ENODEV;
  }
  if (adev.parent !== null && state < adev.parent.state) return -ENODEV;
  let result = 0;
  if (state > ACPI_STATE_D0) {
    if (state < adev.state) return -ENODEV;
    if (adev.pr0.length > 0) result = await acpi_power_transition(adev, target);
  } else {
    const before = adev.state;
    if (adev.pr0.length > 0) result = await acpi_power_transition(adev, ACPI_STATE_D0);
    if (result) return result;
    if (before === ACPI_STATE_D0) return 0;
  }
  if (!result) adev.state = target;
  return result;
}

// What the PCI core calls

/** C: drivers/pci/pci-acpi.c acpi_pci_power_manageable() */
export function acpi_pci_power_manageable(dev: pci_dev): boolean {
  return dev.acpi !== null && dev.acpi.power_manageable;
}

function acpi_pm_device_sleep_state(adev: acpi_device, d_max_in: int): int {
  let d_max = ACPI_STATE_D3_COLD;
  if (adev.wakeup_valid && adev.s0w !== null) {
    d_max = adev.s0w === ACPI_STATE_D3_HOT || adev.s0w === ACPI_STATE_D0 ? adev.s0w : ACPI_STATE_D3_COLD;
  }
  if (d_max_in >= d_max) return d_max;
  for (let d = d_max_in; d > ACPI_STATE_D0; d--) if (d === ACPI_STATE_D3_HOT) return d;
  return ACPI_STATE_D0;
}

/** C: drivers/pci/pci-acpi.c acpi_pci_choose_state() */
export function acpi_pci_choose_state(dev: pci_dev): pci_power_t {
  if (dev.acpi === null) return PCI_POWER_ERROR;
  const blocked = dev.no_d3cold || (pci().v61 && !dev.d3cold_allowed);
  const state = acpi_pm_device_sleep_state(dev.acpi, blocked ? ACPI_STATE_D3_HOT : ACPI_STATE_D3_COLD);
  if (state === ACPI_STATE_D0) return PCI_D0;
  return state === ACPI_STATE_D3_HOT ? PCI_D3hot : PCI_D3cold;
}

/** _RST. C: drivers/pci/pci-acpi.c pci_dev_acpi_reset() */
export async function pci_dev_acpi_reset(dev: pci_dev, probe: boolean): Promise<int> {
  if (dev.acpi === null || !dev.acpi.has_rst) return -ENOTTY;
  if (probe) return 0;
  await access(dev.hw.obj, true, 'hw', 0);
  dev.hw.reset('flr');
  return 0;
}

/** C: drivers/pci/pci-acpi.c acpi_pci_bridge_d3() */
export function acpi_pci_bridge_d3(dev: pci_dev): boolean {
  if (!dev.is_hotplug_bridge) return false;
  const adev = dev.acpi;
  const v61 = pci().v61;
  const s0w_forbids = (a: acpi_device): boolean => a.s0w !== null && a.s0w < ACPI_STATE_D3_HOT;
  if (v61 && adev !== null && s0w_forbids(adev)) return false;
  if (adev !== null && adev.power_manageable) return true;
  const rpdev = pcie_find_root_port(dev);
  const rp = rpdev === null ? null : rpdev.acpi;
  if (rp === null || !rp.wakeup_valid || s0w_forbids(rp)) return false;
  return rp.hotplug_in_d3;
}

/** 0, -ENODEV without a usable companion, -EINVAL, -EBUSY. C: drivers/pci/pci-acpi.c acpi_pci_set_power_state() */
export async function acpi_pci_set_power_state(dev: pci_dev, state: pci_power_t): Promise<int> {
  const adev = dev.acpi;
  if (adev === null || adev.has_ej0) return -ENODEV;
  if (state < PCI_D0 || state > PCI_D3cold) return -EINVAL;
  if (state === PCI_D3cold && dev.no_power_off) return -EBUSY;
  const error = await acpi_device_set_power(adev, state);
  if (!error && machine.tracing) trace('pci', `${dev.dev.name}: platform put it in D-state ${adev.state}`);
  return error;
}

/** C: drivers/pci/pci-acpi.c acpi_pci_get_power_state() */
export function acpi_pci_get_power_state(dev: pci_dev): pci_power_t {
  const adev = dev.acpi;
  if (adev === null || !adev.power_manageable || adev.state === ACPI_STATE_UNKNOWN) return PCI_UNKNOWN;
  return adev.state;
}

/** C: drivers/pci/pci-acpi.c acpi_pci_refresh_power_state() */
export function acpi_pci_refresh_power_state(dev: pci_dev): void {
  const adev = dev.acpi;
  if (adev === null || !adev.power_manageable || adev.pr0.length === 0) return;
  if (adev.pr0.every((r) => r.on)) adev.state = ACPI_STATE_D0;
  else if (adev.pr3.length > 0 && adev.pr3.every((r) => r.on)) adev.state = ACPI_STATE_D3_HOT;
  else adev.state = adev.d3cold_valid ? ACPI_STATE_D3_COLD : ACPI_STATE_D3_HOT;
}

/** Arm or disarm the platform's wake-up for a device, or for the first bridge above that has it. C: drivers/pci/pci-acpi.c acpi_pci_wakeup() */
export function acpi_pci_wakeup(dev: pci_dev, enable: boolean): int {
  const arm = (adev: acpi_device): int => {
    adev.wakeup_enabled = Math.max(0, adev.wakeup_enabled + (enable ? 1 : -1));
    return 0;
  };
  if (dev.acpi !== null && dev.acpi.wakeup_valid) return arm(dev.acpi);
  let bus: pci_bus | null = dev.bus;
  while (bus !== null && bus.parent !== null) {
    const adev: acpi_device | null = bus.self === null ? null : bus.self.acpi;
    if (adev !== null && adev.wakeup_valid) return arm(adev);
    bus = bus.parent;
  }
  return 0;
}

/** Companion found: take its references. C: drivers/pci/pci-acpi.c pci_acpi_setup(), drivers/acpi/device_pm.c acpi_bus_init_power() */
export function pci_acpi_setup(dev: pci_dev, adev: acpi_device): void {
  dev.acpi = adev;
  adev.state = ACPI_STATE_D0;
  for (const res of adev.pr0) {
    res.ref_count++;
    if (adev.wakeup_valid && !res.dependents.includes(dev.dev)) res.dependents.push(dev.dev);
  }
  if (adev.wakeup_valid) pci_info(dev, 'platform can wake the system\n');
}
