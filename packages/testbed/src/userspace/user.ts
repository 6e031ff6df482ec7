// SPDX-License-Identifier: GPL-2.0-only
import {
  EFD_NONBLOCK,
  type mm_struct,
  O_RDONLY,
  O_RDWR,
  type process,
  sys_close,
  sys_dup,
  sys_eventfd2,
  sys_ioctl,
  sys_lseek,
  sys_mmap,
  sys_munmap,
  sys_openat,
  sys_poll1,
  sys_pread64,
  sys_pwrite64,
  sys_read,
  sys_write,
  user_load,
  user_store,
  type ustruct,
} from '@vfio-lab/kernel';

/** An address that is never mapped, and one of the kernel's. */
export const BAD_POINTER = 0x1000;
export const KERNEL_POINTER = 0xffff_8880_0000_0000;

/** What came back from a call that fills a buffer. `ret` is the system call's: >= 0, or -errno. */
export interface Filled {
  ret: number;
  bytes: Uint8Array;
}

/**
 * A user program's view of the system: system calls with real numbers and buffers of bytes in the memory of its
 * process. Every method must be called from a task of that process.
 */
export class User {
  readonly process: process;

  constructor(proc: process) {
    this.process = proc;
  }

  private get mm(): mm_struct {
    if (this.process.mm === null) throw new Error('the process has ended');
    return this.process.mm;
  }

  /** Copy bytes into fresh user memory, run `body` with the address, and give the memory back. */
  async withBuffer<T>(bytes: Uint8Array, body: (addr: number) => Promise<T>): Promise<T> {
    const mm = this.mm;
    const size = Math.max(bytes.length, 1);
    const addr = mm.alloc(size);
    mm.store(addr, bytes);
    try {
      return await body(addr);
    } finally {
      mm.free(addr, size);
    }
  }

  open(path: string, readOnly = false): Promise<number> {
    return sys_openat(path, readOnly ? O_RDONLY : O_RDWR);
  }

  close(fd: number): Promise<number> {
    return sys_close(fd);
  }

  dup(fd: number): Promise<number> {
    return sys_dup(fd);
  }

  /** An ioctl whose argument is a number, not a pointer. */
  ioctl(fd: number, cmd: number, arg = 0): Promise<number> {
    return sys_ioctl(fd, cmd, arg);
  }

  /** An ioctl on a buffer: passes a copy of `bytes` and returns what the kernel left in it. */
  ioctlBytes(fd: number, cmd: number, bytes: Uint8Array): Promise<Filled> {
    return this.withBuffer(bytes, async (addr) => {
      const ret = await sys_ioctl(fd, cmd, addr);
      return { ret, bytes: this.mm.load(addr, bytes.length) };
    });
  }

  /** An ioctl on a struct, with what follows it in its buffer: updated in place. */
  async ioctlStruct(fd: number, cmd: number, arg: ustruct): Promise<number> {
    const buffer = bufferOf(arg);
    const { ret, bytes } = await this.ioctlBytes(fd, cmd, buffer);
    buffer.set(bytes);
    return ret;
  }

  pread(fd: number, length: number, pos: number): Promise<Filled> {
    return this.withBuffer(new Uint8Array(length), async (addr) => {
      const ret = await sys_pread64(fd, addr, length, pos);
      return { ret, bytes: ret > 0 ? this.mm.load(addr, ret) : new Uint8Array() };
    });
  }

  pwrite(fd: number, bytes: Uint8Array, pos: number): Promise<number> {
    return this.withBuffer(bytes, (addr) => sys_pwrite64(fd, addr, bytes.length, pos));
  }

  read(fd: number, length: number): Promise<Filled> {
    return this.withBuffer(new Uint8Array(length), async (addr) => {
      const ret = await sys_read(fd, addr, length);
      return { ret, bytes: ret > 0 ? this.mm.load(addr, ret) : new Uint8Array() };
    });
  }

  write(fd: number, bytes: Uint8Array): Promise<number> {
    return this.withBuffer(bytes, (addr) => sys_write(fd, addr, bytes.length));
  }

  lseek(fd: number, offset: number, whence: number): Promise<number> {
    return sys_lseek(fd, offset, whence);
  }

  /** `revents` of poll(2) on one fd, waiting up to `ms`; ret 0: timed out. */
  poll(fd: number, events: number, ms: number): Promise<{ ret: number; revents: number }> {
    return sys_poll1(fd, events, ms);
  }

  /** A non-blocking eventfd. */
  eventfd(init = 0): Promise<number> {
    return sys_eventfd2(init, EFD_NONBLOCK);
  }

  /** Wait up to `ms` for an eventfd and read it: its count, or -errno (-EAGAIN: nothing came). */
  async eventfdRead(fd: number, ms = 0): Promise<{ ret: number; count: bigint }> {
    if (ms > 0) await sys_poll1(fd, POLLIN, ms);
    const { ret, bytes } = await this.read(fd, 8);
    return {
      ret,
      count: ret === 8 ? new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true) : 0n,
    };
  }

  eventfdWrite(fd: number, n: bigint): Promise<number> {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, n), true);
    return this.write(fd, bytes);
  }

  mmap(fd: number, length: number, prot: number, flags: number, offset: number): Promise<number> {
    return sys_mmap(0, length, prot, flags, fd, offset);
  }

  munmap(addr: number, length: number): Promise<number> {
    return sys_munmap(addr, length);
  }

  load(addr: number, size: number): ReturnType<typeof user_load> {
    return user_load(addr, size);
  }

  store(addr: number, size: number, value: number): ReturnType<typeof user_store> {
    return user_store(addr, size, value);
  }
}

/** The whole buffer that a struct is at the start of: the struct and what follows it. */
export function bufferOf(arg: ustruct): Uint8Array {
  return new Uint8Array(arg.bytes.buffer);
}

export const POLLIN = 1;
export const POLLOUT = 4;
