// SPDX-License-Identifier: GPL-2.0-only
/* Prototypes and file-scope data of drivers/vfio/virqfd.c (v5.19-rc4), static ones too, in the file's order. */

import type { Awaitable, file, poll_table, work_struct, workqueue_struct } from '@vfio-lab/kernel';
import type { spinlock_t, wait_queue_entry_t, wait_queue_head_t } from '@vfio-lab/locking';
import type { int } from '@vfio-lab/sim';
import type { virqfd, virqfd_ref } from '../vfio.ts';

export interface virqfd_c {
  vfio_irqfd_cleanup_wq: workqueue_struct | null;
  virqfd_lock: spinlock_t;

  vfio_virqfd_init(): int;
  vfio_virqfd_exit(): Promise<void>;
  virqfd_deactivate(virqfd: virqfd): Promise<void>;
  virqfd_wakeup(wait: wait_queue_entry_t, mode: number, sync: int, key: unknown): Promise<int>;
  virqfd_ptable_queue_proc(file: file, wqh: wait_queue_head_t, pt: poll_table): Promise<void>;
  virqfd_shutdown(work: work_struct): Promise<void>;
  virqfd_inject(work: work_struct): Promise<void>;
  vfio_virqfd_enable<O, D>(
    opaque: O,
    handler: ((opaque: O, data: D) => Awaitable<int>) | null,
    thread: ((opaque: O, data: D) => Awaitable<void>) | null,
    data: D,
    pvirqfd: virqfd_ref,
    fd: int,
  ): Promise<int>;
  vfio_virqfd_disable(pvirqfd: virqfd_ref): Promise<void>;
}
