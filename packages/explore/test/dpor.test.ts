// SPDX-License-Identifier: GPL-2.0-only
import { describe, expect, it } from 'vitest';
import { Interleavings, SharedObjects } from '../src/brute.ts';
import { Dpor } from '../src/dpor.ts';
import { exhaustModel, type Search } from '../src/exhaust.ts';
import { type Model, ModelSubject } from '../src/model.ts';
import { filesystem, indexer, lastzero, readers } from './classics.ts';
import { graphKey, randomProgram } from './random-program.ts';

function executions(model: Model): Dpor {
  const dpor = new Dpor();
  exhaustModel(new ModelSubject(model, { checks: false }), dpor);
  return dpor;
}

/** The classes that a search visits; null when it takes more than `limit` executions. */
function classes<S extends Search>(model: Model, search: S, limit = Infinity): Set<string> | null {
  const keys = new Set<string>();
  const done = exhaustModel(
    new ModelSubject(model),
    search,
    () => keys.add(graphKey(search.execution)),
    limit,
  );
  return done ? keys : null;
}

describe('known answers', () => {
  it.each([
    [readers(2), 4],
    [readers(8), 256],
    [readers(13), 8192],
    [lastzero(5), 64],
    [lastzero(10), 3328],
    [indexer(12), 8],
    [filesystem(14), 2],
    [filesystem(16), 8],
    [filesystem(18), 32],
    [filesystem(19), 64],
  ])('%#: $1 executions, none of them twice', (model, count) => {
    const dpor = executions(model);
    expect([dpor.executions, dpor.redundant, dpor.infeasible]).toEqual([count, 0, 0]);
  });

  it.each([readers(2), readers(4), lastzero(2), lastzero(3)])(
    '$name: as many as there are classes',
    (model) => {
      const all = classes(model, new Interleavings()) as Set<string>;
      expect(executions(model).executions).toBe(all.size);
    },
  );
});

describe('a preemption bound', () => {
  it('stopping only where objects are shared reaches every class that stopping everywhere does', () => {
    for (let seed = 1, programs = 0; programs < 150; seed++) {
      const model = randomProgram(seed, seed % 2 === 0);
      if (classes(model, new Interleavings(), 150) === null) continue;
      programs++;
      for (const bound of [0, 1, 2]) {
        const shared = new SharedObjects();
        const found = new Set<string>();
        for (let known = -1; known < shared.size;) {
          known = shared.size;
          const search = new Interleavings(bound, shared);
          exhaustModel(new ModelSubject(model), search, () => {
            shared.learn(search.execution);
            found.add(graphKey(search.execution));
          });
        }
        const all = classes(model, new Interleavings(bound)) as Set<string>;
        expect([...all].filter((key) => !found.has(key))).toEqual([]);
      }
    }
  });
});

describe('against all interleavings of random programs', () => {
  function compare(
    from: number,
    count: number,
    waits: boolean,
  ): { programs: number; missed: number[]; extra: number; redundant: number; classes: number } {
    const sum = { programs: 0, missed: [] as number[], extra: 0, redundant: 0, classes: 0 };
    for (let seed = from; sum.programs < count; seed++) {
      const model = randomProgram(seed, waits);
      const all = classes(model, new Interleavings(), 150);
      if (all === null) continue;
      sum.programs++;
      const dpor = new Dpor();
      const found = classes(model, dpor) as Set<string>;
      for (const key of all) if (!found.has(key)) sum.missed[sum.missed.length] = seed;
      sum.extra += dpor.executions - found.size;
      sum.redundant += dpor.redundant;
      sum.classes += all.size;
      expect([...found].filter((key) => !all.has(key))).toEqual([]);
    }
    return sum;
  }

  it('locks and trylocks: no class missed, next to none twice', () => {
    const { missed, extra, classes: n } = compare(1, 1000, false);
    expect(missed).toEqual([]);
    expect(n).toBeGreaterThan(1500);
    expect(extra).toBeLessThanOrEqual(n * 0.02);
  });

  it('with waits and wake-ups: no class missed', () => {
    const { missed } = compare(10_000, 1000, true);
    expect(missed).toEqual([]);
  });
});
