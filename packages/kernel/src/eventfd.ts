// SPDX-License-Identifier: GPL-2.0-only
/* fs/eventfd.c */
import {
  __remove_wait_queue,
  init_waitqueue_head,
  kref,
  kref_get,
  kref_init,
  kref_put,
  lockdep_assert_held,
  READ_ONCE,
  spin_lock_irq,
  spin_lock_irqsave,
  spin_unlock_irq,
  spin_unlock_irqrestore,
  type wait_queue_entry,
  wait_queue_head_t,
  waitqueue_active,
  wake_up_locked_poll,
} from '@vfio-lab/locking';
import { current, machine, type Ref, ref, trace, wait_until } from '@vfio-lab/sim';
import { ULLONG_MAX } from './bits.ts';
import { container_of } from './container.ts';
import { EAGAIN, EBADF, EFAULT, EINVAL, ENOMEM, ERESTARTSYS } from './errno.ts';
import { ERR_PTR, type err_ptr, IS_ERR, PTR_ERR } from './err_ptr.ts';
import {
  anon_inode_getfile,
  fd_install,
  fdget,
  fdput,
  fget,
  type file,
  type file_operations,
  FMODE_NOWAIT,
  fput,
  get_unused_fd_flags,
  type inode,
  O_CLOEXEC,
  O_NONBLOCK,
  O_RDWR,
  put_unused_fd,
} from './file.ts';
import { ida, ida_alloc, ida_free } from './ida.ts';
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, poll_wait, type poll_table } from './poll.ts';
import { WARN_ON_ONCE } from './printk.ts';
import { GFP_KERNEL, kfree, kzalloc } from './slab.ts';
import { syscall_enter, syscall_exit, task_fields_of } from './task.ts';
import { copy_from_user, copy_to_user, type user_ptr } from './uaccess.ts';

export const EFD_SEMAPHORE = 1;
export const EFD_CLOEXEC = O_CLOEXEC;
export const EFD_NONBLOCK = O_NONBLOCK;
const EFD_FLAGS_SET = EFD_SEMAPHORE | EFD_CLOEXEC | EFD_NONBLOCK;

/** struct eventfd_ctx */
export class eventfd_ctx {
  readonly kref = new kref(this);
  readonly wqh = new wait_queue_head_t();
  count = 0n;
  flags = 0;
  id = -1;
  /** How often it was signalled, whoever read it since; for checkers. */
  signals = 0;
}

class Ids {
  readonly ida = new ida();
}

function eventfd_ida(): ida {
  return machine.scope(Ids, () => new Ids()).ida;
}

/**
 * Add to the counter and wake waiters with EPOLLIN, with the wait head's lock held and interrupts off. Any context.
 *
 * @returns the amount added: less than n when the counter saturates, 0 (and a warning) when called from a wake-up
 *   callback of an eventfd
 * C: fs/eventfd.c eventfd_signal()
 */
export async function eventfd_signal(ctx: eventfd_ctx, n: bigint | number): Promise<bigint> {
  const task = task_fields_of(current);
  if (WARN_ON_ONCE(task.in_eventfd_signal, 'eventfd_signal from the wake-up callback of an eventfd'))
    return 0n;

  let add = BigInt(n);
  const flags = await spin_lock_irqsave(ctx.wqh.lock);
  task.in_eventfd_signal = true;
  if (ULLONG_MAX - ctx.count < add) add = ULLONG_MAX - ctx.count;
  ctx.count += add;
  ctx.signals++;
  if (machine.tracing) trace('eventfd', `eventfd ${ctx.id}: signal ${add}, count ${ctx.count}`);
  if (waitqueue_active(ctx.wqh)) await wake_up_locked_poll(ctx.wqh, EPOLLIN);
  task.in_eventfd_signal = false;
  await spin_unlock_irqrestore(ctx.wqh.lock, flags);
  return add;
}

/** May eventfd_signal() be called here? C: include/linux/eventfd.h eventfd_signal_allowed() */
export function eventfd_signal_allowed(): boolean {
  return !task_fields_of(current).in_eventfd_signal;
}

function eventfd_free(k: kref): void {
  const ctx = container_of<eventfd_ctx>(k);
  if (ctx.id >= 0) ida_free(eventfd_ida(), ctx.id);
  kfree(ctx);
}

/** Drop a reference. One too many is a finding (`refcount`). C: fs/eventfd.c eventfd_ctx_put() */
export async function eventfd_ctx_put(ctx: eventfd_ctx): Promise<void> {
  await kref_put(ctx.kref, eventfd_free);
}

function ctx_of(f: file): eventfd_ctx {
  return f.private_data as eventfd_ctx;
}

async function eventfd_release(inode: inode, f: file): Promise<number> {
  const ctx = ctx_of(f);
  const flags = await spin_lock_irqsave(ctx.wqh.lock);
  await wake_up_locked_poll(ctx.wqh, EPOLLHUP);
  await spin_unlock_irqrestore(ctx.wqh.lock, flags);
  await eventfd_ctx_put(ctx);
  return 0;
}

async function eventfd_poll(f: file, wait: poll_table | null): Promise<number> {
  const ctx = ctx_of(f);
  await poll_wait(f, ctx.wqh, wait);
  const count = await READ_ONCE(ctx, 'count');
  let events = 0;
  if (count > 0n) events |= EPOLLIN;
  if (count === ULLONG_MAX) events |= EPOLLERR;
  if (ULLONG_MAX - 1n > count) events |= EPOLLOUT;
  return events;
}

/**
 * Take the counter's value, 1 in semaphore mode, with the wait head's lock held.
 * C: fs/eventfd.c eventfd_ctx_do_read()
 */
export function eventfd_ctx_do_read(ctx: eventfd_ctx, cnt: Ref<bigint>): void {
  lockdep_assert_held(ctx.wqh.lock);
  cnt.v = ctx.flags & EFD_SEMAPHORE ? 1n : ctx.count;
  ctx.count = BigInt.asUintN(64, ctx.count - cnt.v);
}

/**
 * Unlink a waiter and drain the counter in one step.
 * @returns 0 when something was pending, -EAGAIN otherwise
 * C: fs/eventfd.c eventfd_ctx_remove_wait_queue()
 */
export async function eventfd_ctx_remove_wait_queue(
  ctx: eventfd_ctx,
  wait: wait_queue_entry,
  cnt: Ref<bigint>,
): Promise<number> {
  const flags = await spin_lock_irqsave(ctx.wqh.lock);
  eventfd_ctx_do_read(ctx, cnt);
  __remove_wait_queue(ctx.wqh, wait);
  if (cnt.v !== 0n && waitqueue_active(ctx.wqh)) await wake_up_locked_poll(ctx.wqh, EPOLLOUT);
  await spin_unlock_irqrestore(ctx.wqh.lock, flags);
  return cnt.v !== 0n ? 0 : -EAGAIN;
}

/** Sleep, with the wait head's lock held at entry and exit, until `cond` holds. @returns 0 or -ERESTARTSYS */
async function wait_locked(ctx: eventfd_ctx, cond: () => boolean): Promise<number> {
  const task = current;
  let woken = false;
  const wait: wait_queue_entry = {
    private: task,
    func() {
      woken = true;
      return 1;
    },
  };
  ctx.wqh.head.unshift(wait);
  let ret = 0;
  while (!cond()) {
    if (task.signal_pending) {
      ret = -ERESTARTSYS;
      break;
    }
    woken = false;
    await spin_unlock_irq(ctx.wqh.lock);
    await wait_until(ctx.wqh, () => woken || task.signal_pending);
    await spin_lock_irq(ctx.wqh.lock);
  }
  __remove_wait_queue(ctx.wqh, wait);
  return ret;
}

async function eventfd_read(f: file, buf: user_ptr, count: number): Promise<number> {
  const ctx = ctx_of(f);
  if (count < 8) return -EINVAL;
  await spin_lock_irq(ctx.wqh.lock);
  if (ctx.count === 0n) {
    const ret = f.f_flags & O_NONBLOCK ? -EAGAIN : await wait_locked(ctx, () => ctx.count !== 0n);
    if (ret !== 0) {
      await spin_unlock_irq(ctx.wqh.lock);
      return ret;
    }
  }
  const cnt = ref(0n);
  eventfd_ctx_do_read(ctx, cnt);
  if (waitqueue_active(ctx.wqh)) await wake_up_locked_poll(ctx.wqh, EPOLLOUT);
  await spin_unlock_irq(ctx.wqh.lock);
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, cnt.v, true);
  return copy_to_user(buf, bytes, 8) > 0 ? -EFAULT : 8;
}

async function eventfd_write(f: file, buf: user_ptr, count: number): Promise<number> {
  const ctx = ctx_of(f);
  if (count < 8) return -EINVAL;
  const bytes = new Uint8Array(8);
  if (copy_from_user(bytes, buf, 8) > 0) return -EFAULT;
  const ucnt = new DataView(bytes.buffer).getBigUint64(0, true);
  if (ucnt === ULLONG_MAX) return -EINVAL;
  await spin_lock_irq(ctx.wqh.lock);
  let res = 8;
  if (ULLONG_MAX - ctx.count <= ucnt) {
    const ret =
      f.f_flags & O_NONBLOCK ? -EAGAIN : await wait_locked(ctx, () => ULLONG_MAX - ctx.count > ucnt);
    if (ret !== 0) res = ret;
  }
  if (res > 0) {
    ctx.count += ucnt;
    if (waitqueue_active(ctx.wqh)) await wake_up_locked_poll(ctx.wqh, EPOLLIN);
  }
  await spin_unlock_irq(ctx.wqh.lock);
  return res;
}

/** Seeking is allowed and does nothing. */
function noop_llseek(f: file): number {
  return f.f_pos;
}

export const eventfd_fops: file_operations = Object.freeze({
  release: eventfd_release,
  poll: eventfd_poll,
  read: eventfd_read,
  write: eventfd_write,
  llseek: noop_llseek,
});

/** The file of an eventfd. @returns ERR_PTR(-EBADF or -EINVAL). C: fs/eventfd.c eventfd_fget() */
export async function eventfd_fget(fd: number): Promise<file | err_ptr> {
  const f = await fget(fd);
  if (f === null) return ERR_PTR(-EBADF);
  if (f.f_op !== eventfd_fops) {
    await fput(f);
    return ERR_PTR(-EINVAL);
  }
  return f;
}

/**
 * The context of an eventfd, with a reference.
 * @returns ERR_PTR(-EBADF or -EINVAL).
 * C: fs/eventfd.c eventfd_ctx_fdget()
 */
export async function eventfd_ctx_fdget(fd: number): Promise<eventfd_ctx | err_ptr> {
  const f = await fdget(fd);
  if (f.file === null) return ERR_PTR(-EBADF);
  const ctx = await eventfd_ctx_fileget(f.file);
  await fdput(f);
  return ctx;
}

/** As eventfd_ctx_fdget, by file. @returns ERR_PTR(-EINVAL). C: fs/eventfd.c eventfd_ctx_fileget() */
export async function eventfd_ctx_fileget(f: file): Promise<eventfd_ctx | err_ptr> {
  if (f.f_op !== eventfd_fops) return ERR_PTR(-EINVAL);
  const ctx = ctx_of(f);
  await kref_get(ctx.kref);
  return ctx;
}

/** C: fs/eventfd.c do_eventfd() */
async function do_eventfd(count: number, flags: number): Promise<number> {
  if (flags & ~EFD_FLAGS_SET) return -EINVAL;
  const ctx = kzalloc(eventfd_ctx, GFP_KERNEL);
  if (ctx === null) return -ENOMEM;
  kref_init(ctx.kref);
  init_waitqueue_head(ctx.wqh, '&ctx->wqh');
  ctx.count = BigInt(count >>> 0);
  ctx.flags = flags;
  ctx.id = ida_alloc(eventfd_ida(), GFP_KERNEL);

  const fd = get_unused_fd_flags(flags);
  if (fd < 0) {
    eventfd_free(ctx.kref);
    return fd;
  }
  const f = anon_inode_getfile('[eventfd]', eventfd_fops, ctx, O_RDWR | (flags & (O_CLOEXEC | O_NONBLOCK)));
  if (IS_ERR(f)) {
    put_unused_fd(fd);
    eventfd_free(ctx.kref);
    return PTR_ERR(f);
  }
  f.f_mode |= FMODE_NOWAIT;
  fd_install(fd, f);
  return fd;
}

/** eventfd2(2). @returns a descriptor, -EINVAL for unknown flags, -EMFILE, -ENOMEM */
export async function sys_eventfd2(count: number, flags: number): Promise<number> {
  const t = syscall_enter();
  return syscall_exit(t, await do_eventfd(count, flags));
}
