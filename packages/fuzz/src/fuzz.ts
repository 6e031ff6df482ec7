// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs one after the other, each under several PCT schedules; the findings by cause, the new ones as small as they
 * can be. Several threads run programs ahead; their reports are put together in the order of the programs. The seed
 * decides everything but when the time is up.
 */
import { setTimeout } from 'node:timers/promises';
import { formatToken, type Found } from '@vfio-lab/explore';
import { revision } from '@vfio-lab/series';
import { Alone, type Crew, Threads } from './crew.ts';
import { devicesOf } from './devices.ts';
import type { ProgramJob, ProgramReport, Seen, SmallReport } from './job.ts';
import { KNOWN, type KnownFinding } from './known.ts';
import type { Program } from './program.ts';

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
  /** Milliseconds; the campaign itself never looks at a clock. */
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
  /** Tell of data races too. Default true. */
  races?: boolean;
  /** Threads. Default 1: this one. What is found is the same with any number, but for when the time is up. */
  jobs?: number;
  /** Asked again and again, with one thread between executions; true: stop and report what there is. */
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

/** A cause, over all programs. */
interface Total extends Seen {
  program: Program;
  programs: number;
  firstProgram: number;
  /** Made small, or on its way. */
  small: Promise<SmallReport> | null;
}

/** Stopped for one of these, it takes what there is at that moment. */
const AT_ONCE: ReadonlySet<string> = new Set(['time', 'interrupted']);
/** Milliseconds between looks at clock and keyboard while others work. */
const LOOK = 50;

class Campaign {
  readonly #opts: FuzzOptions;
  readonly #clock: () => number;
  readonly #started: number;
  readonly #crew: Crew;
  readonly #totals = new Map<string, Total>();
  /** Jobs that are not done. */
  readonly #flight = new Set<Promise<unknown>>();
  /** By program, those that wait for an earlier one. */
  readonly #reports = new Map<number, ProgramReport>();
  #sent = 0;
  #programs = 0;
  #executions = 0;
  #deepest = 0;
  #stopped = '';

  constructor(opts: FuzzOptions) {
    this.#opts = opts;
    this.#clock = opts.clock ?? ((): number => 0);
    this.#started = this.#clock();
    const { jobs = 1 } = opts;
    this.#crew = jobs === 1 ? new Alone(() => this.#over()) : new Threads(jobs);
  }

  /** No more, because of time or the user. */
  async #over(): Promise<boolean> {
    const { time = Infinity, stop } = this.#opts;
    if (AT_ONCE.has(this.#stopped)) return true;
    if (this.#clock() - this.#started >= time) this.#stopped = 'time';
    else if (stop !== undefined && (await stop(this.#progress()))) this.#stopped = 'interrupted';
    if (!AT_ONCE.has(this.#stopped)) return false;
    this.#crew.hurry();
    return true;
  }

  #progress(): FuzzProgress {
    const known = [...this.#totals.values()].filter((t) => t.known !== null).length;
    return {
      programs: this.#programs,
      executions: this.#executions + this.#crew.underWay,
      known,
      fresh: this.#totals.size - known,
      shrinking: [...this.#totals.values()].some((t) => t.small !== null && this.#flight.has(t.small)),
    };
  }

  #job(nr: number): ProgramJob {
    const {
      revision,
      races = true,
      seed = 1,
      topology = '',
      tasks = 4,
      schedules = 12,
      depth = 3,
    } = this.#opts;
    return { kind: 'program', revision, races, seed, nr, topology, tasks, schedules, depth };
  }

  async #program(nr: number): Promise<void> {
    this.#reports.set(nr, await this.#crew.do(this.#job(nr)));
  }

  /** A job is in flight until it is done. The main loop waits for it, and fails with it. */
  #send<T>(job: Promise<T>): Promise<T> {
    this.#flight.add(job);
    const done = (): void => void this.#flight.delete(job);
    job.then(done, done);
    return job;
  }

  /** Put the reports together that are next in order. */
  async #merge(): Promise<void> {
    const { executions = Infinity } = this.#opts;
    while (this.#stopped === '' || AT_ONCE.has(this.#stopped)) {
      const nr = this.#programs + 1;
      let report = this.#reports.get(nr);
      if (report === undefined) return;
      this.#reports.delete(nr);
      const left = executions - this.#executions;
      // The limit is in the midst of it.
      if (report.executions > left) report = await this.#crew.do({ ...this.#job(nr), schedules: left });
      this.#programs = nr;
      for (const seen of report.seen) this.#note(seen, report.program);
      this.#executions += report.executions;
      this.#deepest = Math.max(this.#deepest, report.deepest);
      if (this.#executions >= executions) this.#stopped ||= 'executions';
      if (this.#opts.first === true && [...this.#totals.values()].some((t) => t.known === null))
        this.#stopped ||= 'first finding';
    }
  }

  #note(seen: Seen, program: Program): void {
    let total = this.#totals.get(seen.cause);
    if (total === undefined) {
      const first = this.#executions + seen.first;
      total = { ...seen, first, program, programs: 1, firstProgram: this.#programs, small: null };
      this.#totals.set(seen.cause, total);
    } else {
      total.runs += seen.runs;
      total.programs++;
      // What is known in one program need not be in another.
      if (total.known !== null && seen.known === null) {
        const { finding, known, segments } = seen;
        Object.assign(total, { finding, known, segments, program, small: null });
      }
    }
    if (total.small === null && this.#shrinks(total)) total.small = this.#send(this.#smallest(total));
  }

  #shrinks({ known, finding }: Total): boolean {
    return (known === null || this.#opts.known === true) && finding.kind !== 'nondeterminism';
  }

  #smallest({ finding, program, segments }: Total): Promise<SmallReport> {
    const { revision, shrink = 600 } = this.#opts;
    // Where nothing rests, an execution takes as long as twenty others.
    const budget = finding.kind === 'livelock' ? Math.ceil(shrink / 10) : shrink;
    return this.#crew.do({ kind: 'small', revision, finding, case: { program, segments }, budget });
  }

  /** Keep everybody busy, until there is no more to do. */
  async #work(): Promise<void> {
    for (;;) {
      await this.#over();
      while (this.#stopped === '' && this.#flight.size < this.#crew.size) {
        const nr = ++this.#sent;
        void this.#send(this.#program(nr));
      }
      if (this.#flight.size === 0) return;
      const waiting = new AbortController();
      const look = this.#crew.size === 1 ? [] : [setTimeout(LOOK, null, waiting).catch(() => null)];
      await Promise.race([...this.#flight, ...look]);
      waiting.abort();
      await this.#merge();
    }
  }

  async run(): Promise<FuzzReport> {
    try {
      await this.#work();
    } finally {
      await this.#crew.end();
    }
    const findings: FuzzFinding[] = [];
    let shrinkExecutions = 0;
    for (const total of this.#totals.values()) {
      const { cause, programs, firstProgram, runs, first } = total;
      const small = await total.small;
      if (small !== null) shrinkExecutions += small.executions;
      const found = small?.found ?? {
        ...{ ...total.finding, schedule: formatToken(total.segments), preemptions: -1, steps: -1 },
      };
      const known = KNOWN.find((k) => k.id === total.known) ?? null;
      const program = small?.program ?? total.program;
      findings.push({ ...found, runs, at: first, cause, known, program, programs, firstProgram });
    }
    return {
      revision: this.#opts.revision,
      seed: this.#opts.seed ?? 1,
      programs: this.#programs,
      executions: this.#executions,
      shrinkExecutions,
      deepest: this.#deepest,
      stopped: this.#stopped,
      findings,
      seconds: (this.#clock() - this.#started) / 1000,
    };
  }
}

/** Run random programs on a revision. An unknown revision or topology is an InputError. */
export async function fuzz(opts: FuzzOptions): Promise<FuzzReport> {
  // Here, where an error keeps what it is.
  revision(opts.revision);
  if (opts.topology !== undefined && opts.topology !== '') devicesOf(opts.topology);
  return new Campaign(opts).run();
}
