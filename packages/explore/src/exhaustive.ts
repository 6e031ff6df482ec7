// SPDX-License-Identifier: GPL-2.0-only
/*
 * An exhaustive search with the help of other threads.
 *
 * 1. The search is the same as in one thread, execution for execution: mates only search branches before it comes to them.
 * 2. Every branch on the stack will be searched some day, and who will sleep there is known: so it can be done at any
 *    time. Should the search come to it with others asleep, what was done is thrown away.
 * 3. Mates start with the branches that come last, which have most below them. A mate that is still at it when the search
 *    comes there hands over what it has, and the search goes on from where it was.
 * 4. When the search is stopped in the middle, what mates have seen ahead of it is told as well, and is still to be done.
 */
import { Dpor, type Left, type WakeupNode } from './dpor.ts';
import { type Job, jobOf, type Part, sameJob } from './job.ts';
import type { Helper } from './mate.ts';
import type { Session } from './session.ts';
import type { Subject } from './subject.ts';

export interface Limits {
  executions: number;
  first: boolean;
  /**
   * Asked after every execution: why to stop, '' to go on. `remaining`: about how many executions are left; `ahead`: how
   * many mates have run that the search has not come to.
   */
  stop: (remaining: () => number, ahead: () => number) => string | Promise<string>;
}

export interface Exhaustive {
  /** Why it stopped, '' when everything has been searched. */
  stopped: string;
  redundant: number;
  left: Left | null;
}

/** A branch that a mate searches or has searched. */
interface Ahead {
  job: Job;
  mate: Helper;
  /** What came of it so far; null: it could not be taken. */
  parts: Part[] | null;
  /** The search has come to it. */
  needed: boolean;
  /** The mate has nothing to do with it any more. */
  done: Promise<void>;
}

/** Executions of a part: enough to be worth a message, few enough to stay below a limit. */
const MOST = 1000;
/** Executions between two looks at what mates have sent. */
const TURN = 8;

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
  const scout = mates.length === 0 ? null : new Scout(subject, dpor, session, limits, mates);
  let stopped = '';
  let more = true;
  let interrupted = false;
  while (more && stopped === '') {
    if (scout === null) {
      await session.execute(dpor);
      more = dpor.advance();
    } else {
      more = await scout.next();
    }
    if (limits.first && session.found.size > 0) stopped = 'first finding';
    else if (session.executions >= limits.executions) stopped = 'executions';
    else {
      stopped = await limits.stop(
        () => dpor.remaining(),
        () => scout?.executions ?? 0,
      );
      interrupted = stopped !== '';
    }
  }
  await scout?.end(more && interrupted);
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
  readonly #session: Session;
  readonly #limits: Limits;
  readonly #mates: readonly Helper[];
  readonly #ahead = new Map<WakeupNode, Ahead>();
  /** Executions since the mates were looked at. */
  #quiet = 0;
  #over = false;
  #failed: unknown = null;

  constructor(subject: Subject, dpor: Dpor, session: Session, limits: Limits, mates: readonly Helper[]) {
    this.#subject = subject;
    this.#dpor = dpor;
    this.#session = session;
    this.#limits = limits;
    this.#mates = mates;
    for (const mate of mates) void mate.begin();
  }

  /** The next execution of the search, or the next ones. False: there are no more. */
  async next(): Promise<boolean> {
    const node = this.#dpor.frames.at(-1)?.wut[0];
    const ahead = node === undefined ? undefined : this.#ahead.get(node);
    if (node !== undefined && ahead !== undefined) {
      this.#ahead.delete(node);
      const more = await this.#takeOver(ahead);
      if (more !== null) return more;
    } else if (++this.#quiet % TURN === 0) {
      this.#share();
      // Messages of mates come in between two turns of the event loop.
      await new Promise(setImmediate);
    }
    if (this.#failed !== null) throw this.#failed as Error;
    await this.#session.execute(this.#dpor);
    return this.#dpor.advance();
  }

  /** Go through what a mate has done of the next branch. null: that is of no use. */
  async #takeOver(ahead: Ahead): Promise<boolean | null> {
    ahead.needed = true;
    ahead.mate.hurry();
    await ahead.done;
    const { frames } = this.#dpor;
    if (ahead.parts === null || !sameJob(ahead.job, jobOf(frames, frames.length - 1, 0))) return null;
    let at = -1;
    let more: boolean | null = null;
    for (const part of ahead.parts) {
      if (!this.#within(part)) break;
      if (at < 0) at = this.#dpor.enter();
      this.#session.merge(part.session);
      more = this.#dpor.adopt(at, part);
    }
    return more;
  }

  /** Does the search not stop in the middle of it? */
  #within({ session }: Part): boolean {
    const { executions, first } = this.#limits;
    return (
      this.#session.executions + session.executions <= executions && !(first && session.found.length > 0)
    );
  }

  /** A branch that nobody has looked at: the one that will be needed last, where most is below. */
  #open(needed: WakeupNode): { node: WakeupNode; job: Job } | null {
    const { frames } = this.#dpor;
    for (const [at, { wut }] of frames.entries())
      for (let i = wut.length - 1; i >= 0; i--)
        if (wut[i] !== needed && !this.#ahead.has(wut[i])) return { node: wut[i], job: jobOf(frames, at, i) };
    return null;
  }

  /** Give the mates that are free something to do. No execution is in progress. */
  #share(): void {
    const needed = this.#dpor.frames.at(-1)?.wut[0];
    if (needed === undefined || this.#over) return;
    for (const mate of this.#mates) {
      const open = mate.free ? this.#open(needed) : null;
      if (open === null) continue;
      const ahead: Ahead = { job: open.job, mate, parts: [], needed: false, done: Promise.resolve() };
      this.#ahead.set(open.node, ahead);
      ahead.done = this.#work(ahead).catch((error: unknown) => void (this.#failed ??= error));
    }
  }

  /** Have a branch searched until everything is, or the search has come to it. */
  async #work(ahead: Ahead): Promise<void> {
    const { tables } = this.#subject;
    let job: Job | null = ahead.job;
    for (;;) {
      const part = await ahead.mate.run(job, MOST, tables);
      if (part === null) {
        ahead.parts = null;
        break;
      }
      ahead.parts?.push(part);
      if (part.left.length === 0 || ahead.needed || this.#over) break;
      job = null;
    }
    // Messages come in only while no execution is in progress.
    this.#share();
  }

  /** Executions that the search has not come to. */
  get executions(): number {
    let n = 0;
    for (const { parts } of this.#ahead.values()) for (const part of parts ?? []) n += part.executions;
    return n;
  }

  /**
   * Wait for what the mates are at.
   *
   * @param tell let the session know of what they have seen
   */
  async end(tell: boolean): Promise<void> {
    this.#over = true;
    for (const mate of this.#mates) mate.hurry();
    for (const ahead of this.#ahead.values()) {
      await ahead.done;
      if (tell) for (const part of ahead.parts ?? []) this.#session.merge(part.session);
    }
  }
}
