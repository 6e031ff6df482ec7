// SPDX-License-Identifier: GPL-2.0-only
// A review as other tools want it: b4's checks, KTAP, lines for a mail.
import { SERIES } from '@vfio-lab/series';
import { InputError } from '@vfio-lab/sim';
import type { Comparison } from './compare/types.ts';
import { parseSubject } from './reader/subject.ts';
import type { Cell, Review } from './review.ts';

export type CheckStatus = 'pass' | 'warn' | 'fail';

/** One check, in the words of `b4 review` and patchwork. */
export interface Check {
  tool: string;
  status: CheckStatus;
  summary: string;
  url: string;
  details: string;
}

/** A check with what it consists of. */
export interface CheckGroup {
  name: string;
  status: CheckStatus;
  summary: string;
  items: { name: string; status: CheckStatus; text: string }[];
}

const RANK: readonly CheckStatus[] = ['pass', 'warn', 'fail'];
const worst = (list: readonly { status: CheckStatus }[]): CheckStatus =>
  list.reduce<CheckStatus>((w, x) => (RANK.indexOf(x.status) > RANK.indexOf(w) ? x.status : w), 'pass');

const kinds = (c: Cell | undefined): string[] => (c?.findings ?? []).map((f) => f.kind);
const outcomes = (c: Cell): string => Object.keys(c.outcomes).join(' | ');

/** Checks of one series, as it stands with all its patches; findings that the base has, too, are warnings. */
export function checksOfReview(r: Review): CheckGroup[] {
  const scenarios = r.scenarios.map((s) => {
    const [first, last] = [s.cells[0], s.cells.at(-1)];
    const fresh = (last?.findings ?? []).filter((f) => !kinds(first).includes(f.kind));
    const old = (last?.findings ?? []).filter((f) => kinds(first).includes(f.kind));
    const text = [
      ...fresh.map((f) => `${f.kind}: ${f.text}`),
      ...old.map((f) => `${f.kind}, as before the series: ${f.text}`),
      ...(last === undefined ? ['not run'] : [outcomes(last)]),
    ].join('; ');
    const status: CheckStatus =
      fresh.length > 0 ? 'fail' : old.length > 0 || last === undefined ? 'warn' : 'pass';
    return { name: s.name, status, text };
  });
  const prefixes = r.patches.map((p) => {
    const bad = r.scenarios.flatMap((s) => {
      const cell = s.cells.find((c) => c.prefix === p.number);
      const first = kinds(s.cells[0]);
      return kinds(cell)
        .filter((k) => !first.includes(k))
        .map((k) => `${s.name}: ${k}`);
    });
    const missing = p.missing.map((f) => `${f}() is not ported`);
    const text = [...bad, ...missing].join('; ') || 'works at this prefix';
    const status: CheckStatus = bad.length > 0 ? 'fail' : missing.length > 0 ? 'warn' : 'pass';
    return { name: `${p.number}/${r.patches.length} ${p.subject}`, status, text };
  });
  return [
    group('scenarios', scenarios, `run on ${r.series.name}`),
    group('bisect', prefixes, `prefixes of ${r.series.name}`),
  ];
}

/** Checks of B against A: a finding that A has not fails, another outcome warns. */
export function checksOfComparison(c: Comparison): CheckGroup[] {
  const scenarios = c.scenarios.map((s) => {
    const fresh = s.b.findings.filter((f) => !kinds(s.a).includes(f.kind));
    const gone = kinds(s.a).filter((k) => !kinds(s.b).includes(k));
    const status: CheckStatus = fresh.length > 0 ? 'fail' : s.state === 'differs' ? 'warn' : 'pass';
    const parts = [
      ...fresh.map((f) => `${f.kind}: ${f.text}`),
      ...gone.map((k) => `no more ${k}`),
      s.state === 'differs'
        ? `${c.a.name}: ${outcomes(s.a)}; ${c.b.name}: ${outcomes(s.b)}`
        : s.state === 'same'
          ? 'the same step by step'
          : 'the same to see',
    ];
    return { name: s.name, status, text: parts.join('; ') };
  });
  const remarks = c.ledger.map((l) => ({
    name: `#${l.comment}.${l.remark} ${l.author}`,
    status: (l.state === 'open' ? 'warn' : 'pass') as CheckStatus,
    text: `${l.state}: ${l.why}`,
  }));
  return [
    group('scenarios', scenarios, `${c.a.name} against ${c.b.name}`),
    ...(remarks.length > 0 ? [group('remarks', remarks, `on ${c.a.name}`)] : []),
  ];
}

function group(name: string, items: CheckGroup['items'], about: string): CheckGroup {
  const n = (status: CheckStatus): number => items.filter((i) => i.status === status).length;
  const counts = [
    `${n('pass')} of ${items.length} fine`,
    ...(n('warn') > 0 ? [`${n('warn')} to look at`] : []),
    ...(n('fail') > 0 ? [`${n('fail')} failed`] : []),
  ];
  return { name, status: worst(items), summary: `${about}: ${counts.join(', ')}`, items };
}

/** What `b4 review` reads from a check command: a JSON array of checks. */
export function b4Checks(groups: readonly CheckGroup[]): Check[] {
  return groups.map((g) => ({
    tool: `vfio-lab-${g.name}`,
    status: g.status,
    summary: g.summary,
    url: '',
    details: g.items.map((i) => `${i.status.toUpperCase().padEnd(4)} ${i.name}: ${i.text}`).join('\n'),
  }));
}

/** KTAP, version 1: a test for each group, its items as subtests. What is to be looked at is no failure. */
export function ktap(groups: readonly CheckGroup[]): string {
  const word = (s: CheckStatus): string => (s === 'fail' ? 'not ok' : 'ok');
  const clean = (t: string): string => t.replace(/[#\n]/g, ' ');
  const lines = ['KTAP version 1', `1..${groups.length}`];
  for (const [n, g] of groups.entries()) {
    lines.push('  KTAP version 1', `  # Subtest: ${g.name}`, `  1..${g.items.length}`);
    for (const [i, item] of g.items.entries()) {
      if (item.status !== 'pass') lines.push(`  # ${item.status}: ${clean(item.text)}`);
      lines.push(`  ${word(item.status)} ${i + 1} ${clean(item.name)}`);
    }
    lines.push(`${word(g.status)} ${n + 1} ${g.name}`);
  }
  return `${lines.join('\n')}\n`;
}

const MAIL = 72;

/** Lines of at most 72 columns that a mail can quote: what is not fine, then the counts. */
export function mailText(what: string, groups: readonly CheckGroup[]): string {
  const lines = [`vfio-lab on ${what}:`, ''];
  for (const g of groups) {
    lines.push(...fold(`- ${g.summary}`, '  '));
    for (const i of g.items.filter((x) => x.status !== 'pass'))
      lines.push(...fold(`  ${i.status === 'fail' ? 'FAIL' : 'look'}  ${i.name}: ${i.text}`, '        '));
  }
  return `${lines.join('\n')}\n`;
}

function fold(text: string, indent: string): string[] {
  const lead = /^\s*/.exec(text)?.[0] ?? '';
  const lines: string[] = [];
  let line = lead;
  for (const word of text.trim().split(/\s+/)) {
    if (line.trim() !== '' && line.length + 1 + word.length > MAIL) {
      lines.push(line);
      line = indent + word;
    } else line += line.trim() === '' ? word : ` ${word}`;
  }
  return [...lines, line];
}

/** The name of the series that a mail is part of, by Message-ID or subject and version. Throws InputError. */
export function seriesOfMail(mail: string): string {
  const head = (mail.split(/\r?\n\r?\n/, 1)[0] ?? '').replace(/\r?\n[ \t]+/g, ' ');
  const header = (name: string): string =>
    new RegExp(`^${name}:\\s*(.*)$`, 'im').exec(head)?.[1]?.trim() ?? '';
  const id = header('message-id').replace(/^<|>$/g, '');
  const subject = parseSubject(header('subject'));
  const found = SERIES.find((s) => {
    if (id !== '' && (s.messageId === id || s.patches.some((p) => p.patch.messageId === id))) return true;
    if (subject.version !== s.version) return false;
    return [s.title, ...s.patches.map((p) => p.patch.subject)].includes(subject.title);
  });
  if (found !== undefined) return found.name;
  throw new InputError(
    'a mail of no series that is ported',
    'standard input',
    `there are ${SERIES.map((s) => s.name).join(', ')}`,
  );
}
