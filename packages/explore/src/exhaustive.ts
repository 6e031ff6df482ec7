// SPDX-License-Identifier: GPL-2.0-only
/*
 * An exhaustive search with the help of other threads.
 *
 * 1. The search is the same as in one thread, execution for execution: mates only run executions before they are needed.
 * 2. Every branch on the stack will be run some day, and what will sleep there is known: so it can be run at any time.
 *    Should the search come to it with others asleep, the record is thrown away.
 */
import { Dpor, type Left, type WakeupNode } from './dpor.ts';
import { type Job, jobOf, type Numbering, play, record, type Recorded, sameJob } from './job.ts';
import type { Helper } from './mate.ts';
import type { Session } from './session.ts';
import type { Subject } from './subject.ts';

export interface Limits {
  executions: number;
  first: boolean;
  /** Asked after every execution: why to stop, '' to go on. `remaining`: about how many executions are left. */
  stop: (remaining: () => number) => string | Promise<string>;
}

export interface Exhaustive {
  /** Why it stopped, '' when everything has been searched. */
  stopped: string;
  redundant: number;
  left: Left | null;
}

/** A branch that somebody searches or has searched. */
interface Ahead {
  job: Job;
  /** The executions below it, those that have been used taken out. undefined: not yet; null: it could not be taken. */
  records: Recorded[] | null | undefined;
  numbering: Numbering | null;
  done: Promise<void>;
}

/** Executions of a job: enough to be worth a message, few enough to be back soon. */
const MOST = 64;
/** Branches that may wait to be needed. */
const MOST_AHEAD = 500;

/**
 * Search everything, or go on with `resume`.
 *
 * @param session gets what the executions show
 * @param mates threads that help; none: this one does it all
 */
export async function exhaust(
  subject: Subject,
  session: Session,
  resume: Left | undefined,
  limits: Limits,
  mates: readonly Helper[],
): Promise<Exhaustive> {
  const { tables } = subject;
  const dpor = resume === undefined ? new Dpor() : Dpor.resume(resume, tables);
  const scout = new Scout(subject, dpor, mates);
  let stopped = '';
  let more = true;
  while (more && stopped === '') {
    if (mates.length === 0) await session.execute(dpor);
    else await scout.next(session);
    more = dpor.advance();
    if (limits.first && session.found.size > 0) stopped = 'first finding';
    else if (session.executions >= limits.executions) stopped = 'executions';
    else stopped = await limits.stop(() => dpor.remaining());
  }
  await scout.end();
  return {
    stopped: more ? stopped : '',
    redundant: dpor.redundant,
    left: more ? dpor.left(tables) : null,
  };
}

/** Has branches searched by mates before the search comes to them. */
class Scout {
  readonly #subject: Subject;
  readonly #dpor: Dpor;
  readonly #mates: readonly Helper[];
  readonly #ahead = new Map<WakeupNode, Ahead>();
  /** The branch that the search is in, when somebody has been there before it. */
  #here: Ahead | null = null;
  #failed: unknown = null;

  constructor(subject: Subject, dpor: Dpor, mates: readonly Helper[]) {
    this.#subject = subject;
    this.#dpor = dpor;
    this.#mates = mates;
    for (const mate of mates) void mate.begin();
  }

  /** The next execution of the search. */
  async next(session: Session): Promise<void> {
    const { frames } = this.#dpor;
    // As many executions as are recorded are below their branch, so the search cannot have left it.
    const played = this.#play(session);
    if (played !== null) return played;
    const node = frames.at(-1)?.wut[0];
    if (node === undefined) return session.execute(this.#dpor);
    for (;;) {
      this.#share(node);
      // Messages of mates come in between two turns of the event loop.
      await new Promise(setImmediate);
      if (this.#failed !== null) throw this.#failed as Error;
      const ahead = this.#ahead.get(node);
      if (
        ahead === undefined ||
        ahead.records === null ||
        !sameJob(ahead.job, jobOf(frames, frames.length - 1, 0))
      ) {
        this.#ahead.delete(node);
        return session.execute(this.#dpor);
      }
      if (ahead.records !== undefined) {
        this.#ahead.delete(node);
        this.#here = ahead;
        await this.#play(session);
        return;
      }
      // A mate is at it: do something else meanwhile.
      const other = this.#open(node);
      if (other === null) await ahead.done;
      else await this.#own(other);
    }
  }

  /** Go through the next execution that is recorded; null: none is. */
  #play(session: Session): Promise<void> | null {
    const recorded = this.#here?.records?.shift();
    if (recorded === undefined) {
      this.#here = null;
      return null;
    }
    const numbering = this.#here?.numbering ?? null;
    return session.replayed(this.#dpor, recorded.observation, () => play(recorded, numbering, this.#dpor));
  }

  /** A branch that nobody has looked at: the one that will be needed last, where most is below. */
  #open(needed: WakeupNode): { node: WakeupNode; job: Job } | null {
    const { frames } = this.#dpor;
    for (const [at, { wut }] of frames.entries())
      for (let i = wut.length - 1; i >= 0; i--)
        if (wut[i] !== needed && !this.#ahead.has(wut[i])) return { node: wut[i], job: jobOf(frames, at, i) };
    return null;
  }

  /** Give the mates that have nothing to do something. */
  #share(needed: WakeupNode): void {
    for (const mate of this.#mates) {
      if (mate.busy || this.#ahead.size > MOST_AHEAD) continue;
      const open = this.#open(needed);
      if (open === null) return;
      const entry: Ahead = {
        job: open.job,
        records: undefined,
        numbering: mate.numbering,
        done: Promise.resolve(),
      };
      this.#ahead.set(open.node, entry);
      entry.done = mate.run(open.job, MOST, this.#subject.tables).then(
        (records) => void (entry.records = records),
        (error: unknown) => void (this.#failed ??= error),
      );
    }
  }

  async #own({ node, job }: { node: WakeupNode; job: Job }): Promise<void> {
    const entry: Ahead = { job, records: undefined, numbering: null, done: Promise.resolve() };
    this.#ahead.set(node, entry);
    entry.records = await record(this.#subject, job, 1);
  }

  /** Wait for what the mates are at. */
  async end(): Promise<void> {
    for (const { done } of this.#ahead.values()) await done;
  }
}
