// SPDX-License-Identifier: GPL-2.0-only
// Text in columns: its width on a terminal, wrapping, cutting, tables.
import { stripVTControlCharacters } from 'node:util';

/** Columns that a text takes: without colour codes, with wide characters as two. */
export function columns(text: string): number {
  let count = 0;
  for (const character of stripVTControlCharacters(text)) {
    const code = character.codePointAt(0) ?? 0;
    if (/\p{Mn}|\p{Cf}/u.test(character)) continue;
    const wide =
      (code >= 0x1100 && code <= 0x115f) ||
      (code >= 0x2e80 && code <= 0xa4cf) ||
      (code >= 0xac00 && code <= 0xd7a3) ||
      (code >= 0xf900 && code <= 0xfaff) ||
      (code >= 0xff00 && code <= 0xff60) ||
      (code >= 0x1f300 && code <= 0x1faff);
    count += wide ? 2 : 1;
  }
  return count;
}

/** Cuts a text to a number of columns, with … for what is gone. Colour codes in a cut text are dropped. */
export function cut(text: string, width: number): string {
  if (columns(text) <= width) return text;
  let result = '';
  for (const character of stripVTControlCharacters(text)) {
    if (columns(result + character) > width - 1) break;
    result += character;
  }
  return `${result.trimEnd()}…`;
}

/** Breaks a text into lines of at most this many columns, between words; words that are longer stay whole. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const paragraph of text.split('\n')) {
    let line = '';
    for (const word of paragraph.split(/\s+/).filter(Boolean)) {
      if (line !== '' && columns(line) + 1 + columns(word) > width) {
        lines.push(line);
        line = word;
      } else {
        line += line === '' ? word : ` ${word}`;
      }
    }
    lines.push(line);
  }
  return lines;
}

export interface Column {
  title: string;
  align?: 'left' | 'right';
  /** Gives up width first when the table is too wide; its cells are cut. */
  flexible?: boolean;
}

export interface TableOptions {
  /** Columns the table may take. */
  width: number;
  indent?: string;
  /** Applied to the titles. */
  head?: (text: string) => string;
}

/** A table as lines: titles, then the rows, two blanks between columns, nothing at the end of a line. */
export function table(shape: Column[], rows: string[][], options: TableOptions): string[] {
  const indent = options.indent ?? '';
  const widths = shape.map((column, i) =>
    Math.max(columns(column.title), ...rows.map((row) => columns(row[i] ?? ''))),
  );
  const room = options.width - columns(indent) - 2 * (shape.length - 1);
  let over = widths.reduce((sum, width) => sum + width, 0) - room;
  while (over > 0) {
    // The widest flexible column shrinks first, but not below what can be read.
    const candidates = shape.flatMap((column, i) => (column.flexible && (widths[i] ?? 0) > 12 ? [i] : []));
    const widest = candidates.sort((a, b) => (widths[b] ?? 0) - (widths[a] ?? 0))[0];
    if (widest === undefined) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
    over--;
  }
  const line = (cells: string[], paint: (text: string) => string): string => {
    const padded = shape.map((column, i) => {
      const width = widths[i] ?? 0;
      const text = cut(cells[i] ?? '', width);
      const pad = ' '.repeat(Math.max(0, width - columns(text)));
      return column.align === 'right' ? pad + paint(text) : paint(text) + pad;
    });
    return `${indent}${padded.join('  ')}`.trimEnd();
  };
  const titles = shape.map((column) => column.title);
  const head = titles.some((title) => title !== '') ? [line(titles, options.head ?? ((text) => text))] : [];
  return [...head, ...rows.map((row) => line(row, (text) => text))];
}
