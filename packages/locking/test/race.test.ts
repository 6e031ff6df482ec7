// SPDX-License-Identifier: GPL-2.0-only
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { access, join, Obj, RandomPolicy, SimTimer, sleep_ns, spawn, yield_now } from '@vfio-lab/sim';
import {
  atomic_add_return,
  atomic_inc,
  atomic_read,
  atomic_t,
  complete,
  completion,
  down_read,
  down_write,
  downgrade_write,
  local_irq_restore,
  local_irq_save,
  mutex,
  mutex_lock,
  mutex_trylock,
  mutex_unlock,
  RaceLocks,
  RaceMachine,
  READ_ONCE,
  rw_semaphore,
  siteOf,
  spin_lock_irqsave,
  spin_unlock_irqrestore,
  spinlock_t,
  up_read,
  up_write,
  wait_event,
  wait_for_completion,
  wait_queue_head_t,
  wake_up,
  WRITE_ONCE,
} from '../src/index.ts';

class inner_struct {
  deep = 0;
}

class test_struct {
  a = 0;
  b = 0;
  readonly lock = new mutex('t->lock');
  readonly inner = new inner_struct();
}

const STRUCTS = new Set<unknown>([test_struct, inner_struct]);

interface Seen {
  field: string;
  sides: string[];
}

/** Run a program on a machine that looks for races; what it found. */
async function races(
  program: (t: test_struct, m: RaceMachine) => Promise<void>,
  opts: { seed?: number; places?: boolean } = {},
): Promise<Seen[]> {
  const seen: Seen[] = [];
  const m = new RaceMachine({
    structs: STRUCTS,
    places: opts.places ?? false,
    ...(opts.seed !== undefined && { policy: new RandomPolicy(opts.seed) }),
    race: ({ struct, field, before, after }) => {
      const sides = [before, after].map(
        (s) =>
          `${s.task?.name} ${s.write ? 'writes' : 'reads'}${s.marked ? ' marked' : ''}${opts.places === true ? ` in ${siteOf(s.at?.stack).fn}` : ''}`,
      );
      seen.push({ field: `${struct}.${field}`, sides: sides.sort() });
    },
  });
  m.lock_observer = new RaceLocks(m, null);
  await m.run(async () => {
    m.watch();
    await program(m.adopt(new test_struct()), m);
  });
  return seen;
}

/** Run bodies as tasks, and wait for all. */
async function both(...bodies: (() => Promise<void>)[]): Promise<void> {
  const tasks = bodies.map((body, i) => spawn(`t${i}`, body));
  for (const task of tasks) await join(task);
}

/** Under every one of some schedules. */
async function ever(program: (t: test_struct, m: RaceMachine) => Promise<void>): Promise<Seen[]> {
  const all: Seen[] = [];
  for (let seed = 0; seed < 20; seed++) all.push(...(await races(program, { seed })));
  return all;
}

describe('data races', () => {
  it.each([
    ['write and write', false, ['t0 writes', 't1 writes']],
    ['read and write', true, ['t0 reads', 't1 writes']],
  ])('should be found between a plain %s', async (_what, reads, sides) => {
    const found = await races((t) =>
      both(
        async () => {
          if (reads) void t.a;
          else t.a = 1;
          await yield_now();
        },
        async () => {
          t.a = 2;
          await yield_now();
        },
      ),
    );
    expect(found).toEqual([{ field: 'test_struct.a', sides }]);
  });

  it('should be found in embedded structs, and name the functions', async () => {
    async function writes_deep(t: test_struct): Promise<void> {
      t.inner.deep = 1;
      await yield_now();
    }
    async function reads_deep(t: test_struct): Promise<void> {
      await yield_now();
      void t.inner.deep;
    }
    const found = await races(
      (t) =>
        both(
          () => writes_deep(t),
          () => reads_deep(t),
        ),
      { places: true },
    );
    expect(found).toEqual([
      { field: 'inner_struct.deep', sides: ['t0 writes in writes_deep', 't1 reads in reads_deep'] },
    ]);
  });

  it('should be found when only one side takes the lock', async () => {
    const found = await races((t) =>
      both(
        async () => {
          await mutex_lock(t.lock);
          t.a++;
          await mutex_unlock(t.lock);
        },
        async () => {
          await yield_now();
          t.a++;
        },
      ),
    );
    expect(found.map((f) => f.field)).toContain('test_struct.a');
  });

  it('should be found when the lock was only tried for', async () => {
    const found = await races((t) =>
      both(
        async () => {
          await mutex_lock(t.lock);
          t.a = 1;
          await yield_now();
          await sleep_ns(10);
          await mutex_unlock(t.lock);
        },
        async () => {
          await sleep_ns(1);
          const got = await mutex_trylock(t.lock);
          expect(got).toBe(0);
          t.a = 2;
        },
      ),
    );
    expect(found).toHaveLength(1);
  });

  it('should be found between readers of a lock that write', async () => {
    const sem = new rw_semaphore('sem');
    const write = (t: test_struct) => async (): Promise<void> => {
      await down_read(sem);
      t.a++;
      await up_read(sem);
    };
    expect(await ever((t) => both(write(t), write(t)))).not.toEqual([]);
  });

  it('should be found between a plain access and a marked one, never between marked ones', async () => {
    const marked = await ever((t) =>
      both(
        () => WRITE_ONCE(t, 'a', 1),
        async () => {
          await READ_ONCE(t, 'a');
          await WRITE_ONCE(t, 'a', 2);
        },
      ),
    );
    expect(marked).toEqual([]);
    const plain = await races((t) =>
      both(
        () => WRITE_ONCE(t, 'a', 1),
        async () => {
          void t.a;
          await yield_now();
        },
      ),
    );
    expect(plain).toEqual([{ field: 'test_struct.a', sides: ['t0 writes marked', 't1 reads'] }]);
  });

  it('should not be hidden by hardware accesses', async () => {
    const hw = new Obj('hw');
    const found = await races((t) =>
      both(
        async () => {
          t.a = 1;
          await access(hw, true, 'hw');
        },
        async () => {
          await access(hw, true, 'hw');
          t.a = 2;
        },
      ),
    );
    expect(found).toHaveLength(1);
  });

  it('should not count what is looked at from outside', async () => {
    const found = await ever((t, m) =>
      both(
        async () => {
          t.a = 1;
          await yield_now();
        },
        async () => {
          m.peek(() => t.a);
          await yield_now();
        },
      ),
    );
    expect(found).toEqual([]);
  });
});

const count = (t: test_struct): void => {
  t.a = t.a + 1;
};

describe('order', () => {
  it('a mutex', async () => {
    const body = (t: test_struct) => async (): Promise<void> => {
      await mutex_lock(t.lock);
      count(t);
      await mutex_unlock(t.lock);
    };
    expect(await ever((t) => both(body(t), body(t), body(t)))).toEqual([]);
  });

  it('a rw_semaphore, also downgraded', async () => {
    const sem = new rw_semaphore('sem');
    const reader = (t: test_struct) => async (): Promise<void> => {
      await down_read(sem);
      void t.a;
      await up_read(sem);
    };
    const writer = (t: test_struct) => async (): Promise<void> => {
      await down_write(sem);
      count(t);
      await downgrade_write(sem);
      void t.a;
      await up_read(sem);
      await down_write(sem);
      count(t);
      await up_write(sem);
    };
    expect(await ever((t) => both(reader(t), writer(t), reader(t), writer(t)))).toEqual([]);
  });

  it('a spinlock and an interrupt handler', async () => {
    const lock = new spinlock_t('lock');
    const body = (t: test_struct) => async (): Promise<void> => {
      const flags = await spin_lock_irqsave(lock);
      count(t);
      await spin_unlock_irqrestore(lock, flags);
    };
    const found = await ever(async (t) => {
      const handler = spawn('irq', body(t), { kind: 'hardirq', cpu: 0 });
      await both(body(t), body(t));
      await join(handler);
    });
    expect(found).toEqual([]);
  });

  it('interrupts off on one processor, and not on two', async () => {
    const run = (cpu: number) => (t: test_struct) => {
      const handler = spawn(
        'irq',
        async () => {
          count(t);
          await yield_now();
        },
        { kind: 'hardirq', cpu },
      );
      const task = spawn(
        'task',
        async () => {
          const flags = local_irq_save();
          count(t);
          await yield_now();
          local_irq_restore(flags);
        },
        { cpu: 3 },
      );
      return join(handler)?.then(() => join(task)) ?? Promise.resolve(join(task));
    };
    expect(await ever(run(3))).toEqual([]);
    expect(await ever(run(4))).not.toEqual([]);
  });

  it('a completion', async () => {
    const done = new completion('done');
    const found = await races((t) =>
      both(
        async () => {
          count(t);
          await complete(done);
        },
        async () => {
          await wait_for_completion(done);
          count(t);
        },
      ),
    );
    expect(found).toEqual([]);
  });

  it('a wake-up', async () => {
    for (let seed = 0; seed < 20; seed++) {
      const wq = new wait_queue_head_t('wq');
      const ready = new atomic_t(0, 'ready');
      const found = await races(
        (t) =>
          both(
            async () => {
              count(t);
              await atomic_inc(ready);
              await wake_up(wq);
            },
            async () => {
              await wait_event(wq, () => ready.counter > 0);
              await atomic_read(ready);
              count(t);
            },
          ),
        { seed },
      );
      expect(found).toEqual([]);
    }
  });

  it('start and end of a task', async () => {
    const found = await ever(async (t) => {
      count(t);
      const task = spawn('child', async () => {
        count(t);
        await yield_now();
      });
      await join(task);
      count(t);
    });
    expect(found).toEqual([]);
  });

  it('the arming of a timer', async () => {
    const timer = (t: test_struct, arm: boolean) => async (): Promise<void> => {
      const done = new completion('done');
      const sim = new SimTimer('timer', async () => {
        count(t);
        await complete(done);
      });
      if (arm) count(t);
      sim.start(100);
      if (!arm) count(t);
      await wait_for_completion(done);
      count(t);
    };
    expect(await ever((t) => both(timer(t, true)))).toEqual([]);
    // What comes after the arming is not before the timer's function.
    expect(await ever((t) => both(timer(t, false)))).not.toEqual([]);
  });
});

/* Against brute force: every pair of accesses, ordered or not by the closure of what orders the steps. */

type Act =
  | { op: 'read'; field: 'a' | 'b' }
  | { op: 'write'; field: 'a' | 'b' }
  | { op: 'lock' | 'unlock' | 'atomic' | 'add' | 'load'; obj: number };

interface Step {
  task: number;
  act: Act;
}

const act: fc.Arbitrary<Act[]> = fc.oneof(
  fc
    .record({
      op: fc.constantFrom<'read' | 'write'>('read', 'write'),
      field: fc.constantFrom<'a' | 'b'>('a', 'b'),
    })
    .map((a) => [a]),
  fc
    .record({ op: fc.constantFrom<'atomic' | 'add' | 'load'>('atomic', 'add', 'load'), obj: fc.nat(1) })
    .map((a) => [a]),
  fc
    .tuple(
      fc.nat(1),
      fc.array(
        fc.record({
          op: fc.constantFrom<'read' | 'write'>('read', 'write'),
          field: fc.constantFrom<'a' | 'b'>('a', 'b'),
        }),
        { maxLength: 2 },
      ),
    )
    .map(([obj, inside]) => [{ op: 'lock', obj }, ...inside, { op: 'unlock', obj }] as Act[]),
);
const programs = fc.array(
  fc.array(act, { maxLength: 4 }).map((parts) => parts.flat()),
  { minLength: 2, maxLength: 4 },
);

/** Fields that the steps race on. */
function brute(steps: readonly Step[]): string[] {
  const n = steps.length;
  const before = steps.map(() => new Set<number>());
  const edge = (x: Step, y: Step): boolean => {
    if (x.task === y.task) return true;
    if (!('obj' in x.act) || !('obj' in y.act) || x.act.obj !== y.act.obj) return false;
    return (
      (x.act.op === 'unlock' && y.act.op === 'lock') ||
      ((x.act.op === 'atomic' || x.act.op === 'add') && (y.act.op === 'atomic' || y.act.op === 'load'))
    );
  };
  const racy = new Set<string>();
  for (let j = 0; j < n; j++) {
    for (let i = 0; i < j; i++) {
      if (!edge(steps[i], steps[j])) continue;
      before[j].add(i);
      for (const k of before[i]) before[j].add(k);
    }
    const { act: y } = steps[j];
    if (!('field' in y)) continue;
    for (let i = 0; i < j; i++) {
      const { act: x } = steps[i];
      if ('field' in x && x.field === y.field && (x.op === 'write' || y.op === 'write') && !before[j].has(i))
        racy.add(`test_struct.${x.field}`);
    }
  }
  return [...racy].sort();
}

describe('random programs', () => {
  it('race on the fields that brute force says', async () => {
    let some = 0;
    await fc.assert(
      fc.asyncProperty(programs, fc.nat(1000), async (bodies, seed) => {
        const steps: Step[] = [];
        const locks = [new mutex('l0'), new mutex('l1')];
        const atomics = [new atomic_t(0, 'x0'), new atomic_t(0, 'x1')];
        const run = async (t: test_struct, task: number): Promise<void> => {
          for (const a of bodies[task]) {
            if (a.op === 'lock') await mutex_lock(locks[a.obj]);
            else if (a.op === 'unlock') await mutex_unlock(locks[a.obj]);
            else if (a.op === 'atomic') await atomic_add_return(1, atomics[a.obj]);
            else if (a.op === 'add') await atomic_inc(atomics[a.obj]);
            else if (a.op === 'load') await atomic_read(atomics[a.obj]);
            else if (a.op === 'read') void t[a.field];
            else if (a.op === 'write') t[a.field] = task;
            steps.push({ task, act: a });
            if ('field' in a) await yield_now();
          }
        };
        const found = await races((t) => both(...bodies.map((_, i) => () => run(t, i))), { seed });
        const fields = [...new Set(found.map((f) => f.field))].sort();
        if (fields.length > 0) some++;
        expect(fields).toEqual(brute(steps));
      }),
      { numRuns: 2000, seed: 7 },
    );
    expect(some).toBeGreaterThan(300);
  });
});
