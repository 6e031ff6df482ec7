// SPDX-License-Identifier: GPL-2.0-only
/* Open files and tables of file descriptors: fs/file.c, fs/file_table.c, fs/anon_inodes.c. */
import { access, current, machine, Obj, type Ref, report } from '@vfio-lab/sim';
import { type cdev, cdev_put } from './chrdev.ts';
import type { Awaitable } from './container.ts';
import { EBADF, EMFILE, ENOENT } from './errno.ts';
import { ERR_PTR, type err_ptr } from './err_ptr.ts';
import type { vm_area_struct } from './mm.ts';
import { type module, module_put, try_module_get } from './module.ts';
import type { poll_table } from './poll.ts';
import { current_files } from './process.ts';
import { task_fields_of } from './task.ts';
import type { user_ptr } from './uaccess.ts';
import { INIT_WORK, schedule_work, work_struct } from './workqueue.ts';

export const O_ACCMODE = 3;
export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 2;
export const O_NONBLOCK = 0x800;
export const O_CLOEXEC = 0x80000;

export const FMODE_READ = 0x1;
export const FMODE_WRITE = 0x2;
export const FMODE_LSEEK = 0x4;
export const FMODE_PREAD = 0x8;
export const FMODE_PWRITE = 0x10;
export const FMODE_CAN_READ = 0x20000;
export const FMODE_CAN_WRITE = 0x40000;
export const FMODE_OPENED = 0x80000;
export const FMODE_NOWAIT = 0x8000000;

/** Descriptors a process may have open (RLIMIT_NOFILE). */
const NR_OPEN_DEFAULT = 1024;

/** struct inode, of a device node or of the anonymous inode. */
export class inode {
  readonly name: string;
  i_rdev = 0;
  i_cdev!: cdev;
  readonly is_chr: boolean;

  constructor(name: string, is_chr: boolean) {
    this.name = name;
    this.is_chr = is_chr;
  }
}

/** struct file_operations. Calls are awaited. Positions and counts are numbers. */
export interface file_operations {
  owner?: module | null;
  open?(inode: inode, file: file): Awaitable<number>;
  release?(inode: inode, file: file): Awaitable<number>;
  flush?(file: file): Awaitable<number>;
  read?(file: file, buf: user_ptr, count: number, ppos: Ref<number>): Awaitable<number>;
  write?(file: file, buf: user_ptr, count: number, ppos: Ref<number>): Awaitable<number>;
  llseek?(file: file, off: number, whence: number): Awaitable<number>;
  unlocked_ioctl?(file: file, cmd: number, arg: user_ptr): Awaitable<number>;
  compat_ioctl?(file: file, cmd: number, arg: user_ptr): Awaitable<number>;
  mmap?(file: file, vma: vm_area_struct): Awaitable<number>;
  poll?(file: file, pt: poll_table | null): Awaitable<number>;
}

/** struct file: an open file. */
export class file extends Obj {
  f_op: file_operations;
  f_flags: number;
  f_mode: number;
  f_pos = 0;
  /** References: descriptors, borrowing system calls, mappings, kernel users. */
  f_count = 1;
  /** Where every reference is dropped; whoever drops the last comes after all others. */
  readonly puts = new Obj('f_count');
  private_data: unknown = null;
  readonly f_inode: inode;
  /** It left the descriptor table, so any reference may be the last. */
  closed = false;

  constructor(inode: inode, f_op: file_operations, flags: number) {
    super(`file ${inode.name}`);
    this.f_inode = inode;
    this.f_op = f_op;
    this.f_flags = flags;
    this.f_mode = open_fmode(flags);
  }
}

/** C: include/linux/fs.h OPEN_FMODE() */
function open_fmode(flags: number): number {
  return ((flags & O_ACCMODE) + 1) & O_ACCMODE;
}

/**
 * Reading and writing need both the mode and an operation.
 * C: fs/open.c do_dentry_open(), fs/file_table.c alloc_file()
 */
export function set_can_mode(f: file): void {
  if (f.f_mode & FMODE_READ && f.f_op.read !== undefined) f.f_mode |= FMODE_CAN_READ;
  if (f.f_mode & FMODE_WRITE && f.f_op.write !== undefined) f.f_mode |= FMODE_CAN_WRITE;
  f.f_mode |= FMODE_OPENED;
}

/**
 * A new file on the shared anonymous inode; no descriptor yet.
 * @returns ERR_PTR(-ENOENT) when the owner of the operations is going away
 * C: fs/anon_inodes.c anon_inode_getfile()
 */
export function anon_inode_getfile(
  name: string,
  fops: file_operations,
  priv: unknown,
  flags: number,
): file | err_ptr {
  if (!try_module_get(fops.owner)) return ERR_PTR(-ENOENT);
  const f = new file(new inode(name, false), fops, flags & (O_ACCMODE | O_NONBLOCK));
  set_can_mode(f);
  f.private_data = priv;
  return f;
}

class fd_slot extends Obj {
  file: file | null = null;
  reserved = false;
}

/** struct files_struct: the descriptors of a process. */
export class files_struct {
  readonly slots: fd_slot[] = [];
  /** How many descriptors there may be: RLIMIT_NOFILE. */
  rlimit_nofile = NR_OPEN_DEFAULT;
  /** Every descriptor below is taken. */
  next_fd = 0;

  /** The slot of a descriptor; null for a number that no descriptor can have. */
  slot(fd: number): fd_slot | null {
    if (fd < 0 || fd >= this.rlimit_nofile || !Number.isInteger(fd)) return null;
    while (this.slots.length <= fd) this.slots.push(new fd_slot(`fd ${this.slots.length}`));
    return this.slots[fd];
  }
}

function alloc_fd(files: files_struct): number {
  for (let fd = files.next_fd; fd < files.rlimit_nofile; fd++) {
    const slot = files.slot(fd) as fd_slot;
    if (slot.file !== null || slot.reserved) continue;
    slot.reserved = true;
    files.next_fd = fd + 1;
    return fd;
  }
  return -EMFILE;
}

/**
 * Reserve the lowest free descriptor.
 * @returns -EMFILE when the table is full.
 * C: fs/file.c get_unused_fd_flags()
 */
export function get_unused_fd_flags(flags: number): number {
  const files = current_files();
  return files === null ? -EMFILE : alloc_fd(files);
}

/** Give a reserved descriptor back. C: fs/file.c put_unused_fd() */
export function put_unused_fd(fd: number): void {
  const files = current_files();
  const slot = files?.slot(fd) ?? null;
  if (files === null || slot === null) return;
  slot.reserved = false;
  files.next_fd = Math.min(files.next_fd, fd);
}

/**
 * Publish the file at the reserved descriptor: from here user space can use and close it.
 * C: fs/file.c fd_install()
 */
export function fd_install(fd: number, f: file): void {
  const files = current_files();
  if (files !== null) install(files, fd, f);
}

/** fd_install() for a process that is not running yet. */
export function install(files: files_struct, fd: number, f: file): void {
  const slot = files.slot(fd) as fd_slot;
  slot.reserved = false;
  slot.file = f;
  machine.publish(slot);
  f.closed = false;
  machine.scope(OpenFiles, () => new OpenFiles()).files.add(f);
}

/** Put a file into a table, at the lowest free descriptor. */
export function install_lowest(files: files_struct, f: file): number {
  const fd = alloc_fd(files);
  if (fd >= 0) install(files, fd, f);
  return fd;
}

/** struct fd: a borrowed file. */
export class fd {
  readonly file: file | null;

  constructor(file: file | null) {
    this.file = file;
  }
}

const EMPTY_FD = Object.freeze(new fd(null));

/**
 * Borrow the file of a descriptor for this system call. The table counts as shared, so it takes a reference.
 * C: include/linux/file.h fdget()
 */
export async function fdget(n: number): Promise<fd> {
  const f = await fget(n);
  return f === null ? EMPTY_FD : new fd(f);
}

/**
 * End the borrow. While the descriptor is still open this cannot be the last reference, so that the end of two calls
 * on one file commutes.
 * C: include/linux/file.h fdput()
 */
export async function fdput(f: fd): Promise<void> {
  if (f.file === null) return;
  await access(f.file, f.file.closed);
  await put_ref(f.file);
}

/** Reference the file of a descriptor, or null. C: fs/file.c fget() */
export async function fget(n: number): Promise<file | null> {
  const slot = current_files()?.slot(n) ?? null;
  if (slot === null) return null;
  await access(slot, false, 'read');
  const f = slot.file;
  if (f !== null) f.f_count++;
  return f;
}

/** One more reference on a file already held. C: include/linux/fs.h get_file() */
export async function get_file(f: file): Promise<file> {
  await access(f, false);
  if (f.f_count <= 0) report('file-refcount', `get_file of ${f.name}, which has no references`);
  f.f_count++;
  return f;
}

/** Drop a reference; on the last, release runs at the end of the system call. C: fs/file_table.c fput() */
export async function fput(f: file): Promise<void> {
  await access(f, true);
  await put_ref(f);
}

/**
 * Files whose last reference a kernel thread dropped: a kworker releases them.
 * C: fs/file_table.c delayed_fput()
 */
class DelayedFput {
  readonly files: file[] = [];
  readonly work = new work_struct(this);

  constructor() {
    INIT_WORK(this.work, async () => {
      for (const f of this.files.splice(0)) await __fput(f);
    });
  }
}

async function put_ref(f: file): Promise<void> {
  if (f.f_count <= 0) {
    report('file-refcount', `fput of ${f.name}, which has no references`);
    return;
  }
  machine.publish(f.puts);
  if (--f.f_count > 0) return;
  machine.observe(f.puts);
  const t = task_fields_of(current);
  if (t.syscall_depth > 0) {
    t.task_works.push(() => __fput(f));
  } else if (current_files() === null) {
    const d = machine.scope(DelayedFput, () => new DelayedFput());
    d.files.push(f);
    await schedule_work(d.work);
  } else {
    await __fput(f);
  }
}

/** Files that a descriptor has stood for and that are not released. */
class OpenFiles {
  readonly files = new Set<file>();
}

/** The files that had a descriptor and are not released yet, oldest first; for checkers. */
export function unreleased_files(): file[] {
  return [...machine.scope(OpenFiles, () => new OpenFiles()).files];
}

/** C: fs/file_table.c __fput() */
async function __fput(f: file): Promise<void> {
  machine.scope(OpenFiles, () => new OpenFiles()).files.delete(f);
  await f.f_op.release?.(f.f_inode, f);
  if (f.f_inode.is_chr) await cdev_put(f.f_inode.i_cdev);
  module_put(f.f_op.owner);
}

/** C: fs/open.c filp_close() */
async function filp_close(f: file): Promise<number> {
  const ret = (await f.f_op.flush?.(f)) ?? 0;
  await fput(f);
  return ret;
}

/** Take a file out of a table and drop the table's reference. @returns -EBADF. C: fs/file.c close_fd() */
export async function close_fd(files: files_struct | null, n: number): Promise<number> {
  const slot = files?.slot(n) ?? null;
  if (files === null || slot === null) return -EBADF;
  await access(slot, true, 'syscall');
  machine.observe(slot);
  const f = slot.file;
  if (f === null) return -EBADF;
  slot.file = null;
  files.next_fd = Math.min(files.next_fd, n);
  f.closed = true;
  return filp_close(f);
}

/** Close everything. C: fs/file.c exit_files() */
export async function exit_files(files: files_struct): Promise<void> {
  for (let n = 0; n < files.slots.length; n++) if (files.slots[n].file !== null) await close_fd(files, n);
}

/** How many descriptors are open. */
export function open_count(files: files_struct): number {
  return files.slots.filter((s) => s.file !== null).length;
}
