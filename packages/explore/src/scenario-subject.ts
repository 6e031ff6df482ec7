// SPDX-License-Identifier: GPL-2.0-only
import { type RunOptions, type Scenario, type ScenarioRun, Stage } from '@vfio-lab/scenarios';
import { current, machine, type Policy, type Task } from '@vfio-lab/sim';
import type { Chooser } from './chooser.ts';
import type { Tables } from './dpor.ts';
import { MachineChooser, Names, type ObjNumbers } from './machine-chooser.ts';
import type { Observation, Subject } from './subject.ts';

/** Puts the chooser in charge at the first point after the set-up, and keeps it until the run takes it away. */
class Late implements Policy {
  readonly name = 'search';
  readonly sticky = false;
  chooser: MachineChooser | null = null;
  readonly #make: (main: Task) => MachineChooser;

  constructor(make: (main: Task) => MachineChooser) {
    this.#make = make;
  }

  pick(running: Task | null, enabled: readonly Task[]): Task {
    if (this.chooser === null) {
      machine.hold_timers = true;
      this.chooser = this.#make(running ?? current);
    }
    return this.chooser.pick(running, enabled);
  }
}

/** How the machine of a scenario runs. */
export interface SubjectOptions extends Pick<RunOptions, 'checkers' | 'instrument' | 'maxSteps'> {
  /** False: no data races on the fields of structs are looked for. */
  races?: boolean;
  /** Set up once for all runs (default); false: there will be few. */
  keep?: boolean;
}

/** A scenario on a revision, run again and again under a chooser. */
export class ScenarioSubject implements Subject {
  readonly scenario: Scenario;
  readonly revision: string;
  readonly tasks = new Names();
  readonly objs = new Names();
  last: ScenarioRun | null = null;
  readonly #kept: ObjNumbers = new WeakMap();
  #stage: Stage | null = null;
  #tracing = false;
  readonly #opts: SubjectOptions;

  constructor(scenario: Scenario, revision: string, opts: SubjectOptions = {}) {
    this.scenario = scenario;
    this.revision = revision;
    this.#opts = opts;
  }

  /** Keep a timeline from the next run on, or no longer. */
  set tracing(on: boolean) {
    if (on !== this.#tracing) this.#stage = null;
    this.#tracing = on;
  }

  async #set(): Promise<Stage> {
    const { revision } = this;
    const { keep = true, races = this.#opts.checkers ?? true, ...rest } = this.#opts;
    const opts: RunOptions = { ...rest, revision, tracing: this.#tracing, token: false };
    // The C functions of a race take long to find out.
    if (races) opts.races = this.#tracing ? 'places' : 'tasks';
    const stage = await Stage.set(this.scenario, opts);
    // Traced runs are few.
    if (keep && !this.#tracing) stage.keep(true);
    return stage;
  }

  async run(chooser: Chooser): Promise<Observation> {
    const policy = new Late((main) => new MachineChooser(chooser, this.tasks, this.objs, this.#kept, main));
    this.#stage ??= await this.#set();
    const run = await this.#stage.run({ kind: 'policy', policy });
    this.last = run;
    policy.chooser?.end();
    return { outcome: [run.outcome, run.end].filter((s) => s !== '').join(' | '), findings: run.findings };
  }

  readonly tables: Tables = {
    taskKeys: () => this.tasks.keys,
    objKeys: () => this.objs.keys,
    taskId: (key) => this.tasks.id(key, key),
    objId: (key) => this.objs.id(key, key.slice(key.indexOf(' ') + 1)),
  };

  taskName(tid: number): string {
    return this.tasks.labels[tid] ?? `task ${tid}`;
  }

  objName(obj: number): string {
    return this.objs.labels[obj] ?? `object ${obj}`;
  }
}
