// SPDX-License-Identifier: GPL-2.0-only
import { InputError } from './input-error.ts';
import { Prng } from './prng.ts';
import type { Task } from './task.ts';

/** Who goes on at a scheduling point. */
export interface Policy {
  readonly name: string;
  /** True: stay with the running task while it can proceed and nothing urgent is pending, without being asked. */
  readonly sticky: boolean;
  /**
   * Pick one of `enabled` (never empty, ordered by task id; the array is only valid during the call).
   * `running` is the task at the point, null when it has just finished.
   */
  pick(running: Task | null, enabled: readonly Task[]): Task;
  /**
   * For a policy that has processors and a notion of time of its own: asked in place of `pick` and of the clock, and told
   * of every new task. `running` is null when the task has ended; the answer null means that nobody will ever go on.
   */
  next?(running: Task | null): Task | null;
  spawned?(task: Task): void;
}

/** Interrupts first, then timers; then the running task; then the next one by id, round robin. */
export class RunToBlock implements Policy {
  readonly name = 'run-to-block';
  readonly sticky = true;
  private last = -1;

  pick(running: Task | null, enabled: readonly Task[]): Task {
    for (const t of enabled) if (t.kind === 'hardirq') return t;
    for (const t of enabled) if (t.kind === 'timer') return t;
    if (running !== null && enabled.includes(running)) return running;
    const from = running !== null ? running.id : this.last;
    const next = enabled.find((t) => t.id > from) ?? enabled[0];
    this.last = next.id;
    return next;
  }
}

/** Every enabled task equally likely at every point. The seed decides everything. */
export class RandomPolicy implements Policy {
  readonly name: string;
  readonly sticky = false;
  private prng: Prng;

  constructor(seed: number) {
    this.name = `random:${seed}`;
    this.prng = new Prng(seed);
  }

  pick(_running: Task | null, enabled: readonly Task[]): Task {
    return enabled.length === 1 ? enabled[0] : enabled[this.prng.below(enabled.length)];
  }
}

/** A recorded schedule as text: task names with run lengths, e.g. `guest*3,host,kworker/pm*2`. */
export function formatSchedule(names: readonly string[]): string {
  const out: string[] = [];
  for (let i = 0; i < names.length;) {
    let n = 1;
    while (i + n < names.length && names[i + n] === names[i]) n++;
    out.push(n === 1 ? names[i] : `${names[i]}*${n}`);
    i += n;
  }
  return out.join(',');
}

/** The inverse of formatSchedule. Throws an InputError naming the part that is not `name` or `name*count`. */
export function parseSchedule(token: string): string[] {
  const names: string[] = [];
  if (token === '') return names;
  for (const [i, part] of token.split(',').entries()) {
    const m = /^([^*\s]+)(?:\*([1-9]\d{0,6}))?$/.exec(part);
    if (m === null) {
      throw new InputError(
        `part ${i + 1} ("${part}") is not a task name with an optional *count`,
        'schedule',
        'give the token as it was printed',
      );
    }
    for (let n = Number(m[2] ?? 1); n > 0; n--) names.push(m[1]);
  }
  return names;
}

/**
 * Follow a recorded schedule: one name for every decision between more than one task. Where the recorded task
 * cannot go (another revision, other code), or the record has ended, go on run-to-block and remember where.
 */
export class ReplayPolicy implements Policy {
  readonly name = 'replay';
  readonly sticky = false;
  /** Decisions taken, and the first one at which the record did not fit (-1: none). */
  decisions = 0;
  left_at = -1;
  private names: readonly string[];
  private rest = new RunToBlock();

  constructor(token: string) {
    this.names = parseSchedule(token);
  }

  pick(running: Task | null, enabled: readonly Task[]): Task {
    if (enabled.length === 1) return enabled[0];
    const want = this.names[this.decisions++];
    if (want === undefined) return this.rest.pick(running, enabled);
    const task = enabled.find((t) => t.name === want);
    if (task !== undefined) return task;
    if (this.left_at < 0) this.left_at = this.decisions - 1;
    return this.rest.pick(running, enabled);
  }
}
