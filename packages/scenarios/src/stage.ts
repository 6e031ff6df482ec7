// SPDX-License-Identifier: GPL-2.0-only
import { slab_mark } from '@vfio-lab/kernel';
import {
  Checkpoint,
  type Finding,
  join,
  machine,
  type Policy,
  RandomPolicy,
  ReplayPolicy,
  RunToBlock,
  spawn,
  trace,
} from '@vfio-lab/sim';
import {
  bootTestbed,
  checkClosed,
  checkInUse,
  checkUnbound,
  endState,
  type Testbed,
} from '@vfio-lab/testbed';
import { Lab } from './lab.ts';
import type { RunOptions, ScenarioRun, Schedule } from './run.ts';
import type { Scenario } from './scenario.ts';

function policyOf(schedule: Schedule): Policy {
  if (schedule.kind === 'random') return new RandomPolicy(schedule.seed);
  if (schedule.kind === 'replay') return new ReplayPolicy(schedule.token);
  if (schedule.kind === 'policy') return schedule.policy;
  return new RunToBlock();
}

/**
 * A scenario set up on a booted machine, to be run again and again. The first run goes on from the set-up; before every
 * further one the machine is put back to where that had ended, or, when something was under way there, booted anew.
 */
export class Stage {
  readonly scenario: Scenario;
  readonly #opts: RunOptions;
  #testbed!: Testbed;
  #lab!: Lab;
  #checkpoint: Checkpoint | null = null;
  /** The set-up came to its end: there is something to go on with. */
  #ready = false;
  #used = false;
  /** Of the run in progress. */
  #policy: Policy = new RunToBlock();
  #token = '';
  #ended = false;
  #end = '';

  private constructor(scenario: Scenario, opts: RunOptions) {
    this.scenario = scenario;
    this.#opts = opts;
  }

  /** Boot and set up. An unknown revision or topology is an InputError. */
  static async set(scenario: Scenario, opts: Omit<RunOptions, 'schedule'>): Promise<Stage> {
    const stage = new Stage(scenario, opts);
    await stage.#boot();
    return stage;
  }

  /** Does a further run start from a checkpoint? Known after the second run. */
  get kept(): boolean {
    return this.#checkpoint !== null;
  }

  async #boot(): Promise<void> {
    const { scenario } = this;
    this.#ready = false;
    this.#testbed = await bootTestbed({
      topology: scenario.topology,
      revision: this.#opts.revision,
      tracing: this.#opts.tracing ?? false,
      options: scenario.options ?? '',
      ...(this.#opts.races !== undefined && { races: this.#opts.races }),
      instrument: this.#opts.instrument ?? false,
      checkers: this.#opts.checkers ?? true,
      ...(this.#opts.maxSteps !== undefined && { maxSteps: this.#opts.maxSteps }),
    });
    this.#lab = new Lab(this.#testbed);
    await this.#testbed.asUser(async () => {
      await this.#testbed.loadVfio();
      const mark = slab_mark();
      const state = await scenario.setup(this.#lab);
      this.#ready = true;
      const keep = { lab: this.#lab, testbed: this.#testbed, state };
      this.#state = keep;
      machine.park(() => this.#programs(state, mark));
    });
  }

  /** What the programs can reach besides the machine. */
  #state: unknown = null;

  async #programs(state: unknown, mark: number): Promise<void> {
    const { scenario } = this;
    const testbed = this.#testbed;
    const lab = this.#lab;
    testbed.watchRaces();
    machine.policy = this.#policy;
    machine.restart_recording();
    trace('phase', 'programs');
    const tasks = Object.entries(scenario.programs ?? {}).map(([name, program]) =>
      spawn(name, () => program(lab, state), { process: testbed.process }),
    );
    for (const task of tasks) await join(task);
    this.#token = machine.schedule;
    machine.policy = new RunToBlock();
    lab.endWatches();
    lab.phase = 'check';
    trace('phase', 'check');
    await lab.settle();
    machine.peek(() => this.#opts.inspect?.(lab, 'programs'));
    await scenario.check?.(lab, state);
    machine.peek(() => {
      this.#opts.inspect?.(lab, 'check');
      checkInUse(testbed);
      this.#end = endState(testbed);
    });
    trace('phase', 'exit');
    await testbed.exitProcess();
    await lab.settle();
    machine.peek(() => {
      this.#opts.inspect?.(lab, 'exit');
      checkClosed(testbed, mark);
    });
    await testbed.unbindAll();
    machine.peek(() => checkUnbound(mark));
    this.#ended = true;
  }

  /** Put the machine back to the end of the set-up. */
  async #rewind(): Promise<void> {
    if (!this.#used) {
      this.#used = true;
      return;
    }
    if (this.#checkpoint !== null) this.#checkpoint.restore();
    else await this.#boot();
  }

  /**
   * Keep the set-up for further runs. Costs as much as a few runs; worth it when there will be many.
   *
   * @returns false when that cannot be done: a task of the set-up is in the middle of something. Runs boot then.
   */
  keep(): boolean {
    const m = this.#testbed.machine;
    if (!this.#ready || this.#used || m.tasks.some((t) => t.started)) return false;
    this.#checkpoint ??= new Checkpoint(m, [this.#state]);
    return true;
  }

  /** Run the programs and what follows. Never throws for what the simulated kernel does. */
  async run(schedule: Schedule = { kind: 'default' }): Promise<ScenarioRun> {
    await this.#rewind();
    this.#policy = policyOf(schedule);
    this.#token = '';
    this.#ended = false;
    this.#end = '';
    const m = this.#testbed.machine;
    if (this.#ready) await m.resume();
    const policy = this.#policy;
    return {
      scenario: this.scenario.name,
      revision: this.#opts.revision,
      outcome: this.#ended ? this.#lab.outcome() || 'ok' : unfinished(this.#lab, m.findings),
      end: this.#end,
      findings: [...m.findings],
      known: [...(this.#testbed.races?.known ?? [])],
      schedule: this.#ended ? this.#token : m.schedule,
      leftAt: policy instanceof ReplayPolicy ? policy.left_at : -1,
      events: [...m.events],
      log: [...m.log],
      duration: m.clock.now,
    };
  }
}

function unfinished(lab: Lab, findings: readonly Finding[]): string {
  const why = findings.some((f) => f.kind === 'deadlock') ? 'deadlock' : 'did not end';
  return [lab.outcome(), why].filter((words) => words !== '').join('; ');
}
