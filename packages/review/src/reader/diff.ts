// SPDX-License-Identifier: GPL-2.0-only
// Unified diffs, whole in a patch mail or cut in a quote. One reader for both: it counts the lines that a hunk
// header announces, which tells where a diff ends, whether it is cut, and where in the file a line stands.
import type { DiffLine, FileDiff, FileStat, Hunk } from './types.ts';

const HUNK = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@ ?(.*)$/;

/**
 * The C function whose head this line is; null for other lines. A head starts in the first column, has a
 * parenthesis after its name and is no prototype.
 */
export function functionHead(line: string): string | null {
  if (/^(?:extern|typedef|return|else|if|for|while|switch|goto)\b/.test(line) || /;\s*$/.test(line))
    return null;
  // Macros at file scope are written in capitals; those that define a function carry DEFINE in their name.
  const match = /^(?:[A-Za-z_][\w\s*]*?[\s*])?([A-Za-z_]\w*)\s*\(/.exec(line);
  const name = match?.[1];
  if (!name || name.startsWith('__attribute')) return null;
  if (/^[A-Z0-9_]+$/.test(name) && !name.includes('DEFINE')) return null;
  return /=.*\(/.test(line) && line.indexOf('=') < line.indexOf('(') ? null : name;
}

/** Follows which C function the lines of a hunk belong to, from git's context and from the lines themselves. */
class FunctionTracker {
  #now: string | null;
  #ended = false;

  constructor(context: string) {
    this.#now = functionHead(context);
  }

  line(text: string): string | null {
    const head = functionHead(text);
    if (head) {
      this.#now = head;
      this.#ended = false;
    } else if (/^\}/.test(text)) {
      this.#ended = true;
    } else if (this.#ended && text.trim() !== '') {
      this.#now = null;
      this.#ended = false;
    } else if (
      this.#now === null ||
      /^(?:static|const|struct|enum|union|#define|typedef)\b.*[{=;\\]\s*$/.test(text)
    ) {
      this.#now = null;
    }
    return this.#now;
  }
}

/** A hunk while its lines come in. */
export class HunkReader {
  readonly hunk: Hunk;
  #old: number;
  #new: number;
  // Of either side: what a removed line opens or closes is not there any more for the added lines.
  readonly #oldFunctions: FunctionTracker;
  readonly #newFunctions: FunctionTracker;

  private constructor(hunk: Hunk) {
    this.hunk = hunk;
    this.#old = hunk.oldStart;
    this.#new = hunk.newStart;
    this.#oldFunctions = new FunctionTracker(hunk.context);
    this.#newFunctions = new FunctionTracker(hunk.context);
  }

  /** A reader for the hunk that this line starts; null when it starts none. */
  static start(line: string): HunkReader | null {
    const match = HUNK.exec(line);
    if (!match) return null;
    const count = (text: string | undefined): number => (text === undefined ? 1 : Number(text));
    const [oldLines, newLines] = [count(match[2]), count(match[4])];
    return new HunkReader({
      header: line.trimEnd(),
      oldStart: Number(match[1]),
      oldLines,
      newStart: Number(match[3]),
      newLines,
      context: (match[5] ?? '').trim(),
      lines: [],
      complete: oldLines + newLines === 0,
    });
  }

  /** Takes a line of the diff. False: it is not part of this hunk. */
  take(line: string): boolean {
    if (line.startsWith('\\')) return true;
    const { hunk } = this;
    const oldLeft = hunk.oldStart + hunk.oldLines - this.#old;
    const newLeft = hunk.newStart + hunk.newLines - this.#new;
    // Mailers strip the blank of an empty context line, and some turn it into a no-break space.
    const first = line === '' || line.startsWith('\u00a0') || line.startsWith('\t') ? ' ' : (line[0] ?? ' ');
    if (first !== ' ' && first !== '+' && first !== '-') return false;
    if ((first !== '+' && oldLeft <= 0) || (first !== '-' && newLeft <= 0)) return false;
    const text = line.startsWith('\t') ? line : line.slice(1);
    const inOld = first === '+' ? null : this.#oldFunctions.line(text);
    const inNew = first === '-' ? null : this.#newFunctions.line(text);
    const entry: DiffLine = {
      kind: first,
      text,
      oldLine: first === '+' ? null : this.#old,
      newLine: this.#new,
      function: first === '-' ? inOld : inNew,
    };
    if (first !== '+') this.#old++;
    if (first !== '-') this.#new++;
    hunk.lines.push(entry);
    hunk.complete =
      this.#old === hunk.oldStart + hunk.oldLines && this.#new === hunk.newStart + hunk.newLines;
    return true;
  }
}

/** Reads a diff line by line, skipping what is none. Keeps where it stands, so that a remark can ask. */
export class DiffReader {
  readonly files: FileDiff[] = [];
  #file: FileDiff | null = null;
  #hunk: HunkReader | null = null;

  /** The file, hunk and line read last; null before the first file. */
  get place(): { file: FileDiff; hunk: Hunk | null; line: DiffLine | null } | null {
    if (!this.#file) return null;
    const hunk = this.#hunk?.hunk ?? null;
    return { file: this.#file, hunk, line: hunk?.lines.at(-1) ?? null };
  }

  /** A diff has begun. */
  get started(): boolean {
    return this.#file !== null;
  }

  /** Takes a line; true when it belongs to the diff. */
  take(line: string): boolean {
    // Inside a hunk `--- x` may be a removed line: the counts decide.
    if (this.#hunk && !this.#hunk.hunk.complete && !line.startsWith('diff --git ') && this.#hunk.take(line)) {
      return true;
    }
    const git = /^diff --git a\/(.+?) b\/(.+?)\s*$/.exec(line);
    if (git) {
      this.#open(git[1] ?? '', git[2] ?? '');
      return true;
    }
    const started = HunkReader.start(line);
    if (started) {
      // A quote may have lost the file's header.
      if (!this.#file) this.#open('', '');
      this.#hunk = started;
      this.#file?.hunks.push(started.hunk);
      return true;
    }
    const name = /^(---|\+\+\+) (?:[ab]\/)?([^\t\n]+?)\s*(?:\t.*)?$/.exec(line);
    if (name && (this.#file || /^(---|\+\+\+) ([ab]\/|\/dev\/null)/.test(line))) {
      this.#name(name[1] ?? '', name[2] ?? '');
      return true;
    }
    const index = /^index ([0-9a-f]{7,40})\.\.([0-9a-f]{7,40})/.exec(line);
    if (index && this.#file) {
      this.#file.oldBlob = index[1] ?? null;
      this.#file.newBlob = index[2] ?? null;
      return true;
    }
    if (this.#file && !this.#hunk) {
      return /^(?:new file|deleted file|old|new) mode|^(?:similarity|dissimilarity) index|^(?:rename|copy) (?:from|to)|^Binary files|^GIT binary patch/.test(
        line,
      );
    }
    return this.#hunk !== null && line.startsWith('\\');
  }

  #open(oldPath: string, path: string): void {
    this.#hunk = null;
    this.#file = { path, oldPath, oldBlob: null, newBlob: null, hunks: [] };
    this.files.push(this.#file);
  }

  #name(mark: string, path: string): void {
    if (mark === '---' && (!this.#file || this.#hunk)) this.#open(path, path);
    if (!this.#file || path === '/dev/null') return;
    if (mark === '---') this.#file.oldPath = path;
    else this.#file.path = path;
  }
}

/** Added and removed lines per file. */
export function statOf(diff: FileDiff[]): FileStat[] {
  return diff.map((file) => {
    const lines = file.hunks.flatMap((hunk) => hunk.lines);
    return {
      path: file.path,
      insertions: lines.filter((line) => line.kind === '+').length,
      deletions: lines.filter((line) => line.kind === '-').length,
      exact: file.hunks.every((hunk) => hunk.complete),
    };
  });
}

/** C functions with added or removed lines, in order. Blank lines between two functions belong to neither. */
export function touchedFunctions(diff: FileDiff[]): { file: string; name: string }[] {
  const seen = new Map<string, { file: string; name: string }>();
  for (const file of diff) {
    for (const line of file.hunks.flatMap((hunk) => hunk.lines)) {
      if (line.kind === ' ' || line.function === null || line.text.trim() === '') continue;
      seen.set(`${file.path} ${line.function}`, { file: file.path, name: line.function });
    }
  }
  return [...seen.values()];
}
