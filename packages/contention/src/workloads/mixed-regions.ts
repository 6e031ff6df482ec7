// SPDX-License-Identifier: GPL-2.0-only
import { defineWorkload } from '../workload.ts';

const GPU = '0000:01:00.0';

export const mixedRegions = defineWorkload({
  name: 'mixed-regions',
  about:
    'of ten requests five read a BAR, two write it, two read and one writes configuration space; and one ioctl in twenty',
  topology: 'gpu',
  arrival: { model: 'closed', think: 10_000, distribution: 'exponential' },
  random: true,
  requests: (tasks) => Math.max(2000, 40 * tasks),
  setup: async (bench) => {
    const dev = await bench.open(GPU);
    await dev.read('bar0', 0, 4);
    return { dev };
  },
  request: async (bench, { dev }, { random }) => {
    const off = 0x200 + 4 * random.below(64);
    const kind = random.below(20);
    if (kind < 10) await bench.call('pread BAR0', () => dev.read('bar0', off, 4));
    else if (kind < 14) await bench.call('pwrite BAR0', () => dev.write('bar0', off, 4, kind));
    else if (kind < 17) await bench.call('pread config', () => dev.readConfig(0x44, 2));
    else if (kind < 19) await bench.call('pwrite config', () => dev.writeConfig(0x0c, 1, 0x10));
    else await bench.call('VFIO_DEVICE_GET_INFO', () => dev.numIrqs());
  },
});
