// SPDX-License-Identifier: GPL-2.0-only
// What orders the accesses to a field: handlers and work items against those who wait for them.
import { describe, expect, it } from 'vitest';
import { join, RandomPolicy, spawn } from '@vfio-lab/sim';
import { RaceLocks, RaceMachine } from '@vfio-lab/locking';
import {
  alloc_workqueue,
  cancel_work_sync,
  destroy_workqueue,
  flush_work,
  flush_workqueue,
  INIT_WORK,
  queue_work,
  work_struct,
} from '@vfio-lab/kernel';
import {
  free_irq,
  get_irq_line,
  IRQ_HANDLED,
  IRQ_WAKE_THREAD,
  request_irq,
  request_threaded_irq,
  synchronize_irq,
} from '../src/index.ts';

class counter {
  n = 0;
}

/** Fields that are raced on under any of some schedules, and the values that were counted to. */
async function ever(program: (c: counter) => Promise<void>): Promise<{ races: string[]; counts: number[] }> {
  const races = new Set<string>();
  const counts = new Set<number>();
  for (let seed = 0; seed < 40; seed++) {
    const m = new RaceMachine({
      structs: new Set<unknown>([counter]),
      policy: new RandomPolicy(seed),
      race: ({ struct, field }) => void races.add(`${struct}.${field}`),
    });
    m.lock_observer = new RaceLocks(m, null);
    await m.run(async () => {
      m.watch();
      const c = m.adopt(new counter());
      await program(c);
      counts.add(m.peek(() => c.n));
    });
    expect(m.findings).toEqual([]);
  }
  return { races: [...races], counts: [...counts].toSorted((a, b) => a - b) };
}

/** Waits for a work item that counts, by `wait`, and counts itself. */
function work(wait: (wq: ReturnType<typeof alloc_workqueue>, item: work_struct) => Promise<unknown>) {
  return async (c: counter): Promise<void> => {
    const wq = alloc_workqueue('test');
    const item = new work_struct();
    INIT_WORK(item, () => void c.n++);
    c.n++;
    await queue_work(wq, item);
    await wait(wq, item);
    c.n++;
  };
}

describe('a work item', () => {
  it.each([
    ['flush_work', (_wq, item) => flush_work(item)],
    ['flush_workqueue', (wq) => flush_workqueue(wq)],
    ['destroy_workqueue', (wq) => destroy_workqueue(wq)],
  ] satisfies [string, Parameters<typeof work>[0]][])(
    'comes after its queueing and before the end of %s',
    async (_name, wait) => {
      expect(await ever(work(wait))).toEqual({ races: [], counts: [3] });
    },
  );

  it('comes before the end of cancel_work_sync, or not at all', async () => {
    expect(await ever(work((_wq, item) => cancel_work_sync(item)))).toEqual({ races: [], counts: [2, 3] });
  });

  it('races with who does not wait for it', async () => {
    const { races } = await ever(work(() => Promise.resolve()));
    expect(races).toEqual(['counter.n']);
  });

  it('is ordered after another run of itself', async () => {
    const { races } = await ever(async (c) => {
      const wq = alloc_workqueue('test');
      const item = new work_struct();
      INIT_WORK(item, () => void c.n++);
      const queuer = (): Promise<boolean> => queue_work(wq, item);
      for (const task of [
        spawn('a', async () => void (await queuer())),
        spawn('b', async () => void (await queuer())),
      ])
        await join(task);
      await destroy_workqueue(wq);
    });
    expect(races).toEqual([]);
  });
});

const dev = {};

/** The line is raised once; the handler, or its thread, counts; who asked for it waits, by `wait`, and counts itself. */
function interrupt(threaded: boolean, wait: () => Promise<unknown>) {
  return async (c: counter): Promise<void> => {
    const line = get_irq_line(21);
    const count = (): number => {
      c.n++;
      line.lower('card');
      return IRQ_HANDLED;
    };
    c.n++;
    if (threaded) await request_threaded_irq(21, () => IRQ_WAKE_THREAD, count, 0x2000, 'test', dev);
    else await request_irq(21, count, 0, 'test', dev);
    const card = spawn('card', () => line.raise('card'));
    await join(card);
    await wait();
    c.n++;
  };
}

describe.each([
  ['a handler', false],
  ['a threaded handler', true],
])('%s', (_what, threaded) => {
  it('comes before the end of free_irq, or not at all', async () => {
    const { races, counts } = await ever(interrupt(threaded, () => free_irq(21, dev)));
    expect(races).toEqual([]);
    expect(counts).toContain(3);
  });

  it('races with who does not wait for it', async () => {
    const { races } = await ever(interrupt(threaded, () => Promise.resolve()));
    expect(races).toEqual(['counter.n']);
  });
});

describe('synchronize_irq', () => {
  it('waits for the handler that runs', async () => {
    const { races } = await ever(async (c) => {
      const line = get_irq_line(21);
      let stop = false;
      const count = (): number => {
        if (!stop) c.n++;
        line.lower('card');
        return IRQ_HANDLED;
      };
      await request_irq(21, count, 0, 'test', dev);
      line.raise('card');
      // What a driver does before it takes down what its handler uses.
      stop = true;
      await synchronize_irq(21);
      c.n++;
    });
    expect(races).toEqual([]);
  });
});
