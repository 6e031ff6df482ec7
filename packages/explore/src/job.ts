// SPDX-License-Identifier: GPL-2.0-only
/*
 * One execution as a unit of work, made of data: where it branches off, and what came of it. A search that has the record
 * of an execution goes on as if it had run it.
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
  /** The branch, and the steps that have to follow. */
  chain: number[];
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
  const chain: number[] = [];
  for (let node: WakeupNode | undefined = wut[before]; node !== undefined; node = node.kids[0])
    chain.push(node.tid, node.op);
  return { prefix, sleep: [...sleep, ...wut.slice(0, before).flatMap(({ tid, op }) => [tid, op])], chain };
}

/** Two jobs for one branch are the same execution when nobody else sleeps and the same steps follow. */
export function sameJob(a: Job, b: Job): boolean {
  return same(a.sleep, b.sleep) && same(a.chain, b.chain) && a.prefix.length === b.prefix.length;
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
    this.steps.push(-1);
    for (let i = 0; i < n; i++) this.steps.push(tids[i], ops[i]);
  }
}

/**
 * Run the execution of a job.
 *
 * @returns null when its branch cannot be taken: the search has to see for itself
 */
export async function record(subject: Subject, job: Job): Promise<Recorded | null> {
  const frame = (tid: number, op: number): Frame => ({ sleep: [], wut: [], tid, op, done: 0, size: 0 });
  const frames: Frame[] = [];
  for (let i = 0; i < job.prefix.length; i += 2) frames.push(frame(job.prefix[i], job.prefix[i + 1]));
  let wut: WakeupNode[] = [];
  for (let i = job.chain.length - 2; i >= 0; i -= 2)
    wut = [{ tid: job.chain[i], op: job.chain[i + 1], kids: wut }];
  frames.push({ ...frame(-1, 0), sleep: [...job.sleep], wut });
  const recorder = new Recorder(frames);
  recorder.begin();
  const observation = await subject.run(recorder);
  return recorder.infeasible > 0 ? null : { steps: Int32Array.from(recorder.steps), observation };
}

/** Numbers of tasks and objects that somebody else has given. */
export interface Numbering {
  tasks: readonly number[];
  objects: readonly number[];
}

export function renumberOp(op: OpCode, to: Numbering): OpCode {
  const kind = kindOf(op);
  return kind === LOCAL || kind === JOIN ? op : opCode(kind, to.objects[objOf(op)]);
}

/** A list of tasks and operations in other numbers. */
export function renumbered(v: readonly number[], to: Numbering): number[] {
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
