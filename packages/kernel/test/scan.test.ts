// SPDX-License-Identifier: GPL-2.0-only
import { describe, expect, it } from 'vitest';
import { ref } from '@vfio-lab/sim';
import { sscanf, strsep } from '../src/index.ts';

describe('strsep', () => {
  it('should give every token, empty ones too, then null', () => {
    const rest = ref<string | null>('a,,b;c,');
    const tokens: (string | null)[] = [];
    for (let i = 0; i < 6; i++) tokens.push(strsep(rest, ',;'));
    expect(tokens).toEqual(['a', '', 'b', 'c', '', null]);
  });
});

describe('sscanf', () => {
  function scan(text: string, format: string): (number | string)[] {
    const args = [ref(-7), ref(-7), ref(-7)];
    return [sscanf(text, format, ...args), ...args.map((arg) => arg.v)];
  }

  it('should stop at the first thing that does not match and leave the rest alone', () => {
    expect(scan('8086:10d3', '%x:%x:%x')).toEqual([2, 0x8086, 0x10d3, -7]);
    expect(scan('0x10:  ff:', '%x:%x:%x')).toEqual([2, 0x10, 0xff, -7]);
    expect(scan('zz', '%x:%x')).toEqual([0, -7, -7, -7]);
    expect(scan('1-2', '%x:%x')).toEqual([1, 1, -7, -7]);
    expect(scan('-5 12', '%d %u')).toEqual([2, -5, 12, -7]);
    expect(scan('1ffffffff', '%x')).toEqual([1, 0xffffffff, -7, -7]);
  });

  it('should refuse a conversion that it does not know', () => {
    expect(() => scan('1', '%s')).toThrow('conversion %s');
  });
});
