// SPDX-License-Identifier: GPL-2.0-only
// What a run came to, as plain data: everything that is printed or drawn is made from this.
import type { Span } from '@vfio-lab/locking';
import type { LockKind } from './engine/gate.ts';
import type { StatClass, StatRow, TimelineSpan } from './stat.ts';
import type { Arrival } from './workload.ts';

/** Durations in virtual ns. */
export interface Times {
  n: number;
  min: number;
  max: number;
  total: number;
}

export interface Site {
  site: string;
  count: number;
}

export interface Caller extends Times {
  site: string;
}

/** One mode of a lock class: W is also what a mutex or spinlock has. */
export interface LockMode {
  conBounces: number;
  contentions: number;
  wait: Times;
  acqBounces: number;
  acquisitions: number;
  hold: Times;
  waitSites: Site[];
  holdSites: Site[];
  callers: Caller[];
}

export interface LockResult {
  name: string;
  kind: LockKind | null;
  write: LockMode;
  read: LockMode;
}

/** Latency of one kind of call in virtual ns. */
export interface CallResult {
  name: string;
  count: number;
  /** Calls a virtual second. */
  throughput: number;
  mean: number;
  p50: number;
  p90: number;
  p99: number;
  max: number;
}

/** Shares of the time that tasks spent in requests: what they did, adding up to 1. */
export interface Shares {
  run: number;
  hardware: number;
  ready: number;
  sleep: number;
  /** By lock class, most first. */
  locks: { name: string; share: number }[];
}

export interface RunResult {
  workload: string;
  revision: string;
  tasks: number;
  cpus: number;
  seed: number;
  handOver: string;
  arrival: Arrival;
  /** No random numbers were drawn: another seed gives the same. */
  exact: boolean;
  requests: number;
  /** Virtual ns. */
  duration: number;
  throughput: number;
  /** Mean ns of a request (one or more calls). */
  latency: number;
  p99: number;
  shares: Shares;
  calls: CallResult[];
  locks: LockResult[];
  findings: { kind: string; text: string }[];
  spans: TimelineSpan[];
  /** Kernel module of each driver function that shows as a site. */
  modules: Record<string, string>;
}

function times(span: Span): Times {
  return { n: span.n, min: span.min, max: span.max, total: span.total };
}

function sites(map: Map<string, number>): Site[] {
  return [...map].map(([site, count]) => ({ site, count }));
}

function mode(row: StatRow): LockMode {
  return {
    conBounces: row.con_bounces,
    contentions: row.contentions,
    wait: times(row.wait),
    acqBounces: row.acq_bounces,
    acquisitions: row.acquisitions,
    hold: times(row.hold),
    waitSites: sites(row.wait_sites),
    holdSites: sites(row.hold_sites),
    callers: [...row.callers].map(([site, span]) => ({ site, ...times(span) })),
  };
}

/** Lock classes as /proc/lock_stat orders them: most contended first. */
export function lockResults(classes: ReadonlyMap<string, StatClass>): LockResult[] {
  return [...classes]
    .map(([name, c]) => ({ name, kind: c.kind, write: mode(c.write), read: mode(c.read) }))
    .sort((a, b) => contentions(b) - contentions(a));
}

export function contentions(lock: LockResult): number {
  return lock.write.wait.n + lock.read.wait.n;
}

/** Sum of all waits for a lock class, virtual ns. */
export function waitTotal(lock: LockResult): number {
  return lock.write.wait.total + lock.read.wait.total;
}

/** The value that a share `p` of the sorted values does not exceed: nearest rank. */
export function percentile(sorted: readonly number[], p: number): number {
  return sorted.length === 0 ? 0 : sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)];
}

export function callResult(name: string, latencies: readonly number[], duration: number): CallResult {
  const sorted = [...latencies].sort((a, b) => a - b);
  return {
    name,
    count: sorted.length,
    throughput: (sorted.length / duration) * 1e9,
    mean: sorted.reduce((sum, ns) => sum + ns, 0) / Math.max(1, sorted.length),
    p50: percentile(sorted, 0.5),
    p90: percentile(sorted, 0.9),
    p99: percentile(sorted, 0.99),
    max: sorted.at(-1) ?? 0,
  };
}
