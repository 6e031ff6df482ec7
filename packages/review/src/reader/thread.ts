// SPDX-License-Identifier: GPL-2.0-only
// Puts comments where they belong: which patch, which earlier comment, which line. Where the mails' headers do
// not say it, the dates in the attribution lines do, since git send-email dates the mails of a series one second
// apart; the quoted diff and the words of the quoted commit message confirm or replace that.
import { canBe, isoDate, sendEmailId, utc } from './dates.ts';
import type { WrittenDate } from './dates.ts';
import { statOf, touchedFunctions } from './diff.ts';
import { parseDiffstat } from './diffstat.ts';
import { samePerson } from './person.ts';
import type { Attribution, Body, FoundRemark } from './quotes.ts';
import { parseSubject } from './subject.ts';
import type { Comment, DiffLine, FileDiff, Hunk, Patch, Person, Remark, Series } from './types.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;

/** A comment before its place is known. */
export interface RawComment {
  author: Person;
  date: number | null;
  /** Of `date`, in milliseconds. */
  precision: number;
  messageId: string | null;
  /** From the mail headers, when there are any. */
  patch: number | null;
  parentId: string | null;
  body: Body;
  /** Line of the input file. */
  at: number;
}

/** Fills `series.comments`, and what the comments tell about the patches. */
export function placeComments(series: Series, raw: RawComment[]): void {
  const base = coverMoment(series, raw);
  deriveMails(series, base);
  series.comments = raw.map((comment, index) => ({
    number: index + 1,
    author: comment.author,
    date: comment.date === null ? null : isoDate(comment.date),
    messageId: comment.messageId,
    patch: comment.patch,
    evidence: comment.patch === null ? [] : ['headers'],
    parent: null,
    replies: [],
    file: null,
    function: null,
    line: null,
    remarks: [],
    blocks: comment.body.blocks,
  }));
  const { comments } = series;
  comments.forEach((comment, i) => {
    const source = raw[i] as RawComment;
    if (comment.patch === null) choosePatch(series, comment, source, base);
  });
  comments.forEach((comment, i) => {
    const source = raw[i] as RawComment;
    comment.parent = findParent(comments, raw, i);
    const parent = comments[(comment.parent ?? 0) - 1];
    parent?.replies.push(comment.number);
    if (parent && parent.patch !== null) {
      if (comment.patch === null) comment.patch = parent.patch;
      if (comment.patch === parent.patch) comment.evidence.push('thread');
    }
    if (comment.patch === null) {
      series.gaps.push({
        what: `nothing tells which patch comment ${comment.number} by ${comment.author.name} is about`,
        where: `${series.fileName}:${source.at}`,
      });
    }
  });
  for (const patch of series.patches) if (patch.from === null) takeFromQuotes(patch, comments, raw);
  confirmByDiff(series, raw);
  comments.forEach((comment, i) => {
    comment.remarks = (raw[i] as RawComment).body.remarks.map((remark) =>
      finishRemark(series, comment, remark),
    );
    const first = comment.remarks.find((remark) => remark.place === 'diff');
    if (first) ({ file: comment.file, function: comment.function, line: comment.line } = first);
  });
}

/** The attribution of the patch's own mail: the deepest by the author of the series. */
function ofPatch(series: Series, body: Body): Attribution | null {
  const own = body.attributions.filter(({ person }) => samePerson(person, series.author));
  const deepest = own.reduce<Attribution | null>((a, b) => (a && a.depth >= b.depth ? a : b), null);
  const { quoted } = body;
  return deepest && quoted && deepest.depth < quoted.depth ? null : deepest;
}

function zoned(attribution: Attribution | null): WrittenDate | null {
  return attribution?.dates.find((date) => utc(date) !== null && date.precision === SECOND) ?? null;
}

/**
 * The second at which the cover letter was sent. A mail tells it; a page shows only the minute, and then the
 * message id of git send-email, or the quoted commit messages at their dates, decide.
 */
function coverMoment(series: Series, raw: RawComment[]): number | null {
  if (series.date === null) return null;
  const shown = Date.parse(series.date);
  if (series.source === 'mbox') return shown;
  const id = series.messageId === null ? null : sendEmailId(series.messageId);
  const byId = id ? id.moment - series.total * SECOND : null;
  const quotes = raw.flatMap(({ body }) => {
    const date = zoned(ofPatch(series, body));
    return date ? [{ moment: utc(date) ?? 0, body }] : [];
  });
  const inId = byId !== null && Math.abs(byId - shown) < 2 * MINUTE;
  let best: { moment: number; score: number } | null = inId ? { moment: byId, score: 0.5 } : null;
  for (let second = 0; second < 60; second++) {
    const moment = Math.floor(shown / MINUTE) * MINUTE + second * SECOND;
    let score = moment === byId ? 0.5 : 0;
    for (const quote of quotes) {
      const patch = series.patches[(quote.moment - moment) / SECOND - 1];
      if (patch) score += likeness(patch, quote.body);
    }
    if (score > 0 && (!best || score > best.score)) best = { moment, score };
  }
  return best?.moment ?? null;
}

/** Date and message id of patches whose mail is not there, from those of the cover letter. */
function deriveMails(series: Series, base: number | null): void {
  const id = series.messageId === null ? null : sendEmailId(series.messageId);
  for (const patch of series.patches) {
    if (patch.date === null && base !== null && series.source === 'patchwork') {
      patch.date = isoDate(base + patch.number * SECOND);
      patch.dateFrom = 'derived';
    }
    if (patch.messageId === null && id && series.total > 0) {
      patch.messageId = id.withIndex(id.index + patch.number);
      patch.messageIdFrom = 'derived';
    }
  }
}

/** How much of a patch's subject stands in the quoted commit message: 0 to 1. */
function likeness(patch: Patch, body: Body): number {
  const text = (body.quoted?.message ?? []).join(' ').toLowerCase();
  const files = (body.quoted?.diff.files ?? []).map((file) => file.path.toLowerCase()).join(' ');
  const words = [...new Set(patch.subject.toLowerCase().match(/[a-z0-9_]{3,}/g) ?? [])].filter(
    (word) =>
      !/^(?:the|and|for|add|with|from|into|this|that|use|new|support|during|without|when)$/.test(word),
  );
  if (words.length === 0 || text === '') return 0;
  const stems = words.map((word) => (word.length > 5 ? word.slice(0, -2) : word));
  return stems.filter((word) => text.includes(word) || files.includes(word)).length / words.length;
}

function choosePatch(series: Series, comment: Comment, { body }: RawComment, base: number | null): void {
  const attribution = ofPatch(series, body);
  const date = zoned(attribution);
  const subject = attribution?.subject ? parseSubject(attribution.subject) : null;
  if (
    subject &&
    subject.number !== null &&
    subject.version === series.version &&
    subject.number <= series.total
  ) {
    comment.patch = subject.number;
    comment.evidence.push('headers');
    return;
  }
  if (date && base !== null) {
    const number = ((utc(date) ?? 0) - base) / SECOND;
    const patch = series.patches[number - 1];
    if (number === 0 || patch) {
      comment.patch = number;
      comment.evidence.push('date');
      if (patch) {
        patch.dateFrom = 'attribution';
        if (likeness(patch, body) >= 0.5) comment.evidence.push('words');
      }
      return;
    }
  }
  // A comment on a single patch has nothing else to be about.
  if (series.patches.length === 1 && series.total === 1) {
    comment.patch = 1;
    return;
  }
  const scores = series.patches.map((patch) => ({ patch, score: likeness(patch, body) }));
  scores.sort((a, b) => b.score - a.score);
  const [first, second] = scores;
  if (first && first.score >= 0.5 && first.score > (second?.score ?? 0)) {
    comment.patch = first.patch.number;
    comment.evidence.push('words');
  } else if (body.quoted && !body.quoted.diff.started && series.cover !== null) {
    const cover = series.cover.split('\n');
    const known = body.quoted.message.filter((line) => line.trim() !== '' && cover.includes(line.trimEnd()));
    if (known.length > 0) {
      comment.patch = 0;
      comment.evidence.push('words');
    }
  }
}

function findParent(comments: Comment[], raw: RawComment[], i: number): number | null {
  const source = raw[i] as RawComment;
  if (source.parentId !== null) {
    const index = raw.findIndex((other) => other.messageId === source.parentId);
    return index < 0 || index === i ? null : index + 1;
  }
  const direct = source.body.attributions.filter((attribution) => attribution.depth === 1);
  const found: number[] = [];
  raw.forEach((other, j) => {
    if (j === i || other.date === null || (source.date !== null && other.date > source.date)) return;
    const { date, precision } = other;
    const said = direct.some(
      ({ person, dates }) =>
        samePerson(person, other.author) &&
        // "... writes:" without a date: the last mail of that person so far.
        (dates.length === 0 ? j < i : dates.some((written) => canBe(written, date, precision))),
    );
    if (said) found.push(j + 1);
  });
  // Two mails of one minute: the one about the same patch.
  const { patch } = comments[i] as Comment;
  const same = found.filter((number) => patch !== null && comments[number - 1]?.patch === patch);
  return (same.length > 0 ? same : found).at(-1) ?? null;
}

/** The fullest picture of a patch that the comments give: the hunk of the longest quote, each. */
function takeFromQuotes(patch: Patch, comments: Comment[], raw: RawComment[]): void {
  const files = new Map<string, FileDiff>();
  comments.forEach((comment, i) => {
    const quoted = (raw[i] as RawComment).body.quoted;
    if (comment.patch !== patch.number || !quoted) return;
    const message = quoted.message.join('\n');
    const end = message.search(/^---\s*$/m);
    const text = (end < 0 ? message : message.slice(0, end)).trim();
    if (text.length > (patch.message?.length ?? 0)) patch.message = text;
    const stat = end < 0 ? null : parseDiffstat(message.slice(end).split('\n'));
    if (stat && patch.files.length === 0) {
      patch.files = stat.files;
      patch.insertions = stat.insertions;
      patch.deletions = stat.deletions;
    }
    for (const file of quoted.diff.files) {
      if (file.path === '') continue;
      const known = files.get(file.path) ?? { ...file, hunks: [] };
      files.set(file.path, known);
      for (const hunk of file.hunks) {
        const at = known.hunks.findIndex((other) => other.header === hunk.header);
        if (at < 0) known.hunks.push(hunk);
        else if ((known.hunks[at] as Hunk).lines.length < hunk.lines.length) known.hunks[at] = hunk;
      }
      known.hunks.sort((a, b) => a.newStart - b.newStart);
    }
  });
  patch.diff = [...files.values()];
  if (patch.message === null && patch.diff.length === 0) return;
  patch.from = 'quote';
  patch.functions = touchedFunctions(patch.diff);
  const whole =
    patch.diff.length > 0 && patch.diff.every((file) => file.hunks.every((hunk) => hunk.complete));
  const counted = statOf(patch.diff);
  const sum = (key: 'insertions' | 'deletions'): number => counted.reduce((n, file) => n + file[key], 0);
  const agrees = sum('insertions') === patch.insertions && sum('deletions') === patch.deletions;
  if (whole && (patch.files.length === 0 || agrees)) {
    patch.files = counted;
    patch.insertions = sum('insertions');
    patch.deletions = sum('deletions');
  }
}

/**
 * Adds `diff` to the evidence: the quoted lines are in the patch's mail, or, where no mail is there, git's blob
 * names chain from an earlier quoted patch to a later one. A chain the wrong way round is a gap.
 */
function confirmByDiff(series: Series, raw: RawComment[]): void {
  series.comments.forEach((comment, i) => {
    const patch = series.patches[(comment.patch ?? 0) - 1];
    const files = (raw[i] as RawComment).body.quoted?.diff.files ?? [];
    if (!patch || files.length === 0) return;
    if (patch.from === 'mail') {
      const own = new Set(patch.diff.flatMap((file) => file.hunks.flatMap((hunk) => hunk.lines.map(line))));
      const lines = files.flatMap((file) => file.hunks.flatMap((hunk) => hunk.lines.map(line)));
      const known = lines.filter((text) => own.has(text)).length;
      if (lines.length > 0 && known >= lines.length * 0.6) comment.evidence.push('diff');
      return;
    }
    const others = series.patches.filter((other) => other !== patch && other.diff.length > 0);
    const chained = files.some((file) =>
      others.some((other) =>
        other.diff.some(
          (there) =>
            there.path === file.path &&
            (other.number < patch.number
              ? there.newBlob !== null && there.newBlob === file.oldBlob
              : file.newBlob !== null && there.oldBlob === file.newBlob),
        ),
      ),
    );
    const stat = new Set((series.diffstat?.files ?? []).map((file) => file.path));
    if (chained) comment.evidence.push('diff');
    for (const file of files) {
      if (stat.size > 0 && file.path !== '' && !stat.has(file.path)) {
        series.gaps.push({
          what: `comment ${comment.number} quotes ${file.path}, which the cover letter's diffstat does not have`,
          where: `${series.fileName}:${(raw[i] as RawComment).at}`,
        });
      }
    }
  });
}

function line({ kind, text }: DiffLine): string {
  return `${kind}${text.trimEnd()}`;
}

function finishRemark(series: Series, comment: Comment, found: FoundRemark): Remark {
  const { above, ...remark } = found;
  const patch = series.patches[(comment.patch ?? 0) - 1];
  remark.answers = answered(series, comment, remark);
  if (patch) locate(patch, remark, above);
  if (remark.place === 'message' && comment.patch === 0) remark.place = 'cover';
  const { answers } = remark;
  if (remark.place !== 'diff' && answers) {
    // The reply cut the diff out; what it answers still stands under it.
    const there = series.comments[answers.comment - 1]?.remarks[answers.remark - 1];
    if (there?.place === 'diff') {
      const { place, file, function: name, line: at, hunk } = there;
      Object.assign(remark, { place, file, function: name, line: at, hunk });
    }
  }
  return remark;
}

function answered(series: Series, comment: Comment, remark: Remark): Remark['answers'] {
  const words = (text: string): string => text.replace(/\s+/g, ' ').trim();
  const quoted = words(remark.quoted ?? '');
  if (quoted.length < 4) return null;
  const seen = new Set<number>();
  for (let number = comment.parent; number !== null && !seen.has(number);) {
    seen.add(number);
    const earlier: Comment | undefined = series.comments[number - 1];
    for (const there of [...(earlier?.remarks ?? [])].reverse()) {
      // Mailers wrap quoted lines anew.
      if (words(there.text).includes(quoted)) {
        return { comment: number, remark: there.number };
      }
    }
    number = earlier?.parent ?? null;
  }
  return null;
}

/**
 * Finds the quoted lines above a remark again in the whole patch. That mends the line number when the quote was
 * cut, and gives the place when even the hunk's header was.
 */
function locate(patch: Patch, remark: Remark, above: string[]): void {
  const wanted = above.map((text) => text.trimEnd()).filter((text) => !text.startsWith('@@'));
  const last = wanted.at(-1)?.trim() ?? '';
  if (remark.place === 'nothing' || last.length < 2) return;
  // Words of a commit message are no lines of the diff, whatever they look like.
  if (remark.place === 'message' && !/^[-+ \t]/.test(wanted.at(-1) ?? '')) return;
  let best: { file: FileDiff; hunk: Hunk; line: DiffLine; score: number } | null = null;
  let ties = 0;
  for (const file of patch.diff) {
    if (remark.file !== null && file.path !== remark.file) continue;
    for (const hunk of file.hunks) {
      hunk.lines.forEach((entry, index) => {
        let score = 0;
        while (
          score < wanted.length &&
          index >= score &&
          same(hunk.lines[index - score] as DiffLine, wanted[wanted.length - 1 - score] ?? '')
        ) {
          score++;
        }
        if (score === 0) return;
        if (hunk.header === remark.hunk) score += 0.5;
        if (!best || score > best.score) {
          best = { file, hunk, line: entry, score };
          ties = 0;
        } else if (score === best.score) {
          ties++;
        }
      });
    }
  }
  const found = best as { file: FileDiff; hunk: Hunk; line: DiffLine; score: number } | null;
  if (!found || ties > 0 || found.score < (remark.place === 'diff' ? 2 : 1)) return;
  if (remark.place === 'message' && found.score < 2 && last.length < 12) return;
  remark.place = 'diff';
  remark.file = found.file.path;
  remark.hunk = found.hunk.header;
  remark.function = found.line.function;
  remark.line = found.line.newLine;
}

function same(entry: DiffLine, quoted: string): boolean {
  return line(entry) === quoted || (quoted.trim() === '' && entry.kind === ' ' && entry.text.trim() === '');
}
