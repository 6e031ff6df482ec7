// SPDX-License-Identifier: GPL-2.0-only
import { CONSTANT, type Obj, type Task } from '@vfio-lab/sim';
import type { TaskClock } from './clock.ts';

/** An access to a field. The records are reused; epoch 0: none yet. */
export class Access {
  readonly write: boolean;
  /** By READ_ONCE() or WRITE_ONCE(). */
  readonly marked: boolean;
  epoch = 0;
  task: Task | null = null;
  /** The instrumented function that its task was in, '' where none is. */
  site = '';
  /** Its stack, when places are wanted, as the engine keeps it: text is made of it only when somebody asks. */
  at: { stack?: string } | null = null;
  /** The locks that its task held: the first `locks` of these. */
  readonly held: Obj[] = [];
  locks = 0;

  constructor(write: boolean, marked: boolean) {
    this.write = write;
    this.marked = marked;
  }
}

/** With more readers than this, records of reads are given up that are over for the reader at hand. */
const MANY_READERS = 8;

/** Accesses of one sort: the last write, and of each task that has read since then its last read. */
export class Lane {
  wrote: Access;
  private spare: Access;
  readonly reads: Access[] = [];
  /** How many of `reads` are in use. */
  readers = 0;

  constructor(marked: boolean) {
    this.wrote = new Access(true, marked);
    this.spare = new Access(true, marked);
  }

  /** The record of a reader: its own, or a free one. */
  reader(task: Task, clock: TaskClock): Access {
    const { reads } = this;
    for (let i = 0; i < this.readers; i++) {
      if (reads[i].task === task || (i >= MANY_READERS && clock.covers(reads[i].epoch))) return reads[i];
    }
    if (this.readers === reads.length) reads.push(new Access(false, this.wrote.marked));
    return reads[this.readers++];
  }

  begin(): void {
    this.wrote.epoch = 0;
    this.readers = 0;
  }

  /** A record for the next write, which keeps the last one as it is. */
  writer(): Access {
    return this.spare;
  }

  /** That write is the last one now. */
  written(): void {
    const { wrote } = this;
    this.wrote = this.spare;
    this.spare = wrote;
    this.readers = 0;
  }
}

/** What is known of the accesses to one field of one struct. */
export class FieldState {
  /** The run that it is of. */
  run = 0;
  readonly plain = new Lane(false);
  marked: Lane | null = null;
  /** Epoch of the last plain read, for the short way. */
  readAt = 0;
  /** A race was found: no short ways any more, so that every place that takes part in it is found. */
  racy = false;

  /** Nothing is known any more: another run begins. */
  begin(run: number): void {
    this.run = run;
    this.plain.begin();
    this.marked?.begin();
    this.readAt = 0;
    this.racy = false;
  }
}

/** What is known of the accesses to the fields of one struct. No state of the machine: a run knows what is of another. */
export class FieldStates {
  readonly of: (FieldState | null)[] = [];

  constructor(fields: number) {
    for (let i = 0; i < fields; i++) this.of.push(null);
  }

  get [CONSTANT](): boolean {
    return true;
  }

  /** Of a field, in this run. */
  at(field: number, run: number): FieldState {
    const state = (this.of[field] ??= new FieldState());
    if (state.run !== run) state.begin(run);
    return state;
  }
}
