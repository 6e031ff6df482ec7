// SPDX-License-Identifier: GPL-2.0-only
// A small board for the tests: a root port with an endpoint, a conventional bridge with two functions, an SR-IOV device.

import { Machine, type MachineOptions } from '@vfio-lab/sim';
import { runtime_pm_init } from '@vfio-lab/runtime-pm';
import * as P from '../src/index.ts';

type Bytes = readonly (readonly [off: number, size: number, val: number])[];

export function config(size: number, bytes: Bytes): Uint8Array {
  const c = new Uint8Array(size);
  for (const [off, n, val] of bytes)
    for (let i = 0; i < n; i++) c[off + i] = Math.floor(val / 2 ** (8 * i)) & 0xff;
  return c;
}

/** Registers that remember what was written and what was read. */
export class scratch_model implements P.pci_device_model {
  readonly name = 'scratch';
  readonly regs = new Map<string, number>();
  readonly resets: string[] = [];
  readonly powers: string[] = [];
  hw!: P.pci_function;
  vpd?: Uint8Array;

  attach(hw: P.pci_function): void {
    this.hw = hw;
  }
  reset(kind: P.pci_reset_kind): void {
    this.resets.push(kind);
    this.regs.clear();
  }
  power_changed(state: number, old: number): void {
    this.powers.push(`${old}>${state}`);
  }
  mmio_read(bar: number, off: number): number {
    return this.regs.get(`${bar}:${off}`) ?? 0;
  }
  mmio_write(bar: number, off: number, _size: number, val: number): void {
    this.regs.set(`${bar}:${off}`, val);
  }
  virtual_function(): P.pci_device_model {
    return new scratch_model();
  }
}

export interface EndpointOptions {
  bdf?: string;
  parent?: string | null;
  /** Bits 15:11 of PMC and the rest. */
  pmc?: number;
  pmcsr?: number;
  no_pm?: boolean;
  pcie?: boolean;
  flr?: boolean;
  af?: boolean;
  msi?: number;
  msix?: number;
  vpd?: Uint8Array;
  base?: number;
  irq?: number;
  header?: number;
  class?: number;
  quirks?: Partial<P.pci_hw_quirks>;
  acpi?: P.pci_device_description['acpi'];
  sriov?: boolean;
  dev_flags?: number;
  ids?: number;
  rom?: boolean;
}

/** An endpoint: BAR0 memory 4 KiB (MSI-X table in BAR1), BAR2 ports, capabilities PM 0x40, MSI 0x50, EXP 0x60, MSI-X 0xa0, VPD 0xb0, AF 0xc0. */
export function endpoint(o: EndpointOptions = {}): P.pci_device_description & { model: scratch_model } {
  const base = o.base ?? 0xfe000000;
  const caps: [number, number][] = [];
  const bytes: [number, number, number][] = [
    [0x00, 4, o.ids ?? 0x56781234],
    [0x04, 2, 0x0003],
    [0x06, 2, 0x0010],
    [0x08, 4, ((o.class ?? 0xff0000) * 256 + 1) >>> 0],
    [0x0e, 1, o.header ?? 0],
    [0x10, 4, base],
    [0x14, 4, base + 0x1000],
    [0x18, 4, 0xe001],
    [0x2c, 4, 0x11001af4],
    [0x3c, 1, o.irq ?? 0],
    [0x3d, 1, o.irq === 0 ? 0 : 1],
  ];
  if (o.no_pm !== true) {
    caps.push([0x40, 1]);
    bytes.push([0x42, 2, o.pmc ?? 0x0003], [0x44, 2, o.pmcsr ?? 0]);
  }
  if (o.msi !== undefined) {
    caps.push([0x50, 5]);
    bytes.push([0x52, 2, o.msi]);
  }
  if (o.pcie !== false) {
    caps.push([0x60, 0x10]);
    bytes.push(
      [0x62, 2, 0x0002],
      [0x64, 4, o.flr ? 0x10008000 : 0x00008000],
      [0x68, 2, 0x2810],
      [0x6c, 4, 0x0411],
      [0x72, 2, 0x0011],
    );
  }
  if (o.msix !== undefined) {
    caps.push([0xa0, 0x11]);
    bytes.push([0xa2, 2, o.msix - 1], [0xa4, 4, 1], [0xa8, 4, 0x801]);
  }
  if (o.vpd !== undefined) caps.push([0xb0, 3]);
  if (o.af === true) {
    caps.push([0xc0, 0x13]);
    bytes.push([0xc2, 2, 0x0306]);
  }
  caps.forEach(([pos, id], i) => bytes.push([pos, 1, id], [pos + 1, 1, caps[i + 1]?.[0] ?? 0]));
  if (caps.length > 0) bytes.push([0x34, 1, caps[0][0]]);
  else bytes.push([0x06, 2, 0]);
  const resources: P.pci_resource_description[] = [
    { start: base, end: base + 0xfff, flags: 0x40200 },
    { start: base + 0x1000, end: base + 0x1fff, flags: 0x40200 },
    { start: 0xe000, end: 0xe01f, flags: 0x40101 },
    { start: 0, end: 0, flags: 0 },
    { start: 0, end: 0, flags: 0 },
    { start: 0, end: 0, flags: 0 },
    o.rom === true
      ? { start: base + 0x2000, end: base + 0x27ff, flags: 0x46200 }
      : { start: 0, end: 0, flags: 0 },
  ];
  if (o.sriov === true) {
    bytes.push([0x100, 4, 0x1200000e], [0x120, 4, 0x00010010]);
    bytes.push(
      [0x12c, 2, 2],
      [0x12e, 2, 2],
      [0x134, 2, 1],
      [0x136, 2, 1],
      [0x13a, 2, 0x5679],
      [0x13c, 4, 1],
      [0x140, 4, 1],
    );
    bytes.push([0x144, 4, base + 0x4004]);
    resources.push({ start: base + 0x4000, end: base + 0x5fff, flags: 0x140204 });
  }
  if (o.rom === true) bytes.push([0x30, 4, base + 0x2000]);
  const model = new scratch_model();
  if (o.vpd !== undefined) model.vpd = o.vpd;
  return {
    bdf: o.bdf ?? '0000:01:00.0',
    parent: o.parent === undefined ? '0000:00:01.0' : o.parent,
    config: config(o.pcie === false ? 256 : 4096, bytes),
    resources,
    irq: o.irq ?? 11,
    model,
    ...(o.quirks === undefined ? {} : { quirks: o.quirks }),
    ...(o.acpi === undefined ? {} : { acpi: o.acpi }),
    ...(o.dev_flags === undefined ? {} : { dev_flags: o.dev_flags }),
  };
}

export interface PortOptions {
  bdf?: string;
  bus?: number;
  /** Highest bus below. */
  last?: number;
  parent?: string | null;
  no_pm?: boolean;
  hotplug?: boolean;
  /** GT/s of the link as in Supported Link Speeds: 0xe for 8 GT/s. */
  speeds?: number;
  link_up?: boolean;
  /** A bridge to conventional PCI instead of a root port. */
  conventional?: boolean;
  acpi?: P.pci_device_description['acpi'];
  pmc?: number;
}

/** A root port that forwards memory fe000000-feffffff and ports e000-efff: EXP 0x60, PM 0x40. */
export function port(o: PortOptions = {}): P.pci_device_description {
  const bus = o.bus ?? 1;
  const type = o.conventional === true ? 0x0072 : 0x0142;
  const bytes: [number, number, number][] = [
    [0x00, 4, 0x000c1b36],
    [0x04, 2, 0x0007],
    [0x06, 2, 0x0010],
    [0x08, 4, 0x06040000],
    [0x0e, 1, 1],
    [0x19, 1, bus],
    [0x1a, 1, o.last ?? bus],
    [0x1c, 2, 0xe0e0],
    [0x20, 4, 0xfef0fe00],
    [0x24, 4, 0x0001fff1],
    [0x34, 1, o.no_pm === true ? 0x60 : 0x40],
    [0x3d, 1, 1],
    [0x40, 2, 0x6001],
    [0x42, 2, o.pmc ?? 0xc803],
    [0x44, 2, 0x0008],
    [0x60, 2, 0x0010],
    [0x62, 2, type],
    [0x64, 4, 0x8000],
    [0x6c, 4, 0x00300000 | 0x411],
    [0x72, 2, o.link_up === false ? 0x0011 : 0x2011],
    [0x74, 4, o.hotplug === true ? 0x40 : 0],
    [0x84, 4, 0x20],
    [0x8c, 4, o.speeds ?? 0x6],
  ];
  return {
    bdf: o.bdf ?? '0000:00:01.0',
    parent: o.parent ?? null,
    config: config(4096, bytes),
    resources: [],
    irq: 21,
    ...(o.acpi === undefined ? {} : { acpi: o.acpi }),
  };
}

/** A power switch for what is below a port. */
export function slot_power(bdf = '0000:00:01.0'): P.pci_power_resource_description {
  return { name: `PR ${bdf}`, pr0: [bdf], pr3: [bdf], off: 'slot' };
}

/** The usual board: one port, one endpoint. */
export function board(o: EndpointOptions = {}, p: PortOptions = {}): P.pci_machine_description {
  return { devices: [port(p), endpoint(o)] };
}

export interface Booted {
  machine: Machine;
}

/** Boot a board on a machine of its own and run a program there. */
export async function boot(
  desc: P.pci_machine_description,
  fn: (dev: P.pci_dev, port: P.pci_dev) => Promise<void>,
  opts: MachineOptions = {},
): Promise<Machine> {
  const machine = new Machine({ max_steps: 100_000, ...opts });
  await machine.run(async () => {
    runtime_pm_init();
    await P.pci_scan(desc);
    const find = (d: P.pci_device_description): P.pci_dev => {
      const dev = P.pci_find_device_by_name(d.bdf);
      if (dev === null) throw new Error(`${d.bdf} was not found`);
      return dev;
    };
    await fn(find(desc.devices[desc.devices.length - 1]), find(desc.devices[0]));
  });
  return machine;
}

/** The model of a device made by endpoint(). */
export function model_of(dev: P.pci_dev): scratch_model {
  return dev.hw.model as scratch_model;
}

/** The kinds of findings of a machine. */
export function kinds(m: Machine): string[] {
  return m.findings.map((f) => f.kind);
}
