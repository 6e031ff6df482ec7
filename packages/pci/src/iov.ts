// SPDX-License-Identifier: GPL-2.0-only
// drivers/pci/iov.c (v5.19-rc4): SR-IOV.

import { type int, machine, ref, type u16 } from '@vfio-lab/sim';
import { might_sleep, mutex_init } from '@vfio-lab/locking';
import {
  dev_WARN,
  EINVAL,
  EIO,
  ENODEV,
  ENOMEM,
  ENOSYS,
  GFP_KERNEL,
  kfree,
  kzalloc,
  msleep,
  pci_err,
  pci_warn,
  PAGE_SIZE,
} from '@vfio-lab/kernel';
import {
  pci_cfg_access_lock,
  pci_cfg_access_unlock,
  pci_is_pcie,
  pci_read_config_byte,
  pci_read_config_dword,
  pci_read_config_word,
  pci_write_config_dword,
  pci_write_config_word,
} from './access.ts';
import { pci } from './core.ts';
import { pci_find_ext_capability } from './pci.ts';
import * as R from './pci_regs.ts';
import { pci_bus_add_device, pci_device_add, pci_setup_device } from './probe.ts';
import { pci_stop_and_remove_bus_device } from './remove.ts';
import { request_resource, resource_size } from './resource.ts';
import { pci_update_resource } from './setup-res.ts';
import { IORESOURCE_MEM_64, IORESOURCE_UNSET } from './resource.ts';
import { type pci_bus, PCI_IOV_RESOURCES, pci_dev, pci_sriov } from './types.ts';
import { pci_dev_get, pci_dev_put } from './search.ts';
import { sysfs_create_link, sysfs_remove_link } from '@vfio-lab/kernel';

const PCI_SRIOV_NUM_BARS = 6;

/** VFs enabled on a PF, 0 otherwise. C: drivers/pci/iov.c pci_num_vf() */
export function pci_num_vf(dev: pci_dev): int {
  return dev.sriov === null ? 0 : dev.sriov.num_VFs;
}

/** C: drivers/pci/iov.c pci_sriov_get_totalvfs() */
export function pci_sriov_get_totalvfs(dev: pci_dev): int {
  return dev.sriov === null ? 0 : dev.sriov.driver_max_VFs;
}

function routing_id(dev: pci_dev, iov: pci_sriov, id: int): int {
  return dev.devfn + iov.offset + iov.stride * id;
}

/** Which VF of its PF this is, -EINVAL for anything else. C: drivers/pci/iov.c pci_iov_vf_id() */
export function pci_iov_vf_id(dev: pci_dev): int {
  const pf = dev.physfn;
  if (pf === null || pf.sriov === null) return -EINVAL;
  return (
    ((dev.bus.number << 8) + dev.devfn - ((pf.bus.number << 8) + pf.devfn + pf.sriov.offset)) /
    pf.sriov.stride
  );
}

async function pci_iov_set_numvfs(dev: pci_dev, iov: pci_sriov, nr_virtfn: int): Promise<void> {
  await pci_write_config_word(dev, iov.pos + R.PCI_SRIOV_NUM_VF, nr_virtfn);
  const v = ref(0);
  await pci_read_config_word(dev, iov.pos + R.PCI_SRIOV_VF_OFFSET, v);
  iov.offset = v.v;
  await pci_read_config_word(dev, iov.pos + R.PCI_SRIOV_VF_STRIDE, v);
  iov.stride = v.v;
}

async function pci_read_vf_config_common(vf: pci_dev, iov: pci_sriov): Promise<void> {
  const v = ref(0);
  await pci_read_config_dword(vf, R.PCI_CLASS_REVISION, v);
  iov.class = v.v;
  await pci_read_config_byte(vf, R.PCI_HEADER_TYPE, v);
  iov.hdr_type = v.v;
  await pci_read_config_word(vf, R.PCI_SUBSYSTEM_VENDOR_ID, v);
  iov.subsystem_vendor = v.v;
  await pci_read_config_word(vf, R.PCI_SUBSYSTEM_ID, v);
  iov.subsystem_device = v.v;
}

/** Make VF `id` a device of the bus: drivers get to see it. C: drivers/pci/iov.c pci_iov_add_virtfn() */
async function pci_iov_add_virtfn(dev: pci_dev, iov: pci_sriov, id: int): Promise<int> {
  const hw = pci().fabric.functions.find((f) => f.pf === dev.hw && f.vf_index === id);
  if (hw === undefined) return -ENOMEM;
  const bus: pci_bus = dev.bus;
  const vf = machine.adopt(new pci_dev(hw));
  vf.bus = bus;
  vf.devfn = routing_id(dev, iov, id) & 0xff;
  vf.vendor = dev.vendor;
  vf.device = iov.vf_device;
  vf.is_virtfn = true;
  await pci_dev_get(dev);
  vf.physfn = dev;
  vf.no_command_memory = true;
  if (id === 0) await pci_read_vf_config_common(vf, iov);
  const rc = await pci_setup_device(vf);
  if (rc) {
    await pci_dev_put(dev);
    return rc;
  }
  vf.dev.parent = dev.dev.parent;
  vf.multifunction = false;
  for (let i = 0; i < PCI_SRIOV_NUM_BARS; i++) {
    const res = dev.resource[i + PCI_IOV_RESOURCES];
    if (res.parent === null) continue;
    const size = iov.barsz[i];
    vf.resource[i].name = vf.dev.name;
    vf.resource[i].flags = res.flags;
    vf.resource[i].start = res.start + size * id;
    vf.resource[i].end = vf.resource[i].start + size - 1;
    request_resource(res, vf.resource[i]);
  }
  await pci_device_add(vf, bus);
  if (dev.dev.sysfs !== null && vf.dev.sysfs !== null) {
    sysfs_create_link(dev.dev.sysfs, vf.dev.sysfs, `virtfn${id}`);
    sysfs_create_link(vf.dev.sysfs, dev.dev.sysfs, 'physfn');
  }
  await pci_bus_add_device(vf);
  return 0;
}

async function pci_iov_remove_virtfn(dev: pci_dev, iov: pci_sriov, id: int): Promise<void> {
  const devfn = routing_id(dev, iov, id) & 0xff;
  const vf = dev.bus.devices.find((d) => d.devfn === devfn && d.physfn === dev);
  if (vf === undefined) return;
  if (dev.dev.sysfs !== null) sysfs_remove_link(dev.dev.sysfs, `virtfn${id}`);
  if (vf.dev.sysfs !== null) sysfs_remove_link(vf.dev.sysfs, 'physfn');
  await pci_stop_and_remove_bus_device(vf);
  await pci_dev_put(dev);
}

async function sriov_enable(dev: pci_dev, iov: pci_sriov, nr_virtfn: int): Promise<int> {
  if (!nr_virtfn) return 0;
  if (iov.num_VFs) return -EINVAL;
  const v = ref(0);
  await pci_read_config_word(dev, iov.pos + R.PCI_SRIOV_INITIAL_VF, v);
  let initial = v.v;
  const migration = (iov.cap & R.PCI_SRIOV_CAP_VFM) !== 0;
  if (initial > iov.total_VFs || (!migration && initial !== iov.total_VFs)) return -EIO;
  if (nr_virtfn < 0 || nr_virtfn > iov.total_VFs || (!migration && nr_virtfn > initial)) return -EINVAL;
  let nres = 0;
  for (let i = 0; i < PCI_SRIOV_NUM_BARS; i++)
    if (dev.resource[i + PCI_IOV_RESOURCES].parent !== null) nres++;
  if (nres !== iov.nres) {
    pci_err(dev, 'not enough MMIO resources for SR-IOV\n');
    return -ENOMEM;
  }
  if (dev.bus.number + (routing_id(dev, iov, nr_virtfn - 1) >> 8) > dev.bus.busn_end) {
    pci_err(dev, `can't enable ${nr_virtfn} VFs (bus out of range)\n`);
    return -ENOMEM;
  }
  iov.initial_VFs = initial;
  if (nr_virtfn < initial) initial = nr_virtfn;
  await pci_iov_set_numvfs(dev, iov, nr_virtfn);
  iov.ctrl |= R.PCI_SRIOV_CTRL_VFE | R.PCI_SRIOV_CTRL_MSE;
  await pci_cfg_access_lock(dev);
  await pci_write_config_word(dev, iov.pos + R.PCI_SRIOV_CTRL, iov.ctrl);
  msleep(100);
  await pci_cfg_access_unlock(dev);
  for (let i = 0; i < initial; i++) {
    const rc = await pci_iov_add_virtfn(dev, iov, i);
    if (!rc) continue;
    while (--i >= 0) await pci_iov_remove_virtfn(dev, iov, i);
    await stop_vfs(dev, iov);
    return rc;
  }
  iov.num_VFs = nr_virtfn;
  return 0;
}

async function stop_vfs(dev: pci_dev, iov: pci_sriov): Promise<void> {
  iov.ctrl &= ~(R.PCI_SRIOV_CTRL_VFE | R.PCI_SRIOV_CTRL_MSE);
  await pci_cfg_access_lock(dev);
  await pci_write_config_word(dev, iov.pos + R.PCI_SRIOV_CTRL, iov.ctrl);
  msleep(1000);
  await pci_cfg_access_unlock(dev);
  iov.num_VFs = 0;
  await pci_iov_set_numvfs(dev, iov, 0);
}

/** Make `nr_virtfn` VFs, which probes drivers. 0, -ENOSYS for a device that is no PF, -EINVAL, -EIO, -ENOMEM. C: drivers/pci/iov.c pci_enable_sriov() */
export async function pci_enable_sriov(dev: pci_dev, nr_virtfn: int): Promise<int> {
  might_sleep('pci_enable_sriov');
  return dev.sriov === null ? -ENOSYS : sriov_enable(dev, dev.sriov, nr_virtfn);
}

/** Remove all VFs; their drivers are unbound first. C: drivers/pci/iov.c pci_disable_sriov() */
export async function pci_disable_sriov(dev: pci_dev): Promise<void> {
  might_sleep('pci_disable_sriov');
  const iov = dev.sriov;
  if (iov === null || !iov.num_VFs) return;
  for (let i = 0; i < iov.num_VFs; i++) await pci_iov_remove_virtfn(dev, iov, i);
  await stop_vfs(dev, iov);
}

/** C: drivers/pci/iov.c pci_iov_init(), sriov_init() */
export async function pci_iov_init(dev: pci_dev): Promise<int> {
  if (!pci_is_pcie(dev)) return -ENODEV;
  const pos = await pci_find_ext_capability(dev, R.PCI_EXT_CAP_ID_SRIOV);
  if (!pos) return -ENODEV;
  const v = ref(0);
  await pci_read_config_word(dev, pos + R.PCI_SRIOV_CTRL, v);
  if (v.v & R.PCI_SRIOV_CTRL_VFE) {
    await pci_write_config_word(dev, pos + R.PCI_SRIOV_CTRL, 0);
    msleep(1000);
  }
  const ctrl: u16 =
    !dev.bus.devices.some((d) => d.is_physfn) && dev.bus.self?.ari_enabled ? R.PCI_SRIOV_CTRL_ARI : 0;
  await pci_write_config_word(dev, pos + R.PCI_SRIOV_CTRL, ctrl);
  await pci_read_config_word(dev, pos + R.PCI_SRIOV_TOTAL_VF, v);
  const total = v.v;
  if (!total) return 0;
  const iov = kzalloc(pci_sriov, GFP_KERNEL);
  if (iov === null) return -ENOMEM;
  mutex_init(iov.lock, '&iov->lock');
  let nres = 0;
  for (let i = 0; i < PCI_SRIOV_NUM_BARS; i++) {
    const res = dev.resource[i + PCI_IOV_RESOURCES];
    if (!res.flags) continue;
    // The description gives the range of all VFs together.
    const size = resource_size(res) / total;
    if (size % PAGE_SIZE !== 0) {
      kfree(iov);
      return -EIO;
    }
    iov.barsz[i] = size;
    nres++;
    if (res.flags & IORESOURCE_MEM_64) i++;
  }
  iov.pos = pos;
  iov.nres = nres;
  iov.ctrl = ctrl;
  iov.total_VFs = total;
  iov.driver_max_VFs = total;
  await pci_read_config_word(dev, pos + R.PCI_SRIOV_VF_DID, v);
  iov.vf_device = v.v;
  await pci_read_config_dword(dev, pos + R.PCI_SRIOV_SYS_PGSIZE, v);
  iov.pgsz = v.v;
  await pci_read_config_dword(dev, pos + R.PCI_SRIOV_CAP, v);
  iov.cap = v.v;
  iov.dev = dev;
  dev.sriov = iov;
  dev.is_physfn = true;
  await pci_iov_set_numvfs(dev, iov, 0);
  return 0;
}

/** After the driver is gone. C: drivers/pci/iov.c pci_iov_remove() */
export function pci_iov_remove(dev: pci_dev): void {
  const iov = dev.sriov;
  if (iov === null) return;
  iov.driver_max_VFs = iov.total_VFs;
  if (iov.num_VFs) pci_warn(dev, 'driver left SR-IOV enabled after remove\n');
}

/** Write a VF BAR from its resource. C: drivers/pci/iov.c pci_iov_update_resource() */
export async function pci_iov_update_resource(dev: pci_dev, resno: int): Promise<void> {
  const iov = dev.sriov;
  if (iov === null) return;
  const res = dev.resource[resno];
  const v = ref(0);
  await pci_read_config_word(dev, iov.pos + R.PCI_SRIOV_CTRL, v);
  if (v.v & R.PCI_SRIOV_CTRL_VFE && v.v & R.PCI_SRIOV_CTRL_MSE) {
    dev_WARN(dev.dev, `can't update enabled VF BAR${resno - PCI_IOV_RESOURCES}\n`);
    return;
  }
  if (!res.flags || res.flags & IORESOURCE_UNSET) return;
  const reg = iov.pos + R.PCI_SRIOV_BAR + 4 * (resno - PCI_IOV_RESOURCES);
  await pci_write_config_dword(dev, reg, (res.start % 2 ** 32) + (res.flags & 0xf));
  if (res.flags & IORESOURCE_MEM_64)
    await pci_write_config_dword(dev, reg + 4, Math.floor(res.start / 2 ** 32));
}

/** C: drivers/pci/iov.c pci_restore_iov_state(), sriov_restore_state() */
export async function pci_restore_iov_state(dev: pci_dev): Promise<void> {
  const iov = dev.sriov;
  if (iov === null) return;
  const v = ref(0);
  await pci_read_config_word(dev, iov.pos + R.PCI_SRIOV_CTRL, v);
  if (v.v & R.PCI_SRIOV_CTRL_VFE) return;
  const ari = R.PCI_SRIOV_CTRL_ARI;
  await pci_write_config_word(dev, iov.pos + R.PCI_SRIOV_CTRL, (v.v & ~ari) | (iov.ctrl & ari));
  for (let i = 0; i < PCI_SRIOV_NUM_BARS; i++) await pci_update_resource(dev, i + PCI_IOV_RESOURCES);
  await pci_write_config_dword(dev, iov.pos + R.PCI_SRIOV_SYS_PGSIZE, iov.pgsz);
  await pci_iov_set_numvfs(dev, iov, iov.num_VFs);
  await pci_write_config_word(dev, iov.pos + R.PCI_SRIOV_CTRL, iov.ctrl);
  if (iov.ctrl & R.PCI_SRIOV_CTRL_VFE) msleep(100);
}
