// SPDX-License-Identifier: GPL-2.0-only

/** Bits of an epoch that are its slot: room for more tasks that nothing orders than a search ever has. */
const SLOT_BITS = 10;
const SLOTS = 1 << SLOT_BITS;
/** The last time that an epoch has room for. */
const LAST = 2 ** (31 - SLOT_BITS) - 1;

/** What is known to be over: for each slot the time up to which it is. Grows as slots are given out. */
export class VectorClock {
  times = new Int32Array(8);

  /** From here on everything that `other` knows to be over is over here, too. */
  join(other: VectorClock): void {
    const from = other.times;
    if (from.length > this.times.length) this.grow(from.length);
    const to = this.times;
    for (let i = 0; i < from.length; i++) if (from[i] > to[i]) to[i] = from[i];
  }

  /** Is the moment `epoch` over? */
  covers(epoch: number): boolean {
    const slot = epoch & (SLOTS - 1);
    return slot < this.times.length && this.times[slot] >= epoch >> SLOT_BITS;
  }

  /** Nothing is over. */
  reset(): void {
    this.times.fill(0);
  }

  protected grow(length: number): void {
    const times = new Int32Array(Math.max(length, 2 * this.times.length));
    times.set(this.times);
    this.times = times;
  }
}

/**
 * The clock of a task. The time in its own slot goes on whenever the task publishes; epoch is that time and the slot in
 * one number, never 0.
 */
export class TaskClock extends VectorClock {
  readonly slot: number;
  epoch: number;
  /** Epoch of the last access that was recorded. */
  last = 0;

  constructor(slot: number, time: number) {
    super();
    this.slot = slot;
    if (slot >= SLOTS) throw new Error(`more than ${SLOTS} tasks that nothing orders`);
    if (slot >= this.times.length) this.grow(slot + 1);
    this.times[slot] = time;
    this.epoch = (time << SLOT_BITS) | slot;
  }

  /** As if just made. */
  start(time: number): void {
    this.reset();
    this.times[this.slot] = time;
    this.epoch = (time << SLOT_BITS) | this.slot;
    this.last = 0;
  }

  /** What the task does from here on comes after what it has published. */
  tick(): void {
    const time = ++this.times[this.slot];
    if (time > LAST) throw new Error(`a task has let go of something more than ${LAST} times in a run`);
    this.epoch = (time << SLOT_BITS) | this.slot;
  }
}
