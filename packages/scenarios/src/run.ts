// SPDX-License-Identifier: GPL-2.0-only
import type { Finding, Policy, TraceEvent } from '@vfio-lab/sim';
import type { KnownFinding } from '@vfio-lab/testbed';
import type { Scenario } from './scenario.ts';
import { Stage } from './stage.ts';

/** Which schedule the programs run under. */
export type Schedule =
  | { kind: 'default' }
  | { kind: 'random'; seed: number }
  | { kind: 'replay'; token: string }
  | { kind: 'policy'; policy: Policy };

export interface RunOptions {
  revision: string;
  schedule?: Schedule;
  tracing?: boolean;
  /** Findings name the C functions, also without a timeline. */
  instrument?: boolean;
  /** False: without the checkers that watch every lock and every freed struct. */
  checkers?: boolean;
  /** Give up, with an error, after so many scheduling points. */
  maxSteps?: number;
  /** False: whoever decides who goes on keeps the schedule; the run's own token is ''. */
  token?: boolean;
  /** Look for data races on the fields of structs, see BootOptions.races. */
  races?: 'tasks' | 'places';
  /** Looks at the devices after the programs, after the check and after the exit; what it says is ScenarioRun.inspected. */
  inspect?: (when: 'programs' | 'check' | 'exit') => readonly string[];
}

export interface ScenarioRun {
  scenario: string;
  revision: string;
  /** What the user saw, as one string. */
  outcome: string;
  /** How devices and eventfds were when the programs had ended, and what calls failed; '' when they did not end. */
  end: string;
  findings: Finding[];
  /** What RunOptions.inspect said, in order. */
  inspected: string[];
  /** Data races that are known of the kernel. */
  known: KnownFinding[];
  /** The schedule of the programs as a token; '' under the default. */
  schedule: string;
  /** For a replay: the decision at which it left the recorded schedule, -1 when it did not. */
  leftAt: number;
  events: TraceEvent[];
  log: string[];
  /** Virtual ns from boot to the end. */
  duration: number;
}

/**
 * Run a scenario once. Never throws for what the simulated kernel does; an unknown revision or topology is an
 * InputError.
 */
export async function runScenario(scenario: Scenario, opts: RunOptions): Promise<ScenarioRun> {
  const stage = await Stage.set(scenario, opts);
  return stage.run(opts.schedule);
}

/** What many schedules of one scenario came to. */
export interface SearchResult {
  runs: number;
  /** How often each outcome came. */
  outcomes: Map<string, number>;
  /** Per kind of finding: how often, and the first run that had it. */
  findings: Map<string, { runs: number; first: ScenarioRun; seed: number }>;
}

/**
 * Run a scenario under random schedules with the seeds from, from + 1, ... Stops early when `stop` says so (asked
 * between runs), and then reports what it has.
 */
export async function searchRandom(
  scenario: Scenario,
  revision: string,
  runs: number,
  opts: {
    from?: number;
    races?: boolean;
    stop?: (done: number, result: SearchResult) => boolean | Promise<boolean>;
  } = {},
): Promise<SearchResult> {
  const result: SearchResult = { runs: 0, outcomes: new Map(), findings: new Map() };
  const stage = await Stage.set(scenario, { revision, ...(opts.races === true && { races: 'tasks' }) });
  const from = opts.from ?? 0;
  for (let seed = from; seed < from + runs; seed++) {
    if ((await opts.stop?.(result.runs, result)) === true) break;
    const run = await stage.run({ kind: 'random', seed });
    result.runs++;
    result.outcomes.set(run.outcome, (result.outcomes.get(run.outcome) ?? 0) + 1);
    for (const kind of new Set(run.findings.map((f) => f.kind))) {
      const entry = result.findings.get(kind);
      if (entry === undefined) result.findings.set(kind, { runs: 1, first: run, seed });
      else entry.runs++;
    }
  }
  return result;
}
