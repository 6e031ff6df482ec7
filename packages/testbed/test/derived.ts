// SPDX-License-Identifier: GPL-2.0-only
// Machines made from the recorded ones: files of the same form with other addresses, devices and config bytes.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** One device of a machine file, as JSON has it. */
export interface DeviceJson {
  bdf: string;
  path: string;
  iommu_group: number;
  driver: string;
  attrs: Record<string, string>;
  files: string[];
  config: string;
}

/** The three files of a machine. */
export interface MachineJson {
  devices: DeviceJson[];
  /** By address; null: there is no such file. */
  wmask: Record<string, { wmask: Record<string, string>; w1c: Record<string, string> }> | null;
  /** The machine's entry in platform.json; null: it has none. */
  platform: Record<string, unknown> | null;
}

/** Read a machine of the recordings. */
export function loadMachine(dir: string, name: string): MachineJson {
  const read = (file: string): unknown => JSON.parse(readFileSync(path.join(dir, file), 'utf8'));
  const wmask = `${name}.wmask.json`;
  return {
    devices: (read(`${name}.json`) as { devices: DeviceJson[] }).devices,
    wmask: existsSync(path.join(dir, wmask)) ? (read(wmask) as MachineJson['wmask']) : null,
    platform: (read('platform.json') as Record<string, Record<string, unknown> | undefined>)[name] ?? null,
  };
}

/** Write a machine into a folder of its own; returns the path of the machine file. */
export function storeMachine(dir: string, name: string, m: MachineJson): string {
  const write = (file: string, value: unknown): void =>
    writeFileSync(path.join(dir, file), JSON.stringify(value));
  write(`${name}.json`, { devices: m.devices });
  if (m.wmask !== null) write(`${name}.wmask.json`, m.wmask);
  if (m.platform !== null) write('platform.json', { [name]: m.platform });
  return path.join(dir, `${name}.json`);
}

/** Config bytes of a device, to be changed; `put` stores them back. */
export function configOf(d: DeviceJson): Buffer {
  return Buffer.from(d.config, 'hex');
}

const isBridge = (d: DeviceJson): boolean => (configOf(d)[0x0e] & 0x7f) === 1;
export const isPort = (d: DeviceJson): boolean => configOf(d)[0x0b] === 6 && configOf(d)[0x0a] === 4;
/** Is it a function that vfio can have: no bridge of any kind? */
export const isEndpoint = (d: DeviceJson): boolean => configOf(d)[0x0b] !== 6;

/** New numbers for buses, slots of the root bus and groups; what is not in a map keeps its number. */
export interface Renumbering {
  bus: ReadonlyMap<number, number>;
  rootSlot: ReadonlyMap<number, number>;
  group: ReadonlyMap<number, number>;
}

const hex2 = (n: number): string => n.toString(16).padStart(2, '0');
const ADDRESS = /\b0000:([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])\b/g;

/** Any text with addresses of PCI functions, with the new ones. */
export function renumberText(text: string, r: Renumbering): string {
  return text.replace(ADDRESS, (_, bus: string, slot: string, fn: string) => {
    const b = parseInt(bus, 16);
    const s = parseInt(slot, 16);
    return `0000:${hex2(r.bus.get(b) ?? b)}:${hex2(b === 0 ? (r.rootSlot.get(s) ?? s) : s)}.${fn}`;
  });
}

/** The machine with new numbers; everything else stays. */
export function renumberMachine(m: MachineJson, r: Renumbering): MachineJson {
  const out = JSON.parse(renumberText(JSON.stringify(m), r)) as MachineJson;
  for (const d of out.devices) {
    d.iommu_group = r.group.get(d.iommu_group) ?? d.iommu_group;
    if (!isBridge(d)) continue;
    const c = configOf(d);
    for (const reg of [0x18, 0x19, 0x1a]) c[reg] = r.bus.get(c[reg]) ?? c[reg];
    d.config = c.toString('hex');
  }
  return out;
}

/** A script with new numbers: addresses, `#N` and nodes of groups. */
export function renumberScript(text: string, r: Renumbering): string {
  const group = (n: string): string => String(r.group.get(Number(n)) ?? n);
  return renumberText(text, r)
    .replace(/#(\d+)\b/g, (_, n: string) => `#${group(n)}`)
    .replace(/\/dev\/vfio\/(\d+)\b/g, (_, n: string) => `/dev/vfio/${group(n)}`);
}

/** A recorded line with new numbers in its operation and its results. */
export function renumberLine(line: string, r: Renumbering): Record<string, unknown> {
  const group = (n: unknown): number => r.group.get(Number(n)) ?? Number(n);
  const out = JSON.parse(renumberText(line, r)) as Record<string, unknown>;
  out.op = renumberScript(out.op as string, { ...r, bus: new Map(), rootSlot: new Map() });
  if (typeof out.group === 'string' && out.group !== '') out.group = String(group(out.group));
  // After a failure the buffer is as it was.
  if (Array.isArray(out.devices) && Number(out.rc) >= 0)
    for (const d of out.devices as { group: number }[]) d.group = group(d.group);
  if (/^syslist \/dev\/vfio/.test(out.op as string) && Array.isArray(out.entries)) {
    out.entries = (out.entries as string[])
      .map((e) => (/^\d+$/.test(e) ? String(group(e)) : e))
      .sort((a, b) => (a < b ? -1 : 1));
  }
  return out;
}

/** The offsets of a chain of capabilities of 256 bytes of config space. */
export function capabilities(c: Buffer): { id: number; at: number }[] {
  const list: { id: number; at: number }[] = [];
  if ((c[6] & 0x10) === 0) return list;
  for (let at = c[0x34] & 0xfc; at >= 0x40 && list.length < 48; at = c[at + 1] & 0xfc) {
    if (list.some((cap) => cap.at === at)) break;
    list.push({ id: c[at], at });
  }
  return list;
}

const LENGTHS: Readonly<Record<number, (c: Buffer, at: number) => number>> = {
  0x01: () => 8,
  0x05: (c, at) => 10 + (c[at + 2] & 0x80 ? 4 : 0) + (c[at + 3] & 1 ? 10 : 0),
  0x10: () => 0x3c,
  0x11: () => 12,
};

/**
 * Move every capability of a device whose length is known to another place, in another order of the chain. `pick(n)`
 * gives a number below n. Returns the new offset of each, by id.
 */
export function moveCapabilities(
  m: MachineJson,
  d: DeviceJson,
  pick: (n: number) => number,
): Map<number, number> {
  const c = configOf(d);
  const masks = m.wmask?.[d.bdf] ?? { wmask: {}, w1c: {} };
  const caps = capabilities(c);
  const moved = new Map<number, number>();
  if (caps.some((cap) => LENGTHS[cap.id] === undefined)) return moved;
  const blocks = caps.map(({ id, at }) => {
    const length = LENGTHS[id](c, at);
    const take = (table: Record<string, string>): (string | undefined)[] =>
      Array.from({ length }, (_, i) => {
        const key = `0x${(at + i).toString(16)}`;
        const byte = table[key];
        delete table[key];
        return byte;
      });
    const block = {
      id,
      bytes: Buffer.from(c.subarray(at, at + length)),
      wmask: take(masks.wmask),
      w1c: take(masks.w1c),
    };
    c.fill(0, at, at + length);
    return block;
  });
  for (let i = blocks.length - 1; i > 0; i--) {
    const j = pick(i + 1);
    [blocks[i], blocks[j]] = [blocks[j], blocks[i]];
  }
  const room = 0x100 - 0x40 - blocks.reduce((n, b) => n + ((b.bytes.length + 3) & ~3), 0);
  let at = 0x40 + 4 * pick(Math.floor(room / 4) + 1);
  const places = blocks.map((b) => {
    const here = at;
    at += (b.bytes.length + 3) & ~3;
    return here;
  });
  c[0x34] = places[0] ?? 0;
  for (const [i, b] of blocks.entries()) {
    b.bytes.copy(c, places[i]);
    c[places[i] + 1] = places[i + 1] ?? 0;
    const give = (table: Record<string, string>, bytes: (string | undefined)[]): void => {
      for (const [k, byte] of bytes.entries()) {
        const key = `0x${(places[i] + k).toString(16)}`;
        if (byte === undefined) delete table[key];
        else table[key] = byte;
      }
    };
    give(masks.wmask, b.wmask);
    give(masks.w1c, b.w1c);
    moved.set(b.id, places[i]);
  }
  d.config = c.toString('hex');
  return moved;
}
