// SPDX-License-Identifier: GPL-2.0-only
// What the thread of a mate runs.
import { Dpor } from './dpor.ts';
import { record, renumberedJob } from './job.ts';
import { type Errand, type ErrandDone, Received, Sent } from './mate.ts';
import { type SubjectSpec, subjectFrom } from './spec.ts';
import type { Subject } from './subject.ts';

/** A mate has one subject all its life. */
let subject: Subject | null = null;
const sent = new Sent();
const numbering = new Received();

/** Make the subject, and get the code compiled: what comes later is waited for. */
export async function start(spec: SubjectSpec): Promise<void> {
  subject = await subjectFrom(spec);
  await subject.run(new Dpor());
}

/** Search below the branch of a job. */
export async function run({ names, job, most }: Errand): Promise<ErrandDone> {
  if (subject === null) throw new Error('not started');
  numbering.add(names, subject.tables);
  const records = await record(subject, renumberedJob(job, numbering), most);
  return { names: sent.take(subject.tables), records };
}
