// SPDX-License-Identifier: GPL-2.0-only
import type { Schedule } from '@vfio-lab/scenarios';
import { type Policy, Prng, type Task } from '@vfio-lab/sim';

/** Where the changes of priority are, at most: a run of one of our programs takes some hundred steps. */
const LENGTHS = [60, 150, 400, 1000];
const CHANGES = 3;
/** From here on everybody gets a turn, or who waits for somebody of lower priority by trying would wait for ever. */
const FAIR_FROM = 3000;

/**
 * Priorities, as in PCT (Burckhardt and others, ASPLOS 2010): every task has one by lot, and the highest that can goes on;
 * at some steps by lot the running task gets the lowest. Long stretches of one task, which uniform choices do not have.
 */
export class Priorities implements Policy {
  readonly name: string;
  readonly sticky = false;
  private readonly prng: Prng;
  private readonly priority = new Map<Task, number>();
  private readonly changes = new Set<number>();
  private steps = 0;
  private lowest = 0;

  constructor(seed: number) {
    this.name = `priorities:${seed}`;
    this.prng = new Prng(seed);
    const length = LENGTHS[this.prng.below(LENGTHS.length)];
    for (let i = 0; i < CHANGES; i++) this.changes.add(this.prng.below(length));
  }

  pick(running: Task | null, enabled: readonly Task[]): Task {
    if (enabled.length === 1) return enabled[0];
    if (this.steps++ > FAIR_FROM) return enabled[this.prng.below(enabled.length)];
    if (running !== null && this.changes.has(this.steps)) this.priority.set(running, --this.lowest);
    let best = enabled[0];
    for (const task of enabled) if (this.of(task) > this.of(best)) best = task;
    return best;
  }

  private of(task: Task): number {
    let value = this.priority.get(task);
    if (value === undefined) this.priority.set(task, (value = 1 + this.prng.below(1_000_000)));
    return value;
  }
}

/** Every other schedule is one of priorities. */
export function scheduleOf(seed: number): Schedule {
  return seed % 2 === 0 ? { kind: 'random', seed } : { kind: 'policy', policy: new Priorities(seed) };
}
