// SPDX-License-Identifier: GPL-2.0-only
// An mbox as `git format-patch --stdout`, `b4 am` and `b4 mbox` make, or a single saved mail. Splitting is done
// here, the mails are read by postal-mime.
import PostalMime from 'postal-mime';
import { parseChangelog, parseShortlog } from './changelog.ts';
import { isoDate } from './dates.ts';
import { DiffReader, statOf, touchedFunctions } from './diff.ts';
import { parseDiffstat } from './diffstat.ts';
import { InputError } from '@vfio-lab/sim';
import { parsePerson } from './person.ts';
import { readBody } from './quotes.ts';
import type { BodyLine } from './quotes.ts';
import { parseSubject } from './subject.ts';
import type { Subject } from './subject.ts';
import { placeComments } from './thread.ts';
import type { RawComment } from './thread.ts';
import type { Patch, Person, Series } from './types.ts';

const FETCH_AGAIN = 'fetch the mail again (b4 am <message id>)';

interface Mail {
  subject: Subject;
  author: Person;
  date: number | null;
  messageId: string | null;
  inReplyTo: string[];
  body: BodyLine[];
  /** Line of the file where the mail starts. */
  at: number;
  last: boolean;
}

/** Whether a text looks like an mbox or a mail. */
export function isMbox(lines: string[]): boolean {
  const first = lines.findIndex((line) => line.trim() !== '');
  if (first < 0) return false;
  if (/^From \S+/.test(lines[first] ?? '')) return true;
  const head = lines.slice(first, first + 60);
  const end = head.findIndex((line) => line.trim() === '');
  const headers = end < 0 ? head : head.slice(0, end);
  return (
    headers.every((line) => /^[A-Za-z][A-Za-z0-9-]*:|^[ \t]/.test(line)) &&
    headers.some((line) => /^(?:from|subject|message-id):/i.test(line))
  );
}

/** Line numbers (from 0) where mails start: at `From ` lines that follow a blank line and precede a header. */
function mailStarts(lines: string[]): number[] {
  const starts: number[] = [];
  lines.forEach((line, i) => {
    const fresh = i === 0 || starts.length === 0 || lines[i - 1]?.trim() === '';
    if (
      fresh &&
      /^From \S+( .*)?$/.test(line) &&
      /^(?:[A-Za-z][A-Za-z0-9-]*:|>From )/.test(lines[i + 1] ?? '')
    ) {
      starts.push(i);
    }
  });
  return starts.length > 0 ? starts : [0];
}

/**
 * Reads an mbox. Patches that are not there are gaps. Throws InputError when there is no patch, or when a
 * diff is cut.
 * @param binary the file, one character a byte
 */
export async function readMbox(binary: string, fileName: string): Promise<Series> {
  const lines = binary.split('\n').map((line) => line.replace(/\r$/, ''));
  const starts = mailStarts(lines);
  const mails: Mail[] = [];
  for (const [i, start] of starts.entries()) {
    const end = starts[i + 1] ?? lines.length;
    mails.push(await readMail(lines.slice(start, end), start, end === lines.length));
  }
  return build(mails, fileName);
}

async function readMail(lines: string[], start: number, last: boolean): Promise<Mail> {
  const envelope = /^From \S+/.test(lines[0] ?? '');
  // git format-patch writes a commit there and escapes nothing; mailboxes escape "From " in the text.
  const escaped = envelope && !/^From [0-9a-f]{40} /.test(lines[0] ?? '');
  const mail = lines
    .slice(envelope ? 1 : 0)
    .map((line) => (escaped ? line.replace(/^>(>*From )/, '$1') : line));
  const blank = mail.indexOf('');
  const headerEnd = blank < 0 ? mail.length : blank;
  const parsed = await PostalMime.parse(toBytes(mail.slice(0, headerEnd), mail.slice(headerEnd)));
  const header = (key: string): string => parsed.headers.find((entry) => entry.key === key)?.value ?? '';
  const ids = `${header('in-reply-to')} ${header('references').split(/\s+/).reverse().join(' ')}`;
  const encoded = /^(?:base64|quoted-printable)$/i.test(header('content-transfer-encoding').trim());
  const bodyAt = start + (envelope ? 1 : 0) + headerEnd + 2;
  const attached = parsed.attachments
    .filter(
      ({ mimeType, filename }) =>
        /^text\/|^message\//.test(mimeType) || /\.(?:patch|diff)$/.test(filename ?? ''),
    )
    .map(({ content }) => (typeof content === 'string' ? content : new TextDecoder().decode(content)));
  const body = [parsed.text ?? '', ...attached].join('\n').replace(/\n$/, '').split('\n');
  const multipart = /^multipart\//i.test(header('content-type'));
  const date = Date.parse(header('date').replace(/\s*\(.*\)$/, ''));
  return {
    subject: parseSubject(parsed.subject ?? ''),
    author: {
      name: parsed.from?.name || parsed.from?.address || '(no sender)',
      email: parsed.from?.address || null,
    },
    date: Number.isNaN(date) ? null : date,
    messageId: /<([^<>\s]+)>/.exec(header('message-id'))?.[1] ?? null,
    inReplyTo: [...ids.matchAll(/<([^<>\s]+)>/g)].map((match) => match[1] ?? ''),
    // An encoded body has other lines than the file: then the mail's first line has to do.
    body: body.map((line, i) => ({
      text: line.replace(/\r$/, ''),
      at: encoded || multipart ? start + 1 : bodyAt + i,
    })),
    at: start + 1,
    last,
  };
}

/** The mail as bytes, with what real mails get wrong about their character set put right. */
function toBytes(headerLines: string[], bodyLines: string[]): Uint8Array {
  const body = Buffer.from(bodyLines.join('\n'), 'latin1');
  const raw = Buffer.from(headerLines.join('\n'), 'latin1');
  // Header bytes that are no UTF-8 are taken for Latin-1.
  let headers = isUtf8(raw) ? raw.toString('utf8') : raw.toString('latin1');
  // Flowed text is left as it stands: joining its lines would break quotes and diffs.
  headers = headers.replace(/;\s*format="?flowed"?/i, '');
  if (isUtf8(body)) headers = headers.replace(/charset="?us-ascii"?/i, 'charset=utf-8');
  else if (!/^content-type:/im.test(headers)) headers += '\nContent-Type: text/plain; charset=iso-8859-1';
  return Buffer.concat([Buffer.from(`${headers}\n`), body]);
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

function build(mails: Mail[], fileName: string): Series {
  const where = (mail: Mail): string => `${fileName}:${mail.at}`;
  const gaps: Series['gaps'] = [];
  const posts = mails.filter(({ subject, body }) => !subject.reply && (subject.patch || hasDiff(body)));
  if (posts.length === 0) {
    throw new InputError(
      `no patch among ${mails.length === 1 ? 'one mail' : `${mails.length} mails`}`,
      `${fileName}:1`,
      'the subject of a patch mail reads "[PATCH v4 3/6] ..."',
    );
  }
  const version = Math.max(...posts.map(({ subject }) => subject.version));
  const ofVersion = posts.filter(({ subject }) => subject.version === version);
  for (const other of new Set(posts.map(({ subject }) => subject.version))) {
    if (other !== version)
      gaps.push({ what: `mails of v${other} are in the file too and were not read`, where: fileName });
  }
  // Without k/n in the subjects, as format-patch --no-numbered writes them, the order of the file counts.
  const unnumbered = ofVersion.filter(({ subject }) => subject.number === null);
  const total = Math.max(unnumbered.length, ...ofVersion.map(({ subject }) => subject.total ?? 0));
  const covers = ofVersion.filter(({ subject }) => subject.number === 0);
  const cover = covers.at(-1) ?? null;
  const chosen = new Map<number, Mail>();
  for (const mail of ofVersion) {
    if (mail.subject.number === 0) continue;
    const number = mail.subject.number ?? unnumbered.indexOf(mail) + 1;
    const before = chosen.get(number);
    if (before) {
      gaps.push({ what: `patch ${number} is there twice, the later mail was read`, where: where(mail) });
      if (before.subject.reroll > mail.subject.reroll) continue;
    }
    chosen.set(number, mail);
  }
  const first = [...chosen.keys()].sort((a, b) => a - b)[0];
  const head = cover ?? (first === undefined ? null : chosen.get(first)) ?? (ofVersion[0] as Mail);
  const coverText = cover ? cover.body.map((line) => line.text) : [];
  const shortlog = parseShortlog(coverText);
  const subjects = shortlog?.authors.flatMap((author) => author.subjects) ?? [];
  const stat = cover ? parseDiffstat(coverText) : null;
  const series: Series = {
    source: 'mbox',
    fileName,
    title: head.subject.title,
    version,
    tags: head.subject.tags,
    total,
    messageId: head.messageId,
    author: head.author,
    date: head.date === null ? null : isoDate(head.date),
    cover: cover
      ? withoutSignature(coverText.slice(0, shortlog?.start ?? coverText.length))
          .join('\n')
          .trim()
      : null,
    patches: [],
    diffstat: stat,
    changelog: parseChangelog(coverText),
    comments: [],
    gaps,
  };
  const ids = new Map<string, number>();
  if (cover?.messageId) ids.set(cover.messageId, 0);
  for (let number = 1; number <= total; number++) {
    const mail = chosen.get(number);
    if (mail) {
      const patch = readPatch(mail, number, where);
      if (patch.diff.length === 0)
        gaps.push({ what: `patch ${number}/${total} has no diff`, where: where(mail) });
      if (mail.messageId) ids.set(mail.messageId, number);
      series.patches.push(patch);
    } else {
      const title = shortlog?.authors.length === 1 ? subjects[number - 1] : undefined;
      gaps.push({
        what: `patch ${number}/${total}${title ? ` "${title}"` : ''} is missing`,
        where: fileName,
      });
      series.patches.push(missingPatch(number, title ?? '(missing)'));
    }
  }
  if (!cover && total > 1)
    gaps.push({ what: 'no cover letter: title and author are those of the first patch', where: fileName });
  if (!cover && series.patches[0]) series.changelog = series.patches[0].changelog;
  series.diffstat ??= sumOf(series.patches);
  exactRows(series);
  placeComments(series, findReplies(mails, new Set(ofVersion), ids, series, where));
  return series;
}

function hasDiff(body: BodyLine[]): boolean {
  return body.some(({ text }) => text.startsWith('diff --git '));
}

function missingPatch(number: number, subject: string): Patch {
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

function withoutSignature(lines: string[]): string[] {
  const end = lines.findLastIndex((line) => /^-- ?$/.test(line));
  return end < 0 ? lines : lines.slice(0, end);
}

function readPatch(mail: Mail, number: number, where: (mail: Mail) => string): Patch {
  const text = mail.body.map((line) => line.text);
  // The first lines may name another author, as git am reads them.
  let start = text.findIndex((line) => line.trim() !== '');
  let author = mail.author;
  let subject = mail.subject.title;
  for (let match; (match = /^(From|Subject|Date): (.*)$/.exec(text[start] ?? '')); start++) {
    if (match[1] === 'From') author = parsePerson(match[2] ?? '');
    if (match[1] === 'Subject') subject = parseSubject(match[2] ?? '').title;
  }
  const reader = new DiffReader();
  let diffAt = -1;
  mail.body.forEach(({ text: line }, i) => {
    if (reader.take(line) && diffAt < 0) diffAt = i;
  });
  for (const file of reader.files) {
    const cut = file.hunks.find((hunk) => !hunk.complete);
    if (!cut) continue;
    const end = mail.body.findLast((line) => line.text.trim() !== '') ?? mail.body[0];
    throw new InputError(
      `patch ${number} is cut: hunk "${cut.header}" of ${file.path} has ${cut.lines.length} lines, fewer than announced`,
      where({ ...mail, at: mail.last ? (end?.at ?? mail.at) : mail.at }),
      FETCH_AGAIN,
    );
  }
  const rule = text.findIndex((line, i) => i >= start && /^---\s*$/.test(line));
  const messageEnd = rule >= 0 && (diffAt < 0 || rule < diffAt) ? rule : diffAt < 0 ? text.length : diffAt;
  const message = text.slice(Math.max(start, 0), messageEnd);
  const notes = text.slice(messageEnd, diffAt < 0 ? text.length : diffAt);
  if (diffAt < 0 && mail.last && mail.subject.number !== null) {
    throw new InputError(`patch ${number} has no diff, the file ends in its mail`, where(mail), FETCH_AGAIN);
  }
  const files = statOf(reader.files);
  const notesLog = parseChangelog(notes);
  return {
    number,
    subject,
    author,
    date: mail.date === null ? null : isoDate(mail.date),
    dateFrom: mail.date === null ? null : 'mail',
    messageId: mail.messageId,
    messageIdFrom: mail.messageId === null ? null : 'mail',
    message: (diffAt < 0 ? withoutSignature(message) : message).join('\n').trim(),
    from: 'mail',
    files,
    insertions: files.reduce((sum, file) => sum + file.insertions, 0),
    deletions: files.reduce((sum, file) => sum + file.deletions, 0),
    diff: reader.files,
    functions: touchedFunctions(reader.files),
    changelog: notesLog.length > 0 ? notesLog : parseChangelog(message),
  };
}

/** Added and removed lines of all patches; a file that several patches touch counts every time. */
function sumOf(patches: Patch[]): Series['diffstat'] {
  const rows = new Map<string, { path: string; insertions: number; deletions: number; exact: boolean }>();
  for (const file of patches.flatMap((patch) => patch.files)) {
    const row = rows.get(file.path) ?? { path: file.path, insertions: 0, deletions: 0, exact: true };
    row.insertions += file.insertions;
    row.deletions += file.deletions;
    rows.set(file.path, row);
  }
  const files = [...rows.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  if (files.length === 0) return null;
  return {
    files,
    insertions: files.reduce((sum, file) => sum + file.insertions, 0),
    deletions: files.reduce((sum, file) => sum + file.deletions, 0),
  };
}

/** A scaled bar in the cover letter's diffstat gives way to the one patch that touches the file. */
function exactRows(series: Series): void {
  if (series.patches.some((patch) => patch.from !== 'mail')) return;
  for (const row of series.diffstat?.files ?? []) {
    const touching = series.patches.flatMap((patch) => patch.files.filter((file) => file.path === row.path));
    const [only] = touching;
    if (touching.length === 1 && only) Object.assign(row, only);
  }
}

function findReplies(
  mails: Mail[],
  posts: Set<Mail>,
  ids: Map<string, number>,
  series: Series,
  where: (mail: Mail) => string,
): RawComment[] {
  const comments: RawComment[] = [];
  const others = mails.filter((mail) => !posts.has(mail) && (mail.subject.reply || !mail.subject.patch));
  others.sort((a, b) => (a.date ?? 0) - (b.date ?? 0));
  const byId = new Map(others.flatMap((mail) => (mail.messageId ? [[mail.messageId, mail] as const] : [])));
  for (const mail of others) {
    const { subject } = mail;
    // Up the thread; the references name the whole way, in case a mail in between is missing.
    let patch = mail.inReplyTo.map((id) => ids.get(id)).find((number) => number !== undefined) ?? null;
    for (let up = mail, steps = 0; patch === null && steps < 50; steps++) {
      const parent: Mail | undefined = up.inReplyTo
        .map((id) => byId.get(id))
        .find((found) => found !== undefined);
      if (!parent || parent === up) break;
      up = parent;
      patch = up.inReplyTo.map((id) => ids.get(id)).find((number) => number !== undefined) ?? null;
    }
    if (subject.number !== null && subject.version === series.version && subject.number <= series.total) {
      patch = subject.number;
    }
    if (patch === null && subject.reply) {
      const named = series.patches.find((candidate) => candidate.subject === subject.title);
      patch = named?.number ?? (subject.title === series.title ? 0 : null);
    }
    if (patch === null && !subject.reply) {
      series.gaps.push({
        what: `a mail that is no part of the series: "${subject.title}"`,
        where: where(mail),
      });
      continue;
    }
    if (subject.reply && subject.number !== null && subject.version !== series.version) continue;
    comments.push({
      author: mail.author,
      date: mail.date,
      precision: 1000,
      messageId: mail.messageId,
      patch,
      parentId: mail.inReplyTo.find((id) => byId.has(id)) ?? mail.inReplyTo[0] ?? null,
      body: readBody(mail.body),
      at: mail.at,
    });
  }
  return comments;
}
