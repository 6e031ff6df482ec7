// SPDX-License-Identifier: GPL-2.0-only
// vfio-lab claims --races: the races that the review spoke of, searched on each revision.
import type { JudgedRace, RaceRow, RaceVerdict } from '@vfio-lab/explore';
import { UsageError } from '../program.ts';
import { replayCommand } from './findings.ts';
import { interruptible } from './interrupt.ts';
import { colors, type Colors, type Io, width, writeJson } from './io.ts';
import { progress } from './progress.ts';
import { table, wrap } from './text.ts';

/** Seconds that one search may take: several times what the longest one needs on a processor of its own. */
export const RACE_SECONDS = 60;

export interface RaceArguments {
  /** Claims; undefined: all that speak of a race. */
  ids: readonly string[] | undefined;
  /** Seconds a search, as given; undefined: RACE_SECONDS. */
  time: unknown;
  /** Threads. */
  jobs: number;
  json: boolean;
}

/**
 * Judge the races and print them.
 *
 * @param revisions names, one column each
 */
export async function runRaces(
  revisions: readonly string[],
  { ids, time, jobs, json }: RaceArguments,
  io: Io,
): Promise<void> {
  const seconds = Number(time ?? RACE_SECONDS);
  if (!(seconds > 0)) throw new UsageError(`--time ${String(time)}`, 'give a number of seconds');
  const { judgeRaces, notSearched } = await import('@vfio-lab/explore');
  const { revision } = await import('@vfio-lab/series');
  for (const name of revisions) revision(name);
  const meter = progress(io, 'races');
  const interrupt = interruptible();
  const rows = await judgeRaces(revisions, {
    ...(ids !== undefined && { ids }),
    time: seconds * 1000,
    jobs,
    stop: (p) => {
      meter.update(p.done, p.total, `${p.executions} executions, ${p.scenario} on ${p.revision}`);
      return interrupt.asked();
    },
  });
  meter.end();
  interrupt.end();
  const left = [...notSearched(rows, revisions)].map(([rev, claims]) => `${claims.join(' ')} on ${rev}`);
  if (left.length > 0) io.stderr.write(`vfio-lab: not searched: ${left.join(', ')}\n`);
  if (json) writeJson(io, { revisions, races: rows.map((row) => toJson(row)) });
  else io.stdout.write(`${render(rows, revisions, io).join('\n')}\n`);
}

function command(row: RaceRow, judged: JudgedRace): string {
  return replayCommand(row.scenario, judged.revision, judged.schedule);
}

function toJson({ verdicts, ...row }: RaceRow): unknown {
  const withCommand = Object.entries(verdicts).map(([rev, judged]) => [
    rev,
    judged.verdict === 'reachable' ? { ...judged, command: command({ ...row, verdicts }, judged) } : judged,
  ]);
  return { ...row, verdicts: Object.fromEntries(withCommand) as Record<string, unknown> };
}

const WORDS: Record<RaceVerdict, string> = {
  reachable: 'reachable',
  'exhausted-without': 'none of',
  'not-reached': 'not in',
  'does-not-arise': '-',
};

/** 'reachable', 'none of 6566': all executions; 'not in 9000': there are more. */
function word(judged: JudgedRace | undefined, good: boolean, paint: Colors): string {
  if (judged === undefined) return '';
  const text = WORDS[judged.verdict];
  if (judged.verdict === 'does-not-arise') return paint.dim(text);
  if (judged.verdict === 'reachable') return good ? paint.green(text) : paint.red(text);
  const long = `${text} ${judged.executions}`;
  return judged.verdict === 'not-reached' ? paint.yellow(long) : good ? paint.red(long) : paint.green(long);
}

function render(rows: readonly RaceRow[], revisions: readonly string[], io: Io): string[] {
  const paint = colors(io);
  const shape = [
    { title: 'claim' },
    ...revisions.map((title) => ({ title })),
    { title: 'what-if' },
    { title: 'the race', flexible: true },
  ];
  const cells = rows.map((row) => [
    row.id,
    ...revisions.map((rev) => word(row.verdicts[rev], false, paint)),
    row.whatIf === null ? paint.dim('-') : word(row.verdicts[row.whatIf], true, paint),
    row.what,
  ]);
  const lines = [...table(shape, cells, { width: width(io), head: paint.bold }), ''];
  lines.push(
    'none of n: all schedules are searched, n executions; not in n: there are more; -: does not arise',
    '',
  );
  for (const row of rows) lines.push(...details(row, paint, width(io)));
  return lines;
}

/** What shows a race, how to see it again, and what is left open. */
function details(row: RaceRow, paint: Colors, room: number): string[] {
  const lines: string[] = [];
  for (const judged of Object.values(row.verdicts)) {
    if (judged.verdict === 'exhausted-without' && judged.revision !== row.whatIf) continue;
    lines.push(...wrap(`${judged.revision}: ${judged.text}`, room - 2).map((l) => `  ${l}`));
    if (judged.verdict === 'reachable') lines.push(`    ${command(row, judged)}`);
  }
  if (lines.length === 0) return [];
  return [`${paint.bold(row.id)} ${row.scenario}`, ...lines];
}
