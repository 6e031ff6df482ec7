// SPDX-License-Identifier: GPL-2.0-only
// drivers/base/power/runtime.c, v5.19: device links with runtime PM (a consumer keeps its suppliers up)
import type { int } from '@vfio-lab/sim';
import {
  atomic_add_unless,
  atomic_inc,
  atomic_read,
  atomic_t,
  spin_lock_irq,
  spin_unlock_irq,
} from '@vfio-lab/locking';
import { type device, EACCES, WARN_ON } from '@vfio-lab/kernel';
import { pm_request_idle, pm_runtime_get_sync, pm_runtime_put, pm_runtime_put_noidle } from './pm_runtime.ts';

export const DL_FLAG_STATELESS = 1 << 0;
export const DL_FLAG_PM_RUNTIME = 1 << 2;

/** struct device_link */
export class device_link {
  readonly supplier: device;
  readonly consumer: device;
  readonly flags: int;
  /** 1 + the runtime-PM references that the consumer holds to the supplier. */
  readonly rpm_active = new atomic_t(1, 'link->rpm_active');
  supplier_preactivated = false;

  constructor(consumer: device, supplier: device, flags: int) {
    this.consumer = consumer;
    this.supplier = supplier;
    this.flags = flags;
  }
}

function suppliers(dev: device): device_link[] {
  return dev.power.suppliers as device_link[];
}

/** Make `consumer` depend on `supplier`. C: drivers/base/core.c device_link_add(), for stateless links */
export async function device_link_add(consumer: device, supplier: device, flags: int): Promise<device_link> {
  const link = new device_link(consumer, supplier, flags);
  suppliers(consumer).push(link);
  if (flags & DL_FLAG_PM_RUNTIME) await pm_runtime_new_link(consumer);
  return link;
}

/** C: drivers/base/core.c device_link_del() */
export async function device_link_del(link: device_link): Promise<void> {
  await pm_runtime_drop_link(link);
  const links = suppliers(link.consumer);
  links.splice(links.indexOf(link), 1);
}

/** C: drivers/base/power/runtime.c rpm_get_suppliers() */
export async function rpm_get_suppliers(dev: device): Promise<int> {
  for (const link of suppliers(dev)) {
    if (!(link.flags & DL_FLAG_PM_RUNTIME)) continue;
    const retval = await pm_runtime_get_sync(link.supplier);
    // A supplier without runtime PM does not matter.
    if (retval < 0 && retval !== -EACCES) {
      await pm_runtime_put_noidle(link.supplier);
      return retval;
    }
    await atomic_inc(link.rpm_active);
  }
  return 0;
}

/** C: drivers/base/power/runtime.c pm_runtime_release_supplier() */
export async function pm_runtime_release_supplier(link: device_link): Promise<void> {
  const { supplier } = link;
  while (
    (await atomic_add_unless(link.rpm_active, -1, 1)) &&
    (await atomic_read(supplier.power.usage_count)) > 0
  ) {
    await pm_runtime_put_noidle(supplier);
  }
}

/** C: drivers/base/power/runtime.c __rpm_put_suppliers() */
export async function __rpm_put_suppliers(dev: device, try_to_suspend: boolean): Promise<void> {
  for (const link of suppliers(dev)) {
    await pm_runtime_release_supplier(link);
    if (try_to_suspend) await pm_request_idle(link.supplier);
  }
}

/** C: drivers/base/power/runtime.c rpm_put_suppliers() */
export function rpm_put_suppliers(dev: device): Promise<void> {
  return __rpm_put_suppliers(dev, true);
}

/** C: drivers/base/power/runtime.c rpm_suspend_suppliers() */
export async function rpm_suspend_suppliers(dev: device): Promise<void> {
  for (const link of suppliers(dev)) await pm_request_idle(link.supplier);
}

/** Before a probe. C: drivers/base/power/runtime.c pm_runtime_get_suppliers() */
export async function pm_runtime_get_suppliers(dev: device): Promise<void> {
  for (const link of suppliers(dev)) {
    if (!(link.flags & DL_FLAG_PM_RUNTIME)) continue;
    link.supplier_preactivated = true;
    await pm_runtime_get_sync(link.supplier);
  }
}

/** After a probe. C: drivers/base/power/runtime.c pm_runtime_put_suppliers() */
export async function pm_runtime_put_suppliers(dev: device): Promise<void> {
  for (const link of suppliers(dev)) {
    if (!link.supplier_preactivated) continue;
    link.supplier_preactivated = false;
    await pm_runtime_put(link.supplier);
  }
}

/** C: drivers/base/power/runtime.c pm_runtime_new_link() */
export async function pm_runtime_new_link(dev: device): Promise<void> {
  await spin_lock_irq(dev.power.lock);
  dev.power.links_count++;
  await spin_unlock_irq(dev.power.lock);
}

/** C: drivers/base/power/runtime.c pm_runtime_drop_link() */
export async function pm_runtime_drop_link(link: device_link): Promise<void> {
  if (!(link.flags & DL_FLAG_PM_RUNTIME)) return;
  const p = link.consumer.power;
  await spin_lock_irq(p.lock);
  WARN_ON(p.links_count === 0);
  p.links_count--;
  await spin_unlock_irq(p.lock);
  await pm_runtime_release_supplier(link);
  await pm_request_idle(link.supplier);
}
