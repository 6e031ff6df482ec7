// SPDX-License-Identifier: GPL-2.0-only
import { describe, expect, it } from 'vitest';
import { Clock } from '../src/index.ts';

describe('Clock', () => {
  it('gives entries out by time, then by order of insertion', () => {
    const clock = new Clock();
    const order: string[] = [];
    const at = (ns: number, name: string): void => void clock.add(ns, { fire: () => void order.push(name) });
    for (const [ns, name] of [
      [30, 'c'],
      [10, 'a1'],
      [20, 'b'],
      [10, 'a2'],
      [40, 'd'],
      [5, 'first'],
      [10, 'a3'],
    ] as const)
      at(ns, name);
    for (let e = clock.take(); e !== null; e = clock.take()) e.alarm?.fire();
    expect(order).toEqual(['first', 'a1', 'a2', 'a3', 'b', 'c', 'd']);
    expect(clock.now).toBe(40);
    expect(clock.next_at).toBe(Infinity);
  });

  it('skips entries that were cancelled', () => {
    const clock = new Clock();
    const gone = clock.add(1, null);
    clock.add(2, null);
    gone.live = false;
    expect(clock.due()).toBe(false);
    clock.advance(1);
    expect(clock.due()).toBe(false);
    clock.advance(1);
    expect(clock.due()).toBe(true);
    expect(clock.take()?.at).toBe(2);
    expect(clock.take()).toBeNull();
  });

  it('never goes back', () => {
    const clock = new Clock();
    clock.advance(100);
    clock.add(50, null);
    expect(clock.take()?.at).toBe(50);
    expect(clock.now).toBe(100);
    expect(() => clock.advance(-1)).toThrow('cannot go back');
  });

  it('stays a heap under many insertions and removals', () => {
    const clock = new Clock();
    for (let i = 0; i < 500; i++) clock.add((i * 7919) % 1000, null);
    let last = -1;
    for (let e = clock.take(); e !== null; e = clock.take()) {
      expect(e.at).toBeGreaterThanOrEqual(last);
      last = e.at;
    }
  });
});
