// SPDX-License-Identifier: GPL-2.0-only
// The host module that the recordings insert to make a resume fail
import type { int } from '@vfio-lab/sim';
import { spin_lock_irq, spin_unlock_irq } from '@vfio-lab/locking';
import { type device, EINVAL, EIO } from '@vfio-lab/kernel';
import { pm_runtime_disable } from './pm_runtime.ts';
import { trace_rpm } from './runtime.ts';
import { pm_runtime_enable } from './setup.ts';

/**
 * `insmod pmerr op=...`: `err` stores -EIO in power.runtime_error as a failed callback would, `clear` takes it away
 * (status and counts stay), `disable` and `enable` are pm_runtime_disable() and pm_runtime_enable().
 * Returns what insmod would: 0, -EINVAL for another word.
 */
export async function pmerr(dev: device, op: string): Promise<int> {
  switch (op) {
    case 'err':
    case 'clear':
      await spin_lock_irq(dev.power.lock);
      dev.power.runtime_error = op === 'err' ? -EIO : 0;
      await spin_unlock_irq(dev.power.lock);
      trace_rpm(dev, `pmerr ${op}`);
      return 0;
    case 'disable':
      await pm_runtime_disable(dev);
      return 0;
    case 'enable':
      await pm_runtime_enable(dev);
      return 0;
    default:
      return -EINVAL;
  }
}
