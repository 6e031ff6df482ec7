// SPDX-License-Identifier: GPL-2.0-only
import type { vfio_pci_core_device } from '@vfio-lab/headers';
import { RPM_SUSPENDING, type rpm_status } from '@vfio-lab/kernel';
import { rwsem_is_locked } from '@vfio-lab/locking';
import type { pci_dev } from '@vfio-lab/pci';
import { report } from '@vfio-lab/sim';

/**
 * Watch a device for suspends that its guest did not direct. One is reported when runtime PM starts a suspend
 * (status becomes SUSPENDING) while all of these hold:
 *
 * 1. the device is open,
 * 2. low power is not engaged: the guest has not entered it, or has left it,
 * 3. nobody is in the middle of changing that: memory_lock is free,
 * 4. the usage count is 0, so that nothing keeps the device from sleeping.
 *
 * An EXIT that takes its reference before it releases memory_lock never lets 2, 3 and 4 hold at once.
 *
 * @returns ends the watch
 */
export function watchSuspends(pdev: pci_dev, vdev: vfio_pci_core_device): () => void {
  const { power } = pdev.dev;
  let status: rpm_status = power.runtime_status;
  const engaged = (): boolean => (vdev as { pm_runtime_engaged?: boolean }).pm_runtime_engaged === true;
  Object.defineProperty(power, 'runtime_status', {
    configurable: true,
    enumerable: true,
    get: () => status,
    set: (to: rpm_status) => {
      status = to;
      if (to !== RPM_SUSPENDING || vdev.vdev.open_count === 0 || engaged()) return;
      if (rwsem_is_locked(vdev.memory_lock) || power.usage_count.counter > 0) return;
      const text = `${pdev.dev.name} goes to sleep although its guest has left low power: nothing holds it awake`;
      report('undirected-suspend', text, { device: pdev.dev.name });
    },
  });
  return () => {
    Object.defineProperty(power, 'runtime_status', {
      configurable: true,
      enumerable: true,
      writable: true,
      value: status,
    });
  };
}
