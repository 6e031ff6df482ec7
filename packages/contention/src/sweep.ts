// SPDX-License-Identifier: GPL-2.0-only
import { InputError } from '@vfio-lab/sim';
import { contentions, type LockResult, type RunResult, waitTotal } from './result.ts';
import { type RunOptions, runWorkload } from './run.ts';
import { type Estimate, estimate, exactly } from './statistics.ts';

/** One cell of a sweep: a revision with so many tasks, over all seeds. */
export interface Point {
  revision: string;
  tasks: number;
  seeds: number;
  exact: boolean;
  /** Requests a virtual second. */
  throughput: Estimate;
  /** Mean virtual ns of a request. */
  latency: Estimate;
  p99: Estimate;
  /** Share of the time in requests that was spent waiting for a lock class; classes without any are left out. */
  lockShares: Record<string, Estimate>;
  /** The run with the first seed, whole. */
  first: RunResult;
}

export interface SweepOptions extends Omit<RunOptions, 'tasks' | 'revision' | 'timeline'> {
  tasks: readonly number[];
  revisions: readonly string[];
  /** Replications of a random workload: seeds seed, seed + 1, ... */
  seeds: number;
}

export interface Sweep {
  workload: string;
  about: string;
  cpus: number;
  handOver: string;
  costs: string;
  points: Point[];
  /** False: stopped before all points were there. */
  complete: boolean;
}

/**
 * Run every combination of revision and number of tasks.
 *
 * @param stop asked before every run; true ends the sweep with the points that are there
 */
export async function sweep(
  opts: SweepOptions,
  stop: (done: number, total: number, what: string) => boolean | Promise<boolean> = () => false,
): Promise<Sweep> {
  const points: Point[] = [];
  const total = opts.tasks.length * opts.revisions.length * opts.seeds;
  let done = 0;
  let complete = true;
  outer: for (const tasks of opts.tasks) {
    for (const revision of opts.revisions) {
      const runs: RunResult[] = [];
      for (let i = 0; i < opts.seeds; i++, done++) {
        if (runs[0]?.exact === true) continue;
        if (await stop(done, total, `${revision}, ${tasks} tasks`)) {
          complete = false;
          break;
        }
        // A timeline only where it is drawn: a handful of tasks, the first seed.
        const timeline = i === 0;
        const run = await runWorkload({ ...opts, tasks, revision, seed: opts.seed + i, timeline });
        runs.push(i === 0 ? run : { ...run, spans: [] });
      }
      if (runs.length > 0) points.push(pointOf(revision, runs));
      if (!complete) break outer;
    }
  }
  return {
    workload: opts.workload.name,
    about: opts.workload.about,
    cpus: opts.cpus,
    handOver: opts.handOver ?? 'linux',
    costs: opts.costs?.file ?? 'costs/default.json',
    points,
    complete,
  };
}

function pointOf(revision: string, runs: readonly RunResult[]): Point {
  const [first] = runs;
  const over = (value: (r: RunResult) => number): Estimate =>
    first.exact ? exactly(value(first)) : estimate(runs.map(value));
  const names = new Set(runs.flatMap((r) => r.shares.locks.map((l) => l.name)));
  const lockShares: Record<string, Estimate> = {};
  for (const name of names)
    lockShares[name] = over((r) => r.shares.locks.find((l) => l.name === name)?.share ?? 0);
  return {
    revision,
    tasks: first.tasks,
    seeds: runs.length,
    exact: first.exact,
    throughput: over((r) => r.throughput),
    latency: over((r) => r.latency),
    p99: over((r) => r.p99),
    lockShares,
    first,
  };
}

/** `1,2,4..64`: numbers, and doublings from one to another. Throws InputError. */
export function parseCounts(text: string, where: string): number[] {
  const counts: number[] = [];
  for (const part of text.split(',')) {
    const range = /^(\d+)\.\.(\d+)$/.exec(part.trim());
    const [from, to] = range === null ? [Number(part), Number(part)] : [Number(range[1]), Number(range[2])];
    if (!Number.isSafeInteger(from) || from < 1 || to < from || to > 4096) {
      throw new InputError(
        `"${part}" is no number of tasks`,
        where,
        'give numbers from 1 to 4096, or doublings as in 1,2,4..64',
      );
    }
    for (let n = from; n < to; n *= 2) counts.push(n);
    counts.push(to);
  }
  return [...new Set(counts)].sort((a, b) => a - b);
}

/** What moved for one lock, or one function waiting for it, from one revision to another. Per request, virtual ns. */
export interface Delta {
  lock: string;
  /** '' for the lock as a whole. */
  site: string;
  /** Waiting, holding, and acquisitions a request. */
  wait: { from: number; to: number };
  hold: { from: number; to: number };
  acquisitions: { from: number; to: number };
  contentions: { from: number; to: number };
}

/**
 * The locks and call sites whose cost differs between two runs of the same load, the largest change first.
 *
 * @returns locks first moved by wait or acquisitions; sites below their lock
 */
export function compareRuns(from: RunResult, to: RunResult): Delta[] {
  const deltas: Delta[] = [];
  const names = new Set([...from.locks, ...to.locks].map((l) => l.name));
  for (const name of names) {
    const a = from.locks.find((l) => l.name === name);
    const b = to.locks.find((l) => l.name === name);
    const lock: Delta = {
      lock: name,
      site: '',
      wait: both(a, b, waitTotal, from, to),
      hold: both(a, b, (l) => l.write.hold.total + l.read.hold.total, from, to),
      acquisitions: both(a, b, (l) => l.write.acquisitions + l.read.acquisitions, from, to),
      contentions: both(a, b, contentions, from, to),
    };
    if (moved(lock)) deltas.push(lock);
  }
  deltas.sort((x, y) => weight(y) - weight(x));
  return deltas.flatMap((d) => [d, ...siteDeltas(d.lock, from, to)]);
}

function siteDeltas(name: string, from: RunResult, to: RunResult): Delta[] {
  const callers = (run: RunResult): Map<string, { total: number; n: number }> => {
    const lock = run.locks.find((l) => l.name === name);
    const map = new Map<string, { total: number; n: number }>();
    for (const c of [...(lock?.write.callers ?? []), ...(lock?.read.callers ?? [])]) {
      const old = map.get(c.site) ?? { total: 0, n: 0 };
      map.set(c.site, { total: old.total + c.total, n: old.n + c.n });
    }
    return map;
  };
  const a = callers(from);
  const b = callers(to);
  const none = { from: 0, to: 0 };
  return [...new Set([...a.keys(), ...b.keys()])]
    .map((site) => ({
      lock: name,
      site,
      wait: { from: (a.get(site)?.total ?? 0) / from.requests, to: (b.get(site)?.total ?? 0) / to.requests },
      hold: none,
      acquisitions: none,
      contentions: { from: (a.get(site)?.n ?? 0) / from.requests, to: (b.get(site)?.n ?? 0) / to.requests },
    }))
    .filter(moved)
    .sort((x, y) => weight(y) - weight(x));
}

function both(
  a: LockResult | undefined,
  b: LockResult | undefined,
  value: (l: LockResult) => number,
  from: RunResult,
  to: RunResult,
): { from: number; to: number } {
  return {
    from: a === undefined ? 0 : value(a) / from.requests,
    to: b === undefined ? 0 : value(b) / to.requests,
  };
}

function weight(d: Delta): number {
  return Math.abs(d.wait.to - d.wait.from) + Math.abs(d.hold.to - d.hold.from);
}

/** By a nanosecond a request, or one acquisition in a thousand requests. */
function moved(d: Delta): boolean {
  return weight(d) >= 1 || Math.abs(d.acquisitions.to - d.acquisitions.from) >= 0.001;
}
