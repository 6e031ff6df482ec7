// SPDX-License-Identifier: GPL-2.0-only
/*
 * A story as one HTML file, which needs nothing from elsewhere and no script: a table with a lane for each task, C
 * functions as nested bars in it, the devices as strips and a column for each lock.
 */
import { STYLE } from './diagram-style.ts';
import {
  type DeviceState,
  groupsOf,
  type Holder,
  lanesOf,
  type Row,
  type Stack,
  type Story,
} from './story.ts';

function html(text: string): string {
  return text.replace(
    /[&<>"]/g,
    (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c] as string,
  );
}

interface Lanes {
  tasks: readonly string[];
  locks: readonly string[];
  devices: readonly string[];
}

/** What the rows before have left: stacks by task, and the row before. */
class Drawing {
  private readonly lanes: Lanes;
  private readonly stacks = new Map<string, readonly string[]>();
  private readonly last = new Map<string, number>();
  private before: Row | null = null;
  private number = 0;

  constructor(lanes: Lanes, rows: readonly Row[]) {
    this.lanes = lanes;
    for (const [i, r] of rows.entries()) this.last.set(r.task, i);
  }

  /** The functions that a task is in, as bars side by side, the outermost first. */
  private bars(task: string): string {
    if ((this.last.get(task) ?? -1) < this.number) return '';
    const fns = this.stacks.get(task) ?? [];
    return fns.map((fn, i) => `<i class="b${i % 5} n${Math.min(i, 7)}" title="${html(fn)}()"></i>`).join('');
  }

  private lane(row: Row, task: string, i: number): string {
    const other = `<td class="t">${this.bars(task)}</td>`;
    if (task !== row.task) return other;
    this.stacks.set(task, row.fns ?? []);
    const switched = this.before !== null && this.before.task !== task ? ' in' : '';
    // Functions one below the other, as their bars are nested.
    const said = html(row.text).replaceAll(' › ', '<br>');
    const text = row.kind === 'finding' ? `<strong>${said}</strong>` : said;
    const depth = Math.min(8, (row.fns ?? []).length);
    const where = row.where === '' || row.kind === 'call' ? '' : ` title="in ${html(row.where)}()"`;
    return `<td class="t on l${i % 6} p${depth}${switched}"${where}>${this.bars(task)}<span class="k-${row.kind}">${text}</span></td>`;
  }

  private device(row: Row, name: string): string {
    const now = row.devices?.[name];
    const then = this.before?.devices?.[name];
    if (now === undefined) return '<td></td><td></td><td></td>';
    const cell = (cls: string, text: string, changed: boolean): string =>
      `<td class="${cls}${changed ? ' new' : ''}" title="${html(text)}">${changed ? html(text) : ''}</td>`;
    const status = (d: DeviceState | undefined): string =>
      d === undefined || d.status === '' ? '' : `${d.status} ${d.usage}`;
    return (
      cell(`d p${now.power || 'x'}`, now.power, now.power !== then?.power) +
      cell(`d r${now.status || 'x'}`, status(now), status(now) !== status(then)) +
      cell(`d e${now.engaged ? 1 : 0}`, now.engaged ? 'yes' : 'no', now.engaged !== then?.engaged)
    );
  }

  private lock(row: Row, name: string): string {
    const holders = row.held?.[name] ?? [];
    const owners = holders.filter((h) => h.mode !== 'wait');
    const waits = holders.length > owners.length;
    if (owners.length === 0 && !waits) return '<td class="k"></td>';
    const before = this.before?.held?.[name] ?? [];
    const new_ = show(holders) !== show(before);
    const i = owners.length > 0 ? this.lanes.tasks.indexOf(owners[0].task) : -1;
    const cls = `k h${i < 0 ? 'x' : i % 6}${waits ? ' w' : ''}`;
    const label = new_
      ? owners.map((h) => (h.mode === 'read' ? 'R' : 'W')).join('') + (waits ? '…' : '')
      : '';
    return `<td class="${cls}" title="${html(`${name}: ${show(holders)}`)}">${label}</td>`;
  }

  row(row: Row): string {
    const { tasks, devices, locks } = this.lanes;
    const cells =
      tasks.map((t, i) => this.lane(row, t, i)).join('') +
      devices.map((d) => this.device(row, d)).join('') +
      locks.map((l) => this.lock(row, l)).join('');
    this.number++;
    this.before = row;
    const cls =
      row.kind === 'finding' ? ' class="bad" id="finding"' : row.kind === 'preempt' ? ' class="pre"' : '';
    return `<tr${cls}><th scope="row">${this.number}</th>${cells}</tr>`;
  }
}

function show(holders: readonly Holder[]): string {
  return holders
    .map((h) =>
      h.mode === 'wait' ? `${h.task} waits` : `${h.task}, ${h.mode === 'read' ? 'shared' : 'exclusive'}`,
    )
    .join('; ');
}

function head({ tasks, locks, devices }: Lanes): string {
  const lanes = tasks.map((t, i) => `<th scope="col" class="lane l${i % 6}">${html(t)}</th>`).join('');
  const strips = devices
    .map(
      (d) =>
        `<th scope="col" colspan="3" class="dev">${html(d)}<br><small>power, runtime PM and usage, engaged</small></th>`,
    )
    .join('');
  const names = locks.map((l) => `<th scope="col" class="lock"><span>${html(l)}</span></th>`).join('');
  return `<thead><tr><th scope="col"><span class="sr">step</span></th>${lanes}${strips}${names}</tr></thead>`;
}

function table(story: Story): string {
  const lanes = lanesOf(story.rows);
  const drawing = new Drawing(lanes, story.rows);
  const width = 1 + lanes.tasks.length + 3 * lanes.devices.length + lanes.locks.length;
  const bodies = groupsOf(story.rows).map((group, i) => {
    const rows = group.rows.map((r) => drawing.row(r)).join('\n');
    if (!group.folded) return `<tbody>${rows}</tbody>`;
    const what = `${group.rows.length} steps of ${html(group.rows[0].task)}`;
    return `<tbody class="fold"><tr><td colspan="${width}"><input type="checkbox" id="f${i}"><label for="f${i}">${what}</label></td></tr></tbody><tbody class="more">${rows}</tbody>`;
  });
  return `<table><caption class="sr">What the tasks did, in order</caption>${head(lanes)}${bodies.join('\n')}</table>`;
}

function stackList(stacks: readonly Stack[]): string {
  return stacks
    .map((s) => {
      const frames = s.frames
        .toReversed()
        .map((f) => {
          const at = [f.c, f.ts].filter((x) => x !== '').map((x) => `<span>${html(x)}</span>`);
          return `<li><code>${html(f.fn)}()</code> ${at.join(' ')}</li>`;
        })
        .join('');
      const held =
        s.held.length > 0 ? `<p>holding ${s.held.map((h) => `<code>${html(h)}</code>`).join(', ')}</p>` : '';
      return `<section><h3>${html(s.title)}</h3>${held}${frames === '' ? '' : `<ol>${frames}</ol>`}</section>`;
    })
    .join('');
}

/** What there is to say when nobody has looked the functions up. */
function bareStack({ finding }: Story): Stack[] {
  if (finding.task === '') return [];
  const frames = finding.fns.map((fn) => ({ fn, c: '', ts: '' }));
  return [{ title: finding.task, frames, held: finding.held }];
}

/** One HTML file about one finding. */
export function htmlPage(story: Story): string {
  const { finding } = story;
  const facts = story.facts
    .map(([k, v]) => `<dt>${html(k)}</dt><dd>${html(v).replaceAll('\n', '<br>')}</dd>`)
    .join('');
  const stacks = story.stacks ?? bareStack(story);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>${html(story.title)}</title><style>${STYLE}</style></head>
<body><main><h1>${html(story.title)}</h1>
<p class="what"><strong>${html(finding.kind)}</strong> ${html(finding.text)}</p>
<div class="stacks">${stackList(stacks)}</div>
<dl>${facts}</dl>
<p>Run it again:</p><pre>${html(story.command)}</pre>
<h2>What happened</h2>
<p class="legend"><span><i class="b0"></i><i class="b1"></i><i class="b2"></i> C functions, outermost left</span> <span><b class="h0">W</b> held exclusively, in the colour of its task</span> <span><b class="h0">R</b> shared</span> <span><b class="w">…</b> waited for</span> <span>‖ preempted</span> <a href="#finding">to the finding</a></p>
<div class="box" tabindex="0" role="region" aria-label="Sequence of events">${table(story)}</div>
</main></body></html>
`;
}
