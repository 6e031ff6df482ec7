// SPDX-License-Identifier: GPL-2.0-only
// What makes findings of different programs one: the cause, as far as it can be told.
import type { SubjectFinding } from '@vfio-lab/explore';
import type { RaceSide } from '@vfio-lab/testbed';
import { driverSite } from './known-races.ts';

/** After one of these a machine is broken, and what it shows later follows from that. */
const FATAL: ReadonlySet<string> = new Set(['oops', 'BUG', 'deadlock', 'exception', 'livelock']);

/** Accesses to a device that cannot answer. */
const POWER: ReadonlySet<string> = new Set(['d3cold-access', 'd3hot-access']);
/** So many functions say which call it is: file operation, driver's operation, what it asks for. */
const ENTRY = 4;

/** The text without what differs from program to program: addresses, numbers, names of tasks. */
function plain(text: string): string {
  return text
    .replace(/[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]/g, 'DEV')
    .replace(/\b(?:user\d|host|device|exit|main|bg\/\w+|kworker\/\w+|irq\/\d+)\b/g, 'TASK')
    .replace(/0x[0-9a-f]+|\d+/g, 'N');
}

/** What a task is, whichever of its sort. */
function sortOf(task: string): string {
  return task.replace(/\d+$|:\d+$| [0-9a-f]{4}:.*$/, '');
}

/** A cycle of lock classes, starting with the first by name. */
function turned(cycle: readonly string[]): string {
  const open = cycle[0] === cycle.at(-1) ? cycle.slice(0, -1) : [...cycle];
  const at = open.indexOf([...open].sort()[0]);
  return [...open.slice(at), ...open.slice(0, at)].join(' -> ');
}

interface Waiting {
  waits: string;
  fns: string[];
}

/** One side of a data race: the driver's function, or the sort of task with its locks. */
function accessor(side: RaceSide): string {
  const where = driverSite(side);
  return `${where === '' ? `${sortOf(side.task)} ${side.held.join()}` : where} ${side.access}`;
}

/** The cause of a finding: its kind, the mirrored function it is in, and what it is about. */
export function causeOf(f: SubjectFinding): string {
  const fn = f.fns.at(-1) ?? '';
  if (f.kind === 'lockdep-inversion' && Array.isArray(f.detail?.cycle))
    return `${f.kind} ${turned(f.detail.cycle as string[])}`;
  if (f.kind === 'deadlock' && Array.isArray(f.detail?.tasks)) {
    const parts = (f.detail.tasks as Waiting[]).map((t) => `${t.fns.at(-1) ?? ''} ${plain(t.waits)}`);
    return `${f.kind} ${[...new Set(parts)].sort().join('; ')}`;
  }
  if (f.kind === 'data-race') {
    const sides = [f.detail?.before as RaceSide, f.detail?.after as RaceSide].map(accessor).sort();
    return [f.kind, `${String(f.detail?.struct)}.${String(f.detail?.field)}`, ...sides].join(', ');
  }
  // A power reference is due where a call comes in, however deep in it the access is.
  if (POWER.has(f.kind)) {
    const where = f.fns.length > 0 ? f.fns.slice(0, ENTRY).join(' ') : `${sortOf(f.task)} ${f.held.join()}`;
    return `${f.kind} ${where} ${f.text.split(' ')[0]}`;
  }
  return `${f.kind} ${fn} ${plain(f.text)}`;
}

/**
 * The findings of a run that are causes of their own: of one task and kind the first, and none after a fatal one. Data
 * races do not follow from each other.
 */
export function causesIn(findings: readonly SubjectFinding[]): Map<string, SubjectFinding> {
  const causes = new Map<string, SubjectFinding>();
  const told = new Set<string>();
  for (const f of findings) {
    const who = `${f.kind} ${f.task}`;
    // What is checked at the end is all found by the same task.
    if (f.kind !== 'data-race' && f.task !== 'main' && f.task !== '' && told.has(who)) continue;
    told.add(who);
    const key = causeOf(f);
    if (!causes.has(key)) causes.set(key, f);
    if (FATAL.has(f.kind)) break;
  }
  return causes;
}
