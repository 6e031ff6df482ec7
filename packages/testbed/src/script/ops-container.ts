// SPDX-License-Identifier: GPL-2.0-only
// Containers and groups.
import {
  VFIO_CHECK_EXTENSION,
  VFIO_GET_API_VERSION,
  VFIO_GROUP_GET_DEVICE_FD,
  VFIO_GROUP_GET_STATUS,
  VFIO_GROUP_SET_CONTAINER,
  VFIO_GROUP_UNSET_CONTAINER,
  vfio_group_status,
  VFIO_IOMMU_GET_INFO,
  VFIO_IOMMU_MAP_DMA,
  vfio_iommu_type1_dma_map,
  vfio_iommu_type1_dma_unmap,
  vfio_iommu_type1_info,
  VFIO_IOMMU_UNMAP_DMA,
  VFIO_SET_IOMMU,
} from '@vfio-lab/headers';
import { sizeof } from '@vfio-lab/kernel';
import { bufferOf } from '../userspace/user.ts';
import { toHex } from './language.ts';
import type { OpSpec } from './ops.ts';
import { hex, rcFields } from './session.ts';

const s32 = (n: number): Uint8Array => new Uint8Array(new Int32Array([n]).buffer);

/** A buffer that holds `argsz` bytes, but at least the struct. */
export function roomFor(size: number, argsz: number | undefined): Uint8Array {
  return new Uint8Array(Math.max(size, Math.min(argsz ?? 0, 1 << 16)));
}

export const cString = (text: string): Uint8Array => new TextEncoder().encode(`${text}\0`);

export const containerOps: OpSpec[] = [
  {
    name: 'container',
    args: { C: 'name' },
    async run(s, a) {
      const ret = await s.user.open('/dev/vfio/vfio');
      await s.bind(a.C as string, ret);
      return ret < 0 ? rcFields(ret) : { rc: 0 };
    },
  },
  {
    name: 'group',
    args: { G: 'name', BDF: 'text' },
    async run(s, a) {
      const word = a.BDF as string;
      const group = word.startsWith('#') ? word.slice(1) : s.testbed.groupOf(word);
      const ret = await s.user.open(`/dev/vfio/${group}`);
      await s.bind(a.G as string, ret);
      return { ...(ret < 0 ? rcFields(ret) : { rc: 0 }), group };
    },
  },
  {
    name: 'open',
    args: { X: 'name', PATH: 'text' },
    options: { ro: 'word' },
    async run(s, a) {
      const ret = await s.user.open(a.PATH as string, a.ro === true);
      await s.bind(a.X as string, ret);
      return ret < 0 ? rcFields(ret) : { rc: 0 };
    },
  },
  {
    name: 'device',
    args: { D: 'name', G: 'name', STRING: 'text' },
    async run(s, a) {
      const { ret } = await s.user.ioctlBytes(
        s.fd(a.G as string),
        VFIO_GROUP_GET_DEVICE_FD,
        cString(a.STRING as string),
      );
      await s.bind(a.D as string, ret);
      return ret < 0 ? rcFields(ret) : { rc: 0 };
    },
  },
  {
    name: 'set_container',
    args: { G: 'name', C: 'name' },
    async run(s, a) {
      const { ret } = await s.user.ioctlBytes(
        s.fd(a.G as string),
        VFIO_GROUP_SET_CONTAINER,
        s32(s.fd(a.C as string)),
      );
      return rcFields(ret);
    },
  },
  {
    name: 'unset_container',
    args: { G: 'name' },
    async run(s, a) {
      return rcFields(await s.user.ioctl(s.fd(a.G as string), VFIO_GROUP_UNSET_CONTAINER));
    },
  },
  {
    name: 'set_iommu',
    args: { C: 'name', T: 'num' },
    async run(s, a) {
      return rcFields(await s.user.ioctl(s.fd(a.C as string), VFIO_SET_IOMMU, a.T as number));
    },
  },
  {
    name: 'check_ext',
    args: { C: 'name', N: 'num' },
    async run(s, a) {
      return rcFields(await s.user.ioctl(s.fd(a.C as string), VFIO_CHECK_EXTENSION, a.N as number));
    },
  },
  {
    name: 'api_version',
    args: { C: 'name' },
    async run(s, a) {
      return rcFields(await s.user.ioctl(s.fd(a.C as string), VFIO_GET_API_VERSION));
    },
  },
  {
    name: 'group_status',
    args: { G: 'name' },
    options: { argsz: 'num', flags: 'flags' },
    async run(s, a) {
      const status = new vfio_group_status(roomFor(sizeof(vfio_group_status), a.argsz as number | undefined));
      status.argsz = (a.argsz as number | undefined) ?? sizeof(vfio_group_status);
      status.flags = (a.flags as number | undefined) ?? 0;
      const ret = await s.user.ioctlStruct(s.fd(a.G as string), VFIO_GROUP_GET_STATUS, status);
      return { ...rcFields(ret), argsz: status.argsz, flags: status.flags };
    },
  },
  {
    name: 'iommu_info',
    args: { C: 'name' },
    options: { argsz: 'num' },
    async run(s, a) {
      const size = sizeof(vfio_iommu_type1_info);
      const argsz = (a.argsz as number | undefined) ?? size;
      const info = new vfio_iommu_type1_info(roomFor(size, argsz));
      info.argsz = argsz;
      const ret = await s.user.ioctlStruct(s.fd(a.C as string), VFIO_IOMMU_GET_INFO, info);
      const length = Math.min(bufferOf(info).length, argsz);
      return {
        ...rcFields(ret),
        argsz: info.argsz,
        flags: info.flags,
        pgsizes: hex(info.iova_pgsizes),
        cap_offset: info.cap_offset,
        raw: toHex(bufferOf(info).subarray(0, length)),
      };
    },
  },
  {
    name: 'dma_map',
    args: { C: 'name', IOVA: 'u64', SIZE: 'u64', FLAGS: 'flags' },
    options: { vaddr: 'u64', argsz: 'num' },
    async run(s, a) {
      const map = new vfio_iommu_type1_dma_map();
      map.argsz = (a.argsz as number | undefined) ?? sizeof(vfio_iommu_type1_dma_map);
      map.flags = a.FLAGS as number;
      map.vaddr =
        (a.vaddr as bigint | undefined) ?? BigInt(await s.testbed.anonymousMemory(a.SIZE as bigint));
      map.iova = a.IOVA as bigint;
      map.size = a.SIZE as bigint;
      return rcFields(await s.user.ioctlStruct(s.fd(a.C as string), VFIO_IOMMU_MAP_DMA, map));
    },
  },
  {
    name: 'dma_unmap',
    args: { C: 'name', IOVA: 'u64', SIZE: 'u64', 'flags?': 'flags' },
    options: { argsz: 'num' },
    async run(s, a) {
      const unmap = new vfio_iommu_type1_dma_unmap();
      unmap.argsz = (a.argsz as number | undefined) ?? sizeof(vfio_iommu_type1_dma_unmap);
      unmap.flags = (a.flags as number | undefined) ?? 0;
      unmap.iova = a.IOVA as bigint;
      unmap.size = a.SIZE as bigint;
      const ret = await s.user.ioctlStruct(s.fd(a.C as string), VFIO_IOMMU_UNMAP_DMA, unmap);
      return { ...rcFields(ret), size: hex(unmap.size) };
    },
  },
];
