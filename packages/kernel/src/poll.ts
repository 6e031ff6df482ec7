// SPDX-License-Identifier: GPL-2.0-only
/* include/linux/poll.h, fs/select.c */
import type { wait_queue_head_t } from '@vfio-lab/locking';
import type { Awaitable } from './container.ts';
import type { file } from './file.ts';

export const EPOLLIN = 0x001;
export const EPOLLPRI = 0x002;
export const EPOLLOUT = 0x004;
export const EPOLLERR = 0x008;
export const EPOLLHUP = 0x010;
export const EPOLLNVAL = 0x020;
export const EPOLLRDNORM = 0x040;
export const EPOLLWRNORM = 0x100;
/** What a file that cannot poll is always ready for. */
export const DEFAULT_POLLMASK = EPOLLIN | EPOLLOUT | EPOLLRDNORM | EPOLLWRNORM;

export type poll_queue_proc = (file: file, wqh: wait_queue_head_t, pt: poll_table) => Awaitable<void>;

/** struct poll_table_struct */
export class poll_table {
  _qproc: poll_queue_proc | null = null;
  _key = 0xffffffff;
  readonly container: unknown;

  constructor(container: unknown = null) {
    this.container = container;
  }
}

/** Set the callback that poll_wait will use. C: include/linux/poll.h init_poll_funcptr() */
export function init_poll_funcptr(pt: poll_table, qproc: poll_queue_proc): void {
  pt._qproc = qproc;
  pt._key = 0xffffffff;
}

/** Called by a file's poll: hand the wait head to whoever polls. C: include/linux/poll.h poll_wait() */
export async function poll_wait(file: file, wqh: wait_queue_head_t, pt: poll_table | null): Promise<void> {
  if (pt !== null && pt._qproc !== null) await pt._qproc(file, wqh, pt);
}

/** The ready mask of a file. C: include/linux/poll.h vfs_poll() */
export async function vfs_poll(file: file, pt: poll_table | null): Promise<number> {
  const poll = file.f_op.poll;
  return poll === undefined ? DEFAULT_POLLMASK : await poll(file, pt);
}

/** The wake-up key as a poll mask. C: include/linux/poll.h key_to_poll() */
export function key_to_poll(key: unknown): number {
  return typeof key === 'number' ? key : 0;
}
