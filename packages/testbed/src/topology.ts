// SPDX-License-Identifier: GPL-2.0-only
// Our own machines: short data files, from which config space is laid out.
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { InputError } from '@vfio-lab/sim';
import { type MachineDescription, type MachineDevice, type PowerResource, readJson } from './machine-file.ts';

const DIRECTORY = path.join(import.meta.dirname, '..', 'topologies');

/** A function in a topology file. Numbers are hex strings without 0x where hardware documents write hex. */
export interface TopologyDevice {
  bdf: string;
  what: string;
  vendor: string;
  device: string;
  /** Six digits: base class, subclass, interface. */
  class: string;
  /** Bus behind a bridge; makes it a PCIe root port. */
  secondary?: number;
  /** Interrupt pin A to D; left out: none. */
  pin?: string;
  /**
   * BAR sizes by index, in bytes as hex: '1000000'; an 'io:' in front makes it an I/O BAR, '64:' a 64-bit one. Index 6 is
   * the expansion ROM.
   */
  bars?: Record<string, string>;
  pm?: { noSoftRst: boolean; pmeFrom?: string[] };
  pcie?: boolean;
  flr?: boolean;
  /** Function-level reset by the Advanced Features capability of conventional PCI. */
  af?: boolean;
  msi?: boolean;
  msix?: { vectors: number; bar: number };
  sriov?: { total: number; vfDevice: string; bars: Record<string, string> };
  model?: string;
  driver?: string;
  group: number;
}

export interface TopologyFile {
  name: string;
  about: string;
  biosYear: number;
  hotplug?: string;
  devices: TopologyDevice[];
  powerResources: { name: string; feeds: string[]; losesState: boolean }[];
}

/** Names of the topologies that come with vfio-lab. */
export function topologyNames(): string[] {
  return readdirSync(DIRECTORY)
    .filter((f) => f.endsWith('.json'))
    .map((f) => f.replace(/\.json$/, ''))
    .sort();
}

/** What a topology is, in a sentence. */
export function topologyAbout(name: string): string {
  return load(name).about;
}

const LAID_OUT = new Map<string, MachineDescription>();

/**
 * The machine of a topology by name. Throws InputError with the names there are. Laid out once; a boot copies what
 * it changes.
 */
export function topology(name: string): MachineDescription {
  let found = LAID_OUT.get(name);
  if (found === undefined) LAID_OUT.set(name, (found = describeTopology(load(name))));
  return found;
}

/** The machine of a topology, laid out. Throws InputError when its BARs do not fit. */
export function describeTopology(file: TopologyFile): MachineDescription {
  const board = new Board(file);
  return {
    name: file.name,
    devices: file.devices.map((d) => layOut(d, board)),
    biosYear: file.biosYear,
    powerResources: file.powerResources.map((r): PowerResource => ({
      name: r.name,
      pr0: r.feeds,
      pr3: r.feeds,
      losesState: r.losesState,
    })),
    hotplug: file.hotplug ?? 'none',
    hotResetOfPcieSlots: '',
  };
}

function load(name: string): TopologyFile {
  if (!topologyNames().includes(name))
    throw new InputError(`no topology "${name}"`, '--topology', `take one of ${topologyNames().join(', ')}`);
  return readJson(path.join(DIRECTORY, `${name}.json`)) as unknown as TopologyFile;
}

/** Bytes of config space with the masks beside them, written field by field. */
class Layout {
  readonly config: Uint8Array;
  readonly wmask: Uint8Array;
  readonly w1c: Uint8Array;

  constructor(length: number) {
    this.config = new Uint8Array(length);
    this.wmask = new Uint8Array(length);
    this.w1c = new Uint8Array(length);
  }

  put(off: number, size: number, value: number, writable = 0, w1c = 0): void {
    for (let i = 0; i < size; i++) {
      this.config[off + i] = Math.floor(value / 2 ** (8 * i)) & 0xff;
      this.wmask[off + i] = Math.floor(writable / 2 ** (8 * i)) & 0xff;
      this.w1c[off + i] = Math.floor(w1c / 2 ** (8 * i)) & 0xff;
    }
  }
}

interface Bar {
  index: number;
  size: number;
  io: boolean;
  wide: boolean;
}

function parseBars(bars: Record<string, string> | undefined): Bar[] {
  return Object.entries(bars ?? {}).map(([index, text]) => {
    const [size, kind] = text.split(':').reverse();
    return { index: Number(index), size: parseInt(size, 16), io: kind === 'io', wide: kind === '64' };
  });
}

const IORESOURCE_IO = 0x100;
const IORESOURCE_MEM = 0x200;
const IORESOURCE_MEM_64 = 0x100000;
const PM_STATES = ['D0', 'D1', 'D2', 'D3hot', 'D3cold'];
const ROM = 6;
const MEM_BASE = 0xe000_0000;
const PORT_BASE = 0x1000;

/** 'dddd:bb:dd' of an address. */
const slotOf = (bdf: string): string => bdf.slice(0, -2);

/** What all memory windows of buses together may take: up to the local APIC and the ROMs. */
const MEM_SPACE = 0x1000_0000;
const MOST_OF_A_BUS = 0x0100_0000;

/**
 * What the functions of a machine have in common. Hands out addresses for BARs: every bus has a window, in which BARs
 * follow one another at their alignment.
 */
class Board {
  /** Number of functions by slot, and ports by the bus behind them. */
  readonly functions = new Map<string, number>();
  readonly ports = new Map<number, TopologyDevice>();
  /** Size of a bus's memory window, a power of two. */
  readonly window: number;
  readonly #used = new Map<number, number>();
  #port = PORT_BASE;

  constructor(file: TopologyFile) {
    for (const d of file.devices) {
      const slot = slotOf(d.bdf);
      this.functions.set(slot, (this.functions.get(slot) ?? 0) + 1);
      if (d.secondary !== undefined) this.ports.set(d.secondary, d);
    }
    const buses =
      1 + Math.max(...file.devices.map((d) => Math.max(parseInt(d.bdf.slice(5, 7), 16), d.secondary ?? 0)));
    this.window = Math.min(MOST_OF_A_BUS, 2 ** Math.floor(Math.log2(MEM_SPACE / buses)));
  }

  /** First address of a bus's window. */
  base(bus: number): number {
    return MEM_BASE + bus * this.window;
  }

  /** Room for `count` BARs of this kind side by side. Throws InputError when the window is full. */
  place(bdf: string, bar: Bar, count = 1): number {
    if (bar.io) {
      const at = Math.ceil(this.#port / bar.size) * bar.size;
      this.#port = at + bar.size * count;
      return at;
    }
    const bus = parseInt(bdf.slice(5, 7), 16);
    const at = Math.ceil((this.#used.get(bus) ?? 0) / bar.size) * bar.size;
    const end = at + bar.size * count;
    if (end > this.window)
      throw new InputError(`no room for BAR ${bar.index} of ${bdf}`, 'topology', 'make BARs smaller');
    this.#used.set(bus, end);
    return this.base(bus) + at;
  }
}

function layOut(d: TopologyDevice, board: Board): MachineDevice {
  const pcie = d.pcie === true || d.secondary !== undefined;
  const l = new Layout(pcie ? 4096 : 256);
  const bridge = d.secondary !== undefined;
  l.put(0x00, 2, parseInt(d.vendor, 16));
  l.put(0x02, 2, parseInt(d.device, 16));
  l.put(0x04, 2, bridge ? 0x0007 : 0, 0x0547);
  l.put(0x06, 2, 0x0010, 0, 0xf900);
  l.put(0x08, 1, 0xa1);
  const cls = parseInt(d.class, 16);
  l.put(0x09, 3, cls);
  l.put(0x0c, 1, 0, 0xff);
  l.put(0x0e, 1, (bridge ? 1 : 0) | ((board.functions.get(slotOf(d.bdf)) ?? 0) > 1 ? 0x80 : 0));
  const resources: string[] = Array.from({ length: 7 }, () => resourceLine(0, 0, 0));
  for (const bar of parseBars(d.bars)) {
    const at = board.place(d.bdf, bar);
    const rom = bar.index === ROM;
    const off = rom ? 0x30 : 0x10 + 4 * bar.index;
    const mask = (0x1_0000_0000 - bar.size) % 0x1_0000_0000;
    l.put(off, 4, at + (bar.io ? 1 : bar.wide ? 4 : 0), rom ? mask + 1 : mask);
    if (bar.wide) l.put(off + 4, 4, 0, 0xffff_ffff);
    resources[bar.index] = resourceLine(
      at,
      bar.size,
      (bar.io ? IORESOURCE_IO : IORESOURCE_MEM | (bar.wide ? IORESOURCE_MEM_64 : 0)) | 0x40000,
    );
  }
  if (bridge) {
    const bus = d.secondary as number;
    l.put(0x19, 1, bus, 0xff);
    l.put(0x1a, 1, bus, 0xff);
    l.put(0x20, 2, (board.base(bus) >>> 16) & 0xfff0, 0xfff0);
    l.put(0x22, 2, ((board.base(bus) + board.window - 1) >>> 16) & 0xfff0, 0xfff0);
    l.put(0x3e, 2, 0, 0x005b);
  } else {
    l.put(0x2c, 2, parseInt(d.vendor, 16));
    l.put(0x2e, 2, parseInt(d.device, 16) ^ 0x1000);
  }
  l.put(0x3c, 1, 0, 0xff);
  l.put(0x3d, 1, d.pin === undefined ? 0 : d.pin.charCodeAt(0) - 64);
  capabilities(l, d, pcie, bridge);
  if (d.sriov !== undefined) sriov(l, d, resources, board);
  const parent = board.ports.get(parseInt(d.bdf.slice(5, 7), 16));
  return {
    bdf: d.bdf,
    path: `/sys/devices/pci0000:00/${parent === undefined ? '' : `${parent.bdf}/`}${d.bdf}`,
    iommuGroup: d.group,
    driver: d.driver ?? (bridge ? 'pcieport' : ''),
    attrs: {
      vendor: `0x${d.vendor}`,
      device: `0x${d.device}`,
      class: `0x${d.class}`,
      irq: '0',
      resource: resources.join('\n'),
      ...(d.sriov !== undefined && { sriov_totalvfs: String(d.sriov.total), sriov_numvfs: '0' }),
    },
    files: [],
    config: l.config,
    wmask: l.wmask,
    w1c: l.w1c,
    ...(d.model !== undefined && { model: d.model }),
  };
}

function resourceLine(at: number, size: number, flags: number): string {
  const word = (v: number): string => `0x${v.toString(16).padStart(16, '0')}`;
  return size === 0 ? [0, 0, 0].map(word).join(' ') : [at, at + size - 1, flags].map(word).join(' ');
}

/** The capability list: PM at 0x40, MSI at 0x50, PCIe at 0x70, MSI-X at 0xb0, AF at 0xc0, those that the device has. */
function capabilities(l: Layout, d: TopologyDevice, pcie: boolean, bridge: boolean): void {
  let link = 0x34;
  const chain = (at: number, id: number): void => {
    l.put(link, 1, at);
    l.put(at, 1, id);
    link = at + 1;
  };
  if (d.pm !== undefined) {
    chain(0x40, 0x01);
    const pme = (d.pm.pmeFrom ?? []).reduce((bits, s) => bits | (1 << (11 + PM_STATES.indexOf(s))), 0);
    l.put(0x42, 2, 0x0003 | pme);
    l.put(0x44, 2, d.pm.noSoftRst ? 0x0008 : 0, 0x0003 | (pme !== 0 ? 0x0100 : 0), pme !== 0 ? 0x8000 : 0);
  }
  if (d.msi === true) {
    chain(0x50, 0x05);
    l.put(0x52, 2, 0x0080, 0x0071);
    l.put(0x54, 4, 0, 0xffff_fffc);
    l.put(0x58, 4, 0, 0xffff_ffff);
    l.put(0x5c, 2, 0, 0xffff);
  }
  if (pcie) {
    chain(0x70, 0x10);
    l.put(0x72, 2, bridge ? 0x0142 : 0x0002);
    l.put(0x74, 4, 0x0000_8001 | (d.flr === true ? 0x1000_0000 : 0));
    l.put(0x78, 2, 0x2810, 0x7fff);
    l.put(0x7a, 2, 0, 0, 0x000f);
    l.put(0x7c, 4, 0x0010_0c11 | (bridge ? 0x0010_0000 : 0));
    l.put(0x80, 2, 0, 0x0ffb);
    l.put(0x82, 2, bridge ? 0x2011 : 0x0011);
    if (bridge) {
      l.put(0x8c, 2, 0, 0x001f);
      l.put(0x90, 4, 0, 0, 0x0001_0000);
    }
    l.put(0x94, 4, 0x0000_0010);
    l.put(0x98, 2, 0, 0x03ff);
  }
  if (d.msix !== undefined) {
    chain(0xb0, 0x11);
    l.put(0xb2, 2, d.msix.vectors - 1, 0xc000);
    l.put(0xb4, 4, d.msix.bar);
    l.put(0xb8, 4, 0x0800 | d.msix.bar);
  }
  if (d.af === true) {
    chain(0xc0, 0x13);
    l.put(0xc2, 1, 6);
    l.put(0xc3, 1, 0x03);
  }
  l.put(link, 1, 0);
}

/** SR-IOV at 0x100, the only extended capability. */
function sriov(l: Layout, d: TopologyDevice, resources: string[], board: Board): void {
  const s = d.sriov as NonNullable<TopologyDevice['sriov']>;
  l.put(0x100, 4, 0x0001_0010);
  l.put(0x104, 4, 0);
  l.put(0x108, 2, 0, 0x0019);
  l.put(0x10c, 2, s.total);
  l.put(0x10e, 2, s.total);
  l.put(0x110, 2, 0, 0xffff);
  l.put(0x114, 2, 1);
  l.put(0x116, 2, 1);
  l.put(0x11a, 2, parseInt(s.vfDevice, 16));
  l.put(0x11c, 4, 0x0000_0553);
  l.put(0x120, 4, 0x0000_0001, 0x0000_0553);
  for (const bar of parseBars(s.bars)) {
    const at = board.place(d.bdf, bar, s.total);
    l.put(0x124 + 4 * bar.index, 4, at + (bar.wide ? 4 : 0), (0x1_0000_0000 - bar.size) % 0x1_0000_0000);
    resources[7 + bar.index] = resourceLine(at, bar.size * s.total, IORESOURCE_MEM | 0x40000);
  }
  for (let i = 7; i < 13; i++) resources[i] ??= resourceLine(0, 0, 0);
}
