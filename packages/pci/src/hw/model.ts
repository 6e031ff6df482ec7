// SPDX-License-Identifier: GPL-2.0-only
// The plug between a simulated device (its registers and behaviour) and the function of the bus it sits in.
//
// Who does what:
// - pci_function_hw (function.ts) owns everything every PCI function has: config bytes and their write masks,
//   BAR decode, power states, INTx pin, MSI and MSI-X delivery, resets. It calls the model.
// - The model owns the registers behind the BARs. It calls back through pci_function.
// Both sides are synchronous: the cost and the scheduling point of an access are the accessor's business.

import type { int, u32 } from '@vfio-lab/sim';

/**
 * Why a function goes back to its power-on values:
 * power (power came back), bus (secondary bus reset), flr, af_flr, d3hot (D3hot -> D0 with NoSoftRst = 0).
 */
export type pci_reset_kind = 'power' | 'bus' | 'flr' | 'af_flr' | 'd3hot';

/** BAR number as the model sees it: 0..5, and PCI_ROM_BAR for the expansion ROM. */
export type pci_bar = int;
export const PCI_ROM_BAR = 6;

/** What a simulated device implements. Only `name` is required: a function without registers reads 0. */
export interface pci_device_model {
  /** Name of the kind of device ('edu', 'e1000e'), for traces. */
  readonly name: string;
  /** Called once, when the function is put on the bus; keep `hw`, the other half of the plug. */
  attach?(hw: pci_function): void;
  /**
   * Back to power-on values. Config space, the INTx pin and the MSI-X table are already reset by then.
   * A 'bus' reset reaches all functions of a device and everything below it, one call each.
   */
  reset?(kind: pci_reset_kind): void;
  /**
   * A read that was decoded (memory or I/O), naturally aligned inside the BAR. `size` is 1, 2 or 4; 8-byte accesses
   * arrive as two of 4. The MSI-X table and PBA never get here.
   * @returns the value; only the low `size` bytes count
   */
  mmio_read?(bar: pci_bar, off: number, size: int): u32;
  /** A write that was decoded; `val` has no bits above `size` bytes. */
  mmio_write?(bar: pci_bar, off: number, size: int, val: u32): void;
  /**
   * A VGA adapter's legacy ranges: memory 0xa0000-0xbffff, or ports (`io`) 0x3b0-0x3df. Reached while COMMAND has
   * memory or I/O on, and the bridges above forward VGA. Memory 0xc0000-0xdffff is the shadow of its ROM, which is
   * system memory and always there.
   */
  legacy_read?(io: boolean, addr: number, size: int): u32;
  legacy_write?(io: boolean, addr: number, size: int, val: u32): void;
  /** Config bytes about to be read: the model may refresh hw.config (VPD flag, vendor registers). */
  config_reading?(off: int, size: int): void;
  /** The D-state of the hardware changed (0 D0, 3 D3hot, 4 D3cold). A reset that belongs to it comes before. */
  power_changed?(state: int, old: int): void;
  /** Vital Product Data behind the VPD capability; its absence means the handshake never completes. */
  readonly vpd?: Uint8Array;
  /** For a physical function: the model of VF `index` (0-based), made when VF Enable is set. */
  virtual_function?(index: int): pci_device_model;
}

/** How DMA of a function ended: bytes, or why not (bus master off, IOMMU fault, function without power). */
export type pci_dma_result = Uint8Array | 'no-bus-master' | 'fault' | 'no-power';

/** What a model may ask of its function. */
export interface pci_function {
  /** 'dddd:bb:dd.f' */
  readonly name: string;
  /** Config bytes as the hardware holds them (256 or 4096). A model may write its own read-only registers here. */
  readonly config: Uint8Array;
  /** Sizes of the BARs 0..5 and of the ROM (index PCI_ROM_BAR); 0: not there. */
  readonly bar_sizes: readonly number[];
  /** D-state of the hardware: 0 D0, 1, 2, 3 D3hot, 4 D3cold. */
  readonly power: int;
  /** COMMAND.BusMaster and power on: may the function issue memory writes (DMA, MSI). */
  bus_master(): boolean;
  /** INTx wanted: STATUS.Interrupt reads 1; the pin follows if DisINTx is clear, MSI is off and the power is D0. */
  raise_intx(): void;
  /** INTx no longer wanted. */
  lower_intx(): void;
  /** Is INTx wanted now. */
  intx_pending(): boolean;
  msi_enabled(): boolean;
  msix_enabled(): boolean;
  /**
   * Signal vector `n`, by MSI-X or MSI, whichever is enabled: masked vectors become pending and fire on unmask.
   * @returns false if neither is enabled, the vector does not exist or the function may not write memory
   */
  send_msi(n: int): boolean;
  /** Interrupt by what is on: a message for `vector`, else raise_intx. The usual "notify" of a device. */
  notify(vector: int): void;
  /** Power management event: sets PME_Status; signalled upstream if PME_En. Works from the states in PMC. */
  pme(): void;
  /** Read memory as the device sees it. */
  dma_read(iova: bigint, len: number): pci_dma_result;
  /** Write memory as the device sees it; null: done. */
  dma_write(iova: bigint, data: Uint8Array): null | Exclude<pci_dma_result, Uint8Array>;
}
