// SPDX-License-Identifier: GPL-2.0-only
// pci-testdev (1b36:0005): a memory BAR and an I/O BAR, each with the same three tests. Writing a number to byte 0
// of a BAR selects a test; its header then describes it and counts the writes it sees.

import type { pci_bar, pci_device_model } from '@vfio-lab/pci';
import type { int, u32 } from '@vfio-lab/sim';
import { read_le, write_le } from './regs.ts';

const HDR_TEST = 0;
const HDR_WIDTH = 1;
const HDR_OFFSET = 4;
const HDR_DATA = 8;
const HDR_COUNT = 12;
const HDR_NAME = 16;

const TESTS = ['no-eventfd', 'wildcard-eventfd', 'datamatch-eventfd'] as const;
const TEST_DATA = 0xfa;
const DATA_OFFSET = 2048; // where a memory test expects its write
const IO_DATA_OFFSET = 0x80;

/** pci-testdev. */
export class pci_testdev implements pci_device_model {
  readonly name = 'pci-testdev';
  private selected = -1;
  private readonly headers: Uint8Array[] = [];

  constructor() {
    for (const bar of [0, 1]) TESTS.forEach((test, i) => this.headers.push(header(bar, i, test)));
  }

  reset(): void {
    this.select(-1);
  }

  mmio_read(bar: pci_bar, off: int, size: int): u32 {
    const test = this.current(bar);
    if (!test || off + size >= test.length) return 0;
    return read_le(test, off, size);
  }

  mmio_write(bar: pci_bar, off: int, size: int, val: u32): void {
    if (bar > 1) return;
    if (off === HDR_TEST && size === 1) {
      this.select(val < TESTS.length ? bar * TESTS.length + val : -1);
      return;
    }
    const test = this.current(bar);
    if (!test || off !== read_le(test, HDR_OFFSET, 4) || size !== test[HDR_WIDTH]) return;
    if (test[HDR_TEST] === 2 && val !== test[HDR_DATA]) return;
    write_le(test, HDR_COUNT, 4, read_le(test, HDR_COUNT, 4) + 1);
  }

  private current(bar: pci_bar): Uint8Array | null {
    return Math.floor(this.selected / TESTS.length) === bar ? (this.headers[this.selected] ?? null) : null;
  }

  private select(n: int): void {
    for (const test of this.headers) write_le(test, HDR_COUNT, 4, 0);
    this.selected = n;
  }
}

function header(bar: int, test: int, name: string): Uint8Array {
  const text = `${bar === 0 ? 'mmio' : 'portio'}-${name}`;
  const bytes = new Uint8Array(HDR_NAME + text.length + 1);
  bytes[HDR_TEST] = test;
  bytes[HDR_WIDTH] = 1;
  write_le(bytes, HDR_OFFSET, 4, bar === 0 ? DATA_OFFSET : IO_DATA_OFFSET);
  bytes[HDR_DATA] = TEST_DATA;
  for (let i = 0; i < text.length; i++) bytes[HDR_NAME + i] = text.charCodeAt(i);
  return bytes;
}
