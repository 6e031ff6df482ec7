// SPDX-License-Identifier: GPL-2.0-only
/* The mutants of a revision, and all it takes to try them. */

import { revision as load, type Revision } from '@vfio-lab/series';
import { Battery, type BatteryOptions, type Kill } from './battery.ts';
import { compile, layOver, loadImports } from './compile.ts';
import { MarkedRevision } from './coverage.ts';
import { equivalent } from './equivalent.ts';
import { withGuards } from './guards.ts';
import { keyOf, type Mutant, mutantsOf } from './operators.ts';
import { type Program, programsFor, runProgram } from './programs.ts';
import { whyUnnoticed } from './unnoticed.ts';
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

/** Mutants, programs, and what the unchanged driver does. */
export class Nursery {
  readonly revision: Revision;
  readonly mutants: readonly Mutant[];
  readonly programs: readonly Program[];
  readonly #battery: Battery;
  #marked: MarkedRevision | null = null;

  private constructor(revision: Revision, mutants: readonly Mutant[], options: BatteryOptions) {
    this.revision = revision;
    this.mutants = mutants;
    this.programs = programsFor(revision.name, options.programs, options.seed);
    this.#battery = new Battery(revision.name, this.programs, options);
  }

  /** Throws InputError for an unknown revision or function. */
  static async open(name: string, functions: readonly string[], options: BatteryOptions): Promise<Nursery> {
    const revision = load(name);
    const subjects = selected(subjectsOf(revision), functions);
    await loadImports(subjects);
    withGuards(revision);
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
    const mutated = layOver(this.revision, `${this.revision.name} mutant`, functions);
    withGuards(mutated);
    const { name } = mutated;
    return this.#battery.attack(name, reaching);
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
  if ('by' in result) {
    const held = same === '' ? {} : { reason: `held for the same driver: ${same}` };
    return nursery.verdict(mutant, 'killed', { runs: result.runs, kill: result, ...held });
  }
  if (same !== '') return nursery.verdict(mutant, 'equivalent', { runs: result.runs, reason: same });
  const reason = whyUnnoticed(mutant, reaching.length);
  return nursery.verdict(mutant, 'survived', { runs: result.runs, reason });
}
