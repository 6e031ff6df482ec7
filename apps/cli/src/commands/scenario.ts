// SPDX-License-Identifier: GPL-2.0-only
// vfio-lab scenario <name>: one scenario on one revision, with its timeline.
import type { ScenarioRun, Schedule, SearchResult } from '@vfio-lab/scenarios';
import type { TraceEvent } from '@vfio-lab/sim';
import type { CAC } from 'cac';
import { UsageError } from '../program.ts';
import { colors, type Colors, type Io, width, writeJson } from '../ui/io.ts';
import { interruptible } from '../ui/interrupt.ts';
import { progress } from '../ui/progress.ts';
import { cut, table } from '../ui/text.ts';

interface Options {
  revision: string;
  trace?: boolean;
  locks?: boolean;
  boot?: boolean;
  json?: boolean;
  seed?: number;
  random?: number;
  replay?: string;
  races: boolean;
}

/** Registers the command. */
export function register(cli: CAC, io: Io): void {
  cli
    .command('scenario <name>', 'Run one scenario: outcome, findings, timeline')
    .option('--revision <name>', 'Driver to run it on: base, v4, v4@4, v4+exit-order, ...', { default: 'v4' })
    .option(
      '--trace',
      'Print the timeline: task, C function, lock and PM operations, power state, usage count',
    )
    .option('--locks', 'With --trace: all locks, not only those of the driver')
    .option('--boot', 'With --trace: from power-on, not from where the programs start')
    .option('--seed <n>', 'Run it under the random schedule of this seed')
    .option('--random <n>', 'Run it under n random schedules, seeds 0 to n-1, and count what comes')
    .option('--replay <schedule>', 'Run it under a schedule that a finding was printed with')
    .option('--no-races', 'Do not look for data races on the fields of structs')
    .option('--json', 'Print the result as JSON')
    .example('  vfio-lab scenario exit-vs-host-access --revision v4+exit-order --random 1000')
    .action(async (name: string, options: Options) => {
      const { runScenario, scenarioByName } = await import('@vfio-lab/scenarios');
      const scenario = scenarioByName(name);
      if (options.random !== undefined) return search(name, options, io);
      const run = await runScenario(scenario, {
        revision: options.revision,
        schedule: scheduleOf(options),
        tracing: options.trace === true,
        ...(options.races && { races: 'places' }),
      });
      if (options.json === true) writeJson(io, run);
      else io.stdout.write(`${render(run, io, options).join('\n')}\n`);
      return undefined;
    });
}

/** A whole number option. Throws UsageError naming it. */
export function count(name: string, value: unknown, least = 0): number {
  const n = Number(value);
  if (Number.isSafeInteger(n) && n >= least) return n;
  throw new UsageError(`--${name} ${String(value)}`, `give a whole number, ${least} or more`);
}

function scheduleOf(options: Options): Schedule {
  if (options.replay !== undefined) return { kind: 'replay', token: String(options.replay) };
  if (options.seed !== undefined) return { kind: 'random', seed: count('seed', options.seed) };
  return { kind: 'default' };
}

async function search(name: string, options: Options, io: Io): Promise<void> {
  const { scenarioByName, searchRandom } = await import('@vfio-lab/scenarios');
  const runs = count('random', options.random, 1);
  const meter = progress(io, `${name} on ${options.revision}`);
  const interrupt = interruptible();
  const result = await searchRandom(scenarioByName(name), options.revision, runs, {
    races: options.races,
    stop: async (done) => {
      meter.update(done, runs, 'schedules');
      return interrupt.asked();
    },
  });
  meter.end();
  interrupt.end();
  if (options.json === true) writeJson(io, searchJson(name, options.revision, result));
  else io.stdout.write(`${renderSearch(name, options.revision, runs, result, io).join('\n')}\n`);
}

function searchJson(name: string, revision: string, result: SearchResult): unknown {
  return {
    scenario: name,
    revision,
    runs: result.runs,
    outcomes: Object.fromEntries(result.outcomes),
    findings: [...result.findings].map(([kind, f]) => ({
      kind,
      runs: f.runs,
      seed: f.seed,
      schedule: f.first.schedule,
      first: f.first.findings.find((x) => x.kind === kind),
    })),
  };
}

function renderSearch(name: string, revision: string, asked: number, result: SearchResult, io: Io): string[] {
  const paint = colors(io);
  const lines = [
    `${paint.bold(name)} on ${revision}: ${result.runs} random schedules${result.runs < asked ? ` of ${asked}, stopped` : ''}`,
  ];
  for (const [outcome, n] of [...result.outcomes].sort((a, b) => b[1] - a[1]))
    lines.push(`  ${String(n).padStart(6)}  ${outcome}`);
  if (result.findings.size === 0) lines.push(`  ${paint.green('no findings')}`);
  for (const [kind, f] of result.findings) {
    lines.push(
      `  ${String(f.runs).padStart(6)}  ${paint.red(kind)}: ${f.first.findings.find((x) => x.kind === kind)?.text ?? ''}`,
    );
    lines.push(`          again: vfio-lab scenario ${name} --revision ${revision} --seed ${f.seed} --trace`);
  }
  return lines;
}

function replayCommand(name: string, revision: string, schedule: string): string {
  return `vfio-lab scenario ${name} --revision ${revision} --trace --replay '${schedule}'`;
}

function render(run: ScenarioRun, io: Io, options: Options): string[] {
  const paint = colors(io);
  const lines = [`${paint.bold(run.scenario)} on ${run.revision}`, `  outcome   ${run.outcome}`];
  if (run.findings.length === 0) lines.push(`  findings  ${paint.green('none')}`);
  for (const f of run.findings) {
    lines.push(`  ${paint.red(f.kind)}: ${f.text}`);
    const held = f.held.length > 0 ? `, holding ${f.held.join(', ')}` : '';
    lines.push(`    in ${f.task}${f.fns.length > 0 ? `: ${f.fns.join(' > ')}` : ''}${held}`);
  }
  for (const { finding, known } of run.known) {
    lines.push(`  ${paint.dim('known race')}: ${finding.text}`, `    ${known.reason}`);
  }
  if (run.schedule !== '')
    lines.push(`  again     ${replayCommand(run.scenario, run.revision, run.schedule)}`);
  if (run.leftAt >= 0)
    lines.push(`  ${paint.yellow(`left the recorded schedule at its decision ${run.leftAt + 1}`)}`);
  if (options.trace === true)
    lines.push(
      '',
      ...timeline(
        chosen(run.events, options),
        paint,
        io.stdout.isTTY === true ? width(io) : Math.max(width(io), PIPE_COLUMNS),
      ),
    );
  return lines;
}

/** A timeline that goes into a file or a pager is not cut to a terminal's width. */
const PIPE_COLUMNS = 160;

/** Locks that the driver and the mappings of its users have; the rest is the inside of the kernel below. */
const DRIVER_LOCKS = /&vdev->|&group->(?:group_rwsem|device_lock)|dev_set|mmap_lock|&ctx->wqh|vfio/;

/** What of the timeline a reader wants. */
function chosen(events: readonly TraceEvent[], options: Options): TraceEvent[] {
  const start =
    options.boot === true ? 0 : events.findIndex((e) => e.kind === 'phase' && e.text === 'programs');
  return events
    .slice(Math.max(start, 0))
    .filter((e) => e.kind !== 'lock' || options.locks === true || DRIVER_LOCKS.test(e.text));
}

/** Virtual time, task, what happened, the state of the device it happened to, the C function; one line an event. */
function timeline(events: readonly TraceEvent[], paint: Colors, room: number): string[] {
  const power = new Map<string, string>();
  const rows = events.map((e) => {
    const { device, to, dev, status, usage } = e.data as Record<string, string | number | undefined>;
    if (device !== undefined && to !== undefined) power.set(String(device), String(to));
    const state =
      dev === undefined ? '' : [power.get(String(dev)), status, `usage ${usage}`].filter(Boolean).join(', ');
    return [time(e.at), e.task, e.kind, e.text, state, e.fn];
  });
  const shape = [
    { title: 'time', align: 'right' as const },
    { title: 'task' },
    { title: 'kind' },
    { title: 'what', flexible: true },
    { title: 'device' },
    { title: 'C function', flexible: true },
  ];
  return table(shape, rows, { width: room, head: paint.bold }).map((l) => cut(l, room));
}

/** Virtual ns as milliseconds with what a reader needs of them. */
function time(ns: number): string {
  return `${(ns / 1e6).toFixed(4)} ms`;
}
