// SPDX-License-Identifier: GPL-2.0-only
// drivers/pci/pci-driver.c (v5.19-rc4): the PCI bus type, binding, and its runtime-PM callbacks.

import { type int, machine, type u32 } from '@vfio-lab/sim';
import { spin_lock, spin_lock_init, spin_unlock } from '@vfio-lab/locking';
import {
  bus_register,
  bus_type,
  type dev_pm_ops,
  type device,
  type device_driver,
  driver_attach,
  driver_register,
  driver_unregister,
  EBUSY,
  EAGAIN,
  EEXIST,
  EINVAL,
  ENODEV,
  ENOSYS,
  get_device,
  type module,
  pci_warn,
  put_device,
  WARN_ONCE,
} from '@vfio-lab/kernel';
import {
  pm_runtime_barrier,
  pm_runtime_get_sync,
  pm_runtime_put_noidle,
  pm_runtime_put_sync,
  pm_runtime_resume,
} from '@vfio-lab/runtime-pm';
import { pci } from './core.ts';
import { pci_iov_remove } from './iov.ts';
import { pci_clear_master, pci_restore_state, pci_save_state } from './pci.ts';
import {
  pci_enable_wake,
  pci_finish_runtime_suspend,
  pci_pme_restore,
  pci_power_up,
  pci_resume_bus,
  pci_update_current_state,
} from './pci-pm.ts';
import { pci_bridge_wait_for_secondary_bus } from './pci-reset.ts';
import { pci_dev_groups } from './pci-sysfs.ts';
import {
  PCI_ANY_ID,
  PCI_D0,
  PCI_D3cold,
  PCI_UNKNOWN,
  type pci_dev,
  type pci_device_id,
  type pci_driver,
  to_pci_dev,
  to_pci_driver,
} from './types.ts';
import { pci_walk_bus } from './pci.ts';

const pci_device_id_any: pci_device_id = {
  vendor: PCI_ANY_ID,
  device: PCI_ANY_ID,
  subvendor: PCI_ANY_ID,
  subdevice: PCI_ANY_ID,
  class: 0,
  class_mask: 0,
};

// Matching

function pci_match_one_device(id: pci_device_id, dev: pci_dev): boolean {
  return (
    (id.vendor === PCI_ANY_ID || id.vendor === dev.vendor) &&
    (id.device === PCI_ANY_ID || id.device === dev.device) &&
    (id.subvendor === PCI_ANY_ID || id.subvendor === dev.subsystem_vendor) &&
    (id.subdevice === PCI_ANY_ID || id.subdevice === dev.subsystem_device) &&
    ((id.class ^ dev.class) & id.class_mask) === 0
  );
}

/** First table entry that matches, or null. C: drivers/pci/pci-driver.c pci_match_id() */
export function pci_match_id(ids: readonly pci_device_id[] | null, dev: pci_dev): pci_device_id | null {
  return ids?.find((id) => pci_match_one_device(id, dev)) ?? null;
}

async function pci_match_device(drv: pci_driver, dev: pci_dev): Promise<pci_device_id | null> {
  if (dev.driver_override !== null && dev.driver_override !== drv.name) return null;
  await spin_lock(drv.dynids.lock);
  const dynamic = drv.dynids.list.find((id) => pci_match_one_device(id, dev)) ?? null;
  await spin_unlock(drv.dynids.lock);
  if (dynamic !== null) return dynamic;
  for (const id of drv.id_table ?? []) {
    if (!pci_match_one_device(id, dev)) continue;
    // Entries for driver_override only count when it is set.
    if (!id.override_only || dev.driver_override !== null) return id;
  }
  return dev.driver_override !== null ? pci_device_id_any : null;
}

/** Add an id to a driver at run time and offer it all devices. 0 or what driver_attach() says. C: drivers/pci/pci-driver.c pci_add_dynid() */
export async function pci_add_dynid(
  drv: pci_driver,
  vendor: u32,
  device: u32,
  subvendor: u32,
  subdevice: u32,
  class_code: u32,
  class_mask: u32,
  driver_data: unknown = 0,
): Promise<int> {
  await spin_lock(drv.dynids.lock);
  drv.dynids.list.push({ vendor, device, subvendor, subdevice, class: class_code, class_mask, driver_data });
  await spin_unlock(drv.dynids.lock);
  return driver_attach(drv.driver);
}

function parse_ids(buf: string): u32[] {
  const ids: u32[] = [];
  for (const word of buf.trim().split(/\s+/)) {
    if (!/^(0x)?[0-9a-fA-F]+$/.test(word)) break;
    ids.push(Number.parseInt(word, 16) >>> 0);
  }
  return ids;
}

async function new_id_store(driver: device_driver, buf: string): Promise<int> {
  const drv = to_pci_driver(driver);
  const f = parse_ids(buf);
  if (f.length < 2) return -EINVAL;
  const [vendor, device, subvendor = PCI_ANY_ID, subdevice = PCI_ANY_ID, class_code = 0, class_mask = 0] = f;
  if (f.length < 7) {
    const probe = {
      vendor,
      device,
      subsystem_vendor: subvendor,
      subsystem_device: subdevice,
      class: class_code,
    };
    const same = (id: pci_device_id): boolean =>
      !id.override_only && pci_match_one_device(id, probe as pci_dev);
    if (drv.dynids.list.some(same) || drv.id_table?.some(same)) return -EEXIST;
  }
  // driver_data has to be one that the driver knows.
  if (drv.id_table !== null && !drv.id_table.some((id) => (id.driver_data ?? 0) === (f[6] ?? 0)))
    return -EINVAL;
  const ret = await pci_add_dynid(
    drv,
    vendor,
    device,
    subvendor,
    subdevice,
    class_code,
    class_mask,
    f[6] ?? 0,
  );
  return ret ? ret : buf.length;
}

async function remove_id_store(driver: device_driver, buf: string): Promise<int> {
  const drv = to_pci_driver(driver);
  const f = parse_ids(buf);
  if (f.length < 2) return -EINVAL;
  const [vendor, device, subvendor = PCI_ANY_ID, subdevice = PCI_ANY_ID, class_code = 0, class_mask = 0] = f;
  await spin_lock(drv.dynids.lock);
  const i = drv.dynids.list.findIndex(
    (id) =>
      id.vendor === vendor &&
      id.device === device &&
      (subvendor === PCI_ANY_ID || id.subvendor === subvendor) &&
      (subdevice === PCI_ANY_ID || id.subdevice === subdevice) &&
      ((id.class ^ class_code) & class_mask) === 0,
  );
  if (i >= 0) drv.dynids.list.splice(i, 1);
  await spin_unlock(drv.dynids.lock);
  return i >= 0 ? buf.length : -ENODEV;
}

// Binding

/** Who may do DMA from a group while a host driver has a device of it. The IOMMU package sets it. */
export interface pci_dma_owner {
  /** 0, or -EBUSY when user space owns the group. */
  use_default_domain(dev: device): Promise<int> | int;
  unuse_default_domain(dev: device): Promise<void> | void;
}

async function pci_bus_match(dev: device, driver: device_driver): Promise<boolean> {
  const pdev = to_pci_dev(dev);
  if (!pdev.match_driver) return false;
  return (await pci_match_device(to_pci_driver(driver), pdev)) !== null;
}

async function local_pci_probe(drv: pci_driver, dev: pci_dev, id: pci_device_id): Promise<int> {
  // The device is active while probed, with a count for the driver: one that does runtime PM drops it.
  await pm_runtime_get_sync(dev.dev);
  dev.driver = drv;
  const rc = drv.probe === null ? 0 : await drv.probe(dev, id);
  if (!rc) return 0;
  if (rc < 0) {
    dev.driver = null;
    await pm_runtime_put_sync(dev.dev);
    return rc;
  }
  pci_warn(dev, `Driver probe function unexpectedly returned ${rc}\n`);
  return 0;
}

async function pci_device_probe(dev: device): Promise<int> {
  const pdev = to_pci_dev(dev);
  const drv = to_pci_driver(dev.driver as device_driver);
  if (pdev.is_virtfn && pdev.driver_override === null && pdev.physfn?.sriov?.drivers_autoprobe === false)
    return -ENODEV;
  await get_device(dev);
  let error = 0;
  if (drv.probe !== null) {
    const id = await pci_match_device(drv, pdev);
    error = id === null ? -ENODEV : await local_pci_probe(drv, pdev, id);
  }
  if (error) await put_device(dev);
  return error;
}

async function pci_device_remove(dev: device): Promise<void> {
  const pdev = to_pci_dev(dev);
  const drv = pdev.driver;
  const v61 = pci().v61;
  if (drv?.remove) {
    await pm_runtime_get_sync(dev);
    if (v61) await pm_runtime_barrier(dev);
    await drv.remove(pdev);
    await pm_runtime_put_noidle(dev);
  }
  pdev.driver = null;
  pci_iov_remove(pdev);
  await pm_runtime_put_sync(dev);
  if (!v61 && pdev.current_state === PCI_D0) pdev.current_state = PCI_UNKNOWN;
  await put_device(dev);
}

async function pci_device_shutdown(dev: device): Promise<void> {
  const pdev = to_pci_dev(dev);
  await pm_runtime_resume(dev);
  await pdev.driver?.shutdown?.(pdev);
  if (pdev.current_state <= PCI_D0) await pci_clear_master(pdev);
}

// Runtime PM of the bus

async function pci_pm_runtime_suspend(dev: device): Promise<int> {
  const pdev = to_pci_dev(dev);
  const pm = dev.driver?.pm ?? null;
  const prev = pdev.current_state;
  if (pdev.driver === null) {
    // Without a driver it stays in D0, but may lose power with the bridge above.
    await pci_save_state(pdev);
    return 0;
  }
  pdev.state_saved = false;
  if (pm?.runtime_suspend) {
    const error = await pm.runtime_suspend(dev);
    if (error === -EBUSY || error === -EAGAIN) return error;
    if (error) {
      pci_warn(pdev, `can't suspend (${pdev.driver.name} returned ${error})\n`);
      return error;
    }
  }
  if (
    pm?.runtime_suspend &&
    !pdev.state_saved &&
    pdev.current_state !== PCI_D0 &&
    pdev.current_state !== PCI_UNKNOWN
  ) {
    WARN_ONCE(
      pdev.current_state !== prev,
      'PCI PM: State of device not saved by its runtime_suspend callback\n',
    );
    return 0;
  }
  if (!pdev.state_saved) {
    await pci_save_state(pdev);
    await pci_finish_runtime_suspend(pdev);
  }
  return 0;
}

async function pci_pm_bridge_power_up_actions(pdev: pci_dev): Promise<void> {
  const ret = await pci_bridge_wait_for_secondary_bus(pdev, 'resume');
  if (ret && pdev.subordinate !== null) {
    await pci_walk_bus(pdev.subordinate, (d) => {
      d.is_disconnected = true;
      return 0;
    });
    return;
  }
  // Everything below was powered on uninitialised: each has to be resumed.
  await pci_resume_bus(pdev.subordinate);
}

async function pci_pm_runtime_resume(dev: device): Promise<int> {
  const pdev = to_pci_dev(dev);
  const pm = dev.driver?.pm ?? null;
  const prev = pdev.current_state;
  // Config space is back before the driver's callback runs, and also without a driver.
  await pci_power_up(pdev);
  await pci_update_current_state(pdev, PCI_D0);
  await pci_restore_state(pdev);
  await pci_pme_restore(pdev);
  if (pdev.driver === null) return 0;
  await pci_enable_wake(pdev, PCI_D0, false);
  if (prev === PCI_D3cold) await pci_pm_bridge_power_up_actions(pdev);
  return pm?.runtime_resume ? pm.runtime_resume(dev) : 0;
}

async function pci_pm_runtime_idle(dev: device): Promise<int> {
  if (to_pci_dev(dev).driver === null) return 0;
  const pm = dev.driver?.pm ?? null;
  if (pm === null) return -ENOSYS;
  return pm.runtime_idle ? pm.runtime_idle(dev) : 0;
}

const pci_dev_pm_ops: dev_pm_ops = {
  runtime_suspend: pci_pm_runtime_suspend,
  runtime_resume: pci_pm_runtime_resume,
  runtime_idle: pci_pm_runtime_idle,
};

async function pci_dma_configure(dev: device): Promise<int> {
  const drv = to_pci_driver(dev.driver as device_driver);
  return drv.driver_managed_dma ? 0 : ((await pci().dma_owner?.use_default_domain(dev)) ?? 0);
}

async function pci_dma_cleanup(dev: device): Promise<void> {
  const drv = dev.driver;
  if (drv !== null && !to_pci_driver(drv).driver_managed_dma)
    await pci().dma_owner?.unuse_default_domain(dev);
}

const PCI_BUS = Symbol('pci_bus_type');

/** The PCI bus of the running machine. C: drivers/pci/pci-driver.c pci_bus_type */
export function pci_bus_type(): bus_type {
  return machine.scope(PCI_BUS, () => {
    const bus = new bus_type('pci');
    bus.match = pci_bus_match;
    bus.probe = pci_device_probe;
    bus.remove = pci_device_remove;
    bus.shutdown = pci_device_shutdown;
    bus.dma_configure = pci_dma_configure;
    bus.dma_cleanup = pci_dma_cleanup;
    bus.num_vf = (dev) => to_pci_dev(dev).sriov?.num_VFs ?? 0;
    bus.pm = pci_dev_pm_ops;
    bus.dev_groups = pci_dev_groups;
    bus_register(bus);
    return bus;
  });
}

/** Add a driver to the PCI bus; devices it fits are probed. 0 or -errno. C: drivers/pci/pci-driver.c __pci_register_driver() */
export async function pci_register_driver(drv: pci_driver, owner: module | null = null): Promise<int> {
  const d = drv.driver;
  d.name = drv.name;
  d.bus = pci_bus_type();
  d.owner = owner;
  d.attrs = [
    { name: 'new_id', mode: 0o200, store: new_id_store },
    { name: 'remove_id', mode: 0o200, store: remove_id_store },
  ];
  spin_lock_init(drv.dynids.lock, '&drv->dynids.lock');
  return driver_register(d);
}

/** Remove a driver, unbinding everything. C: drivers/pci/pci-driver.c pci_unregister_driver() */
export async function pci_unregister_driver(drv: pci_driver): Promise<void> {
  await driver_unregister(drv.driver);
  drv.dynids.list.length = 0;
}

/** The bound driver, or null. C: drivers/pci/pci-driver.c pci_dev_driver() */
export function pci_dev_driver(dev: pci_dev): pci_driver | null {
  return dev.driver;
}

/** Private pointer of the driver. C: include/linux/pci.h pci_get_drvdata() */
export function pci_get_drvdata<T>(dev: pci_dev): T {
  return dev.dev.driver_data as T;
}

/** C: include/linux/pci.h pci_set_drvdata() */
export function pci_set_drvdata(dev: pci_dev, data: unknown): void {
  dev.dev.driver_data = data;
}
