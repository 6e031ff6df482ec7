// SPDX-License-Identifier: GPL-2.0-only
// vfio-lab port new|check <revision>: a new revision's modules from its mails, and what of the C they have.
import path from 'node:path';
import type { CheckedHunk, NewRevision, PortCheck } from '@vfio-lab/port';
import type { CAC } from 'cac';
import { UsageError } from '../program.ts';
import { colors, type Io, readInput, width, writeJson } from '../ui/io.ts';
import { nearest } from '@vfio-lab/sim';
import { cut } from '../ui/text.ts';

interface Options {
  series?: string;
  from?: string;
  base?: string;
  modules?: string;
  all?: boolean;
  json?: boolean;
}

const ACTIONS = ['new', 'check'];

/** Registers the command. */
export function register(cli: CAC, io: Io): void {
  cli
    .command(
      'port <action> <revision>',
      'Port a new revision of a series: make its modules (new), check them (check)',
    )
    .option('--series <file>', 'The series as mailed: an mbox or a saved patchwork page')
    .option('--from <revision>', 'new: carry the functions over from this revision')
    .option('--base <kernel>', 'new: the kernel that the series applies to, for the record')
    .option('--modules <dir>', 'check: folder of the modules, when it is not that of the revision')
    .option('--all', 'check: also the lines that are covered')
    .option('--json', 'Print the result as JSON')
    .example('  vfio-lab port new v8 --from v7 --series v8.mbox')
    .example('  vfio-lab port check v8 --series v8.mbox')
    .action(async (action: string, revision: string, options: Options) => {
      if (!ACTIONS.includes(action)) {
        const guess = nearest(action, ACTIONS);
        throw new UsageError(`no action "${action}"`, guess ? `did you mean ${guess}?` : 'take new or check');
      }
      const file = required(options.series, '--series', 'name the mbox or page of the series');
      const from =
        action === 'new' ? required(options.from, '--from', 'name the revision to start from: v7') : '';
      const { readSeries } = await import('@vfio-lab/review/reader');
      const series = await readSeries(readInput(file), file);
      const { checkPort, portNew } = await import('@vfio-lab/port');
      if (action === 'new') {
        const made = portNew(
          revision,
          from,
          series,
          options.base === undefined ? {} : { base: options.base },
        );
        if (options.json === true) writeJson(io, made);
        else io.stdout.write(`${renderNew(made, file, io).join('\n')}\n`);
        return 0;
      }
      const result = await checkPort(
        revision,
        series,
        options.modules === undefined ? {} : { modules: options.modules },
      );
      if (options.json === true) writeJson(io, result);
      else io.stdout.write(`${renderCheck(result, io, options.all === true).join('\n')}\n`);
      return result.missing > 0 ? 1 : 0;
    });
}

function required(value: unknown, option: string, hint: string): string {
  if (typeof value === 'string' && value !== '') return value;
  throw new UsageError(`no ${option}`, hint);
}

function renderNew(made: NewRevision, file: string, io: Io): string[] {
  const paint = colors(io);
  const room = width(io);
  const dir = path.relative(process.cwd(), made.dir);
  const lines: string[] = [];
  for (const patch of made.patches) {
    lines.push(
      paint.bold(cut(`${patch.number}/${made.patches.length} ${patch.subject}`, room)),
      `    ${paint.dim(path.join(dir, patch.module))}`,
    );
    if (patch.tasks.length === 0) lines.push('    nothing of it is mirrored');
    for (const task of patch.tasks) {
      const what = task.function === null ? 'declarations' : `${task.function}()`;
      const from = task.from === 'new' ? paint.yellow('new: to be written') : paint.dim(`from ${task.from}`);
      lines.push(`    ${task.file}: ${what}  ${from}`);
      for (const hunk of task.hunks) {
        lines.push(`      ${paint.cyan(cut(hunk.header, room - 6))}`);
        for (const line of hunk.lines) {
          const text = cut(line.replaceAll('\t', '    '), room - 8);
          lines.push(`        ${line.startsWith('+') ? paint.green(text) : paint.red(text)}`);
        }
      }
    }
  }
  lines.push(
    '',
    `Made ${made.patches.length} modules in ${dir}, registered as ${made.name}; the list above is in ${path.join(dir, 'checklist.md')}`,
    `When ported: vfio-lab port check ${made.name} --series ${file}`,
  );
  return lines;
}

function renderCheck(result: PortCheck, io: Io, all: boolean): string[] {
  const paint = colors(io);
  const room = width(io);
  const lines: string[] = [];
  for (const patch of result.patches) {
    lines.push(paint.bold(cut(`${patch.number}/${result.patches.length} ${patch.subject}`, room)));
    if (patch.skipped !== null) lines.push(`    not compared: ${patch.skipped}`);
    for (const hunk of patch.hunks) lines.push(...renderHunk(hunk, io, room, all));
  }
  const skipped = result.patches.filter((patch) => patch.skipped !== null).length;
  const compared = result.patches.length - skipped;
  const total = `${compared} of ${result.patches.length} patches compared: ${counts(result)}`;
  lines.push('', result.missing > 0 ? paint.red(total) : paint.green(total));
  return lines;
}

function counts({ covered, missing, extra }: { covered: number; missing: number; extra: number }): string {
  return `${covered} covered, ${missing} missing, ${extra} extra`;
}

function renderHunk(hunk: CheckedHunk, io: Io, room: number, all: boolean): string[] {
  const paint = colors(io);
  const what =
    hunk.functions.length === 0 ? 'declarations' : hunk.functions.map((name) => `${name}()`).join(' ');
  const where = /^@@[^@]*@@/.exec(hunk.header)?.[0] ?? hunk.header;
  const numbers = counts({ ...hunk, extra: hunk.extra.length });
  const lines = [
    `    ${paint.dim(`${hunk.file} ${where}`)}`,
    `      ${what}: ${hunk.missing > 0 ? paint.red(numbers) : numbers}`,
  ];
  let said: string | null = null;
  for (const line of hunk.lines) {
    if (line.status === 'nothing' || (line.status === 'covered' && !all)) continue;
    const text = `${line.kind}${line.text.replaceAll('\t', '    ')}`;
    const label = { covered: '  covered', missing: '  missing', unread: '  unread ' }[line.status];
    lines.push(
      `      ${line.status === 'missing' ? paint.red(label) : paint.dim(label)} ${cut(text, room - 17)}`,
    );
    // Of a statement on several lines once
    if (line.why !== null && line.why !== said) lines.push(`          ${cut(line.why, room - 10)}`);
    said = line.why;
    if (line.status === 'unread') lines.push('          its statement starts before the hunk: look yourself');
  }
  for (const extra of hunk.extra) {
    lines.push(
      `        ${paint.yellow('extra')}   ${cut(`${extra.text} in ${extra.function}(), ${extra.at}`, room - 16)}`,
    );
  }
  return lines;
}
