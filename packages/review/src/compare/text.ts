// SPDX-License-Identifier: GPL-2.0-only
// Differences of texts: lines, and words within lines that became others.
import { createTwoFilesPatch, diffArrays, diffLines, diffWordsWithSpace } from 'diff';

export interface Piece {
  text: string;
  /** '+': only in the second text, '-': only in the first. */
  kind: '+' | '-' | ' ';
}

export interface TextRow {
  kind: '+' | '-' | ' ';
  text: string;
  /** For a line that became another: which of its words did. */
  words?: Piece[];
}

const lines = (text: string): string[] => text.replace(/\n$/, '').split('\n');

/** A unified diff with everything around it, or `context` lines of it; '' for equal texts. */
export function unified(nameA: string, nameB: string, a: string, b: string, context = 3): string {
  if (a === b) return '';
  const end = (t: string): string => (t === '' || t.endsWith('\n') ? t : `${t}\n`);
  const text = createTwoFilesPatch(nameA, nameB, end(a), end(b), '', '', { context });
  return text.replace(/^=+\n/, '').replace(/^(---|\+\+\+) (.*?)\t$/gm, '$1 $2');
}

/** The lines of two texts; a removed line next to an added one tells which words changed. */
export function lineDiff(a: string, b: string): TextRow[] {
  const end = (t: string): string => (t === '' || t.endsWith('\n') ? t : `${t}\n`);
  const parts = diffLines(end(a), end(b));
  const rows: TextRow[] = [];
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i];
    const next = parts[i + 1] as (typeof parts)[number] | undefined;
    if (part.removed && next?.added) {
      rows.push(...changed(lines(part.value), lines(next.value)));
      i++;
    } else {
      const kind = part.added ? '+' : part.removed ? '-' : ' ';
      rows.push(...lines(part.value).map((text): TextRow => ({ kind, text })));
    }
  }
  return rows;
}

function changed(before: string[], after: string[]): TextRow[] {
  const rows: TextRow[] = [];
  const added: TextRow[] = [];
  for (let i = 0; i < Math.max(before.length, after.length); i++) {
    const [x, y] = [before[i] as string | undefined, after[i] as string | undefined];
    // In a diff of diffs the first character is a sign: with another one it is another line.
    const pieces = x === undefined || y === undefined || x[0] !== y[0] ? null : wordDiff(x, y);
    // Lines with little in common are two lines, not one that changed.
    const common = (pieces ?? []).filter((p) => p.kind === ' ').reduce((n, p) => n + p.text.trim().length, 0);
    const alike = pieces !== null && common * 2 >= Math.min((x ?? '').trim().length, (y ?? '').trim().length);
    if (x !== undefined)
      rows.push({ kind: '-', text: x, ...(alike && { words: pieces.filter((p) => p.kind !== '+') }) });
    if (y !== undefined)
      added.push({ kind: '+', text: y, ...(alike && { words: pieces.filter((p) => p.kind !== '-') }) });
  }
  return [...rows, ...added];
}

/** Which words of a line became which. */
export function wordDiff(a: string, b: string): Piece[] {
  return diffWordsWithSpace(a, b).map((p) => ({
    text: p.value,
    kind: p.added ? '+' : p.removed ? '-' : ' ',
  }));
}

export interface Aligned<T> {
  a: T | null;
  b: T | null;
}

/** Two sequences side by side: what has the same key stands in one row. */
export function align<T>(a: readonly T[], b: readonly T[], key: (x: T) => string): Aligned<T>[] {
  const parts = diffArrays(a.map(key), b.map(key));
  const rows: Aligned<T>[] = [];
  let [i, j] = [0, 0];
  for (const part of parts) {
    for (let n = 0; n < part.value.length; n++) {
      if (part.removed) rows.push({ a: a[i++], b: null });
      else if (part.added) rows.push({ a: null, b: b[j++] });
      else rows.push({ a: a[i++], b: b[j++] });
    }
  }
  return rows;
}
