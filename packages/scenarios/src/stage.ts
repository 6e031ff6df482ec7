// SPDX-License-Identifier: GPL-2.0-only
import { slab_mark } from '@vfio-lab/kernel';
import {
  Checkpoint,
  type Finding,
  formatSchedule,
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
  type KnownFinding,
  type Testbed,
} from '@vfio-lab/testbed';
import { Lab } from './lab.ts';
import { type End, Ends } from './ends.ts';
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
  #decisions: readonly string[] = [];
  /** The programs have ended, and nothing goes on any more. */
  #settled = false;
  #ended = false;
  #end = '';
  #inspected: string[] = [];
  /** Nothing has changed since the state was compared with the checkpoint's. */
  #looked = false;
  /** How runs end that need not be run to the end; null: all are. */
  #ends: Ends | null = null;

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
      this.#state = state;
      this.#mark = mark;
      // Done again before the programs and after them, it leaves what a checkpoint made here has.
      this.#testbed.watchRaces();
      machine.park(() => this.#programs());
    });
  }

  /** What the set-up hands over to the programs. */
  #state: unknown = null;
  /** What was allocated before. */
  #mark = 0;

  /** The programs of the scenario, until nothing goes on any more. */
  async #programs(): Promise<void> {
    const { scenario } = this;
    const state = this.#state;
    const testbed = this.#testbed;
    const lab = this.#lab;
    testbed.watchRaces();
    const { policy } = machine;
    machine.policy = this.#policy;
    machine.restart_recording();
    trace('phase', 'programs');
    const tasks = Object.entries(scenario.programs ?? {}).map(([name, program]) =>
      spawn(name, () => program(lab, state), { process: testbed.process }),
    );
    for (const task of tasks) await join(task);
    this.#decisions = machine.decisions;
    machine.policy = policy;
    lab.endWatches();
    lab.phase = 'check';
    trace('phase', 'check');
    await lab.settle();
    // What follows is one task after another: it comes after all that the programs did.
    testbed.watchRaces();
    machine.restart_recording();
    this.#settled = true;
    machine.park(this.#finish);
  }

  /** The check, the exit of the process, and the unbinding of the devices: the same for the same state of the machine. */
  readonly #finish = async (): Promise<void> => {
    const testbed = this.#testbed;
    const lab = this.#lab;
    machine.peek(() => this.#inspect('programs'));
    await this.scenario.check?.(lab, this.#state);
    machine.peek(() => {
      this.#inspect('check');
      checkInUse(testbed);
      this.#end = endState(testbed);
    });
    trace('phase', 'exit');
    await testbed.exitProcess();
    await lab.settle();
    machine.peek(() => {
      this.#inspect('exit');
      checkClosed(testbed, this.#mark);
    });
    await testbed.unbindAll();
    machine.peek(() => checkUnbound(this.#mark));
    this.#ended = true;
  };

  #inspect(when: 'programs' | 'check' | 'exit'): void {
    this.#inspected.push(...(this.#opts.inspect?.(when) ?? []));
  }

  /** Put the machine back to the end of the set-up. */
  async #rewind(): Promise<void> {
    if (!this.#used) {
      this.#used = true;
      return;
    }
    if (this.#checkpoint === null) await this.#boot();
    else if (this.#looked) this.#checkpoint.undo();
    else this.#checkpoint.restore();
  }

  /**
   * Keep the set-up for further runs. Costs as much as a few runs; worth it when there will be many.
   *
   * @param ends keep, too, how runs end: one that comes to a state known from another is not run on from there
   * @returns false when that cannot be done: a task of the set-up is in the middle of something. Runs boot then.
   */
  keep(ends = false): boolean {
    const m = this.#testbed.machine;
    if (!this.#ready || this.#used || m.tasks.some((t) => t.started)) return false;
    // What the programs can reach besides the machine.
    this.#checkpoint ??= new Checkpoint(m, [this.#lab, this.#testbed, this.#state]);
    if (ends && !m.tracing) this.#ends ??= new Ends(this.#checkpoint);
    return true;
  }

  /** Run the programs and what follows. Never throws for what the simulated kernel does. */
  async run(schedule: Schedule = { kind: 'default' }): Promise<ScenarioRun> {
    await this.#rewind();
    this.#policy = policyOf(schedule);
    this.#settled = false;
    const m = this.#testbed.machine;
    m.recording = this.#opts.token !== false;
    if (this.#ready) await m.resume();
    const before = { findings: [...m.findings], log: [...m.log], known: [...this.#known] };
    const decisions = this.#settled ? this.#decisions : m.decisions;
    const { outcome, end, inspected, findings, known, log, duration } = await this.#goOn();
    const policy = this.#policy;
    return {
      scenario: this.scenario.name,
      revision: this.#opts.revision,
      outcome,
      end,
      inspected: [...inspected],
      findings: [...before.findings, ...findings],
      known: [...before.known, ...known],
      schedule: formatSchedule(decisions),
      leftAt: policy instanceof ReplayPolicy ? policy.left_at : -1,
      events: [...m.events],
      log: [...before.log, ...log],
      duration,
    };
  }

  get #known(): readonly KnownFinding[] {
    return this.#testbed.races?.known ?? [];
  }

  /** What follows the programs: run, unless it is known what comes of this state. */
  async #goOn(): Promise<End> {
    const m = this.#testbed.machine;
    const ends = this.#ends !== null && this.#settled && m.tasks.length === 1 ? this.#ends : null;
    const state = ends === null ? '' : m.peek(() => ends.state());
    const before = ends?.find(state);
    this.#looked = before !== undefined;
    if (before !== undefined) return before;
    const [findings, log, known] = [m.findings.length, m.log.length, this.#known.length];
    this.#ended = false;
    this.#end = '';
    this.#inspected = [];
    if (this.#settled) await m.resume();
    const end: End = {
      ended: this.#ended,
      outcome: this.#ended ? this.#lab.outcome() || 'ok' : unfinished(this.#lab, m.findings),
      end: this.#end,
      inspected: this.#inspected,
      findings: m.findings.slice(findings),
      log: m.log.slice(log),
      known: this.#known.slice(known),
      duration: m.clock.now,
    };
    ends?.add(state, end);
    return end;
  }
}

function unfinished(lab: Lab, findings: readonly Finding[]): string {
  const why = findings.some((f) => f.kind === 'deadlock') ? 'deadlock' : 'did not end';
  return [lab.outcome(), why].filter((words) => words !== '').join('; ');
}
