// SPDX-License-Identifier: GPL-2.0-only
// Pictures as SVG, drawn when the page is made. Colours are CSS variables, so that a page can be light or dark.
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { type RunResult, waitTotal } from '../result.ts';
import type { Point, Sweep } from '../sweep.ts';

/** Colours by revision, from the first on; dark and light are in the page's style. */
const SERIES = ['var(--c1)', 'var(--c2)', 'var(--c3)', 'var(--c4)', 'var(--c5)', 'var(--c6)'];
const DASHES = ['none', '7,3', '2,3', '9,3,2,3', 'none', '5,2'];

interface Size {
  width: number;
  height: number;
}

function draw(options: Plot.PlotOptions, size: Size): string {
  const { document } = parseHTML('<html><body></body></html>');
  const figure = Plot.plot({
    ...size,
    ...options,
    document: document as unknown as NonNullable<Plot.PlotOptions['document']>,
    style: { background: 'transparent', color: 'currentColor', fontSize: '12px', overflow: 'visible' },
  });
  const svg = figure.tagName.toLowerCase() === 'svg' ? figure : figure.querySelector('svg');
  return String(svg?.outerHTML ?? '').replace('<svg ', '<svg xmlns="http://www.w3.org/2000/svg" ');
}

/** A quantity over the number of tasks, a line a revision, with intervals. */
function lines(
  sweep: Sweep,
  value: (p: Point) => { mean: number; half: number },
  y: { label: string; scale: number; zero?: boolean },
  size: Size,
): string {
  const revisions = [...new Set(sweep.points.map((p) => p.revision))];
  const rows = sweep.points.map((p) => {
    const { mean, half } = value(p);
    const h = Number.isFinite(half) ? half : 0;
    return {
      tasks: p.tasks,
      revision: p.revision,
      y: mean / y.scale,
      low: Math.max(0, mean - h) / y.scale,
      high: (mean + h) / y.scale,
    };
  });
  const last = Math.max(...rows.map((r) => r.tasks));
  // Where lines lie on each other, dashes let the lower ones show; labels move apart.
  const ends = rows.filter((r) => r.tasks === last).sort((a, b) => b.y - a.y);
  const top = Math.max(...rows.map((r) => r.high), 1e-9);
  const gap = (top * 16) / (size.height - 70);
  const labels = ends.map((r) => ({ ...r, at: r.y }));
  for (let i = 1; i < labels.length; i++) labels[i].at = Math.min(labels[i].at, labels[i - 1].at - gap);
  return draw(
    {
      marginRight: 62,
      marginLeft: 54,
      marginTop: 26,
      x: {
        type: last > 4 ? 'log' : 'linear',
        base: 2,
        label: 'tasks',
        ticks: [...new Set(rows.map((r) => r.tasks))],
        tickFormat: String,
      },
      y: { label: y.label, grid: true, domain: [0, top * 1.05], tickFormat: (v: number) => short(v) },
      marks: [
        ...revisions.flatMap((revision, i) => {
          const mine = rows.filter((r) => r.revision === revision);
          const stroke = SERIES[i % SERIES.length];
          return [
            Plot.ruleX(mine, { x: 'tasks', y1: 'low', y2: 'high', stroke, strokeWidth: 1.5 }),
            Plot.lineY(mine, {
              x: 'tasks',
              y: 'y',
              stroke,
              strokeWidth: 2.2,
              strokeDasharray: DASHES[i % DASHES.length],
            }),
            Plot.dot(mine, { x: 'tasks', y: 'y', fill: stroke, r: 3 }),
            Plot.text(
              labels.filter((r) => r.revision === revision),
              {
                x: 'tasks',
                y: 'at',
                text: 'revision',
                fill: stroke,
                textAnchor: 'start',
                dx: 8,
                fontWeight: 'bold',
              },
            ),
          ];
        }),
      ],
    },
    size,
  );
}

function short(v: number): string {
  if (v >= 1e6) return `${+(v / 1e6).toPrecision(3)}M`;
  if (v >= 1e3) return `${+(v / 1e3).toPrecision(3)}k`;
  return String(+v.toPrecision(3));
}

/** The unit in which a time is read best, for an axis. */
function timeUnit(ns: number): { label: string; scale: number } {
  if (ns >= 2e9) return { label: 's', scale: 1e9 };
  if (ns >= 2e6) return { label: 'ms', scale: 1e6 };
  return { label: 'µs', scale: 1e3 };
}

export function throughputPlot(sweep: Sweep, size: Size): string {
  return lines(sweep, (p) => p.throughput, { label: '↑ requests a second', scale: 1 }, size);
}

export function latencyPlot(sweep: Sweep, what: 'latency' | 'p99', size: Size): string {
  const unit = timeUnit(Math.max(...sweep.points.map((p) => p[what].mean)));
  return lines(sweep, (p) => p[what], { label: `↑ ${unit.label} a request`, scale: unit.scale }, size);
}

/** Lock classes by their greatest share anywhere in the sweep. */
export function waitedFor(sweep: Sweep): string[] {
  const most = new Map<string, number>();
  for (const p of sweep.points) {
    for (const [name, { mean }] of Object.entries(p.lockShares))
      most.set(name, Math.max(most.get(name) ?? 0, mean));
  }
  return [...most]
    .filter(([, share]) => share >= 0.0005)
    .sort((a, b) => b[1] - a[1])
    .map(([name]) => name);
}

export function lockSharePlot(sweep: Sweep, lock: string, size: Size): string {
  const zero = { mean: 0, half: 0 };
  return lines(
    sweep,
    (p) => p.lockShares[lock] ?? zero,
    { label: '↑ % of the time in requests', scale: 0.01 },
    size,
  );
}

/** Waits by lock and function: darker is more of the total. Null when nobody waited. */
export function heatMap(run: RunResult, width: number): string | null {
  const cells = run.locks.flatMap((lock) =>
    [...lock.write.callers, ...lock.read.callers].map((c) => ({
      lock: lock.name,
      site: c.site,
      total: c.total,
    })),
  );
  const total = cells.reduce((sum, c) => sum + c.total, 0);
  if (total === 0) return null;
  const sums = new Map<string, { lock: string; site: string; total: number }>();
  for (const c of cells) {
    const key = `${c.lock}\0${c.site}`;
    const old = sums.get(key);
    if (old === undefined) sums.set(key, { ...c });
    else old.total += c.total;
  }
  const rows = [...sums.values()].filter((r) => r.total / total >= 0.0001);
  const rank = (key: 'lock' | 'site'): string[] => {
    const by = new Map<string, number>();
    for (const r of rows) by.set(r[key], (by.get(r[key]) ?? 0) + r.total);
    return [...by].sort((a, b) => b[1] - a[1]).map(([name]) => name);
  };
  const sites = rank('site');
  const locks = rank('lock');
  const narrow = width < 500;
  const columns = (narrow ? 150 : 270) + 20 + (narrow ? 90 : 190) * locks.length;
  return draw(
    {
      marginLeft: narrow ? 150 : 270,
      marginTop: narrow ? 110 : 36,
      marginRight: 20,
      marginBottom: 10,
      x: { domain: locks, axis: 'top', label: null, tickRotate: narrow || locks.length > 5 ? -40 : 0 },
      y: { domain: sites, label: null, tickFormat: (s: string) => (narrow ? cutMiddle(s, 22) : s) },
      marks: [
        Plot.cell(rows, {
          x: 'lock',
          y: 'site',
          fill: 'var(--heat)',
          fillOpacity: (r) => 0.12 + 0.88 * Math.sqrt(r.total / total),
          inset: 1,
        }),
        Plot.text(rows, {
          x: 'lock',
          y: 'site',
          text: (r) => percent(r.total / total),
          fill: (r) => (r.total / total > 0.2 ? 'var(--on-heat)' : 'currentColor'),
        }),
      ],
    },
    { width: Math.min(width, columns), height: (narrow ? 130 : 56) + 26 * sites.length },
  );
}

function cutMiddle(text: string, n: number): string {
  return text.length <= n ? text : `${text.slice(0, n / 2 - 1)}…${text.slice(text.length - n / 2)}`;
}

function percent(share: number): string {
  return share >= 0.0995 ? `${Math.round(share * 100)} %` : `${+(share * 100).toPrecision(2)} %`;
}

const LANES: readonly [string, string][] = [
  ['run', 'var(--run)'],
  ['hardware', 'var(--hardware)'],
  ['spin', 'var(--spin)'],
  ['block', 'var(--block)'],
  ['ready', 'var(--ready)'],
  ['sleep', 'var(--sleep)'],
];

/** Colours of the locks most waited for; the others share the last. */
const HELD = ['var(--h1)', 'var(--h2)', 'var(--h3)', 'var(--h4)', 'var(--held)'];

function heldLocks(runs: readonly RunResult[]): string[] {
  const waits = new Map<string, number>();
  for (const run of runs)
    for (const l of run.locks) waits.set(l.name, (waits.get(l.name) ?? 0) + waitTotal(l));
  return [...waits]
    .sort((a, b) => b[1] - a[1])
    .slice(0, HELD.length - 1)
    .filter(([, ns]) => ns > 0)
    .map(([name]) => name);
}

/** What the lanes of the timeline mean, as HTML; `runs` are those that are drawn. */
export function timelineKey(runs: readonly RunResult[]): string {
  const words: Record<string, string> = {
    run: 'runs',
    hardware: 'waits for the device',
    spin: 'spins for a lock',
    block: 'sleeps for a lock',
    ready: 'waits for a processor',
    sleep: 'sleeps in a delay',
  };
  const items = LANES.map(
    ([what, color]) => `<span><i style="background:${color}"></i>${words[what]}</span>`,
  );
  const held = [
    ...heldLocks(runs).map((name) => `<code>${name.replace(/&/g, '&amp;').replace(/</g, '&lt;')}</code>`),
    'another lock',
  ];
  const locks = held.map(
    (name, i) =>
      `<span><i style="background:${i === held.length - 1 ? HELD.at(-1) : HELD[i]}"></i>${name}</span>`,
  );
  return `<p class="key">Below: ${items.join(' ')}<br>Above, what it holds: ${locks.join(' ')}</p>`;
}

/**
 * Who did and held what over a stretch of virtual time, a lane a task. Null when there is no timeline.
 *
 * @param runs all that are drawn with the same key
 */
export function timeline(
  run: RunResult,
  runs: readonly RunResult[],
  width: number,
  lanes = 8,
): string | null {
  const spans = run.spans.filter((s) => /^task\d+$/.test(s.task) && Number(s.task.slice(4)) < lanes);
  const waits = spans.filter((s) => (s.what === 'spin' || s.what === 'block') && s.to > s.from);
  if (spans.length === 0) return null;
  // From shortly before somebody waits, and as long as ten requests take.
  const length = Math.max(4_000, 10 * run.latency);
  const from = Math.max(0, (waits[Math.min(2, waits.length - 1)]?.from ?? spans[0].from) - length * 0.15);
  const to = from + length;
  const unit = timeUnit(length);
  const rows = spans
    .filter((s) => s.to > from && s.from < to)
    .map((s) => ({
      ...s,
      x1: (Math.max(s.from, from) - from) / unit.scale,
      x2: (Math.min(s.to, to) - from) / unit.scale,
      lane: s.task.replace('task', 'task '),
    }));
  const states = rows.filter((r) => LANES.some(([what]) => what === r.what));
  const holds = rows.filter((r) => r.what === 'hold');
  const tasks = [...new Set(rows.map((r) => r.lane))].sort((a, b) => Number(a.slice(5)) - Number(b.slice(5)));
  const color = new Map(LANES);
  const locks = heldLocks(runs);
  const held = (name: string): string =>
    locks.includes(name) ? HELD[locks.indexOf(name)] : (HELD.at(-1) as string);
  return draw(
    {
      marginLeft: 60,
      marginTop: 10,
      marginRight: 14,
      x: { label: `${unit.label} →`, domain: [0, length / unit.scale] },
      y: { domain: tasks, label: null, padding: 0.25 },
      marks: [
        Plot.barX(states, { y: 'lane', x1: 'x1', x2: 'x2', fill: (r) => color.get(r.what), insetTop: 11 }),
        Plot.barX(holds, { y: 'lane', x1: 'x1', x2: 'x2', fill: (r) => held(r.lock), insetBottom: 17 }),
      ],
    },
    { width, height: 44 + 36 * tasks.length },
  );
}
