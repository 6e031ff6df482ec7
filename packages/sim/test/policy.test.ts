// SPDX-License-Identifier: GPL-2.0-only
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatSchedule, InputError, parseSchedule, Prng } from '../src/index.ts';

describe('schedule tokens', () => {
  it('are run lengths of task names', () => {
    expect(formatSchedule(['guest', 'guest', 'host', 'kworker/pm', 'kworker/pm', 'kworker/pm'])).toBe(
      'guest*2,host,kworker/pm*3',
    );
    expect(parseSchedule('guest*2,host')).toEqual(['guest', 'guest', 'host']);
    expect(parseSchedule('')).toEqual([]);
  });

  it('come back as they went', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('main', 'guest', 'host', 'irq/16', 'kworker/pm')), (names) => {
        expect(parseSchedule(formatSchedule(names))).toEqual(names);
      }),
    );
  });

  it('say which part is wrong', () => {
    expect(() => parseSchedule('guest,*3')).toThrow('part 2 ("*3")');
    expect(() => parseSchedule('guest*0')).toThrow('part 1');
  });
});

describe('Prng', () => {
  it('is a function of the seed', () => {
    const draw = (seed: number): number[] => {
      const p = new Prng(seed);
      return Array.from({ length: 5 }, () => p.next());
    };
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
  });

  it('is even enough: chi-square over 16 cells, 64,000 draws', () => {
    const p = new Prng(42);
    const cells = new Array<number>(16).fill(0);
    for (let i = 0; i < 64_000; i++) cells[p.below(16)]++;
    const chi2 = cells.reduce((sum, n) => sum + (n - 4000) ** 2 / 4000, 0);
    expect(chi2).toBeLessThan(37.7); // 99.9 % quantile at 15 degrees of freedom
  });
});

describe('InputError', () => {
  it('says what, where and how to mend it in one line', () => {
    const e = new InputError('a quote is not closed', 'x.vt:3', 'end it with "');
    expect(e.message).toBe('a quote is not closed: x.vt:3: end it with "');
    expect(e).toMatchObject({ what: 'a quote is not closed', where: 'x.vt:3', mend: 'end it with "' });
  });
});
