// SPDX-License-Identifier: GPL-2.0-only
// QEMU's educational device (1234:11e8): liveness check, factorial, an interrupt that software raises and
// acknowledges, and a DMA engine with a 4 KiB buffer. It has no reset handler: registers survive every reset.

import { PCI_ROM_BAR } from '@vfio-lab/pci';
import type { pci_bar, pci_device_model, pci_function } from '@vfio-lab/pci';
import type { int, u32 } from '@vfio-lab/sim';

const EDU_ID = 0x00; // identification: version 1.0, "ed"
const EDU_LIVENESS = 0x04; // reads the inverse of what was written
const EDU_FACTORIAL = 0x08;
const EDU_STATUS = 0x20;
const EDU_IRQ_STATUS = 0x24;
const EDU_IRQ_RAISE = 0x60;
const EDU_IRQ_ACK = 0x64;
const EDU_DMA_SRC = 0x80;
const EDU_DMA_DST = 0x88;
const EDU_DMA_CNT = 0x90;
const EDU_DMA_CMD = 0x98;

const EDU_STATUS_IRQFACT = 0x80; // interrupt when a factorial is done
const FACT_IRQ = 0x00000001;
const DMA_IRQ = 0x00000100;

const EDU_DMA_RUN = 0x1;
const EDU_DMA_TO_PCI = 0x2;
const EDU_DMA_IRQ = 0x4;
const DMA_START = 0x40000; // where the buffer lies in the device's own address space
const DMA_SIZE = 4096;
const DMA_MASK = 0x0fffffff; // the device has 28 address bits

const NOTHING = 0xffffffff; // offsets without a register

/** The educational device. */
export class edu_device implements pci_device_model {
  readonly name = 'edu';
  private hw: pci_function | null = null;
  private liveness = 0;
  private factorial = 0;
  private status = 0;
  private irq_status = 0;
  private readonly dma = { src: 0, dst: 0, cnt: 0, cmd: 0 };
  private readonly buffer = new Uint8Array(DMA_SIZE);

  attach(hw: pci_function): void {
    this.hw = hw;
  }

  /** Registers below 0x80 answer 4-byte accesses only; narrower ones are refused by the bus and read 0. */
  mmio_read(bar: pci_bar, off: int, size: int): u32 {
    if (bar === PCI_ROM_BAR || size !== 4) return 0;
    switch (off) {
      case EDU_ID:
        return 0x010000ed;
      case EDU_LIVENESS:
        return this.liveness;
      case EDU_FACTORIAL:
        return this.factorial;
      case EDU_STATUS:
        return this.status;
      case EDU_IRQ_STATUS:
        return this.irq_status;
      case EDU_DMA_SRC:
        return this.dma.src;
      case EDU_DMA_DST:
        return this.dma.dst;
      case EDU_DMA_CNT:
        return this.dma.cnt;
      case EDU_DMA_CMD:
        return this.dma.cmd;
      default:
        return NOTHING;
    }
  }

  mmio_write(bar: pci_bar, off: int, size: int, val: u32): void {
    if (bar === PCI_ROM_BAR || size !== 4) return;
    switch (off) {
      case EDU_LIVENESS:
        this.liveness = ~val >>> 0;
        break;
      case EDU_FACTORIAL:
        this.factorial = factorial32(val);
        if (this.status & EDU_STATUS_IRQFACT) this.raise(FACT_IRQ);
        break;
      case EDU_STATUS:
        this.status = val & EDU_STATUS_IRQFACT;
        break;
      case EDU_IRQ_RAISE:
        this.raise(val);
        break;
      case EDU_IRQ_ACK:
        this.irq_status = (this.irq_status & ~val) >>> 0;
        if (!this.irq_status && !this.hw?.msi_enabled()) this.hw?.lower_intx();
        break;
      case EDU_DMA_SRC:
        this.dma.src = val;
        break;
      case EDU_DMA_DST:
        this.dma.dst = val;
        break;
      case EDU_DMA_CNT:
        this.dma.cnt = val;
        break;
      case EDU_DMA_CMD:
        if (val & EDU_DMA_RUN) this.run_dma(val);
        break;
      default:
        break;
    }
  }

  private raise(bits: u32): void {
    this.irq_status = (this.irq_status | bits) >>> 0;
    if (!this.irq_status) return;
    if (this.hw?.msi_enabled()) this.hw.send_msi(0);
    else this.hw?.raise_intx();
  }

  /** One transfer between the buffer and memory. An address outside the buffer makes it do nothing. */
  private run_dma(cmd: u32): void {
    const to_pci = (cmd & EDU_DMA_TO_PCI) !== 0;
    const inner = (to_pci ? this.dma.src : this.dma.dst) - DMA_START;
    const { cnt } = this.dma;
    if (inner >= 0 && inner + cnt <= DMA_SIZE) {
      const iova = BigInt((to_pci ? this.dma.dst : this.dma.src) & DMA_MASK);
      if (to_pci) this.hw?.dma_write(iova, this.buffer.slice(inner, inner + cnt));
      else {
        const got = this.hw?.dma_read(iova, cnt);
        if (got instanceof Uint8Array) this.buffer.set(got, inner);
      }
    }
    this.dma.cmd = (cmd & ~EDU_DMA_RUN) >>> 0;
    if (cmd & EDU_DMA_IRQ) this.raise(DMA_IRQ);
  }
}

/** n! modulo 2^32; from 34 on it is 0. */
function factorial32(n: u32): u32 {
  let result = 1;
  for (let i = n; i > 0 && result !== 0; i--) result = Math.imul(result, i) >>> 0;
  return result;
}
