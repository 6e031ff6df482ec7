// SPDX-License-Identifier: GPL-2.0-only
// What was said of v3 (April to June 2022).
import {
  vfio_pci_core_device,
  VFIO_DEVICE_GET_PCI_HOT_RESET_INFO,
  VFIO_DEVICE_GET_REGION_INFO,
  VFIO_DEVICE_IOEVENTFD,
} from '@vfio-lab/headers';
import {
  dev_set_drvdata,
  EINVAL,
  EIO,
  GFP_KERNEL,
  kfree,
  kzalloc,
  list_for_each_entry,
} from '@vfio-lab/kernel';
import { mutex_lock, mutex_unlock } from '@vfio-lab/locking';
import { PCI_BASE_ADDRESS_0, PCI_D0 } from '@vfio-lab/pci';
import { pm_runtime_get_noresume, pm_runtime_put, pm_runtime_put_noidle } from '@vfio-lab/runtime-pm';
import { type Bench, CARD, errno, ok, PMCSR } from './bench.ts';
import { enterOnly, harm, judge, kinds, probe, raceText, set, unreachable, valueOf } from './say.ts';
import type { Claim } from './types.ts';

const AUDIO = '0000:01:00.1';
const CONFIG_REGION = 7 * 2 ** 40;
const CONFIG_SIZE = 256;

/** The driver's functions with arguments of whatever shape the revision gives them. */
type Loose = Record<string, (...args: unknown[]) => Promise<number>>;

const ROBOT = 'kernel test robot, Bjorn Helgaas';
const ALEX = 'Alex Williamson';
const ALEX_JASON = 'Alex Williamson, Jason Gunthorpe';
const ALEX_ABHISHEK = 'Alex Williamson, Abhishek Sahu';

/** Read all of config space against an ENTER. */
const configAgainstEnter = {
  setup: () => Promise.resolve(null),
  programs: (b: Bench) => ({
    reader: async () => {
      await b.user.pread(b.dev.fd, CONFIG_SIZE, CONFIG_REGION);
    },
    guest: async () => {
      await b.enter();
    },
  }),
  outcome: (b: Bench) => Promise.resolve(b.state().status),
};

export const v3Claims: readonly Claim[] = [
  {
    id: 'C1',
    who: ROBOT,
    when: '2022-04-26',
    on: 'v3 1/8',
    text: 'sparse warns when two pci_power_t are compared with >=',
    kind: 'other',
    sense: 'remark',
    fate: 'lived with, as elsewhere in the PCI code',
  },
  {
    id: 'C2',
    who: ALEX_JASON,
    when: '2022-05-03',
    on: 'v3 4/8',
    text: 'A device whose driver data is not the core device is refused at registration, or the callbacks would take something else for it',
    kind: 'behaviour',
    sense: 'rule',
    fate: 'drivers set their data themselves; registration warns and gives -EINVAL (part 1)',
    check: async (c) => {
      const run = await c.bench(
        async (b) => {
          const { pdev, k } = b;
          const attempt = async (data: unknown): Promise<number> => {
            const vdev = kzalloc(vfio_pci_core_device, GFP_KERNEL);
            if (vdev === null) throw new Error('no memory');
            k.vfio_pci_core_init_device(vdev, pdev, k.vfio_pci_ops);
            dev_set_drvdata(pdev.dev, data === 'itself' ? vdev : data);
            const ret = await k.vfio_pci_core_register_device(vdev);
            if (ret === 0) await k.vfio_pci_core_unregister_device(vdev);
            await k.vfio_pci_core_uninit_device(vdev);
            kfree(vdev);
            dev_set_drvdata(pdev.dev, null);
            return ret;
          };
          return {
            right: await attempt('itself'),
            other: await attempt({ what: 'a struct of a variant driver' }),
          };
        },
        { open: [] },
      );
      const { right, other } = valueOf(run);
      const warned = kinds(run.findings).includes('WARN_ON');
      return judge(
        right === 0 && other === -EINVAL && warned,
        `other driver data: a warning and ${errno(other)}`,
        `other driver data: ${errno(other)}${warned ? ' and a warning' : ''}`,
        { right, other, warned },
      );
    },
  },
  {
    id: 'C3',
    who: ALEX,
    when: '2022-05-04',
    on: 'v3 5/8',
    text: 'When one device of a set fails to resume, those before it are put exactly once and the error is returned',
    kind: 'behaviour',
    sense: 'rule',
    fate: 'right from the start; written the other way round in part 1',
    check: async (c) => {
      const run = await c.bench(
        async (b) => {
          const { dev_set } = b.vdev.vdev;
          const order = [...list_for_each_entry(dev_set.device_list)].map((d) => d.dev?.name ?? '');
          const counts = (): number[] => order.map((bdf) => b.state(bdf).count);
          const before = counts();
          const last = order.at(-1) ?? '';
          await b.tamper('err', last);
          await mutex_lock(dev_set.lock);
          const ret = await b.k.vfio_pci_dev_set_pm_runtime_get(dev_set);
          await mutex_unlock(dev_set.lock);
          const reset = await b.dev.hotReset([...b.lab.session.groups.values()]);
          await b.tamper('clear', last);
          await b.settle();
          return { order, before, after: counts(), ret, reset };
        },
        { topology: 'gpu', open: [CARD, AUDIO] },
      );
      const v = valueOf(run);
      const same = JSON.stringify(v.before) === JSON.stringify(v.after);
      return judge(
        v.ret < 0 && same,
        `${errno(v.ret)}, and every count as before`,
        `${errno(v.ret)}, counts ${v.before.join(' ')} become ${v.after.join(' ')}`,
        { ...v, ret: errno(v.ret), reset: errno(v.reset) },
      );
    },
  },
  {
    id: 'C4',
    who: ALEX,
    when: '2022-05-04',
    on: 'v3 6/8',
    text: 'The wrapper that wakes a device for an ioctl gives 1 for success, which a caller that tests for an error misreads',
    kind: 'behaviour',
    sense: 'defect',
    fate: '0 or -EIO from v4 on, and a put that takes the vfio_device',
    check: async (c) => {
      if (!c.has('vfio_device_pm_runtime_get')) return unreachable('no ioctl is wrapped in this revision');
      const run = await c.bench(async (b) => {
        const k = b.k as unknown as Loose;
        const { vdev } = b.vdev;
        const pair = c.has('vfio_device_pm_runtime_put');
        const ret = await k['vfio_device_pm_runtime_get'](pair ? vdev : vdev.dev);
        if (pair) await k['vfio_device_pm_runtime_put'](vdev);
        else await pm_runtime_put(b.pdev.dev);
        return ret;
      });
      const ret = valueOf(run);
      return judge(ret > 0, `it gives ${ret} for a device that is awake`, `it gives ${ret}`, { ret });
    },
  },
  {
    id: 'C5',
    who: ALEX,
    when: '2022-05-04',
    on: 'v3 6/8',
    text: 'When the device does not wake, the user of a valid ioctl gets an errno that speaks of his argument',
    kind: 'behaviour',
    sense: 'defect',
    fate: '-EIO and a log line from v4 on',
    needs: 'low-power',
    check: async (c) => {
      const run = await c.bench(async (b) => {
        await b.sleep();
        await b.tamper('err');
        const failed = await b.dev.numIrqs();
        const exit = await b.exit();
        await b.tamper('clear');
        await b.tamper('disable');
        const disabled = await b.dev.numIrqs();
        await b.tamper('enable');
        return { failed, disabled, exit };
      });
      const v = valueOf(run);
      const raw = [v.failed, v.disabled].filter((r) => r !== -EIO);
      const words = `GET_INFO gives ${errno(v.failed)} after a failed resume, ${errno(v.disabled)} with runtime PM off`;
      return judge(raw.length > 0, words, words, {
        failed: errno(v.failed),
        disabled: errno(v.disabled),
        exit: errno(v.exit),
      });
    },
  },
  {
    id: 'C6',
    who: ALEX,
    when: '2022-05-04',
    on: 'v3 6/8',
    text: 'The driver goes away between get and put of an ioctl, the two do not agree whether there is runtime PM, and a reference is lost',
    kind: 'behaviour',
    sense: 'defect',
    fate: 'never changed: a device cannot lose its driver while it is open',
    check: async (c) => {
      if (!c.has('vfio_device_pm_runtime_get')) return unreachable('no ioctl is wrapped in this revision');
      const run = await c.bench(async (b) => {
        const { dev } = b.pdev;
        const before = b.state().count;
        b.spy('vfio_pci_core_ioctl', () => void (dev.driver = null));
        const { driver } = dev;
        await b.dev.numIrqs();
        dev.driver = driver;
        const lost = b.state().count - before;
        for (let i = 0; i < lost; i++) await pm_runtime_put_noidle(dev);
        return lost;
      });
      const forced = valueOf(run);
      let without = 0;
      const r = await c.race({
        setup: (b) => {
          const look = (): void => {
            if (b.pdev.dev.driver === null) without++;
          };
          b.spy('vfio_device_pm_runtime_get', look);
          b.spy('vfio_device_pm_runtime_put', look);
          return Promise.resolve(null);
        },
        programs: (b) => ({
          guest: async () => {
            await b.dev.numIrqs();
            await b.dev.numIrqs();
            await b.dev.close();
          },
          host: async () => {
            await b.testbed.sysfsWrite(`/sys/bus/pci/devices/${CARD}/driver/unbind`, CARD);
          },
        }),
      });
      const values = { forced, runs: r.runs, without, findings: Object.keys(r.findings) };
      if (without === 0 && Object.keys(r.findings).length === 0)
        return unreachable(
          `unbind waits for the close: no ioctl without a driver in ${r.runs} schedules (taken away by hand: ${forced} lost)`,
          values,
        );
      return { verdict: 'holds', text: `${without} ioctls without a driver in ${r.runs} schedules`, values };
    },
  },
  {
    id: 'C7',
    who: ALEX,
    when: '2022-05-04',
    on: 'v3 8/8',
    text: 'A GPU that the host has woken goes back to sleep without its guest driver, whatever the guest asked for, and loses its memory',
    kind: 'behaviour',
    sense: 'defect',
    fate: 'v4: not NVIDIA displays, nor with a flag; v5: the guest asks to be told, and the device then stays awake',
    needs: 'low-power',
    check: async (c) => {
      const after = async (body: (b: Bench) => Promise<unknown>): Promise<string> =>
        valueOf(
          await c.bench(
            async (b) => {
              await body(b);
              await b.settle();
              await b.lspci();
              return b.state().status;
            },
            { topology: 'gpu' },
          ),
        );
      const values: Record<string, string> = { plain: await after((b) => b.enter()) };
      if (c.low.has.reentryDisable) values['flag'] = await after((b) => b.enter({ reentryDisable: true }));
      if (c.low.has.wakeup) values['wakeup'] = await after((b) => b.enterNotified());
      const words = `after a wake by the host: ${Object.entries(values)
        .map(([how, s]) => `${how} ENTER ${s}`)
        .join(', ')}`;
      return judge(!Object.values(values).includes('active'), words, words, values);
    },
  },
  {
    id: 'C8',
    who: ALEX_ABHISHEK,
    when: '2022-05-04',
    on: 'v3 8/8',
    text: 'Neither PROBE nor a successful ENTER says whether the device will sleep',
    kind: 'behaviour',
    sense: 'remark',
    fate: 'nothing could be promised; the text of v6 says so',
    needs: 'low-power',
    check: async (c) => {
      const run = await c.bench(async (b) => {
        await b.control('on');
        const probed = await probe(b.dev, 3);
        const entered = await b.enter();
        await b.settle();
        const { status } = b.state();
        await b.exit();
        await b.control('auto');
        return { probed, entered, status };
      });
      const v = valueOf(run);
      const words = `kept awake by sysfs: PROBE ${errno(v.probed)}, ENTER ${errno(v.entered)}, the device is ${v.status}`;
      return judge(v.probed === 0 && ok(v.entered) && v.status === 'active', words, words, v);
    },
  },
  {
    id: 'C9',
    who: ALEX_ABHISHEK,
    when: '2022-05-04',
    on: 'v3 8/8',
    text: 'ENTER from D0 is refused, although the suspend callback itself brings the device to D0',
    kind: 'behaviour',
    sense: 'defect',
    fate: 'from v4 on ENTER works in D0 and in D3hot',
    needs: 'low-power',
    check: async (c) => {
      const fromD0 = valueOf(await c.bench((b) => enterOnly(b)));
      const run = await c.bench(
        async (b) => {
          const bar = await b.dev.readConfig(PCI_BASE_ADDRESS_0, 4);
          await b.dev.writeConfig(PMCSR, 2, 3);
          const entered = await enterOnly(b);
          await b.settle();
          const saved = b.vdev.pm_save !== null;
          await b.exit();
          await b.settle();
          return {
            entered,
            saved,
            kept: (await b.lspci(CARD)) >= 0 && (await b.lab.lspci(CARD, PCI_BASE_ADDRESS_0)) === bar,
          };
        },
        { topology: 'nosoftrst' },
      );
      const hot = valueOf(run);
      return judge(
        !ok(fromD0),
        `ENTER gives ${errno(fromD0)} in D0, ${errno(hot.entered)} in D3hot`,
        `ENTER gives ${errno(fromD0)} in D0, ${errno(hot.entered)} in D3hot; a NoSoftRst- device ${hot.kept ? 'keeps' : 'loses'} its config`,
        { fromD0, ...hot },
      );
    },
  },
  {
    id: 'C10',
    who: ALEX_ABHISHEK,
    when: '2022-05-04',
    on: 'v3 8/8',
    text: 'The suspend callback treats a device that nobody uses differently from one whose user let it sleep',
    kind: 'behaviour',
    sense: 'remark',
    fate: 'from v4 on it makes no difference; the flag stays, to know whose reference is gone',
    needs: 'low-power',
    check: async (c) => {
      const run = await c.bench(
        async (b) => {
          let suspending = false;
          let calls = 0;
          b.spy(
            'vfio_pci_core_runtime_suspend',
            () => void (suspending = true),
            () => void (suspending = false),
          );
          b.spy('vfio_pci_set_power_state', () => void (calls += suspending ? 1 : 0));
          await b.lab.bind(CARD);
          const unused = calls;
          calls = 0;
          const dev = await b.lab.open(CARD);
          await b.enter({}, dev);
          await b.settle();
          return { unused, used: calls };
        },
        { open: [] },
      );
      const v = valueOf(run);
      return judge(
        v.unused === 0 && v.used > 0,
        'unused: it returns at once; used: it brings the device to D0',
        'it brings either to D0',
        v,
      );
    },
  },
  {
    id: 'C11',
    who: ALEX_ABHISHEK,
    when: '2022-05-05',
    on: 'v3 8/8',
    text: 'A config access that has passed a check of the flag reaches the device after another thread has sent it to D3cold',
    kind: 'behaviour',
    sense: 'defect',
    fate: 'the access holds a usage reference: config space in v3, every region from v4 on',
    needs: 'low-power',
    check: (c) =>
      harm(c, configAgainstEnter, 'access in D3cold', {
        runs: 16,
        whatIf: 'no-usage-reference',
        kinds: ['d3cold-access'],
      }),
  },
  {
    id: 'C12',
    who: ALEX,
    when: '2022-05-04',
    on: 'v3 8/8',
    text: 'While low power is engaged the driver still counts a device as in D3 that has been brought to D0',
    kind: 'behaviour',
    sense: 'defect',
    fate: 'part 1 asks the PCI core; v4 has a test of its own for low power',
    needs: 'low-power',
    check: async (c) => {
      const run = await c.bench(async (b) => {
        await b.control('on');
        await b.enter();
        await b.settle();
        await b.dev.writeConfig(PMCSR, 2, 0);
        const d3 = b.field('power_state_d3');
        const d0 = b.pdev.current_state === PCI_D0;
        await b.exit();
        await b.control('auto');
        return { power_state_d3: d3 === undefined ? 'no such field' : d3 === true, d0 };
      });
      const v = valueOf(run);
      return judge(
        v.power_state_d3 === true && v.d0,
        'power_state_d3 is set and the device is in D0',
        `power_state_d3: ${String(v.power_state_d3)}`,
        v,
      );
    },
  },
  {
    id: 'C13',
    who: 'Abhishek Sahu, Alex Williamson',
    when: '2022-05-05',
    on: 'v3 8/8',
    text: 'A fault on a mapped BAR gives SIGBUS also while the host has the sleeping device awake',
    kind: 'behaviour',
    sense: 'rule',
    fate: 'low power is tested under memory_lock, the power state alone would not do',
    needs: 'low-power',
    check: async (c) => {
      const r = await c.race(
        {
          setup: async (b) => {
            const addr = await b.dev.mmap('bar0', 4096);
            await b.sleep();
            return { addr, seen: [] as string[] };
          },
          programs: (b, s) => ({
            guest: async () => {
              for (let i = 0; i < 2; i++) s.seen.push(String(await b.touch(s.addr)));
            },
            host: async () => {
              await b.lab.lspci(CARD);
            },
          }),
          outcome: (_b, s) => Promise.resolve([...new Set(s.seen)].join(' and ')),
        },
        { runs: 20 },
      );
      const only = Object.keys(r.outcomes).join() === 'SIGBUS' && Object.keys(r.findings).length === 0;
      return judge(only, raceText(r), raceText(r), { ...r });
    },
  },
  {
    id: 'C14',
    who: ALEX_JASON,
    when: '2022-05-04',
    on: 'v3 8/8',
    text: 'The payload of the feature is a 64-bit number for a yes or a no',
    kind: 'behaviour',
    sense: 'defect',
    fate: 'v4: 32 bits of flags and 32 reserved; v5: no payload',
    needs: 'low-power',
    check: async (c) => {
      const run = await c.bench(async (b) => {
        if (b.low.has.d3hotFirst) await b.dev.writeConfig(PMCSR, 2, 3);
        const high = await set(b.dev, 3, 1, 1);
        await b.exit();
        if (b.low.has.d3hotFirst) await b.dev.writeConfig(PMCSR, 2, 3);
        const bare = await set(b.dev, 3);
        return { high: errno(high), bare: errno(bare) };
      });
      const v = valueOf(run);
      return judge(
        v.high === '+EINVAL',
        `ENTER with the upper word set: ${v.high}`,
        `ENTER with the upper word set: ${v.high}; without payload: ${v.bare}`,
        v,
      );
    },
  },
  {
    id: 'C15',
    who: 'Abhishek Sahu, Jason Gunthorpe',
    when: '2022-05-30',
    on: 'v3 8/8',
    text: 'A device does not suspend under a config access that was there before the ENTER',
    kind: 'behaviour',
    sense: 'rule',
    fate: 'a counter of accesses with -EBUSY was dropped; the usage count does it',
    needs: 'low-power',
    check: async (c) => {
      let under = 0;
      let chunks = 0;
      const r = await c.race(
        {
          ...configAgainstEnter,
          setup: (b) => {
            const look = (): void => {
              chunks++;
              if (b.asleep) under++;
            };
            b.spy('vfio_config_do_rw', look, look);
            return Promise.resolve(null);
          },
        },
        { runs: 20 },
      );
      const clean = under === 0 && Object.keys(r.findings).length === 0;
      return judge(
        clean,
        `asleep at none of ${chunks} looks in ${r.runs} schedules`,
        `asleep at ${under} of ${chunks} looks in ${r.runs} schedules`,
        { runs: r.runs, chunks, under, findings: Object.keys(r.findings) },
      );
    },
  },
  {
    id: 'C16',
    who: 'Jason Gunthorpe',
    when: '2022-05-31',
    on: 'v3 8/8',
    text: 'Turning memory decode on or writing D0 while low power is engaged does not let mappings through again',
    kind: 'behaviour',
    sense: 'rule',
    fate: 'from v4 on the flag decides, not the power state',
    needs: 'low-power',
    check: async (c) => {
      const run = await c.bench(async (b) => {
        const addr = await b.dev.mmap('bar0', 4096);
        await b.sleep();
        await b.dev.writeConfig(4, 2, 6);
        const memory = await b.touch(addr);
        await b.dev.writeConfig(PMCSR, 2, 0);
        const d0 = await b.touch(addr);
        await b.exit();
        return { memory, d0, after: typeof (await b.touch(addr)) };
      });
      const v = valueOf(run);
      return judge(
        v.memory === 'SIGBUS' && v.d0 === 'SIGBUS',
        'SIGBUS after MEMORY=1 and after D0',
        `MEMORY=1: ${v.memory}, D0: ${v.d0}`,
        v,
      );
    },
  },
  {
    id: 'C17',
    who: ALEX_ABHISHEK,
    when: '2022-05-31',
    on: 'v3 8/8',
    text: 'A config write in several pieces, which changes the lock for the piece that turns memory on, runs the next piece without it',
    kind: 'behaviour',
    sense: 'defect',
    fate: 'the design was dropped: accesses are not blocked',
    needs: 'low-power',
    check: async (c) => {
      const run = await c.bench(async (b) => {
        const locks: string[] = [];
        b.spy('vfio_config_do_rw', () => void locks.push(b.memoryLock() || 'none'));
        await b.sleep();
        locks.length = 0;
        const ret = await b.user.pwrite(b.dev.fd, Uint8Array.of(6, 0, 0, 0, 0, 0, 0, 0), CONFIG_REGION + 4);
        return { ret, locks };
      });
      const v = valueOf(run);
      if (v.ret === 8 && v.locks.every((l) => l === 'none'))
        return unreachable(`no lock is held over the ${v.locks.length} pieces of a config write`, {
          ...v,
          findings: kinds(run.findings),
        });
      return { verdict: 'holds', text: `locks over the pieces: ${v.locks.join(', ')}`, values: v };
    },
  },
  {
    id: 'C18',
    who: ALEX_ABHISHEK,
    when: '2022-06-01',
    on: 'v3 8/8',
    text: 'Every ioctl on a sleeping device either wakes it first or does not touch it',
    kind: 'behaviour',
    sense: 'rule',
    fate: 'all ioctls are wrapped; in v4 all but the low power feature',
    needs: 'low-power',
    check: async (c) => {
      const run = await c.bench(async (b) => {
        await b.sleep();
        const { dev, user } = b;
        const words = (...w: number[]): Uint8Array => new Uint8Array(Uint32Array.from(w).buffer);
        const region = (i: number): Promise<unknown> =>
          user.ioctlBytes(dev.fd, VFIO_DEVICE_GET_REGION_INFO, words(32, 0, i, 0, 0, 0, 0, 0));
        const calls: Record<string, () => Promise<unknown>> = {
          GET_INFO: () => dev.numIrqs(),
          'GET_REGION_INFO of BAR 0': () => region(0),
          'GET_REGION_INFO of the ROM': () => region(6),
          'GET_REGION_INFO of config': () => region(7),
          'SET_IRQS INTx on': async () => dev.setTrigger(0, await user.eventfd()),
          'SET_IRQS INTx mask': () => dev.maskIrq(0),
          'SET_IRQS INTx unmask': () => dev.unmaskIrq(0),
          'SET_IRQS INTx off': () => dev.disableIrq(0),
          'SET_IRQS REQ': async () => dev.setTrigger(4, await user.eventfd()),
          IOEVENTFD: async () =>
            user.ioctlBytes(dev.fd, VFIO_DEVICE_IOEVENTFD, words(32, 4, 8, 0, 1, 0, await user.eventfd(), 0)),
          GET_PCI_HOT_RESET_INFO: () =>
            user.ioctlBytes(
              dev.fd,
              VFIO_DEVICE_GET_PCI_HOT_RESET_INFO,
              words(64, ...new Array<number>(15).fill(0)),
            ),
          PCI_HOT_RESET: () => dev.hotReset([...b.lab.session.groups.values()]),
          RESET: () => dev.reset(),
          'FEATURE of the VF token': () => probe(dev, 0),
          'FEATURE of migration': () => probe(dev, 1, 'GET'),
          'FEATURE of low power, PROBE': () => probe(dev, 3),
          'an unknown number': () => user.ioctl(dev.fd, 0x3bff),
        };
        const woke: string[] = [];
        const slept: string[] = [];
        for (const [name, call] of Object.entries(calls)) {
          const before = b.resumes;
          await call();
          (b.resumes > before ? woke : slept).push(name);
          await b.settle();
        }
        return { woke, slept, asleep: b.asleep };
      });
      const v = valueOf(run);
      const bad = kinds(run.findings);
      return judge(
        bad.length === 0,
        `${v.woke.length} wake it, ${v.slept.length} do not touch it${v.slept.length > 0 ? ` (${v.slept.join(', ')})` : ''}`,
        `${bad.join(', ')}: ${run.findings[0]?.text ?? ''}`,
        { ...v, findings: bad },
      );
    },
  },
  {
    id: 'C19',
    who: ALEX,
    when: '2022-06-01',
    on: 'v3 8/8',
    text: 'A user who changes the power of a device while he accesses it may see anything, but never harms the host',
    kind: 'behaviour',
    sense: 'rule',
    fate: 'the rule that the later versions are measured by',
    needs: 'low-power',
    check: async (c) => {
      const r = await c.race(
        {
          setup: async (b) => ({ addr: await b.dev.mmap('bar0', 4096), seen: [] as string[] }),
          programs: (b, s) => ({
            guest: async () => {
              await b.enter();
              await b.exit();
              await b.enter();
            },
            reader: async () => {
              const bar = await b.dev.read('bar0', 0, 4);
              const touched = await b.touch(s.addr);
              await b.dev.readConfig(0, 4);
              await b.dev.numIrqs();
              s.seen.push(
                `BAR ${bar < 0 ? errno(bar) : 'read'}`,
                typeof touched === 'string' ? touched : 'loaded',
              );
            },
          }),
          outcome: (_b, s) => Promise.resolve(s.seen.join(', ')),
        },
        { runs: 32 },
      );
      const [first] = Object.entries(r.findings);
      const values = { runs: r.runs, outcomes: r.outcomes, findings: Object.keys(r.findings) };
      if (first === undefined) return { verdict: 'holds', text: raceText(r), values };
      const [kind, hit] = first;
      return {
        verdict: 'does-not-hold',
        text: `${kind}: ${hit.text} (in ${hit.runs} of ${raceText(r)})`,
        values,
        seed: hit.seed,
        schedule: hit.schedule,
      };
    },
  },
  {
    id: 'C20',
    who: ALEX_JASON,
    when: '2022-06-01',
    on: 'v3 8/8',
    text: 'Low power is offered on a VF, whose PF and siblings share its power',
    kind: 'behaviour',
    sense: 'defect',
    fate: 'both would rather leave VFs out; nobody did',
    needs: 'low-power',
    check: async (c) => {
      const run = await c.bench(
        async (b) => {
          const before = b.testbed.endpoints();
          await set(b.dev, 0, 1, 2, 3, 4);
          await b.lab.host(() => b.testbed.sysfsWrite(`/sys/bus/pci/devices/${CARD}/sriov_numvfs`, '1'));
          const vf = b.testbed.endpoints().find((bdf) => !before.includes(bdf));
          if (vf === undefined) throw new Error('no VF came up');
          if (b.testbed.driverOf(vf) === '') await b.lab.bind(vf);
          const dev = await b.lab.session.open(
            `${vf} vf_token=01000000-0200-0000-0300-000004000000`,
            b.testbed.groupOf(vf),
          );
          const entered = await b.enter({}, dev);
          await b.settle();
          const state = { ...b.state(vf) };
          await dev.close();
          await b.lab.host(() => b.testbed.sysfsWrite(`/sys/bus/pci/devices/${CARD}/sriov_numvfs`, '0'));
          return { entered: errno(entered), accepted: ok(entered), ...state };
        },
        { topology: 'sriov', options: 'enable_sriov=1' },
      );
      const v = valueOf(run);
      return judge(
        v.accepted,
        `ENTER on a VF gives ${v.entered}; the VF is ${v.status}`,
        `ENTER on a VF gives ${v.entered}`,
        { ...v, findings: kinds(run.findings) },
      );
    },
  },
  {
    id: 'C21',
    who: ALEX_JASON,
    when: '2022-06-01',
    on: 'v3 8/8',
    text: 'A driver of one device keeps it awake with a reference of its own: ENTER succeeds, and the device never suspends',
    kind: 'behaviour',
    sense: 'remark',
    fate: 'said again of v4 3/6; needs no code',
    needs: 'low-power',
    check: async (c) => {
      const run = await c.bench(async (b) => {
        await pm_runtime_get_noresume(b.pdev.dev);
        const entered = await b.enter();
        await b.settle();
        await b.lspci();
        const state = b.state();
        await b.exit();
        await pm_runtime_put_noidle(b.pdev.dev);
        return { entered: errno(entered), ...state, suspends: b.suspends };
      });
      const v = valueOf(run);
      return judge(
        v.status === 'active' && v.suspends === 0,
        `ENTER ${v.entered}, count ${v.count}, the device stays awake`,
        `the device is ${v.status}`,
        v,
      );
    },
  },
  {
    id: 'C22',
    who: 'Abhishek Sahu',
    when: '2022-06-02',
    on: 'v3 8/8',
    text: 'ENTER is refused unless the guest has set PME up',
    kind: 'behaviour',
    sense: 'remark',
    fate: 'planned with virtual PME, but v4 6/6 does not ask for it',
    needs: 'low-power',
    check: async (c) => {
      if (!c.has('vfio_pci_set_pme_trigger')) return unreachable('no virtual PME in this revision');
      const entered = valueOf(await c.bench((b) => b.enter()));
      return judge(
        !ok(entered),
        `ENTER without PME gives ${errno(entered)}`,
        `ENTER without PME gives ${errno(entered)}`,
        { entered: errno(entered) },
      );
    },
  },
  {
    id: 'C23',
    who: ALEX,
    when: '2022-06-02',
    on: 'v3 8/8',
    text: 'User space alone decides whether a device that the host has woken goes back to sleep by itself',
    kind: 'behaviour',
    sense: 'rule',
    fate: 'v4: a flag, but also a list in the kernel; v5: entirely user space',
    needs: 'low-power',
    check: async (c) => {
      const after = async (how: 'again' | 'stay'): Promise<string> =>
        valueOf(
          await c.bench(
            async (b) => {
              if (how === 'again') await b.enter();
              else if (c.low.has.wakeup) await b.enterNotified();
              else await b.enter({ reentryDisable: true });
              await b.settle();
              await b.lspci();
              return b.state().status;
            },
            { topology: 'gpu' },
          ),
        );
      const again = await after('again');
      const stay = c.low.has.wakeup || c.low.has.reentryDisable ? await after('stay') : 'no way to ask';
      const words = `a GPU that may sleep again is ${again}, one that is to stay awake: ${stay}`;
      return judge(again === 'suspended' && stay === 'active', words, words, { again, stay });
    },
  },
  {
    id: 'C24',
    who: ALEX_ABHISHEK,
    when: '2022-06-07',
    on: 'v3 8/8',
    text: 'Every region access wakes the device as an ioctl does; only a fault does not, since it has no end',
    kind: 'behaviour',
    sense: 'rule',
    fate: 'v4 wraps vfio_pci_rw()',
    needs: 'low-power',
    check: async (c) => {
      const run = await c.bench(
        async (b) => {
          await b.dev.writeConfig(4, 2, 7);
          const addr = await b.dev.mmap('bar0', 4096);
          await b.sleep();
          const woke = async (body: () => Promise<unknown>): Promise<boolean> => {
            const before = b.resumes;
            await body();
            const woken = b.resumes > before;
            await b.settle();
            return woken;
          };
          return {
            config: await woke(() => b.dev.readConfig(0, 4)),
            memory: await woke(() => b.dev.read('bar0', 0, 4)),
            ports: await woke(() => b.dev.read('bar1', 0, 4)),
            fault: await woke(() => b.touch(addr)),
          };
        },
        { topology: 'ports' },
      );
      const v = valueOf(run);
      const found = kinds(run.findings);
      const list = Object.entries(v)
        .map(([what, w]) => `${what} ${w ? 'wakes' : 'does not'}`)
        .join(', ');
      return judge(
        v.config && v.memory && v.ports && !v.fault,
        list,
        `${list}${found.length > 0 ? `: ${found.join(', ')}` : ''}`,
        { ...v, findings: found },
      );
    },
  },
];
