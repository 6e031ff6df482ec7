// SPDX-License-Identifier: GPL-2.0-only
// What was said of v5 to v7 (July to September 2022).
import { EINVAL } from '@vfio-lab/kernel';
import { pm_runtime_put_noidle, pm_runtime_resume_and_get } from '@vfio-lab/runtime-pm';
import { errno } from './bench.ts';
import { enterOnly, exitOnly, judge, kinds, valueOf } from './say.ts';
import type { Claim } from './types.ts';

const ALEX = 'Alex Williamson';
const ABHISHEK = 'Abhishek Sahu';

export const v5Claims: readonly Claim[] = [
  {
    id: 'C47',
    who: ALEX,
    when: '2022-07-21',
    on: 'v5 1/5, 4/5',
    text: 'ENTRY only allows sleep: kept awake by others the device never suspends, nobody is told of anything, and EXIT is needed',
    kind: 'behaviour',
    sense: 'remark',
    fate: 'the text of v6 says so',
    needs: 'low-power',
    check: async (c) => {
      const run = await c.bench(async (b) => {
        await b.control('on');
        await (c.notifies ? b.enterNotified() : b.enter());
        await b.settle();
        await b.dev.numIrqs();
        await b.lspci();
        const during = { ...b.state(), told: await b.told(), suspends: b.suspends };
        await b.exit();
        const after = { ...b.state() };
        await b.control('auto');
        return { during, after };
      });
      const { during: d, after } = valueOf(run);
      return judge(
        d.status === 'active' && d.suspends === 0 && d.told === 0 && d.engaged && !after.engaged,
        'awake, told nothing, engaged until EXIT',
        `${d.status}, ${d.suspends} suspends, told ${d.told}, ${d.engaged ? '' : 'not '}engaged, ${after.engaged ? '' : 'not '}engaged after EXIT`,
        { during: d, after },
      );
    },
  },
  {
    id: 'C48',
    who: ALEX,
    when: '2022-07-21',
    on: 'v5 1/5',
    text: 'EXIT without ENTER, EXIT twice, ENTER twice and EXIT after a wake do no harm: no count drifts',
    kind: 'behaviour',
    sense: 'rule',
    fate: 'v5 to v7 give 0, 0, -EINVAL, 0',
    needs: 'low-power',
    check: async (c) => {
      const run = await c.bench(async (b) => {
        const returns: string[] = [];
        const counts: number[] = [];
        const step = async (ret: Promise<number>): Promise<void> => {
          returns.push(errno(await ret));
          await b.settle();
          counts.push(b.state().count);
        };
        await step(exitOnly(b));
        await b.enter();
        await step(exitOnly(b));
        await step(exitOnly(b));
        await b.enter();
        await step(enterOnly(b));
        await step(exitOnly(b));
        await (c.notifies ? b.enterNotified() : b.enter());
        await b.settle();
        await b.lspci();
        await step(exitOnly(b));
        return { returns, counts };
      });
      const v = valueOf(run);
      const right = v.counts.join() === '1,1,1,0,1,1' && run.findings.length === 0;
      const words = `EXIT ${v.returns[0]}, second EXIT ${v.returns[2]}, second ENTER ${v.returns[3]}, EXIT after a wake ${v.returns[5]}; counts ${v.counts.join(' ')}`;
      return judge(right, words, words, { ...v, findings: kinds(run.findings) });
    },
  },
  {
    id: 'C49',
    who: ALEX,
    when: '2022-07-21',
    on: 'v5 2/5, 4/5',
    text: 'pm_runtime_resume_and_get() never gives more than 0, so that its result can be tested as it is',
    kind: 'behaviour',
    sense: 'remark',
    fate: 'v6',
    check: async (c) => {
      const run = await c.bench(async (b) => {
        const { dev } = b.pdev;
        const take = async (): Promise<number> => {
          const ret = await pm_runtime_resume_and_get(dev);
          if (ret === 0) await pm_runtime_put_noidle(dev);
          return ret;
        };
        const seen: Record<string, number> = { active: await take() };
        await b.tamper('err');
        seen['failing'] = await take();
        await b.tamper('clear');
        await b.tamper('disable');
        seen['disabled'] = await take();
        await b.tamper('enable');
        if (c.low.has.lowPower) {
          await b.sleep();
          seen['suspended'] = await take();
          await b.exit();
        }
        return seen;
      });
      const v = valueOf(run);
      const words = Object.entries(v)
        .map(([state, ret]) => `${state} ${errno(ret)}`)
        .join(', ');
      return judge(
        Object.values(v).every((r) => r <= 0),
        words,
        words,
        v,
      );
    },
  },
  {
    id: 'C50',
    who: ALEX,
    when: '2022-07-21',
    on: 'v5 4/5',
    text: 'A second ENTRY takes all mappings away before it fails',
    kind: 'behaviour',
    sense: 'remark',
    fate: 'left: nothing is mapped at that time',
    needs: 'low-power',
    check: async (c) => {
      const run = await c.bench(async (b) => {
        await b.enter();
        let zaps = 0;
        b.spy('vfio_pci_zap_and_down_write_memory_lock', () => void zaps++);
        return { ret: await enterOnly(b), zaps };
      });
      const v = valueOf(run);
      return judge(
        v.zaps > 0 && Math.abs(v.ret) === EINVAL,
        `zapped, then ${errno(v.ret)}`,
        `${errno(v.ret)}, and nothing is zapped`,
        v,
      );
    },
  },
  {
    id: 'C51',
    who: ALEX,
    when: '2022-07-21',
    on: 'v5 5/5',
    text: 'On a wake INTx is let through before the user is told of the wake',
    kind: 'behaviour',
    sense: 'defect',
    fate: 'v6 signals first and unmasks last',
    needs: 'notice',
    check: async (c) => {
      const run = await c.bench(async (b) => {
        await b.dev.setTrigger(0, await b.user.eventfd());
        await b.enterNotified();
        await b.settle();
        let told = -1;
        const order: string[] = [];
        b.spy('vfio_pci_intx_unmask', () => void order.push('unmask'));
        b.onSignal(() => void order.push('signal'));
        await b.lspci();
        told = await b.told();
        return { order, told };
      });
      const v = valueOf(run);
      const words = v.order.join(', then ');
      return judge(v.order[0] === 'unmask' && v.told === 1, words, words, v);
    },
  },
  {
    id: 'C52',
    who: ABHISHEK,
    when: '2022-07-19',
    on: 'v5 5/5',
    text: 'With runtime PM off on the host the device never suspends, nobody is told, and EXIT does everything; a close while engaged tells nobody and leaves nothing',
    kind: 'behaviour',
    sense: 'rule',
    fate: 'so from v5 on',
    needs: 'notice',
    check: async (c) => {
      const run = await c.bench(async (b) => {
        await b.tamper('disable');
        await b.enterNotified();
        await b.settle();
        await b.dev.numIrqs();
        const off = { ...b.state(), told: await b.told() };
        await b.exit();
        const exit = { ...b.state() };
        await b.tamper('enable');
        await b.enterNotified();
        await b.settle();
        await b.dev.close();
        await b.settle();
        return {
          off,
          exit,
          close: await b.told(),
          ctx: b.field('pm_wake_eventfd_ctx') ?? null,
          count: b.state().count,
        };
      });
      const v = valueOf(run);
      const right =
        v.off.status === 'active' &&
        v.off.told === 0 &&
        v.off.engaged &&
        !v.exit.engaged &&
        v.exit.count === 1 &&
        v.close === 0 &&
        v.ctx === null &&
        v.count === 0;
      return judge(
        right && run.findings.length === 0,
        'off: awake, told nothing, EXIT leaves count 1; close: told nothing, nothing left',
        `off: ${v.off.status}, told ${v.off.told}; EXIT: count ${v.exit.count}; close: told ${v.close}, count ${v.count}`,
        { ...v, ctx: v.ctx === null, findings: kinds(run.findings) },
      );
    },
  },
  {
    id: 'C53',
    who: ALEX,
    when: '2022-07-25',
    on: 'v5 1/5',
    text: 'An access to a mapping neither wakes nor signals with an eventfd given at ENTRY either',
    kind: 'behaviour',
    sense: 'rule',
    fate: 'the text of v6 says so',
    needs: 'wakeup',
    check: async (c) => {
      const run = await c.bench(async (b) => {
        const addr = await b.dev.mmap('bar0', 4096);
        await b.enterNotified();
        await b.settle();
        const load = await b.touch(addr);
        await b.settle();
        const asleep = { load, ...b.state(), told: await b.told() };
        await b.lspci();
        return { ...asleep, after: typeof (await b.touch(addr)), toldAfter: await b.told() };
      });
      const v = valueOf(run);
      return judge(
        v.load === 'SIGBUS' && v.status === 'suspended' && v.told === 0,
        `SIGBUS, asleep, told 0; works once the host has woken it`,
        `${v.load}, ${v.status}, told ${v.told}`,
        v,
      );
    },
  },
  {
    id: 'C54',
    who: ALEX,
    when: '2022-07-25',
    on: 'v5 1/5',
    text: 'EXIT can itself signal the eventfd: when the device slept, and not when it did not',
    kind: 'behaviour',
    sense: 'remark',
    fate: 'the text of v6 says so',
    needs: 'wakeup',
    check: async (c) => {
      const run = await c.bench(async (b) => {
        await b.enterNotified();
        await b.settle();
        await b.exit();
        const slept = await b.told();
        await b.control('on');
        await b.enterNotified();
        await b.settle();
        await b.exit();
        const awake = await b.told();
        await b.control('auto');
        return { slept, awake };
      });
      const v = valueOf(run);
      return judge(
        v.slept === 1 && v.awake === 0,
        `told ${v.slept} when it slept, ${v.awake} when it did not`,
        `told ${v.slept} and ${v.awake}`,
        v,
      );
    },
  },
  {
    id: 'C55',
    who: 'Cornelia Huck',
    when: '2022-07-26',
    on: 'v5 1/5',
    text: 'A word in the documentation; no objection',
    kind: 'other',
    sense: 'remark',
    fate: 'taken',
  },
  {
    id: 'C56',
    who: 'Jason Gunthorpe, Alex Williamson, Abhishek Sahu',
    when: '2022-07-26',
    on: 'v5 1/5',
    text: 'A user can be told of every wake of a device that goes on sleeping by itself',
    kind: 'behaviour',
    sense: 'remark',
    fate: 'one call with a flag and an optional eventfd was drafted and not adopted',
    needs: 'low-power',
    check: async (c) => {
      if (!c.notifies) return judge(false, '', 'nobody is told of a wake');
      const run = await c.bench(async (b) => {
        await b.enterNotified();
        await b.settle();
        await b.lspci();
        await b.lspci();
        return { told: await b.told(), status: b.state().status };
      });
      const v = valueOf(run);
      const words = `two wakes by the host: told ${v.told}, then ${v.status}`;
      return judge(v.told === 2 && v.status === 'suspended', words, words, v);
    },
  },
  {
    id: 'C57',
    who: 'Jason Gunthorpe',
    when: '2022-08-17',
    on: 'v6 5/5',
    text: 'The user pointer should have its type, and the cases their order',
    kind: 'other',
    sense: 'remark',
    fate: 'v7',
  },
  {
    id: 'C58',
    who: ALEX,
    when: '2022-08-25',
    on: 'v6 5/5',
    text: 'Good; to be rebased on two other series',
    kind: 'other',
    sense: 'remark',
    fate: 'v7',
  },
  {
    id: 'C59',
    who: ALEX,
    when: '2022-09-02',
    on: 'v7 0/5',
    text: 'Applied for v6.1',
    kind: 'other',
    sense: 'remark',
    fate: 'merged',
  },
];
