// SPDX-License-Identifier: GPL-2.0-only
// Paths through the driver on the host's clock, against a bare lock and unlock of async-mutex.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { readSeries } from '@vfio-lab/review';
import { Lab, lowPower, LOW_POWER_ENTER } from '@vfio-lab/scenarios';
import { bootTestbed } from '@vfio-lab/testbed';
import { Semaphore } from 'async-mutex';
import { type Body, measure } from './measure.ts';

const GPU = '0000:01:00.0';
const testbed = await bootTestbed({ topology: 'gpu', revision: 'v4' });
const lab = new Lab(testbed);
let dev!: Awaited<ReturnType<Lab['open']>>;
await testbed.asUser(async () => {
  dev = await lab.open(GPU);
});
const mailbox = path.join(import.meta.dirname, '..', '..', 'review', 'test', 'fixtures', 'format-patch.mbox');
const patches = readFileSync(mailbox);

const bodies: Body[] = [
  {
    name: 'bare async-mutex Semaphore, lock and unlock',
    operations: 10_000,
    async run() {
      const sem = new Semaphore(1);
      for (let i = 0; i < 10_000; i++) {
        await sem.acquire();
        sem.release();
      }
    },
  },
  {
    name: 'read a config register (pread)',
    operations: 50,
    run: () =>
      testbed.asUser(async () => {
        for (let i = 0; i < 50; i++) await dev.readConfig(0x44, 2);
      }),
  },
  {
    name: 'open and close the device file',
    operations: 1,
    run: () =>
      testbed.asUser(async () => {
        const again = await lab.open(GPU);
        await again.close();
      }),
  },
  {
    name: 'to D3cold and back',
    operations: 1,
    run: () =>
      testbed.asUser(async () => {
        await lowPower(dev, LOW_POWER_ENTER);
        await lab.settle();
        await dev.readConfig(0x44, 2);
        await lowPower(dev, 2);
        await lab.settle();
      }),
  },
  {
    name: 'boot a machine',
    operations: 1,
    run: async () => {
      await bootTestbed({ topology: 'gpu', revision: 'v4' });
    },
  },
  {
    name: 'read a patch series',
    operations: 1,
    run: async () => {
      await readSeries(patches, 'format-patch.mbox');
    },
  },
];
await measure('paths of the driver', bodies);
