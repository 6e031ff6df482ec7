// SPDX-License-Identifier: GPL-2.0-only
// vfio-lab check <series> [other]: the verdict of a review, for b4, a test harness, or a mail.
import type { CheckGroup, Series } from '@vfio-lab/review';
import type { CAC } from 'cac';
import { UsageError } from '../program.ts';
import { interruptible } from '../ui/interrupt.ts';
import { type Io, readInput, STDIN, writeJson } from '../ui/io.ts';
import { nearest } from '@vfio-lab/sim';
import { progress } from '../ui/progress.ts';
import { count } from './scenario.ts';

interface Options {
  format: string;
  series?: string;
  seriesA?: string;
  seriesB?: string;
  schedules?: number;
}

const FORMATS = ['b4', 'ktap', 'text'];

/** Registers the command. */
export function register(cli: CAC, io: Io): void {
  cli
    .command(
      'check <series> [other]',
      'The verdict on a series, or on a revision against another, for other tools',
    )
    .option('--format <name>', 'b4 (JSON for b4 review), ktap, or text to quote in a mail', {
      default: 'text',
    })
    .option('--series <file>', 'The series as mailed')
    .option('--series-a <file>', 'The same, of the first of two revisions')
    .option('--series-b <file>', 'The same, of the second')
    .option('--schedules <n>', 'Random schedules for each scenario that depends on the schedule')
    .example('  vfio-lab check v7 --format ktap')
    .example('  vfio-lab check - --format b4 < patch.eml    the series that a mail belongs to')
    .action(async (name: string, other: string | undefined, options: Options) => {
      const { format } = options;
      if (!FORMATS.includes(format)) {
        const guess = nearest(format, FORMATS);
        throw new UsageError(
          `no format "${format}"`,
          guess === null ? `there are ${FORMATS.join(', ')}` : `did you mean ${guess}?`,
        );
      }
      const { b4Checks, ktap, mailText, seriesOfMail } = await import('@vfio-lab/review');
      const known = name === STDIN ? seriesOfMail(new TextDecoder().decode(readInput(STDIN))) : name;
      const groups =
        other === undefined ? await one(known, options, io) : await two(known, other, options, io);
      if (format === 'b4') writeJson(io, b4Checks(groups));
      else if (format === 'ktap') io.stdout.write(ktap(groups));
      else io.stdout.write(mailText(other === undefined ? known : `${known} and ${other}`, groups));
      // b4 reads the status from the JSON and takes another exit status for a broken command.
      return format !== 'b4' && groups.some((g) => g.status === 'fail') ? 1 : 0;
    });
}

async function read(file: string | undefined): Promise<Series | undefined> {
  const { readSeries } = await import('@vfio-lab/review');
  return file === undefined ? undefined : readSeries(readInput(file), file);
}

async function one(name: string, options: Options, io: Io): Promise<CheckGroup[]> {
  if (options.seriesA !== undefined || options.seriesB !== undefined)
    throw new UsageError('--series-a or --series-b with one series', 'give --series');
  const { checksOfReview, reviewSeries, seriesByName } = await import('@vfio-lab/review');
  seriesByName(name);
  const series = await read(options.series);
  const watch = follow(io, `check ${name}`);
  const review = await reviewSeries(name, {
    ...(series !== undefined && { series }),
    ...schedules(options),
    progress: watch.progress,
  });
  watch.end();
  return stopped(review.stopped, checksOfReview(review));
}

async function two(a: string, b: string, options: Options, io: Io): Promise<CheckGroup[]> {
  if (options.series !== undefined)
    throw new UsageError('--series with two revisions', 'give --series-a and --series-b');
  const { checksOfComparison, compareRevisions } = await import('@vfio-lab/review');
  const [seriesA, seriesB] = [await read(options.seriesA), await read(options.seriesB)];
  const watch = follow(io, `check ${a} ${b}`);
  const comparison = await compareRevisions(a, b, {
    seriesA: seriesA ?? null,
    seriesB: seriesB ?? null,
    claims: false,
    ...schedules(options),
    progress: watch.progress,
  });
  watch.end();
  return stopped(comparison.stopped, checksOfComparison(comparison));
}

const schedules = (options: Options): { schedules?: number } =>
  options.schedules === undefined ? {} : { schedules: count('schedules', options.schedules, 1) };

function stopped(early: boolean, groups: CheckGroup[]): CheckGroup[] {
  if (!early) return groups;
  const items: CheckGroup['items'] = [
    { name: 'interrupted', status: 'fail', text: 'stopped before the end' },
  ];
  return [...groups, { name: 'complete', status: 'fail', summary: 'stopped before the end', items }];
}

function follow(
  io: Io,
  label: string,
): { progress(done: number, total: number, what: string): Promise<boolean>; end(): void } {
  const meter = progress(io, label);
  const interrupt = interruptible();
  return {
    progress: (done, total, what) => {
      meter.update(done, total, what);
      return interrupt.asked();
    },
    end: () => {
      meter.end();
      interrupt.end();
    },
  };
}
