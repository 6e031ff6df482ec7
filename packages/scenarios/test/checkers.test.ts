// SPDX-License-Identifier: GPL-2.0-only
// Every checker that is in force for every run: a case that makes it speak, and the same done right, on which all are
// silent.
import {
  __module_get,
  cancel_work_sync,
  eventfd_ctx_fdget,
  eventfd_ctx_put,
  fget,
  flush_work,
  fput,
  get_module,
  GFP_KERNEL,
  INIT_WORK,
  IS_ERR,
  kfree,
  kmalloc,
  kzalloc,
  module_put,
  schedule_work,
  WARN_ON,
  work_struct,
} from '@vfio-lab/kernel';
import {
  disable_irq,
  enable_irq,
  free_irq,
  get_irq_line,
  IRQ_HANDLED,
  IRQF_SHARED,
  request_irq,
} from '@vfio-lab/irq';
import {
  complete,
  completion,
  down_write,
  mutex,
  mutex_lock,
  mutex_unlock,
  spin_lock,
  spin_lock_irqsave,
  spin_unlock,
  spin_unlock_irqrestore,
  spinlock_t,
  up_write,
  wait_for_completion,
} from '@vfio-lab/locking';
import { ioread32, pci_intx, pci_iomap, pci_iounmap, pci_read_config_word } from '@vfio-lab/pci';
import {
  pm_runtime_get_noresume,
  pm_runtime_put_noidle,
  pm_runtime_put_sync,
  pm_runtime_resume_and_get,
} from '@vfio-lab/runtime-pm';
import { type Finding, join, Oops, ref, sleep_ns, spawn, yield_now } from '@vfio-lab/sim';
import type { VfioDevice } from '@vfio-lab/testbed';
import { describe, expect, it } from 'vitest';
import { defineScenario, enter, type Lab, LOW_POWER_EXIT, lowPower, runScenario } from '../src/index.ts';

const CARD = '0000:01:00.0';

interface Case {
  /** Kind of the finding. */
  readonly kind: string;
  readonly what: string;
  /** Part of the sentence. */
  readonly says: string | RegExp;
  /** Others that the fault brings about. */
  readonly also?: readonly string[];
  readonly revision?: string;
  readonly topology?: string;
  /** Do it wrongly, or right. With a device open and in INTx mode, its eventfd the last argument. */
  run(bad: boolean, lab: Lab, dev: VfioDevice, eventfd: number): Promise<void>;
}

/** Run bodies as tasks, and wait for all. */
async function all(bodies: Readonly<Record<string, () => Promise<void>>>): Promise<void> {
  const tasks = Object.entries(bodies).map(([name, body]) => spawn(name, body));
  for (const task of tasks) await join(task);
}

async function nest(outer: mutex, inner: mutex): Promise<void> {
  await mutex_lock(outer);
  await mutex_lock(inner);
  await mutex_unlock(inner);
  await mutex_unlock(outer);
}

class thing {
  value = 0;
}

/** Share the card's line with a handler that does something, while `then` raises it. */
async function interrupt(
  lab: Lab,
  handler: () => Promise<void>,
  then: (raise: () => void) => Promise<void>,
): Promise<void> {
  const line = get_irq_line(lab.pdev(CARD).irq);
  const me = {};
  await request_irq(
    line.irq,
    async () => {
      line.lower(me);
      await handler();
      return IRQ_HANDLED;
    },
    IRQF_SHARED,
    'test',
    me,
  );
  await then(() => line.raise(me));
  await free_irq(line.irq, me);
}

const DEADLOCKS: readonly Case[] = [
  {
    kind: 'deadlock',
    what: 'two locks the other way round',
    says: 'one waits for b holding a; two waits for a holding b',
    also: ['lockdep-inversion'],
    run: async (bad) => {
      const [a, b] = [new mutex('a'), new mutex('b')];
      const [one, two] = [new completion(), new completion()];
      await all({
        one: async () => {
          await mutex_lock(a);
          await complete(one);
          if (bad) await wait_for_completion(two);
          await nest(b, new mutex('c'));
          await mutex_unlock(a);
        },
        two: async () => {
          await wait_for_completion(one);
          if (!bad) return nest(a, b);
          await mutex_lock(b);
          await complete(two);
          await mutex_lock(a);
        },
      });
    },
  },
  {
    kind: 'deadlock',
    what: 'a lock that one holds oneself',
    says: 'main waits for a holding a',
    also: ['lockdep-recursion'],
    run: async (bad) => {
      const a = new mutex('a');
      await mutex_lock(a);
      if (bad) await mutex_lock(a);
      await mutex_unlock(a);
    },
  },
  {
    kind: 'deadlock',
    what: 'a lock that the resume callback needs, held while waiting for the resume',
    says: /waits for &dev->power.wait_queue \(host\) .*holding &vdev->memory_lock; host waits for &vdev->memory_lock/,
    revision: 'v4',
    run: async (bad, lab, dev) => {
      const vdev = lab.vdev(CARD);
      await enter(lab, dev);
      await lab.settle();
      await all({
        guest: async () => {
          if (bad) await down_write(vdev.memory_lock);
          await sleep_ns(1e6);
          await pm_runtime_resume_and_get(vdev.pdev.dev);
          if (bad) await up_write(vdev.memory_lock);
          await pm_runtime_put_noidle(vdev.pdev.dev);
        },
        host: async () => {
          await lab.lspci(CARD);
        },
      });
    },
  },
  {
    kind: 'deadlock',
    what: 'a work item flushed while holding what it needs',
    says: 'waits for work (kworker/system) holding a; kworker/system waits for a',
    also: ['lockdep-inversion'],
    run: async (bad) => {
      const a = new mutex('a');
      const work = new work_struct();
      INIT_WORK(work, () => nest(a, new mutex('b')));
      if (bad) await mutex_lock(a);
      await schedule_work(work);
      await flush_work(work);
      await cancel_work_sync(work);
      if (bad) await mutex_unlock(a);
    },
  },
  {
    kind: 'deadlock',
    what: 'handlers waited for with a lock that one of them spins for',
    says: /waits for &irq_desc_lock_class \(irq\/\d+\) holding s; irq\/\d+ waits for s/,
    also: ['sleeping-in-atomic', 'lockdep-irq'],
    run: async (bad, lab) => {
      const s = new spinlock_t('s');
      const { irq } = lab.pdev(CARD);
      await interrupt(
        lab,
        async () => {
          await spin_lock(s);
          await spin_unlock(s);
        },
        (raise) =>
          all({
            driver: async () => {
              if (bad) await spin_lock(s);
              raise();
              await disable_irq(irq);
              if (bad) await spin_unlock(s);
              await enable_irq(irq);
            },
          }),
      );
    },
  },
];

const LOCKDEP: readonly Case[] = [
  {
    kind: 'lockdep-inversion',
    what: 'an order that was the other way round before',
    says: 'b -> a here, a -> b before',
    run: async (bad) => {
      const [a, b] = [new mutex('a'), new mutex('b')];
      await nest(a, b);
      await (bad ? nest(b, a) : nest(a, b));
    },
  },
  {
    kind: 'lockdep-recursion',
    what: 'two locks of one class',
    says: 'another lock of the class is held',
    run: (bad) => nest(new mutex('a'), new mutex(bad ? 'a' : 'b')),
  },
  {
    kind: 'lockdep-irq',
    what: 'a lock of a handler taken with interrupts on',
    says: 's is taken in a hard-IRQ handler and also with interrupts on',
    run: async (bad, lab) => {
      const s = new spinlock_t('s');
      const use = async (): Promise<void> => {
        const flags = await spin_lock_irqsave(s);
        await spin_unlock_irqrestore(s, flags);
      };
      await interrupt(lab, use, async (raise) => {
        raise();
        await lab.settle();
      });
      if (!bad) return use();
      await spin_lock(s);
      await spin_unlock(s);
    },
  },
  {
    kind: 'lockdep-irq-order',
    what: 'inside a lock of a handler, one that is taken with interrupts on elsewhere',
    says: 's, which a hard-IRQ handler takes, is held when t is taken',
    run: async (bad, lab) => {
      const [s, t] = [new spinlock_t('s'), new spinlock_t('t')];
      await interrupt(
        lab,
        async () => {
          await spin_lock(s);
          await spin_unlock(s);
        },
        async (raise) => {
          raise();
          await lab.settle();
        },
      );
      const flags = await spin_lock_irqsave(s);
      await spin_lock(t);
      await spin_unlock(t);
      await spin_unlock_irqrestore(s, flags);
      if (!bad) return;
      await spin_lock(t);
      await spin_unlock(t);
    },
  },
  {
    kind: 'sleeping-in-atomic',
    what: 'a mutex inside a spinlock',
    says: 'mutex_lock called from invalid context',
    run: async (bad) => {
      const s = new spinlock_t('s');
      const m = new mutex('m');
      if (bad) await spin_lock(s);
      await mutex_lock(m);
      await mutex_unlock(m);
      if (bad) await spin_unlock(s);
    },
  },
  {
    kind: 'lock-owner',
    what: 'an unlock by somebody else',
    says: 'main unlocks m, which nobody holds',
    run: async (bad) => {
      const m = new mutex('m');
      if (!bad) await mutex_lock(m);
      await mutex_unlock(m);
    },
  },
];

/** A read of a BAR and of config space by the kernel, without waking the device. */
async function touch(lab: Lab): Promise<void> {
  const pdev = lab.pdev(CARD);
  const bar = pci_iomap(pdev, 0, 0);
  if (bar === null) throw new Error('no BAR');
  await ioread32(bar);
  pci_iounmap(pdev, bar);
  await pci_read_config_word(pdev, 0, ref(0));
}

const HARDWARE: readonly Case[] = [
  {
    kind: 'd3cold-access',
    what: 'config space and memory of a device without power',
    says: `memory read of ${CARD} in D3cold`,
    revision: 'v4',
    run: async (bad, lab, dev) => {
      if (bad) await enter(lab, dev);
      await lab.settle();
      await touch(lab);
    },
  },
  {
    kind: 'd3hot-access',
    what: 'memory of a device in D3hot',
    says: `memory read of ${CARD}, BAR 0, in D3hot`,
    revision: 'v4',
    topology: 'nosoftrst',
    run: async (bad, lab, dev) => {
      if (bad) await enter(lab, dev);
      await lab.settle();
      await touch(lab);
    },
  },
  {
    kind: 'pm-underflow',
    what: 'a usage reference given back twice',
    says: 'runtime PM usage count underflow',
    also: ['d3cold-access'],
    run: async (bad, lab) => {
      const { dev } = lab.pdev(CARD);
      await pm_runtime_resume_and_get(dev);
      // The reference of the open device goes along, and close puts it once more.
      for (let puts = bad ? 2 : 1; puts > 0; puts--) await pm_runtime_put_sync(dev);
    },
  },
  {
    kind: 'usage-count',
    what: 'a usage reference that is kept',
    says: `${CARD}: usage count 1 at rest, not 0`,
    run: async (bad, lab) => {
      const { dev } = lab.pdev(CARD);
      await pm_runtime_get_noresume(dev);
      if (!bad) await pm_runtime_put_noidle(dev);
    },
  },
];

const MEMORY: readonly Case[] = [
  {
    kind: 'use-after-free',
    what: 'a field of a freed struct',
    says: 'read of .value in a freed thing allocated by main',
    run: (bad) => {
      const t = kzalloc(thing, GFP_KERNEL) as thing;
      if (bad) kfree(t);
      const { value } = t;
      if (!bad) kfree(t);
      return Promise.resolve(void value);
    },
  },
  {
    kind: 'double-free',
    what: 'freed twice',
    says: 'thing allocated by main is freed again',
    run: (bad) => {
      const t = kzalloc(thing, GFP_KERNEL);
      kfree(t);
      if (bad) kfree(t);
      return Promise.resolve();
    },
  },
  {
    kind: 'bad-free',
    what: 'what was never allocated',
    says: 'kfree of thing, which was not allocated',
    run: (bad) => {
      kfree(bad ? new thing() : kzalloc(thing, GFP_KERNEL));
      return Promise.resolve();
    },
  },
  {
    kind: 'leak',
    what: 'memory that nobody frees',
    says: 'u8[16] allocated in the kernel is never freed',
    run: (bad) => {
      const p = kmalloc(16, GFP_KERNEL);
      if (!bad) kfree(p);
      return Promise.resolve();
    },
  },
];

const REFERENCES: readonly Case[] = [
  {
    kind: 'file-reference',
    what: 'a file that is never put',
    says: /still has 1 references after its process has ended/,
    also: ['eventfd-reference', 'module-refcount'],
    run: async (bad, _lab, _dev, eventfd) => {
      const f = await fget(eventfd);
      if (!bad && f !== null) await fput(f);
    },
  },
  {
    kind: 'file-refcount',
    what: 'a file that is put twice',
    says: /^fput of file .*which has no references/,
    run: async (bad, lab) => {
      const fd = await lab.user.eventfd();
      const f = await fget(fd);
      if (f === null) throw new Error('no file');
      await fput(f);
      if (bad) await fput(f);
      await lab.user.close(fd);
    },
  },
  {
    kind: 'eventfd-reference',
    what: 'an eventfd context that is never put',
    says: 'an eventfd of main is still referenced after its process has ended',
    run: async (bad, _lab, _dev, eventfd) => {
      const ctx = await eventfd_ctx_fdget(eventfd);
      if (IS_ERR(ctx)) throw new Error('no eventfd');
      if (!bad) await eventfd_ctx_put(ctx);
    },
  },
  {
    kind: 'module-refcount',
    what: 'a module that stays pinned',
    says: 'module vfio still has 1 references',
    run: (bad) => {
      const mod = get_module('vfio');
      __module_get(mod);
      if (!bad) module_put(mod);
      return Promise.resolve();
    },
  },
];

const INTERRUPTS: readonly Case[] = [
  {
    kind: 'irq-storm',
    what: 'a line that nobody silences',
    says: /irq \d+: nobody cared/,
    also: ['intx-state'],
    run: async (bad, lab) => {
      const line = get_irq_line(lab.pdev(CARD).irq);
      if (bad) line.raise('somebody');
      await lab.settle();
      line.lower('somebody');
    },
  },
  {
    kind: 'lost-interrupt',
    what: 'masked in the handler, and the eventfd not signalled',
    says: `${CARD} raises INTx, which its user has unmasked, and the eventfd is not signalled`,
    run: async (bad, lab, dev) => {
      const k = lab.testbed.kernel;
      if (bad) k.vfio_send_intx_eventfd = () => Promise.resolve();
      await lab.ring(CARD);
      await lab.settle();
      if (bad) return;
      // Served and unmasked while the device raises it again: signalled once more.
      await dev.unmaskIrq(0);
    },
  },
  {
    kind: 'lost-interrupt',
    what: 'a line behind a pin that stays masked',
    says: /irq \d+ is asserted, and its pin masked, though vfio-intx/,
    also: ['lost-interrupt'],
    run: async (bad, lab) => {
      if (bad) get_irq_line(lab.pdev(CARD).irq).masked = true;
      await lab.ring(CARD);
      await lab.settle();
    },
  },
  {
    kind: 'intx-state',
    what: 'DisINTx behind the back of the driver',
    says: `${CARD}: the driver has INTx unmasked, DisINTx is 1`,
    run: (bad, lab) => pci_intx(lab.pdev(CARD), bad ? 0 : 1),
  },
  {
    kind: 'intx-state',
    what: 'masked for low power, and not unmasked after it',
    says: `${CARD}: its user has INTx unmasked and was not signalled, the driver has it masked`,
    revision: 'v4',
    run: async (bad, lab, dev) => {
      const k = lab.testbed.kernel;
      if (bad) k.vfio_pci_intx_unmask = () => Promise.resolve();
      await enter(lab, dev);
      await lab.settle();
      await lowPower(dev, LOW_POWER_EXIT);
    },
  },
];

const WARNINGS: readonly Case[] = [
  {
    kind: 'WARN_ON',
    what: 'a warning of the kernel',
    says: 'odd (WARN at',
    run: (bad) => {
      WARN_ON(bad, 'odd');
      return Promise.resolve();
    },
  },
  {
    kind: 'BUG',
    what: 'a task that dies',
    says: 'NULL pointer dereference',
    run: (bad) =>
      all({
        victim: async () => {
          await yield_now();
          if (bad) throw new Oops('NULL pointer dereference');
        },
      }),
  },
];

async function findingsOf(c: Case, bad: boolean): Promise<Finding[]> {
  const scenario = defineScenario({
    name: 'case',
    about: c.what,
    topology: c.topology ?? 'own-power',
    setup: async (lab) => {
      const dev = await lab.open(CARD);
      const eventfd = await lab.user.eventfd();
      await dev.setTrigger(0, eventfd);
      await c.run(bad, lab, dev, eventfd);
    },
  });
  return (await runScenario(scenario, { revision: c.revision ?? 'base' })).findings;
}

describe.each([
  ['deadlock', DEADLOCKS],
  ['lock order', LOCKDEP],
  ['hardware and runtime PM', HARDWARE],
  ['memory', MEMORY],
  ['references', REFERENCES],
  ['interrupts', INTERRUPTS],
  ['warnings', WARNINGS],
])('checkers: %s', (_group, cases) => {
  it.each(cases)('$kind speaks of $what', async (c) => {
    const found = await findingsOf(c, true);
    const mine = found.filter((f) => f.kind === c.kind).map((f) => f.text);
    if (typeof c.says === 'string') expect(mine.join('\n')).toContain(c.says);
    else expect(mine.join('\n')).toMatch(c.says);
    expect(found.map((f) => f.kind).filter((k) => k !== c.kind && !c.also?.includes(k))).toEqual([]);
  });

  it.each(cases)('all are silent without $what', async (c) => {
    expect(await findingsOf(c, false)).toEqual([]);
  });
});
