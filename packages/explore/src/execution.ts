// SPDX-License-Identifier: GPL-2.0-only
import {
  ACQUIRE,
  ACQUIRE_SHARED,
  ADD,
  dependent,
  isAcquire,
  isRelease,
  isTry,
  isWait,
  JOIN,
  kindOf,
  LOCAL,
  objOf,
  type OpCode,
  RELEASE,
  TRY,
  TRY_SHARED,
} from './ops.ts';

/** An event that may be reversed: what has to run instead from event `at` on. */
export interface Race {
  at: number;
  /** Tasks and operations, alternating: t0, op0, t1, op1, ... */
  v: number[];
}

/** Numbers of events. Emptied often, which is slow for an array of its own length. */
class Events {
  readonly of: number[] = [];
  n = 0;

  add(event: number): void {
    this.of[this.n++] = event;
  }
}

/** What an execution did to one object. Valid while `stamp` is that of the execution. */
class ObjectState {
  stamp = 0;
  /** The last event that may have changed it, and those that read it since. */
  write = -1;
  readonly reads = new Events();
  /** Those that added to it since. Reads among themselves are not ordered, nor are additions. */
  readonly adds = new Events();
  /** The same for those that took it, releases left out. */
  taken = -1;
  readonly taken_shared = new Events();
  /** Everything that was done to it. */
  readonly all = new Events();
  /** Held exclusively. */
  exclusive = false;

  begin(stamp: number): void {
    this.stamp = stamp;
    this.write = -1;
    this.taken = -1;
    this.reads.n = this.adds.n = this.taken_shared.n = this.all.n = 0;
    this.exclusive = false;
  }
}

const NONE = new Events();

/** What an acquisition depends on since the lock was last taken exclusively. */
function takenSince(o: ObjectState, kind: number): Events {
  return kind === ACQUIRE ? o.taken_shared : NONE;
}

/** What an access depends on since the last write. */
function changedSince(o: ObjectState, kind: number): Events {
  if ((kind & 1) === 0) return o.adds;
  if (kind === ADD || o.adds.n === 0) return o.reads;
  const both = new Events();
  const events = [...o.reads.of.slice(0, o.reads.n), ...o.adds.of.slice(0, o.adds.n)];
  for (const event of events.sort((a, b) => a - b)) both.add(event);
  return both;
}

/** One step as recorded, for reports: task and operation. */
export interface Step {
  tid: number;
  op: OpCode;
}

/**
 * The record of one execution: which task did what, and what enabled it. After the end it gives the happens-before order
 * and the races in it that can be reversed (the rules R1 to R4 for blocking operations).
 */
export class Execution {
  length = 0;
  readonly tid: number[] = [];
  readonly op: OpCode[] = [];
  /** 1: a try that got the lock. */
  readonly ok: number[] = [];
  /** The event that made this one possible (it was seen disabled before), -1 for none. */
  readonly enabler: number[] = [];
  /** Events before this number happen before everything from it on: time passed in between. */
  readonly barrier: number[] = [];
  /** Number of the event among those of its task, from 1. */
  readonly seq: number[] = [];

  /** After races(): the tasks that were blocked at the end, and what each was about to do. */
  readonly blocked = new Map<number, OpCode>();

  /** By task: the event that started it, its last event, its count. -2: unknown task. */
  readonly #parent: number[] = [];
  readonly #last: number[] = [];
  readonly #count: number[] = [];
  /** By task: it was disabled when last seen; the event that enabled it since. */
  readonly #disabled: boolean[] = [];
  readonly #enabledBy: number[] = [];
  /** By task: the events since it announced its operation that took away the chance to do it. */
  readonly #disablers: number[][] = [];
  /** By event: the same, of those that waited. */
  readonly #shut = new Map<number, number[]>();
  #known: number[] = [];
  #barrierNow = 0;

  #width = 8;
  #clock = new Int32Array(8 * 256);
  #clockLength = 0;
  /** So many events are as they were in the execution before: their clocks stand. */
  #same = 0;
  /** What `ok` of the last event was there. */
  #okThen = 0;
  /** For fingerprint(): the sums up to each of the first events, as many as still hold, and by which hashes. */
  readonly #sums = { a: [] as number[], b: [] as number[] };
  #summed = 0;
  #numbers: Numbers | null = null;
  #objects: ObjectState[] = [];
  #stamp = 0;

  /** Forget everything: a new execution begins. */
  reset(): void {
    for (const t of this.#known) this.#parent[t] = -2;
    this.#known.length = 0;
    this.length = 0;
    this.#same = 0;
    this.#barrierNow = 0;
    if (this.#shut.size > 0) this.#shut.clear();
  }

  /** Tasks seen so far in this execution. */
  get tasks(): readonly number[] {
    return this.#known;
  }

  /** What the tasks are about to do, before the next choice. `timePassed`: everything so far happens before what follows. */
  observe(
    n: number,
    tids: readonly number[],
    ops: readonly OpCode[],
    enabled: readonly boolean[],
    timePassed: boolean,
  ): void {
    const event = this.length - 1;
    if (timePassed) this.#barrierNow = this.length;
    for (let i = 0; i < n; i++) {
      const t = tids[i];
      const parent = this.#parent[t];
      if (parent === undefined || parent === -2) {
        this.#known.push(t);
        for (let k = this.#parent.length; k <= t; k++) {
          this.#parent.push(-2);
          this.#last.push(-1);
          this.#count.push(0);
          this.#disabled.push(false);
          this.#enabledBy.push(-1);
          this.#disablers.push([]);
        }
        this.#parent[t] = event;
        this.#last[t] = -1;
        this.#count[t] = 0;
        this.#disabled[t] = !enabled[i];
        this.#enabledBy[t] = -1;
        if (this.#disablers[t].length > 0) this.#disablers[t].length = 0;
      } else if (this.#disabled[t]) {
        if (enabled[i]) {
          this.#disabled[t] = false;
          this.#enabledBy[t] = event;
        }
      } else if (!enabled[i]) {
        this.#disabled[t] = true;
        if (this.#last[t] !== event) this.#disablers[t].push(event);
      }
    }
  }

  /** The next event. */
  push(t: number, op: OpCode): void {
    this.#settle();
    const j = this.length++;
    const enabler = isAcquire(kindOf(op)) ? -1 : this.#enabledBy[t];
    const barrier = this.#barrierNow;
    if (this.#same === j && j < this.#clockLength) {
      this.#okThen = this.ok[j];
      if (
        this.tid[j] === t &&
        this.op[j] === op &&
        this.enabler[j] === enabler &&
        this.barrier[j] === barrier
      )
        this.#same++;
    }
    this.tid[j] = t;
    this.op[j] = op;
    this.ok[j] = 0;
    if (this.#disablers[t].length > 0) {
      if (isWait(kindOf(op))) this.#shut.set(j, this.#disablers[t].slice());
      this.#disablers[t].length = 0;
    }
    this.enabler[j] = enabler;
    this.barrier[j] = barrier;
    this.seq[j] = ++this.#count[t];
    this.#last[t] = j;
    this.#enabledBy[t] = -1;
    this.#disabled[t] = false;
  }

  /** The last event was a try, and it got the lock. */
  succeeded(): void {
    this.ok[this.length - 1] = 1;
  }

  /** It is known now what came of the last event. */
  #settle(): void {
    const last = this.length - 1;
    if (last >= 0 && this.#same > last && this.ok[last] !== this.#okThen) this.#same = last;
  }

  /** Does event i happen before event j (or is it j)? After order(). */
  before(i: number, j: number): boolean {
    return this.#clock[j * this.#width + this.tid[i]] >= this.seq[i];
  }

  #object(op: OpCode): ObjectState {
    const o = objOf(op);
    for (let k = this.#objects.length; k <= o; k++) this.#objects.push(new ObjectState());
    const state = this.#objects[o];
    if (state.stamp !== this.#stamp) state.begin(this.#stamp);
    return state;
  }

  #join(at: number, from: number): void {
    const clock = this.#clock;
    const width = this.#width;
    for (let k = 0; k < width; k++) {
      const c = clock[from * width + k];
      if (c > clock[at * width + k]) clock[at * width + k] = c;
    }
  }

  /** The clock of what an event of task t at row `at` follows whatever it does: its own past, and the time that passed. */
  #base(at: number, t: number, prior: number, barrier: number): void {
    const clock = this.#clock;
    const width = this.#width;
    clock.fill(0, at * width, (at + 1) * width);
    if (prior >= 0) this.#join(at, prior);
    else if (this.#parent[t] >= 0) this.#join(at, this.#parent[t]);
    if (barrier > 0) {
      // Rare enough to be slow.
      for (let i = barrier - 1; i >= 0; i--) {
        const c = at * width + this.tid[i];
        if (this.seq[i] > clock[c]) clock[c] = this.seq[i];
      }
    }
  }

  #room(): void {
    let widest = 0;
    for (const t of this.#known) if (t >= widest) widest = t + 1;
    const width = this.#width;
    while (this.#width < widest) this.#width *= 2;
    const need = this.#width * (this.length + 1);
    if (this.#clock.length >= need && this.#width === width) return;
    this.#clock = new Int32Array(need * 2);
    this.#same = 0;
  }

  /**
   * Compute happens-before and find the reversible races whose second event has number `from` or more, or is a blocked
   * operation at the end (given as tasks and operations).
   */
  races(
    from: number,
    blocked: number,
    tids: readonly number[],
    ops: readonly OpCode[],
    found: (race: Race) => void,
  ): void {
    this.#stamp++;
    this.#settle();
    this.#room();
    this.blocked.clear();
    for (let b = 0; b < blocked; b++) this.blocked.set(tids[b], ops[b]);
    const { tid, op, seq, enabler, length } = this;
    const pairs: number[] = [];
    const priors: number[] = [];
    const width = this.#width;
    for (const t of this.#known) priors[t] = -1;
    const same = Math.min(this.#same, from);
    if (this.#summed > same) this.#summed = same;
    for (let j = 0; j < same; j++) {
      this.#remember(j, op[j]);
      priors[tid[j]] = j;
    }
    for (let j = same; j < length; j++) {
      const t = tid[j];
      this.#base(j, t, priors[t], this.barrier[j]);
      if (j >= from && isWait(kindOf(op[j])))
        this.#windows(j, t, op[j], priors[t], enabler[j], this.#shut.get(j), pairs, -1);
      if (enabler[j] >= 0) this.#join(j, enabler[j]);
      if (j >= from) this.#candidates(j, j, t, op[j], enabler[j], pairs);
      this.#link(j, op[j]);
      this.#remember(j, op[j]);
      this.#clock[j * width + t] = seq[j];
      priors[t] = j;
    }
    this.#clockLength = length;
    for (let b = 0; b < blocked && from < length; b++) {
      const t = tids[b];
      const prior = this.#count[t] > 0 ? this.#last[t] : -1;
      this.#base(length, t, prior, this.#barrierNow);
      if (isWait(kindOf(ops[b]))) this.#windows(length, t, ops[b], prior, -1, this.#disablers[t], pairs, b);
      this.#candidates(length, length, t, ops[b], -1, pairs, b);
    }
    for (let p = 0; p < pairs.length; p += 3) {
      const [i, j, b] = [pairs[p], pairs[p + 1], pairs[p + 2]];
      const v = this.#reversal(i, j, b < 0 ? tid[j] : tids[b], b < 0 ? op[j] : ops[b]);
      if (v !== null) found({ at: i, v });
    }
  }

  #joinAll(at: number, { of, n }: Events): void {
    for (let i = 0; i < n; i++) this.#join(at, of[i]);
  }

  /** Happens-before edges that come from the object. */
  #link(j: number, op: OpCode): void {
    const kind = kindOf(op);
    if (kind === LOCAL || kind === JOIN) return;
    const o = this.#object(op);
    if (o.write >= 0) this.#join(j, o.write);
    if (kind !== ADD) this.#joinAll(j, o.adds);
    if ((kind & 1) === 1) this.#joinAll(j, o.reads);
  }

  /** The object remembers the event. */
  #remember(j: number, op: OpCode): void {
    const kind = kindOf(op);
    if (kind === LOCAL || kind === JOIN) return;
    const o = this.#object(op);
    o.all.add(j);
    if (kind === ADD) {
      o.adds.add(j);
      return;
    }
    const shared = (kind & 1) === 0;
    if (shared) {
      o.reads.add(j);
    } else {
      o.reads.n = o.adds.n = 0;
      o.write = j;
    }
    if (kind === RELEASE) o.exclusive = false;
    if (isRelease(kind) || (isTry(kind) && this.ok[j] === 0)) return;
    if (kind === ACQUIRE || kind === TRY) o.exclusive = true;
    if (shared) {
      o.taken_shared.add(j);
    } else {
      o.taken_shared.n = 0;
      o.taken = j;
    }
  }

  /** Events that race with event j of task t (or its pending operation when j is the length); row `at` has its base. */
  #candidates(
    at: number,
    j: number,
    t: number,
    op: OpCode,
    enabler: number,
    pairs: number[],
    blocked = -1,
  ): void {
    const kind = kindOf(op);
    if (kind === LOCAL || kind === JOIN) return;
    const o = this.#object(op);
    const acquire = isAcquire(kind);
    const last = acquire ? o.taken : o.write;
    const since = acquire ? takenSince(o, kind) : changedSince(o, kind);
    // Readers kept a writer's try from succeeding; another reader may just as well come first.
    if (
      kind === ACQUIRE_SHARED &&
      o.write > last &&
      kindOf(this.op[o.write]) === TRY &&
      this.ok[o.write] === 0 &&
      !o.exclusive
    ) {
      this.#candidate(at, o.write, j, t, kind, enabler, pairs, blocked);
    }
    if (since.n === 0) {
      if (last >= 0) this.#candidate(at, last, j, t, kind, enabler, pairs, blocked);
      return;
    }
    const { of, n } = since;
    for (let a = 0; a < n; a++) {
      let immediate = true;
      for (let b = a + 1; b < n && immediate; b++) {
        if (this.before(of[a], of[b]) && (!acquire || this.#releasedBefore(of[a], of[b]))) immediate = false;
      }
      if (immediate) this.#candidate(at, of[a], j, t, kind, enabler, pairs, blocked);
    }
  }

  /**
   * A wait may have had its chance before: just before an event that took it away, or, when it was not waiting yet, before
   * any event on its object. Those need not be the last ones, so immediacy does not count here.
   */
  #windows(
    at: number,
    t: number,
    op: OpCode,
    prior: number,
    enabler: number,
    shut: readonly number[] | undefined,
    pairs: number[],
    blocked: number,
  ): void {
    const announced = prior >= 0 ? prior : this.#parent[t];
    if (kindOf(op) !== JOIN) {
      const { of, n } = this.#object(op).all;
      for (let k = 0; k < n; k++) {
        const i = of[k];
        if (i <= announced && dependent(this.op[i], op))
          this.#candidate(at, i, at, t, kindOf(op), enabler, pairs, blocked);
      }
    }
    if (shut !== undefined)
      for (const i of shut) this.#candidate(at, i, at, t, kindOf(op), enabler, pairs, blocked);
  }

  /** Was x, a shared hold, given up before event y? */
  #releasedBefore(x: number, y: number): boolean {
    const obj = objOf(this.op[x]);
    for (let z = x + 1; z < y; z++) {
      if (this.tid[z] === this.tid[x] && objOf(this.op[z]) === obj && isRelease(kindOf(this.op[z])))
        return true;
    }
    return false;
  }

  #candidate(
    at: number,
    i: number,
    j: number,
    t: number,
    kind: number,
    enabler: number,
    pairs: number[],
    blocked: number,
  ): void {
    if (this.tid[i] === t || i === enabler) return;
    if (this.#clock[at * this.#width + this.tid[i]] >= this.seq[i]) return;
    // A release is only in a race with what it lets succeed or what watches the lock, not with other holders.
    const other = kindOf(this.op[i]);
    if (isRelease(kind) && (isAcquire(other) || isRelease(other))) return;
    pairs.push(i, j, blocked);
  }

  /** What is not ordered after event i (nor after j), then the racing operation. */
  #reversal(i: number, j: number, t: number, op: OpCode): number[] | null {
    const events: number[] = [];
    for (let x = i + 1; x < this.length; x++) {
      if (x === j || this.before(i, x)) continue;
      if (x > j && this.before(j, x)) continue;
      events.push(x);
    }
    if (isAcquire(kindOf(op))) {
      if (this.#holds(j, t, op)) return null;
      this.#makeFree(events, t, op);
    }
    const v: number[] = [];
    for (const x of events) v.push(this.tid[x], this.op[x]);
    v.push(t, op);
    return v;
  }

  /** Has task t the lock already, when it asks for it at j? Then no order of events will give it. */
  #holds(j: number, t: number, op: OpCode): boolean {
    let held = 0;
    for (let x = 0; x < j; x++) {
      const xop = this.op[x];
      if (this.tid[x] !== t || objOf(xop) !== objOf(op) || !dependent(xop, op)) continue;
      const kind = kindOf(xop);
      if (isRelease(kind)) held--;
      else if (isAcquire(kind) || this.ok[x] === 1) held++;
    }
    return held > 0;
  }

  /** Take out holders that never let go of the lock, with what comes after them, until it is free at the end. */
  #makeFree(events: number[], t: number, op: OpCode): void {
    const obj = objOf(op);
    for (;;) {
      const held: number[] = [];
      for (const x of events) {
        const xop = this.op[x];
        if (objOf(xop) !== obj || this.tid[x] === t) continue;
        const kind = kindOf(xop);
        if (isRelease(kind)) {
          const h = held.findIndex((y) => this.tid[y] === this.tid[x]);
          if (h >= 0) held.splice(h, 1);
        } else if (
          (isAcquire(kind) || ((kind === TRY || kind === TRY_SHARED) && this.ok[x] === 1)) &&
          dependent(xop, op)
        ) {
          held.push(x);
        }
      }
      const bad = held[0];
      if (bad === undefined) return;
      let n = 0;
      for (const x of events) if (!this.before(bad, x)) events[n++] = x;
      events.length = n;
    }
  }

  /**
   * A number for the happens-before graph of the whole execution: equal for equivalent executions, and as good as never
   * for others. After races(). `numbers`: hashes of what tasks and objects are called.
   */
  fingerprint(numbers: Numbers): string {
    if (this.#numbers !== numbers) this.#summed = 0;
    this.#numbers = numbers;
    const { a: sumsA, b: sumsB } = this.#sums;
    const from = Math.min(this.#summed, this.#clockLength);
    let a = from > 0 ? sumsA[from - 1] : 0;
    let b = from > 0 ? sumsB[from - 1] : 0;
    const width = this.#width;
    for (let j = from; j < this.#clockLength; j++) {
      const op = this.op[j];
      const own = Math.imul(numbers.taskHash(this.tid[j]), 0x9e3779b1);
      let h = own ^ Math.imul(numbers.objHash(objOf(op)) + kindOf(op), 0x85ebca6b);
      let g = h ^ 0x5bd1e995;
      for (const t of this.#known) {
        const c = this.#clock[j * width + t];
        if (c === 0) continue;
        // A sum: tasks are not known in the same order everywhere.
        const past = Math.imul(numbers.taskHash(t) + c, 0xc2b2ae35);
        h = (h + Math.imul(past ^ (past >>> 15), 0x27d4eb2f)) | 0;
        g = (g + Math.imul(past ^ (past >>> 13), 0x165667b1)) | 0;
      }
      a = (a + Math.imul(h ^ (h >>> 16), 0x85ebca6b)) | 0;
      b = (b + Math.imul(g ^ (g >>> 15), 0x9e3779b1)) | 0;
      sumsA[j] = a;
      sumsB[j] = b;
    }
    this.#summed = this.#clockLength;
    return `${(a >>> 0).toString(36)}.${(b >>> 0).toString(36)}.${this.#clockLength}`;
  }
}

/** What tasks and objects are known by in every process. */
export interface Numbers {
  taskHash(tid: number): number;
  objHash(obj: number): number;
}
