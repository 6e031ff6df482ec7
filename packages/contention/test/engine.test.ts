// SPDX-License-Identifier: GPL-2.0-only
import {
  down_read,
  down_write,
  downgrade_write,
  mutex,
  mutex_lock,
  mutex_trylock,
  mutex_unlock,
  rw_semaphore,
  spin_lock,
  spin_unlock,
  spinlock_t,
  up_read,
  up_write,
} from '@vfio-lab/locking';
import { delay_ns, machine, SimTimer, sleep_ns, spawn, wait_until, Obj } from '@vfio-lab/sim';
import { Mutex } from 'async-mutex';
import { describe, expect, it } from 'vitest';
import { freeCosts, loadCosts } from '../src/costs.ts';
import type { Engine } from '../src/engine/engine.ts';
import { HAND_OVER } from '../src/engine/gate.ts';
import { simulate, type SimulateOptions } from '../src/engine/simulate.ts';

const US = 1000;
const MS = 1e6;

/** Runs tasks and gives what they said, with the time. */
async function log(
  opts: SimulateOptions,
  tasks: (engine: Engine, say: (what: string) => void) => (() => Promise<void>)[],
): Promise<string[]> {
  const lines: string[] = [];
  await simulate(opts, (engine) => tasks(engine, (what) => lines.push(`${engine.now} ${what}`)));
  return lines;
}

describe('processors', () => {
  it('progress in parallel', async () => {
    const { machine: m } = await simulate({ cpus: 4 }, (e) =>
      Array.from({ length: 4 }, () => async () => {
        await e.work(MS);
      }),
    );
    expect(m.clock.now).toBe(MS);
  });

  it('are shared in time slices', async () => {
    const costs = { ...freeCosts(), time_slice: 100 };
    const ends = await log({ cpus: 1, costs }, (e, say) =>
      ['a', 'b'].map((n) => async () => {
        await e.work(250);
        say(n);
      }),
    );
    expect(ends).toEqual(['450 a', '500 b']);
  });

  it('four tasks on two processors take twice as long as on four', async () => {
    const { machine: m } = await simulate({ cpus: 2, costs: { ...freeCosts(), time_slice: 10 } }, (e) =>
      Array.from({ length: 4 }, () => async () => {
        await e.work(1000);
      }),
    );
    expect(m.clock.now).toBe(2000);
  });

  it('a delay inside the kernel gives the processor up, a short one does not', async () => {
    const run = (ns: number) =>
      log({ cpus: 1 }, (e, say) => [
        async () => {
          delay_ns(ns);
          await e.work(0);
          say('slept');
        },
        async () => {
          await e.work(5);
          say('other');
        },
      ]);
    expect(await run(20 * US)).toEqual(['5 other', '20000 slept']);
    expect(await run(5 * US)).toEqual(['5000 slept', '5005 other']);
  });

  it('take interrupts and timers on top of what they run', async () => {
    const lines = await log({ cpus: 1 }, (e, say) => [
      async () => {
        new SimTimer('t', async () => {
          await e.work(7);
          say('timer');
        }).start(e.now + 50);
        await e.work(100);
        say('task');
      },
    ]);
    expect(lines).toEqual(['57 timer', '107 task']);
  });

  it('interrupts wait while a spinlock with interrupts off is held elsewhere only', async () => {
    const lines = await log({ cpus: 2 }, (e, say) => [
      async () => {
        const l = new spinlock_t('&l');
        await spin_lock(l);
        machine.cpu(1).irqs_off = true;
        spawn('irq', async () => say('irq'), { kind: 'hardirq', cpu: 1, process: null });
        await e.work(40);
        machine.cpu(1).irqs_off = false;
        await spin_unlock(l);
      },
      async () => {
        await e.work(60);
        await e.work(1);
      },
    ]);
    expect(lines).toHaveLength(1);
  });

  it('conditions and sleeps of the simulator work', async () => {
    const obj = new Obj('flag');
    let flag = false;
    const lines = await log({ cpus: 2 }, (e, say) => [
      async () => {
        await wait_until(obj, () => flag);
        say('woken');
        await sleep_ns(1000);
        say('slept');
      },
      async () => {
        await e.work(500);
        flag = true;
        await e.work(1);
      },
    ]);
    expect(lines).toEqual(['500 woken', '1500 slept']);
  });

  it('a deadlock is a finding', async () => {
    const { machine: m } = await simulateDeadlock();
    expect(m.findings.map((f) => f.kind)).toEqual(['deadlock']);
  });
});

async function simulateDeadlock(): ReturnType<typeof simulate> {
  const a = new mutex('a');
  const b = new mutex('b');
  const take = (e: Engine, x: mutex, y: mutex) => async () => {
    await mutex_lock(x);
    await e.work(10);
    await mutex_lock(y);
  };
  return simulate({ cpus: 2 }, (e) => [take(e, a, b), take(e, b, a)]);
}

describe('hand-over', () => {
  it('fifo grants in the order in which async-mutex does', async () => {
    const real = new Mutex();
    const realOrder: number[] = [];
    await real.acquire();
    const waits = Array.from({ length: 8 }, async (_, i) => {
      const release = await real.acquire();
      realOrder.push(i);
      release();
    });
    real.release();
    await Promise.all(waits);

    const order: number[] = [];
    await simulate({ cpus: 10, handOver: HAND_OVER.fifo }, (e) => {
      const l = new mutex('l');
      return [
        async () => {
          await mutex_lock(l);
          await e.work(100);
          await mutex_unlock(l);
        },
        ...Array.from({ length: 8 }, (_, i) => async () => {
          await e.work(i + 1);
          await mutex_lock(l);
          order.push(i);
          await mutex_unlock(l);
        }),
      ];
    });
    expect(order).toEqual(realOrder);
  });

  it('spinlocks are queued, and their waiters keep the processor', async () => {
    const lines = await log({ cpus: 2 }, (e, say) => {
      const l = new spinlock_t('l');
      return [
        async () => {
          await spin_lock(l);
          await e.work(100);
          await spin_unlock(l);
        },
        async () => {
          await e.work(10);
          await spin_lock(l);
          say('second');
          await spin_unlock(l);
        },
        async () => {
          await e.work(1);
          say('third task');
        },
      ];
    });
    // The third task gets a processor only when a spinner or the holder leaves one.
    expect(lines).toEqual(['100 second', '101 third task']);
  });

  it('with linux a spinner takes the lock before a sleeper, which is handed it next', async () => {
    const costs = { ...freeCosts(), context_switch: 50 };
    const order: string[] = [];
    await simulate({ cpus: 4, costs }, (e) => {
      const l = new mutex('l');
      const take =
        (name: string, at: number, hold: number, sleep = 0) =>
        async () => {
          await e.work(at);
          await mutex_lock(l);
          order.push(name);
          if (sleep > 0) delay_ns(sleep);
          await e.work(hold);
          await mutex_unlock(l);
        };
      return [
        take('owner', 0, 2000, 20 * US),
        take('sleeper', 500, 10),
        take('spinner', 21_500, 500),
        take('late', 21_600, 10),
      ];
    });
    expect(order).toEqual(['owner', 'spinner', 'sleeper', 'late']);
  });

  it('readers go in batches', async () => {
    for (const rule of ['linux', 'fifo', 'linux-no-spin']) {
      const lines = await log({ cpus: 8, handOver: HAND_OVER[rule] }, (e, say) => {
        const s = new rw_semaphore('s');
        const reader = (at: number) => async () => {
          await e.work(at);
          await down_read(s);
          say('reader');
          await e.work(100);
          await up_read(s);
        };
        return [
          async () => {
            await down_write(s);
            await e.work(50);
            await up_write(s);
          },
          reader(1),
          reader(2),
          reader(3),
        ];
      });
      expect(lines).toEqual(['50 reader', '50 reader', '50 reader']);
    }
  });

  it('writers are not starved by readers that keep coming', async () => {
    for (const rule of ['linux', 'fifo', 'linux-no-spin']) {
      let wait = Infinity;
      await simulate({ cpus: 6, handOver: HAND_OVER[rule] }, (e) => {
        const s = new rw_semaphore('s');
        let done = false;
        const reader = (at: number) => async () => {
          await e.work(at);
          while (!done) {
            await down_read(s);
            await e.work(100);
            await up_read(s);
            await e.work(1);
          }
        };
        return [
          reader(0),
          reader(30),
          reader(60),
          async () => {
            await e.work(500);
            const since = e.now;
            await down_write(s);
            done = true;
            await up_write(s);
            wait = e.now - since;
          },
        ];
      });
      expect(wait).toBeLessThan(4 * MS + 300);
    }
  });

  it('downgrading lets readers in and writers wait', async () => {
    const lines = await log({ cpus: 4 }, (e, say) => {
      const s = new rw_semaphore('s');
      return [
        async () => {
          await down_write(s);
          await e.work(50);
          await downgrade_write(s);
          await e.work(100);
          await up_read(s);
        },
        async () => {
          await e.work(1);
          await down_read(s);
          say('reader');
          await up_read(s);
        },
        async () => {
          await e.work(2);
          await down_write(s);
          say('writer');
          await up_write(s);
        },
      ];
    });
    expect(lines).toEqual(['50 reader', '150 writer']);
  });

  it('a trylock that comes in between costs the promised owner another wait', async () => {
    const costs = { ...freeCosts(), idle_exit: 100 };
    const lines = await log({ cpus: 4, handOver: HAND_OVER.fifo, costs }, (e, say) => {
      const l = new mutex('l');
      return [
        async () => {
          await mutex_lock(l);
          await e.work(50);
          await mutex_unlock(l);
        },
        async () => {
          await e.work(1);
          await mutex_lock(l);
          say('waiter');
          await mutex_unlock(l);
        },
        async () => {
          await e.work(60);
          say(`trylock ${await mutex_trylock(l)}`);
          await e.work(500);
          await mutex_unlock(l);
        },
      ];
    });
    expect(lines[0]).toContain('trylock 1');
    expect(lines[1]).toContain('waiter');
  });
});

describe('a run', () => {
  const story = async (seed: number): Promise<string> => {
    const costs = loadCosts().ns;
    const lines = await log({ cpus: 3, costs }, (e, say) => {
      const l = new mutex('l');
      const s = new rw_semaphore('s');
      return Array.from({ length: 7 }, (_, i) => async () => {
        for (let n = 0; n < 40; n++) {
          await (i % 2 ? down_read(s) : down_write(s));
          await e.work(((i * 37 + n * seed) % 11) * 100);
          await (i % 2 ? up_read(s) : up_write(s));
          await mutex_lock(l);
          say(`task ${i}`);
          await mutex_unlock(l);
        }
      });
    });
    return lines.join('\n');
  };

  it('has the same bytes every time, and others with another seed', async () => {
    const first = await story(3);
    expect(await story(3)).toBe(first);
    expect(await story(4)).not.toBe(first);
  });

  it('costs per operation do not grow with the number of tasks', async () => {
    const perPair = async (tasks: number): Promise<number> => {
      const pairs = 40_000;
      const start = process.cpuUsage().user;
      await simulate({ cpus: 64, costs: loadCosts().ns }, (e) => {
        let left = pairs;
        return Array.from({ length: tasks }, (_, i) => {
          const l = new mutex(`l${i % 256}`);
          return async () => {
            while (left-- > 0) {
              await mutex_lock(l);
              await e.work(100);
              await mutex_unlock(l);
            }
          };
        });
      });
      return (process.cpuUsage().user - start) / pairs;
    };
    await perPair(16);
    expect((await perPair(1024)) / (await perPair(16))).toBeLessThan(4);
  });
});
