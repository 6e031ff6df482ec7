// SPDX-License-Identifier: GPL-2.0-only
/*
 * A run as rows of a diagram: what happened, in which C functions, who held which locks, and how the devices stood.
 */
import type { TraceEvent } from '@vfio-lab/sim';

/** Power and runtime PM of a device at some point. '' and -1: not known yet. */
export interface DeviceState {
  /** D0, D3hot, D3cold */
  power: string;
  /** active, suspending, suspended, resuming */
  status: string;
  usage: number;
  /** The guest has sent it to low power. */
  engaged: boolean;
}

/** Who has a lock, and how; `wait`: is waiting for it. */
export interface Holder {
  task: string;
  mode: 'read' | 'write' | 'wait';
}

/** One row of a diagram. */
export interface Row {
  task: string;
  text: string;
  where: string;
  /** What is held at this point, by whom, as a text. */
  locks: string;
  /** State of a device after it, as a text, when it changed. */
  state: string;
  /** lock, pm, pci, flag, irq, eventfd, user, saw, finding, preempt, call (a C function begins), step */
  kind: string;
  /** C functions that the task is in, outermost first. */
  fns?: readonly string[];
  /** Sleeping locks by name. */
  held?: Readonly<Record<string, readonly Holder[]>>;
  devices?: Readonly<Record<string, DeviceState>>;
  /** Of little interest where many of its kind follow each other. */
  boring?: boolean;
}

/** A C function of a finding, with where it is to be read. */
export interface StackFrame {
  fn: string;
  /** The C file. */
  c: string;
  /** The mirrored file with its line. */
  ts: string;
}

/** A stack with what it is the stack of: 'guest takes &vdev->igate'. Outermost first. */
export interface Stack {
  title: string;
  frames: readonly StackFrame[];
  held: readonly string[];
}

/** What a diagram is about. */
export interface Story {
  title: string;
  finding: { kind: string; text: string; task: string; fns: readonly string[]; held: readonly string[] };
  /** Stacks of all that take part. */
  stacks?: readonly Stack[];
  /** Name and value, shown above the diagram. */
  facts: readonly (readonly [string, string])[];
  command: string;
  rows: readonly Row[];
}

const LOCK =
  /^(down_read|down_write|mutex_lock|spin_lock|up_read|up_write|mutex_unlock|spin_unlock|wait) (.*)$/;
const BDF = /^([0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]): /;
/** Locks of no interest in a diagram. */
const HIDDEN = /resource_lock$|^&\(nh\)/;
/** What tells of hardware twice, or of a bridge's references. */
const NOISE = /hardware (?:reset|D\d)|platform put it|power resource|^pci[0-9a-f:]+:/;

/** What a timeline has said so far. */
class Reader {
  private readonly held = new Map<string, Holder[]>();
  private readonly spin = new Map<string, Holder[]>();
  private readonly devices = new Map<string, DeviceState>();
  private readonly stacks = new Map<string, readonly string[]>();
  private readonly interesting: ReadonlySet<string>;

  constructor(interesting: ReadonlySet<string>) {
    this.interesting = interesting;
  }

  private device(name: string): DeviceState {
    let d = this.devices.get(name);
    if (d === undefined) this.devices.set(name, (d = { power: '', status: '', usage: -1, engaged: false }));
    return d;
  }

  private lock(e: TraceEvent): void {
    const m = LOCK.exec(e.text);
    if (m === null) return;
    const [, verb, name] = m;
    const all = verb.startsWith('spin_') ? this.spin : this.held;
    const holders = (all.get(name) ?? []).filter(
      (h) => h.task !== e.task || (h.mode !== 'wait' && verb === 'wait'),
    );
    if (verb === 'wait') holders.push({ task: e.task, mode: 'wait' });
    else if (verb === 'down_read') holders.push({ task: e.task, mode: 'read' });
    else if (/^(?:down_write|mutex_lock|spin_lock)$/.test(verb))
      holders.push({ task: e.task, mode: 'write' });
    all.set(name, holders);
  }

  /** Take an event in. True: it changed the state of a device that matters. */
  read(e: TraceEvent): boolean {
    if (e.kind === 'lock') this.lock(e);
    if (e.kind === 'pm' && typeof e.data.dev === 'string') {
      const d = this.device(e.data.dev);
      const before = d.status;
      d.status = String(e.data.status);
      d.usage = Number(e.data.usage);
      return d.status !== before && this.interesting.has(e.data.dev);
    }
    if (e.kind === 'pci' && typeof e.data.device === 'string' && typeof e.data.to === 'string') {
      this.device(e.data.device).power = e.data.to;
      return this.interesting.has(e.data.device);
    }
    if (e.kind === 'flag') {
      const name = typeof e.data.device === 'string' ? e.data.device : [...this.interesting][0];
      const m = /^(?:pm_runtime_engaged|platform_pm_engaged) = (\w+)/.exec(e.text);
      if (m !== null && name !== undefined) this.device(name).engaged = m[1] === 'true';
      return m !== null;
    }
    return false;
  }

  /** The functions that a task has gone into since its last row. */
  entered(e: TraceEvent): string[] {
    const now = e.fns ?? [];
    const before = this.stacks.get(e.task) ?? [];
    this.stacks.set(e.task, now);
    let same = 0;
    while (same < now.length && now[same] === before[same]) same++;
    return now.slice(same);
  }

  row(e: Pick<TraceEvent, 'task' | 'kind' | 'fn' | 'fns'>, text: string, changed: boolean): Row {
    const held: Record<string, Holder[]> = {};
    for (const [name, holders] of this.held)
      if (holders.length > 0 && !HIDDEN.test(name)) held[name] = holders;
    const names: string[] = [];
    for (const all of [this.held, this.spin])
      for (const [name, holders] of all)
        for (const h of holders) if (h.mode !== 'wait') names.push(`${h.task}: ${name}`);
    const devices: Record<string, DeviceState> = {};
    for (const [name, d] of this.devices) if (this.interesting.has(name)) devices[name] = { ...d };
    return {
      task: e.task,
      text,
      where: e.fn,
      locks: names.join('; '),
      state: changed ? text : '',
      kind: e.kind,
      fns: e.fns ?? [],
      held,
      devices,
    };
  }
}

/** Devices that a guest's driver has something to do with: those with flags, else all that changed their power. */
function devicesOf(events: readonly TraceEvent[]): Set<string> {
  const flagged = new Set<string>();
  const powered = new Set<string>();
  for (const e of events) {
    if ((e.kind === 'flag' || e.kind === 'device') && typeof e.data.device === 'string')
      flagged.add(e.data.device);
    if (e.kind === 'pci' && typeof e.data.device === 'string' && typeof e.data.to === 'string')
      powered.add(e.data.device);
    const of =
      e.kind === 'finding' ? /[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]/.exec(e.text)?.[0] : undefined;
    if (of !== undefined) flagged.add(of);
  }
  return flagged.size > 0 ? flagged : powered;
}

/** The words of an event in a diagram; '' when it is not shown. `one`: the only device, whose name goes without saying. */
function words(e: TraceEvent, one: string): string {
  if (e.kind === 'phase' || e.kind === 'device' || NOISE.test(e.text)) return '';
  // Where a lock is given up shows in its column, and a spinlock is held for a moment.
  if (e.kind === 'lock')
    return /^(?:spin_|up_|mutex_unlock)/.test(e.text) || HIDDEN.test(e.text.replace(/^\w+ /, ''))
      ? ''
      : e.text;
  const m = BDF.exec(e.text);
  const rest = m === null ? e.text : e.text.slice(m[0].length);
  const dev = m === null || m[1] === one ? '' : `${m[1].replace(/^0000:/, '')} `;
  if (e.kind === 'pm') return `${dev}${rest}, usage ${String(e.data.usage)}`;
  return e.kind === 'finding' ? e.text : `${dev}${rest}`;
}

/**
 * Rows of a run's timeline: the part in which its programs run, up to the finding, with the state that came before it.
 *
 * @param limit at most so many rows, the last ones
 * @param shown which finding it is about; default: the first
 */
export function rowsOf(
  events: readonly TraceEvent[],
  limit = 400,
  shown: (text: string) => boolean = () => true,
): Row[] {
  const devices = devicesOf(events);
  const one = devices.size === 1 ? ([...devices][0] ?? '') : '';
  const reader = new Reader(devices);
  const start = events.findIndex((e) => e.kind === 'phase' && e.text === 'programs');
  const check = events.findIndex((e) => e.kind === 'phase' && e.text === 'check');
  const finding = events.findIndex((e) => e.kind === 'finding' && shown(e.text));
  // What comes after the programs is shown only when that is where the finding is.
  const end = check < 0 || finding > check ? events.length : check;
  const rows: Row[] = [];
  for (const [i, e] of events.entries()) {
    if (i >= end) break;
    const text = i < start ? '' : words(e, one);
    const entered = text === '' ? [] : reader.entered(e);
    if (entered.length > 0) {
      const call = { task: e.task, kind: 'call', fn: e.fn, ...(e.fns !== undefined && { fns: e.fns }) };
      rows.push(reader.row(call, entered.map((fn) => `${fn}()`).join(' › '), false));
    }
    const changed = reader.read(e);
    if (text === '') continue;
    const other = e.kind === 'pm' && one !== '' && !e.text.startsWith(one);
    const boring = other || (e.kind === 'pm' && !changed);
    rows.push({ ...reader.row(e, text, changed), ...(boring && { boring }) });
    if (i === finding) break;
  }
  return rows.slice(-limit);
}

/** Rows in groups: what is shown, and what is folded away because nothing of interest happens. */
export interface Group {
  folded: boolean;
  rows: readonly Row[];
}

const FOLD_FROM = 3;

/** Group the rows: three and more boring ones of one task in a row are folded, never next to a change of task. */
export function groupsOf(rows: readonly Row[]): Group[] {
  const groups: Group[] = [];
  let open: Row[] = [];
  const close = (): void => {
    if (open.length > 0) groups.push({ folded: false, rows: open });
    open = [];
  };
  for (let i = 0; i < rows.length;) {
    let n = i;
    while (n < rows.length && rows[n].boring === true && rows[n].task === rows[i].task) n++;
    if (n - i >= FOLD_FROM) {
      close();
      groups.push({ folded: true, rows: rows.slice(i, n) });
      i = n;
    } else {
      open.push(rows[i++]);
    }
  }
  close();
  return groups;
}

/** What the other tasks were in the middle of, at the end of the rows. */
export function meanwhile(rows: readonly Row[], task: string): { task: string; fns: readonly string[] }[] {
  const last = new Map<string, readonly string[]>();
  for (const r of rows) last.set(r.task, r.fns ?? []);
  return [...last].filter(([t, fns]) => t !== task && fns.length > 0).map(([t, fns]) => ({ task: t, fns }));
}

/** Names of the tasks in the order of their first row; of the locks; of the devices. */
export function lanesOf(rows: readonly Row[]): { tasks: string[]; locks: string[]; devices: string[] } {
  const tasks = new Set<string>();
  const locks = new Set<string>();
  const devices = new Set<string>();
  for (const r of rows) {
    tasks.add(r.task);
    for (const name of Object.keys(r.held ?? {})) locks.add(name);
    for (const name of Object.keys(r.devices ?? {})) devices.add(name);
  }
  return { tasks: [...tasks], locks: [...locks], devices: [...devices] };
}
