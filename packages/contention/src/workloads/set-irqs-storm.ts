// SPDX-License-Identifier: GPL-2.0-only
import { defineWorkload } from '../workload.ts';

const GPU = '0000:01:00.0';
const INTX = 0;

export const setIrqsStorm = defineWorkload({
  name: 'set-irqs-storm',
  about: 'threads mask and unmask the INTx of one device by VFIO_DEVICE_SET_IRQS',
  topology: 'gpu',
  arrival: { model: 'closed', think: 10_000, distribution: 'exponential' },
  requests: (tasks) => Math.max(1500, 40 * tasks),
  setup: async (bench) => {
    const dev = await bench.open(GPU);
    await dev.setTrigger(INTX, await bench.user.eventfd());
    return { dev };
  },
  request: async (bench, { dev }, client) => {
    if (client.done % 2 === 0) await bench.call('SET_IRQS mask', () => dev.maskIrq(INTX));
    else await bench.call('SET_IRQS unmask', () => dev.unmaskIrq(INTX));
  },
});
