// SPDX-License-Identifier: GPL-2.0-only
// drivers/pci/pci-sysfs.c (v5.19-rc4): what a device shows in sysfs.

import { type int, ref } from '@vfio-lab/sim';
import {
  attribute_group,
  type Awaitable,
  type bin_attribute,
  bus_create_file,
  CAP_SYS_ADMIN,
  capable,
  type device,
  type device_attribute,
  device_create_bin_file,
  device_lock,
  device_unlock,
  EBUSY,
  EINVAL,
  EIO,
  ENOENT,
  EPERM,
  ERANGE,
  io_remap_pfn_range,
  kstrtobool,
  PAGE_SIZE,
  pci_err,
  pci_info,
  pci_warn,
  sysfs_streq,
  type vm_area_struct,
} from '@vfio-lab/kernel';
import { pm_runtime_get_sync, pm_runtime_put, pm_runtime_resume } from '@vfio-lab/runtime-pm';
import {
  pci_is_pcie,
  pci_read_config_byte,
  pci_user_read_config_byte,
  pci_user_read_config_dword,
  pci_user_read_config_word,
  pci_user_write_config_byte,
  pci_user_write_config_dword,
  pci_user_write_config_word,
  pcie_capability_read_dword,
  pcie_capability_read_word,
} from './access.ts';
import { pci } from './core.ts';
import { ioread8 } from './iomap.ts';
import { pci_sriov_get_totalvfs } from './iov.ts';
import {
  pci_disable_device,
  pci_enable_device,
  pci_is_bridge,
  pci_is_enabled,
  pci_resource_flags,
  pci_resource_len,
} from './pci.ts';
import { pci_bus_type } from './pci-driver.ts';
import {
  pci_bridge_d3_update,
  pci_config_pm_runtime_get,
  pci_config_pm_runtime_put,
  pci_d3cold_disable,
  pci_d3cold_enable,
} from './pci-pm.ts';
import {
  pci_init_reset_methods,
  pci_reset_bus,
  pci_reset_fn_methods,
  pci_reset_function,
  pci_reset_supported,
} from './pci-reset.ts';
import * as R from './pci_regs.ts';
import { pci_rescan_bus } from './probe.ts';
import { pci_stop_and_remove_bus_device_locked } from './remove.ts';
import { IORESOURCE_IO, IORESOURCE_MEM, IORESOURCE_PREFETCH } from './resource.ts';
import { pci_map_rom, pci_unmap_rom } from './rom.ts';
import {
  PCI_BRIDGE_RESOURCES,
  PCI_CLASS_DISPLAY_VGA,
  PCI_NUM_RESET_METHODS,
  PCI_ROM_RESOURCE,
  type pci_dev,
  pci_power_name,
  to_pci_dev,
} from './types.ts';

type show_fn = (pdev: pci_dev, dev: device) => Awaitable<string | number>;
type store_fn = (pdev: pci_dev, buf: string, dev: device) => Awaitable<number>;

function ATTR(
  name: string,
  mode: number,
  show: show_fn | null,
  store: store_fn | null = null,
): device_attribute {
  return Object.freeze({
    name,
    mode,
    ...(show === null ? {} : { show: (dev: device) => show(to_pci_dev(dev), dev) }),
    ...(store === null
      ? {}
      : { store: (dev: device, _attr: device_attribute, buf: string) => store(to_pci_dev(dev), buf, dev) }),
  });
}

const RO = (name: string, show: show_fn): device_attribute => ATTR(name, 0o444, show);
const RW = (name: string, show: show_fn, store: store_fn): device_attribute => ATTR(name, 0o644, show, store);
const WO = (name: string, store: store_fn): device_attribute => ATTR(name, 0o200, null, store);

/** A number as kstrtoul(buf, 0) takes it, null when it is none. */
export function kstrtoul(buf: string): number | null {
  const m = /^\+?(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)\n?$/.exec(buf);
  if (m === null) return null;
  const text = m[1];
  return /^0[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number(text);
}

const hex = (n: number, width: number): string => `0x${n.toString(16).padStart(width, '0')}\n`;

function resource_text(dev: pci_dev): string {
  const max = pci_is_bridge(dev) ? dev.resource.length : PCI_BRIDGE_RESOURCES;
  const h = (n: number): string => `0x${n.toString(16).padStart(16, '0')}`;
  let text = '';
  for (let i = 0; i < max; i++) {
    const r = dev.resource[i];
    text += `${h(r.start)} ${h(r.end)} ${h(r.flags)}\n`;
  }
  return text;
}

function modalias(d: pci_dev): string {
  const h = (n: number, w: number): string => n.toString(16).toUpperCase().padStart(w, '0');
  const cls = h(d.class, 6);
  return `pci:v${h(d.vendor, 8)}d${h(d.device, 8)}sv${h(d.subsystem_vendor, 8)}sd${h(d.subsystem_device, 8)}bc${cls.slice(0, 2)}sc${cls.slice(2, 4)}i${cls.slice(4)}\n`;
}

async function enable_store(pdev: pci_dev, buf: string, dev: device): Promise<number> {
  if (!capable(CAP_SYS_ADMIN)) return -EPERM;
  const val = kstrtoul(buf);
  if (val === null) return -EINVAL;
  let result = 0;
  await device_lock(dev);
  if (dev.driver !== null) result = -EBUSY;
  else if (val) result = await pci_enable_device(pdev);
  else if (pci_is_enabled(pdev)) await pci_disable_device(pdev);
  else result = -EIO;
  await device_unlock(dev);
  return result < 0 ? result : buf.length;
}

async function d3cold_allowed_store(pdev: pci_dev, buf: string, dev: device): Promise<number> {
  const val = kstrtoul(buf);
  if (val === null) return -EINVAL;
  pdev.d3cold_allowed = val !== 0;
  if (pci().v61) await pci_bridge_d3_update(pdev);
  else if (pdev.d3cold_allowed) await pci_d3cold_enable(pdev);
  else await pci_d3cold_disable(pdev);
  await pm_runtime_resume(dev);
  return buf.length;
}

async function reset_store(pdev: pci_dev, buf: string, dev: device): Promise<number> {
  if (kstrtoul(buf) !== 1) return -EINVAL;
  await pm_runtime_get_sync(dev);
  const result = await pci_reset_function(pdev);
  await pm_runtime_put(dev);
  return result < 0 ? result : buf.length;
}

function reset_method_show(pdev: pci_dev): string {
  const names = pdev.reset_methods.map((m) => pci_reset_fn_methods[m].name);
  return names.length > 0 ? `${names.join(' ')}\n` : '';
}

/** C: drivers/pci/pci.c reset_method_store() */
async function reset_method_store(pdev: pci_dev, buf: string): Promise<number> {
  if (sysfs_streq(buf, '')) {
    pdev.reset_methods.length = 0;
    pci_warn(pdev, 'All device reset methods disabled by user');
    return buf.length;
  }
  if (sysfs_streq(buf, 'default')) {
    await pci_init_reset_methods(pdev);
    return buf.length;
  }
  const methods: int[] = [];
  for (const word of buf.split(' ')) {
    const name = word.trim();
    if (name === '') continue;
    const m = pci_reset_fn_methods.findIndex((f, i) => i > 0 && f.name === name);
    if (m < 0) {
      pci_err(pdev, `Invalid reset method '${name}'`);
      return -EINVAL;
    }
    if (await pci_reset_fn_methods[m].reset_fn(pdev, true)) {
      pci_err(pdev, `Unsupported reset method '${name}'`);
      return -EINVAL;
    }
    if (methods.length === PCI_NUM_RESET_METHODS - 1) return -EINVAL;
    methods.push(m);
  }
  pdev.reset_methods.splice(0, pdev.reset_methods.length, ...methods);
  return buf.length;
}

async function driver_override_store(pdev: pci_dev, buf: string, dev: device): Promise<number> {
  if (buf.length >= PAGE_SIZE - 1) return -EINVAL;
  const name = buf.split('\n')[0];
  await device_lock(dev);
  pdev.driver_override = name === '' ? null : name;
  await device_unlock(dev);
  return buf.length;
}

async function driver_override_show(pdev: pci_dev, dev: device): Promise<string> {
  await device_lock(dev);
  const text = `${pdev.driver_override ?? '(null)'}\n`;
  await device_unlock(dev);
  return text;
}

async function remove_store(pdev: pci_dev, buf: string): Promise<number> {
  const val = kstrtoul(buf);
  if (val === null) return -EINVAL;
  // kernfs drops its reference to this very file first, so that removing it does not wait for itself.
  if (val && pdev.dev.registered) await pci_stop_and_remove_bus_device_locked(pdev);
  return buf.length;
}

async function rescan_store(pdev: pci_dev, buf: string): Promise<number> {
  const val = kstrtoul(buf);
  if (val === null) return -EINVAL;
  if (val) await pci_rescan_bus(pdev.bus);
  return buf.length;
}

// Link speeds

const speeds = [
  'Unknown',
  '2.5 GT/s PCIe',
  '5.0 GT/s PCIe',
  '8.0 GT/s PCIe',
  '16.0 GT/s PCIe',
  '32.0 GT/s PCIe',
  '64.0 GT/s PCIe',
];

/** 6.1 makes the device reachable for these; v5.19 reads whatever answers. */
async function link<T>(pdev: pci_dev, fn: () => Promise<T>): Promise<T> {
  const v61 = pci().v61;
  if (v61) await pci_config_pm_runtime_get(pdev);
  const ret = await fn();
  if (v61) await pci_config_pm_runtime_put(pdev);
  return ret;
}

async function speed_cap(pdev: pci_dev): Promise<int> {
  const cap = ref(0);
  await pcie_capability_read_dword(pdev, R.PCI_EXP_LNKCAP2, cap);
  if (cap.v) return 31 - Math.clz32((cap.v >>> 1) & 0x7f) + 1;
  await pcie_capability_read_dword(pdev, R.PCI_EXP_LNKCAP, cap);
  return cap.v & R.PCI_EXP_LNKCAP_SLS;
}

function link_status(show: (status: int) => string): show_fn {
  return (pdev) =>
    link(pdev, async () => {
      const status = ref(0);
      return (await pcie_capability_read_word(pdev, R.PCI_EXP_LNKSTA, status)) ? -EINVAL : show(status.v);
    });
}

const link_attrs: device_attribute[] = [
  RO(
    'current_link_speed',
    link_status((s) => `${speeds[s & R.PCI_EXP_LNKSTA_CLS] ?? speeds[0]}\n`),
  ),
  RO(
    'current_link_width',
    link_status((s) => `${(s & R.PCI_EXP_LNKSTA_NLW) >>> 4}\n`),
  ),
  RO('max_link_speed', (pdev) => link(pdev, async () => `${speeds[await speed_cap(pdev)] ?? speeds[0]}\n`)),
  RO('max_link_width', (pdev) =>
    link(pdev, async () => {
      const cap = ref(0);
      await pcie_capability_read_dword(pdev, R.PCI_EXP_LNKCAP, cap);
      // 255 stands for "unknown": there is no link.
      return `${cap.v === 0 ? 255 : (cap.v & R.PCI_EXP_LNKCAP_MLW) >>> 4}\n`;
    }),
  ),
];

function bus_number(reg: int): show_fn {
  return (pdev) =>
    link(pdev, async () => {
      const v = ref(0);
      return (await pci_read_config_byte(pdev, reg, v)) ? -EINVAL : `${v.v}\n`;
    });
}

// SR-IOV. C: drivers/pci/iov.c

async function sriov_numvfs_store(pdev: pci_dev, buf: string, dev: device): Promise<number> {
  const num_vfs = kstrtoul(buf);
  if (num_vfs === null || num_vfs > 0xffff) return -EINVAL;
  if (num_vfs > pci_sriov_get_totalvfs(pdev)) return -ERANGE;
  let ret = 0;
  await device_lock(dev);
  exit: {
    const iov = pdev.sriov;
    if (iov === null || num_vfs === iov.num_VFs) break exit;
    if (pdev.driver === null) {
      pci_info(pdev, 'no driver bound to device; cannot configure SR-IOV\n');
      ret = -ENOENT;
      break exit;
    }
    if (pdev.driver.sriov_configure === null) {
      pci_info(pdev, 'driver does not support SR-IOV configuration via sysfs\n');
      ret = -ENOENT;
      break exit;
    }
    if (num_vfs !== 0 && iov.num_VFs) {
      pci_warn(pdev, `${iov.num_VFs} VFs already enabled. Disable before enabling ${num_vfs} VFs\n`);
      ret = -EBUSY;
      break exit;
    }
    ret = await pdev.driver.sriov_configure(pdev, num_vfs);
  }
  await device_unlock(dev);
  return ret < 0 ? ret : buf.length;
}

async function sriov_numvfs_show(pdev: pci_dev, dev: device): Promise<string> {
  await device_lock(dev);
  const n = pdev.sriov?.num_VFs ?? 0;
  await device_unlock(dev);
  return `${n}\n`;
}

const sriov_attrs: device_attribute[] = [
  RO('sriov_totalvfs', (pdev) => `${pci_sriov_get_totalvfs(pdev)}\n`),
  RW('sriov_numvfs', sriov_numvfs_show, sriov_numvfs_store),
  RO('sriov_offset', (pdev) => `${pdev.sriov?.offset ?? 0}\n`),
  RO('sriov_stride', (pdev) => `${pdev.sriov?.stride ?? 0}\n`),
  RO('sriov_vf_total_msix', () => '0\n'),
  RO('sriov_vf_device', (pdev) => `${(pdev.sriov?.vf_device ?? 0).toString(16)}\n`),
  RW(
    'sriov_drivers_autoprobe',
    (pdev) => `${pdev.sriov?.drivers_autoprobe ? 1 : 0}\n`,
    (pdev, buf) => {
      const on = kstrtobool(buf);
      if (on === null) return -EINVAL;
      if (pdev.sriov !== null) pdev.sriov.drivers_autoprobe = on;
      return buf.length;
    },
  ),
];

// Binary files

/** config: read as users do, in aligned pieces. C: drivers/pci/pci-sysfs.c pci_read_config() */
export async function pci_read_config(dev: pci_dev, off: number, count: number): Promise<Uint8Array> {
  const size = capable(CAP_SYS_ADMIN) ? dev.cfg_size : 64;
  if (off > size || (pci().v61 && off === size)) return new Uint8Array(0);
  const end = Math.min(off + count, size);
  const out = new Uint8Array(end - off);
  await pci_config_pm_runtime_get(dev);
  const val = ref(0);
  let at = off;
  const take = (n: int): void => {
    for (let i = 0; i < n; i++) out[at - off + i] = (val.v >>> (8 * i)) & 0xff;
    at += n;
  };
  if (at & 1 && at < end) {
    await pci_user_read_config_byte(dev, at, val);
    take(1);
  }
  if (at & 3 && end - at > 2) {
    await pci_user_read_config_word(dev, at, val);
    take(2);
  }
  while (end - at > 3) {
    await pci_user_read_config_dword(dev, at, val);
    take(4);
  }
  if (end - at >= 2) {
    await pci_user_read_config_word(dev, at, val);
    take(2);
  }
  if (end - at > 0) {
    await pci_user_read_config_byte(dev, at, val);
    take(1);
  }
  await pci_config_pm_runtime_put(dev);
  return out;
}

/** C: drivers/pci/pci-sysfs.c pci_write_config() */
export async function pci_write_config(dev: pci_dev, bytes: Uint8Array, off: number): Promise<number> {
  if (off > dev.cfg_size || (pci().v61 && off === dev.cfg_size)) return 0;
  const end = Math.min(off + bytes.length, dev.cfg_size);
  await pci_config_pm_runtime_get(dev);
  let at = off;
  const give = (n: int): number => {
    let v = 0;
    for (let i = 0; i < n; i++) v += bytes[at - off + i] * 2 ** (8 * i);
    at += n;
    return v;
  };
  if (at & 1 && at < end) await pci_user_write_config_byte(dev, at, give(1));
  if (at & 3 && end - at > 2) await pci_user_write_config_word(dev, at, give(2));
  while (end - at > 3) await pci_user_write_config_dword(dev, at, give(4));
  if (end - at >= 2) await pci_user_write_config_word(dev, at, give(2));
  if (end - at > 0) await pci_user_write_config_byte(dev, at, give(1));
  await pci_config_pm_runtime_put(dev);
  return end - off;
}

async function pci_read_rom(dev: pci_dev, off: number, count: number): Promise<Uint8Array | number> {
  if (!dev.rom_attr_enabled) return -EINVAL;
  const size = ref(0);
  const rom = await pci_map_rom(dev, size);
  if (rom === null || !size.v) return -EIO;
  const n = off >= size.v ? 0 : Math.min(count, size.v - off);
  const out = new Uint8Array(n);
  for (let i = 0; i < n; i++) out[i] = await ioread8(rom, off + i);
  await pci_unmap_rom(dev, rom);
  return out;
}

function pci_write_rom(dev: pci_dev, bytes: Uint8Array, off: number): number {
  if (pci().v61) {
    const on = kstrtobool(String.fromCharCode(...bytes));
    if (on === null) return -EINVAL;
    dev.rom_attr_enabled = on;
  } else {
    dev.rom_attr_enabled = !(off === 0 && bytes[0] === 0x30 && bytes.length === 2);
  }
  return bytes.length;
}

const config_files: bin_attribute[] = [R.PCI_CFG_SPACE_SIZE, R.PCI_CFG_SPACE_EXP_SIZE].map((size) => ({
  name: 'config',
  mode: 0o644,
  size,
  read: (dev, _attr, off, count) => pci_read_config(to_pci_dev(dev), off, count),
  write: (dev, _attr, bytes, off) => pci_write_config(to_pci_dev(dev), bytes, off),
}));

const rom_file: bin_attribute = {
  name: 'rom',
  mode: 0o600,
  size: 0,
  read: (dev, _attr, off, count) => pci_read_rom(to_pci_dev(dev), off, count),
  write: (dev, _attr, bytes, off) => pci_write_rom(to_pci_dev(dev), bytes, off),
};

/** resource0..5, which user space may map. C: drivers/pci/pci-sysfs.c pci_create_resource_files() */
export function pci_create_resource_files(dev: pci_dev): void {
  for (let i = 0; i < PCI_ROM_RESOURCE; i++) {
    const size = pci_resource_len(dev, i);
    const flags = pci_resource_flags(dev, i);
    if (size === 0) continue;
    const mmap = (_dev: device, _attr: bin_attribute, vma: vm_area_struct): Awaitable<number> => {
      const len = vma.vm_end - vma.vm_start;
      if (!(flags & IORESOURCE_MEM) || vma.vm_pgoff * PAGE_SIZE + len > Math.max(size, PAGE_SIZE))
        return -EINVAL;
      return io_remap_pfn_range(
        vma,
        vma.vm_start,
        Math.floor(dev.resource[i].start / PAGE_SIZE) + vma.vm_pgoff,
        len,
        vma.vm_page_prot,
      );
    };
    device_create_bin_file(dev.dev, {
      name: `resource${i}`,
      mode: 0o600,
      size,
      ...(flags & IORESOURCE_IO ? {} : { mmap }),
    });
    if (flags & IORESOURCE_MEM && flags & IORESOURCE_PREFETCH) {
      device_create_bin_file(dev.dev, { name: `resource${i}_wc`, mode: 0o600, size, mmap });
    }
  }
}

function power_state_show(pdev: pci_dev): string {
  return `${pci_power_name(pdev.current_state)}\n`;
}

const dev_attrs: device_attribute[] = [
  RO('power_state', power_state_show),
  RO('resource', resource_text),
  RO('vendor', (pdev) => hex(pdev.vendor, 4)),
  RO('device', (pdev) => hex(pdev.device, 4)),
  RO('subsystem_vendor', (pdev) => hex(pdev.subsystem_vendor, 4)),
  RO('subsystem_device', (pdev) => hex(pdev.subsystem_device, 4)),
  RO('revision', (pdev) => hex(pdev.revision, 2)),
  RO('class', (pdev) => hex(pdev.class, 6)),
  RO('irq', (pdev) => `${pdev.irq}\n`),
  RO('local_cpus', () => 'ff\n'),
  RO('local_cpulist', () => '0-7\n'),
  RO('modalias', modalias),
  RO('numa_node', (_pdev, dev) => `${dev.numa_node}\n`),
  RO('dma_mask_bits', () => '32\n'),
  RO('consistent_dma_mask_bits', () => '32\n'),
  RW('enable', (pdev) => `${pdev.enable_cnt.counter}\n`, enable_store),
  RW(
    'broken_parity_status',
    (pdev) => `${pdev.broken_parity_status ? 1 : 0}\n`,
    (pdev, buf) => {
      const val = kstrtoul(buf);
      if (val === null) return -EINVAL;
      pdev.broken_parity_status = val !== 0;
      return buf.length;
    },
  ),
  RW(
    'msi_bus',
    (pdev) => `${pdev.no_msi ? 0 : 1}\n`,
    (pdev, buf) => {
      const val = kstrtoul(buf);
      if (val === null) return -EINVAL;
      if (!capable(CAP_SYS_ADMIN)) return -EPERM;
      pdev.no_msi = val === 0;
      return buf.length;
    },
  ),
  RW('d3cold_allowed', (pdev) => `${pdev.d3cold_allowed ? 1 : 0}\n`, d3cold_allowed_store),
  RW('driver_override', driver_override_show, driver_override_store),
  RO('ari_enabled', (pdev) => `${pdev.bus.self?.ari_enabled ? 1 : 0}\n`),
];

const visible = (test: (pdev: pci_dev) => boolean) => (dev: device, attr: device_attribute | bin_attribute) =>
  test(to_pci_dev(dev)) ? attr.mode : 0;

/** What every device of the bus shows. */
export const pci_dev_groups: readonly attribute_group[] = [
  new attribute_group({ attrs: dev_attrs }),
  new attribute_group({
    attrs: [RW('reset_method', reset_method_show, reset_method_store), WO('reset', reset_store)],
    is_visible: visible(pci_reset_supported),
  }),
  new attribute_group({ attrs: link_attrs, is_visible: visible(pci_is_pcie) }),
  new attribute_group({
    attrs: [
      RO('secondary_bus_number', bus_number(R.PCI_SECONDARY_BUS)),
      RO('subordinate_bus_number', bus_number(R.PCI_SUBORDINATE_BUS)),
    ],
    is_visible: visible(pci_is_bridge),
  }),
  new attribute_group({
    attrs: [
      WO('reset_subordinate', async (pdev, buf) => {
        const val = kstrtoul(buf);
        if (val === null) return -EINVAL;
        const first = pdev.subordinate?.devices[0];
        const ret = val && first !== undefined ? await pci_reset_bus(first) : 0;
        return ret ? ret : buf.length;
      }),
    ],
    is_visible: visible((p) => pci().v61 && pci_is_bridge(p)),
  }),
  new attribute_group({ attrs: sriov_attrs, is_visible: visible((p) => p.is_physfn) }),
  new attribute_group({
    attrs: [RO('boot_vga', () => '1\n')],
    is_visible: visible((p) => p.class >>> 8 === PCI_CLASS_DISPLAY_VGA),
  }),
  new attribute_group({ attrs: [WO('remove', remove_store), WO('rescan', rescan_store)] }),
  new attribute_group({
    bin_attrs: [config_files[0]],
    is_visible: visible((p) => p.cfg_size <= R.PCI_CFG_SPACE_SIZE),
  }),
  new attribute_group({
    bin_attrs: [config_files[1]],
    is_visible: visible((p) => p.cfg_size > R.PCI_CFG_SPACE_SIZE),
  }),
  new attribute_group({
    bin_attrs: [rom_file],
    is_visible: visible((p) => pci_resource_len(p, PCI_ROM_RESOURCE) > 0),
  }),
];

/** /sys/bus/pci/rescan */
export function pci_bus_attrs_init(): void {
  bus_create_file(pci_bus_type(), {
    name: 'rescan',
    mode: 0o200,
    store: async (_bus, buf) => {
      const val = kstrtoul(buf);
      if (val === null) return -EINVAL;
      if (val) for (const root of pci().pci_root_buses) await pci_rescan_bus(root);
      return buf.length;
    },
  });
}
