// SPDX-License-Identifier: GPL-2.0-only
// What the thread of a mate runs.
import { record, renumbered } from './job.ts';
import { type Batch, type BatchDone, Received, Sent } from './mate.ts';
import { subjectFrom } from './spec.ts';
import type { Subject } from './subject.ts';

/** Made with the first batch: a mate has one subject all its life. */
let subject: Promise<Subject> | null = null;
const sent = new Sent();
const numbering = new Received();

/** Run the executions of a batch. */
export async function run({ spec, names, jobs }: Batch): Promise<BatchDone> {
  const own = await (subject ??= subjectFrom(spec));
  numbering.add(names, own.tables);
  const records: BatchDone['records'] = [];
  for (const job of jobs) {
    const { prefix, sleep, chain } = job;
    records.push(
      await record(own, {
        prefix: renumbered(prefix, numbering),
        sleep: renumbered(sleep, numbering),
        chain: renumbered(chain, numbering),
      }),
    );
  }
  return { names: sent.take(own.tables), records };
}
