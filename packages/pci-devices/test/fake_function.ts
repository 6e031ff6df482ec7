// SPDX-License-Identifier: GPL-2.0-only
// The bus side of a model under test: it writes down what the model does to the line and which messages it sends.

import { PCI_ROM_BAR } from '@vfio-lab/pci';
import type { pci_device_model, pci_dma_result, pci_function } from '@vfio-lab/pci';

export class fake_function implements pci_function {
  readonly name = '0000:01:00.0';
  readonly config: Uint8Array;
  readonly bar_sizes: number[] = [0x100000, 0, 0, 0, 0, 0, 0];
  power = 0;
  line = false;
  mode: 'intx' | 'msi' | 'msix' = 'intx';
  readonly messages: number[] = [];
  readonly ram = new Uint8Array(0x10000);

  constructor(config: Uint8Array = new Uint8Array(256), rom_size = 0) {
    this.config = config;
    this.bar_sizes[PCI_ROM_BAR] = rom_size;
  }

  bus_master(): boolean {
    return true;
  }
  raise_intx(): void {
    this.line = true;
  }
  lower_intx(): void {
    this.line = false;
  }
  intx_pending(): boolean {
    return this.line;
  }
  msi_enabled(): boolean {
    return this.mode === 'msi';
  }
  msix_enabled(): boolean {
    return this.mode === 'msix';
  }
  send_msi(n: number): boolean {
    if (this.mode === 'intx') return false;
    this.messages.push(n);
    return true;
  }
  notify(vector: number): void {
    if (!this.send_msi(vector)) this.raise_intx();
  }
  pme(): void {}
  dma_read(iova: bigint, len: number): pci_dma_result {
    const at = Number(iova);
    return at + len > this.ram.length ? 'fault' : this.ram.slice(at, at + len);
  }
  dma_write(iova: bigint, data: Uint8Array): null | Exclude<pci_dma_result, Uint8Array> {
    const at = Number(iova);
    if (at + data.length > this.ram.length) return 'fault';
    this.ram.set(data, at);
    return null;
  }
}

/** A model on a fake bus, with accesses as the bus makes them. */
export class bench<M extends pci_device_model> {
  readonly model: M;
  readonly hw: fake_function;

  constructor(model: M, hw = new fake_function()) {
    this.model = model;
    this.hw = hw;
    model.attach?.(hw);
  }

  rd(bar: number, off: number, size = 4): number {
    const val = this.model.mmio_read?.(bar, off, size) ?? 0;
    return size === 4 ? val >>> 0 : val & ((1 << (8 * size)) - 1);
  }

  wr(bar: number, off: number, val: number, size = 4): void {
    this.model.mmio_write?.(bar, off, size, val);
  }

  /** Reset as the bus does it: the line first. */
  reset(kind: 'power' | 'bus' | 'flr' | 'af_flr' | 'd3hot' = 'bus'): void {
    this.hw.line = false;
    this.model.reset?.(kind);
  }

  /** Bytes from `off` on as hex, read like vfio reads them: by the widest aligned access. */
  hex(bar: number, off: number, len: number): string {
    let text = '';
    for (let at = off; at < off + len;) {
      const left = off + len - at;
      const size = left >= 4 && at % 4 === 0 ? 4 : left >= 2 && at % 2 === 0 ? 2 : 1;
      const val = this.rd(bar, at, size);
      for (let i = 0; i < size; i++) text += ((val >>> (8 * i)) & 0xff).toString(16).padStart(2, '0');
      at += size;
    }
    return text;
  }
}
