// SPDX-License-Identifier: GPL-2.0-only
// Where the PCI bus meets the IOMMU: groups of devices as they come and go, who may bind a driver, and DMA.
// C: drivers/iommu/iommu.c iommu_bus_notifier(), iommu_probe_device(), pci_device_group() (v5.19-rc4)

import {
  access_process_vm,
  blocking_notifier_chain_register,
  BUS_NOTIFY_ADD_DEVICE,
  BUS_NOTIFY_REMOVED_DEVICE,
  IS_ERR,
  NOTIFY_OK,
  notifier_block,
  PTR_ERR,
} from '@vfio-lab/kernel';
import type { bus_type, device, err_ptr } from '@vfio-lab/kernel';
import { pci, pci_is_pcie, pci_pcie_type, to_pci_dev } from '@vfio-lab/pci';
import type { pci_dev, pci_dma_result, pci_function_hw } from '@vfio-lab/pci';
import type { int } from '@vfio-lab/sim';
import { IOMMU_DOMAIN_UNMANAGED, iommu_iova_to_phys, IOMMU_READ, IOMMU_WRITE } from './domain.ts';
import type { iommu_domain } from './domain.ts';
import {
  group_of,
  iommu_device_unuse_default_domain,
  iommu_device_use_default_domain,
  iommu_group_add_device,
  iommu_group_alloc,
  iommu_group_alloc_default_domain,
  iommu_group_get,
  iommu_group_get_by_id,
  iommu_group_put,
  iommu_group_remove_device,
} from './group.ts';
import type { iommu_group } from './group.ts';
import { iommu } from './state.ts';
import { vfio_iommu_type1_params } from './type1_state.ts';

const PCI_EXT_CAP_ID_ACS = 0x0d;
const PCI_ACS_CAP = 0x04;
const PCI_ACS_CTRL = 0x06;
const REQ_ACS_FLAGS = 0x0001 | 0x0004 | 0x0008 | 0x0010; // source validation, request and completion redirect, upstream
const PCI_EXP_TYPE_ROOT_PORT = 4;
const PCI_EXP_TYPE_DOWNSTREAM = 6;
const PCI_EXP_TYPE_PCI_BRIDGE = 7;
const PCI_EXP_TYPE_PCIE_BRIDGE = 8;
const PCI_EXP_TYPE_RC_EC = 10;

/** Is every isolation feature the function has switched on. C: drivers/pci/pci.c pci_acs_flags_enabled() */
function pci_acs_flags_enabled(pdev: pci_dev): boolean {
  const pos = pdev.hw.find_ext_cap(PCI_EXT_CAP_ID_ACS);
  if (pos === 0) return false;
  const wanted = REQ_ACS_FLAGS & pdev.hw.get16(pos + PCI_ACS_CAP);
  return (pdev.hw.get16(pos + PCI_ACS_CTRL) & wanted) === wanted;
}

/**
 * Is the function one of several. A function past the first shows it by its number: at boot the IOMMU looks at devices
 * only after the whole bus was scanned, when pci_dev.multifunction is set; here it looks as they appear.
 */
function multifunction(pdev: pci_dev): boolean {
  return pdev.multifunction || (!pdev.is_virtfn && (pdev.devfn & 7) !== 0);
}

/** Is the function isolated from its siblings. C: drivers/pci/pci.c pci_acs_enabled() */
function pci_acs_enabled(pdev: pci_dev): boolean {
  if (!pci_is_pcie(pdev)) return false;
  switch (pci_pcie_type(pdev)) {
    case PCI_EXP_TYPE_PCIE_BRIDGE:
    case PCI_EXP_TYPE_PCI_BRIDGE:
    case PCI_EXP_TYPE_RC_EC:
      return false;
    case PCI_EXP_TYPE_DOWNSTREAM:
    case PCI_EXP_TYPE_ROOT_PORT:
      return pci_acs_flags_enabled(pdev);
    default:
      return !multifunction(pdev) || pci_acs_flags_enabled(pdev);
  }
}

/**
 * The group a PCI device belongs to, with a reference: that of the bridge or the sibling it cannot be told apart
 * from, else a new one.
 * C: drivers/iommu/iommu.c pci_device_group()
 */
async function pci_device_group(pdev: pci_dev): Promise<iommu_group | err_ptr> {
  for (let { bus } = pdev; bus.parent !== null; bus = bus.parent) {
    if (bus.self === null) continue;
    if (pci_acs_enabled(bus.self)) break;
    const group = await iommu_group_get(bus.self.dev);
    if (group) return group;
  }
  if (multifunction(pdev) && !pci_acs_enabled(pdev)) {
    for (const other of pdev.bus.devices) {
      if (other === pdev || other.devfn >> 3 !== pdev.devfn >> 3) continue;
      if (!multifunction(other) || pci_acs_enabled(other)) continue;
      const group = await iommu_group_get(other.dev);
      if (group) return group;
    }
  }
  return iommu_group_alloc();
}

/**
 * Put a new device in its group.
 * @param id that group, made if there is none; left out, the bus decides
 * @returns 0, or what making the group said
 * C: drivers/iommu/iommu.c iommu_probe_device()
 */
export async function iommu_probe_device(dev: device, id?: int): Promise<int> {
  if (!iommu().hardware.present || group_of(dev)) return 0;
  const known = id === undefined ? null : await iommu_group_get_by_id(id);
  const group =
    known ?? (id === undefined ? await pci_device_group(to_pci_dev(dev)) : await iommu_group_alloc(id));
  if (IS_ERR(group)) return PTR_ERR(group);
  const ret = iommu_group_alloc_default_domain(group) || (await iommu_group_add_device(group, dev));
  await iommu_group_put(group);
  return ret;
}

/** The device is gone. C: drivers/iommu/iommu.c iommu_release_device() */
export function iommu_release_device(dev: device): Promise<void> {
  return iommu_group_remove_device(dev);
}

/** The domain that DMA of a function goes through, or null when none lets it pass. */
function dma_domain(fn: pci_function_hw): iommu_domain | null {
  const pdev = pci().devices.find((d) => d.hw === fn);
  const domain = pdev ? (group_of(pdev.dev)?.domain ?? null) : null;
  return domain?.type === IOMMU_DOMAIN_UNMANAGED ? domain : null;
}

/** Walk a range of device addresses run by run; false where one is not mapped, not allowed or not there. */
function dma_access(fn: pci_function_hw, iova: bigint, data: Uint8Array, write: boolean): boolean {
  const domain = dma_domain(fn);
  if (!domain) return data.length === 0;
  for (let at = 0; at < data.length;) {
    const m = iommu_iova_to_phys(domain, iova + BigInt(at));
    if (!m || !(m.prot & (write ? IOMMU_WRITE : IOMMU_READ))) return false;
    const off = iova + BigInt(at) - m.iova;
    const room = m.size - off;
    const left = data.length - at;
    const step = room < BigInt(left) ? Number(room) : left;
    if (access_process_vm(m.mm, Number(m.vaddr + off), data.subarray(at, at + step), write) !== step)
      return false;
    at += step;
  }
  return true;
}

/**
 * Connect the IOMMU of the running machine to its PCI bus. Call it before devices are added: each gets its group as it
 * appears and loses it when it goes.
 * @param bus the PCI bus type
 * @param group_id the group number a device must get, or undefined to let the bus decide
 */
export async function iommu_bus_init(
  bus: bus_type,
  group_id?: (dev: device) => int | undefined,
): Promise<void> {
  const core = pci();
  vfio_iommu_type1_params().update_vaddr_needs_container = core.v61;
  core.dma_owner = {
    use_default_domain: (dev) => iommu_device_use_default_domain(dev),
    unuse_default_domain: (dev) => iommu_device_unuse_default_domain(dev),
  };
  core.fabric.dma = {
    read: (fn, iova, len): pci_dma_result => {
      const data = new Uint8Array(len);
      return dma_access(fn, iova, data, false) ? data : 'fault';
    },
    write: (fn, iova, data) => (dma_access(fn, iova, data, true) ? null : 'fault'),
  };
  const nb = new notifier_block();
  nb.notifier_call = async (_nb, action, data) => {
    const dev = data as device;
    if (action === BUS_NOTIFY_ADD_DEVICE) await iommu_probe_device(dev, group_id?.(dev));
    else if (action === BUS_NOTIFY_REMOVED_DEVICE) await iommu_release_device(dev);
    return NOTIFY_OK;
  };
  await blocking_notifier_chain_register(bus.bus_notifier, nb);
}
