// SPDX-License-Identifier: GPL-2.0-only
// virtio-pci, modern (1af4:1040-107f), as an entropy source: the common configuration, ISR, and one split queue whose
// buffers are filled with a repeatable byte sequence.

import type { pci_bar, pci_device_model, pci_function } from '@vfio-lab/pci';
import type { int, u32 } from '@vfio-lab/sim';
import { byte_regs } from './byte_regs.ts';
import type { register_def } from './byte_regs.ts';
import { read_le, write_le } from './regs.ts';

const MODERN_BAR = 4;
const COMMON = 0x0000;
const ISR = 0x1000;
const NOTIFY = 0x3000;

const DEVICE_FEATURE_SELECT = 0x00;
const DEVICE_FEATURE = 0x04;
const CONFIG_VECTOR = 0x10;
const NUM_QUEUES = 0x12;
const DEVICE_STATUS = 0x14;
const QUEUE_SELECT = 0x16;
const QUEUE_SIZE = 0x18;
const QUEUE_VECTOR = 0x1a;
const QUEUE_ENABLE = 0x1c;
const QUEUE_DESC = 0x20;
const QUEUE_DRIVER = 0x28;
const QUEUE_DEVICE = 0x30;
const COMMON_BYTES = 0x38;

const STATUS_DRIVER_OK = 0x04;
const NO_VECTOR = 0xffff;
const FEATURES: readonly u32[] = [0x30000000, 0x00000101]; // indirect, event index; version 1, ring reset
const DESC_NEXT = 0x1;
const DESC_WRITE = 0x2;
const AVAIL_NO_INTERRUPT = 0x1;

const REGISTERS: readonly register_def[] = [
  [DEVICE_FEATURE_SELECT, 4, 0, 0xffffffff],
  [0x08, 4, 0, 0xffffffff],
  [0x0c, 4, 0, 0xffffffff],
  [CONFIG_VECTOR, 2, NO_VECTOR, 0xffff],
  [NUM_QUEUES, 2, 1],
  [DEVICE_STATUS, 1, 0, 0xff],
  [QUEUE_SELECT, 2, 0, 0xffff],
  [QUEUE_SIZE, 2, 8, 0xffff],
  [QUEUE_VECTOR, 2, NO_VECTOR, 0xffff],
  [QUEUE_ENABLE, 2, 0, 0x0001],
  [QUEUE_DESC, 4, 0, 0xffffffff],
  [QUEUE_DESC + 4, 4, 0, 0xffffffff],
  [QUEUE_DRIVER, 4, 0, 0xffffffff],
  [QUEUE_DRIVER + 4, 4, 0, 0xffffffff],
  [QUEUE_DEVICE, 4, 0, 0xffffffff],
  [QUEUE_DEVICE + 4, 4, 0, 0xffffffff],
];

/** virtio-rng on PCI. */
export class virtio_rng_device implements pci_device_model {
  readonly name = 'virtio-rng';
  private hw: pci_function | null = null;
  private readonly common = new byte_regs(COMMON_BYTES, REGISTERS);
  private isr = 0;
  private last_avail = 0;
  private used = 0;
  private entropy = 1;

  attach(hw: pci_function): void {
    this.hw = hw;
  }

  reset(): void {
    this.common.reset();
    this.isr = 0;
    this.last_avail = 0;
    this.used = 0;
    this.hw?.lower_intx();
  }

  mmio_read(bar: pci_bar, off: int, size: int): u32 {
    if (bar !== MODERN_BAR) return 0;
    if (off >= COMMON && off < COMMON_BYTES) {
      if (off === DEVICE_FEATURE) return FEATURES[this.common.get(DEVICE_FEATURE_SELECT, 4)] ?? 0;
      const queue_gone = this.common.get(QUEUE_SELECT, 2) !== 0 && off >= QUEUE_SIZE;
      return queue_gone ? 0 : this.common.get(off, size);
    }
    if (off !== ISR) return 0;
    const isr = this.isr;
    this.isr = 0;
    this.hw?.lower_intx();
    return isr;
  }

  mmio_write(bar: pci_bar, off: int, size: int, val: u32): void {
    if (bar !== MODERN_BAR) return;
    if (off === NOTIFY) {
      this.run_queue();
    } else if (off >= COMMON && off < COMMON_BYTES) {
      if (this.common.get(QUEUE_SELECT, 2) !== 0 && off >= QUEUE_SIZE) return;
      this.common.write(off, size, val);
      if (off === DEVICE_STATUS && (val & 0xff) === 0) this.reset();
    }
  }

  private address(off: int): bigint {
    return (BigInt(this.common.get(off + 4, 4)) << 32n) | BigInt(this.common.get(off, 4));
  }

  private run_queue(): void {
    if (!this.hw || !(this.common.get(DEVICE_STATUS, 1) & STATUS_DRIVER_OK)) return;
    if (!this.common.get(QUEUE_ENABLE, 2)) return;
    const size = this.common.get(QUEUE_SIZE, 2);
    const avail = this.hw.dma_read(this.address(QUEUE_DRIVER), 4 + 2 * size);
    if (!(avail instanceof Uint8Array) || size === 0) return;
    let done = false;
    for (; this.last_avail !== read_le(avail, 2, 2); this.last_avail = (this.last_avail + 1) & 0xffff) {
      this.complete(read_le(avail, 4 + 2 * (this.last_avail % size), 2), size);
      done = true;
    }
    if (done && !(read_le(avail, 0, 2) & AVAIL_NO_INTERRUPT)) this.interrupt();
  }

  /** Fill the writable buffers of a chain and put it in the used ring. */
  private complete(head: int, size: int): void {
    let written = 0;
    let index = head;
    for (let ttl = 0; ttl < size; ttl++) {
      const desc = this.hw?.dma_read(this.address(QUEUE_DESC) + BigInt(16 * index), 16);
      if (!(desc instanceof Uint8Array)) return;
      const flags = read_le(desc, 12, 2);
      if (flags & DESC_WRITE) {
        const len = read_le(desc, 8, 4);
        const addr = (BigInt(read_le(desc, 4, 4)) << 32n) | BigInt(read_le(desc, 0, 4));
        this.hw?.dma_write(addr, this.random(len));
        written += len;
      }
      if (!(flags & DESC_NEXT)) break;
      index = read_le(desc, 14, 2);
    }
    const ring = this.address(QUEUE_DEVICE);
    const elem = new Uint8Array(8);
    write_le(elem, 0, 4, head);
    write_le(elem, 4, 4, written);
    this.hw?.dma_write(ring + BigInt(4 + 8 * (this.used % size)), elem);
    this.used = (this.used + 1) & 0xffff;
    const idx = new Uint8Array(2);
    write_le(idx, 0, 2, this.used);
    this.hw?.dma_write(ring + 2n, idx);
  }

  private random(len: int): Uint8Array {
    return Uint8Array.from({ length: Math.min(len, 0x10000) }, () => {
      this.entropy = (Math.imul(this.entropy, 1103515245) + 12345) >>> 0;
      return (this.entropy >>> 16) & 0xff;
    });
  }

  private interrupt(): void {
    if (this.hw?.msix_enabled()) {
      const vector = this.common.get(QUEUE_VECTOR, 2);
      if (vector !== NO_VECTOR) this.hw.send_msi(vector);
    } else {
      this.isr |= 1;
      this.hw?.raise_intx();
    }
  }
}
