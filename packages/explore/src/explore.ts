// SPDX-License-Identifier: GPL-2.0-only
/*
 * A search from the user's side: executions under a strategy until it is exhausted, the time is up or somebody presses
 * Ctrl-C; what was seen; and for each finding the shortest schedule found that leads to it.
 */
import { Interleavings, SharedObjects } from './brute.ts';
import { Nondeterminism } from './chooser.ts';
import { explain } from './explain.ts';
import type { Search } from './exhaust.ts';
import { Dpor, type Left } from './dpor.ts';
import { exhaust } from './exhaustive.ts';
import type { Mate } from './mate.ts';
import { type Interesting, Pct, Pos, RandomWalk, Urw } from './samplers.ts';
import { Session } from './session.ts';
import { type Found, shortest } from './shrink.ts';
import type { Subject } from './subject.ts';

export const STRATEGIES = ['exhaustive', 'random', 'pct', 'pos', 'urw', 'surw', 'portfolio'] as const;
export type Strategy = (typeof STRATEGIES)[number];

export interface ExploreOptions {
  strategy?: Strategy;
  /** Give up after so many executions. */
  executions?: number;
  /** Milliseconds of `clock`. */
  time?: number;
  /** At most so many preemptions, 0 first, then 1, ... */
  bound?: number;
  /** For random strategies. */
  seed?: number;
  /** Depth of the bugs that PCT goes for. */
  depth?: number;
  /** What SURW spreads evenly. */
  interesting?: Interesting;
  /** Go on with what an exhaustive search left. */
  resume?: Left;
  /** Stop with the first finding. */
  first?: boolean;
  /**
   * Before an exhaustive search, try the schedules with at most one preemption, at most so many: most races need no
   * more, and depth first would come to them late. Default 0.
   */
  warmUp?: number;
  /** Give an execution up after so many steps; the search is not exhausted then. */
  steps?: number;
  /** Threads that help an exhaustive search; of no use with `steps`. */
  mates?: readonly Mate[];
  /** Replay every so many-th execution and compare; 0: never. Default 64. */
  recheck?: number;
  /** Milliseconds; the search itself never looks at a clock. */
  clock?: () => number;
  /** Asked now and then; true: stop and report what there is. */
  stop?: (progress: Progress) => boolean | Promise<boolean>;
}

export interface Progress {
  executions: number;
  classes: number;
  deepest: number;
  findings: number;
  /** About how many executions are left; -1: no idea. Computed when asked for. */
  remaining(): number;
}

export interface Exploration {
  strategy: Strategy;
  /** Everything the strategy could reach has been searched. */
  exhausted: boolean;
  /** Why not: 'time', 'executions', 'interrupted', 'first finding', 'bound', 'steps', 'data races', 'sampling', or ''. */
  stopped: string;
  /** All schedules with at most so many preemptions have been searched; -1: no such claim. */
  bound: number;
  executions: number;
  /** How many of them were the warm-up. */
  warmUp: number;
  /** Executions that were given up because of their length. */
  cut: number;
  classes: number;
  redundant: number;
  deepest: number;
  /** How often each outcome came, and a schedule for it. */
  outcomes: Map<string, { runs: number; schedule: string }>;
  findings: Found[];
  /** PCT's probability, for each execution, of hitting a bug of its depth; 0 for others. */
  pctBound: number;
  /** What an exhaustive search that was stopped left to do; see ExploreOptions.resume. */
  left: Left | null;
  /** About how many executions that would take; 0 for none. */
  remaining: number;
  seconds: number;
}

function searchFor(opts: ExploreOptions, strategy: Strategy): Search[] {
  const seed = opts.seed ?? 1;
  if (strategy === 'random') return [new RandomWalk(seed)];
  if (strategy === 'pct') return [new Pct(seed, opts.depth ?? 3)];
  if (strategy === 'pos') return [new Pos(seed)];
  if (strategy === 'urw') return [new Urw(seed)];
  if (strategy === 'surw') return [new Urw(seed, opts.interesting ?? (() => true))];
  if (strategy === 'portfolio')
    return [
      new Urw(seed, opts.interesting ?? null),
      new Pos(seed + 1),
      new Pct(seed + 2, opts.depth ?? 3),
      new RandomWalk(seed + 3),
    ];
  return [];
}

/** A search in progress: what it has shown, and when it has to end. */
class Run {
  readonly session: Session;
  readonly opts: ExploreOptions;
  /** Why it ends, '' while it goes on. */
  stopped = '';
  readonly #clock: () => number;
  readonly #started: number;

  constructor(subject: Subject, opts: ExploreOptions) {
    this.opts = opts;
    this.session = new Session(subject, opts.recheck ?? 64, opts.steps);
    this.#clock = opts.clock ?? ((): number => 0);
    this.#started = this.#clock();
  }

  get elapsed(): number {
    return this.#clock() - this.#started;
  }

  /** Why to stop now; ''. */
  async #why(remaining: () => number, ahead: () => number): Promise<string> {
    const { session, opts } = this;
    if (opts.time !== undefined && this.elapsed >= opts.time) return 'time';
    if (opts.stop === undefined) return '';
    const progress = {
      executions: session.executions + ahead(),
      classes: session.classes.size,
      deepest: session.deepest,
      findings: session.found.size,
      remaining,
    };
    return (await opts.stop(progress)) ? 'interrupted' : '';
  }

  /** One execution; true: go on. */
  async once(search: Search): Promise<boolean> {
    const { session, opts } = this;
    await session.execute(search);
    if (opts.first === true && session.found.size > 0) this.stopped = 'first finding';
    else if (session.executions >= (opts.executions ?? Infinity)) this.stopped = 'executions';
    else
      this.stopped = await this.#why(
        () => -1,
        () => 0,
      );
    return this.stopped === '';
  }

  /**
   * All schedules with at most `most` preemptions, 0 first.
   *
   * @param limit executions that it may take
   * @returns the last bound that was searched whole, -1 for none, and whether no schedule needs more
   */
  async bounded(most: number, limit: number): Promise<{ bound: number; exhausted: boolean }> {
    const shared = new SharedObjects();
    const from = this.session.executions;
    const full = (): boolean => this.session.executions - from >= limit;
    let reached = -1;
    for (let bound = 0; bound <= most; bound++) {
      let cut = true;
      for (let known = -1; known < shared.size;) {
        known = shared.size;
        const search = new Interleavings(bound, shared);
        let more = true;
        while (more) {
          const on = await this.once(search);
          shared.learn(search.execution);
          more = search.advance();
          if (more && (!on || full())) return { bound: reached, exhausted: false };
        }
        cut = search.cut;
      }
      reached = bound;
      if (!cut) return { bound, exhausted: true };
    }
    return { bound: reached, exhausted: false };
  }

  /** Everything, or what an earlier search left. */
  async exhaustive(subject: Subject): Promise<{ redundant: number; left: Left | null }> {
    const { opts } = this;
    const limits = {
      executions: opts.executions ?? Infinity,
      first: opts.first === true,
      stop: (remaining: () => number, ahead: () => number) => this.#why(remaining, ahead),
    };
    const { stopped, redundant, left } = await exhaust(
      subject,
      this.session,
      opts.resume,
      limits,
      opts.steps === undefined ? (opts.mates ?? []) : [],
    );
    this.stopped = stopped;
    return { redundant, left };
  }

  /** A random strategy, until something ends it. */
  async sample(strategy: Strategy): Promise<number> {
    const searches = searchFor(this.opts, strategy);
    for (let i = 0; await this.once(searches[i % searches.length]); i++);
    const pct = searches.find((search) => search instanceof Pct);
    return pct?.bound ?? 0;
  }
}

/** Search a subject. */
export async function explore(subject: Subject, opts: ExploreOptions = {}): Promise<Exploration> {
  const strategy = opts.strategy ?? 'exhaustive';
  const run = new Run(subject, opts);
  const { session } = run;
  let exhausted = false;
  let bound = -1;
  let warmUp = 0;
  let redundant = 0;
  let pctBound = 0;
  let left: Left | null = null;
  try {
    if (strategy !== 'exhaustive') {
      pctBound = await run.sample(strategy);
    } else if (opts.bound !== undefined) {
      ({ bound, exhausted } = await run.bounded(opts.bound, Infinity));
      if (!exhausted) run.stopped ||= 'bound';
    } else {
      if (opts.warmUp !== undefined && opts.resume === undefined) {
        ({ bound, exhausted } = await run.bounded(1, opts.warmUp));
        warmUp = session.executions;
      }
      if (run.stopped !== '' && !exhausted) {
        // All of it is left.
        left = new Dpor().left(subject.tables);
      } else if (!exhausted) {
        ({ redundant, left } = await run.exhaustive(subject));
        exhausted = run.stopped === '';
      }
      if (exhausted) bound = -1;
    }
  } catch (error) {
    if (!(error instanceof Nondeterminism)) throw error;
    run.stopped = 'nondeterminism';
    session.nondeterminism(error.message);
  }
  if (exhausted && session.cut > 0) {
    exhausted = false;
    run.stopped = 'steps';
  }
  // Where nothing orders two accesses there are more schedules than the search knows of.
  if (exhausted && [...session.found.values()].some(({ finding }) => finding.kind === 'data-race')) {
    exhausted = false;
    run.stopped = 'data races';
  }
  const short: Found[] = [];
  for (const c of session.found.values()) short.push(await shortest(subject, c));
  const findings = await explain(subject, short);
  return {
    strategy,
    exhausted,
    stopped: exhausted ? '' : run.stopped || 'sampling',
    bound,
    executions: session.executions,
    warmUp,
    cut: session.cut,
    classes: session.classes.size,
    redundant,
    deepest: session.deepest,
    outcomes: session.outcomes,
    findings,
    pctBound,
    left,
    remaining: left === null ? 0 : Math.round(new Dpor(structuredClone(left.frames)).remaining()),
    seconds: run.elapsed / 1000,
  };
}
