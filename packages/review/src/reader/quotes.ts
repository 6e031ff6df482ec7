// SPDX-License-Identifier: GPL-2.0-only
// The body of a reply: who is quoted at which depth, what of the patch is quoted, and under which of its lines
// every remark stands. Works however deep the patch is quoted, because the diff of each depth is read on its own.
import { writtenDates } from './dates.ts';
import type { WrittenDate } from './dates.ts';
import { DiffReader } from './diff.ts';
import { parsePerson } from './person.ts';
import type { Block, Person, Remark } from './types.ts';

export interface BodyLine {
  text: string;
  /** Line of the input file. */
  at: number;
}

export interface Attribution {
  /** Depth of the lines that it introduces. */
  depth: number;
  person: Person;
  /** Every way to read its date. */
  dates: WrittenDate[];
  /** The subject, when it stands there too. */
  subject: string | null;
}

export interface Quoted {
  depth: number;
  /** Lines before the diff, without the prefix. */
  message: string[];
  diff: DiffReader;
}

/** A remark, and the lines of the diff above it, nearest last, to find it again in the whole patch. */
export interface FoundRemark extends Remark {
  above: string[];
}

export interface Body {
  blocks: Block[];
  remarks: FoundRemark[];
  attributions: Attribution[];
  /** What is quoted at the depth of the patch: the deepest with a diff, or else the deepest. */
  quoted: Quoted | null;
}

interface Line extends BodyLine {
  depth: number;
}

/** Takes the quote marks off: `> >> text` is depth 3. One blank after them belongs to the mark. */
export function unquote(line: string): { depth: number; text: string } {
  const marks = /^(?:> ?)*>/.exec(line);
  if (!marks) return { depth: 0, text: line };
  const rest = line.slice(marks[0].length);
  return {
    depth: marks[0].replaceAll(' ', '').length,
    text: rest.startsWith(' ') || rest.startsWith('\u00a0') ? rest.slice(1) : rest,
  };
}

const VERB =
  /(?<=\s)(?:wrote|writes|schrieb|écrit|escribió|ha scritto|escreveu|skrev|schreef|пишет)(?=\s|:|$)/i;

/** The person and date of `On ... wrote:` and its kin in other languages; null for other text. */
export function parseAttribution(text: string): { person: Person; dates: WrittenDate[] } | null {
  const line = text.replace(/\s+/g, ' ').trim();
  if (!VERB.test(line) || !/:$/.test(line)) return null;
  let name = line.replace(/:$/, '');
  const dates = writtenDates(name);
  const german = /\bschrieb\s+(\S.*)$/.exec(name);
  if (german) {
    name = german[1] ?? '';
  } else {
    name = name.replace(VERB, '').replace(/\s+(?:a|ha)\s*$/, '');
    // What follows the last part of the date is the name.
    const date =
      /^.*(?:\d{4}|\b\d{1,2}[/.]\d{1,2}[/.]\d\d)(?:,?\s*(?:at|um|à|a las|kl\.|o)?\s*\d{1,2}[:h]\d\d(?::\d\d)?\s*(?:[AaPp]\.?[Mm]\.?)?)?(?:\s*\(?(?:[+-]\d{4}|[A-Z]{3,4}\b)\)?)*[\s,]*/.exec(
        name,
      );
    if (date) name = name.slice(date[0].length);
    name = name.replace(/^(?:On|Am|Le|El|Den|Op|Il|Em)\b(?!\S)/i, '').replace(/^[\s,]+|[\s,]+$/g, '');
  }
  const person = parsePerson(name.replace(/^"|"$/g, '').replace(/"\s*</, ' <'));
  if (!person.name || (dates.length === 0 && !person.email && !/^\p{Lu}/u.test(person.name))) return null;
  return { person, dates };
}

/** Reads the body of a reply. */
export function readBody(body: BodyLine[]): Body {
  const lines = splitLines(body);
  const result: Body = { blocks: [], remarks: [], attributions: [], quoted: null };
  const speakers = new Map<number, string>();
  const depths = new Map<number, Quoted>();
  let lastDiff: DiffReader | null = null;
  let lastDepth = 0;
  let own: Line[] = [];
  let above: Line | null = null;
  let paragraph: string[] = [];
  let context: { reader: DiffReader | null; depth: number; above: Line | null; paragraph: string[] } | null =
    null;
  const diffLines: string[] = [];
  let contextLines: string[] = [];

  const finish = (): void => {
    if (own.length > 0 && context) {
      const remark = makeRemark(own, context, contextLines, speakers);
      if (remark) result.remarks.push({ ...remark, number: result.remarks.length + 1 });
    }
    own = [];
    context = null;
  };

  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] as Line;
    const attribution = attributionAt(lines, i);
    if (attribution) {
      if (line.depth > 0) finish();
      const { found } = attribution;
      result.attributions.push(found);
      speakers.set(found.depth, found.person.name);
      i += attribution.lines - 1;
      continue;
    }
    addBlock(result.blocks, line, speakers);
    if (line.depth === 0) {
      if (/^-- ?$/.test(line.text)) break;
      if (line.text.trim() === '' ? own.length > 0 : !isSnip(line.text)) {
        context ??= { reader: lastDiff, depth: lastDepth, above, paragraph };
        if (own.length === 0) contextLines = diffLines.slice(-8);
        own.push(line);
      }
      continue;
    }
    finish();
    const quoted = depths.get(line.depth) ?? { depth: line.depth, message: [], diff: new DiffReader() };
    depths.set(line.depth, quoted);
    if (quoted.diff.take(line.text)) {
      lastDiff = quoted.diff;
      lastDepth = line.depth;
      diffLines.push(line.text);
    } else if (!quoted.diff.started) {
      quoted.message.push(line.text);
      diffLines.push(line.text);
    }
    const words = line.text.trim() !== '' && !isSnip(line.text);
    if (words && !(above && line.depth < lastDepth && isSignOff(line.text))) {
      // Blank quoted lines are part of the paragraph only inside a numbered item.
      if (above === null || lines[i - 1]?.depth === 0) paragraph = [];
      above = line;
    }
    paragraph = [...paragraph, line.text];
  }
  finish();
  const all = [...depths.values()].sort((a, b) => b.depth - a.depth);
  result.quoted = all.find((quoted) => quoted.diff.started) ?? all[0] ?? null;
  return result;
}

function splitLines(body: BodyLine[]): Line[] {
  let outlook = 0;
  return body.map(({ text, at }) => {
    // Outlook quotes without marks: all after this line is the mail that is answered.
    if (outlook === 0 && /^-{3,} ?(?:Original Message|Ursprüngliche Nachricht) ?-{3,}$/i.test(text.trim())) {
      outlook = 1;
    }
    const line = unquote(text.replace(/\r$/, ''));
    return { depth: line.depth + outlook, text: line.text, at };
  });
}

function attributionAt(lines: Line[], i: number): { found: Attribution; lines: number } | null {
  const first = lines[i] as Line;
  if (first.text.trim() === '') return null;
  if (first.text.startsWith('From: ')) return headerAt(lines, i);
  let joined = '';
  for (let n = 0; n < 3; n++) {
    const line = lines[i + n];
    if (!line || line.depth !== first.depth || line.text.trim() === '') return null;
    joined += ` ${line.text}`;
    if (!/:\s*$/.test(line.text)) continue;
    const found = parseAttribution(joined);
    if (!found) continue;
    const next = lines.slice(i + n + 1).find((after) => after.text.trim() !== '');
    return next && next.depth > first.depth
      ? { found: { ...found, depth: first.depth + 1, subject: null }, lines: n + 1 }
      : null;
  }
  return null;
}

/** Outlook puts `From:`, `Sent:`, ... on top of what it quotes, at the depth of the quote itself. */
function headerAt(lines: Line[], i: number): { found: Attribution; lines: number } | null {
  const { depth } = lines[i] as Line;
  const fields = new Map<string, string>();
  let n = 0;
  for (let line; (line = lines[i + n]) && line.depth === depth && line.text.trim() !== ''; n++) {
    const field = /^(From|Sent|Date|To|Cc|Subject): +(.*)$/.exec(line.text);
    if (!field) break;
    fields.set(field[1] ?? '', field[2] ?? '');
  }
  const sent = fields.get('Sent') ?? fields.get('Date');
  if (depth === 0 || sent === undefined) return null;
  const person = parsePerson(fields.get('From') ?? '');
  return {
    found: { depth, person, dates: writtenDates(sent), subject: fields.get('Subject') ?? null },
    lines: n,
  };
}

function addBlock(blocks: Block[], line: Line, speakers: Map<number, string>): void {
  const last = blocks.at(-1);
  if (last && (last.depth === line.depth || (line.depth === 0 && line.text.trim() === ''))) {
    last.text += `\n${line.text}`;
  } else if (line.text.trim() !== '' || line.depth > 0) {
    blocks.push({ depth: line.depth, by: speakers.get(line.depth) ?? null, text: line.text, at: line.at });
  }
}

/** `[snip]`, `...`: a mark of what was cut out of a quote, nobody's words. */
function isSnip(text: string): boolean {
  return /^\s*(?:[[<(]?\s*(?:\.{3,}|…|snip(?:ped)?)\s*[\])>]?)\s*$/i.test(text);
}

function isSignOff(text: string): boolean {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
  const polite = /^(?:thanks|thank you|thx|(?:best |kind )?regards|best|cheers|br)\b[\p{L} ]{0,20}[,.!]?$/iu;
  const greeting = /^(?:hi|hello|hey|dear)\b.{0,40}$/i;
  const [first = '', second = ''] = lines;
  if (lines.length === 1)
    return polite.test(first) || greeting.test(first) || /^\p{Lu}\p{L}{1,14}$/u.test(first);
  return lines.length === 2 && polite.test(first) && second.length < 40;
}

function makeRemark(
  own: Line[],
  context: { reader: DiffReader | null; depth: number; above: Line | null; paragraph: string[] },
  above: string[],
  speakers: Map<number, string>,
): FoundRemark | null {
  const text = own
    .map((line) => line.text.trimEnd())
    .join('\n')
    .trim();
  if (text === '' || isSignOff(text)) return null;
  const place = context.reader?.place ?? null;
  const mentions = new Set(named(text));
  if (!place) for (const name of named(lastItem(context.paragraph).join('\n'))) mentions.add(name);
  return {
    number: 0,
    text,
    place: place ? 'diff' : context.above ? 'message' : 'nothing',
    file: place?.file.path || null,
    function: place?.line?.function ?? null,
    line: place?.line?.newLine ?? null,
    hunk: place?.hunk?.header ?? null,
    quoted: context.above?.text.trim() ?? null,
    quotedBy: context.above ? (speakers.get(context.above.depth) ?? null) : null,
    answers: null,
    mentions: [...mentions],
    at: own[0]?.at ?? 0,
    above,
  };
}

function named(text: string): string[] {
  return [...text.matchAll(/\b([a-z_]\w*)\(\)/g)].map((match) => match[1] ?? '');
}

/** The numbered or bulleted item at the end of a quoted text, or its last paragraph. */
function lastItem(lines: string[]): string[] {
  let start = lines.length - 1;
  while (start > 0 && lines[start]?.trim() === '') start--;
  let paragraph = start;
  while (paragraph > 0 && lines[paragraph - 1]?.trim() !== '') paragraph--;
  for (let i = start; i >= 0; i--) {
    if (/^\s?(?:\d+[.)]|[-*])\s/.test(lines[i] ?? '')) return lines.slice(i);
  }
  return lines.slice(paragraph);
}
