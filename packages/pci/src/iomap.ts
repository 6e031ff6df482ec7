// SPDX-License-Identifier: GPL-2.0-only
// lib/pci_iomap.c, lib/iomap.c (v5.19-rc4): mapping BARs and accessing them.

import { access, current, type int, report, type u16, type u32, type u8 } from '@vfio-lab/sim';
import { check_powered } from './access.ts';
import { pci } from './core.ts';
import { ones, PCI_HW_D3HOT } from './hw/function.ts';
import type { pci_bar_place } from './hw/fabric.ts';
import { pci_resource_len, pci_resource_start } from './pci.ts';
import { IORESOURCE_IO, IORESOURCE_MEM } from './resource.ts';
import type { pci_dev } from './types.ts';

/**
 * An __iomem cookie: a mapped range of device memory or ports. Arithmetic on it is plus().
 * Accesses after iounmap() are reported.
 */
export class iomem {
  /** Physical address or port number of its first byte. */
  readonly phys: number;
  readonly len: number;
  readonly io: boolean;
  /** The mapping it was cut from; that one knows whether it is still there. */
  readonly base: iomem;
  unmapped = false;
  /** Where it decoded last, tried first. */
  readonly hint: pci_bar_place | null;

  constructor(
    phys: number,
    len: number,
    io: boolean,
    hint: pci_bar_place | null = null,
    base: iomem | null = null,
  ) {
    this.phys = phys;
    this.len = len;
    this.io = io;
    this.hint = hint;
    this.base = base ?? this;
  }

  /** `io + off` */
  plus(off: number): iomem {
    if (off === 0) return this;
    const hint =
      this.hint === null ? null : { fn: this.hint.fn, bar: this.hint.bar, off: this.hint.off + off };
    return new iomem(this.phys + off, this.len - off, this.io, hint, this.base);
  }
}

/** `addr + off` on a cookie. */
export function iomem_add(addr: iomem, off: number): iomem {
  return addr.plus(off);
}

function hint_of(phys: number, io: boolean): pci_bar_place | null {
  const core = pci();
  for (const dev of core.devices) {
    for (let bar = 0; bar <= 6; bar++) {
      const r = dev.resource[bar];
      if (r.end === 0 || ((r.flags & IORESOURCE_IO) !== 0) !== io) continue;
      if (phys >= r.start && phys <= r.end) return { fn: dev.hw, bar, off: phys - r.start };
    }
  }
  return null;
}

/** Map a BAR, at most `maxlen` bytes of it (0: all). Null when there is none. C: lib/pci_iomap.c pci_iomap() */
export function pci_iomap(dev: pci_dev, bar: int, maxlen: number): iomem | null {
  let len = pci_resource_len(dev, bar);
  const start = pci_resource_start(dev, bar);
  const flags = dev.resource[bar].flags;
  if (len === 0 || start === 0) return null;
  if (maxlen && len > maxlen) len = maxlen;
  if (flags & IORESOURCE_IO) return new iomem(start, len, true, { fn: dev.hw, bar, off: 0 });
  return flags & IORESOURCE_MEM ? new iomem(start, len, false, { fn: dev.hw, bar, off: 0 }) : null;
}

/** C: lib/pci_iomap.c pci_iounmap() */
export function pci_iounmap(_dev: pci_dev, addr: iomem): void {
  addr.base.unmapped = true;
}

/** Map physical memory. C: arch/x86/mm/ioremap.c ioremap() */
export function ioremap(phys: number, len: number): iomem | null {
  return len === 0 ? null : new iomem(phys, len, false, hint_of(phys, false));
}

/** C: arch/x86/mm/ioremap.c iounmap() */
export function iounmap(addr: iomem): void {
  addr.base.unmapped = true;
}

/** Cookie for a port range. C: lib/iomap.c ioport_map() */
export function ioport_map(port: number, nr: number): iomem | null {
  return port > 0xffff ? null : new iomem(port, nr, true, hint_of(port, true));
}

/** C: lib/iomap.c ioport_unmap() */
export function ioport_unmap(addr: iomem): void {
  addr.base.unmapped = true;
}

/** Findings about accesses that no device answers. */
function note_state(at: pci_bar_place, what: string): void {
  const fn = at.fn;
  check_powered(fn, what);
  if (fn.power !== PCI_HW_D3HOT || fn.quirks.d3hot_decodes || !fn.has_power()) return;
  const where = current.site === '' ? current.name : current.site;
  if (fn.reported.has(`d3hot ${where}`)) return;
  fn.reported.add(`d3hot ${where}`);
  report('d3hot-access', `${what} of ${fn.name}, BAR ${at.bar}, in D3hot by ${where}: nobody answers`, {
    device: fn.name,
    bar: at.bar,
  });
}

async function space_access(
  phys: number,
  size: int,
  io: boolean,
  hint: pci_bar_place | null,
  val: u32 | null,
): Promise<u32> {
  const core = pci();
  const at = hint ?? hint_of(phys, io);
  const costs = core.costs;
  const ns = io ? costs.port : val === null ? costs.mmio_read : costs.mmio_write;
  // Registers may change when read, so every access counts as a write to the function.
  await access(at === null ? core.nowhere : at.fn.obj, true, 'hw', ns);
  if (at !== null) note_state(at, `${io ? 'port' : 'memory'} ${val === null ? 'read' : 'write'}`);
  if (val === null) return core.fabric.read(phys, size, io, at);
  core.fabric.write(phys, size, val, io, at);
  return 0;
}

function check_mapped(addr: iomem, off: number): void {
  if (addr.base.unmapped)
    report('iomem-use-after-unmap', `access at 0x${(addr.phys + off).toString(16)} after iounmap`);
}

async function read(addr: iomem, off: number, size: int): Promise<u32> {
  check_mapped(addr, off);
  const hint =
    addr.hint === null
      ? null
      : off === 0
        ? addr.hint
        : { fn: addr.hint.fn, bar: addr.hint.bar, off: addr.hint.off + off };
  return space_access(addr.phys + off, size, addr.io, hint, null);
}

async function write(val: u32, addr: iomem, off: number, size: int): Promise<void> {
  check_mapped(addr, off);
  const hint =
    addr.hint === null
      ? null
      : off === 0
        ? addr.hint
        : { fn: addr.hint.fn, bar: addr.hint.bar, off: addr.hint.off + off };
  await space_access(addr.phys + off, size, addr.io, hint, (val & ones(size)) >>> 0);
}

/** Read a byte at `addr + off`. C: lib/iomap.c ioread8() */
export function ioread8(addr: iomem, off = 0): Promise<u8> {
  return read(addr, off, 1);
}

/** C: lib/iomap.c ioread16() */
export function ioread16(addr: iomem, off = 0): Promise<u16> {
  return read(addr, off, 2);
}

/** C: lib/iomap.c ioread32() */
export function ioread32(addr: iomem, off = 0): Promise<u32> {
  return read(addr, off, 4);
}

/** C: lib/iomap.c iowrite8() */
export function iowrite8(val: u8, addr: iomem, off = 0): Promise<void> {
  return write(val, addr, off, 1);
}

/** C: lib/iomap.c iowrite16() */
export function iowrite16(val: u16, addr: iomem, off = 0): Promise<void> {
  return write(val, addr, off, 2);
}

/** C: lib/iomap.c iowrite32() */
export function iowrite32(val: u32, addr: iomem, off = 0): Promise<void> {
  return write(val, addr, off, 4);
}

/** One 64-bit write; a device sees its halves, the low one first. C: lib/iomap.c iowrite64() */
export async function iowrite64(val: bigint, addr: iomem, off = 0): Promise<void> {
  await write(Number(BigInt.asUintN(32, val)), addr, off, 4);
  pci().fabric.write(
    addr.phys + off + 4,
    4,
    Number(BigInt.asUintN(32, val >> 32n)),
    addr.io,
    addr.plus(off + 4).hint,
  );
}

/** Which BAR claims a physical address, by the kernel's resources. */
export function pci_phys_hint(phys: number): pci_bar_place | null {
  return hint_of(phys, false);
}

/** The processor loads from a physical address through a user mapping. The scheduling point was made before. */
export function phys_load(phys: number, size: int): bigint {
  const at = hint_of(phys, false);
  if (at !== null) note_state(at, 'memory read');
  const { fabric } = pci();
  const whole = at !== null && at.fn.quirks.narrow_loads_whole;
  if (size < 8) return BigInt(fabric.read(phys, size, false, at, whole));
  const high = at === null ? null : { fn: at.fn, bar: at.bar, off: at.off + 4 };
  return BigInt(fabric.read(phys, 4, false, at)) | (BigInt(fabric.read(phys + 4, 4, false, high)) << 32n);
}

/** @see phys_load */
export function phys_store(phys: number, size: int, value: number | bigint): void {
  const at = hint_of(phys, false);
  if (at !== null) note_state(at, 'memory write');
  const { fabric } = pci();
  const v = BigInt.asUintN(64, BigInt(value));
  fabric.write(phys, Math.min(size, 4), Number(v & BigInt(ones(Math.min(size, 4)))), false, at);
  if (size < 8) return;
  const high = at === null ? null : { fn: at.fn, bar: at.bar, off: at.off + 4 };
  fabric.write(phys + 4, 4, Number(v >> 32n), false, high);
}

/** C: lib/iomap.c ioread64() */
export async function ioread64(addr: iomem, off = 0): Promise<bigint> {
  const low = await read(addr, off, 4);
  return BigInt(low) | (BigInt(await read(addr, off + 4, 4)) << 32n);
}
