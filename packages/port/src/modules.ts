// SPDX-License-Identifier: GPL-2.0-only
/* The modules of a revision and the mirrored files of the base, as syntax trees: who has which function, and where. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { InputError } from '@vfio-lab/review/reader';
import ts from 'typescript';

/** The folder of the repository. */
export const ROOT = path.join(import.meta.dirname, '..', '..', '..');

/** The packages that mirror C files, in link order. */
const MIRRORED: readonly string[] = [
  'vfio',
  'vfio-pci-core',
  'vfio-pci-intrs',
  'vfio-pci-config',
  'vfio-pci',
];

export type Exported = ts.FunctionDeclaration | ts.VariableDeclaration;

/** A source file, parsed. */
export class SourceText {
  readonly path: string;
  readonly file: ts.SourceFile;
  /** Where a relative import may lead when it does not from the file's own folder. */
  readonly home: string | null;
  readonly #cache: SourceCache;

  constructor(file: string, text: string, home: string | null, cache: SourceCache) {
    this.path = file;
    this.file = ts.createSourceFile(file, text, ts.ScriptTarget.ES2023, true);
    this.home = home;
    this.#cache = cache;
  }

  /** The declaration that the file exports under a name, itself or from another file; undefined when it has none. */
  exported(name: string): Exported | undefined {
    for (const statement of this.file.statements) {
      if (ts.isFunctionDeclaration(statement) && statement.name?.text === name && isExported(statement))
        return statement;
      if (ts.isVariableStatement(statement) && isExported(statement)) {
        const found = statement.declarationList.declarations.find(
          (d) => ts.isIdentifier(d.name) && d.name.text === name,
        );
        if (found !== undefined) return found;
      }
      if (
        ts.isExportDeclaration(statement) &&
        statement.exportClause &&
        ts.isNamedExports(statement.exportClause)
      ) {
        const element = statement.exportClause.elements.find((e) => e.name.text === name);
        if (element === undefined) continue;
        const own = (element.propertyName ?? element.name).text;
        const other = this.#reexported(statement);
        if (other !== null) return other.exported(own);
      }
    }
    return undefined;
  }

  /** Every exported name of a value, in the order of the file. */
  names(): string[] {
    const names: string[] = [];
    for (const statement of this.file.statements) {
      if (ts.isFunctionDeclaration(statement) && statement.name && isExported(statement))
        names.push(statement.name.text);
      if (ts.isVariableStatement(statement) && isExported(statement))
        for (const d of statement.declarationList.declarations)
          if (ts.isIdentifier(d.name)) names.push(d.name.text);
      if (
        ts.isExportDeclaration(statement) &&
        !statement.isTypeOnly &&
        statement.exportClause &&
        ts.isNamedExports(statement.exportClause)
      )
        for (const element of statement.exportClause.elements) names.push(element.name.text);
    }
    return [...new Set(names)];
  }

  #reexported(statement: ts.ExportDeclaration): SourceText | null {
    const { moduleSpecifier } = statement;
    if (moduleSpecifier === undefined || !ts.isStringLiteral(moduleSpecifier)) return null;
    const specifier = moduleSpecifier.text;
    if (!specifier.startsWith('.')) return null;
    const folders = [path.dirname(this.path), ...(this.home === null ? [] : [this.home])];
    const found = folders.map((dir) => path.join(dir, specifier)).find((file) => existsSync(file));
    return found === undefined ? null : this.#cache.read(found, this.home);
  }
}

export function isExported(node: ts.HasModifiers): boolean {
  return node.modifiers?.some((m) => m.kind === ts.SyntaxKind.ExportKeyword) ?? false;
}

/** Every file is parsed once. */
export class SourceCache {
  readonly #files = new Map<string, SourceText>();
  #base: Map<string, SourceText> | null = null;

  /** The same files but for one, which has another text. */
  overlay(file: string, text: string): SourceCache {
    const other = new SourceCache();
    for (const [name, source] of this.#files) other.#files.set(name, source);
    other.#base = this.#base;
    const home = this.#files.get(file)?.home ?? null;
    other.#files.set(file, new SourceText(file, text, home, other));
    return other;
  }

  read(file: string, home: string | null = null): SourceText {
    let found = this.#files.get(file);
    if (found === undefined) {
      found = new SourceText(file, readFileSync(file, 'utf8'), home, this);
      this.#files.set(file, found);
    }
    return found;
  }

  /** The mirrored file of the base that has a function; undefined when none has. */
  base(root: string, name: string): SourceText | undefined {
    if (this.#base === null) {
      this.#base = new Map();
      for (const pkg of MIRRORED) {
        const dir = path.join(root, 'packages', pkg, 'src');
        for (const file of readdirSync(dir).toSorted()) {
          if (!file.endsWith('.ts') || file === 'index.ts') continue;
          const source = this.read(path.join(dir, file));
          for (const fn of source.names()) if (!this.#base.has(fn)) this.#base.set(fn, source);
        }
      }
    }
    return this.#base.get(name);
  }
}

/** The modules of a revision by the number of their patch. */
export interface RevisionModules {
  readonly dir: string;
  readonly patches: ReadonlyMap<number, SourceText>;
}

/** Folder of a revision that is registered or was made by `port new`. */
export function revisionDir(root: string, name: string): string {
  return path.join(root, 'packages', 'series', 'src', name);
}

/**
 * The modules in a folder: `<number>-<name>.ts`, one a patch.
 *
 * @param home a folder that relative imports may also start from, for a copy that lies elsewhere
 * @throws InputError when it is no such folder
 */
export function readModules(cache: SourceCache, dir: string, home: string | null): RevisionModules {
  let names: string[];
  try {
    names = readdirSync(dir);
  } catch {
    throw new InputError('no such folder of modules', dir, 'vfio-lab port new makes one');
  }
  const patches = new Map<number, SourceText>();
  for (const name of names.toSorted()) {
    const number = /^(\d+)-.*\.ts$/.exec(name)?.[1];
    if (number === undefined) continue;
    if (patches.has(Number(number)))
      throw new InputError(`two modules for patch ${number}`, dir, 'one a patch: remove the other');
    patches.set(Number(number), cache.read(path.join(dir, name), home));
  }
  if (patches.size === 0)
    throw new InputError('no module of a patch', dir, 'they are called <number>-<name>.ts');
  return { dir, patches };
}

/** A function of a file; undefined when the name is something else or not there. */
export function functionIn(source: SourceText | undefined, name: string): ts.FunctionDeclaration | undefined {
  const found = source?.exported(name);
  return found !== undefined && ts.isFunctionDeclaration(found) ? found : undefined;
}
