// SPDX-License-Identifier: GPL-2.0-only
// A story as lines for a terminal: the device and the locks on the left, then a lane for each task.
import { type DeviceState, groupsOf, lanesOf, type Row, type Stack, type Story } from './story.ts';

function cut(s: string, n: number): string {
  return s.length <= n ? s : `${s.slice(0, n - 1)}…`;
}

/** `D3cold suspended 0 e`: power, status, usage count, engaged. */
function device(d: DeviceState | undefined): string {
  if (d === undefined) return '';
  return `${d.power.padEnd(6)} ${d.status.padEnd(10)} ${d.usage < 0 ? ' ' : d.usage} ${d.engaged ? 'e' : ' '}`;
}
const DEVICE = 21;

/** One character a lock: the number of whoever has it. */
function locksAt(row: Row, { locks, tasks }: Shape): string {
  return locks
    .map((name) => {
      const holders = row.held?.[name] ?? [];
      const owner = holders.find((h) => h.mode !== 'wait');
      return owner === undefined ? '·' : String(tasks.indexOf(owner.task) + 1);
    })
    .join(' ');
}

/** What a row says, indented by the depth of the C functions. */
function say(row: Row): string {
  const depth = row.kind === 'call' ? 0 : Math.min(1, (row.fns ?? []).length);
  const indent = '  '.repeat(depth);
  if (row.kind === 'finding') return `✖ ${row.text.split(': ')[0]}`;
  if (row.kind === 'preempt') return `${indent}‖ ${row.text}`;
  return `${indent}${row.text}`;
}

interface Shape {
  tasks: readonly string[];
  locks: readonly string[];
  devices: readonly string[];
  /** First and last row of each task. */
  life: ReadonlyMap<string, readonly [number, number]>;
  width: number;
}

function lines(row: Row, at: number, s: Shape, before: Row | null, text: string): string {
  const left: string[] = [];
  for (const d of s.devices) {
    const [now, then] = [device(row.devices?.[d]), device(before?.devices?.[d])];
    left.push((now === then && before !== null ? '' : now).padEnd(DEVICE));
  }
  if (s.locks.length > 0) left.push(locksAt(row, s));
  const rails = s.tasks.map((t) => {
    if (t === row.task) return row.kind === 'finding' ? '✖' : '●';
    const [first, last] = s.life.get(t) ?? [0, 0];
    return at >= first && at <= last ? '│' : ' ';
  });
  left.push(rails.join(' '));
  const name = before === null || before.task !== row.task ? `${row.task}: ` : '';
  const room = s.width - left.join('  ').length - 2;
  // Of a long way into the kernel, its end tells more.
  let said = `${name}${text}`;
  for (let parts = text.split(' › '); said.length > room && parts.length > 1;) {
    parts = parts.slice(1);
    said = `${name}… › ${parts.join(' › ')}`;
  }
  return [...left, cut(said, Math.max(20, room))].join('  ').trimEnd();
}

/** A long sentence in its lane, over as many lines as it needs. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let at = '';
  for (const word of text.split(' ')) {
    if (at !== '' && at.length + 1 + word.length > width) {
      lines.push(at);
      at = word;
    } else at = at === '' ? word : `${at} ${word}`;
  }
  return at === '' ? lines : [...lines, at];
}

/** The diagram as lines of at most `width` columns: device, locks, a rail for each task, and what happens. */
export function textDiagram(story: Story, width: number): string[] {
  const { tasks, locks, devices } = lanesOf(story.rows);
  const life = new Map<string, [number, number]>();
  for (const [i, r] of story.rows.entries()) life.set(r.task, [life.get(r.task)?.[0] ?? i, i]);
  const s: Shape = { tasks, locks, devices: devices.slice(0, 1), life, width };
  const out: string[] = [];
  for (const [i, name] of locks.entries()) out.push(`${letter(i)}  ${name}`);
  for (const [i, name] of tasks.entries()) out.push(`${i + 1}  ${name}`);
  const head = [
    ...s.devices.map((d) => d.padEnd(DEVICE)),
    ...(locks.length > 0 ? [locks.map((_, i) => letter(i)).join(' ')] : []),
    tasks.map((_, i) => i + 1).join(' '),
  ].join('  ');
  out.push(head, '─'.repeat(Math.min(width, head.length + 40)));
  let before: Row | null = null;
  let at = 0;
  for (const group of groupsOf(story.rows)) {
    if (group.folded) {
      const last = group.rows[group.rows.length - 1];
      out.push(lines(last, at, s, before, `  … ${group.rows.length} steps of runtime PM`));
      before = last;
    } else {
      for (const [i, row] of group.rows.entries()) {
        out.push(lines(row, at + i, s, before, say(row)));
        before = row;
      }
    }
    at += group.rows.length;
  }
  return out;
}

function letter(i: number): string {
  return String.fromCharCode(65 + (i % 26));
}

/** What was found, by whom, where, with what held: for below a diagram. */
export function textFinding(story: Story, width: number): string[] {
  const { finding, stacks = [] } = story;
  const lines = wrap(`${finding.kind}: ${finding.text}`, width);
  const list: readonly Stack[] =
    stacks.length > 0
      ? stacks
      : [
          {
            title: finding.task,
            frames: finding.fns.map((fn) => ({ fn, c: '', ts: '' })),
            held: finding.held,
          },
        ];
  for (const stack of list) {
    if (stack.title === '' && stack.frames.length === 0) continue;
    const held = stack.held.length > 0 ? `, holding ${stack.held.join(', ')}` : '';
    lines.push(`  ${stack.title}${held}`);
    const names = Math.max(0, ...stack.frames.map((f) => f.fn.length + 2));
    for (const f of stack.frames.toReversed()) {
      const at = [f.c.replace(/^drivers\//, ''), f.ts].filter((x) => x !== '').join('  ');
      lines.push(`    ${`${f.fn}()`.padEnd(names)}  ${at}`.trimEnd());
    }
  }
  if (story.command !== '') lines.push('  again:', `    ${story.command}`);
  return lines;
}
