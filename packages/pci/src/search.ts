// SPDX-License-Identifier: GPL-2.0-only
// drivers/pci/search.c (v5.19-rc4): finding devices. Devices live as long as the machine, so references are the struct
// device's.

import type { int, u32 } from '@vfio-lab/sim';
import { get_device, put_device } from '@vfio-lab/kernel';
import { pci } from './core.ts';
import { PCI_ANY_ID, type pci_bus, type pci_dev } from './types.ts';

/** One more reference. C: drivers/pci/pci-driver.c pci_dev_get() */
export async function pci_dev_get(dev: pci_dev | null): Promise<pci_dev | null> {
  if (dev !== null) await get_device(dev.dev);
  return dev;
}

/** C: drivers/pci/pci-driver.c pci_dev_put() */
export async function pci_dev_put(dev: pci_dev | null): Promise<void> {
  if (dev !== null) await put_device(dev.dev);
}

async function next_device(from: pci_dev | null, wanted: (dev: pci_dev) => boolean): Promise<pci_dev | null> {
  const all = pci().devices;
  const start = from === null ? 0 : all.indexOf(from) + 1;
  const found = all.slice(start).find(wanted) ?? null;
  await pci_dev_get(found);
  await pci_dev_put(from);
  return found;
}

/** Next device of a class code, referenced; drops the reference of `from`. C: drivers/pci/search.c pci_get_class() */
export function pci_get_class(class_code: u32, from: pci_dev | null): Promise<pci_dev | null> {
  return next_device(from, (dev) => dev.class === class_code);
}

/** C: drivers/pci/search.c pci_get_device() */
export function pci_get_device(vendor: u32, device: u32, from: pci_dev | null): Promise<pci_dev | null> {
  return next_device(
    from,
    (d) => (vendor === PCI_ANY_ID || d.vendor === vendor) && (device === PCI_ANY_ID || d.device === device),
  );
}

/** C: drivers/pci/search.c pci_get_domain_bus_and_slot() */
export function pci_get_domain_bus_and_slot(domain: int, bus: int, devfn: int): Promise<pci_dev | null> {
  return next_device(null, (d) => d.bus.domain_nr === domain && d.bus.number === bus && d.devfn === devfn);
}

/** C: drivers/pci/search.c pci_find_bus() */
export function pci_find_bus(domain: int, busnr: int): pci_bus | null {
  const find = (bus: pci_bus): pci_bus | null => {
    if (bus.number === busnr) return bus;
    for (const child of bus.children) {
      const found = find(child);
      if (found !== null) return found;
    }
    return null;
  };
  for (const root of pci().pci_root_buses) {
    if (root.domain_nr !== domain) continue;
    const found = find(root);
    if (found !== null) return found;
  }
  return null;
}

/** The device of this name ('0000:02:00.0'), null when there is none; no reference is taken. */
export function pci_find_device_by_name(name: string): pci_dev | null {
  return pci().devices.find((d) => d.dev.name === name) ?? null;
}
