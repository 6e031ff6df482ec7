// SPDX-License-Identifier: GPL-2.0-only
/* Who does the work: this thread, or a pool of worker threads. */

import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { Tinypool } from 'tinypool';
import type { BatteryOptions } from './battery.ts';
import { judge, Nursery, type Verdict } from './nursery.ts';

/** What every worker needs to know to have the same mutants and programs. */
export interface Setup extends BatteryOptions {
  readonly revision: string;
  readonly functions: readonly string[];
}

export interface CoverageTask {
  readonly setup: Setup;
  /** Numbers of programs, the second not included. */
  readonly from: number;
  readonly to: number;
}

export interface VerdictTask {
  readonly setup: Setup;
  /** Number of the mutant. */
  readonly index: number;
  /** Ids of the programs that execute it. */
  readonly reaching: readonly string[];
  /** Try it although the table says that it is the same driver. */
  readonly doubt: boolean;
}

export interface Crew {
  /** How many tasks are worth giving at once. */
  readonly hands: number;
  /** The places that each of some programs gets to. */
  coverage(task: CoverageTask): Promise<[string, string[]][]>;
  /** What becomes of a mutant; null: it keeps the processor for ever. */
  verdict(task: VerdictTask): Promise<Verdict | null>;
  end(): Promise<void>;
}

/** One thread's part of the work: tasks of one set-up after another. */
export class Hand implements Crew {
  readonly hands = 1;
  #key = '';
  #nursery: Promise<Nursery> | null = null;

  #open(setup: Setup): Promise<Nursery> {
    const key = JSON.stringify(setup);
    if (this.#nursery === null || key !== this.#key) {
      this.#key = key;
      this.#nursery = Nursery.open(setup.revision, setup.functions, setup);
    }
    return this.#nursery;
  }

  async coverage({ setup, from, to }: CoverageTask): Promise<[string, string[]][]> {
    const nursery = await this.#open(setup);
    return [...(await nursery.coverage(nursery.programs.slice(from, to)))];
  }

  async verdict({ setup, index, reaching, doubt }: VerdictTask): Promise<Verdict> {
    const nursery = await this.#open(setup);
    return judge(nursery, nursery.mutants[index], reaching, doubt);
  }

  end(): Promise<void> {
    return Promise.resolve();
  }
}

const TOOLS = path.join(import.meta.dirname, '..', '..', '..', 'tools', 'register.mjs');

/** A mutant that spins without ever giving way cannot be stopped from within. Much longer than any other takes, ms. */
const PATIENCE_MS = 600_000;

/** Worker threads. */
export class Threads implements Crew {
  readonly hands: number;
  readonly #pool: Tinypool;

  constructor(hands: number) {
    this.hands = hands;
    this.#pool = new Tinypool({
      filename: pathToFileURL(path.join(import.meta.dirname, 'worker.ts')).href,
      execArgv: ['--import', pathToFileURL(TOOLS).href],
      minThreads: hands,
      maxThreads: hands,
    });
  }

  async coverage(task: CoverageTask): Promise<[string, string[]][]> {
    return (await this.#pool.run(task, { name: 'coverage' })) as [string, string[]][];
  }

  async verdict(task: VerdictTask): Promise<Verdict | null> {
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), PATIENCE_MS);
    try {
      return (await this.#pool.run(task, { name: 'verdict', signal: abort.signal })) as Verdict;
    } catch (error) {
      if (abort.signal.aborted) return null;
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  end(): Promise<void> {
    return this.#pool.destroy();
  }
}
