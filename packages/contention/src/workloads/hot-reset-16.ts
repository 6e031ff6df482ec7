// SPDX-License-Identifier: GPL-2.0-only
import type { VfioDevice } from '@vfio-lab/testbed';
import { defineWorkload } from '../workload.ts';

const CARDS = Array.from({ length: 16 }, (_, i) => `0000:01:0${i >> 3}.${i & 7}`);

export const hotReset16 = defineWorkload({
  name: 'hot-reset-16',
  about: 'one thread resets the bus of sixteen devices, the others read registers of the devices',
  topology: 'sixteen',
  arrival: { model: 'closed', think: 1_000_000, distribution: 'exponential' },
  requests: (tasks) => Math.max(200, 20 * tasks),
  setup: async (bench) => {
    const devices: VfioDevice[] = [];
    await bench.bind(...CARDS);
    for (const bdf of CARDS) devices.push(await bench.open(bdf));
    return { devices, groups: [...bench.session.groups.values()] };
  },
  request: async (bench, { devices, groups }, client) => {
    if (client.index === 0) {
      await bench.call('PCI_HOT_RESET', () => devices[0].hotReset(groups));
      return;
    }
    const dev = devices[(client.index + client.done) % devices.length];
    await bench.call('pread BAR0', () => dev.read('bar0', 0, 4));
  },
});
