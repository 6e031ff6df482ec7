// SPDX-License-Identifier: GPL-2.0-only
/* The system calls that work on files: fs/read_write.c, fs/ioctl.c, fs/select.c, fs/open.c, fs/file.c. */
import {
  remove_wait_queue,
  type wait_queue_entry,
  type wait_queue_head_t,
  add_wait_queue,
} from '@vfio-lab/locking';
import { current, machine, Obj, type Ref, ref, wait_until, wait_until_timeout } from '@vfio-lab/sim';
import { PAGE_SIZE } from './bits.ts';
import { EBADF, EFAULT, EINVAL, ENOIOCTLCMD, ENOTTY, EOVERFLOW, ERESTARTSYS, ESPIPE } from './errno.ts';
import { IS_ERR, PTR_ERR } from './err_ptr.ts';
import {
  close_fd,
  fd_install,
  fdget,
  fdput,
  fget,
  type file,
  FMODE_CAN_READ,
  FMODE_CAN_WRITE,
  FMODE_LSEEK,
  FMODE_PREAD,
  FMODE_PWRITE,
  FMODE_READ,
  FMODE_WRITE,
  fput,
  get_unused_fd_flags,
  O_NONBLOCK,
  put_unused_fd,
} from './file.ts';
import { do_filp_open } from './open.ts';
import {
  EPOLLERR,
  EPOLLHUP,
  EPOLLNVAL,
  init_poll_funcptr,
  key_to_poll,
  poll_table,
  vfs_poll,
} from './poll.ts';
import { current_files } from './process.ts';
import { syscall_enter, syscall_exit } from './task.ts';
import { access_ok, get_user, type user_ptr } from './uaccess.ts';

/** The most that one read or write moves. */
export const MAX_RW_COUNT = 2 ** 31 - PAGE_SIZE;

export const SEEK_SET = 0;
export const SEEK_CUR = 1;
export const SEEK_END = 2;

export const FIONBIO = 0x5421;
export const FIONCLEX = 0x5450;
export const FIOCLEX = 0x5451;

/** C: fs/read_write.c rw_verify_area() */
function rw_verify_area(pos: number, count: number): number {
  if (count < 0) return -EINVAL;
  if (pos < 0) return -EINVAL;
  if (pos + count >= 2 ** 63) return -EINVAL;
  return 0;
}

/** A count of 0 still reaches the file's own read. C: fs/read_write.c vfs_read() */
async function vfs_read(f: file, buf: user_ptr, count: number, pos: Ref<number>): Promise<number> {
  if (!(f.f_mode & FMODE_READ)) return -EBADF;
  if (!(f.f_mode & FMODE_CAN_READ) || f.f_op.read === undefined) return -EINVAL;
  if (!access_ok(buf, count)) return -EFAULT;
  const ret = rw_verify_area(pos.v, count);
  if (ret !== 0) return ret;
  return f.f_op.read(f, buf, Math.min(count, MAX_RW_COUNT), pos);
}

/** C: fs/read_write.c vfs_write() */
async function vfs_write(f: file, buf: user_ptr, count: number, pos: Ref<number>): Promise<number> {
  if (!(f.f_mode & FMODE_WRITE)) return -EBADF;
  if (!(f.f_mode & FMODE_CAN_WRITE) || f.f_op.write === undefined) return -EINVAL;
  if (!access_ok(buf, count)) return -EFAULT;
  const ret = rw_verify_area(pos.v, count);
  if (ret !== 0) return ret;
  return f.f_op.write(f, buf, Math.min(count, MAX_RW_COUNT), pos);
}

async function at_f_pos(fd: number, buf: user_ptr, count: number, rw: typeof vfs_read): Promise<number> {
  const t = syscall_enter();
  const f = await fdget(fd);
  let ret = -EBADF;
  if (f.file !== null) {
    const pos = ref(f.file.f_pos);
    ret = await rw(f.file, buf, count, pos);
    if (ret >= 0) f.file.f_pos = pos.v;
    await fdput(f);
  }
  return syscall_exit(t, ret);
}

/** read(2). @returns bytes read, or -EBADF, -EINVAL, -EFAULT, or what the file says */
export function sys_read(fd: number, buf: user_ptr, count: number): Promise<number> {
  return at_f_pos(fd, buf, count, vfs_read);
}

/** write(2). @returns bytes written or a negative error, as sys_read */
export function sys_write(fd: number, buf: user_ptr, count: number): Promise<number> {
  return at_f_pos(fd, buf, count, vfs_write);
}

async function at_pos(
  fd: number,
  buf: user_ptr,
  count: number,
  pos: number,
  mode: number,
  rw: typeof vfs_read,
): Promise<number> {
  if (pos < 0) return -EINVAL;
  const t = syscall_enter();
  const f = await fdget(fd);
  let ret = -EBADF;
  if (f.file !== null) {
    ret = f.file.f_mode & mode ? await rw(f.file, buf, count, ref(pos)) : -ESPIPE;
    await fdput(f);
  }
  return syscall_exit(t, ret);
}

/**
 * pread(2).
 * @returns bytes read, or -EINVAL (negative position first), -EBADF, -ESPIPE, -EFAULT, or what the file says
 */
export function sys_pread64(fd: number, buf: user_ptr, count: number, pos: number): Promise<number> {
  return at_pos(fd, buf, count, pos, FMODE_PREAD, vfs_read);
}

/** pwrite(2). @returns bytes written or a negative error, as sys_pread64 */
export function sys_pwrite64(fd: number, buf: user_ptr, count: number, pos: number): Promise<number> {
  return at_pos(fd, buf, count, pos, FMODE_PWRITE, vfs_write);
}

/** lseek(2). @returns the position, -EBADF, -ESPIPE for a file that cannot, -EINVAL, -EOVERFLOW */
export async function sys_lseek(fd: number, off: number, whence: number): Promise<number> {
  const t = syscall_enter();
  const f = await fdget(fd);
  let ret = -EBADF;
  if (f.file !== null) {
    ret = -EINVAL;
    if (whence >= SEEK_SET && whence <= 4) {
      const { llseek } = f.file.f_op;
      ret =
        llseek === undefined || !(f.file.f_mode & FMODE_LSEEK) ? -ESPIPE : await llseek(f.file, off, whence);
      if (ret > Number.MAX_SAFE_INTEGER) ret = -EOVERFLOW;
      if (ret >= 0) f.file.f_pos = ret;
    }
    await fdput(f);
  }
  return syscall_exit(t, ret);
}

/** What every file knows; -ENOIOCTLCMD for the rest. C: fs/ioctl.c do_vfs_ioctl() */
function do_vfs_ioctl(f: file, cmd: number, arg: user_ptr): number {
  switch (cmd) {
    case FIOCLEX:
    case FIONCLEX:
      return 0;
    case FIONBIO: {
      const on = ref(0);
      if (get_user(on, arg) !== 0) return -EFAULT;
      if (on.v !== 0) f.f_flags |= O_NONBLOCK;
      else f.f_flags &= ~O_NONBLOCK;
      return 0;
    }
    default:
      return -ENOIOCTLCMD;
  }
}

/** ioctl(2). @returns what the file says, -EBADF, or -ENOTTY when it knows no such command */
export async function sys_ioctl(fd: number, cmd: number, arg: user_ptr): Promise<number> {
  const t = syscall_enter();
  const f = await fdget(fd);
  let ret = -EBADF;
  if (f.file !== null) {
    ret = do_vfs_ioctl(f.file, cmd, arg);
    if (ret === -ENOIOCTLCMD) {
      const { unlocked_ioctl } = f.file.f_op;
      ret = unlocked_ioctl === undefined ? -ENOTTY : await unlocked_ioctl(f.file, cmd >>> 0, arg);
      if (ret === -ENOIOCTLCMD) ret = -ENOTTY;
    }
    await fdput(f);
  }
  return syscall_exit(t, ret);
}

/** open(2). @returns a descriptor or -ENOENT, -EACCES, -EMFILE, -ENXIO, or what the device's open says */
export async function sys_openat(path: string, flags: number): Promise<number> {
  const t = syscall_enter();
  let ret = get_unused_fd_flags(flags);
  if (ret >= 0) {
    const f = await do_filp_open(path, flags);
    if (IS_ERR(f)) {
      put_unused_fd(ret);
      ret = PTR_ERR(f);
    } else {
      fd_install(ret, f);
    }
  }
  return syscall_exit(t, ret);
}

/** close(2). @returns 0, -EBADF, or what flush says */
export async function sys_close(fd: number): Promise<number> {
  const t = syscall_enter();
  return syscall_exit(t, await close_fd(current_files(), fd));
}

/** dup(2). @returns a descriptor, -EBADF, -EMFILE */
export async function sys_dup(fd: number): Promise<number> {
  const t = syscall_enter();
  let ret = -EBADF;
  const f = await fget(fd);
  if (f !== null) {
    ret = get_unused_fd_flags(0);
    if (ret >= 0) fd_install(ret, f);
    else await fput(f);
  }
  return syscall_exit(t, ret);
}

/** A poller's place in the wait queues of the file. C: fs/select.c struct poll_wqueues */
class PollWait extends Obj {
  readonly pt = new poll_table(this);
  readonly entries: { wqh: wait_queue_head_t; entry: wait_queue_entry }[] = [];
  readonly mask: number;
  triggered = false;

  constructor(mask: number) {
    super('poll');
    this.mask = mask;
    init_poll_funcptr(this.pt, (_file, wqh) => this.#queue(wqh));
  }

  async #queue(wqh: wait_queue_head_t): Promise<void> {
    const entry: wait_queue_entry = {
      private: current,
      func: (_entry, _mode, _flags, key) => {
        const events = key_to_poll(key);
        if (events !== 0 && !(events & this.mask)) return 0;
        machine.publish(this);
        this.triggered = true;
        return 1;
      },
    };
    this.entries.push({ wqh, entry });
    await add_wait_queue(wqh, entry);
  }

  async free(): Promise<void> {
    for (const { wqh, entry } of this.entries) await remove_wait_queue(wqh, entry);
  }
}

/** C: fs/select.c do_poll() for one descriptor */
async function do_poll(f: file, events: number, ms: number): Promise<number> {
  const mask = (events | EPOLLERR | EPOLLHUP) & 0xffff;
  let ready = (await vfs_poll(f, null)) & mask;
  if (ready !== 0 || ms === 0) return ready;
  const task = current;
  const pwq = new PollWait(mask);
  ready = (await vfs_poll(f, pwq.pt)) & mask;
  const woken = (): boolean => pwq.triggered || task.signal_pending;
  while (ready === 0) {
    if (ms < 0) await wait_until(pwq, woken);
    else if (!(await wait_until_timeout(pwq, woken, ms * 1e6))) break;
    if (task.signal_pending && !pwq.triggered) {
      ready = -ERESTARTSYS;
      break;
    }
    pwq.triggered = false;
    ready = (await vfs_poll(f, null)) & mask;
  }
  await pwq.free();
  return ready;
}

/**
 * poll(2) of one descriptor.
 *
 * @param ms how long to wait, negative: for ever
 * @returns ret 1 with revents (EPOLLNVAL for a descriptor that is not open); ret 0 when time ran out or for a
 *   negative descriptor; ret -EINTR after a signal
 */
export async function sys_poll1(
  fd: number,
  events: number,
  ms: number,
): Promise<{ ret: number; revents: number }> {
  if (fd < 0) return { ret: 0, revents: 0 };
  const t = syscall_enter();
  const f = await fdget(fd);
  let ready = EPOLLNVAL;
  if (f.file !== null) {
    ready = await do_poll(f.file, events, ms);
    await fdput(f);
  }
  ready = await syscall_exit(t, ready);
  if (ready < 0) return { ret: ready, revents: 0 };
  return { ret: ready === 0 ? 0 : 1, revents: ready };
}
