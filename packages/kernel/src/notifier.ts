// SPDX-License-Identifier: GPL-2.0-only
/* kernel/notifier.c: blocking notifier chains. */
import { down_read, down_write, init_rwsem, rw_semaphore, up_read, up_write } from '@vfio-lab/locking';
import type { Awaitable } from './container.ts';
import { EEXIST, ENOENT } from './errno.ts';

export const NOTIFY_DONE = 0x0000;
export const NOTIFY_OK = 0x0001;
export const NOTIFY_STOP_MASK = 0x8000;
export const NOTIFY_BAD = NOTIFY_STOP_MASK | 0x0002;
export const NOTIFY_STOP = NOTIFY_OK | NOTIFY_STOP_MASK;

/** struct notifier_block */
export class notifier_block {
  notifier_call: (nb: notifier_block, action: number, data: unknown) => Awaitable<number> = () => NOTIFY_DONE;
  next: notifier_block | null = null;
  priority = 0;
  readonly container: unknown;

  constructor(container: unknown = null) {
    this.container = container;
  }
}

/** struct blocking_notifier_head */
export class blocking_notifier_head {
  readonly rwsem = new rw_semaphore('&(nh)->rwsem');
  head: notifier_block | null = null;
}

/** C: include/linux/notifier.h BLOCKING_INIT_NOTIFIER_HEAD() */
export function BLOCKING_INIT_NOTIFIER_HEAD(nh: blocking_notifier_head, name = '&(nh)->rwsem'): void {
  init_rwsem(nh.rwsem, name);
  nh.head = null;
}

function insert(nh: blocking_notifier_head, nb: notifier_block): number {
  let prev: notifier_block | null = null;
  let pos = nh.head;
  while (pos !== null) {
    if (pos === nb) return -EEXIST;
    if (nb.priority > pos.priority) break;
    prev = pos;
    pos = pos.next;
  }
  nb.next = pos;
  if (prev === null) nh.head = nb;
  else prev.next = nb;
  return 0;
}

function remove(nh: blocking_notifier_head, nb: notifier_block): number {
  let prev: notifier_block | null = null;
  for (let pos = nh.head; pos !== null; prev = pos, pos = pos.next) {
    if (pos !== nb) continue;
    if (prev === null) nh.head = nb.next;
    else prev.next = nb.next;
    return 0;
  }
  return -ENOENT;
}

/**
 * Add a callback, behind those of the same or a higher priority.
 * @returns 0, -EEXIST when it is there already
 * C: kernel/notifier.c blocking_notifier_chain_register()
 */
export async function blocking_notifier_chain_register(
  nh: blocking_notifier_head,
  nb: notifier_block,
): Promise<number> {
  await down_write(nh.rwsem);
  const ret = insert(nh, nb);
  await up_write(nh.rwsem);
  return ret;
}

/** @returns 0 or -ENOENT. C: kernel/notifier.c blocking_notifier_chain_unregister() */
export async function blocking_notifier_chain_unregister(
  nh: blocking_notifier_head,
  nb: notifier_block,
): Promise<number> {
  await down_write(nh.rwsem);
  const ret = remove(nh, nb);
  await up_write(nh.rwsem);
  return ret;
}

/** Call the chain until a callback stops it. C: kernel/notifier.c blocking_notifier_call_chain() */
export async function blocking_notifier_call_chain(
  nh: blocking_notifier_head,
  action: number,
  data: unknown,
): Promise<number> {
  let ret = NOTIFY_DONE;
  if (nh.head === null) return ret;
  await down_read(nh.rwsem);
  for (let nb = nh.head as notifier_block | null; nb !== null;) {
    const next: notifier_block | null = nb.next;
    ret = await nb.notifier_call(nb, action, data);
    if (ret & NOTIFY_STOP_MASK) break;
    nb = next;
  }
  await up_read(nh.rwsem);
  return ret;
}
