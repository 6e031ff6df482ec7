// SPDX-License-Identifier: GPL-2.0-only
// Differences as HTML: diff2html for code, a plain list for the difference of two differences.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { html } from 'diff2html';
import type { ColorSchemeType } from 'diff2html/lib/types.js';
import type { TextRow } from '../compare/text.ts';
import { esc } from './page.ts';

const AUTO = 'auto' as ColorSchemeType;
const COMMON = { drawFileList: false, matching: 'words', diffStyle: 'word', colorScheme: AUTO } as const;

/** The style sheet that the markup of diff2html needs. */
export function diffStyle(): string {
  return readFileSync(
    createRequire(import.meta.url).resolve('diff2html/bundles/css/diff2html.min.css'),
    'utf8',
  );
}

/** A unified diff side by side, or line by line where there is no room for that. */
export function sideBySide(diff: string): string {
  if (diff === '') return '<p class="dim">the same</p>';
  return `<div class="wide">${html(diff, { ...COMMON, outputFormat: 'side-by-side' })}</div><div class="narrow">${lineByLine(diff)}</div>`;
}

/** A unified diff line by line. */
export function lineByLine(diff: string): string {
  return html(diff, { ...COMMON, outputFormat: 'line-by-line' });
}

/** A diff with something put under lines of it (by text and number in the new file): cut there, and each part with a header that fits. */
export function withNotes(diff: string, noteUnder: (line: string, number: number) => string | null): string {
  const lines = diff.split('\n');
  const parts: string[] = [];
  let head: string[] = [];
  let body: string[] = [];
  let [from, to, context] = [1, 1, ''];
  const flush = (): void => {
    if (body.length === 0) return;
    const old = body.filter((l) => !l.startsWith('+')).length;
    const now = body.filter((l) => !l.startsWith('-')).length;
    parts.push(
      lineByLine([...head, `@@ -${from},${old} +${to},${now} @@ ${context}`, ...body, ''].join('\n')),
    );
    [from, to, body] = [from + old, to + now, []];
  };
  for (const line of lines) {
    const hunk = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@ ?(.*)$/.exec(line);
    if (line.startsWith('--- ') && body.length === 0) {
      head = [line];
    } else if (line.startsWith('+++ ') && head.length === 1) head.push(line);
    else if (hunk !== null) {
      flush();
      [from, to, context] = [Number(hunk[1]), Number(hunk[2]), hunk[3] ?? ''];
    } else if (line !== '' && head.length === 2) {
      body.push(line);
      const note = noteUnder(line, to + body.filter((l) => !l.startsWith('-')).length - 1);
      if (note !== null) {
        flush();
        parts.push(note);
      }
    }
  }
  flush();
  return parts.join('');
}

/** Rows of a difference as they are, with the words that changed marked. */
export function changeList(rows: readonly TextRow[]): string {
  const body = rows.map((r) => {
    const kind = r.kind === '+' ? ' class="ins"' : r.kind === '-' ? ' class="del"' : '';
    const text = (r.words ?? [{ text: r.text, kind: ' ' as const }])
      .map((p) => (p.kind === ' ' ? esc(p.text) : `<mark>${esc(p.text)}</mark>`))
      .join('');
    return `<span${kind}>${r.kind} ${text}</span>${r.kind === ' ' ? '\n' : ''}`;
  });
  return `<pre class="change">${body.join('')}</pre>`;
}
