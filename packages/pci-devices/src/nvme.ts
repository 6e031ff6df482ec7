// SPDX-License-Identifier: GPL-2.0-only
// NVMe controller (1b36:0010) as QEMU has it: controller registers, enable and shutdown handshakes, and an admin
// queue that completes commands (features succeed, everything else is an invalid opcode), so that INTx and
// messages can be raised. As a physical function it makes virtual functions, which start offline.

import type { pci_bar, pci_device_model, pci_function } from '@vfio-lab/pci';
import type { int, u32 } from '@vfio-lab/sim';
import { read_le, write_le } from './regs.ts';

const NVME_REG_CAP = 0x00;
const NVME_REG_VS = 0x08;
const NVME_REG_INTMS = 0x0c;
const NVME_REG_INTMC = 0x10;
const NVME_REG_CC = 0x14;
const NVME_REG_CSTS = 0x1c;
const NVME_REG_AQA = 0x24;
const NVME_REG_ASQ = 0x28;
const NVME_REG_ACQ = 0x30;
const NVME_REG_END = 0x38;
const NVME_DOORBELLS = 0x1000;

const CC_EN = 0x1;
const CC_SHN = 0xc000;
const CSTS_READY = 0x1;
const CSTS_FAILED = 0x2;
const CSTS_SHST_COMPLETE = 0x8;

const ADMIN_SET_FEATURES = 0x09;
const ADMIN_GET_FEATURES = 0x0a;
const STATUS_INVALID_OPCODE = 0x4001;
const SQE_BYTES = 64;
const CQE_BYTES = 16;

/** NVMe controller; `online` false makes a virtual function that was given no resources yet. */
export class nvme_device implements pci_device_model {
  readonly name: string;
  private hw: pci_function | null = null;
  private readonly online: boolean;
  private readonly regs = new Uint8Array(NVME_DOORBELLS);
  private masked = 0;
  private sq = { head: 0, tail: 0 };
  private cq = { head: 0, tail: 0, phase: 1 };

  constructor(online = true) {
    this.online = online;
    this.name = online ? 'nvme' : 'nvme-vf';
    this.reset_controller();
  }

  attach(hw: pci_function): void {
    this.hw = hw;
  }

  reset(): void {
    this.reset_controller();
    write_le(this.regs, NVME_REG_AQA, 4, 0);
    this.regs.fill(0, NVME_REG_ASQ, NVME_REG_END);
  }

  virtual_function(_index: int): pci_device_model {
    return new nvme_device(false);
  }

  mmio_read(bar: pci_bar, off: int, size: int): u32 {
    if (bar !== 0) return 0;
    if (!this.online && off !== NVME_REG_CSTS) return 0;
    return read_le(this.regs, off, size);
  }

  mmio_write(bar: pci_bar, off: int, size: int, val: u32): void {
    if (bar !== 0 || size !== 4 || off & 3 || !this.online) return;
    if (off >= NVME_DOORBELLS) {
      this.doorbell((off - NVME_DOORBELLS) / 4, val & 0xffff);
      return;
    }
    switch (off) {
      case NVME_REG_INTMS:
      case NVME_REG_INTMC:
        if (this.hw?.msix_enabled()) return;
        this.masked = (off === NVME_REG_INTMS ? this.masked | val : this.masked & ~val) >>> 0;
        write_le(this.regs, NVME_REG_INTMS, 4, this.masked);
        write_le(this.regs, NVME_REG_INTMC, 4, this.masked);
        this.update_line();
        break;
      case NVME_REG_CC:
        this.configure(val);
        break;
      case NVME_REG_AQA:
        write_le(this.regs, off, 4, val);
        break;
      case NVME_REG_ASQ:
      case NVME_REG_ACQ:
        write_le(this.regs, off, 4, val & 0xfffff000);
        break;
      case NVME_REG_ASQ + 4:
      case NVME_REG_ACQ + 4:
        write_le(this.regs, off, 4, val);
        break;
      default:
        break;
    }
  }

  /** Queue addresses survive a controller reset, everything else starts over. */
  private reset_controller(): void {
    write_le(this.regs, NVME_REG_CAP, 4, 0x0f0107ff); // 2048 entries, contiguous queues, 7.5 s
    write_le(this.regs, NVME_REG_CAP + 4, 4, 0x00401820); // NVM and admin-only command sets, page sizes 4K to 64K
    write_le(this.regs, NVME_REG_VS, 4, 0x00010400);
    for (const off of [NVME_REG_INTMS, NVME_REG_INTMC, NVME_REG_CC]) write_le(this.regs, off, 4, 0);
    write_le(this.regs, NVME_REG_CSTS, 4, this.online ? 0 : CSTS_FAILED);
    this.masked = 0;
    this.sq = { head: 0, tail: 0 };
    this.cq = { head: 0, tail: 0, phase: 1 };
    this.hw?.lower_intx();
  }

  private configure(val: u32): void {
    const old = read_le(this.regs, NVME_REG_CC, 4);
    const csts = read_le(this.regs, NVME_REG_CSTS, 4);
    write_le(this.regs, NVME_REG_CC, 4, val);
    if (val & CC_EN && !(old & CC_EN)) {
      write_le(this.regs, NVME_REG_CSTS, 4, this.can_start(val) ? CSTS_READY : CSTS_FAILED);
    } else if (!(val & CC_EN) && old & CC_EN) {
      this.reset_controller();
    }
    if (val & CC_SHN && !(old & CC_SHN)) {
      write_le(this.regs, NVME_REG_CSTS, 4, csts | CSTS_SHST_COMPLETE);
    } else if (!(val & CC_SHN) && old & CC_SHN) {
      write_le(this.regs, NVME_REG_CSTS, 4, read_le(this.regs, NVME_REG_CSTS, 4) & ~CSTS_SHST_COMPLETE);
    }
  }

  /** Enabling needs admin queues with an address and more than one entry, and page and entry sizes in range. */
  private can_start(cc: u32): boolean {
    const aqa = read_le(this.regs, NVME_REG_AQA, 4);
    const mps = (cc >>> 7) & 0xf;
    return (
      this.address(NVME_REG_ASQ) !== 0n &&
      this.address(NVME_REG_ACQ) !== 0n &&
      (aqa & 0xfff) !== 0 &&
      ((aqa >>> 16) & 0xfff) !== 0 &&
      mps <= 4
    );
  }

  private address(off: int): bigint {
    return (BigInt(read_le(this.regs, off + 4, 4)) << 32n) | BigInt(read_le(this.regs, off, 4));
  }

  private doorbell(index: int, val: int): void {
    if (!(read_le(this.regs, NVME_REG_CSTS, 4) & CSTS_READY)) return;
    const aqa = read_le(this.regs, NVME_REG_AQA, 4);
    if (index === 0 && val <= (aqa & 0xfff)) {
      this.sq.tail = val;
      this.run_admin_queue(aqa);
    } else if (index === 1 && val <= ((aqa >>> 16) & 0xfff)) {
      this.cq.head = val;
      this.update_line();
    }
  }

  private run_admin_queue(aqa: u32): void {
    const sq_size = (aqa & 0xfff) + 1;
    const cq_size = ((aqa >>> 16) & 0xfff) + 1;
    let posted = false;
    while (this.sq.head !== this.sq.tail && (this.cq.tail + 1) % cq_size !== this.cq.head) {
      const sqe = this.hw?.dma_read(this.address(NVME_REG_ASQ) + BigInt(this.sq.head * SQE_BYTES), SQE_BYTES);
      if (!(sqe instanceof Uint8Array)) break;
      this.sq.head = (this.sq.head + 1) % sq_size;
      const opcode = sqe[0] ?? 0;
      const known = opcode === ADMIN_SET_FEATURES || opcode === ADMIN_GET_FEATURES;
      const cqe = new Uint8Array(CQE_BYTES);
      write_le(cqe, 8, 2, this.sq.head);
      write_le(cqe, 12, 2, read_le(sqe, 2, 2));
      write_le(cqe, 14, 2, ((known ? 0 : STATUS_INVALID_OPCODE) << 1) | this.cq.phase);
      this.hw?.dma_write(this.address(NVME_REG_ACQ) + BigInt(this.cq.tail * CQE_BYTES), cqe);
      this.cq.tail = (this.cq.tail + 1) % cq_size;
      if (this.cq.tail === 0) this.cq.phase ^= 1;
      posted = true;
    }
    if (!posted) return;
    if (this.hw?.msix_enabled()) this.hw.send_msi(0);
    else this.update_line();
  }

  private update_line(): void {
    if (!this.hw || this.hw.msix_enabled()) return;
    if (this.cq.head !== this.cq.tail && !(this.masked & 1)) this.hw.raise_intx();
    else this.hw.lower_intx();
  }
}
