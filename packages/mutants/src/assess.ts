// SPDX-License-Identifier: GPL-2.0-only
/* What becomes of the mutants of a revision. */

import type { BatteryOptions } from './battery.ts';
import { placeOf } from './coverage.ts';
import { Reach } from './reach.ts';
import { type Crew, Hand, type Setup, Threads } from './crew.ts';
import { EQUIVALENT, equivalent } from './equivalent.ts';
import { type Fate, Nursery, type Verdict } from './nursery.ts';
import { keyOf } from './operators.ts';

export interface AssessOptions extends BatteryOptions {
  /** Only these functions; empty: all. */
  readonly functions: readonly string[];
  /** Try also those that the table calls equivalent. */
  readonly doubt: boolean;
  /** At most so many recordings, scripts and random programs for a mutant, besides all scenarios. */
  readonly breadth: number;
  /** At most so many mutants. */
  readonly limit: number;
  /** Worker threads; 0: none, everything on this thread. */
  readonly jobs: number;
  /** Told after each step; true: stop. */
  readonly progress?: (done: number, total: number, what: string) => boolean | Promise<boolean>;
}

/** What became of the mutants of one revision. */
export interface Assessment {
  readonly revision: string;
  readonly verdicts: readonly Verdict[];
  /** Mutants that were not tried, for want of time. */
  readonly left: number;
  /** Keys of table entries of this revision that are wrong: noticed after all. */
  readonly wrong: readonly string[];
}

/** So many programs at a time are a task of finding out where programs get. */
const CHUNK = 8;

/** Make the mutants of a revision and try them. Throws InputError for an unknown revision or function. */
export async function assess(name: string, options: AssessOptions): Promise<Assessment> {
  const { functions, programs, schedules, seed, doubt } = options;
  const setup: Setup = { revision: name, functions, programs, schedules, seed };
  const nursery = await Nursery.open(name, functions, setup);
  const crew: Crew = options.jobs === 0 ? new Hand() : new Threads(options.jobs);
  try {
    const mutants = nursery.mutants.slice(0, options.limit);
    const count = nursery.programs.length;
    const total = count + mutants.length;
    let stopped = false;
    const ask = async (done: number, what: string): Promise<void> => {
      stopped ||= (await options.progress?.(done, total, what)) === true;
    };

    const places = new Map<string, readonly string[]>();
    let mapped = 0;
    await inLanes(crew.hands, Math.ceil(count / CHUNK), async (i) => {
      const from = i * CHUNK;
      await ask(mapped, 'where programs get');
      if (stopped) return;
      for (const [id, reached] of await crew.coverage({ setup, from, to: from + CHUNK }))
        places.set(id, reached);
      mapped = Math.min(count, mapped + CHUNK);
    });

    const reach = new Reach(nursery.programs, places);
    const verdicts: (Verdict | undefined)[] = mutants.map(() => undefined);
    let [tried, killed] = [0, 0];
    await inLanes(crew.hands, mutants.length, async (index) => {
      const mutant = mutants[index];
      await ask(count + tried, `${killed} killed, ${mutant.function}`);
      if (stopped) return;
      const reaching = reach.programsFor(placeOf(mutant), options.breadth);
      const verdict =
        (await crew.verdict({ setup, index, reaching, doubt })) ??
        nursery.verdict(mutant, 'killed', { runs: 1, reason: 'spins for ever' });
      verdicts[index] = verdict;
      tried++;
      if (verdict.fate === 'killed') killed++;
    });
    const made = verdicts.filter((v) => v !== undefined);
    const wrong = made.filter((v) => v.fate === 'killed' && v.reason !== undefined && v.kill !== undefined);
    return {
      revision: nursery.revision.name,
      verdicts: made,
      left: mutants.length - made.length,
      wrong: wrong.map((v) => v.key),
    };
  } finally {
    await crew.end();
  }
}

/** Do `body` for 0 to n - 1, several at a time. */
async function inLanes(lanes: number, n: number, body: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < n) await body(next++);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

/** How many of each fate, and the share of those killed that could be. */
export function tally(verdicts: readonly Verdict[]): Record<Fate | 'total' | 'score', number> {
  const count = (fate: Fate): number => verdicts.filter((v) => v.fate === fate).length;
  const [killed, survived] = [count('killed'), count('survived')];
  return {
    total: verdicts.length,
    killed,
    survived,
    equivalent: count('equivalent'),
    score: killed + survived === 0 ? 1 : killed / (killed + survived),
  };
}

/** Entries of the table that no mutant of these revisions is. */
export async function stale(revisions: readonly string[]): Promise<string[]> {
  const used = new Set<unknown>();
  for (const name of revisions) {
    const { mutants, revision } = await Nursery.open(name, [], { programs: 0, schedules: 0, seed: 1 });
    for (const m of mutants) used.add(equivalent(m, revision.series?.name ?? 'base'));
  }
  return EQUIVALENT.filter((e) => !used.has(e)).map((e) => keyOf({ ...e, nth: e.nth ?? 1 }));
}
