// SPDX-License-Identifier: GPL-2.0-only
/*
 * A run as a sequence diagram: one lane a task, locks and device state beside it. As text for a terminal, and as one
 * HTML file with a drawing in it, which needs nothing from elsewhere.
 */
import type { TraceEvent } from '@vfio-lab/sim';

/** One row of a diagram. */
export interface Row {
  task: string;
  text: string;
  where: string;
  /** What is held at this point, by whom. */
  locks: string;
  /** State of the device after it, when it changed. */
  state: string;
  kind: string;
}

/** What a diagram is about. */
export interface Story {
  title: string;
  finding: { kind: string; text: string; task: string; fns: readonly string[]; held: readonly string[] };
  /** Name and value, shown above the diagram. */
  facts: readonly (readonly [string, string])[];
  command: string;
  rows: readonly Row[];
}

/** The part of a scenario's timeline in which its programs run. */
export function programEvents(events: readonly TraceEvent[]): TraceEvent[] {
  const from = events.findIndex((e) => e.kind === 'phase' && e.text === 'programs');
  const to = events.findIndex((e) => e.kind === 'phase' && e.text === 'check');
  return events.slice(Math.max(0, from), to < 0 ? undefined : to);
}

/** Rows from a timeline: what happened, with the locks that are held. The last `limit` of them, up to the finding. */
export function rowsOf(events: readonly TraceEvent[], limit = 120): Row[] {
  const held = new Map<string, string[]>();
  const rows: Row[] = [];
  for (const e of events) {
    if (e.kind === 'phase') continue;
    const own = held.get(e.task) ?? [];
    held.set(e.task, own);
    const lock = /^(?:down|up|mutex|spin)_\w+ (.*)$/.exec(e.text);
    if (e.kind === 'lock' && lock !== null) {
      if (/^(?:down_|mutex_lock|spin_lock)/.test(e.text)) own.push(lock[1]);
      else if (own.includes(lock[1])) own.splice(own.lastIndexOf(lock[1]), 1);
    }
    // A spinlock is held for a moment; as an event of its own it would bury the rest.
    if (e.kind === 'lock' && e.text.startsWith('spin_')) continue;
    if (e.kind === 'lock' && /^(?:up_|mutex_unlock)/.test(e.text)) continue;
    const locks = [...held].filter(([, l]) => l.length > 0).map(([t, l]) => `${t}: ${l.join(', ')}`);
    const state = / -> |_ON|_OFF|suspend|resum|active/.test(e.text) && e.kind !== 'finding' ? e.text : '';
    rows.push({ task: e.task, text: e.text, where: e.fn, locks: locks.join('; '), state, kind: e.kind });
  }
  const bad = rows.findIndex((r) => r.kind === 'finding');
  return rows.slice(0, bad < 0 ? undefined : bad + 1).slice(-limit);
}

/** The diagram as lines: a column a task, then the locks. */
export function textDiagram(story: Story, width: number): string[] {
  const tasks = [...new Set(story.rows.map((r) => r.task))];
  const lane = Math.max(12, Math.min(34, Math.floor((width - 2) / Math.max(1, tasks.length)) - 2));
  const cut = (s: string, n: number): string => (s.length <= n ? s : `${s.slice(0, n - 1)}…`);
  const lines = [
    tasks
      .map((t) => cut(t, lane).padEnd(lane))
      .join('  ')
      .trimEnd(),
    tasks.map(() => '─'.repeat(lane)).join('  '),
  ];
  let last = '';
  for (const r of story.rows) {
    const cells = tasks.map((t) => {
      if (t !== r.task) return '│'.padEnd(lane);
      return cut(`${r.kind === 'finding' ? '✖ ' : last === t ? '│ ' : '┝ '}${r.text}`, lane).padEnd(lane);
    });
    last = r.task;
    lines.push(cells.join('  ').trimEnd());
  }
  return lines;
}

function html(text: string): string {
  return text.replace(
    /[&<>"]/g,
    (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c] as string,
  );
}

function clip(text: string, n: number): string {
  return text.length <= n ? text : `${text.slice(0, n - 1)}…`;
}

const LANE = 216;
const ROW = 24;
const HEAD = 40;
const SIDE = 330;

function drawing(story: Story): string {
  const tasks = [...new Set(story.rows.map((r) => r.task))];
  const width = tasks.length * LANE + SIDE;
  const height = HEAD + story.rows.length * ROW + 16;
  const x = (t: string): number => tasks.indexOf(t) * LANE + 14;
  const out: string[] = [];
  for (const t of tasks) {
    out.push(`<text class="lane" x="${x(t) - 6}" y="22">${html(clip(t, 28))}</text>`);
    out.push(`<line class="life" x1="${x(t)}" y1="${HEAD - 8}" x2="${x(t)}" y2="${height - 8}"/>`);
  }
  out.push(`<text class="lane" x="${tasks.length * LANE + 8}" y="22">held locks, device state</text>`);
  let before: Row | null = null;
  for (const [i, r] of story.rows.entries()) {
    const y = HEAD + i * ROW + 8;
    if (before !== null && before.task !== r.task) {
      out.push(
        `<path class="switch" d="M${x(before.task)} ${y - ROW + 5} V${y - 12} H${x(r.task)} V${y - 5}"/>`,
      );
    }
    out.push(
      `<g class="${r.kind === 'finding' ? 'bad' : 'event'}"><title>${html(`${r.text}${r.where === '' ? '' : ` in ${r.where}()`}`)}</title>`,
    );
    out.push(
      `<circle cx="${x(r.task)}" cy="${y}" r="4"/><text x="${x(r.task) + 10}" y="${y + 4}">${html(clip(r.text, 26))}</text></g>`,
    );
    const side =
      r.state !== '' ? r.state : r.locks !== (before?.locks ?? '') ? r.locks || 'no lock held' : '';
    if (side !== '')
      out.push(
        `<text class="side" x="${tasks.length * LANE + 8}" y="${y + 4}"><title>${html(side)}</title>${html(clip(side, 40))}</text>`,
      );
    before = r;
  }
  return `<svg viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="Sequence of events">${out.join('')}</svg>`;
}

const STYLE = `
:root{color-scheme:light dark;--ink:#1c2230;--dim:#5b6475;--paper:#fff;--box:#f3f5f9;--line:#c9d0dc;--bad:#b3261e;--blue:#1f5fbf}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ef;--dim:#a2abbb;--paper:#14171d;--box:#1e232c;--line:#3a4251;--bad:#ff8a80;--blue:#8ab4f8}}
*{box-sizing:border-box}body{margin:0;padding:24px;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif;max-width:1400px}
h1{font-size:21px;margin:0 0 4px}p{margin:6px 0;overflow-wrap:anywhere}.bad{color:var(--bad)}dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px;margin:12px 0}
dt{color:var(--dim)}dd{margin:0;overflow-wrap:anywhere}pre{background:var(--box);padding:10px 12px;border-radius:6px;white-space:pre-wrap;overflow-wrap:anywhere;font:13px/1.45 ui-monospace,monospace}
figure{margin:16px 0;overflow-x:auto;border:1px solid var(--line);border-radius:6px;padding:8px}
svg text{font:12px ui-monospace,monospace;fill:var(--ink)}svg .lane{font-weight:700}svg .side{fill:var(--dim)}svg .life{stroke:var(--line)}svg .switch{stroke:var(--blue);fill:none;stroke-dasharray:3 3}
svg circle{fill:var(--blue)}svg .bad circle{fill:var(--bad)}svg .bad text{fill:var(--bad);font-weight:700}
table{border-collapse:collapse;width:100%;font-size:14px}td,th{text-align:left;vertical-align:top;padding:3px 10px 3px 0;border-bottom:1px solid var(--line);overflow-wrap:anywhere}
.phone{display:none}@media(max-width:640px){body{padding:14px}dl{grid-template-columns:1fr}dt{margin-top:6px}.phone{display:block}.wide{display:none}}`;

/** One HTML file about one finding. On a narrow screen the drawing gives way to a list. */
export function htmlPage(story: Story): string {
  const { finding } = story;
  const facts = story.facts.map(([k, v]) => `<dt>${html(k)}</dt><dd>${html(v)}</dd>`).join('');
  const list = story.rows
    .map(
      (r) =>
        `<tr${r.kind === 'finding' ? ' class="bad"' : ''}><th scope="row">${html(r.task)}</th><td>${html(r.text)}</td></tr>`,
    )
    .join('');
  const where = finding.fns.length > 0 ? `<dt>C functions</dt><dd>${html(finding.fns.join(' › '))}</dd>` : '';
  const held = finding.held.length > 0 ? `<dt>locks held</dt><dd>${html(finding.held.join(', '))}</dd>` : '';
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>${html(story.title)}</title><style>${STYLE}</style></head>
<body><main><h1>${html(story.title)}</h1>
<p class="bad"><strong>${html(finding.kind)}</strong>: ${html(finding.text)}</p>
<dl><dt>task</dt><dd>${html(finding.task)}</dd>${where}${held}${facts}</dl>
<p>Run it again:</p><pre>${html(story.command)}</pre>
<figure class="wide">${drawing(story)}</figure>
<div class="phone"><table>${list}</table></div>
</main></body></html>
`;
}
