// SPDX-License-Identifier: GPL-2.0-only
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { Dpor } from '../src/dpor.ts';
import { exhaustModel } from '../src/exhaust.ts';
import { explore, type Exploration, type ExploreOptions } from '../src/explore.ts';
import { jobOf, play, record } from '../src/job.ts';
import { Mate } from '../src/mate.ts';
import { type Model, ModelSubject } from '../src/model.ts';
import { Session } from '../src/session.ts';
import { type SubjectSpec, subjectFrom } from '../src/spec.ts';
import { lastzero } from './classics.ts';
import { randomProgram } from './random-program.ts';

/** The classes in the order in which a search comes to them. */
async function order(model: Model, recorded: boolean): Promise<string[]> {
  const subject = new ModelSubject(model);
  const { hashes } = new Session(subject, 0);
  const dpor = new Dpor();
  const prints: string[] = [];
  if (!recorded) {
    exhaustModel(subject, dpor, () => prints.push(dpor.execution.fingerprint(hashes)));
    return prints;
  }
  do {
    const job = dpor.frames.length === 0 ? null : jobOf(dpor.frames, dpor.frames.length - 1, 0);
    const done = job === null ? null : await record(subject, job);
    dpor.begin();
    if (done === null) subject.run(dpor);
    else play(done, null, dpor);
    prints.push(dpor.execution.fingerprint(hashes));
  } while (dpor.advance());
  return prints;
}

describe('a recorded execution', () => {
  it('is to the search what it would have run itself', async () => {
    let executions = 0;
    for (let seed = 1; executions < 2000; seed++) {
      const model = randomProgram(seed, seed % 2 === 0);
      const direct = await order(model, false);
      if (direct.length > 300) continue;
      executions += direct.length;
      expect([seed, await order(model, true)]).toEqual([seed, direct]);
    }
    expect((await order(lastzero(5), true)).length).toBe(64);
  });
});

describe('a search with a mate', () => {
  async function search(spec: SubjectSpec, opts: ExploreOptions = {}): Promise<Exploration> {
    const mates = [new Mate(spec)];
    try {
      return await explore(await subjectFrom(spec), { mates, ...opts });
    } finally {
      await mates[0].end();
    }
  }

  it('runs what it would run alone', async () => {
    const file = fileURLToPath(new URL('./lastzero-model.ts', import.meta.url));
    const spec: SubjectSpec = { kind: 'model', file };
    const alone = await explore(await subjectFrom(spec));
    const helped = await search(spec);
    expect(helped).toMatchObject({
      exhausted: true,
      executions: 3328,
      classes: 3328,
      redundant: 0,
      left: null,
    });
    expect(helped.outcomes).toEqual(alone.outcomes);
  });

  it('of a scenario finds the same, in the same execution', async () => {
    const spec: SubjectSpec = {
      kind: 'scenario',
      scenario: 'config-access-vs-low-power-entry',
      revision: 'v4+no-usage-reference',
    };
    const opts = { executions: 300 };
    const alone = await explore(await subjectFrom(spec), opts);
    const helped = await search(spec, opts);
    expect(helped.findings).toEqual(alone.findings);
    expect(helped.findings.map((f) => f.kind)).toContain('d3cold-access');
    expect([...helped.outcomes]).toEqual([...alone.outcomes]);
    expect(helped.left?.frames).toHaveLength(alone.left?.frames.length ?? -1);
  });
});
