// SPDX-License-Identifier: GPL-2.0-only
import { join, spawn } from '@vfio-lab/sim';
import { describe, expect, it } from 'vitest';
import * as k from '../src/index.ts';
import { kinds, run, run_clean, run_random } from './machine.ts';

/** A file that writes down what is done to it. */
function logger(calls: string[], extra: k.file_operations = {}): k.file_operations {
  return {
    release: () => {
      calls.push('release');
      return 0;
    },
    read: (_f, _buf, count, pos) => {
      calls.push(`read ${count}@${pos.v}`);
      pos.v += count;
      return count;
    },
    write: (_f, _buf, count, pos) => {
      calls.push(`write ${count}@${pos.v}`);
      return count;
    },
    unlocked_ioctl: (_f, cmd, arg) => {
      calls.push(`ioctl ${cmd} ${arg}`);
      return cmd === 1 ? -k.ENOIOCTLCMD : 7;
    },
    ...extra,
  };
}

function open_anon(fops: k.file_operations, flags = k.O_RDWR, mode = 0): number {
  const fd = k.get_unused_fd_flags(0);
  const f = k.anon_inode_getfile('[test]', fops, null, flags) as k.file;
  f.f_mode |= mode;
  k.fd_install(fd, f);
  return fd;
}

const PMODE = k.FMODE_PREAD | k.FMODE_PWRITE;

describe('descriptors', () => {
  it('gives the lowest free number after the standard three', () =>
    run_clean(async (p) => {
      const a = open_anon({});
      const b = open_anon({});
      expect([a, b]).toEqual([3, 4]);
      expect(await k.sys_close(a)).toBe(0);
      expect(open_anon({})).toBe(3);
      k.put_unused_fd(k.get_unused_fd_flags(0));
      expect(k.get_unused_fd_flags(0)).toBe(5);
      expect(k.open_count(p.files as k.files_struct)).toBe(5);
    }));

  it('is EMFILE when the table is full and EBADF for what is not open', () =>
    run_clean(async () => {
      for (let n = 3; n < 1024; n++) expect(k.get_unused_fd_flags(0)).toBe(n);
      expect(k.get_unused_fd_flags(0)).toBe(-k.EMFILE);
      expect(await k.sys_dup(0)).toBe(-k.EMFILE);
      expect(await k.sys_openat('/dev/null', 0)).toBe(-k.EMFILE);
      expect(await k.sys_eventfd2(0, 0)).toBe(-k.EMFILE);
      k.put_unused_fd(9999);
      for (const fd of [-1, 5, 9999]) {
        expect(await k.sys_close(fd)).toBe(-k.EBADF);
        expect(await k.sys_dup(fd)).toBe(-k.EBADF);
        expect(await k.sys_read(fd, 0, 0)).toBe(-k.EBADF);
        expect(await k.sys_pread64(fd, 0, 0, 0)).toBe(-k.EBADF);
        expect(await k.sys_ioctl(fd, 0, 0)).toBe(-k.EBADF);
        expect(await k.sys_lseek(fd, 0, 0)).toBe(-k.EBADF);
        expect(await k.fget(fd)).toBe(null);
      }
    }));

  it('releases on the last reference only, at the end of the system call', () =>
    run_clean(async () => {
      const calls: string[] = [];
      const fd = open_anon(logger(calls));
      const other = await k.sys_dup(fd);
      const f = (await k.fget(fd)) as k.file;
      await k.get_file(f);
      await k.sys_close(fd);
      await k.sys_close(other);
      await k.fput(f);
      expect(calls).toEqual([]);
      const t = k.syscall_enter();
      await k.fput(f);
      expect(calls).toEqual([]);
      expect(k.in_syscall()).toBe(true);
      await k.syscall_exit(t, 0);
      expect(calls).toEqual(['release']);
    }));

  it('runs what releases put off last in first out, and what that puts off next', () =>
    run_clean(async () => {
      const calls: string[] = [];
      const inner = k.anon_inode_getfile(
        '[inner]',
        { release: () => calls.push('inner') },
        null,
        k.O_RDWR,
      ) as k.file;
      const make = (name: string, more?: () => Promise<void>): k.file =>
        k.anon_inode_getfile(
          name,
          { release: async () => (calls.push(name), await more?.(), 0) },
          null,
          0,
        ) as k.file;
      const t = k.syscall_enter();
      await k.fput(make('first', () => k.fput(inner)));
      await k.fput(make('second'));
      await k.syscall_exit(t, 0);
      expect(calls).toEqual(['second', 'first', 'inner']);
    }));

  it('leaves the release to a kworker when a kernel thread drops the last reference', async () => {
    const m = await run_clean(async () => {
      const calls: string[] = [];
      const f = k.anon_inode_getfile('[x]', logger(calls), null, k.O_RDWR) as k.file;
      const task = spawn('kthread', () => k.fput(f), { kind: 'kthread', process: null });
      await join(task);
      await k.flush_workqueue(k.system_wq());
      expect(calls).toEqual(['release']);
    });
    expect(m.findings).toEqual([]);
  });

  it('reports a reference too many', async () => {
    const m = await run(async () => {
      const f = k.anon_inode_getfile('[x]', {}, null, k.O_RDWR) as k.file;
      await k.fput(f);
      await k.fput(f);
      await k.get_file(f);
    });
    expect(kinds(m)).toEqual(['file-refcount', 'file-refcount']);
  });

  it('pins the module of the operations while the file is open', () =>
    run_clean(async () => {
      const owner = k.get_module('m');
      const fd = open_anon({ owner });
      expect(owner.refcnt).toBe(1);
      await k.sys_close(fd);
      expect(owner.refcnt).toBe(0);
      owner.state = 'going';
      expect(k.anon_inode_getfile('[x]', { owner }, null, 0)).toBe(k.ERR_PTR(-k.ENOENT));
    }));

  it('closes everything at exit', () =>
    run_clean(async (p) => {
      const calls: string[] = [];
      open_anon(logger(calls));
      open_anon(logger(calls));
      await k.sys_exit_group();
      expect(calls).toEqual(['release', 'release']);
      expect([p.mm, p.files]).toEqual([null, null]);
      expect(k.current_mm()).toBe(null);
      await k.sys_exit_group();
      expect(k.get_unused_fd_flags(0)).toBe(-k.EMFILE);
      expect(await k.sys_mmap(0, 1, 0, 0, 0, 0)).toBe(-k.EINVAL);
      expect(await k.sys_munmap(0, 1)).toBe(-k.EINVAL);
      expect(await k.user_load(0, 4)).toMatchObject({ signal: 'SIGSEGV' });
    }));

  it('release runs exactly once whoever is last, close or a call in flight', () =>
    run_random(60, async (p) => {
      let released = 0;
      const fd = open_anon({ release: () => (released++, 0), unlocked_ioctl: () => 0 });
      const results: number[] = [];
      const tasks = [1, 2].map((n) =>
        k.spawn_thread(p, `ioctl${n}`, async () => {
          results.push(await k.sys_ioctl(fd, 5, 0));
        }),
      );
      expect(await k.sys_close(fd)).toBe(0);
      for (const t of tasks) await join(t);
      expect(released).toBe(1);
      for (const r of results) expect([0, -k.EBADF]).toContain(r);
    }));
});

describe('read and write', () => {
  it('pread and pwrite check in the order of the kernel', () =>
    run_clean(async (p) => {
      const mm = p.mm as k.mm_struct;
      const buf = mm.alloc(16);
      const calls: string[] = [];
      const fd = open_anon(logger(calls), k.O_RDWR, PMODE);
      expect(await k.sys_pread64(fd, buf, 4, -1)).toBe(-k.EINVAL);
      expect(await k.sys_pread64(999, buf, 4, -1)).toBe(-k.EINVAL);
      expect(await k.sys_pread64(fd, 2 ** 60, 4, 0)).toBe(-k.EFAULT);
      expect(await k.sys_pwrite64(fd, 2 ** 60, 4, 0)).toBe(-k.EFAULT);
      expect(await k.sys_pread64(fd, buf, -1, 0)).toBe(-k.EINVAL);
      expect(await k.sys_pread64(fd, buf, 4, 2 ** 63)).toBe(-k.EINVAL);
      expect(await k.sys_pwrite64(fd, buf, 4, 2 ** 63)).toBe(-k.EINVAL);
      expect(calls).toEqual([]);
      expect(await k.sys_pread64(fd, buf, 0, 0)).toBe(0);
      expect(await k.sys_pread64(fd, buf, 4, 7 * 2 ** 40)).toBe(4);
      expect(await k.sys_pwrite64(fd, buf, 8, 3)).toBe(8);
      expect(await k.sys_pread64(fd, buf, 2 ** 40, 0)).toBe(k.MAX_RW_COUNT);
      expect(calls).toEqual(['read 0@0', `read 4@${7 * 2 ** 40}`, 'write 8@3', `read ${k.MAX_RW_COUNT}@0`]);
    }));

  it('is EBADF without the mode, EINVAL without the operation, ESPIPE without a position', () =>
    run_clean(async (p) => {
      const buf = (p.mm as k.mm_struct).alloc(16);
      const ro = open_anon(logger([]), k.O_RDONLY, PMODE);
      const wo = open_anon(logger([]), k.O_WRONLY, PMODE);
      const none = open_anon({}, k.O_RDWR, PMODE);
      const stream = open_anon(logger([]));
      expect(await k.sys_pwrite64(ro, buf, 1, 0)).toBe(-k.EBADF);
      expect(await k.sys_write(ro, buf, 1)).toBe(-k.EBADF);
      expect(await k.sys_read(wo, buf, 1)).toBe(-k.EBADF);
      expect(await k.sys_pread64(none, buf, 1, 0)).toBe(-k.EINVAL);
      expect(await k.sys_write(none, buf, 1)).toBe(-k.EINVAL);
      expect(await k.sys_pread64(stream, buf, 1, 0)).toBe(-k.ESPIPE);
      expect(await k.sys_pwrite64(stream, buf, 1, 0)).toBe(-k.ESPIPE);
      expect(await k.sys_lseek(stream, 0, k.SEEK_SET)).toBe(-k.ESPIPE);
      expect(await k.sys_lseek(stream, 0, 9)).toBe(-k.EINVAL);
    }));

  it('read(2) moves the position that lseek sets', () =>
    run_clean(async (p) => {
      const buf = (p.mm as k.mm_struct).alloc(16);
      const calls: string[] = [];
      const fd = open_anon(logger(calls, { llseek: (_f, off) => off }), k.O_RDWR, k.FMODE_LSEEK);
      expect(await k.sys_lseek(fd, 100, k.SEEK_SET)).toBe(100);
      expect(await k.sys_lseek(fd, 2 ** 60, k.SEEK_SET)).toBe(-k.EOVERFLOW);
      await k.sys_read(fd, buf, 4);
      await k.sys_read(fd, buf, 4);
      await k.sys_write(fd, buf, 4);
      expect(calls).toEqual(['read 4@100', 'read 4@104', 'write 4@108']);
    }));
});

describe('ioctl', () => {
  it('is ENOTTY for a file without ioctls or a command it does not know', () =>
    run_clean(async (p) => {
      const calls: string[] = [];
      const fd = open_anon(logger(calls));
      expect(await k.sys_ioctl(open_anon({}), 3, 0)).toBe(-k.ENOTTY);
      expect(await k.sys_ioctl(fd, 1, 0)).toBe(-k.ENOTTY);
      expect(await k.sys_ioctl(fd, -2, 5)).toBe(7);
      expect(calls).toEqual(['ioctl 1 0', 'ioctl 4294967294 5']);
      expect(await k.sys_ioctl(fd, k.FIOCLEX, 0)).toBe(0);
      expect(await k.sys_ioctl(fd, k.FIONCLEX, 0)).toBe(0);
      const arg = (p.mm as k.mm_struct).alloc(4);
      expect(await k.sys_ioctl(fd, k.FIONBIO, 0x1000)).toBe(-k.EFAULT);
      k.put_user(1, arg);
      expect(await k.sys_ioctl(fd, k.FIONBIO, arg)).toBe(0);
      const f = (await k.fget(fd)) as k.file;
      expect(f.f_flags & k.O_NONBLOCK).not.toBe(0);
      k.put_user(0, arg);
      await k.sys_ioctl(fd, k.FIONBIO, arg);
      expect(f.f_flags & k.O_NONBLOCK).toBe(0);
      await k.fput(f);
    }));
});

describe('poll', () => {
  it('is always ready for a file that cannot poll', () =>
    run_clean(async () => {
      expect(await k.sys_poll1(open_anon({}), 5, 0)).toEqual({ ret: 1, revents: 5 });
      expect(await k.sys_poll1(-1, 5, 0)).toEqual({ ret: 0, revents: 0 });
      expect(await k.sys_poll1(77, 5, 0)).toEqual({ ret: 1, revents: k.EPOLLNVAL });
      expect([k.key_to_poll(1), k.key_to_poll(null)]).toEqual([1, 0]);
    }));
});
