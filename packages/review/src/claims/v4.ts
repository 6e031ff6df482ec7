// SPDX-License-Identifier: GPL-2.0-only
// What was said of part 1 (May 2022) and of v4 (July 2022).
import { VFIO_DEVICE_FEATURE_GET } from '@vfio-lab/headers';
import { EBADF, EINVAL, EIO } from '@vfio-lab/kernel';
import { rwsem_is_locked } from '@vfio-lab/locking';
import {
  PCI_COMMAND,
  PCI_COMMAND_INTX_DISABLE,
  PCI_D0,
  PCI_D3hot,
  pci_num_vf,
  PCI_PM_CTRL_PME_ENABLE,
  PCI_PM_CTRL_PME_STATUS,
  pci_power_name,
} from '@vfio-lab/pci';
import { report } from '@vfio-lab/sim';
import { type Bench, CARD, errno, ok, PMCSR, withWhatIf } from './bench.ts';
import { enterOnly, exitOnly, harm, judge, kinds, probe, unreachable, valueOf } from './say.ts';
import type { Claim, ClaimContext } from './types.ts';

const NEIGHBOUR = '0000:02:00.0';
const PORT = '0000:00:01.0';
const NUMVFS = `/sys/bus/pci/devices/${CARD}/sriov_numvfs`;
/** PMC: the states from which a device can signal PME. */
const PMC = 0x42;
const PME_STATES = 0xf800;
const REENTERY_DISABLE = 1 << 2;
const DISINTX = PCI_COMMAND_INTX_DISABLE | 6;

const ALEX = 'Alex Williamson';
const ABHISHEK = 'Abhishek Sahu';
const ALEX_ABHISHEK = 'Alex Williamson, Abhishek Sahu';

/** GET of the feature of v4: its flags, or -errno. */
async function flags(b: Bench): Promise<number> {
  const { ret, bytes } = await b.dev.feature(VFIO_DEVICE_FEATURE_GET | 3, new Uint8Array(8));
  return ret < 0 ? ret : new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
}

/**
 * Report a suspend that begins when the user holds the device awake by his own account: open, not engaged, nobody in the
 * middle of changing that, and no reference.
 */
function watchUndirected(b: Bench): void {
  b.onSuspending(() => {
    const { count, engaged } = b.state();
    if (b.vdev.vdev.open_count > 0 && !engaged && count === 0 && !rwsem_is_locked(b.vdev.memory_lock))
      report(
        'undirected-suspend',
        `${b.bdf} goes to sleep although its guest has left low power: nothing holds it awake`,
      );
  });
}

/** Turn INTx on, and ring while the device is asleep in a state in which it can still interrupt. */
async function ringWhileSuspendedInD0(
  c: ClaimContext,
  rev: string,
): Promise<{ entered: number; power: string; early: number; late: number; findings: string[] }> {
  const run = await c.bench(
    async (b) => {
      const fd = await b.user.eventfd();
      await b.dev.setTrigger(0, fd);
      const entered = await b.enter();
      if (!ok(entered)) return { entered, power: '', early: 0, late: 0 };
      await b.settle();
      const { power } = b.state();
      await b.lab.ring(CARD);
      await b.settle();
      const early = await b.signals(fd);
      await b.exit();
      await b.settle();
      const late = await b.signals(fd);
      await b.lab.acknowledge(b.dev);
      await b.dev.unmaskIrq(0);
      return { entered, power, early, late };
    },
    { topology: 'no-pm', revision: rev },
  );
  return { ...valueOf(run), findings: kinds(run.findings) };
}

/** One card asleep, its neighbour on the same line interrupts. */
async function neighbourRings(
  c: ClaimContext,
  rev: string,
): Promise<{ served: number; wrong: number; findings: string[] }> {
  const run = await c.bench(
    async (b) => {
      const mine = await b.user.eventfd();
      const others = await b.user.eventfd();
      await b.dev.setTrigger(0, mine);
      await b.devs[1].setTrigger(0, others);
      await b.sleep();
      await b.lab.ring(NEIGHBOUR);
      await b.settle();
      const served = await b.signals(others);
      const wrong = await b.signals(mine);
      await b.lab.acknowledge(b.devs[1]);
      await b.devs[1].unmaskIrq(0);
      await b.exit();
      return { served, wrong };
    },
    { topology: 'shared-intx', open: [CARD, NEIGHBOUR], revision: rev },
  );
  return { ...valueOf(run), findings: kinds(run.findings) };
}

const irqsAgainstEnter = {
  setup: async (b: Bench) => {
    await b.dev.setTrigger(0, await b.user.eventfd());
    return { inside: 0, met: 0 };
  },
  programs: (b: Bench) => ({
    irq: async () => {
      await b.dev.disableIrq(0);
      await b.dev.setTrigger(0, await b.user.eventfd());
    },
    guest: async () => {
      await b.enter();
    },
  }),
};

export const v4Claims: readonly Claim[] = [
  {
    id: 'C25',
    who: ALEX,
    when: '2022-05-17',
    on: 'part 1 v4 2/4',
    text: 'VFs can be enabled on a PF that another thread puts in D3hot at the same time',
    kind: 'behaviour',
    sense: 'defect',
    fate: 'part 1 v5 keeps memory_lock over both',
    check: (c) =>
      harm(
        c,
        {
          topology: 'sriov',
          options: 'enable_sriov=1',
          setup: () => Promise.resolve(null),
          programs: (b) => ({
            host: async () => {
              await b.testbed.sysfsWrite(NUMVFS, '2');
            },
            guest: async () => {
              await b.dev.writeConfig(PMCSR, 2, 3);
            },
          }),
          outcome: async (b) => {
            const vfs = pci_num_vf(b.pdev);
            const power = b.pdev.current_state;
            if (vfs > 0 && power >= PCI_D3hot)
              report('vfs-on-d3hot', `${vfs} VFs on a PF in ${b.state().power}`);
            await b.lab.host(() => b.testbed.sysfsWrite(NUMVFS, '0'));
            return `${vfs} VFs, ${power === PCI_D0 ? 'D0' : 'D3hot'}`;
          },
        },
        'VFs on a PF in D3hot',
        { kinds: ['vfs-on-d3hot'] },
      ),
  },
  {
    id: 'C26',
    who: ALEX,
    when: '2022-05-17',
    on: 'part 1 v4 4/4',
    text: 'The ifdefs on CONFIG_PM are not needed',
    kind: 'other',
    sense: 'remark',
    fate: 'gone in part 1 v5',
  },
  {
    id: 'C27',
    who: ALEX,
    when: '2022-05-17',
    on: 'part 1 v4 4/4',
    text: 'A device can sleep in D3hot below a bridge that stays in D0, and nothing is wrong with that',
    kind: 'behaviour',
    sense: 'remark',
    fate: 'explained',
    needs: 'low-power',
    check: async (c) => {
      const run = await c.bench(
        async (b) => {
          await b.sleep();
          return { device: b.state().power, bridge: pci_power_name(b.lab.pdev(PORT).current_state) };
        },
        { topology: 'nosoftrst' },
      );
      const v = valueOf(run);
      return judge(
        v.device === 'D3hot' && v.bridge === 'D0' && run.findings.length === 0,
        'device in D3hot, bridge in D0, no finding',
        `device in ${v.device}, bridge in ${v.bridge}`,
        { ...v, findings: kinds(run.findings) },
      );
    },
  },
  {
    id: 'C28',
    who: ALEX,
    when: '2022-07-06',
    on: 'v4 1/6',
    text: 'True from vfio_pci_intx_mask() says that it has changed ctx.masked, and nothing else does',
    kind: 'behaviour',
    sense: 'rule',
    fate: 'the second way to mask (INTx not in use) gives false; v5 names the variable after it',
    check: async (c) => {
      const run = await c.bench(async (b) => {
        const { k, vdev } = b;
        const mask = k.vfio_pci_intx_mask.bind(k) as (v: typeof vdev) => Promise<boolean | undefined>;
        const disintx = (): boolean => (b.pdev.hw.get16(PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE) !== 0;
        const unused = await mask(vdev);
        const quiet = disintx();
        await k.vfio_pci_intx_unmask(vdev);
        await b.dev.setTrigger(0, await b.user.eventfd());
        const changed = await mask(vdev);
        const again = await mask(vdev);
        await k.vfio_pci_intx_unmask(vdev);
        return { unused, quiet, changed, again };
      });
      const v = valueOf(run);
      if (v.changed === undefined) return unreachable('it returns nothing in this revision', v);
      return judge(
        v.unused === false && v.quiet && v.changed === true && v.again === false,
        'no INTx: DisINTx set, false; unmasked: true; masked already: false',
        `no INTx: ${String(v.unused)}; unmasked: ${String(v.changed)}; masked already: ${String(v.again)}`,
        v,
      );
    },
  },
  {
    id: 'C29',
    who: ALEX_ABHISHEK,
    when: '2022-07-06',
    on: 'v4 1/6',
    text: 'A device that counts as suspended but is still in D0 raises INTx, the handler leaves it alone, and the line fires for ever',
    kind: 'behaviour',
    sense: 'defect',
    fate: 'why INTx is masked for real, and not passed over because of a flag',
    needs: 'low-power',
    check: async (c) => {
      const seen = await ringWhileSuspendedInD0(c, c.revision);
      if (!ok(seen.entered)) {
        // A device without PM cannot ENTER here: ring between the callback and D3 instead.
        const race = {
          setup: async (b: Bench) => {
            await b.dev.setTrigger(0, await b.user.eventfd());
            return null;
          },
          programs: (b: Bench) => ({
            guest: async () => {
              await b.enter();
            },
            device: async () => {
              await b.lab.ring(CARD);
            },
          }),
        };
        return harm(c, race, 'interrupt storm', { runs: 12, kinds: ['irq-storm'] });
      }
      const values: Record<string, unknown> = { ...seen };
      const other = withWhatIf(c.revision, 'flag-in-handler');
      if (other !== null) values['whatIf'] = { revision: other, ...(await ringWhileSuspendedInD0(c, other)) };
      return judge(
        seen.findings.includes('irq-storm'),
        'nobody cared: the line is shut down',
        `asleep in ${seen.power}: ${seen.early} interrupts, ${seen.late} after EXIT, no storm`,
        values,
      );
    },
  },
  {
    id: 'C30',
    who: ABHISHEK,
    when: '2022-07-01',
    on: 'v4 1/6',
    text: 'When another device on the line interrupts, the handler of a device in D3cold does not read its config space; and INTx that the guest has masked stays masked',
    kind: 'behaviour',
    sense: 'rule',
    fate: 'the reason for masking INTx on suspend',
    needs: 'low-power',
    check: async (c) => {
      const line = await neighbourRings(c, c.revision);
      const run = await c.bench(async (b) => {
        await b.dev.setTrigger(0, await b.user.eventfd());
        await b.dev.maskIrq(0);
        await b.sleep();
        await b.exit();
        const byIoctl = b.vdev.ctx[0].masked;
        await b.dev.unmaskIrq(0);
        await b.dev.writeConfig(4, 2, DISINTX);
        await b.sleep();
        await b.exit();
        const byCommand = b.vdev.ctx[0].masked;
        await b.dev.writeConfig(4, 2, 6);
        return { byIoctl, byCommand };
      });
      const kept = valueOf(run);
      const values: Record<string, unknown> = { ...line, ...kept };
      const other = withWhatIf(c.revision, 'no-intx-mask');
      if (other !== null) values['whatIf'] = { revision: other, ...(await neighbourRings(c, other)) };
      return judge(
        line.findings.length === 0 && line.served === 1 && line.wrong === 0 && kept.byIoctl && kept.byCommand,
        'the neighbour is served, the sleeper not touched, a mask by the guest is kept',
        `neighbour ${line.served}, sleeper ${line.wrong}${line.findings.length > 0 ? `: ${line.findings.join(', ')}` : ''}; kept: ${kept.byIoctl}, ${kept.byCommand}`,
        values,
      );
    },
  },
  {
    id: 'C31',
    who: ALEX_ABHISHEK,
    when: '2022-07-08',
    on: 'v4 1/6',
    text: 'The suspend callback looks at the interrupt mode outside of its lock while SET_IRQS takes it down, and masks what is no longer there',
    kind: 'behaviour',
    sense: 'defect',
    fate: 'SET_IRQS holds a reference; v5 puts that patch before this one',
    needs: 'low-power',
    check: async (c) => {
      let met = 0;
      const judged = await harm(
        c,
        {
          ...irqsAgainstEnter,
          setup: async (b) => {
            await irqsAgainstEnter.setup(b);
            let inside = 0;
            b.spy(
              'vfio_pci_set_irqs_ioctl',
              () => void inside++,
              () => void inside--,
            );
            b.spy('vfio_pci_core_runtime_suspend', () => void (met += inside > 0 ? 1 : 0));
            return { inside: 0, met: 0 };
          },
        },
        'interrupt mode in the wrong hands',
        { runs: 20, whatIf: 'no-ioctl-reference' },
      );
      return { ...judged, values: { ...judged.values, suspendsDuringSetIrqs: met } };
    },
  },
  {
    id: 'C32',
    who: ALEX,
    when: '2022-07-06',
    on: 'v4 2/6',
    text: 'A user may access a sleeping device, whatever the text says: reads and ioctls wake it, and only mappings fail',
    kind: 'behaviour',
    sense: 'remark',
    fate: 'the text of v5 and v6 says so',
    needs: 'low-power',
    check: async (c) => {
      const run = await c.bench(async (b) => {
        const addr = await b.dev.mmap('bar0', 4096);
        const id = await b.dev.readConfig(0, 2);
        await b.sleep();
        const read = (await b.dev.readConfig(0, 2)) === id;
        await b.settle();
        const ioctl = (await b.dev.numIrqs()) > 0;
        await b.settle();
        return { read, ioctl, resumes: b.resumes, mapping: await b.touch(addr) };
      });
      const v = valueOf(run);
      return judge(
        v.read && v.ioctl && v.resumes === 2 && v.mapping === 'SIGBUS',
        'config read and ioctl work and wake it, a mapping gives SIGBUS',
        `config read ${v.read}, ioctl ${v.ioctl}, ${v.resumes} wakes, mapping ${v.mapping}`,
        v,
      );
    },
  },
  {
    id: 'C33',
    who: ALEX,
    when: '2022-07-06',
    on: 'v4 2/6, 5/6',
    text: 'A user is told of every wake, whoever causes it, and no list of devices in the kernel has a say',
    kind: 'behaviour',
    sense: 'rule',
    fate: 'v5: told by an eventfd at ENTRY for those who want it; the list of 5/6 is gone',
    needs: 'low-power',
    check: async (c) => {
      const told: Record<string, number> = {};
      const wakers: Record<string, (b: Bench) => Promise<unknown>> = {
        lspci: (b) => b.lspci(),
        'config read': (b) => b.dev.readConfig(0, 4),
        ioctl: (b) => b.dev.numIrqs(),
      };
      for (const [name, wake] of Object.entries(wakers)) {
        told[name] = c.notifies
          ? valueOf(
              await c.bench(async (b) => {
                await b.enterNotified();
                await b.settle();
                await wake(b);
                await b.settle();
                return b.told();
              }),
            )
          : 0;
      }
      const after = async (topology: string): Promise<string> =>
        valueOf(
          await c.bench(
            async (b) => {
              await b.sleep();
              await b.lspci();
              return b.state().status;
            },
            { topology },
          ),
        );
      const gpu = await after('gpu');
      const card = await after('shared-intx');
      const all = Object.values(told).every((n) => n === 1);
      const words = `told: ${Object.entries(told)
        .map(([w, n]) => `${w} ${n}`)
        .join(', ')}; woken by the host and not asked for, a GPU is ${gpu}, a card ${card}`;
      return judge(all && gpu === card, words, words, { told, gpu, card });
    },
  },
  {
    id: 'C34',
    who: ALEX,
    when: '2022-07-06',
    on: 'v4 2/6',
    text: 'REENTERY_DISABLE in what GET returns means one thing in low power and another outside',
    kind: 'behaviour',
    sense: 'defect',
    fate: 'no GET in v5',
    needs: 'low-power',
    check: async (c) => {
      if (!c.low.has.reentryDisable) {
        const get = valueOf(await c.bench((b) => flags(b)));
        return judge(false, '', `GET gives ${errno(get)}`, { get });
      }
      const run = await c.bench(async (b) => {
        const before = await flags(b);
        await b.enter({ reentryDisable: true });
        const engaged = await flags(b);
        await b.exit();
        return { before, engaged, after: await flags(b) };
      });
      const v = valueOf(run);
      const bit = (f: number): boolean => (f & REENTERY_DISABLE) !== 0;
      return judge(
        !bit(v.before) && bit(v.engaged) && !bit(v.after),
        'outside: what is usual for the device; inside: what this ENTER asked for',
        'it means the same',
        v,
      );
    },
  },
  {
    id: 'C35',
    who: ABHISHEK,
    when: '2022-07-01',
    on: 'v4 5/6',
    text: "EXIT gives up its claim on low power before it holds the device awake, and the host's put lets it sleep in between",
    kind: 'behaviour',
    sense: 'defect',
    fate: 'why get_noresume is inside memory_lock',
    needs: 'low-power',
    check: (c) =>
      harm(
        c,
        {
          setup: async (b) => {
            await b.sleep();
            watchUndirected(b);
            return null;
          },
          programs: (b) => ({
            guest: async () => {
              for (let round = 0; round < 5; round++) {
                if (round > 0) await enterOnly(b);
                await b.dev.readConfig(0, 4);
                await exitOnly(b);
              }
            },
            host: async () => {
              for (let round = 0; round < 5; round++) await b.lab.lspci(CARD);
            },
          }),
          outcome: (b) => Promise.resolve(b.state().status),
        },
        'suspend that the guest did not direct',
        { runs: 16, whatIf: 'exit-order', kinds: ['undirected-suspend'] },
      ),
  },
  {
    id: 'C36',
    who: ABHISHEK,
    when: '2022-07-01',
    on: 'v4 4/6',
    text: 'Nobody wakes a device or waits for its suspend with memory_lock held, which the callbacks take',
    kind: 'behaviour',
    sense: 'rule',
    fate: 'EXIT wakes it after it has released the lock',
    needs: 'low-power',
    check: async (c) => {
      let callbacks = 0;
      let held = 0;
      const look = (b: Bench) => (): void => {
        callbacks++;
        if (b.memoryLock() !== '') held++;
      };
      const r = await c.race({
        setup: async (b) => {
          b.spy('vfio_pci_core_runtime_resume', look(b));
          b.spy('vfio_pci_core_runtime_suspend', look(b));
          await b.sleep();
          return null;
        },
        programs: (b) => ({
          guest: async () => {
            await b.exit();
            await b.enter();
          },
          reader: async () => {
            await b.dev.numIrqs();
            await b.dev.reset();
          },
          host: async () => {
            await b.lab.lspci(CARD);
          },
        }),
      });
      const found = Object.keys(r.findings);
      return judge(
        held === 0 && found.length === 0,
        `memory_lock held by none of ${callbacks} callbacks' callers, no deadlock in ${r.runs} schedules`,
        `held ${held} times of ${callbacks}; ${found.join(', ')}`,
        { runs: r.runs, callbacks, held, findings: found },
      );
    },
  },
  {
    id: 'C37',
    who: ABHISHEK,
    when: '2022-07-01',
    on: 'v4 3/6',
    text: 'An ioctl that began while the device was awake goes on after another thread has sent it to D3cold',
    kind: 'behaviour',
    sense: 'defect',
    fate: 'an ioctl holds a reference as long as it runs',
    needs: 'low-power',
    check: (c) =>
      harm(
        c,
        {
          setup: async (b) => ({ fd: await b.user.eventfd() }),
          programs: (b, { fd }) => ({
            ioctl: async () => {
              await b.dev.setTrigger(0, fd);
              await b.dev.reset();
            },
            guest: async () => {
              await b.enter();
            },
          }),
          outcome: (b) => Promise.resolve(b.state().status),
        },
        'ioctl on a device in D3cold',
        { runs: 24, whatIf: 'no-ioctl-reference', kinds: ['d3cold-access'] },
      ),
  },
  {
    id: 'C38',
    who: ALEX,
    when: '2022-07-06',
    on: 'v4 2/6',
    text: 'A wake signals the user once and takes one reference for him, so that EXIT is optional and a later one takes no second',
    kind: 'behaviour',
    sense: 'rule',
    fate: 'v5: the wake clears the flag, which is the context that remains',
    needs: 'notice',
    check: async (c) => {
      const run = await c.bench(async (b) => {
        await b.enterNotified();
        await b.settle();
        await b.lspci();
        const first = { told: await b.told(), ...b.state() };
        await b.lspci();
        const second = await b.told();
        const entered = await enterOnly(b);
        if (ok(entered)) {
          await b.settle();
          await b.dev.numIrqs();
        }
        await b.exit();
        await b.exit();
        return { first, second, entered: errno(entered), count: b.state().count };
      });
      const v = valueOf(run);
      const optional = !v.first.engaged && v.entered === '0';
      return judge(
        v.first.told === 1 && v.second === 0 && v.first.count === 1 && v.count === 1 && optional,
        'told once, count 1, ENTER works without EXIT, count 1 after two EXITs',
        `told ${v.first.told}, ENTER without EXIT gives ${v.entered}, count ${v.count} after EXIT`,
        v,
      );
    },
  },
  {
    id: 'C39',
    who: ALEX_ABHISHEK,
    when: '2022-07-11',
    on: 'v4 2/6',
    text: 'A fault on a mapped BAR while low power is engaged gives SIGBUS; it never wakes the device and never signals',
    kind: 'behaviour',
    sense: 'rule',
    fate: 'decided so: a wake can take a second, and a fault has no end',
    needs: 'low-power',
    check: async (c) => {
      const run = await c.bench(async (b) => {
        const addr = await b.dev.mmap('bar0', 4096);
        if (c.notifies) await b.enterNotified();
        else await b.enter();
        const atOnce = await b.touch(addr);
        await b.settle();
        const before = b.resumes;
        const asleep = await b.touch(addr);
        await b.settle();
        return { atOnce, asleep, woken: b.resumes - before, status: b.state().status, told: await b.told() };
      });
      const v = valueOf(run);
      return judge(
        v.atOnce === 'SIGBUS' && v.asleep === 'SIGBUS' && v.woken === 0 && v.told === 0,
        `SIGBUS, the device is ${v.status}, told ${v.told}`,
        `${v.atOnce}, ${v.asleep}, woken ${v.woken}, told ${v.told}`,
        v,
      );
    },
  },
  {
    id: 'C40',
    who: ALEX,
    when: '2022-07-08',
    on: 'v4 2/6',
    text: 'To enter and to leave low power are features of their own, each by SET',
    kind: 'behaviour',
    sense: 'rule',
    fate: 'v5, as the dirty log of the time has it',
    needs: 'low-power',
    check: async (c) => {
      const run = await c.bench(async (b) => {
        const sets: Record<string, string> = {};
        const gets: Record<string, string> = {};
        for (const f of [3, 4, 5]) {
          sets[f] = errno(await probe(b.dev, f));
          gets[f] = errno(await probe(b.dev, f, 'GET'));
        }
        return { sets, gets };
      });
      const v = valueOf(run);
      return judge(
        v.sets['3'] === '0' && v.sets['5'] === '0' && v.gets['3'] !== '0',
        'features 3 and 5, SET only',
        `feature 5: ${v.sets['5']}; GET of 3: ${v.gets['3']}`,
        v,
      );
    },
  },
  {
    id: 'C41',
    who: ALEX,
    when: '2022-07-11',
    on: 'v4 2/6',
    text: 'ENTER with a bad eventfd fails, and leaves nothing behind',
    kind: 'behaviour',
    sense: 'rule',
    fate: 'v5',
    needs: 'wakeup',
    check: async (c) => {
      const run = await c.bench(async (b) => {
        const tries: Record<string, number> = {
          none: await b.low.enter(b.dev, { wakeup: -1 }),
          closed: await b.low.enter(b.dev, { wakeup: 9999 }),
          'a device': await b.low.enter(b.dev, { wakeup: b.dev.fd }),
        };
        const idle = { ...b.state() };
        await b.control('on');
        await b.enter();
        await b.settle();
        tries['engaged already'] = await b.enterNotified();
        const ctx = b.field('pm_wake_eventfd_ctx') === null;
        await b.exit();
        await b.control('auto');
        return { tries, idle, ctx };
      });
      const v = valueOf(run);
      const { tries: t } = v;
      const right =
        t['none'] === -EINVAL &&
        t['closed'] === -EBADF &&
        t['a device'] === -EINVAL &&
        t['engaged already'] === -EINVAL;
      const words = Object.entries(t)
        .map(([k, r]) => `${k} ${errno(r)}`)
        .join(', ');
      return judge(
        right && v.idle.count === 1 && !v.idle.engaged && v.ctx && run.findings.length === 0,
        `${words}; count 1, nothing leaks`,
        words,
        { ...v, findings: kinds(run.findings) },
      );
    },
  },
  {
    id: 'C42',
    who: ALEX_ABHISHEK,
    when: '2022-07-06',
    on: 'v4 3/6',
    text: 'EXIT of a sleeping device is itself a wake, and the user is told of it',
    kind: 'behaviour',
    sense: 'remark',
    fate: 'accepted: user space knows that it was itself',
    needs: 'notice',
    check: async (c) => {
      const run = await c.bench(async (b) => {
        await b.enterNotified();
        await b.settle();
        await b.exit();
        return { told: await b.told(), ...b.state() };
      });
      const v = valueOf(run);
      return judge(
        v.told === 1 && !v.engaged && v.count === 1,
        'told once, not engaged, count 1',
        `told ${v.told}, ${v.engaged ? '' : 'not '}engaged, count ${v.count}`,
        v,
      );
    },
  },
  {
    id: 'C43',
    who: ALEX,
    when: '2022-07-06',
    on: 'v4 4/6',
    text: 'read() and write() of a memory BAR are refused while low power is engaged, not only mappings',
    kind: 'behaviour',
    sense: 'defect',
    fate: 'v5 moves the test to the fault handler',
    needs: 'low-power',
    check: async (c) => {
      const run = await c.bench(async (b) => {
        await b.sleep();
        const read = await b.dev.read('bar0', 0, 4);
        const write = await b.dev.write('bar0', 0x20, 4, 1);
        return { read: errno(read), write: errno(write), refused: read === -EIO && write === -EIO };
      });
      const v = valueOf(run);
      return judge(v.refused, `read ${v.read}, write ${v.write}`, `read ${v.read}, write ${v.write}`, v);
    },
  },
  {
    id: 'C44',
    who: ALEX,
    when: '2022-07-06',
    on: 'v4 4/6',
    text: 'That an access should ideally fail is no reason that the commit message needs',
    kind: 'other',
    sense: 'remark',
    fate: 'left out in v5',
  },
  {
    id: 'C45',
    who: ALEX_ABHISHEK,
    when: '2022-07-06',
    on: 'v4 6/6',
    text: 'The kernel emulates PME for the guest, which user space could do itself with an eventfd that fires once',
    kind: 'behaviour',
    sense: 'defect',
    fate: 'the patch was dropped',
    check: async (c) => {
      const run = await c.bench(async (b) => {
        const states = (await b.dev.readConfig(PMC, 2)) & PME_STATES;
        await b.dev.writeConfig(PMCSR, 2, PCI_PM_CTRL_PME_ENABLE);
        const enabled = ((await b.dev.readConfig(PMCSR, 2)) & PCI_PM_CTRL_PME_ENABLE) !== 0;
        return { states, enabled, irqs: await b.dev.numIrqs() };
      });
      const v = valueOf(run);
      return judge(
        v.states !== 0 && v.enabled && v.irqs === 6,
        'PME from every state, PME_En sticks, a sixth interrupt',
        `PME bits ${v.states === 0 ? 'read 0' : 'are set'}, PME_En ${v.enabled ? 'sticks' : 'does not'}, ${v.irqs} interrupts`,
        v,
      );
    },
  },
  {
    id: 'C46',
    who: ABHISHEK,
    when: '2022-07-01',
    on: 'v4 6/6',
    text: 'A wake that is no EXIT sets PME_Status even without PME_En; with PME_En and an eventfd it signals once and the device stays awake; writing 1 clears it',
    kind: 'behaviour',
    sense: 'rule',
    fate: 'dropped with the patch',
    needs: 'low-power',
    check: async (c) => {
      if (!c.has('vfio_pci_set_pme_trigger')) return unreachable('no virtual PME in this revision');
      const status = async (b: Bench): Promise<boolean> =>
        ((await b.dev.readConfig(PMCSR, 2)) & PCI_PM_CTRL_PME_STATUS) !== 0;
      const quiet = valueOf(
        await c.bench(async (b) => {
          await b.sleep();
          await b.exit();
          const exit = await status(b);
          await b.sleep();
          await b.lspci();
          return { exit, lspci: await status(b) };
        }),
      );
      const loud = valueOf(
        await c.bench(async (b) => {
          await b.enterNotified();
          await b.settle();
          await b.lspci();
          await b.lspci();
          const told = await b.told();
          const { count, status: power } = b.state();
          await b.dev.writeConfig(PMCSR, 2, PCI_PM_CTRL_PME_ENABLE);
          const kept = await status(b);
          await b.dev.writeConfig(PMCSR + 1, 1, (PCI_PM_CTRL_PME_ENABLE | PCI_PM_CTRL_PME_STATUS) >> 8);
          const cleared = !(await status(b));
          await b.dev.close();
          return { told, count, power, kept, cleared, close: await b.told() };
        }),
      );
      const right =
        !quiet.exit &&
        quiet.lspci &&
        loud.told === 1 &&
        loud.count === 1 &&
        loud.power === 'active' &&
        loud.kept &&
        loud.cleared &&
        loud.close === 0;
      const words = `EXIT ${quiet.exit ? 'sets' : 'does not set'} it, lspci ${quiet.lspci ? 'sets' : 'does not set'} it; told ${loud.told}, ${loud.power}; writing 0 ${loud.kept ? 'keeps' : 'clears'} it, writing 1 ${loud.cleared ? 'clears' : 'keeps'} it`;
      return judge(right, words, words, { quiet, loud });
    },
  },
];
