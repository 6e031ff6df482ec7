// SPDX-License-Identifier: GPL-2.0-only
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Series } from '@vfio-lab/review/reader';
import { readSeries } from '@vfio-lab/review/reader';
import ts from 'typescript';
import { keyOf } from '../src/atoms.ts';
import { CReader } from '../src/c-atoms.ts';
import { ROOT, SourceCache } from '../src/modules.ts';
import { tsSteps } from '../src/ts-atoms.ts';

/** The made-up series: patch 1 as in v7, patch 2 new. */
export function v8(): Promise<Series> {
  const name = path.join(import.meta.dirname, 'fixtures', 'v8.mbox');
  return readSeries(readFileSync(name), 'v8.mbox');
}

/** A repository to write in: the packages are those of this one, but for a copy of the series. */
export function scratch(): string {
  const root = mkdtempSync(path.join(tmpdir(), 'port-'));
  const packages = path.join(ROOT, 'packages');
  mkdirSync(path.join(root, 'packages', 'series'), { recursive: true });
  for (const name of readdirSync(packages))
    if (name !== 'series') symlinkSync(path.join(packages, name), path.join(root, 'packages', name));
  cpSync(path.join(packages, 'series', 'src'), path.join(root, 'packages', 'series', 'src'), {
    recursive: true,
  });
  const modules = path.join('packages', 'series', 'node_modules');
  symlinkSync(path.join(ROOT, modules), path.join(root, modules));
  writeFileSync(path.join(root, 'packages', 'series', 'package.json'), '{ "type": "module" }\n');
  return root;
}

const reader = await CReader.create();

/** The keys of the steps of a piece of a C function. */
export function cKeys(text: string, hasHead = false): string[] {
  return reader.functionPiece(text.split('\n'), hasHead).atoms.map(keyOf);
}

/** Lines of a piece of C that could not be read. */
export function unread(text: string): readonly number[] {
  return reader.functionPiece(text.split('\n'), false).unread;
}

/** The keys of the steps in the body of a ported function. */
export function tsKeys(body: string): string[] {
  const text = `export async function f(this: Kernel): Promise<int> {\n${body}\n}\n`;
  const file = ts.createSourceFile('f.ts', text, ts.ScriptTarget.ES2023, true);
  const [fn] = file.statements;
  if (fn === undefined || !ts.isFunctionDeclaration(fn)) throw new Error('no function');
  return tsSteps(fn).atoms.slice(1).map(keyOf);
}

/** A statement of a function that is not in the version before, and where. */
export interface Removable {
  readonly function: string;
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Lines of `now` that are not in `old`, by the longest common subsequence. */
function addedLines(old: readonly string[], now: readonly string[]): Set<number> {
  const best = Array.from({ length: old.length + 1 }, () => new Array<number>(now.length + 1).fill(0));
  for (let i = old.length - 1; i >= 0; i--)
    for (let j = now.length - 1; j >= 0; j--)
      best[i][j] = old[i] === now[j] ? best[i + 1][j + 1] + 1 : Math.max(best[i + 1][j], best[i][j + 1]);
  const added = new Set<number>();
  for (let i = 0, j = 0; j < now.length;) {
    if (i < old.length && old[i] === now[j]) [i, j] = [i + 1, j + 1];
    else if (i < old.length && best[i + 1][j] >= best[i][j + 1]) i++;
    else added.add(j++);
  }
  return added;
}

const lines = (text: string): string[] =>
  text.split('\n').map((line) => line.replace(/ ?\/\/ .*$/, '').trim());

/** Every statement of a module that its functions have and the versions before (by name) have not. */
export function removables(
  module: string,
  before: (name: string) => ts.FunctionDeclaration | undefined,
): Removable[] {
  const { file } = new SourceCache().read(module);
  const found: Removable[] = [];
  for (const fn of file.statements) {
    if (!ts.isFunctionDeclaration(fn) || fn.name === undefined || fn.name.text === 'statics') continue;
    const name = fn.name.text;
    const added = addedLines(lines(before(name)?.getText() ?? ''), lines(fn.getText()));
    const first = file.getLineAndCharacterOfPosition(fn.getStart()).line;
    const visit = (node: ts.Node): void => {
      const isOne = ts.isStatement(node) && !ts.isBlock(node) && !ts.isLabeledStatement(node);
      // A variable without a value is for the type checker.
      const isBare =
        ts.isVariableStatement(node) && node.declarationList.declarations.every((d) => !d.initializer);
      const at = file.getLineAndCharacterOfPosition(node.getStart()).line - first;
      if (isOne && !isBare && added.has(at))
        found.push({ function: name, start: node.getStart(), end: node.end, text: node.getText() });
      ts.forEachChild(node, visit);
    };
    if (fn.body !== undefined) visit(fn.body);
  }
  return found;
}

/** The text without a statement, which leaves an empty block where one has to be. */
export function without(text: string, { start, end }: Removable): string {
  const head = text.slice(0, start);
  return (
    head +
    (/(?:\belse|\))\s*$/.test(head) ? '{}' : '') +
    text.slice(start, end).replace(/[^\n]/g, ' ') +
    text.slice(end)
  );
}
