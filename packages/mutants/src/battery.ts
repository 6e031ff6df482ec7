// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is thrown at a mutant, cheap things first: every scenario once, the recordings of real kernels and their scripts,
 * then the scenarios of several tasks under many schedules. Only what executes the changed statement is tried.
 */

import { type Scenario, scenarios, type Schedule } from '@vfio-lab/scenarios';
import { revision as load } from '@vfio-lab/series';
import { type IndexEntry, readIndex, recordingsDir } from '@vfio-lab/testbed';
import { againstRecording, againstRun, ObservedScenario, observeScript, type ScriptRun } from './observe.ts';

/** Somebody noticed. */
export interface Kill {
  /** The kind of check: scenario, recording, script, schedules. */
  readonly by: 'scenario' | 'recording' | 'script' | 'schedules';
  /** Which. */
  readonly check: string;
  /** What was other than before, on one line. */
  readonly what: string;
  /** Runs until then, this one included. */
  readonly runs: number;
}

/** One program that drives the driver: a scenario, or a script on a machine. */
export interface Program {
  readonly id: string;
  readonly scenario?: Scenario;
  readonly script?: IndexEntry;
  /** Made with this revision on a real kernel: its trace counts, not only what the driver did before. */
  readonly recorded: boolean;
}

/** Every program for a revision: scenarios in their order, then the recordings of that revision, then all other scripts. */
export function programsFor(revision: string): Program[] {
  const entries = readIndex(recordingsDir());
  const own = entries.filter((e) => load(e.revision).name === revision);
  const key = (e: IndexEntry): string => `${e.name} on ${e.machineName}`;
  const seen = new Set(own.map(key));
  const others: IndexEntry[] = [];
  for (const e of entries) {
    if (seen.has(key(e))) continue;
    seen.add(key(e));
    others.push(e);
  }
  return [
    ...scenarios.map((scenario) => ({ id: scenario.name, scenario, recorded: false })),
    ...own.map((script) => ({
      id: `${key(script)}${script.sharedBoot ? '' : ' (6.1.192)'}`,
      script,
      recorded: true,
    })),
    ...others.map((script) => ({ id: key(script), script, recorded: false })),
  ];
}

/** Run a program once, to see where it gets. Its length: scheduling is deterministic, so lines printed will do. */
export async function runProgram(program: Program, revision: string): Promise<void> {
  if (program.scenario !== undefined)
    await new ObservedScenario(program.scenario, revision).run({ kind: 'default' });
  if (program.script !== undefined) await observeScript(program.script, revision);
}

export interface BatteryOptions {
  /** Schedules of each scenario of several tasks. */
  readonly schedules: number;
  readonly seed: number;
}

/** The programs for a revision, and what the unchanged driver does under each: found out when it is needed. */
export class Battery {
  readonly revision: string;
  readonly programs: readonly Program[];
  readonly #options: BatteryOptions;
  readonly #scenario = new Map<Scenario, string[]>();
  readonly #script = new Map<Program, { run: ScriptRun; differences: Set<string> }>();
  readonly #schedules = new Map<Scenario, { subject: ObservedScenario; seen: Set<string>; upTo: number }>();

  constructor(revision: string, programs: readonly Program[], options: BatteryOptions) {
    this.revision = revision;
    this.programs = programs;
    this.#options = options;
  }

  /**
   * Throw programs at a mutant until one notices.
   *
   * @param mutant the name of its revision
   * @param reaching ids of the programs that execute what is changed
   * @returns the kill, or how many runs nobody noticed in
   */
  async attack(mutant: string, reaching: ReadonlySet<string>): Promise<Kill | { readonly runs: number }> {
    let runs = 0;
    const programs = this.programs.filter((p) => reaching.has(p.id));
    for (const program of programs) {
      runs++;
      const kill = program.scenario
        ? await this.#tryScenario(program.scenario, mutant)
        : await this.#tryScript(program, mutant);
      if (kill !== null) return { ...kill, check: program.id, runs };
    }
    for (const { scenario } of programs) {
      if (scenario === undefined || Object.keys(scenario.programs ?? {}).length < 2) continue;
      const subject = new ObservedScenario(scenario, mutant);
      for (let i = 0; i < this.#options.schedules; i++) {
        runs++;
        const what = await this.#trySchedule(scenario, subject, this.#options.seed + i);
        if (what !== null) return { by: 'schedules', check: scenario.name, what, runs };
      }
    }
    return { runs };
  }

  async #tryScenario(scenario: Scenario, mutant: string): Promise<{ by: 'scenario'; what: string } | null> {
    let was = this.#scenario.get(scenario);
    if (was === undefined) this.#scenario.set(scenario, (was = await once(scenario, this.revision)));
    const now = await once(scenario, mutant);
    const what = difference(was, now);
    return what === null ? null : { by: 'scenario', what };
  }

  async #tryScript(
    program: Program,
    mutant: string,
  ): Promise<{ by: 'recording' | 'script'; what: string } | null> {
    const entry = program.script as IndexEntry;
    let was = this.#script.get(program);
    if (was === undefined) {
      const run = await observeScript(entry, this.revision);
      was = { run, differences: new Set(program.recorded ? againstRecording(entry, run) : []) };
      this.#script.set(program, was);
    }
    const now = await observeScript(entry, mutant);
    if (program.recorded) {
      const { differences } = was;
      const what = againstRecording(entry, now).find((line) => !differences.has(line));
      if (what !== undefined) return { by: 'recording', what };
    }
    const what = difference(was.run.notes, now.notes) ?? againstRun(entry, was.run, now)[0];
    return what === undefined ? null : { by: 'script', what };
  }

  /** Something that the unchanged driver shows under no schedule that was tried, and not under this one either. */
  async #trySchedule(scenario: Scenario, mutant: ObservedScenario, seed: number): Promise<string | null> {
    const schedule: Schedule = { kind: 'random', seed };
    const now = await mutant.run(schedule);
    let known = this.#schedules.get(scenario);
    if (known === undefined) {
      known = { subject: new ObservedScenario(scenario, this.revision), seen: new Set(), upTo: 0 };
      this.#schedules.set(scenario, known);
    }
    const { seen, subject } = known;
    const strange = (): string | undefined => now.find((line) => !seen.has(line));
    if (strange() === undefined) return null;
    // The unchanged driver gets many more chances than the mutant had.
    const chances = PATIENCE * this.#options.schedules;
    for (; known.upTo < chances && strange() !== undefined; known.upTo++) {
      const other = { kind: 'random', seed: this.#options.seed + known.upTo } as const;
      for (const line of await subject.run(other)) seen.add(line);
    }
    return strange() ?? null;
  }
}

function once(scenario: Scenario, revision: string): Promise<string[]> {
  return new ObservedScenario(scenario, revision).run({ kind: 'default' });
}

/** How many schedules the unchanged driver may take for each that a mutant gets. */
const PATIENCE = 8;

/** The first line that only one of two lists has; null when they are the same. */
export function difference(was: readonly string[], now: readonly string[]): string | null {
  const before = new Set(was);
  const extra = now.find((line) => !before.has(line));
  if (extra !== undefined) return extra;
  const after = new Set(now);
  const missing = was.find((line) => !after.has(line));
  if (missing !== undefined) return `no more: ${missing}`;
  const at = was.findIndex((line, i) => now[i] !== line);
  return at < 0 && was.length === now.length ? null : `another order: ${now[at] ?? ''}`;
}
