// SPDX-License-Identifier: GPL-2.0-only
// What sets the revisions apart, one aspect a row; every cell is what a run shows.
import { VFIO_DEVICE_FEATURE_GET } from '@vfio-lab/headers';
import { EINVAL, EIO } from '@vfio-lab/kernel';
import { PCI_D3hot, PCI_PM_CTRL_PME_ENABLE, PCI_PM_CTRL_PME_STATUS } from '@vfio-lab/pci';
import { current } from '@vfio-lab/sim';
import { type Bench, CARD, type CountChange, errno, ok, PMCSR, runBench } from '../claims/bench.ts';
import { enterOnly, exitOnly, kinds, probe, set, valueOf } from '../claims/say.ts';

/** A row: `observe` runs it on a revision and says what it saw, the same words for the same behaviour. */
export interface Aspect {
  readonly name: string;
  observe(rev: string): Promise<string>;
}

export interface TableRow {
  aspect: string;
  /** By revision. */
  cells: Record<string, string>;
}

const PMC = 0x42;
const PME_STATES = 0xf800;

async function on<T>(rev: string, body: (b: Bench) => Promise<T>, topology = 'own-power'): Promise<T> {
  return valueOf(await runBench(rev, body, { topology }));
}

/** Changes of the count in words: 'write 2>1, free 1>0'. */
function changes(list: readonly CountChange[]): string {
  return list
    .map((c) => `${c.lock === '' ? 'unlocked' : `under ${c.lock} lock`} ${c.from} to ${c.to}`)
    .join(', ');
}

/** Is the device woken by this? */
async function wakes(b: Bench, body: () => Promise<unknown>): Promise<boolean> {
  const before = b.resumes;
  await body();
  const woken = b.resumes > before;
  await b.settle();
  return woken;
}

const D3HOT_FIRST = async (b: Bench): Promise<void> => {
  if (b.low.has.d3hotFirst) await b.dev.writeConfig(PMCSR, 2, PCI_D3hot);
};

export const ASPECTS: readonly Aspect[] = [
  {
    name: 'uAPI',
    observe: (rev) =>
      on(rev, async (b) => {
        const features: string[] = [];
        for (const f of [3, 4, 5]) if ((await probe(b.dev, f)) === 0) features.push(String(f));
        const get = (await b.dev.feature(VFIO_DEVICE_FEATURE_GET | 3, new Uint8Array(8))).ret;
        await D3HOT_FIRST(b);
        const bare = await set(b.dev, 3);
        await exitOnly(b);
        await D3HOT_FIRST(b);
        const high = await set(b.dev, 3, 1, 1);
        const payload =
          bare === 0 ? 'no payload' : high === EINVAL ? '64-bit state' : '32-bit flags, 32 reserved';
        return `features ${features.join(', ')}; ${get === -EINVAL ? 'SET' : 'GET, SET'}; ${payload}`;
      }),
  },
  {
    name: 'engaged flag',
    observe: (rev) =>
      on(rev, async (b) => {
        const names = Object.keys(b.vdev);
        const before = new Map(names.map((n) => [n, b.field(n)]));
        await b.enter();
        return names
          .filter((n) => before.get(n) === false && b.field(n) === true && /engaged/.test(n))
          .join(', ');
      }),
  },
  {
    name: 'precondition for entry',
    observe: (rev) => on(rev, async (b) => (ok(await enterOnly(b)) ? 'none' : 'device in D3hot')),
  },
  {
    name: 'second ENTER / EXIT without ENTER',
    observe: (rev) =>
      on(rev, async (b) => {
        const exit = errno(await exitOnly(b));
        await b.enter();
        return `${errno(await enterOnly(b))} / ${exit}`;
      }),
  },
  {
    name: 'entry drops its reference',
    observe: (rev) =>
      on(rev, async (b) => {
        await D3HOT_FIRST(b);
        const list = b.watchCount();
        await enterOnly(b);
        return changes(list);
      }),
  },
  {
    name: 'exit takes it back',
    observe: (rev) =>
      on(rev, async (b) => {
        await b.sleep();
        let woken = '';
        const list = b.watchCount();
        b.spy(
          'vfio_pci_core_runtime_resume',
          () => void (woken ||= b.engaged() ? 'woken before' : 'woken after'),
        );
        await exitOnly(b);
        const taken = list.find((c) => c.lock === 'write' && c.to > c.from);
        await b.enter();
        await b.settle();
        await b.tamper('err');
        const failed = await exitOnly(b);
        await b.tamper('clear');
        return `${woken}; get ${taken?.lock === 'write' ? 'under write lock' : 'elsewhere'}; failed wake: ${errno(failed)}, ${b.engaged() ? 'engaged' : 'not engaged'}`;
      }),
  },
  {
    name: 'the feature itself wakes the device',
    observe: (rev) =>
      on(rev, async (b) => {
        await b.sleep();
        return (await wakes(b, () => probe(b.dev, 3))) ? 'yes' : 'no';
      }),
  },
  {
    name: 'errno of a failed wake',
    observe: (rev) =>
      on(rev, async (b) => {
        await b.sleep();
        await b.tamper('err');
        const ioctl = errno(await b.dev.numIrqs());
        const config = errno(await b.dev.readConfig(0, 4));
        const exit = errno(await exitOnly(b));
        await b.tamper('clear');
        return `ioctl ${ioctl}, config ${config}, EXIT ${exit}`;
      }),
  },
  {
    name: 'region access while engaged',
    observe: async (rev) => {
      const run = await runBench(
        rev,
        async (b) => {
          await b.dev.writeConfig(4, 2, 7);
          const id = await b.dev.readConfig(0, 4);
          await b.sleep();
          const words: string[] = [];
          for (const region of ['cfg', 'bar0', 'bar1'] as const) {
            let ret = 0;
            const woken = await wakes(b, async () => {
              ret = await b.dev.read(region, 0, 4);
            });
            const works = region === 'cfg' ? ret === id : ret >= 0 && woken;
            const name = { cfg: 'config', bar0: 'memory', bar1: 'ports' }[region];
            words.push(
              `${name} ${woken ? 'wakes' : 'does not wake'}, ${ret === -EIO ? '-EIO' : works ? 'works' : 'reaches nobody'}`,
            );
          }
          return words.join('; ');
        },
        { topology: 'ports' },
      );
      return valueOf(run) + (run.findings.length > 0 ? ` (${kinds(run.findings).join(', ')})` : '');
    },
  },
  {
    name: 'mapping while engaged',
    observe: (rev) =>
      on(rev, async (b) => {
        const addr = await b.dev.mmap('bar0', 4096);
        const see = async (): Promise<string> =>
          typeof (await b.touch(addr)) === 'string' ? 'SIGBUS' : 'works';
        await b.enter(b.low.has.reentryDisable ? { reentryDisable: true } : {});
        await b.settle();
        const asleep = await see();
        await b.lspci();
        const woken = await see();
        await b.exit();
        const words = [
          `asleep ${asleep}`,
          `${b.low.has.reentryDisable ? 'held awake' : 'after lspci'} ${woken}`,
        ];
        words.push(`after EXIT ${await see()}`);
        if (b.low.has.wakeup) {
          await b.enterNotified();
          await b.settle();
          await b.lspci();
          words.push(`after a wake that was told ${await see()}`);
        }
        return words.join(', ');
      }),
  },
  {
    name: 'who blocks mappings',
    observe: (rev) =>
      on(rev, async (b) => {
        const addr = await b.dev.mmap('bar0', 4096);
        await b.control('on');
        await b.enter();
        await b.dev.writeConfig(PMCSR, 2, 0);
        const blocked = (await b.touch(addr)) === 'SIGBUS';
        const enabled = b.k.__vfio_pci_memory_enabled(b.vdev);
        const fields = b.vdev as unknown as Record<string, unknown>;
        const deciding = ['power_state_d3', 'pm_runtime_engaged'].filter((name) => {
          if (fields[name] !== true) return false;
          fields[name] = false;
          const other = b.k.__vfio_pci_memory_enabled(b.vdev);
          fields[name] = true;
          return other !== enabled;
        });
        await b.exit();
        await b.control('auto');
        if (!blocked) return 'nobody';
        return enabled ? 'the fault handler' : `__vfio_pci_memory_enabled() by ${deciding.join(', ')}`;
      }),
  },
  {
    name: 'entry takes mappings away',
    observe: (rev) =>
      on(rev, async (b) => {
        let zaps = 0;
        b.spy('vfio_pci_zap_and_down_write_memory_lock', () => void zaps++);
        await D3HOT_FIRST(b);
        const hot = zaps;
        await enterOnly(b);
        return zaps > hot ? 'yes' : hot > 0 ? 'no, the write of D3hot does' : 'no';
      }),
  },
  {
    name: 'after a wake by the host',
    observe: async (rev) => {
      const after = (topology: string, flag = false): Promise<string> =>
        on(
          rev,
          async (b) => {
            await b.enter(flag ? { reentryDisable: true } : {});
            await b.settle();
            await b.lspci();
            return b.asleep ? 'sleeps again' : 'stays awake';
          },
          topology,
        );
      const flag = await on(rev, (b) => Promise.resolve(b.low.has.reentryDisable));
      const words = [`a card ${await after('shared-intx')}`, `an NVIDIA display ${await after('gpu')}`];
      if (flag) words.push(`with the flag a card ${await after('shared-intx', true)}`);
      return words.join(', ');
    },
  },
  {
    name: 'user told of a wake',
    observe: (rev) =>
      on(rev, async (b) => {
        if (!b.low.has.wakeup && b.k.VFIO_PCI_NUM_IRQS < 6) return 'never';
        await b.enterNotified();
        await b.settle();
        await b.lspci();
        await b.lspci();
        const told = await b.told();
        const { engaged, status } = b.state();
        return `${b.low.has.wakeup ? 'eventfd of ENTRY' : 'PME interrupt'}, ${told} of two wakes, then ${status} and ${engaged ? 'still' : 'no longer'} engaged`;
      }),
  },
  {
    name: 'PME in virtual config space',
    observe: (rev) =>
      on(rev, async (b) => {
        const states = (await b.dev.readConfig(PMC, 2)) & PME_STATES;
        await b.dev.writeConfig(PMCSR, 2, PCI_PM_CTRL_PME_ENABLE);
        const en = (await b.dev.readConfig(PMCSR, 2)) & PCI_PM_CTRL_PME_ENABLE;
        await b.sleep();
        await b.lspci();
        const status = async (): Promise<boolean> =>
          ((await b.dev.readConfig(PMCSR, 2)) & PCI_PM_CTRL_PME_STATUS) !== 0;
        const set1 = await status();
        await b.exit();
        await b.dev.writeConfig(PMCSR, 2, PCI_PM_CTRL_PME_STATUS);
        const w1c = set1 && !(await status());
        return `${states === 0 ? 'cleared' : 'advertised'}, PME_En ${en === 0 ? 'read-only' : 'writable'}${set1 ? `, a wake sets PME_Status, writing 1 ${w1c ? 'clears it' : 'does not clear it'}` : ''}`;
      }),
  },
  {
    name: 'order in the resume callback',
    observe: (rev) =>
      on(rev, async (b) => {
        await b.dev.setTrigger(0, await b.user.eventfd());
        const notifies = b.low.has.wakeup || b.k.VFIO_PCI_NUM_IRQS > 5;
        await (notifies ? b.enterNotified() : b.enter());
        await b.settle();
        const order: string[] = [];
        let inside: unknown = null;
        const note = (word: string): void => {
          if (inside === current) order.push(word);
        };
        b.spy(
          'vfio_pci_core_runtime_resume',
          () => void (inside = current),
          () => void (inside = null),
        );
        b.spy('vfio_pci_intx_unmask', () => note('unmask INTx'));
        if (notifies) b.onSignal(() => note('signal'));
        b.watchCount((c) => {
          if (c.lock === 'write' && c.to > c.from) note(b.low.has.wakeup ? 'leave low power' : 'hold awake');
        });
        await b.lspci();
        return order.join(', ');
      }),
  },
  {
    name: 'suspend callback for an unused device',
    observe: async (rev) => {
      const run = await runBench(
        rev,
        async (b) => {
          let inside = false;
          let d0 = 0;
          b.spy(
            'vfio_pci_core_runtime_suspend',
            () => void (inside = true),
            () => void (inside = false),
          );
          b.spy('vfio_pci_set_power_state', () => void (d0 += inside ? 1 : 0));
          await b.lab.bind(CARD);
          return d0 > 0 ? 'sets D0' : 'returns early';
        },
        { open: [] },
      );
      return valueOf(run);
    },
  },
  {
    name: 'suspend callback sets D0 under',
    observe: (rev) =>
      on(rev, async (b) => {
        let inside: unknown = null;
        let how = 'not at all';
        b.spy(
          'vfio_pci_core_runtime_suspend',
          () => void (inside = current),
          () => void (inside = null),
        );
        b.spy('vfio_pci_set_power_state', () => {
          if (inside === current) how = `${b.memoryLock() || 'no'} lock`;
        });
        await b.sleep();
        return how;
      }),
  },
];

/** Run every aspect on every revision. */
export async function revisionTable(
  revisions: readonly string[] = ['v3', 'v4', 'v5', 'v6', 'v7'],
  progress?: (done: number, total: number, what: string) => boolean | Promise<boolean>,
): Promise<TableRow[]> {
  const rows: TableRow[] = [];
  let done = 0;
  for (const aspect of ASPECTS) {
    const row: TableRow = { aspect: aspect.name, cells: {} };
    rows.push(row);
    for (const rev of revisions) {
      if ((await progress?.(done++, ASPECTS.length * revisions.length, `${aspect.name} on ${rev}`)) === true)
        return rows;
      row.cells[rev] = await aspect.observe(rev);
    }
  }
  return rows;
}
