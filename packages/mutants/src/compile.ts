// SPDX-License-Identifier: GPL-2.0-only
/* A text in place of a source file: compiled in memory, with the modules that run already behind its imports. */

import { existsSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { compileFunction } from 'node:vm';
import { link, type PatchModule, register, type Revision } from '@vfio-lab/series';
import { BASE } from '@vfio-lab/series';
import ts from 'typescript';
import { type Edit, edited } from './operators.ts';
import type { Subject } from './scope.ts';

type Namespace = Readonly<Record<string, unknown>>;

const NAMESPACES = new Map<string, Namespace>();

/** What an import of a source file leads to: a package, or a file beside it. */
function target(specifier: string, from: string): string {
  return specifier.startsWith('.') ? path.resolve(path.dirname(from), specifier) : specifier;
}

/** Load what the source files of these subjects import, the same modules that the lab runs on. */
export async function loadImports(subjects: readonly Subject[]): Promise<void> {
  const wanted = new Set<string>();
  for (const file of new Set(subjects.map((s) => s.declaration.getSourceFile()))) {
    for (const statement of file.statements) {
      if (!ts.isImportDeclaration(statement) || statement.importClause?.isTypeOnly === true) continue;
      wanted.add(target((statement.moduleSpecifier as ts.StringLiteral).text, file.fileName));
    }
  }
  for (const name of wanted) {
    if (NAMESPACES.has(name)) continue;
    const url = existsSync(name) ? pathToFileURL(name).href : name;
    NAMESPACES.set(name, (await import(url)) as Namespace);
  }
}

/**
 * What of a source file a function needs: the imports, the constants, the helpers that are the file's own. Other functions
 * it reaches through the running image.
 */
function around(file: ts.SourceFile, names: ReadonlySet<string>): Edit[] {
  const cut: Edit[] = [];
  for (const statement of file.statements) {
    const exported = ts.canHaveModifiers(statement)
      ? ts.getModifiers(statement)?.some((m) => m.kind === ts.SyntaxKind.ExportKeyword)
      : false;
    const other =
      ts.isFunctionDeclaration(statement) && exported === true && !names.has(statement.name?.text ?? '');
    if (other || ts.isExportDeclaration(statement))
      cut.push({ from: statement.pos, to: statement.end, text: '' });
  }
  return cut;
}

/**
 * Functions of a source file as they stand after edits of its text.
 *
 * @param globals more names that the text may use
 * @throws SyntaxError when the text is none
 */
export function compile(
  file: ts.SourceFile,
  names: ReadonlySet<string>,
  edits: readonly Edit[],
  globals: Namespace = {},
): PatchModule {
  const text = edited(file.text, [...edits, ...around(file, names)]);
  const { outputText } = ts.transpileModule(text, {
    fileName: path.basename(file.fileName),
    compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2023, removeComments: true },
  });
  const exports: Record<string, unknown> = {};
  const load = (specifier: string): Namespace => {
    const found = NAMESPACES.get(target(specifier, file.fileName));
    if (found === undefined) throw new Error(`${specifier} is not loaded`);
    return found;
  };
  const body = compileFunction(outputText, ['require', 'exports', ...Object.keys(globals)], {
    filename: file.fileName,
  }) as (...args: unknown[]) => void;
  body(load, exports, ...Object.values(globals));
  const functions: Record<string, unknown> = {};
  for (const name of names) functions[name] = exports[name];
  return functions;
}

/** A revision with functions laid over it, known under a name. */
export function layOver(revision: Revision, name: string, functions: PatchModule): Revision {
  const { image } = revision;
  const made: Revision = { ...revision, name, image: link(BASE, ...image.patches, functions) };
  register(made);
  return made;
}
