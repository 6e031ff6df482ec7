// SPDX-License-Identifier: GPL-2.0-only
import { Tinypool } from 'tinypool';

/** Threads that run simulations: `worker` is a TypeScript module whose exports are what they can be asked for. */
export function simulationPool(worker: URL, threads: number): Tinypool {
  return new Tinypool({
    filename: worker.href,
    runtime: 'worker_threads',
    execArgv: ['--import', new URL('../../../tools/register.mjs', import.meta.url).href],
    minThreads: threads,
    maxThreads: threads,
    // A simulation makes much that dies young.
    resourceLimits: { maxYoungGenerationSizeMb: 64 },
  });
}
