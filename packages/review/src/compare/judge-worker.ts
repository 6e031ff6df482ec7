// SPDX-License-Identifier: GPL-2.0-only
// The thread of judgeAside().
import { parentPort, workerData } from 'node:worker_threads';
import { judge } from './deep.ts';

const [a, b] = workerData as [string, string];
// Only data: evidence has nothing else, and what JSON cannot say a message could not either.
parentPort?.postMessage(
  JSON.parse(
    JSON.stringify(await judge(a, b), (_key, v: unknown) => (typeof v === 'bigint' ? v.toString() : v)),
  ),
);
