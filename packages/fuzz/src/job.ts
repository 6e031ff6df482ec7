// SPDX-License-Identifier: GPL-2.0-only
/*
 * The work of a campaign in pieces that do not depend on each other: all schedules of one program, and one finding made
 * small. What goes in and out is data, so that any thread can do them, and the result is the same in each.
 */
import {
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
import { knownFinding } from './known.ts';
import type { Program } from './program.ts';
import { type Case, shrinkProgram } from './shrink.ts';
import { ProgramSubject } from './subject.ts';

/** All schedules of one program. */
export interface ProgramJob {
  kind: 'program';
  revision: string;
  /** Tell of data races. They are looked for anyhow, because of what they lead to. */
  races: boolean;
  /** Of the campaign. */
  seed: number;
  /** Number of the program, from 1. */
  nr: number;
  topology: string;
  tasks: number;
  schedules: number;
  depth: number;
}

/** A cause that a program has. */
export interface Seen {
  cause: string;
  finding: SubjectFinding;
  /** The id of the known finding that it is. */
  known: string | null;
  segments: Segment[];
  /** Executions that had it, and the number of the first of them, from 1. */
  runs: number;
  first: number;
}

export interface ProgramReport {
  program: Program;
  executions: number;
  /** Most steps of an execution. */
  deepest: number;
  /** In the order in which they came. */
  seen: Seen[];
}

/** Make a finding small. */
export interface SmallJob {
  kind: 'small';
  revision: string;
  finding: SubjectFinding;
  case: Case;
  /** Executions that it may take. */
  budget: number;
}

export interface SmallReport {
  found: Found;
  program: Program;
  executions: number;
}

export type Job = ProgramJob | SmallJob;
export type Report<J extends Job> = J extends ProgramJob ? ProgramReport : SmallReport;

/** Asked between executions; true: be content with what there is. */
export type Stop = (executions: number) => boolean | Promise<boolean>;

/** The seed of a program, and of its schedules. */
function seedOf(seed: number, nr: number): number {
  return (Math.imul(seed, 0x9e3779b1) + Math.imul(nr, 0x85ebca6b)) | 0;
}

/** Every so many-th execution is run again under its schedule and compared. */
const RECHECK = 64;

/** Keeps what a program shows. */
class Notes {
  readonly seen = new Map<string, Seen>();
  readonly #job: ProgramJob;
  readonly #program: Program;

  constructor(job: ProgramJob, program: Program) {
    this.#job = job;
    this.#program = program;
  }

  add(
    causes: ReadonlyMap<string, SubjectFinding>,
    all: readonly SubjectFinding[],
    segments: Segment[],
    at: number,
  ): void {
    for (const [cause, finding] of causes) {
      if (finding.kind === 'data-race' && !this.#job.races) continue;
      const known = knownFinding(finding, this.#job.revision, this.#program, all)?.id ?? null;
      const seen = this.seen.get(cause);
      if (seen === undefined) this.seen.set(cause, { cause, finding, known, segments, runs: 1, first: at });
      else {
        seen.runs++;
        // What is known in one run need not be in another.
        if (seen.known !== null && known === null) Object.assign(seen, { finding, known, segments });
      }
    }
  }
}

/** Run a program under its schedules. */
export async function runProgram(job: ProgramJob, stop: Stop): Promise<ProgramReport> {
  const { revision, seed, nr, topology, tasks, schedules, depth } = job;
  const programSeed = seedOf(seed, nr);
  const program = programOf(programSeed, topology, tasks);
  const subject = new ProgramSubject(program, revision);
  const pct = new Pct(programSeed, depth);
  const notes = new Notes(job, program);
  let executions = 0;
  while (executions < schedules && !(await stop(executions))) {
    pct.begin();
    const { outcome, findings } = await subject.run(pct);
    executions++;
    const causes = causesIn(findings);
    const recheck = (nr * schedules + executions) % RECHECK === 0;
    const segments = causes.size > 0 || recheck ? segmentsOf(pct.execution, subject) : [];
    if (recheck && (await replay(subject, segments)).observation.outcome !== outcome) {
      const text = 'the schedule gives something else when it is run again';
      const finding = { kind: 'nondeterminism', text, task: '', fns: [], held: [] };
      causes.set(causeOf(finding), finding);
    }
    notes.add(causes, findings, segments, executions);
    // Others would not rest either, and they take long.
    if (findings.some((f) => f.kind === 'livelock')) break;
  }
  return { program, executions, deepest: pct.deepest, seen: [...notes.seen.values()] };
}

/** Make a program and its schedule small. */
export async function makeSmall(job: SmallJob, stop: Stop): Promise<SmallReport> {
  const { revision, finding, budget } = job;
  const cause = causeOf(finding);
  let executions = 0;
  const made = await shrinkProgram(job.case, {
    ...{ revision, cause, budget },
    stop: () => stop(++executions),
  });
  const { program, segments } = made.case;
  const subject = new ProgramSubject(program, revision);
  const found = await shortest(subject, { finding, runs: 1, at: 1, segments }, causeOf);
  return { found, program, executions: made.executions };
}
