// SPDX-License-Identifier: GPL-2.0-only
// Queues whose answers are known, run on the engine: what its tests and benchmarks compare it with.
import { mutex, mutex_lock, mutex_unlock } from '@vfio-lab/locking';
import { spawn } from '@vfio-lab/sim';
import { Stream } from '../random.ts';
import { HAND_OVER } from './gate.ts';
import { simulate } from './simulate.ts';

/** Mean wait for the lock in ns, and acquisitions a virtual ns. */
export interface QueueResult {
  wait: number;
  throughput: number;
}

/** Exact mean value analysis of N customers that think for `think` on the average and then hold one lock for `hold`. */
export function meanValueAnalysis(n: number, think: number, hold: number): QueueResult {
  let queue = 0;
  let response = hold;
  for (let k = 1; k <= n; k++) {
    response = hold * (1 + queue);
    queue = (k * response) / (response + think);
  }
  return { wait: response - hold, throughput: n / (response + think) };
}

/** Mean wait in M/G/1 by Pollaczek and Khinchine. `variation`: squared coefficient of variation of the hold time. */
export function openWait(load: number, hold: number, variation: number): number {
  return (load * hold * (1 + variation)) / (2 * (1 - load));
}

/** The closed network, simulated: exponential think and hold times, `cycles` acquisitions in all. */
export async function closedNetwork(
  n: number,
  think: number,
  hold: number,
  cycles: number,
  seed: number,
): Promise<QueueResult> {
  let waits = 0;
  let done = 0;
  const { machine } = await simulate({ cpus: n + 1, handOver: HAND_OVER.fifo }, (engine) => {
    const lock = new mutex('&net->mutex');
    return Array.from({ length: n }, (_, i) => async () => {
      const random = new Stream(seed, i);
      while (done < cycles) {
        await engine.think(random.exponential(think));
        const asked = engine.now;
        await mutex_lock(lock);
        waits += engine.now - asked;
        await engine.work(random.exponential(hold));
        await mutex_unlock(lock);
        done++;
      }
    });
  });
  return { wait: waits / done, throughput: done / machine.clock.now };
}

/** Arrivals and hold times of an open queue, the same for everybody who asks with the same seed. */
class Customers {
  readonly #arrivals: Stream;
  readonly #holds: Stream;
  readonly #gap: number;
  readonly #hold: number;
  readonly #fixed: boolean;

  constructor(load: number, hold: number, fixed: boolean, seed: number) {
    this.#arrivals = new Stream(seed, 0);
    this.#holds = new Stream(seed, 1);
    this.#gap = hold / load;
    this.#hold = hold;
    this.#fixed = fixed;
  }

  gap(): number {
    return this.#arrivals.exponential(this.#gap);
  }

  hold(): number {
    return this.#fixed ? this.#hold : this.#holds.exponential(this.#hold);
  }
}

/** Mean wait by Lindley's recursion, without any engine; parameters as openQueue(). */
export function lindleyWait(
  load: number,
  hold: number,
  fixed: boolean,
  customers: number,
  seed: number,
): number {
  const random = new Customers(load, hold, fixed, seed);
  let sum = 0;
  let work = 0;
  for (let i = 0; i < customers; i++) {
    const wait = Math.max(0, work - random.gap());
    sum += wait;
    work = wait + random.hold();
  }
  return sum / customers;
}

/**
 * An open queue, simulated: Poisson arrivals of tasks that take one lock, hold it and end.
 *
 * @param fixed hold times are all `hold` (M/D/1) instead of exponential (M/M/1)
 */
export async function openQueue(
  load: number,
  hold: number,
  fixed: boolean,
  customers: number,
  seed: number,
): Promise<QueueResult> {
  const random = new Customers(load, hold, fixed, seed);
  let waits = 0;
  const { machine } = await simulate({ cpus: 1024, handOver: HAND_OVER.fifo }, (engine) => {
    engine.forget_ended();
    const lock = new mutex('&queue->mutex');
    const customer = async (ns: number): Promise<void> => {
      const asked = engine.now;
      await mutex_lock(lock);
      waits += engine.now - asked;
      await engine.work(ns);
      await mutex_unlock(lock);
    };
    return [
      async () => {
        for (let i = 0; i < customers; i++) {
          await engine.think(random.gap());
          const ns = random.hold();
          spawn('customer', () => customer(ns));
        }
      },
    ];
  });
  return { wait: waits / customers, throughput: customers / machine.clock.now };
}
