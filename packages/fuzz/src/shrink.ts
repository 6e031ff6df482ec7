// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program as small as it can be: fewest tasks, then fewest operations, then the simplest arguments. A smaller program
 * counts when the schedule of the finding, as far as it makes sense there, leads to the same cause, or a few others do.
 */
import { Pct, replay, type Segment, segmentsOf } from '@vfio-lab/explore';
import { causesIn } from './cause.ts';
import type { Program } from './program.ts';
import { ProgramSubject } from './subject.ts';

/** A program with a schedule that leads to a cause. */
export interface Case {
  program: Program;
  segments: Segment[];
}

export interface ShrinkOptions {
  revision: string;
  cause: string;
  /** Executions that it may take. */
  budget: number;
  /** Asked between executions; true: be content with what there is. */
  stop: () => boolean | Promise<boolean>;
}

/** Schedules tried on a smaller program besides the one that it had. */
const OTHER_SCHEDULES = 6;

/** Smaller programs, those that leave out most first. */
function* smaller(p: Program): Generator<Program> {
  for (let i = p.tasks.length - 1; i >= 0 && p.tasks.length > 1; i--)
    yield { ...p, tasks: p.tasks.toSpliced(i, 1) };
  for (const [i, task] of p.tasks.entries()) {
    for (const ops of shorter(task.ops)) {
      if (ops.length > 0) yield { ...p, tasks: p.tasks.with(i, { ...task, ops }) };
    }
  }
  for (const setup of shorter(p.setup)) yield { ...p, setup };
  if (p.rest) yield { ...p, rest: false };
  if (p.options !== '') {
    const words = p.options.split(' ');
    for (let i = 0; i < words.length; i++) yield { ...p, options: words.toSpliced(i, 1).join(' ') };
  }
  for (const [i, task] of p.tasks.entries()) {
    for (const ops of simplerOps(task.ops)) yield { ...p, tasks: p.tasks.with(i, { ...task, ops }) };
  }
  for (const setup of simplerOps(p.setup)) yield { ...p, setup };
}

/** A list without one of its halves, quarters, ..., single elements; from the end, on which less depends. */
function* shorter(ops: readonly string[]): Generator<string[]> {
  for (let size = Math.ceil(ops.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let i = ops.length - size; i >= 0; i--) yield ops.toSpliced(i, size);
  }
}

function* simplerOps(ops: readonly string[]): Generator<string[]> {
  for (const [i, op] of ops.entries()) for (const line of simpler(op)) yield ops.with(i, line);
}

/** The operation with less in it: without an option, with one eventfd for two, with a smaller number. */
function* simpler(line: string): Generator<string> {
  const words = line.split(' ');
  const put = (i: number, word: string): string => words.with(i, word).join(' ');
  for (let i = words.length - 1; i > 0; i--) {
    const word = words[i];
    const value = Number(word);
    if (/^(?:wake:|region=|argsz=|stay$)/.test(word)) yield words.toSpliced(i, 1).join(' ');
    else if (/^(?:efd|fds):.*,/.test(word)) yield put(i, word.slice(0, word.lastIndexOf(',')));
    else if (/^(?:0x[0-9a-f]+|\d+)$/i.test(word) && value > 1) {
      yield put(i, '0');
      yield put(i, '1');
    }
  }
}

/** Make a case smaller. What comes back still leads to the cause. */
export async function shrinkProgram(
  start: Case,
  opts: ShrinkOptions,
): Promise<{ case: Case; executions: number }> {
  let best = start;
  let executions = 0;

  /** The schedule that leads to the cause in this program, null: none found. */
  const leads = async (program: Program): Promise<Segment[] | null> => {
    const subject = new ProgramSubject(program, opts.revision);
    executions++;
    const first = await replay(subject, best.segments);
    if (causesIn(first.observation.findings).has(opts.cause))
      return segmentsOf(first.replay.execution, subject);
    const pct = new Pct(1, 3);
    for (let n = 0; n < OTHER_SCHEDULES && executions < opts.budget; n++) {
      pct.begin();
      executions++;
      const { findings } = await subject.run(pct);
      if (causesIn(findings).has(opts.cause)) return segmentsOf(pct.execution, subject);
    }
    return null;
  };

  for (let again = true; again;) {
    again = false;
    for (const program of smaller(best.program)) {
      if (executions >= opts.budget || (await opts.stop())) return { case: best, executions };
      const segments = await leads(program);
      if (segments === null) continue;
      best = { program, segments };
      again = true;
      break;
    }
  }
  return { case: best, executions };
}
