// SPDX-License-Identifier: GPL-2.0-only
// The return codes of sections 2 to 8 of drivers/base/power/runtime.c as a table
import { sleep_ns, spawn } from '@vfio-lab/sim';
import { spin_lock_irq, spin_unlock_irq } from '@vfio-lab/locking';
import {
  type device,
  EACCES,
  EAGAIN,
  EBUSY,
  EINPROGRESS,
  EINVAL,
  EIO,
  EPERM,
  RPM_ACTIVE,
  RPM_REQ_RESUME,
  RPM_RESUMING,
  RPM_SUSPENDED,
  RPM_SUSPENDING,
} from '@vfio-lab/kernel';
import { describe, expect, it } from 'vitest';
import {
  __pm_runtime_resume,
  __pm_runtime_suspend,
  pm_request_autosuspend,
  pm_request_idle,
  pm_request_resume,
  pm_runtime_active,
  pm_runtime_autosuspend,
  pm_runtime_disable,
  pm_runtime_enabled,
  pm_runtime_get,
  pm_runtime_get_if_active,
  pm_runtime_get_if_in_use,
  pm_runtime_get_noresume,
  pm_runtime_get_sync,
  pm_runtime_has_no_callbacks,
  pm_runtime_idle,
  pm_runtime_is_irq_safe,
  pm_runtime_put,
  pm_runtime_put_autosuspend,
  pm_runtime_put_noidle,
  pm_runtime_put_sync,
  pm_runtime_put_sync_autosuspend,
  pm_runtime_put_sync_suspend,
  pm_runtime_resume,
  pm_runtime_resume_and_get,
  pm_runtime_status_suspended,
  pm_runtime_suspend,
  pm_runtime_suspended,
  RPM_ASYNC,
  RPM_NOWAIT,
} from '../src/index.ts';
import { rpm_check_suspend_allowed } from '../src/runtime.ts';
import { active, boot, clean, driver, make, settle, state, suspended, test_bus } from './util.ts';

async function check(dev: device): Promise<number> {
  await spin_lock_irq(dev.power.lock);
  const ret = await rpm_check_suspend_allowed(dev);
  await spin_unlock_irq(dev.power.lock);
  return ret;
}

describe('rpm_check_suspend_allowed', () => {
  it('tests in this order, the first hit wins', async () => {
    await clean(async () => {
      const dev = await active(null);
      const p = dev.power;
      // Everything at once; then each reason taken away uncovers the next one.
      p.runtime_error = -EIO;
      p.disable_depth = 1;
      p.usage_count.counter = 1;
      p.child_count.counter = 1;
      p.deferred_resume = true;
      p.request_pending = true;
      p.request = RPM_REQ_RESUME;
      p.qos_resume_latency = 0;
      p.runtime_status = RPM_SUSPENDING;
      expect(await check(dev)).toBe(-EINVAL);
      p.runtime_error = 0;
      expect(await check(dev)).toBe(-EACCES);
      p.disable_depth = 0;
      expect(await check(dev)).toBe(-EAGAIN);
      p.usage_count.counter = 0;
      expect(await check(dev)).toBe(-EBUSY);
      p.ignore_children = true;
      expect(await check(dev)).toBe(-EAGAIN);
      p.deferred_resume = false;
      expect(await check(dev)).toBe(-EAGAIN);
      p.request_pending = false;
      expect(await check(dev)).toBe(-EPERM);
      p.qos_resume_latency = -1;
      expect(await check(dev)).toBe(0);
      p.deferred_resume = true;
      p.runtime_status = RPM_ACTIVE;
      expect(await check(dev)).toBe(0);
      p.runtime_status = RPM_SUSPENDED;
      expect(await check(dev)).toBe(1);
    });
  });
});

describe('resume and get', () => {
  it('0 resumed now, 1 was active', async () => {
    await clean(async () => {
      const bus = new test_bus();
      const dev = await suspended(bus);
      expect(await pm_runtime_get_sync(dev)).toBe(0);
      expect(await pm_runtime_get_sync(dev)).toBe(1);
      expect(await pm_runtime_resume(dev)).toBe(1);
      expect(await pm_request_resume(dev)).toBe(1);
      expect(state(dev)).toBe('active 2/0');
      expect(bus.log).toEqual(['resume dev']);
    });
  });

  it('an error keeps the count with get_sync and gives it back with resume_and_get', async () => {
    await clean(async () => {
      const bus = new test_bus();
      const dev = await suspended(bus);
      bus.ret.resume = -EIO;
      expect(await pm_runtime_get_sync(dev)).toBe(-EIO);
      expect(state(dev)).toBe('suspended 1/0');
      expect(dev.power.runtime_error).toBe(-EIO);
      bus.ret.resume = 0;
      // From here the stored error answers.
      expect(await pm_runtime_resume_and_get(dev)).toBe(-EINVAL);
      expect(state(dev)).toBe('suspended 1/0');
      expect(await pm_runtime_get(dev)).toBe(-EINVAL);
      expect(await pm_runtime_put(dev)).toBe(0);
      expect(await pm_runtime_put(dev)).toBe(-EINVAL);
      expect(bus.log).toEqual(['resume dev']);
    });
  });

  it('resume_and_get folds 1 to 0', async () => {
    await clean(async () => {
      const dev = await active(new test_bus());
      expect(await pm_runtime_resume_and_get(dev)).toBe(0);
      expect(await pm_runtime_resume_and_get(dev)).toBe(0);
      expect(state(dev)).toBe('active 2/0');
    });
  });

  it('-EACCES of a callback becomes -EIO, and is stored as it is; a positive result fails too', async () => {
    await clean(async () => {
      const bus = new test_bus();
      const dev = await suspended(bus);
      bus.ret.resume = -EACCES;
      expect(await pm_runtime_resume(dev)).toBe(-EIO);
      expect(dev.power.runtime_error).toBe(-EACCES);
      const other = await suspended(bus, 'other');
      bus.ret.resume = 5;
      expect(await pm_runtime_resume(other)).toBe(5);
      expect([state(other), other.power.runtime_error]).toEqual(['suspended 0/0', 5]);
    });
  });

  it('disabled: 1 if it was active when it was disabled, else -EACCES', async () => {
    await clean(async () => {
      const dev = await active(new test_bus());
      await pm_runtime_disable(dev);
      expect(await pm_runtime_resume(dev)).toBe(1);
      expect(await pm_runtime_suspend(dev)).toBe(-EACCES);
      const off = make(new test_bus(), 'off');
      expect(await pm_runtime_resume(off)).toBe(-EACCES);
      expect(await pm_runtime_get_sync(off)).toBe(-EACCES);
      expect(state(off)).toBe('suspended 1/0');
    });
  });

  it('an asynchronous one is queued, and the work resumes', async () => {
    await clean(async () => {
      const bus = new test_bus();
      const dev = await suspended(bus);
      expect(await pm_runtime_get(dev)).toBe(0);
      expect(state(dev)).toBe('suspended 1/0');
      expect(await pm_request_resume(dev)).toBe(0);
      await settle(dev);
      expect(state(dev)).toBe('active 1/0');
      expect(bus.take()).toEqual(['resume dev']);
    });
  });

  it('while another resumes: -EINPROGRESS for ASYNC and NOWAIT', async () => {
    await clean(async () => {
      const bus = new test_bus();
      const dev = await suspended(bus);
      const seen: number[] = [];
      bus.inside = async (what) => {
        if (what !== 'resume') return;
        seen.push(await __pm_runtime_resume(dev, RPM_ASYNC), await __pm_runtime_resume(dev, RPM_NOWAIT));
        // A suspend is out of place, too; an asynchronous one is only queued.
        seen.push(await pm_runtime_suspend(dev), await pm_runtime_idle(dev));
      };
      expect(await pm_runtime_resume(dev)).toBe(0);
      expect(seen).toEqual([-EINPROGRESS, -EINPROGRESS, -EAGAIN, -EAGAIN]);
    });
  });

  it('while another suspends: deferred, and 0, for ASYNC and NOWAIT; the suspender resumes and gets -EAGAIN', async () => {
    for (const flag of [RPM_ASYNC, RPM_NOWAIT]) {
      await clean(async () => {
        const bus = new test_bus();
        const dev = await active(bus);
        bus.inside = async (what) => {
          if (what !== 'suspend') return;
          bus.inside = () => {};
          expect(await __pm_runtime_resume(dev, flag)).toBe(0);
        };
        expect(await pm_runtime_suspend(dev)).toBe(-EAGAIN);
        expect(bus.take()).toEqual(['suspend dev', 'resume dev']);
        // The resume sent an idle check, and nobody uses the device.
        await settle(dev);
        expect(bus.take()).toEqual(['idle dev', 'suspend dev']);
      });
    }
  });
});

describe('put, idle and suspend', () => {
  it('put: 0 while still in use, 0 when queued', async () => {
    await clean(async () => {
      const bus = new test_bus();
      const dev = await active(bus);
      await pm_runtime_get_noresume(dev);
      await pm_runtime_get_noresume(dev);
      expect(await pm_runtime_put(dev)).toBe(0);
      expect(bus.log).toEqual([]);
      expect(await pm_runtime_put(dev)).toBe(0);
      expect(state(dev)).toBe('active 0/0');
      await settle(dev);
      expect(bus.take()).toEqual(['idle dev', 'suspend dev']);
      expect(state(dev)).toBe('suspended 0/0');
    });
  });

  it('underflow: a warning, the count put back, -EINVAL', async () => {
    const m = await boot(async () => {
      const dev = await active(new test_bus());
      expect(await pm_runtime_put(dev)).toBe(-EINVAL);
      expect(await pm_runtime_put_sync(dev)).toBe(-EINVAL);
      expect(await pm_runtime_put_sync_suspend(dev)).toBe(-EINVAL);
      expect(state(dev)).toBe('active 0/0');
    });
    expect(m.findings.map((f) => f.kind)).toEqual(['pm-underflow', 'pm-underflow', 'pm-underflow']);
    expect(m.log).toEqual(Array.from({ length: 3 }, () => '<4>test dev: Runtime PM usage count underflow!'));
  });

  it('put_noidle does not go below 0 and starts nothing', async () => {
    await clean(async () => {
      const bus = new test_bus();
      const dev = await active(bus);
      await pm_runtime_get_noresume(dev);
      await pm_runtime_put_noidle(dev);
      await pm_runtime_put_noidle(dev);
      await settle(dev);
      expect([state(dev), bus.log.length]).toEqual(['active 0/0', 0]);
    });
  });

  it('put_sync runs idle and suspend in the caller, put_sync_suspend only suspend', async () => {
    await clean(async () => {
      const bus = new test_bus();
      const dev = await active(bus);
      await pm_runtime_get_noresume(dev);
      await pm_runtime_get_noresume(dev);
      expect(await pm_runtime_put_sync(dev)).toBe(0);
      expect(await pm_runtime_put_sync(dev)).toBe(0);
      expect(bus.take()).toEqual(['idle dev', 'suspend dev']);
      await pm_runtime_get_sync(dev);
      await pm_runtime_get_noresume(dev);
      expect(await pm_runtime_put_sync_suspend(dev)).toBe(0);
      expect(await pm_runtime_put_sync_suspend(dev)).toBe(0);
      expect(bus.take()).toEqual(['resume dev', 'suspend dev']);
      await pm_runtime_get_sync(dev);
      expect(await pm_runtime_put_sync_autosuspend(dev)).toBe(0);
      await pm_runtime_get_sync(dev);
      expect(await pm_runtime_put_autosuspend(dev)).toBe(0);
      await settle(dev);
      expect(bus.take()).toEqual(['resume dev', 'suspend dev', 'resume dev', 'suspend dev']);
    });
  });

  it('idle and suspend of a suspended device: -EAGAIN and 1', async () => {
    await clean(async () => {
      const dev = await suspended(new test_bus());
      expect(await pm_runtime_idle(dev)).toBe(-EAGAIN);
      expect(await pm_request_idle(dev)).toBe(-EAGAIN);
      expect(await pm_runtime_suspend(dev)).toBe(1);
      expect(await pm_runtime_autosuspend(dev)).toBe(1);
      expect(await pm_request_autosuspend(dev)).toBe(1);
    });
  });

  it('a result of the idle callback stops there and is not stored', async () => {
    await clean(async () => {
      const bus = new test_bus();
      bus.ret.idle = -EBUSY;
      const dev = await active(bus);
      expect(await pm_runtime_idle(dev)).toBe(-EBUSY);
      expect([state(dev), dev.power.runtime_error]).toEqual(['active 0/0', 0]);
      expect(bus.take()).toEqual(['idle dev']);
    });
  });

  it('a second idle while the callback runs: -EINPROGRESS; a suspend may start meanwhile', async () => {
    await clean(async () => {
      const bus = new test_bus();
      const dev = await active(bus);
      const seen: number[] = [];
      bus.inside = async (what) => {
        if (what !== 'idle') return;
        seen.push(await pm_runtime_idle(dev), await pm_runtime_suspend(dev));
      };
      expect(await pm_runtime_idle(dev)).toBe(1);
      expect(seen).toEqual([-EINPROGRESS, 0]);
      expect(bus.take()).toEqual(['idle dev', 'suspend dev']);
    });
  });

  it('a stronger request keeps an idle one away: -EAGAIN', async () => {
    await clean(async () => {
      const dev = await active(new test_bus());
      expect(await __pm_runtime_suspend(dev, RPM_ASYNC)).toBe(0);
      expect(await pm_request_idle(dev)).toBe(-EAGAIN);
      await settle(dev);
      expect(state(dev)).toBe('suspended 0/0');
    });
  });

  it('while another suspends: -EINPROGRESS for ASYNC and NOWAIT', async () => {
    await clean(async () => {
      const bus = new test_bus();
      const dev = await active(bus);
      const seen: number[] = [];
      bus.inside = async (what) => {
        if (what === 'suspend')
          seen.push(await __pm_runtime_suspend(dev, RPM_ASYNC), await __pm_runtime_suspend(dev, RPM_NOWAIT));
      };
      expect(await pm_runtime_suspend(dev)).toBe(0);
      expect(seen).toEqual([-EINPROGRESS, -EINPROGRESS]);
    });
  });

  it('a synchronous suspend waits for one in progress and then finds it done', async () => {
    await clean(async () => {
      const bus = new test_bus();
      const dev = await active(bus);
      let second = 99;
      bus.inside = async (what) => {
        if (what === 'suspend') await sleep_ns(100);
      };
      spawn('second', async () => {
        await sleep_ns(10);
        second = await pm_runtime_suspend(dev);
      });
      expect(await pm_runtime_suspend(dev)).toBe(0);
      await sleep_ns(100);
      expect(second).toBe(1);
      expect(bus.take()).toEqual(['suspend dev']);
    });
  });

  it('a failing suspend: ACTIVE again; -EAGAIN and -EBUSY are forgotten, others stored', async () => {
    await clean(async () => {
      const bus = new test_bus();
      for (const [ret, want, stored] of [
        [-EAGAIN, -EAGAIN, 0],
        [-EBUSY, -EBUSY, 0],
        [-EIO, -EIO, -EIO],
        [-EACCES, -EIO, -EACCES],
        [7, 7, 7],
      ]) {
        const dev = await active(bus);
        bus.ret.suspend = ret;
        expect(await pm_runtime_suspend(dev)).toBe(want);
        expect([state(dev), dev.power.runtime_error]).toEqual(['active 0/0', stored]);
      }
    });
  });

  it('a deferred resume that meets a failing suspend is dropped', async () => {
    await clean(async () => {
      const bus = new test_bus();
      const dev = await active(bus);
      bus.ret.suspend = -EBUSY;
      bus.inside = async (what) => {
        if (what === 'suspend') expect(await pm_request_resume(dev)).toBe(0);
      };
      expect(await pm_runtime_suspend(dev)).toBe(-EBUSY);
      expect([state(dev), dev.power.deferred_resume]).toEqual(['active 0/0', false]);
      expect(bus.take()).toEqual(['suspend dev']);
    });
  });
});

describe('get_if_active and the predicates', () => {
  it('disabled -EINVAL, not ACTIVE 0, else by the usage count', async () => {
    await clean(async () => {
      const off = make(new test_bus());
      expect(await pm_runtime_get_if_active(off, true)).toBe(-EINVAL);
      const dev = await suspended(new test_bus());
      expect(await pm_runtime_get_if_active(dev, true)).toBe(0);
      expect(await pm_runtime_get_if_in_use(dev)).toBe(0);
      for (const status of [RPM_SUSPENDING, RPM_RESUMING]) {
        dev.power.runtime_status = status;
        expect(await pm_runtime_get_if_active(dev, true)).toBe(0);
      }
      dev.power.runtime_status = RPM_ACTIVE;
      expect(await pm_runtime_get_if_in_use(dev)).toBe(0);
      expect(await pm_runtime_get_if_active(dev, true)).toBe(1);
      expect(await pm_runtime_get_if_in_use(dev)).toBe(1);
      expect(state(dev)).toBe('active 2/0');
    });
  });

  it('say what they say', async () => {
    await clean(async () => {
      const off = make(null);
      const all = (d: device): boolean[] => [
        pm_runtime_enabled(d),
        pm_runtime_active(d),
        pm_runtime_suspended(d),
        pm_runtime_status_suspended(d),
        pm_runtime_has_no_callbacks(d),
        pm_runtime_is_irq_safe(d),
      ];
      expect(all(off)).toEqual([false, true, false, true, false, false]);
      expect(all(await suspended(null))).toEqual([true, false, true, true, false, false]);
      expect(all(await active(null))).toEqual([true, true, false, false, false, false]);
    });
  });
});

describe('choice of the callback', () => {
  it('domain, type, class, bus; a gap is filled by the driver, not by the next table', async () => {
    await clean(async () => {
      const bus = new test_bus();
      const dev = await active(bus);
      const log: string[] = [];
      const table = (name: string) => ({ runtime_suspend: () => (log.push(name), 0) });
      dev.driver = driver({
        runtime_suspend: () => (log.push('drv'), 0),
        runtime_resume: () => (log.push('drv resume'), 0),
      });
      const cycle = async (): Promise<string[]> => {
        await pm_runtime_suspend(dev);
        await pm_runtime_resume(dev);
        // No idle callback in these tables but the bus's: the queued check suspends at once.
        dev.power.usage_count.counter = 1;
        await settle(dev);
        await pm_runtime_resume(dev);
        dev.power.usage_count.counter = 0;
        return log.splice(0);
      };
      await cycle();
      expect(bus.log.slice(0, 2)).toEqual(['suspend dev', 'resume dev']);
      dev.type = { name: 't', pm: table('type') };
      expect(await cycle()).toEqual(['type', 'drv resume']);
      dev.pm_domain = { ops: table('domain') };
      expect(await cycle()).toEqual(['domain', 'drv resume']);
    });
  });

  it('without any table everything succeeds', async () => {
    await clean(async () => {
      const dev = await active(null);
      expect(await pm_runtime_idle(dev)).toBe(0);
      expect(state(dev)).toBe('suspended 0/0');
      expect(await pm_runtime_resume(dev)).toBe(0);
    });
  });
});
