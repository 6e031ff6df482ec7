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
import type { Mate } from './mate.ts';
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

/** A branch that somebody runs or has run. */
interface Ahead {
  job: Job;
  /** undefined: not yet; null: it could not be taken. */
  recorded: Recorded | null | undefined;
  numbering: Numbering | null;
  done: Promise<void>;
}

/** Jobs that a mate gets at once: enough to be worth a message, few enough to be back soon. */
const BATCH = 4;
/** Records that may wait to be needed. */
const MOST_AHEAD = 2000;

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
  mates: readonly Mate[],
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

/** Has branches run by mates before the search comes to them. */
class Scout {
  readonly #subject: Subject;
  readonly #dpor: Dpor;
  readonly #mates: readonly Mate[];
  readonly #ahead = new Map<WakeupNode, Ahead>();
  #failed: unknown = null;

  constructor(subject: Subject, dpor: Dpor, mates: readonly Mate[]) {
    this.#subject = subject;
    this.#dpor = dpor;
    this.#mates = mates;
  }

  /** The next execution of the search. */
  async next(session: Session): Promise<void> {
    const { frames } = this.#dpor;
    const node = frames.at(-1)?.wut[0];
    if (node === undefined) return session.execute(this.#dpor);
    const job = jobOf(frames, frames.length - 1, 0);
    for (;;) {
      this.#share(node);
      // Messages of mates come in between two turns of the event loop.
      await new Promise(setImmediate);
      if (this.#failed !== null) throw this.#failed as Error;
      const ahead = this.#ahead.get(node);
      if (ahead === undefined || !sameJob(ahead.job, job) || ahead.recorded === null) {
        this.#ahead.delete(node);
        return session.execute(this.#dpor);
      }
      if (ahead.recorded !== undefined) {
        this.#ahead.delete(node);
        const { recorded, numbering } = ahead;
        return session.replayed(this.#dpor, recorded.observation, () =>
          play(recorded, numbering, this.#dpor),
        );
      }
      // A mate is at it: do something else meanwhile.
      const [other] = this.#open(node, 1);
      if (other === undefined) await ahead.done;
      else await this.#own(other);
    }
  }

  /** Branches that nobody has looked at, those that will be needed first first. */
  #open(needed: WakeupNode, most: number): { node: WakeupNode; job: Job }[] {
    const { frames } = this.#dpor;
    const open: { node: WakeupNode; job: Job }[] = [];
    for (let at = frames.length - 1; at >= 0 && open.length < most; at--) {
      const { wut } = frames[at];
      for (let i = 0; i < wut.length && open.length < most; i++)
        if (wut[i] !== needed && !this.#ahead.has(wut[i]))
          open.push({ node: wut[i], job: jobOf(frames, at, i) });
    }
    return open;
  }

  /** Give the mates that have nothing to do something. */
  #share(needed: WakeupNode): void {
    for (const mate of this.#mates) {
      if (mate.busy || this.#ahead.size > MOST_AHEAD) continue;
      const batch = this.#open(needed, BATCH);
      if (batch.length === 0) return;
      const records = mate.run(
        batch.map(({ job }) => job),
        this.#subject.tables,
      );
      const entries = batch.map(({ node, job }): Ahead => {
        const entry: Ahead = { job, recorded: undefined, numbering: mate.numbering, done: Promise.resolve() };
        this.#ahead.set(node, entry);
        return entry;
      });
      const done = records.then(
        (list) => entries.forEach((entry, i) => void (entry.recorded = list[i])),
        (error: unknown) => void (this.#failed ??= error),
      );
      for (const entry of entries) entry.done = done;
    }
  }

  async #own({ node, job }: { node: WakeupNode; job: Job }): Promise<void> {
    const entry: Ahead = { job, recorded: undefined, numbering: null, done: Promise.resolve() };
    this.#ahead.set(node, entry);
    entry.recorded = await record(this.#subject, job);
  }

  /** Wait for what the mates are at. */
  async end(): Promise<void> {
    for (const { done } of this.#ahead.values()) await done;
  }
}
