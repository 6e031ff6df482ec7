// SPDX-License-Identifier: GPL-2.0-only
// Two revisions side by side: patches, functions, behaviour, comments.
import { scenarios as library, type Scenario } from '@vfio-lab/scenarios';
import type { Comment, Series } from '../reader/types.ts';
import { compareScenario } from './behaviour.ts';
import { errnos, judge, judgeAside, type Judged } from './deep.ts';
import { ledger } from './ledger.ts';
import { pair } from './pairs.ts';
import { hasC, hunksOf, type LoadedSide, loadSide, patchText } from './side.ts';
import { Sources } from './source.ts';
import { lineDiff } from './text.ts';
import type { Comparison, FunctionPair, PatchPair, ScenarioPair } from './types.ts';

export interface CompareOptions {
  /** The two series as mailed, or as git has them. */
  seriesA?: Series | null;
  seriesB?: Series | null;
  /** They come from a kernel tree, where a series has no title and no version. */
  fromGit?: boolean;
  scenarios?: readonly Scenario[];
  /** Random schedules for each scenario whose result depends on the schedule. Default: few. */
  schedules?: number;
  /** Judge the review claims on both, and compare interface, errnos and lock order. Default: yes. */
  claims?: boolean;
  /** Use a second thread for that. */
  parallel?: boolean;
  /** Called before each piece of work. Return true to stop. */
  progress?(done: number, total: number, what: string): boolean | Promise<boolean>;
}

const SCHEDULES = 6;

/** Compare two revisions. Throws InputError for an unknown one, or a series file of another series. */
export async function compareRevisions(
  nameA: string,
  nameB: string,
  opts: CompareOptions = {},
): Promise<Comparison> {
  const a = loadSide(nameA, opts.seriesA ?? null, opts.fromGit);
  const b = loadSide(nameB, opts.seriesB ?? null, opts.fromGit);
  const sources = new Sources();
  const comments = a.series?.comments ?? [];
  const patches = patchPairs(a, b, sources);
  const functions = functionPairs(a, b, sources, comments);
  const { scenarios, claims, uapi, errno, locks, stopped } = await run(nameA, nameB, opts);
  return {
    a: a.info,
    b: b.info,
    patches,
    functions,
    fields: { onlyA: without(fieldsOf(a), fieldsOf(b)), onlyB: without(fieldsOf(b), fieldsOf(a)) },
    scenarios,
    comments,
    ledger: a.series === null ? [] : ledger({ series: a.series, other: b.series, patches, functions, nameB }),
    claims,
    uapi,
    errno,
    locks,
    sameBehaviour: !stopped && scenarios.every((s) => s.state === 'same') && uapi.length + errno.length === 0,
    stopped,
  };
}

const without = (x: readonly string[], y: readonly string[]): string[] => x.filter((e) => !y.includes(e));

function fieldsOf(side: LoadedSide): string[] {
  return side.modules.flatMap((m) =>
    Object.entries(m.fields ?? {}).flatMap(([struct, fields]) =>
      Object.keys(fields).map((f) => `struct ${struct} ${f}`),
    ),
  );
}

/** The range-diff: which patch became which, and how what it changes changed. */
function patchPairs(a: LoadedSide, b: LoadedSide, sources: Sources): PatchPair[] {
  return pair(a.patches, b.patches).map((p): PatchPair => {
    const x = p.a === null ? null : a.patches[p.a];
    const y = p.b === null ? null : b.patches[p.b];
    if (p.a === null || p.b === null || x === null || y === null) {
      return {
        a: x,
        b: y,
        state: x === null ? 'new' : x.inBase ? 'merged' : 'dropped',
        moved: false,
        confidence: 0,
        onlyA: x?.functions ?? [],
        onlyB: y?.functions ?? [],
        language: 'TypeScript',
        change: [],
      };
    }
    const language = hasC(a, p.a) && hasC(b, p.b) ? 'C' : 'TypeScript';
    const [before, after] = [patchText(a, p.a, language, sources), patchText(b, p.b, language, sources)];
    const same = before === after && x.subject === y.subject;
    return {
      a: x,
      b: y,
      state: same ? 'same' : 'changed',
      moved: p.moved,
      confidence: p.confidence,
      onlyA: without(x.functions, y.functions),
      onlyB: without(y.functions, x.functions),
      language,
      change: before === after ? [] : lineDiff(before, after),
    };
  });
}

/** Every function that either side patches, as it stands at the end of both. */
function functionPairs(
  a: LoadedSide,
  b: LoadedSide,
  sources: Sources,
  comments: readonly Comment[],
): FunctionPair[] {
  const names = new Set([...listed(a), ...listed(b)]);
  const list = [...names].flatMap((name): FunctionPair[] => {
    const [x, y] = [sources.of(a.rev, name), sources.of(b.rev, name)];
    if (x === null && y === null) return [];
    const state = x === null ? 'new' : y === null ? 'dropped' : x.text === y.text ? 'same' : 'changed';
    const side = y === null ? a : b;
    return [
      {
        name,
        cfile: sources.cfile(side.rev, name),
        state,
        a: x,
        b: y,
        patchesA: patchesOf(a, name),
        patchesB: patchesOf(b, name),
        cA: cOf(a, name),
        cB: cOf(b, name),
        diff: state === 'same' ? [] : lineDiff(x?.text ?? '', y?.text ?? ''),
        comments: comments
          .filter(
            (c) =>
              c.function === name || c.remarks.some((r) => r.function === name || r.mentions.includes(name)),
          )
          .map((c) => c.number),
      },
    ];
  });
  return list.sort((x, y) => x.cfile.localeCompare(y.cfile));
}

const listed = (side: LoadedSide): string[] => [
  ...side.rev.image.patched(),
  ...side.patches.flatMap((p) => p.functions),
];

const patchesOf = (side: LoadedSide, name: string): number[] =>
  side.patches.filter((p) => p.functions.includes(name)).map((p) => p.number);

function cOf(side: LoadedSide, name: string): { patch: number; diff: string }[] {
  if (side.series === null) return [];
  return side.patches.flatMap((p) => {
    const diff = hunksOf(side.series, p.number, name);
    return diff === '' ? [] : [{ patch: p.number, diff }];
  });
}

interface Ran extends Judged {
  scenarios: ScenarioPair[];
  errno: Comparison['errno'];
  stopped: boolean;
}

async function run(nameA: string, nameB: string, opts: CompareOptions): Promise<Ran> {
  const chosen = opts.scenarios ?? library;
  const deep = opts.claims !== false;
  const aside = deep && opts.parallel === true ? judgeAside(nameA, nameB) : null;
  const total = chosen.length + (deep ? 2 : 0);
  const result: Ran = {
    scenarios: [],
    claims: [],
    uapi: [],
    errno: [],
    locks: { onlyA: [], onlyB: [] },
    stopped: false,
  };
  const asked = async (done: number, what: string): Promise<boolean> => {
    if ((await opts.progress?.(done, total, what)) === true) result.stopped = true;
    if (result.stopped) aside?.stop();
    return result.stopped;
  };
  for (const [i, scenario] of chosen.entries()) {
    if (await asked(i, scenario.name)) return result;
    const schedules = Math.min(scenario.schedules ?? 0, opts.schedules ?? SCHEDULES);
    result.scenarios.push(await compareScenario(scenario, nameA, nameB, schedules));
  }
  if (!deep) return result;
  if (await asked(chosen.length, 'errno matrix')) return result;
  result.errno = await errnos(nameA, nameB);
  if (await asked(chosen.length + 1, 'claims, lock order')) return result;
  return Object.assign(result, await (aside?.result ?? judge(nameA, nameB)));
}
