// SPDX-License-Identifier: GPL-2.0-only
// Regions by read and write, mappings, eventfds.
import { sys_pread64, sys_pwrite64 } from '@vfio-lab/kernel';
import { BAD_POINTER } from '../userspace/user.ts';
import { REGION_SHIFT, toHex } from './language.ts';
import type { Fields, OpSpec } from './ops.ts';
import type { Args } from './parse.ts';
import { hex, rcFields, type Session } from './session.ts';

const PROT = { r: 1, w: 2, rw: 3 } as const;
const MAP_SHARED = 1;
const MAP_PRIVATE = 2;

const position = (a: Args): number => (a.REGION as number) * REGION_SHIFT + (a.OFF as number);

function littleEndian(value: bigint, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
}

function readFields(r: { ret: number; bytes: Uint8Array }): Fields {
  return { ...rcFields(r.ret), ...(r.ret > 0 && { data: toHex(r.bytes) }) };
}

async function access(
  s: Session,
  a: Args,
  go: (addr: number) => ReturnType<Session['user']['load']> | ReturnType<Session['user']['store']>,
): Promise<Fields> {
  const map = s.mappings.get(a.M as string);
  if (map === undefined || map === null) return { error: 'nomap' };
  const r = await go(map.addr + (a.OFF as number));
  if (r === null) return { ok: true };
  if ('signal' in r) return { signal: r.signal, si_code: r.si_code, addr_off: hex(r.addr - map.addr) };
  return { value: hex(r.value) };
}

export const memoryOps: OpSpec[] = [
  {
    name: 'rd',
    args: { D: 'name', REGION: 'region', OFF: 'num', LEN: 'length' },
    async run(s, a) {
      return readFields(await s.user.pread(s.fd(a.D as string), a.LEN as number, position(a)));
    },
  },
  {
    name: 'wr',
    args: { D: 'name', REGION: 'region', OFF: 'num', LEN: 'length', VALUE: 'u64' },
    async run(s, a) {
      return rcFields(
        await s.user.pwrite(
          s.fd(a.D as string),
          littleEndian(a.VALUE as bigint, a.LEN as number),
          position(a),
        ),
      );
    },
  },
  {
    name: 'wrb',
    args: { D: 'name', REGION: 'region', OFF: 'num', HEX: 'hex' },
    async run(s, a) {
      return rcFields(await s.user.pwrite(s.fd(a.D as string), a.HEX as Uint8Array, position(a)));
    },
  },
  {
    name: 'rd_bad',
    args: { D: 'name', REGION: 'region', OFF: 'num', LEN: 'num' },
    async run(s, a) {
      return rcFields(await sys_pread64(s.fd(a.D as string), BAD_POINTER, a.LEN as number, position(a)));
    },
  },
  {
    name: 'wr_bad',
    args: { D: 'name', REGION: 'region', OFF: 'num', LEN: 'num' },
    async run(s, a) {
      return rcFields(await sys_pwrite64(s.fd(a.D as string), BAD_POINTER, a.LEN as number, position(a)));
    },
  },
  {
    name: 'read_seq',
    args: { X: 'name', LEN: 'length' },
    async run(s, a) {
      return readFields(await s.user.read(s.fd(a.X as string), a.LEN as number));
    },
  },
  {
    name: 'lseek',
    args: { X: 'name', OFF: 'num', 'whence?': 'num' },
    async run(s, a) {
      return rcFields(
        await s.user.lseek(s.fd(a.X as string), a.OFF as number, (a.whence as number | undefined) ?? 0),
      );
    },
  },
  {
    name: 'poll',
    args: { X: 'name', 'ms?': 'num' },
    async run(s, a) {
      const { ret, revents } = await s.user.poll(
        s.fd(a.X as string),
        POLL_ALL,
        (a.ms as number | undefined) ?? 0,
      );
      return { ...rcFields(ret), revents };
    },
  },
  {
    name: 'mmap',
    args: { M: 'name', D: 'name', REGION: 'region', OFF: 'num', LEN: 'num', PROT: 'text' },
    options: { private: 'word' },
    async run(s, a) {
      const prot = PROT[a.PROT as keyof typeof PROT] ?? PROT.r;
      const flags = a.private === true ? MAP_PRIVATE : MAP_SHARED;
      const name = a.M as string;
      const ret = await s.user.mmap(s.fd(a.D as string), a.LEN as number, prot, flags, position(a));
      const old = s.mappings.get(name);
      if (ret < 0) {
        if (old === undefined) s.mappings.set(name, null);
        return rcFields(ret);
      }
      s.mappings.set(name, { addr: ret, length: a.LEN as number });
      if (old) await s.user.munmap(old.addr, old.length);
      return { rc: 0 };
    },
  },
  {
    name: 'munmap',
    args: { M: 'name' },
    async run(s, a) {
      const map = s.mappings.get(a.M as string);
      if (map === undefined || map === null) return { rc: -1, err: 'EAGAIN' };
      s.mappings.delete(a.M as string);
      return rcFields(await s.user.munmap(map.addr, map.length));
    },
  },
  {
    name: 'mrd',
    args: { M: 'name', OFF: 'num', SIZE: 'num' },
    run: (s, a) => access(s, a, (addr) => s.user.load(addr, a.SIZE as number)),
  },
  {
    name: 'mwr',
    args: { M: 'name', OFF: 'num', SIZE: 'num', VAL: 'num' },
    run: (s, a) => access(s, a, (addr) => s.user.store(addr, a.SIZE as number, a.VAL as number)),
  },
  {
    name: 'efd',
    args: { E: 'name', 'init?': 'num' },
    async run(s, a) {
      const ret = await s.user.eventfd((a.init as number | undefined) ?? 0);
      await s.bind(a.E as string, ret);
      return ret < 0 ? rcFields(ret) : { rc: 0 };
    },
  },
  {
    name: 'efd_rd',
    args: { E: 'name', 'ms?': 'ms' },
    async run(s, a) {
      const { ret, count } = await s.user.eventfdRead(s.fd(a.E as string), (a.ms as number | undefined) ?? 0);
      return { ...rcFields(ret), count: Number(count) };
    },
  },
  {
    name: 'efd_wr',
    args: { E: 'name', N: 'u64' },
    async run(s, a) {
      return rcFields(await s.user.eventfdWrite(s.fd(a.E as string), a.N as bigint));
    },
  },
];

/** POLLIN | POLLPRI | POLLOUT, as the recorder asks. */
const POLL_ALL = 1 | 2 | 4;
