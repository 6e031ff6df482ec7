// SPDX-License-Identifier: GPL-2.0-only
/* Which step of the port is the counterpart of which step of the C. */

import type { Atom } from './atoms.ts';
import { keyOf } from './atoms.ts';

/** Steps that say little: any function has many of the same. */
const WEAK: ReadonlySet<string> = new Set(['end', 'else', 'break', 'continue']);

/** What leaving a step of the port out costs, where the C beside it is one piece. */
const GAP = 0.3;

function worth(c: Atom, ours: Atom): number {
  if (c.kind !== ours.kind) return 0;
  if (keyOf(c) === keyOf(ours)) return WEAK.has(c.kind) ? 2 : 10;
  // The same thing done differently: it takes the place, but is no counterpart.
  if (c.name !== '' && c.name === ours.name) return 1;
  return 0;
}

/**
 * Lay the C beside the port: the best pairing in which both keep their order.
 *
 * @param pieces the C in order, in pieces (hunks) with code between them that is not shown
 * @param ours the whole ported function
 * @returns for every step of every piece the index of its pair, or -1
 */
export function align(pieces: readonly (readonly Atom[])[], ours: readonly Atom[]): number[][] {
  const c = pieces.flat();
  const starts = new Set<number>();
  let at = 0;
  for (const piece of pieces) {
    starts.add(at);
    at += piece.length;
  }
  const width = ours.length + 1;
  // best[i][j]: c from i and ours from j on, when c[i - 1] and ours[j - 1] were dealt with
  const best = new Float64Array((c.length + 1) * width);
  const choice = new Uint8Array((c.length + 1) * width);
  for (let i = c.length; i >= 0; i--) {
    const isFree = starts.has(i) || i === c.length;
    for (let j = ours.length; j >= 0; j--) {
      const here = i * width + j;
      if (i === c.length && j === ours.length) continue;
      let value = Number.NEGATIVE_INFINITY;
      let pick = 0;
      if (i < c.length && j < ours.length) {
        const gain = worth(c[i], ours[j]);
        if (gain > 0) [value, pick] = [gain + best[here + width + 1], 1];
      }
      if (i < c.length && best[here + width] > value) [value, pick] = [best[here + width], 2];
      if (j < ours.length) {
        const skipped = best[here + 1] - (isFree ? 0 : GAP);
        if (skipped > value) [value, pick] = [skipped, 3];
      }
      best[here] = value;
      choice[here] = pick;
    }
  }
  const pairs: number[] = new Array<number>(c.length).fill(-1);
  for (let i = 0, j = 0; i < c.length || j < ours.length;) {
    const pick = choice[i * width + j];
    if (pick === 1) pairs[i++] = j++;
    else if (pick === 2) i++;
    else j++;
  }
  let from = 0;
  return pieces.map((piece) => pairs.slice(from, (from += piece.length)));
}
