// SPDX-License-Identifier: GPL-2.0-only
// drivers/pci/probe.c, bus.c (v5.19-rc4): finding devices. BAR sizes come from the machine's description instead of the
// write-all-ones dance; everything else is read from the hardware.

import { type int, machine, ref } from '@vfio-lab/sim';
import { down_write, mutex_lock, mutex_unlock, up_write } from '@vfio-lab/locking';
import { dev_set_name, device_add, device_attach, device_initialize, EIO, pci_err } from '@vfio-lab/kernel';
import {
  pci_pcie_type,
  pci_read_config_byte,
  pci_read_config_dword,
  pci_read_config_word,
  pci_write_config_word,
  pcie_capability_read_dword,
  pcie_capability_set_word,
} from './access.ts';
import { pci } from './core.ts';
import type { pci_function_hw } from './hw/function.ts';
import { pci_iov_init } from './iov.ts';
import { pci_msi_init } from './msi.ts';
import {
  pci_allocate_cap_save_buffers,
  pci_disable_device,
  pci_enable_device,
  pci_find_capability,
  pci_find_ext_capability,
  pci_is_bridge,
} from './pci.ts';
import { pci_acpi_setup } from './pci-acpi.ts';
import { pci_bus_type } from './pci-driver.ts';
import { pci_bridge_d3_update, pci_pm_init } from './pci-pm.ts';
import { pci_init_reset_methods } from './pci-reset.ts';
import { pci_create_resource_files } from './pci-sysfs.ts';
import { pcie_pme_connect } from './pcie/pme.ts';
import { pci_dev_assign_slot } from './pcie/pciehp.ts';
import * as R from './pci_regs.ts';
import { insert_resource, IORESOURCE_IO } from './resource.ts';
import { PCI_CLASS_SERIAL_USB, PCI_FUNC, PCI_SLOT, PCI_UNKNOWN, pci_bus, pci_dev } from './types.ts';
import { vga_arbiter_add_pci_device } from './vgaarb.ts';
import { pci_vpd_init } from './vpd.ts';

/** 'dddd:bb:dd.f' */
export function pci_dev_name(domain: int, bus: int, devfn: int): string {
  const h = (n: number, w: number): string => n.toString(16).padStart(w, '0');
  return `${h(domain, 4)}:${h(bus, 2)}:${h(PCI_SLOT(devfn), 2)}.${PCI_FUNC(devfn)}`;
}

async function set_pcie_port_type(dev: pci_dev): Promise<void> {
  const pos = await pci_find_capability(dev, R.PCI_CAP_ID_EXP);
  if (!pos) return;
  dev.pcie_cap = pos;
  const v = ref(0);
  await pci_read_config_word(dev, pos + R.PCI_EXP_FLAGS, v);
  dev.pcie_flags_reg = v.v;
  await pci_read_config_dword(dev, pos + R.PCI_EXP_DEVCAP, v);
  dev.devcap = v.v;
  dev.pcie_mpss = v.v & R.PCI_EXP_DEVCAP_PAYLOAD;
  await pcie_capability_read_dword(dev, R.PCI_EXP_LNKCAP, v);
  dev.link_active_reporting = (v.v & R.PCI_EXP_LNKCAP_DLLLARC) !== 0;
}

async function set_pcie_hotplug_bridge(dev: pci_dev): Promise<void> {
  const v = ref(0);
  await pcie_capability_read_dword(dev, R.PCI_EXP_SLTCAP, v);
  if (v.v & R.PCI_EXP_SLTCAP_HPC) dev.is_hotplug_bridge = true;
}

/** Can COMMAND.DisINTx not be toggled. C: drivers/pci/probe.c pci_intx_mask_broken() */
async function pci_intx_mask_broken(dev: pci_dev): Promise<boolean> {
  const v = ref(0);
  await pci_read_config_word(dev, R.PCI_COMMAND, v);
  const orig = v.v;
  const toggle = orig ^ R.PCI_COMMAND_INTX_DISABLE;
  await pci_write_config_word(dev, R.PCI_COMMAND, toggle);
  await pci_read_config_word(dev, R.PCI_COMMAND, v);
  await pci_write_config_word(dev, R.PCI_COMMAND, orig);
  return v.v !== toggle;
}

async function pci_cfg_space_size(dev: pci_dev): Promise<int> {
  if (dev.hw.config.length <= R.PCI_CFG_SPACE_SIZE) return R.PCI_CFG_SPACE_SIZE;
  const v = ref(0);
  await pci_read_config_dword(dev, R.PCI_CFG_SPACE_SIZE, v);
  return v.v === 0xffffffff && dev.pcie_cap === 0 ? R.PCI_CFG_SPACE_SIZE : R.PCI_CFG_SPACE_EXP_SIZE;
}

/** Fill in what config space tells. 0 or -EIO. C: drivers/pci/probe.c pci_setup_device() */
export async function pci_setup_device(dev: pci_dev): Promise<int> {
  const v = ref(0);
  const iov = dev.physfn?.sriov ?? null;
  if (iov !== null && dev.is_virtfn) v.v = iov.hdr_type;
  else await pci_read_config_byte(dev, R.PCI_HEADER_TYPE, v);
  dev.dev.parent = dev.bus.self?.dev ?? dev.bus.bridge;
  dev.dev.bus = pci_bus_type();
  dev.hdr_type = v.v & 0x7f;
  dev.multifunction = (v.v & 0x80) !== 0;
  await set_pcie_port_type(dev);
  pci_dev_assign_slot(dev);
  dev_set_name(dev.dev, pci_dev_name(dev.bus.domain_nr, dev.bus.number, dev.devfn));
  if (iov !== null && dev.is_virtfn) v.v = iov.class;
  else await pci_read_config_dword(dev, R.PCI_CLASS_REVISION, v);
  dev.revision = v.v & 0xff;
  dev.class = v.v >>> 8;
  dev.cfg_size = await pci_cfg_space_size(dev);
  dev.current_state = PCI_UNKNOWN;
  dev.broken_intx_masking = await pci_intx_mask_broken(dev);
  if (dev.hdr_type === R.PCI_HEADER_TYPE_NORMAL) {
    await pci_read_irq(dev);
    dev.rom_base_reg = R.PCI_ROM_ADDRESS;
    if (iov !== null && dev.is_virtfn) {
      dev.subsystem_vendor = iov.subsystem_vendor;
      dev.subsystem_device = iov.subsystem_device;
    } else {
      await pci_read_config_word(dev, R.PCI_SUBSYSTEM_VENDOR_ID, v);
      dev.subsystem_vendor = v.v;
      await pci_read_config_word(dev, R.PCI_SUBSYSTEM_ID, v);
      dev.subsystem_device = v.v;
    }
  } else if (dev.hdr_type === R.PCI_HEADER_TYPE_BRIDGE) {
    await pci_read_irq(dev);
    dev.rom_base_reg = R.PCI_ROM_ADDRESS1;
    await set_pcie_hotplug_bridge(dev);
    const pos = await pci_find_capability(dev, R.PCI_CAP_ID_SSVID);
    if (pos) {
      await pci_read_config_word(dev, pos + R.PCI_SSVID_VENDOR_ID, v);
      dev.subsystem_vendor = v.v;
      await pci_read_config_word(dev, pos + R.PCI_SSVID_DEVICE_ID, v);
      dev.subsystem_device = v.v;
    }
  } else {
    pci_err(dev, `unknown header type ${dev.hdr_type.toString(16)}, ignoring device\n`);
    return -EIO;
  }
  return 0;
}

async function pci_read_irq(dev: pci_dev): Promise<void> {
  // A VF has no pin.
  if (dev.is_virtfn) return;
  const v = ref(0);
  await pci_read_config_byte(dev, R.PCI_INTERRUPT_PIN, v);
  dev.pin = v.v;
  dev.irq = 0;
  if (v.v) dev.irq = pci().descriptions.get(dev.hw)?.irq ?? 0;
}

async function pci_configure_ari(dev: pci_dev): Promise<void> {
  const bridge = dev.bus.self;
  if (dev.pcie_cap === 0 || dev.devfn || bridge === null) return;
  const cap = ref(0);
  await pcie_capability_read_dword(bridge, R.PCI_EXP_DEVCAP2, cap);
  if (!(cap.v & R.PCI_EXP_DEVCAP2_ARI)) return;
  if (!(await pci_find_ext_capability(dev, R.PCI_EXT_CAP_ID_ARI))) return;
  await pcie_capability_set_word(bridge, R.PCI_EXP_DEVCTL2, R.PCI_EXP_DEVCTL2_ARI);
  bridge.ari_enabled = true;
}

async function pci_init_capabilities(dev: pci_dev): Promise<void> {
  await pci_msi_init(
    dev,
    await pci_find_capability(dev, R.PCI_CAP_ID_MSI),
    await pci_find_capability(dev, R.PCI_CAP_ID_MSIX),
  );
  await pci_allocate_cap_save_buffers(dev);
  await pci_pm_init(dev);
  pci_vpd_init(dev, await pci_find_capability(dev, R.PCI_CAP_ID_VPD));
  await pci_configure_ari(dev);
  await pci_iov_init(dev);
  await pci_init_reset_methods(dev);
}

/** Early fixups that leave a mark: USB hosts are taken from the firmware, which enables them once. C: drivers/usb/host/pci-quirks.c */
async function pci_fixup_final(dev: pci_dev): Promise<void> {
  if (dev.class >>> 8 !== PCI_CLASS_SERIAL_USB) return;
  if ((await pci_enable_device(dev)) === 0) await pci_disable_device(dev);
}

/** Add a device to its bus; no driver sees it yet. C: drivers/pci/probe.c pci_device_add() */
export async function pci_device_add(dev: pci_dev, bus: pci_bus): Promise<void> {
  const core = pci();
  device_initialize(dev.dev);
  dev.dev.release = () => {};
  await pci_init_capabilities(dev);
  const acpi = core.descriptions.get(dev.hw)?.acpi ?? null;
  if (acpi !== null) pci_acpi_setup(dev, acpi);
  await down_write(core.pci_bus_sem);
  bus.devices.push(dev);
  core.devices.push(dev);
  await up_write(core.pci_bus_sem);
  dev.match_driver = false;
  await device_add(dev.dev);
  pcie_pme_connect(dev);
}

/** From here drivers may have it. C: drivers/pci/bus.c pci_bus_add_device() */
export async function pci_bus_add_device(dev: pci_dev): Promise<void> {
  await pci_fixup_final(dev);
  pci_create_resource_files(dev);
  vga_arbiter_add_pci_device(dev);
  await pci_bridge_d3_update(dev);
  dev.match_driver = true;
  await device_attach(dev.dev);
  dev.is_added = true;
}

/** One function: probe its config space and add it. C: drivers/pci/probe.c pci_scan_single_device() */
async function pci_scan_single_device(bus: pci_bus, hw: pci_function_hw): Promise<pci_dev | null> {
  const core = pci();
  const dev = machine.adopt(new pci_dev(hw));
  const desc = core.descriptions.get(hw);
  dev.bus = bus;
  dev.devfn = desc?.devfn ?? 0;
  const id = ref(0);
  await pci_read_config_dword(dev, R.PCI_VENDOR_ID, id);
  if (id.v === 0xffffffff || id.v === 0) return null;
  dev.vendor = id.v & 0xffff;
  dev.device = id.v >>> 16;
  if (await pci_setup_device(dev)) return null;
  dev.dev_flags |= desc?.dev_flags ?? 0;
  for (const [i, r] of (desc?.resources ?? []).entries()) {
    const res = dev.resource[i];
    res.start = r.start;
    res.end = r.end;
    res.flags = r.flags;
    res.name = dev.dev.name;
    if (r.flags) insert_resource(r.flags & IORESOURCE_IO ? core.ioport_resource : core.iomem_resource, res);
  }
  await pci_device_add(dev, bus);
  return dev;
}

/** A new bus below a bridge, or a root bus. */
export function pci_alloc_bus(
  parent: pci_bus | null,
  self: pci_dev | null,
  number: int,
  busn_end: int,
): pci_bus {
  const bus = new pci_bus();
  bus.parent = parent;
  bus.self = self;
  bus.number = number;
  bus.busn_end = busn_end;
  bus.name = `0000:${number.toString(16).padStart(2, '0')}`;
  if (self !== null) self.subordinate = bus;
  parent?.children.push(bus);
  return bus;
}

/** Scan a bus and, bridges after all functions, what is below. C: drivers/pci/probe.c pci_scan_child_bus() */
export async function pci_scan_child_bus(bus: pci_bus): Promise<void> {
  const core = pci();
  const above = bus.self?.hw ?? null;
  const here = core.fabric.functions.filter((f) => f.pf === null && f.parent === above);
  here.sort((a, b) => devfn_of(a) - devfn_of(b));
  for (const hw of here) {
    if (!bus.devices.some((d) => d.hw === hw)) await pci_scan_single_device(bus, hw);
  }
  for (const dev of bus.devices) {
    if (!pci_is_bridge(dev) || dev.is_virtfn) continue;
    if (dev.subordinate === null) {
      const v = ref(0);
      await pci_read_config_byte(dev, R.PCI_SECONDARY_BUS, v);
      const secondary = v.v;
      await pci_read_config_byte(dev, R.PCI_SUBORDINATE_BUS, v);
      pci_alloc_bus(bus, dev, secondary, v.v);
    }
    if (dev.subordinate !== null) await pci_scan_child_bus(dev.subordinate);
  }
}

function devfn_of(hw: pci_function_hw): int {
  return pci().descriptions.get(hw)?.devfn ?? 0;
}

/** Let drivers see all new devices of a bus and below. C: drivers/pci/bus.c pci_bus_add_devices() */
export async function pci_bus_add_devices(bus: pci_bus): Promise<void> {
  for (const dev of [...bus.devices]) if (!dev.is_added) await pci_bus_add_device(dev);
  for (const dev of [...bus.devices])
    if (dev.subordinate !== null) await pci_bus_add_devices(dev.subordinate);
}

/** Look for devices that were not there or were removed. C: drivers/pci/probe.c pci_rescan_bus() */
export async function pci_rescan_bus(bus: pci_bus): Promise<void> {
  await mutex_lock(pci().pci_rescan_remove_lock);
  await pci_scan_child_bus(bus);
  await pci_bus_add_devices(bus);
  await mutex_unlock(pci().pci_rescan_remove_lock);
}

export function is_port(dev: pci_dev): boolean {
  const type = pci_pcie_type(dev);
  return dev.pcie_cap !== 0 && (type === R.PCI_EXP_TYPE_ROOT_PORT || type === R.PCI_EXP_TYPE_DOWNSTREAM);
}
