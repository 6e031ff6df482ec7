// SPDX-License-Identifier: GPL-2.0-only
import type { Person } from './types.ts';

/** `Name <mail>`, `"Name" <mail>`, `mail`, or a bare name. Also `mail (Name)`. */
export function parsePerson(text: string): Person {
  const trimmed = text.trim();
  const angle = /^(.*?)\s*<([^<>\s]+)>/.exec(trimmed);
  if (angle) return { name: unquote(angle[1] ?? '') || (angle[2] ?? ''), email: angle[2] ?? null };
  const round = /^([^\s@]+@[^\s@]+)\s+\((.+)\)$/.exec(trimmed);
  if (round) return { name: round[2] ?? '', email: round[1] ?? null };
  if (/^[^\s@]+@[^\s@]+$/.test(trimmed)) return { name: trimmed, email: trimmed };
  return { name: unquote(trimmed), email: null };
}

function unquote(name: string): string {
  return name
    .trim()
    .replace(/^["'](.*)["']$/, '$1')
    .trim();
}

/** The same person, as far as two spellings tell. */
export function samePerson(a: Person, b: Person): boolean {
  if (a.email && b.email) {
    if (a.email.toLowerCase() === b.email.toLowerCase()) return true;
  }
  const words = (name: string): string =>
    name
      .toLowerCase()
      .replace(/[^\p{L}\p{N}]+/gu, ' ')
      .trim()
      .split(' ')
      .sort()
      .join(' ');
  return words(a.name) !== '' && words(a.name) === words(b.name);
}
