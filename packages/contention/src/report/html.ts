// SPDX-License-Identifier: GPL-2.0-only
// A sweep as one page that needs nothing else: no script, no network.
import type { RunResult } from '../result.ts';
import type { Estimate } from '../statistics.ts';
import { compareRuns, type Delta, type Point, type Sweep } from '../sweep.ts';
import {
  heatMap,
  latencyPlot,
  lockSharePlot,
  throughputPlot,
  timeline,
  timelineKey,
  waitedFor,
} from './plots.ts';

const WIDE = { width: 560, height: 300 };
const NARROW = { width: 350, height: 260 };

/** The page of a sweep. */
export function renderPage(sweep: Sweep): string {
  const { points } = sweep;
  const last = Math.max(...points.map((p) => p.tasks));
  const busiest = points.filter((p) => p.tasks === last);
  const locks = waitedFor(sweep);
  const exact = points.every((p) => p.exact);
  const seeds = Math.max(...points.map((p) => p.seeds));
  const parts = [
    `<h1>${text(sweep.workload)}</h1>`,
    `<p>${text(sweep.about)}. ${points[0]?.first.cpus} processors, hand-over ${text(sweep.handOver)}, costs from <code>${text(sweep.costs)}</code>. All times are virtual. ${
      exact
        ? 'Nothing is random here: the values are exact.'
        : seeds > 1
          ? `Means of ${seeds} seeds; bars and ± are 95 % intervals.`
          : 'One seed.'
    }${sweep.complete ? '' : ' <strong>Stopped early: some points are missing.</strong>'}</p>`,
    '<h2>At a glance</h2>',
    summary(points),
    '<div class="grid">',
    figure(
      'Throughput',
      both((s) => throughputPlot(sweep, s)),
    ),
    figure(
      'Mean time of a request',
      both((s) => latencyPlot(sweep, 'latency', s)),
    ),
    figure(
      '99th percentile',
      both((s) => latencyPlot(sweep, 'p99', s)),
    ),
    ...locks.slice(0, 5).map((name) =>
      figure(
        `Time spent waiting for <code>${text(name)}</code>`,
        both((s) => lockSharePlot(sweep, name, s)),
      ),
    ),
    '</div>',
    ...comparisons(busiest),
    ...busiest.flatMap((p) => details(p)),
    ...timelines(points),
  ];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${text(sweep.workload)}: lock contention</title><style>${STYLE}</style></head>
<body><main>${parts.join('\n')}</main></body></html>
`;
}

function summary(points: readonly Point[]): string {
  const rows = points.map((p) => {
    const [top] = Object.entries(p.lockShares).sort((a, b) => b[1].mean - a[1].mean);
    return [
      String(p.tasks),
      text(p.revision),
      value(p.throughput, (v) => Math.round(v).toLocaleString('en')),
      value(p.latency, ns),
      value(p.p99, ns),
      top === undefined || top[1].mean < 0.0005
        ? '–'
        : `<code>${text(top[0])}</code> ${(top[1].mean * 100).toFixed(1)} %`,
    ];
  });
  return table(['tasks', 'revision', 'requests/s', 'mean', 'p99', 'most waited for'], rows, 'summary');
}

/** The same estimate as text: ± only where there is an interval. */
function value(e: Estimate, format: (v: number) => string): string {
  return e.half > 0 ? `${format(e.mean)} <small>± ${format(e.half)}</small>` : format(e.mean);
}

function comparisons(points: readonly Point[]): string[] {
  const [from, ...others] = points;
  if (from === undefined || others.length === 0) return [];
  return others.flatMap((to) => {
    const deltas = compareRuns(from.first, to.first).slice(0, 14);
    return [
      `<h2>${text(from.revision)} → ${text(to.revision)}, ${to.tasks} tasks: what moved</h2>`,
      deltas.length === 0
        ? '<p>No lock and no call site.</p>'
        : table(
            ['lock, waiting function', 'wait a request', 'held a request', 'taken a request'],
            deltas.map((d) => [
              label(d),
              change(d.wait, ns),
              d.site === '' ? change(d.hold, ns) : '',
              d.site === '' ? change(d.acquisitions, (v) => v.toFixed(2)) : '',
            ]),
          ),
    ];
  });
}

function label(d: Delta): string {
  return d.site === ''
    ? `<code>${text(d.lock)}</code>`
    : `<span class="sub">in <code>${text(d.site)}</code></span>`;
}

function change(c: { from: number; to: number }, format: (v: number) => string): string {
  return c.from === c.to ? format(c.to) : `${format(c.from)} → ${format(c.to)}`;
}

function details(p: Point): string[] {
  const run = p.first;
  const wide = heatMap(run, 1100);
  const narrow = heatMap(run, 350);
  return [
    `<h2>${text(p.revision)}, ${p.tasks} tasks</h2>`,
    calls(run),
    '<h3>Who waited for which lock</h3>',
    wide === null || narrow === null
      ? '<p>Nobody waited for a lock.</p>'
      : `<p>Share of all waiting time, by lock and waiting C function.</p>${responsive(wide, narrow)}`,
  ];
}

/** Lanes are legible for a handful of tasks: the largest number up to eight. */
function timelines(points: readonly Point[]): string[] {
  const few = points.filter((p) => p.tasks <= 8);
  const tasks = Math.max(...(few.length > 0 ? few : points).map((p) => p.tasks));
  const runs = points.filter((p) => p.tasks === tasks).map((p) => p.first);
  const drawn = runs.flatMap((run) => {
    const wide = timeline(run, runs, 1100);
    const narrow = timeline(run, runs, 350, 4);
    return wide === null || narrow === null
      ? []
      : [`<h3>${text(run.revision)}</h3>`, responsive(wide, narrow)];
  });
  return drawn.length === 0 ? [] : [`<h2>Who held what, ${tasks} tasks</h2>`, timelineKey(runs), ...drawn];
}

function calls(run: RunResult): string {
  return table(
    ['call', 'calls/s', 'p50', 'p90', 'p99', 'max'],
    run.calls.map((c) => [
      text(c.name),
      Math.round(c.throughput).toLocaleString('en'),
      ns(c.p50),
      ns(c.p90),
      ns(c.p99),
      ns(c.max),
    ]),
  );
}

/** Virtual ns with a unit, three digits. */
export function ns(v: number): string {
  const abs = Math.abs(v);
  if (abs >= 1e9) return `${(v / 1e9).toPrecision(3)} s`;
  if (abs >= 999.5e3) return `${(v / 1e6).toPrecision(3)} ms`;
  if (abs >= 999.5) return `${(v / 1e3).toPrecision(3)} µs`;
  return `${Math.round(v)} ns`;
}

function both(draw: (size: { width: number; height: number }) => string): string {
  return responsive(draw(WIDE), draw(NARROW));
}

function responsive(wide: string, narrow: string): string {
  return `<div class="wide">${wide}</div><div class="narrow">${narrow}</div>`;
}

function figure(title: string, body: string): string {
  return `<figure><figcaption>${title}</figcaption>${body}</figure>`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[], kind = ''): string {
  const cells = (row: readonly string[], tag: string): string =>
    row.map((c) => `<${tag}>${c}</${tag}>`).join('');
  return `<div class="scroll"><table class="${kind}"><thead><tr>${cells(head, 'th')}</tr></thead><tbody>${rows.map((r) => `<tr>${cells(r, 'td')}</tr>`).join('')}</tbody></table></div>`;
}

function text(s: string): string {
  return s.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/"/g, '&quot;');
}

const LIGHT =
  '--bg:#fff;--fg:#1d2430;--dim:#5b6675;--line:#d8dde4;--c1:#0b62c4;--c2:#c2410c;--c3:#15803d;--c4:#7e22ce;--c5:#a16207;--c6:#0f766e;--heat:#b42318;--on-heat:#fff;--run:#4d9a5b;--hardware:#2f6fb7;--spin:#e0872b;--block:#c43d3d;--ready:#9a9fa8;--sleep:#d3d7dd;--held:#b9bfca;--h1:#8b3fd9;--h2:#0f9e96;--h3:#d6337c;--h4:#8a6d00';
const DARK =
  '--bg:#14181f;--fg:#e6e9ee;--dim:#9aa5b4;--line:#323a46;--c1:#6cb0ff;--c2:#ff9a5c;--c3:#63d58a;--c4:#cf9bff;--c5:#e8c14f;--c6:#5fd6c8;--heat:#ff8a75;--on-heat:#14181f;--run:#57a867;--hardware:#4a8fdc;--spin:#e3953f;--block:#e05a5a;--ready:#767d88;--sleep:#3a424e;--held:#596273;--h1:#b58bff;--h2:#3ecfc4;--h3:#ff7ab5;--h4:#d9bd4a';

/** Mean time of a request as a picture of its own, for a document that may be light or dark. */
export function renderPicture(sweep: Sweep): string {
  const style = `<style>svg{${LIGHT};color:#1d2430;font-family:system-ui,sans-serif}@media (prefers-color-scheme:dark){svg{${DARK};color:#e6e9ee}}</style>`;
  const svg = latencyPlot(sweep, 'latency', { width: 640, height: 320 });
  return `${svg.replace(/color: ?currentColor;?/g, '').replace(/<svg[^>]*>/, (tag) => `${tag}${style}`)}\n`;
}

const STYLE = `:root{color-scheme:light dark;${LIGHT}}
@media (prefers-color-scheme:dark){:root{${DARK}}}
*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--fg);font:16px/1.5 system-ui,sans-serif}
main{max-width:1180px;margin:0 auto;padding:24px 20px 60px}h1{margin:0 0 4px;font-size:1.7rem}h2{margin:2.2rem 0 .6rem;font-size:1.25rem}h3{margin:1.4rem 0 .3rem;font-size:1.02rem}
p{margin:.3rem 0 .8rem;color:var(--dim);max-width:85ch}code{font:0.92em ui-monospace,monospace;color:inherit;overflow-wrap:anywhere}
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,520px),1fr));gap:20px 28px;margin-top:20px}
figure{margin:0;min-width:0}figcaption{font-weight:600}svg{max-width:100%;height:auto;display:block}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.93rem}th,td{padding:3px 14px 3px 0;text-align:right;white-space:nowrap;border-bottom:1px solid var(--line)}
th{color:var(--dim);font-weight:600}th:first-child,td:first-child,.summary :is(th,td):is(:nth-child(2),:last-child){text-align:left}.sub{padding-left:1.4em}small{color:var(--dim)}
.key span{margin-right:14px;white-space:nowrap}.key i{display:inline-block;width:12px;height:12px;margin-right:5px;vertical-align:-1px;border-radius:2px}
.narrow{display:none}@media (max-width:640px){.wide{display:none}.narrow{display:block}main{padding:16px 12px 40px}}
`;
