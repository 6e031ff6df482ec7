// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is every line that a patch adds or removes in the port? The C of a hunk and the ported function are taken apart into
 * steps and laid beside each other. An added step must have its counterpart in that place; a removed one must not.
 */

import path from 'node:path';
import { FILES } from '@vfio-lab/port-check/inventory';
import type { DiffLine, FileDiff, Hunk, Patch, Series } from '@vfio-lab/review/reader';
import { functionHead, InputError } from '@vfio-lab/review/reader';
import ts from 'typescript';
import { align } from './align.ts';
import type { Atom } from './atoms.ts';
import { atomText, keyOf } from './atoms.ts';
import { CReader } from './c-atoms.ts';
import type { RevisionModules, SourceText } from './modules.ts';
import { functionIn, readModules, revisionDir, ROOT, SourceCache } from './modules.ts';
import type { TsSteps } from './ts-atoms.ts';
import { constantAtoms, dataAtoms, fieldAtoms, tsSteps } from './ts-atoms.ts';

/** covered: its counterpart is there. nothing: comment, bracket, declaration without a value. unread: cut by the hunk. */
export type LineStatus = 'covered' | 'missing' | 'nothing' | 'unread';

export interface CheckedLine {
  /** A blank: a line that the patch keeps and the port has lost. */
  readonly kind: '+' | '-' | ' ';
  readonly text: string;
  /** Line in the file after the patch (of a removed line: where it was). */
  readonly line: number;
  readonly function: string | null;
  readonly status: LineStatus;
  /** What is wrong, for a missing one. */
  readonly why: string | null;
}

/** A step of the port that the patch does not have. */
export interface Extra {
  readonly function: string;
  readonly text: string;
  /** Module and line. */
  readonly at: string;
}

export interface CheckedHunk {
  readonly file: string;
  readonly header: string;
  readonly functions: readonly string[];
  readonly lines: readonly CheckedLine[];
  readonly covered: number;
  readonly missing: number;
  readonly extra: readonly Extra[];
}

export interface CheckedPatch {
  readonly number: number;
  readonly subject: string;
  /** Path of its module; null: there is none. */
  readonly module: string | null;
  /** Why nothing was compared. */
  readonly skipped: string | null;
  readonly hunks: readonly CheckedHunk[];
}

export interface PortCheck {
  readonly revision: string;
  readonly patches: readonly CheckedPatch[];
  readonly covered: number;
  readonly missing: number;
  readonly extra: number;
}

export interface CheckOptions {
  /** Folder of the modules, when it is not that of the revision. */
  readonly modules?: string;
  /** The repository. */
  readonly root?: string;
  /** Files already parsed. */
  readonly cache?: SourceCache;
  /** The C parser, when there is one. */
  readonly reader?: CReader;
}

/** Lines of one side of a hunk that belong together. */
interface Piece {
  readonly hunk: number;
  readonly side: '+' | '-';
  readonly function: string | null;
  readonly lines: readonly DiffLine[];
  readonly atoms: readonly Atom[];
  readonly unread: readonly number[];
}

/** A complaint about a changed line, or that it is in order. */
class Marks {
  readonly #marks = new Map<DiffLine, { status: LineStatus; why: string | null }>();

  set(line: DiffLine, status: LineStatus, why: string | null = null): void {
    const now = this.#marks.get(line)?.status;
    if (now === 'missing' || (now === 'covered' && status !== 'missing')) return;
    this.#marks.set(line, { status, why });
  }

  get(line: DiffLine): { status: LineStatus; why: string | null } {
    return this.#marks.get(line) ?? { status: 'nothing', why: null };
  }
}

const STRUCT = /^(?:typedef\s+)?(?:struct|union)\s+(\w+)\s*\{/;

/** The pieces of one side: runs of lines of one function. */
function pieces(c: CReader, diff: FileDiff, side: '+' | '-'): Piece[] {
  const result: Piece[] = [];
  diff.hunks.forEach((hunk, index) => {
    const own = hunk.lines.filter((line) => line.kind === ' ' || line.kind === side);
    // The new side's functions of context lines; a removed line knows its own.
    for (let from = 0; from < own.length;) {
      const name = own[from].function;
      let to = from + 1;
      while (to < own.length && own[to].function === name) to++;
      const lines = own.slice(from, to);
      const text = lines.map((line) => line.text);
      const struct = structBefore(hunk, own, from);
      const read =
        name === null
          ? c.filePiece(text, struct)
          : c.functionPiece(
              text,
              text.some((line) => functionHead(line) === name),
            );
      if (lines.some((line) => line.kind === side)) {
        result.push({ hunk: index, side, function: name, lines, ...read });
      } else if (name !== null) {
        // Context alone still says where the rest belongs.
        result.push({ hunk: index, side, function: name, lines, ...read });
      }
      from = to;
    }
  });
  return result;
}

/** The struct that a piece starts in the middle of. */
function structBefore(hunk: Hunk, lines: readonly DiffLine[], from: number): string | null {
  let struct: string | null = STRUCT.exec(hunk.context)?.[1] ?? null;
  for (const { text } of lines.slice(0, from)) {
    if (/^\}/.test(text)) struct = null;
    struct = STRUCT.exec(text)?.[1] ?? struct;
  }
  // git names the last struct above the hunk, which may have ended since: what stands in the first column is not in it.
  const first = lines.slice(from).find(({ text }) => text.trim() !== '' && !/^(?:\s*\/?\*|\s*#)/.test(text));
  return first !== undefined && /^[\w]/.test(first.text) ? null : struct;
}

/** What a patch module declares beside its functions. */
function declarations(module: SourceText): Atom[] {
  const atoms: Atom[] = [];
  for (const name of module.names()) {
    const found = module.exported(name);
    if (found === undefined || name === 'patch') continue;
    if (ts.isFunctionDeclaration(found)) {
      if (name === 'statics') atoms.push(...dataAtoms(found));
    } else if (name === 'fields') {
      if (found.initializer !== undefined) atoms.push(...fieldAtoms(found.initializer));
    } else {
      atoms.push(...constantAtoms(found));
    }
  }
  return atoms;
}

/** The version of a function before a patch: an earlier module's, else the base's. */
function before(
  modules: RevisionModules,
  number: number,
  name: string,
  cache: SourceCache,
  root: string,
): ts.FunctionDeclaration | undefined {
  for (let n = number - 1; n > 0; n--) {
    const found = functionIn(modules.patches.get(n), name);
    if (found !== undefined) return found;
  }
  return functionIn(cache.base(root, name), name);
}

function countKeys(atoms: readonly Atom[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const atom of atoms) counts.set(keyOf(atom), (counts.get(keyOf(atom)) ?? 0) + 1);
  return counts;
}

function changedLines(piece: Piece, atom: Atom): DiffLine[] {
  return atom.lines.flatMap((n) => {
    const line = piece.lines[n - 1];
    return line !== undefined && line.kind === piece.side ? [line] : [];
  });
}

/** C has `int ret = 0` where the port declares the variable with its first real value. */
function isDeadStore(atom: Atom, ours: TsSteps): boolean {
  const declared = ours.declared.get(atom.name);
  return atom.kind === 'set' && atom.initial === 'constant' && (declared === 'none' || declared === 'other');
}

interface FunctionResult {
  readonly extra: { hunk: number; extra: Extra }[];
}

/** Compare what the hunks of one file show of a function with its port. */
function compareFunction(
  name: string,
  added: readonly Piece[],
  removed: readonly Piece[],
  ours: TsSteps,
  previous: TsSteps | null,
  where: (line: number) => string,
  marks: Marks,
): FunctionResult {
  const pairs = align(
    added.map((piece) => piece.atoms),
    ours.atoms,
  );
  const taken = new Set<number>();
  const matchedAdded: Atom[] = [];
  added.forEach((piece, p) => {
    piece.atoms.forEach((atom, a) => {
      const at = pairs[p][a];
      const pair = ours.atoms[at];
      const exact = pair !== undefined && keyOf(pair) === keyOf(atom);
      if (exact) taken.add(at);
      const lines = changedLines(piece, atom);
      if (lines.length > 0 && exact) matchedAdded.push(pair);
      for (const line of lines) {
        if (exact || isDeadStore(atom, ours)) marks.set(line, 'covered');
        else if (atom.kind === 'end') marks.set(line, 'missing', 'the block ends elsewhere');
        else if (pair !== undefined)
          marks.set(line, 'missing', `${atomText(atom)} is ${atomText(pair)} at ${where(pair.lines[0])}`);
        else marks.set(line, 'missing', `no ${atomText(atom)} in ${name}() there`);
      }
    });
    for (const n of piece.unread) {
      const line = piece.lines[n - 1];
      if (line?.kind === piece.side) marks.set(line, 'unread');
    }
  });

  // The steps of the port in the range of each hunk that the hunk does not show
  const left = new Map<number, Set<number>>();
  added.forEach((piece, p) => {
    const ends = pairs[p].filter((at) => at >= 0);
    // A hunk without a step of the function stands somewhere between the ones beside it.
    const previousEnd = Math.max(-1, ...pairs.slice(0, p).flat());
    const nextStart = Math.min(
      ours.atoms.length,
      ...pairs
        .slice(p + 1)
        .flat()
        .filter((at) => at >= 0),
    );
    const from = ends.length > 0 ? Math.min(...ends) : previousEnd + 1;
    const to = ends.length > 0 ? Math.max(...ends) : nextStart - 1;
    const open = left.get(piece.hunk) ?? new Set<number>();
    for (let at = from; at <= to; at++) if (!taken.has(at)) open.add(at);
    left.set(piece.hunk, open);
  });

  const stillThere = new Set<number>();
  for (const piece of removed) {
    for (const atom of piece.atoms) {
      const lines = changedLines(piece, atom);
      if (lines.length === 0) continue;
      const there = [...(left.get(piece.hunk) ?? [])].find(
        (at) => !stillThere.has(at) && keyOf(ours.atoms[at]) === keyOf(atom),
      );
      if (there !== undefined) stillThere.add(there);
      for (const line of lines) {
        if (there === undefined || atom.kind === 'end') marks.set(line, 'covered');
        else
          marks.set(
            line,
            'missing',
            `${atomText(atom)} is still there, at ${where(ours.atoms[there].lines[0])}`,
          );
      }
    }
  }

  // Lines that the patch keeps: the port had their counterparts, and has them no more
  if (previous !== null) {
    const change = new Map<string, number>(countKeys(previous.atoms));
    const add = (key: string, n: number): void => void change.set(key, (change.get(key) ?? 0) + n);
    for (const [side, sign] of [
      [added, 1],
      [removed, -1],
    ] as const)
      for (const piece of side)
        for (const atom of piece.atoms) if (changedLines(piece, atom).length > 0) add(keyOf(atom), sign);
    for (const atom of ours.atoms) add(keyOf(atom), -1);
    added.forEach((piece, p) => {
      piece.atoms.forEach((atom, a) => {
        if (atom.kind === 'end' || atom.kind === 'function' || changedLines(piece, atom).length > 0) return;
        const at = pairs[p][a];
        if (at >= 0 && keyOf(ours.atoms[at]) === keyOf(atom)) return;
        if ((change.get(keyOf(atom)) ?? 0) <= 0) return;
        add(keyOf(atom), -1);
        const line = piece.lines[(atom.lines[0] ?? 0) - 1];
        if (line !== undefined)
          marks.set(line, 'missing', `${atomText(atom)} is gone from ${name}(), and the patch keeps it`);
      });
    });
  }

  // What the port has gained over the version before without the patch saying so
  const gained = countKeys(ours.atoms);
  for (const [key, count] of countKeys(previous?.atoms ?? []))
    gained.set(key, (gained.get(key) ?? 0) - count);
  for (const atom of matchedAdded) gained.set(keyOf(atom), (gained.get(keyOf(atom)) ?? 0) - 1);
  const extra: FunctionResult['extra'] = [];
  ours.atoms.forEach((atom, at) => {
    if (taken.has(at) || stillThere.has(at) || atom.kind === 'function' || atom.kind === 'end') return;
    const key = keyOf(atom);
    const count = gained.get(key) ?? 0;
    if (count <= 0) return;
    // A declaration that C has without a value
    if (atom.kind === 'set' && atom.initial === 'constant') return;
    if (atom.kind === 'set' && atom.initial === 'other' && atom.words.length === 0) return;
    gained.set(key, count - 1);
    const hunk = added.find((piece) => left.get(piece.hunk)?.has(at))?.hunk ?? added[0]?.hunk ?? 0;
    extra.push({ hunk, extra: { function: name, text: atomText(atom), at: where(atom.lines[0]) } });
  });
  return { extra };
}

/** Compare declarations of a file with those of the module. Values of constants count, order does not. */
function compareDeclarations(piece: Piece, ours: readonly Atom[], kept: readonly Atom[], marks: Marks): void {
  for (const atom of piece.atoms) {
    const lines = changedLines(piece, atom);
    const same = ours.find((other) => keyOf(other) === keyOf(atom));
    const other = ours.find((o) => o.kind === atom.kind && o.name === atom.name);
    for (const line of lines) {
      if (piece.side === '-') {
        const stays = kept.some((k) => keyOf(k) === keyOf(atom));
        if (same !== undefined && !stays) marks.set(line, 'missing', `${atomText(atom)} is still there`);
        else marks.set(line, 'covered');
      } else if (same !== undefined) marks.set(line, 'covered');
      else if (other !== undefined) marks.set(line, 'missing', `${atomText(atom)} is ${atomText(other)}`);
      else marks.set(line, 'missing', `the module has no ${atomText(atom)}`);
    }
  }
}

/** Why the port has nothing of a file; null: it has. */
function notMirrored(file: string): string | null {
  if (file.endsWith('.h')) return null;
  if (!file.endsWith('.c')) return 'no C';
  return FILES.includes(file) || file === 'drivers/vfio/vfio_main.c' ? null : 'not mirrored';
}

function isWholly(lines: readonly CheckedLine[], status: LineStatus): number {
  return lines.filter((line) => line.status === status).length;
}

class PatchChecker {
  readonly #c: CReader;
  readonly #cache: SourceCache;
  readonly #root: string;
  readonly #modules: RevisionModules;

  constructor(c: CReader, cache: SourceCache, root: string, modules: RevisionModules) {
    this.#c = c;
    this.#cache = cache;
    this.#root = root;
    this.#modules = modules;
  }

  check(patch: Patch): CheckedPatch {
    const module = this.#modules.patches.get(patch.number);
    const head = { number: patch.number, subject: patch.subject, module: module?.path ?? null };
    if (patch.diff.length === 0) return { ...head, skipped: 'the input has no diff of it', hunks: [] };
    if (module !== undefined && isInBase(module))
      return { ...head, skipped: 'the base has it already', hunks: [] };
    const hunks = patch.diff.flatMap((diff) => this.#file(patch, diff, module));
    const none = hunks.length === 0 ? 'it changes no file that is mirrored' : null;
    return { ...head, skipped: none, hunks };
  }

  #file(patch: Patch, diff: FileDiff, module: SourceText | undefined): CheckedHunk[] {
    if (notMirrored(diff.path) !== null) return [];
    const marks = new Marks();
    const extra: { hunk: number; extra: Extra }[] = [];
    const added = pieces(this.#c, diff, '+');
    const removed = pieces(this.#c, diff, '-');
    const touched = new Set<string>();
    for (const piece of [...added, ...removed])
      if (piece.function !== null && piece.lines.some((line) => line.kind !== ' ' && line.text.trim() !== ''))
        touched.add(piece.function);
    for (const name of touched) {
      // Macros of a header are no functions of the port.
      const mine = (piece: Piece): boolean => piece.function === name;
      const fn = functionIn(module, name);
      if (fn === undefined) {
        this.#absent(name, added.filter(mine), removed.filter(mine), module, marks);
        continue;
      }
      const earlier = before(this.#modules, patch.number, name, this.#cache, this.#root);
      const file = fn.getSourceFile();
      const result = compareFunction(
        name,
        added.filter(mine),
        removed.filter(mine),
        tsSteps(fn),
        earlier === undefined ? null : tsSteps(earlier),
        (line) => `${path.basename(file.fileName)}:${line}`,
        marks,
      );
      extra.push(...result.extra);
    }
    const ours = module === undefined ? [] : declarations(module);
    const kept = added.filter((piece) => piece.function === null).flatMap((piece) => piece.atoms);
    for (const piece of [...added, ...removed])
      if (piece.function === null) compareDeclarations(piece, ours, kept, marks);
    return diff.hunks.map((hunk, index) => checkedHunk(diff.path, hunk, index, marks, extra));
  }

  /** A function that the module does not have. When the patch removes it altogether, nothing is missing. */
  #absent(
    name: string,
    added: readonly Piece[],
    removed: readonly Piece[],
    module: SourceText | undefined,
    marks: Marks,
  ): void {
    const why =
      module === undefined ? 'the patch has no module' : `${name}() is not in ${path.basename(module.path)}`;
    const gone = added.every((piece) => piece.atoms.length === 0);
    for (const piece of [...added, ...removed]) {
      for (const atom of piece.atoms)
        for (const line of changedLines(piece, atom))
          marks.set(line, gone ? 'covered' : 'missing', gone ? null : why);
    }
  }
}

function isInBase(module: SourceText): boolean {
  const patch = module.exported('patch');
  return patch !== undefined && ts.isVariableDeclaration(patch) && /\binBase: true\b/.test(patch.getText());
}

function checkedHunk(
  file: string,
  hunk: Hunk,
  index: number,
  marks: Marks,
  extra: readonly { hunk: number; extra: Extra }[],
): CheckedHunk {
  const lines: CheckedLine[] = hunk.lines.flatMap((line) =>
    line.kind === ' ' && marks.get(line).status !== 'missing'
      ? []
      : [
          {
            kind: line.kind,
            text: line.text,
            line: line.newLine,
            function: line.function,
            ...marks.get(line),
          },
        ],
  );
  const functions = [
    ...new Set(
      lines.flatMap((line) => (line.function === null || line.text.trim() === '' ? [] : [line.function])),
    ),
  ];
  return {
    file,
    header: hunk.header,
    functions,
    lines,
    covered: isWholly(lines, 'covered'),
    missing: isWholly(lines, 'missing'),
    extra: extra.filter((e) => e.hunk === index).map((e) => e.extra),
  };
}

/**
 * Compare the patches of a series with the modules of a revision.
 *
 * @param name of the revision
 * @param series as mailed; a patch without a diff is skipped and says so
 * @throws InputError when the revision has no modules, or the series has no diff at all
 */
export async function checkPort(
  name: string,
  series: Series,
  options: CheckOptions = {},
): Promise<PortCheck> {
  const root = options.root ?? ROOT;
  const cache = options.cache ?? new SourceCache();
  const home = revisionDir(root, name);
  const modules = readModules(cache, options.modules ?? home, home);
  if (series.patches.every((patch) => patch.diff.length === 0))
    throw new InputError(
      'no patch in it has a diff',
      series.fileName,
      'give the mails themselves, as an mbox',
    );
  const checker = new PatchChecker(options.reader ?? (await CReader.create()), cache, root, modules);
  const patches = series.patches.map((patch) => checker.check(patch));
  const hunks = patches.flatMap((patch) => patch.hunks);
  return {
    revision: name,
    patches,
    covered: hunks.reduce((sum, hunk) => sum + hunk.covered, 0),
    missing: hunks.reduce((sum, hunk) => sum + hunk.missing, 0),
    extra: hunks.reduce((sum, hunk) => sum + hunk.extra.length, 0),
  };
}
