// SPDX-License-Identifier: GPL-2.0-only
import {
  down_read,
  Lockdep,
  mutex,
  mutex_lock,
  mutex_unlock,
  spin_lock,
  spin_unlock,
  spinlock_t,
  up_read,
} from '@vfio-lab/locking';
import { join, machine, ref, yield_now } from '@vfio-lab/sim';
import { describe, expect, it } from 'vitest';
import * as k from '../src/index.ts';
import { kinds, run, run_clean, run_random } from './machine.ts';

const RW = k.PROT_READ | k.PROT_WRITE;
const ANON = k.MAP_PRIVATE | k.MAP_ANONYMOUS;

function mm_of(p: k.process): k.mm_struct {
  return p.mm as k.mm_struct;
}

describe('copies between kernel and user memory', () => {
  it('copies what is mapped and counts what it did not', () =>
    run_clean(async (p) => {
      const mm = mm_of(p);
      const a = await k.sys_mmap(0, 2 * 4096, RW, ANON, -1, 0);
      const bytes = Uint8Array.from({ length: 5000 }, (_, i) => i % 251);
      expect(k.copy_to_user(a + 100, bytes, 5000)).toBe(0);
      const back = new Uint8Array(5000);
      expect(k.copy_from_user(back, a + 100, 5000)).toBe(0);
      expect(back).toEqual(bytes);
      expect(k.copy_to_user(a + 8190, bytes, 4)).toBe(2);
      back.fill(0xff);
      expect(k.copy_from_user(back, a + 8190, 4, 1)).toBe(2);
      expect([...back.subarray(0, 6)]).toEqual([0xff, 0, 1, 0, 0, 0xff]);
      expect(k.clear_user(a + 100, 8)).toBe(0);
      expect(mm.load(a + 100, 9)).toEqual(new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, 8]));
    }));

  it('copies nothing from unmapped, kernel or protected addresses', () =>
    run_clean(async (p) => {
      const b = new Uint8Array(4);
      const ro = await k.sys_mmap(0, 4096, k.PROT_READ, ANON, -1, 0);
      const none = await k.sys_mmap(0, 4096, k.PROT_NONE, ANON, -1, 0);
      for (const bad of [0, 0x1000, 0xffff888000000000, -8, none]) {
        expect(k.copy_from_user(b, bad, 4)).toBe(4);
        expect(k.copy_to_user(bad, b, 4)).toBe(4);
        expect(k.get_user(ref(1), bad)).toBe(-k.EFAULT);
        expect(k.put_user(1, bad)).toBe(-k.EFAULT);
        expect(k.memdup_user(bad, 4)).toBe(k.ERR_PTR(-k.EFAULT));
        expect(k.strndup_user(bad, 8)).toBe(k.ERR_PTR(-k.EFAULT));
      }
      expect(k.copy_from_user(b, ro, 4)).toBe(0);
      expect(k.copy_to_user(ro, b, 4)).toBe(4);
      expect(() => mm_of(p).store(ro, b)).toThrow(RangeError);
      expect(() => mm_of(p).load(none, 1)).toThrow(RangeError);
      p.mm = null;
      expect(k.copy_from_user(b, ro, 4)).toBe(4);
      expect(k.copy_to_user(ro, b, 4)).toBe(4);
    }));

  it('may wait for a page, so not in atomic context', async () => {
    const m = await run(async (p) => {
      const lock = new spinlock_t('lock');
      await spin_lock(lock);
      k.copy_to_user(mm_of(p).alloc(4), new Uint8Array(4), 4);
      await spin_unlock(lock);
    });
    expect(m.findings.map((f) => f.text)).toEqual(['copy_to_user called from invalid context']);
  });

  it('may take mmap_lock, so not under what is taken inside of that', async () => {
    const copy = async (p: k.process, under: 'inside' | 'other'): Promise<void> => {
      machine.lock_observer = new Lockdep();
      const locks = { inside: new mutex('inside'), other: new mutex('other') };
      const { mmap_lock } = mm_of(p);
      await down_read(mmap_lock);
      await mutex_lock(locks.inside);
      await mutex_unlock(locks.inside);
      await up_read(mmap_lock);
      await mutex_lock(locks[under]);
      k.copy_from_user(new Uint8Array(4), mm_of(p).alloc(4), 4);
      await mutex_unlock(locks[under]);
    };
    const m = await run((p) => copy(p, 'inside'));
    expect(m.findings.map((f) => f.text)).toEqual([
      'inside -> &mm->mmap_lock here, &mm->mmap_lock -> inside before',
    ]);
    await run_clean((p) => copy(p, 'other'));
  });

  it('moves scalars, structs and strings', () =>
    run_clean((p) => {
      const mm = mm_of(p);
      const at = mm.alloc(64);
      const s = k.ustruct('s', { argsz: 'u32', flags: 'u32' });
      const x = new s();
      x.argsz = 8;
      x.flags = 0xdeadbeef;
      expect(k.copy_to_user(at, x, 8)).toBe(0);
      const y = new s();
      expect(k.copy_from_user(y, at, 4)).toBe(0);
      expect([y.argsz, y.flags]).toEqual([8, 0]);
      const v = ref(0);
      expect([k.get_user(v, at + 4, 'u32'), v.v]).toEqual([0, 0xdeadbeef]);
      expect([k.get_user(v, at + 4), v.v]).toEqual([0, 0xdeadbeef | 0]);
      expect([k.get_user(v, at + 4, 'u8'), v.v]).toEqual([0, 0xef]);
      expect(k.put_user(0x1234, at, 'u16')).toBe(0);
      const dup = k.memdup_user(at, 4) as Uint8Array;
      expect([...dup]).toEqual([0x34, 0x12, 0, 0]);
      mm.store(
        at,
        Uint8Array.from('0000:02:00.0\0', (c) => c.charCodeAt(0)),
      );
      const str = k.strndup_user(at, 4096) as k.kstring;
      expect(String(str)).toBe('0000:02:00.0');
      expect(k.strndup_user(at, 12)).toBe(k.ERR_PTR(-k.EINVAL));
      k.slab_fail();
      expect(k.memdup_user(at, 4)).toBe(k.ERR_PTR(-k.ENOMEM));
      k.kfree(dup);
      k.kfree(str);
      expect(k.access_process_vm(mm, at, new Uint8Array(4), false)).toBe(4);
    }));

  it('has a heap that reuses what is freed', () =>
    run_clean((p) => {
      const mm = mm_of(p);
      const a = mm.alloc(20);
      const b = mm.alloc(1);
      expect(a % 16).toBe(0);
      expect(b).toBe(a + 32);
      mm.free(a, 20);
      mm.free(b, 1);
      expect([mm.alloc(32), mm.alloc(16)]).toEqual([a, b]);
    }));
});

describe('mmap of anonymous memory', () => {
  it('checks its arguments', () =>
    run_clean(async () => {
      expect(await k.sys_mmap(0, 0, RW, ANON, -1, 0)).toBe(-k.EINVAL);
      expect(await k.sys_mmap(0, 4096, RW, ANON, -1, 5)).toBe(-k.EINVAL);
      expect(await k.sys_mmap(0, 4096, RW, k.MAP_ANONYMOUS, -1, 0)).toBe(-k.EINVAL);
      expect(await k.sys_mmap(0, 2 ** 50, RW, ANON, -1, 0)).toBe(-k.ENOMEM);
      expect(await k.sys_mmap(0, 4096, RW, k.MAP_PRIVATE, 99, 0)).toBe(-k.EBADF);
      expect(await k.sys_mmap(7, 4096, RW, ANON | k.MAP_FIXED, -1, 0)).toBe(-k.EINVAL);
      expect(await k.sys_munmap(1, 4096)).toBe(-k.EINVAL);
      expect(await k.sys_munmap(0x10000, 0)).toBe(-k.EINVAL);
      expect(await k.sys_munmap(0x10000, 4096)).toBe(0);
    }));

  it('splits areas when part is unmapped or mapped over', () =>
    run_clean(async (p) => {
      const mm = mm_of(p);
      const a = await k.sys_mmap(0, 4 * 4096, RW, k.MAP_SHARED | k.MAP_ANONYMOUS, -1, 0);
      for (let i = 0; i < 4; i++) mm.store(a + i * 4096, new Uint8Array([i + 1]));
      expect(await k.sys_munmap(a + 4096, 4096)).toBe(0);
      expect(mm.vmas.map((v) => [v.vm_start - a, v.vm_end - a])).toEqual([
        [0, 4096],
        [2 * 4096, 4 * 4096],
      ]);
      expect(mm.load(a + 2 * 4096, 1)[0]).toBe(3);
      expect(await k.sys_mmap(a + 3 * 4096, 4096, RW, ANON | k.MAP_FIXED, -1, 0)).toBe(a + 3 * 4096);
      expect(mm.load(a + 3 * 4096, 1)[0]).toBe(0);
      expect(mm.find_vma(a + 4096)?.vm_start).toBe(a + 2 * 4096);
      expect(mm.find_vma(a + 2 ** 40)).toBe(null);
    }));

  it('user loads and stores see it, and get SIGSEGV elsewhere', () =>
    run_clean(async () => {
      const a = await k.sys_mmap(0, 4096, RW, ANON, -1, 0);
      expect(await k.user_store(a + 8, 8, 0x1122334455667788n)).toBe(null);
      expect(await k.user_load(a + 8, 4)).toEqual({ value: 0x55667788n });
      expect(await k.user_store(a, 2, 0x1ffff)).toBe(null);
      expect(await k.user_load(a, 8)).toEqual({ value: 0xffffn });
      expect(await k.user_load(0x1000, 4)).toEqual({
        signal: 'SIGSEGV',
        si_code: k.SEGV_MAPERR,
        addr: 0x1000,
      });
      expect(await k.user_load(a + 4092, 8)).toEqual({
        signal: 'SIGSEGV',
        si_code: k.SEGV_MAPERR,
        addr: a + 4096,
      });
      expect(await k.user_store(a + 4092, 8, 1)).toMatchObject({ signal: 'SIGSEGV' });
      const ro = await k.sys_mmap(0, 4096, k.PROT_READ, ANON, -1, 0);
      expect(await k.user_store(ro, 4, 1)).toEqual({ signal: 'SIGSEGV', si_code: k.SEGV_ACCERR, addr: ro });
    }));
});

/** A device whose registers a file maps: fault() maps the whole area while `on`. */
class Device {
  on = true;
  registers = new Map<number, bigint>();
  calls: string[] = [];
  vmas: k.vm_area_struct[] = [];
  fault_result = k.VM_FAULT_NOPAGE;

  readonly fops: k.file_operations = {
    release: () => (this.calls.push('release'), 0),
    mmap: (_f, vma) => {
      if (!(vma.vm_flags & k.VM_SHARED)) return -k.EINVAL;
      vma.vm_flags |= k.VM_IO | k.VM_PFNMAP;
      vma.vm_page_prot = k.pgprot_noncached(vma.vm_page_prot);
      vma.vm_ops = {
        open: () => void this.calls.push('open'),
        close: () => void this.calls.push('close'),
        fault: (vmf) => this.#fault(vmf),
      };
      this.vmas.push(vma);
      return 0;
    },
  };

  async #fault(vmf: k.vm_fault): Promise<number> {
    this.calls.push(`fault ${vmf.pgoff} ${vmf.flags}`);
    if (!this.on) return k.VM_FAULT_SIGBUS;
    if (this.fault_result !== k.VM_FAULT_NOPAGE) return this.fault_result;
    const { vma } = vmf;
    await k.io_remap_pfn_range(vma, vma.vm_start, 0xfe000, vma.vm_end - vma.vm_start, vma.vm_page_prot);
    return k.VM_FAULT_NOPAGE;
  }

  register(): void {
    k.register_phys_space({
      point: () => yield_now(),
      read: (addr, size) => {
        this.calls.push(`read ${addr.toString(16)} ${size}`);
        return this.registers.get(addr) ?? 0;
      },
      write: (addr, size, value) => {
        this.calls.push(`write ${addr.toString(16)} ${size}`);
        this.registers.set(addr, BigInt(value));
      },
    });
  }

  open(flags = k.O_RDWR): number {
    const fd = k.get_unused_fd_flags(0);
    k.fd_install(fd, k.anon_inode_getfile('[dev]', this.fops, null, flags) as k.file);
    return fd;
  }
}

describe('mmap of a device', () => {
  it('faults once, then goes to the hardware', () =>
    run_clean(async () => {
      const dev = new Device();
      dev.register();
      const fd = dev.open();
      const a = await k.sys_mmap(0, 8192, RW, k.MAP_SHARED, fd, 3 * 4096);
      expect(a).toBeGreaterThan(0);
      expect(await k.user_store(a + 4100, 4, 0xabcd)).toBe(null);
      expect(await k.user_load(a + 4100, 4)).toEqual({ value: 0xabcdn });
      expect(dev.calls).toEqual(['fault 4 1', 'write fe001004 4', 'read fe001004 4']);
      expect(k.copy_from_user(new Uint8Array(4), a, 4)).toBe(4);
      expect(await k.sys_close(fd)).toBe(0);
      expect(dev.calls.at(-1)).not.toBe('release');
      expect(await k.sys_munmap(a, 8192)).toBe(0);
      expect(dev.calls.slice(3)).toEqual(['close', 'release']);
    }));

  it('gives SIGBUS where fault says so, and after a zap asks again', () =>
    run_clean(async () => {
      const dev = new Device();
      dev.register();
      const a = await k.sys_mmap(0, 8192, RW, k.MAP_SHARED, dev.open(), 0);
      await k.user_load(a, 4);
      const [vma] = dev.vmas;
      expect(vma.ptes.size).toBe(2);
      await k.zap_vma_ptes(vma, a + 4096, 4096);
      expect(vma.ptes.size).toBe(1);
      await k.zap_vma_ptes(vma, a, 4 * 4096);
      expect(vma.ptes.size).toBe(1);
      await k.zap_vma_ptes(vma, a, 8192);
      expect(vma.ptes.size).toBe(0);
      dev.on = false;
      expect(await k.user_load(a + 8, 4)).toEqual({ signal: 'SIGBUS', si_code: k.BUS_ADRERR, addr: a + 8 });
      dev.on = true;
      dev.fault_result = k.VM_FAULT_OOM;
      expect(await k.user_load(a + 8, 4)).toMatchObject({ signal: 'SIGKILL' });
      dev.fault_result = k.VM_FAULT_SIGSEGV;
      expect(await k.user_load(a + 8, 4)).toMatchObject({ signal: 'SIGSEGV' });
      expect(await k.vmf_insert_pfn(vma, a, 5)).toBe(k.VM_FAULT_NOPAGE);
      expect(vma.ptes.get(a / 4096)).toBe(5);
    }));

  it('refuses by mode and by type', () =>
    run_clean(async () => {
      const dev = new Device();
      const none = k.get_unused_fd_flags(0);
      k.fd_install(none, k.anon_inode_getfile('[none]', {}, null, k.O_RDWR) as k.file);
      expect(await k.sys_mmap(0, 4096, RW, k.MAP_SHARED, none, 0)).toBe(-k.ENODEV);
      expect(await k.sys_mmap(0, 4096, RW, k.MAP_PRIVATE, dev.open(), 0)).toBe(-k.EINVAL);
      expect(await k.sys_mmap(0, 4096, RW, 0, dev.open(), 0)).toBe(-k.EINVAL);
      expect(await k.sys_mmap(0, 4096, RW, k.MAP_SHARED, dev.open(k.O_RDONLY), 0)).toBe(-k.EACCES);
      expect(await k.sys_mmap(0, 4096, k.PROT_READ, k.MAP_SHARED, dev.open(k.O_WRONLY), 0)).toBe(-k.EACCES);
      // A shared read-only mapping of a read-only file counts as private.
      expect(await k.sys_mmap(0, 4096, k.PROT_READ, k.MAP_SHARED, dev.open(k.O_RDONLY), 0)).toBe(-k.EINVAL);
      expect(await k.sys_mmap(0, 4096, RW, k.MAP_SHARED, dev.open(), 2 ** 65)).toBe(-k.EOVERFLOW);
      expect(await k.sys_mmap(0, 4096, k.PROT_READ, k.MAP_SHARED, dev.open(), 0)).toBeGreaterThan(0);
      expect(await k.user_store(dev.vmas[0].vm_start, 4, 1)).toMatchObject({
        signal: 'SIGSEGV',
        si_code: k.SEGV_ACCERR,
      });
    }));

  it('opens the new half of a split area', () =>
    run_clean(async () => {
      const dev = new Device();
      dev.register();
      const fd = dev.open();
      const a = await k.sys_mmap(0, 8192, RW, k.MAP_SHARED, fd, 0);
      await k.user_load(a, 4);
      await k.sys_close(fd);
      dev.calls.length = 0;
      await k.sys_munmap(a, 4096);
      expect(dev.calls).toEqual(['open', 'close']);
      expect(await k.user_load(a + 4096, 4)).toEqual({ value: 0n });
      expect(dev.calls.at(-1)).toBe('read fe001000 4');
      await k.sys_exit_group();
      expect(dev.calls.slice(-2)).toEqual(['close', 'release']);
    }));

  it('is a BUG to map what is mapped', async () => {
    const m = await run(async () => {
      const dev = new Device();
      const a = await k.sys_mmap(0, 4096, RW, k.MAP_SHARED, dev.open(), 0);
      const [vma] = dev.vmas;
      await k.io_remap_pfn_range(vma, a, 1, 4096, 0);
      await k.io_remap_pfn_range(vma, a, 1, 4096, 0);
    });
    expect(kinds(m)).toEqual(['BUG']);
  });

  it('never lets an access through after the zap that took its entry away', () =>
    run_random(80, async (p) => {
      const dev = new Device();
      dev.register();
      const a = await k.sys_mmap(0, 4096, RW, k.MAP_SHARED, dev.open(), 0);
      await k.user_load(a, 4);
      const [vma] = dev.vmas;
      const late: string[] = [];
      const guest = k.spawn_thread(p, 'guest', async () => {
        for (let i = 0; i < 3; i++) {
          const n = dev.calls.length;
          await k.user_load(a, 4);
          if (!dev.on && vma.ptes.size === 0 && dev.calls.slice(n).some((c) => c.startsWith('read')))
            late.push('late');
        }
      });
      const host = k.spawn_thread(p, 'host', async () => {
        await k.mmap_read_lock(mm_of(p));
        dev.on = false;
        await k.zap_vma_ptes(vma, a, 4096);
        const zapped = dev.calls.length;
        await k.mmap_read_unlock(mm_of(p));
        await yield_now();
        expect(dev.calls.slice(zapped).filter((c) => c.startsWith('read'))).toEqual([]);
      });
      await join(guest);
      await join(host);
      expect(late).toEqual([]);
    }));

  it('needs a physical address space', async () => {
    await expect(
      run(async () => {
        const dev = new Device();
        await k.user_load(await k.sys_mmap(0, 4096, RW, k.MAP_SHARED, dev.open(), 0), 4);
      }),
    ).rejects.toThrow('no physical address space');
  });
});

describe('references to an address space', () => {
  it('keeps it while somebody has one', () =>
    run_clean(async (p) => {
      const mm = mm_of(p);
      await k.sys_mmap(0, 4096, RW, ANON, -1, 0);
      expect(await k.mmget_not_zero(mm)).toBe(true);
      await k.sys_exit_group();
      expect(mm.vmas).toHaveLength(1);
      expect(await k.mmap_read_trylock(mm)).toBe(1);
      await k.mmap_read_unlock(mm);
      await k.mmput(mm);
      expect(mm.vmas).toHaveLength(0);
      expect(await k.mmget_not_zero(mm)).toBe(false);
    }));
});
