// SPDX-License-Identifier: GPL-2.0-only
/* Mutants that are the same driver as before, each with the reason: nobody can tell them apart. */

import { keyOf, type MutantKey, type Operator } from './operators.ts';

export interface Equivalent extends Omit<MutantKey, 'nth'> {
  /** Left out: the first that reads so. */
  readonly nth?: number;
  /** Revisions that it holds for, by series; left out: all that have the statement. */
  readonly series?: readonly string[];
  readonly reason: string;
}

function same(
  fn: string,
  operator: Operator,
  text: string,
  reason: string,
  rest: { nth?: number; as?: string; series?: readonly string[] } = {},
): Equivalent {
  return { function: fn, operator, text, reason, ...rest };
}

export const EQUIVALENT: readonly Equivalent[] = [];
void same;

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
