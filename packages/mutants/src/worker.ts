// SPDX-License-Identifier: GPL-2.0-only
/* What a worker thread of the crew runs. */

import { type CoverageTask, Hand, type VerdictTask } from './crew.ts';
import type { Verdict } from './nursery.ts';

const hand = new Hand();

export function coverage(task: CoverageTask): Promise<[string, string[]][]> {
  return hand.coverage(task);
}

export function verdict(task: VerdictTask): Promise<Verdict> {
  return hand.verdict(task);
}
