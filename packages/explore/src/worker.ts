// SPDX-License-Identifier: GPL-2.0-only
// What the thread of a mate runs.
import { record, renumberedJob } from './job.ts';
import { type Errand, type ErrandDone, Received, Sent } from './mate.ts';
import { subjectFrom } from './spec.ts';
import type { Subject } from './subject.ts';

/** Made with the first job: a mate has one subject all its life. */
let subject: Promise<Subject> | null = null;
const sent = new Sent();
const numbering = new Received();

/** Search below the branch of a job. */
export async function run({ spec, names, job, most }: Errand): Promise<ErrandDone> {
  const own = await (subject ??= subjectFrom(spec));
  numbering.add(names, own.tables);
  const records = await record(own, renumberedJob(job, numbering), most);
  return { names: sent.take(own.tables), records };
}
