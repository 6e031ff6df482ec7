// SPDX-License-Identifier: GPL-2.0-only
import type { Chooser } from './chooser.ts';
import type { Execution } from './execution.ts';
import type { ModelSubject } from './model.ts';
import type { Observation } from './subject.ts';

/** A search over executions: a chooser that knows whether there is another one. */
export interface Search extends Chooser {
  readonly execution: Execution;
  readonly executions: number;
  begin(): void;
  advance(): boolean;
}

/** Run a model to the end of a search, without a pause: for models, whose executions take microseconds. */
export function exhaustModel(
  subject: ModelSubject,
  search: Search,
  seen?: (o: Observation) => void,
  limit = Infinity,
): boolean {
  do {
    if (search.executions >= limit) return false;
    search.begin();
    const observation = subject.run(search);
    seen?.(observation);
  } while (search.advance());
  return true;
}
