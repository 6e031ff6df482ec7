// SPDX-License-Identifier: GPL-2.0-only
/* Mutants that are the same driver as before: nobody can tell them apart. */

import { EQUIVALENT } from './equivalent-table.ts';
import { keyOf, type MutantKey } from './operators.ts';

export interface Equivalent extends Omit<MutantKey, 'nth'> {
  /** Left out: the first that reads so. */
  readonly nth?: number;
  /** Revisions that it holds for, by series; left out: all that have the statement. */
  readonly series?: readonly string[];
  readonly reason: string;
}

/** The reason why a mutant is the same driver; undefined when the table does not have it. */
export function equivalent(
  mutant: MutantKey,
  series: string,
  table: readonly Equivalent[] = EQUIVALENT,
): Equivalent | undefined {
  const key = keyOf(mutant);
  return table.find(
    (e) => keyOf({ ...e, nth: e.nth ?? 1 }) === key && (e.series === undefined || e.series.includes(series)),
  );
}

export { EQUIVALENT };
