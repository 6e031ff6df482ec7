// SPDX-License-Identifier: GPL-2.0-only
/* fs/open.c: from a path to an open file. Only /dev and /sys exist. */
import { type cdev, chrdev_open, devtmpfs_lookup } from './chrdev.ts';
import { EACCES, EISDIR, ENOENT, ENXIO } from './errno.ts';
import { ERR_PTR, type err_ptr } from './err_ptr.ts';
import {
  file,
  type file_operations,
  type files_struct,
  FMODE_LSEEK,
  FMODE_PREAD,
  FMODE_PWRITE,
  FMODE_READ,
  FMODE_WRITE,
  inode,
  install_lowest,
  O_RDWR,
  set_can_mode,
} from './file.ts';
import { sysfs_file, sysfs_fops, sysfs_lookup } from './sysfs.ts';

const NULL_FOPS: file_operations = Object.freeze<file_operations>({
  read: () => 0,
  write: (_f, _buf, count) => count,
  llseek: () => 0,
});

/** Descriptors 0 to 2 of a new process: /dev/null. */
export function open_standard_files(files: files_struct): void {
  for (let n = 0; n < 3; n++)
    install_lowest(files, seekable(new file(new inode('/dev/null', false), NULL_FOPS, O_RDWR)));
}

function seekable(f: file): file {
  f.f_mode |= FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE;
  set_can_mode(f);
  return f;
}

/** @returns the open file, or ERR_PTR(-ENOENT, -EACCES, -EISDIR, -ENXIO, or what the device's open says) */
export async function do_filp_open(path: string, flags: number): Promise<file | err_ptr> {
  if (path === '/dev/null') return seekable(new file(new inode(path, false), NULL_FOPS, flags));
  const node = devtmpfs_lookup(path);
  if (node !== null) {
    if ((node.i_cdev as cdev | undefined) === undefined) return ERR_PTR(-ENXIO);
    const f = seekable(new file(node, {}, flags));
    const ret = await chrdev_open(node, f);
    return ret === 0 ? f : ERR_PTR(ret);
  }
  const attr = sysfs_lookup(path);
  if (attr === null) return ERR_PTR(-ENOENT);
  if (!(attr instanceof sysfs_file)) return ERR_PTR(-EISDIR);
  const f = seekable(new file(new inode(path, false), sysfs_fops, flags));
  if ((f.f_mode & FMODE_WRITE && !(attr.mode & 0o222)) || (f.f_mode & FMODE_READ && !(attr.mode & 0o444))) {
    return ERR_PTR(-EACCES);
  }
  f.private_data = attr;
  return f;
}
