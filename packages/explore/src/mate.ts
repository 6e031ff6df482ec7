// SPDX-License-Identifier: GPL-2.0-only
import { Tinypool } from 'tinypool';
import type { Tables } from './dpor.ts';
import { type Job, type Numbering, type Recorded } from './job.ts';
import type { SubjectSpec } from './spec.ts';

/** Names that are new since the last message; their numbers go on from there. */
export interface NewNames {
  tasks: string[];
  objects: string[];
}

export interface Batch {
  spec: SubjectSpec;
  /** Of the numbers in the jobs. */
  names: NewNames;
  jobs: Job[];
}

export interface BatchDone {
  /** Of the numbers in the records. */
  names: NewNames;
  records: (Recorded | null)[];
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

/** A thread that runs executions for the search. */
export class Mate {
  readonly #pool: Tinypool;
  readonly #spec: SubjectSpec;
  readonly #sent = new Sent();
  readonly numbering = new Received();
  busy = false;

  constructor(spec: SubjectSpec) {
    this.#spec = spec;
    this.#pool = new Tinypool({
      filename: new URL('./worker.ts', import.meta.url).href,
      runtime: 'worker_threads',
      execArgv: ['--import', new URL('../../../tools/register.mjs', import.meta.url).href],
      minThreads: 1,
      maxThreads: 1,
      // A simulation makes much that dies young.
      resourceLimits: { maxYoungGenerationSizeMb: 64 },
    });
  }

  /** Run jobs, in the numbers of `tables`. One batch at a time. The records are in `numbering`. */
  async run(jobs: Job[], tables: Tables): Promise<(Recorded | null)[]> {
    this.busy = true;
    const batch: Batch = { spec: this.#spec, names: this.#sent.take(tables), jobs };
    const done = (await this.#pool.run(batch, { name: 'run' })) as BatchDone;
    this.numbering.add(done.names, tables);
    this.busy = false;
    return done.records;
  }

  async end(): Promise<void> {
    await this.#pool.destroy();
  }
}
