// SPDX-License-Identifier: GPL-2.0-only
// The TypeScript text of a function as it stands in a revision, read from the module that the image has it from.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { BASE_FILES, functionsOf, type Module, type Revision } from '@vfio-lab/series';
import ts from 'typescript';

export interface Source {
  /** Path below packages/. */
  file: string;
  line: number;
  text: string;
}

const require = createRequire(import.meta.url);
const FOLDERS = ['vfio', 'vfio-pci-core', 'vfio-pci-intrs', 'vfio-pci-config', 'vfio-pci'];
const sourceOf = (pkg: string): string => path.dirname(require.resolve(`@vfio-lab/${pkg}`));

/** Reads the sources of revisions; parses each file once. */
export class Sources {
  readonly #files = new Map<string, ts.SourceFile>();
  readonly #modules = new Map<Module, string>();
  readonly #series = sourceOf('series');

  constructor() {
    for (const [cfile, module] of Object.entries(BASE_FILES)) {
      const name = `${path.basename(cfile, '.c')}.ts`;
      const found = FOLDERS.map((f) => path.join(sourceOf(f), name)).find((f) => existsSync(f));
      if (found !== undefined) this.#modules.set(module, found);
    }
  }

  /** A function as it stands in a revision; null when the revision has none of that name. */
  of(rev: Revision, name: string): Source | null {
    const owner = rev.image.owner(name);
    if (owner === undefined) return null;
    const file = this.#modules.get(owner) ?? this.#fileOfPatch(rev, owner);
    return file === null ? null : this.#find(file, name);
  }

  /** The C file that a function stands in. */
  cfile(rev: Revision, name: string): string {
    for (const p of [...(rev.series?.patches ?? [])].reverse()) {
      for (const [file, names] of Object.entries(p.patch.functions)) if (names.includes(name)) return file;
    }
    for (const w of rev.whatifs) {
      for (const [file, names] of Object.entries(w.whatif.functions)) if (names.includes(name)) return file;
    }
    for (const [file, module] of Object.entries(BASE_FILES)) if (functionsOf(module).has(name)) return file;
    return '';
  }

  #fileOfPatch(rev: Revision, owner: Module): string | null {
    const patch = rev.series?.patches.find((p) => p === owner);
    const whatif = rev.whatifs.find((w) => w === owner);
    let file: string | undefined;
    if (patch !== undefined && rev.series !== null) {
      const dir = path.join(this.#series, rev.series.name);
      const name = readdirSync(dir).find((f) => f.startsWith(`${patch.patch.number}-`));
      file = name === undefined ? undefined : path.join(dir, name);
    } else if (whatif !== undefined) {
      file = path.join(this.#series, 'whatif', `${whatif.whatif.name}.ts`);
    }
    if (file === undefined || !existsSync(file)) return null;
    this.#modules.set(owner, file);
    return file;
  }

  #parse(file: string): ts.SourceFile {
    let parsed = this.#files.get(file);
    if (parsed === undefined) {
      parsed = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.ES2022, true);
      this.#files.set(file, parsed);
    }
    return parsed;
  }

  /** The declaration of a name that a file exports, followed through `export { name } from`. */
  #find(file: string, name: string): Source | null {
    const tree = this.#parse(file);
    for (const s of tree.statements) {
      if (ts.isFunctionDeclaration(s) && s.name?.text === name) return place(tree, s);
      if (ts.isVariableStatement(s) && s.declarationList.declarations.some((d) => d.name.getText() === name))
        return place(tree, s);
    }
    for (const s of tree.statements) {
      if (
        !ts.isExportDeclaration(s) ||
        s.moduleSpecifier === undefined ||
        !ts.isStringLiteral(s.moduleSpecifier)
      )
        continue;
      const { text } = s.moduleSpecifier;
      if (!text.startsWith('.')) continue;
      const next = path.resolve(path.dirname(file), text);
      const { exportClause } = s;
      if (exportClause === undefined) {
        const found = this.#find(next, name);
        if (found !== null) return found;
      } else if (ts.isNamedExports(exportClause)) {
        const spec = exportClause.elements.find((e) => e.name.text === name);
        if (spec !== undefined) return this.#find(next, (spec.propertyName ?? spec.name).text);
      }
    }
    return null;
  }
}

function place(tree: ts.SourceFile, node: ts.Node): Source {
  const at = node.getStart(tree);
  const parts = tree.fileName.split(path.sep);
  const from = parts.lastIndexOf('packages');
  return {
    file: parts.slice(from < 0 ? -3 : from).join('/'),
    line: tree.getLineAndCharacterOfPosition(at).line + 1,
    text: node.getText(tree),
  };
}
