// SPDX-License-Identifier: GPL-2.0-only
import { describe, expect, it } from 'vitest';
import { nearest } from '../src/index.ts';

describe('nearest', () => {
  it('finds the word that a mistyped one was meant to be, or nothing', () => {
    expect(nearest('laod_vfio', ['load_vfio', 'close'])).toBe('load_vfio');
    expect(nearest('container', ['contianer'].values())).toBe('contianer');
    expect(nearest('zzzz', ['load_vfio', 'close'])).toBeNull();
  });
});
