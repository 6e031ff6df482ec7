// SPDX-License-Identifier: GPL-2.0-only
import { scenarioByName } from '@vfio-lab/scenarios';
import { describe, expect, it } from 'vitest';
import { compareSearches, shortenOnly } from '../src/compare.ts';
import { explore, type Exploration } from '../src/explore.ts';
import { replay } from '../src/session.ts';
import type { Left } from '../src/dpor.ts';
import { type Body, defineModel, type Model, ModelSubject } from '../src/model.ts';
import { objOf } from '../src/ops.ts';
import { htmlPage, textDiagram } from '../src/report.ts';
import { Pct, Pos, RandomWalk, type Sampler, Urw } from '../src/samplers.ts';
import { ScenarioSubject } from '../src/scenario-subject.ts';
import { formatToken, parseToken, Replay, segmentsOf } from '../src/token.ts';
import { lastzero, twoTaskLock } from './classics.ts';

const search = (model: Model): Promise<Exploration> => explore(new ModelSubject(model));
const kinds = (e: Exploration): string[] => [...new Set(e.findings.map((f) => f.kind))].sort();

/** Two tasks take two locks, in the same order or not. */
const twoLocks = (inverted: boolean): Model =>
  defineModel('two locks', (m) => {
    const [a, b] = [m.mutex('a'), m.mutex('b')];
    m.task('one', function* (): Body {
      yield* a.lock();
      yield* b.lock();
      yield* b.unlock();
      yield* a.unlock();
    });
    m.task('two', function* (): Body {
      const [first, second] = inverted ? [b, a] : [a, b];
      yield* first.lock();
      yield* second.lock();
      yield* second.unlock();
      yield* first.unlock();
    });
  });

/** A counter that is read, and later written, by two tasks. */
const lostUpdate = (): Model =>
  defineModel('lost update', (m) => {
    const x = m.variable('x', 0);
    for (const name of ['a', 'b']) {
      m.task(name, function* (): Body {
        const v = yield* x.read();
        yield* x.write(v + 1);
      });
    }
    m.check(() => {
      if (x.value !== 2) throw new Error(`x is ${x.value}, not 2`);
    });
  });

describe('checkers of a model', () => {
  it('deadlock and lock order: speak', async () => {
    const r = await search(twoLocks(true));
    expect(kinds(r)).toEqual(['deadlock', 'lock-order']);
    expect(r.exhausted).toBe(true);
    expect(r.findings.find((f) => f.kind === 'deadlock')?.text).toBe(
      'one waits to lock b holding a; two waits to lock a holding b',
    );
  });

  it('deadlock and lock order: silent', async () => {
    expect(await search(twoLocks(false))).toMatchObject({ findings: [], exhausted: true, classes: 2 });
  });

  it.each([
    [false, ['data-race']],
    [true, []],
  ])('data race, locked: %s', async (locked, expected) => {
    const r = await search(
      defineModel('field', (m) => {
        const lock = m.spinlock('lock');
        const f = m.field('f', 0);
        for (const name of ['a', 'b']) {
          m.task(name, function* (): Body {
            yield* lock.lock();
            if (locked) f.set(f.get() + 1);
            yield* lock.unlock();
            if (!locked) f.set(1);
          });
        }
      }),
    );
    expect(kinds(r)).toEqual(expected);
  });

  it('a completion orders what came before it', async () => {
    const r = await search(
      defineModel('handover', (m) => {
        const done = m.completion('done');
        const f = m.field('f', 0);
        m.task('producer', function* (): Body {
          f.set(1);
          yield* done.complete();
        });
        m.task('consumer', function* (): Body {
          yield* done.wait();
          f.set(f.get() + 1);
        });
      }),
    );
    expect(r).toMatchObject({ findings: [], exhausted: true });
  });

  it('a lock that is not given back, or not held', async () => {
    const r = await search(
      defineModel('careless', (m) => {
        const lock = m.mutex('lock');
        const other = m.rwsem('other');
        m.task('a', function* (): Body {
          yield* other.upRead();
          yield* lock.lock();
        });
      }),
    );
    expect(kinds(r)).toEqual(['lock-held-at-exit', 'lock-owner']);
  });
});

describe('findings', () => {
  it('have the shortest schedule, which replays', async () => {
    const r = await search(lostUpdate());
    const [f] = r.findings;
    expect(f).toMatchObject({ kind: 'assertion', preemptions: 1, steps: 4 });
    const again = await replay(new ModelSubject(lostUpdate()), parseToken(f.schedule));
    expect(again.observation.findings.map((x) => x.kind)).toEqual(['assertion']);
    expect(again.replay.leftAt).toBe(0);
  });

  it('and so have outcomes that only one of two searches comes to', async () => {
    const counted = (atomic: boolean): Model =>
      defineModel('counted', (m) => {
        const [x, other] = [m.variable('x', 0), m.variable('other', 0)];
        for (const name of ['a', 'b']) {
          m.task(name, function* (): Body {
            for (let i = 0; i < 3; i++) yield* other.read();
            if (atomic) yield* x.add(1);
            else yield* x.write((yield* x.read()) + 1);
          });
        }
        m.check(() => `counted to ${x.value}`);
      });
    const [plain, atomic] = [false, true].map((a) => new ModelSubject(counted(a)));
    const a = { revision: 'plain', result: await explore(plain, { strategy: 'random', executions: 100 }) };
    const b = { revision: 'atomic', result: await explore(atomic) };
    const before = a.result.outcomes.get('counted to 1')?.schedule ?? '';
    await shortenOnly(a, b, [plain, atomic]);
    const { onlyFirst, onlySecond, both } = compareSearches(a, b);
    expect([onlySecond, both.map((o) => o.outcome)]).toEqual([[], ['counted to 2']]);
    const [{ outcome, schedule }] = onlyFirst;
    expect(outcome).toBe('counted to 1');
    expect(schedule.length).toBeLessThan(before.length);
    const again = await replay(plain, parseToken(schedule));
    expect(again.observation.outcome).toBe('counted to 1');
    expect(again.replay.preemptions).toBe(1);
  });

  it('every execution replays from its token', async () => {
    const subject = new ModelSubject(lastzero(3));
    for (let seed = 0; seed < 50; seed++) {
      const walk = new RandomWalk(seed);
      walk.begin();
      subject.run(walk);
      const token = formatToken(segmentsOf(walk.execution, subject));
      const r = new Replay(parseToken(token), subject);
      subject.run(r);
      expect([r.execution.tid.slice(0, r.execution.length), r.leftAt]).toEqual([
        walk.execution.tid.slice(0, walk.execution.length),
        0,
      ]);
    }
  });

  it('a schedule for another program says where it does not fit', async () => {
    const { replay: r } = await replay(new ModelSubject(lostUpdate()), parseToken('a@write:x,nobody,b'));
    expect(r.leftAt).toBe(2);
    expect(() => parseToken('a,,b')).toThrow(/part 2/);
  });

  it('something outside the schedule decides: nondeterminism', async () => {
    let n = 0;
    const fickle = defineModel('fickle', (m) => {
      const [x, y] = [m.variable('x', 0), m.variable('y', 0)];
      const which = n++ % 2 === 0 ? x : y;
      for (const name of ['a', 'b']) m.task(name, () => which.write(1));
    });
    expect(kinds(await explore(new ModelSubject(fickle), { recheck: 1 }))).toEqual(['nondeterminism']);
  });

  it('as text and as a page', () => {
    const rows = ['a', 'b'].map((task) => ({
      task,
      text: `mutex_lock <${task}>`,
      where: '',
      locks: '',
      state: '',
      kind: 'lock',
    }));
    const story = {
      title: 'T',
      finding: { kind: 'deadlock', text: 'x', task: 'a', fns: [], held: [] },
      facts: [],
      command: 'vfio-lab',
      rows,
    };
    expect(textDiagram(story, 80).slice(-2)).toEqual(['●    a: mutex_lock <a>', '  ●  b: mutex_lock <b>']);
    const page = htmlPage(story);
    expect(page).toContain('mutex_lock &lt;a&gt;');
    expect(page).not.toMatch(/https?:|<script/);
  });
});

describe('bounds and limits', () => {
  it('a preemption bound: 0 does not find a lost update, 1 does', async () => {
    expect(await explore(new ModelSubject(lostUpdate()), { bound: 0 })).toMatchObject({
      findings: [],
      exhausted: false,
      stopped: 'bound',
    });
    expect((await explore(new ModelSubject(lostUpdate()), { bound: 1 })).findings).toHaveLength(1);
  });

  it('a limit is no exhaustion, unless it is just reached', async () => {
    expect(await explore(new ModelSubject(twoTaskLock()), { executions: 3 })).toMatchObject({
      exhausted: false,
      stopped: 'executions',
    });
    expect(await explore(new ModelSubject(twoTaskLock()), { executions: 6 })).toMatchObject({
      exhausted: true,
      classes: 6,
    });
  });
});

describe('a step bound', () => {
  it('gives up what is longer, and is no exhaustion then', async () => {
    const endless = defineModel('endless', (m) => {
      const x = m.variable('x', 0);
      m.task('poller', function* (): Body {
        while ((yield* x.read()) === 0);
      });
      m.task('setter', function* (): Body {
        yield* x.write(1);
      });
    });
    const r = await explore(new ModelSubject(endless), { steps: 6 });
    expect(r).toMatchObject({ exhausted: false, stopped: 'steps', findings: [] });
    expect(r.cut).toBeGreaterThan(0);
    expect([...r.outcomes.keys()].sort()).toEqual(['given up after 6 steps', 'ok']);
    // Long enough for all: as without.
    const enough = await explore(new ModelSubject(lastzero(5)), { steps: 1000 });
    expect(enough).toMatchObject({ exhausted: true, executions: 64, cut: 0 });
  });

  it('stops a scenario in its middle, and the next execution is whole again', async () => {
    const subject = new ScenarioSubject(scenarioByName('exit-vs-host-access'), 'v7');
    expect(await explore(subject, { strategy: 'random', steps: 40, executions: 5 })).toMatchObject({
      cut: 5,
      executions: 5,
    });
    const whole = await explore(subject, { executions: 5 });
    const fresh = new ScenarioSubject(scenarioByName('exit-vs-host-access'), 'v7');
    expect([...whole.outcomes]).toEqual([...(await explore(fresh, { executions: 5 })).outcomes]);
  });
});

describe('a search in parts', () => {
  it('goes on where it was stopped, and nothing is missed or done twice', async () => {
    const outcomes = new Set<string>();
    let executions = 0;
    let resume: Left | undefined;
    for (let parts = 0; parts < 100; parts++) {
      const r: Exploration = await explore(new ModelSubject(lastzero(5)), {
        executions: 7,
        ...(resume !== undefined && { resume }),
      });
      executions += r.executions;
      for (const o of r.outcomes.keys()) outcomes.add(o);
      if (r.left === null) break;
      resume = JSON.parse(JSON.stringify(r.left)) as Left;
    }
    expect(executions).toBe(64);
  });

  it('of a scenario, in another process: names, not numbers', async () => {
    const scenario = scenarioByName('exit-vs-host-access');
    const whole = await explore(new ScenarioSubject(scenario, 'v4+exit-order'), {
      executions: 24,
      recheck: 0,
    });
    const first = await explore(new ScenarioSubject(scenario, 'v4+exit-order'), {
      executions: 12,
      recheck: 0,
    });
    const second = await explore(new ScenarioSubject(scenario, 'v4+exit-order'), {
      executions: 12,
      recheck: 0,
      resume: first.left as Left,
    });
    expect(second.findings.map((f) => f.kind)).toEqual(whole.findings.map((f) => f.kind));
  });
});

describe('sampling', () => {
  /** Tasks that write so many times each, every one to a variable of its own. */
  const independent = (...steps: number[]): Model =>
    defineModel('independent', (m) => {
      for (const [t, n] of steps.entries()) {
        const x = m.variable(`x${t}`, 0);
        m.task(`t${t}`, function* (): Body {
          for (let i = 0; i < n; i++) yield* x.write(i);
        });
      }
    });

  /** How often each interleaving came. */
  function spread(sampler: Sampler, model: Model, runs: number): number[] {
    const subject = new ModelSubject(model, { checks: false });
    const seen = new Map<string, number>();
    for (let i = 0; i < runs; i++) {
      sampler.begin();
      subject.run(sampler);
      const key = sampler.execution.tid.slice(0, sampler.execution.length).join('');
      // The first run is for counting.
      if (i > 0) seen.set(key, (seen.get(key) ?? 0) + 1);
    }
    return [...seen.values()];
  }

  const chiSquare = (counts: number[], expected: number): number =>
    counts.reduce((sum, c) => sum + (c - expected) ** 2 / expected, 0);

  // The quantile that chi-square exceeds with p = 0.001 when all interleavings are equally likely.
  it.each([
    ['4 + 4', [4, 4], 70, 111.1],
    ['3 + 3 + 3', [3, 3, 3], 1680, 1863],
  ] as const)(
    'URW: every interleaving of %s steps equally often (p = 0.001)',
    (_name, steps, n, quantile) => {
      const counts = spread(new Urw(7), independent(...steps), n * 60 + 1);
      expect(counts).toHaveLength(n);
      expect(chiSquare(counts, 60)).toBeLessThan(quantile);
    },
  );

  it('a uniform walk is not uniform over interleavings', () => {
    expect(chiSquare(spread(new RandomWalk(7), independent(4, 4), 14_001), 200)).toBeGreaterThan(200);
  });

  /** Of 10,000 executions, the part in which a sampler hits a bug of depth 2. */
  function hits(sampler: Sampler): number {
    const subject = new ModelSubject(lostUpdate());
    let n = 0;
    for (let i = 0; i < 10_000; i++) {
      sampler.begin();
      n += subject.run(sampler).findings.length > 0 ? 1 : 0;
    }
    return n / 10_000;
  }

  it('PCT hits a bug of depth 2 more often than its bound says', () => {
    const pct = new Pct(3, 2);
    const rate = hits(pct);
    // Two tasks; so many decisions as there were at most.
    expect(pct.bound).toBeCloseTo(1 / (2 * pct.decisions), 10);
    expect(rate).toBeGreaterThan(pct.bound);
  });

  it.each([
    ['pos', new Pos(3)],
    ['urw', new Urw(3)],
    ['surw', new Urw(3, (op) => (op & 1) === 1)],
  ])('so does %s', (_name, sampler) => {
    expect(hits(sampler)).toBeGreaterThan(1 / (2 * 3));
  });

  it('SURW spreads what is interesting evenly, however much else there is to do', () => {
    // Each task does two writes that matter among ten that do not: 6 orders of those.
    const model = defineModel('few that matter', (m) => {
      const x = m.variable('x', 0);
      for (const name of ['a', 'b']) {
        const own = m.variable(`own ${name}`, 0);
        m.task(name, function* (): Body {
          for (let i = 0; i < 12; i++) yield* (i % 6 === (name === 'a' ? 0 : 5) ? x : own).write(i);
        });
      }
    });
    const subject = new ModelSubject(model, { checks: false });
    const matters = (op: number): boolean => subject.objName(objOf(op)) === 'x';
    const orders = (sampler: Sampler): number[] => {
      const seen = new Map<string, number>();
      for (let i = 0; i <= 6000; i++) {
        sampler.begin();
        subject.run(sampler);
        const { tid, op, length } = sampler.execution;
        const key = tid.slice(0, length).filter((_, k) => matters(op[k]));
        if (i > 0) seen.set(key.join(''), (seen.get(key.join('')) ?? 0) + 1);
      }
      return [...seen.values()];
    };
    const counts = orders(new Urw(11, matters));
    expect(counts).toHaveLength(6);
    // 5 degrees of freedom, p = 0.001
    expect(chiSquare(counts, 1000)).toBeLessThan(20.5);
    expect(chiSquare(orders(new RandomWalk(11)), 1000)).toBeGreaterThan(100);
  });
});

describe('scenarios', () => {
  it('the exit of v4 with its two halves the other way round: found, and replayed by its schedule', async () => {
    const scenario = scenarioByName('exit-vs-host-access');
    const r = await explore(new ScenarioSubject(scenario, 'v4+exit-order'), {
      executions: 1000,
      warmUp: 1000,
      first: true,
    });
    expect(kinds(r)).toEqual(['undirected-suspend']);
    expect(r.findings[0].preemptions).toBe(1);
    const again = await replay(
      new ScenarioSubject(scenario, 'v4+exit-order'),
      parseToken(r.findings[0].schedule),
    );
    expect(again.observation.findings.map((f) => f.kind)).toContain('undirected-suspend');
    const elsewhere = await replay(new ScenarioSubject(scenario, 'v4'), parseToken(r.findings[0].schedule));
    expect(elsewhere.observation.findings).toEqual([]);
  });

  it('no execution of the search is equivalent to another', async () => {
    const r = await explore(new ScenarioSubject(scenarioByName('config-access-vs-low-power-entry'), 'v4@6'), {
      executions: 130,
    });
    expect(r).toMatchObject({ findings: [], executions: 130, classes: 130, redundant: 0 });
  });
});
