// SPDX-License-Identifier: GPL-2.0-only
import { InputError } from '@vfio-lab/sim';
import type { Scenario } from '../scenario.ts';
import { lowPowerEnter } from './enter.ts';

/** The library, in the order in which it is listed. */
export const scenarios: readonly Scenario[] = [lowPowerEnter];

/** A scenario by name. Throws InputError with the nearest names. */
export function scenarioByName(name: string): Scenario {
  const found = scenarios.find((s) => s.name === name);
  if (found !== undefined) return found;
  throw new InputError(`no scenario "${name}"`, 'scenario', 'see `vfio-lab scenarios` for the names');
}
