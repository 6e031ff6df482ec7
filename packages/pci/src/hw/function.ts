// SPDX-License-Identifier: GPL-2.0-only
// One PCI function as the hardware sees it. Nothing here knows what the kernel believes about it.
//
// 1. `power` is the D-state the silicon is in. Software's pci_dev.current_state may differ.
// 2. Without power, or behind a closed bridge, reads give all ones and writes vanish.
// 3. Config writes change exactly the bits of the write mask, and clear the write-1-to-clear bits written as 1.
// 4. The INTx pin is level: pending, allowed by DisINTx, no MSI, in D0, with power.

import {
  constant,
  current,
  fixed,
  type int,
  machine,
  Obj,
  type Task,
  trace,
  type u16,
  type u32,
} from '@vfio-lab/sim';
import * as R from '../pci_regs.ts';
import type { pci_fabric } from './fabric.ts';
import { default_power_on, default_w1c, default_wmask, is_64bit_bar } from './masks.ts';
import {
  PCI_ROM_BAR,
  type pci_device_model,
  type pci_dma_result,
  type pci_function,
  type pci_reset_kind,
} from './model.ts';

/** Where a function's hardware departs from the specification. All false: by the book. */
export interface pci_hw_quirks {
  /** BARs answer in D3hot (QEMU up to 7.2 keeps decoding). */
  d3hot_decodes: boolean;
  /** D3hot -> D0 keeps the state although NoSoftRst is 0 (QEMU up to 7.2). */
  d3hot_keeps_state: boolean;
  /** A reset leaves config bytes outside the header and the interrupt and PCIe capabilities alone (QEMU). */
  reset_keeps_vendor_bytes: boolean;
  /** FLR of a physical function makes its VFs vanish while VF Enable stays set and NumVFs reads 0 (QEMU's nvme). */
  flr_kills_vfs: boolean;
  /** Writing a low-power state to PMCSR is ignored. */
  refuses_d3: boolean;
  /** Legacy VGA ranges answer whatever COMMAND says (QEMU). */
  legacy_ungated: boolean;
  /** A narrow load through a user mapping gives the whole value of the model (QEMU's TCG on 32-bit registers). */
  narrow_loads_whole: boolean;
}

export interface pci_function_options {
  /** 'dddd:bb:dd.f' */
  name: string;
  /** Config space as firmware left it: 256 or 4096 bytes. Copied. */
  config: Uint8Array;
  /** Bits that can be written. Default: derived from the header and the capabilities. */
  wmask?: Uint8Array;
  /** Bits cleared by writing 1. Default: the error bits of STATUS, PME_Status and the like. */
  w1c?: Uint8Array;
  /** Power-on values. Default: `config` without its writable bits. */
  power_on?: Uint8Array;
  /** Sizes of BAR 0..5 and ROM; 0 for the upper half of a 64-bit BAR. */
  bar_sizes: readonly number[];
  model?: pci_device_model;
  quirks?: Partial<pci_hw_quirks>;
}

export const PCI_HW_D0 = 0;
export const PCI_HW_D3HOT = 3;
export const PCI_HW_D3COLD = 4;

const no_bars: readonly number[] = [0, 0, 0, 0, 0, 0, 0];

/** A function's hardware. `obj` is what its accesses name at scheduling points. */
export class pci_function_hw implements pci_function {
  readonly name: string;
  readonly obj: Obj;
  readonly config: Uint8Array;
  readonly wmask: Uint8Array;
  readonly w1c: Uint8Array;
  readonly power_on: Uint8Array;
  readonly bar_sizes: number[];
  readonly quirks: pci_hw_quirks;
  readonly model: pci_device_model | null;
  /** The bridge above, null on the root bus. */
  parent: pci_function_hw | null = null;
  readonly children: pci_function_hw[] = [];
  /** The physical function of a VF, and which one it is. */
  pf: pci_function_hw | null = null;
  vf_index = -1;
  /** Is this (virtual) function there at all. */
  present = true;
  fabric: pci_fabric | null = null;
  /** D-state of the silicon while it has power. */
  power: int = PCI_HW_D0;
  /** Main power cut by a platform power resource. */
  power_cut = false;
  /** For a bridge: held in reset below by a power resource (its slot is off). */
  slot_off = false;
  /** Where messages and pin levels go. */
  on_intx: (asserted: boolean) => void = () => {};
  on_msi: (address: bigint, data: u32) => void = () => {};
  on_pme: () => void = () => {};
  /** Of a root port: its PME interrupt. */
  on_root_pme: () => void = () => {};
  /** Of a root port: requesters of PME messages for which the root status has no room yet. */
  private readonly pme_requests: u16[] = [];
  private pending_intx = false;
  private _pin = false;
  private intx_off = false;
  /** The function of a driver that has changed DisINTx last, '' when those are not followed. For checkers. */
  intx_off_by = '';
  /** MSI-X entries: address, data, vector control; and pending bits. */
  private msix: { addr: bigint; data: u32; ctrl: u32 }[] = [];
  private msix_pba = new Set<int>();
  private msi_pending = 0;
  readonly pm_cap: int;
  readonly msi_cap: int;
  readonly msix_cap: int;
  readonly exp_cap: int;
  readonly af_cap: int;
  readonly vpd_cap: int;
  readonly sriov_cap: int;
  readonly is_bridge: boolean;
  /** Accesses without power that were reported since it went off. */
  readonly reported = new Set<string>();

  constructor(opts: pci_function_options) {
    this.name = opts.name;
    this.obj = new Obj(`hw ${opts.name}`);
    this.config = opts.config.slice();
    this.bar_sizes = [...opts.bar_sizes, ...no_bars].slice(0, 7);
    this.quirks = {
      d3hot_decodes: false,
      d3hot_keeps_state: false,
      reset_keeps_vendor_bytes: false,
      flr_kills_vfs: false,
      refuses_d3: false,
      legacy_ungated: false,
      narrow_loads_whole: false,
      ...opts.quirks,
    };
    this.is_bridge = (this.config[R.PCI_HEADER_TYPE] & 0x7f) === R.PCI_HEADER_TYPE_BRIDGE;
    this.pm_cap = this.find_cap(R.PCI_CAP_ID_PM);
    this.msi_cap = this.find_cap(R.PCI_CAP_ID_MSI);
    this.msix_cap = this.find_cap(R.PCI_CAP_ID_MSIX);
    this.exp_cap = this.find_cap(R.PCI_CAP_ID_EXP);
    this.af_cap = this.find_cap(R.PCI_CAP_ID_AF);
    this.vpd_cap = this.find_cap(R.PCI_CAP_ID_VPD);
    this.sriov_cap = this.find_ext_cap(R.PCI_EXT_CAP_ID_SRIOV);
    this.wmask = constant(opts.wmask ?? default_wmask(this));
    this.w1c = constant(opts.w1c ?? default_w1c(this));
    this.power_on = constant(opts.power_on ?? default_power_on(this));
    if (this.msix_cap !== 0) {
      const n = (this.get16(this.msix_cap + R.PCI_MSIX_FLAGS) & R.PCI_MSIX_FLAGS_QSIZE) + 1;
      for (let i = 0; i < n; i++) this.msix.push({ addr: 0n, data: 0, ctrl: R.PCI_MSIX_ENTRY_CTRL_MASKBIT });
    }
    this.model = opts.model ?? null;
    this.model?.attach?.(this);
  }

  // Raw bytes, no effects

  /** 1, 2 or 4 bytes as they are. */
  private get(off: int, size: int): u32 {
    if (size === 1) return this.config[off];
    return size === 2 ? this.get16(off) : this.get32(off);
  }

  get16(off: int): u16 {
    return this.config[off] | (this.config[off + 1] << 8);
  }

  get32(off: int): u32 {
    return (this.get16(off) | (this.get16(off + 2) << 16)) >>> 0;
  }

  set16(off: int, val: u16): void {
    this.config[off] = val & 0xff;
    this.config[off + 1] = (val >>> 8) & 0xff;
  }

  set32(off: int, val: u32): void {
    this.set16(off, val & 0xffff);
    this.set16(off + 2, val >>> 16);
  }

  find_cap(id: int): int {
    if (!(this.config[R.PCI_STATUS] & R.PCI_STATUS_CAP_LIST)) return 0;
    let pos = this.config[R.PCI_CAPABILITY_LIST] & ~3;
    for (let ttl = 48; ttl > 0 && pos >= 0x40; ttl--) {
      if (this.config[pos] === id) return pos;
      pos = this.config[pos + 1] & ~3;
    }
    return 0;
  }

  find_ext_cap(id: int): int {
    if (this.config.length <= 0x100) return 0;
    let pos = 0x100;
    for (let ttl = 480; ttl > 0 && pos >= 0x100; ttl--) {
      const header = this.get32(pos);
      if (header === 0 || header === 0xffffffff) return 0;
      if (R.PCI_EXT_CAP_ID(header) === id) return pos;
      pos = R.PCI_EXT_CAP_NEXT(header);
    }
    return 0;
  }

  // Power and reachability

  /** Has this function main power, on its own account and from the slots above. */
  has_power(): boolean {
    if (this.pf !== null) return this.pf.has_power();
    if (this.power_cut) return false;
    for (let up = this.parent; up !== null; up = up.parent) if (up.power_cut || up.slot_off) return false;
    return true;
  }

  /** Would a configuration request get here: power, and every bridge above in D0 and not resetting its bus. */
  reachable(): boolean {
    if (!this.present || !this.has_power()) return false;
    const base = this.pf ?? this;
    if (!base.present) return false;
    for (let up = base.parent; up !== null; up = up.parent) {
      if (up.power !== PCI_HW_D0 || up.in_bus_reset()) return false;
    }
    return true;
  }

  in_bus_reset(): boolean {
    return this.is_bridge && (this.get16(R.PCI_BRIDGE_CONTROL) & R.PCI_BRIDGE_CTL_BUS_RESET) !== 0;
  }

  /** D-state as an outsider would measure it. */
  hw_state(): int {
    return this.has_power() ? this.power : PCI_HW_D3COLD;
  }

  /**
   * Main power goes or comes: this function (cut) or everything below it (slot).
   * Coming back resets to power-on values; `keep` leaves registers alone (a platform that only pretends).
   */
  set_main_power(what: 'cut' | 'slot', on: boolean): void {
    const before = what === 'cut' ? this.power_cut : this.slot_off;
    if (before === !on) return;
    if (what === 'cut') this.power_cut = !on;
    else this.slot_off = !on;
    const hit = what === 'cut' ? [this] : [...this.below()];
    for (const f of hit) {
      f.reported.clear();
      if (on) {
        f.reset('power');
        f.power_changed(PCI_HW_D0, PCI_HW_D3COLD);
      } else {
        const old = f.power;
        f.update_pin();
        f.power_changed(PCI_HW_D3COLD, old);
      }
    }
  }

  private power_changed(state: int, old: int): void {
    this.model?.power_changed?.(state, old);
    if (machine.tracing) trace('pci', `${this.name}: hardware D${old} -> D${state}`);
  }

  /** This function's subtree without itself, in bus order. */
  *below(): Generator<pci_function_hw> {
    for (const c of this.children) {
      yield c;
      yield* c.below();
    }
  }

  // Reset

  /** Put this one function back to its power-on values. */
  reset(kind: pci_reset_kind): void {
    const keep = this.quirks.reset_keeps_vendor_bytes && kind !== 'power' ? this.vendor_bytes() : null;
    if (keep === null) this.config.set(this.power_on);
    else for (let i = 0; i < this.config.length; i++) if (keep[i] === 0) this.config[i] = this.power_on[i];
    if (this.pm_cap !== 0)
      this.set16(this.pm_cap + R.PCI_PM_CTRL, this.get16(this.pm_cap + R.PCI_PM_CTRL) & ~3);
    this.power = PCI_HW_D0;
    for (const e of this.msix) {
      e.addr = 0n;
      e.data = 0;
      e.ctrl = R.PCI_MSIX_ENTRY_CTRL_MASKBIT;
    }
    this.msix_pba.clear();
    this.msi_pending = 0;
    this.pme_requests.length = 0;
    this.pending_intx = false;
    this.config[R.PCI_STATUS] &= ~R.PCI_STATUS_INTERRUPT;
    this.update_pin();
    if (machine.tracing) trace('pci', `${this.name}: hardware reset (${kind})`);
    this.model?.reset?.(kind);
  }

  private vendor_bytes(): Uint8Array {
    const keep = new Uint8Array(this.config.length).fill(1);
    const drop = (off: int, len: int): void => {
      if (off !== 0) keep.fill(0, off, off + len);
    };
    keep.fill(0, 0, 0x40);
    drop(this.msi_cap, this.msi_size());
    drop(this.msix_cap, 12);
    drop(this.exp_cap, 0x3c);
    drop(this.sriov_cap, 0x40);
    return keep;
  }

  /** Length of the MSI capability: with a 64-bit address or not, with mask bits or not. */
  private msi_size(): int {
    if (this.msi_cap === 0) return 0;
    const flags = this.get16(this.msi_cap + R.PCI_MSI_FLAGS);
    return 10 + (flags & R.PCI_MSI_FLAGS_64BIT ? 4 : 0) + (flags & R.PCI_MSI_FLAGS_MASKBIT ? 10 : 0);
  }

  private bus_reset(): void {
    for (const f of this.below()) f.reset('bus');
  }

  // Configuration cycles: effects included. The caller has made the scheduling point.

  /** A configuration read of 1, 2 or 4 bytes, aligned. All ones when nothing answers. */
  config_read(off: int, size: int): u32 {
    if (!this.reachable() || off + size > this.config.length) return ones(size);
    this.model?.config_reading?.(off, size);
    return this.get(off, size);
  }

  /** A configuration write of 1, 2 or 4 bytes, aligned. */
  config_write(off: int, size: int, val: u32): void {
    if (!this.reachable() || off + size > this.config.length) return;
    const before = this.get(off, size);
    const was_reset = this.in_bus_reset();
    for (let i = 0; i < size; i++) {
      const byte = (val >>> (8 * i)) & 0xff;
      const old = this.config[off + i];
      const w = this.wmask[off + i];
      this.config[off + i] = ((old & ~w) | (byte & w)) & ~(byte & this.w1c[off + i] & ~w);
    }
    const touched = (reg: int, len: int): boolean => reg >= 0 && off < reg + len && off + size > reg;
    if (touched(R.PCI_COMMAND, 2)) this.update_pin();
    if (this.pm_cap !== 0 && touched(this.pm_cap + R.PCI_PM_CTRL, 1)) this.pmcsr_written(off, before);
    if (this.msi_cap !== 0 && touched(this.msi_cap, 24)) this.msi_written();
    if (this.msix_cap !== 0 && touched(this.msix_cap + R.PCI_MSIX_FLAGS, 2)) this.msix_unmasked();
    if (this.is_bridge && touched(R.PCI_BRIDGE_CONTROL, 2) && this.in_bus_reset() && !was_reset)
      this.bus_reset();
    if (this.exp_cap !== 0 && touched(this.exp_cap + R.PCI_EXP_DEVCTL + 1, 1))
      this.devctl_written(off, size, val);
    if (this.af_cap !== 0 && touched(this.af_cap + R.PCI_AF_CTRL, 1)) {
      if ((val >>> (8 * (this.af_cap + R.PCI_AF_CTRL - off))) & R.PCI_AF_CTRL_FLR) this.reset('af_flr');
    }
    if (this.sriov_cap !== 0 && touched(this.sriov_cap + R.PCI_SRIOV_CTRL, 2)) this.sriov_written();
    if (this.vpd_cap !== 0 && touched(this.vpd_cap + R.PCI_VPD_ADDR + 1, 1)) this.vpd_written();
    if (this.is_bridge && this.exp_cap !== 0 && touched(this.exp_cap + R.PCI_EXP_RTCTL, 8))
      this.root_written(off, size, before);
  }

  /** A write from `off` on has touched the power state; `before` are the bytes that were there. */
  private pmcsr_written(off: int, before: u32): void {
    const reg = this.pm_cap + R.PCI_PM_CTRL;
    const pmc = this.get16(this.pm_cap + R.PCI_PM_PMC);
    const old = this.power;
    let state = this.config[reg] & R.PCI_PM_CTRL_STATE_MASK;
    const unsupported =
      (state === 1 && !(pmc & R.PCI_PM_CAP_D1)) ||
      (state === 2 && !(pmc & R.PCI_PM_CAP_D2)) ||
      (state !== 0 && state < old);
    if (unsupported || (state > 0 && this.quirks.refuses_d3)) {
      // The state bits stay what they were; the rest of the write counts.
      state = (before >>> (8 * (reg - off))) & R.PCI_PM_CTRL_STATE_MASK;
      this.config[reg] = (this.config[reg] & ~R.PCI_PM_CTRL_STATE_MASK) | state;
    }
    if (state === old) return;
    this.power = state;
    if (old === PCI_HW_D3HOT && state === PCI_HW_D0) {
      const no_soft_reset = this.get16(reg) & R.PCI_PM_CTRL_NO_SOFT_RESET;
      if (!no_soft_reset && !this.quirks.d3hot_keeps_state) this.reset('d3hot');
    }
    this.update_pin();
    this.power_changed(state, old);
  }

  private devctl_written(off: int, size: int, val: u32): void {
    const shift = this.exp_cap + R.PCI_EXP_DEVCTL + 1 - off;
    if (shift < 0 || shift >= size) return;
    const high = (val >>> (8 * shift)) & 0xff;
    if (!(high & (R.PCI_EXP_DEVCTL_BCR_FLR >>> 8))) return;
    if (!(this.get32(this.exp_cap + R.PCI_EXP_DEVCAP) & R.PCI_EXP_DEVCAP_FLR)) return;
    if (this.quirks.flr_kills_vfs) for (const vf of this.vfs()) vf.present = false;
    else for (const vf of this.vfs()) vf.reset('flr');
    const sriov =
      this.sriov_cap !== 0 && this.quirks.flr_kills_vfs
        ? this.config.slice(this.sriov_cap, this.sriov_cap + 0x40)
        : null;
    this.reset('flr');
    if (sriov !== null) {
      this.config.set(sriov, this.sriov_cap);
      this.set16(this.sriov_cap + R.PCI_SRIOV_NUM_VF, 0);
    } else if (this.sriov_cap !== 0) this.sriov_written();
    this.set16(
      this.exp_cap + R.PCI_EXP_DEVCTL,
      this.get16(this.exp_cap + R.PCI_EXP_DEVCTL) & ~R.PCI_EXP_DEVCTL_BCR_FLR,
    );
  }

  // SR-IOV

  private vfs(): pci_function_hw[] {
    return this.fabric === null ? [] : this.fabric.functions.filter((f) => f.pf === this);
  }

  private sriov_written(): void {
    const on = (this.get16(this.sriov_cap + R.PCI_SRIOV_CTRL) & R.PCI_SRIOV_CTRL_VFE) !== 0;
    const count = on ? this.get16(this.sriov_cap + R.PCI_SRIOV_NUM_VF) : 0;
    this.fabric?.set_virtual_functions(this, count);
  }

  // Memory and I/O decode

  /** Does the function answer memory or I/O requests at all now. */
  answers(io: boolean): boolean {
    if (!this.reachable()) return false;
    const state = (this.pf ?? this).power;
    if (state !== PCI_HW_D0 && !(state === PCI_HW_D3HOT && this.quirks.d3hot_decodes)) return false;
    if (this.pf !== null) {
      if (this.power !== PCI_HW_D0 && !this.quirks.d3hot_decodes) return false;
      return !io && (this.pf.get16(this.pf.sriov_cap + R.PCI_SRIOV_CTRL) & R.PCI_SRIOV_CTRL_MSE) !== 0;
    }
    return (this.config[R.PCI_COMMAND] & (io ? R.PCI_COMMAND_IO : R.PCI_COMMAND_MEMORY)) !== 0;
  }

  /** Is BAR `bar` an I/O BAR. */
  is_io(bar: int): boolean {
    return (
      bar < PCI_ROM_BAR && (this.config[R.PCI_BASE_ADDRESS_0 + 4 * bar] & R.PCI_BASE_ADDRESS_SPACE_IO) !== 0
    );
  }

  /** The address a BAR decodes, -1 when it is not there or not enabled (ROM). */
  bar_address(bar: int): number {
    const size = this.bar_sizes[bar];
    if (size === 0) return -1;
    if (this.pf !== null) {
      const reg = this.pf.sriov_cap + R.PCI_SRIOV_BAR + 4 * bar;
      return read_bar(this.pf, reg) + this.vf_index * size;
    }
    if (bar === PCI_ROM_BAR) {
      const rom = this.get32(this.is_bridge ? R.PCI_ROM_ADDRESS1 : R.PCI_ROM_ADDRESS);
      return rom & R.PCI_ROM_ADDRESS_ENABLE ? (rom & ~0x7ff) >>> 0 : -1;
    }
    return read_bar(this, R.PCI_BASE_ADDRESS_0 + 4 * bar);
  }

  /** A decoded read at an offset of a BAR; splits what the model or the MSI-X table cannot take at once. */
  bar_read(bar: int, off: number, size: int): u32 {
    const table = this.table_part(bar, off);
    if (table !== null) return table_value(this.table_read(table.pba, table.off & ~3), table.off & 3, size);
    return (this.model?.mmio_read?.(bar, off, size) ?? 0) >>> 0;
  }

  bar_write(bar: int, off: number, size: int, val: u32): void {
    const table = this.table_part(bar, off);
    if (table === null) {
      this.model?.mmio_write?.(bar, off, size, val >>> 0);
      return;
    }
    if (table.pba) return;
    const old = this.table_read(false, table.off & ~3);
    const shift = 8 * (table.off & 3);
    const mask = size === 4 ? 0xffffffff : (((1 << (8 * size)) - 1) << shift) >>> 0;
    this.table_write(table.off & ~3, ((old & ~mask) | ((val << shift) & mask)) >>> 0);
  }

  // MSI-X table

  private table_part(bar: int, off: number): { pba: boolean; off: int } | null {
    if (this.msix_cap === 0) return null;
    const table = this.get32(this.msix_cap + R.PCI_MSIX_TABLE);
    const at = off - ((table & ~7) >>> 0);
    if ((table & 7) === bar && at >= 0 && at < 16 * this.msix.length) return { pba: false, off: at };
    const pba = this.get32(this.msix_cap + R.PCI_MSIX_PBA);
    const pos = off - ((pba & ~7) >>> 0);
    if ((pba & 7) === bar && pos >= 0 && pos < 8 * Math.ceil(this.msix.length / 64))
      return { pba: true, off: pos };
    return null;
  }

  private table_read(pba: boolean, off: int): u32 {
    if (pba) {
      let bits = 0;
      for (let i = 0; i < 32; i++) if (this.msix_pba.has(off * 8 + i)) bits |= 1 << i;
      return bits >>> 0;
    }
    const e = this.msix[off >> 4];
    const reg = off & 15;
    if (reg === R.PCI_MSIX_ENTRY_LOWER_ADDR) return Number(e.addr & 0xffffffffn);
    if (reg === R.PCI_MSIX_ENTRY_UPPER_ADDR) return Number(e.addr >> 32n);
    return reg === R.PCI_MSIX_ENTRY_DATA ? e.data : e.ctrl;
  }

  private table_write(off: int, val: u32): void {
    const e = this.msix[off >> 4];
    const reg = off & 15;
    if (reg === R.PCI_MSIX_ENTRY_LOWER_ADDR)
      e.addr = (e.addr & ~0xffffffffn) | (BigInt(val & ~3) & 0xffffffffn);
    else if (reg === R.PCI_MSIX_ENTRY_UPPER_ADDR) e.addr = (BigInt(val) << 32n) | (e.addr & 0xffffffffn);
    else if (reg === R.PCI_MSIX_ENTRY_DATA) e.data = val;
    else {
      e.ctrl = val & R.PCI_MSIX_ENTRY_CTRL_MASKBIT;
      this.msix_unmasked();
    }
  }

  private msix_unmasked(): void {
    for (const n of [...this.msix_pba].sort((a, b) => a - b)) this.send_msi(n);
  }

  // Interrupts

  intx_pending(): boolean {
    return this.pending_intx;
  }

  raise_intx(): void {
    this.pending_intx = true;
    this.config[R.PCI_STATUS] |= R.PCI_STATUS_INTERRUPT;
    this.update_pin();
  }

  lower_intx(): void {
    this.pending_intx = false;
    this.config[R.PCI_STATUS] &= ~R.PCI_STATUS_INTERRUPT;
    this.update_pin();
  }

  /** Level of the INTx pin now. */
  get pin(): boolean {
    return this._pin;
  }

  private update_pin(): void {
    const off = (this.get16(R.PCI_COMMAND) & R.PCI_COMMAND_INTX_DISABLE) !== 0;
    if (off !== this.intx_off) {
      this.intx_off = off;
      this.intx_off_by = (current as Task | undefined)?.site ?? '';
    }
    const level =
      this.pending_intx &&
      this.config[R.PCI_INTERRUPT_PIN] !== 0 &&
      this.power === PCI_HW_D0 &&
      this.has_power() &&
      !off &&
      !this.msi_enabled() &&
      !this.msix_enabled();
    if (level === this._pin) return;
    this._pin = level;
    if (machine.tracing) trace('irq', `${this.name}: INTx ${level ? 'asserted' : 'deasserted'}`);
    this.on_intx(level);
  }

  msi_enabled(): boolean {
    return this.msi_cap !== 0 && (this.get16(this.msi_cap + R.PCI_MSI_FLAGS) & R.PCI_MSI_FLAGS_ENABLE) !== 0;
  }

  msix_enabled(): boolean {
    return (
      this.msix_cap !== 0 && (this.get16(this.msix_cap + R.PCI_MSIX_FLAGS) & R.PCI_MSIX_FLAGS_ENABLE) !== 0
    );
  }

  private msi_written(): void {
    this.update_pin();
    for (let n = 0; n < 32; n++) if (this.msi_pending & (1 << n)) this.send_msi(n);
  }

  private msi_masked(n: int): boolean {
    const flags = this.get16(this.msi_cap + R.PCI_MSI_FLAGS);
    if (!(flags & R.PCI_MSI_FLAGS_MASKBIT)) return false;
    const reg = flags & R.PCI_MSI_FLAGS_64BIT ? R.PCI_MSI_MASK_64 : R.PCI_MSI_MASK_32;
    return (this.get32(this.msi_cap + reg) & (1 << n)) !== 0;
  }

  send_msi(n: int): boolean {
    if (this.msix_enabled()) {
      const e = this.msix[n];
      if (e === undefined || !this.bus_master()) return false;
      const masked =
        this.get16(this.msix_cap + R.PCI_MSIX_FLAGS) & R.PCI_MSIX_FLAGS_MASKALL ||
        e.ctrl & R.PCI_MSIX_ENTRY_CTRL_MASKBIT;
      if (masked) {
        this.msix_pba.add(n);
        return true;
      }
      this.msix_pba.delete(n);
      this.on_msi(e.addr, e.data);
      return true;
    }
    if (!this.msi_enabled() || !this.bus_master()) return false;
    const flags = this.get16(this.msi_cap + R.PCI_MSI_FLAGS);
    const vectors = 1 << ((flags & R.PCI_MSI_FLAGS_QSIZE) >>> 4);
    if (n >= vectors) return false;
    if (this.msi_masked(n)) {
      this.msi_pending |= 1 << n;
      return true;
    }
    this.msi_pending &= ~(1 << n);
    const wide = (flags & R.PCI_MSI_FLAGS_64BIT) !== 0;
    const lo = this.get32(this.msi_cap + R.PCI_MSI_ADDRESS_LO);
    const hi = wide ? this.get32(this.msi_cap + R.PCI_MSI_ADDRESS_HI) : 0;
    const data = this.get16(this.msi_cap + (wide ? R.PCI_MSI_DATA_64 : R.PCI_MSI_DATA_32));
    this.on_msi((BigInt(hi) << 32n) | BigInt(lo), (data & ~(vectors - 1)) | n);
    return true;
  }

  notify(vector: int): void {
    if (this.msi_enabled() || this.msix_enabled()) this.send_msi(vector);
    else this.raise_intx();
  }

  pme(): void {
    if (this.pm_cap === 0) return;
    const reg = this.pm_cap + R.PCI_PM_CTRL;
    const support = this.get16(this.pm_cap + R.PCI_PM_PMC) >>> R.PCI_PM_CAP_PME_SHIFT;
    if (!(support & (1 << this.hw_state()))) return;
    this.set16(reg, this.get16(reg) | R.PCI_PM_CTRL_PME_STATUS);
    if (this.get16(reg) & R.PCI_PM_CTRL_PME_ENABLE) this.on_pme();
  }

  /** A PME message has come up to this root port. Without power it hears none. */
  pme_message(requester: u16): void {
    if (!this.reachable()) return;
    this.pme_requests.push(requester);
    this.next_pme();
  }

  /** The oldest message into the root status when that has been cleared, with the interrupt if it is enabled. */
  private next_pme(): void {
    const reg = this.exp_cap + R.PCI_EXP_RTSTA;
    let status = this.get32(reg);
    if (!(status & R.PCI_EXP_RTSTA_PME)) {
      const requester = this.pme_requests.shift();
      if (requester === undefined) return;
      status = R.PCI_EXP_RTSTA_PME | requester;
      if (this.get16(this.exp_cap + R.PCI_EXP_RTCTL) & R.PCI_EXP_RTCTL_PMEIE) this.on_root_pme();
    }
    this.set32(reg, status | (this.pme_requests.length > 0 ? R.PCI_EXP_RTSTA_PENDING : 0));
  }

  private root_written(off: int, size: int, before: u32): void {
    const reg = this.exp_cap + R.PCI_EXP_RTCTL - off;
    const was = reg >= 0 && reg < size && ((before >>> (8 * reg)) & R.PCI_EXP_RTCTL_PMEIE) !== 0;
    const on = (this.get16(this.exp_cap + R.PCI_EXP_RTCTL) & R.PCI_EXP_RTCTL_PMEIE) !== 0;
    const waiting = (this.get32(this.exp_cap + R.PCI_EXP_RTSTA) & R.PCI_EXP_RTSTA_PME) !== 0;
    if (reg >= 0 && !was && on && waiting) this.on_root_pme();
    this.next_pme();
  }

  // DMA

  bus_master(): boolean {
    if (!this.reachable() || this.power !== PCI_HW_D0) return false;
    return (this.config[R.PCI_COMMAND] & R.PCI_COMMAND_MASTER) !== 0;
  }

  dma_read(iova: bigint, len: number): pci_dma_result {
    if (!this.reachable()) return 'no-power';
    if (!this.bus_master()) return 'no-bus-master';
    return this.fabric?.dma?.read(this, iova, len) ?? 'fault';
  }

  dma_write(iova: bigint, data: Uint8Array): null | Exclude<pci_dma_result, Uint8Array> {
    if (!this.reachable()) return 'no-power';
    if (!this.bus_master()) return 'no-bus-master';
    if (this.fabric === null || this.fabric.dma === null) return 'fault';
    return this.fabric.dma.write(this, iova, data);
  }

  // VPD: the address register's flag flips when the transfer is done, at once here.

  private vpd_written(): void {
    const vpd = this.model?.vpd;
    if (vpd === undefined) return;
    const reg = this.vpd_cap + R.PCI_VPD_ADDR;
    const addr = this.get16(reg);
    const at = addr & R.PCI_VPD_ADDR_MASK;
    if (addr & R.PCI_VPD_ADDR_F) {
      for (let i = 0; i < 4; i++)
        if (at + i < vpd.length) vpd[at + i] = this.config[this.vpd_cap + R.PCI_VPD_DATA + i];
    } else {
      for (let i = 0; i < 4; i++) this.config[this.vpd_cap + R.PCI_VPD_DATA + i] = vpd[at + i] ?? 0;
    }
    this.set16(reg, addr ^ R.PCI_VPD_ADDR_F);
  }
}

fixed(pci_function_hw, [
  'name',
  'obj',
  'config',
  'wmask',
  'w1c',
  'power_on',
  'bar_sizes',
  'quirks',
  'model',
  'children',
  'pme_requests',
  'pm_cap',
  'msi_cap',
  'msix_cap',
  'exp_cap',
  'af_cap',
  'vpd_cap',
  'sriov_cap',
  'is_bridge',
  'reported',
]);

export function ones(size: int): u32 {
  return size === 4 ? 0xffffffff : (1 << (8 * size)) - 1;
}

function table_value(word: u32, at: int, size: int): u32 {
  return ((word >>> (8 * at)) & ones(size)) >>> 0;
}

function read_bar(f: pci_function_hw, reg: int): number {
  const low = f.get32(reg);
  if (low & R.PCI_BASE_ADDRESS_SPACE_IO) return (low & ~3) >>> 0;
  const base = (low & ~15) >>> 0;
  return is_64bit_bar(low) ? base + f.get32(reg + 4) * 2 ** 32 : base;
}
