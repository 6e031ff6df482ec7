// SPDX-License-Identifier: GPL-2.0-only
/*
 * A branch of a search as a unit of work, made of data: where it branches off, and what came of the executions below it.
 * What is below depends on nothing else. A search that has their records goes on as if it had run them itself.
 */
import { type Chooser, Nondeterminism } from './chooser.ts';
import { Dpor, type Frame, type WakeupNode } from './dpor.ts';
import { JOIN, kindOf, LOCAL, objOf, opCode, type OpCode } from './ops.ts';
import type { Observation, Subject } from './subject.ts';

/** Tasks and operations, alternating, in each list. */
export interface Job {
  /** The steps down to the branch. */
  prefix: number[];
  /** Who sleeps there. */
  sleep: number[];
  /** The branch, and what has to follow. */
  branch: WakeupNode;
}

export interface Recorded {
  /** Per step: n << 2 | got a lock it tried << 1 | time passed, the place chosen, then n times task and operation << 1 | enabled. At the end -1, and the tasks and operations that were blocked. */
  steps: Int32Array;
  observation: Observation;
}

/** What a branch of a frame would be as a job, when `before` others of the frame were run first. */
export function jobOf(frames: readonly Frame[], at: number, before: number): Job {
  const prefix: number[] = [];
  for (let i = 0; i < at; i++) prefix.push(frames[i].tid, frames[i].op);
  const { sleep, wut } = frames[at];
  const asleep = wut.slice(0, before).flatMap(({ tid, op }) => [tid, op]);
  return { prefix, sleep: [...sleep, ...asleep], branch: copyOf(wut[before]) };
}

/** Two jobs for one branch are the same executions when nobody else sleeps and the same has to follow. */
export function sameJob(a: Job, b: Job): boolean {
  return same(a.sleep, b.sleep) && sameNode(a.branch, b.branch) && a.prefix.length === b.prefix.length;
}

/** The wakeup tree of a branch, which goes on growing. */
function copyOf({ tid, op, kids }: WakeupNode): WakeupNode {
  return { tid, op, kids: kids.map(copyOf) };
}

function sameNode(a: WakeupNode, b: WakeupNode): boolean {
  if (a.tid !== b.tid || a.op !== b.op || a.kids.length !== b.kids.length) return false;
  return a.kids.every((kid, i) => sameNode(kid, b.kids[i]));
}

function same(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((x, i) => x === b[i]);
}

/** Follows a job as the search itself would, and writes down what it was asked. */
class Recorder extends Dpor {
  readonly steps: number[] = [];
  #head = 0;

  override choose(
    n: number,
    tids: readonly number[],
    ops: readonly OpCode[],
    enabled: readonly boolean[],
    timePassed: boolean,
  ): number {
    const at = super.choose(n, tids, ops, enabled, timePassed);
    const { steps } = this;
    this.#head = steps.push((n << 2) | (timePassed ? 1 : 0)) - 1;
    steps.push(at);
    for (let i = 0; i < n; i++) steps.push(tids[i], (ops[i] << 1) | (enabled[i] ? 1 : 0));
    return at;
  }

  override succeeded(): void {
    this.steps[this.#head] |= 2;
    super.succeeded();
  }

  override end(n: number, tids: readonly number[], ops: readonly OpCode[]): void {
    super.end(n, tids, ops);
    this.steps.push(-1);
    for (let i = 0; i < n; i++) this.steps.push(tids[i], ops[i]);
  }
}

/**
 * Search below a branch, the first `most` executions.
 *
 * @returns them in order; null when the branch cannot be taken: the search has to see for itself
 */
export async function record(subject: Subject, job: Job, most: number): Promise<Recorded[] | null> {
  const frame = (tid: number, op: number): Frame => ({ sleep: [], wut: [], tid, op, done: 0, size: 0 });
  const frames: Frame[] = [];
  for (let i = 0; i < job.prefix.length; i += 2) frames.push(frame(job.prefix[i], job.prefix[i + 1]));
  const root = frames.push({ ...frame(-1, 0), sleep: [...job.sleep], wut: [job.branch] });
  const recorder = new Recorder(frames);
  const list: Recorded[] = [];
  do {
    recorder.begin();
    const observation = await subject.run(recorder);
    if (list.length === 0 && recorder.infeasible > 0) return null;
    list.push({ steps: Int32Array.from(recorder.steps), observation });
    recorder.steps.length = 0;
    // Other branches of the root are other jobs.
  } while (list.length < most && recorder.advance() && frames.length > root);
  return list;
}

/** Numbers of tasks and objects that somebody else has given. */
export interface Numbering {
  tasks: readonly number[];
  objects: readonly number[];
}

function renumberOp(op: OpCode, to: Numbering): OpCode {
  const kind = kindOf(op);
  return kind === LOCAL || kind === JOIN ? op : opCode(kind, to.objects[objOf(op)]);
}

/** A job in other numbers. */
export function renumberedJob({ prefix, sleep, branch }: Job, to: Numbering): Job {
  const node = ({ tid, op, kids }: WakeupNode): WakeupNode => ({
    tid: to.tasks[tid],
    op: renumberOp(op, to),
    kids: kids.map(node),
  });
  return { prefix: renumbered(prefix, to), sleep: renumbered(sleep, to), branch: node(branch) };
}

/** A list of tasks and operations in other numbers. */
function renumbered(v: readonly number[], to: Numbering): number[] {
  return v.map((x, i) => (i % 2 === 0 ? to.tasks[x] : renumberOp(x, to)));
}

/** Let a chooser go through a recorded execution. `to`: what the numbers in it are here; null: the same. */
export function play({ steps }: Recorded, to: Numbering | null, chooser: Chooser): void {
  const tids: number[] = [];
  const ops: OpCode[] = [];
  const enabled: boolean[] = [];
  let i = 0;
  for (let step = 1; steps[i] >= 0; step++) {
    const head = steps[i++];
    const at = steps[i++];
    const n = head >> 2;
    tids.length = ops.length = enabled.length = n;
    for (let k = 0; k < n; k++, i += 2) {
      const op = steps[i + 1] >> 1;
      tids[k] = to === null ? steps[i] : to.tasks[steps[i]];
      ops[k] = to === null ? op : renumberOp(op, to);
      enabled[k] = (steps[i + 1] & 1) === 1;
    }
    if (chooser.choose(n, tids, ops, enabled, (head & 1) === 1) !== at)
      throw new Nondeterminism(step, `step ${step}: another thread has gone another way`);
    if ((head & 2) !== 0) chooser.succeeded();
  }
  tids.length = ops.length = 0;
  for (i++; i < steps.length; i += 2) {
    tids.push(to === null ? steps[i] : to.tasks[steps[i]]);
    ops.push(to === null ? steps[i + 1] : renumberOp(steps[i + 1], to));
  }
  chooser.end(tids.length, tids, ops);
}
