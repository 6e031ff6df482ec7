// SPDX-License-Identifier: GPL-2.0-only
import { current, join, now, RandomPolicy, sleep_ns, spawn, yield_now } from '@vfio-lab/sim';
import {
  EAGAIN,
  EBUSY,
  EINVAL,
  EIO,
  flush_work,
  NSEC_PER_MSEC,
  RPM_ACTIVE,
  RPM_RESUMING,
  RPM_SUSPENDED,
} from '@vfio-lab/kernel';
import { describe, expect, it } from 'vitest';
import {
  __pm_runtime_disable,
  __pm_runtime_set_status,
  pm_request_autosuspend,
  pm_request_idle,
  pm_request_resume,
  pm_runtime_active_time,
  pm_runtime_allow,
  pm_runtime_autosuspend_expiration,
  pm_runtime_barrier,
  pm_runtime_disable,
  pm_runtime_dont_use_autosuspend,
  pm_runtime_enable,
  pm_runtime_forbid,
  pm_runtime_force_resume,
  pm_runtime_force_suspend,
  pm_runtime_get_noresume,
  pm_runtime_get_sync,
  pm_runtime_idle,
  pm_runtime_irq_safe,
  pm_runtime_mark_last_busy,
  pm_runtime_no_callbacks,
  pm_runtime_put,
  pm_runtime_put_autosuspend,
  pm_runtime_put_sync,
  pm_runtime_reinit,
  pm_runtime_remove,
  pm_runtime_resume,
  pm_runtime_set_active,
  pm_runtime_set_autosuspend_delay,
  pm_runtime_set_suspended,
  pm_runtime_suspend,
  pm_runtime_suspended_time,
  pm_runtime_use_autosuspend,
  pm_schedule_suspend,
  pmerr,
} from '../src/index.ts';
import { active, boot, clean, make, settle, state, suspended, test_bus } from './util.ts';

describe('init', () => {
  it('suspended, disabled once, "auto", counts 0', async () => {
    await clean(async () => {
      const p = make(null).power;
      expect([p.runtime_status, p.last_status, p.disable_depth, p.runtime_auto]).toEqual([
        RPM_SUSPENDED,
        -1,
        1,
        true,
      ]);
      expect([p.usage_count.counter, p.child_count.counter, p.runtime_error, p.request]).toEqual([
        0, 0, 0, 0,
      ]);
      expect([p.lock.name, p.work.name]).toEqual(['&dev->power.lock', '&dev->power.work']);
    });
  });
});

describe('set_status', () => {
  it('-EINVAL for other states, -EAGAIN while enabled without error', async () => {
    await clean(async () => {
      const dev = await active(null);
      expect(await __pm_runtime_set_status(dev, RPM_RESUMING)).toBe(-EINVAL);
      expect(await pm_runtime_set_suspended(dev)).toBe(-EAGAIN);
      dev.power.runtime_error = -EIO;
      expect(await pm_runtime_set_suspended(dev)).toBe(0);
      expect([state(dev), dev.power.runtime_error, dev.power.disable_depth]).toEqual(['suspended 0/0', 0, 0]);
    });
  });

  it('counts the child at its parent, once', async () => {
    await clean(async () => {
      const bus = new test_bus();
      const parent = await active(bus, 'parent');
      const dev = make(bus, 'dev', parent);
      expect(await pm_runtime_set_active(dev)).toBe(0);
      expect(await pm_runtime_set_active(dev)).toBe(0);
      expect(state(parent)).toBe('active 0/1');
      expect(await pm_runtime_set_suspended(dev)).toBe(0);
      expect(await pm_runtime_set_suspended(dev)).toBe(0);
      expect(state(parent)).toBe('active 0/0');
      // The parent was sent an idle check.
      await settle(parent);
      expect(bus.take()).toEqual(['idle parent', 'suspend parent']);
      expect(dev.power.disable_depth).toBe(1);
    });
  });

  it('-EBUSY for an active child under a parent that is enabled and not active', async () => {
    const m = await clean(async () => {
      const parent = await suspended(null, 'parent');
      const dev = make(null, 'dev', parent);
      dev.power.runtime_error = -EIO;
      expect(await pm_runtime_set_active(dev)).toBe(-EBUSY);
      expect([state(dev), state(parent), dev.power.disable_depth]).toEqual([
        'suspended 0/0',
        'suspended 0/0',
        1,
      ]);
      expect(dev.power.runtime_error).toBe(-EIO);
      parent.power.ignore_children = true;
      expect(await pm_runtime_set_active(dev)).toBe(0);
      expect(parent.power.child_count.counter).toBe(1);
    });
    expect(m.log).toEqual([
      '<3> dev: runtime PM trying to activate child device dev but parent (parent) is not active',
    ]);
  });
});

describe('enable and disable', () => {
  it('nest, and an enable too many warns', async () => {
    const m = await clean(async () => {
      const dev = await active(null);
      await pm_runtime_disable(dev);
      await pm_runtime_disable(dev);
      expect([dev.power.disable_depth, dev.power.last_status]).toEqual([2, RPM_ACTIVE]);
      await pm_runtime_enable(dev);
      expect(dev.power.last_status).toBe(RPM_ACTIVE);
      await pm_runtime_enable(dev);
      expect([dev.power.disable_depth, dev.power.last_status]).toEqual([0, -1]);
      await pm_runtime_enable(dev);
    });
    expect(m.log).toEqual(['<4> dev: Unbalanced pm_runtime_enable!']);
  });

  it('enabling an inactive device with active children warns', async () => {
    const m = await clean(async () => {
      const parent = make(null, 'parent');
      const dev = make(null, 'dev', parent);
      await pm_runtime_set_active(dev);
      await pm_runtime_enable(parent);
    });
    expect(m.log).toEqual(['<4> parent: Enabling runtime PM for inactive device with active children']);
  });

  it('disable carries out a queued resume first, unless told not to', async () => {
    for (const check of [true, false]) {
      await clean(async () => {
        const bus = new test_bus();
        const dev = await suspended(bus);
        expect(await pm_request_resume(dev)).toBe(0);
        await __pm_runtime_disable(dev, check);
        await settle(dev);
        expect(bus.take()).toEqual(check ? ['resume dev'] : []);
        expect(state(dev)).toBe(check ? 'active 0/0' : 'suspended 0/0');
      });
    }
  });

  it('after disable no callback runs and none is queued', async () => {
    for (let seed = 0; seed < 30; seed++) {
      await clean(async () => {
        const bus = new test_bus();
        const dev = await active(bus);
        let inside = 0;
        bus.inside = async () => {
          inside++;
          await yield_now();
          await yield_now();
          inside--;
        };
        await pm_request_idle(dev);
        const t = spawn('sync', async () => {
          await pm_runtime_idle(dev);
        });
        await yield_now();
        await pm_runtime_disable(dev);
        expect([inside, dev.power.request_pending, dev.power.work.pending]).toEqual([0, false, false]);
        await join(t);
      }, new RandomPolicy(seed));
    }
  });
});

describe('barrier', () => {
  it('1 after carrying out a queued resume, else 0; an idle request is lost', async () => {
    await clean(async () => {
      const bus = new test_bus();
      const dev = await suspended(bus);
      await pm_request_resume(dev);
      expect(await pm_runtime_barrier(dev)).toBe(1);
      expect(bus.take()).toEqual(['resume dev']);
      await settle(dev);
      await pm_runtime_resume(dev);
      await pm_request_idle(dev);
      expect(await pm_runtime_barrier(dev)).toBe(0);
      expect(state(dev)).toBe('active 0/0');
      await sleep_ns(NSEC_PER_MSEC);
      expect(state(dev)).toBe('active 0/0');
    });
  });

  it('waits for a transition and an idle callback', async () => {
    for (const what of ['suspend', 'resume', 'idle']) {
      await clean(async () => {
        const bus = new test_bus();
        const dev = what === 'resume' ? await suspended(bus) : await active(bus);
        let done = false;
        bus.inside = async (w) => {
          if (w !== what) return;
          await sleep_ns(100);
          done = true;
        };
        const t = spawn('mover', async () => {
          if (what === 'suspend') await pm_runtime_suspend(dev);
          else if (what === 'resume') await pm_runtime_resume(dev);
          else await pm_runtime_idle(dev);
        });
        await sleep_ns(10);
        expect(await pm_runtime_barrier(dev)).toBe(0);
        expect(done).toBe(true);
        await join(t);
      });
    }
  });
});

describe('forbid and allow', () => {
  it('hold one usage count, once; forbid resumes, allow queues an idle check at 0', async () => {
    await clean(async () => {
      const bus = new test_bus();
      const dev = await suspended(bus);
      await pm_runtime_forbid(dev);
      await pm_runtime_forbid(dev);
      expect([state(dev), dev.power.runtime_auto]).toEqual(['active 1/0', false]);
      await pm_runtime_allow(dev);
      await pm_runtime_allow(dev);
      expect([state(dev), dev.power.runtime_auto]).toEqual(['active 0/0', true]);
      await settle(dev);
      expect(bus.take()).toEqual(['resume dev', 'idle dev', 'suspend dev']);
      await pm_runtime_forbid(dev);
      await pm_runtime_get_noresume(dev);
      bus.take();
      await pm_runtime_allow(dev);
      await settle(dev);
      expect([state(dev), bus.log.length]).toEqual(['active 1/0', 0]);
    });
  });

  it('allow warns about an underflow', async () => {
    const m = await boot(async () => {
      const dev = await active(null);
      dev.power.runtime_auto = false;
      await pm_runtime_allow(dev);
      expect(state(dev)).toBe('active 0/0');
    });
    expect(m.findings.map((f) => f.kind)).toEqual(['pm-underflow']);
  });
});

describe('no_callbacks', () => {
  it('succeeds without callbacks, and without resuming an active, disabled or ignoring parent', async () => {
    await clean(async () => {
      const bus = new test_bus();
      const parent = await active(bus, 'parent');
      const dev = await suspended(bus, 'dev', parent);
      await pm_runtime_no_callbacks(dev);
      expect(await pm_runtime_resume(dev)).toBe(1);
      expect([state(dev), state(parent)]).toEqual(['suspended 0/0', 'active 0/0']);
      await pm_runtime_get_noresume(dev);
      await pm_runtime_get_noresume(parent);
      expect(await pm_runtime_resume(dev)).toBe(1);
      expect([state(dev), state(parent)]).toEqual(['active 1/0', 'active 1/1']);
      expect(await pm_runtime_put_sync(dev)).toBe(0);
      expect([state(dev), state(parent)]).toEqual(['suspended 0/0', 'active 1/0']);
      expect(bus.log).toEqual([]);
    });
  });

  it('resumes a suspended parent', async () => {
    await clean(async () => {
      const bus = new test_bus();
      const parent = await suspended(bus, 'parent');
      const dev = await suspended(bus, 'dev', parent);
      await pm_runtime_no_callbacks(dev);
      await pm_runtime_get_noresume(dev);
      expect(await pm_runtime_resume(dev)).toBe(0);
      expect([state(dev), state(parent)]).toEqual(['active 1/0', 'active 0/1']);
      expect(bus.log).toEqual(['resume parent']);
    });
  });
});

describe('irq_safe', () => {
  it('runs callbacks with interrupts off and pins the parent until reinit', async () => {
    await clean(async () => {
      const bus = new test_bus();
      const parent = await suspended(bus, 'parent');
      const dev = await suspended(bus, 'dev', parent);
      await pm_runtime_irq_safe(dev);
      expect(state(parent)).toBe('active 1/0');
      bus.inside = (_what, d) => {
        if (d === dev) expect(current.cpu.irqs_off).toBe(true);
      };
      expect(await pm_runtime_get_sync(dev)).toBe(0);
      expect(state(parent)).toBe('active 1/1');
      expect(await pm_runtime_put_sync(dev)).toBe(0);
      expect(state(parent)).toBe('active 1/0');
      await pm_runtime_disable(dev);
      await pm_runtime_reinit(dev);
      expect(dev.power.irq_safe).toBe(false);
      expect(state(parent)).toBe('active 0/0');
      await settle(parent);
      expect(state(parent)).toBe('suspended 0/0');
    });
  });

  it('waits by spinning', async () => {
    for (const what of ['suspend', 'resume'] as const) {
      for (let seed = 0; seed < 10; seed++) {
        await clean(async () => {
          const bus = new test_bus();
          const dev = what === 'suspend' ? await active(bus) : await suspended(bus);
          await pm_runtime_irq_safe(dev);
          bus.inside = async () => {
            for (let i = 0; i < 3; i++) await yield_now();
          };
          const move = (): Promise<number> =>
            what === 'suspend' ? pm_runtime_suspend(dev) : pm_runtime_resume(dev);
          const rets: number[] = [];
          const t = spawn('other', async () => void rets.push(await move()));
          rets.push(await move());
          await join(t);
          expect(rets.sort((a, b) => a - b)).toEqual([0, 1]);
          await settle(dev);
        }, new RandomPolicy(seed));
      }
    }
  });
});

describe('autosuspend', () => {
  it('puts the suspend off until the delay after the last use is over', async () => {
    await clean(async () => {
      const bus = new test_bus();
      const dev = await active(bus);
      await pm_runtime_get_noresume(dev);
      await pm_runtime_set_autosuspend_delay(dev, 100);
      await pm_runtime_use_autosuspend(dev);
      expect(await pm_runtime_autosuspend_expiration(dev)).toBe(100 * NSEC_PER_MSEC);
      await sleep_ns(50 * NSEC_PER_MSEC);
      await pm_runtime_mark_last_busy(dev);
      expect(await pm_runtime_put_autosuspend(dev)).toBe(0);
      expect(dev.power.timer_expires).toBe(150 * NSEC_PER_MSEC);
      // Asked again: the timer that is set will do.
      expect(await pm_request_autosuspend(dev)).toBe(0);
      await sleep_ns(99 * NSEC_PER_MSEC);
      expect(state(dev)).toBe('active 0/0');
      await sleep_ns(30 * NSEC_PER_MSEC);
      await settle(dev);
      // A range timer fires by a quarter of the delay later.
      expect(state(dev)).toBe('suspended 0/0');
      expect(bus.take()).toEqual(['suspend dev']);
    });
  });

  it('a use meanwhile moves it on; the timer is left running by a resume', async () => {
    await clean(async () => {
      const bus = new test_bus();
      const dev = await active(bus);
      await pm_runtime_get_noresume(dev);
      await pm_runtime_set_autosuspend_delay(dev, 100);
      await pm_runtime_use_autosuspend(dev);
      await pm_runtime_mark_last_busy(dev);
      await pm_runtime_put_autosuspend(dev);
      await sleep_ns(90 * NSEC_PER_MSEC);
      expect(await pm_runtime_get_sync(dev)).toBe(1);
      expect(dev.power.timer_expires).toBeGreaterThan(0);
      await pm_runtime_mark_last_busy(dev);
      await pm_runtime_put_autosuspend(dev);
      await sleep_ns(60 * NSEC_PER_MSEC);
      expect(state(dev)).toBe('active 0/0');
      await sleep_ns(100 * NSEC_PER_MSEC);
      await settle(dev);
      expect([state(dev), bus.log.length]).toEqual(['suspended 0/0', 1]);
    });
  });

  it('a negative delay takes a usage count, and gives it back', async () => {
    await clean(async () => {
      const bus = new test_bus();
      const dev = await suspended(bus);
      await pm_runtime_set_autosuspend_delay(dev, -1);
      expect(state(dev)).toBe('suspended 0/0');
      await pm_runtime_use_autosuspend(dev);
      expect(state(dev)).toBe('active 1/0');
      expect(await pm_runtime_autosuspend_expiration(dev)).toBe(0);
      await pm_runtime_set_autosuspend_delay(dev, -5);
      expect(state(dev)).toBe('active 1/0');
      await pm_runtime_set_autosuspend_delay(dev, 0);
      expect(state(dev)).toBe('suspended 0/0');
      await pm_runtime_set_autosuspend_delay(dev, -1);
      await pm_runtime_dont_use_autosuspend(dev);
      expect(state(dev)).toBe('suspended 0/0');
    });
  });

  it('a suspend that fails with -EBUSY after a new use is tried again later', async () => {
    await clean(async () => {
      const bus = new test_bus();
      const dev = await active(bus);
      await pm_runtime_get_noresume(dev);
      await pm_runtime_set_autosuspend_delay(dev, 100);
      await pm_runtime_use_autosuspend(dev);
      await sleep_ns(200 * NSEC_PER_MSEC);
      bus.ret.suspend = -EBUSY;
      bus.inside = async (what) => {
        if (what === 'suspend') await pm_runtime_mark_last_busy(dev);
      };
      await pm_runtime_put_autosuspend(dev);
      await settle(dev);
      expect([state(dev), bus.take()]).toEqual(['active 0/0', ['suspend dev']]);
      bus.ret.suspend = 0;
      await sleep_ns(200 * NSEC_PER_MSEC);
      await settle(dev);
      expect([state(dev), bus.take()]).toEqual(['suspended 0/0', ['suspend dev']]);
    });
  });

  it('pm_schedule_suspend suspends after a time, or at once', async () => {
    await clean(async () => {
      const bus = new test_bus();
      const dev = await active(bus);
      expect(await pm_schedule_suspend(dev, 10)).toBe(0);
      // A resume of an active device cancels it: that timer is not an autosuspend one.
      expect(await pm_runtime_resume(dev)).toBe(1);
      await sleep_ns(20 * NSEC_PER_MSEC);
      expect(state(dev)).toBe('active 0/0');
      expect(await pm_schedule_suspend(dev, 10)).toBe(0);
      const t0 = now();
      await sleep_ns(9 * NSEC_PER_MSEC);
      expect(state(dev)).toBe('active 0/0');
      await sleep_ns(2 * NSEC_PER_MSEC);
      await settle(dev);
      expect(state(dev)).toBe('suspended 0/0');
      expect(now() - t0).toBeLessThan(12 * NSEC_PER_MSEC);
      expect(await pm_schedule_suspend(dev, 10)).toBe(1);
      await pm_runtime_resume(dev);
      await flush_work(dev.power.work);
      await pm_runtime_resume(dev);
      expect(await pm_schedule_suspend(dev, 0)).toBe(0);
      await settle(dev);
      expect(state(dev)).toBe('suspended 0/0');
    });
  });
});

describe('the work item', () => {
  it('runs the last request, and finds nothing to do when it was cancelled', async () => {
    await clean(async () => {
      const bus = new test_bus();
      const dev = await active(bus);
      await pm_request_idle(dev);
      await pm_runtime_get_sync(dev);
      await settle(dev);
      expect(bus.take()).toEqual([]);
      await pm_runtime_put(dev);
      expect(await pm_schedule_suspend(dev, 0)).toBe(0);
      await settle(dev);
      expect(bus.take()).toEqual(['suspend dev']);
      await pm_request_resume(dev);
      dev.power.request_pending = false;
      await settle(dev);
      expect(bus.take()).toEqual([]);
    });
  });
});

describe('accounting', () => {
  it('adds up virtual time by status while enabled', async () => {
    await clean(async () => {
      const dev = await active(null);
      await sleep_ns(1000);
      await pm_runtime_suspend(dev);
      await sleep_ns(300);
      expect([await pm_runtime_active_time(dev), await pm_runtime_suspended_time(dev)]).toEqual([1000, 300]);
      await pm_runtime_disable(dev);
      await sleep_ns(5000);
      await pm_runtime_enable(dev);
      await sleep_ns(10);
      expect(await pm_runtime_suspended_time(dev)).toBe(310);
    });
  });
});

describe('reinit and remove', () => {
  it('reinit makes a disabled device suspended, and leaves an enabled one alone', async () => {
    await clean(async () => {
      const parent = await active(null, 'parent');
      await pm_runtime_get_noresume(parent);
      const dev = await active(null, 'dev', parent);
      await pm_runtime_reinit(dev);
      expect([state(dev), state(parent)]).toEqual(['active 0/0', 'active 1/1']);
      await pm_runtime_remove(dev);
      expect([state(dev), state(parent), dev.power.disable_depth]).toEqual([
        'suspended 0/0',
        'active 1/0',
        1,
      ]);
    });
  });
});

describe('force_suspend and force_resume', () => {
  it('a device in use comes back, one that is not stays suspended', async () => {
    await clean(async () => {
      const bus = new test_bus();
      const used = await active(bus, 'used');
      const idle = await active(bus, 'idle');
      used.power.usage_count.counter = 2;
      expect(await pm_runtime_force_suspend(used)).toBe(0);
      expect(await pm_runtime_force_suspend(idle)).toBe(0);
      expect([state(used), state(idle)]).toEqual(['suspended 2/0', 'suspended 0/0']);
      expect(await pm_runtime_force_resume(used)).toBe(0);
      expect(await pm_runtime_force_resume(idle)).toBe(0);
      expect([state(used), state(idle)]).toEqual(['active 2/0', 'suspended 0/0']);
      expect(bus.take()).toEqual(['suspend used', 'suspend idle', 'resume used']);
      expect(await pm_runtime_force_suspend(idle)).toBe(0);
      await pm_runtime_enable(idle);
      bus.ret.suspend = -EIO;
      expect(await pm_runtime_force_suspend(used)).toBe(-EIO);
      expect([state(used), used.power.disable_depth]).toEqual(['active 2/0', 0]);
      bus.ret.suspend = 0;
      await pm_runtime_force_suspend(used);
      bus.ret.resume = -EIO;
      expect(await pm_runtime_force_resume(used)).toBe(-EIO);
      expect([state(used), used.power.disable_depth]).toEqual(['suspended 2/0', 0]);
    });
  });
});

describe('pmerr', () => {
  it('sets and clears the error, disables and enables', async () => {
    await clean(async () => {
      const dev = await active(new test_bus());
      expect(await pmerr(dev, 'err')).toBe(0);
      expect(await pm_runtime_get_sync(dev)).toBe(-EINVAL);
      expect(await pm_runtime_put(dev)).toBe(-EINVAL);
      expect(await pmerr(dev, 'clear')).toBe(0);
      expect([state(dev), await pm_runtime_resume(dev)]).toEqual(['active 0/0', 1]);
      expect(await pmerr(dev, 'disable')).toBe(0);
      expect(dev.power.disable_depth).toBe(1);
      expect(await pmerr(dev, 'enable')).toBe(0);
      expect(dev.power.disable_depth).toBe(0);
      expect(await pmerr(dev, 'what')).toBe(-EINVAL);
    });
  });
});
