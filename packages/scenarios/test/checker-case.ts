// SPDX-License-Identifier: GPL-2.0-only
import { join, spawn } from '@vfio-lab/sim';
import type { VfioDevice } from '@vfio-lab/testbed';
import type { Lab } from '../src/index.ts';

export const CARD = '0000:01:00.0';

export interface Case {
  /** Kind of the finding. */
  readonly kind: string;
  readonly what: string;
  /** Part of the sentence. */
  readonly says: string | RegExp;
  /** Others that the fault brings about. */
  readonly also?: readonly string[];
  readonly revision?: string;
  readonly topology?: string;
  /** Do it wrongly, or right. With a device open and in INTx mode, its eventfd the last argument. */
  run(bad: boolean, lab: Lab, dev: VfioDevice, eventfd: number): Promise<void>;
}

/** Run bodies as tasks, and wait for all. */
export async function all(bodies: Readonly<Record<string, () => Promise<void>>>): Promise<void> {
  const tasks = Object.entries(bodies).map(([name, body]) => spawn(name, body));
  for (const task of tasks) await join(task);
}
