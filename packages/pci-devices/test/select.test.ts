// SPDX-License-Identifier: GPL-2.0-only
import { describe, expect, it } from 'vitest';
import {
  create_device_model,
  create_device_models,
  mac_from_serial,
  model_name,
  model_names,
} from '../src/index.ts';

function config(vendor: number, device: number, klass = 0xff0000, length = 256): Uint8Array {
  const c = new Uint8Array(length);
  c.set([vendor & 0xff, vendor >> 8, device & 0xff, device >> 8]);
  c.set([klass & 0xff, (klass >> 8) & 0xff, klass >> 16], 9);
  return c;
}

function with_serial(c: Uint8Array, last: number): Uint8Array {
  c.set([0x03, 0x00, 0x01, 0x00, last, 0x34, 0x12, 0xff, 0xff, 0x00, 0x54, 0x52], 0x100);
  return c;
}

describe('model selection', () => {
  it.each([
    [0x1234, 0x11e8, 0, 'edu'],
    [0x8086, 0x10d3, 0, 'e1000e'],
    [0x8086, 0x100e, 0, 'e1000'],
    [0x1b36, 0x0010, 0, 'nvme'],
    [0x144d, 0xa808, 0x010802, 'nvme'],
    [0x1b36, 0x0005, 0, 'pci-testdev'],
    [0x1af4, 0x1110, 0, 'ivshmem'],
    [0x10ec, 0x8139, 0, 'rtl8139'],
    [0x1234, 0x1111, 0, 'vga'],
    [0x8086, 0x293e, 0, 'hda'],
    [0x8086, 0xa170, 0x040300, 'hda'],
    [0x1af4, 0x1044, 0, 'virtio-rng'],
    [0x1b36, 0x000d, 0, 'xhci'],
    [0x8086, 0x2922, 0, 'ahci'],
    [0x10de, 0x1eb8, 0x030200, 'nvidia-gpu'],
    [0x10de, 0x10f8, 0x040300, 'gpu-audio'],
    [0x1ab0, 0x0001, 0, 'lab-nic'],
    [0x1ab0, 0x7777, 0, 'doorbell'],
    [0xcafe, 0xf00d, 0, 'generic'],
  ])('should give %s:%s class %s the model %s', (vendor, device, klass, name) => {
    expect(model_name({ bdf: '0000:01:00.0', config: config(vendor, device, klass) })).toBe(name);
  });

  it('should take a model by name, and every name must give one', () => {
    for (const name of model_names) {
      const model = create_device_model({ bdf: '0000:01:00.0', config: config(0, 0), model: name });
      expect(model.name).not.toBe('');
    }
    expect(create_device_model({ bdf: '0000:01:00.0', config: config(0, 0), model: 'no such' }).name).toBe(
      'generic',
    );
  });

  it('should hand out network addresses in the order of a command line', () => {
    const models = create_device_models([
      { bdf: '0000:00:0b.0', config: config(0x10ec, 0x8139) },
      { bdf: '0000:02:00.0', config: with_serial(config(0x8086, 0x10d3, 0x020000, 4096), 0x56) },
      { bdf: '0000:05:05.0', config: config(0x8086, 0x100e) },
      { bdf: '0000:06:00.0', config: with_serial(config(0x8086, 0x10d3, 0x020000, 4096), 0x58) },
      { bdf: '0000:01:00.0', config: config(0x1234, 0x11e8) },
    ]);
    expect(models.get('0000:00:0b.0')?.mmio_read?.(0, 4, 2)).toBe(0x5934);
    expect(models.get('0000:05:05.0')?.mmio_read?.(0, 0x5404, 4)).toBe(0x80005734);
    expect(models.size).toBe(5);
  });

  it('should find no address where the serial number is none', () => {
    expect(mac_from_serial(new Uint8Array(256))).toBeNull();
    const c = new Uint8Array(4096);
    c.set([0x01, 0x00, 0x02, 0x14], 0x100);
    c.set([0x03, 0x00, 0x01, 0x00, 1, 2, 3, 4, 5, 6, 7, 8], 0x140);
    expect(mac_from_serial(c)).toBeNull();
  });
});
