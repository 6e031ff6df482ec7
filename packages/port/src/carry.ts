// SPDX-License-Identifier: GPL-2.0-only
/* Functions carried from one source file to a new module: their text, and what the text needs around it. */

import path from 'node:path';
import ts from 'typescript';
import type { SourceText } from './modules.ts';
import { isExported } from './modules.ts';

/** The imports of a module that is being made. */
export class Imports {
  readonly #types = new Map<string, Set<string>>();
  readonly #values = new Map<string, Set<string>>();

  add(from: string, element: string, typeOnly: boolean): void {
    const table = typeOnly ? this.#types : this.#values;
    const names = table.get(from) ?? new Set<string>();
    names.add(element);
    table.set(from, names);
  }

  /** A class is a value and a type. */
  #typesOnly(from: string): Set<string> {
    const values = this.#values.get(from);
    return new Set([...(this.#types.get(from) ?? [])].filter((name) => values?.has(name) !== true));
  }

  /** Packages from the floor up, then files; types before values. */
  render(): string[] {
    const all = [...new Set([...this.#types.keys(), ...this.#values.keys()])].toSorted(
      (a, b) => rank(a) - rank(b) || (a < b ? -1 : 1),
    );
    return all.flatMap((from) => [
      ...list('import type', this.#typesOnly(from), from),
      ...list('import', this.#values.get(from), from),
    ]);
  }
}

const FLOORS: readonly string[] = [
  'sim',
  'locking',
  'kernel',
  'irq',
  'runtime-pm',
  'pci',
  'pci-devices',
  'iommu',
  'headers',
];

function rank(from: string): number {
  if (from.startsWith('.')) return from === '../types.ts' ? 100 : 101;
  const floor = FLOORS.indexOf(from.replace('@vfio-lab/', ''));
  return floor < 0 ? 50 : floor;
}

function list(words: string, names: ReadonlySet<string> | undefined, from: string): string[] {
  if (names === undefined || names.size === 0) return [];
  const sorted = [...names].toSorted((a, b) => {
    const [x, y] = [a.toLowerCase(), b.toLowerCase()];
    return x < y ? -1 : x > y ? 1 : 0;
  });
  return braces(`${words} {`, sorted, `} from '${from}';`);
}

/** `head a, b tail` on one line when it fits, else one name a line. */
export function braces(head: string, names: readonly string[], tail: string): string[] {
  const one = `${head} ${names.join(', ')} ${tail}`;
  return one.length <= 110 ? [one] : [head, ...names.map((name) => `  ${name},`), tail];
}

/** Names that a piece of code uses and does not get from an object. */
function freeNames(node: ts.Node): Set<string> {
  const names = new Set<string>();
  const visit = (at: ts.Node): void => {
    if (ts.isIdentifier(at)) {
      const { parent } = at;
      const isMember =
        (ts.isPropertyAccessExpression(parent) && parent.name === at) ||
        (ts.isPropertyAssignment(parent) && parent.name === at) ||
        (ts.isQualifiedName(parent) && parent.right === at) ||
        (ts.isPropertySignature(parent) && parent.name === at) ||
        (ts.isBindingElement(parent) && parent.propertyName === at) ||
        (ts.isLabeledStatement(parent) && parent.label === at) ||
        (ts.isBreakOrContinueStatement(parent) && parent.label === at);
      if (!isMember) names.add(at.text);
    }
    ts.forEachChild(at, visit);
  };
  visit(node);
  return names;
}

/** Names that a function declares itself: parameters and variables. */
function ownNames(fn: ts.Node): Set<string> {
  const names = new Set<string>();
  const bind = (name: ts.BindingName): void => {
    if (ts.isIdentifier(name)) names.add(name.text);
    else for (const element of name.elements) if (ts.isBindingElement(element)) bind(element.name);
  };
  const visit = (at: ts.Node): void => {
    if (ts.isParameter(at) || (ts.isVariableDeclaration(at) && at.parent.parent !== fn)) bind(at.name);
    ts.forEachChild(at, visit);
  };
  visit(fn);
  return names;
}

/** Is a name used as a value anywhere in the node? */
function isValue(node: ts.Node, name: string): boolean {
  let found = false;
  const visit = (at: ts.Node): void => {
    if (ts.isTypeNode(at) && !ts.isTypeQueryNode(at) && !ts.isExpressionWithTypeArguments(at)) return;
    if (ts.isIdentifier(at) && at.text === name) found = true;
    ts.forEachChild(at, visit);
  };
  visit(node);
  return found;
}

/** Carries functions into the module of a patch. */
export class Carrier {
  readonly imports = new Imports();
  /** Helpers of the file that a function comes from, which nothing exports: they come along. */
  readonly helpers: string[] = [];
  readonly #dir: string;
  readonly #packages: string;
  readonly #exportsOf: (pkg: string) => readonly string[];
  readonly #read: (file: string) => SourceText;
  readonly #taken = new Set<ts.Node>();

  /**
   * @param dir folder of the new module
   * @param packages folder of the packages
   * @param exportsOf names that the index of a package exports
   * @param read parses a file
   */
  constructor(
    dir: string,
    packages: string,
    exportsOf: (pkg: string) => readonly string[],
    read: (file: string) => SourceText,
  ) {
    this.#read = read;
    this.#dir = dir;
    this.#packages = packages;
    this.#exportsOf = exportsOf;
  }

  /** The text of a function with the comment above it, its needs noted. */
  take(fn: ts.FunctionDeclaration, source: SourceText): string {
    this.#needs(fn, source);
    return textOf(fn);
  }

  #needs(node: ts.Node, source: SourceText): void {
    const own = ownNames(node);
    for (const name of freeNames(node)) {
      const imported = importOf(source.file, name);
      if (imported !== null) {
        if (own.has(name) && !isType(node, name)) continue;
        const pkg = this.#packageOf(source.path);
        if (
          imported.from.startsWith('.') &&
          pkg !== 'series' &&
          !this.#exportsOf(pkg).includes(imported.element)
        ) {
          // A helper that stays inside its package
          const target = this.#read(path.join(path.dirname(source.path), imported.from));
          this.#local(imported.element, node, target);
          continue;
        }
        const typeOnly = imported.typeOnly || !isValue(node, name);
        this.imports.add(this.#specifier(imported.from, source), imported.element, typeOnly);
      } else {
        this.#local(name, node, source);
      }
    }
  }

  /** A declaration of the source file itself: imported when something exports it, else brought along. */
  #local(name: string, user: ts.Node, source: SourceText): void {
    for (const statement of source.file.statements) {
      const declares =
        (ts.isVariableStatement(statement) &&
          statement.declarationList.declarations.some(
            (d) => ts.isIdentifier(d.name) && d.name.text === name,
          )) ||
        ((ts.isFunctionDeclaration(statement) ||
          ts.isTypeAliasDeclaration(statement) ||
          ts.isInterfaceDeclaration(statement)) &&
          statement.name?.text === name);
      if (!declares || statement === user) continue;
      const pkg = this.#packageOf(source.path);
      const isPatch = pkg === 'series';
      if (isPatch && isExported(statement)) {
        this.imports.add(this.#relative(source.path), name, !isValue(user, name));
      } else if (!isPatch && this.#exportsOf(pkg).includes(name)) {
        this.imports.add(`@vfio-lab/${pkg}`, name, !isValue(user, name));
      } else if (!this.#taken.has(statement)) {
        this.#taken.add(statement);
        this.#needs(statement, source);
        this.helpers.push(textOf(statement).replace(/^export /m, ''));
      }
    }
  }

  #packageOf(file: string): string {
    return path.relative(this.#packages, file).split(path.sep)[0] ?? '';
  }

  #relative(file: string): string {
    const relative = path.relative(this.#dir, file).split(path.sep).join('/');
    return relative.startsWith('.') ? relative : `./${relative}`;
  }

  #specifier(from: string, source: SourceText): string {
    if (!from.startsWith('.')) return from;
    const target = path.join(path.dirname(source.path), from);
    const pkg = this.#packageOf(source.path);
    return pkg === 'series' ? this.#relative(target) : `@vfio-lab/${pkg}`;
  }
}

function isType(node: ts.Node, name: string): boolean {
  let found = false;
  const visit = (at: ts.Node): void => {
    if (ts.isTypeReferenceNode(at) && at.typeName.getText() === name) found = true;
    ts.forEachChild(at, visit);
  };
  visit(node);
  return found;
}

/** Where a file imports a name from. */
function importOf(
  file: ts.SourceFile,
  name: string,
): { from: string; element: string; typeOnly: boolean } | null {
  for (const statement of file.statements) {
    if (!ts.isImportDeclaration(statement)) continue;
    const bindings = statement.importClause?.namedBindings;
    if (bindings === undefined || !ts.isNamedImports(bindings)) continue;
    const element = bindings.elements.find((e) => e.name.text === name);
    if (element === undefined) continue;
    return {
      from: (statement.moduleSpecifier as ts.StringLiteral).text,
      element: element.propertyName === undefined ? name : `${element.propertyName.text} as ${name}`,
      typeOnly: statement.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword || element.isTypeOnly,
    };
  }
  return null;
}

/** With the comment right above. */
function textOf(node: ts.Node): string {
  const text = node.getSourceFile().text;
  const comments = ts.getLeadingCommentRanges(text, node.pos) ?? [];
  const last = comments.at(-1);
  const from =
    last !== undefined && !/\n[ \t]*\n/.test(text.slice(last.end, node.getStart()))
      ? last.pos
      : node.getStart();
  return text.slice(from, node.end);
}
