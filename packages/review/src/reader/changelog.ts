// SPDX-License-Identifier: GPL-2.0-only
// What a cover letter or the notes under a patch say changed in each revision.
import type { Revision } from './types.ts';

const LINK = /https?:\/\/[^\s<>()]+/;

/** The revision that a heading is for, and what follows on its line; null for other lines. */
function heading(line: string): { version: number; rest: string } | null {
  const bare = line.replace(/^[\s*#=_|-]+/, '');
  const to =
    /^(?:changes?:?\s+)?\[?(?:rfc\s*)?v(\d+)\]?\s*(?:->|-->|=>|→|to)\s*\[?v(\d+)\]?\s*:?\s*(.*)$/i.exec(bare);
  if (to) return { version: Number(to[2]), rest: to[3] ?? '' };
  const since =
    /^(?:changes?|changelog)\s+(?:since|from|against|over)\s+(?:rfc\s*)?v?(\d+)(?:\.\d+)?(?:\s+to\s+v?(\d+))?\b\s*:?\s*(.*)$/i.exec(
      bare,
    );
  if (since) return { version: since[2] ? Number(since[2]) : Number(since[1]) + 1, rest: since[3] ?? '' };
  const into =
    /^(?:changes?|changelog|new)\s+(?:in|for)\s+(?:the\s+)?(?:version\s+|v)(\d+)\b[\])]?\s*:?\s*(.*)$/i.exec(
      bare,
    );
  if (into) return { version: Number(into[1]), rest: into[2] ?? '' };
  const plain = /^\[?v(\d+)\]?(?:\s+changes)?(?:\s*\([^)]*\))?\s*:\s*(.*)$/i.exec(bare);
  if (plain) return { version: Number(plain[1]), rest: plain[2] ?? '' };
  const dashed = /^v(\d+)\s*[-–]\s+(\S.*)$/i.exec(bare);
  return dashed ? { version: Number(dashed[1]), rest: dashed[2] ?? '' } : null;
}

/**
 * The changelog in a text, newest revision first as it stands there. An item is a bullet with the lines that
 * continue it, or a paragraph where there are no bullets. `Changes since v2` speaks of v3.
 */
export function parseChangelog(lines: string[]): Revision[] {
  const revisions: Revision[] = [];
  let now: Revision | null = null;
  let bullets = false;
  let blank = false;
  // What follows the list of patches is no prose any more.
  const end = parseShortlog(lines)?.start ?? lines.length;
  for (const line of lines.slice(0, end)) {
    const head = heading(line);
    if (head) {
      const { version } = head;
      now = revisions.find((revision) => revision.version === version) ?? null;
      if (!now) revisions.push((now = { version, link: null, items: [] }));
      bullets = false;
      blank = true;
      const link = LINK.exec(head.rest);
      if (link) now.link = link[0];
      else if (head.rest) now.items.push(head.rest.trim());
      continue;
    }
    if (!now) continue;
    if (line.trim() === '') {
      blank = true;
      continue;
    }
    const bullet = /^\s*(?:[-*+•]|\d+[.)])\s+(.*)$/.exec(line);
    const last = now.items.length - 1;
    if (bullet) {
      now.items.push((bullet[1] ?? '').trim());
      bullets = true;
    } else if (now.items.length === 0 && LINK.test(line) && /^\W*https?:\S+\W*$/.test(line.trim())) {
      now.link = LINK.exec(line)?.[0] ?? null;
    } else if (blank && (bullets || (!/^\s/.test(line) && now.items.length > 0))) {
      now = null;
    } else if (blank || last < 0) {
      now.items.push(line.trim());
    } else {
      now.items[last] = `${now.items[last]} ${line.trim()}`;
    }
    blank = false;
  }
  return revisions;
}

/** The list of patches in a cover letter: `Author (2):` and the subjects under it. */
export interface Shortlog {
  /** Line number within the text where it starts. */
  start: number;
  authors: { name: string; announced: number; subjects: string[] }[];
}

/** The shortlog in a cover letter; null when it has none. */
export function parseShortlog(lines: string[]): Shortlog | null {
  const authors: Shortlog['authors'] = [];
  let start = -1;
  for (let i = 0; i < lines.length; i++) {
    const head = /^(\S.*) \((\d+)\):\s*$/.exec(lines[i] ?? '');
    if (!head) continue;
    const next = lines[i + 1] ?? '';
    if (!/^\s+\S/.test(next) && i + 1 < lines.length && next !== '') continue;
    const subjects: string[] = [];
    const announced = Number(head[2]);
    const indent = /^\s*/.exec(next)?.[0].length ?? 0;
    for (let j = i + 1; j < lines.length && /^\s+\S/.test(lines[j] ?? ''); j++) {
      const deep = (/^\s*/.exec(lines[j] ?? '')?.[0].length ?? 0) > indent;
      const text = (lines[j] ?? '').trim();
      if (deep && subjects.length > 0) subjects[subjects.length - 1] += ` ${text}`;
      else if (subjects.length < announced) subjects.push(text);
      else break;
    }
    if (start < 0) start = i;
    authors.push({ name: head[1] ?? '', announced, subjects });
  }
  return start < 0 ? null : { start, authors };
}
