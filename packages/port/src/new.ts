// SPDX-License-Identifier: GPL-2.0-only
/*
 * The modules of a new revision, made from its mails: one a patch, with the functions that its hunks touch as they stand
 * in an older revision or in the base, and the list of what is to be ported.
 */

import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Hunk, Patch, Series } from '@vfio-lab/review/reader';
import { InputError } from '@vfio-lab/review/reader';
import type { SeriesInfo } from '@vfio-lab/series';
import { SERIES } from '@vfio-lab/series';
import ts from 'typescript';
import { braces, Carrier } from './carry.ts';
import { FILES } from '@vfio-lab/port-check/inventory';
import type { RevisionModules, SourceText } from './modules.ts';
import { functionIn, readModules, revisionDir, ROOT, SourceCache } from './modules.ts';

/** Something to port: a function with the hunks that touch it, or the declarations of a file. */
export interface Task {
  readonly file: string;
  /** null: declarations between functions. */
  readonly function: string | null;
  /** A revision and patch (`v7 3/5`, `v8 2/5`), `base`; `new`: nobody has it. */
  readonly from: string;
  readonly hunks: readonly { header: string; lines: readonly string[] }[];
}

export interface PatchTasks {
  readonly number: number;
  readonly subject: string;
  readonly module: string;
  readonly tasks: readonly Task[];
}

export interface NewRevision {
  readonly name: string;
  readonly from: string;
  /** Folder of the modules. */
  readonly dir: string;
  /** Files written in it. */
  readonly files: readonly string[];
  readonly patches: readonly PatchTasks[];
}

export interface NewOptions {
  /** The repository. */
  readonly root?: string;
  /** Kernel that the series applies to, when it is not that of the older revision. */
  readonly base?: string;
}

/** The file name of a patch's module: number and subject, without the subsystem. */
export function moduleName(number: number, subject: string): string {
  const words = subject
    .replace(/^(?:[\w/.-]+:\s*)+/, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');
  return `${number}-${words === '' ? 'patch' : words}.ts`;
}

/** A string as the sources write it. */
function quoted(text: string): string {
  const body = text.replace(/\\/g, '\\\\').replace(/\r?\n/g, ' ');
  return body.includes("'") && !body.includes('"') ? `"${body}"` : `'${body.replace(/'/g, "\\'")}'`;
}

function property(indent: string, name: string, items: readonly string[]): string[] {
  const one = `${indent}${name}: [${items.join(', ')}],`;
  return one.length <= 110
    ? [one]
    : [`${indent}${name}: [`, ...items.map((item) => `${indent}  ${item},`), `${indent}],`];
}

function isMirrored(file: string): boolean {
  return FILES.includes(file) || file === 'drivers/vfio/vfio_main.c';
}

/** Functions of mirrored files that a patch touches, by file, in the order of the diff. */
function touched(patch: Patch): Map<string, string[]> {
  const byFile = new Map<string, string[]>();
  for (const { file, name } of patch.functions) {
    if (!isMirrored(file)) continue;
    byFile.set(file, [...(byFile.get(file) ?? []), name]);
  }
  return byFile;
}

/** Which patch of the older revision each patch continues: of the same subject, else of the most functions in common. */
function ancestors(patches: readonly Patch[], from: SeriesInfo): Map<number, number> {
  const found = new Map<number, number>();
  for (const { number, subject } of patches) {
    const old = from.patches.find((p) => p.patch.subject === subject);
    if (old !== undefined) found.set(number, old.patch.number);
  }
  for (const patch of patches) {
    if (found.has(patch.number)) continue;
    const names = new Set(patch.functions.map((fn) => fn.name));
    const claimed = new Set(found.values());
    let most = 0;
    for (const { patch: old } of from.patches) {
      if (claimed.has(old.number)) continue;
      const all = Object.values(old.functions).flat();
      const common = all.filter((name) => names.has(name)).length;
      // A patch that only shares a function is another one.
      if (common > most && 2 * common > Math.max(all.length, names.size)) {
        most = common;
        found.set(patch.number, old.number);
      }
    }
  }
  return found;
}

/** Where a function's text is to come from. */
interface Origin {
  readonly source: SourceText;
  readonly fn: ts.FunctionDeclaration;
  readonly from: string;
}

class Maker {
  readonly #name: string;
  readonly #from: SeriesInfo;
  readonly #series: Series;
  readonly #root: string;
  readonly #cache = new SourceCache();
  readonly #old: RevisionModules;
  /** Of each function, the text that the last module of the new revision has, and where it came from. */
  readonly #made = new Map<string, Origin & { patch: number }>();
  readonly #base: string | undefined;
  readonly #ancestors: ReadonlyMap<number, number>;

  constructor(name: string, from: SeriesInfo, series: Series, root: string, base: string | undefined) {
    this.#name = name;
    this.#from = from;
    this.#series = series;
    this.#root = root;
    this.#base = base;
    this.#ancestors = ancestors(series.patches, from);
    this.#old = readModules(this.#cache, revisionDir(root, from.name), null);
  }

  /** Every file of the folder, by name, and the tasks. */
  make(): { files: Map<string, string>; patches: PatchTasks[] } {
    const files = new Map<string, string>();
    const patches = this.#series.patches.map((patch) => {
      const { text, tasks } = this.#module(patch);
      const module = moduleName(patch.number, patch.subject);
      files.set(module, text);
      return { number: patch.number, subject: patch.subject, module, tasks };
    });
    files.set('index.ts', this.#index(patches));
    return { files, patches };
  }

  #origin(name: string, old: number | null): Origin | null {
    const total = this.#from.patches.length;
    const at = (source: SourceText | undefined, from: string): Origin | null => {
      const fn = functionIn(source, name);
      if (source === undefined || fn === undefined) return null;
      return { source: this.#cache.read(fn.getSourceFile().fileName), fn, from };
    };
    if (old !== null) {
      const found = at(this.#old.patches.get(old), `${this.#from.name} ${old}/${total}`);
      if (found !== null) return found;
    }
    const before = this.#made.get(name);
    if (before !== undefined)
      return { ...before, from: `${this.#name} ${before.patch}/${this.#series.patches.length}` };
    const others = this.#series.patches.filter((p) => p.functions.some((fn) => fn.name === name));
    const having = [...this.#old.patches].filter(([, source]) => functionIn(source, name) !== undefined);
    const base = at(this.#cache.base(this.#root, name), 'base');
    // The only patch that touches it now: what several did, or another did, has moved here.
    const pick = others.length === 1 && old !== null ? having.at(-1) : having[0];
    if (pick !== undefined && (base === null || (others.length === 1 && old !== null)))
      return at(pick[1], `${this.#from.name} ${pick[0]}/${total}`);
    return base;
  }

  #module(patch: Patch): { text: string; tasks: Task[] } {
    const dir = revisionDir(this.#root, this.#name);
    const packages = path.join(this.#root, 'packages');
    const carrier = new Carrier(
      dir,
      packages,
      (pkg) => this.#packageExports(pkg),
      (file) => this.#cache.read(file),
    );
    const old = this.#ancestors.get(patch.number) ?? null;
    const byFile = touched(patch);
    const tasks: Task[] = [];
    const texts: string[] = [];
    for (const [file, names] of byFile) {
      for (const name of names) {
        const origin = this.#origin(name, old);
        if (origin !== null) {
          texts.push(carrier.take(origin.fn, origin.source));
          this.#made.set(name, { ...origin, patch: patch.number });
        }
        tasks.push({ file, function: name, from: origin?.from ?? 'new', hunks: hunksOf(patch, file, name) });
      }
    }
    const declarations = patch.diff.flatMap((diff) => {
      if (!isMirrored(diff.path) && !diff.path.endsWith('.h')) return [];
      const hunks = hunksOf(patch, diff.path, null);
      return hunks.length > 0 ? [{ file: diff.path, hunks }] : [];
    });
    const rest = old === null ? [] : this.#rest(old);
    for (const { file, hunks } of declarations)
      tasks.push({
        file,
        function: null,
        from: rest.length > 0 ? `${this.#from.name} ${old}/${this.#from.patches.length}` : 'new',
        hunks,
      });
    carrier.imports.add('../types.ts', 'PatchInfo', true);
    const total = this.#series.patches.length;
    const lines = [
      '// SPDX-License-Identifier: GPL-2.0-only',
      `// ${this.#name} ${patch.number}/${total}: ${patch.subject}`,
      '',
      ...carrier.imports.render(),
      '',
      ...info(patch, byFile),
    ];
    for (const helper of carrier.helpers) lines.push('', helper);
    for (const text of texts) lines.push('', text);
    if (old !== null && rest.length > 0) {
      const source = this.#old.patches.get(old);
      const file = path.basename(source?.path ?? '');
      lines.push('', `// as in ${this.#from.name} ${old}/${this.#from.patches.length}`);
      lines.push(...braces('export {', rest, `} from '../${this.#from.name}/${file}';`));
    }
    return { text: `${lines.join('\n')}\n`, tasks };
  }

  /** What the module of an older patch exports beside functions of the driver. */
  #rest(old: number): string[] {
    const source = this.#old.patches.get(old);
    if (source === undefined) return [];
    return source.names().filter((name) => {
      if (name === 'patch') return false;
      const found = source.exported(name);
      return found !== undefined && (name === 'statics' || !ts.isFunctionDeclaration(found));
    });
  }

  #packageExports(pkg: string): readonly string[] {
    const index = path.join(this.#root, 'packages', pkg, 'src', 'index.ts');
    const names: string[] = [];
    for (const statement of this.#cache.read(index).file.statements) {
      if (!ts.isExportDeclaration(statement)) continue;
      const from = statement.moduleSpecifier;
      if (statement.exportClause === undefined && from !== undefined && ts.isStringLiteral(from))
        names.push(...this.#cache.read(path.join(path.dirname(index), from.text)).names());
      else if (statement.exportClause !== undefined && ts.isNamedExports(statement.exportClause))
        names.push(...statement.exportClause.elements.map((e) => e.name.text));
    }
    return names;
  }

  #index(patches: readonly PatchTasks[]): string {
    const series = this.#series;
    const changes = series.changelog.find((entry) => entry.version === series.version)?.items ?? [];
    const author = series.author;
    const lines = [
      '// SPDX-License-Identifier: GPL-2.0-only',
      '',
      "import type { SeriesInfo } from '../types.ts';",
      ...patches.map((p) => `import * as p${p.number} from './${p.module}';`),
      '',
      `/** ${quoted(series.title).replace(/^'(.*)'$/, '"$1"')}, ${this.#name}. */`,
      `export const ${this.#name}: SeriesInfo = {`,
      `  name: '${this.#name}',`,
      `  title: ${quoted(series.title)},`,
      `  version: ${series.version},`,
      `  author: { name: ${quoted(author.name)}, email: ${quoted(author.email ?? '')} },`,
      `  date: ${quoted(series.date ?? '')},`,
      `  messageId: ${quoted(series.messageId ?? '')},`,
      `  base: ${quoted(this.#base ?? this.#from.base)},`,
      ...summary(this.#from.title === series.title ? this.#from.summary : series.title),
      ...property('  ', 'changelog', changes.map(quoted)),
      ...property(
        '  ',
        'patches',
        patches.map((p) => `p${p.number}`),
      ),
      '};',
    ];
    return `${lines.join('\n')}\n`;
  }
}

/** A long string in pieces. */
function summary(text: string): string[] {
  const one = `  summary: ${quoted(text)},`;
  if (one.length <= 110) return [one];
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/(?<= )/)) {
    if (line !== '' && line.length + word.length > 100) {
      lines.push(line);
      line = '';
    }
    line += word;
  }
  lines.push(line);
  return ['  summary:', ...lines.map((part, i) => `    ${quoted(part)}${i + 1 < lines.length ? ' +' : ','}`)];
}

/** `export const patch`. */
function info(patch: Patch, byFile: ReadonlyMap<string, readonly string[]>): string[] {
  const functions = [...byFile].flatMap(([file, names]) =>
    property(
      '    ',
      `'${file}'`,
      names.map((n) => `'${n}'`),
    ),
  );
  return [
    'export const patch: PatchInfo = {',
    `  number: ${patch.number},`,
    `  subject: ${quoted(patch.subject)},`,
    `  messageId: ${quoted(patch.messageId ?? '')},`,
    `  date: ${quoted(patch.date ?? '')},`,
    ...property(
      '  ',
      'files',
      patch.files.map((file) => `'${file.path}'`),
    ),
    ...(functions.length === 0 ? ['  functions: {},'] : ['  functions: {', ...functions, '  },']),
    '};',
  ];
}

/** The changed lines of a function (null: of declarations) in each hunk. */
function hunksOf(patch: Patch, file: string, name: string | null): { header: string; lines: string[] }[] {
  const hunks: Hunk[] = patch.diff.filter((diff) => diff.path === file).flatMap((diff) => diff.hunks);
  return hunks.flatMap((hunk) => {
    const lines = hunk.lines
      .filter((line) => line.kind !== ' ' && line.text.trim() !== '')
      .filter(
        (line) =>
          line.function === name &&
          !(name === null && /^\s*(?:\/\*|\*|#\s*(?:if|endif|else))/.test(line.text)),
      )
      .map((line) => `${line.kind}${line.text}`);
    return lines.length > 0 ? [{ header: hunk.header, lines }] : [];
  });
}

/** The list of what is to be ported, as Markdown. */
export function checklist(revision: Pick<NewRevision, 'name' | 'patches'>): string {
  const lines = [`# ${revision.name}: what to port`];
  for (const patch of revision.patches) {
    lines.push(
      '',
      `## ${patch.number}/${revision.patches.length} ${patch.subject}`,
      '',
      `Module: ${patch.module}`,
    );
    if (patch.tasks.length === 0) lines.push('', 'Nothing of it is mirrored.');
    for (const task of patch.tasks) {
      const what = task.function === null ? 'declarations' : `${task.function}()`;
      const from = task.from === 'new' ? 'new: to be written' : `from ${task.from}`;
      lines.push('', `- [ ] ${task.file}: ${what} (${from})`);
      for (const hunk of task.hunks)
        lines.push('', `      ${hunk.header}`, ...hunk.lines.map((line) => `      ${line}`));
    }
  }
  return `${lines.join('\n')}\n`;
}

/** revision.ts and index.ts of the series package with the new revision in them. */
function registered(root: string, name: string): Map<string, string> {
  const src = path.join(root, 'packages', 'series', 'src');
  const files = new Map<string, string>();
  const edit = (file: string, change: (text: string) => string): void => {
    const full = path.join(src, file);
    const before = readFileSync(full, 'utf8');
    const after = change(before);
    if (after === before) throw new Error(`${file} has no place for another revision`);
    files.set(full, after);
  };
  edit('revision.ts', (text) => {
    if (!/^export const SERIES: [^=]* = \[[^\]]*\];/m.test(text))
      throw new Error('revision.ts has no table of revisions');
    const imports = [...text.matchAll(/^import \{ (v\d+) \} from '\.\/\1\/index\.ts';\n/gm)];
    const last = imports.at(-1);
    const at = last === undefined ? 0 : last.index + last[0].length;
    const withImport = `${text.slice(0, at)}import { ${name} } from './${name}/index.ts';\n${text.slice(at)}`;
    return withImport.replace(/^(export const SERIES: [^=]* = \[[^\]]*?),?(\s*)\];/m, `$1, ${name}$2];`);
  });
  edit('index.ts', (text) => {
    const exports = [...text.matchAll(/^export \* from '\.\/v\d+\/index\.ts';\n/gm)];
    const last = exports.at(-1);
    const at = last === undefined ? text.length : last.index + last[0].length;
    return `${text.slice(0, at)}export * from './${name}/index.ts';\n${text.slice(at)}`;
  });
  return files;
}

function requireWhole(series: Series): void {
  const mend = 'give an mbox with every patch (git format-patch, b4 am)';
  if (series.patches.length === 0) throw new InputError('no patch in it', series.fileName, mend);
  for (const patch of series.patches) {
    if (patch.diff.length === 0)
      throw new InputError(`no diff of patch ${patch.number}`, series.fileName, mend);
    for (const diff of patch.diff)
      for (const hunk of diff.hunks)
        if (!hunk.complete)
          throw new InputError(
            `patch ${patch.number} is cut in ${diff.path} ${hunk.header}`,
            series.fileName,
            mend,
          );
  }
}

/** Writes a file so that it is there whole or not at all. */
function replace(file: string, text: string): void {
  const other = `${file}.${process.pid}.new`;
  try {
    writeFileSync(other, text);
    renameSync(other, file);
  } catch (error) {
    rmSync(other, { force: true });
    throw error;
  }
}

/**
 * Make the modules of a new revision, register it, and say what is to be ported.
 *
 * 1. The folder is made beside its place and renamed into it; on a fault nothing of it stays, nor of the registration.
 * 2. What comes out type-checks, and boots at every prefix, before anything is ported.
 *
 * @param name of the new revision: v8
 * @param from name of the older one whose functions are carried over
 * @param series as mailed, every patch with its diff
 * @throws InputError for a name that is taken or none, an unknown older revision, a series that is cut
 */
export function portNew(name: string, from: string, series: Series, options: NewOptions = {}): NewRevision {
  const root = options.root ?? ROOT;
  if (!/^v\d+$/.test(name))
    throw new InputError('no name of a revision', `'${name}'`, 'it is v and a number: v8');
  const old = SERIES.find((s) => s.name === from);
  if (old === undefined)
    throw new InputError(
      'no such revision',
      `'${from}'`,
      `there are: ${SERIES.map((s) => s.name).join(', ')}`,
    );
  const dir = revisionDir(root, name);
  if (existsSync(dir) || SERIES.some((s) => s.name === name))
    throw new InputError(
      'there is such a revision already',
      name,
      `take another name, or remove ${path.relative(root, dir)} first`,
    );
  requireWhole(series);
  const { files, patches } = new Maker(name, old, series, root, options.base).make();
  const result = { name, from, dir, patches };
  files.set('checklist.md', checklist(result));
  const tables = registered(root, name);
  const before = new Map([...tables.keys()].map((file) => [file, readFileSync(file, 'utf8')]));

  const temporary = mkdtempSync(`${dir}.`);
  try {
    for (const [file, text] of files) writeFileSync(path.join(temporary, file), text);
    renameSync(temporary, dir);
    for (const [file, text] of tables) replace(file, text);
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    rmSync(dir, { recursive: true, force: true });
    for (const [file, text] of before) if (readFileSync(file, 'utf8') !== text) replace(file, text);
    throw error;
  }
  return { ...result, files: [...files.keys()] };
}
