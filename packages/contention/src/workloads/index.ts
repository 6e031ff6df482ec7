// SPDX-License-Identifier: GPL-2.0-only
import { InputError } from '@vfio-lab/sim';
import type { Workload } from '../workload.ts';
import { barReads } from './bar-reads.ts';
import { configReads } from './config-reads.ts';
import { configWrites } from './config-writes.ts';
import { faultsVsMemoryToggle } from './faults-vs-memory-toggle.ts';
import { groupOpenClose } from './group-open-close.ts';
import { hotReset16 } from './hot-reset-16.ts';
import { intxVsMasking } from './intx-vs-masking.ts';
import { lowPowerVsAccess } from './low-power-vs-access.ts';
import { mixedRegions } from './mixed-regions.ts';
import { setIrqsStorm } from './set-irqs-storm.ts';

/** In the order in which they are listed. */
export const workloads: readonly Workload[] = [
  configReads,
  configWrites,
  barReads,
  mixedRegions,
  setIrqsStorm,
  lowPowerVsAccess,
  faultsVsMemoryToggle,
  intxVsMasking,
  hotReset16,
  groupOpenClose,
];

/** A workload by name. Throws InputError with the names there are. */
export function workloadByName(name: string): Workload {
  const found = workloads.find((w) => w.name === name);
  if (found !== undefined) return found;
  throw new InputError(
    `no workload "${name}"`,
    'contention',
    `there are ${workloads.map((w) => w.name).join(', ')}`,
  );
}
