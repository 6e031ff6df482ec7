// SPDX-License-Identifier: GPL-2.0-only
// vfio-lab explore: search the schedules of a scenario or of a model of one's own.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type {
  Exploration,
  ExploreOptions,
  Found,
  Interesting,
  Model,
  Row,
  ScenarioSubject,
  Strategy,
  Subject,
  Unit,
} from '@vfio-lab/explore';
import type { CAC } from 'cac';
import { UsageError } from '../program.ts';
import { interruptible } from '../ui/interrupt.ts';
import { colors, type Io, readInput, width, writeJson } from '../ui/io.ts';
import { progress } from '../ui/progress.ts';
import { cut } from '../ui/text.ts';
import { count } from './scenario.ts';

interface Options {
  revision: string;
  against?: string;
  strategy: string;
  bound?: number;
  time?: number;
  executions?: number;
  seed: number;
  depth: number;
  save?: string;
  resume?: string;
  first?: boolean;
  replay?: string;
  html?: string;
  json?: boolean;
}

/** Registers the command. */
export function register(cli: CAC, io: Io): void {
  cli
    .command('explore <what>', 'Search the schedules of a scenario, or of a model in a file (model.ts)')
    .option('--revision <name>', 'Driver to run it on', { default: 'v4' })
    .option('--against <name>', 'Another one: compare the outcomes that each can reach')
    .option('--strategy <name>', 'exhaustive, random, pct, pos, urw, surw, portfolio', {
      default: 'exhaustive',
    })
    .option('--bound <n>', 'At most n preemptions: 0 first, then 1, ...')
    .option('--time <seconds>', 'Stop after so long (default: 60, no limit for a model)')
    .option('--executions <n>', 'Stop after so many executions')
    .option('--seed <n>', 'Seed of the random strategies', { default: 1 })
    .option('--depth <n>', 'Depth of the bugs that pct goes for', { default: 3 })
    .option('--save <file>', 'When the search is stopped, write what is left to a file')
    .option('--resume <file>', 'Go on with what --save has written')
    .option('--first', 'Stop with the first finding')
    .option('--replay <schedule>', 'One execution under a schedule that was printed before')
    .option('--html <folder>', 'Write a page with a sequence diagram for each finding')
    .option('--json', 'Print the result as JSON')
    .example('  vfio-lab explore exit-vs-host-access --revision v4+exit-order --first --html findings')
    .example('  vfio-lab explore my-model.ts')
    .action((what: string, options: Options) => run(what, options, io));
}

async function run(what: string, options: Options, io: Io): Promise<number> {
  const { STRATEGIES } = await import('@vfio-lab/explore');
  if (!(STRATEGIES as readonly string[]).includes(options.strategy)) {
    throw new UsageError(`no strategy "${options.strategy}"`, `there are ${STRATEGIES.join(', ')}`);
  }
  if (options.replay !== undefined) return replayOne(what, options, io);
  const revisions = [options.revision, ...(options.against === undefined ? [] : [options.against])];
  const results: Exploration[] = [];
  for (const revision of isFile(what) ? [''] : revisions)
    results.push(await one(what, revision, options, io));
  if (options.json === true) writeJson(io, toJson(what, revisions, results));
  else io.stdout.write(`${results.flatMap((r, i) => render(what, revisions[i], r, io)).join('\n')}\n`);
  if (results.length > 1 && options.json !== true)
    io.stdout.write(`${compare(revisions, results, io).join('\n')}\n`);
  return results.some((r) => r.findings.length > 0) ? 3 : 0;
}

function isFile(what: string): boolean {
  return /\.[cm]?[jt]s$/.test(what);
}

async function subjectOf(what: string, revision: string): Promise<Subject> {
  const { ModelSubject, ScenarioSubject } = await import('@vfio-lab/explore');
  if (isFile(what)) {
    const module = (await import(pathToFileURL(path.resolve(what)).href)) as Record<
      string,
      Partial<Model> | undefined
    >;
    const model = Object.values(module).find((x) => x?.kind === 'model');
    if (model === undefined)
      throw new UsageError(`${what} has no model`, 'write: export const model = defineModel(...)');
    return new ModelSubject(model as Model);
  }
  const { scenarioByName } = await import('@vfio-lab/scenarios');
  return new ScenarioSubject(scenarioByName(what), revision);
}

async function one(what: string, revision: string, options: Options, io: Io): Promise<Exploration> {
  const { explore } = await import('@vfio-lab/explore');
  const subject = await subjectOf(what, revision);
  const label = revision === '' ? what : `${what} on ${revision}`;
  const meter = progress(io, label);
  const interrupt = interruptible();
  const started = performance.now();
  const limit = options.executions === undefined ? Infinity : count('executions', options.executions, 1);
  const seconds = options.time ?? (revision === '' ? Infinity : 60);
  const opts: ExploreOptions = {
    strategy: options.strategy as Strategy,
    executions: limit,
    time: Number(seconds) * 1000,
    seed: count('seed', options.seed),
    depth: count('depth', options.depth, 1),
    first: options.first === true,
    clock: () => performance.now(),
    interesting: await patchedObjects(subject, revision),
    stop: async (p) => {
      const rate = (p.executions / (performance.now() - started)) * 1000;
      meter.update(
        p.executions,
        limit,
        `executions, ${p.classes} classes, ${rate.toFixed(0)}/s, depth ${p.deepest}, ${p.findings} findings`,
      );
      return interrupt.asked();
    },
  };
  if (options.bound !== undefined) opts.bound = count('bound', options.bound);
  if (options.resume !== undefined) opts.resume = leftOver(options.resume);
  const result = await explore(subject, opts);
  meter.end();
  interrupt.end();
  if (options.save !== undefined && result.left !== null)
    writeFileSync(options.save, JSON.stringify(result.left));
  if (options.html !== undefined) await pages(what, revision, result, subject, options.html, io);
  return result;
}

/** What an earlier search left. */
function leftOver(file: string): Unit {
  const unit = JSON.parse(new TextDecoder().decode(readInput(file))) as Partial<Unit>;
  if (unit.version !== 1 || !Array.isArray(unit.frames))
    throw new UsageError(`${file} is not what --save writes`, 'give a file that --save has written');
  return unit as Unit;
}

/** SURW looks at what the patches of the revision name: locks and fields whose last part appears in their functions. */
async function patchedObjects(subject: Subject, revision: string): Promise<Interesting> {
  if (revision === '') return () => true;
  const { revision: load } = await import('@vfio-lab/series');
  const { objOf } = await import('@vfio-lab/explore');
  const { image } = load(revision);
  const code = image
    .patched()
    .map((name) => String(image.table[name]))
    .join('\n');
  const words = new Set(code.match(/\w+/g));
  const known = new Map<number, boolean>();
  return (op) => {
    const obj = objOf(op);
    let yes = known.get(obj);
    if (yes === undefined) {
      const last = subject.objName(obj).match(/\w+$/)?.[0] ?? '';
      known.set(obj, (yes = words.has(last)));
    }
    return yes;
  };
}

function command(what: string, revision: string, schedule: string): string {
  return `vfio-lab explore ${what}${revision === '' ? '' : ` --revision ${revision}`} --replay '${schedule}'`;
}

async function replayOne(what: string, options: Options, io: Io): Promise<number> {
  const { parseToken, replay } = await import('@vfio-lab/explore');
  const revision = isFile(what) ? '' : options.revision;
  const subject = await subjectOf(what, revision);
  if ('tracing' in subject) subject.tracing = true;
  const { observation, replay: r } = await replay(subject, parseToken(String(options.replay)));
  if (options.json === true) {
    writeJson(io, {
      ...observation,
      leftAt: r.leftAt,
      steps: r.execution.length,
      preemptions: r.preemptions,
    });
    return observation.findings.length > 0 ? 3 : 0;
  }
  const paint = colors(io);
  const lines = [`${paint.bold(what)}${revision === '' ? '' : ` on ${revision}`}: ${observation.outcome}`];
  for (const f of observation.findings) lines.push(`  ${paint.red(f.kind)}: ${f.text}`);
  if (r.leftAt > 0)
    lines.push(
      `  ${paint.yellow(`part ${r.leftAt} of the schedule does not fit here; from there on it went its own way`)}`,
    );
  const { textDiagram } = await import('@vfio-lab/explore');
  const rows = await rowsFor(subject, r.execution);
  lines.push(
    '',
    ...textDiagram(
      {
        title: what,
        finding: { kind: '', text: '', task: '', fns: [], held: [] },
        facts: [],
        command: '',
        rows,
      },
      width(io),
    ),
  );
  io.stdout.write(`${lines.join('\n')}\n`);
  return observation.findings.length > 0 ? 3 : 0;
}

/** The last run as rows of a diagram: the timeline of a machine, the steps of a model. */
async function rowsFor(
  subject: Subject,
  execution: { length: number; tid: number[]; op: number[] },
): Promise<Row[]> {
  const { programEvents, rowsOf, siteOf } = await import('@vfio-lab/explore');
  const events = (subject as Partial<ScenarioSubject>).last?.events;
  if (Array.isArray(events)) return rowsOf(programEvents(events));
  const rows: Row[] = [];
  for (let i = 0; i < execution.length; i++) {
    rows.push({
      task: subject.taskName(execution.tid[i]),
      text: siteOf(subject, execution.op[i]).replace(':', ' '),
      where: '',
      locks: '',
      state: '',
      kind: 'step',
    });
  }
  return rows;
}

async function pages(
  what: string,
  revision: string,
  result: Exploration,
  subject: Subject,
  folder: string,
  io: Io,
): Promise<void> {
  const { htmlPage, parseToken, replay } = await import('@vfio-lab/explore');
  mkdirSync(folder, { recursive: true });
  for (const [i, f] of result.findings.entries()) {
    if ('tracing' in subject) subject.tracing = true;
    const { replay: r } = await replay(subject, parseToken(f.schedule));
    const rows = await rowsFor(subject, r.execution);
    const page = htmlPage({
      title: `${f.kind} in ${path.basename(what)}${revision === '' ? '' : ` on ${revision}`}`,
      finding: f,
      facts: [
        ['found', `in execution ${f.at} of ${result.executions}`],
        ['schedule', `${f.preemptions} preemptions, ${f.steps} steps`],
      ],
      command: command(what, revision, f.schedule),
      rows: rows.some((r) => r.kind === 'finding')
        ? rows
        : [...rows, { task: f.task, text: f.kind, where: '', locks: '', state: '', kind: 'finding' }],
    });
    const stem = path.join(
      folder,
      `${path.basename(what).replace(/\W+/g, '-')}-${revision || 'model'}-${i + 1}`,
    );
    writeFileSync(`${stem}.html`, page);
    writeFileSync(
      `${stem}.json`,
      `${JSON.stringify({ what, revision, finding: f.kind, schedule: f.schedule }, null, 2)}\n`,
    );
    if ('tracing' in subject) subject.tracing = false;
    io.stderr.write(`vfio-lab: wrote ${stem}.html\n`);
  }
}

function toJson(what: string, revisions: string[], results: Exploration[]): unknown {
  const list = results.map((r, i) => ({
    scenario: what,
    revision: isFile(what) ? null : revisions[i],
    strategy: r.strategy,
    exhausted: r.exhausted,
    stopped: r.stopped,
    bound: r.bound,
    executions: r.executions,
    classes: r.classes,
    redundant: r.redundant,
    deepest: r.deepest,
    seconds: r.seconds,
    executionsPerSecond: r.seconds > 0 ? Math.round(r.executions / r.seconds) : 0,
    pctBound: r.pctBound,
    outcomes: Object.fromEntries(r.outcomes),
    findings: r.findings.map((f) => ({
      ...f,
      command: command(what, isFile(what) ? '' : revisions[i], f.schedule),
    })),
  }));
  if (list.length === 1) return list[0];
  const [a, b] = results;
  return {
    ...list[0],
    against: list[1],
    onlyFirst: [...a.outcomes.keys()].filter((o) => !b.outcomes.has(o)),
    onlySecond: [...b.outcomes.keys()].filter((o) => !a.outcomes.has(o)),
  };
}

function render(what: string, revision: string, r: Exploration, io: Io): string[] {
  const paint = colors(io);
  const rate = r.seconds > 0 ? `, ${Math.round(r.executions / r.seconds)}/s` : '';
  const all = r.exhausted ? paint.green('exhausted') : paint.yellow(`not exhausted (${r.stopped})`);
  const lines = [
    `${paint.bold(what)}${isFile(what) ? '' : ` on ${revision}`}: ${all}`,
    `  ${r.executions} executions of ${r.classes} classes in ${r.seconds.toFixed(1)} s${rate}, ${r.deepest} steps at most${r.redundant > 0 ? `, ${r.redundant} redundant` : ''}`,
  ];
  if (r.bound >= 0) lines.push(`  all schedules with at most ${r.bound} preemptions`);
  if (r.pctBound > 0)
    lines.push(
      `  every execution of pct hits a bug of its depth with a probability of at least ${r.pctBound.toExponential(1)}`,
    );
  for (const [outcome, o] of [...r.outcomes].sort((x, y) => y[1].runs - x[1].runs))
    lines.push(`  ${String(o.runs).padStart(8)}  ${outcome}`);
  if (r.findings.length === 0) lines.push(`  ${paint.green('no findings')}`);
  for (const f of r.findings) lines.push(...renderFinding(what, isFile(what) ? '' : revision, f, io));
  return lines;
}

function renderFinding(what: string, revision: string, f: Found, io: Io): string[] {
  const paint = colors(io);
  const held = f.held.length > 0 ? `, holding ${f.held.join(', ')}` : '';
  return [
    `  ${paint.red(f.kind)}: ${f.text}`,
    ...(f.task === '' ? [] : [`    in ${f.task}${f.fns.length > 0 ? `: ${f.fns.join(' > ')}` : ''}${held}`]),
    `    ${f.runs} executions, first the ${f.at}th; shortest with ${f.preemptions} preemptions, ${f.steps} steps:`,
    `    ${command(what, revision, f.schedule)}`,
  ];
}

function compare(revisions: string[], results: Exploration[], io: Io): string[] {
  const paint = colors(io);
  const lines = [''];
  for (const [i, r] of results.entries()) {
    const other = results[1 - i];
    const only = [...r.outcomes].filter(([o]) => !other.outcomes.has(o));
    lines.push(`${paint.bold(`only ${revisions[i]}`)}${only.length === 0 ? ': nothing' : ''}`);
    for (const [outcome, o] of only)
      lines.push(`  ${outcome}`, `    ${cut(command('...', revisions[i], o.schedule), width(io) - 4)}`);
  }
  if (results.some((r) => !r.exhausted))
    lines.push(paint.yellow('not all was searched: an outcome may be missing on either side'));
  return lines;
}
