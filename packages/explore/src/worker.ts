// SPDX-License-Identifier: GPL-2.0-only
// What the thread of a mate runs.
import { Dpor } from './dpor.ts';
import { Branch, renumberedJob } from './job.ts';
import { type Errand, type ErrandDone, Received, Sent } from './mate.ts';
import { type SubjectSpec, subjectFrom } from './spec.ts';
import type { Subject } from './subject.ts';

/** A mate has one subject all its life. */
let subject: Subject | null = null;
let branch: Branch | null = null;
let executions = 0;
const sent = new Sent();
const numbering = new Received();

/** Make the subject, and get the code compiled: what comes later is waited for. */
export async function start(spec: SubjectSpec): Promise<void> {
  subject = await subjectFrom(spec);
  await subject.run(new Dpor());
}

/** Search below the branch of a job. */
export async function run({ names, job, most, recheck, hurry }: Errand): Promise<ErrandDone> {
  if (subject === null) throw new Error('not started');
  numbering.add(names, subject.tables);
  if (job !== null) branch = new Branch(subject, renumberedJob(job, numbering), recheck);
  if (branch === null) throw new Error('no job to go on with');
  const part = await branch.search(most, () => Atomics.load(hurry, 0) === 1, executions);
  executions += part?.executions ?? 0;
  return { names: sent.take(subject.tables), part };
}
