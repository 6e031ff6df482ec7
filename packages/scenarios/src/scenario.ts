// SPDX-License-Identifier: GPL-2.0-only
import type { Lab } from './lab.ts';

/**
 * One story to run on any revision. A scenario is a file; copy one to make another.
 *
 * 1. `setup` runs first, alone, under run-to-block; what it returns is handed to the rest.
 * 2. `programs` then run as concurrent tasks, named by their keys, under the policy of the run.
 * 3. `check` runs when all have ended and the kernel has come to rest.
 * 4. Afterwards the process exits, and the lab checks that everything is back at its resting value.
 */
export interface Scenario<S = unknown> {
  /** Kebab-case, unique. */
  readonly name: string;
  /** What happens and what must hold, in a sentence. */
  readonly about: string;
  /** Review claims it bears on: 'C11'. */
  readonly claims?: readonly string[];
  readonly topology: string;
  /** Module parameters of vfio-pci: 'disable_idle_d3=1'. */
  readonly options?: string;
  /** Its result depends on the schedule: a review runs so many random schedules of it. */
  readonly schedules?: number;
  setup(lab: Lab): Promise<S>;
  readonly programs?: Readonly<Record<string, (lab: Lab, state: S) => Promise<void>>>;
  check?(lab: Lab, state: S): Promise<void>;
}

/** Give a scenario its type; the state is what `setup` returns. */
export function defineScenario<S>(scenario: Scenario<S>): Scenario {
  return scenario as Scenario;
}
