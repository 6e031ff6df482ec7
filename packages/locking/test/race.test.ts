// SPDX-License-Identifier: GPL-2.0-only
import {
  type Finding,
  join,
  Machine,
  machine,
  RandomPolicy,
  SimTimer,
  spawn,
  yield_now,
  sleep_ns,
} from '@vfio-lab/sim';
import { describe, expect, it } from 'vitest';
import {
  atomic_inc,
  atomic_read,
  atomic_t,
  complete,
  completion,
  down_read,
  down_write,
  mutex,
  mutex_lock,
  mutex_unlock,
  RaceLocks,
  RaceMachine,
  READ_ONCE,
  rw_semaphore,
  spin_lock_irqsave,
  spin_unlock_irqrestore,
  spinlock_t,
  up_read,
  up_write,
  wait_for_completion,
  WRITE_ONCE,
} from '../src/index.ts';

class device_state {
  flag = 0;
  other = 0;
}

/** The fields that two tasks race on, under ten random schedules. */
async function races(
  programs: (dev: device_state) => [() => Promise<void>, () => Promise<void>],
): Promise<string[]> {
  const found = new Set<string>();
  for (let seed = 0; seed < 10; seed++) {
    const m = new RaceMachine({
      policy: new RandomPolicy(seed),
      structs: new Set([device_state]),
      race: ({ struct, field, before, after }) => {
        const sides = [before, after]
          .map((a) => `${a.marked ? 'marked ' : ''}${a.write ? 'write' : 'read'}`)
          .sort();
        found.add(`${struct}.${field}: ${sides.join(', ')}`);
      },
    });
    m.lock_observer = new RaceLocks(m, null);
    await m.run(async () => {
      const dev = machine.adopt(new device_state());
      m.watch();
      const tasks = programs(dev).map((program, i) => spawn(`t${i}`, program));
      for (const task of tasks) await join(task);
      // After both: in order.
      dev.other = 9;
    });
    expect(m.findings.map((f: Finding) => f.kind)).toEqual([]);
  }
  return [...found].sort();
}

async function twice(body: () => Promise<void>): Promise<void> {
  await yield_now();
  await body();
  await yield_now();
}

describe('a data race is told', () => {
  it('of two plain writes', async () => {
    const write = (dev: device_state) => () => twice(async () => void (dev.flag = await one()));
    expect(await races((dev) => [write(dev), write(dev)])).toEqual(['device_state.flag: write, write']);
  });

  it('of a plain read and a plain write', async () => {
    let sum = 0;
    const found = await races((dev) => [
      () => twice(async () => void (sum += dev.flag)),
      () => twice(async () => void (dev.flag = await one())),
    ]);
    expect(found).toEqual(['device_state.flag: read, write']);
    expect(sum).toBeGreaterThanOrEqual(0);
  });

  it('of a plain read and a marked write, and not of two marked ones', async () => {
    let sum = 0;
    const mixed = await races((dev) => [
      () => twice(async () => void (sum += dev.flag)),
      () => WRITE_ONCE(dev, 'flag', 1),
    ]);
    expect(mixed).toEqual(['device_state.flag: marked write, read']);
    const marked = await races((dev) => [
      async () => void (sum += await READ_ONCE(dev, 'flag')),
      () => WRITE_ONCE(dev, 'flag', 1),
    ]);
    expect(marked).toEqual([]);
    expect(sum).toBeGreaterThanOrEqual(0);
  });

  it('of accesses under different locks, and of a writer among readers', async () => {
    const [a, b] = [new mutex('a'), new mutex('b')];
    const under = (lock: mutex, dev: device_state) => async (): Promise<void> => {
      await mutex_lock(lock);
      dev.flag++;
      await mutex_unlock(lock);
    };
    expect(await races((dev) => [under(a, dev), under(b, dev)])).toContain('device_state.flag: write, write');
    const sem = new rw_semaphore('sem');
    const reader = (dev: device_state) => async (): Promise<void> => {
      await down_read(sem);
      dev.flag++;
      await up_read(sem);
    };
    expect(await races((dev) => [reader(dev), reader(dev)])).toContain('device_state.flag: write, write');
  });
});

describe('no data race is told', () => {
  it('under one mutex, one spinlock, or a rw-semaphore with its writer', async () => {
    const m = new mutex('m');
    const s = new spinlock_t('s');
    const sem = new rw_semaphore('sem');
    const bodies: ((dev: device_state, first: boolean) => Promise<void>)[] = [
      async (dev) => {
        await mutex_lock(m);
        dev.flag++;
        await mutex_unlock(m);
      },
      async (dev) => {
        const flags = await spin_lock_irqsave(s);
        dev.flag++;
        await spin_unlock_irqrestore(s, flags);
      },
      async (dev, first) => {
        if (first) {
          await down_write(sem);
          dev.flag++;
          await up_write(sem);
        } else {
          await down_read(sem);
          if (dev.flag < 0) throw new Error('never');
          await up_read(sem);
        }
      },
    ];
    for (const body of bodies)
      expect(await races((dev) => [() => body(dev, true), () => body(dev, false)])).toEqual([]);
  });

  it('of fields that only one task uses, and of what a completion or an atomic hands over', async () => {
    expect(
      await races((dev) => [
        () => twice(async () => void (dev.flag = await one())),
        () => twice(async () => void (dev.other = await one())),
      ]),
    ).toEqual([]);
    expect(
      await races((dev) => {
        const done = new completion();
        return [
          async () => {
            dev.flag = 1;
            await complete(done);
          },
          async () => {
            await wait_for_completion(done);
            dev.flag++;
          },
        ];
      }),
    ).toEqual([]);
    expect(
      await races((dev) => {
        const ready = new atomic_t(0);
        return [
          async () => {
            dev.flag = 1;
            await atomic_inc(ready);
          },
          async () => {
            if ((await atomic_read(ready)) === 1) dev.flag++;
          },
        ];
      }),
    ).toEqual([]);
  });

  it('between the arming of a timer and its function', async () => {
    expect(
      await races((dev) => [
        async () => {
          dev.flag = 1;
          new SimTimer('timer', () => void dev.flag++).start(machine.clock.now + 10);
          await sleep_ns(100);
        },
        () => Promise.resolve(),
      ]),
    ).toEqual([]);
  });
});

it('a machine that does not look for races has plain fields', async () => {
  const m = new Machine();
  await m.run(() => {
    const dev = machine.adopt(new device_state());
    expect(Object.keys(dev)).toEqual(['flag', 'other']);
  });
});

function one(): Promise<number> {
  return Promise.resolve(1);
}
