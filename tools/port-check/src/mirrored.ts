// SPDX-License-Identifier: GPL-2.0-only
/* The functions of a mirrored TypeScript file and the calls they make, from its syntax tree. */

import { readFileSync } from 'node:fs';
import ts from 'typescript';

export interface TsFunction {
  readonly name: string;
  /** What the line `C: <file> static name()` above it says; null: there is no such line. */
  readonly isStatic: boolean | null;
  readonly calls: readonly TsCall[];
}

export interface TsCall {
  readonly name: string;
  /** It may be a helper or a method of the language: only its name says whether C has the call. */
  readonly unsure: boolean;
  /** Through the image: `this.name()`. */
  readonly linked: boolean;
}

/** Where a file gets a name from: a package of ours, or itself. Names of the language have no origin. */
type Origins = ReadonlyMap<string, string>;

function originsOf(file: ts.SourceFile): Origins {
  const origins = new Map<string, string>();
  for (const statement of file.statements) {
    if (ts.isFunctionDeclaration(statement) && statement.name !== undefined) {
      origins.set(statement.name.text, 'local');
    }
    if (!ts.isImportDeclaration(statement)) continue;
    const from = (statement.moduleSpecifier as ts.StringLiteral).text;
    const bindings = statement.importClause?.namedBindings;
    if (bindings === undefined || !ts.isNamedImports(bindings)) continue;
    for (const element of bindings.elements) origins.set(element.name.text, from);
  }
  return origins;
}

/** `(work) => this.virqfd_shutdown(work)` is what C writes as `virqfd_shutdown`: a pointer, not a call. */
export function isFunctionPointer(node: ts.Node): boolean {
  if (!ts.isArrowFunction(node)) return false;
  let body: ts.Node = node.body;
  if (ts.isAwaitExpression(body)) body = body.expression;
  return (
    ts.isCallExpression(body) &&
    ts.isPropertyAccessExpression(body.expression) &&
    body.expression.expression.kind === ts.SyntaxKind.ThisKeyword
  );
}

/** What is called, under its C name; null when it belongs to the language and not to the kernel. */
function callee(call: ts.CallExpression, origins: Origins): TsCall | null {
  let fn: ts.Expression = call.expression;
  while (ts.isParenthesizedExpression(fn) || ts.isNonNullExpression(fn) || ts.isAsExpression(fn)) {
    fn = fn.expression;
  }
  // `func.call(this, ...)` calls func
  if (ts.isPropertyAccessExpression(fn) && fn.name.text === 'call' && ts.isIdentifier(fn.expression)) {
    fn = fn.expression;
  }
  if (ts.isPropertyAccessExpression(fn)) {
    const linked = fn.expression.kind === ts.SyntaxKind.ThisKeyword;
    return { name: fn.name.text, unsure: !linked, linked };
  }
  if (!ts.isIdentifier(fn)) return null;
  const origin = origins.get(fn.text);
  if (origin === '@vfio-lab/sim' || (origin === undefined && fn.text in globalThis)) return null;
  // Of the file itself or of a variable: a macro or function pointer of the C file, or a helper of ours
  const unsure = origin === undefined || origin === 'local' || origin.startsWith('.');
  return { name: fn.text, unsure, linked: false };
}

function callsOf(body: ts.Node, origins: Origins): TsCall[] {
  const calls: TsCall[] = [];
  const visit = (node: ts.Node): void => {
    if (isFunctionPointer(node)) return;
    if (ts.isCallExpression(node)) {
      const call = callee(node, origins);
      if (call !== null) calls.push(call);
    }
    ts.forEachChild(node, visit);
  };
  visit(body);
  return calls;
}

/** The linkage that the comment right above a function names. */
function linkage(fn: ts.FunctionDeclaration, text: string): boolean | null {
  const comments = ts.getLeadingCommentRanges(text, fn.pos) ?? [];
  const last = comments.at(-1);
  const found = last === undefined ? null : /\bC: \S+ (static )?\w+\(/.exec(text.slice(last.pos, last.end));
  return found === null ? null : found[1] !== undefined;
}

/** The exported functions of a file in its order; `statics` is not a C function. */
export function readMirrored(path: string): TsFunction[] {
  const text = readFileSync(path, 'utf8');
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true);
  const origins = originsOf(file);
  const functions: TsFunction[] = [];
  for (const statement of file.statements) {
    if (!ts.isFunctionDeclaration(statement) || statement.name === undefined || statement.body === undefined)
      continue;
    const exported = statement.modifiers?.some((m) => m.kind === ts.SyntaxKind.ExportKeyword) ?? false;
    if (!exported || statement.name.text === 'statics') continue;
    functions.push({
      name: statement.name.text,
      isStatic: linkage(statement, text),
      calls: callsOf(statement.body, origins),
    });
  }
  return functions;
}
