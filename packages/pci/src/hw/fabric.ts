// SPDX-License-Identifier: GPL-2.0-only
// What lies between the processor and the functions: who answers an address, the platform's power switches, DMA.

import type { int, u32 } from '@vfio-lab/sim';
import * as R from '../pci_regs.ts';
import { ones, type pci_function_hw } from './function.ts';
import { PCI_ROM_BAR, type pci_dma_result } from './model.ts';

/** Translates and performs DMA; the IOMMU package installs one. */
export interface pci_dma_ops {
  read(fn: pci_function_hw, iova: bigint, len: number): pci_dma_result;
  write(fn: pci_function_hw, iova: bigint, data: Uint8Array): null | Exclude<pci_dma_result, Uint8Array>;
}

/** A function and the place in one of its BARs. */
export interface pci_bar_place {
  fn: pci_function_hw;
  bar: int;
  off: number;
}

/** All functions of the machine and the address decoding between them. */
export class pci_fabric {
  readonly functions: pci_function_hw[] = [];
  dma: pci_dma_ops | null = null;
  /** Memory that nobody answers reads 0 instead of all ones (QEMU). */
  open_bus_zero = false;
  /** Makes the hardware of VF `index` of a physical function; set by the machine's description. */
  make_vf: (pf: pci_function_hw, index: int) => pci_function_hw | null = () => null;

  add(fn: pci_function_hw, parent: pci_function_hw | null): void {
    fn.fabric = this;
    fn.parent = parent;
    parent?.children.push(fn);
    this.functions.push(fn);
  }

  remove(fn: pci_function_hw): void {
    const i = this.functions.indexOf(fn);
    if (i >= 0) this.functions.splice(i, 1);
    const kids = fn.parent?.children;
    if (kids !== undefined && kids.includes(fn)) kids.splice(kids.indexOf(fn), 1);
  }

  /** VF Enable changed, or NumVFs with it: the first `count` VFs exist from now on, the others do not. */
  set_virtual_functions(pf: pci_function_hw, count: int): void {
    for (const vf of this.functions.filter((f) => f.pf === pf && f.vf_index >= count)) this.remove(vf);
    for (let i = 0; i < count; i++) {
      if (this.functions.some((f) => f.pf === pf && f.vf_index === i)) continue;
      const vf = this.make_vf(pf, i);
      if (vf === null) continue;
      vf.fabric = this;
      vf.pf = pf;
      vf.vf_index = i;
      this.functions.push(vf);
    }
  }

  /** Do the bridges above forward this address now. */
  private forwarded(fn: pci_function_hw, addr: number, io: boolean): boolean {
    for (let up = (fn.pf ?? fn).parent; up !== null; up = up.parent) {
      if (!(up.config[R.PCI_COMMAND] & (io ? R.PCI_COMMAND_IO : R.PCI_COMMAND_MEMORY))) return false;
      if (!in_window(up, addr, io)) return false;
    }
    return true;
  }

  /** Who answers this memory or port address now; null: nobody. `hint` is tried first. */
  decode(addr: number, io: boolean, hint: pci_bar_place | null = null): pci_bar_place | null {
    if (
      hint !== null &&
      hint.fn.bar_address(hint.bar) === addr - hint.off &&
      hint.fn.is_io(hint.bar) === io
    ) {
      return hint.fn.answers(io) && this.forwarded(hint.fn, addr, io) ? hint : null;
    }
    for (const fn of this.functions) {
      for (let bar = 0; bar <= PCI_ROM_BAR; bar++) {
        const size = fn.bar_sizes[bar];
        if (size === 0 || fn.is_io(bar) !== io) continue;
        const base = fn.bar_address(bar);
        if (base <= 0 || addr < base || addr >= base + size) continue;
        if (fn.answers(io) && this.forwarded(fn, addr, io)) return { fn, bar, off: addr - base };
      }
    }
    return null;
  }

  /** The VGA adapter that answers this legacy address now. */
  private legacy(addr: number, io: boolean): pci_function_hw | null {
    if (io ? addr < 0x3b0 || addr > 0x3df : addr < 0xa0000 || addr > 0xdffff) return null;
    for (const fn of this.functions) {
      if (fn.model?.legacy_read === undefined && fn.model?.legacy_write === undefined) continue;
      // The ROM's shadow from 0xc0000 on is system memory: it is there whatever the device does.
      if (!io && addr >= 0xc0000) return fn;
      if (!(fn.quirks.legacy_ungated ? fn.reachable() : fn.answers(io))) continue;
      let forwarded = true;
      for (let up = fn.parent; up !== null; up = up.parent) {
        if (!(up.get16(R.PCI_BRIDGE_CONTROL) & R.PCI_BRIDGE_CTL_VGA)) forwarded = false;
      }
      if (forwarded) return fn;
    }
    return null;
  }

  /**
   * A read by the processor, decoded; all ones when nobody answers.
   * @param whole do not cut what the model answers down to `size`
   */
  read(addr: number, size: int, io: boolean, hint: pci_bar_place | null = null, whole = false): u32 {
    const at = this.decode(addr, io, hint);
    if (at !== null) return (at.fn.bar_read(at.bar, at.off, size) & (whole ? -1 : ones(size))) >>> 0;
    const vga = this.legacy(addr, io);
    if (vga === null && this.open_bus_zero && !io) return 0;
    return vga === null
      ? ones(size)
      : ((vga.model?.legacy_read?.(io, addr, size) ?? ones(size)) & ones(size)) >>> 0;
  }

  /** A write by the processor; lost when nobody answers. */
  write(addr: number, size: int, val: u32, io: boolean, hint: pci_bar_place | null = null): void {
    const at = this.decode(addr, io, hint);
    if (at !== null) at.fn.bar_write(at.bar, at.off, size, val);
    else this.legacy(addr, io)?.model?.legacy_write?.(io, addr, size, val);
  }
}

function in_window(bridge: pci_function_hw, addr: number, io: boolean): boolean {
  const c = bridge.config;
  if (io) {
    const base = (c[R.PCI_IO_BASE] & 0xf0) << 8;
    const limit = ((c[R.PCI_IO_LIMIT] & 0xf0) << 8) | 0xfff;
    return addr >= base && addr <= limit;
  }
  const mem_base = bridge.get16(R.PCI_MEMORY_BASE) * 65536;
  const mem_limit = (bridge.get16(R.PCI_MEMORY_LIMIT) & 0xfff0) * 65536 + 0xfffff;
  if (addr >= mem_base && addr <= mem_limit) return true;
  const pref = bridge.get16(R.PCI_PREF_MEMORY_BASE);
  const wide = (pref & 0xf) === 1;
  const base = (pref & 0xfff0) * 65536 + (wide ? bridge.get32(R.PCI_PREF_BASE_UPPER32) * 2 ** 32 : 0);
  const limit =
    (bridge.get16(R.PCI_PREF_MEMORY_LIMIT) & 0xfff0) * 65536 +
    0xfffff +
    (wide ? bridge.get32(R.PCI_PREF_LIMIT_UPPER32) * 2 ** 32 : 0);
  return addr >= base && addr <= limit;
}
