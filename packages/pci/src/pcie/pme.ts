// SPDX-License-Identifier: GPL-2.0-only
// drivers/pci/pcie/pme.c (v5.19-rc4): PME messages at the root port.

import { ref, spawn, type u16 } from '@vfio-lab/sim';
import {
  down_read,
  spin_lock_init,
  spin_lock_irq,
  spin_lock_irqsave,
  spin_unlock_irq,
  spin_unlock_irqrestore,
  spinlock_t,
  up_read,
} from '@vfio-lab/locking';
import { cancel_work_sync, INIT_WORK, pci_info, schedule_work, work_struct } from '@vfio-lab/kernel';
import { device_set_wakeup_capable, pm_request_resume } from '@vfio-lab/runtime-pm';
import {
  PCI_POSSIBLE_ERROR,
  pci_is_pcie,
  pci_pcie_type,
  pcie_capability_clear_and_set_dword,
  pcie_capability_clear_and_set_word,
  pcie_capability_read_dword,
  pcie_capability_set_word,
} from '../access.ts';
import { pci } from '../core.ts';
import { pcie_find_root_port, pci_walk_bus } from '../pci.ts';
import { pci_check_pme_status } from '../pci-pm.ts';
import { pci_find_bus } from '../search.ts';
import * as R from '../pci_regs.ts';
import type { pci_bus, pci_dev } from '../types.ts';

/** struct pcie_pme_service_data */
export class pcie_pme_service_data {
  readonly lock = new spinlock_t();
  readonly port: pci_dev;
  readonly work = new work_struct(this);
  /** Keep the interrupt disabled. */
  noirq = false;

  constructor(port: pci_dev) {
    this.port = port;
  }
}

async function pcie_pme_interrupt_enable(dev: pci_dev, enable: boolean): Promise<void> {
  if (enable) await pcie_capability_set_word(dev, R.PCI_EXP_RTCTL, R.PCI_EXP_RTCTL_PMEIE);
  else await pcie_capability_clear_and_set_word(dev, R.PCI_EXP_RTCTL, R.PCI_EXP_RTCTL_PMEIE, 0);
}

/** C: drivers/pci/pci.c pcie_clear_root_pme_status() */
async function pcie_clear_root_pme_status(dev: pci_dev): Promise<void> {
  await pcie_capability_clear_and_set_dword(dev, R.PCI_EXP_RTSTA, 0, R.PCI_EXP_RTSTA_PME);
}

async function pcie_pme_walk_bus(bus: pci_bus | null): Promise<boolean> {
  let ret = false;
  for (const dev of bus?.devices ?? []) {
    if (!pci_is_pcie(dev) && (await pci_check_pme_status(dev))) {
      if (dev.pme_poll) dev.pme_poll = false;
      await pm_request_resume(dev.dev);
      ret = true;
    }
    if (dev.subordinate !== null && (await pcie_pme_walk_bus(dev.subordinate))) ret = true;
  }
  return ret;
}

async function pcie_pme_from_pci_bridge(bus: pci_bus, devfn: number): Promise<boolean> {
  const dev = bus.self;
  if (devfn !== 0 || dev === null) return false;
  if (!pci_is_pcie(dev) || pci_pcie_type(dev) !== R.PCI_EXP_TYPE_PCI_BRIDGE) return false;
  await down_read(pci().pci_bus_sem);
  const found = await pcie_pme_walk_bus(bus);
  await up_read(pci().pci_bus_sem);
  return found;
}

/** What pcie_pme_handle_request() looks through. True: the source was found. */
async function pcie_pme_find(port: pci_dev, req_id: u16): Promise<boolean> {
  const busnr = req_id >> 8;
  const devfn = req_id & 0xff;
  if (port.devfn === devfn && port.bus.number === busnr) {
    if (port.pme_poll) port.pme_poll = false;
    if (await pci_check_pme_status(port)) {
      await pm_request_resume(port.dev);
      return true;
    }
    // On behalf of a conventional device below.
    await down_read(pci().pci_bus_sem);
    const found = await pcie_pme_walk_bus(port.subordinate);
    await up_read(pci().pci_bus_sem);
    return found;
  }
  const bus = pci_find_bus(port.bus.domain_nr, busnr);
  if (bus === null) return false;
  if (await pcie_pme_from_pci_bridge(bus, devfn)) return true;
  await down_read(pci().pci_bus_sem);
  const dev = bus.devices.find((d) => d.devfn === devfn);
  await up_read(pci().pci_bus_sem);
  if (dev !== undefined) {
    // The device is there, but nothing keeps it or the port awake until its status is read.
    if (!(await pci_check_pme_status(dev))) return false;
    if (dev.pme_poll) dev.pme_poll = false;
    await pm_request_resume(dev.dev);
    return true;
  }
  if (devfn === 0) return false;
  pci_info(port, `interrupt generated for non-existent device ${req_id.toString(16)}\n`);
  return pcie_pme_from_pci_bridge(bus, 0);
}

async function pcie_pme_handle_request(port: pci_dev, req_id: u16): Promise<void> {
  if (!(await pcie_pme_find(port, req_id))) pci_info(port, 'Spurious native interrupt!\n');
}

/** C: drivers/pci/pcie/pme.c pcie_pme_work_fn() */
async function pcie_pme_work_fn(data: pcie_pme_service_data): Promise<void> {
  const { port } = data;
  const rtsta = ref(0);
  await spin_lock_irq(data.lock);
  while (!data.noirq) {
    await pcie_capability_read_dword(port, R.PCI_EXP_RTSTA, rtsta);
    if (PCI_POSSIBLE_ERROR(rtsta.v, 4)) break;
    if (rtsta.v & R.PCI_EXP_RTSTA_PME) {
      // If there are more, the status is set again.
      await pcie_clear_root_pme_status(port);
      await spin_unlock_irq(data.lock);
      await pcie_pme_handle_request(port, rtsta.v & 0xffff);
      await spin_lock_irq(data.lock);
      continue;
    }
    if (!(rtsta.v & R.PCI_EXP_RTSTA_PENDING)) break;
    await spin_unlock_irq(data.lock);
    await spin_lock_irq(data.lock);
  }
  if (!data.noirq) await pcie_pme_interrupt_enable(port, true);
  await spin_unlock_irq(data.lock);
}

/** C: drivers/pci/pcie/pme.c pcie_pme_irq() */
async function pcie_pme_irq(data: pcie_pme_service_data): Promise<void> {
  const { port } = data;
  const rtsta = ref(0);
  const flags = await spin_lock_irqsave(data.lock);
  await pcie_capability_read_dword(port, R.PCI_EXP_RTSTA, rtsta);
  if (PCI_POSSIBLE_ERROR(rtsta.v, 4) || !(rtsta.v & R.PCI_EXP_RTSTA_PME)) {
    await spin_unlock_irqrestore(data.lock, flags);
    return;
  }
  await pcie_pme_interrupt_enable(port, false);
  await spin_unlock_irqrestore(data.lock, flags);
  await schedule_work(data.work);
}

/** Every device below a port with PME service counts as able to wake. C: drivers/pci/pcie/pme.c pcie_pme_mark_devices() */
async function pcie_pme_mark_devices(port: pci_dev): Promise<void> {
  device_set_wakeup_capable(port.dev, true);
  if (port.subordinate === null) return;
  await pci_walk_bus(port.subordinate, (dev) => {
    device_set_wakeup_capable(dev.dev, true);
    return 0;
  });
}

/** Serve the PME interrupt of a root port. C: drivers/pci/pcie/pme.c pcie_pme_probe() */
export async function pcie_pme_probe(port: pci_dev): Promise<void> {
  const data = new pcie_pme_service_data(port);
  spin_lock_init(data.lock, '&data->lock');
  INIT_WORK(data.work, () => pcie_pme_work_fn(data), 'pcie_pme_work_fn');
  port.pme_service = data;
  await pcie_pme_interrupt_enable(port, false);
  await pcie_clear_root_pme_status(port);
  port.hw.on_root_pme = () => {
    spawn(`PCIe PME ${port.dev.name}`, () => pcie_pme_irq(data), { kind: 'hardirq', process: null });
  };
  await pcie_pme_mark_devices(port);
  await pcie_pme_interrupt_enable(port, true);
}

/** C: drivers/pci/pcie/pme.c pcie_pme_remove() */
export async function pcie_pme_remove(port: pci_dev): Promise<void> {
  const data = port.pme_service;
  if (data === null) return;
  await spin_lock_irq(data.lock);
  await pcie_pme_interrupt_enable(port, false);
  await pcie_clear_root_pme_status(port);
  data.noirq = true;
  await spin_unlock_irq(data.lock);
  port.hw.on_root_pme = () => {};
  await cancel_work_sync(data.work);
  port.pme_service = null;
}

/** The way of a device's PME messages to its root port. A conventional bridge speaks for those below it. */
export function pcie_pme_connect(dev: pci_dev): void {
  const root = pcie_find_root_port(dev);
  if (root === null) return;
  const requester = (dev.bus.number << 8) | (pci_is_pcie(dev) ? dev.devfn : 0);
  dev.hw.on_pme = () => root.hw.pme_message(requester);
}
