// SPDX-License-Identifier: GPL-2.0-only
// include/linux/pci.h, drivers/pci/pci.h (v5.19-rc4): the structs of the PCI core.

import { type int, Obj, type u16, type u32, type u8 } from '@vfio-lab/sim';
import { atomic_t, mutex, spinlock_t } from '@vfio-lab/locking';
import { device, device_driver } from '@vfio-lab/kernel';
import type { msi_desc } from './msi.ts';
import type { pci_function_hw } from './hw/function.ts';
import type { iomem } from './iomap.ts';
import { resource } from './resource.ts';
import type { acpi_device } from './pci-acpi.ts';
import type { pcie_pme_service_data } from './pcie/pme.ts';

/** D-states as the core numbers them. */
export type pci_power_t = int;
export const PCI_D0: pci_power_t = 0;
export const PCI_D1: pci_power_t = 1;
export const PCI_D2: pci_power_t = 2;
export const PCI_D3hot: pci_power_t = 3;
export const PCI_D3cold: pci_power_t = 4;
export const PCI_UNKNOWN: pci_power_t = 5;
export const PCI_POWER_ERROR: pci_power_t = -1;

export const pci_power_names: readonly string[] = ['error', 'D0', 'D1', 'D2', 'D3hot', 'D3cold', 'unknown'];

/** 'D0', 'D3hot', 'unknown', ... */
export function pci_power_name(state: pci_power_t): string {
  return pci_power_names[1 + state];
}

export const PCI_ANY_ID = 0xffffffff;
export const PCI_STD_RESOURCES = 0;
export const PCI_STD_RESOURCE_END = 5;
export const PCI_ROM_RESOURCE = 6;
export const PCI_IOV_RESOURCES = 7;
export const PCI_IOV_RESOURCE_END = 12;
export const PCI_BRIDGE_RESOURCES = 13;
export const PCI_NUM_RESOURCES = 17;
export const DEVICE_COUNT_RESOURCE = PCI_NUM_RESOURCES;

export const PCI_CLASS_BRIDGE_HOST = 0x0600;
export const PCI_CLASS_BRIDGE_PCI = 0x0604;
export const PCI_CLASS_DISPLAY_VGA = 0x0300;
export const PCI_CLASS_SERIAL_USB = 0x0c03;
export const PCI_BASE_CLASS_DISPLAY = 0x03;
export const PCI_VENDOR_ID_INTEL = 0x8086;
export const PCI_VENDOR_ID_NVIDIA = 0x10de;

// pci_dev.dev_flags
export const PCI_DEV_FLAGS_MSI_INTX_DISABLE_BUG = 1 << 0;
export const PCI_DEV_FLAGS_NO_D3 = 1 << 1;
export const PCI_DEV_FLAGS_ASSIGNED = 1 << 2;
export const PCI_DEV_FLAGS_NO_BUS_RESET = 1 << 6;
export const PCI_DEV_FLAGS_NO_PM_RESET = 1 << 7;
export const PCI_DEV_FLAGS_NO_FLR_RESET = 1 << 10;

export function PCI_DEVFN(slot: int, func: int): int {
  return ((slot & 0x1f) << 3) | (func & 7);
}
export function PCI_SLOT(devfn: int): int {
  return (devfn >> 3) & 0x1f;
}
export function PCI_FUNC(devfn: int): int {
  return devfn & 7;
}

export interface pci_device_id {
  vendor: u32;
  device: u32;
  subvendor: u32;
  subdevice: u32;
  class: u32;
  class_mask: u32;
  driver_data?: unknown;
  override_only?: u32;
}

export type pci_channel_state_t = int;
export type pci_ers_result_t = int;
export const PCI_ERS_RESULT_NONE: pci_ers_result_t = 1;
export const PCI_ERS_RESULT_CAN_RECOVER: pci_ers_result_t = 2;
export const PCI_ERS_RESULT_NEED_RESET: pci_ers_result_t = 3;
export const PCI_ERS_RESULT_DISCONNECT: pci_ers_result_t = 4;
export const PCI_ERS_RESULT_RECOVERED: pci_ers_result_t = 5;
export const pci_channel_io_normal: pci_channel_state_t = 1;
export const pci_channel_io_frozen: pci_channel_state_t = 2;
export const pci_channel_io_perm_failure: pci_channel_state_t = 3;

export interface pci_error_handlers {
  error_detected?(dev: pci_dev, error: pci_channel_state_t): Promise<pci_ers_result_t> | pci_ers_result_t;
  slot_reset?(dev: pci_dev): Promise<pci_ers_result_t> | pci_ers_result_t;
  reset_prepare?(dev: pci_dev): Promise<void> | void;
  reset_done?(dev: pci_dev): Promise<void> | void;
  resume?(dev: pci_dev): Promise<void> | void;
}

/** struct pci_driver. `driver` is filled by pci_register_driver(). */
export class pci_driver {
  name = '';
  id_table: readonly pci_device_id[] | null = null;
  probe: ((dev: pci_dev, id: pci_device_id) => Promise<int> | int) | null = null;
  remove: ((dev: pci_dev) => Promise<void> | void) | null = null;
  shutdown: ((dev: pci_dev) => Promise<void> | void) | null = null;
  sriov_configure: ((dev: pci_dev, num_vfs: int) => Promise<int> | int) | null = null;
  err_handler: pci_error_handlers | null = null;
  driver_managed_dma = false;
  readonly driver: device_driver = new device_driver(this);
  readonly dynids = { lock: new spinlock_t(), list: [] as pci_device_id[] };
}

/** What a hotplug driver can do to its slot. */
export interface hotplug_slot_ops {
  /** What the C callback answers to a probe; absent: no reset by this slot, -ENOTTY. */
  can_reset?(slot: pci_slot): int;
  reset_slot?(slot: pci_slot): Promise<int> | int;
}

/** struct pci_slot: a physical slot of a bus. */
export class pci_slot {
  bus!: pci_bus;
  /** Device number, 0xff for all. */
  number: int = 0;
  hotplug: { ops: hotplug_slot_ops } | null = null;
}

/** struct pci_bus */
export class pci_bus {
  parent: pci_bus | null = null;
  readonly children: pci_bus[] = [];
  readonly devices: pci_dev[] = [];
  self: pci_dev | null = null;
  readonly slots: pci_slot[] = [];
  number: int = 0;
  primary: int = 0;
  busn_end: int = 0;
  domain_nr: int = 0;
  bus_flags: u32 = 0;
  is_added = false;
  name = '';
  /** The host bridge's device, on a root bus. */
  bridge: device | null = null;
}

/** A capability's saved registers. */
export class pci_cap_saved_state {
  readonly cap_nr: u16;
  readonly cap_extended: boolean;
  readonly data: Uint32Array;

  constructor(cap_nr: u16, cap_extended: boolean, words: int) {
    this.cap_nr = cap_nr;
    this.cap_extended = cap_extended;
    this.data = new Uint32Array(words);
  }
}

/** struct pci_saved_state: an image made by pci_store_saved_state(). */
export class pci_saved_state {
  readonly config_space = new Uint32Array(16);
  cap: { cap_nr: u16; cap_extended: boolean; data: Uint32Array }[] = [];
}

/** struct pci_sriov */
export class pci_sriov {
  pos: int = 0;
  nres: int = 0;
  cap: u32 = 0;
  ctrl: u16 = 0;
  total_VFs: u16 = 0;
  initial_VFs: u16 = 0;
  num_VFs: u16 = 0;
  offset: u16 = 0;
  stride: u16 = 0;
  vf_device: u16 = 0;
  pgsz: u32 = 0;
  link: int = 0;
  driver_max_VFs: u16 = 0;
  dev!: pci_dev;
  readonly lock = new mutex();
  class: u32 = 0;
  hdr_type: u8 = 0;
  subsystem_vendor: u16 = 0;
  subsystem_device: u16 = 0;
  readonly barsz: number[] = [0, 0, 0, 0, 0, 0];
  drivers_autoprobe = true;
}

export const PCI_NUM_RESET_METHODS = 7;

/** struct pci_dev. `hw` is the simulated silicon: core code reaches it only through access.ts. */
export class pci_dev {
  readonly dev: device = new device(this);
  readonly hw: pci_function_hw;
  bus!: pci_bus;
  subordinate: pci_bus | null = null;
  slot: pci_slot | null = null;
  /** Of a root port whose driver serves its PME interrupt. */
  pme_service: pcie_pme_service_data | null = null;
  devfn: int = 0;
  vendor: u16 = 0;
  device: u16 = 0;
  subsystem_vendor: u16 = 0;
  subsystem_device: u16 = 0;
  class: u32 = 0;
  revision: u8 = 0;
  hdr_type: u8 = 0;
  pcie_cap: u8 = 0;
  msi_cap: u8 = 0;
  msix_cap: u8 = 0;
  pcie_mpss = 0;
  rom_base_reg: u8 = 0;
  pin: u8 = 0;
  pcie_flags_reg: u16 = 0;
  devcap: u32 = 0;
  driver: pci_driver | null = null;
  current_state: pci_power_t = PCI_UNKNOWN;
  /** What a point says that is about current_state. */
  readonly state_obj = new Obj('current_state');
  imm_ready = false;
  pm_cap: u8 = 0;
  pme_support = 0;
  pme_poll = false;
  d1_support = false;
  d2_support = false;
  no_d1d2 = false;
  no_d3cold = false;
  bridge_d3 = false;
  d3cold_allowed = false;
  mmio_always_on = false;
  wakeup_prepared = false;
  skip_bus_pm = false;
  ignore_hotplug = false;
  hotplug_user_indicators = false;
  clear_retrain_link = false;
  d3hot_delay = 0;
  d3cold_delay = 0;
  error_state: pci_channel_state_t = pci_channel_io_normal;
  cfg_size = 256;
  irq: u32 = 0;
  readonly resource: resource[] = Array.from({ length: DEVICE_COUNT_RESOURCE }, () => new resource());
  match_driver = false;
  transparent = false;
  multifunction = false;
  is_busmaster = false;
  no_msi = false;
  no_64bit_msi = false;
  block_cfg_access = false;
  broken_parity_status = false;
  irq_reroute_variant = 0;
  msi_enabled = false;
  msix_enabled = false;
  ari_enabled = false;
  ats_enabled = false;
  needs_freset = false;
  state_saved = false;
  is_physfn = false;
  is_virtfn = false;
  is_hotplug_bridge = false;
  is_thunderbolt = false;
  broken_intx_masking = false;
  no_command_memory = false;
  non_compliant_bars = false;
  dev_flags = 0;
  readonly enable_cnt = new atomic_t();
  readonly saved_config_space = new Uint32Array(16);
  readonly saved_cap_space: pci_cap_saved_state[] = [];
  rom_attr_enabled = false;
  readonly pcie_cap_lock = new spinlock_t();
  driver_override: string | null = null;
  sriov: pci_sriov | null = null;
  physfn: pci_dev | null = null;
  readonly vpd = { lock: new mutex(), len: 0, cap: 0 };
  readonly reset_methods: u8[] = [];
  is_added = false;
  is_disconnected = false;
  acpi: acpi_device | null = null;
  readonly msi_descs: msi_desc[] = [];
  msix_base: iomem | null = null;
  /** PM QoS flag NO_POWER_OFF set by user space. */
  no_power_off = false;
  link_active_reporting = false;

  constructor(hw: pci_function_hw) {
    this.hw = hw;
  }
}

/** struct device -> struct pci_dev */
export function to_pci_dev(dev: device): pci_dev {
  return dev.container as pci_dev;
}

/** struct device_driver -> struct pci_driver */
export function to_pci_driver(drv: device_driver): pci_driver {
  return drv.container as pci_driver;
}
