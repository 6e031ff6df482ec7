// SPDX-License-Identifier: GPL-2.0-only
import type { Diffstat, FileStat } from './types.ts';

const ROW = /^\s*(\S.*?)\s+\|\s+(\d+)\s*(\+*)(-*)\s*$/;
const TOTAL = /^\s*(\d+) files? changed(?:, (\d+) insertions?\(\+\))?(?:, (\d+) deletions?\(-\))?\s*$/;

/**
 * The diffstat in a text, as `git diff --stat` prints it; null when there is none. A bar that is as long as the
 * number of changed lines is exact, a longer change has a scaled bar. Totals are the last line's own.
 */
export function parseDiffstat(lines: string[]): Diffstat | null {
  const end = lines.findIndex((line) => TOTAL.test(line));
  if (end < 0) return null;
  const total = TOTAL.exec(lines[end] ?? '');
  const files: FileStat[] = [];
  for (let i = end - 1; i >= 0; i--) {
    const row = ROW.exec(lines[i] ?? '');
    const binary = /^\s*(\S.*?)\s+\|\s+Bin\b/.exec(lines[i] ?? '');
    if (binary) {
      files.unshift({ path: binary[1] ?? '', insertions: 0, deletions: 0, exact: true });
      continue;
    }
    if (!row) break;
    const [changed, plus, minus] = [Number(row[2]), (row[3] ?? '').length, (row[4] ?? '').length];
    const exact = plus + minus === changed || plus === 0 || minus === 0;
    const insertions = plus + minus === 0 ? 0 : Math.round((changed * plus) / (plus + minus));
    files.unshift({ path: row[1] ?? '', insertions, deletions: changed - insertions, exact });
  }
  return { files, insertions: Number(total?.[2] ?? 0), deletions: Number(total?.[3] ?? 0) };
}

/** Whether the text has rows of a diffstat but not its last line: it was cut. */
export function cutDiffstat(lines: string[]): boolean {
  return (
    lines.some((line) => ROW.test(line) && /[+-]$/.test(line)) && !lines.some((line) => TOTAL.test(line))
  );
}
