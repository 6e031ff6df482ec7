// SPDX-License-Identifier: GPL-2.0-only
/*
 * A branch of a search as a unit of work, made of data: where it branches off, and what came of the executions below it.
 * What is below depends on nothing else. A search that takes it over goes on as if it had run them itself.
 */
import {
  covered,
  Dpor,
  type Frame,
  insertWakeup,
  type Numbering,
  Renumber,
  type Searched,
  type WakeupNode,
} from './dpor.ts';
import type { Race } from './execution.ts';
import { Session, type SessionPart } from './session.ts';
import type { Subject } from './subject.ts';

/** The frames down to the branch: of those above what was done and who sleeps, of the last one who sleeps and the branch. */
export type Job = Frame[];

/** What came of some executions of a job. */
export interface Part extends Searched {
  session: SessionPart;
}

/** What a branch of a frame would be as a job, when `before` others of the frame were run first. */
export function jobOf(frames: readonly Frame[], at: number, before: number): Job {
  const job: Job = [];
  for (let i = 0; i < at; i++) {
    const { sleep, tid, op } = frames[i];
    job.push({ sleep, wut: [], tid, op, done: 0, size: 0 });
  }
  const { sleep, wut } = frames[at];
  const asleep = wut.slice(0, before).flatMap(({ tid, op }) => [tid, op]);
  const branch = copyOf(wut[before]);
  job.push({ sleep: [...sleep, ...asleep], wut: [branch], tid: -1, op: 0, done: 0, size: 0 });
  return job;
}

/** Two jobs for one branch are the same executions when nobody else sleeps and the same has to follow. */
export function sameJob(a: Job, b: Job): boolean {
  const [x, y] = [a[a.length - 1], b[b.length - 1]];
  return a.length === b.length && same(x.sleep, y.sleep) && sameNode(x.wut[0], y.wut[0]);
}

/** The wakeup tree of a branch, which goes on growing. */
function copyOf({ tid, op, kids }: WakeupNode): WakeupNode {
  return { tid, op, kids: kids.map(copyOf) };
}

function sameNode(a: WakeupNode, b: WakeupNode): boolean {
  if (a.tid !== b.tid || a.op !== b.op || a.kids.length !== b.kids.length) return false;
  return a.kids.every((kid, i) => sameNode(kid, b.kids[i]));
}

function same(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((x, i) => x === b[i]);
}

/** A job in other numbers. */
export function renumberedJob(job: Job, to: Numbering): Job {
  const renumber = new Renumber(to);
  return job.map((frame) => renumber.frame(frame));
}

/** What came of a job in other numbers. */
export function renumberedPart(part: Part, to: Numbering): Part {
  const renumber = new Renumber(to);
  return {
    ...part,
    above: part.above.map(({ at, v }) => ({ at, v: renumber.events(v) })),
    left: part.left.map((frame) => renumber.frame(frame)),
  };
}

/** The search below a branch. What it finds to do above is for the one whose job it is. */
class BranchSearch extends Dpor {
  /** Frames below this number are above. */
  readonly #root: number;
  above: Race[] = [];
  /** By frame above: what it was told to try. */
  readonly #told: WakeupNode[][] = [];

  constructor(job: Job) {
    super(job);
    this.#root = job.length;
  }

  protected override reverse(race: Race): void {
    const { at, v } = race;
    if (at >= this.#root) super.reverse(race);
    // Who sleeps up there stays the same as long as the branch is searched, and there will be no less to try than was told.
    else if (!covered(this.frames[at].sleep, v) && insertWakeup((this.#told[at] ??= []), v))
      this.above.push(race);
  }
}

/** A job that is being done. */
export class Branch {
  readonly #subject: Subject;
  readonly #search: BranchSearch;
  readonly #root: number;
  readonly #recheck: number;
  #more = true;
  #redundant = 0;

  /** @param recheck as of a Session */
  constructor(subject: Subject, job: Job, recheck: number) {
    this.#subject = subject;
    this.#search = new BranchSearch(job);
    this.#root = job.length;
    this.#recheck = recheck;
  }

  /**
   * Run the next executions.
   *
   * @param most so many at the most
   * @param enough asked after each: true when somebody waits for what there is
   * @param before executions of other jobs, for `recheck`
   * @returns null when the branch cannot be taken: the search has to see for itself
   */
  async search(most: number, enough: () => boolean, before: number): Promise<Part | null> {
    const search = this.#search;
    const session = new Session(this.#subject, this.#recheck, Infinity, before + search.executions);
    do {
      const first = search.executions === 0;
      await session.execute(search);
      if (first && search.infeasible > 0) return null;
      // Other branches of the last frame are other jobs.
      this.#more = search.advance() && search.frames.length > this.#root;
    } while (this.#more && session.executions < most && !enough());
    const { executions, redundant, deepest, above, frames } = search;
    search.above = [];
    const redundantBefore = this.#redundant;
    this.#redundant = redundant;
    return {
      executions: session.executions,
      redundant: redundant - redundantBefore,
      deepest,
      size: executions,
      above,
      left: this.#more ? structuredClone(frames.slice(this.#root)) : [],
      session: session.part,
    };
  }
}
