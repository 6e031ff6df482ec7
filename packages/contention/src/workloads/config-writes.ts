// SPDX-License-Identifier: GPL-2.0-only
import { defineWorkload } from '../workload.ts';

const GPU = '0000:01:00.0';
/** Offset, size, value. One in four writes goes to the command register, which takes the memory lock for writing. */
const WRITES = [
  [0x0c, 1, 0x10],
  [0x3c, 1, 0x0b],
  [0x04, 2, 0x0006],
  [0x78, 2, 0x2810],
] as const;

export const configWrites = defineWorkload({
  name: 'config-writes',
  about: 'threads write configuration registers of one device, one in four the command register',
  topology: 'gpu',
  arrival: { model: 'closed', think: 10_000, distribution: 'exponential' },
  requests: (tasks) => Math.max(1500, 40 * tasks),
  setup: async (bench) => ({ dev: await bench.open(GPU) }),
  request: async (bench, { dev }, client) => {
    const [off, size, value] = WRITES[(client.index + client.done) % WRITES.length];
    await bench.call(off === 4 ? 'pwrite config command' : 'pwrite config', () =>
      dev.writeConfig(off, size, value),
    );
  },
});
