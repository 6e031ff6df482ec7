// SPDX-License-Identifier: GPL-2.0-only
/*
 * A schedule as a short text: who runs, and what he is about to do when he is stopped. `guest@lock:&vdev->igate,host`
 * means: the guest until it is about to take igate; then the host as long as it can go; then whoever can. Names, not
 * positions, so that it also says something on another revision.
 */
import { InputError } from '@vfio-lab/sim';
import type { Chooser } from './chooser.ts';
import { Execution } from './execution.ts';
import { kindName, kindOf, objOf, type OpCode } from './ops.ts';
import type { Subject } from './subject.ts';

/** Somebody runs until he is about to do `site` for the n-th time; without a site, as long as he can. */
export interface Segment {
  task: string;
  site: string | null;
  nth: number;
}

/** Names of an execution's tasks and operations. */
export type Named = Pick<Subject, 'taskName' | 'objName'>;

/** What an operation is called in a schedule. */
export function siteOf(names: Named, op: OpCode): string {
  return `${kindName(kindOf(op))}:${names.objName(objOf(op))}`;
}

/** The schedule of an execution. */
export function segmentsOf(execution: Execution, names: Named): Segment[] {
  const segments: Segment[] = [];
  const { length, tid, op } = execution;
  for (let a = 0; a < length;) {
    let b = a + 1;
    while (b < length && tid[b] === tid[a]) b++;
    let next = b;
    while (next < length && tid[next] !== tid[a]) next++;
    let site: string | null = null;
    let nth = 1;
    const then = next < length ? op[next] : execution.blocked.get(tid[a]);
    if (then !== undefined) {
      site = siteOf(names, then);
      for (let i = a; i < b; i++) if (siteOf(names, op[i]) === site) nth++;
    }
    segments.push({ task: names.taskName(tid[a]), site, nth });
    a = b;
  }
  return segments;
}

function escape(text: string): string {
  return text.replace(/[%,@#\s']/g, (c) => `%${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

function unescape(text: string): string {
  return text.replace(/%([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
}

export function formatToken(segments: readonly Segment[]): string {
  return segments
    .map(
      (s) => `${escape(s.task)}${s.site === null ? '' : `@${escape(s.site)}${s.nth > 1 ? `#${s.nth}` : ''}`}`,
    )
    .join(',');
}

/** The inverse. Throws InputError naming the part that is none. */
export function parseToken(token: string): Segment[] {
  if (token === '') return [];
  return token.split(',').map((part, i) => {
    const m = /^([^@#\s]+)(?:@([^@#\s]+?)(?:#([1-9]\d{0,6}))?)?$/.exec(part);
    if (m === null)
      throw new InputError(
        `part ${i + 1}, "${part}"`,
        'schedule',
        'a part is task, task@kind:object or task@kind:object#n',
      );
    return { task: unescape(m[1]), site: m[2] === undefined ? null : unescape(m[2]), nth: Number(m[3] ?? 1) };
  });
}

/** Follows a schedule as far as it makes sense, and says where it did not. */
export class Replay implements Chooser {
  readonly execution = new Execution();
  /** The first part that did not fit (counted from 1), 0 for none. */
  leftAt = 0;
  preemptions = 0;
  readonly #segments: readonly Segment[];
  readonly #names: Named;
  #at = 0;
  #seen = 0;
  #ran = false;
  #last = -1;

  constructor(segments: readonly Segment[], names: Named) {
    this.#segments = segments;
    this.#names = names;
  }

  choose(
    n: number,
    tids: readonly number[],
    ops: readonly OpCode[],
    enabled: readonly boolean[],
    timePassed: boolean,
  ): number {
    this.execution.observe(n, tids, ops, enabled, timePassed);
    const at = this.#pick(n, tids, ops, enabled);
    if (this.#last >= 0 && tids[at] !== this.#last)
      for (let i = 0; i < n; i++) if (tids[i] === this.#last && enabled[i]) this.preemptions++;
    this.#last = tids[at];
    this.execution.push(tids[at], ops[at]);
    return at;
  }

  #pick(n: number, tids: readonly number[], ops: readonly OpCode[], enabled: readonly boolean[]): number {
    for (; this.#at < this.#segments.length; this.#next()) {
      const segment = this.#segments[this.#at];
      let at = -1;
      for (let i = 0; i < n; i++)
        if (this.#names.taskName(tids[i]) === segment.task && (at < 0 || !enabled[at])) at = i;
      const stop =
        at >= 0 &&
        segment.site !== null &&
        siteOf(this.#names, ops[at]) === segment.site &&
        ++this.#seen >= segment.nth;
      if (stop) continue;
      if (at < 0 || !enabled[at]) {
        if (!this.#ran || segment.site !== null) this.leftAt ||= this.#at + 1;
        continue;
      }
      this.#ran = true;
      return at;
    }
    let at = -1;
    for (let i = 0; i < n; i++) if (enabled[i] && (at < 0 || tids[i] === this.#last)) at = i;
    return at;
  }

  #next(): void {
    this.#at++;
    this.#seen = 0;
    this.#ran = false;
  }

  succeeded(): void {
    this.execution.succeeded();
  }

  end(n: number, tids: readonly number[], ops: readonly OpCode[]): void {
    if (this.#at < this.#segments.length - 1) this.leftAt ||= this.#at + 1;
    if (this.execution.length > LONGEST) return;
    this.execution.races(this.execution.length, n, tids, ops, () => undefined);
  }
}

/** An interrupt storm has a task an interrupt: the happens-before of more steps than this does not fit in memory. */
const LONGEST = 50_000;
