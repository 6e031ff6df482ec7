// SPDX-License-Identifier: GPL-2.0-only
import { VFIO_DEVICE_FEATURE_SET } from '@vfio-lab/headers';
import { ENOTTY } from '@vfio-lab/kernel';
import { Lab, lowPower, LOW_POWER_ENTER, LOW_POWER_EXIT } from '@vfio-lab/scenarios';
import type { MachineDescription, Testbed, VfioDevice } from '@vfio-lab/testbed';
import type { Costs } from './costs.ts';
import type { Engine } from './engine/engine.ts';
import type { Stream } from './random.ts';

/** How requests come. */
export type Arrival =
  | { model: 'closed'; think: number; distribution: 'exponential' | 'fixed' }
  | { model: 'open'; perSecond: number };

/** One task of a workload. */
export interface Client {
  readonly index: number;
  /** How many tasks there are. */
  readonly tasks: number;
  /** Requests of this task so far. */
  readonly done: number;
  readonly random: Stream;
}

/**
 * A load on the driver. A workload is a file; copy one to make another.
 *
 * 1. `setup` runs first, alone, and costs nothing; what it returns is handed to the requests.
 * 2. Each task then does one `request` after the other, at the times the arrival model says, until `requests` of all tasks
 *    together are done. Requests time their system calls with Bench.call().
 */
export interface Workload<S = unknown> {
  /** Kebab-case, unique. */
  readonly name: string;
  readonly about: string;
  /** A topology that comes with vfio-lab, or a machine of its own. */
  readonly topology: string | MachineDescription;
  /** Unless the command line says otherwise. */
  readonly arrival: Arrival;
  /** Requests draw random numbers themselves. */
  readonly random?: boolean;
  /** Requests of all tasks together, unless the command line says otherwise; by number of tasks. */
  requests(tasks: number): number;
  setup(bench: Bench, tasks: number): Promise<S>;
  request(bench: Bench, state: S, client: Client): Promise<void>;
}

/** Give a workload its type; the state is what `setup` returns. */
export function defineWorkload<S>(workload: Workload<S>): Workload {
  return workload as Workload;
}

/** What a workload works with: a booted machine, a user process, and the clock of its own processor. */
export class Bench extends Lab {
  readonly costs: Costs;
  readonly latencies = new Map<string, number[]>();
  engine: Engine | null = null;

  constructor(testbed: Testbed, costs: Costs) {
    super(testbed);
    this.costs = costs;
  }

  /** Time one system call (or a memory access), under this name. */
  async call<T>(name: string, body: () => Promise<T>): Promise<T> {
    const { engine } = this;
    if (engine === null) return body();
    const since = engine.now;
    engine.charge(this.costs.syscall);
    const value = await body();
    this.note(name, engine.now - since);
    return value;
  }

  note(name: string, ns: number): void {
    let list = this.latencies.get(name);
    if (list === undefined) this.latencies.set(name, (list = []));
    list.push(ns);
  }

  /** Allow low power, in the words of the revision: 0, or -errno (-ENOTTY where it has no such thing). */
  enterLowPower(dev: VfioDevice): Promise<number> {
    return this.#lowPower(dev, LOW_POWER_ENTER, 3);
  }

  exitLowPower(dev: VfioDevice): Promise<number> {
    return this.#lowPower(dev, LOW_POWER_EXIT, 5);
  }

  async #lowPower(dev: VfioDevice, flags: number, feature: number): Promise<number> {
    const { series } = this.testbed.revision;
    if (series === null) return -ENOTTY;
    if (series.version < 5) return lowPower(dev, flags);
    return (await dev.feature(VFIO_DEVICE_FEATURE_SET | feature, new Uint8Array())).ret;
  }
}
