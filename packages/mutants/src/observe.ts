// SPDX-License-Identifier: GPL-2.0-only
/* What a run shows, as a list of lines: two drivers behave alike when they show the same. */

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { OPERATIONS } from '@vfio-lab/fuzz';
import { type Scenario, type ScenarioRun, type Schedule, Stage } from '@vfio-lab/scenarios';
import type { Finding } from '@vfio-lab/sim';
import {
  type BootOptions,
  bootTestbed,
  compareTraces,
  type IndexEntry,
  parseScript,
  type RaceSide,
  readMachineFile,
  readTrace,
  recordingsDir,
  runScriptChecked,
  type Testbed,
  type TraceLine,
  volatileLines,
} from '@vfio-lab/testbed';
import type { DirectedScript } from './directed.ts';
import { guardedName } from './guards.ts';
import { deviceStates } from './state.ts';

/** Scheduling points after which a scenario, and a script, does not end any more: many times what any takes. */
const SCENARIO_STEPS = 200_000;
const SCRIPT_STEPS = 5_000_000;

/** An error of the simulation: what the driver did has no meaning, as when it follows a null pointer. */
function failure(error: unknown): string {
  const { name, message } = error as Error;
  if (message.startsWith('no end after')) return 'livelock';
  return `oops: ${name}: ${message}`;
}

function finding(f: Finding): string {
  return `finding ${f.kind}: ${f.kind === 'data-race' ? raceText(f) : f.text}`;
}

/** A data race is the same whatever locks its tasks hold: what names it comes first, the rest in parentheses. */
function raceText({ text, detail }: Finding): string {
  const sides = [detail.before, detail.after] as RaceSide[];
  const does = sides.map(({ site, task, access }) => `${site === '' ? task : `${site}()`} ${access}`);
  return [`${String(detail.struct)}.${String(detail.field)}`, ...does.toSorted()].join(', ') + ` (${text})`;
}

/** Lines of the kernel log that say that something is wrong. */
const ALARM = /WARN|BUG|nobody cared|refcount|Oops/i;

/** What a run of a scenario shows, and the schedule that it had. */
export interface Shown {
  readonly lines: readonly string[];
  readonly schedule: string;
}

export interface ObserveOptions {
  /** Many of its runs end alike, so that it is worth keeping how. */
  readonly alike?: boolean;
  /** A finding, of those of a run, that is not told. */
  readonly known?: ((f: Finding, all: readonly Finding[]) => boolean) | undefined;
}

/** A scenario on a revision, to be observed under one schedule after another. */
export class ObservedScenario {
  readonly #scenario: Scenario;
  readonly #revision: string;
  readonly #options: ObserveOptions;
  #stage: Stage | null = null;

  constructor(scenario: Scenario, revision: string, options: ObserveOptions = {}) {
    this.#scenario = scenario;
    this.#revision = revision;
    this.#options = options;
  }

  async #set(guarded: boolean): Promise<Stage> {
    const stage = await Stage.set(this.#scenario, {
      revision: guarded ? guardedName(this.#revision) : this.#revision,
      maxSteps: SCENARIO_STEPS,
      inspect: (when) => deviceStates().map((line) => `state after ${when}: ${line}`),
      instrument: true,
      ...(!guarded && { races: 'tasks' }),
    });
    if (!guarded) stage.keep(this.#options.alike);
    return stage;
  }

  /**
   * What one run shows. Under the default schedule fields are guarded, under others data races are found. Never throws.
   */
  async run(schedule: Schedule): Promise<Shown> {
    const onlyOne = schedule.kind === 'default';
    let run: ScenarioRun;
    try {
      // Kept for further runs when there are to be some.
      const stage = onlyOne ? null : (this.#stage ??= await this.#set(false));
      run = await (stage ?? (await this.#set(true))).run(schedule);
    } catch (error) {
      return { lines: [failure(error)], schedule: '' };
    }
    // Under another schedule the log comes in another order, and not all is settled after the programs.
    const log = onlyOne ? run.log : run.log.filter((line) => ALARM.test(line));
    const states = onlyOne
      ? run.inspected
      : run.inspected.filter((line) => !line.startsWith('state after programs'));
    const { known } = this.#options;
    const findings = onlyOne ? run.findings : run.findings.filter((f) => known?.(f, run.findings) !== true);
    const lines = [
      `outcome ${run.outcome}`,
      ...new Set(findings.map(finding)),
      ...states,
      ...log.map((line) => `log ${line}`),
    ];
    return { lines, schedule: run.schedule };
  }
}

/** What a script printed, and what the checkers noticed meanwhile. */
export interface ScriptRun {
  readonly lines: readonly TraceLine[];
  /** The devices after each line. */
  readonly states: ReadonlyMap<number, string>;
  /** Findings, the kernel log's alarms, and why it did not end. */
  readonly notes: readonly string[];
}

/** The machine of a directed script. */
function ours({ topology, machine }: DirectedScript): Pick<BootOptions, 'topology' | 'machine'> {
  if (machine !== undefined)
    return { machine: readMachineFile(path.join(recordingsDir(), 'machines', `${machine}.json`)) };
  return topology === undefined ? {} : { topology };
}

/** Run a script on its machine. Never throws for what the driver does. */
export async function observeScript(
  source: IndexEntry | DirectedScript,
  revision: string,
): Promise<ScriptRun> {
  const script =
    'lines' in source
      ? parseScript(['load_vfio', ...source.lines].join('\n'), 'script', OPERATIONS)
      : parseScript(readFileSync(source.script, 'utf8'), source.script);
  const boot =
    'lines' in source
      ? { ...ours(source), options: source.options ?? '' }
      : { machine: readMachineFile(source.machine), kernel: 'v6.1.192' as const };
  const lines: TraceLine[] = [];
  const states = new Map<number, string>();
  const notes: string[] = [];
  let testbed: Testbed | null = null;
  try {
    testbed = await bootTestbed({
      revision: guardedName(revision),
      instrument: true,
      maxSteps: SCRIPT_STEPS,
      ...boot,
    });
    await runScriptChecked(testbed, script, (line) => {
      lines.push(line);
      states.set(line.n, deviceStates().join('; '));
    });
  } catch (error) {
    notes.push(failure(error));
  }
  for (const f of testbed?.machine.findings ?? []) notes.push(finding(f));
  for (const line of testbed?.machine.log ?? []) if (ALARM.test(line)) notes.push(`log ${line}`);
  return { lines, states, notes: [...new Set(notes)] };
}

/** Lines of a recording that a run answers differently: `<line>: <operation>`. */
export function againstRecording(entry: IndexEntry, run: ScriptRun): string[] {
  const { differences } = compareTraces(run.lines, readTrace(entry.against), {
    volatile: volatileLines(entry.script),
    sharedBoot: entry.sharedBoot ?? true,
  });
  return differences.map((d) => `line ${d.n}: ${d.op}: ${brief(d.got)}, not ${brief(d.expected)}`);
}

/** Lines that two runs of one script print differently, or that leave the devices in another state. */
export function againstRun(source: IndexEntry | DirectedScript, was: ScriptRun, run: ScriptRun): string[] {
  const skip = new Set('lines' in source ? [] : volatileLines(source.script));
  const before = new Map(was.lines.map((l) => [l.n, text(l)]));
  const now = new Map(run.lines.map((l) => [l.n, l]));
  const result: string[] = [];
  for (const [n, want] of before) {
    const got = now.get(n);
    if (skip.has(n) || (got !== undefined && text(got) === want)) continue;
    result.push(`line ${n}: ${got?.op ?? 'not reached'}: ${brief(got)}, not ${want.slice(0, 120)}`);
  }
  for (const [n, want] of was.states) {
    const got = run.states.get(n);
    if (got !== want)
      result.push(`line ${n}: ${now.get(n)?.op ?? ''}: leaves ${got ?? 'nothing'}, not ${want}`);
  }
  return result;
}

function text(line: TraceLine): string {
  const { kmsg: _kmsg, ...rest } = line;
  return brief(rest, Infinity);
}

function brief(value: unknown, room = 120): string {
  const all =
    JSON.stringify(value, (_key, v: unknown) => (typeof v === 'bigint' ? String(v) : v)) ?? 'nothing';
  return all.length > room ? `${all.slice(0, room)}...` : all;
}
