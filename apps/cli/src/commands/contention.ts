// SPDX-License-Identifier: GPL-2.0-only
// vfio-lab contention <workload>: lock statistics of revisions under load, on simulated processors.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Arrival, Delta, Estimate, Point, RunResult, Sweep, Workload } from '@vfio-lab/contention';
import type { CAC } from 'cac';
import { UsageError } from '../program.ts';
import { interruptible } from '../ui/interrupt.ts';
import { colors, type Io, width, writeJson } from '../ui/io.ts';
import { progress } from '../ui/progress.ts';
import { table } from '../ui/text.ts';
import { count } from './scenario.ts';

interface Options {
  tasks: string | number;
  cpus: number;
  revision: string;
  seed: number;
  seeds?: number;
  costs?: string;
  handOver: string;
  think?: string;
  fixed?: boolean;
  rate?: number;
  requests?: number;
  format?: string;
  diff?: string;
  json?: boolean;
  html?: string;
}

type Lab = typeof import('@vfio-lab/contention');

/** Replications of a random workload in a sweep or comparison. */
const SEEDS = 5;

/** Registers the command. */
export function register(cli: CAC, io: Io): void {
  cli
    .command(
      'contention [workload] [other]',
      'Measure lock contention of revisions under load, in virtual time',
    )
    .option('--tasks <n>', 'Tasks; several for a sweep: 1,2,4..64 (.. doubles)', { default: 8 })
    .option('--cpus <n>', 'Simulated processors', { default: 32 })
    .option('--revision <names>', 'Driver; several for a sweep: base,v4,v7', { default: 'v4' })
    .option('--seed <n>', 'Seed of think times and arrivals', { default: 1 })
    .option('--seeds <n>', `Replications of a random workload, for intervals (${SEEDS} in a sweep, else 1)`)
    .option('--costs <file>', 'Costs in place of those of packages/contention/costs/default.json')
    .option('--hand-over <rule>', 'How locks change hands: linux, linux-no-spin, fifo', { default: 'linux' })
    .option('--think <time>', 'Mean time between the requests of a task: 500ns, 5us, 1ms')
    .option(
      '--fixed',
      'Think times are all the same: results are exact where the workload draws nothing itself',
    )
    .option('--rate <n>', 'Open arrivals (Poisson) of so many requests a second, served by the tasks')
    .option('--requests <n>', 'Requests of all tasks together')
    .option('--format <name>', 'lock_stat (as /proc/lock_stat 0.4) or perf (as perf lock contention)')
    .option('--diff <from> <to>', 'Which locks and call sites cost more or less: --diff v4 v7')
    .option('--json', 'Print the result as JSON')
    .option('--html <dir>', 'Write a page with plots, heat map and timeline')
    .example('  vfio-lab contention config-reads --tasks 1,2,4..64 --revision base,v4,v7 --html out')
    .action((workload: string | undefined, other: string | undefined, options: Options) =>
      run(workload, other, options, io),
    );
}

async function run(
  name: string | undefined,
  other: string | undefined,
  options: Options,
  io: Io,
): Promise<void> {
  const lab = await import('@vfio-lab/contention');
  if (name === undefined) {
    list(lab, io);
    return;
  }
  const workload = lab.workloadByName(name);
  const revisions =
    options.diff === undefined
      ? String(options.revision).split(',')
      : [String(options.diff), secondOf(other)];
  if (options.diff === undefined && other !== undefined)
    throw new UsageError(`"${other}" is one argument too many`, 'give one workload');
  const tasks = lab.parseCounts(String(options.tasks), '--tasks');
  if (lab.HAND_OVER[options.handOver] === undefined) {
    throw new UsageError(
      `no hand-over rule "${options.handOver}"`,
      `there are ${Object.keys(lab.HAND_OVER).join(', ')}`,
    );
  }
  const many = tasks.length * revisions.length > 1;
  const sweepOptions = {
    workload,
    tasks,
    revisions,
    cpus: count('cpus', options.cpus, 1),
    seed: count('seed', options.seed),
    seeds: options.seeds === undefined ? (many ? SEEDS : 1) : count('seeds', options.seeds, 1),
    costs: lab.loadCosts(options.costs),
    handOver: options.handOver,
    arrival: arrivalOf(options, workload),
    ...(options.requests !== undefined && { requests: count('requests', options.requests, 1) }),
  };
  if (options.format !== undefined && !['lock_stat', 'perf'].includes(options.format)) {
    throw new UsageError(`no format "${options.format}"`, 'there are lock_stat and perf');
  }
  const meter = progress(io, name);
  const interrupt = interruptible();
  let result: Sweep;
  try {
    result = await lab.sweep(sweepOptions, (done, total, what) => {
      meter.update(done, total, what);
      return interrupt.asked();
    });
  } finally {
    meter.end();
    interrupt.end();
  }
  if (!result.complete) io.stderr.write('vfio-lab: stopped; this is what was done until then\n');
  if (result.points.length === 0) return;
  if (options.html !== undefined) writePage(lab, result, options.html, io);
  if (options.json === true) writeJson(io, forJson(result));
  else io.stdout.write(`${output(lab, result, options, io).join('\n')}\n`);
}

function secondOf(other: string | undefined): string {
  if (other === undefined) throw new UsageError('--diff needs two revisions', 'write --diff v4 v7');
  return other;
}

function output(lab: Lab, result: Sweep, options: Options, io: Io): string[] {
  const [first] = result.points;
  if (options.format === 'lock_stat') return result.points.map((p) => lab.lockStatOf(p.first).trimEnd());
  if (options.format === 'perf') return result.points.map((p) => lab.renderPerf(p.first.locks).trimEnd());
  if (options.diff !== undefined) return diff(lab, result, io);
  if (result.points.length > 1) return [...head(result, io), ...sweepTable(lab, result, io)];
  return [...head(result, io), ...screen(lab, first, io)];
}

/** Timelines would be most of it, and are for the page. */
function forJson(result: Sweep): unknown {
  return {
    ...result,
    points: result.points.map((p) => ({ ...p, first: { ...p.first, spans: undefined, modules: undefined } })),
  };
}

function writePage(lab: Lab, result: Sweep, dir: string, io: Io): void {
  mkdirSync(dir, { recursive: true });
  const page = path.join(dir, `${result.workload}.html`);
  writeFileSync(page, lab.renderPage(result));
  writeFileSync(path.join(dir, `${result.workload}.json`), `${JSON.stringify(forJson(result), null, 2)}\n`);
  writeFileSync(path.join(dir, `${result.workload}.svg`), lab.renderPicture(result));
  io.stderr.write(`vfio-lab: wrote ${page}\n`);
}

function arrivalOf(options: Options, workload: Workload): Arrival {
  if (options.rate !== undefined) {
    const perSecond = Number(options.rate);
    if (!(perSecond > 0)) throw new UsageError(`--rate ${String(options.rate)}`, 'give requests a second');
    return { model: 'open', perSecond };
  }
  const own = workload.arrival;
  const think =
    options.think === undefined ? (own.model === 'closed' ? own.think : 0) : duration(String(options.think));
  const fixed = options.fixed === true || (own.model === 'closed' && own.distribution === 'fixed');
  return { model: 'closed', think, distribution: fixed ? 'fixed' : 'exponential' };
}

const UNITS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, ms: 1e6, s: 1e9 };

function duration(words: string): number {
  const m = /^(\d+(?:\.\d+)?)(ns|us|ms|s)$/.exec(words);
  if (m === null) throw new UsageError(`--think ${words}`, 'give a time with a unit: 500ns, 5us, 1ms');
  return Math.round(Number(m[1]) * UNITS[m[2]]);
}

function list(lab: Lab, io: Io): void {
  const rows = lab.workloads.map((w) => [w.name, w.about]);
  io.stdout.write(
    `${table([{ title: 'workload' }, { title: 'what', flexible: true }], rows, { width: width(io), head: colors(io).bold }).join('\n')}\n`,
  );
}

function head(result: Sweep, io: Io): string[] {
  const { exact, seeds } = result.points[0];
  const how = exact
    ? 'exact'
    : seeds > 1
      ? `mean of ${seeds} seeds, ± 95 %`
      : 'one seed, random; --seeds n gives intervals';
  return [
    `${colors(io).bold(result.workload)}: ${result.cpus} processors, hand-over ${result.handOver}, ${how}`,
    `  ${result.about}`,
    '',
  ];
}

function estimated(e: Estimate, format: (v: number) => string): string {
  return e.half > 0 ? `${format(e.mean)} ±${format(e.half)}` : format(e.mean);
}

function whole(v: number): string {
  return Math.round(v).toLocaleString('en');
}

function sweepTable(lab: Lab, result: Sweep, io: Io): string[] {
  const right = { align: 'right' as const };
  const shape = [
    { title: 'tasks', ...right },
    { title: 'revision' },
    { title: 'requests/s', ...right },
    { title: 'mean', ...right },
    { title: 'p99', ...right },
    { title: 'most waited for', flexible: true },
  ];
  const rows = result.points.map((p) => [
    String(p.tasks),
    p.revision,
    estimated(p.throughput, whole),
    estimated(p.latency, lab.ns),
    estimated(p.p99, lab.ns),
    topLocks(p, 2),
  ]);
  return table(shape, rows, { width: width(io), head: colors(io).bold });
}

function topLocks(p: Point, n: number): string {
  const top = Object.entries(p.lockShares)
    .filter(([, e]) => e.mean >= 0.0005)
    .sort((a, b) => b[1].mean - a[1].mean);
  return (
    top
      .slice(0, n)
      .map(([name, e]) => `${name} ${(e.mean * 100).toFixed(1)} %`)
      .join(', ') || '-'
  );
}

function screen(lab: Lab, p: Point, io: Io): string[] {
  const run = p.first;
  const paint = colors(io);
  const right = { align: 'right' as const };
  const opts = { width: width(io), head: paint.bold, indent: '  ' };
  const perSecond = estimated(p.throughput, whole);
  const lines = [
    `${run.revision}, ${run.tasks} tasks: ${perSecond} requests/s, mean ${estimated(p.latency, lab.ns)}, p99 ${estimated(p.p99, lab.ns)}`,
    `  ${arrivalText(lab, run.arrival)}; ${run.requests} requests in ${lab.ns(run.duration)} of virtual time, seed ${run.seed}`,
    '',
  ];
  const names = ['p50', 'p90', 'p99', 'max'] as const;
  const callShape = [
    { title: 'call', flexible: true },
    { title: 'calls/s', ...right },
    ...names.map((title) => ({ title, ...right })),
  ];
  lines.push(
    ...table(
      callShape,
      run.calls.map((c) => [c.name, whole(c.throughput), ...names.map((n) => lab.ns(c[n]))]),
      opts,
    ),
    '',
  );
  lines.push('  time in requests', ...shares(run), '');
  const locks = run.locks.filter((l) => lab.contentions(l) > 0).slice(0, 8);
  if (locks.length === 0) lines.push('  nobody waited for a lock');
  else
    lines.push(...lockTable(lab, locks, opts), '', '  --format lock_stat and --format perf print all of it');
  if (run.findings.length > 0)
    lines.push('', ...run.findings.slice(0, 5).map((f) => `  ${paint.red(f.kind)}: ${f.text}`));
  return lines;
}

function arrivalText(lab: Lab, a: Arrival): string {
  if (a.model === 'open') return `open arrivals, ${whole(a.perSecond)}/s (Poisson)`;
  return `each task thinks ${a.distribution === 'fixed' ? '' : 'on the average '}${lab.ns(a.think)} between requests`;
}

/** One line each, with a bar. */
function shares(run: RunResult): string[] {
  const { run: running, hardware, ready, sleep, locks } = run.shares;
  const rows: [string, number][] = [
    ['running', running],
    ['device', hardware],
    ['no processor', ready],
    ['asleep', sleep],
    ...locks.map((l): [string, number] => [`lock ${l.name}`, l.share]),
  ];
  return rows
    .filter(([, share]) => share >= 0.0005)
    .map(
      ([name, share]) =>
        `    ${name.padEnd(28)} ${(share * 100).toFixed(1).padStart(5)} %  ${'#'.repeat(Math.round(share * 40))}`,
    );
}

function lockTable(lab: Lab, locks: RunResult['locks'], opts: Parameters<typeof table>[2]): string[] {
  const right = { align: 'right' as const };
  const shape = [
    { title: 'lock' },
    { title: 'taken', ...right },
    { title: 'waits', ...right },
    { title: 'wait avg', ...right },
    { title: 'wait max', ...right },
    { title: 'hold avg', ...right },
    { title: 'most waits in', flexible: true },
  ];
  const rows = locks.flatMap((l) =>
    (['write', 'read'] as const)
      .filter((m) => l[m].acquisitions > 0)
      .map((m) => {
        const { wait, hold, acquisitions, callers } = l[m];
        const [top] = [...callers].sort((a, b) => b.total - a.total);
        const suffix = l.read.acquisitions > 0 ? (m === 'write' ? '-W' : '-R') : '';
        return [
          `${l.name}${suffix}`,
          String(acquisitions),
          String(wait.n),
          lab.ns(wait.n === 0 ? 0 : wait.total / wait.n),
          lab.ns(wait.max),
          lab.ns(hold.n === 0 ? 0 : hold.total / hold.n),
          top?.site ?? '-',
        ];
      }),
  );
  return table(shape, rows, opts);
}

function diff(lab: Lab, result: Sweep, io: Io): string[] {
  const lines = head(result, io);
  const counts = [...new Set(result.points.map((p) => p.tasks))];
  for (const n of counts) {
    const [from, to] = result.points.filter((p) => p.tasks === n);
    if (to === undefined) continue;
    lines.push(
      `${from.revision} -> ${to.revision}, ${n} tasks: requests/s ${moved(from.throughput, to.throughput, whole)}, mean ${moved(from.latency, to.latency, lab.ns)}, p99 ${moved(from.p99, to.p99, lab.ns)}`,
    );
    const deltas = lab.compareRuns(from.first, to.first).slice(0, 16);
    if (deltas.length === 0) lines.push('  no lock and no call site moved');
    else lines.push(...diffTable(lab, deltas, io));
    lines.push('');
  }
  return lines;
}

/** A change, and whether it is more than the seeds explain. */
function moved(from: Estimate, to: Estimate, format: (v: number) => string): string {
  const by = from.mean === 0 ? 0 : ((to.mean - from.mean) / from.mean) * 100;
  const noise = Math.abs(to.mean - from.mean) <= from.half + to.half ? ', within the noise' : '';
  return `${format(from.mean)} -> ${format(to.mean)} (${by >= 0 ? '+' : ''}${by.toFixed(1)} %${noise})`;
}

function diffTable(lab: Lab, deltas: readonly Delta[], io: Io): string[] {
  const right = { align: 'right' as const };
  const shape = [
    { title: 'lock, waiting function', flexible: true },
    { title: 'wait a request', ...right },
    { title: 'held a request', ...right },
    { title: 'taken a request', ...right },
  ];
  const rows = deltas.map((d) => [
    d.site === '' ? d.lock : `  in ${d.site}`,
    `${lab.ns(d.wait.from)} -> ${lab.ns(d.wait.to)}`,
    d.site === '' ? `${lab.ns(d.hold.from)} -> ${lab.ns(d.hold.to)}` : '',
    d.site === '' ? `${d.acquisitions.from.toFixed(2)} -> ${d.acquisitions.to.toFixed(2)}` : '',
  ]);
  return table(shape, rows, { width: width(io), head: colors(io).bold, indent: '  ' });
}
