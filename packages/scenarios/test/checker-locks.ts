// SPDX-License-Identifier: GPL-2.0-only
// What makes the checkers of locks speak, and the same done right.
import { cancel_work_sync, flush_work, INIT_WORK, schedule_work, work_struct } from '@vfio-lab/kernel';
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
import { pm_runtime_put_noidle, pm_runtime_resume_and_get } from '@vfio-lab/runtime-pm';
import { sleep_ns } from '@vfio-lab/sim';
import { enter, type Lab } from '../src/index.ts';
import { all, CARD, type Case } from './checker-case.ts';

async function nest(outer: mutex, inner: mutex): Promise<void> {
  await mutex_lock(outer);
  await mutex_lock(inner);
  await mutex_unlock(inner);
  await mutex_unlock(outer);
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

export const DEADLOCKS: readonly Case[] = [
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

export const LOCKDEP: readonly Case[] = [
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
