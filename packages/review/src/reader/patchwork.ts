// SPDX-License-Identifier: GPL-2.0-only
// A page of patchwork saved as plain text: a series (its cover letter and all comments), or a single patch.
import { parseChangelog, parseShortlog } from './changelog.ts';
import { isoDate, patchworkDate } from './dates.ts';
import { DiffReader, statOf, touchedFunctions } from './diff.ts';
import { cutDiffstat, parseDiffstat } from './diffstat.ts';
import { InputError } from '@vfio-lab/sim';
import { readBody } from './quotes.ts';
import type { BodyLine } from './quotes.ts';
import { parseSubject } from './subject.ts';
import { placeComments } from './thread.ts';
import type { RawComment } from './thread.ts';
import type { Patch, Person, Series } from './types.ts';

const COMMENT = /^(\S.*?)\s+([A-Z][a-z]{2,8}\.? \d{1,2}, \d{4}, .+?)\s*\|\s*#(\d+)\s*$/;
const BYLINE =
  /^(\S.*?)\s+([A-Z][a-z]{2,8}\.? \d{1,2}, \d{4}, (?:noon|midnight|\d{1,2}(?::\d\d)? [ap]\.m\.)(?: UTC)?)\s*$/;
const SAVE_AGAIN = "save the series' page as text once more, or take its mbox";

/** Whether a text looks like such a page. */
export function isPatchwork(lines: string[]): boolean {
  const head = lines.slice(0, 80);
  return (
    head.some((line) => /^\s*Message ID\b/i.test(line)) ||
    head.some((line) => /^(?:mbox series|Headers show|Patchwork\b)/.test(line)) ||
    (/^\[[^\]]*\d+\/\d+\]/.test(head.find((line) => line.trim() !== '') ?? '') &&
      head.some((line) => BYLINE.test(line)))
  );
}

/** Reads a page. Throws InputError when the cover letter or the list of patches is not whole. */
export function readPatchwork(lines: string[], fileName: string): Series {
  const where = (index: number): string => `${fileName}:${index + 1}`;
  const titleAt = lines.findIndex((line) => /^\s*(?:\[[^\]]*\]\s*)+\S/.test(line));
  const title = parseSubject(lines[titleAt] ?? '');
  if (titleAt < 0 || !(title.patch || title.number !== null || /^\s*\[/.test(lines[titleAt] ?? ''))) {
    throw new InputError('no title like "[v4,0/6] ..." on the page', where(lines.length - 1), SAVE_AGAIN);
  }
  const bylineAt = lines.findIndex((line, index) => index > titleAt && BYLINE.test(line));
  const byline = BYLINE.exec(lines[bylineAt] ?? '');
  const sent = byline ? patchworkDate(byline[2] ?? '') : null;
  if (!byline || sent === null) {
    throw new InputError('the page ends before the message', where(lines.length - 1), SAVE_AGAIN);
  }
  const heads: number[] = [];
  lines.forEach((line, index) => {
    if (index > bylineAt && COMMENT.test(line)) heads.push(index);
  });
  const bodyEnd = lines.findIndex(
    (line, index) =>
      index > bylineAt && /^(?:Comments|Patch)\s*$/.test(line) && sectionAt(lines, index, heads),
  );
  const end = bodyEnd >= 0 ? bodyEnd : (heads[0] ?? lines.length);
  const body = lines.slice(bylineAt + 1, end);
  const series: Series = {
    source: 'patchwork',
    fileName,
    title: title.title,
    version: title.version,
    tags: title.tags,
    total: title.total ?? 1,
    messageId: messageId(lines.slice(titleAt, bylineAt)),
    author: { name: byline[1] ?? '', email: null },
    date: isoDate(sent),
    cover: null,
    patches: [],
    diffstat: parseDiffstat(body),
    changelog: parseChangelog(body),
    comments: [],
    gaps: [],
  };
  if (title.number === null || title.number > 0) {
    readSinglePatch(series, title.number ?? 1, lines, body, end, heads[0] ?? lines.length, sent);
  } else {
    readCover(series, body, bylineAt + 1, bodyEnd >= 0 || heads.length > 0);
  }
  const comments = heads.map((start, i) => readComment(lines, start, heads[i + 1] ?? lines.length));
  heads.forEach((start, i) => {
    const [number, before] = [
      commentNumber(lines[start]),
      i === 0 ? 0 : commentNumber(lines[heads[i - 1] ?? 0]),
    ];
    if (number !== before + 1) {
      series.gaps.push({
        what: `comment ${before + 1} is missing before comment ${number}`,
        where: where(start),
      });
    }
  });
  const lastHunk = comments.at(-1)?.body.quoted?.diff.place?.hunk;
  const lastLine = lines.findLast((line) => line.trim() !== '') ?? '';
  if (lastHunk && !lastHunk.complete && lastLine.startsWith('>')) {
    series.gaps.push({
      what: `comment ${comments.length} ends within a quoted hunk: the page may be cut`,
      where: where(lines.length - 1),
    });
  }
  findEmails(series, comments);
  placeComments(series, comments);
  return series;
}

function sectionAt(lines: string[], index: number, heads: number[]): boolean {
  if (/^Comments/.test(lines[index] ?? '')) {
    const next = lines.findIndex((line, i) => i > index && line.trim() !== '');
    return next < 0 || heads.includes(next);
  }
  return lines.slice(index + 1, index + 6).some((line) => /^(?:diff|mbox|diff --git |--- )/.test(line));
}

function commentNumber(line: string | undefined): number {
  return Number(COMMENT.exec(line ?? '')?.[3] ?? 0);
}

function messageId(lines: string[]): string | null {
  for (let i = 0; i < lines.length; i++) {
    const match = /^\s*Message ID[\s:]*<?([^\s<>]+@[^\s<>]+)?>?/i.exec(lines[i] ?? '');
    if (!match) continue;
    return match[1] ?? /^\s*<?([^\s<>]+@[^\s<>]+)>?/.exec(lines[i + 1] ?? '')?.[1] ?? null;
  }
  return null;
}

function emptyPatch(number: number, subject: string): Patch {
  return {
    number,
    subject,
    author: null,
    date: null,
    dateFrom: null,
    messageId: null,
    messageIdFrom: null,
    message: null,
    from: null,
    files: [],
    insertions: 0,
    deletions: 0,
    diff: [],
    functions: [],
    changelog: [],
  };
}

function readCover(series: Series, body: string[], bodyAt: number, hasComments: boolean): void {
  const shortlog = parseShortlog(body);
  const at = `${series.fileName}:${bodyAt + (shortlog?.start ?? body.length - 1) + 1}`;
  const announced = shortlog?.authors.reduce((sum, author) => sum + author.announced, 0) ?? 0;
  const listed = shortlog?.authors.reduce((sum, author) => sum + author.subjects.length, 0) ?? 0;
  if (!shortlog && !hasComments) {
    throw new InputError('the page ends before the list of patches', at, SAVE_AGAIN);
  }
  if (listed < announced) {
    throw new InputError(`${announced} patches announced, ${listed} listed`, at, SAVE_AGAIN);
  }
  series.cover = body
    .slice(0, shortlog?.start ?? body.length)
    .join('\n')
    .trim();
  for (const author of shortlog?.authors ?? []) {
    for (const subject of author.subjects) {
      const patch = emptyPatch(series.patches.length + 1, subject);
      patch.author = { name: author.name, email: null };
      series.patches.push(patch);
    }
  }
  if ((shortlog?.authors.length ?? 0) > 1) {
    series.gaps.push({
      what: 'several authors: the list of patches is in their order, not in that of the series',
      where: at,
    });
  }
  if (listed !== series.total) {
    series.gaps.push({
      what: `${series.total} patches in the title, ${listed} in the cover letter's list`,
      where: at,
    });
    for (let number = listed + 1; number <= series.total; number++) {
      series.patches.push(emptyPatch(number, '(subject not on the page)'));
    }
  }
  if (cutDiffstat(body)) series.gaps.push({ what: 'the diffstat has no last line', where: at });
}

function readSinglePatch(
  series: Series,
  number: number,
  lines: string[],
  message: string[],
  from: number,
  to: number,
  sent: number,
): void {
  const reader = new DiffReader();
  for (const line of [...message, ...lines.slice(from, to)]) reader.take(line);
  const end = message.findIndex((line) => /^---\s*$/.test(line) || line.startsWith('diff --git '));
  const counted = statOf(reader.files);
  const patch: Patch = {
    ...emptyPatch(number, series.title),
    author: series.author,
    date: isoDate(sent),
    dateFrom: 'mail',
    messageId: series.messageId,
    messageIdFrom: series.messageId === null ? null : 'mail',
    message: (end < 0 ? message : message.slice(0, end)).join('\n').trim(),
    from: 'mail',
    files: counted,
    insertions: counted.reduce((sum, file) => sum + file.insertions, 0),
    deletions: counted.reduce((sum, file) => sum + file.deletions, 0),
    diff: reader.files,
    functions: touchedFunctions(reader.files),
    changelog: series.changelog,
  };
  for (let n = 1; n <= series.total; n++) {
    series.patches.push(n === number ? patch : emptyPatch(n, '(subject not on the page)'));
  }
  if (series.total > 1) {
    series.gaps.push({
      what: `only patch ${number} of ${series.total} is on this page`,
      where: `${series.fileName}:1`,
    });
  }
}

function readComment(lines: string[], start: number, end: number): RawComment {
  const match = COMMENT.exec(lines[start] ?? '') as RegExpExecArray;
  const body: BodyLine[] = lines.slice(start + 1, end).map((text, i) => ({ text, at: start + i + 2 }));
  return {
    author: { name: match[1] ?? '', email: null },
    date: patchworkDate(match[2] ?? ''),
    precision: 60_000,
    messageId: null,
    patch: null,
    parentId: null,
    body: readBody(body),
    at: start + 1,
  };
}

/** The page shows names only; attribution lines have the addresses. */
function findEmails(series: Series, comments: RawComment[]): void {
  const known = new Map<string, string>();
  for (const { body } of comments) {
    for (const { person } of body.attributions) if (person.email) known.set(person.name, person.email);
  }
  const complete = (person: Person | null): void => {
    if (person) person.email ??= known.get(person.name) ?? null;
  };
  complete(series.author);
  for (const patch of series.patches) complete(patch.author);
  for (const comment of comments) complete(comment.author);
}
