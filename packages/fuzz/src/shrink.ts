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
const OTHER_SCHEDULES = 3;

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

/** Tries smaller programs for as long as the cause stays and the budget lasts. */
class Shrinker {
  best: Case;
  executions = 0;
  /** No more: the budget is used up, or somebody wants it to end. */
  over = false;
  readonly #opts: ShrinkOptions;

  constructor(start: Case, opts: ShrinkOptions) {
    this.best = start;
    this.#opts = opts;
  }

  /** Is this smaller program as good? Then it is the best. */
  async #attempt(program: Program): Promise<boolean> {
    this.over ||= this.executions >= this.#opts.budget || (await this.#opts.stop());
    if (this.over) return false;
    const segments = await this.#leads(program);
    if (segments !== null) this.best = { program, segments };
    return segments !== null;
  }

  /** A schedule that leads to the cause in this program, null: none found. */
  async #leads(program: Program): Promise<Segment[] | null> {
    const { revision, cause } = this.#opts;
    const subject = new ProgramSubject(program, revision);
    this.executions++;
    const first = await replay(subject, this.best.segments);
    if (causesIn(first.observation.findings).has(cause)) return segmentsOf(first.replay.execution, subject);
    const pct = new Pct(1, 3);
    for (let n = 0; n < OTHER_SCHEDULES; n++) {
      pct.begin();
      this.executions++;
      const { findings } = await subject.run(pct);
      if (causesIn(findings).has(cause)) return segmentsOf(pct.execution, subject);
    }
    return null;
  }

  /** Leave out halves, quarters, ..., single elements of a list; from the end, on which less depends. */
  async #shorten<T>(
    list: readonly T[],
    least: number,
    put: (program: Program, list: T[]) => Program,
  ): Promise<void> {
    let rest = [...list];
    for (let size = Math.ceil(rest.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
      for (let i = rest.length - size; i >= 0; i -= size) {
        const shorter = rest.toSpliced(i, size);
        if (shorter.length >= least && (await this.#attempt(put(this.best.program, shorter)))) rest = shorter;
      }
    }
  }

  /** Simpler arguments, one after the other. */
  async #simplify(ops: readonly string[], put: (program: Program, ops: string[]) => Program): Promise<void> {
    const now = [...ops];
    for (let i = 0; i < now.length; i++) {
      for (const line of simpler(now[i])) {
        if (await this.#attempt(put(this.best.program, now.with(i, line)))) {
          now[i] = line;
          i--;
          break;
        }
      }
    }
  }

  /** Everything once. True: it became smaller. */
  async round(): Promise<boolean> {
    const before = this.best;
    const parts: ((ops: readonly string[], put: (p: Program, ops: string[]) => Program) => Promise<void>)[] =
      [
        (ops, put) => this.#shorten(ops, put === putSetup ? 0 : 1, put),
        (ops, put) => this.#simplify(ops, put),
      ];
    await this.#shorten(this.best.program.tasks, 1, (p, tasks) => ({ ...p, tasks }));
    for (const part of parts) {
      for (const { name, ops } of this.best.program.tasks)
        await part(ops, (p, shorter) => ({
          ...p,
          tasks: p.tasks.map((t) => (t.name === name ? { name, ops: shorter } : t)),
        }));
      await part(this.best.program.setup, putSetup);
    }
    const words = this.best.program.options.split(' ').filter((w) => w !== '');
    await this.#shorten(words, 0, (p, options) => ({ ...p, options: options.join(' ') }));
    if (this.best.program.rest === true) await this.#attempt({ ...this.best.program, rest: false });
    return this.best !== before;
  }
}

const putSetup = (p: Program, setup: string[]): Program => ({ ...p, setup });

/** Make a case smaller. What comes back still leads to the cause. */
export async function shrinkProgram(
  start: Case,
  opts: ShrinkOptions,
): Promise<{ case: Case; executions: number }> {
  const shrinker = new Shrinker(start, opts);
  while (!shrinker.over && (await shrinker.round()));
  return { case: shrinker.best, executions: shrinker.executions };
}
