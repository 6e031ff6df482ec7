// SPDX-License-Identifier: GPL-2.0-only
import type { vfio_pci_core_device } from '@vfio-lab/headers';
import { RPM_SUSPENDING, type rpm_status, slab_is_freed } from '@vfio-lab/kernel';
import { mutex_is_locked, rwsem_is_locked } from '@vfio-lab/locking';
import type { pci_dev } from '@vfio-lab/pci';
import { machine, report, trace } from '@vfio-lab/sim';

/**
 * Watch a device for suspends that its guest did not direct. One is reported when runtime PM starts a suspend
 * (status becomes SUSPENDING) while all of these hold:
 *
 * 1. the device is open,
 * 2. low power is not engaged: the guest has not entered it, or has left it,
 * 3. nobody is in the middle of changing that: memory_lock is free, and so is the lock of its device set, under which
 *    a device is opened, closed and reset with others,
 * 4. the usage count is 0, so that nothing keeps the device from sleeping.
 *
 * An EXIT that takes its reference before it releases memory_lock never lets 2, 3 and 4 hold at once.
 *
 * The value is kept here and not in the closure, so that a checkpoint of the machine sees it.
 */
export class SuspendWatch {
  status: rpm_status;
  on = true;

  constructor(pdev: pci_dev, vdev: vfio_pci_core_device) {
    const { power } = pdev.dev;
    this.status = power.runtime_status;
    const flags = vdev as { pm_runtime_engaged?: boolean; platform_pm_engaged?: boolean };
    const engaged = (): boolean => flags.pm_runtime_engaged === true || flags.platform_pm_engaged === true;
    Object.defineProperty(power, 'runtime_status', {
      configurable: true,
      enumerable: true,
      get: () => this.status,
      set: (to: rpm_status) => {
        this.status = to;
        if (!this.on || to !== RPM_SUSPENDING || slab_is_freed(vdev)) return;
        if (machine.peek(() => vdev.vdev.open_count === 0 || engaged())) return;
        if (rwsem_is_locked(vdev.memory_lock) || mutex_is_locked(machine.peek(() => vdev.vdev.dev_set.lock)))
          return;
        if (power.usage_count.counter > 0) return;
        const text = `${pdev.dev.name} goes to sleep although its guest has left low power: nothing holds it awake`;
        report('undirected-suspend', text, { device: pdev.dev.name });
      },
    });
  }
}

/** What the driver remembers of the power of a device: fields of struct vfio_pci_core_device, some in some revisions only. */
const FLAGS = [
  'pm_intx_masked',
  'pm_runtime_engaged',
  'pm_runtime_resumed',
  'pm_runtime_reentry_allowed',
  'platform_pm_engaged',
  'power_state_d3',
  'pm_wake_eventfd_ctx',
  'pme_trigger',
];

const TRACED = new WeakSet<object>();

/** From here on, the timeline says when one of these fields changes. */
export function traceFlags(vdev: vfio_pci_core_device): void {
  if (TRACED.has(vdev)) return;
  TRACED.add(vdev);
  trace('device', 'is open', { device: vdev.pdev.dev.name });
  const fields = vdev as unknown as Record<string, unknown>;
  for (const name of FLAGS) {
    if (!(name in fields)) continue;
    let value = fields[name];
    Object.defineProperty(vdev, name, {
      configurable: true,
      enumerable: true,
      get: () => value,
      set: (to: unknown) => {
        const shown = typeof to === 'boolean' ? String(to) : to === null ? 'NULL' : 'set';
        if (to !== value) trace('flag', `${name} = ${shown}`, { device: vdev.pdev.dev.name });
        value = to;
      },
    });
  }
}
