// SPDX-License-Identifier: GPL-2.0-only
/* A user-space process: an address space, a table of files, capabilities. */
import { current, machine, spawn, type Task } from '@vfio-lab/sim';
import { exit_files, files_struct } from './file.ts';
import { mm_struct, mmput } from './mm.ts';
import { open_standard_files } from './open.ts';
import { syscall_enter, syscall_exit, task_fields_of } from './task.ts';

export const CAP_DAC_OVERRIDE = 1;
export const CAP_SYS_RAWIO = 17;
export const CAP_SYS_ADMIN = 21;

/** The process of the tasks that run in it (`current.process`). */
export class process {
  readonly pid: number;
  readonly comm: string;
  mm: mm_struct | null;
  files: files_struct | null;
  /** Capabilities that were taken away; root has the others. */
  readonly dropped_caps = new Set<number>();

  constructor(pid: number, comm: string) {
    this.pid = pid;
    this.comm = comm;
    this.mm = new mm_struct();
    this.files = new files_struct();
  }
}

class Pids {
  next = 1000;
}

/**
 * A new process with an empty address space. The file descriptors 0 to 2 are open on /dev/null.
 *
 * @param comm its name
 */
export function create_process(comm: string): process {
  const pids = machine.scope(Pids, () => new Pids());
  const p = new process(pids.next++, comm);
  open_standard_files(p.files as files_struct);
  return p;
}

/** A thread of a process: a user task named `name`. */
export function spawn_thread(p: process, name: string, fn: () => Promise<void> | void): Task {
  return spawn(name, fn, { kind: 'user', process: p, comm: p.comm });
}

/** The process of the running task, null in kernel threads, interrupts and timers. */
export function current_process(): process | null {
  const p = current.process;
  return p instanceof process ? p : null;
}

/** The address space of the running task. C: current->mm */
export function current_mm(): mm_struct | null {
  const p = current.process;
  return p instanceof process ? p.mm : null;
}

/** The file table of the running task. C: current->files */
export function current_files(): files_struct | null {
  const p = current.process;
  return p instanceof process ? p.files : null;
}

/** Has the running task the capability? Kernel threads have all. C: kernel/capability.c capable() */
export function capable(cap: number): boolean {
  const p = current.process;
  return !(p instanceof process) || !p.dropped_caps.has(cap);
}

/**
 * End the process of the running task: give up the address space, then close all files. Its threads must have ended.
 * C: kernel/exit.c do_exit()
 */
export async function sys_exit_group(): Promise<void> {
  const p = current_process();
  if (p === null) return;
  const t = syscall_enter();
  const { mm, files } = p;
  p.mm = null;
  if (mm !== null) await mmput(mm);
  if (files !== null) await exit_files(files);
  p.files = null;
  await syscall_exit(t, 0);
}

/** Is the running task inside a system call? */
export function in_syscall(): boolean {
  return task_fields_of(current).syscall_depth > 0;
}
