// SPDX-License-Identifier: GPL-2.0-only
/* The mutants of a revision, and what becomes of each. */

import { revision as load, type Revision } from '@vfio-lab/series';
import { Battery, type BatteryOptions, type Kill, type Program, programsFor, runProgram } from './battery.ts';
import { compile, layOver, loadImports } from './compile.ts';
import { MarkedRevision, placeOf } from './coverage.ts';
import { EQUIVALENT, equivalent } from './equivalent.ts';
import { keyOf, type Mutant, mutantsOf } from './operators.ts';
import { selected, sourceOf, subjectsOf } from './scope.ts';

export type Fate = 'killed' | 'survived' | 'equivalent';

/** What became of a mutant. */
export interface Verdict {
  readonly key: string;
  readonly function: string;
  /** The C file, and the patch that has the function: 'v4 4/6', 'base'. */
  readonly file: string;
  readonly from: string;
  /** Where in the TypeScript: packages/.../x.ts:123. */
  readonly source: string;
  readonly operator: string;
  readonly deed: string;
  readonly text: string;
  readonly fate: Fate;
  /** Who noticed. */
  readonly kill?: Kill;
  /** Why it is the same driver, or why nobody may have noticed. */
  readonly reason?: string;
  /** Runs that it took, or that nobody noticed in. */
  readonly runs: number;
}

/** The mutants of a revision, with all it takes to try them. */
export class Nursery {
  readonly revision: Revision;
  readonly mutants: readonly Mutant[];
  readonly programs: readonly Program[];
  readonly #battery: Battery;
  #marked: MarkedRevision | null = null;

  private constructor(revision: Revision, mutants: readonly Mutant[], options: BatteryOptions) {
    this.revision = revision;
    this.mutants = mutants;
    this.programs = programsFor(revision.name);
    this.#battery = new Battery(revision.name, this.programs, options);
  }

  /** Throws InputError for an unknown revision or function. */
  static async open(name: string, functions: readonly string[], options: BatteryOptions): Promise<Nursery> {
    const revision = load(name);
    const subjects = selected(subjectsOf(revision), functions);
    await loadImports(subjects);
    return new Nursery(revision, subjects.flatMap(mutantsOf), options);
  }

  /** The places of mutants that each of the programs gets to. */
  async coverage(programs: readonly Program[]): Promise<Map<string, string[]>> {
    const marked = (this.#marked ??= new MarkedRevision(this.revision, this.mutants));
    const reached = new Map<string, string[]>();
    for (const program of programs) {
      await runProgram(program, marked.name);
      reached.set(program.id, marked.take());
    }
    return reached;
  }

  /** Why a mutant need not be tried: '' when it must. */
  equivalence(mutant: Mutant): string {
    return mutant.same || (equivalent(mutant, this.revision.series?.name ?? 'base')?.reason ?? '');
  }

  /** Try one, whatever the table says of it. */
  async attempt(mutant: Mutant, reaching: readonly string[]): Promise<Kill | { readonly runs: number }> {
    const functions = compile(mutant.anchor.getSourceFile(), new Set([mutant.function]), mutant.edits);
    const { name } = layOver(this.revision, `${this.revision.name} mutant`, functions);
    return this.#battery.attack(name, new Set(reaching));
  }

  verdict(mutant: Mutant, fate: Fate, rest: Pick<Verdict, 'runs' | 'kill' | 'reason'>): Verdict {
    const { subject, operator, deed, text, line } = mutant;
    return {
      key: keyOf(mutant),
      function: mutant.function,
      file: subject.file,
      from: subject.from,
      source: `${sourceOf(subject)}:${line}`,
      operator,
      deed,
      text,
      fate,
      ...rest,
    };
  }
}

export interface AssessOptions extends BatteryOptions {
  /** Only these functions; empty: all. */
  readonly functions: readonly string[];
  /** Try also those that the table calls equivalent. */
  readonly doubt: boolean;
  /** At most so many mutants. */
  readonly limit: number;
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

/** Make the mutants of a revision and try them. Throws InputError for an unknown revision or function. */
export async function assess(name: string, options: AssessOptions): Promise<Assessment> {
  const nursery = await Nursery.open(name, options.functions, options);
  const mutants = nursery.mutants.slice(0, options.limit);
  const { programs } = nursery;
  const steps = programs.length + mutants.length;
  const asked = async (done: number, what: string): Promise<boolean> =>
    (await options.progress?.(done, steps, what)) === true;

  const reaching = new Map<string, string[]>();
  let stopped = false;
  for (const [i, program] of programs.entries()) {
    stopped ||= await asked(i, `where ${program.id} gets`);
    if (stopped) break;
    for (const places of (await nursery.coverage([program])).values())
      for (const place of places) reaching.set(place, [...(reaching.get(place) ?? []), program.id]);
  }
  const verdicts: Verdict[] = [];
  const wrong: string[] = [];
  let killed = 0;
  for (const [i, mutant] of mutants.entries()) {
    stopped ||= await asked(programs.length + i, `${killed} killed, ${mutant.function}`);
    if (stopped) break;
    const verdict = await judge(nursery, mutant, reaching.get(placeOf(mutant)) ?? [], options.doubt);
    if (verdict.fate === 'killed') killed++;
    if (verdict.fate === 'killed' && nursery.equivalence(mutant) !== '') wrong.push(verdict.key);
    verdicts.push(verdict);
  }
  return { revision: nursery.revision.name, verdicts, left: mutants.length - verdicts.length, wrong };
}

/** What becomes of one mutant. */
export async function judge(
  nursery: Nursery,
  mutant: Mutant,
  reaching: readonly string[],
  doubt: boolean,
): Promise<Verdict> {
  const same = nursery.equivalence(mutant);
  if (same !== '' && !doubt) return nursery.verdict(mutant, 'equivalent', { runs: 0, reason: same });
  const result = await nursery.attempt(mutant, reaching);
  if ('by' in result) return nursery.verdict(mutant, 'killed', { runs: result.runs, kill: result });
  if (same !== '') return nursery.verdict(mutant, 'equivalent', { runs: result.runs, reason: same });
  const reason = reaching.length === 0 ? 'no program gets there' : `${reaching.length} programs get there`;
  return nursery.verdict(mutant, 'survived', { runs: result.runs, reason });
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
    const { mutants, revision } = await Nursery.open(name, [], { schedules: 0, seed: 1 });
    for (const m of mutants) used.add(equivalent(m, revision.series?.name ?? 'base'));
  }
  return EQUIVALENT.filter((e) => !used.has(e)).map((e) => keyOf({ ...e, nth: e.nth ?? 1 }));
}
