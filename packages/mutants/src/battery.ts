// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is thrown at a mutant, cheap things first: every program once, then those of several tasks under many schedules. Only
 * what executes the changed statement is tried.
 */

import type { Scenario, Schedule } from '@vfio-lab/scenarios';
import type { IndexEntry } from '@vfio-lab/testbed';
import type { DirectedScript } from './directed.ts';
import {
  againstRecording,
  againstRun,
  ObservedScenario,
  observeScript,
  type ScriptRun,
  type Shown,
} from './observe.ts';
import { scheduleOf } from './priorities.ts';
import type { Program } from './programs.ts';

/** Somebody noticed. */
export interface Kill {
  /** The kind of check; `schedules`: a scenario or a program under a random schedule. */
  readonly by: 'scenario' | 'directed' | 'recording' | 'script' | 'random' | 'schedules';
  /** Which. */
  readonly check: string;
  /** What was other than before, on one line. */
  readonly what: string;
  /** Runs until then, this one included. */
  readonly runs: number;
}

export interface BatteryOptions {
  /** Random programs. */
  readonly programs: number;
  /** Schedules of each scenario of several tasks; a random program gets a few of them. */
  readonly schedules: number;
  /** Of the first schedule, and of the first random program. */
  readonly seed: number;
  /** Schedules of the unchanged driver before what only the mutant has shown is new; default: many. */
  readonly chances?: number;
}

/** The programs for a revision, and what the unchanged driver does under each: found out when it is needed. */
export class Battery {
  readonly revision: string;
  readonly #byId: ReadonlyMap<string, Program>;
  readonly #options: BatteryOptions;
  readonly #scenario = new Map<Scenario, readonly string[]>();
  readonly #script = new Map<Program, { run: ScriptRun; differences: Set<string> }>();
  readonly #schedules = new Map<Scenario, { subject: ObservedScenario; seen: Set<string>; upTo: number }>();

  constructor(revision: string, programs: readonly Program[], options: BatteryOptions) {
    this.revision = revision;
    this.#byId = new Map(programs.map((p) => [p.id, p]));
    this.#options = options;
  }

  /**
   * Throw programs at a mutant until one notices.
   *
   * @param mutant the name of its revision
   * @param reaching ids of programs that execute what is changed, in the order in which they are tried
   * @returns the kill, or how many runs nobody noticed in
   */
  async attack(mutant: string, reaching: readonly string[]): Promise<Kill | { readonly runs: number }> {
    let runs = 0;
    const programs = reaching.flatMap((id) => this.#byId.get(id) ?? []);
    for (const program of programs) {
      runs++;
      const kill = program.scenario
        ? await this.#tryScenario(program, mutant)
        : await this.#tryScript(program, mutant);
      if (kill !== null) return { ...kill, check: program.id, runs };
    }
    // A few schedules of each, then a few more: most races show early in the one program that has them.
    const tasks = programs.flatMap((program) =>
      program.scenario === undefined
        ? []
        : [
            {
              program,
              subject: observed(program, mutant),
              left: this.#schedulesOf(program),
            },
          ],
    );
    for (let from = 0; from < this.#options.schedules; from += ROUND) {
      for (const { program, subject, left } of tasks) {
        for (let i = from; i < Math.min(left, from + ROUND); i++) {
          runs++;
          const what = await this.#trySchedule(program, subject, this.#options.seed + i);
          if (what !== null) return { by: 'schedules', check: program.id, what, runs };
        }
      }
    }
    return { runs };
  }

  #schedulesOf(program: Program): number {
    const { schedules } = this.#options;
    if (program.kind === 'random') return Math.ceil(schedules / FEW);
    // One task has only workers and interrupts beside it.
    const alone = Object.keys(program.scenario?.programs ?? {}).length < 2;
    return alone ? Math.ceil(schedules / SOME) : schedules;
  }

  async #tryScenario(program: Program, mutant: string): Promise<Omit<Kill, 'check' | 'runs'> | null> {
    const scenario = program.scenario as Scenario;
    let was = this.#scenario.get(scenario);
    if (was === undefined) this.#scenario.set(scenario, (was = (await once(scenario, this.revision)).lines));
    const { lines } = await once(scenario, mutant);
    const what = difference(was, lines);
    return what === null ? null : { by: program.kind, what };
  }

  async #tryScript(program: Program, mutant: string): Promise<Omit<Kill, 'check' | 'runs'> | null> {
    const source = program.script as IndexEntry | DirectedScript;
    // A recording has been recorded.
    const recording = program.kind === 'recording' ? (source as IndexEntry) : null;
    let was = this.#script.get(program);
    if (was === undefined) {
      const run = await observeScript(source, this.revision);
      was = { run, differences: new Set(recording === null ? [] : againstRecording(recording, run)) };
      this.#script.set(program, was);
    }
    const now = await observeScript(source, mutant);
    if (recording !== null) {
      const { differences } = was;
      const what = againstRecording(recording, now).find((line) => !differences.has(line));
      if (what !== undefined) return { by: 'recording', what };
    }
    const what = difference(was.run.notes, now.notes) ?? againstRun(source, was.run, now)[0];
    return what === undefined ? null : { by: program.kind === 'directed' ? 'directed' : 'script', what };
  }

  /** Something that the unchanged driver shows under no schedule that was tried, and not under this one either. */
  async #trySchedule(program: Program, mutant: ObservedScenario, seed: number): Promise<string | null> {
    const scenario = program.scenario as Scenario;
    const now = await mutant.run(scheduleOf(seed));
    let known = this.#schedules.get(scenario);
    if (known === undefined) {
      known = { subject: observed(program, this.revision), seen: new Set(), upTo: 0 };
      this.#schedules.set(scenario, known);
    }
    const { seen, subject } = known;
    // What the calls of a random program return depends on the schedule in too many ways.
    const lines =
      program.kind === 'random'
        ? now.lines.filter((line) => /^(?:finding|oops|livelock)/.test(line))
        : now.lines;
    const strange = (): string | undefined => lines.find((line) => !seen.has(general(line)));
    if (strange() === undefined) return null;
    const learn = async (schedule: Schedule): Promise<void> => {
      for (const line of (await subject.run(schedule)).lines) seen.add(general(line));
    };
    await learn({ kind: 'replay', token: now.schedule });
    // The unchanged driver gets many more chances than the mutant had.
    const chances = this.#options.chances ?? CHANCES[program.kind === 'random' ? 'random' : 'others'];
    for (; known.upTo < chances && strange() !== undefined; known.upTo++)
      await learn(scheduleOf(this.#options.seed + known.upTo));
    return strange() ?? null;
  }
}

/** A program of several tasks. The scenarios of the library come to few ends, the others to many. */
function observed(program: Program, revision: string): ObservedScenario {
  return new ObservedScenario(program.scenario as Scenario, revision, {
    alike: program.kind === 'scenario',
    known: program.known,
  });
}

/** Findings that differ in numbers only are one: which BAR, which interrupt. Of a data race only its name counts. */
function general(line: string): string {
  if (!line.startsWith('finding')) return line;
  return (line.startsWith(RACE) ? line.replace(/ \(.*$/, '') : line).replace(/\d+/g, 'N');
}

function once(scenario: Scenario, revision: string): Promise<Shown> {
  return new ObservedScenario(scenario, revision).run({ kind: 'default' });
}

/** So many schedules of one program at a time. */
const ROUND = 5;

/** A random program gets one schedule for so many of a scenario, a scenario of one task one for so many of another. */
const FEW = 20;
const SOME = 10;

/** Schedules under which the unchanged driver may show it as well. */
const CHANCES = { random: 300, others: 1500 };

const RACE = 'finding data-race: ';

/** To use a field without its lock less than before is no fault. */
const UNGUARDED = 'finding unguarded';

/** The first line that only one of two lists has; null when they are the same. */
export function difference(was: readonly string[], now: readonly string[]): string | null {
  const before = new Set(was);
  const extra = now.find((line) => !before.has(line));
  if (extra !== undefined) return extra;
  const after = new Set(now);
  const missing = was.find((line) => !after.has(line) && !line.startsWith(UNGUARDED));
  if (missing !== undefined) return `no more: ${missing}`;
  const [a, b] = [was, now].map((lines) => lines.filter((line) => !line.startsWith(UNGUARDED)));
  const at = a.findIndex((line, i) => b[i] !== line);
  return at < 0 && a.length === b.length ? null : `another order: ${b[at] ?? ''}`;
}
