// SPDX-License-Identifier: GPL-2.0-only
/* The inventory of a kernel tree: its C files, parsed. */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { Language, type Node, Parser } from 'web-tree-sitter';
import { type CFile, type CFunction, FILES } from './inventory.ts';

/** What looks like a call and generates no code, or is an operator of the compiler. */
export const NOT_CALLS: ReadonlySet<string> = new Set([
  'container_of',
  'likely',
  'unlikely',
  'sizeof',
  'offsetof',
  '__attribute__',
]);

/** Casts of a parenthesis, `(u32)(a | b)`: without the typedefs they read as calls. */
export const TYPES = /^(?:[us](?:8|16|32|64)|__\w+(?:8|16|32|64)|\w+_t)$/;

/** Annotations that the compiler does not see; they would be errors to a parser that knows no macros. */
export const ANNOTATIONS = /\b(?:__user|__iomem|__init|__exit|__rcu|__percpu|__must_check)\b/g;

/** A parser of C. */
export async function cParser(): Promise<Parser> {
  await Parser.init();
  const grammar = createRequire(import.meta.url).resolve('tree-sitter-c/tree-sitter-c.wasm');
  const c = new Parser();
  c.setLanguage(await Language.load(grammar));
  return c;
}

/** `#define` of one name to another: the first one where a condition has two. */
function renames(root: Node): Map<string, string> {
  const names = new Map<string, string>();
  for (const node of root.descendantsOfType('preproc_def')) {
    const name = node.childForFieldName('name')?.text ?? '';
    const value = node.childForFieldName('value')?.text.trim() ?? '';
    if (/^[a-z_]\w*$/i.test(value) && !names.has(name)) names.set(name, value);
  }
  return names;
}

/** The text of a function-like macro for one argument, with the pasting done. */
function expand(macro: Node, argument: string): string {
  const parameter = macro.childForFieldName('parameters')?.namedChild(0)?.text ?? '';
  const body = macro.childForFieldName('value')?.text ?? '';
  return body
    .replace(/\\\r?\n/g, '\n')
    .replace(new RegExp(`##\\s*${parameter}\\b|\\b${parameter}\\s*##`, 'g'), argument);
}

function callsOf(fn: Node, rename: ReadonlyMap<string, string>): string[] {
  const calls: string[] = [];
  for (const call of fn.descendantsOfType('call_expression')) {
    let callee = call.childForFieldName('function');
    while (callee !== null && /^(?:parenthesized|pointer)_expression$/.test(callee.type))
      callee = callee.namedChild(0);
    if (callee === null) continue;
    const name = callee.type === 'field_expression' ? callee.childForFieldName('field')?.text : callee.text;
    if (name === undefined || !/^\w+$/.test(name) || NOT_CALLS.has(name) || TYPES.test(name)) continue;
    calls.push(rename.get(name) ?? name);
  }
  return calls;
}

function definition(fn: Node, rename: ReadonlyMap<string, string>): CFunction {
  let declarator = fn.childForFieldName('declarator');
  while (declarator !== null && declarator.type !== 'identifier') {
    declarator = declarator.childForFieldName('declarator');
  }
  return {
    name: declarator?.text ?? '',
    isStatic: fn.namedChildren.some(
      (child) => child?.type === 'storage_class_specifier' && child.text === 'static',
    ),
    calls: callsOf(fn, rename),
  };
}

/** The functions of a C file in order, those that its macros make among them. */
function functionsOf(c: Parser, text: string): CFunction[] {
  const parse = (source: string): Node => {
    const tree = c.parse(source.replace(ANNOTATIONS, (word) => ' '.repeat(word.length)));
    if (tree === null) throw new Error('the C parser gave up');
    return tree.rootNode;
  };
  const root = parse(text);
  const rename = renames(root);
  const macros = new Map(
    root
      .descendantsOfType('preproc_function_def')
      .map((node) => [node.childForFieldName('name')?.text ?? '', node]),
  );
  const functions: CFunction[] = [];
  for (const node of root.descendantsOfType(['function_definition', 'call_expression'])) {
    if (node.type === 'function_definition') {
      functions.push(definition(node, rename));
      continue;
    }
    // Outside a function: a macro that makes one
    const macro = macros.get(node.childForFieldName('function')?.text ?? '');
    if (macro === undefined || within(node, 'function_definition')) continue;
    const made = parse(expand(macro, node.childForFieldName('arguments')?.namedChild(0)?.text ?? ''));
    for (const fn of made.descendantsOfType('function_definition')) functions.push(definition(fn, rename));
  }
  return functions;
}

function within(node: Node, type: string): boolean {
  for (let at = node.parent; at !== null; at = at.parent) if (at.type === type) return true;
  return false;
}

/**
 * The inventory of a kernel tree.
 *
 * @param dir its top folder
 * @param files which of its files, paths from there
 * @throws Error when a file cannot be read
 */
export async function readKernelTree(dir: string, files: readonly string[] = FILES): Promise<CFile[]> {
  const c = await cParser();
  return files.map((file) => ({
    path: file,
    functions: functionsOf(c, readFileSync(path.join(dir, file), 'utf8')),
  }));
}
