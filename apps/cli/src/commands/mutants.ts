// SPDX-License-Identifier: GPL-2.0-only
// vfio-lab mutants: does anything notice when a lock, a count, a flag, a mask or a check is left out?
import { availableParallelism } from 'node:os';
import type { Assessment, Fate, Verdict } from '@vfio-lab/mutants';
import type { CAC } from 'cac';
import { UsageError } from '../program.ts';
import { interruptible } from '../ui/interrupt.ts';
import { colors, type Colors, type Io, width, writeJson } from '../ui/io.ts';
import { progress } from '../ui/progress.ts';
import { table, wrap } from '../ui/text.ts';
import { count } from './scenario.ts';

interface Options {
  revision: string;
  function?: string;
  breadth: number;
  programs: number;
  schedules: number;
  seed: number;
  jobs?: number;
  limit?: number;
  time?: number;
  doubt?: boolean;
  all?: boolean;
  json?: boolean;
}

/** Registers the command. */
export function register(cli: CAC, io: Io): void {
  cli
    .command('mutants', 'Leave out what the patches do, one statement at a time: does anything notice?')
    .option('--revision <names>', 'Drivers, separated by commas', { default: 'v4,v7' })
    .option('--function <names>', 'Only these functions, separated by commas')
    .option('--breadth <n>', 'Recordings, scripts and random programs for each mutant', { default: 50 })
    .option('--programs <n>', 'Random programs', { default: 150 })
    .option('--schedules <n>', 'Random schedules of each scenario with several tasks', { default: 60 })
    .option('--seed <n>', 'Of the first random program, and of the first schedule', { default: 1 })
    .option('--jobs <n>', 'Worker threads (default: one for each processor)')
    .option('--limit <n>', 'At most so many mutants of each driver')
    .option('--time <seconds>', 'Stop after so long')
    .option('--doubt', 'Try also the mutants that are held for the same driver')
    .option('--all', 'Say of each mutant what became of it')
    .option('--json', 'Print the result as JSON')
    .example('  vfio-lab mutants --revision v4 --function vfio_pci_intx_mask --all')
    .action((options: Options) => run(options, io));
}

function words(value: string | undefined): string[] {
  return String(value ?? '')
    .split(',')
    .map((word) => word.trim())
    .filter(Boolean);
}

async function run(options: Options, io: Io): Promise<number> {
  const { assess } = await import('@vfio-lab/mutants');
  const revisions = words(options.revision);
  if (revisions.length === 0)
    throw new UsageError('--revision names nothing', 'give names, separated by commas');
  const interrupt = interruptible();
  const until =
    performance.now() + (options.time === undefined ? Infinity : count('time', options.time, 1) * 1000);
  const results: Assessment[] = [];
  for (const revision of revisions) {
    const meter = progress(io, `mutants of ${revision}`);
    results.push(
      await assess(revision, {
        functions: words(options.function),
        breadth: count('breadth', options.breadth),
        programs: count('programs', options.programs),
        schedules: count('schedules', options.schedules),
        seed: count('seed', options.seed),
        jobs: options.jobs === undefined ? availableParallelism() : count('jobs', options.jobs, 1),
        limit: options.limit === undefined ? Infinity : count('limit', options.limit, 1),
        doubt: options.doubt === true,
        progress: async (done, total, what) => {
          meter.update(done, total, what);
          return performance.now() >= until || (await interrupt.asked());
        },
      }),
    );
    meter.end();
    if (results.at(-1)?.left) break;
  }
  interrupt.end();
  if (options.json === true) writeJson(io, await toJson(results));
  else
    io.stdout.write(`${(await Promise.all(results.map((r) => render(r, options, io)))).flat().join('\n')}\n`);
  return results.some((r) => r.wrong.length > 0) ? 1 : 0;
}

async function toJson(results: readonly Assessment[]): Promise<unknown> {
  const { tally } = await import('@vfio-lab/mutants');
  return results.map(({ revision, verdicts, left, wrong }) => ({
    revision,
    ...tally(verdicts),
    left,
    wrong,
    mutants: verdicts,
  }));
}

async function render(result: Assessment, options: Options, io: Io): Promise<string[]> {
  const { tally } = await import('@vfio-lab/mutants');
  const paint = colors(io);
  const room = width(io);
  const { verdicts, left, wrong } = result;
  const lines = [paint.bold(`Mutants of ${result.revision}`), '', ...byFunction(verdicts, paint, room), ''];
  if (options.all === true) lines.push(...verdicts.flatMap((v) => details(v, paint, room)), '');
  else {
    const survivors = verdicts.filter((v) => v.fate === 'survived');
    if (survivors.length > 0)
      lines.push(paint.bold('Survivors'), ...survivors.flatMap((v) => details(v, paint, room)), '');
  }
  for (const key of wrong) lines.push(paint.red(`held for the same driver, but noticed: ${key}`));
  const sum = tally(verdicts);
  lines.push(
    `${sum.total} mutants: ${sum.killed} killed, ${sum.survived} survived, ${sum.equivalent} equivalent; ` +
      `${(sum.score * 100).toFixed(1)} % of those that can be noticed`,
  );
  if (left > 0) lines.push(paint.yellow(`stopped: ${left} mutants were not tried`));
  return [...lines, ''];
}

function grouped<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), item]);
  return groups;
}

/** A row for each function. */
function byFunction(verdicts: readonly Verdict[], paint: Colors, room: number): string[] {
  const groups = grouped(verdicts, (v) => v.function);
  const rows = [...groups.values()].map((group) => {
    const number = (fate: Fate): string => String(group.filter((v) => v.fate === fate).length || '');
    const kills = group.flatMap((v) => v.kill ?? []);
    const by = grouped(kills, (kill) => kill.by);
    const how = [...by].map(([word, list]) => `${list.length} ${word}`).join(', ');
    const [first] = group;
    return [first.from, first.function, number('killed'), number('survived'), number('equivalent'), how];
  });
  const shape = [
    { title: 'patch' },
    { title: 'function', flexible: true },
    { title: 'killed', align: 'right' as const },
    { title: 'survived', align: 'right' as const },
    { title: 'equivalent', align: 'right' as const },
    { title: 'noticed by', flexible: true },
  ];
  return table(shape, rows, { width: room, head: paint.bold });
}

function details(v: Verdict, paint: Colors, room: number): string[] {
  const word = { killed: paint.green, survived: paint.red, equivalent: paint.dim }[v.fate](v.fate);
  const why = v.kill
    ? `after ${v.runs} ${v.runs === 1 ? 'run' : 'runs'} by ${v.kill.by} ${v.kill.check}: ${v.kill.what}`
    : `${v.reason ?? ''}${v.runs > 0 ? `, ${v.runs} runs` : ''}`;
  return [
    `${word} ${v.key}`,
    ...wrap(`${v.source}: ${why}`.replace(/\s+/g, ' '), room - 4).map((line) => `    ${line}`),
  ];
}
