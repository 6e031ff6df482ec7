// SPDX-License-Identifier: GPL-2.0-only
/* lib/vsprintf.c sscanf() and lib/string.c strsep(), as far as drivers use them. */
import type { Ref } from '@vfio-lab/sim';

/**
 * The text up to the next character of `ct`; the pointer moves behind it, to null at the end.
 *
 * @param s the rest of the string, advanced
 * @param ct separators
 * @returns the token (empty between two separators), null when the string is used up
 * C: lib/string.c strsep()
 */
export function strsep(s: Ref<string | null>, ct: string): string | null {
  const begin = s.v;
  if (begin === null) return null;
  let end = 0;
  while (end < begin.length && !ct.includes(begin[end])) end++;
  s.v = end < begin.length ? begin.slice(end + 1) : null;
  return begin.slice(0, end);
}

const CONVERSIONS: Readonly<Record<string, { digits: RegExp; base: number }>> = {
  x: { digits: /^(?:0[xX](?=[0-9a-fA-F]))?[0-9a-fA-F]+/, base: 16 },
  u: { digits: /^[0-9]+/, base: 10 },
  d: { digits: /^-?[0-9]+/, base: 10 },
};

/**
 * Parse numbers out of a text. Knows %x, %u and %d, 32 bits wide; blanks before a number are skipped.
 *
 * @returns how many were stored; those after the first that does not match keep their value
 * C: lib/vsprintf.c sscanf()
 */
export function sscanf(text: string, format: string, ...args: Ref<number>[]): number {
  let rest = text;
  let stored = 0;
  for (let i = 0; i < format.length; i++) {
    if (format[i] !== '%') {
      if (!rest.startsWith(format[i])) break;
      rest = rest.slice(1);
      continue;
    }
    const conversion = CONVERSIONS[format[++i]];
    if (conversion === undefined) throw new Error(`sscanf: conversion %${format[i]} is not known`);
    rest = rest.trimStart();
    const match = conversion.digits.exec(rest);
    if (match === null) break;
    const value = Number.parseInt(match[0], conversion.base);
    args[stored++].v = format[i] === 'd' ? value | 0 : value % 2 ** 32;
    rest = rest.slice(match[0].length);
  }
  return stored;
}
