// SPDX-License-Identifier: GPL-2.0-only
// vfio-lab fuzz: random programs under random schedules.
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import type { Story, SubjectFinding, TracedRun } from '@vfio-lab/explore';
import type { FuzzFinding, FuzzProgress, FuzzReport, ProgramSubject, SavedCase } from '@vfio-lab/fuzz';
import type { CAC } from 'cac';
import { UsageError } from '../program.ts';
import { storyOf } from '../ui/findings.ts';
import { interruptible } from '../ui/interrupt.ts';
import { colors, type Io, readInput, width, writeJson } from '../ui/io.ts';
import { progress } from '../ui/progress.ts';
import { wrap } from '../ui/text.ts';
import { count } from './scenario.ts';

interface Options {
  revision: string;
  topology?: string;
  tasks: number;
  time?: number;
  executions?: number;
  seed: number;
  save: string;
  html?: string;
  first?: boolean;
  known?: boolean;
  replay?: string;
  jobs?: number;
  races?: boolean;
  json?: boolean;
}

/** Registers the command. */
export function register(cli: CAC, io: Io): void {
  cli
    .command('fuzz', 'Run random programs under random schedules; exit status 1: something new was found')
    .option('--revision <name>', 'Driver to run them on', { default: 'v4' })
    .option('--topology <name>', 'Machine to run them on (default: one of several)')
    .option('--tasks <n>', 'Threads of the user at most, 1 to 4; host and device come on top', { default: 4 })
    .option('--time <seconds>', 'Stop after so long (default: 60, no limit with --executions)')
    .option('--executions <n>', 'Stop after so many executions: the same for the same seed')
    .option('--seed <n>', 'Seed of programs and schedules', { default: 1 })
    .option('--first', 'Stop with the first new finding')
    .option('--jobs <n>', 'Threads; what is found is the same with any number (default: one a processor)')
    .option('--no-races', 'Do not tell of data races')
    .option('--known', 'Make the programs of known findings small and write them too')
    .option('--save <folder>', 'Where the programs of new findings are written', { default: 'fuzz-findings' })
    .option('--html <folder>', 'Write a page with a sequence diagram for each new finding')
    .option('--replay <file>', 'Run a program that was written before, under its schedule')
    .option('--json', 'Print the result as JSON')
    .example('  vfio-lab fuzz --revision v7 --time 60')
    .example('  vfio-lab fuzz --replay fuzz-findings/v7-1.json')
    .action((options: Options) =>
      options.replay === undefined ? search(options, io) : replayOne(options, io),
    );
}

async function search(options: Options, io: Io): Promise<number> {
  const { fuzz } = await import('@vfio-lab/fuzz');
  const tasks = count('tasks', options.tasks, 1);
  if (tasks > 4) throw new UsageError(`--tasks ${tasks}`, 'give 1 to 4');
  const limit = options.executions === undefined ? Infinity : count('executions', options.executions, 1);
  const seconds = options.time === undefined ? (limit < Infinity ? Infinity : 60) : Number(options.time);
  if (!(seconds > 0)) throw new UsageError(`--time ${String(options.time)}`, 'give seconds, more than 0');
  const meter = progress(io, `fuzz ${options.revision}`);
  const interrupt = interruptible();
  const started = performance.now();
  const report = await fuzz({
    revision: options.revision,
    topology: options.topology ?? '',
    tasks,
    seed: count('seed', options.seed),
    executions: limit,
    first: options.first === true,
    known: options.known === true,
    races: options.races !== false,
    jobs: options.jobs === undefined ? availableParallelism() : count('jobs', options.jobs, 1),
    time: seconds * 1000,
    clock: () => performance.now(),
    stop: (p) => {
      meter.update(p.executions, limit, said(p, (performance.now() - started) / 1000));
      return interrupt.asked();
    },
  });
  meter.end();
  interrupt.end();
  const fresh = report.findings.filter((f) => f.known === null);
  const files = new Map<FuzzFinding, string>();
  for (const f of report.findings.filter((f) => f.known === null || options.known === true)) {
    const file = save(f, files.size, options, io);
    files.set(f, file);
    if (options.html !== undefined) await page(f, file, options, io);
  }
  if (options.json === true) writeJson(io, toJson(report, files));
  else io.stdout.write(`${render(report, files, io).join('\n')}\n`);
  return fresh.length > 0 ? 1 : 0;
}

function said(p: FuzzProgress, seconds: number): string {
  const rate = (n: number): string => `${(n / Math.max(seconds, 0.001)).toFixed(0)}/s`;
  const what = p.shrinking ? ', making one smaller' : '';
  return `executions, ${rate(p.executions)}, ${p.programs} programs, ${rate(p.programs)}, ${p.fresh} new and ${p.known} known findings${what}`;
}

function save(f: FuzzFinding, n: number, options: Options, io: Io): string {
  mkdirSync(options.save, { recursive: true });
  const file = path.join(options.save, `${options.revision.replace(/[^\w@.+-]/g, '-')}-${n + 1}.json`);
  const { program, schedule, cause, kind, text } = f;
  const saved: SavedCase = { version: 1, revision: options.revision, kind, text, cause, schedule, program };
  writeFileSync(file, `${JSON.stringify(saved, null, 2)}\n`);
  io.stderr.write(`vfio-lab: wrote ${file}\n`);
  return file;
}

/** A finding of a program as a story; null: the run without one. */
async function story(
  saved: Pick<SavedCase, 'revision' | 'program' | 'schedule'>,
  file: string,
  run: TracedRun,
  subject: ProgramSubject,
  finding: SubjectFinding | null,
  facts: Story['facts'],
): Promise<Story> {
  const told = await storyOf('a program', saved.revision, subject, run, saved.schedule, finding, facts);
  return { ...told, command: `vfio-lab fuzz --replay ${file}` };
}

async function page(f: FuzzFinding, file: string, options: Options, io: Io): Promise<void> {
  const { htmlPage, replayTraced } = await import('@vfio-lab/explore');
  const { causeOf, ProgramSubject, programText } = await import('@vfio-lab/fuzz');
  const { program, schedule, cause } = f;
  const subject = new ProgramSubject(program, options.revision);
  const run = await replayTraced(subject, schedule);
  const told = run.observation.findings.find((x) => causeOf(x) === cause) ?? f;
  const saved = { revision: options.revision, program, schedule };
  const html = htmlPage(
    await story(saved, file, run, subject, told, [
      ['found', `in execution ${f.at}, of program ${f.firstProgram}; ${f.runs} executions have it`],
      ['schedule', `${f.preemptions} preemptions, ${f.steps} steps`],
      ['outcome', run.observation.outcome],
      ['program', programText(program).join('\n')],
    ]),
  );
  const folder = options.html as string;
  mkdirSync(folder, { recursive: true });
  const name = path.join(folder, `${path.basename(file, '.json')}.html`);
  writeFileSync(name, html);
  io.stderr.write(`vfio-lab: wrote ${name}\n`);
}

async function replayOne(options: Options, io: Io): Promise<number> {
  const { causesIn, checkSaved, knownFinding, ProgramSubject, programText } = await import('@vfio-lab/fuzz');
  const { replayTraced, textDiagram, textFinding } = await import('@vfio-lab/explore');
  const file = options.replay as string;
  const saved = checkSaved(new TextDecoder().decode(readInput(file)), file);
  const subject = new ProgramSubject(saved.program, saved.revision);
  const run = await replayTraced(subject, saved.schedule);
  const { outcome, findings } = run.observation;
  const found = [...causesIn(findings)].map(([cause, f]) => ({
    ...f,
    cause,
    known: knownFinding(f, saved.revision, saved.program, findings)?.id ?? null,
  }));
  const status = found.some((f) => f.known === null) ? 1 : 0;
  if (options.json === true) {
    const { leftAt, execution } = run.replay;
    writeJson(io, { file, ...saved, outcome, findings: found, leftAt, steps: execution.length });
    return status;
  }
  const paint = colors(io);
  const about = found.find((f) => f.cause === saved.cause) ?? found[0] ?? null;
  const told = await story(saved, file, run, subject, about, []);
  const lines = [`${paint.bold(file)} on ${saved.revision}: ${outcome}`, '', ...programText(saved.program)];
  lines.push('', ...textDiagram(told, width(io)), '');
  for (const f of found) {
    if (f.known !== null) lines.push(paint.yellow(`known: ${f.known}`));
    const one = f === about ? told : await story(saved, file, run, subject, f, []);
    lines.push(...textFinding(one, width(io)));
  }
  if (found.length === 0) lines.push(paint.green('no findings'));
  if (!found.some((f) => f.cause === saved.cause))
    lines.push(paint.yellow(`what the file is about (${saved.kind}) does not show`));
  io.stdout.write(`${lines.join('\n')}\n`);
  return status;
}

type Files = ReadonlyMap<FuzzFinding, string>;

function toJson(report: FuzzReport, files: Files): unknown {
  return {
    ...report,
    executionsPerSecond: report.seconds > 0 ? Math.round(report.executions / report.seconds) : 0,
    findings: report.findings.map((f) => ({
      ...f,
      known:
        f.known === null
          ? null
          : { ...f.known, text: String(f.known.text), revisions: String(f.known.revisions) },
      file: files.get(f) ?? null,
    })),
  };
}

function render(report: FuzzReport, files: Files, io: Io): string[] {
  const { programs, executions, seconds, seed, revision } = report;
  const paint = colors(io);
  const rate = seconds > 0 ? `, ${Math.round(executions / seconds)}/s` : '';
  const known = report.findings.filter((f) => f.known !== null);
  const fresh = report.findings.filter((f) => f.known === null);
  const lines = [
    `${paint.bold(`fuzz ${revision}, seed ${seed}`)}: ${executions} executions of ${programs} programs in ${seconds.toFixed(1)} s${rate}, ${report.deepest} steps at most; ended by ${report.stopped}`,
  ];
  if (known.length > 0) lines.push('', paint.bold('known findings of the kernel'));
  const ids = new Set(known.map((f) => f.known?.id));
  for (const id of ids) {
    const list = known.filter((f) => f.known?.id === id);
    const { reason, functions } = list[0].known as NonNullable<FuzzFinding['known']>;
    const kinds = [...new Set(list.map((f) => f.kind))].join(', ');
    const runs = list.reduce((sum, f) => sum + f.runs, 0);
    lines.push(`  ${paint.yellow(String(id))} (${kinds}): ${runs} executions, first in the ${list[0].at}th`);
    const why = functions.length === 0 ? reason : `${functions.map((fn) => `${fn}()`).join(', ')}: ${reason}`;
    lines.push(...wrap(why, width(io) - 4).map((l) => `    ${l}`));
    for (const f of list) if (files.has(f)) lines.push(...smallest(f, String(files.get(f))));
  }
  lines.push('', fresh.length > 0 ? paint.bold('new findings') : paint.green('nothing new'));
  for (const f of fresh) {
    const held = f.held.length > 0 ? `, holding ${f.held.join(', ')}` : '';
    lines.push(`  ${paint.red(f.kind)}: ${f.text}`);
    if (f.task !== '')
      lines.push(`    in ${f.task}${f.fns.length > 0 ? `: ${f.fns.join(' > ')}` : ''}${held}`);
    lines.push(...smallest(f, String(files.get(f))));
  }
  return lines;
}

/** How often it came, and the program to look at. */
function smallest(f: FuzzFinding, file: string): string[] {
  return [
    `    ${f.runs} executions of ${f.programs} programs, first in the ${f.at}th; smallest program, with ${f.preemptions} preemptions, ${f.steps} steps:`,
    ...programLines(f).map((l) => `      ${l}`),
    `    schedule ${f.schedule || '(run to block)'}`,
    `    vfio-lab fuzz --replay ${file}`,
  ];
}

function programLines(f: FuzzFinding): string[] {
  const { topology, options, setup, tasks } = f.program;
  const lines = [`topology ${topology}${options === '' ? '' : `, vfio-pci ${options}`}`];
  for (const [name, ops] of [['set-up', setup] as const, ...tasks.map((t) => [t.name, t.ops] as const)])
    if (ops.length > 0) lines.push(`${name}: ${ops.join('; ')}`);
  if (f.program.rest === true) lines.push('at rest: close everything');
  return lines;
}
