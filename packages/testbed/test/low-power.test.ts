// SPDX-License-Identifier: GPL-2.0-only
// What sets the revisions apart, seen from user space and from the device's counters.
import {
  VFIO_DEVICE_FEATURE_PROBE,
  VFIO_DEVICE_FEATURE_SET,
  VFIO_PCI_INTX_IRQ_INDEX,
  type vfio_pci_core_device,
} from '@vfio-lab/headers';
import { dev_get_drvdata, EINVAL, EIO, ENOTTY } from '@vfio-lab/kernel';
import { pmerr } from '@vfio-lab/runtime-pm';
import { firstPrefix, revision, SERIES } from '@vfio-lab/series';
import { sleep_ns } from '@vfio-lab/sim';
import { describe, expect, it } from 'vitest';
import {
  bootTestbed,
  lowPowerOf,
  type LowPower,
  type Testbed,
  User,
  type VfioDevice,
  VfioSession,
} from '../src/index.ts';

const GPU = '0000:01:00.0';
const RUNTIME_STATUS = ['active', 'resuming', 'suspended', 'suspending'];
/** Long enough for idle work and a suspend to be through. */
const SETTLE_NS = 1e9;

interface Bench {
  testbed: Testbed;
  user: User;
  dev: VfioDevice;
  low: LowPower;
  /** Everything that is pending happens. */
  settle(): Promise<void>;
  /** The host reads config space, as lspci does. */
  lspci(): Promise<void>;
  status(): string;
  /** runtime-PM usage count. */
  count(): number;
  engaged(): boolean;
  /** Load through the mapping of BAR 0: the value, or the signal. */
  touch(): Promise<number | string>;
  unmap(): Promise<number>;
}

async function onDevice(rev: string, program: (b: Bench) => Promise<void>): Promise<void> {
  const testbed = await bootTestbed({ revision: rev });
  await testbed.asUser(async () => {
    const group = testbed.groupOf(GPU);
    for (const bdf of testbed.endpoints().filter((d) => testbed.groupOf(d) === group))
      await testbed.bindVfio(bdf);
    const user = new User(testbed.process);
    const dev = await new VfioSession(user).open(GPU, group);
    await dev.writeConfig(4, 2, 6);
    const mapping = await dev.mmap('bar0', 0x1000);
    const { power } = testbed.pciDevice(GPU).dev;
    const fields = dev_get_drvdata<vfio_pci_core_device>(testbed.pciDevice(GPU).dev) as unknown as Record<
      string,
      unknown
    >;
    const settle = async (): Promise<void> => sleep_ns(SETTLE_NS);
    await settle();
    await program({
      testbed,
      user,
      dev,
      low: lowPowerOf(rev),
      settle,
      lspci: async () => {
        await testbed.configRead(GPU, 0, 4);
        await settle();
      },
      status: () => RUNTIME_STATUS[power.runtime_status] ?? '',
      count: () => power.usage_count.counter,
      engaged: () => fields['pm_runtime_engaged'] === true || fields['platform_pm_engaged'] === true,
      touch: async () => {
        const r = await user.load(mapping, 4);
        return 'signal' in r ? r.signal : Number(r.value);
      },
      unmap: () => user.munmap(mapping, 0x1000),
    });
    await testbed.exitProcess();
  });
  expect(testbed.machine.findings).toEqual([]);
}

const every = SERIES.flatMap((s) =>
  Array.from({ length: s.patches.length + 1 - firstPrefix(s) }, (_, i) => `${s.name}@${firstPrefix(s) + i}`),
);
const whole = ['v3', 'v4', 'v5', 'v6', 'v7'];
const late = ['v5', 'v6', 'v7'];
/** What a successful call returns: v3 forgets the 1 of vfio_check_feature(). */
const ok = (rev: string): number => (rev === 'v3' ? 1 : 0);

describe('features by revision', () => {
  it.each(['base', ...every])('%s', async (rev) => {
    const has = (name: string): boolean => name in revision(rev).image.table;
    const pm = has('vfio_pci_core_feature_pm');
    const entry = has('vfio_pci_core_pm_entry');
    const wakeup = has('vfio_pci_core_pm_entry_with_wakeup');
    await onDevice(rev, async ({ dev, low }) => {
      expect(low.has.lowPower).toBe(pm || entry);
      expect(low.has.wakeup).toBe(wakeup);
      const probe = async (feature: number): Promise<number> =>
        (await dev.feature(VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_SET | feature, new Uint8Array(8)))
          .ret;
      expect([await probe(3), await probe(4), await probe(5)]).toEqual([
        pm || entry ? 0 : -ENOTTY,
        wakeup ? 0 : -ENOTTY,
        entry ? 0 : -ENOTTY,
      ]);
      if (!low.has.lowPower) expect([await low.enter(dev), await low.exit(dev)]).toEqual([-ENOTTY, -ENOTTY]);
    });
  });

  it.each(whole)('%s refuses an option that it does not have', async (rev) => {
    const low = lowPowerOf(rev);
    const dev = null as unknown as VfioDevice;
    const attempt = async (options: Parameters<LowPower['enter']>[1]): Promise<number> =>
      low.enter(dev, options);
    if (!low.has.wakeup) await expect(attempt({ wakeup: 0 })).rejects.toThrow('tells nobody');
    if (!low.has.reentryDisable) await expect(attempt({ reentryDisable: true })).rejects.toThrow('awake');
    expect(low.has.d3hotFirst).toBe(rev === 'v3');
    expect(low.has.reentryDisable).toBe(rev === 'v4');
  });
});

describe.each(whole)('%s', (rev) => {
  it('gives up the reference of the open file and takes it back', () =>
    onDevice(rev, async ({ dev, low, settle, status, count, engaged, touch }) => {
      expect([count(), status(), engaged()]).toEqual([1, 'active', false]);
      expect(typeof (await touch())).toBe('number');
      expect(await low.enter(dev)).toBe(ok(rev));
      await settle();
      expect([count(), status(), engaged()]).toEqual([0, 'suspended', true]);
      expect(await low.exit(dev)).toBe(ok(rev));
      await settle();
      expect([count(), status(), engaged()]).toEqual([1, 'active', false]);
      expect(typeof (await touch())).toBe('number');
    }));

  it('refuses a second entry, and an exit without entry as it does', () =>
    onDevice(rev, async ({ dev, low, settle, count, engaged }) => {
      const error = rev === 'v3' ? EINVAL : -EINVAL;
      expect(await low.exit(dev)).toBe(late.includes(rev) ? 0 : error);
      expect(count()).toBe(1);
      await low.enter(dev);
      await settle();
      expect(await low.enter(dev)).toBe(error);
      await settle();
      expect([count(), engaged()]).toEqual([0, true]);
    }));

  it('faults on a mapping, without a wake, and sleeps on after the host was there', () =>
    onDevice(rev, async ({ dev, low, settle, lspci, status, count, touch }) => {
      await low.enter(dev);
      await settle();
      expect(await touch()).toBe('SIGBUS');
      await settle();
      expect(status()).toBe('suspended');
      await lspci();
      // the GPU of this machine is on the list that v4 has
      expect([count(), status()]).toEqual(rev === 'v4' ? [1, 'active'] : [0, 'suspended']);
      expect(await touch()).toBe('SIGBUS');
    }));

  it('serves read() of a BAR in low power, or does not', () =>
    onDevice(rev, async ({ dev, low, settle }) => {
      await low.enter(dev);
      await settle();
      const value = await dev.read('bar0', 0, 4);
      if (late.includes(rev)) expect(value).toBeGreaterThanOrEqual(0);
      else expect(value).toBe(-EIO);
    }));

  it('can be closed in low power: nobody is told, and the device sleeps on unused', () =>
    onDevice(rev, async ({ dev, low, user, settle, status, count, engaged, unmap }) => {
      const wake = await user.eventfd();
      await low.enter(dev, low.has.wakeup ? { wakeup: wake } : {});
      await settle();
      await unmap();
      expect(await dev.close()).toBe(0);
      expect(engaged()).toBe(false);
      await settle();
      expect([count(), status()]).toEqual([0, 'suspended']);
      expect((await user.eventfdRead(wake)).ret).toBeLessThan(0);
    }));

  it('tells the user that a resume failed', () =>
    onDevice(rev, async ({ testbed, dev, low, settle, count }) => {
      await low.enter(dev);
      await settle();
      const { dev: device } = testbed.pciDevice(GPU);
      await pmerr(device, 'err');
      // v3 gives the reason as it is, and v4 does so for its EXIT
      const raw = [await dev.readConfig(0, 2), await dev.numIrqs()];
      expect(raw).toEqual(rev === 'v3' ? [-EINVAL, -EINVAL] : [-EIO, -EIO]);
      if (rev !== 'v3') expect(await low.exit(dev)).toBe(rev === 'v4' ? -EINVAL : -EIO);
      expect(count()).toBe(0);
      await pmerr(device, 'clear');
    }));
});

describe.each(late)('%s, entry with wakeup', (rev) => {
  it('signals once, ends low power, and leaves the exit nothing to do', () =>
    onDevice(rev, async ({ dev, low, user, settle, lspci, status, count, engaged, touch }) => {
      const wake = await user.eventfd();
      expect(await low.enter(dev, { wakeup: wake })).toBe(0);
      await settle();
      expect(status()).toBe('suspended');
      await lspci();
      expect(await user.eventfdRead(wake)).toEqual({ ret: 8, count: 1n });
      expect([count(), status(), engaged()]).toEqual([1, 'active', false]);
      expect(typeof (await touch())).toBe('number');
      await lspci();
      expect((await user.eventfdRead(wake)).ret).toBeLessThan(0);
      expect(await low.exit(dev)).toBe(0);
      expect(count()).toBe(1);
    }));

  it('signals a wake that the user caused itself, its exit for one', () =>
    onDevice(rev, async ({ dev, low, user, settle, count, engaged }) => {
      const wake = await user.eventfd();
      await low.enter(dev, { wakeup: wake });
      await settle();
      expect(await low.exit(dev)).toBe(0);
      expect(await user.eventfdRead(wake)).toEqual({ ret: 8, count: 1n });
      expect([count(), engaged()]).toEqual([1, false]);
    }));

  it('does not signal when the device never slept', () =>
    onDevice(rev, async ({ testbed, dev, low, user, settle, lspci, count, engaged }) => {
      await testbed.sysfsWrite(`/sys/bus/pci/devices/${GPU}/power/control`, 'on');
      const wake = await user.eventfd();
      await low.enter(dev, { wakeup: wake });
      await settle();
      await lspci();
      expect(await low.enter(dev, { wakeup: wake })).toBe(-EINVAL);
      expect(engaged()).toBe(true);
      await low.exit(dev);
      expect((await user.eventfdRead(wake)).ret).toBeLessThan(0);
      expect([count(), engaged()]).toEqual([2, false]);
    }));

  it('checks the eventfd before anything changes', () =>
    onDevice(rev, async ({ dev, low, count, engaged }) => {
      expect(await low.enter(dev, { wakeup: -1 })).toBe(-EINVAL);
      expect(await low.enter(dev, { wakeup: 9999 })).toBe(-9);
      expect(await low.enter(dev, { wakeup: dev.fd })).toBe(-EINVAL);
      expect([count(), engaged()]).toEqual([1, false]);
    }));

  it('unmasks INTx on the right side of the signal', () =>
    onDevice(rev, async ({ testbed, dev, low, user, settle, lspci }) => {
      const irq = await user.eventfd();
      expect(await dev.setTrigger(VFIO_PCI_INTX_IRQ_INDEX, irq)).toBe(0);
      const wake = await user.eventfd();
      await low.enter(dev, { wakeup: wake });
      await settle();
      const order: string[] = [];
      const k = testbed.kernel;
      const unmask = k.vfio_pci_intx_unmask;
      const vdev = dev_get_drvdata<vfio_pci_core_device>(testbed.pciDevice(GPU).dev) as unknown as Record<
        string,
        unknown
      >;
      k.vfio_pci_intx_unmask = async function (device) {
        order.push(vdev['pm_wake_eventfd_ctx'] === null ? 'after' : 'before');
        await unmask.call(k, device);
      };
      await lspci();
      expect(order).toEqual([rev === 'v5' ? 'before' : 'after']);
    }));
});
