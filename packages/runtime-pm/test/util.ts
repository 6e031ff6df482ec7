// SPDX-License-Identifier: GPL-2.0-only
import { Machine, RandomPolicy } from '@vfio-lab/sim';
import type { Policy } from '@vfio-lab/sim';
import { Lockdep } from '@vfio-lab/locking';
import {
  bus_type,
  dev_set_name,
  device,
  type dev_pm_ops,
  device_driver,
  device_initialize,
  flush_work,
} from '@vfio-lab/kernel';
import { expect } from 'vitest';
import { pm_runtime_enable, pm_runtime_set_active, rpm_status_names, runtime_pm_init } from '../src/index.ts';

/** Run a program on a machine of its own with runtime PM, lockdep watching, and hand the machine back. */
export async function boot(main: () => Promise<void>, policy?: Policy, tracing = false): Promise<Machine> {
  const m = new Machine({ policy, tracing, max_steps: 200_000 });
  m.lock_observer = new Lockdep();
  await m.run(async () => {
    runtime_pm_init();
    await main();
  });
  return m;
}

/** As boot, and nothing may be found. */
export async function clean(main: () => Promise<void>, policy?: Policy): Promise<Machine> {
  const m = await boot(main, policy);
  expect(m.findings).toEqual([]);
  return m;
}

/** The program under 30 random schedules. */
export async function schedules(main: () => Promise<void>): Promise<void> {
  for (let seed = 0; seed < 30; seed++) await clean(main, new RandomPolicy(seed));
}

/** A bus whose callbacks log their name and return what `ret` says. */
export class test_bus extends bus_type {
  readonly log: string[] = [];
  readonly ret: { suspend: number; resume: number; idle: number } = { suspend: 0, resume: 0, idle: 0 };
  /** Runs inside each callback. */
  inside: (what: string, dev: device) => Promise<void> | void = () => {};
  override pm: dev_pm_ops = {
    runtime_suspend: (dev) => this.call('suspend', dev),
    runtime_resume: (dev) => this.call('resume', dev),
    runtime_idle: (dev) => this.call('idle', dev),
  };

  constructor() {
    super('test');
  }

  async call(what: 'suspend' | 'resume' | 'idle', dev: device): Promise<number> {
    this.log.push(`${what} ${dev.name}`);
    await this.inside(what, dev);
    return this.ret[what];
  }

  take(): string[] {
    return this.log.splice(0);
  }
}

/** A device as after device_initialize(): suspended, disabled. */
export function make(bus: bus_type | null, name = 'dev', parent: device | null = null): device {
  const dev = new device();
  dev_set_name(dev, name);
  if (bus !== null) dev.bus = bus;
  dev.parent = parent;
  device_initialize(dev);
  return dev;
}

/** A device that is enabled and active, nobody using it. */
export async function active(
  bus: bus_type | null,
  name = 'dev',
  parent: device | null = null,
): Promise<device> {
  const dev = make(bus, name, parent);
  expect(await pm_runtime_set_active(dev)).toBe(0);
  await pm_runtime_enable(dev);
  return dev;
}

/** A device that is enabled and suspended. */
export async function suspended(
  bus: bus_type | null,
  name = 'dev',
  parent: device | null = null,
): Promise<device> {
  const dev = make(bus, name, parent);
  await pm_runtime_enable(dev);
  return dev;
}

export function driver(pm: dev_pm_ops): device_driver {
  const drv = new device_driver();
  drv.pm = pm;
  return drv;
}

/** `status usage/children`, e.g. `active 1/0`. */
export function state(dev: device): string {
  const p = dev.power;
  return `${rpm_status_names[p.runtime_status]} ${p.usage_count.counter}/${p.child_count.counter}`;
}

/** Let the worker finish what is queued. */
export async function settle(dev: device): Promise<void> {
  await flush_work(dev.power.work);
}
