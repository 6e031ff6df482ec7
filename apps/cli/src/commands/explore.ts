// SPDX-License-Identifier: GPL-2.0-only
// vfio-lab explore: search the schedules of a scenario or of a model of one's own.
import { availableParallelism } from 'node:os';
import { writeFileSync } from 'node:fs';
import type {
  Comparison,
  Reached,
  Side,
  Exploration,
  ExploreOptions,
  Found,
  Interesting,
  Left,
  Stack,
  Strategy,
  Subject,
  SubjectSpec,
} from '@vfio-lab/explore';
import type { CAC } from 'cac';
import { UsageError } from '../program.ts';
import { compare, writeComparison } from '../ui/against.ts';
import { NO_CHOICE, placesOf, readFinding, replayCommand, storyOf, writeFindings } from '../ui/findings.ts';
import { interruptible } from '../ui/interrupt.ts';
import { colors, type Io, readInput, width, writeJson } from '../ui/io.ts';
import { progress } from '../ui/progress.ts';
import { wrap } from '../ui/text.ts';
import { count } from './scenario.ts';

interface Options {
  revision?: string;
  against?: string;
  strategy: string;
  bound?: number;
  time?: number;
  executions?: number;
  seed: number;
  depth: number;
  jobs?: number;
  steps?: number;
  save?: string;
  resume?: string;
  first?: boolean;
  findings?: string;
  replay?: string;
  html?: string;
  json?: boolean;
}

const DEFAULT_REVISION = 'v4';

/** Registers the command. */
export function register(cli: CAC, io: Io): void {
  cli
    .command('explore [what]', 'Search the schedules of a scenario, or of a model in a file (model.ts)')
    .option('--revision <name>', `Driver to run it on (default: ${DEFAULT_REVISION})`)
    .option('--against <name>', 'Another one: compare the outcomes that each can reach')
    .option('--strategy <name>', 'exhaustive, random, pct, pos, urw, surw, portfolio', {
      default: 'exhaustive',
    })
    .option('--bound <n>', 'At most n preemptions: 0 first, then 1, ...')
    .option('--time <seconds>', 'Stop after so long (default: 120, no limit for a model)')
    .option('--executions <n>', 'Stop after so many executions')
    .option('--seed <n>', 'Seed of the random strategies', { default: 1 })
    .option('--depth <n>', 'Depth of the bugs that pct goes for', { default: 3 })
    .option('--steps <n>', 'Give an execution up after n steps')
    .option('--jobs <n>', 'Threads for an exhaustive search (default: one a processor; a model: 1)')
    .option('--save <file>', 'When the search is stopped, write what is left to a file')
    .option('--resume <file>', 'Go on with what --save has written')
    .option('--first', 'Stop with the first finding')
    .option('--findings <folder>', 'Write each finding to a file that --replay takes')
    .option(
      '--replay <schedule>',
      'One execution, drawn: under a schedule that was printed, or a file of --findings',
    )
    .option('--html <folder>', 'Write a page with a sequence diagram for each finding, and its file')
    .option('--json', 'Print the result as JSON')
    .example('  vfio-lab explore exit-vs-host-access --revision v4+exit-order --first --html findings')
    .example('  vfio-lab explore my-model.ts')
    .action((what: string | undefined, options: Options) => run(what, options, io));
}

async function run(what: string | undefined, options: Options, io: Io): Promise<number> {
  const { STRATEGIES, compareSearches, shortenOnly, stacksOf } = await import('@vfio-lab/explore');
  if (!(STRATEGIES as readonly string[]).includes(options.strategy)) {
    throw new UsageError(`no strategy "${options.strategy}"`, `there are ${STRATEGIES.join(', ')}`);
  }
  if (options.replay !== undefined) return replayOne(what, options, io);
  if (what === undefined)
    throw new UsageError(
      'explore needs something to search',
      'name a scenario (vfio-lab scenarios) or a model.ts',
    );
  const revisions = [
    options.revision ?? DEFAULT_REVISION,
    ...(options.against === undefined ? [] : [options.against]),
  ];
  const results: Exploration[] = [];
  for (const revision of isFile(what) ? [''] : revisions)
    results.push(await one(what, revision, options, io));
  if (results.length > 1) {
    const [a, b] = results.map((result, i) => ({ revision: revisions[i], result }));
    await shortenOnly(a, b, [await subjectOf(what, a.revision), await subjectOf(what, b.revision)]);
  }
  if (options.json === true) writeJson(io, toJson(what, revisions, results, compareSearches));
  else {
    for (const [i, r] of results.entries()) {
      const place = await placesOf(isFile(what) || r.findings.length === 0 ? '' : revisions[i]);
      const stacks = (f: Found): Stack[] => stacksOf(f, place);
      io.stdout.write(`${render(what, revisions[i], r, stacks, io).join('\n')}\n`);
    }
  }
  if (results.length > 1) {
    const [a, b] = results.map((result, i) => ({ revision: revisions[i], result }));
    if (options.json !== true)
      io.stdout.write(`${compare(what, a, b, compareSearches(a, b), io).join('\n')}\n`);
    if (options.html !== undefined) await writeComparison(what, a, b, options.html, io);
  }
  return results.some((r) => r.findings.length > 0) ? 3 : 0;
}

function isFile(what: string): boolean {
  return /\.[cm]?[jt]s$/.test(what);
}

function specOf(what: string, revision: string): SubjectSpec {
  return isFile(what) ? { kind: 'model', file: what } : { kind: 'scenario', scenario: what, revision };
}

async function subjectOf(what: string, revision: string): Promise<Subject> {
  const { subjectFrom } = await import('@vfio-lab/explore');
  return subjectFrom(specOf(what, revision));
}

/** Schedules with one preemption that are tried before a scenario is searched depth first. */
const WARM_UP = 1000;

async function one(what: string, revision: string, options: Options, io: Io): Promise<Exploration> {
  const { explore, Mate } = await import('@vfio-lab/explore');
  const subject = await subjectOf(what, revision);
  const label = revision === '' ? what : `${what} on ${revision}`;
  const meter = progress(io, label);
  const interrupt = interruptible();
  const started = performance.now();
  const limit = options.executions === undefined ? Infinity : count('executions', options.executions, 1);
  const seconds = options.time ?? (revision === '' ? Infinity : 120);
  const patched = await patchedObjects(subject, revision);
  const opts: ExploreOptions = {
    strategy: options.strategy as Strategy,
    executions: limit,
    time: Number(seconds) * 1000,
    seed: count('seed', options.seed),
    depth: count('depth', options.depth, 1),
    first: options.first === true,
    clock: () => performance.now(),
    interesting: patched.interesting,
    stop: async (p) => {
      const rate = (p.executions / (performance.now() - started)) * 1000;
      meter.update(
        p.executions,
        limit,
        `executions, ${p.classes} classes, ${rate.toFixed(0)}/s, depth ${p.deepest}, ${left(p.remaining())}${p.findings} findings`,
      );
      return interrupt.asked();
    },
  };
  if (options.steps !== undefined) opts.steps = count('steps', options.steps, 1);
  if (options.bound !== undefined) opts.bound = count('bound', options.bound);
  if (options.resume !== undefined) opts.resume = leftOver(options.resume);
  if (revision !== '') opts.warmUp = WARM_UP;
  const threads =
    options.jobs === undefined
      ? revision === ''
        ? 1
        : availableParallelism()
      : count('jobs', options.jobs, 1);
  const helped = opts.strategy === 'exhaustive' && opts.bound === undefined;
  const mates = Array.from({ length: helped ? threads - 1 : 0 }, () => new Mate(specOf(what, revision)));
  opts.mates = mates;
  const result = await explore(subject, opts);
  for (const mate of mates) await mate.end();
  meter.end();
  interrupt.end();
  const spread = patched.seen();
  if (spread.length > 0) io.stderr.write(`vfio-lab: evenly spread over ${spread.join(', ')}\n`);
  if (options.save !== undefined && result.left !== null)
    writeFileSync(options.save, JSON.stringify(result.left));
  const folders = { saved: options.findings, html: options.html };
  await writeFindings(what, revision, result.findings, result.executions, subject, folders, io);
  return result;
}

/** Words for the estimate of what is left. */
function left(remaining: number): string {
  return remaining < 0 ? '' : `about ${Math.round(remaining)} left, `;
}

/** What an earlier search left. */
function leftOver(file: string): Left {
  const text = new TextDecoder().decode(readInput(file));
  const bad = new UsageError(`${file} is not what --save writes`, 'give a file that --save has written');
  let value: Partial<Left>;
  try {
    value = JSON.parse(text) as Partial<Left>;
  } catch {
    throw bad;
  }
  if (value?.version !== 2 || !Array.isArray(value.frames) || value.names === undefined) throw bad;
  return value as Left;
}

/**
 * SURW spreads the operations on what the patches of the revision touch: locks, fields, counters, the device. On a
 * model, and on the base, it spreads all.
 */
async function patchedObjects(
  subject: Subject,
  revision: string,
): Promise<{ interesting: Interesting; seen: () => string[] }> {
  const all = { interesting: () => true, seen: () => [] };
  if (revision === '') return all;
  const { revision: load, touchedBy, touches } = await import('@vfio-lab/series');
  const { objOf } = await import('@vfio-lab/explore');
  const touched = touchedBy(load(revision));
  if (touched.functions.length === 0) return all;
  const known = new Map<number, boolean>();
  return {
    interesting: (op) => {
      const obj = objOf(op);
      let yes = known.get(obj);
      if (yes === undefined) known.set(obj, (yes = touches(touched, subject.objName(obj))));
      return yes;
    },
    seen: () => [...new Set([...known].filter(([, yes]) => yes).map(([obj]) => subject.objName(obj)))].sort(),
  };
}

/** One execution under a schedule, or under that of a finding that was saved. */
async function replayOne(what: string | undefined, options: Options, io: Io): Promise<number> {
  const { replayTraced, textDiagram, textFinding } = await import('@vfio-lab/explore');
  const given = String(options.replay);
  const saved = /\.json$/.test(given) ? readFinding(given) : null;
  const target = what ?? saved?.what;
  if (target === undefined)
    throw new UsageError('a schedule needs something to run', 'name a scenario or a model, or give a file');
  const revision = isFile(target) ? '' : (options.revision ?? saved?.revision ?? DEFAULT_REVISION);
  const schedule = saved?.schedule ?? (given === NO_CHOICE ? '' : given);
  const subject = await subjectOf(target, revision);
  const run = await replayTraced(subject, schedule);
  const { observation, replay: r } = run;
  const status = observation.findings.length > 0 ? 3 : 0;
  if (options.json === true) {
    writeJson(io, {
      scenario: target,
      revision: revision === '' ? null : revision,
      ...observation,
      leftAt: r.leftAt,
      steps: r.execution.length,
      preemptions: r.preemptions,
    });
    return status;
  }
  const paint = colors(io);
  const head = `${paint.bold(target)}${revision === '' ? '' : ` on ${revision}`}`;
  const lines = [...wrap(`${head}: ${observation.outcome}`, width(io))];
  if (r.leftAt > 0)
    lines.push(
      `  ${paint.yellow(`part ${r.leftAt} of the schedule does not fit here; from there on it went its own way`)}`,
    );
  const told =
    observation.findings.find((f) => f.kind === saved?.finding.kind) ?? observation.findings[0] ?? null;
  const story = await storyOf(target, revision, subject, run, schedule, told);
  lines.push('', ...textDiagram(story, width(io)), '');
  for (const f of observation.findings) {
    const one = f === told ? story : await storyOf(target, revision, subject, run, schedule, f);
    const [first, ...rest] = textFinding({ ...one, command: '' }, width(io));
    lines.push(paint.red(first), ...rest);
  }
  if (saved !== null && !observation.findings.some((f) => f.kind === saved.finding.kind))
    lines.push(paint.yellow(`${saved.finding.kind}, which the file is about, does not show here`));
  if (observation.findings.length === 0) lines.push(paint.green('no findings'));
  io.stdout.write(`${lines.join('\n')}\n`);
  return status;
}

function toJson(
  what: string,
  revisions: string[],
  results: Exploration[],
  compareSearches: (a: Side, b: Side) => Comparison,
): unknown {
  const list = results.map((r, i) => ({
    scenario: what,
    revision: isFile(what) ? null : revisions[i],
    strategy: r.strategy,
    exhausted: r.exhausted,
    stopped: r.stopped,
    bound: r.bound,
    executions: r.executions,
    warmUp: r.warmUp,
    cut: r.cut,
    remaining: r.remaining,
    classes: r.classes,
    redundant: r.redundant,
    deepest: r.deepest,
    seconds: r.seconds,
    executionsPerSecond: r.seconds > 0 ? Math.round(r.executions / r.seconds) : 0,
    pctBound: r.pctBound,
    outcomes: Object.fromEntries(r.outcomes),
    findings: r.findings.map((f) => ({
      ...f,
      command: replayCommand(what, isFile(what) ? '' : revisions[i], f.schedule),
    })),
  }));
  if (list.length === 1) return list[0];
  const [a, b] = results.map((result, i) => ({ revision: revisions[i], result }));
  const c = compareSearches(a, b);
  const withCommand = (revision: string, o: Reached): Reached & { command: string } => ({
    ...o,
    command: replayCommand(what, revision, o.schedule),
  });
  return {
    ...list[0],
    against: list[1],
    proved: c.proved,
    both: c.both,
    onlyFirst: c.onlyFirst.map((o) => withCommand(a.revision, o)),
    onlySecond: c.onlySecond.map((o) => withCommand(b.revision, o)),
    findingsOnlyFirst: c.findingsOnlyFirst.map((f) => f.kind),
    findingsOnlySecond: c.findingsOnlySecond.map((f) => f.kind),
  };
}

function render(
  what: string,
  revision: string,
  r: Exploration,
  stacks: (f: Found) => Stack[],
  io: Io,
): string[] {
  const paint = colors(io);
  const rate = r.seconds > 0 ? `, ${Math.round(r.executions / r.seconds)}/s` : '';
  const all = r.exhausted ? paint.green('exhausted') : paint.yellow(`not exhausted (${r.stopped})`);
  const lines = [
    `${paint.bold(what)}${isFile(what) ? '' : ` on ${revision}`}: ${all}`,
    `  ${r.executions} executions of ${r.classes} classes in ${r.seconds.toFixed(1)} s${rate}, ${r.deepest} steps at most${r.redundant > 0 ? `, ${r.redundant} redundant` : ''}`,
  ];
  if (r.cut > 0) lines.push(`  ${r.cut} executions were given up after --steps`);
  if (r.left !== null && r.stopped !== 'first finding')
    lines.push(
      `  ${r.left.frames.length === 0 ? 'the search depth first had not begun' : `about ${r.remaining} executions are left`}: --save <file> keeps the place, --resume <file> goes on`,
    );
  if (r.bound >= 0) lines.push(`  all schedules with at most ${preemptions(r.bound)}`);
  if (r.pctBound > 0)
    lines.push(
      `  every execution of pct hits a bug of its depth with a probability of at least ${r.pctBound.toExponential(1)}`,
    );
  for (const [outcome, o] of [...r.outcomes].sort((x, y) => y[1].runs - x[1].runs)) {
    const [first, ...rest] = wrap(outcome, width(io) - 12);
    lines.push(`  ${String(o.runs).padStart(8)}  ${first}`, ...rest.map((line) => `            ${line}`));
  }
  if (r.findings.length === 0) lines.push(`  ${paint.green('no findings')}`);
  for (const f of r.findings)
    lines.push(...renderFinding(what, isFile(what) ? '' : revision, f, stacks(f), io));
  return lines;
}

function preemptions(n: number): string {
  return n === 1 ? '1 preemption' : `${n} preemptions`;
}

function renderFinding(what: string, revision: string, f: Found, stacks: readonly Stack[], io: Io): string[] {
  const paint = colors(io);
  const lines = [`  ${paint.red(f.kind)}: ${f.text}`];
  for (const s of stacks) {
    const held = s.held.length > 0 ? `, holding ${s.held.join(', ')}` : '';
    lines.push(`    ${s.title}${held}`);
    for (const { fn, c, ts } of s.frames.toReversed())
      lines.push(paint.dim(`      ${fn}()  ${c.replace(/^drivers\//, '')}  ${ts}`.trimEnd()));
  }
  const executions = f.runs === 1 ? '1 execution has it' : `${f.runs} executions have it`;
  return [
    ...lines,
    `    ${executions}, number ${f.at} first; shortest: ${preemptions(f.preemptions)}, ${f.steps} steps:`,
    `    ${replayCommand(what, revision, f.schedule)}`,
  ];
}
