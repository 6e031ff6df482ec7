// SPDX-License-Identifier: GPL-2.0-only
// How long the recorder took between two operations.
import { isDeepStrictEqual } from 'node:util';
import type { Comparison } from '../compare.ts';
import type { ScriptOp } from './parse.ts';

/** Nanoseconds before the operation at a script line, where they are not the usual ones. */
export type Times = ReadonlyMap<number, number>;

const PLAIN = new Set(['rd', 'wr', 'wrb', 'mrd', 'mwr', 'efd_rd', 'efd_wr']);

/**
 * The usual time before an operation, in ns: `last` is the one before it. Opening a file of sysfs takes long enough for
 * workers on other processors to finish what is queued; printing the struct of an ioctl long enough for a worker to
 * start; between two plain reads or writes no worker wakes up.
 */
export function usualTime(op: ScriptOp, last: ScriptOp | null): number {
  if (op.spec.host === true) return 150e3;
  return last !== null && PLAIN.has(last.spec.name) ? 20e3 : 60e3;
}

/**
 * Times that the recorder may have taken, in ns: the extremes first, for when both give the same, all between will.
 * From handing over to the next operation at once, to being held up for some ticks of its emulated machine.
 */
const POSSIBLE_NS = [2e3, 20e6, 20e3, 60e3, 150e3, 500e3, 2e6, 6e6];
const EXTREMES = 2;
/** A recording is run at most so many times, and not again after so many differences that no time explains. */
const MOST_RUNS = 32;
const MOST_SETTLED = 3;

/**
 * A recording does not tell how long the recorder took between two operations, but what came out often does: whether a
 * worker had put the device to sleep before the next access. Find times with which a run agrees with the recording.
 * Nothing but these times is changed, so what no timing of a real kernel gives stays different.
 *
 * @param lines the script lines of the operations in order
 * @param run runs the script from the same state each time
 * @returns the run with the fewest differences; the first when its differences do not depend on time
 */
export async function fitTimes<R extends Comparison>(
  lines: readonly number[],
  run: (times: Times) => Promise<R>,
): Promise<R> {
  let times: Times = new Map();
  let at = await run(times);
  let best = at;
  let runs = 1;
  const settled = new Set<number>();

  /** Another time before line `n` (and before no other) that brings `at` past its difference in line `wrong`. */
  const improve = async (n: number, wrong: number): Promise<boolean> => {
    const here = resultAt(at, wrong);
    let depends = false;
    for (const [i, ns] of POSSIBLE_NS.entries()) {
      if (runs >= MOST_RUNS || (i === EXTREMES && !depends)) return false;
      const tried = new Map(times).set(n, ns);
      const r = await run(tried);
      runs++;
      if (r.differences.length < best.differences.length) best = r;
      if (agreesUpTo(r, at, wrong)) {
        at = r;
        times = tried;
        return true;
      }
      depends ||= !isDeepStrictEqual(resultAt(r, wrong), here);
    }
    return false;
  };

  for (;;) {
    const wrong = at.differences.find((d) => !settled.has(d.n))?.n;
    if (wrong === undefined || runs >= MOST_RUNS || settled.size >= MOST_SETTLED) return best;
    const before = lines[lines.indexOf(wrong) - 1];
    if (await improve(wrong, wrong)) continue;
    if (before !== undefined && (await improve(before, wrong))) continue;
    settled.add(wrong);
  }
}

/** What came of a line; undefined when it is as recorded. */
function resultAt(c: Comparison, n: number): unknown {
  return c.differences.find((d) => d.n === n)?.got;
}

/** Does `r` differ nowhere up to line `n` where `was` did not, and not in line `n`? */
function agreesUpTo(r: Comparison, was: Comparison, n: number): boolean {
  const known = new Set(was.differences.map((d) => d.n));
  return r.differences.every((d) => d.n > n || (d.n < n && known.has(d.n)));
}
