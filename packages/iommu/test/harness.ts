// SPDX-License-Identifier: GPL-2.0-only
// A machine with one process whose thread runs the test, devices in groups, and the type1 back end called as vfio.c does.

import {
  bus_type,
  create_process,
  current_mm,
  dev_set_name,
  device,
  IS_ERR,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  PROT_READ,
  PROT_WRITE,
  spawn_thread,
  sys_mmap,
} from '@vfio-lab/kernel';
import type { mm_struct, process } from '@vfio-lab/kernel';
import { join, Machine } from '@vfio-lab/sim';
import { expect } from 'vitest';
import {
  iommu_group_add_device,
  iommu_group_alloc,
  iommu_group_alloc_default_domain,
  iommu_group_put,
  total_locked_vm,
  vfio_bitmap,
  VFIO_IOMMU_DIRTY_PAGES,
  vfio_iommu_driver_ops_type1,
  VFIO_IOMMU_GET_INFO,
  VFIO_IOMMU_MAP_DMA,
  vfio_iommu_type1_dirty_bitmap,
  vfio_iommu_type1_dma_map,
  vfio_iommu_type1_dma_unmap,
  VFIO_IOMMU_UNMAP_DMA,
} from '../src/index.ts';
import type { iommu_group, type1_driver_ops } from '../src/index.ts';

/** Run `fn` in a thread of a fresh process on a fresh machine; findings and locked pages must be none at the end. */
export async function on_machine(
  fn: (p: process) => Promise<void>,
  findings: readonly string[] = [],
): Promise<void> {
  const machine = new Machine({});
  let failure: unknown = null;
  await machine.run(async () => {
    const p = create_process('test');
    const task = spawn_thread(p, 'test', async () => {
      try {
        await fn(p);
        expect(total_locked_vm()).toBe(0);
      } catch (e) {
        failure = e;
      }
    });
    await join(task);
  });
  if (failure !== null) throw failure;
  expect(machine.findings.map((f) => f.kind)).toEqual(findings);
}

/** A device on a bus, in no group. */
export function make_device(name: string, bus = new bus_type('pci')): device {
  const dev = new device();
  dev_set_name(dev, name);
  dev.bus = bus;
  return dev;
}

/** A group with a device and the kernel's own domain, held by its device only. */
export async function make_group(name: string): Promise<{ group: iommu_group; dev: device }> {
  const group = await iommu_group_alloc();
  if (IS_ERR(group)) throw new Error(`iommu_group_alloc: ${group.err}`);
  const dev = make_device(name);
  iommu_group_alloc_default_domain(group);
  await iommu_group_add_device(group, dev);
  await iommu_group_put(group);
  return { group, dev };
}

export function mm(): mm_struct {
  const m = current_mm();
  if (m === null) throw new Error('no process');
  return m;
}

/** Anonymous memory of the process. */
export function anon(size: number, prot = PROT_READ | PROT_WRITE): Promise<number> {
  return sys_mmap(0, size, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/** One container with the back end open. */
export class container {
  readonly ops: type1_driver_ops = vfio_iommu_driver_ops_type1();
  data: unknown = null;

  async open(type = 3): Promise<void> {
    this.data = await this.ops.open(type);
    expect(IS_ERR(this.data)).toBe(false);
  }

  attach(group: iommu_group, type = 0): Promise<number> {
    return Promise.resolve(this.ops.attach_group(this.data, group, type));
  }

  async detach(group: iommu_group): Promise<void> {
    await this.ops.detach_group(this.data, group);
  }

  async release(): Promise<void> {
    await this.ops.release(this.data);
  }

  check(ext: number): Promise<number> {
    return Promise.resolve(this.ops.ioctl(this.data, 0x3b65, ext));
  }

  /** An ioctl on bytes: they are put in user memory, and what is there afterwards comes back. */
  async call(cmd: number, bytes: Uint8Array): Promise<{ ret: number; bytes: Uint8Array }> {
    const arg = mm().alloc(bytes.length);
    mm().store(arg, bytes);
    const ret = await this.ops.ioctl(this.data, cmd, arg);
    const after = mm().load(arg, bytes.length);
    mm().free(arg, bytes.length);
    return { ret, bytes: after };
  }

  async map(iova: bigint, size: bigint, flags: number, vaddr?: bigint, argsz?: number): Promise<number> {
    const map = new vfio_iommu_type1_dma_map();
    map.argsz = argsz ?? map.bytes.length;
    map.flags = flags;
    map.iova = iova;
    map.size = size;
    map.vaddr = vaddr ?? BigInt(await anon(Number(size) || 4096));
    return (await this.call(VFIO_IOMMU_MAP_DMA, map.bytes)).ret;
  }

  /** Returns the error, or how much was unmapped. */
  async unmap(iova: bigint, size: bigint, flags = 0, argsz?: number): Promise<number | bigint> {
    const unmap = new vfio_iommu_type1_dma_unmap();
    unmap.argsz = argsz ?? unmap.bytes.length;
    unmap.flags = flags;
    unmap.iova = iova;
    unmap.size = size;
    const done = await this.call(VFIO_IOMMU_UNMAP_DMA, unmap.bytes);
    return done.ret < 0 ? done.ret : new vfio_iommu_type1_dma_unmap(done.bytes).size;
  }

  async info(argsz: number): Promise<{ ret: number; hex: string }> {
    const bytes = new Uint8Array(Math.max(argsz, 24));
    new DataView(bytes.buffer).setUint32(0, argsz, true);
    const done = await this.call(VFIO_IOMMU_GET_INFO, bytes);
    return { ret: done.ret, hex: Buffer.from(done.bytes.subarray(0, argsz)).toString('hex') };
  }

  async dirty(flags: number, payload: Uint8Array = new Uint8Array(0)): Promise<number> {
    const head = new vfio_iommu_type1_dirty_bitmap();
    head.argsz = 8 + payload.length;
    head.flags = flags;
    const bytes = new Uint8Array(8 + payload.length);
    bytes.set(head.bytes);
    bytes.set(payload, 8);
    return (await this.call(VFIO_IOMMU_DIRTY_PAGES, bytes)).ret;
  }
}

/** struct vfio_iommu_type1_dirty_bitmap_get, with its bitmap in user memory. */
export function dirty_range(iova: bigint, size: bigint, bitmap: vfio_bitmap): Uint8Array {
  const bytes = new Uint8Array(16 + bitmap.bytes.length);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, iova, true);
  view.setBigUint64(8, size, true);
  bytes.set(bitmap.bytes, 16);
  return bytes;
}

/** A bitmap of 4K pages at an address. */
export function bitmap_at(addr: number, size: number, pgsize = 4096n): vfio_bitmap {
  const b = new vfio_bitmap();
  b.pgsize = pgsize;
  b.size = BigInt(size);
  b.data = BigInt(addr);
  return b;
}
