// SPDX-License-Identifier: GPL-2.0-only
// A review as pages: static files that need no server.
import { firstPrefix } from '@vfio-lab/series';
import { compareRevisions } from '../compare/compare.ts';
import { byCall } from '../compare/deep.ts';
import { unified } from '../compare/text.ts';
import type { Comparison, FunctionPair, LedgerEntry, PatchPair, ScenarioPair } from '../compare/types.ts';
import type { Comment, Remark, Series } from '../reader/types.ts';
import { type Cell, type Review, seriesByName } from '../review.ts';
import { changeList, diffStyle, sideBySide, withNotes } from './diff.ts';
import { esc, listTable, page, slug, tag } from './page.ts';
import { SCRIPT } from './script.ts';
import { STYLE } from './style.ts';
import { legend, timelineSvg } from './svg.ts';

type Pages = Map<string, string>;

/** Pages of two revisions, by file name. */
export function comparisonPages(c: Comparison): Pages {
  const { a, b } = c;
  return build(c, { about: `${a.name} and ${b.name}: ${b.title}`, review: null });
}

/**
 * Pages of one series: what it makes of the base, by function and scenario, and every prefix.
 *
 * @param opts `series`: the mails, for the C beside the TypeScript; `claims`: judge them, too
 */
export async function reviewPages(
  review: Review,
  opts: { series: Series | null; claims: boolean },
): Promise<Pages> {
  const { name } = review.series;
  const first = `${name}@${firstPrefix(seriesByName(name))}`;
  const c = await compareRevisions(first, name, {
    seriesB: opts.series,
    claims: opts.claims,
    parallel: true,
  });
  c.comments = review.comments;
  for (const f of c.functions)
    f.comments = review.comments.filter((r) => about(r, f.name).length > 0).map((r) => r.number);
  return build(c, { about: `${name}: ${review.series.title}`, review });
}

interface Site {
  about: string;
  /** With one series only. */
  review: Review | null;
}

function build(c: Comparison, site: Site): Pages {
  const pages: Pages = new Map([
    ['style.css', STYLE],
    ['diff2html.css', diffStyle()],
    ['keys.js', SCRIPT],
  ]);
  const add = (file: string, title: string, body: string): void => {
    pages.set(file, page(file, site.about, title, body));
  };
  add('index.html', 'Overview', overview(c, site));
  add('functions.html', 'Functions', functionsPage(c));
  add('scenarios.html', 'Scenarios', scenariosPage(c, site));
  add('interface.html', 'Interface', interfacePage(c));
  add('comments.html', 'Comments', commentsPage(c));
  add('claims.html', 'Claims', claimsPage(c));
  for (const s of c.scenarios) add(`scenario-${slug(s.name)}.html`, s.name, scenarioPage(c, s, site));
  return pages;
}

const fnLink = (name: string): string =>
  `<a href="functions.html#${slug(name)}"><code>${esc(name)}()</code></a>`;
const scenarioLink = (name: string): string => `<a href="scenario-${slug(name)}.html">${esc(name)}</a>`;
const claimLink = (id: string): string => `<a href="claims.html#${slug(id)}">${esc(id)}</a>`;
const commentLink = (n: number): string => `<a href="comments.html#comment-${n}">#${n}</a>`;
const day = (date: string | null): string => (date ?? '').slice(0, 10);

const KIND = { same: '', changed: 'warn', dropped: 'bad', merged: '', new: 'good' } as const;

function overview(c: Comparison, site: Site): string {
  const { a, b, scenarios, functions } = c;
  const differ = scenarios.filter((s) => s.state === 'differs');
  const order = scenarios.filter((s) => s.state === 'order');
  const findings = scenarios.flatMap((s) =>
    [s.a, s.b].flatMap((cell) => cell.findings.map((f) => ({ s, cell, f }))),
  );
  const verdict = c.sameBehaviour
    ? tag(`no difference in behaviour: ${scenarios.length} scenarios, the same step by step`, 'good')
    : `${tag(`${differ.length} of ${scenarios.length} scenarios differ for the user`, 'warn')} ${tag(`${order.length} more in how it is done`)}`;
  const sides = [a, b].map(
    (s) =>
      `<li><strong>${esc(s.name)}</strong>, ${day(s.date)}, ${s.patches} patches by ${esc(s.author)} on ${esc(s.base)}${s.source === null ? '' : `; C from <code>${esc(s.source)}</code>`}</li>`,
  );
  const log = b.changelog.map((l) => `<li>${esc(l)}</li>`);
  const texts = functions.filter((f) => f.state !== 'same').length;
  return [
    `<p>${verdict}</p><ul>${sides.join('')}<li>${texts} of ${functions.length} functions differ in their text</li></ul>`,
    log.length === 0
      ? ''
      : `<details><summary>What ${esc(b.name)} says of itself</summary><ul>${log.join('')}</ul></details>`,
    site.review === null ? pairs(c) : patchList(site.review),
    fieldList(c),
    differ.length === 0 ? '' : `<h2>Differs for the user</h2>${scenarioTable(c, differ)}`,
    findings.length === 0
      ? ''
      : `<h2>Findings</h2><ul>${findings.map(({ s, cell, f }) => `<li><a href="scenario-${slug(s.name)}.html#${slug(`${cell.revision}-${f.kind}`)}">${esc(f.kind)}</a> in ${esc(s.name)} on ${esc(cell.revision)}: ${esc(f.text)}</li>`).join('')}</ul>`,
  ].join('\n');
}

/** The range-diff. */
function pairs(c: Comparison): string {
  const rows = c.patches.map((p) => [
    p.a === null ? '' : `${p.a.number}/${c.a.patches}`,
    p.b === null ? '' : `${p.b.number}/${c.b.patches}`,
    `${esc(p.b?.subject ?? p.a?.subject ?? '')}${p.a !== null && p.b !== null && p.a.subject !== p.b.subject ? `<br><span class="dim">was: ${esc(p.a.subject)}</span>` : ''}${change(p)}`,
    `${tag(p.state === 'merged' ? 'in the base' : p.state, KIND[p.state])}${p.moved ? ` ${tag('moved')}` : ''}${p.a !== null && p.b !== null ? ` <span class="dim">${Math.round(p.confidence * 100)} % sure</span>` : ''}`,
  ]);
  const attributes = c.patches.map((p) => (p.state === 'same' ? '' : 'data-diff'));
  return `<h2>Patches</h2>${listTable([c.a.name, c.b.name, 'patch', 'state'], rows, attributes)}`;
}

function change(p: PatchPair): string {
  const both = p.a !== null && p.b !== null;
  const names = (what: string, list: readonly string[]): string =>
    list.length === 0 ? '' : `<br><span class="dim">${what}:</span> ${list.map(fnLink).join(', ')}`;
  const touched = both
    ? names('only before', p.onlyA) + names('only now', p.onlyB)
    : names('functions', [...p.onlyA, ...p.onlyB]);
  if (p.change.length === 0 || !both) return touched;
  return `${touched}<details><summary>the change of the change, in ${p.language}</summary>${changeList(p.change)}</details>`;
}

function patchList(r: Review): string {
  const rows = r.patches.map((p) => [
    `${p.number}/${r.patches.length}`,
    `${esc(p.subject)}<br>${p.functions.map((f) => fnLink(f.name)).join(', ')}`,
    p.comments.map(commentLink).join(' '),
  ]);
  return `<h2>Patches</h2>${listTable(['', 'patch', 'comments'], rows)}`;
}

function fieldList(c: Comparison): string {
  const { onlyA, onlyB } = c.fields;
  if (onlyA.length + onlyB.length === 0) return '';
  const items = [
    ...onlyA.map((f) => `<li class="del" data-diff><code>- ${esc(f)}</code></li>`),
    ...onlyB.map((f) => `<li class="ins" data-diff><code>+ ${esc(f)}</code></li>`),
  ];
  return `<h2>Struct fields</h2><ul>${items.join('')}</ul>`;
}

function functionsPage(c: Comparison): string {
  const rows = c.functions.map((f) => [
    fnLink(f.name),
    esc(f.cfile),
    tag(f.state, KIND[f.state]),
    f.patchesA.join(', '),
    f.patchesB.join(', '),
    f.comments.map(commentLink).join(' '),
  ]);
  return [
    `<details><summary>All ${c.functions.length} functions</summary>${listTable(['function', 'file', 'state', `patches of ${c.a.name}`, `patches of ${c.b.name}`, 'comments'], rows)}</details>`,
    ...c.functions.map((f) => functionPart(c, f)),
  ].join('\n');
}

function functionPart(c: Comparison, f: FunctionPair): string {
  const where = [f.a, f.b].map((s) => (s === null ? 'not there' : `<code>${esc(s.file)}:${s.line}</code>`));
  const notes = new Notes(c, f);
  const diff = unified(`${f.name}.ts`, `${f.name}.ts`, f.a?.text ?? '', f.b?.text ?? '', 1000);
  const column = (name: string, hunks: FunctionPair['cA']): string => {
    if (hunks.length === 0) return '';
    return `<div><h4>C, ${esc(name)}</h4>${hunks.map((h) => `<p class="dim">patch ${h.patch}</p>${withNotes(h.diff, (line, number) => notes.under(h.patch, line, number))}`).join('')}</div>`;
  };
  const columns = [column(c.a.name, f.cA), column(c.b.name, f.cB)].filter((t) => t !== '');
  const beside =
    columns.length === 0 ? '' : `<div class="${columns.length > 1 ? 'two' : ''}">${columns.join('')}</div>`;
  const same = `<details><summary>the same in both</summary><pre class="change">${esc(f.b?.text ?? '')}</pre></details>`;
  return `<h2 id="${slug(f.name)}"><code>${esc(f.name)}()</code> ${tag(f.state, KIND[f.state])}</h2>
<p class="dim">${esc(f.cfile)}; ${esc(c.a.name)}: ${where[0]}; ${esc(c.b.name)}: ${where[1]}</p>
${f.state === 'same' ? same : sideBySide(diff)}${beside}${notes.rest()}`;
}

const bare = (line: string): string =>
  line
    .replace(/^[+\- ]/, '')
    .replace(/\s+/g, ' ')
    .trim();

/** The remarks of a comment that speak of a function. */
function about(comment: Comment, name: string): Remark[] {
  return comment.remarks.filter((r) => r.function === name || r.mentions.includes(name));
}

/** Remarks on one function: under the line they speak of, or else below the function. */
class Notes {
  readonly c: Comparison;
  readonly #left: { comment: Comment; remark: Remark }[];

  constructor(c: Comparison, f: FunctionPair) {
    this.c = c;
    this.#left = f.comments.flatMap((n) => {
      const comment = c.comments.find((x) => x.number === n);
      return comment === undefined ? [] : about(comment, f.name).map((remark) => ({ comment, remark }));
    });
  }

  under(patch: number, line: string, number: number): string | null {
    const text = bare(line);
    const here = this.#left.filter(({ comment, remark: r }) => {
      if (comment.patch !== patch || r.quoted === null || bare(r.quoted) !== text) return false;
      // A brace stands in many places; its number tells which.
      return r.line === null ? /\w{3}/.test(text) : r.line === number;
    });
    for (const x of here) this.#left.splice(this.#left.indexOf(x), 1);
    return here.length === 0 ? null : here.map((x) => this.#card(x)).join('');
  }

  rest(): string {
    return this.#left.map((x) => this.#card(x)).join('');
  }

  #card({ comment, remark }: { comment: Comment; remark: Remark }): string {
    const state = this.c.ledger.find((l) => l.comment === comment.number && l.remark === remark.number);
    return remarkCard(comment, remark, state);
  }
}

function remarkCard(comment: Comment, r: Remark, state: LedgerEntry | undefined): string {
  const said =
    state === undefined
      ? ''
      : ` ${tag(state.state, state.state === 'open' ? 'bad' : state.state === 'unknown' ? 'warn' : 'good')} <span class="dim">${esc(state.why)}</span>`;
  const on =
    r.function === null
      ? comment.patch === 0
        ? 'cover letter'
        : comment.patch === null
          ? ''
          : `patch ${comment.patch}`
      : `${fnLink(r.function)} in patch ${comment.patch ?? '?'}`;
  return `<div class="card" data-comment><strong>${commentLink(comment.number)} ${esc(comment.author.name)}</strong>, ${day(comment.date)} <span class="dim">on ${on}</span>${said}
${r.quoted === null ? '' : `<blockquote class="mono">&gt; ${esc(r.quoted.trim())}</blockquote>`}${paragraphs(r.text)}</div>`;
}

/** Lines of a paragraph flow; those of a list stay. */
function paragraphs(text: string): string {
  return text
    .split(/\n\s*\n/)
    .map((p) => `<p>${esc(p).replace(/\n(?![-*>\s\d])/g, ' ')}</p>`)
    .join('');
}

function cell(c: Cell): string {
  const outcomes = Object.entries(c.outcomes).map(
    ([o, n]) => `${esc(o)}${c.runs > 1 ? ` <span class="dim">${n} of ${c.runs}</span>` : ''}`,
  );
  const found = c.findings.map((f) => tag(f.kind, 'bad'));
  return [...outcomes, ...found].join('<br>');
}

const STATE = { same: tag('same'), order: tag('other steps'), differs: tag('differs', 'warn') } as const;

function scenarioTable(c: Comparison, list: readonly ScenarioPair[]): string {
  const rows = list.map((s) => [
    scenarioLink(s.name),
    STATE[s.state],
    cell(s.a),
    s.state === 'differs' ? cell(s.b) : '<span class="dim">the same</span>',
  ]);
  return wide(
    listTable(
      ['scenario', '', c.a.name, c.b.name],
      rows,
      list.map((s) => (s.state === 'differs' ? 'data-diff' : '')),
    ),
  );
}

/** The last two columns of a table share what is left. */
const wide = (table: string): string =>
  table.replace(
    /<th>([^<]*)<\/th><th>([^<]*)<\/th><\/tr>/,
    '<th class="half">$1</th><th class="half">$2</th></tr>',
  );

function scenariosPage(c: Comparison, site: Site): string {
  const lead = `<p class="dim">same: step by step; other steps: the same to see for the user, done in another way; differs: the user sees something else.</p>`;
  return `${lead}${scenarioTable(c, c.scenarios)}${site.review === null ? '' : prefixTable(site.review)}`;
}

/** Which scenario changes with which patch. */
function prefixTable(r: Review): string {
  const prefixes = r.scenarios[0]?.cells.map((x) => `@${x.prefix}`) ?? [];
  const rows = r.scenarios.map((s) => {
    const letters = new Map<string, string>();
    return [
      scenarioLink(s.name),
      ...s.cells.map((x) => {
        const key = Object.keys(x.outcomes).sort().join(' | ');
        if (!letters.has(key)) letters.set(key, String.fromCharCode(97 + letters.size));
        const text = `${letters.get(key) ?? ''}${x.findings.length > 0 ? '!' : ''}`;
        return `<span title="${esc(key)}">${x.changed ? tag(text, 'warn') : esc(text)}</span>`;
      }),
    ];
  });
  const head = ['scenario', ...prefixes].map((h) => `<th>${h}</th>`).join('');
  const body = rows.map((x) => `<tr>${x.map((t) => `<td>${t}</td>`).join('')}</tr>`).join('');
  return `<h2>By prefix</h2><p class="dim">@n: the first n patches. A letter is an outcome, ! a finding; marked where it differs from the column before.</p>
<div class="scroll"><table class="list"><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table></div>`;
}

function scenarioPage(c: Comparison, s: ScenarioPair, site: Site): string {
  const rows = [s.a, s.b].map((x, i) => [esc(i === 0 ? c.a.name : c.b.name), cell(x)]);
  const found = [s.a, s.b].flatMap((x) =>
    x.findings.map((f) => {
      const seed = f.seed === null ? '' : ` --seed ${f.seed}`;
      return `<li id="${slug(`${x.revision}-${f.kind}`)}">${tag(f.kind, 'bad')} on ${esc(x.revision)}, ${f.runs} of ${x.runs}: ${esc(f.text)}<br><code>vfio-lab scenario ${esc(s.name)} --revision ${esc(x.revision)}${seed} --trace</code></li>`;
    }),
  );
  const of = site.review?.scenarios.find((x) => x.name === s.name);
  return [
    `<p>${esc(s.about)}</p><p>${STATE[s.state]} <span class="dim">on machine ${esc(s.topology)}${s.sampled ? '; random schedules' : ''}${s.claims.length > 0 ? '; claims ' : ''}</span>${s.claims.map(claimLink).join(', ')}</p>`,
    listTable(['', 'outcome'], rows, ['', s.state === 'differs' ? 'data-diff' : '']),
    of === undefined
      ? ''
      : `<h2>By prefix</h2>${listTable(
          ['', 'outcome'],
          of.cells.map((x) => [`@${x.prefix}`, cell(x)]),
          of.cells.map((x) => (x.changed ? 'data-diff' : '')),
        )}`,
    found.length === 0 ? '' : `<h2>Findings</h2><ul>${found.join('')}</ul>`,
    timelinePart(c, s),
  ].join('\n');
}

function timelinePart(c: Comparison, s: ScenarioPair): string {
  if (s.timeline === null) return '<h2>Timeline</h2><p>The same on both, step by step.</p>';
  const t = s.timeline;
  const more =
    t.cut > 0
      ? `<p class="dim">${t.cut} more events. All of them: <code>vfio-lab scenario ${esc(s.name)} --revision ${esc(c.b.name)} --trace</code></p>`
      : '';
  return `<h2>Timeline</h2><p class="dim">${t.before} events before are the same. The dashed line is the first difference; a dot is on the rail of its task.</p>${legend()}
<div class="two">${timelineSvg(t, 'a', c.a.name)}${timelineSvg(t, 'b', c.b.name)}</div>${more}`;
}

function commentsPage(c: Comparison): string {
  if (c.comments.length === 0)
    return `<p>No review thread was given (--series-a, or --series for one series).</p>`;
  const find = (l: LedgerEntry): string => {
    const comment = c.comments.find((x) => x.number === l.comment);
    const remark = comment?.remarks.find((x) => x.number === l.remark);
    return comment === undefined || remark === undefined ? '' : remarkCard(comment, remark, l);
  };
  const list =
    c.ledger.length === 0 ? '' : `<h2>What became of the remarks</h2>${c.ledger.map(find).join('')}`;
  const thread = c.comments.map(
    (x) =>
      `<h3 id="comment-${x.number}">#${x.number} ${esc(x.author.name)}, ${day(x.date)}</h3>${x.remarks
        .map((r) =>
          remarkCard(
            x,
            r,
            c.ledger.find((l) => l.comment === x.number && l.remark === r.number),
          ),
        )
        .join('')}`,
  );
  return `${list}<h2>The thread</h2>${thread.join('')}`;
}

function interfacePage(c: Comparison): string {
  const { uapi, errno, locks } = c;
  const none = '<p class="dim">No difference, or left out.</p>';
  const mark = (n: number): string[] => Array.from({ length: n }, () => 'data-diff');
  const edges = [
    ...locks.onlyA.map((e) => ({ e, sign: '-', kind: 'del' })),
    ...locks.onlyB.map((e) => ({ e, sign: '+', kind: 'ins' })),
  ];
  return [
    '<h2>What user space is told</h2>',
    uapi.length === 0
      ? none
      : wide(
          listTable(
            ['asked', c.a.name, c.b.name],
            uapi.map((u) => [esc(u.what), esc(u.a), esc(u.b)]),
            mark(uapi.length),
          ),
        ),
    '<h2>Return codes</h2><p class="dim">Cells that differ of the table of calls by states of the device.</p>',
    errno.length === 0
      ? none
      : listTable(
          ['call', c.a.name, c.b.name, 'states'],
          byCall(errno).map((e) => [esc(e.call), esc(e.a), esc(e.b), esc(e.states.join('; '))]),
          mark(byCall(errno).length),
        ),
    '<h2>Lock order</h2><p class="dim">The second taken while the first is held, on one side only.</p>',
    edges.length === 0
      ? none
      : `<ul>${edges.map(({ e, sign, kind }) => `<li class="${kind}" data-diff><code>${sign} ${esc(e.from)} &rarr; ${esc(e.to)}</code> <span class="dim">${esc(e.path)}: ${e.fns.map(esc).join(' &gt; ')}</span></li>`).join('')}</ul>`,
  ].join('\n');
}

/** Bad is a defect that is there, or a rule that is broken. */
function verdictTag(claim: Comparison['claims'][number], name: string): string {
  const v = claim.verdicts[name];
  if (v === undefined) return '';
  if (v !== 'holds' && v !== 'does-not-hold') return tag(v, '');
  if (claim.sense === 'remark') return tag(v, 'warn');
  return tag(v, (v === 'holds') === (claim.sense === 'rule') ? 'good' : 'bad');
}

function claimsPage(c: Comparison): string {
  if (c.claims.length === 0) return '<p>Claims are judged on whole series: v3 to v7.</p>';
  const names = Object.keys(c.claims[0]?.verdicts ?? {});
  const by = (id: string): string =>
    c.scenarios
      .filter((s) => s.claims.includes(id))
      .map((s) => scenarioLink(s.name))
      .join(', ');
  return c.claims
    .map((claim) => {
      const verdicts = names.map((n) => {
        const e = claim.evidence[n];
        const again = e?.command === undefined ? '' : `<br><code>${esc(e.command)}</code>`;
        return [esc(n), verdictTag(claim, n), `${esc(e?.text ?? '')}${again}`];
      });
      const differs = new Set(Object.values(claim.verdicts)).size > 1 ? ' data-diff' : '';
      const runs = by(claim.id);
      return `<div id="${slug(claim.id)}"${differs}><h3>${esc(claim.id)}: ${esc(claim.text)}</h3><p class="dim">${esc(claim.who)}, ${esc(claim.when)}, on ${esc(claim.on)}. A ${claim.sense}; what became of it: ${esc(claim.fate)}.${runs === '' ? '' : ` Scenarios: ${runs}`}</p>${listTable(['', '', 'evidence'], verdicts)}</div>`;
    })
    .join('\n');
}
