// SPDX-License-Identifier: GPL-2.0-only
// The ordering rules 1 to 8 that an emulation of runtime PM must keep
import { current, join, RandomPolicy, sleep_ns, spawn, yield_now } from '@vfio-lab/sim';
import { mutex, mutex_lock, mutex_unlock } from '@vfio-lab/locking';
import { EACCES, EAGAIN, EBUSY, EINPROGRESS, EINVAL, EIO, RPM_SUSPENDED } from '@vfio-lab/kernel';
import { expect, it } from 'vitest';
import {
  __pm_runtime_resume,
  pm_runtime_disable,
  pm_runtime_get,
  pm_runtime_get_noresume,
  pm_runtime_get_sync,
  pm_runtime_put,
  pm_runtime_put_noidle,
  pm_runtime_put_sync,
  pm_runtime_resume,
  pm_runtime_suspend,
  RPM_ASYNC,
} from '../src/index.ts';
import { active, boot, clean, schedules, settle, state, suspended, test_bus } from './util.ts';

it('1: a get_noresume after the check does not stop the suspend', async () => {
  await clean(async () => {
    const bus = new test_bus();
    const dev = await active(bus);
    bus.inside = async (what) => {
      if (what === 'suspend') await pm_runtime_get_noresume(dev);
    };
    expect(await pm_runtime_suspend(dev)).toBe(0);
    expect(state(dev)).toBe('suspended 1/0');
  });
});

it('2: a synchronous get during SUSPENDING waits and resumes in the caller; an asynchronous one leaves it to the suspender', async () => {
  for (const sync of [true, false]) {
    const who: string[] = [];
    await clean(async () => {
      const bus = new test_bus();
      const dev = await active(bus);
      bus.inside = async (what) => {
        who.push(`${what} ${current.name}`);
        if (what === 'suspend') await sleep_ns(100);
      };
      const t = spawn('getter', async () => {
        await sleep_ns(10);
        expect(state(dev)).toBe('suspending 0/0');
        expect(await (sync ? pm_runtime_get_sync(dev) : pm_runtime_get(dev))).toBe(0);
        who.push(`got ${state(dev)}`);
      });
      expect(await pm_runtime_suspend(dev)).toBe(sync ? 0 : -EAGAIN);
      await join(t);
      await settle(dev);
      expect(state(dev)).toBe('active 1/0');
    });
    if (sync) expect(who).toEqual(['suspend main', 'resume getter', 'got active 1/0']);
    else expect(who).toEqual(['suspend main', 'got suspending 1/0', 'resume main']);
  }
});

it('3: a synchronous get during RESUMING waits: 1 when the other made it, -EINVAL when it failed', async () => {
  for (const ret of [0, -EIO]) {
    await clean(async () => {
      const bus = new test_bus();
      const dev = await suspended(bus);
      bus.ret.resume = ret;
      bus.inside = async (what) => {
        if (what === 'resume') await sleep_ns(100);
      };
      const t = spawn('second', async () => {
        await sleep_ns(10);
        expect(state(dev)).toBe('resuming 1/0');
        expect(await pm_runtime_get_sync(dev)).toBe(ret === 0 ? 1 : -EINVAL);
      });
      expect(await pm_runtime_get_sync(dev)).toBe(ret);
      await join(t);
      expect(bus.log).toEqual(['resume dev']);
      expect(state(dev)).toBe(ret === 0 ? 'active 2/0' : 'suspended 2/0');
    });
  }
});

it('4: in a callback the lock is free and interrupts are on', async () => {
  await clean(async () => {
    const bus = new test_bus();
    const dev = await active(bus);
    bus.inside = () => {
      expect([dev.power.lock.owner, current.cpu.irqs_off, current.preempt_count]).toEqual([null, false, 0]);
    };
    await pm_runtime_get_noresume(dev);
    await pm_runtime_put_sync(dev);
    await pm_runtime_get_sync(dev);
    expect(bus.take()).toEqual(['idle dev', 'suspend dev', 'resume dev']);
  });
});

it('5: the parent is resumed first and suspended after, held by a temporary count meanwhile', async () => {
  await clean(async () => {
    const bus = new test_bus();
    const parent = await suspended(bus, 'parent');
    const dev = await suspended(bus, 'dev', parent);
    const states: string[] = [];
    bus.inside = (what, d) => void states.push(`${what} ${d.name}: parent ${state(parent)}`);
    expect(await pm_runtime_get_sync(dev)).toBe(0);
    await settle(parent);
    expect(states.splice(0)).toEqual(['resume parent: parent resuming 1/0', 'resume dev: parent active 1/0']);
    expect([state(parent), state(dev)]).toEqual(['active 0/1', 'active 1/0']);
    // An active child keeps it up.
    expect(await pm_runtime_suspend(parent)).toBe(-EBUSY);
    expect(await pm_runtime_put_sync(dev)).toBe(0);
    await settle(parent);
    expect(states.splice(0)).toEqual([
      'idle dev: parent active 0/1',
      'suspend dev: parent active 0/1',
      'idle parent: parent active 0/0',
      'suspend parent: parent suspending 0/0',
    ]);
  });
});

it('5: a parent that does not come up fails the child with -EBUSY, its counts as before', async () => {
  await clean(async () => {
    const bus = new test_bus();
    const parent = await suspended(bus, 'parent');
    const dev = await suspended(bus, 'dev', parent);
    bus.ret.resume = -EIO;
    expect(await pm_runtime_resume(dev)).toBe(-EBUSY);
    expect([state(parent), state(dev), dev.power.runtime_error]).toEqual([
      'suspended 0/0',
      'suspended 0/0',
      0,
    ]);
    expect(bus.take()).toEqual(['resume parent']);
  });
});

it('5: a parent that is disabled or ignores children is not resumed, only counted', async () => {
  await clean(async () => {
    const bus = new test_bus();
    const parent = await suspended(bus, 'parent');
    parent.power.ignore_children = true;
    const dev = await suspended(bus, 'dev', parent);
    expect(await pm_runtime_resume(dev)).toBe(0);
    expect([state(parent), parent.power.child_count.counter]).toEqual(['suspended 0/1', 1]);
    dev.power.usage_count.counter = 0;
    await settle(dev);
    expect(state(parent)).toBe('suspended 0/0');
    await pm_runtime_disable(parent);
    parent.power.ignore_children = false;
    expect(await pm_runtime_resume(dev)).toBe(0);
    expect(bus.log.filter((l) => l.endsWith('parent'))).toEqual([]);
    await settle(dev);
  });
});

it('6: the put that reaches 0 returns at once; a get before the work runs cancels it', async () => {
  await clean(async () => {
    const bus = new test_bus();
    const dev = await active(bus);
    await pm_runtime_get_noresume(dev);
    expect(await pm_runtime_put(dev)).toBe(0);
    expect([state(dev), dev.power.request_pending]).toEqual(['active 0/0', true]);
    expect(await pm_runtime_get_sync(dev)).toBe(1);
    await settle(dev);
    expect([state(dev), bus.log.length]).toEqual(['active 1/0', 0]);
  });
});

it('6: under any schedule a get keeps the device up once it has returned', async () => {
  await schedules(async () => {
    const bus = new test_bus();
    const dev = await active(bus);
    const user = async (): Promise<void> => {
      for (let i = 0; i < 3; i++) {
        expect(await pm_runtime_get_sync(dev)).toBeGreaterThanOrEqual(0);
        expect(dev.power.runtime_status).toBe(0);
        await yield_now();
        expect(dev.power.runtime_status).toBe(0);
        await pm_runtime_put(dev);
      }
    };
    const a = spawn('a', user);
    const b = spawn('b', user);
    await join(a);
    await join(b);
    await settle(dev);
    expect(state(dev)).toBe('suspended 0/0');
    // Suspend and resume never overlap, so they alternate.
    const moves = bus.log.filter((l) => !l.startsWith('idle'));
    for (let i = 0; i < moves.length; i++) expect(moves[i]).toBe(i % 2 === 0 ? 'suspend dev' : 'resume dev');
  });
});

it('6: under any schedule the parent is active while a child is', async () => {
  await schedules(async () => {
    const bus = new test_bus();
    const parent = await active(bus, 'parent');
    const kids = [await active(bus, 'k0', parent), await active(bus, 'k1', parent)];
    bus.inside = async (what, dev) => {
      await yield_now();
      if (what === 'resume' && dev !== parent) expect(parent.power.runtime_status).toBe(0);
    };
    const tasks = kids.map((kid) =>
      spawn(kid.name, async () => {
        for (let i = 0; i < 2; i++) {
          await pm_runtime_get_sync(kid);
          expect([kid.power.runtime_status, parent.power.runtime_status]).toEqual([0, 0]);
          await pm_runtime_put(kid);
        }
      }),
    );
    for (const t of tasks) await join(t);
    for (const d of [...kids, parent]) await settle(d);
    await sleep_ns(1);
    expect([state(parent), state(kids[0]), state(kids[1])]).toEqual([
      'suspended 0/0',
      'suspended 0/0',
      'suspended 0/0',
    ]);
  });
});

it('7: a callback that needs a lock whose holder does a synchronous get deadlocks', async () => {
  let deadlocks = 0;
  for (let seed = 0; seed < 30; seed++) {
    const m = await boot(async () => {
      const bus = new test_bus();
      const dev = await active(bus);
      const lock = new mutex('&vdev->memory_lock');
      bus.inside = async (what) => {
        if (what !== 'suspend') return;
        await mutex_lock(lock);
        await mutex_unlock(lock);
      };
      const t = spawn('user', async () => {
        await mutex_lock(lock);
        await pm_runtime_get_sync(dev);
        await mutex_unlock(lock);
      });
      await pm_runtime_suspend(dev);
      await join(t);
    }, new RandomPolicy(seed));
    // The lock graph knows nothing of it.
    expect(m.findings.filter((f) => f.kind.startsWith('lockdep'))).toEqual([]);
    if (m.findings.some((f) => f.kind === 'deadlock')) deadlocks++;
  }
  expect(deadlocks).toBeGreaterThan(0);
  expect(deadlocks).toBeLessThan(30);
});

it('7: a callback that resumes its own device sleeps on itself for ever', async () => {
  const m = await boot(async () => {
    const bus = new test_bus();
    const dev = await active(bus);
    bus.inside = async () => void (await pm_runtime_get_sync(dev));
    await pm_runtime_suspend(dev);
  });
  expect(m.findings.map((f) => f.text)).toEqual([
    expect.stringMatching(/^main waits for &dev->power.wait_queue/),
  ]);
});

it('8: what the errors mean', async () => {
  await clean(async () => {
    const bus = new test_bus();
    const dev = await suspended(bus);
    await pm_runtime_disable(dev);
    expect(await pm_runtime_resume(dev)).toBe(-EACCES);
    const other = await suspended(bus, 'other');
    other.power.runtime_error = -EIO;
    expect(await pm_runtime_resume(other)).toBe(-EINVAL);
    const busy = await active(bus, 'busy');
    await pm_runtime_get_noresume(busy);
    expect(await pm_runtime_suspend(busy)).toBe(-EAGAIN);
    await pm_runtime_put_noidle(busy);
    const third = await suspended(bus, 'third');
    bus.inside = async (what) => {
      if (what === 'resume') expect(await __pm_runtime_resume(third, RPM_ASYNC)).toBe(-EINPROGRESS);
    };
    expect(await pm_runtime_resume(third)).toBe(0);
    expect(dev.power.runtime_status).toBe(RPM_SUSPENDED);
  });
});

it('an asynchronous put inside ->runtime_resume is not lost', async () => {
  await clean(async () => {
    const bus = new test_bus();
    const dev = await suspended(bus);
    await pm_runtime_get_noresume(dev);
    bus.inside = async (what) => {
      if (what === 'resume') expect(await pm_runtime_put(dev)).toBe(-EAGAIN);
    };
    expect(await pm_runtime_resume(dev)).toBe(0);
    await settle(dev);
    expect(bus.log).toEqual(['resume dev', 'idle dev', 'suspend dev']);
  });
});
