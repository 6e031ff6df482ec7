// SPDX-License-Identifier: GPL-2.0-only
import { describe, expect, it } from 'vitest';
import { closedNetwork, lindleyWait, meanValueAnalysis, openQueue, openWait } from '../src/engine/theory.ts';

const MS = 1e6;

/** |a / b - 1| in per cent. */
function off(a: number, b: number): number {
  return Math.abs(a / b - 1) * 100;
}

describe('one mutex against queueing theory', () => {
  // Fewer cycles where the lock is saturated and waits vary less; all of N = 1..64 are in the benchmark.
  const cycles: Record<number, number> = { 1: 30_000, 2: 250_000, 8: 150_000, 64: 100_000 };
  for (const n of [1, 2, 8, 64]) {
    it(`closed network of ${n}: throughput and wait within 1 % of mean value analysis`, async () => {
      const theory = meanValueAnalysis(n, 4 * MS, MS);
      const got = await closedNetwork(n, 4 * MS, MS, cycles[n], 1);
      expect(off(got.throughput, theory.throughput)).toBeLessThan(1);
      if (n === 1) expect(got.wait).toBe(0);
      else expect(off(got.wait, theory.wait)).toBeLessThan(1);
    });
  }

  for (const fixed of [false, true]) {
    for (const load of [0.5, 0.8, 0.9]) {
      const name = `${fixed ? 'M/D/1' : 'M/M/1'} at ${load}`;
      it(`${name}: every customer waits as long as Lindley's recursion says`, async () => {
        const { wait } = await openQueue(load, MS, fixed, 20_000, 7);
        expect(wait).toBe(lindleyWait(load, MS, fixed, 20_000, 7));
      });
      it(`${name}: and in the long run as long as theory says, within 2 %`, () => {
        expect(
          off(lindleyWait(load, MS, fixed, 4_000_000, 1), openWait(load, MS, fixed ? 0 : 1)),
        ).toBeLessThan(2);
      });
    }
  }
});
