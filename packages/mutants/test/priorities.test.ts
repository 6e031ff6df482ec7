// SPDX-License-Identifier: GPL-2.0-only
import { Machine, spawn, yield_now } from '@vfio-lab/sim';
import { describe, expect, it } from 'vitest';
import { Priorities, scheduleOf } from '../src/priorities.ts';

/** Who runs, step by step. */
async function run(seed: number): Promise<string> {
  const machine = new Machine({ policy: new Priorities(seed) });
  let steps = '';
  await machine.run(() => {
    for (const name of ['a', 'b', 'c']) {
      spawn(name, async () => {
        for (let i = 0; i < 20; i++) {
          steps += name;
          await yield_now();
        }
      });
    }
  });
  return steps;
}

describe('Priorities', () => {
  it('gives the same for the same seed, and something else for another', async () => {
    expect(await run(3)).toBe(await run(3));
    const all = new Set<string>();
    for (let seed = 0; seed < 30; seed++) all.add(await run(seed));
    expect(all.size).toBeGreaterThan(6);
  });

  it('switches seldom', async () => {
    for (let seed = 0; seed < 30; seed++) {
      const switches = (await run(seed)).match(/(.)(?!\1)/g)?.length ?? 0;
      expect(switches).toBeLessThan(8);
    }
  });

  it('takes turns with uniform choices', () => {
    expect(scheduleOf(2)).toEqual({ kind: 'random', seed: 2 });
    expect(scheduleOf(3).kind).toBe('policy');
  });
});
