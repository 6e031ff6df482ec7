// SPDX-License-Identifier: GPL-2.0-only
// The device file: information, interrupts, resets, features, regions.
import {
  VFIO_DEVICE_FEATURE,
  vfio_device_feature,
  VFIO_DEVICE_FEATURE_GET,
  VFIO_DEVICE_GET_INFO,
  VFIO_DEVICE_GET_IRQ_INFO,
  VFIO_DEVICE_GET_PCI_HOT_RESET_INFO,
  VFIO_DEVICE_GET_REGION_INFO,
  vfio_device_info,
  VFIO_DEVICE_IOEVENTFD,
  vfio_device_ioeventfd,
  VFIO_DEVICE_PCI_HOT_RESET,
  VFIO_DEVICE_RESET,
  VFIO_DEVICE_SET_IRQS,
  vfio_info_cap_header,
  vfio_irq_info,
  vfio_irq_set,
  vfio_pci_dependent_device,
  vfio_pci_hot_reset,
  vfio_pci_hot_reset_info,
  vfio_region_info,
} from '@vfio-lab/headers';
import { sizeof } from '@vfio-lab/kernel';
import { BAD_POINTER, bufferOf, KERNEL_POINTER } from '../userspace/user.ts';
import { parseHex, parseInteger, REGION_SHIFT, toHex } from './language.ts';
import { cString, roomFor } from './ops-container.ts';
import type { Fields, OpSpec } from './ops.ts';
import type { Args } from './parse.ts';
import { hex, rcFields, type Session } from './session.ts';

const REGION_FLAG_CAPS = 1 << 3;
/** A GET prints its payload up to so many bytes, nothing of a longer one. */
const MOST_SHOWN = 1024;
/** The buffer of a raw ioctl has at least so many bytes. */
const IOCTL_BUFFER = 256;

function fds(words: readonly string[], s: Session): Uint8Array {
  return new Uint8Array(Int32Array.from(words, (w) => s.fd(w)).buffer);
}

/** Payload of set_irqs: eventfds, booleans or raw bytes. */
function irqData(s: Session, a: Args): Uint8Array {
  if (a.efd !== undefined) return fds(a.efd as readonly string[], s);
  if (a.bool !== undefined)
    return Uint8Array.from(a.bool as readonly string[], (w) => Number(parseInteger(w) ?? 0n));
  return (a.raw as Uint8Array | undefined) ?? new Uint8Array();
}

function bdf(d: vfio_pci_dependent_device): string {
  const part = (v: number, n: number): string => v.toString(16).padStart(n, '0');
  return `${part(d.segment, 4)}:${part(d.bus, 2)}:${part(d.devfn >> 3, 2)}.${d.devfn & 7}`;
}

function caps(info: vfio_region_info): Fields {
  const list: Fields[] = [];
  for (let off = info.cap_offset; off !== 0 && off + 8 <= bufferOf(info).length;) {
    const header = new vfio_info_cap_header(bufferOf(info), off);
    list.push({ off, id: header.id, version: header.version, next: header.next });
    if (header.next <= off) break;
    off = header.next;
  }
  return list.length > 0 ? { caps: list } : {};
}

function ioctlArgument(s: Session, word: string): { bytes: Uint8Array } | { pointer: number } | null {
  if (word === 'null') return { pointer: 0 };
  if (word === 'bad') return { pointer: BAD_POINTER };
  if (word === 'kern') return { pointer: KERNEL_POINTER };
  const rest = word.slice(word.indexOf(':') + 1);
  if (word.startsWith('buf:')) {
    const bytes = parseHex(rest);
    return bytes === null ? null : { bytes };
  }
  if (word.startsWith('int:')) {
    const n = parseInteger(rest);
    return n === null ? null : { pointer: Number(n) };
  }
  if (word.startsWith('str:')) return { bytes: cString(rest) };
  if (word.startsWith('fd:')) return { bytes: fds([rest], s) };
  return null;
}

export const deviceOps: OpSpec[] = [
  {
    name: 'info',
    args: { D: 'name' },
    options: { argsz: 'num' },
    async run(s, a) {
      const info = new vfio_device_info(roomFor(sizeof(vfio_device_info), a.argsz as number | undefined));
      info.argsz = (a.argsz as number | undefined) ?? sizeof(vfio_device_info);
      const ret = await s.user.ioctlStruct(s.fd(a.D as string), VFIO_DEVICE_GET_INFO, info);
      return {
        ...rcFields(ret),
        argsz: info.argsz,
        flags: info.flags,
        num_regions: info.num_regions,
        num_irqs: info.num_irqs,
        cap_offset: info.cap_offset,
      };
    },
  },
  {
    name: 'region',
    args: { D: 'name', IDX: 'region' },
    options: { argsz: 'num' },
    async run(s, a) {
      const info = new vfio_region_info(roomFor(sizeof(vfio_region_info), a.argsz as number | undefined));
      info.argsz = (a.argsz as number | undefined) ?? sizeof(vfio_region_info);
      info.index = (a.IDX as number) >>> 0;
      const ret = await s.user.ioctlStruct(s.fd(a.D as string), VFIO_DEVICE_GET_REGION_INFO, info);
      return {
        ...rcFields(ret),
        argsz: info.argsz,
        flags: info.flags,
        index: info.index,
        cap_offset: info.cap_offset,
        size: hex(info.size),
        offset: hex(info.offset),
        ...(ret >= 0 && (info.flags & REGION_FLAG_CAPS) !== 0 ? caps(info) : {}),
      };
    },
  },
  {
    name: 'irq',
    args: { D: 'name', IDX: 'irq' },
    options: { argsz: 'num' },
    async run(s, a) {
      const info = new vfio_irq_info(roomFor(sizeof(vfio_irq_info), a.argsz as number | undefined));
      info.argsz = (a.argsz as number | undefined) ?? sizeof(vfio_irq_info);
      info.index = (a.IDX as number) >>> 0;
      const ret = await s.user.ioctlStruct(s.fd(a.D as string), VFIO_DEVICE_GET_IRQ_INFO, info);
      return { ...rcFields(ret), argsz: info.argsz, flags: info.flags, index: info.index, count: info.count };
    },
  },
  {
    name: 'set_irqs',
    args: { D: 'name', FLAGS: 'flags', IRQ: 'irq', START: 'num', COUNT: 'num' },
    options: { efd: 'list', bool: 'list', raw: 'hex', argsz: 'num' },
    colon: ['efd', 'bool', 'raw'],
    async run(s, a) {
      const data = irqData(s, a);
      const size = sizeof(vfio_irq_set) + data.length;
      const set = new vfio_irq_set(roomFor(size, a.argsz as number | undefined));
      set.argsz = (a.argsz as number | undefined) ?? size;
      set.flags = a.FLAGS as number;
      set.index = (a.IRQ as number) >>> 0;
      set.start = (a.START as number) >>> 0;
      set.count = (a.COUNT as number) >>> 0;
      bufferOf(set).set(data, sizeof(vfio_irq_set));
      return rcFields(await s.user.ioctlStruct(s.fd(a.D as string), VFIO_DEVICE_SET_IRQS, set));
    },
  },
  {
    name: 'reset',
    args: { D: 'name' },
    async run(s, a) {
      return rcFields(await s.user.ioctl(s.fd(a.D as string), VFIO_DEVICE_RESET));
    },
  },
  {
    name: 'hotreset_info',
    args: { D: 'name' },
    options: { argsz: 'num' },
    async run(s, a) {
      const size = sizeof(vfio_pci_hot_reset_info);
      const argsz = (a.argsz as number | undefined) ?? size;
      const info = new vfio_pci_hot_reset_info(roomFor(size, argsz));
      info.argsz = argsz;
      const ret = await s.user.ioctlStruct(s.fd(a.D as string), VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, info);
      const each = sizeof(vfio_pci_dependent_device);
      // Another kind of file may answer the same ioctl with something else.
      const fit = Math.max(0, Math.floor((Math.min(argsz, bufferOf(info).length) - size) / each));
      const devices = Array.from({ length: Math.min(info.count, fit) }, (_, i) => {
        const d = new vfio_pci_dependent_device(bufferOf(info), size + i * each);
        return { group: d.group_id, bdf: bdf(d) };
      });
      return { ...rcFields(ret), argsz: info.argsz, flags: info.flags, count: info.count, devices };
    },
  },
  {
    name: 'hotreset',
    args: { D: 'name' },
    options: { fds: 'list', count: 'num', flags: 'flags', argsz: 'num' },
    colon: ['fds'],
    async run(s, a) {
      const list = fds((a.fds as readonly string[] | undefined) ?? [], s);
      const size = sizeof(vfio_pci_hot_reset) + list.length;
      const reset = new vfio_pci_hot_reset(roomFor(size, a.argsz as number | undefined));
      reset.argsz = (a.argsz as number | undefined) ?? size;
      reset.flags = (a.flags as number | undefined) ?? 0;
      reset.count = (a.count as number | undefined) ?? list.length / 4;
      bufferOf(reset).set(list, sizeof(vfio_pci_hot_reset));
      return rcFields(await s.user.ioctlStruct(s.fd(a.D as string), VFIO_DEVICE_PCI_HOT_RESET, reset));
    },
  },
  {
    name: 'feature',
    args: { D: 'name', FLAGS: 'flags' },
    options: { data: 'hex', wake: 'list', argsz: 'num' },
    colon: ['data', 'wake'],
    async run(s, a) {
      const header = sizeof(vfio_device_feature);
      let data = (a.data as Uint8Array | undefined) ?? new Uint8Array();
      if (a.wake !== undefined) {
        const [efd, reserved] = a.wake as readonly string[];
        data = new Uint8Array(Int32Array.of(s.fd(efd), Number(parseInteger(reserved ?? '0') ?? 0n)).buffer);
      }
      const size = header + data.length;
      const feature = new vfio_device_feature(roomFor(size, a.argsz as number | undefined));
      feature.argsz = (a.argsz as number | undefined) ?? size;
      feature.flags = a.FLAGS as number;
      bufferOf(feature).set(data, header);
      const ret = await s.user.ioctlStruct(s.fd(a.D as string), VFIO_DEVICE_FEATURE, feature);
      if (((a.FLAGS as number) & VFIO_DEVICE_FEATURE_GET) === 0) return rcFields(ret);
      const shown = feature.argsz > header + MOST_SHOWN ? header : Math.max(header, feature.argsz);
      return { ...rcFields(ret), data: toHex(bufferOf(feature).subarray(header, shown)) };
    },
  },
  {
    name: 'ioeventfd',
    args: { D: 'name', FLAGS: 'flags', OFF: 'num', DATA: 'u64', EFD: 'name' },
    options: { region: 'region', argsz: 'num' },
    async run(s, a) {
      const arg = new vfio_device_ioeventfd(
        roomFor(sizeof(vfio_device_ioeventfd), a.argsz as number | undefined),
      );
      arg.argsz = (a.argsz as number | undefined) ?? sizeof(vfio_device_ioeventfd);
      arg.flags = a.FLAGS as number;
      const offset = BigInt(((a.region as number | undefined) ?? 0) * REGION_SHIFT + (a.OFF as number));
      const fields = arg as unknown as Record<string, number | bigint>;
      fields.offset = typeof fields.offset === 'bigint' ? offset : Number(offset);
      fields.data = typeof fields.data === 'bigint' ? (a.DATA as bigint) : Number(a.DATA);
      arg.fd = s.fd(a.EFD as string);
      return rcFields(await s.user.ioctlStruct(s.fd(a.D as string), VFIO_DEVICE_IOEVENTFD, arg));
    },
  },
  {
    name: 'ioctl',
    args: { X: 'name', NUM: 'num', ARG: 'text' },
    async run(s, a) {
      const fd = s.fd(a.X as string);
      const arg = ioctlArgument(s, a.ARG as string) ?? { pointer: 0 };
      if ('pointer' in arg) return rcFields(await s.user.ioctl(fd, a.NUM as number, arg.pointer));
      // What lies behind the bytes given is zero.
      const buffer = new Uint8Array(Math.max(arg.bytes.length, IOCTL_BUFFER));
      buffer.set(arg.bytes);
      const { ret, bytes } = await s.user.ioctlBytes(fd, a.NUM as number, buffer);
      const shown = toHex(bytes.subarray(0, arg.bytes.length));
      return { ...rcFields(ret), ...((a.ARG as string).startsWith('buf:') && { buf: shown }) };
    },
  },
];
