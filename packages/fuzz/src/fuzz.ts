// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs one after the other, each under several PCT schedules; the findings by cause, the new ones as small as they
 * can be. The seed decides everything but when the time is up.
 */
import {
  formatToken,
  type Found,
  Pct,
  replay,
  type Segment,
  segmentsOf,
  shortest,
  type SubjectFinding,
} from '@vfio-lab/explore';
import { causeOf, causesIn } from './cause.ts';
import { programOf } from './generate.ts';
import { type KnownFinding, knownFinding } from './known.ts';
import type { Program } from './program.ts';
import { type Case, shrinkProgram } from './shrink.ts';
import { ProgramSubject } from './subject.ts';

export interface FuzzOptions {
  revision: string;
  /** Default 1. */
  seed?: number;
  /** One topology; '' (default): several. */
  topology?: string;
  /** Threads of the user at most, 1 to 4. Default 4. */
  tasks?: number;
  /** Stop after so many executions, those for shrinking not counted. */
  executions?: number;
  /** Milliseconds of `clock`. */
  time?: number;
  /** Milliseconds; the search itself never looks at a clock. */
  clock?: () => number;
  /** Schedules for each program. Default 12. */
  schedules?: number;
  /** Depth of the bugs that PCT goes for. Default 3. */
  depth?: number;
  /** Executions that making one finding small may take. Default 600. */
  shrink?: number;
  /** Make the programs of known findings small too. */
  known?: boolean;
  /** Stop with the first program that shows something new. */
  first?: boolean;
  /** Asked between executions; true: stop and report what there is. */
  stop?: (progress: FuzzProgress) => boolean | Promise<boolean>;
}

export interface FuzzProgress {
  programs: number;
  executions: number;
  known: number;
  fresh: number;
  /** A finding is being made small. */
  shrinking: boolean;
}

/** A cause with the smallest program and the shortest schedule found that lead to it. */
export interface FuzzFinding extends Found {
  cause: string;
  /** Of the kernel's own, checked before. */
  known: KnownFinding | null;
  program: Program;
  /** Programs that had it. */
  programs: number;
  /** Number of the first of them, from 1. */
  firstProgram: number;
}

export interface FuzzReport {
  revision: string;
  seed: number;
  programs: number;
  executions: number;
  shrinkExecutions: number;
  /** Most steps of an execution. */
  deepest: number;
  /** Why it ended: 'time', 'executions', 'first finding', 'interrupted'. */
  stopped: string;
  findings: FuzzFinding[];
  seconds: number;
}

interface Seen {
  cause: string;
  finding: SubjectFinding;
  known: KnownFinding | null;
  case: Case;
  runs: number;
  programs: number;
  at: number;
  firstProgram: number;
}

/** The seed of a program, and of its schedules. */
function seedOf(seed: number, nr: number): number {
  return (Math.imul(seed, 0x9e3779b1) + Math.imul(nr, 0x85ebca6b)) | 0;
}

/** Every so many-th execution is run again under its schedule and compared. */
const RECHECK = 64;

class Campaign {
  readonly #opts: FuzzOptions;
  readonly #clock: () => number;
  readonly #started: number;
  readonly #seen = new Map<string, Seen>();
  #programs = 0;
  #executions = 0;
  #shrinkExecutions = 0;
  #deepest = 0;
  #stopped = '';

  constructor(opts: FuzzOptions) {
    this.#opts = opts;
    this.#clock = opts.clock ?? ((): number => 0);
    this.#started = this.#clock();
  }

  async #over(shrinking: boolean): Promise<boolean> {
    const { executions = Infinity, time = Infinity, stop } = this.#opts;
    if (this.#stopped !== '') return true;
    if (!shrinking && this.#executions >= executions) this.#stopped = 'executions';
    else if (this.#clock() - this.#started >= time) this.#stopped = 'time';
    else if (stop !== undefined) {
      const known = [...this.#seen.values()].filter((s) => s.known !== null).length;
      const fresh = this.#seen.size - known;
      const progress = { programs: this.#programs, executions: this.#executions, known, fresh, shrinking };
      if (await stop(progress)) this.#stopped = 'interrupted';
    }
    return this.#stopped !== '';
  }

  /** All schedules of one program. */
  async #program(): Promise<void> {
    const { revision, seed = 1, topology = '', tasks = 4, schedules = 12, depth = 3 } = this.#opts;
    const programSeed = seedOf(seed, ++this.#programs);
    const program = programOf(programSeed, topology, tasks);
    const subject = new ProgramSubject(program, revision);
    const pct = new Pct(programSeed, depth);
    for (let n = 0; n < schedules && !(await this.#over(false)); n++) {
      pct.begin();
      const { outcome, findings } = await subject.run(pct);
      this.#executions++;
      const causes = causesIn(findings);
      const segments =
        causes.size > 0 || this.#executions % RECHECK === 0 ? segmentsOf(pct.execution, subject) : [];
      if (this.#executions % RECHECK === 0) {
        const again = await replay(subject, segments);
        if (again.observation.outcome !== outcome) {
          const text = 'the schedule gives something else when it is run again';
          const finding = { kind: 'nondeterminism', text, task: '', fns: [], held: [] };
          causes.set(causeOf(finding), finding);
        }
      }
      for (const [cause, finding] of causes) this.#note(cause, finding, program, segments);
      // Others would not rest either, and they take long.
      if (findings.some((f) => f.kind === 'livelock')) break;
    }
    if (pct.deepest > this.#deepest) this.#deepest = pct.deepest;
  }

  #note(cause: string, finding: SubjectFinding, program: Program, segments: Segment[]): void {
    const seen = this.#seen.get(cause);
    if (seen === undefined) {
      this.#seen.set(cause, {
        cause,
        finding,
        known: knownFinding(finding, this.#opts.revision, program),
        case: { program, segments },
        runs: 1,
        programs: 1,
        at: this.#executions,
        firstProgram: this.#programs,
      });
      return;
    }
    seen.runs++;
    if (seen.case.program !== program) seen.programs++;
    // What is known in one program need not be in another.
    if (seen.known !== null && knownFinding(finding, this.#opts.revision, program) === null) {
      seen.known = null;
      Object.assign(seen, { finding, case: { program, segments } });
    }
  }

  #shrinks(seen: Seen): boolean {
    return (seen.known === null || this.#opts.known === true) && seen.finding.kind !== 'nondeterminism';
  }

  async #smallest(seen: Seen): Promise<FuzzFinding> {
    const { revision, shrink = 600 } = this.#opts;
    const { cause, known } = seen;
    const stop = (): Promise<boolean> => this.#over(true);
    const { programs, firstProgram, runs, at } = seen;
    if (!this.#shrinks(seen)) {
      const { program, segments } = seen.case;
      const schedule = formatToken(segments);
      return {
        ...{ ...seen.finding, runs, at, schedule, preemptions: -1, steps: -1 },
        ...{ cause, known, program, programs, firstProgram },
      };
    }
    // Where nothing rests, an execution takes as long as twenty others.
    const budget = seen.finding.kind === 'livelock' ? Math.ceil(shrink / 10) : shrink;
    const made = await shrinkProgram(seen.case, { revision, cause, budget, stop });
    const best = made.case;
    this.#shrinkExecutions += made.executions;
    const subject = new ProgramSubject(best.program, revision);
    const found = await shortest(
      subject,
      { finding: seen.finding, runs, at, segments: best.segments },
      causeOf,
    );
    return { ...found, cause, known, program: best.program, programs, firstProgram };
  }

  async run(): Promise<FuzzReport> {
    const done = new Map<string, FuzzFinding>();
    while (!(await this.#over(false))) {
      await this.#program();
      for (const seen of this.#seen.values())
        if (this.#shrinks(seen) && !done.has(seen.cause)) done.set(seen.cause, await this.#smallest(seen));
      if (this.#opts.first === true && [...done.values()].some((f) => f.known === null))
        this.#stopped ||= 'first finding';
    }
    const findings: FuzzFinding[] = [];
    for (const seen of this.#seen.values()) {
      const small = done.get(seen.cause) ?? (await this.#smallest(seen));
      findings.push({ ...small, runs: seen.runs, programs: seen.programs });
    }
    return {
      revision: this.#opts.revision,
      seed: this.#opts.seed ?? 1,
      programs: this.#programs,
      executions: this.#executions,
      shrinkExecutions: this.#shrinkExecutions,
      deepest: this.#deepest,
      stopped: this.#stopped,
      findings,
      seconds: (this.#clock() - this.#started) / 1000,
    };
  }
}

/** Run random programs on a revision. An unknown revision or topology is an InputError. */
export function fuzz(opts: FuzzOptions): Promise<FuzzReport> {
  return new Campaign(opts).run();
}
