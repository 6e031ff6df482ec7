// SPDX-License-Identifier: GPL-2.0-only
import type { Tinypool } from 'tinypool';
import type { Numbering, Tables } from './dpor.ts';
import { type Job, type Part, renumberedPart } from './job.ts';
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
  /** null: the one before, further. */
  job: Job | null;
  /** Executions, at the most. */
  most: number;
  recheck: number;
  /** Shared memory: 1 when what there is is waited for. */
  hurry: Int32Array;
}

export interface ErrandDone {
  /** Of the numbers in the part. */
  names: NewNames;
  part: Part | null;
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
  /** It can be given something to do. */
  readonly free: boolean;
  /** There will be jobs. Never rejects. */
  begin(): Promise<void>;
  /**
   * Do a job, or go on with it: at the most so many executions. In the numbers of `tables`.
   *
   * @returns null when the branch cannot be taken
   */
  run(job: Job | null, most: number, tables: Tables): Promise<Part | null>;
  /** It is waited for: what it has is enough. */
  hurry(): void;
}

/** A thread that helps a search. */
export class Mate implements Helper {
  readonly #spec: SubjectSpec;
  readonly #recheck: number;
  readonly #sent = new Sent();
  readonly #numbering = new Received();
  readonly #hurry = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  free = false;
  #pool: Tinypool | null = null;
  #started: Promise<void> | null = null;
  #failed: unknown = null;
  #ended = false;

  /** @param recheck as of a Session */
  constructor(spec: SubjectSpec, recheck = 64) {
    this.#spec = spec;
    this.#recheck = recheck;
  }

  /** Start the thread: not before, since that takes a second from everybody else. */
  begin(): Promise<void> {
    return (this.#started ??= this.#start());
  }

  async #start(): Promise<void> {
    this.#pool = simulationPool(new URL('./worker.ts', import.meta.url), 1);
    try {
      await this.#pool.run(this.#spec, { name: 'start' });
      this.free = true;
    } catch (error) {
      // The search may be over before the thread is there.
      if (!this.#ended) this.#failed = error;
    }
  }

  async run(job: Job | null, most: number, tables: Tables): Promise<Part | null> {
    if (this.#pool === null) throw new Error('a mate that has not begun has no jobs');
    this.free = false;
    Atomics.store(this.#hurry, 0, 0);
    const names = this.#sent.take(tables);
    const errand: Errand = { names, job, most, recheck: this.#recheck, hurry: this.#hurry };
    const { names: theirs, part } = (await this.#pool.run(errand, { name: 'run' })) as ErrandDone;
    this.#numbering.add(theirs, tables);
    this.free = true;
    return part === null ? null : renumberedPart(part, this.#numbering);
  }

  hurry(): void {
    Atomics.store(this.#hurry, 0, 1);
  }

  /** @throws what kept the thread from being of any help */
  async end(): Promise<void> {
    this.#ended = true;
    await this.#pool?.destroy();
    await this.#started;
    if (this.#failed !== null) throw this.#failed as Error;
  }
}
