// SPDX-License-Identifier: GPL-2.0-only
import { defineWorkload } from '../workload.ts';

const GPU = '0000:01:00.0';

export const barReads = defineWorkload({
  name: 'bar-reads',
  about: 'threads read registers of one device through the region file, as with a BAR that is not mapped',
  topology: 'gpu',
  arrival: { model: 'closed', think: 10_000, distribution: 'exponential' },
  requests: (tasks) => Math.max(1500, 40 * tasks),
  setup: async (bench) => {
    const dev = await bench.open(GPU);
    await dev.read('bar0', 0, 4);
    return { dev };
  },
  request: async (bench, { dev }, client) => {
    await bench.call('pread BAR0', () =>
      dev.read('bar0', 0x200 + 4 * ((client.index + client.done) % 64), 4),
    );
  },
});
