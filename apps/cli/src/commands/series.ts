// SPDX-License-Identifier: GPL-2.0-only
// vfio-lab series <file>: what a mailed series is about and what was said to it.
import type { Comment, Patch, Remark, Revision, Series } from '@vfio-lab/review/reader';
import type { CAC } from 'cac';
import { colors, readInput, width, writeJson } from '../ui/io.ts';
import type { Colors, Io } from '../ui/io.ts';
import { cut, table, wrap } from '../ui/text.ts';

interface Options {
  json?: boolean;
  full?: boolean;
}

/** Registers the command. */
export function register(cli: CAC, io: Io): void {
  cli
    .command('series <file>', 'Read a series: a saved patchwork page or an mbox (- for standard input)')
    .option('--json', 'Print everything that was read as JSON')
    .option('--full', 'Print remarks whole instead of their first lines')
    .example('  vfio-lab series pm-v4.patchwork.txt')
    .example('  b4 am -o- <message id> | vfio-lab series -')
    .action(async (file: string | number, options: Options) => {
      const { readSeries } = await import('@vfio-lab/review/reader');
      const name = String(file);
      const series = await readSeries(readInput(name), name);
      if (options.json) writeJson(io, series);
      else io.stdout.write(`${renderSeries(printable(series), io, options.full === true).join('\n')}\n`);
    });
}

/** The series without control characters: mails come from anywhere, and a terminal obeys them. Tabs are spread. */
function printable(series: Series): Series {
  const clean = (_key: string, value: unknown): unknown =>
    typeof value === 'string' ? value.replaceAll('\t', '    ').replace(/(?!\n)\p{Cc}/gu, '') : value;
  return JSON.parse(JSON.stringify(series), clean) as Series;
}

/** A series as lines of text, as wide as the terminal. */
export function renderSeries(series: Series, io: Io, full: boolean): string[] {
  const paint = colors(io);
  const room = width(io);
  const lines = [
    ...head(series, paint),
    '',
    ...patchTable(series, paint, room),
    ...statTable(series, paint, room),
    ...changes(series.changelog, paint, room),
    ...thread(series, paint, room, full),
  ];
  if (series.gaps.length > 0) {
    lines.push('', paint.bold('Missing'));
    for (const gap of series.gaps) lines.push(`  ${paint.yellow(gap.what)} ${paint.dim(`(${gap.where})`)}`);
  }
  return lines;
}

function minute(date: string | null): string {
  return date === null ? 'no date' : `${date.slice(0, 10)} ${date.slice(11, 16)}`;
}

function head(series: Series, paint: Colors): string[] {
  const { author, patches, comments } = series;
  const people = new Set(comments.map((comment) => comment.author.name));
  const tags = series.tags.length > 0 ? ` (${series.tags.join(', ')})` : '';
  const count = (n: number, what: string): string =>
    `${n} ${what}${n === 1 ? '' : what === 'patch' ? 'es' : 's'}`;
  const said = comments.length > 0 ? `, ${count(comments.length, 'comment')} by ${people.size} people` : '';
  return [
    paint.bold(series.title),
    `v${series.version}${tags}, ${count(patches.length, 'patch')}${said.replace('by 1 people', 'by 1 person')}`,
    `${author.name}${author.email ? ` <${author.email}>` : ''}, ${minute(series.date)} UTC`,
    ...(series.messageId ? [paint.dim(series.messageId)] : []),
  ];
}

function patchTable(series: Series, paint: Colors, room: number): string[] {
  const authors = new Set(series.patches.map((patch) => patch.author?.name ?? '')).size > 1;
  const cells = (patch: Patch): string[] => [
    String(patch.number),
    patch.subject,
    ...(authors ? [patch.author?.name ?? ''] : []),
    patch.files.length > 0 ? `+${patch.insertions}` : '',
    patch.files.length > 0 ? `-${patch.deletions}` : '',
    patch.from === 'mail' ? 'mail' : patch.from === 'quote' ? 'quotes' : '',
    String(series.comments.filter((comment) => comment.patch === patch.number).length || ''),
  ];
  return table(
    [
      { title: '#', align: 'right' },
      { title: 'patch', flexible: true },
      ...(authors ? [{ title: 'author', flexible: true }] : []),
      { title: '+', align: 'right' as const },
      { title: '-', align: 'right' as const },
      { title: 'known from' },
      { title: 'comments', align: 'right' as const },
    ],
    series.patches.map(cells),
    { width: room, indent: '  ', head: paint.dim },
  );
}

function statTable(series: Series, paint: Colors, room: number): string[] {
  if (!series.diffstat) return [];
  const { files, insertions, deletions } = series.diffstat;
  const rows = files.map((file) => {
    // A scaled bar tells only the sum of both for sure.
    const about = file.exact ? '' : '~';
    const { insertions: plus, deletions: minus } = file;
    return [file.path, String(plus + minus), `${about}+${plus}`, `${about}-${minus}`];
  });
  rows.push([`${files.length} files`, String(insertions + deletions), `+${insertions}`, `-${deletions}`]);
  const shape = [
    { title: 'file', flexible: true },
    { title: 'lines', align: 'right' as const },
    { title: '+', align: 'right' as const },
    { title: '-', align: 'right' as const },
  ];
  return ['', ...table(shape, rows, { width: room, indent: '  ', head: paint.dim })];
}

function changes(changelog: Revision[], paint: Colors, room: number): string[] {
  if (changelog.length === 0) return [];
  const lines = ['', paint.bold('Changes')];
  for (const revision of changelog) {
    lines.push(`  v${revision.version}${revision.link ? ` ${paint.dim(revision.link)}` : ''}`);
    for (const item of revision.items) {
      wrap(item, room - 6).forEach((text, i) => lines.push(`${i === 0 ? '    - ' : '      '}${text}`));
    }
  }
  return lines;
}

function thread(series: Series, paint: Colors, room: number, full: boolean): string[] {
  if (series.comments.length === 0) return [];
  const lines = ['', paint.bold('Review')];
  const heading = (number: number | null): string => {
    if (number === null) return 'on no known patch';
    if (number === 0) return `[0/${series.total}] cover letter`;
    return `[${number}/${series.total}] ${series.patches[number - 1]?.subject ?? ''}`;
  };
  const numbers = [0, ...series.patches.map((patch) => patch.number), null];
  for (const number of numbers) {
    const roots = series.comments.filter((comment) => comment.patch === number && !isReply(series, comment));
    if (roots.length > 0) lines.push(`  ${paint.cyan(cut(heading(number), room - 2))}`);
    for (const root of roots) lines.push(...branch(series, root, 2, paint, room, full));
  }
  return lines;
}

/** A reply stands under its parent, unless the parent is about another patch. */
function isReply(series: Series, comment: Comment): boolean {
  const parent = series.comments[(comment.parent ?? 0) - 1];
  return parent !== undefined && parent.patch === comment.patch;
}

function branch(
  series: Series,
  comment: Comment,
  depth: number,
  paint: Colors,
  room: number,
  full: boolean,
): string[] {
  // Deep threads stay on the screen: they stop moving to the right at a third of it.
  const indent = ' '.repeat(Math.min(2 * depth, Math.floor(room / 3)));
  const lines = [
    `${indent}#${comment.number} ${paint.bold(comment.author.name)}, ${minute(comment.date)}`,
    ...comment.remarks.flatMap((remark) =>
      remarkLines(remark, comment.author.name, `${indent}  `, paint, room, full),
    ),
  ];
  for (const number of comment.replies) {
    const reply = series.comments[number - 1];
    if (reply && isReply(series, reply)) lines.push(...branch(series, reply, depth + 1, paint, room, full));
  }
  return lines;
}

/** A remark without what ends a mail and says nothing: `Thanks,` and a name. */
function withoutEnd(text: string, author: string): string {
  const lines = text.split('\n');
  const empty = (line: string): boolean =>
    line === '' ||
    author.toLowerCase().includes(line.toLowerCase()) ||
    /^(?:best|kind|warm) regards/i.test(line);
  while (lines.length > 1 && empty((lines.at(-1) ?? '').trim())) lines.pop();
  return lines.join('\n').replace(/\s+(?:thanks|thank you|regards|cheers)[,.!]?$/i, '');
}

function remarkLines(
  remark: Remark,
  author: string,
  indent: string,
  paint: Colors,
  room: number,
  full: boolean,
): string[] {
  const { place, file, line } = remark;
  const spot = file === null ? '' : ` ${file}${line === null ? '' : `:${line}`}`;
  const places = {
    diff: `${remark.function ? `${remark.function}()` : (remark.hunk ?? 'the diff')}${spot}`,
    message: `commit message${remark.mentions.length > 0 ? `, ${remark.mentions.map((name) => `${name}()`).join(' ')}` : ''}`,
    cover: 'cover letter',
    nothing: '',
  };
  const lines =
    places[place] === '' ? [] : [`${indent}${paint.green(cut(places[place], room - indent.length))}`];
  if (remark.quoted !== null)
    lines.push(`${indent}  ${paint.dim(cut(`> ${remark.quoted}`, room - indent.length - 2))}`);
  const whole = full ? remark.text : withoutEnd(remark.text, author);
  const text = full ? whole : (whole.split(/\n\s*\n/, 1)[0] ?? '');
  const wrapped = full ? text.split('\n') : wrap(text.replace(/\n/g, ' '), room - indent.length - 2);
  const shown = full ? wrapped : wrapped.slice(0, 2);
  if (shown.length < wrapped.length || text.length < whole.length) {
    shown[shown.length - 1] = `${(shown.at(-1) ?? '').replace(/[.,;:]$/, '')} …`;
  }
  for (const words of shown) lines.push(`${indent}  ${words}`.trimEnd());
  return lines;
}
