// SPDX-License-Identifier: GPL-2.0-only
/*
 * A search from the user's side: executions under a strategy until it is exhausted, the time is up or somebody presses
 * Ctrl-C; what was seen; and for each finding the shortest schedule found that leads to it.
 */
import { Interleavings, SharedObjects } from './brute.ts';
import { Nondeterminism } from './chooser.ts';
import { Dpor, type Unit } from './dpor.ts';
import type { Execution } from './execution.ts';
import { explain } from './explain.ts';
import type { Search } from './exhaust.ts';
import { type Interesting, Pct, Pos, RandomWalk, Urw } from './samplers.ts';
import type { Observation, Subject, SubjectFinding } from './subject.ts';
import { formatToken, Replay, type Segment, segmentsOf } from './token.ts';

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
  resume?: Unit;
  /** Stop with the first finding. */
  first?: boolean;
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
}

/** A finding with the way to it. */
export interface Found extends SubjectFinding {
  /** Executions that had it. */
  runs: number;
  /** The execution that had it first, from 1. */
  at: number;
  schedule: string;
  preemptions: number;
  steps: number;
}

export interface Exploration {
  strategy: Strategy;
  /** Everything the strategy could reach has been searched. */
  exhausted: boolean;
  /** Why not: 'time', 'executions', 'interrupted', 'first finding', 'bound', 'sampling', or ''. */
  stopped: string;
  /** All schedules with at most so many preemptions have been searched; -1: no such claim. */
  bound: number;
  executions: number;
  classes: number;
  redundant: number;
  deepest: number;
  /** How often each outcome came, and a schedule for it. */
  outcomes: Map<string, { runs: number; schedule: string }>;
  findings: Found[];
  /** PCT's probability, for each execution, of hitting a bug of its depth; 0 for others. */
  pctBound: number;
  /** What an exhaustive search that was stopped left to do; see ExploreOptions.resume. */
  left: Unit | null;
  seconds: number;
}

/** What makes two findings the same: the kind, where, and the text without its numbers. */
export function findingKey(f: SubjectFinding): string {
  return `${f.kind} ${f.fns.at(-1) ?? f.task} ${f.text.replace(/\d+/g, 'N')}`;
}

/** A finding and the schedule of the first execution that had it. */
export interface Collected {
  finding: SubjectFinding;
  runs: number;
  at: number;
  segments: Segment[];
}

/** One execution under a schedule. */
export async function replay(
  subject: Subject,
  segments: readonly Segment[],
): Promise<{ observation: Observation; replay: Replay }> {
  const chooser = new Replay(segments, subject);
  const observation = await subject.run(chooser);
  return { observation, replay: chooser };
}

class Session {
  readonly outcomes = new Map<string, { runs: number; schedule: string }>();
  readonly found = new Map<string, Collected>();
  readonly classes = new Set<string>();
  executions = 0;
  deepest = 0;
  readonly #subject: Subject;

  constructor(subject: Subject) {
    this.#subject = subject;
  }

  note(observation: Observation, execution: Execution): void {
    this.executions++;
    if (execution.length > this.deepest) this.deepest = execution.length;
    this.classes.add(execution.fingerprint());
    const outcome = this.outcomes.get(observation.outcome);
    if (outcome === undefined)
      this.outcomes.set(observation.outcome, {
        runs: 1,
        schedule: formatToken(segmentsOf(execution, this.#subject)),
      });
    else outcome.runs++;
    const keys = new Set<string>();
    for (const finding of observation.findings) {
      const key = findingKey(finding);
      if (keys.has(key)) continue;
      keys.add(key);
      const known = this.found.get(key);
      if (known === undefined)
        this.found.set(key, {
          finding,
          runs: 1,
          at: this.executions,
          segments: segmentsOf(execution, this.#subject),
        });
      else known.runs++;
    }
  }
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

/** Search a subject. */
export async function explore(subject: Subject, opts: ExploreOptions = {}): Promise<Exploration> {
  const strategy = opts.strategy ?? 'exhaustive';
  const clock = opts.clock ?? ((): number => 0);
  const started = clock();
  const session = new Session(subject);
  let stopped = '';
  let redundant = 0;

  /** One execution; true: go on. */
  const once = async (search: Search): Promise<boolean> => {
    search.begin();
    const observation = await subject.run(search);
    session.note(observation, search.execution);
    const recheck = opts.recheck ?? 64;
    if (recheck > 0 && session.executions % recheck === 0) await check(search.execution, observation);
    if (opts.first === true && session.found.size > 0) stopped = 'first finding';
    else if (session.executions >= (opts.executions ?? Infinity)) stopped = 'executions';
    else if (opts.time !== undefined && clock() - started >= opts.time) stopped = 'time';
    else if (opts.stop !== undefined) {
      const progress = {
        executions: session.executions,
        classes: session.classes.size,
        deepest: session.deepest,
        findings: session.found.size,
      };
      if (await opts.stop(progress)) stopped = 'interrupted';
    }
    return stopped === '';
  };

  /** The same schedule must give the same execution. */
  const check = async (execution: Execution, was: Observation): Promise<void> => {
    const print = execution.fingerprint();
    const again = await replay(subject, segmentsOf(execution, subject));
    const now = again.replay.execution.fingerprint();
    if (now !== print || again.observation.outcome !== was.outcome) {
      const text = `the schedule of execution ${session.executions} gives something else when run again: ${now === print ? `${again.observation.outcome}, not ${was.outcome}` : 'other steps'}`;
      session.note(
        { outcome: was.outcome, findings: [{ kind: 'nondeterminism', text, task: '', fns: [], held: [] }] },
        execution,
      );
    }
  };

  let exhausted = false;
  let bound = -1;
  let reached = -1;
  let pctBound = 0;
  let left: Unit | null = null;
  try {
    if (strategy === 'exhaustive' && opts.bound === undefined) {
      const dpor = opts.resume === undefined ? new Dpor() : Dpor.resume(opts.resume, subject.tables);
      let more = true;
      while (more && (await once(dpor))) more = dpor.advance();
      if (stopped !== '' && more) more = dpor.advance();
      exhausted = !more;
      if (more) left = dpor.unit(subject.tables);
      redundant = dpor.redundant;
    } else if (strategy === 'exhaustive') {
      const shared = new SharedObjects();
      for (bound = 0; bound <= (opts.bound as number) && stopped === ''; bound++) {
        let cut = true;
        for (let known = -1; known < shared.size && stopped === '';) {
          known = shared.size;
          const search = new Interleavings(bound, shared);
          let more = true;
          while (more && (await once(search))) {
            shared.learn(search.execution);
            more = search.advance();
          }
          cut = search.cut;
        }
        if (stopped !== '') break;
        reached = bound;
        exhausted = !cut;
        if (exhausted) break;
      }
      bound = reached;
      if (!exhausted && stopped === '') stopped = 'bound';
    } else {
      const searches = searchFor(opts, strategy);
      for (let i = 0; await once(searches[i % searches.length]); i++);
      for (const search of searches) if (search instanceof Pct) pctBound = search.bound;
    }
  } catch (error) {
    if (!(error instanceof Nondeterminism)) throw error;
    stopped = 'nondeterminism';
    session.found.set('nondeterminism', {
      finding: { kind: 'nondeterminism', text: error.message, task: '', fns: [], held: [] },
      runs: 1,
      at: session.executions + 1,
      segments: [],
    });
  }
  const short: Found[] = [];
  for (const c of session.found.values()) short.push(await shortest(subject, c));
  const findings = await explain(subject, short);
  return {
    strategy,
    exhausted,
    stopped: exhausted ? '' : stopped || 'sampling',
    bound,
    executions: session.executions,
    classes: session.classes.size,
    redundant,
    deepest: session.deepest,
    outcomes: session.outcomes,
    findings,
    pctBound,
    left,
    seconds: (clock() - started) / 1000,
  };
}

/** Executions that shortening a schedule takes at most. */
const SHRINK_RUNS = 200;

/**
 * Fewest switches, then fewest steps: take parts out of the schedule as long as the finding stays.
 *
 * @param keyOf what makes two findings the same
 * @param most executions that it may take
 */
export async function shortest(
  subject: Subject,
  c: Collected,
  keyOf: (finding: SubjectFinding) => string = findingKey,
  most = SHRINK_RUNS,
): Promise<Found> {
  const key = keyOf(c.finding);
  let best: { segments: Segment[]; preemptions: number; steps: number } | null = null;
  let runs = 0;
  const attempt = async (segments: Segment[]): Promise<boolean> => {
    runs++;
    const { observation, replay: r } = await replay(subject, segments);
    if (!observation.findings.some((f) => keyOf(f) === key)) return false;
    const made = { segments, preemptions: r.preemptions, steps: r.execution.length };
    if (
      best !== null &&
      (made.preemptions > best.preemptions ||
        (made.preemptions === best.preemptions &&
          made.steps >= best.steps &&
          segments.length >= best.segments.length))
    )
      return false;
    best = made;
    return true;
  };
  if (c.finding.kind !== 'nondeterminism') await attempt(c.segments);
  for (let size = Math.ceil(c.segments.length / 2); best !== null && size >= 1 && runs < most;) {
    let better = false;
    for (let i = (best as { segments: Segment[] }).segments.length - size; i >= 0 && runs < most; i--) {
      if (await attempt((best as { segments: Segment[] }).segments.toSpliced(i, size))) {
        better = true;
        i = Math.min(i, (best as { segments: Segment[] }).segments.length - size + 1);
      }
    }
    if (!better || size > 1) size = size === 1 ? 0 : Math.floor(size / 2);
  }
  const { segments, preemptions, steps } = best ?? { segments: c.segments, preemptions: -1, steps: -1 };
  return { ...c.finding, runs: c.runs, at: c.at, schedule: formatToken(segments), preemptions, steps };
}
