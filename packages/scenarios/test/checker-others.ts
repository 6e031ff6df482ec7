// SPDX-License-Identifier: GPL-2.0-only
// What makes the checkers of hardware, memory, references and interrupts speak, and the same done right.
import {
  __module_get,
  eventfd_ctx_fdget,
  eventfd_ctx_put,
  fget,
  fput,
  get_module,
  GFP_KERNEL,
  IS_ERR,
  kfree,
  kmalloc,
  kzalloc,
  mmget_not_zero,
  mmput,
  module_put,
  WARN_ON,
} from '@vfio-lab/kernel';
import { get_irq_line } from '@vfio-lab/irq';
import { ioread32, pci_intx, pci_iomap, pci_iounmap, pci_read_config_word } from '@vfio-lab/pci';
import {
  pm_runtime_get_noresume,
  pm_runtime_put_noidle,
  pm_runtime_put_sync,
  pm_runtime_resume_and_get,
} from '@vfio-lab/runtime-pm';
import { Oops, ref, yield_now } from '@vfio-lab/sim';
import { enter, type Lab, LOW_POWER_EXIT, lowPower } from '../src/index.ts';
import { all, CARD, type Case } from './checker-case.ts';

class thing {
  value = 0;
}

/** A read of a BAR and of config space by the kernel, without waking the device. */
async function touch(lab: Lab): Promise<void> {
  const pdev = lab.pdev(CARD);
  const bar = pci_iomap(pdev, 0, 0);
  if (bar === null) throw new Error('no BAR');
  await ioread32(bar);
  pci_iounmap(pdev, bar);
  await pci_read_config_word(pdev, 0, ref(0));
}

export const HARDWARE: readonly Case[] = [
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

export const MEMORY: readonly Case[] = [
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

export const REFERENCES: readonly Case[] = [
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
    kind: 'mm-reference',
    what: 'an address space that is never put',
    says: '1 references on the memory of the process after its end',
    run: async (bad, lab) => {
      const mm = lab.testbed.memory;
      if ((await mmget_not_zero(mm)) && !bad) await mmput(mm);
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

export const INTERRUPTS: readonly Case[] = [
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

export const WARNINGS: readonly Case[] = [
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
