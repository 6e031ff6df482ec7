// SPDX-License-Identifier: GPL-2.0-only
import { ENOTTY } from '@vfio-lab/kernel';
import { sleep_ns } from '@vfio-lab/sim';
import { defineWorkload } from '../workload.ts';

const GPU = '0000:01:00.0';
/** How long the first task leaves the device allowed to sleep. */
const ASLEEP_NS = 150e6;

export const lowPowerVsAccess = defineWorkload({
  name: 'low-power-vs-access',
  about:
    'one thread lets the device enter low power and takes it out again, the others read its configuration space',
  topology: 'gpu',
  arrival: { model: 'closed', think: 40_000_000, distribution: 'exponential' },
  requests: (tasks) => Math.max(200, 20 * tasks),
  setup: async (bench) => ({ dev: await bench.open(GPU) }),
  request: async (bench, { dev }, client) => {
    if (client.index > 0) {
      await bench.call('pread config', () => dev.readConfig(0x44, 2));
      return;
    }
    const ret = await bench.call('FEATURE low power entry', () => bench.enterLowPower(dev));
    if (ret === -ENOTTY) return;
    await sleep_ns(ASLEEP_NS);
    await bench.call('FEATURE low power exit', () => bench.exitLowPower(dev));
  },
});
