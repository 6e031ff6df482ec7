// SPDX-License-Identifier: GPL-2.0-only
import { describe, expect, it } from 'vitest';
import {
  EBADF,
  EBUSY,
  EINVAL,
  ENOMEM,
  eventfd_ctx_fdget,
  eventfd_ctx_put,
  eventfd_signal,
  IS_ERR,
  slab_fail,
  slab_live,
  sys_close,
  sys_eventfd2,
  sys_read,
  sys_write,
} from '@vfio-lab/kernel';
import type { mm_struct } from '@vfio-lab/kernel';
import type { Kernel, virqfd, virqfd_ref } from '@vfio-lab/headers';
import { ref, sleep_ns } from '@vfio-lab/sim';
import { onMachine } from './harness.ts';
import { World } from './world.ts';

interface Irqfd {
  k: Kernel;
  world: World;
  log: string[];
  /** The pointer to the virqfd that the driver keeps. */
  slot: virqfd_ref;
  fd: number;
  /** Add n to the eventfd, as user space does. */
  write(n: number): Promise<number>;
  /** Let kworkers finish. */
  settle(): Promise<void>;
}

/** An eventfd in a process. At the end nothing may be allocated beyond what was at the beginning. */
async function withEventfd(fn: (irqfd: Irqfd) => Promise<void>, count = 0): Promise<void> {
  await onMachine(async (k) => {
    const world = await World.boot(k);
    const rest = slab_live().length;
    await world.user(async ({ mm }: { mm: mm_struct }) => {
      const fd = await sys_eventfd2(count, 0);
      const buf = mm.alloc(8);
      await fn({
        k,
        world,
        log: [],
        slot: ref<virqfd | null>(null),
        fd,
        write: (n) => {
          mm.store(buf, new Uint8Array(new BigUint64Array([BigInt(n)]).buffer));
          return sys_write(fd, buf, 8);
        },
        settle: () => sleep_ns(1),
      });
      await sys_close(fd);
      await sleep_ns(1);
    });
    expect(slab_live()).toHaveLength(rest);
    await world.shutdown();
    expect(slab_live()).toEqual([]);
  });
}

describe('vfio_virqfd_enable', () => {
  it('should call the handler at once and the thread from a kworker', async () => {
    await withEventfd(async ({ k, log, slot, fd, write, settle }) => {
      const handler = (opaque: string, data: number): number => log.push(`handler ${opaque} ${data}`);
      const thread = (opaque: string, data: number): void => void log.push(`thread ${opaque} ${data}`);
      expect(await k.vfio_virqfd_enable('dev', handler, thread, 3, slot, fd)).toBe(0);
      expect(slot.v).not.toBeNull();
      await write(1);
      expect(log[0]).toBe('handler dev 3');
      await settle();
      expect(log).toEqual(['handler dev 3', 'thread dev 3']);
      await k.vfio_virqfd_disable(slot);
      expect(slot.v).toBeNull();
      await write(1);
      await settle();
      expect(log).toHaveLength(2);
    });
  });

  it('should take the signal, so that the counter is 0 again', async () => {
    await withEventfd(async ({ k, world, slot, fd, write, log }) => {
      await k.vfio_virqfd_enable(null, () => (log.push('handler'), 0), null, null, slot, fd);
      await write(5);
      expect(log).toEqual(['handler']);
      const ctx = slot.v?.eventfd;
      expect(ctx?.count).toBe(0n);
      await k.vfio_virqfd_disable(slot);
      await write(2);
      expect(ctx?.count).toBe(2n);
      const { mm } = world.process;
      expect(await sys_read(fd, (mm as mm_struct).alloc(8), 8)).toBe(8);
    });
  });

  it('should leave the thread out when the handler has done it all', async () => {
    await withEventfd(async ({ k, log, slot, fd, write, settle }) => {
      let more = 0;
      const handler = (): number => (log.push('handler'), more);
      const thread = (): void => void log.push('thread');
      await k.vfio_virqfd_enable(null, handler, thread, null, slot, fd);
      await write(1);
      await settle();
      more = 1;
      await write(1);
      await settle();
      expect(log).toEqual(['handler', 'handler', 'thread']);
      await k.vfio_virqfd_disable(slot);
    });
  });

  it('should need no handler', async () => {
    await withEventfd(async ({ k, log, slot, fd, write, settle }) => {
      await k.vfio_virqfd_enable(null, null, () => void log.push('thread'), null, slot, fd);
      await write(1);
      await settle();
      expect(log).toEqual(['thread']);
      await k.vfio_virqfd_disable(slot);
    });
  });

  it('should count a signal from before', async () => {
    await withEventfd(async ({ k, log, slot, fd, settle }) => {
      const handler = (): number => log.push('handler');
      const thread = (): void => void log.push('thread');
      await k.vfio_virqfd_enable(null, handler, thread, null, slot, fd);
      await settle();
      expect(log).toEqual(['handler', 'thread']);
      await k.vfio_virqfd_disable(slot);
    }, 1);
  });

  it('should be woken by a signal of the kernel too', async () => {
    await withEventfd(async ({ k, log, slot, fd }) => {
      await k.vfio_virqfd_enable(null, () => (log.push('handler'), 0), null, null, slot, fd);
      const ctx = await eventfd_ctx_fdget(fd);
      if (IS_ERR(ctx)) throw new Error('no eventfd');
      expect(await eventfd_signal(ctx, 1)).toBe(1n);
      await eventfd_ctx_put(ctx);
      expect(log).toEqual(['handler']);
      await k.vfio_virqfd_disable(slot);
    });
  });

  it('should refuse what is no eventfd, and a pointer in use', async () => {
    await withEventfd(async ({ k, slot, fd }) => {
      expect(await k.vfio_virqfd_enable(null, null, null, null, slot, 99)).toBe(-EBADF);
      expect(await k.vfio_virqfd_enable(null, null, null, null, slot, 0)).toBe(-EINVAL);
      slab_fail();
      expect(await k.vfio_virqfd_enable(null, null, null, null, slot, fd)).toBe(-ENOMEM);
      expect(slot.v).toBeNull();
      expect(await k.vfio_virqfd_enable(null, null, null, null, slot, fd)).toBe(0);
      expect(await k.vfio_virqfd_enable(null, null, null, null, slot, fd)).toBe(-EBUSY);
      await k.vfio_virqfd_disable(slot);
      await k.vfio_virqfd_disable(slot);
    });
  });
});

describe('the end of the eventfd', () => {
  it('should take the virqfd with it', async () => {
    await withEventfd(async ({ k, slot, settle }) => {
      const fd = await sys_eventfd2(0, 0);
      await k.vfio_virqfd_enable(null, null, () => {}, null, slot, fd);
      await sys_close(fd);
      expect(slot.v).toBeNull();
      await settle();
      // Nothing is left to disable, and the pointer is free for the next
      await k.vfio_virqfd_disable(slot);
      const next = await sys_eventfd2(0, 0);
      expect(await k.vfio_virqfd_enable(null, null, null, null, slot, next)).toBe(0);
      await k.vfio_virqfd_disable(slot);
      await sys_close(next);
    });
  });

  it('should wait for a thread that is still running', async () => {
    await withEventfd(async ({ k, log, slot, fd, write }) => {
      const thread = async (): Promise<void> => {
        log.push('thread begins');
        await sleep_ns(1000);
        log.push('thread ends');
      };
      await k.vfio_virqfd_enable(null, null, thread, null, slot, fd);
      await write(1);
      await sleep_ns(1);
      expect(log).toEqual(['thread begins']);
      await k.vfio_virqfd_disable(slot);
      log.push('disabled');
      expect(log).toEqual(['thread begins', 'thread ends', 'disabled']);
    });
  });
});
