// SPDX-License-Identifier: GPL-2.0-only
/* What a run shows, as a list of lines: two drivers behave alike when they show the same. */

import { readFileSync } from 'node:fs';
import { runScenario, type Scenario, type Schedule, type ScenarioRun } from '@vfio-lab/scenarios';
import type { Finding } from '@vfio-lab/sim';
import {
  bootTestbed,
  compareTraces,
  type IndexEntry,
  parseScript,
  readMachineFile,
  readTrace,
  runScript,
  type Testbed,
  type TraceLine,
  volatileLines,
} from '@vfio-lab/testbed';

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
  return `finding ${f.kind}: ${f.text}`;
}

/** Lines of the kernel log that say that something is wrong. */
const ALARM = /WARN|BUG|nobody cared|refcount|Oops/i;

/** Run a scenario once on a revision. Never throws. */
export async function observeScenario(
  scenario: Scenario,
  revision: string,
  schedule: Schedule = { kind: 'default' },
): Promise<string[]> {
  let run: ScenarioRun;
  try {
    run = await runScenario(scenario, { revision, schedule, maxSteps: SCENARIO_STEPS });
  } catch (error) {
    return [failure(error)];
  }
  // Under another schedule the log comes in another order.
  const log = schedule.kind === 'default' ? run.log : run.log.filter((line) => ALARM.test(line));
  return [
    `outcome ${run.outcome}`,
    ...new Set(run.findings.map(finding)),
    ...log.map((line) => `log ${line}`),
  ];
}

/** What a script printed, and what the checkers noticed meanwhile. */
export interface ScriptRun {
  readonly lines: readonly TraceLine[];
  /** Findings, the kernel log's alarms, and why it did not end. */
  readonly notes: readonly string[];
}

/** Run the script of a recording on its machine. Never throws for what the driver does. */
export async function observeScript(entry: IndexEntry, revision: string): Promise<ScriptRun> {
  const script = parseScript(readFileSync(entry.script, 'utf8'), entry.script);
  const lines: TraceLine[] = [];
  const notes: string[] = [];
  let testbed: Testbed | null = null;
  try {
    testbed = await bootTestbed({
      revision,
      machine: readMachineFile(entry.machine),
      kernel: 'v6.1.192',
      maxSteps: SCRIPT_STEPS,
    });
    await runScript(testbed, script, (line) => lines.push(line));
  } catch (error) {
    notes.push(failure(error));
  }
  for (const f of testbed?.machine.findings ?? []) notes.push(finding(f));
  for (const line of testbed?.machine.log ?? []) if (ALARM.test(line)) notes.push(`log ${line}`);
  return { lines, notes: [...new Set(notes)] };
}

/** Lines of a recording that a run answers differently: `<line>: <operation>`. */
export function againstRecording(entry: IndexEntry, run: ScriptRun): string[] {
  const { differences } = compareTraces(run.lines, readTrace(entry.against), {
    volatile: volatileLines(entry.script),
    sharedBoot: entry.sharedBoot ?? true,
  });
  return differences.map((d) => `line ${d.n}: ${d.op}: ${brief(d.got)}, not ${brief(d.expected)}`);
}

/** Lines that two runs of one script print differently. */
export function againstRun(entry: IndexEntry, was: ScriptRun, run: ScriptRun): string[] {
  const skip = new Set(volatileLines(entry.script));
  const before = new Map(was.lines.map((l) => [l.n, text(l)]));
  const now = new Map(run.lines.map((l) => [l.n, l]));
  const result: string[] = [];
  for (const [n, want] of before) {
    const got = now.get(n);
    if (skip.has(n) || (got !== undefined && text(got) === want)) continue;
    result.push(`line ${n}: ${got?.op ?? 'not reached'}: ${brief(got)}, not ${want.slice(0, 120)}`);
  }
  return result;
}

function text(line: TraceLine): string {
  const { kmsg: _kmsg, ...rest } = line;
  return brief(rest, Infinity);
}

function brief(value: unknown, room = 120): string {
  const all = JSON.stringify(value, (_key, v: unknown) => (typeof v === 'bigint' ? String(v) : v)) ?? 'nothing';
  return all.length > room ? `${all.slice(0, room)}...` : all;
}
