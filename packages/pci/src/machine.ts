// SPDX-License-Identifier: GPL-2.0-only
// From a machine's description to a scanned bus.

import { access, type int, type u32 } from '@vfio-lab/sim';
import { atomic_set } from '@vfio-lab/locking';
import { device, device_initialize, device_add, register_phys_space } from '@vfio-lab/kernel';
import { get_irq_line } from '@vfio-lab/irq';
import { pci, type pci_kernel } from './core.ts';
import { type pci_hw_costs } from './hw/costs.ts';
import { pci_function_hw, type pci_hw_quirks } from './hw/function.ts';
import { PCI_ROM_BAR, type pci_device_model } from './hw/model.ts';
import { pci_phys_hint, phys_load, phys_store } from './iomap.ts';
import { deliver_msi } from './msi.ts';
import { acpi_device, acpi_power_resource, type power_effect } from './pci-acpi.ts';
import { pci_update_current_state } from './pci-pm.ts';
import { pcie_portdrv_init } from './pcie/portdrv.ts';
import { pciehp_init_slot } from './pcie/pciehp.ts';
import * as R from './pci_regs.ts';
import { is_port, pci_alloc_bus, pci_bus_add_devices, pci_scan_child_bus } from './probe.ts';
import { pci_bus_type } from './pci-driver.ts';
import { pci_bus_attrs_init } from './pci-sysfs.ts';
import { PCI_DEVFN, PCI_IOV_RESOURCES, type pci_bus } from './types.ts';

/** One line of sysfs's `resource`. */
export interface pci_resource_description {
  start: number;
  end: number;
  flags: u32;
}

/** What a VF looks like where it differs from what the PF's SR-IOV capability tells. */
export interface pci_vf_description {
  config?: Uint8Array;
  wmask?: Uint8Array;
  quirks?: Partial<pci_hw_quirks>;
}

export interface pci_device_description {
  /** 'dddd:bb:dd.f' */
  bdf: string;
  /** Name of the bridge above, null or absent on a root bus. */
  parent?: string | null;
  /** Config space as firmware and kernel left it. */
  config: Uint8Array;
  wmask?: Uint8Array;
  w1c?: Uint8Array;
  power_on?: Uint8Array;
  /** In the order of sysfs: BARs, ROM, VF BARs, bridge windows. */
  resources: readonly pci_resource_description[];
  /** The line its pin is wired to, 0: none. */
  irq?: int;
  model?: pci_device_model;
  quirks?: Partial<pci_hw_quirks>;
  vf?: pci_vf_description;
  /** How often it was enabled at boot by nobody who is simulated. */
  enabled?: int;
  /** PCI_DEV_FLAGS_* */
  dev_flags?: u32;
  /** ACPI knows the device; power resources imply it. */
  acpi?: Partial<
    Pick<acpi_device, 'has_ps' | 'has_ej0' | 'has_rst' | 'wakeup_valid' | 's0w' | 'hotplug_in_d3'>
  >;
}

export interface pci_power_resource_description {
  name: string;
  /** Devices that need it in D0 and in D3hot. */
  pr0: readonly string[];
  pr3: readonly string[];
  /** What off means for the devices of pr0 (cut) or for what is below them (slot). */
  off: power_effect;
}

export interface pci_machine_description {
  devices: readonly pci_device_description[];
  kernel?: pci_kernel;
  bios_year?: int;
  /** Who drives hotplug slots. pciehp: slots can be reset. Default none. */
  hotplug?: 'none' | 'acpi' | 'pciehp';
  power_resources?: readonly pci_power_resource_description[];
  costs?: Partial<pci_hw_costs>;
  /** Memory that nobody answers reads 0 instead of all ones (QEMU). */
  open_bus_zero?: boolean;
  /** Interrupt lines that nobody requested do not see that a device pulls them (see irq_line, rule 5). */
  free_lines_deaf?: boolean;
  /** Do not register the port driver. */
  no_portdrv?: boolean;
}

/** What probe.ts needs to know that config space does not tell. */
export interface pci_known {
  devfn: int;
  irq: int;
  resources: readonly pci_resource_description[];
  dev_flags: u32;
  acpi: acpi_device | null;
}

/** The text of sysfs's `resource`: lines of start, end, flags. */
export function pci_parse_resources(text: string): pci_resource_description[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [start, end, flags] = line.trim().split(/\s+/).map(Number);
      return Object.freeze({ start, end, flags });
    });
}

function bar_sizes(resources: readonly pci_resource_description[]): number[] {
  const sizes: number[] = [];
  for (let i = 0; i <= PCI_ROM_BAR; i++) {
    const r = resources[i];
    sizes.push(r === undefined || r.flags === 0 ? 0 : r.end - r.start + 1);
  }
  return sizes;
}

/** 'dddd:bb:dd.f' in parts. */
export function pci_parse_bdf(bdf: string): { domain: int; bus: int; devfn: int } {
  const m = /^([0-9a-f]{4}):([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])$/.exec(bdf);
  if (m === null) throw new Error(`not a PCI address: ${bdf}`);
  const [domain, bus, slot, func] = m.slice(1).map((s) => Number.parseInt(s, 16));
  return { domain, bus, devfn: PCI_DEVFN(slot, func) };
}

/** The virtual function's side of an SR-IOV capability. */
function make_vf(pf: pci_function_hw, index: int, desc: pci_device_description): pci_function_hw {
  const { bus, devfn } = pci_parse_bdf(desc.bdf);
  const offset = pf.get16(pf.sriov_cap + R.PCI_SRIOV_VF_OFFSET);
  const stride = pf.get16(pf.sriov_cap + R.PCI_SRIOV_VF_STRIDE);
  const rid = (bus << 8) + devfn + offset + stride * index;
  const h = (n: number, w: number): string => n.toString(16).padStart(w, '0');
  const name = `${desc.bdf.slice(0, 4)}:${h(rid >> 8, 2)}:${h((rid >> 3) & 31, 2)}.${rid & 7}`;
  const config = Uint8Array.from(desc.vf?.config ?? vf_config(pf));
  const total = pf.get16(pf.sriov_cap + R.PCI_SRIOV_TOTAL_VF);
  const sizes: number[] = [];
  for (let i = 0; i < 6; i++) {
    const r = desc.resources[PCI_IOV_RESOURCES + i];
    sizes.push(r === undefined || r.flags === 0 ? 0 : (r.end - r.start + 1) / total);
  }
  const model = pf.model?.virtual_function?.(index);
  const vf = new pci_function_hw({
    name,
    config,
    wmask: desc.vf?.wmask ?? vf_wmask(pf, config),
    bar_sizes: [...sizes, 0],
    quirks: { ...pf.quirks, ...desc.vf?.quirks },
    ...(model === undefined ? {} : { model }),
  });
  vf.on_msi = (_address, data) => deliver_msi(data);
  pci().descriptions.set(vf, { devfn: rid & 0xff, irq: 0, resources: [], dev_flags: 0, acpi: null });
  return vf;
}

/** A VF without a description: its PF without BARs, pin and SR-IOV, ids all ones as the specification wants. */
function vf_config(pf: pci_function_hw): Uint8Array {
  const c = Uint8Array.from(pf.power_on);
  c.fill(0xff, R.PCI_VENDOR_ID, R.PCI_COMMAND);
  c.fill(0, R.PCI_COMMAND, R.PCI_COMMAND + 2);
  c.fill(0, R.PCI_BASE_ADDRESS_0, R.PCI_BASE_ADDRESS_0 + 24);
  c.fill(0, R.PCI_ROM_ADDRESS, R.PCI_ROM_ADDRESS + 4);
  c[R.PCI_INTERRUPT_PIN] = 0;
  c[R.PCI_INTERRUPT_LINE] = 0;
  for (let pos = 0x100; pos >= 0x100 && pos < c.length;) {
    const next = ((c[pos + 3] << 4) | (c[pos + 2] >> 4)) & 0xffc;
    if (next !== pf.sriov_cap) {
      pos = next;
      continue;
    }
    const after = ((c[next + 3] << 4) | (c[next + 2] >> 4)) & 0xffc;
    c[pos + 2] = (c[pos + 2] & 0xf) | ((after << 4) & 0xf0);
    c[pos + 3] = after >> 4;
    break;
  }
  c.fill(0, pf.sriov_cap, pf.sriov_cap + 0x40);
  return c;
}

function vf_wmask(pf: pci_function_hw, config: Uint8Array): Uint8Array {
  const m = Uint8Array.from(pf.wmask);
  // Of COMMAND only BusMaster exists in a VF.
  m.fill(0, 0, 0x40);
  m[R.PCI_COMMAND] = R.PCI_COMMAND_MASTER;
  m.fill(0, pf.sriov_cap, pf.sriov_cap + 0x40);
  return m.subarray(0, config.length);
}

/** Build the hardware of a description. */
function build(desc: pci_machine_description): void {
  const core = pci();
  const by_name = new Map<string, pci_function_hw>();
  const acpi = new Map<string, acpi_device>();
  const companion = (bdf: string): acpi_device => {
    let a = acpi.get(bdf);
    if (a === undefined) acpi.set(bdf, (a = new acpi_device()));
    return a;
  };
  const resources = (desc.power_resources ?? []).map((r) => ({
    desc: r,
    res: new acpi_power_resource(r.name, r.off),
  }));
  for (const { desc: r, res } of resources) {
    core.power_resources.push(res);
    for (const bdf of r.pr0) companion(bdf).pr0.push(res);
    for (const bdf of r.pr3) companion(bdf).pr3.push(res);
  }
  for (const d of desc.devices) if (d.acpi !== undefined) Object.assign(companion(d.bdf), d.acpi);
  const pfs = new Map<pci_function_hw, pci_device_description>();
  for (const d of desc.devices) {
    const hw = new pci_function_hw({
      name: d.bdf,
      config: d.config,
      bar_sizes: bar_sizes(d.resources),
      ...(d.wmask === undefined ? {} : { wmask: d.wmask }),
      ...(d.w1c === undefined ? {} : { w1c: d.w1c }),
      ...(d.power_on === undefined ? {} : { power_on: d.power_on }),
      ...(d.model === undefined ? {} : { model: d.model }),
      ...(d.quirks === undefined ? {} : { quirks: d.quirks }),
    });
    by_name.set(d.bdf, hw);
    pfs.set(hw, d);
    const irq = d.irq ?? 0;
    core.descriptions.set(hw, {
      devfn: pci_parse_bdf(d.bdf).devfn,
      irq,
      resources: d.resources,
      dev_flags: d.dev_flags ?? 0,
      acpi: acpi.get(d.bdf) ?? null,
    });
    if (irq !== 0) {
      const line = get_irq_line(irq);
      line.deaf_while_free = desc.free_lines_deaf ?? false;
      hw.on_intx = (asserted) => (asserted ? line.raise(hw) : line.lower(hw));
    }
    hw.on_msi = (_address, data) => deliver_msi(data);
  }
  for (const d of desc.devices) {
    const up = d.parent ? by_name.get(d.parent) : null;
    if (up === undefined) throw new Error(`${d.bdf}: no bridge ${d.parent ?? ''}`);
    const hw = by_name.get(d.bdf);
    if (hw !== undefined) core.fabric.add(hw, up);
    const parent_acpi = d.parent ? acpi.get(d.parent) : undefined;
    if (parent_acpi !== undefined) {
      const own = acpi.get(d.bdf);
      if (own !== undefined) own.parent = parent_acpi;
    }
  }
  for (const { desc: r, res } of resources) {
    for (const bdf of r.pr0) {
      const hw = by_name.get(bdf);
      if (hw !== undefined) res.functions.push(hw);
    }
  }
  core.fabric.make_vf = (pf, index) => {
    const d = pfs.get(pf);
    return d === undefined ? null : make_vf(pf, index, d);
  };
}

/**
 * Build the hardware of a machine, scan it and register the port driver.
 * Call once on a running machine, with the runtime-PM core registered.
 * @returns the root bus
 */
export async function pci_scan(desc: pci_machine_description): Promise<pci_bus> {
  const core = pci();
  core.kernel = desc.kernel ?? 'v5.19';
  core.bios_year = desc.bios_year ?? core.bios_year;
  core.native_pcie_hotplug = desc.hotplug === 'pciehp';
  Object.assign(core.costs, desc.costs ?? {});
  core.fabric.open_bus_zero = desc.open_bus_zero ?? false;
  build(desc);
  register_phys_space({
    point: (addr, write) => {
      const at = pci_phys_hint(addr);
      const ns = write ? core.costs.mmio_write : core.costs.mmio_read;
      return access(at === null ? core.nowhere : at.fn.obj, true, 'hw', ns);
    },
    read: (addr, size) => phys_load(addr, size),
    write: (addr, size, value) => phys_store(addr, size, value),
  });
  pci_bus_type();
  pci_bus_attrs_init();
  const host = new device(null);
  host.name = 'pci0000:00';
  device_initialize(host);
  host.release = () => {};
  await device_add(host);
  const root = pci_alloc_bus(null, null, 0, 0xff);
  root.bridge = host;
  core.pci_root_buses.push(root);
  await pci_scan_child_bus(root);
  for (const dev of core.devices) {
    const enabled = desc.devices.find((d) => d.bdf === dev.dev.name)?.enabled ?? 0;
    if (enabled === 0) continue;
    atomic_set(dev.enable_cnt, enabled);
    await pci_update_current_state(dev, 0);
  }
  await pci_bus_add_devices(root);
  if (desc.no_portdrv !== true) await pcie_portdrv_init();
  if (core.native_pcie_hotplug)
    for (const dev of core.devices) if (is_port(dev) && dev.is_hotplug_bridge) pciehp_init_slot(dev);
  return root;
}
