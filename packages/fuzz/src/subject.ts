// SPDX-License-Identifier: GPL-2.0-only
import {
  type Chooser,
  Nondeterminism,
  type Observation,
  type OpCode,
  ScenarioSubject,
  type Subject,
} from '@vfio-lab/explore';
import type { Lab } from '@vfio-lab/scenarios';
import { InputError } from '@vfio-lab/sim';
import type { Program } from './program.ts';
import { scenarioOf } from './program-scenario.ts';

/** A program takes some thousand steps; one that takes so many does not rest any more. */
const MOST_STEPS = 15_000;
/** Whoever takes this part of the last steps is the one that does not rest. */
const BUSY = 0.2;
/** Set-up and end are not counted as steps. */
const MOST_POINTS = 400_000;

/** Ends a run that goes on and on. */
class Limited implements Chooser {
  readonly #inner: Chooser;
  readonly #taskName: (tid: number) => string;
  #steps = 0;
  /** Steps by task, of the second half. */
  readonly #busy = new Map<string, number>();

  constructor(inner: Chooser, taskName: (tid: number) => string) {
    this.#inner = inner;
    this.#taskName = taskName;
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
    const at = this.#inner.choose(n, tids, ops, enabled, timePassed);
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
    this.scenario = new ScenarioSubject(scenario, revision, { instrument: true, maxSteps: MOST_POINTS });
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
      const finding = {
        kind: livelock ? 'livelock' : 'exception',
        text: error.message,
        task: '',
        fns: livelock ? [] : functionsOn(error),
        held: [],
      };
      return { outcome: finding.kind, findings: [...findings, finding] };
    }
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
