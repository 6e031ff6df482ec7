// SPDX-License-Identifier: GPL-2.0-only
// drivers/pci/remove.c (v5.19-rc4): taking devices out.

import { down_write, mutex_lock, mutex_unlock, up_write } from '@vfio-lab/locking';
import { device_del, device_release_driver, put_device } from '@vfio-lab/kernel';
import { pci } from './core.ts';
import { pci_bridge_d3_update } from './pci-pm.ts';
import { release_resource } from './resource.ts';
import type { pci_dev } from './types.ts';

async function pci_stop_dev(dev: pci_dev): Promise<void> {
  if (!dev.is_added) return;
  await device_release_driver(dev.dev);
  dev.is_added = false;
}

async function pci_destroy_dev(dev: pci_dev): Promise<void> {
  if (!dev.dev.registered) return;
  const core = pci();
  await device_del(dev.dev);
  await down_write(core.pci_bus_sem);
  const on_bus = dev.bus.devices.indexOf(dev);
  if (on_bus >= 0) dev.bus.devices.splice(on_bus, 1);
  core.devices.splice(core.devices.indexOf(dev), 1);
  await up_write(core.pci_bus_sem);
  await pci_bridge_d3_update(dev, true);
  for (const res of dev.resource) if (res.parent !== null) release_resource(res);
  await put_device(dev.dev);
}

/** Unbind and forget a device and everything below it. C: drivers/pci/remove.c pci_stop_and_remove_bus_device() */
export async function pci_stop_and_remove_bus_device(dev: pci_dev): Promise<void> {
  const bus = dev.subordinate;
  if (bus !== null) {
    for (const child of [...bus.devices].reverse()) await pci_stop_and_remove_bus_device(child);
    const up = bus.parent;
    if (up !== null) up.children.splice(up.children.indexOf(bus), 1);
    dev.subordinate = null;
  }
  await pci_stop_dev(dev);
  await pci_destroy_dev(dev);
}

/** C: drivers/pci/remove.c pci_stop_and_remove_bus_device_locked() */
export async function pci_stop_and_remove_bus_device_locked(dev: pci_dev): Promise<void> {
  await mutex_lock(pci().pci_rescan_remove_lock);
  await pci_stop_and_remove_bus_device(dev);
  await mutex_unlock(pci().pci_rescan_remove_lock);
}
