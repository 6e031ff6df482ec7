// SPDX-License-Identifier: GPL-2.0-only
// vfio-lab review <series> [other]: what a series says, changes, and does when it runs; or two revisions side by side.
import type { Cell, Comment, Review, ReviewedPatch, Series } from '@vfio-lab/review';
import type { CAC } from 'cac';
import { UsageError } from '../program.ts';
import { colors, type Colors, type Io, readInput, width, writeJson } from '../ui/io.ts';
import { interruptible } from '../ui/interrupt.ts';
import { writePages } from '../ui/pages.ts';
import { progress } from '../ui/progress.ts';
import { cut, table, wrap } from '../ui/text.ts';
import { count } from './scenario.ts';

interface Options {
  series?: string;
  seriesA?: string;
  seriesB?: string;
  linux?: string;
  rangeA?: string;
  rangeB?: string;
  schedules?: number;
  html?: string;
  full?: boolean;
  claims?: boolean;
  json?: boolean;
}

/** Registers the command. */
export function register(cli: CAC, io: Io): void {
  cli
    .command(
      'review <series> [other]',
      'Review a series by running it at every prefix, or two revisions side by side',
    )
    .option(
      '--series <file>',
      'The series as mailed: a saved patchwork page or an mbox, with its review thread',
    )
    .option('--series-a <file>', 'The same, of the first of two revisions')
    .option('--series-b <file>', 'The same, of the second')
    .option('--linux <dir>', 'A kernel tree that has both, with --range-a and --range-b')
    .option('--range-a <commits>', 'The commits of the first revision in that tree: first..last')
    .option('--range-b <commits>', 'The commits of the second')
    .option('--schedules <n>', 'Random schedules for each scenario that depends on the schedule')
    .option('--no-claims', 'Leave out the claims of the review, errnos and lock order')
    .option('--full', 'Print differences whole instead of their first lines')
    .option('--html <dir>', 'Write the review as pages, to be opened from the disk')
    .option('--json', 'Print the review as JSON')
    .example('  vfio-lab review v4 --series pm-v4.patchwork.txt')
    .example('  vfio-lab review v4 v7 --series-a pm-v4.patchwork.txt --html pages')
    .action((name: string, other: string | undefined, options: Options) =>
      other === undefined ? one(name, options, io) : two(name, other, options, io),
    );
}

const PAIR_ONLY = ['seriesA', 'seriesB', 'linux', 'rangeA', 'rangeB', 'full'] as const;

async function one(name: string, options: Options, io: Io): Promise<void> {
  for (const o of PAIR_ONLY)
    if (options[o] !== undefined)
      throw new UsageError(
        `--${o.replace(/[A-Z]/, (l) => `-${l.toLowerCase()}`)} with one revision`,
        'name two: vfio-lab review v4 v7',
      );
  const { readSeries, reviewSeries, seriesByName } = await import('@vfio-lab/review');
  seriesByName(name);
  const series =
    options.series === undefined ? undefined : await readSeries(readInput(options.series), options.series);
  const meter = progress(io, `review ${name}`);
  const interrupt = interruptible();
  const review = await reviewSeries(name, {
    ...(series !== undefined && { series }),
    ...(options.schedules !== undefined && { schedules: count('schedules', options.schedules, 1) }),
    progress: (done, total, what) => {
      meter.update(done, total, what);
      return interrupt.asked();
    },
  });
  meter.end();
  interrupt.end();
  if (options.html !== undefined) {
    const { reviewPages } = await import('@vfio-lab/review/html');
    writePages(
      options.html,
      await reviewPages(review, { series: series ?? null, claims: options.claims !== false }),
      io,
    );
  }
  if (options.json === true) writeJson(io, review);
  else if (options.html === undefined) io.stdout.write(`${render(review, io).join('\n')}\n`);
}

async function two(a: string, b: string, options: Options, io: Io): Promise<void> {
  if (options.series !== undefined)
    throw new UsageError('--series with two revisions', 'give --series-a and --series-b');
  const { compareRevisions } = await import('@vfio-lab/review');
  const given = await sides(options);
  const meter = progress(io, `review ${a} ${b}`);
  const interrupt = interruptible();
  const comparison = await compareRevisions(a, b, {
    ...given,
    parallel: true,
    claims: options.claims !== false,
    ...(options.schedules !== undefined && { schedules: count('schedules', options.schedules, 1) }),
    progress: (done, total, what) => {
      meter.update(done, total, what);
      return interrupt.asked();
    },
  });
  meter.end();
  interrupt.end();
  if (options.html !== undefined) {
    const { comparisonPages } = await import('@vfio-lab/review/html');
    writePages(options.html, comparisonPages(comparison), io);
  }
  const { renderComparison } = await import('../ui/comparison.ts');
  if (options.json === true) writeJson(io, comparison);
  else if (options.html === undefined)
    io.stdout.write(`${renderComparison(comparison, io, { full: options.full === true }).join('\n')}\n`);
}

/** The C of both sides, from files or from a kernel tree. */
async function sides(
  options: Options,
): Promise<{ seriesA: Series | null; seriesB: Series | null; fromGit: boolean }> {
  const { readSeries, seriesFromGit } = await import('@vfio-lab/review');
  const { linux, rangeA, rangeB } = options;
  const file = async (name: string | undefined): Promise<Series | null> =>
    name === undefined ? null : readSeries(readInput(name), name);
  if (linux === undefined) {
    if (rangeA !== undefined || rangeB !== undefined)
      throw new UsageError('a range without a tree', 'give --linux <git directory>');
    return { seriesA: await file(options.seriesA), seriesB: await file(options.seriesB), fromGit: false };
  }
  if (options.seriesA !== undefined || options.seriesB !== undefined)
    throw new UsageError('--linux and a series', 'give one of the two');
  if (rangeA === undefined && rangeB === undefined)
    throw new UsageError('--linux without a range', 'give --range-a first..last and --range-b first..last');
  const range = async (r: string | undefined): Promise<Series | null> =>
    r === undefined ? null : seriesFromGit(linux, String(r));
  return { seriesA: await range(rangeA), seriesB: await range(rangeB), fromGit: true };
}

function render(r: Review, io: Io): string[] {
  const paint = colors(io);
  const room = width(io);
  return [
    ...head(r, paint, room),
    ...r.patches.flatMap((p) => patch(r, p, paint, room)),
    ...general(r, paint, room),
    ...behaviour(r, paint, room),
    ...details(r, paint, room),
    ...r.gaps.map((g) => paint.yellow(`missing: ${g.what} (${g.where})`)),
    ...(r.stopped ? ['', paint.yellow('Stopped: the table has only the cells that were computed.')] : []),
  ];
}

function head(r: Review, paint: Colors, room: number): string[] {
  const s = r.series;
  const people = new Set(r.comments.map((c) => c.author.name)).size;
  const said =
    r.comments.length === 0
      ? 'no review thread given (--series)'
      : `${r.comments.length} comments by ${people} people`;
  const lines = [
    paint.bold(`${s.title}, v${s.version}`),
    `${s.author.name}, ${(s.date ?? '').slice(0, 10)}, on ${s.base}; ${r.patches.length} patches, ${said}`,
    ...wrap(s.summary, room),
  ];
  if (s.diffstat !== null) {
    lines.push(
      `${s.diffstat.files.length} files changed, ${s.diffstat.insertions} insertions(+), ${s.diffstat.deletions} deletions(-)`,
    );
  }
  return lines;
}

function patch(r: Review, p: ReviewedPatch, paint: Colors, room: number): string[] {
  const lines = ['', paint.bold(cut(`${p.number}/${r.patches.length} ${p.subject}`, room))];
  if (p.functions.length === 0) lines.push(`    no C function; ${p.files.join(', ')}`);
  let file = '';
  for (const f of p.functions) {
    if (f.file !== file) lines.push(`    ${paint.dim((file = f.file))}`);
    const state = f.ported ? (f.replaces ? 'changed' : 'new') : paint.red('NOT PORTED');
    lines.push(`      ${f.name}()  ${paint.dim(state)}`);
    for (const number of f.comments)
      lines.push(...remarks(r.comments[number - 1], f.name, paint, room, '        '));
  }
  const placed = new Set(p.functions.flatMap((f) => f.comments));
  const rest = p.comments.filter((n) => !placed.has(n));
  for (const number of rest) lines.push(...remarks(r.comments[number - 1], null, paint, room, '    '));
  return lines;
}

/** What a comment says of a function (all of it for null), by its first lines. */
function remarks(c: Comment, name: string | null, paint: Colors, room: number, indent: string): string[] {
  const mine = c.remarks.filter((m) => name === null || m.function === name || m.mentions.includes(name));
  const lines = [
    `${indent}${paint.cyan(`#${c.number} ${c.author.name}, ${(c.date ?? '').slice(0, 10)}`)}${mine.length > 1 ? ` (${mine.length} remarks)` : ''}`,
  ];
  const first = mine[0];
  if (first === undefined) return lines;
  if (first.quoted !== null)
    lines.push(`${indent}  ${paint.dim(cut(`> ${first.quoted.trim()}`, room - indent.length - 2))}`);
  const text = wrap(first.text.replace(/\s+/g, ' '), room - indent.length - 2);
  for (const l of text.slice(0, 2)) lines.push(`${indent}  ${l}`);
  if (text.length > 2) lines[lines.length - 1] = cut(`${lines[lines.length - 1]} …`, room);
  return lines;
}

/** Comments on the cover letter or on nothing that could be told. */
function general(r: Review, paint: Colors, room: number): string[] {
  const numbers = new Set(r.patches.map((p) => p.number));
  const rest = r.comments.filter((c) => c.patch === null || !numbers.has(c.patch));
  if (rest.length === 0) return [];
  return ['', paint.bold('On the series'), ...rest.flatMap((c) => remarks(c, null, paint, room, '    '))];
}

/** One row a scenario, one column a prefix; letters stand for outcomes, listed below the table. */
function behaviour(r: Review, paint: Colors, room: number): string[] {
  // Of v3 the base has the first five patches.
  const first = r.scenarios[0]?.cells[0]?.prefix ?? 0;
  const prefixes = Array.from({ length: r.patches.length + 1 - first }, (_, i) => ({
    title: `@${first + i}`,
  }));
  const shape = [{ title: 'scenario', flexible: true }, ...prefixes];
  const rows = r.scenarios.map((s) => {
    const letters = letterOf(s.cells);
    return [s.name, ...s.cells.map((c) => cellText(c, letters, paint))];
  });
  return [
    '',
    paint.bold('Behaviour by prefix'),
    `@n: the first n patches. A letter is an outcome (listed below), ! a finding, * differs from the column before.`,
    '',
    ...table(shape, rows, { width: room, head: paint.bold }),
  ];
}

const signature = (c: Cell): string => Object.keys(c.outcomes).sort().join(' | ');

function letterOf(cells: readonly Cell[]): Map<string, string> {
  const letters = new Map<string, string>();
  for (const c of cells) {
    const key = signature(c);
    if (!letters.has(key)) letters.set(key, String.fromCharCode(97 + letters.size));
  }
  return letters;
}

function cellText(c: Cell, letters: Map<string, string>, paint: Colors): string {
  const text = `${letters.get(signature(c)) ?? '?'}${c.findings.length > 0 ? '!' : ''}${c.changed ? '*' : ''}`;
  if (c.findings.length > 0) return paint.red(text);
  return c.changed ? paint.bold(text) : text;
}

function details(r: Review, paint: Colors, room: number): string[] {
  const lines: string[] = [];
  for (const s of r.scenarios) {
    const claims = s.claims.length > 0 ? ` (${s.claims.join(', ')})` : '';
    lines.push('', `${paint.bold(s.name)}${claims}`, ...wrap(s.about, room - 2).map((l) => `  ${l}`));
    for (const [key, letter] of letterOf(s.cells)) {
      const where = s.cells.filter((c) => signature(c) === key).map((c) => `@${c.prefix}`);
      const many = s.cells.find((c) => signature(c) === key) as Cell;
      if (Object.keys(many.outcomes).length === 1) {
        lines.push(...hang(`  ${letter}  ${span(where)}: `, key, room));
      } else {
        lines.push(
          `  ${letter}  ${span(where)}: ${many.runs} schedules, ${Object.keys(many.outcomes).length} outcomes`,
        );
        const sorted = Object.entries(many.outcomes).sort((a, b) => b[1] - a[1]);
        for (const [outcome, n] of sorted)
          lines.push(...hang(`       ${String(n).padStart(4)} `, outcome, room));
      }
    }
    for (const c of s.cells) {
      for (const f of c.findings) {
        const often = c.runs > 1 ? ` (${f.runs} of ${c.runs})` : '';
        lines.push(...hang(`  ${paint.red('!')}  @${c.prefix}: `, `${f.kind}${often}: ${f.text}`, room));
        if (f.schedule !== '')
          lines.push(`     vfio-lab scenario ${s.name} --revision ${c.revision} --seed ${f.seed} --trace`);
      }
    }
  }
  return lines;
}

function hang(lead: string, text: string, room: number): string[] {
  const indent = ' '.repeat(7);
  return wrap(text, room - 12).map((l, i) => (i === 0 ? `${lead}${l}` : `${indent}${l}`));
}

/** '@0 @1 @2 @5' -> '@0-@2, @5'. */
function span(names: string[]): string {
  const numbers = names.map((n) => Number(n.slice(1)));
  const parts: string[] = [];
  for (let i = 0; i < numbers.length;) {
    let j = i;
    while (j + 1 < numbers.length && numbers[j + 1] === numbers[j] + 1) j++;
    parts.push(i === j ? `@${numbers[i]}` : `@${numbers[i]}-@${numbers[j]}`);
    i = j + 1;
  }
  return parts.join(', ');
}
