// SPDX-License-Identifier: GPL-2.0-only
// Timelines as SVG: a rail for each task, a dot where it does something, words beside.
import type { TraceEvent } from '@vfio-lab/sim';
import type { Timeline } from '../compare/types.ts';
import { esc } from './page.ts';

const ROW = 19;
const HEAD = 24;
const RAIL = 16;
const CHARACTER = 7;
const KINDS = ['user', 'saw', 'pm', 'pci', 'lock', 'flag', 'eventfd', 'irq', 'finding'];
const WORDS: Record<string, string> = {
  user: 'calls of the user',
  saw: 'what the user saw',
  pm: 'runtime PM, usage count',
  pci: 'power state, resets',
  lock: 'locks and waits for them',
  flag: 'fields of the driver',
  eventfd: 'eventfds',
  irq: 'interrupts',
  finding: 'findings',
};

const kindOf = (e: TraceEvent): string => (KINDS.includes(e.kind) ? e.kind : 'other');

/** What the colours of the dots mean. */
export function legend(): string {
  const items = KINDS.map(
    (k) =>
      `<span><svg width="10" height="10"><circle class="k-${k}" cx="5" cy="5" r="4.5"/></svg> ${WORDS[k]}</span>`,
  );
  return `<p class="legend dim">${items.join('')}</p>`;
}

function words(e: TraceEvent): string {
  const { usage, status } = e.data;
  return `${e.text}${typeof usage === 'number' ? ` [${usage}, ${String(status)}]` : ''}`;
}

/** One side of a timeline; rows of the other side alone stay empty, so that both sides stay in step. */
export function timelineSvg(t: Timeline, side: 'a' | 'b', name: string): string {
  const other = side === 'a' ? 'b' : 'a';
  const tasks = [...new Set(t.rows.flatMap((r) => [r.a, r.b]).flatMap((e) => (e === null ? [] : [e.task])))];
  const left = RAIL * tasks.length + 12;
  const longest = Math.max(
    name.length,
    ...t.rows.map((r) => (r[side] === null ? 0 : words(r[side]).length + r[side].task.length + 2)),
  );
  const width = left + CHARACTER * longest + 20;
  const height = HEAD + ROW * t.rows.length + 6;
  const first = t.rows.findIndex((r) => r.a === null || r.b === null);
  const rails = tasks.map(
    (_, i) => `<line class="rail" x1="${i * RAIL + 10}" x2="${i * RAIL + 10}" y1="${HEAD}" y2="${height}"/>`,
  );
  const rows = t.rows.map((r, i) => {
    const y = HEAD + i * ROW;
    const e = r[side];
    if (e === null) return '';
    const lone = r[other] === null;
    const band = lone
      ? `<rect class="row-${side === 'a' ? 'del' : 'ins'}" x="0" y="${y}" width="100%" height="${ROW}"/>`
      : '';
    const x = tasks.indexOf(e.task) * RAIL + 10;
    const about = `${(e.at / 1e6).toFixed(4)} ms, ${e.task}${e.fn === '' ? '' : `, ${e.fn}()`}`;
    // One stop of the keyboard for each run of rows that only one side has.
    const start = lone && (i === 0 || (t.rows[i - 1].a !== null && t.rows[i - 1].b !== null));
    return `${band}<g${start ? ' data-diff=""' : ''}><title>${esc(about)}</title><circle class="k-${kindOf(e)}" cx="${x}" cy="${y + ROW / 2}" r="4.5"/><text x="${left}" y="${y + 13}"><tspan class="small">${esc(e.task)}</tspan> ${esc(words(e))}</text></g>`;
  });
  const line =
    first < 0
      ? ''
      : `<line class="first" x1="0" x2="100%" y1="${HEAD + first * ROW}" y2="${HEAD + first * ROW}"/>`;
  return `<div class="scroll"><svg width="${width}" height="${height}" role="img" aria-label="timeline of ${esc(name)}"><text class="head" x="${left}" y="15">${esc(name)}</text>${rails.join('')}${rows.join('')}${line}</svg></div>`;
}
