// SPDX-License-Identifier: GPL-2.0-only
import { NOT_STATE, STATE } from './state.ts';

/** What happens at a time. */
export interface Alarm {
  fire(): void;
}

/** Something due at a virtual time. `alarm` is null when the entry only has to make the clock stop there. */
export class ClockEntry {
  readonly at: number;
  readonly seq: number;
  readonly alarm: Alarm | null;
  live = true;

  constructor(at: number, seq: number, alarm: Alarm | null) {
    this.at = at;
    this.seq = seq;
    this.alarm = alarm;
  }

  /** The clock says what the order is. */
  get [NOT_STATE](): readonly string[] {
    return ['seq'];
  }
}

/**
 * The virtual clock: nanoseconds since boot and what is due when.
 *
 * 1. Time never goes back.
 * 2. Entries come out ordered by (time, order of insertion).
 * 3. Nothing here reads the wall clock.
 */
export class Clock {
  now = 0;
  /** When the next entry is due at the latest; Infinity when there is none. */
  next_at = Infinity;
  private _seq = 0;
  private heap: ClockEntry[] = [];

  /** Time passes without anybody waiting: a delay or the cost of a hardware access, in ns. */
  advance(ns: number): void {
    if (ns < 0) throw new Error('the clock cannot go back');
    this.now += ns;
  }

  /** Add an entry at an absolute virtual time in ns. Cancel it by setting `live` to false. */
  add(at: number, alarm: Alarm | null): ClockEntry {
    const entry = new ClockEntry(at, this._seq++, alarm);
    const heap = this.heap;
    let i = heap.push(entry) - 1;
    while (i > 0) {
      const up = (i - 1) >> 1;
      if (!before(entry, heap[up])) break;
      heap[i] = heap[up];
      i = up;
    }
    heap[i] = entry;
    this.next_at = heap[0].at;
    return entry;
  }

  /** The next live entry, or null. */
  peek(): ClockEntry | null {
    const heap = this.heap;
    while (heap.length > 0 && !heap[0].live) this.pop();
    return heap.length > 0 ? heap[0] : null;
  }

  /** Is a live entry due by now? */
  due(): boolean {
    return this.next_at <= this.now && this.peek() !== null && this.next_at <= this.now;
  }

  /** Take out the next live entry and move the clock up to it if it lies ahead. */
  take(): ClockEntry | null {
    const entry = this.peek();
    if (entry === null) return null;
    this.pop();
    if (entry.at > this.now) this.now = entry.at;
    entry.live = false;
    return entry;
  }

  /** Of entries only the order counts, and dead ones stay in the heap for a while. */
  get [NOT_STATE](): readonly string[] {
    return ['heap', 'next_at', '_seq'];
  }

  [STATE](): readonly unknown[] {
    const live = this.heap.filter((entry) => entry.live);
    live.sort((a, b) => (before(a, b) ? -1 : 1));
    return live.flatMap(({ at, alarm }) => [at, alarm]);
  }

  private pop(): void {
    const heap = this.heap;
    const last = heap.pop() as ClockEntry;
    if (heap.length === 0) {
      this.next_at = Infinity;
      return;
    }
    let i = 0;
    for (;;) {
      let down = 2 * i + 1;
      if (down >= heap.length) break;
      if (down + 1 < heap.length && before(heap[down + 1], heap[down])) down++;
      if (!before(heap[down], last)) break;
      heap[i] = heap[down];
      i = down;
    }
    heap[i] = last;
    this.next_at = heap[0].at;
  }
}

function before(a: ClockEntry, b: ClockEntry): boolean {
  return a.at < b.at || (a.at === b.at && a.seq < b.seq);
}
