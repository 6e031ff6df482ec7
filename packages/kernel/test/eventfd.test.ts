// SPDX-License-Identifier: GPL-2.0-only
import {
  add_wait_queue,
  in_atomic,
  init_waitqueue_func_entry,
  spin_lock_irqsave,
  spin_unlock_irqrestore,
  wait_queue_entry_t,
} from '@vfio-lab/locking';
import { join, now, ref, spawn } from '@vfio-lab/sim';
import { describe, expect, it } from 'vitest';
import * as k from '../src/index.ts';
import { kinds, run, run_clean, run_random } from './machine.ts';

async function ctx_of(fd: number): Promise<k.eventfd_ctx> {
  const ctx = await k.eventfd_ctx_fdget(fd);
  if (k.IS_ERR(ctx)) throw new Error(k.errno_name(k.PTR_ERR(ctx)));
  return ctx;
}

function user(p: k.process): { buf: number; count: () => bigint; put: (n: bigint) => void } {
  const mm = p.mm as k.mm_struct;
  const buf = mm.alloc(8);
  return {
    buf,
    count: () => new DataView(mm.load(buf, 8).buffer).getBigUint64(0, true),
    put: (n) => {
      const b = new Uint8Array(8);
      new DataView(b.buffer).setBigUint64(0, n, true);
      mm.store(buf, b);
    },
  };
}

describe('eventfd: system calls', () => {
  it('reads what was signalled and drains it', () =>
    run_clean(async (p) => {
      const { buf, count, put } = user(p);
      const fd = await k.sys_eventfd2(3, k.EFD_NONBLOCK);
      const ctx = await ctx_of(fd);
      expect(await k.eventfd_signal(ctx, 2)).toBe(2n);
      expect(await k.sys_read(fd, buf, 8)).toBe(8);
      expect(count()).toBe(5n);
      expect(await k.sys_read(fd, buf, 8)).toBe(-k.EAGAIN);
      put(7n);
      expect(await k.sys_write(fd, buf, 8)).toBe(8);
      expect(ctx.count).toBe(7n);
      expect(await k.sys_read(fd, buf, 7)).toBe(-k.EINVAL);
      expect(await k.sys_write(fd, buf, 7)).toBe(-k.EINVAL);
      expect(await k.sys_write(fd, 0x1000, 8)).toBe(-k.EFAULT);
      expect(await k.sys_read(fd, 0x1000, 8)).toBe(-k.EFAULT);
      put(k.ULLONG_MAX);
      expect(await k.sys_write(fd, buf, 8)).toBe(-k.EINVAL);
      expect(await k.sys_lseek(fd, 5, 0)).toBe(-k.ESPIPE);
      expect(await k.sys_pread64(fd, buf, 8, 0)).toBe(-k.ESPIPE);
      expect(await k.sys_ioctl(fd, 1, 0)).toBe(-k.ENOTTY);
      await k.eventfd_ctx_put(ctx);
    }));

  it('gives one at a time as a semaphore', () =>
    run_clean(async (p) => {
      const { buf, count } = user(p);
      const fd = await k.sys_eventfd2(2, k.EFD_NONBLOCK | k.EFD_SEMAPHORE);
      for (let i = 0; i < 2; i++) {
        expect(await k.sys_read(fd, buf, 8)).toBe(8);
        expect(count()).toBe(1n);
      }
      expect(await k.sys_read(fd, buf, 8)).toBe(-k.EAGAIN);
    }));

  it('saturates, and says so to poll', () =>
    run_clean(async (p) => {
      const { buf, put } = user(p);
      const fd = await k.sys_eventfd2(0, k.EFD_NONBLOCK);
      const ctx = await ctx_of(fd);
      put(k.ULLONG_MAX - 1n);
      expect(await k.sys_write(fd, buf, 8)).toBe(8);
      expect(await k.sys_poll1(fd, 5, 0)).toEqual({ ret: 1, revents: k.EPOLLIN });
      put(1n);
      expect(await k.sys_write(fd, buf, 8)).toBe(-k.EAGAIN);
      expect(await k.eventfd_signal(ctx, 10)).toBe(1n);
      expect(ctx.count).toBe(k.ULLONG_MAX);
      expect(await k.eventfd_signal(ctx, 1)).toBe(0n);
      expect(await k.sys_poll1(fd, 5, 0)).toEqual({ ret: 1, revents: k.EPOLLIN | k.EPOLLERR });
      await k.eventfd_ctx_put(ctx);
    }));

  it('refuses unknown flags and descriptors of other files', () =>
    run_clean(async () => {
      expect(await k.sys_eventfd2(0, 0x40)).toBe(-k.EINVAL);
      expect(await k.eventfd_ctx_fdget(0)).toBe(k.ERR_PTR(-k.EINVAL));
      expect(await k.eventfd_ctx_fdget(55)).toBe(k.ERR_PTR(-k.EBADF));
      expect(await k.eventfd_fget(0)).toBe(k.ERR_PTR(-k.EINVAL));
      expect(await k.eventfd_fget(55)).toBe(k.ERR_PTR(-k.EBADF));
      const f = (await k.eventfd_fget(await k.sys_eventfd2(0, 0))) as k.file;
      await k.fput(f);
      k.slab_fail();
      expect(await k.sys_eventfd2(0, 0)).toBe(-k.ENOMEM);
    }));

  it('blocks readers and writers until they can go on', () =>
    run_random(30, async (p) => {
      const fd = await k.sys_eventfd2(0, 0);
      const ctx = await ctx_of(fd);
      const a = user(p);
      const b = user(p);
      b.put(k.ULLONG_MAX - 1n);
      const reader = k.spawn_thread(p, 'reader', async () => {
        expect(await k.sys_read(fd, a.buf, 8)).toBe(8);
        expect(await k.sys_read(fd, a.buf, 8)).toBe(8);
      });
      const writer = k.spawn_thread(p, 'writer', async () => {
        expect(await k.sys_write(fd, b.buf, 8)).toBe(8);
        expect(await k.sys_write(fd, b.buf, 8)).toBe(8);
      });
      await join(writer);
      await join(reader);
      expect(ctx.count).toBe(0n);
      await k.eventfd_ctx_put(ctx);
    }));

  it('is EINTR for a signal', () =>
    run_clean(async (p) => {
      const fd = await k.sys_eventfd2(0, 0);
      const full = await k.sys_eventfd2(0, 0);
      const { buf, put } = user(p);
      put(k.ULLONG_MAX - 1n);
      await k.sys_write(full, buf, 8);
      const results: unknown[] = [];
      const tasks = [
        k.spawn_thread(p, 'r', async () => void results.push(await k.sys_read(fd, buf, 8))),
        k.spawn_thread(p, 'w', async () => void results.push(await k.sys_write(full, buf, 8))),
        k.spawn_thread(p, 'p', async () => void results.push(await k.sys_poll1(fd, k.EPOLLIN, -1))),
      ];
      const killer = spawn('killer', () => {
        for (const t of tasks) t.signal_pending = true;
      });
      await join(killer);
      for (const t of tasks) await join(t);
      expect(results).toEqual([-k.EINTR, -k.EINTR, { ret: -k.EINTR, revents: 0 }]);
    }));

  it('wakes a poller, or lets it time out', () =>
    run_clean(async (p) => {
      const fd = await k.sys_eventfd2(0, k.EFD_NONBLOCK);
      const ctx = await ctx_of(fd);
      const t0 = now();
      expect(await k.sys_poll1(fd, k.EPOLLIN, 20)).toEqual({ ret: 0, revents: 0 });
      expect(now() - t0).toBe(20e6);
      expect(ctx.wqh.head).toHaveLength(0);
      const poller = k.spawn_thread(p, 'poller', async () => {
        expect(await k.sys_poll1(fd, k.EPOLLIN, -1)).toEqual({ ret: 1, revents: k.EPOLLIN });
      });
      const signal = spawn('signal', async () => {
        await k.eventfd_signal(ctx, 1);
      });
      await join(poller);
      await join(signal);
      await k.eventfd_ctx_put(ctx);
    }));
});

describe('eventfd: kernel users', () => {
  it('runs custom wake-ups with the lock held and interrupts off, and EPOLLHUP at the end', () =>
    run_clean(async () => {
      const fd = await k.sys_eventfd2(0, k.EFD_NONBLOCK);
      const ctx = await ctx_of(fd);
      const keys: number[] = [];
      const entry = new wait_queue_entry_t();
      init_waitqueue_func_entry(entry, (_e, _mode, _flags, key) => {
        keys.push(key);
        expect(in_atomic()).toBe(true);
        if (key & k.EPOLLIN) {
          expect(k.eventfd_signal_allowed()).toBe(false);
          const cnt = ref(0n);
          k.eventfd_ctx_do_read(ctx, cnt);
          expect(cnt.v).toBe(1n);
        }
        return 0;
      });
      const f = await k.fdget(fd);
      const pt = new k.poll_table();
      k.init_poll_funcptr(pt, (_file, wqh) => add_wait_queue(wqh, entry));
      expect(await k.vfs_poll(f.file as k.file, pt)).toBe(k.EPOLLOUT);
      await k.fdput(f);
      await k.eventfd_signal(ctx, 1);
      expect(ctx.count).toBe(0n);
      expect(k.eventfd_signal_allowed()).toBe(true);
      await k.sys_close(fd);
      expect(keys).toEqual([k.EPOLLIN, k.EPOLLHUP]);
      const cnt = ref(5n);
      expect(await k.eventfd_ctx_remove_wait_queue(ctx, entry, cnt)).toBe(-k.EAGAIN);
      await k.eventfd_signal(ctx, 4);
      expect(await k.eventfd_ctx_remove_wait_queue(ctx, entry, cnt)).toBe(0);
      expect(cnt.v).toBe(4n);
      await k.eventfd_ctx_put(ctx);
      expect(k.slab_live()).toEqual([]);
    }));

  it('warns once and does nothing when signalled from a wake-up', async () => {
    const m = await run(async () => {
      const ctx = await ctx_of(await k.sys_eventfd2(0, 0));
      const other = await ctx_of(await k.sys_eventfd2(0, 0));
      const entry = new wait_queue_entry_t();
      init_waitqueue_func_entry(entry, async () => {
        expect(await k.eventfd_signal(other, 1)).toBe(0n);
        return 0;
      });
      await add_wait_queue(ctx.wqh, entry);
      await k.eventfd_signal(ctx, 1);
      await k.eventfd_signal(ctx, 1);
      expect(other.count).toBe(0n);
    });
    expect(kinds(m)).toEqual(['WARN_ON']);
  });

  it('reports a context that is put once too often, and a read without the lock', async () => {
    const m = await run(async () => {
      const fd = await k.sys_eventfd2(0, 0);
      const ctx = await ctx_of(fd);
      await k.eventfd_ctx_put(ctx);
      k.eventfd_ctx_do_read(ctx, ref(0n));
      const flags = await spin_lock_irqsave(ctx.wqh.lock);
      expect(ctx.wqh.lock.name).toBe('&ctx->wqh');
      await spin_unlock_irqrestore(ctx.wqh.lock, flags);
      await k.sys_close(fd);
      await k.eventfd_ctx_put(ctx);
    });
    expect(kinds(m)).toEqual(['lockdep-assert', 'refcount']);
  });

  it('loses no signal between a signaller and a reader', () =>
    run_random(40, async (p) => {
      const fd = await k.sys_eventfd2(0, k.EFD_NONBLOCK);
      const ctx = await ctx_of(fd);
      const { buf, count } = user(p);
      let total = 0n;
      const irq = spawn(
        'irq',
        async () => {
          for (let i = 0; i < 3; i++) await k.eventfd_signal(ctx, 1);
        },
        { kind: 'hardirq' },
      );
      const reader = k.spawn_thread(p, 'reader', async () => {
        while (total < 3n) {
          await k.sys_poll1(fd, k.EPOLLIN, -1);
          if ((await k.sys_read(fd, buf, 8)) === 8) total += count();
        }
      });
      await join(irq);
      await join(reader);
      expect(total).toBe(3n);
      await k.eventfd_ctx_put(ctx);
    }));
});
