// SPDX-License-Identifier: GPL-2.0-only
import {
  VFIO_GROUP_GET_DEVICE_FD,
  VFIO_GROUP_SET_CONTAINER,
  VFIO_SET_IOMMU,
  VFIO_TYPE1v2_IOMMU,
} from '@vfio-lab/headers';
import { type Bench, defineWorkload } from '../workload.ts';

const CARDS = Array.from({ length: 16 }, (_, i) => `0000:01:0${i >> 3}.${i & 7}`);

export const groupOpenClose = defineWorkload({
  name: 'group-open-close',
  about: 'each thread opens container, group and device and closes them again, on sixteen devices of one bus',
  topology: 'sixteen',
  arrival: { model: 'closed', think: 100_000, distribution: 'exponential' },
  requests: (tasks) => Math.max(48, 3 * tasks),
  setup: async (bench) => {
    await bench.bind(...CARDS);
    return { groups: CARDS.map((bdf) => bench.testbed.groupOf(bdf)) };
  },
  request: async (bench, { groups }, client) => {
    const i = client.index % CARDS.length;
    const { user } = bench;
    const container = await bench.call('open container', () => user.open('/dev/vfio/vfio'));
    // A group takes one opener at a time: with more tasks than groups some find it busy.
    const group = await bench.call('open group', () => user.open(`/dev/vfio/${groups[i]}`));
    if (group >= 0) {
      await use(bench, container, group, CARDS[i]);
      await bench.call('close group', () => user.close(group));
    }
    await bench.call('close container', () => user.close(container));
  },
});

async function use(bench: Bench, container: number, group: number, bdf: string): Promise<void> {
  const { user } = bench;
  const fd = new Uint8Array(Int32Array.of(container).buffer);
  await bench.call('SET_CONTAINER', () => user.ioctlBytes(group, VFIO_GROUP_SET_CONTAINER, fd));
  await bench.call('SET_IOMMU', () => user.ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
  const name = new TextEncoder().encode(`${bdf}\0`);
  const dev = await bench.call('GET_DEVICE_FD', () => user.ioctlBytes(group, VFIO_GROUP_GET_DEVICE_FD, name));
  if (dev.ret >= 0) await bench.call('close device', () => user.close(dev.ret));
}
