// SPDX-License-Identifier: GPL-2.0-only
/* What drivers with an open device ask of the IOMMU driver. */
import { describe, expect, it } from 'vitest';
import { E2BIG, EINVAL, ENOTTY, notifier_block } from '@vfio-lab/kernel';
import {
  VFIO_IOMMU_NOTIFY,
  VFIO_IOMMU_NOTIFY_DMA_UNMAP,
  VFIO_PIN_PAGES_MAX_ENTRIES,
} from '@vfio-lab/headers';
import type { Kernel, vfio_device, vfio_iommu_driver_ops } from '@vfio-lab/headers';
import { down_read, up_read } from '@vfio-lab/locking';
import { ref } from '@vfio-lab/sim';
import { onMachine } from './harness.ts';
import { World } from './world.ts';

type Fn = (k: Kernel, vdev: vfio_device, iommu: vfio_iommu_driver_ops, log: string[]) => Promise<void>;

async function withOpenDevice(names: string[], fn: Fn, findings: readonly string[] = []): Promise<void> {
  await onMachine(async (k) => {
    const world = await World.boot(k);
    const group = await world.group(...names);
    const { vdev } = world.device('a');
    await world.user(async (user) => {
      const { groups } = await user.setup(group);
      const fd = await user.get_device(groups[0], 'a');
      world.log.length = 0;
      await fn(k, vdev, world.iommu, world.log);
      await user.close(fd);
    });
    await world.shutdown();
  }, findings);
}

describe('pages', () => {
  it('should be pinned by the IOMMU driver, if it can', async () => {
    await withOpenDevice(['a'], async (k, vdev, iommu, log) => {
      expect(await k.vfio_pin_pages(vdev, [1], 1, 3, [0])).toBe(-ENOTTY);
      expect(await k.vfio_unpin_pages(vdev, [1], 1)).toBe(-ENOTTY);
      iommu.pin_pages = (_data, group, user_pfn, npage, prot) => (
        log.push(`pin ${group.id} ${user_pfn.join()} ${npage} ${prot}`),
        npage
      );
      iommu.unpin_pages = (_data, user_pfn, npage) => (log.push(`unpin ${user_pfn.join()} ${npage}`), npage);
      expect(await k.vfio_pin_pages(vdev, [1, 2], 2, 3, [0, 0])).toBe(2);
      expect(await k.vfio_unpin_pages(vdev, [1, 2], 2)).toBe(2);
      expect(log).toEqual(['pin 0 1,2 2 3', 'unpin 1,2 2']);
      expect(await k.vfio_pin_pages(vdev, null, 2, 3, [0])).toBe(-EINVAL);
      expect(await k.vfio_pin_pages(vdev, [1], 0, 3, [0])).toBe(-EINVAL);
      expect(await k.vfio_pin_pages(vdev, [1], VFIO_PIN_PAGES_MAX_ENTRIES + 1, 3, [0])).toBe(-E2BIG);
      expect(await k.vfio_unpin_pages(vdev, null, 1)).toBe(-EINVAL);
      expect(await k.vfio_unpin_pages(vdev, [1], VFIO_PIN_PAGES_MAX_ENTRIES + 1)).toBe(-E2BIG);
    });
  });

  it('should not be pinned for one of several devices of a group', async () => {
    await withOpenDevice(['a', 'b'], async (k, vdev) => {
      expect(await k.vfio_pin_pages(vdev, [1], 1, 3, [0])).toBe(-EINVAL);
    });
  });

  it('should be read and written through the IOMMU driver', async () => {
    await withOpenDevice(['a'], async (k, vdev, iommu, log) => {
      const data = new Uint8Array(4);
      expect(await k.vfio_dma_rw(vdev, 0x1000n, data, 4, true)).toBe(-ENOTTY);
      iommu.dma_rw = (_data, iova, _buf, len, write) => (log.push(`dma ${iova} ${len} ${write}`), 0);
      expect(await k.vfio_dma_rw(vdev, 0x1000n, data, 4, true)).toBe(0);
      expect(await k.vfio_dma_rw(vdev, 0x1000n, data, 0, true)).toBe(-EINVAL);
      expect(await k.vfio_dma_rw(vdev, 0x1000n, null, 4, true)).toBe(-EINVAL);
      expect(log).toEqual(['dma 4096 4 true']);
    });
  });
});

describe('notifiers', () => {
  it('should be kept by the IOMMU driver', async () => {
    await withOpenDevice(['a'], async (k, vdev, iommu, log) => {
      const nb = new notifier_block();
      const events = ref(VFIO_IOMMU_NOTIFY_DMA_UNMAP);
      const { group_rwsem } = vdev.group;
      await down_read(group_rwsem);
      expect(await k.vfio_register_notifier(vdev, VFIO_IOMMU_NOTIFY, events, nb)).toBe(-ENOTTY);
      expect(await k.vfio_unregister_notifier(vdev, VFIO_IOMMU_NOTIFY, nb)).toBe(-ENOTTY);
      iommu.register_notifier = (_data, ev) => (log.push(`register ${ev.v}`), 0);
      iommu.unregister_notifier = () => (log.push('unregister'), 0);
      expect(await k.vfio_register_notifier(vdev, VFIO_IOMMU_NOTIFY, events, nb)).toBe(0);
      expect(await k.vfio_unregister_notifier(vdev, VFIO_IOMMU_NOTIFY, nb)).toBe(0);
      await up_read(group_rwsem);
      expect(log).toEqual(['register 1', 'unregister']);
      expect(await k.vfio_register_notifier(vdev, 1, events, nb)).toBe(-EINVAL);
      expect(await k.vfio_register_notifier(vdev, VFIO_IOMMU_NOTIFY, ref(0), nb)).toBe(-EINVAL);
      expect(await k.vfio_register_notifier(vdev, VFIO_IOMMU_NOTIFY, null, nb)).toBe(-EINVAL);
      expect(await k.vfio_unregister_notifier(vdev, 1, nb)).toBe(-EINVAL);
      expect(await k.vfio_unregister_notifier(vdev, VFIO_IOMMU_NOTIFY, null)).toBe(-EINVAL);
    });
  });
});

describe('a closed device', () => {
  it('should warn who calls as if it were open', async () => {
    await onMachine(
      async (k) => {
        const world = await World.boot(k);
        await world.group('a');
        const { vdev } = world.device('a');
        expect(await k.vfio_pin_pages(vdev, [1], 1, 3, [0])).toBe(-EINVAL);
        expect(await k.vfio_unpin_pages(vdev, [1], 1)).toBe(-EINVAL);
        await world.shutdown();
      },
      ['WARN_ON'],
    );
  });
});
