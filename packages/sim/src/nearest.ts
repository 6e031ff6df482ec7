// SPDX-License-Identifier: GPL-2.0-only

/** The known word that a mistyped one was most likely meant to be; null when none is close. */
export function nearest(word: string, known: Iterable<string>): string | null {
  let best: string | null = null;
  let least = Math.min(word.length - 1, Math.max(2, Math.floor(word.length / 3))) + 1;
  for (const candidate of known) {
    const cost = distance(word, candidate);
    if (cost < least) [best, least] = [candidate, cost];
  }
  return best;
}

/** Letters to add, drop or change. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
