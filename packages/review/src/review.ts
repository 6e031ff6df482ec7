// SPDX-License-Identifier: GPL-2.0-only
// A review of a series: what it says, what it changes, what it does when it runs.
import { runScenario, type Scenario, scenarios as library } from '@vfio-lab/scenarios';
import {
  firstPrefix,
  functionsOf,
  revision,
  SERIES,
  type SeriesInfo,
  type SeriesPatch,
} from '@vfio-lab/series';
import { InputError } from '@vfio-lab/sim';
import type { Comment, Diffstat, Patch, Revision, Series } from './reader/types.ts';

export interface ReviewedFunction {
  file: string;
  name: string;
  /** The port of this patch has it. */
  ported: boolean;
  /** The function was there before the patch. */
  replaces: boolean;
  /** Numbers of the comments that speak of it. */
  comments: number[];
}

export interface ReviewedPatch {
  number: number;
  subject: string;
  messageId: string | null;
  date: string | null;
  files: string[];
  functions: ReviewedFunction[];
  /** Functions that the mail changes and the port lacks. */
  missing: string[];
  /** Numbers of the comments on this patch. */
  comments: number[];
}

/** What a scenario came to with the first patches of the series. */
export interface Cell {
  revision: string;
  prefix: number;
  /** How often each outcome came, by outcome; one entry under the default schedule. */
  outcomes: Record<string, number>;
  /** How many of the runs had a finding of each kind, with the words of the first. */
  findings: { kind: string; runs: number; text: string; seed: number | null; schedule: string }[];
  runs: number;
  /** Outcomes or findings are others than with one patch less. */
  changed: boolean;
}

export interface ReviewedScenario {
  name: string;
  about: string;
  claims: string[];
  topology: string;
  cells: Cell[];
}

export interface Review {
  series: {
    name: string;
    title: string;
    version: number;
    author: { name: string; email: string | null };
    date: string | null;
    messageId: string | null;
    base: string;
    summary: string;
    /** Where thread, patches and diffstat come from: the file given, or what vfio-lab itself knows. */
    source: string;
    diffstat: Diffstat | null;
    changelog: Revision[];
  };
  patches: ReviewedPatch[];
  comments: Comment[];
  scenarios: ReviewedScenario[];
  /** Not all cells were computed: stopped before the end. */
  stopped: boolean;
  /** What the series file lacks. */
  gaps: { what: string; where: string }[];
}

export interface ReviewOptions {
  /** The series as mailed, when the user gave it. */
  series?: Series;
  scenarios?: readonly Scenario[];
  /** Random schedules for each scenario whose result depends on the schedule; default: what the scenario asks for. */
  schedules?: number;
  /** Called before each run. Return true to stop. */
  progress?(done: number, total: number, what: string): boolean | Promise<boolean>;
}

/** The series by name. Throws InputError with what there is. */
export function seriesByName(name: string): SeriesInfo {
  const found = SERIES.find((s) => s.name === name);
  if (found !== undefined) return found;
  throw new InputError(
    `no series "${name}"`,
    'review',
    `take one of ${SERIES.map((s) => s.name).join(', ')}`,
  );
}

/** Review a series by running it at every prefix. Throws InputError when a series file is of another series. */
export async function reviewSeries(name: string, opts: ReviewOptions = {}): Promise<Review> {
  const known = seriesByName(name);
  if (opts.series !== undefined) checkSame(known, opts.series);
  const patches = known.patches.map((p, i) => reviewPatch(known, p, i, opts.series));
  const { rows, stopped } = await runTable(known, opts);
  return {
    series: {
      name: known.name,
      title: opts.series?.title ?? known.title,
      version: known.version,
      author: opts.series?.author ?? known.author,
      date: opts.series?.date ?? known.date,
      messageId: opts.series?.messageId ?? known.messageId,
      base: known.base,
      summary: known.summary,
      source: opts.series?.fileName ?? 'vfio-lab',
      diffstat: opts.series?.diffstat ?? null,
      changelog: opts.series?.changelog ?? [
        { version: known.version, link: null, items: [...known.changelog] },
      ],
    },
    patches,
    comments: opts.series?.comments ?? [],
    scenarios: rows,
    stopped,
    gaps: opts.series?.gaps ?? [],
  };
}

/** The mails must be those of the ported series. Throws InputError. */
export function checkSame(known: SeriesInfo, given: Series): void {
  const same = given.title.trim().toLowerCase() === known.title.toLowerCase();
  if (same && given.version === known.version) return;
  throw new InputError(
    `"${given.title}" v${given.version} is not the ported series "${known.title}" v${known.version}`,
    given.fileName,
    `give the mails of ${known.name}, or read this one with \`vfio-lab series\``,
  );
}

function reviewPatch(
  known: SeriesInfo,
  ported: SeriesPatch,
  index: number,
  given: Series | undefined,
): ReviewedPatch {
  const info = ported.patch;
  const mail = given?.patches.find((p) => p.number === info.number);
  const comments = given?.comments.filter((c) => c.patch === info.number) ?? [];
  const before = new Set(
    [...revision('base').image.base, ...known.patches.slice(0, index)].flatMap((m) => [
      ...functionsOf(m).keys(),
    ]),
  );
  const has = functionsOf(ported);
  const functions = functionList(ported, mail).map(({ file, name }) => ({
    file,
    name,
    ported: info.inBase === true || has.has(name),
    replaces: before.has(name),
    comments: comments.filter((c) => speaksOf(c, name)).map((c) => c.number),
  }));
  return {
    number: info.number,
    subject: mail?.subject ?? info.subject,
    messageId: mail?.messageId ?? info.messageId,
    date: mail?.date ?? info.date,
    files: [...info.files],
    functions,
    missing: functions.filter((f) => !f.ported).map((f) => f.name),
    comments: comments.map((c) => c.number),
  };
}

/** Functions of the patch: those of the port, and those that only the mail's own diff shows. */
function functionList(ported: SeriesPatch, mail: Patch | undefined): { file: string; name: string }[] {
  const list = Object.entries(ported.patch.functions).flatMap(([file, names]) =>
    names.map((name) => ({ file, name })),
  );
  const known = new Set(list.map((f) => f.name));
  const extra = (mail?.functions ?? []).filter((f) => f.file.endsWith('.c') && !known.has(f.name));
  return [...list, ...extra];
}

function speaksOf(c: Comment, name: string): boolean {
  return c.function === name || c.remarks.some((r) => r.function === name || r.mentions.includes(name));
}

async function runTable(
  known: SeriesInfo,
  opts: ReviewOptions,
): Promise<{ rows: ReviewedScenario[]; stopped: boolean }> {
  const chosen = opts.scenarios ?? library;
  const runsOf = (s: Scenario): number =>
    s.schedules === undefined ? 1 : Math.max(1, opts.schedules ?? s.schedules);
  const first = firstPrefix(known);
  const last = known.patches.length;
  const total = chosen.reduce((n, s) => n + runsOf(s) * (last - first + 1), 0);
  const rows: ReviewedScenario[] = [];
  let done = 0;
  for (const scenario of chosen) {
    const row: ReviewedScenario = {
      name: scenario.name,
      about: scenario.about,
      claims: [...(scenario.claims ?? [])],
      topology: scenario.topology,
      cells: [],
    };
    rows.push(row);
    for (let prefix = first; prefix <= last; prefix++) {
      const name = `${known.name}@${prefix}`;
      const cell: Cell = { revision: name, prefix, outcomes: {}, findings: [], runs: 0, changed: false };
      for (let i = 0; i < runsOf(scenario); i++) {
        if ((await opts.progress?.(done, total, `${scenario.name} on ${name}`)) === true)
          return { rows, stopped: true };
        await addRun(cell, scenario, name, scenario.schedules === undefined ? null : i);
        done++;
      }
      const before = row.cells.at(-1);
      cell.changed = before !== undefined && signature(before) !== signature(cell);
      row.cells.push(cell);
    }
  }
  return { rows, stopped: false };
}

async function addRun(cell: Cell, scenario: Scenario, name: string, seed: number | null): Promise<void> {
  const run = await runScenario(scenario, {
    revision: name,
    schedule: seed === null ? { kind: 'default' } : { kind: 'random', seed },
  });
  cell.runs++;
  cell.outcomes[run.outcome] = (cell.outcomes[run.outcome] ?? 0) + 1;
  for (const kind of new Set(run.findings.map((f) => f.kind))) {
    const entry = cell.findings.find((f) => f.kind === kind);
    const first = run.findings.find((f) => f.kind === kind);
    if (entry !== undefined) entry.runs++;
    else cell.findings.push({ kind, runs: 1, text: first?.text ?? '', seed, schedule: run.schedule });
  }
}

/** Which outcomes and findings there were, not how often: counts move with every change of the code. */
function signature(cell: Cell): string {
  return JSON.stringify([Object.keys(cell.outcomes).sort(), cell.findings.map((f) => f.kind).sort()]);
}
