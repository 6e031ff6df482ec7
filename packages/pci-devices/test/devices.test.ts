// SPDX-License-Identifier: GPL-2.0-only
// Each device: what it says it is, how it interrupts, what a reset does. Hex strings are what real kernels read.

import { describe, expect, it } from 'vitest';
import {
  ahci_device,
  doorbell_device,
  e1000_device,
  e1000e_device,
  edu_device,
  generic_device,
  hda_device,
  ivshmem_device,
  lab_nic,
  nvidia_gpu,
  nvme_device,
  pci_testdev,
  rtl8139_device,
  vga_device,
  virtio_rng_device,
  xhci_device,
} from '../src/index.ts';
import { bench, fake_function } from './fake_function.ts';

const ROM = 6;

describe('edu', () => {
  it('should read like the recorded one', () => {
    const b = new bench(new edu_device());
    expect(b.hex(0, 0, 16)).toBe('ed0000010000000000000000ffffffff');
    expect(b.hex(0, 1, 2)).toBe('0000');
    expect(b.hex(0, 0x60, 4)).toBe('ffffffff');
  });

  it('should invert what is written to the liveness register and keep it over a reset', () => {
    const b = new bench(new edu_device());
    b.wr(0, 4, 5);
    expect(b.hex(0, 4, 4)).toBe('faffffff');
    b.reset();
    expect(b.hex(0, 4, 4)).toBe('faffffff');
  });

  it('should compute factorials modulo 2^32 and interrupt when asked to', () => {
    const b = new bench(new edu_device());
    b.wr(0, 8, 0);
    expect(b.rd(0, 8)).toBe(1);
    b.wr(0, 0x20, 0x80);
    b.wr(0, 8, 10);
    expect(b.rd(0, 8)).toBe(3628800);
    expect(b.hw.line).toBe(true);
    b.wr(0, 8, 0xffffffff);
    expect(b.rd(0, 8)).toBe(0);
  });

  it('should hold the line until every cause is acknowledged', () => {
    const b = new bench(new edu_device());
    b.wr(0, 0x60, 3);
    expect(b.hw.line).toBe(true);
    expect(b.rd(0, 0x24)).toBe(3);
    b.wr(0, 0x64, 1);
    expect(b.hw.line).toBe(true);
    b.wr(0, 0x64, 2);
    expect(b.hw.line).toBe(false);
  });

  it('should send message 0 with MSI on', () => {
    const b = new bench(new edu_device());
    b.hw.mode = 'msi';
    b.wr(0, 0x60, 1);
    b.wr(0, 0x60, 1);
    expect(b.hw.messages).toEqual([0, 0]);
    expect(b.hw.line).toBe(false);
  });

  it('should copy from and to its buffer by DMA', () => {
    const b = new bench(new edu_device());
    b.hw.ram.set([1, 2, 3, 4], 0x100);
    b.wr(0, 0x80, 0x100);
    b.wr(0, 0x88, 0x40000);
    b.wr(0, 0x90, 4);
    b.wr(0, 0x98, 1);
    b.wr(0, 0x80, 0x40000);
    b.wr(0, 0x88, 0x200);
    b.wr(0, 0x98, 1 | 2 | 4);
    expect([...b.hw.ram.subarray(0x200, 0x204)]).toEqual([1, 2, 3, 4]);
    expect(b.rd(0, 0x24)).toBe(0x100);
    expect(b.hw.line).toBe(true);
  });
});

describe('e1000e', () => {
  const config = new Uint8Array(4096);
  config.set([0x86, 0x80, 0xd3, 0x10]);
  config.set([0, 0, 2], 9);
  config.set([0x03, 0x00, 0x01, 0x00, 0x58, 0x34, 0x12, 0xff, 0xff, 0x00, 0x54, 0x52], 0x100);
  const make = (rom = 0): bench<e1000e_device> =>
    new bench(new e1000e_device(), new fake_function(config, rom));

  it('should read like the recorded one', () => {
    const b = make();
    expect(b.hex(0, 0, 16)).toBe('41021400000000008302080000000000');
    expect(b.hex(0, 1, 2)).toBe('4141');
    expect(b.hex(0, 2, 4)).toBe('41020000');
    expect(b.hex(0, 3, 7)).toBe('41000000008302');
    expect(b.hex(2, 0, 16)).toBe('00000000410214000000000000000000');
    expect(b.hex(2, 3, 7)).toBe('00410214000000');
    expect(b.hex(0, 0x1008, 4)).toBe('28000000');
    expect(b.hex(1, 0, 8)).toBe('0000000000000000');
  });

  it('should have its address from the serial number', () => {
    expect(make().hex(0, 0x5400, 8)).toBe('5254001234580080');
  });

  it('should have a ROM image when it has a ROM BAR', () => {
    const b = make(0x800);
    expect(b.hex(ROM, 0, 64)).toBe(
      '55aa04cb00000000000000000000000000000000000000001c000000504349528680d31000001800000000020400000000800000000000000000000000000000',
    );
    expect(b.hex(ROM, 0x7fc, 4)).toBe('e4ebf2da');
  });

  it('should raise the line for an unmasked cause and drop it when ICR is read', () => {
    const b = make();
    b.wr(0, 0xc8, 4);
    expect(b.hw.line).toBe(false);
    b.wr(0, 0xd0, 4);
    expect(b.hw.line).toBe(true);
    expect(b.hex(0, 0xc0, 4)).toBe('04000080');
    expect(b.hw.line).toBe(false);
    expect(b.rd(0, 0xc0)).toBe(0);
    b.wr(0, 0xc8, 4);
    expect(b.hw.line).toBe(true);
    b.wr(0, 0xd8, 0xffffffff);
    expect(b.hw.line).toBe(false);
    expect(b.rd(0, 0xd0)).toBe(0);
  });

  it('should send the vector IVAR gives for a cause, once, and none for an invalid entry', () => {
    const b = make();
    b.hw.mode = 'msix';
    b.wr(0, 0xe4, 0xba98);
    b.wr(0, 0xd0, 0x1f00000);
    b.wr(0, 0xc8, 0x100000);
    expect(b.hw.messages).toEqual([0]);
    b.wr(0, 0xc8, 0x1000000);
    expect(b.hw.messages).toEqual([0]);
    b.wr(0, 0xc8, 0x800000);
    expect(b.hw.messages).toEqual([0, 3]);
    expect(b.hex(0, 0xe4, 4)).toBe('98ba0000');
  });

  it('should go back to its power-on values on reset', () => {
    const b = make();
    expect(b.hex(0, 0x38, 4)).toBe('00810000');
    b.wr(0, 0x38, 0x1234);
    b.wr(0, 0xe4, 0xba98);
    expect(b.hex(0, 0x38, 4)).toBe('34120000');
    b.reset();
    expect(b.hex(0, 0x38, 4)).toBe('00810000');
    expect(b.rd(0, 0xe4)).toBe(0);
    b.wr(0, 0x38, 0x1234);
    b.wr(0, 0, 0x04000000);
    expect(b.hex(0, 0x38, 4)).toBe('00810000');
  });

  it('should ignore writes to STATUS', () => {
    const b = make();
    b.wr(0, 8, 0);
    expect(b.rd(0, 8)).toBe(0x80283);
  });

  it('should report what CTRL forces in STATUS', () => {
    const b = make();
    b.wr(0, 0, 0x1000 | 0x800 | 0x100 | 4);
    expect(b.rd(0, 8)).toBe(0x242);
  });

  it('should reach registers through the I/O window', () => {
    const b = make();
    b.wr(2, 0, 0x38);
    expect(b.rd(2, 4)).toBe(0x8100);
    b.wr(2, 4, 0x88a8);
    expect(b.rd(0, 0x38)).toBe(0x88a8);
  });

  it('should mask by itself with IAM when CTRL_EXT says so', () => {
    const b = make();
    b.wr(0, 0x18, 0x08000000);
    b.wr(0, 0xe0, 4);
    b.wr(0, 0xd0, 4);
    b.wr(0, 0xc8, 4);
    b.wr(0, 0xc0, 0);
    expect(b.rd(0, 0xd0)).toBe(0);
    expect(b.hw.line).toBe(false);
  });

  it('should read its address from the EEPROM and its PHY', () => {
    const b = make();
    b.wr(0, 0x14, (2 << 2) | 1);
    expect(b.rd(0, 0x14) >>> 16).toBe(0x5834);
    b.wr(0, 0x20, 0x08000000 | (2 << 16));
    expect(b.rd(0, 0x20) & 0xffff).toBe(0x0141);
  });
});

describe('e1000', () => {
  it('should read like the recorded one', () => {
    const b = new bench(new e1000_device());
    expect(b.hex(0, 0, 16)).toBe('40021400000000008307088000000000');
    expect(b.hex(0, 3, 7)).toBe('40000000008307');
    expect(b.hex(1, 0, 8)).toBe('0000000000000000');
  });

  it('should raise, show and clear a cause', () => {
    const b = new bench(new e1000_device());
    b.wr(0, 0xd0, 4);
    b.wr(0, 0xc8, 4);
    expect(b.hw.line).toBe(true);
    expect(b.hex(0, 0xc0, 4)).toBe('04000000');
    expect(b.hw.line).toBe(false);
    b.wr(0, 0xc8, 4);
    b.wr(0, 0xd8, 4);
    expect(b.hw.line).toBe(false);
    b.reset();
    expect(b.rd(0, 0xc0)).toBe(0);
  });
});

describe('nvme', () => {
  const enable = (b: bench<nvme_device>): void => {
    b.wr(0, 0x24, 0x00030003);
    b.wr(0, 0x28, 0x1000);
    b.wr(0, 0x30, 0x2000);
    b.wr(0, 0x14, 0x00460001);
  };

  it('should read like the recorded one', () => {
    const b = new bench(new nvme_device());
    expect(b.hex(0, 0, 16)).toBe('ff07010f201840000004010000000000');
    expect(b.hex(0, 3, 7)).toBe('0f201840000004');
    b.wr(0, 8, 0);
    expect(b.rd(0, 8)).toBe(0x10400);
  });

  it('should get ready with valid queues, fail without, and shut down', () => {
    const b = new bench(new nvme_device());
    b.wr(0, 0x14, 1);
    expect(b.rd(0, 0x1c)).toBe(2);
    b.wr(0, 0x14, 0);
    expect(b.rd(0, 0x1c)).toBe(0);
    enable(b);
    expect(b.rd(0, 0x1c)).toBe(1);
    b.wr(0, 0x14, 0x00464001);
    expect(b.rd(0, 0x1c)).toBe(9);
    b.reset('flr');
    expect(b.rd(0, 0x1c)).toBe(0);
    expect(b.rd(0, 0x28)).toBe(0);
  });

  it('should complete admin commands and hold the line until the completion is consumed', () => {
    const b = new bench(new nvme_device());
    enable(b);
    b.hw.ram.set([0x0a, 0, 7, 0], 0x1000);
    b.hw.ram.set([0x06, 0, 8, 0], 0x1040);
    b.wr(0, 0x1000, 2);
    expect(b.hw.line).toBe(true);
    expect([...b.hw.ram.subarray(0x2008, 0x2010)]).toEqual([1, 0, 0, 0, 7, 0, 1, 0]);
    expect([...b.hw.ram.subarray(0x201c, 0x2020)]).toEqual([8, 0, 0x03, 0x80]);
    b.wr(0, 0xc, 1);
    expect(b.hw.line).toBe(false);
    b.wr(0, 0x10, 1);
    expect(b.hw.line).toBe(true);
    b.wr(0, 0x1004, 2);
    expect(b.hw.line).toBe(false);
    b.hw.mode = 'msix';
    b.wr(0, 0x1000, 3);
    expect(b.hw.messages).toEqual([0]);
  });

  it('should make virtual functions that are offline', () => {
    const vf = new bench(new nvme_device().virtual_function(0));
    expect(vf.rd(0, 0)).toBe(0);
    expect(vf.rd(0, 0x1c)).toBe(2);
  });
});

describe('ivshmem', () => {
  it('should keep its memory over a reset but not its mask', () => {
    const b = new bench(new ivshmem_device());
    b.wr(2, 0, 0xdeadbeef);
    b.wr(2, 4, 0x11223344);
    b.wr(0, 0, 1);
    b.reset();
    expect(b.hex(2, 0, 8)).toBe('efbeadde44332211');
    expect(b.hex(2, 1, 4)).toBe('beadde44');
    expect(b.rd(2, 0xffffc)).toBe(0);
    expect(b.rd(0, 0)).toBe(0);
    expect(b.rd(0, 8)).toBe(0);
  });

  it('should interrupt for an unmasked status that reading clears', () => {
    const b = new bench(new ivshmem_device());
    b.wr(0, 0, 1);
    b.wr(0, 4, 1);
    expect(b.hw.line).toBe(true);
    expect(b.rd(0, 4)).toBe(1);
    expect(b.hw.line).toBe(false);
    expect(b.rd(0, 4)).toBe(0);
  });
});

describe('pci-testdev', () => {
  it('should read 0 until a test is selected, then describe it and count', () => {
    const b = new bench(new pci_testdev());
    expect(b.hex(0, 0, 16)).toBe('00000000000000000000000000000000');
    b.wr(0, 0, 0, 1);
    expect(b.rd(0, 4)).toBe(2048);
    b.wr(0, 2048, 0xfa, 1);
    expect(b.rd(0, 12)).toBe(1);
    expect(b.rd(1, 4)).toBe(0);
    b.wr(1, 0, 2, 1);
    b.wr(1, 0x80, 1, 1);
    b.wr(1, 0x80, 0xfa, 1);
    expect(b.rd(1, 12)).toBe(1);
    b.reset();
    expect(b.rd(1, 12)).toBe(0);
  });
});

describe('rtl8139', () => {
  it('should have its address in both BARs', () => {
    const b = new bench(new rtl8139_device([0x52, 0x54, 0, 0x12, 0x34, 0x59]));
    for (const bar of [0, 1]) {
      expect(b.hex(bar, 0, 16)).toBe('52540012345900000000000000000000');
      expect(b.hex(bar, 3, 7)).toBe('12345900000000');
    }
  });

  it('should interrupt from its timer, be acknowledged by writing 1, and reset by command', () => {
    const b = new bench(new rtl8139_device());
    b.wr(0, 0x3c, 0x4000, 2);
    b.wr(0, 0x54, 100);
    expect(b.hw.line).toBe(true);
    b.wr(0, 0x54, 0);
    b.wr(1, 0x3e, 0x4000, 2);
    expect(b.hw.line).toBe(false);
    b.wr(0, 0x37, 0x10, 1);
    expect(b.rd(0, 0x3c, 2)).toBe(0);
    expect(b.rd(0, 0x37, 1)).toBe(1);
  });
});

describe('vga', () => {
  it('should read like the recorded one', () => {
    const b = new bench(new vga_device());
    expect(b.hex(0, 0, 16)).toBe('53070000650700006107000042070000');
    expect(b.hex(2, 0, 16)).toBe('00ffffffffffff004914341200000000');
    expect(b.hex(2, 0x500, 16)).toBe('c5b00000000000000000000000000000');
    expect(b.hex(ROM, 0, 8)).toBe('55aa4ee915574100');
    expect(new bench(new vga_device(0x11)).hex(ROM, 0, 8)).toBe('55aa4ee915571100');
  });

  it('should answer in the legacy ranges as text mode does', () => {
    const b = new bench(new vga_device());
    const { model } = b;
    expect(model.legacy_read(false, 0xa0000, 4)).toBe(0xffffffff);
    expect(model.legacy_read(false, 0xb8000, 4)).toBe(0x07650753);
    model.legacy_write(false, 0xb8000, 2, 0x0741);
    expect(model.legacy_read(false, 0xb8000, 4)).toBe(0x07650741);
    expect(b.hex(0, 0, 4)).toBe('41070000');
    expect(model.legacy_read(false, 0xbffff, 1)).toBe(0x07);
    expect([0x3c0, 0x3b0, 0x3cc, 0x3df].map((p) => model.legacy_read(true, p, 1))).toEqual([
      0, 0xff, 0x67, 0xff,
    ]);
  });

  it('should have index and data ports', () => {
    const { model } = new bench(new vga_device());
    for (const [index, data, n] of [
      [0x3c4, 0x3c5, 2],
      [0x3ce, 0x3cf, 5],
      [0x3d4, 0x3d5, 10],
    ] as const) {
      model.legacy_write(true, index, 1, n);
      expect(model.legacy_read(true, index, 1)).toBe(n);
      model.legacy_write(true, data, 1, 0x5a);
      expect(model.legacy_read(true, data, 1)).toBe(0x5a);
    }
    model.legacy_read(true, 0x3da, 1);
    model.legacy_write(true, 0x3c0, 1, 3);
    model.legacy_write(true, 0x3c0, 1, 0x11);
    expect(model.legacy_read(true, 0x3c1, 1)).toBe(0x11);
    model.legacy_write(true, 0x3c2, 1, 0x66);
    expect(model.legacy_read(true, 0x3d4, 1)).toBe(0xff);
    model.legacy_write(true, 0x3c6, 1, 0x0f);
    expect(model.legacy_read(true, 0x3c6, 1)).toBe(0x0f);
  });

  it('should have the display interface and the ports in BAR 2', () => {
    const b = new bench(new vga_device());
    b.wr(2, 0x502, 640, 2);
    expect(b.rd(2, 0x502, 2)).toBe(640);
    b.wr(2, 0x404, 2, 1);
    expect(b.rd(2, 0x404, 1)).toBe(2);
    b.reset();
    expect(b.rd(2, 0x500, 2)).toBe(0xb0c5);
    expect(b.rd(2, 0x502, 2)).toBe(0);
    expect(b.hex(0, 0, 2)).toBe('5307');
  });
});

describe('hda', () => {
  it('should leave controller reset and forget it on a bus reset', () => {
    const b = new bench(new hda_device());
    expect(b.hex(0, 8, 4)).toBe('00000000');
    b.wr(0, 8, 1);
    expect(b.hex(0, 8, 4)).toBe('01000000');
    b.wr(0, 0x20, 0x80);
    b.wr(0, 8, 0);
    expect(b.rd(0, 0x20)).toBe(0);
    b.wr(0, 8, 1);
    b.reset();
    expect(b.hex(0, 8, 4)).toBe('00000000');
    expect(b.hex(0, 0, 4)).toBe('01440000');
    expect([b.rd(0, 3, 1), b.rd(0, 1, 1), b.rd(0, 0x90, 2)]).toEqual([1, 0, 0x100]);
    b.wr(0, 1, 0xff, 1);
  });

  it('should interrupt when a codec shows up', () => {
    const b = new bench(new hda_device('gpu-audio', 1));
    b.wr(0, 0x0c, 1, 2);
    b.wr(0, 0x20, 0xc0000000);
    b.wr(0, 8, 1);
    expect(b.rd(0, 0x0e, 2)).toBe(1);
    expect(b.hw.line).toBe(true);
    b.wr(0, 0x0e, 1, 2);
    expect(b.hw.line).toBe(false);
    b.hw.mode = 'msi';
    b.wr(0, 8, 0);
    b.wr(0, 0x0c, 1, 2);
    b.wr(0, 0x20, 0xc0000000);
    b.wr(0, 8, 1);
    expect(b.hw.messages).toEqual([0]);
  });
});

describe('xhci', () => {
  it('should be halted, run, and reset', () => {
    const b = new bench(new xhci_device());
    expect(b.rd(0, 0)).toBe(0x01000040);
    expect(b.rd(0, 0x44)).toBe(1);
    b.wr(0, 0x40, 1);
    expect(b.rd(0, 0x44)).toBe(0);
    b.wr(0, 0x40, 2);
    expect(b.rd(0, 0x44)).toBe(1);
    b.wr(0, 0x40, 1);
    b.reset();
    expect(b.rd(0, 0x40)).toBe(0);
  });
});

describe('ahci', () => {
  it('should have six ports behind its memory and its index pair', () => {
    const b = new bench(new ahci_device());
    expect(b.rd(5, 0x0c)).toBe(0x3f);
    b.wr(4, 0x10, 0x0c);
    expect(b.rd(4, 0x14)).toBe(0x3f);
    b.wr(5, 4, 2);
    expect(b.rd(5, 4)).toBe(0x80000002);
    b.wr(5, 4, 1);
    expect(b.rd(5, 4)).toBe(0x80000000);
    b.reset();
    expect(b.rd(4, 0x10)).toBe(0);
  });
});

describe('virtio-rng', () => {
  const setup = (b: bench<virtio_rng_device>): void => {
    b.wr(4, 0x14, 0x0f, 1);
    b.wr(4, 0x20, 0x1000);
    b.wr(4, 0x28, 0x2000);
    b.wr(4, 0x30, 0x3000);
    b.wr(4, 0x1a, 1, 2);
    b.wr(4, 0x1c, 1, 2);
    b.hw.ram.set([0x00, 0x40, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 2, 0, 0, 0], 0x1000);
    b.hw.ram.set([0, 0, 1, 0, 0, 0], 0x2000);
  };

  it('should offer its features and one queue', () => {
    const b = new bench(new virtio_rng_device());
    b.wr(4, 0, 1);
    expect(b.rd(4, 4) & 1).toBe(1);
    expect(b.rd(4, 0x12, 2)).toBe(1);
    expect(b.rd(4, 0x18, 2)).toBe(8);
    b.wr(4, 0x16, 1, 2);
    expect(b.rd(4, 0x18, 2)).toBe(0);
  });

  it('should fill buffers, use INTx and clear ISR by reading', () => {
    const b = new bench(new virtio_rng_device());
    setup(b);
    b.wr(4, 0x3000, 0, 2);
    expect(b.hw.ram.subarray(0x4000, 0x4008).some((byte) => byte !== 0)).toBe(true);
    expect([...b.hw.ram.subarray(0x3002, 0x300c)]).toEqual([1, 0, 0, 0, 0, 0, 8, 0, 0, 0]);
    expect(b.hw.line).toBe(true);
    expect(b.rd(4, 0x1000, 1)).toBe(1);
    expect(b.hw.line).toBe(false);
  });

  it('should use the vector of the queue with MSI-X on, and forget everything when status is written 0', () => {
    const b = new bench(new virtio_rng_device());
    setup(b);
    b.hw.mode = 'msix';
    b.wr(4, 0x3000, 0, 2);
    expect(b.hw.messages).toEqual([1]);
    b.wr(4, 0x14, 0, 1);
    expect(b.rd(4, 0x1a, 2)).toBe(0xffff);
  });
});

describe('doorbell devices', () => {
  it('should interrupt on the doorbell of the GPU when enabled, until acknowledged', () => {
    const b = new bench(nvidia_gpu());
    expect(b.rd(0, 0)).toBe(0x164000a1);
    b.wr(0, 0x144, 1);
    expect(b.hw.line).toBe(true);
    expect(b.rd(0, 0x100)).toBe(1);
    b.wr(0, 0x140, 0);
    expect(b.hw.line).toBe(false);
    b.wr(0, 0x140, 1);
    b.wr(0, 0x148, 1);
    expect(b.hw.line).toBe(false);
  });

  it('should send a message per new cause, and any vector on request', () => {
    const b = new bench(nvidia_gpu());
    b.hw.mode = 'msi';
    b.wr(0, 0x144, 1);
    b.wr(0, 0x144, 1);
    b.wr(0, 0x14c, 3);
    expect(b.hw.messages).toEqual([0, 3]);
  });

  it('should lose scratch registers and causes on reset', () => {
    const b = new bench(lab_nic());
    b.wr(0, 0x40, 0x1234);
    b.wr(0, 8, 2);
    expect(b.rd(0, 0x40)).toBe(0x1234);
    expect(b.rd(0, 4)).toBe(2);
    b.reset('d3hot');
    expect(b.rd(0, 0x40)).toBe(0);
    expect(b.rd(0, 4)).toBe(0);
    b.wr(0, 8, 2);
    b.wr(0, 0xc, 2);
    expect(b.hw.line).toBe(false);
  });

  it('should make virtual functions', () => {
    const pf = lab_nic();
    expect(new bench(pf.virtual_function(1)).rd(0, 0)).toBe(0x1ab0c0df);
    expect(new doorbell_device({ name: 'x', id: 1 }).virtual_function(0).name).toBe('x-vf');
  });
});

describe('generic', () => {
  it('should read 0 and drop writes, or be memory', () => {
    const none = new bench(new generic_device());
    none.wr(0, 0, 5);
    expect(none.rd(0, 0)).toBe(0);
    const some = new bench(new generic_device({ ram: [1] }));
    some.wr(0, 0, 5);
    some.wr(1, 2, 0x1234, 2);
    expect([some.rd(0, 0), some.rd(1, 0)]).toEqual([0, 0x12340000]);
    some.reset();
    expect(some.rd(1, 0)).toBe(0);
    expect(new generic_device().virtual_function(0).name).toBe('generic');
  });
});
