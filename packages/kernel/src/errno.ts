// SPDX-License-Identifier: GPL-2.0-only
/*
 * Error numbers: include/uapi/asm-generic/errno-base.h, errno.h and the kernel-only ones of include/linux/errno.h.
 */

export const EPERM = 1;
export const ENOENT = 2;
export const ESRCH = 3;
export const EINTR = 4;
export const EIO = 5;
export const ENXIO = 6;
export const E2BIG = 7;
export const ENOEXEC = 8;
export const EBADF = 9;
export const ECHILD = 10;
export const EAGAIN = 11;
export const ENOMEM = 12;
export const EACCES = 13;
export const EFAULT = 14;
export const ENOTBLK = 15;
export const EBUSY = 16;
export const EEXIST = 17;
export const EXDEV = 18;
export const ENODEV = 19;
export const ENOTDIR = 20;
export const EISDIR = 21;
export const EINVAL = 22;
export const ENFILE = 23;
export const EMFILE = 24;
export const ENOTTY = 25;
export const ETXTBSY = 26;
export const EFBIG = 27;
export const ENOSPC = 28;
export const ESPIPE = 29;
export const EROFS = 30;
export const EMLINK = 31;
export const EPIPE = 32;
export const EDOM = 33;
export const ERANGE = 34;
export const EDEADLK = 35;
export const ENAMETOOLONG = 36;
export const ENOLCK = 37;
export const ENOSYS = 38;
export const ENOTEMPTY = 39;
export const ELOOP = 40;
export const ENODATA = 61;
export const ETIME = 62;
export const EOVERFLOW = 75;
export const EILSEQ = 84;
export const EOPNOTSUPP = 95;
export const ENOTCONN = 107;
export const ETIMEDOUT = 110;
export const EALREADY = 114;
export const EINPROGRESS = 115;
export const ECANCELED = 125;

// Never seen by user space.
export const ERESTARTSYS = 512;
export const ENOIOCTLCMD = 515;
export const EPROBE_DEFER = 517;
export const ENOTSUPP = 524;

/** Largest error number that an error pointer can carry. */
export const MAX_ERRNO = 4095;

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries({
    EPERM,
    ENOENT,
    ESRCH,
    EINTR,
    EIO,
    ENXIO,
    E2BIG,
    ENOEXEC,
    EBADF,
    ECHILD,
    EAGAIN,
    ENOMEM,
    EACCES,
    EFAULT,
    ENOTBLK,
    EBUSY,
    EEXIST,
    EXDEV,
    ENODEV,
    ENOTDIR,
    EISDIR,
    EINVAL,
    ENFILE,
    EMFILE,
    ENOTTY,
    ETXTBSY,
    EFBIG,
    ENOSPC,
    ESPIPE,
    EROFS,
    EMLINK,
    EPIPE,
    EDOM,
    ERANGE,
    EDEADLK,
    ENAMETOOLONG,
    ENOLCK,
    ENOSYS,
    ENOTEMPTY,
    ELOOP,
    ENODATA,
    ETIME,
    EOVERFLOW,
    EILSEQ,
    EOPNOTSUPP,
    ENOTCONN,
    ETIMEDOUT,
    EALREADY,
    EINPROGRESS,
    ECANCELED,
    ERESTARTSYS,
    ENOIOCTLCMD,
    EPROBE_DEFER,
    ENOTSUPP,
  }).map(([name, value]) => [value, name]),
);

/**
 * The name of an error number, as strerrorname_np(3) gives it.
 *
 * @param err an error number, positive or negative
 * @returns e.g. `EINVAL`; the number as text when it has no name
 */
export function errno_name(err: number): string {
  return NAMES.get(Math.abs(err)) ?? String(Math.abs(err));
}
