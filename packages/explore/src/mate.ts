// SPDX-License-Identifier: GPL-2.0-only
import type { Tinypool } from 'tinypool';
import type { Tables } from './dpor.ts';
import { type Job, type Numbering, type Recorded } from './job.ts';
import { simulationPool } from './pool.ts';
import type { SubjectSpec } from './spec.ts';

/** Names that are new since the last message; their numbers go on from there. */
export interface NewNames {
  tasks: string[];
  objects: string[];
}

export interface Errand {
  /** Of the numbers in the job. */
  names: NewNames;
  job: Job;
  /** Executions, at the most. */
  most: number;
}

export interface ErrandDone {
  /** Of the numbers in the records. */
  names: NewNames;
  records: Recorded[] | null;
}

/** Keeps count of the names that have been sent. */
export class Sent {
  #tasks = 0;
  #objects = 0;

  take(tables: Tables): NewNames {
    const tasks = tables.taskKeys().slice(this.#tasks);
    const objects = tables.objKeys().slice(this.#objects);
    this.#tasks += tasks.length;
    this.#objects += objects.length;
    return { tasks, objects };
  }
}

/** Learns the numbers of another thread from its names. */
export class Received implements Numbering {
  readonly tasks: number[] = [];
  readonly objects: number[] = [];

  add(names: NewNames, tables: Tables): void {
    for (const key of names.tasks) this.tasks.push(tables.taskId(key));
    for (const key of names.objects) this.objects.push(tables.objId(key));
  }
}

/** Searches below branches for somebody else. */
export interface Helper {
  /** It has a job. */
  readonly busy: boolean;
  /** Of the records it has given. */
  readonly numbering: Numbering;
  /** There will be jobs. Never rejects. */
  begin(): Promise<void>;
  run(job: Job, most: number, tables: Tables): Promise<Recorded[] | null>;
}

/** A thread that helps a search. */
export class Mate implements Helper {
  readonly #spec: SubjectSpec;
  readonly #sent = new Sent();
  readonly numbering = new Received();
  /** Until the thread is there, too. */
  busy = true;
  #pool: Tinypool | null = null;
  #started: Promise<void> | null = null;
  #failed: unknown = null;
  #ended = false;

  constructor(spec: SubjectSpec) {
    this.#spec = spec;
  }

  /** Start the thread: not before, since that takes a second from everybody else. */
  begin(): Promise<void> {
    return (this.#started ??= this.#start());
  }

  async #start(): Promise<void> {
    this.#pool = simulationPool(new URL('./worker.ts', import.meta.url), 1);
    try {
      await this.#pool.run(this.#spec, { name: 'start' });
      this.busy = false;
    } catch (error) {
      // The search may be over before the thread is there.
      if (!this.#ended) this.#failed = error;
    }
  }

  /** Run a job, in the numbers of `tables`. One at a time. The records are in `numbering`. */
  async run(job: Job, most: number, tables: Tables): Promise<Recorded[] | null> {
    this.busy = true;
    const batch: Errand = { names: this.#sent.take(tables), job, most };
    if (this.#pool === null) throw new Error('a mate that has not begun has no jobs');
    const done = (await this.#pool.run(batch, { name: 'run' })) as ErrandDone;
    this.numbering.add(done.names, tables);
    this.busy = false;
    return done.records;
  }

  /** @throws what kept the thread from being of any help */
  async end(): Promise<void> {
    this.#ended = true;
    await this.#pool?.destroy();
    await this.#started;
    if (this.#failed !== null) throw this.#failed as Error;
  }
}
