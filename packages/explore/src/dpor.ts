// SPDX-License-Identifier: GPL-2.0-only
/*
 * Optimal dynamic partial-order reduction: source sets, sleep sets and wakeup trees (Abdulla, Aronis, Jonsson,
 * Sagonas, POPL 2014 and JACM 2017), stateless: every execution starts anew and follows the stack of frames.
 */
import { type Chooser, Nondeterminism } from './chooser.ts';
import { Execution, type Race } from './execution.ts';
import { dependent, JOIN, kindOf, LOCAL, objOf, opCode, type OpCode } from './ops.ts';

/** A node of a wakeup tree: do this next, then one of the kids, left to right. */
export interface WakeupNode {
  tid: number;
  op: OpCode;
  kids: WakeupNode[];
}

/** A scheduling point on the stack. */
export interface Frame {
  /** Tasks and operations, alternating, that need not go first from here: what they lead to is explored elsewhere. */
  sleep: number[];
  /** What is still to be tried from here. */
  wut: WakeupNode[];
  /** The branch in progress; -1 for none. */
  tid: number;
  op: OpCode;
  /** Branches that are done, and how many executions those took. */
  done: number;
  size: number;
}

/** What a search of some of what is below a branch has come to. */
export interface Searched {
  executions: number;
  redundant: number;
  deepest: number;
  /** Executions below the branch so far. */
  size: number;
  /** Races that were found with events above, in the order in which they were. */
  above: Race[];
  /** Frames of what is still to be searched below; none: nothing is. */
  left: Frame[];
}

/** What the numbers of tasks and objects stand for, in their order: names that mean the same everywhere. */
export interface NameTable {
  tasks: readonly string[];
  objects: readonly string[];
}

/** What is left of a search, for a file or another process. */
export interface Left {
  version: 2;
  names: NameTable;
  frames: Frame[];
}

/** The tables that numbers of tasks and objects belong to. */
export interface Tables {
  taskKeys(): readonly string[];
  objKeys(): readonly string[];
  taskId(key: string): number;
  objId(key: string): number;
}

const NOT_FIRST = -2;
const NOT_IN = -1;

/**
 * Where in v the first event of task t is, when that can come first, or NOT_IN; NOT_FIRST when it cannot.
 *
 * @param gone by event: 1 when it has been taken out of v
 */
function initial(t: number, op: OpCode, v: readonly number[], gone?: Uint8Array): number {
  for (let i = 0; i < v.length; i += 2) {
    if (gone !== undefined && gone[i >> 1] === 1) continue;
    if (v[i] === t) return i;
    if (dependent(v[i + 1], op)) return NOT_FIRST;
  }
  return NOT_IN;
}

/** Put v into a wakeup tree unless something there leads to it already. True: the tree has grown. */
export function insertWakeup(wut: WakeupNode[], v: readonly number[]): boolean {
  let level = wut;
  const gone = new Uint8Array(v.length >> 1);
  let left = gone.length;
  for (;;) {
    let next: WakeupNode | null = null;
    for (const node of level) {
      const at = initial(node.tid, node.op, v, gone);
      if (at === NOT_FIRST) continue;
      if (node.kids.length === 0 || (at !== NOT_IN && left === 1)) return false;
      if (at !== NOT_IN) {
        gone[at >> 1] = 1;
        left--;
      }
      next = node;
      break;
    }
    if (next === null) break;
    level = next.kids;
  }
  let kids: WakeupNode[] = [];
  for (let i = v.length - 2; i >= 0; i -= 2)
    if (gone[i >> 1] === 0) kids = [{ tid: v[i], op: v[i + 1], kids }];
  level.push(kids[0]);
  return true;
}

/** Is everything that starts with v explored from this frame already, or being explored? */
export function covered(sleep: readonly number[], v: readonly number[]): boolean {
  for (let i = 0; i < sleep.length; i += 2) if (initial(sleep[i], sleep[i + 1], v) !== NOT_FIRST) return true;
  return false;
}

function asleep(sleep: readonly number[], t: number): boolean {
  for (let i = 0; i < sleep.length; i += 2) if (sleep[i] === t) return true;
  return false;
}

/** The sleep set below a branch: who sleeps on, because what was done does not concern it. */
export function sleepBelow(sleep: readonly number[], t: number, op: OpCode): number[] {
  const below: number[] = [];
  for (let i = 0; i < sleep.length; i += 2) {
    if (sleep[i] !== t && !dependent(sleep[i + 1], op)) below.push(sleep[i], sleep[i + 1]);
  }
  return below;
}

export function namesOf(tables: Tables): NameTable {
  return { tasks: [...tables.taskKeys()], objects: [...tables.objKeys()] };
}

/** What numbers of tasks and objects in somebody else's table are here. */
export interface Numbering {
  readonly tasks: readonly number[];
  readonly objects: readonly number[];
}

/** Numbers of tasks and objects turned into those of another table. */
export class Renumber {
  readonly #tasks: readonly number[];
  readonly #objects: readonly number[];

  constructor({ tasks, objects }: Numbering) {
    this.#tasks = tasks;
    this.#objects = objects;
  }

  static between(from: NameTable, to: Tables): Renumber {
    return new Renumber({
      tasks: from.tasks.map((key) => to.taskId(key)),
      objects: from.objects.map((key) => to.objId(key)),
    });
  }

  #op(code: OpCode): OpCode {
    const kind = kindOf(code);
    return opCode(kind, kind === LOCAL || kind === JOIN ? 0 : this.#objects[objOf(code)]);
  }

  /** Tasks and operations, alternating. */
  events(v: readonly number[]): number[] {
    return v.map((x, i) => (i % 2 === 0 ? this.#tasks[x] : this.#op(x)));
  }

  #node(n: WakeupNode): WakeupNode {
    return { tid: this.#tasks[n.tid], op: this.#op(n.op), kids: n.kids.map((k) => this.#node(k)) };
  }

  frame(f: Frame): Frame {
    return {
      ...f,
      sleep: this.events(f.sleep),
      wut: f.wut.map((n) => this.#node(n)),
      tid: f.tid < 0 ? -1 : this.#tasks[f.tid],
      op: f.tid < 0 ? 0 : this.#op(f.op),
    };
  }
}

/**
 * The search. Run executions with it as chooser while advance() says that there are more. Of every class of executions
 * (happens-before graph) at least one is run, and nothing is run twice unless waits or dropped branches made that
 * necessary (counted).
 */
export class Dpor implements Chooser {
  readonly frames: Frame[];
  readonly execution = new Execution();
  executions = 0;
  /** Executions of which another one is known to be equivalent. */
  redundant = 0;
  /** Branches that could not be taken when it came to them. */
  infeasible = 0;
  races = 0;
  /** Points with more than one enabled task in the last execution, and the longest execution so far. */
  deepest = 0;
  #pos = 0;
  /** Events before this one are the same as in an execution before, and their races are known. */
  #old = 0;
  #fresh = true;
  #redundant = false;
  #last = -1;
  /** Frames below this number are there from before. */
  #resumed = 0;
  #dead = false;

  /** @param frames where to go on; none: search everything */
  constructor(frames: Frame[] = []) {
    this.frames = frames;
    if (frames.length > 0) {
      this.#old = frames.length - 1;
      this.#fresh = false;
    }
  }

  /** A new execution begins. */
  begin(): void {
    this.execution.reset();
    this.#pos = 0;
    this.#last = -1;
    this.#redundant = false;
    this.#dead = false;
    this.#resumed = this.frames.length;
  }

  choose(
    n: number,
    tids: readonly number[],
    ops: readonly OpCode[],
    enabled: readonly boolean[],
    timePassed: boolean,
  ): number {
    const { frames, execution } = this;
    execution.observe(n, tids, ops, enabled, timePassed);
    const pos = this.#pos++;
    let frame = frames[pos];
    let at = -1;
    if (frame !== undefined && frame.tid >= 0) {
      at = tids.indexOf(frame.tid);
      if (at < 0 || at >= n || ops[at] !== frame.op || !enabled[at])
        this.#lost(pos, frame, n, tids, ops, enabled);
    } else {
      if (frame === undefined) {
        const up = frames[pos - 1];
        frame = {
          sleep: up === undefined ? [] : sleepBelow(up.sleep, up.tid, up.op),
          wut: this.#below,
          tid: -1,
          op: 0,
          done: 0,
          size: 0,
        };
        frames.push(frame);
      }
      at = this.#branch(frame, pos, n, tids, ops, enabled);
    }
    this.#last = tids[at];
    execution.push(tids[at], ops[at]);
    return at;
  }

  /** Wakeup tree for the next frame. */
  #below: WakeupNode[] = [];

  #branch(
    frame: Frame,
    pos: number,
    n: number,
    tids: readonly number[],
    ops: readonly OpCode[],
    enabled: readonly boolean[],
  ): number {
    let at = -1;
    const { wut } = frame;
    const resumed = frame.sleep.length > 0 && pos < this.#resumed;
    this.#below = [];
    while (wut.length > 0 && at < 0) {
      const node = wut.shift() as WakeupNode;
      for (let i = 0; i < n; i++) if (tids[i] === node.tid && enabled[i]) at = i;
      if (at < 0) this.infeasible++;
      else this.#below = node.kids;
    }
    if (at < 0) {
      for (let i = 0; i < n; i++) {
        if (!enabled[i] || asleep(frame.sleep, tids[i])) continue;
        if (at < 0 || tids[i] === this.#last) at = i;
      }
    }
    if (at < 0) {
      if (resumed) this.#dead = true;
      else this.#redundant = true;
      at = enabled.indexOf(true);
      for (let i = 0; i < n; i++) if (enabled[i] && tids[i] === this.#last) at = i;
    }
    frame.tid = tids[at];
    frame.op = ops[at];
    if (!asleep(frame.sleep, frame.tid)) frame.sleep.push(frame.tid, frame.op);
    return at;
  }

  succeeded(): void {
    this.execution.succeeded();
  }

  end(n: number, tids: readonly number[], ops: readonly OpCode[]): void {
    const { frames, execution } = this;
    this.executions++;
    if (this.#dead) {
      // Nothing new was left to do at the frame that this execution was for.
      frames.length = this.#resumed;
      this.redundant++;
      execution.races(execution.length, n, tids, ops, () => undefined);
      return;
    }
    if (this.#redundant) this.redundant++;
    if (this.#pos > this.deepest) this.deepest = this.#pos;
    execution.races(this.#fresh ? 0 : this.#old, n, tids, ops, (race) => this.reverse(race));
  }

  /** A race was found: its reversal will be tried, unless that is done elsewhere. */
  protected reverse({ at, v }: Race): void {
    const frame = this.frames[at];
    if (!covered(frame.sleep, v) && insertWakeup(frame.wut, v)) this.races++;
  }

  /** Go to the next execution. False: there is none, everything is searched. */
  advance(): boolean {
    return this.#leave(1);
  }

  /**
   * Go into the next branch of the last frame without running it, because somebody else has; adopt() follows.
   *
   * @returns the frame's number
   */
  enter(): number {
    const at = this.frames.length - 1;
    const frame = this.frames[at];
    const { tid, op } = frame.wut.shift() as WakeupNode;
    frame.tid = tid;
    frame.op = op;
    if (!asleep(frame.sleep, tid)) frame.sleep.push(tid, op);
    return at;
  }

  /**
   * Take over what somebody else has searched below a branch, and go to the next execution.
   *
   * @param at the frame of the branch, see enter()
   * @returns as advance()
   */
  adopt(at: number, part: Searched): boolean {
    const { frames } = this;
    frames.length = at + 1;
    this.executions += part.executions;
    this.redundant += part.redundant;
    if (part.deepest > this.deepest) this.deepest = part.deepest;
    for (const race of part.above) this.reverse(race);
    if (part.left.length === 0) return this.#leave(part.size);
    frames.push(...part.left);
    this.#old = frames.length - 1;
    this.#fresh = false;
    return true;
  }

  /** An execution has been run, or a branch of the last frame has been searched, which took `size` executions. */
  #leave(last: number): boolean {
    const { frames } = this;
    let size = last;
    while (frames.length > 0) {
      const top = frames[frames.length - 1];
      top.done++;
      size = top.size += size;
      if (top.wut.length > 0) {
        top.tid = -1;
        this.#old = frames.length - 1;
        this.#fresh = false;
        return true;
      }
      frames.pop();
    }
    return false;
  }

  /**
   * About how many executions are left: a branch that has not been started takes as many as those beside it, on the mean
   * (Knuth's estimate of a tree).
   */
  remaining(): number {
    let left = 0;
    let below = 1;
    for (let i = this.frames.length - 1; i >= 0; i--) {
      const { done, size, wut, tid } = this.frames[i];
      const started = done + (tid >= 0 ? 1 : 0);
      const mean = started > 0 ? (size + below) / started : 1;
      left += wut.length * mean;
      below += size + wut.length * mean;
    }
    return left;
  }

  /** What is left to do, after advance(). */
  left(tables: Tables): Left {
    return { version: 2, names: namesOf(tables), frames: structuredClone(this.frames) };
  }

  /** Take up a search where it was left. */
  static resume({ names, frames }: Left, tables: Tables): Dpor {
    const renumber = Renumber.between(names, tables);
    return new Dpor(frames.map((f) => renumber.frame(f)));
  }

  #lost(
    pos: number,
    frame: Frame,
    n: number,
    tids: readonly number[],
    ops: readonly OpCode[],
    enabled: readonly boolean[],
  ): never {
    const at = tids.indexOf(frame.tid);
    const what =
      at < 0 || at >= n
        ? 'task is not there'
        : !enabled[at]
          ? 'task cannot go on'
          : `task does ${ops[at]}, not ${frame.op}`;
    throw new Nondeterminism(pos, `step ${pos + 1}, task ${frame.tid}: the ${what}`);
  }
}
