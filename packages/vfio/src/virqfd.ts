// SPDX-License-Identifier: GPL-2.0-only
/*
 * drivers/vfio/virqfd.c, v5.19-rc4: an eventfd that calls the driver when user space signals it.
 */

import {
  container_of,
  create_singlethread_workqueue,
  destroy_workqueue,
  EBADF,
  EBUSY,
  ENOMEM,
  EPOLLHUP,
  EPOLLIN,
  eventfd_ctx_do_read,
  eventfd_ctx_fileget,
  eventfd_ctx_put,
  eventfd_ctx_remove_wait_queue,
  fdget,
  fdput,
  flush_work,
  flush_workqueue,
  GFP_KERNEL,
  init_poll_funcptr,
  INIT_WORK,
  IS_ERR,
  key_to_poll,
  kfree,
  kzalloc,
  PTR_ERR,
  queue_work,
  schedule_work,
  vfs_poll,
} from '@vfio-lab/kernel';
import type { Awaitable, file, poll_table, work_struct, workqueue_struct } from '@vfio-lab/kernel';
import {
  add_wait_queue,
  init_waitqueue_func_entry,
  spin_lock_irq,
  spin_lock_irqsave,
  spin_unlock_irq,
  spin_unlock_irqrestore,
  spinlock_t,
} from '@vfio-lab/locking';
import type { wait_queue_entry_t, wait_queue_head_t } from '@vfio-lab/locking';
import { virqfd } from '@vfio-lab/headers';
import type { Kernel, virqfd_ref } from '@vfio-lab/headers';
import { ref } from '@vfio-lab/sim';
import type { int } from '@vfio-lab/sim';

/** C: drivers/vfio/virqfd.c file-scope data */
export function statics(k: Kernel): Partial<Kernel> {
  return {
    vfio_irqfd_cleanup_wq: null,
    virqfd_lock: new spinlock_t('virqfd_lock'),
  };
}

/** C: drivers/vfio/virqfd.c static vfio_virqfd_init() */
export function vfio_virqfd_init(this: Kernel): int {
  this.vfio_irqfd_cleanup_wq = create_singlethread_workqueue('vfio-irqfd-cleanup');
  if (!this.vfio_irqfd_cleanup_wq) return -ENOMEM;

  return 0;
}

/** C: drivers/vfio/virqfd.c static vfio_virqfd_exit() */
export async function vfio_virqfd_exit(this: Kernel): Promise<void> {
  await destroy_workqueue(this.vfio_irqfd_cleanup_wq as workqueue_struct);
}

/** C: drivers/vfio/virqfd.c static virqfd_deactivate() */
export async function virqfd_deactivate(this: Kernel, virqfd: virqfd): Promise<void> {
  await queue_work(this.vfio_irqfd_cleanup_wq as workqueue_struct, virqfd.shutdown);
}

/** C: drivers/vfio/virqfd.c static virqfd_wakeup() */
export async function virqfd_wakeup(
  this: Kernel,
  wait: wait_queue_entry_t,
  mode: number,
  sync: int,
  key: unknown,
): Promise<int> {
  const virqfd = container_of<virqfd>(wait);
  const flags = key_to_poll(key);

  if (flags & EPOLLIN) {
    const cnt = ref(0n);
    eventfd_ctx_do_read(virqfd.eventfd, cnt);

    // Signalled: the handler decides whether the thread has work
    if ((!virqfd.handler || (await virqfd.handler(virqfd.opaque, virqfd.data))) && virqfd.thread)
      await schedule_work(virqfd.inject);
  }

  if (flags & EPOLLHUP) {
    const flags = await spin_lock_irqsave(this.virqfd_lock);

    // The eventfd goes away. A pointer that still leads here means that nobody has queued the release yet; the lock
    // that the caller holds keeps the virqfd alive meanwhile.
    if (virqfd.pvirqfd.v === virqfd) {
      virqfd.pvirqfd.v = null;
      await this.virqfd_deactivate(virqfd);
    }

    await spin_unlock_irqrestore(this.virqfd_lock, flags);
  }

  return 0;
}

/** C: drivers/vfio/virqfd.c static virqfd_ptable_queue_proc() */
export async function virqfd_ptable_queue_proc(
  this: Kernel,
  file: file,
  wqh: wait_queue_head_t,
  pt: poll_table,
): Promise<void> {
  const virqfd = container_of<virqfd>(pt);
  await add_wait_queue(wqh, virqfd.wait);
}

/** C: drivers/vfio/virqfd.c static virqfd_shutdown() */
export async function virqfd_shutdown(this: Kernel, work: work_struct): Promise<void> {
  const virqfd = container_of<virqfd>(work);
  const cnt = ref(0n);

  await eventfd_ctx_remove_wait_queue(virqfd.eventfd, virqfd.wait, cnt);
  await flush_work(virqfd.inject);
  await eventfd_ctx_put(virqfd.eventfd);

  kfree(virqfd);
}

/** C: drivers/vfio/virqfd.c static virqfd_inject() */
export async function virqfd_inject(this: Kernel, work: work_struct): Promise<void> {
  const virqfd = container_of<virqfd>(work);
  if (virqfd.thread) await virqfd.thread(virqfd.opaque, virqfd.data);
}

/** C: drivers/vfio/virqfd.c vfio_virqfd_enable() */
export async function vfio_virqfd_enable<O, D>(
  this: Kernel,
  opaque: O,
  handler: ((opaque: O, data: D) => Awaitable<int>) | null,
  thread: ((opaque: O, data: D) => Awaitable<void>) | null,
  data: D,
  pvirqfd: virqfd_ref,
  fd: int,
): Promise<int> {
  let ret: int = 0;

  const new_virqfd = kzalloc(virqfd, GFP_KERNEL);
  if (!new_virqfd) return -ENOMEM;

  new_virqfd.pvirqfd = pvirqfd;
  new_virqfd.opaque = opaque;
  new_virqfd.handler = handler as virqfd['handler'];
  new_virqfd.thread = thread as virqfd['thread'];
  new_virqfd.data = data;

  INIT_WORK(new_virqfd.shutdown, (work) => this.virqfd_shutdown(work), '&virqfd->shutdown');
  INIT_WORK(new_virqfd.inject, (work) => this.virqfd_inject(work), '&virqfd->inject');

  err_fd: {
    const irqfd = await fdget(fd);
    if (!irqfd.file) {
      ret = -EBADF;
      break err_fd;
    }

    err_ctx: {
      const ctx = await eventfd_ctx_fileget(irqfd.file);
      if (IS_ERR(ctx)) {
        ret = PTR_ERR(ctx);
        break err_ctx;
      }

      new_virqfd.eventfd = ctx;

      err_busy: {
        // Closing the eventfd releases it as well as an ioctl does: the pointer, under the lock, says who comes first
        await spin_lock_irq(this.virqfd_lock);

        if (pvirqfd.v) {
          await spin_unlock_irq(this.virqfd_lock);
          ret = -EBUSY;
          break err_busy;
        }
        pvirqfd.v = new_virqfd;

        await spin_unlock_irq(this.virqfd_lock);

        // From here every signal of the eventfd comes to virqfd_wakeup()
        init_waitqueue_func_entry(new_virqfd.wait, (wait, mode, sync, key) =>
          this.virqfd_wakeup(wait as wait_queue_entry_t, mode, sync, key),
        );
        init_poll_funcptr(new_virqfd.pt, (file, wqh, pt) => this.virqfd_ptable_queue_proc(file, wqh, pt));

        const events = await vfs_poll(irqfd.file, new_virqfd.pt);

        // A signal from before counts too
        if (events & EPOLLIN) {
          if ((!handler || (await handler(opaque, data))) && thread) await schedule_work(new_virqfd.inject);
        }

        // The file is held until here so that EPOLLHUP cannot come in between
        await fdput(irqfd);

        return 0;
      }
      await eventfd_ctx_put(ctx);
    }
    await fdput(irqfd);
  }
  kfree(new_virqfd);

  return ret;
}

/** C: drivers/vfio/virqfd.c vfio_virqfd_disable() */
export async function vfio_virqfd_disable(this: Kernel, pvirqfd: virqfd_ref): Promise<void> {
  const flags = await spin_lock_irqsave(this.virqfd_lock);

  if (pvirqfd.v) {
    await this.virqfd_deactivate(pvirqfd.v);
    pvirqfd.v = null;
  }

  await spin_unlock_irqrestore(this.virqfd_lock, flags);

  // Wait for every release under way, even when this call queued none
  await flush_workqueue(this.vfio_irqfd_cleanup_wq as workqueue_struct);
}
