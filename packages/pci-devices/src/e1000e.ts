// SPDX-License-Identifier: GPL-2.0-only
// Intel 82574L (8086:10d3) as QEMU has it: register file, the interrupt unit with INTx, MSI and MSI-X, the I/O window
// of two registers, and an empty flash BAR. No packet ever flows.
// Interrupt throttling (ITR, EITR) delays a second interrupt by some 100 us; here it comes at once.

import { PCI_ROM_BAR } from '@vfio-lab/pci';
import type { pci_bar, pci_device_model, pci_function } from '@vfio-lab/pci';
import type { int, u32 } from '@vfio-lab/sim';
import { dword_regs } from './dword_regs.ts';
import { FIRST_MAC, mac_from_serial } from './regs.ts';
import type { mac_address } from './regs.ts';
import { rom_read, test_rom } from './rom.ts';

const CTRL = 0x00000;
const STATUS = 0x00008;
const EECD = 0x00010;
const EERD = 0x00014;
const CTRL_EXT = 0x00018;
const MDIC = 0x00020;
const VET = 0x00038; // VLAN ether type
const ICR = 0x000c0; // interrupt cause, cleared by reading
const ITR = 0x000c4;
const ICS = 0x000c8; // interrupt cause set
const IMS = 0x000d0; // interrupt mask set
const IMC = 0x000d8; // interrupt mask clear
const EIAC = 0x000dc; // causes that MSI-X clears by itself
const IAM = 0x000e0;
const IVAR = 0x000e4; // cause to MSI-X vector
const EITR = 0x000e8;
const RAL0 = 0x05400;
const RAH0 = 0x05404;

const CTRL_GIO_MASTER_DISABLE = 0x00000004;
const CTRL_FD = 0x00000001;
const CTRL_FRCSPD = 0x00000800;
const CTRL_FRCDPX = 0x00001000;
const CTRL_RST = 0x04000000;
const CTRL_PHY_RST = 0x80000000;
const CTRL_EXT_SPD_BYPS = 0x00008000;
const CTRL_EXT_EIAME = 0x01000000;
const CTRL_EXT_IAME = 0x08000000;
const CTRL_EXT_PBA_CLR = 0x80000000;
const STATUS_FD = 0x00000001;
const STATUS_SPEED_1000 = 0x00000080;
const STATUS_PHYRA = 0x00000400;
const STATUS_GIO_MASTER_ENABLE = 0x00080000;
const EERW_START = 0x1;
const EERW_DONE = 0x2;
const MDIC_OP_READ = 0x08000000;
const MDIC_READY = 0x10000000;

const ICR_RXQ0 = 0x00100000;
const ICR_RXQ1 = 0x00200000;
const ICR_TXQ0 = 0x00400000;
const ICR_TXQ1 = 0x00800000;
const ICR_OTHER = 0x01000000;
const ICR_ASSERTED = 0x80000000;
const ICR_OTHER_CAUSES = 0x00000004 | 0x00000040 | 0x00000200 | 0x00020000 | 0x00040000;
const IMS_VALID =
  0x00000001 |
  0x00000002 |
  0x00000004 |
  0x00000010 |
  0x00000040 |
  0x00000080 |
  0x00000200 |
  0x00008000 |
  0x00010000 |
  0x00020000 |
  0x00040000 |
  ICR_RXQ0 |
  ICR_RXQ1 |
  ICR_TXQ0 |
  ICR_TXQ1 |
  ICR_OTHER;

const IVAR_VALID = 0x8;
const IVAR_VEC = 0x7;
/** MSI-X causes, each with the shift of its field in IVAR. */
const MSIX_CAUSES: readonly (readonly [u32, int])[] = [
  [ICR_RXQ0, 0],
  [ICR_RXQ1, 4],
  [ICR_TXQ0, 8],
  [ICR_TXQ1, 12],
  [ICR_OTHER, 16],
];
const MSIX_VECTORS = 5;

/** Registers with a power-on value other than 0. */
const INITIAL: readonly (readonly [int, u32])[] = [
  [CTRL, 0x00140241],
  [STATUS, 0x00000202],
  [EECD, 0x00000300],
  [EERD, EERW_DONE],
  [VET, 0x8100],
  [ITR, 500],
  [EITR, 500],
  [EITR + 4, 500],
  [EITR + 8, 500],
  [EITR + 12, 500],
  [EITR + 16, 500],
  [0x00410, 0x00602008], // TIPG
  [0x00e00, 0x00068302], // LEDCTL
  [0x00f00, 0x00000008], // EXTCNF_CTRL
  [0x01000, 0x00140014], // PBA
  [0x01008, 0x00000028], // PBS
  [0x01010, 0x80000000], // EEMNGCTL
  [0x01028, 0x00000002], // FLASHT
  [0x0102c, EERW_DONE], // EEWR
  [0x01030, 0xc0000000], // FLSWCTL
  [0x01050, 0x00000001], // FLOL
  [0x02170, 0x00040402], // PSRCTL
  [0x02828, 0x00010000], // RXDCTL
  [0x02928, 0x00010000], // RXDCTL1
  [0x03410, 0x600], // TDFH
  [0x03418, 0x600], // TDFT
  [0x03420, 0x600], // TDFHS
  [0x03428, 0x600], // TDFTS
  [0x03840, 0x00000403], // TARC0
  [0x03940, 0x00000403], // TARC1
  [0x05000, 0x00000300], // RXCSUM
  [0x05820, 0x00002000], // MANC
  [0x05b00, 0x0c00000c], // GCR
  [0x05b30, 0x20000004], // FACTPS
  [0x05b50, 0x00000001], // SWSM
  [0x0b634, 0x000088f7], // RXCFGL
  [0x0b638, 0x00000319], // RXUDP
];

/** Plain registers that start at 0, first and last offset. */
const PLAIN: readonly (readonly [int, int])[] = [
  [CTRL_EXT, CTRL_EXT],
  [0x0001c, 0x00020], // FLA, MDIC
  [0x00028, 0x00034], // flow control and FEXTNVM
  [ICR, ICR],
  [ICS, ICS],
  [IMS, IMS],
  [EIAC, IVAR],
  [0x00100, 0x00100], // RCTL
  [0x00170, 0x00170],
  [0x00400, 0x00404], // TCTL
  [0x00458, 0x00458],
  [0x00f08, 0x00f10],
  [0x01034, 0x0103c],
  [0x02008, 0x02008],
  [0x02160, 0x0216c],
  [0x02800, 0x02824],
  [0x0282c, 0x0282c],
  [0x02900, 0x02918],
  [0x02c00, 0x02c08],
  [0x03430, 0x03430],
  [0x03800, 0x0383c],
  [0x03900, 0x0392c],
  [0x04000, 0x04124], // statistics
  [0x05008, 0x05008],
  [0x05200, 0x0547c], // multicast table, receive addresses
  [0x05600, 0x057fc], // VLAN filter
  [0x05800, 0x05818],
  [0x05838, 0x0588c],
  [0x05890, 0x05aff],
  [0x05b08, 0x05b20],
  [0x05b44, 0x05b44],
  [0x05b54, 0x05b5c],
  [0x05c00, 0x05ca4], // RSS
  [0x05f00, 0x05f18],
  [0x09000, 0x093fc],
  [0x09800, 0x09bfc],
  [0x0b600, 0x0b630],
  [0x10000, 0x19ffc], // packet buffer
];

/** Intel 82574L. */
export class e1000e_device implements pci_device_model {
  readonly name = 'e1000e';
  private hw: pci_function | null = null;
  private rom: Uint8Array = new Uint8Array(0);
  private mac: mac_address;
  private readonly regs = new dword_regs();
  private ioaddr = 0;
  /** Causes a message was already sent for. */
  private sent = 0;

  constructor(mac: mac_address = FIRST_MAC) {
    this.mac = mac;
    for (const [first, last] of PLAIN) this.regs.declare_range(first, last);
    for (const [off, init] of INITIAL) this.regs.declare_reg(off, init);
    this.wire();
  }

  attach(hw: pci_function): void {
    this.hw = hw;
    this.mac = mac_from_serial(hw.config) ?? this.mac;
    if (hw.bar_sizes[PCI_ROM_BAR]) this.rom = test_rom(hw.config);
    this.load_address();
  }

  reset(): void {
    this.reset_registers();
  }

  mmio_read(bar: pci_bar, off: int, size: int): u32 {
    if (bar === 0) return this.regs.read(off);
    if (bar === 2) {
      if (off === 0) return this.ioaddr;
      return off === 4 ? this.regs.read(this.ioaddr) : 0;
    }
    return bar === PCI_ROM_BAR ? rom_read(this.rom, off, size) : 0;
  }

  mmio_write(bar: pci_bar, off: int, size: int, val: u32): void {
    if (bar === 0) this.regs.write(off, val);
    else if (bar === 2 && off === 0) this.ioaddr = val;
    else if (bar === 2 && off === 4) this.regs.write(this.ioaddr, val);
  }

  private reset_registers(): void {
    this.regs.reset();
    this.ioaddr = 0;
    this.sent = 0;
    this.load_address();
  }

  private load_address(): void {
    const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = this.mac;
    this.regs.set(RAL0, a | (b << 8) | (c << 16) | (d << 24));
    this.regs.set(RAH0, e | (f << 8) | 0x80000000);
  }

  private wire(): void {
    const { regs } = this;
    regs.handle(CTRL, {
      write: (val) => {
        regs.set(CTRL, val & ~CTRL_RST & ~CTRL_PHY_RST);
        if (val & CTRL_RST) {
          this.reset_registers();
          this.update();
        }
        if (val & CTRL_PHY_RST) regs.set(STATUS, regs.get(STATUS) | STATUS_PHYRA);
      },
    });
    regs.handle(STATUS, {
      read: () => this.status(),
      write: (val) => {
        if (!(val & STATUS_PHYRA)) regs.set(STATUS, regs.get(STATUS) & ~STATUS_PHYRA);
      },
    });
    regs.handle(EERD, {
      write: (val) => {
        const word = (val >>> 2) & 0x3fff;
        const data = word < 3 ? (this.mac[word * 2] ?? 0) | ((this.mac[word * 2 + 1] ?? 0) << 8) : 0;
        regs.set(EERD, val & EERW_START ? (data << 16) | EERW_DONE | (word << 2) : val);
      },
    });
    regs.handle(MDIC, {
      write: (val) => {
        const data = val & MDIC_OP_READ ? phy_register((val >>> 16) & 0x1f) : val & 0xffff;
        regs.set(MDIC, (val & 0x0fff0000) | data | MDIC_READY);
      },
    });
    regs.handle(ICR, { read: () => this.read_icr(), write: (val) => this.write_icr(val) });
    regs.handle(ICS, {
      write: (val) => {
        regs.set(ICR, regs.get(ICR) | val);
        this.update();
      },
    });
    regs.handle(IMS, { write: (val) => this.write_ims(val) });
    regs.handle(IMC, {
      read: () => 0,
      write: (val) => {
        regs.set(IMS, regs.get(IMS) & ~val);
        this.update();
      },
    });
  }

  /** STATUS mirrors what CTRL forces. */
  private status(): u32 {
    const ctrl = this.regs.get(CTRL);
    let res = this.regs.get(STATUS);
    if (!(ctrl & CTRL_GIO_MASTER_DISABLE)) res |= STATUS_GIO_MASTER_ENABLE;
    if (!(ctrl & CTRL_FRCDPX) || ctrl & CTRL_FD) res |= STATUS_FD;
    if (ctrl & CTRL_FRCSPD || this.regs.get(CTRL_EXT) & CTRL_EXT_SPD_BYPS) res |= ((ctrl >>> 8) & 3) << 6;
    else res |= STATUS_SPEED_1000;
    return res;
  }

  private read_icr(): u32 {
    const { regs } = this;
    const icr = regs.get(ICR);
    if (regs.get(IMS) === 0 || !this.hw?.msix_enabled()) regs.set(ICR, 0);
    if (regs.get(ICR) & ICR_ASSERTED) this.auto_mask();
    this.update();
    return icr;
  }

  private write_icr(val: u32): void {
    const { regs } = this;
    if (regs.get(ICR) & ICR_ASSERTED) this.auto_mask();
    let icr = regs.get(ICR) & ~val;
    if (val & ICR_OTHER) icr &= ~ICR_OTHER_CAUSES;
    regs.set(ICR, icr);
    this.update();
  }

  private write_ims(val: u32): void {
    const { regs } = this;
    regs.set(IMS, regs.get(IMS) | (val & IMS_VALID));
    if (regs.get(CTRL_EXT) & CTRL_EXT_PBA_CLR && this.hw?.msix_enabled()) this.sent &= ~val;
    this.update();
  }

  private auto_mask(): void {
    const { regs } = this;
    if (regs.get(CTRL_EXT) & CTRL_EXT_IAME) regs.set(IMS, regs.get(IMS) & ~regs.get(IAM));
  }

  /** The interrupt unit looks at cause and mask and drives the line or sends messages for new causes. */
  private update(): void {
    const { regs, hw } = this;
    if (!hw) return;
    const msix = hw.msix_enabled();
    let icr = regs.get(ICR) & ~ICR_ASSERTED;
    if (msix && icr & ICR_OTHER_CAUSES) icr |= ICR_OTHER;
    if (icr) icr |= ICR_ASSERTED;
    regs.set(ICR, icr);
    regs.set(ICS, icr);

    const pending = icr & regs.get(IMS);
    if (!pending) this.sent = 0;
    if (msix || hw.msi_enabled()) {
      if (pending) this.send(msix);
    } else if (pending) {
      hw.raise_intx();
    } else {
      hw.lower_intx();
    }
  }

  private send(msix: boolean): void {
    const { regs } = this;
    const causes = regs.get(ICR) & regs.get(IMS) & ~ICR_ASSERTED;
    this.sent &= causes;
    const fresh = causes & ~this.sent;
    if (!fresh) return;
    this.sent |= fresh;
    if (!msix) {
      this.hw?.send_msi(0);
      return;
    }
    for (const [cause, shift] of MSIX_CAUSES) {
      if (fresh & cause) this.notify_msix(cause, regs.get(IVAR) >>> shift);
    }
  }

  private notify_msix(cause: u32, entry: u32): void {
    const { regs } = this;
    const vec = entry & IVAR_VEC;
    if (entry & IVAR_VALID && vec < MSIX_VECTORS) this.hw?.send_msi(vec);
    const ext = regs.get(CTRL_EXT);
    if (ext & CTRL_EXT_EIAME) regs.set(IAM, regs.get(IAM) & ~cause);
    const cleared = regs.get(EIAC) & cause;
    regs.set(ICR, regs.get(ICR) & ~cleared);
    this.sent &= ~cleared;
    if (!(ext & CTRL_EXT_IAME)) regs.set(IMS, regs.get(IMS) & ~cleared);
  }
}

/** The PHY's standard registers: control, status, identification, abilities. */
function phy_register(n: int): u32 {
  return [0x1140, 0x796d, 0x0141, 0x0cb1, 0x0de0, 0x0de0, 0, 0, 0, 0x0e00, 0x3c00][n] ?? 0;
}
