// SPDX-License-Identifier: GPL-2.0-only
// vfio-lab claims: what was said in the review, and whether it is so on each revision.
import { availableParallelism } from 'node:os';
import type { ClaimResult, TableRow, Verdict } from '@vfio-lab/review';
import type { CAC } from 'cac';
import { UsageError } from '../program.ts';
import { interruptible } from '../ui/interrupt.ts';
import { colors, type Colors, type Io, width, writeJson } from '../ui/io.ts';
import { progress } from '../ui/progress.ts';
import { table, wrap } from '../ui/text.ts';
import { RACE_SECONDS, runRaces } from '../ui/claim-races.ts';
import { count } from './scenario.ts';

interface Options {
  revision?: string;
  id?: string;
  table?: boolean;
  races?: boolean;
  time?: number;
  jobs?: number;
  seed?: number;
  trace?: boolean;
  json?: boolean;
}

/** Registers the command. */
export function register(cli: CAC, io: Io): void {
  cli
    .command('claims', 'Judge what was said in the review by running it')
    .option(
      '--revision <names>',
      'Revisions, separated by commas: v4, v7, v4@4, base (default: v3,v4,v5,v6,v7)',
    )
    .option('--id <ids>', 'Claims, separated by commas: C11, C35 (default: all)')
    .option('--table', 'Run what sets the revisions apart instead: one aspect a row')
    .option(
      '--races',
      'Search the races that claims speak of instead, on each revision and on a variant that must have them',
    )
    .option(
      '--time <seconds>',
      `With --races: of one search (default: ${RACE_SECONDS}; what is not searched whole by then is said to be so)`,
    )
    .option('--jobs <n>', 'With --races: threads (default: one a processor)')
    .option('--seed <n>', 'Run races under the random schedule of this seed only')
    .option('--trace', 'With one id and one revision: also the timeline of the last run')
    .option('--json', 'Print the result as JSON')
    .example('  vfio-lab claims --id C35 --revision v4,v4+exit-order')
    .example('  vfio-lab claims --races --id C35,C36 --revision v4,v7 --time 60')
    .action(async (options: Options) => {
      const { CLAIM_REVISIONS } = await import('@vfio-lab/review');
      const revisions = options.revision === undefined ? CLAIM_REVISIONS : words(options.revision);
      if (revisions.length === 0)
        throw new UsageError('--revision names nothing', 'give names, separated by commas');
      if (options.table === true) return runTable(revisions, options, io);
      if (options.races === true) {
        const ids = options.id === undefined ? undefined : words(options.id);
        const jobs = options.jobs === undefined ? availableParallelism() : count('jobs', options.jobs, 1);
        return runRaces(revisions, { ids, time: options.time, jobs, json: options.json === true }, io);
      }
      return runClaims(revisions, options, io);
    });
}

function words(value: unknown): string[] {
  return String(value)
    .split(',')
    .map((word) => word.trim())
    .filter(Boolean);
}

async function runClaims(revisions: readonly string[], options: Options, io: Io): Promise<void> {
  const { judgeClaims } = await import('@vfio-lab/review');
  const ids = options.id === undefined ? undefined : words(options.id);
  if (options.trace === true && (ids?.length !== 1 || revisions.length !== 1))
    throw new UsageError('--trace needs one claim and one revision', 'add --id and --revision');
  const meter = progress(io, 'claims');
  const interrupt = interruptible();
  const claims = await judgeClaims(revisions, {
    ...(ids !== undefined && { ids }),
    ...(options.seed !== undefined && { seed: count('seed', options.seed) }),
    tracing: options.trace === true,
    progress: (done, total, what) => {
      meter.update(done, total, what);
      return interrupt.asked();
    },
  });
  meter.end();
  interrupt.end();
  if (options.json === true) {
    writeJson(io, { revisions, claims });
    return;
  }
  const paint = colors(io);
  const lines =
    ids === undefined
      ? overview(claims, revisions, paint, width(io))
      : claims.flatMap((c) => details(c, revisions, paint, width(io)));
  io.stdout.write(`${lines.join('\n')}\n`);
}

/** Good or bad news: a rule should hold, a defect should not. */
function painted(c: ClaimResult, verdict: Verdict | undefined, paint: Colors, long?: string): string {
  const word = long ?? (verdict === undefined ? '' : SHORT[verdict]);
  if (c.sense === 'remark' || (verdict !== 'holds' && verdict !== 'does-not-hold')) return paint.dim(word);
  return (c.sense === 'rule') === (verdict === 'holds') ? paint.green(word) : paint.red(word);
}

const SHORT: Record<Verdict, string> = {
  holds: 'holds',
  'does-not-hold': 'no',
  'not-reachable': 'n/r',
  'not-about-behaviour': '-',
};
const LONG: Record<Verdict, string> = {
  holds: 'holds',
  'does-not-hold': 'does not hold',
  'not-reachable': 'not reachable',
  'not-about-behaviour': 'not about behaviour',
};
const LEGEND = 'holds: true of this revision; no: not true; n/r: not reachable in it; -: not about behaviour';

function overview(
  claims: readonly ClaimResult[],
  revisions: readonly string[],
  paint: Colors,
  room: number,
): string[] {
  const shape = [
    { title: 'claim' },
    { title: 'said of' },
    ...revisions.map((title) => ({ title })),
    { title: 'what was said', flexible: true },
  ];
  const rows = claims.map((c) => [
    c.id,
    c.on,
    ...revisions.map((rev) => painted(c, c.verdicts[rev], paint)),
    c.text,
  ]);
  const judged = claims.filter((c) => c.kind === 'behaviour').length;
  return [
    ...table(shape, rows, { width: room, head: paint.bold }),
    '',
    LEGEND,
    `${claims.length} claims, ${judged} about behaviour; vfio-lab claims --id C11 shows the evidence`,
  ];
}

function details(c: ClaimResult, revisions: readonly string[], paint: Colors, room: number): string[] {
  const lines = [
    `${paint.bold(c.id)} ${c.who}, ${c.when}, on ${c.on}`,
    ...wrap(c.text, room - 2).map((l) => `  ${l}`),
    ...wrap(`then: ${c.fate}`, room - 2).map((l) => `  ${l}`),
  ];
  for (const rev of revisions) {
    const verdict = c.verdicts[rev];
    const evidence = c.evidence[rev];
    if (verdict === undefined || evidence === undefined) continue;
    lines.push(
      `  ${rev}: ${painted(c, verdict, paint, LONG[verdict])}`,
      ...wrap(evidence.text, room - 4).map((l) => `    ${l}`),
    );
    if (evidence.command !== undefined && evidence.seed !== undefined)
      lines.push(`    again: ${evidence.command}`);
    for (const e of evidence.events ?? [])
      lines.push(
        `    ${(e.at / 1e6).toFixed(4)} ms  ${e.task}  ${e.kind}  ${e.text}${e.fn === '' ? '' : `  (${e.fn})`}`,
      );
  }
  return [...lines, ''];
}

async function runTable(revisions: readonly string[], options: Options, io: Io): Promise<void> {
  const { revisionTable } = await import('@vfio-lab/review');
  const meter = progress(io, 'table');
  const interrupt = interruptible();
  const rows = await revisionTable(revisions, (done, total, what) => {
    meter.update(done, total, what);
    return interrupt.asked();
  });
  meter.end();
  interrupt.end();
  if (options.json === true) writeJson(io, { revisions, rows });
  else io.stdout.write(`${renderTable(rows, revisions, io).join('\n')}\n`);
}

/** An aspect a paragraph; revisions that do the same share a line. */
function renderTable(rows: readonly TableRow[], revisions: readonly string[], io: Io): string[] {
  const paint = colors(io);
  return rows.flatMap((row) => {
    const groups = new Map<string, string[]>();
    for (const rev of revisions)
      groups.set(row.cells[rev] ?? '', [...(groups.get(row.cells[rev] ?? '') ?? []), rev]);
    const lines = [...groups].flatMap(([cell, revs]) => {
      const head = `  ${revs.join(' ')}: `;
      return wrap(cell, width(io) - head.length).map(
        (l, i) => (i === 0 ? head : ' '.repeat(head.length)) + l,
      );
    });
    return [paint.bold(row.aspect), ...lines];
  });
}
