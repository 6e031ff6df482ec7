// SPDX-License-Identifier: GPL-2.0-only
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { Tables } from '../src/dpor.ts';
import { exhaust } from '../src/exhaustive.ts';
import { explore, type Exploration, type ExploreOptions } from '../src/explore.ts';
import { Branch, type Job, type Part, renumberedJob, renumberedPart } from '../src/job.ts';
import { type Helper, Mate, Received, Sent } from '../src/mate.ts';
import { type Model, ModelSubject } from '../src/model.ts';
import { Session } from '../src/session.ts';
import { type SubjectSpec, subjectFrom } from '../src/spec.ts';
import { lastzero } from './classics.ts';
import { randomProgram } from './random-program.ts';

/** A mate that is no thread: what it has done comes back some turns of the event loop later. */
class Neighbour implements Helper {
  free = true;
  used = 0;
  readonly #sent = new Sent();
  readonly #names = new Received();
  readonly #numbering = new Received();
  readonly #back = new Sent();
  readonly #subject: ModelSubject;
  readonly #most: number;
  #branch: Branch | null = null;
  #hurried = false;

  constructor(model: Model, most: number) {
    this.#subject = new ModelSubject(model);
    this.#most = most;
  }

  begin(): Promise<void> {
    return Promise.resolve();
  }

  async run(job: Job | null, most: number, tables: Tables): Promise<Part | null> {
    this.free = false;
    this.#hurried = false;
    this.#names.add(this.#sent.take(tables), this.#subject.tables);
    if (job !== null)
      this.#branch = new Branch(this.#subject, renumberedJob(structuredClone(job), this.#names), 0);
    const slow = job !== null && job.length % 2 === 0;
    // A slow one is still at it when it is waited for.
    if (slow) for (let turn = 0; turn < 5 && !this.#hurried; turn++) await new Promise(setImmediate);
    const part = await (this.#branch as Branch).search(Math.min(most, this.#most), () => this.#hurried, 0);
    this.#numbering.add(this.#back.take(this.#subject.tables), tables);
    await new Promise(setImmediate);
    this.used += part?.executions ?? 0;
    this.free = true;
    return part === null ? null : renumberedPart(structuredClone(part), this.#numbering);
  }

  hurry(): void {
    this.#hurried = true;
  }
}

/** The classes in the order in which a search comes to them. */
async function order(model: Model, helpers: readonly Helper[]): Promise<string[]> {
  const subject = new ModelSubject(model);
  const session = new Session(subject, 0);
  const limits = { executions: Infinity, first: false, stop: () => '' };
  await exhaust(subject, session, undefined, limits, helpers);
  // A set keeps the order in which it came to know its members.
  return [...session.classes];
}

describe('branches that others have searched', () => {
  it('are to the search what it would have run itself', async () => {
    let executions = 0;
    let used = 0;
    for (let seed = 1; executions < 2000; seed++) {
      const model = randomProgram(seed, seed % 2 === 0);
      const alone = await order(model, []);
      if (alone.length > 300) continue;
      executions += alone.length;
      const neighbours = [new Neighbour(model, 1 + (seed % 7)), new Neighbour(model, 16)];
      expect([seed, await order(model, neighbours)]).toEqual([seed, alone]);
      used += neighbours.reduce((n, neighbour) => n + neighbour.used, 0);
    }
    expect(used).toBeGreaterThan(executions / 4);
    expect(await order(lastzero(5), [new Neighbour(lastzero(5), 16)])).toHaveLength(64);
  });
});

describe('a search with a mate', () => {
  async function search(spec: SubjectSpec, opts: ExploreOptions = {}): Promise<Exploration> {
    const mates = [new Mate(spec)];
    await mates[0].begin();
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

  it('tells of what is ahead when it is stopped, and leaves it to be done', async () => {
    const file = fileURLToPath(new URL('./lastzero-model.ts', import.meta.url));
    const spec: SubjectSpec = { kind: 'model', file };
    let ahead = 0;
    const part = await search(spec, { stop: ({ executions }) => (ahead = executions) > 500 });
    expect(part.stopped).toBe('interrupted');
    expect(part.executions).toBeGreaterThanOrEqual(ahead);
    expect(part.classes).toBe(part.executions);
    const rest = await explore(await subjectFrom(spec), { resume: part.left ?? undefined });
    expect(rest.exhausted).toBe(true);
    // Of 3328, those that the search itself had come to.
    expect(rest.executions).toBeLessThan(3328);
    expect(rest.executions + part.executions).toBeGreaterThanOrEqual(3328);
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
