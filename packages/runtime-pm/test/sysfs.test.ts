// SPDX-License-Identifier: GPL-2.0-only
import { Machine } from '@vfio-lab/sim';
import {
  bus_register,
  dev_set_name,
  device,
  device_add,
  device_del,
  type device_driver,
  device_initialize,
  driver_register,
  driver_unregister,
  EACCES,
  EINVAL,
  EIO,
  RPM_RESUMING,
  RPM_SUSPENDED,
  RPM_SUSPENDING,
  sysfs_list,
  sysfs_read,
  sysfs_write,
} from '@vfio-lab/kernel';
import { describe, expect, it } from 'vitest';
import {
  device_can_wakeup,
  device_link,
  device_link_add,
  device_link_del,
  device_may_wakeup,
  device_set_wakeup_capable,
  device_set_wakeup_enable,
  device_wakeup_disable,
  device_wakeup_enable,
  DL_FLAG_PM_RUNTIME,
  DL_FLAG_STATELESS,
  dpm_sysfs_add,
  dpm_sysfs_remove,
  pm_runtime_allow,
  pm_runtime_disable,
  pm_runtime_enable,
  pm_runtime_forbid,
  pm_runtime_get_noresume,
  pm_runtime_get_suppliers,
  pm_runtime_get_sync,
  pm_runtime_no_callbacks,
  pm_runtime_put,
  pm_runtime_put_noidle,
  pm_runtime_put_suppliers,
  pm_runtime_put_sync,
  pm_runtime_resume,
  pm_runtime_set_active,
  pm_runtime_set_suspended,
  pm_runtime_use_autosuspend,
  pm_wakeup_event,
} from '../src/index.ts';
import { active, boot, clean, driver, make, settle, state, suspended, test_bus } from './util.ts';

const DIR = '/sys/devices/dev/power';

/** A device in sysfs, active and enabled. */
async function added(bus: test_bus): Promise<device> {
  const dev = make(bus);
  dev.release = () => {};
  await pm_runtime_set_active(dev);
  await pm_runtime_enable(dev);
  expect(await device_add(dev)).toBe(0);
  return dev;
}

const show = (name: string): Promise<string | number> => sysfs_read(`${DIR}/${name}`);
const store = (name: string, text: string): Promise<number> => sysfs_write(`${DIR}/${name}`, text);

describe('power/', () => {
  it('has the files of a kernel with PM_ADVANCED_DEBUG', async () => {
    await clean(async () => {
      const dev = await added(new test_bus());
      const base = [
        'async',
        'autosuspend_delay_ms',
        'control',
        'runtime_active_kids',
        'runtime_active_time',
        'runtime_enabled',
        'runtime_status',
        'runtime_suspended_time',
        'runtime_usage',
      ];
      expect(sysfs_list(DIR)).toEqual(base);
      device_set_wakeup_capable(dev, true);
      device_set_wakeup_capable(dev, true);
      expect(sysfs_list(DIR)).toEqual(
        [
          ...base,
          'wakeup',
          'wakeup_abort_count',
          'wakeup_active',
          'wakeup_active_count',
          'wakeup_count',
          'wakeup_expire_count',
          'wakeup_last_time_ms',
          'wakeup_max_time_ms',
          'wakeup_total_time_ms',
        ].sort(),
      );
      await device_set_wakeup_capable(dev, false);
      expect(sysfs_list(DIR)).toEqual(base);
      await pm_runtime_no_callbacks(dev);
      expect(sysfs_list(DIR)).toEqual([
        'async',
        'runtime_active_kids',
        'runtime_enabled',
        'runtime_status',
        'runtime_usage',
      ]);
      await device_del(dev);
      expect(sysfs_list(DIR)).toBe(-2);
    });
  });

  it('runtime_status: error before unsupported before the status', async () => {
    await clean(async () => {
      const dev = await added(new test_bus());
      const p = dev.power;
      expect(await show('runtime_status')).toBe('active');
      for (const [status, text] of [
        [RPM_SUSPENDED, 'suspended'],
        [RPM_SUSPENDING, 'suspending'],
        [RPM_RESUMING, 'resuming'],
        [7, -EIO],
      ] as const) {
        p.runtime_status = status;
        expect(await show('runtime_status')).toBe(text);
      }
      p.runtime_status = 0;
      p.disable_depth = 1;
      expect(await show('runtime_status')).toBe('unsupported');
      p.runtime_error = -EIO;
      expect(await show('runtime_status')).toBe('error');
      expect(await store('runtime_status', 'active')).toBe(-EACCES);
    });
  });

  it('control, usage, kids and enabled', async () => {
    await clean(async () => {
      const bus = new test_bus();
      const dev = await added(bus);
      const all = async (): Promise<unknown[]> => [
        await show('control'),
        await show('runtime_usage'),
        await show('runtime_active_kids'),
        await show('runtime_enabled'),
      ];
      expect(await all()).toEqual(['auto', '0', '0', 'enabled']);
      expect(await store('control', 'on\n')).toBe(3);
      expect(await store('control', 'on')).toBe(2);
      expect(await all()).toEqual(['on', '1', '0', 'forbidden']);
      await pm_runtime_disable(dev);
      expect(await all()).toEqual(['on', '1', '0', 'disabled & forbidden']);
      expect(await store('control', 'auto')).toBe(4);
      expect(await all()).toEqual(['auto', '0', '0', 'disabled']);
      expect(await store('control', 'maybe')).toBe(-EINVAL);
      await pm_runtime_enable(dev);
      const kid = make(bus, 'kid', dev);
      await pm_runtime_set_active(kid);
      expect(await show('runtime_active_kids')).toBe('1');
      dev.power.ignore_children = true;
      expect(await show('runtime_active_kids')).toBe('0');
      await pm_runtime_set_suspended(kid);
    });
  });

  it('control "on" resumes, "auto" lets it suspend', async () => {
    await clean(async () => {
      const bus = new test_bus();
      const dev = await added(bus);
      await settle(dev);
      bus.take();
      expect(await store('control', 'on')).toBe(2);
      expect(await show('runtime_status')).toBe('active');
      expect(await store('control', 'auto')).toBe(4);
      await settle(dev);
      expect(await show('runtime_status')).toBe('suspended');
      expect(await show('runtime_suspended_time')).toBe('0');
      expect(await show('runtime_active_time')).toBe('0');
    });
  });

  it('autosuspend_delay_ms: -EIO unless in use', async () => {
    await clean(async () => {
      const dev = await added(new test_bus());
      expect(await show('autosuspend_delay_ms')).toBe(-EIO);
      expect(await store('autosuspend_delay_ms', '5')).toBe(-EIO);
      await pm_runtime_get_sync(dev);
      await pm_runtime_use_autosuspend(dev);
      expect(await store('autosuspend_delay_ms', '250\n')).toBe(4);
      expect(await show('autosuspend_delay_ms')).toBe('250');
      expect(await store('autosuspend_delay_ms', '-1')).toBe(2);
      expect(await show('runtime_usage')).toBe('2');
      for (const bad of ['x', '1x', '99999999999'])
        expect(await store('autosuspend_delay_ms', bad)).toBe(-EINVAL);
    });
  });

  it('async, and wakeup', async () => {
    await clean(async () => {
      const dev = await added(new test_bus());
      expect(await show('async')).toBe('disabled');
      expect([await store('async', 'enabled'), await show('async')]).toEqual([7, 'enabled']);
      expect([await store('async', 'disabled'), await show('async')]).toEqual([8, 'disabled']);
      expect(await store('async', 'x')).toBe(-EINVAL);
      expect(device_set_wakeup_enable(dev, true)).toBe(-EINVAL);
      expect(device_wakeup_disable(dev)).toBe(-EINVAL);
      device_set_wakeup_capable(dev, true);
      expect([device_can_wakeup(dev), device_may_wakeup(dev)]).toEqual([true, false]);
      expect([await show('wakeup'), await show('wakeup_count')]).toEqual(['disabled', '']);
      pm_wakeup_event(dev, 5);
      expect([await store('wakeup', 'enabled'), await show('wakeup')]).toEqual([7, 'enabled']);
      expect(device_wakeup_enable(dev)).toBe(-17);
      pm_wakeup_event(dev, 5);
      pm_wakeup_event(dev, 0);
      const counts = [
        'count',
        'active_count',
        'abort_count',
        'expire_count',
        'active',
        'total_time_ms',
        'max_time_ms',
        'last_time_ms',
      ];
      const values: unknown[] = [];
      for (const c of counts) values.push(await show(`wakeup_${c}`));
      expect(values).toEqual(['2', '2', '2', '1', '0', '5', '5', '0']);
      expect([await store('wakeup', 'disabled'), await show('wakeup')]).toEqual([8, 'disabled']);
      expect(await store('wakeup', 'x')).toBe(-EINVAL);
      dev.power.can_wakeup = false;
      expect([await show('wakeup'), await store('wakeup', 'enabled')]).toEqual(['', -EINVAL]);
    });
  });

  it('a device capable of wakeup before it is added has the files at once; one without PM has none', async () => {
    await clean(async () => {
      const dev = make(new test_bus());
      dev.release = () => {};
      device_set_wakeup_capable(dev, true);
      await device_add(dev);
      expect(await show('wakeup')).toBe('disabled');
      expect(dpm_sysfs_add(dev)).toBe(-17);
      dev.power.no_pm = true;
      expect(dpm_sysfs_add(dev)).toBe(0);
      await dpm_sysfs_remove(dev);
      await device_set_wakeup_capable(dev, false);
      expect(await show('wakeup')).toBe('');
    });
  });
});

describe('the driver core', () => {
  it('holds the parent up around a probe, flushes the device, and sends an idle check after it', async () => {
    await clean(async () => {
      const bus = new test_bus();
      bus_register(bus);
      const parent = await suspended(bus, 'parent');
      parent.release = () => {};
      await device_add(parent);
      const dev = make(bus, 'dev', parent);
      dev.release = () => {};
      await device_add(dev);
      const log: string[] = [];
      const drv: device_driver = driver({});
      drv.name = 'drv';
      drv.bus = bus;
      drv.probe = async (d) => {
        if (d !== dev) return -19;
        log.push(`probe: parent ${state(parent)}, dev ${state(d)}`);
        await pm_runtime_set_active(d);
        await pm_runtime_enable(d);
        return 0;
      };
      drv.remove = async (d) => {
        log.push(`remove: dev ${state(d)}`);
        await pm_runtime_disable(d);
      };
      bus.match = (d) => d === dev;
      await driver_register(drv);
      await settle(dev);
      await settle(parent);
      log.push(`bound: parent ${state(parent)}, dev ${state(dev)}`);
      await driver_unregister(drv);
      log.push(`unbound: dev ${state(dev)}`);
      expect(log).toEqual([
        'probe: parent active 1/0, dev suspended 0/0',
        'bound: parent suspended 0/0, dev suspended 0/0',
        'remove: dev suspended 0/0',
        'unbound: dev suspended 0/0',
      ]);
    });
  });
});

describe('device links', () => {
  it('keep the suppliers up while the consumer is', async () => {
    await clean(async () => {
      const bus = new test_bus();
      const supplier = await suspended(bus, 'supplier');
      const quiet = await suspended(bus, 'quiet');
      const dev = await suspended(bus, 'dev');
      const link = await device_link_add(dev, supplier, DL_FLAG_STATELESS | DL_FLAG_PM_RUNTIME);
      const plain = await device_link_add(dev, quiet, DL_FLAG_STATELESS);
      expect(link).toBeInstanceOf(device_link);
      await pm_runtime_get_noresume(dev);
      expect(await pm_runtime_resume(dev)).toBe(0);
      expect(bus.take()).toEqual(['resume supplier', 'resume dev']);
      expect([state(supplier), state(quiet)]).toEqual(['active 1/0', 'suspended 0/0']);
      expect(await pm_runtime_put_sync(dev)).toBe(0);
      await settle(supplier);
      expect(bus.take()).toEqual(['idle dev', 'suspend dev', 'idle supplier', 'suspend supplier']);
      await device_link_del(plain);
      await pm_runtime_get_sync(dev);
      await device_link_del(link);
      expect([state(supplier), dev.power.links_count]).toEqual(['active 0/0', 0]);
      await settle(supplier);
    });
  });

  it('a supplier that fails fails the resume; one that is disabled does not', async () => {
    await clean(async () => {
      const bus = new test_bus();
      const supplier = await suspended(bus, 'supplier');
      const off = make(bus, 'off');
      const dev = await suspended(bus, 'dev');
      await device_link_add(dev, off, DL_FLAG_PM_RUNTIME);
      await device_link_add(dev, supplier, DL_FLAG_PM_RUNTIME);
      bus.ret.resume = -EIO;
      expect(await pm_runtime_resume(dev)).toBe(-EIO);
      expect([state(dev), state(supplier), state(off)]).toEqual([
        'suspended 0/0',
        'suspended 0/0',
        'suspended 0/0',
      ]);
      expect(bus.take()).toEqual(['resume supplier']);
    });
  });

  it('set_active takes the suppliers along, and fails with them', async () => {
    await clean(async () => {
      const bus = new test_bus();
      const supplier = await suspended(bus, 'supplier');
      const dev = make(bus, 'dev');
      await device_link_add(dev, supplier, DL_FLAG_PM_RUNTIME);
      expect(await pm_runtime_set_active(dev)).toBe(0);
      expect(state(supplier)).toBe('active 1/0');
      expect(await pm_runtime_set_suspended(dev)).toBe(0);
      await settle(supplier);
      expect(state(supplier)).toBe('suspended 0/0');
      bus.ret.resume = -EIO;
      expect(await pm_runtime_set_active(dev)).toBe(-EIO);
      expect(state(dev)).toBe('suspended 0/0');
    });
  });

  it('a failed consumer resume lets the suppliers go', async () => {
    await clean(async () => {
      const bus = new test_bus();
      const supplier = await active(null, 'supplier');
      const dev = await suspended(bus, 'dev');
      await device_link_add(dev, supplier, DL_FLAG_PM_RUNTIME);
      bus.ret.resume = -EIO;
      expect(await pm_runtime_resume(dev)).toBe(-EIO);
      expect(state(supplier)).toBe('active 0/0');
    });
  });

  it('get_suppliers and put_suppliers hold them around a probe', async () => {
    await clean(async () => {
      const supplier = await suspended(new test_bus(), 'supplier');
      const other = await suspended(new test_bus(), 'other');
      const dev = make(null, 'dev');
      await device_link_add(dev, supplier, DL_FLAG_PM_RUNTIME);
      await device_link_add(dev, other, DL_FLAG_STATELESS);
      await pm_runtime_get_suppliers(dev);
      expect([state(supplier), state(other)]).toEqual(['active 1/0', 'suspended 0/0']);
      await pm_runtime_put_suppliers(dev);
      await settle(supplier);
      expect(state(supplier)).toBe('suspended 0/0');
    });
  });
});

describe('the timeline', () => {
  it('shows every change of status and usage', async () => {
    const m = await boot(
      async () => {
        const dev = await suspended(new test_bus());
        await pm_runtime_get_sync(dev);
        await pm_runtime_get_noresume(dev);
        await pm_runtime_put_noidle(dev);
        await pm_runtime_forbid(dev);
        await pm_runtime_allow(dev);
        await pm_runtime_put(dev);
        await settle(dev);
      },
      undefined,
      true,
    );
    const pm = m.events
      .filter((e) => e.kind === 'pm')
      .map((e) => `${e.text} ${e.data.status as string} ${e.data.usage as number}`);
    expect(pm).toEqual([
      'dev: get suspended 1',
      'dev: resuming resuming 1',
      'dev: active active 1',
      'dev: get_noresume active 2',
      'dev: put_noidle active 1',
      'dev: forbid active 2',
      'dev: put active 1',
      'dev: put active 0',
      'dev: suspending suspending 0',
      'dev: suspended suspended 0',
    ]);
  });
});

it('a machine without runtime PM does without', async () => {
  const m = new Machine();
  await m.run(async () => {
    const dev = new device();
    dev_set_name(dev, 'dev');
    dev.release = () => {};
    device_initialize(dev);
    expect(await device_add(dev)).toBe(0);
    expect(sysfs_list(DIR)).toBe(-2);
  });
});
