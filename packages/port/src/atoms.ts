// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a function does, as a flat list of steps in the order of the text: calls, assignments, conditions, returns. C and
 * TypeScript are both taken apart to it; names are kept in the port, so the steps can be compared by name.
 */

import { ALIASES, LANGUAGE, OPTIONAL } from '@vfio-lab/port-check/compare';

export type AtomKind =
  | 'call'
  | 'set'
  | 'if'
  | 'loop'
  | 'switch'
  | 'case'
  | 'return'
  | 'goto'
  | 'break'
  | 'continue'
  | 'else'
  | 'end'
  | 'function'
  | 'field'
  | 'data'
  | 'ref'
  | 'define';

/** One step. */
export interface Atom {
  readonly kind: AtomKind;
  /** Called function, assigned variable or field (the last name of a path), label; '' for a condition. */
  readonly name: string;
  /** The other names, constants and operators of the step, sorted. */
  readonly words: readonly string[];
  /** Lines that it stands on, from 1, in the text that was parsed. */
  readonly lines: readonly number[];
  /** The value that a variable has from its declaration. */
  readonly initial?: 'constant' | 'other';
}

/** Steps with the same key are counterparts. */
export function keyOf(atom: Atom): string {
  return `${atom.kind} ${atom.name} ${atom.words.join(' ')}`;
}

/** A step in words, for a report. */
export function atomText(atom: Atom): string {
  const words = atom.words.join(' ');
  const of = words === '' ? '' : ` (${words})`;
  switch (atom.kind) {
    case 'call':
      return `call of ${atom.name}(${atom.words.join(', ')})`;
    case 'set':
      return `assignment to ${atom.name}${of}`;
    case 'function':
      return `${atom.words[0]} ${atom.name}(${atom.words.slice(1).join(', ')})`;
    case 'data':
      return atom.name;
    case 'ref':
      return `${atom.name.slice(atom.name.indexOf('.') + 1)} in ${atom.name.slice(0, atom.name.indexOf('.'))}`;
    default:
      return `${atom.kind} ${atom.name}`.trimEnd() + of;
  }
}

/** Operators of the language that C's macros and casts hide: neither side's call of it is a step, only its arguments. */
const DROPPED: ReadonlySet<string> = new Set([...LANGUAGE, ...OPTIONAL, 'likely', 'unlikely']);

/** Sizes and offsets are constants; what they are taken of has another form in each language. */
const CONSTANT: ReadonlySet<string> = new Set(['sizeof', 'offsetof', 'offsetofend', 'sizeof_field']);

/** Methods that an object of the language has: no calls of the kernel, unless C calls a pointer of the same name. */
const METHODS: ReadonlySet<string> = new Set(
  [Array, String, Map, Set, Uint8Array, DataView, Function].flatMap((type) =>
    Object.getOwnPropertyNames(type.prototype),
  ),
);

/** What becomes of a call: a step of its own, its arguments alone, or nothing. */
export function roleOfCall(name: string, isMember: boolean): 'call' | 'arguments' | 'nothing' {
  if (CONSTANT.has(name)) return 'nothing';
  if (DROPPED.has(name) || (isMember && METHODS.has(name))) return 'arguments';
  return 'call';
}

/** Allocators and others that have several names for one thing. */
export function calledName(name: string): string {
  return ALIASES.get(name) ?? name;
}

/** A number as both languages have it: C suffixes, bigint and bases gone. */
export function numberWord(text: string): string {
  const value = Number(text.replace(/(?<=[\da-f])(?:ul{0,2}|ll?u?|n)$/i, ''));
  return Number.isNaN(value) ? text : String(value);
}

/** An operator as both languages have it. */
export function operatorWord(text: string): string {
  return { '===': '==', '!==': '!=', '>>>': '>>' }[text] ?? text;
}

/** Loops over lists are macros in C and iterables here. */
export function isLoopMacro(name: string): boolean {
  return /(?:^|_)for_each_/.test(name);
}

/** Collects the words of one step. */
export class Words {
  readonly list: string[] = [];
  readonly #lines = new Set<number>();

  add(word: string): void {
    this.list.push(word);
  }

  at(line: number): void {
    this.#lines.add(line);
  }

  get lines(): number[] {
    return [...this.#lines].toSorted((a, b) => a - b);
  }

  sorted(): string[] {
    return this.list.toSorted();
  }
}
