// SPDX-License-Identifier: GPL-2.0-only
// Every remark on A, and whether B changed the lines that it speaks of.
import type { Comment, Remark, Series } from '../reader/types.ts';
import type { FunctionPair, LedgerEntry, PatchPair } from './types.ts';

const ORDER: readonly LedgerEntry['state'][] = ['open', 'unknown', 'changed', 'gone', 'dropped'];

/** What the states of remarks are told from. */
export interface LedgerInput {
  series: Series;
  /** The C of B, when given. */
  other: Series | null;
  patches: readonly PatchPair[];
  functions: readonly FunctionPair[];
  nameB: string;
}

/** The remarks of everybody but the author of the series, open ones first. */
export function ledger(input: LedgerInput): LedgerEntry[] {
  const { series } = input;
  const own = (c: Comment): boolean => c.author.name === series.author.name;
  const entries = series.comments
    .filter((c) => !own(c))
    .flatMap((c) => c.remarks.filter((r) => /\w/.test(r.text)).map((r) => entry(c, r, input)));
  return entries.sort(
    (x, y) => ORDER.indexOf(x.state) - ORDER.indexOf(y.state) || x.comment - y.comment || x.remark - y.remark,
  );
}

function entry(c: Comment, r: Remark, input: LedgerInput): LedgerEntry {
  const pair = input.patches.find((p) => p.a !== null && p.a.number === c.patch);
  const { state, why } = judge(c, r, pair, input);
  return {
    comment: c.number,
    remark: r.number,
    author: c.author.name,
    date: c.date,
    messageId: c.messageId,
    patch: c.patch,
    patchB: pair?.b?.number ?? null,
    function: r.function,
    file: r.file,
    line: r.line,
    quoted: r.quoted,
    text: r.text,
    state,
    why,
  };
}

type State = Pick<LedgerEntry, 'state' | 'why'>;

function judge(c: Comment, r: Remark, pair: PatchPair | undefined, input: LedgerInput): State {
  const byLine = r.place === 'diff' ? lineState(r, pair, input) : null;
  if (byLine !== null) return byLine;
  const names = r.function !== null ? [r.function] : r.mentions;
  const spoken = input.functions.filter((f) => names.includes(f.name) && f.a !== null);
  if (spoken.length > 0) {
    const all = (s: FunctionPair['state']): boolean => spoken.every((f) => f.state === s);
    const list = spoken.map((f) => `${f.name}()`).join(', ');
    if (all('same')) return { state: 'open', why: `${list} as it was` };
    if (all('dropped')) return { state: 'gone', why: `${input.nameB} has no ${list}` };
    return { state: 'changed', why: `${list} changed` };
  }
  if (pair?.state === 'dropped') return { state: 'dropped', why: `${input.nameB} has no such patch` };
  if (pair !== undefined && pair.b !== null && r.place === 'diff' && pair.state === 'same')
    return { state: 'open', why: `patch ${pair.b.number} of ${input.nameB} is the same` };
  return {
    state: 'unknown',
    why: c.patch === 0 ? 'on the cover letter: no line to look at' : 'speaks of no line of the diff',
  };
}

const bare = (line: string): string =>
  line
    .replace(/^[+\- ]/, '')
    .replace(/\s+/g, ' ')
    .trim();

/** By the quoted line itself, when B's C is known. */
function lineState(r: Remark, pair: PatchPair | undefined, input: LedgerInput): State | null {
  if (input.other === null || r.quoted === null) return null;
  const wanted = bare(r.quoted);
  // A brace says nothing.
  if (!/\w{3}/.test(wanted)) return null;
  if (!input.other.patches.some((p) => p.diff.length > 0)) return null;
  for (const p of input.other.patches) {
    for (const file of p.diff) {
      for (const hunk of file.hunks) {
        const found = hunk.lines.find(
          (l) =>
            l.kind !== '-' &&
            bare(`${l.kind}${l.text}`) === wanted &&
            (r.function === null || l.function === r.function),
        );
        if (found !== undefined)
          return {
            state: 'open',
            why: `the line is in patch ${p.number} of ${input.nameB}, ${file.path}:${found.newLine}`,
          };
      }
    }
  }
  if (pair?.state === 'dropped') return { state: 'dropped', why: `${input.nameB} has no such patch` };
  const f = input.functions.find((x) => x.name === r.function);
  if (f !== undefined && f.b === null) return { state: 'gone', why: `${input.nameB} has no ${f.name}()` };
  return { state: 'changed', why: `the line is no more in ${input.nameB}` };
}
