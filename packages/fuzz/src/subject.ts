// SPDX-License-Identifier: GPL-2.0-only
import {
  type Chooser,
  Nondeterminism,
  type Observation,
  type OpCode,
  ScenarioSubject,
  type Subject,
  type SubjectFinding,
} from '@vfio-lab/explore';
import type { Lab } from '@vfio-lab/scenarios';
import { InputError, type TraceEvent } from '@vfio-lab/sim';
import { assertedPins } from './pins.ts';
import type { Program } from './program.ts';
import { scenarioOf } from './program-scenario.ts';

/** A program takes some thousand steps; one that takes so many does not rest any more. */
const MOST_STEPS = 8_000;
/** Whoever takes this part of the last steps is the one that does not rest. */
const BUSY = 0.2;
/** Set-up and end are not counted as steps. */
const MOST_POINTS = 60_000;

/** PCT lets the highest priority go on for as long as it can. From here on everybody gets a turn, as on a real machine. */
const FAIR_FROM = 3_000;

/** Ends a run that goes on and on, even when everybody gets a turn. */
class Limited implements Chooser {
  readonly #inner: Chooser;
  readonly #taskName: (tid: number) => string;
  #steps = 0;
  /** Steps by task, of the second half. */
  readonly #busy = new Map<string, number>();
  readonly #lastRun = new Map<number, number>();

  constructor(inner: Chooser, taskName: (tid: number) => string) {
    this.#inner = inner;
    this.#taskName = taskName;
  }

  /** As if only the one could go on that has not for the longest time. */
  #turn(n: number, tids: readonly number[], enabled: readonly boolean[]): boolean[] {
    let at = -1;
    let oldest = Infinity;
    for (let i = 0; i < n; i++) {
      let since = this.#lastRun.get(tids[i]);
      if (since === undefined) this.#lastRun.set(tids[i], (since = this.#steps));
      if (!enabled[i] || since >= oldest) continue;
      at = i;
      oldest = since;
    }
    return Array.from({ length: n }, (_, i) => i === at);
  }

  /** Who takes most of the steps. An interrupt is a new task every time. */
  #who(): string {
    const names = [...this.#busy].filter(([, n]) => n > (MOST_STEPS / 2) * BUSY).map(([name]) => name);
    return names.length === 0 ? 'nobody in particular' : names.sort().join(', ');
  }

  choose(
    n: number,
    tids: readonly number[],
    ops: readonly OpCode[],
    enabled: readonly boolean[],
    timePassed: boolean,
  ): number {
    if (++this.#steps > MOST_STEPS)
      throw new Error(`no end after ${MOST_STEPS} steps, of ${this.#who()} mostly`);
    const open = this.#steps > FAIR_FROM ? this.#turn(n, tids, enabled) : enabled;
    const at = this.#inner.choose(n, tids, ops, open, timePassed);
    this.#lastRun.set(tids[at], this.#steps);
    if (this.#steps > MOST_STEPS / 2) {
      const name = this.#taskName(tids[at]).replace(/!\d+/g, '');
      this.#busy.set(name, (this.#busy.get(name) ?? 0) + 1);
    }
    return at;
  }

  succeeded(): void {
    this.#inner.succeeded();
  }

  end(n: number, tids: readonly number[], ops: readonly OpCode[]): void {
    this.#inner.end(n, tids, ops);
  }
}

/** Functions of the driver on the stack of an error, outermost first. */
function functionsOn(error: Error): string[] {
  const fns: string[] = [];
  for (const line of (error.stack ?? '').split('\n')) {
    const m = /at (?:async )?(?:\w+\.)?(\w+) \(.*\/packages\/(?:vfio|series)[\w-]*\/src\//.exec(line);
    if (m !== null) fns.unshift(m[1]);
  }
  return fns;
}

/** A program on a revision, run again and again under a chooser. */
export class ProgramSubject implements Subject {
  readonly program: Program;
  readonly scenario: ScenarioSubject;
  /** Its last run was given up, and this is why. */
  error: Error | null = null;
  private lab: Lab | null = null;

  constructor(program: Program, revision: string) {
    this.program = program;
    const scenario = scenarioOf(program, (lab) => {
      this.lab = lab;
    });
    this.scenario = new ScenarioSubject(scenario, revision, {
      instrument: true,
      maxSteps: MOST_POINTS,
      races: true,
    });
  }

  /** Never rejects for what the driver does: an error thrown in it (in C, a NULL pointer) is a finding. */
  async run(chooser: Chooser): Promise<Observation> {
    const limited = new Limited(chooser, (tid) => this.taskName(tid));
    this.error = null;
    try {
      return await this.scenario.run(limited);
    } catch (error) {
      if (!(error instanceof Error) || error instanceof Nondeterminism || error instanceof InputError)
        throw error;
      this.error = error;
      limited.end(0, [], []);
      const livelock = error.message.startsWith('no end after');
      const findings = [...(this.lab?.testbed.machine.findings ?? [])];
      const common = { task: '', held: [] };
      const pins = livelock && this.lab !== null ? assertedPins(this.lab.testbed.machine) : null;
      const finding: SubjectFinding = livelock
        ? { kind: 'livelock', text: `${error.message}${pins?.text ?? ''}`, fns: [], ...common }
        : { kind: 'exception', text: error.message, fns: functionsOn(error), ...common };
      if (pins !== null) finding.detail = { by: pins.by };
      return { outcome: finding.kind, findings: [...findings, finding] };
    }
  }

  /** Keep a timeline from the next run on, or no longer. */
  set tracing(on: boolean) {
    this.scenario.tracing = on;
  }

  /** The last run: its timeline, empty unless tracing. */
  get last(): { events: readonly TraceEvent[] } | null {
    return this.lab?.testbed.machine ?? null;
  }

  get tables(): Subject['tables'] {
    return this.scenario.tables;
  }

  taskName(tid: number): string {
    return this.scenario.taskName(tid);
  }

  objName(obj: number): string {
    return this.scenario.objName(obj);
  }
}
