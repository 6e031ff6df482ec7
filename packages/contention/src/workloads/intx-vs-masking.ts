// SPDX-License-Identifier: GPL-2.0-only
import { defineWorkload } from '../workload.ts';

const CARD = '0000:01:00.0';
const INTX = 0;
const RAISE = 0x08;
const ACKNOWLEDGE = 0x0c;

export const intxVsMasking = defineWorkload({
  name: 'intx-vs-masking',
  about: 'a device raises INTx, a thread serves and unmasks it, the others mask and unmask it meanwhile',
  topology: 'shared-intx',
  arrival: { model: 'closed', think: 20_000, distribution: 'exponential' },
  requests: (tasks) => Math.max(1000, 40 * tasks),
  setup: async (bench) => {
    const dev = await bench.open(CARD);
    const eventfd = await bench.user.eventfd();
    await dev.setTrigger(INTX, eventfd);
    return { dev, eventfd };
  },
  request: async (bench, { dev, eventfd }, client) => {
    if (client.index === 0) {
      await dev.write('bar0', RAISE, 4, 1);
      await bench.call('read eventfd', () => bench.user.eventfdRead(eventfd));
      await dev.write('bar0', ACKNOWLEDGE, 4, 1);
      await bench.call('SET_IRQS unmask', () => dev.unmaskIrq(INTX));
    } else if (client.done % 2 === 0) {
      await bench.call('SET_IRQS mask', () => dev.maskIrq(INTX));
    } else {
      await bench.call('SET_IRQS unmask', () => dev.unmaskIrq(INTX));
    }
  },
});
