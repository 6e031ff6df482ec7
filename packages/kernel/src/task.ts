// SPDX-License-Identifier: GPL-2.0-only
/* What this package keeps for each task besides what the scheduler knows. */
import { current, type Task } from '@vfio-lab/sim';
import type { Awaitable } from './container.ts';
import { EINTR, ERESTARTSYS } from './errno.ts';

/** Fields of struct task_struct that the scheduler has no use for. */
export class task_fields {
  in_eventfd_signal = false;
  /** System calls entered and not left; more than one only when simulated code calls sys_*() itself. */
  syscall_depth = 0;
  /** Done when the outermost system call returns to user space, last in first out. */
  readonly task_works: (() => Awaitable<void>)[] = [];
}

/** The fields of a task, made on first use. */
export function task_fields_of(task: Task): task_fields {
  let t = task.local.get(task_fields) as task_fields | undefined;
  if (t === undefined) task.local.set(task_fields, (t = new task_fields()));
  return t;
}

/**
 * Do what was put off to the return to user space, and what that puts off in turn.
 * C: kernel/task_work.c task_work_run()
 */
export async function task_work_run(t: task_fields): Promise<void> {
  while (t.task_works.length > 0) {
    const works = t.task_works.splice(0).reverse();
    for (const work of works) await work();
  }
}

/** Begin a system call. Pair with syscall_exit(). */
export function syscall_enter(): task_fields {
  const t = task_fields_of(current);
  t.syscall_depth++;
  return t;
}

/**
 * End a system call: the last references that it dropped are released now. Passes the result through; an interrupted
 * call is not restarted.
 */
export function syscall_exit(t: task_fields, result: number): number | Promise<number> {
  const ret = result === -ERESTARTSYS ? -EINTR : result;
  if (--t.syscall_depth > 0 || t.task_works.length === 0) return ret;
  return finish(t, ret);
}

async function finish(t: task_fields, ret: number): Promise<number> {
  // Still on the way out of the kernel: a reference dropped by a release is put off as well, not released inside it
  t.syscall_depth++;
  await task_work_run(t);
  t.syscall_depth--;
  return ret;
}

/** The global pid of a task, for messages. C: include/linux/sched.h task_pid_nr() */
export function task_pid_nr(task: Task): number {
  return task.pid;
}

/** Is a signal pending for this task? C: include/linux/sched/signal.h signal_pending() */
export function signal_pending(task: Task): boolean {
  return task.signal_pending;
}
