// SPDX-License-Identifier: GPL-2.0-only
// What user space could tell at the end of a run, whatever the scenario itself looks at.
import type { vfio_pci_core_device } from '@vfio-lab/headers';
import { dev_get_drvdata, eventfd_ctx } from '@vfio-lab/kernel';
import { pci_power_name } from '@vfio-lab/pci';
import { machine } from '@vfio-lab/sim';
import type { Testbed } from './boot.ts';

const RPM_STATUS = ['active', 'resuming', 'suspended', 'suspending'];
const ERRORS = Symbol('errors of calls');

/** Errors that calls gave, by task, in order. */
function errors(): Map<string, string[]> {
  return machine.scope(ERRORS, () => new Map<string, string[]>());
}

/** A call of this task failed: `what` names call and error. */
export function note_error(task: string, what: string): void {
  const list = errors().get(task);
  if (list === undefined) errors().set(task, [what]);
  else list.push(what);
}

/**
 * Devices with power, runtime PM and flags; how often each eventfd was signalled; what calls of the programs failed.
 * One line, the same for the same end: `01:00.0 D0 active usage 1; eventfd 1 x3; guest: EXIT EINVAL`. Called before the
 * process ends.
 */
export function endState(testbed: Testbed): string {
  const parts: string[] = [];
  for (const bdf of testbed.boundDevices()) {
    const vdev = dev_get_drvdata<vfio_pci_core_device>(testbed.pciDevice(bdf).dev);
    const { power } = vdev.pdev.dev;
    const flags = vdev as unknown as Record<string, unknown>;
    const set = ['pm_runtime_engaged', 'platform_pm_engaged', 'pm_runtime_resumed']
      .filter((name) => flags[name] === true)
      .map((name) => ` ${name}`);
    const status = RPM_STATUS[power.runtime_status] ?? '';
    const state = pci_power_name(vdev.pdev.current_state);
    parts.push(
      `${bdf.replace(/^0000:/, '')} ${state} ${status} usage ${power.usage_count.counter}${set.join('')}`,
    );
  }
  for (const { file } of testbed.process.files?.slots ?? []) {
    const ctx = file?.private_data;
    if (ctx instanceof eventfd_ctx) parts.push(`eventfd ${ctx.id} x${ctx.signals}`);
  }
  for (const [task, list] of [...errors()].sort(([a], [b]) => (a < b ? -1 : 1)))
    if (task !== 'main') parts.push(`${task}: ${list.join(', ')}`);
  return parts.join('; ');
}
