// SPDX-License-Identifier: GPL-2.0-only
// The text of /proc/lock_stat. C: kernel/locking/lockdep_proc.c seq_header(), seq_stats()
import type { LockMode, LockResult, RunResult, Site, Times } from '../result.ts';

const NAME = 40;
const CELL = 14;
const LINE = NAME + 1 + 12 * (CELL + 1);
const POINTS = 4;

/** A call site as the kernel prints it: address in angle brackets, symbol with offset and size, module. */
export type SiteText = (site: string) => { address: string; symbol: string };

/** A table as scripts written for the kernel's file read it. */
export function renderLockStat(locks: readonly LockResult[], site: SiteText): string {
  const lines = ['lock_stat version 0.4', '-'.repeat(LINE), header(), '-'.repeat(LINE), ''];
  for (const lock of locks) lines.push(...renderClass(lock, site));
  return `${lines.join('\n')}\n`;
}

/** For the locks of a run. The addresses are made up, one a function, in the order of their names. */
export function lockStatOf(run: RunResult): string {
  return renderLockStat(
    run.locks.filter((l) => l.write.acquisitions + l.read.acquisitions > 0),
    siteText(run),
  );
}

function siteText(run: RunResult): SiteText {
  const names = Object.keys(run.modules).sort();
  return (site) => {
    const module = run.modules[site];
    const index = names.indexOf(site);
    const address =
      index < 0 ? 'ffffffff81000000' : (0xa0000000 + index * 0x100).toString(16).padStart(16, 'f');
    return { address, symbol: `${site}+0x0/0x100${module === undefined ? '' : ` [${module}]`}` };
  };
}

function header(): string {
  const columns = [
    'con-bounces',
    'contentions',
    ...spans('waittime'),
    'acq-bounces',
    'acquisitions',
    ...spans('holdtime'),
  ];
  return `${'class name'.padStart(NAME)} ${columns.map((c) => c.padStart(CELL)).join(' ')}`;
}

function spans(what: string): string[] {
  return ['min', 'max', 'total', 'avg'].map((x) => `${what}-${x}`);
}

function renderClass(lock: LockResult, site: SiteText): string[] {
  const { write, read } = lock;
  const shared = read.hold.n > 0;
  const name = lock.name.slice(0, 37);
  const lines: string[] = [];
  if (write.hold.n > 0) lines.push(renderRow(`${name}${shared ? '-W' : ''}`, write));
  if (shared) lines.push(renderRow(`${name}-R`, read));
  if (write.wait.n + read.wait.n === 0) return lines;
  const length = name.length + (shared ? 2 : 0);
  const rule = ' '.repeat(NAME - length) + '-'.repeat(length);
  const points = (waits: readonly Site[], reads: readonly Site[]): string[] =>
    merge(waits, reads).map(({ site: at, count }) => {
      const { address, symbol } = site(at);
      return `${name.padStart(NAME)} ${String(count).padStart(CELL)} ${`[<${address}>]`.padStart(29)} ${symbol}`;
    });
  lines.push(
    rule,
    ...points(write.waitSites, read.waitSites),
    rule,
    ...points(write.holdSites, read.holdSites),
  );
  lines.push('', '.'.repeat(LINE), '');
  return lines;
}

/** The kernel has room for four sites a class and keeps those that came first. */
function merge(a: readonly Site[], b: readonly Site[]): Site[] {
  const counts = new Map<string, number>();
  for (const { site, count } of [...a, ...b]) counts.set(site, (counts.get(site) ?? 0) + count);
  return [...counts].slice(0, POINTS).map(([site, count]) => ({ site, count }));
}

function renderRow(name: string, row: LockMode): string {
  const cells = [
    number(row.conBounces),
    ...timeCells({ ...row.wait, n: row.contentions }, row.wait.n),
    number(row.acqBounces),
    ...timeCells({ ...row.hold, n: row.acquisitions }, row.hold.n),
  ];
  return `${name.padStart(NAME)}:${cells.join(' ')}`;
}

function number(n: number): string {
  return String(n).padStart(CELL);
}

/** Count, minimum, maximum, total, average of `samples` durations. */
function timeCells(t: Times, samples: number): string[] {
  const average = samples === 0 ? 0 : t.total / samples;
  return [number(t.n), ...[t.min, t.max, t.total, average].map((ns) => micros(ns).padStart(CELL))];
}

/** C: kernel/locking/lockdep_proc.c snprint_time(): ns as microseconds with two places, half up. */
function micros(ns: number): string {
  const rounded = Math.floor(ns) + 5;
  return `${Math.floor(rounded / 1000)}.${String(Math.floor((rounded % 1000) / 10)).padStart(2, '0')}`;
}
