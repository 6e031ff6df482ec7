// SPDX-License-Identifier: GPL-2.0-only
// The type1 container. The table of maps and unmaps is what a real kernel answered to the same calls.

import {
  EACCES,
  EEXIST,
  EFAULT,
  EINVAL,
  EIO,
  ENODEV,
  ENOENT,
  ENOMEM,
  ENOSPC,
  ENOTTY,
  EPERM,
  IS_ERR,
  notifier_block,
  PROT_READ,
  sys_munmap,
  VM_FAULT_SIGBUS,
  VM_IO,
  VM_PFNMAP,
  VM_READ,
  VM_SHARED,
  VM_WRITE,
  vm_area_struct,
  vmf_insert_pfn,
} from '@vfio-lab/kernel';
import { join, spawn } from '@vfio-lab/sim';
import { describe, expect, it } from 'vitest';
import {
  CAP_IPC_LOCK,
  iommu_setup,
  IOMMU_READ,
  IOMMU_RESV_MSI,
  IOMMU_WRITE,
  mm_locked_vm,
  vfio_iommu_type1_params,
} from '../src/index.ts';
import { anon, bitmap_at, container, dirty_range, make_group, mm, on_machine } from './harness.ts';

const READ = 1;
const WRITE = 2;
const VADDR = 4;
const UNMAP_DIRTY = 1;
const UNMAP_ALL = 2;
const UNMAP_VADDR = 4;
const START = 1;
const STOP = 2;
const GET = 4;
const PAGE = 0x1000n;

async function opened(type = 3): Promise<container> {
  const c = new container();
  await c.open(type);
  const { group } = await make_group('0000:02:00.0');
  expect(await c.attach(group)).toBe(0);
  return c;
}

describe('dma_map_unmap', () => {
  it('should answer the recorded calls as v1 did', () =>
    on_machine(async () => {
      const c = await opened(1);
      expect(await c.map(0n, PAGE, READ | WRITE)).toBe(0);
      expect(await c.map(0n, PAGE, READ | WRITE)).toBe(-EEXIST);
      expect(await c.map(0x1000n, 0x2000n, READ)).toBe(0);
      expect(await c.map(0x3000n, PAGE, WRITE)).toBe(0);
      expect(await c.map(0x4000n, PAGE, 0)).toBe(-EINVAL);
      expect(await c.map(0x4000n, 0x800n, READ)).toBe(-EINVAL);
      expect(await c.map(0x4800n, PAGE, READ)).toBe(-EINVAL);
      expect(await c.map(0x4000n, 0n, READ)).toBe(-EINVAL);
      expect(await c.map(0x4000n, PAGE, READ, undefined, 16)).toBe(-EINVAL);
      expect(await c.map(0x4000n, PAGE, READ, undefined, 31)).toBe(-EINVAL);
      expect(await c.map(0x4000n, PAGE, READ, undefined, 64)).toBe(0);
      expect(await c.map(0x6000n, PAGE, 0x10)).toBe(-EINVAL);
      expect(await c.map(0x6000n, PAGE, READ | WRITE, 0x1000n)).toBe(-EFAULT);
      expect(await c.map(0x6000n, PAGE, READ | WRITE, 0x1001n)).toBe(-EINVAL);
      expect(await c.map(0xfee00000n, PAGE, READ)).toBe(-EINVAL);
      expect(await c.map(0xfffffffffffff000n, PAGE, READ)).toBe(-EINVAL);
      expect(await c.map(0xffffffffffffe000n, 0x2000n, READ)).toBe(-EINVAL);
      expect(await c.map(0x8000000000n, PAGE, READ)).toBe(-EINVAL);
      expect(await c.map(0x7ffffff000n, PAGE, READ)).toBe(0);
      expect(await c.map(0x7ffffff000n, 0x2000n, READ)).toBe(-EEXIST);
      expect(await c.unmap(0x1000n, PAGE)).toBe(0x2000n);
      expect(await c.unmap(0x1000n, 0x2000n)).toBe(0n);
      expect(await c.unmap(0n, PAGE)).toBe(PAGE);
      expect(await c.unmap(0n, PAGE)).toBe(0n);
      expect(await c.unmap(0x3000n, 0x800n)).toBe(-EINVAL);
      expect(await c.unmap(0x3000n, 0n)).toBe(-EINVAL);
      expect(await c.unmap(0x3000n, 0x100000n)).toBe(0x2000n);
      expect(await c.unmap(0n, 0n, UNMAP_ALL)).toBe(PAGE);
      expect(await c.unmap(0n, PAGE, UNMAP_ALL)).toBe(-EINVAL);
      expect(await c.unmap(0n, PAGE, 0x80)).toBe(-EINVAL);
      expect(await c.unmap(0n, PAGE, 0, 16)).toBe(-EINVAL);
      expect(await c.unmap(0n, 0xfffffffffffff000n)).toBe(0n);
      expect(await c.unmap(0n, 0xffffffffffffffffn)).toBe(-EINVAL);
      for (const cmd of [0x3b70, 0x3b71, 0x3b72])
        expect(await c.ops.ioctl(c.data, cmd, 0x1000)).toBe(-EFAULT);
      await c.release();
    }));

  it('should not let a v2 unmap cut a mapping in two, nor a v1 unmap begin inside one', () =>
    on_machine(async () => {
      const v2 = await opened(3);
      await v2.map(0n, 0x4000n, READ | WRITE);
      expect(await v2.unmap(0n, PAGE)).toBe(-EINVAL);
      expect(await v2.unmap(0x3000n, PAGE)).toBe(-EINVAL);
      expect(await v2.unmap(0x3000n, 0x2000n)).toBe(-EINVAL);
      expect(await v2.unmap(0n, 0x10000n)).toBe(0x4000n);
      await v2.release();
      const v1 = await opened(1);
      await v1.map(0n, 0x4000n, READ | WRITE);
      expect(await v1.unmap(0x1000n, PAGE)).toBe(0n);
      expect(await v1.unmap(0x1000n, 0x10000n)).toBe(0n);
      expect(await v1.unmap(0n, PAGE)).toBe(0x4000n);
      await v1.release();
    }));

  it('should stop at the limit of mappings', () =>
    on_machine(async () => {
      vfio_iommu_type1_params().dma_entry_limit = 2;
      const c = await opened();
      expect(await c.map(0n, PAGE, READ)).toBe(0);
      expect(await c.map(PAGE, PAGE, READ)).toBe(0);
      expect(await c.map(2n * PAGE, PAGE, READ)).toBe(-ENOSPC);
      await c.unmap(0n, PAGE);
      expect(await c.map(2n * PAGE, PAGE, READ)).toBe(0);
      await c.release();
    }));

  it('should count locked memory, and limit it for who has no CAP_IPC_LOCK', () =>
    on_machine(async (p) => {
      const c = await opened();
      vfio_iommu_type1_params().rlimit_memlock = 0x4000;
      expect(await c.map(0n, 0x8000n, READ)).toBe(0);
      expect(mm_locked_vm(mm())).toBe(8);
      await c.unmap(0n, 0x8000n);
      p.dropped_caps.add(CAP_IPC_LOCK);
      expect(await c.map(0n, 0x4000n, READ)).toBe(0);
      expect(await c.map(0x4000n, PAGE, READ)).toBe(-ENOMEM);
      expect(await c.unmap(0n, 0n, UNMAP_ALL)).toBe(0x4000n);
      await c.release();
    }));

  it('should need rights to the memory and undo what it pinned', () =>
    on_machine(async () => {
      const c = await opened();
      const ro = BigInt(await anon(0x2000, PROT_READ));
      expect(await c.map(0n, 0x2000n, WRITE, ro)).toBe(-EFAULT);
      expect(await c.map(0n, 0x2000n, READ, ro)).toBe(0);
      const short = BigInt(await anon(0x1000));
      expect(await c.map(0x10000n, 0x2000n, READ, short)).toBe(-EFAULT);
      expect(mm_locked_vm(mm())).toBe(2);
      expect(await c.map(0x10000n, PAGE, READ, short)).toBe(0);
      await c.release();
    }));

  it('should map the registers of a device without counting them', () =>
    on_machine(async () => {
      const c = await opened();
      const vma = new vm_area_struct(
        mm(),
        0x10000000,
        0x10002000,
        VM_READ | VM_WRITE | VM_SHARED | VM_IO | VM_PFNMAP,
      );
      let broken = false;
      vma.vm_ops = {
        fault: (vmf) => (broken ? VM_FAULT_SIGBUS : vmf_insert_pfn(vma, vmf.address, vmf.address / 4096)),
      };
      mm().link(vma);
      expect(await c.map(0n, 0x2000n, READ | WRITE, 0x10000000n)).toBe(0);
      expect(mm_locked_vm(mm())).toBe(0);
      expect(await c.unmap(0n, 0x2000n)).toBe(0x2000n);
      vma.ptes.clear();
      broken = true;
      expect(await c.map(0n, 0x2000n, READ | WRITE, 0x10000000n)).toBe(-EFAULT);
      await c.release();
      mm().unlink(vma);
    }));

  it('should invalidate and update the address of a mapping', () =>
    on_machine(async () => {
      const c = await opened();
      await c.map(0n, PAGE, READ | WRITE);
      await c.map(PAGE, PAGE, READ);
      const other = BigInt(await anon(0x1000));
      expect(await c.map(0n, PAGE, VADDR, other)).toBe(-EINVAL);
      expect(await c.map(0x5000n, PAGE, VADDR, other)).toBe(-ENOENT);
      expect(await c.map(0n, PAGE, VADDR | READ, other)).toBe(-EINVAL);
      expect(await c.unmap(PAGE, PAGE, UNMAP_VADDR)).toBe(PAGE);
      expect(await c.unmap(0n, 0n, UNMAP_ALL | UNMAP_VADDR)).toBe(-EINVAL);
      expect(await c.unmap(0n, PAGE, UNMAP_VADDR)).toBe(PAGE);
      expect(await c.map(0n, 0x2000n, VADDR, other)).toBe(-EINVAL);
      expect(await c.map(0n, PAGE, VADDR, other)).toBe(0);
      expect(await c.unmap(0n, PAGE, UNMAP_DIRTY | UNMAP_ALL)).toBe(-EINVAL);
      await c.release();
    }));
});

describe('iommu info', () => {
  const CAPS =
    '0200010038000000000000000000000000100000000000000000001000000000' +
    '0300010044000000ffff0000' +
    '01000100000000000200000000000000' +
    '0000000000000000ffffdffe00000000' +
    '0000f0fe00000000ffffffff7f000000';

  it('should fill what the caller has room for', () =>
    on_machine(async () => {
      const c = await opened();
      expect(await c.info(4)).toEqual({ ret: -EINVAL, hex: '04000000' });
      expect(await c.info(20)).toEqual({ ret: 0, hex: '7400000003000000001020400000000000000000' });
      expect(await c.info(24)).toEqual({ ret: 0, hex: '740000000300000000102040000000000000000000000000' });
      expect(await c.info(115)).toMatchObject({ ret: 0 });
      expect(await c.info(116)).toEqual({
        ret: 0,
        hex: `740000000300000000102040000000001800000000000000${CAPS}`,
      });
      await c.map(0n, PAGE, READ);
      expect((await c.info(116)).hex.slice(128, 136)).toBe('feff0000');
      await c.release();
    }));

  it('should have no ranges for a container of emulated groups', () =>
    on_machine(async () => {
      const c = new container();
      await c.open();
      const { group } = await make_group('mdev');
      expect(await c.attach(group, 1)).toBe(0);
      expect((await c.info(68)).hex.slice(0, 16)).toBe('4400000003000000');
      await c.release();
    }));
});

describe('check_extension', () => {
  it('should know what type1 can', () =>
    on_machine(async () => {
      const c = new container();
      const all = async (): Promise<number[]> => {
        const got: number[] = [];
        for (let ext = 0; ext <= 13; ext++) got.push(await c.check(ext));
        return got;
      };
      expect(await all()).toEqual([0, 1, 0, 1, 0, 0, 1, 0, 0, 1, 1, 0, 0, 0]);
      vfio_iommu_type1_params().update_vaddr_needs_container = true;
      expect(await all()).toEqual([0, 1, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0]);
      await c.open();
      expect((await all())[10]).toBe(1);
      await c.release();
    }));

  it('should say cache-coherent when the IOMMU controls snooping', () =>
    on_machine(async () => {
      iommu_setup({ snoop_control: true });
      const c = await opened();
      expect(await c.check(4)).toBe(1);
      await c.release();
    }));

  it('should refuse unknown types and commands', () =>
    on_machine(async () => {
      const c = new container();
      expect(IS_ERR(await c.ops.open(2))).toBe(true);
      expect(await c.ops.ioctl(null, 0x3b70, 0)).toBe(-ENOTTY);
      await c.open(6);
      expect(await c.ops.ioctl(c.data, 0x3bff, 0)).toBe(-ENOTTY);
      await c.release();
    }));
});

describe('groups of a container', () => {
  it('should come once, share a domain, and take the mappings with the last of them', () =>
    on_machine(async () => {
      const c = new container();
      await c.open();
      const a = (await make_group('a')).group;
      const b = (await make_group('b')).group;
      expect(await c.attach(a)).toBe(0);
      expect(await c.attach(a)).toBe(-EINVAL);
      expect(await c.attach(b)).toBe(0);
      expect(b.domain).toBe(a.domain);
      await c.map(0n, PAGE, READ);
      await c.detach(a);
      expect(a.domain).toBe(a.default_domain);
      expect(mm_locked_vm(mm())).toBe(1);
      await c.detach(b);
      expect(mm_locked_vm(mm())).toBe(0);
      expect(await c.unmap(0n, PAGE)).toBe(0n);
      await c.release();
    }));

  it('should pin what was mapped for emulated groups when a physical one comes, and keep it when it goes', () =>
    on_machine(async () => {
      const c = new container();
      await c.open();
      const soft = (await make_group('mdev')).group;
      const hard = (await make_group('pci')).group;
      await c.attach(soft, 1);
      expect(await c.map(0n, 0x3000n, READ | WRITE)).toBe(0);
      expect(mm_locked_vm(mm())).toBe(0);
      expect(await c.attach(hard)).toBe(0);
      expect(mm_locked_vm(mm())).toBe(3);
      await c.detach(hard);
      expect(mm_locked_vm(mm())).toBe(0);
      expect(await c.unmap(0n, 0x3000n)).toBe(0x3000n);
      await c.map(0n, PAGE, READ);
      await c.detach(soft);
      expect(await c.unmap(0n, PAGE)).toBe(0n);
      await c.release();
    }));

  it('should not come when a mapping lies where it must not, or nothing can be pinned', () =>
    on_machine(async () => {
      const c = new container();
      await c.open();
      const soft = (await make_group('mdev')).group;
      const hard = (await make_group('pci')).group;
      await c.attach(soft, 1);
      await c.map(0xfee00000n, PAGE, READ);
      expect(await c.attach(hard)).toBe(-EINVAL);
      await c.unmap(0xfee00000n, PAGE);
      const vaddr = await anon(0x2000);
      await c.map(0n, 0x2000n, READ, BigInt(vaddr));
      await sys_munmap(vaddr, 0x2000);
      expect(await c.attach(hard)).toBe(-EFAULT);
      expect(hard.domain).toBe(hard.default_domain);
      await c.release();
    }));

  it('should need an IOMMU that isolates interrupts, unless told otherwise', () =>
    on_machine(async () => {
      iommu_setup({ intr_remap: false });
      const c = new container();
      await c.open();
      const { group } = await make_group('pci');
      expect(await c.attach(group)).toBe(-EPERM);
      vfio_iommu_type1_params().allow_unsafe_interrupts = true;
      expect(await c.attach(group)).toBe(0);
      await c.release();
      iommu_setup({ nesting: false });
      await c.open(6);
      expect(await c.attach(group)).toBe(-EINVAL);
      iommu_setup({ present: false });
      expect(await c.attach(group)).toBe(-EIO);
      await c.release();
    }));

  it('should cut all reserved ranges out', () =>
    on_machine(async () => {
      const resv = (start: bigint, length: bigint): { start: bigint; length: bigint; type: number } => ({
        start,
        length,
        type: IOMMU_RESV_MSI,
      });
      iommu_setup({
        resv_regions: [resv(0n, 0x1000n), resv(0x5000n, 0x1000n), resv(0x7ffffff000n, 0x1000n)],
      });
      const c = await opened();
      expect(await c.map(0n, PAGE, READ)).toBe(-EINVAL);
      expect(await c.map(0x4000n, 0x2000n, READ)).toBe(-EINVAL);
      expect(await c.map(0x1000n, 0x4000n, READ)).toBe(0);
      expect(await c.map(0x6000n, PAGE, READ)).toBe(0);
      await c.release();
      iommu_setup({ resv_regions: [resv(0n, 1n << 40n)] });
      await c.open();
      expect(await c.attach((await make_group('x')).group)).toBe(-EINVAL);
      await c.release();
    }));
});

describe('dirty pages', () => {
  it('should be v2 only and check what it is given', () =>
    on_machine(async () => {
      const v1 = await opened(1);
      expect(await v1.dirty(START)).toBe(-EACCES);
      await v1.release();
      const c = await opened();
      expect(await c.dirty(0)).toBe(-EINVAL);
      expect(await c.dirty(START | STOP)).toBe(-EINVAL);
      expect(await c.dirty(8)).toBe(-EINVAL);
      expect(await c.dirty(GET)).toBe(-EINVAL);
      const addr = mm().alloc(64);
      expect(await c.dirty(GET, dirty_range(0n, PAGE, bitmap_at(addr, 8)))).toBe(-EINVAL);
      expect(await c.dirty(START)).toBe(0);
      expect(await c.dirty(START)).toBe(0);
      expect(await c.dirty(GET, dirty_range(0n, PAGE, bitmap_at(addr, 8)))).toBe(0);
      expect(await c.dirty(GET, dirty_range(0n, PAGE, bitmap_at(addr, 8, 8192n)))).toBe(-EINVAL);
      expect(await c.dirty(GET, dirty_range(1n, PAGE, bitmap_at(addr, 8)))).toBe(-EINVAL);
      expect(await c.dirty(GET, dirty_range(0n, 0n, bitmap_at(addr, 8)))).toBe(-EINVAL);
      expect(await c.dirty(GET, dirty_range(0n, PAGE, bitmap_at(addr, 0)))).toBe(-EINVAL);
      expect(await c.dirty(GET, dirty_range(0xfffffffffffff000n, 0x2000n, bitmap_at(addr, 8)))).toBe(-EINVAL);
      expect(await c.dirty(GET, dirty_range(0n, PAGE, bitmap_at(2 ** 50, 8)))).toBe(-EINVAL);
      expect(await c.dirty(STOP)).toBe(0);
      expect(await c.dirty(STOP)).toBe(0);
      await c.release();
    }));

  it('should report all pages dirty for a group that cannot tell, side by side in one bitmap', () =>
    on_machine(async () => {
      const c = await opened();
      await c.map(0n, 0x3000n, READ | WRITE);
      expect(await c.dirty(START)).toBe(0);
      await c.map(0x4000n, 0x2000n, READ | WRITE);
      const addr = mm().alloc(64);
      expect(await c.dirty(GET, dirty_range(0n, 0x8000n, bitmap_at(addr, 8)))).toBe(0);
      expect([...mm().load(addr, 8)]).toEqual([0b00110111, 0, 0, 0, 0, 0, 0, 0]);
      expect(await c.dirty(GET, dirty_range(0n, 0x2000n, bitmap_at(addr, 8)))).toBe(-EINVAL);
      expect(await c.dirty(GET, dirty_range(0x1000n, 0x7000n, bitmap_at(addr, 8)))).toBe(-EINVAL);
      await c.release();
    }));

  it('should report pinned and written pages only, once groups pin', () =>
    on_machine(async () => {
      const c = new container();
      await c.open();
      const { group } = await make_group('mdev');
      await c.attach(group, 1);
      await c.map(0n, 0x4000n, READ | WRITE);
      await c.ops.register_notifier(c.data, { v: 1 }, new notifier_block());
      expect(await c.dirty(START)).toBe(0);
      const frames = [0];
      expect(await c.ops.pin_pages(c.data, group, [1], 1, IOMMU_READ, frames)).toBe(1);
      expect(await c.ops.dma_rw(c.data, 0x3ff0n, new Uint8Array(16).fill(7), 16, true)).toBe(0);
      const addr = mm().alloc(64);
      expect(await c.dirty(GET, dirty_range(0n, 0x4000n, bitmap_at(addr, 8)))).toBe(0);
      expect(mm().load(addr, 1)[0]).toBe(0b1010);
      expect(await c.dirty(GET, dirty_range(0n, 0x4000n, bitmap_at(addr, 8)))).toBe(0);
      expect(mm().load(addr, 1)[0]).toBe(0b0010);
      expect(await c.ops.unpin_pages(c.data, [1], 1)).toBe(1);
      await c.release();
    }));

  it('should come with an unmap', () =>
    on_machine(async () => {
      const c = await opened();
      await c.dirty(START);
      await c.map(0n, 0x2000n, READ | WRITE);
      const addr = mm().alloc(16);
      const call = async (bitmap: Uint8Array, argsz = 48): Promise<number> => {
        const bytes = new Uint8Array(48);
        const view = new DataView(bytes.buffer);
        view.setUint32(0, argsz, true);
        view.setUint32(4, UNMAP_DIRTY, true);
        view.setBigUint64(16, 0x2000n, true);
        bytes.set(bitmap, 24);
        return (await c.call(0x3b72, bytes)).ret;
      };
      expect(await call(bitmap_at(addr, 8).bytes, 40)).toBe(-EINVAL);
      expect(await call(bitmap_at(addr, 0).bytes)).toBe(-EINVAL);
      expect(await call(bitmap_at(2 ** 50, 8).bytes)).toBe(-EINVAL);
      expect(await call(bitmap_at(addr, 8, 8192n).bytes)).toBe(-EINVAL);
      expect(await call(bitmap_at(0x1000, 8).bytes)).toBe(-EFAULT);
      expect(await call(bitmap_at(addr, 8).bytes)).toBe(0);
      expect(mm().load(addr, 1)[0]).toBe(3);
      await c.release();
    }));
});

describe('pinning for drivers', () => {
  it('should need v2, a notifier, a mapping and rights', () =>
    on_machine(async () => {
      const { group } = await make_group('mdev');
      const v1 = new container();
      await v1.open(1);
      expect(await v1.ops.pin_pages(v1.data, group, [0], 1, IOMMU_READ, [0])).toBe(-EACCES);
      expect(await v1.ops.unpin_pages(v1.data, [0], 1)).toBe(-EACCES);
      await v1.release();
      const c = new container();
      await c.open();
      await c.attach(group, 1);
      expect(await c.ops.pin_pages(c.data, group, [0], 1, IOMMU_READ, [0])).toBe(-EINVAL);
      const nb = new notifier_block();
      expect(await c.ops.register_notifier(c.data, { v: 3 }, nb)).toBe(-EINVAL);
      expect(await c.ops.register_notifier(c.data, { v: 1 }, nb)).toBe(0);
      await c.map(0n, 0x2000n, READ);
      expect(await c.ops.pin_pages(c.data, group, [0], 1, IOMMU_WRITE, [0])).toBe(-EPERM);
      const frames = [9, 9, 9];
      expect(await c.ops.pin_pages(c.data, group, [0, 1, 2], 3, IOMMU_READ, frames)).toBe(-EINVAL);
      expect(frames).toEqual([0, 0, 0]);
      expect(mm_locked_vm(mm())).toBe(0);
      expect(await c.ops.pin_pages(c.data, group, [0, 1, 0], 3, IOMMU_READ, frames)).toBe(3);
      expect(frames[0]).toBe(frames[2]);
      expect(mm_locked_vm(mm())).toBe(2);
      expect(await c.ops.unpin_pages(c.data, [0, 1], 2)).toBe(2);
      expect(mm_locked_vm(mm())).toBe(1);
      expect(await c.ops.unpin_pages(c.data, [0, 7], 2)).toBe(1);
      expect(await c.ops.unpin_pages(c.data, [7], 1)).toBe(-EINVAL);
      expect(await c.ops.unpin_pages(c.data, [7], 0)).toBe(-EINVAL);
      expect(mm_locked_vm(mm())).toBe(0);
      expect(await c.ops.unregister_notifier(c.data, nb)).toBe(0);
      await c.release();
    }));

  it('should be told to unpin before a mapping goes', () =>
    on_machine(async () => {
      const { group } = await make_group('mdev');
      const c = new container();
      await c.open();
      await c.attach(group, 1);
      const nb = new notifier_block();
      const told: unknown[] = [];
      nb.notifier_call = async (_nb, action, data) => {
        told.push([action, data]);
        await c.ops.unpin_pages(c.data, [1], 1);
        return 1;
      };
      await c.ops.register_notifier(c.data, { v: 1 }, nb);
      await c.map(0n, 0x2000n, READ | WRITE);
      await c.ops.pin_pages(c.data, group, [1], 1, IOMMU_READ, [0]);
      expect(await c.unmap(0n, 0x2000n)).toBe(0x2000n);
      expect(told).toEqual([[1, { iova: 0n, size: 0x2000n }]]);
      await c.ops.unregister_notifier(c.data, nb);
      await c.release();
    }));

  it('should read and write user memory by device address', () =>
    on_machine(async () => {
      const c = await opened();
      const a = await anon(0x1000);
      const b = await anon(0x1000);
      await c.map(0n, PAGE, READ | WRITE, BigInt(a));
      await c.map(PAGE, PAGE, READ, BigInt(b));
      const buf = Uint8Array.from([1, 2, 3, 4]);
      expect(await c.ops.dma_rw(c.data, 0x10n, buf, 4, true)).toBe(0);
      expect([...mm().load(a + 0x10, 4)]).toEqual([1, 2, 3, 4]);
      mm().store(b, Uint8Array.from([9]));
      const across = new Uint8Array(2);
      expect(await c.ops.dma_rw(c.data, 0xfffn, across, 2, false)).toBe(0);
      expect([...across]).toEqual([0, 9]);
      expect(await c.ops.dma_rw(c.data, PAGE, buf, 4, true)).toBe(-EPERM);
      expect(await c.ops.dma_rw(c.data, 0x5000n, buf, 4, true)).toBe(-EINVAL);
      await c.release();
    }));

  it('should wait for a new address, and give up when the container closes', () =>
    on_machine(async (p) => {
      const c = await opened();
      const a = await anon(0x1000);
      await c.map(0n, PAGE, READ | WRITE);
      await c.unmap(0n, PAGE, UNMAP_VADDR);
      const got: number[] = [];
      const rw = async (): Promise<void> => {
        got.push(await c.ops.dma_rw(c.data, 0n, Uint8Array.from([5]), 1, true));
      };
      const first = spawn('rw', rw, { kind: 'user', process: p });
      const update = spawn(
        'update',
        async () => {
          got.push(await c.map(0n, PAGE, VADDR, BigInt(a)));
        },
        { kind: 'user', process: p },
      );
      await join(first);
      await join(update);
      expect(got.toSorted((x, y) => x - y)).toEqual([0, 0]);
      expect(mm().load(a, 1)[0]).toBe(5);
      await c.unmap(0n, PAGE, UNMAP_VADDR);
      const second = spawn('rw', rw, { kind: 'user', process: p });
      const close = spawn(
        'close',
        async () => {
          await c.ops.notify(c.data, 7);
          await c.ops.notify(c.data, 0);
        },
        { kind: 'user', process: p },
      );
      await join(second);
      await join(close);
      expect(got[2]).toBe(-EFAULT);
      await c.release();
    }));

  it('should not pin for a process that is gone', () =>
    on_machine(async () => {
      const { group } = await make_group('mdev');
      const c = new container();
      await c.open();
      await c.attach(group, 1);
      await c.ops.register_notifier(c.data, { v: 1 }, new notifier_block());
      await c.map(0n, PAGE, READ);
      mm().mm_users.counter = 0;
      expect(await c.ops.pin_pages(c.data, group, [0], 1, IOMMU_READ, [0])).toBe(-ENODEV);
      mm().mm_users.counter = 1;
      await c.release();
    }));
});
