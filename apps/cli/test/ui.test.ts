// SPDX-License-Identifier: GPL-2.0-only
import { describe, expect, it } from 'vitest';
import { colors, readInput, width, writeJson, writeJsonLine } from '../src/ui/io.ts';
import { nearest } from '@vfio-lab/sim';
import { progress } from '../src/ui/progress.ts';
import { columns, cut, table, wrap } from '../src/ui/text.ts';
import { capture } from './helpers.ts';

describe('colours', () => {
  it.each([
    [{}, { isTTY: true }, true],
    [{}, {}, false],
    [{ NO_COLOR: '1' }, { isTTY: true }, false],
    [{ NO_COLOR: '1', FORCE_COLOR: '1' }, { isTTY: true }, false],
    [{ FORCE_COLOR: '1' }, {}, true],
    [{ FORCE_COLOR: '0' }, { isTTY: true }, false],
    [{ TERM: 'dumb' }, { isTTY: true }, false],
  ])('should follow %j on %j', (env, terminal, wanted) => {
    expect(colors(capture(env, terminal)).bold('x') !== 'x').toBe(wanted);
  });
});

describe('the width', () => {
  it('should be that of the terminal, COLUMNS, or 100', () => {
    expect(width(capture({ COLUMNS: '60' }, { columns: 132 }))).toBe(132);
    expect(width(capture({ COLUMNS: '60' }))).toBe(60);
    expect(width(capture())).toBe(100);
    expect(width(capture({ COLUMNS: 'wide' }))).toBe(100);
    expect(width(capture({}, { columns: 10 }))).toBe(40);
  });
});

describe('JSON', () => {
  it('should write 64-bit numbers exactly', () => {
    const io = capture();
    writeJsonLine(io, { small: 5n, large: 2n ** 63n });
    expect(io.out).toBe('{"small":5,"large":"9223372036854775808"}\n');
    writeJson(io, [1]);
    expect(io.out).toContain('[\n  1\n]\n');
  });
});

describe('files', () => {
  it('should say in one line why one cannot be read', () => {
    expect(() => readInput('/no/such/file')).toThrow('no such file: /no/such/file: check the path');
    expect(() => readInput(import.meta.dirname)).toThrow(/^a directory: .*: give a file in it$/);
  });
});

describe('suggestions', () => {
  it('should be near', () => {
    expect(nearest('sries', ['series', 'scenarios'])).toBe('series');
    expect(nearest('scenaro', ['series', 'scenarios', 'scenario'])).toBe('scenario');
    expect(nearest('x', ['series'])).toBeNull();
  });
});

describe('text', () => {
  it('should measure what a terminal shows', () => {
    expect(columns('\u001b[1mbold\u001b[22m')).toBe(4);
    expect(columns('日本')).toBe(4);
    expect(columns('e\u0301')).toBe(1);
  });

  it('should cut and wrap', () => {
    expect(cut('abcdef', 4)).toBe('abc…');
    expect(cut('abcd', 4)).toBe('abcd');
    expect(cut('日本語', 4)).toBe('日…');
    expect(wrap('one two three', 7)).toEqual(['one two', 'three']);
    expect(wrap('overlong a\nb', 4)).toEqual(['overlong', 'a', 'b']);
  });

  it('should shrink the flexible column of a table', () => {
    const shape = [
      { title: 'name', flexible: true },
      { title: 'n', align: 'right' as const },
    ];
    const rows = [
      ['a name that is quite long', '10'],
      ['b', '5'],
    ];

    expect(table(shape, rows, { width: 80, indent: ' ' })).toEqual([
      ' name                        n',
      ' a name that is quite long  10',
      ' b                           5',
    ]);
    expect(table(shape, rows, { width: 20 })).toEqual([
      'name               n',
      'a name that is…   10',
      'b                  5',
    ]);
  });
});

describe('progress', () => {
  it('should show on a terminal only, and go away', () => {
    const pipe = capture();
    const quiet = progress(pipe, 'runs');
    quiet.update(1, 2);
    quiet.end();
    expect(pipe.err).toBe('');

    const terminal = capture({}, { isTTY: true, columns: 30 });
    const loud = progress(terminal, 'runs');
    loud.update(1, 2, 'v4@3');
    loud.update(2, 2);
    loud.end();
    expect(terminal.err).toBe('\r\u001b[Kruns 1/2 v4@3\r\u001b[Kruns 2/2\r\u001b[K');
  });
});
