// SPDX-License-Identifier: GPL-2.0-only
// Two searches of one scenario on two revisions: what a user can come to see on each, and on only one.
import { STYLE } from './diagram-style.ts';
import type { Exploration } from './explore.ts';
import { type Found, shortestTo } from './shrink.ts';
import type { Subject } from './subject.ts';

/** One search with the name of its revision. */
export interface Side {
  revision: string;
  result: Exploration;
}

/** An outcome that a search reached, with a schedule that leads to it. */
export interface Reached {
  outcome: string;
  runs: number;
  schedule: string;
}

export interface Comparison {
  /** Reached on both: how often on each, and a schedule for each. */
  both: { outcome: string; first: Reached; second: Reached }[];
  /** Reached on the first only, on the second only. */
  onlyFirst: Reached[];
  onlySecond: Reached[];
  /** Kinds of findings that only one has. */
  findingsOnlyFirst: Found[];
  findingsOnlySecond: Found[];
  /** Both were searched to the end: what only one reaches, the other cannot. */
  proved: boolean;
}

function reached({ result }: Side): Map<string, Reached> {
  return new Map([...result.outcomes].map(([outcome, o]) => [outcome, { outcome, ...o }]));
}

/** What two searches have in common, and what not. The most frequent outcomes come first. */
export function compareSearches(a: Side, b: Side): Comparison {
  const [first, second] = [reached(a), reached(b)];
  const byRuns = (list: Reached[]): Reached[] => list.sort((x, y) => y.runs - x.runs);
  const only = (mine: Map<string, Reached>, other: Map<string, Reached>): Reached[] =>
    byRuns([...mine.values()].filter((o) => !other.has(o.outcome)));
  const kinds = ({ result }: Side): Set<string> => new Set(result.findings.map((f) => f.kind));
  const [ka, kb] = [kinds(a), kinds(b)];
  return {
    both: byRuns([...first.values()].filter((o) => second.has(o.outcome))).map((o) => ({
      outcome: o.outcome,
      first: o,
      second: second.get(o.outcome) as Reached,
    })),
    onlyFirst: only(first, second),
    onlySecond: only(second, first),
    findingsOnlyFirst: a.result.findings.filter((f) => !kb.has(f.kind)),
    findingsOnlySecond: b.result.findings.filter((f) => !ka.has(f.kind)),
    proved: a.result.exhausted && b.result.exhausted,
  };
}

/** Give the outcomes that only one of two searches reached the shortest schedule that is found, at most so many of each. */
export async function shortenOnly(
  a: Side,
  b: Side,
  subjects: readonly [Subject, Subject],
  most = 10,
): Promise<void> {
  const { onlyFirst, onlySecond } = compareSearches(a, b);
  for (const [i, only] of [onlyFirst, onlySecond].entries()) {
    const { outcomes } = [a, b][i].result;
    for (const { outcome, runs, schedule } of only.slice(0, most))
      outcomes.set(outcome, { runs, schedule: await shortestTo(subjects[i], outcome, schedule) });
  }
}

function html(text: string): string {
  return text.replace(
    /[&<>"]/g,
    (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c] as string,
  );
}

function searched({ revision, result: r }: Side): string {
  const all = r.exhausted ? 'exhausted' : `not exhausted (${html(r.stopped)})`;
  return `<dt>${html(revision)}</dt><dd>${all}: ${r.executions} executions of ${r.classes} classes, ${r.findings.length} findings</dd>`;
}

const EXTRA = `.o{border:1px solid var(--line);border-radius:6px;padding:8px 12px;margin:8px 0;background:var(--soft);overflow-wrap:anywhere}.o p{margin:2px 0}.o small{color:var(--dim)}.o.one{border-left:4px solid var(--l0)}.o.two{border-left:4px solid var(--l1)}.o.found{border-left-color:var(--bad)}`;

/** One HTML file. `command` gives the command that runs a schedule again. */
export function comparisonPage(
  what: string,
  a: Side,
  b: Side,
  command: (revision: string, schedule: string) => string,
): string {
  const c = compareSearches(a, b);
  const card = (cls: string, side: Side, o: Reached): string =>
    `<div class="o ${cls}"><p>${html(o.outcome)}</p><p><small>${o.runs} executions, e.g.</small></p><pre>${html(command(side.revision, o.schedule))}</pre></div>`;
  const found = (cls: string, side: Side): string =>
    side.result.findings
      .map(
        (f) =>
          `<div class="o ${cls} found"><p><strong>${html(f.kind)}</strong> ${html(f.text)}</p><pre>${html(command(side.revision, f.schedule))}</pre></div>`,
      )
      .join('') || '<p>none</p>';
  const list = (cards: string): string => (cards === '' ? '<p>nothing</p>' : cards);
  const caution = c.proved
    ? 'Both were searched to the end: what only one reaches, the other cannot.'
    : 'Not all was searched: an outcome may be missing on either side.';
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>${html(what)}: ${html(a.revision)} and ${html(b.revision)}</title><style>${STYLE}${EXTRA}</style></head>
<body><main><h1>${html(what)}: what ${html(a.revision)} and ${html(b.revision)} can come to</h1>
<dl>${searched(a)}${searched(b)}</dl><p>${caution}</p>
<h2>Only ${html(a.revision)}</h2>${list(c.onlyFirst.map((o) => card('one', a, o)).join(''))}
<h2>Only ${html(b.revision)}</h2>${list(c.onlySecond.map((o) => card('two', b, o)).join(''))}
<h2>Both</h2>${list(
    c.both
      .map(
        (o) =>
          `<div class="o"><p>${html(o.outcome)}</p><p><small>${o.first.runs} and ${o.second.runs} executions</small></p></div>`,
      )
      .join(''),
  )}
<h2>Findings of ${html(a.revision)}</h2>${found('one', a)}
<h2>Findings of ${html(b.revision)}</h2>${found('two', b)}
</main></body></html>
`;
}
