// SPDX-License-Identifier: GPL-2.0-only
import { describe, expect, it } from 'vitest';
import { difference } from '../src/battery.ts';
import { type Program, programsFor } from '../src/programs.ts';
import { Reach } from '../src/reach.ts';

const program = (id: string, kind: Program['kind']): Program => ({ id, kind });

describe('Reach', () => {
  const programs = [
    program('a', 'scenario'),
    program('often', 'script'),
    program('also', 'script'),
    program('seldom', 'recording'),
    program('elsewhere', 'random'),
  ];
  const places = new Map([
    ['a', ['f:1']],
    ['often', ['f:1']],
    ['also', ['f:1']],
    ['seldom', ['f:1', 'f:2']],
    ['elsewhere', ['g:1']],
  ]);

  it('tries scenarios first, then what shows most of the function', () => {
    expect(new Reach(programs, places).programsFor('f:1', 9)).toEqual(['a', 'seldom', 'often', 'also']);
    expect(new Reach(programs, places).programsFor('f:1', 1)).toEqual(['a', 'seldom']);
  });

  it('tries nothing that does not get there', () => {
    expect(new Reach(programs, places).programsFor('g:1', 9)).toEqual(['elsewhere']);
    expect(new Reach(programs, places).programsFor('h:1', 9)).toEqual([]);
  });
});

describe('programsFor', () => {
  it('has each program once, and recordings only of the revision', () => {
    const programs = programsFor('v4@6', 5, 1);
    expect(new Set(programs.map((p) => p.id)).size).toBe(programs.length);
    expect(programs.filter((p) => p.kind === 'recording').length).toBeGreaterThan(40);
    expect(programs.filter((p) => p.kind === 'random')).toHaveLength(5);
    expect(programsFor('v7@5', 0, 1).filter((p) => p.kind === 'recording').length).toBeGreaterThan(100);
  });
});

describe('difference', () => {
  it('says what is new, what is gone, and what comes in another order', () => {
    expect(difference(['a', 'b'], ['a', 'b'])).toBeNull();
    expect(difference(['a'], ['a', 'c'])).toBe('c');
    expect(difference(['a', 'b'], ['a'])).toBe('no more: b');
    expect(difference(['a', 'b'], ['b', 'a'])).toBe('another order: b');
  });
});
