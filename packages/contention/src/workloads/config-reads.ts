// SPDX-License-Identifier: GPL-2.0-only
import { defineWorkload } from '../workload.ts';

const GPU = '0000:01:00.0';
/** Offsets and sizes: ids and BARs are virtual, PM and PCIe status are read from the device. */
const REGISTERS = [
  [0x00, 4],
  [0x44, 2],
  [0x06, 2],
  [0x7a, 2],
  [0x10, 4],
  [0x82, 2],
] as const;

export const configReads = defineWorkload({
  name: 'config-reads',
  about:
    'threads of a monitor read configuration registers of one device, as a guest that polls its status does',
  topology: 'gpu',
  arrival: { model: 'closed', think: 10_000, distribution: 'exponential' },
  requests: (tasks) => Math.max(1500, 40 * tasks),
  setup: async (bench) => ({ dev: await bench.open(GPU) }),
  request: async (bench, { dev }, client) => {
    const [off, size] = REGISTERS[(client.index + client.done) % REGISTERS.length];
    await bench.call('pread config', () => dev.readConfig(off, size));
  },
});
