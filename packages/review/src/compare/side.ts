// SPDX-License-Identifier: GPL-2.0-only
// One side of a comparison: a revision, its patches, and the C of it when the user has given that.
import { execFileSync } from 'node:child_process';
import { InputError } from '@vfio-lab/sim';
import { firstPrefix, functionsOf, revision, type PatchModule, type Revision } from '@vfio-lab/series';
import { readSeries } from '../reader/series-reader.ts';
import type { FileDiff, Series } from '../reader/types.ts';
import { checkSame } from '../review.ts';
import type { Sources } from './source.ts';
import { unified } from './text.ts';
import type { Side, SidePatch } from './types.ts';

export interface LoadedSide {
  info: Side;
  rev: Revision;
  patches: SidePatch[];
  /** The revision before each patch: patches[i] was laid over before[i]. */
  before: (Revision | null)[];
  modules: PatchModule[];
  series: Series | null;
}

/** A revision with its patches; the mails, when given, must be of the same series. Throws InputError. */
export function loadSide(name: string, series: Series | null, fromGit = false): LoadedSide {
  const rev = revision(name);
  const known = rev.series;
  if (series !== null && known !== null && !fromGit) checkSame(known, series);
  const own = known?.patches.slice(0, rev.prefix) ?? [];
  const first = known === null ? 0 : firstPrefix(known);
  const patches: SidePatch[] = own.map(({ patch }) => ({
    number: patch.number,
    subject: patch.subject,
    messageId: patch.messageId,
    files: [...patch.files],
    functions: Object.values(patch.functions).flat(),
    inBase: patch.inBase === true,
  }));
  const before: (Revision | null)[] = own.map((_, i) =>
    i < first ? null : revision(known === null ? 'base' : `${known.name}@${i}`),
  );
  for (const [i, w] of rev.whatifs.entries()) {
    patches.push({
      number: own.length + i + 1,
      subject: `what if: ${w.whatif.summary}`,
      messageId: '',
      files: Object.keys(w.whatif.functions),
      functions: Object.values(w.whatif.functions).flat(),
      inBase: false,
    });
    const tags = rev.whatifs.slice(0, i).map((x) => `+${x.whatif.name}`);
    before.push(revision(`${known?.name ?? 'base'}@${rev.prefix}${tags.join('')}`));
  }
  return {
    info: {
      name,
      title: known?.title ?? 'the base',
      version: known?.version ?? 0,
      author: known?.author.name ?? '',
      date: known?.date ?? '',
      base: known?.base ?? 'v5.19-rc4',
      patches: patches.length,
      changelog: [...(known?.changelog ?? [])],
      source: series?.fileName ?? null,
    },
    rev,
    patches,
    before,
    modules: [...own, ...rev.whatifs],
    series,
  };
}

/**
 * The commits of a range in a kernel tree, as the mails that git would make of them.
 *
 * @throws InputError when git does not know the tree or the range, or there is nothing in it
 */
export async function seriesFromGit(dir: string, range: string): Promise<Series> {
  const where = `${dir} ${range}`;
  if (range.startsWith('-')) throw new InputError('no range of commits', where, 'give first..last');
  let mbox: string;
  try {
    const args = [
      '-C',
      dir,
      'format-patch',
      '--stdout',
      '--no-signature',
      '--subject-prefix=PATCH',
      '--numbered',
      range,
    ];
    mbox = execFileSync('git', args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      maxBuffer: 1 << 28,
    });
  } catch (error) {
    const text = (error as { stderr?: string | null }).stderr ?? (error as Error).message;
    const line = text.split('\n').find((l) => l.trim() !== '') ?? 'git failed';
    throw new InputError(
      line.replace(/^fatal: /, ''),
      where,
      'give a git directory and a range first..last in it',
    );
  }
  if (mbox === '') throw new InputError('no commits', where, 'give a range first..last with commits in it');
  return readSeries(mbox, where);
}

/** What the C patch of this number does to a function: its hunks as a unified diff; '' when nothing is known. */
export function hunksOf(series: Series | null, number: number, name: string): string {
  const patch = series?.patches.find((p) => p.number === number);
  if (patch === undefined) return '';
  return patch.diff
    .map((file) => {
      const hunks = file.hunks.filter((h) => h.lines.some((l) => l.kind !== ' ' && l.function === name));
      return hunks.length === 0 ? '' : diffText(file, hunks);
    })
    .join('');
}

function diffText(file: FileDiff, hunks: FileDiff['hunks']): string {
  const body = hunks.map((h) => {
    const old = h.lines.filter((l) => l.kind !== '+').length;
    const now = h.lines.filter((l) => l.kind !== '-').length;
    // Counted anew: a quote may have lost lines.
    const head = `@@ -${h.oldStart},${old} +${h.newStart},${now} @@ ${h.context}`.trimEnd();
    return `${head}\n${h.lines.map((l) => `${l.kind}${l.text}\n`).join('')}`;
  });
  return `--- a/${file.oldPath}\n+++ b/${file.path}\n${body.join('')}`;
}

/** All that a patch changes, as lines without numbers: C from the mails, else TypeScript from the modules. */
export function patchText(
  side: LoadedSide,
  index: number,
  language: 'C' | 'TypeScript',
  sources: Sources,
): string {
  const patch = side.patches[index];
  if (language === 'C') {
    const mail = side.series?.patches.find((p) => p.number === patch.number);
    return (mail?.diff ?? [])
      .flatMap((file) => [
        `## ${file.path} ##`,
        ...file.hunks.flatMap((h) => [
          `@@ ${h.context}`.trimEnd(),
          ...h.lines.map((l) => `${l.kind}${l.text}`),
        ]),
      ])
      .join('\n');
  }
  const before = side.before[index];
  const module = side.modules[index];
  const after = side.before[index + 1] ?? side.rev;
  return [...functionsOf(module).keys()]
    .map((name) => {
      const old = before === null ? null : sources.of(before, name);
      const now = sources.of(after, name);
      const text = unified('a', 'b', old?.text ?? '', now?.text ?? '');
      const body = text
        .split('\n')
        .slice(2)
        .map((l) => (l.startsWith('@@') ? '@@' : l))
        .filter((l) => l !== '' && !l.startsWith('\\'));
      return [`## ${name}() ##`, ...body].join('\n');
    })
    .join('\n');
}

/** Does anything of this side's C patches come from mails? */
export function hasC(side: LoadedSide, index: number): boolean {
  const number = side.patches[index].number;
  return (side.series?.patches.find((p) => p.number === number)?.diff.length ?? 0) > 0;
}
