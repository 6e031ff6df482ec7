// SPDX-License-Identifier: GPL-2.0-only
// What takes long: claims, the interface, the lock order, the errno matrix. On a thread of its own, half of it.
import { Worker } from 'node:worker_threads';
import { CLAIM_REVISIONS, type ClaimResult, judgeClaims } from '../claims/index.ts';
import {
  type ErrnoDifference,
  errnoDifferences,
  errnoMatrix,
  lockDifferences,
  type LockGraph,
  lockGraph,
  uapi,
  type UapiDifference,
  uapiDifferences,
} from '../matrix/index.ts';

export interface Judged {
  claims: ClaimResult[];
  uapi: UapiDifference[];
  locks: { onlyA: LockGraph['edges']; onlyB: LockGraph['edges'] };
}

/** Claims (on whole series only), interface and lock order of two revisions. */
export async function judge(a: string, b: string): Promise<Judged> {
  const known = [...new Set([a, b])].filter((n) => CLAIM_REVISIONS.includes(n));
  return {
    claims: known.length === 0 ? [] : await judgeClaims(known),
    uapi: uapiDifferences(await uapi(a), await uapi(b)),
    locks: lockDifferences(await lockGraph(a), await lockGraph(b)),
  };
}

/** The cells of the errno matrix that differ. */
export async function errnos(a: string, b: string): Promise<ErrnoDifference[]> {
  return errnoDifferences(await errnoMatrix(a), await errnoMatrix(b));
}

/** judge() on a thread of its own. */
export function judgeAside(a: string, b: string): { result: Promise<Judged>; stop(): void } {
  const register = new URL('../../../../tools/register.mjs', import.meta.url).href;
  const worker = new Worker(new URL('./judge-worker.ts', import.meta.url), {
    workerData: [a, b],
    execArgv: ['--import', register],
  });
  const result = new Promise<Judged>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  // Whoever stops does not look at it.
  result.catch(() => undefined);
  return { result, stop: () => void worker.terminate() };
}

/** Cells of one call with the same two results, together. */
export function byCall(
  cells: readonly ErrnoDifference[],
): { call: string; a: string; b: string; states: string[] }[] {
  const groups = new Map<string, { call: string; a: string; b: string; states: string[] }>();
  for (const { call, a, b, state } of cells) {
    const key = [call, a, b].join('|');
    const there = groups.get(key);
    if (there === undefined) groups.set(key, { call, a, b, states: [state] });
    else there.states.push(state);
  }
  return [...groups.values()];
}
