// SPDX-License-Identifier: GPL-2.0-only
// Which patch of one revision became which of another: by subject, by functions touched, by files.

/** A patch as far as pairing needs it. */
export interface Pairable {
  number: number;
  subject: string;
  files: readonly string[];
  functions: readonly string[];
}

export interface Pairing {
  /** Index in the first list; null: the patch is new. */
  a: number | null;
  /** Index in the second list; null: the patch was dropped. */
  b: number | null;
  /** 0 to 1; 0 for a patch that stands alone. */
  confidence: number;
  /** It stands elsewhere among the pairs than before. */
  moved: boolean;
}

/** Below this, two patches are two patches. */
const LEAST = 0.35;
const FEW = 14;
const STOP = new Set([
  'a',
  'an',
  'and',
  'by',
  'for',
  'from',
  'in',
  'of',
  'on',
  'the',
  'to',
  'with',
  'vfio',
  'pci',
]);

/** Words of a subject, without the subsystem and without what every subject has. */
function words(subject: string): Set<string> {
  const title = subject.replace(/^(?:[\w/.-]+:\s*)+/, '').toLowerCase();
  const list = title.split(/[^a-z0-9]+/).filter((w) => w !== '' && !STOP.has(w));
  return new Set(list.map((w) => (w.length > 3 ? w.replace(/s$/, '') : w)));
}

/** Twice the common ones over all: 1 for equal sets, 0 when nothing is common. */
function dice(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  if (a.size + b.size === 0) return 0;
  let common = 0;
  for (const x of a) if (b.has(x)) common++;
  return (2 * common) / (a.size + b.size);
}

/** How alike two patches are, 0 to 1. Equal subjects are enough; else functions (or files, when there are none) count as much. */
export function similarity(a: Pairable, b: Pairable): number {
  const subject = dice(words(a.subject), words(b.subject));
  const functions = a.functions.length + b.functions.length > 0;
  const touched = functions
    ? dice(new Set(a.functions), new Set(b.functions))
    : dice(new Set(a.files), new Set(b.files));
  if (subject === 1) return 0.8 + 0.2 * touched;
  // A patch may get a new name and stay the patch it is.
  return Math.max(0.5 * subject + 0.5 * touched, functions ? 0.75 * touched : 0);
}

/**
 * Pair two lists of patches so that the sum of the similarities is the greatest there is (for long lists: greedily).
 *
 * @returns pairs and dropped patches in the order of `a`, then the new ones of `b`
 */
export function pair(a: readonly Pairable[], b: readonly Pairable[]): Pairing[] {
  const score = a.map((x) => b.map((y) => similarity(x, y)));
  const partner = b.length <= FEW ? best(score, b.length) : greedy(score);
  const kept = longestRise(partner.filter((j) => j !== null));
  const pairs: Pairing[] = partner.map((j, i) => ({
    a: i,
    b: j,
    confidence: j === null ? 0 : Math.round(score[i][j] * 100) / 100,
    moved: j !== null && !kept.has(j),
  }));
  const taken = new Set(partner);
  const fresh = b.flatMap((_, j): Pairing[] =>
    taken.has(j) ? [] : [{ a: null, b: j, confidence: 0, moved: false }],
  );
  return [...pairs, ...fresh];
}

/** Dynamic programming over the set of taken partners. */
function best(score: readonly (readonly number[])[], m: number): (number | null)[] {
  let states = new Map<number, { sum: number; picks: (number | null)[] }>([[0, { sum: 0, picks: [] }]]);
  for (const row of score) {
    const next: typeof states = new Map();
    const offer = (mask: number, sum: number, picks: (number | null)[]): void => {
      const there = next.get(mask);
      if (there === undefined || sum > there.sum + 1e-9) next.set(mask, { sum, picks });
    };
    for (const [mask, { sum, picks }] of states) {
      offer(mask, sum, [...picks, null]);
      for (let j = 0; j < m; j++) {
        if ((mask & (1 << j)) === 0 && row[j] >= LEAST) offer(mask | (1 << j), sum + row[j], [...picks, j]);
      }
    }
    states = next;
  }
  return [...states.values()].reduce((x, y) => (y.sum > x.sum ? y : x)).picks;
}

function greedy(score: readonly (readonly number[])[]): (number | null)[] {
  const partner: (number | null)[] = score.map(() => null);
  const taken = new Set<number>();
  const all = score.flatMap((row, i) => row.map((s, j) => ({ s, i, j }))).sort((x, y) => y.s - x.s);
  for (const { s, i, j } of all) {
    if (s < LEAST || partner[i] !== null || taken.has(j)) continue;
    partner[i] = j;
    taken.add(j);
  }
  return partner;
}

/** Members of a longest rising subsequence. */
function longestRise(list: readonly number[]): Set<number> {
  const length = list.map(() => 1);
  const from = list.map(() => -1);
  for (let i = 0; i < list.length; i++) {
    for (let j = 0; j < i; j++) {
      if (list[j] < list[i] && length[j] + 1 > length[i]) [length[i], from[i]] = [length[j] + 1, j];
    }
  }
  const rise = new Set<number>();
  for (let i = length.indexOf(Math.max(0, ...length)); i >= 0; i = from[i]) rise.add(list[i]);
  return rise;
}
