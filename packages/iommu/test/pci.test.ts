// SPDX-License-Identifier: GPL-2.0-only
// Groups that the bus gives, drivers and owners, and DMA of functions through a container.

import { device_release_driver, sysfs_readlink } from '@vfio-lab/kernel';
import {
  pci,
  pci_bus_type,
  pci_driver,
  pci_register_driver,
  pci_scan,
  pci_stop_and_remove_bus_device,
} from '@vfio-lab/pci';
import type { pci_dev, pci_device_description, pci_device_model, pci_function } from '@vfio-lab/pci';
import { runtime_pm_init } from '@vfio-lab/runtime-pm';
import { describe, expect, it } from 'vitest';
import {
  group_of,
  iommu_bus_init,
  iommu_group_claim_dma_owner,
  iommu_group_release_dma_owner,
  iommu_setup,
} from '../src/index.ts';
import { anon, container, mm, on_machine } from './harness.ts';

class dma_model implements pci_device_model {
  readonly name = 'dma';
  hw: pci_function | null = null;
  attach(hw: pci_function): void {
    this.hw = hw;
  }
}

const ROOT_PORT = 4;
const ENDPOINT = 0;

interface shape {
  bdf: string;
  parent?: string;
  /** PCIe port or endpoint type; left out: conventional. */
  pcie?: number;
  /** Bus below, for a bridge. */
  secondary?: number;
  acs?: boolean;
  multi?: boolean;
  model?: pci_device_model;
}

function function_of(s: shape): pci_device_description {
  const c = new Uint8Array(s.pcie === undefined ? 256 : 4096);
  c.set([0xcd, 0xab, 0x34, 0x12, 0x06, 0x00]);
  c.set(s.secondary === undefined ? [0, 0xff] : [0x04, 0x06], 0x0a);
  c[0x0e] = (s.multi ? 0x80 : 0) | (s.secondary === undefined ? 0 : 1);
  if (s.secondary !== undefined) c.set([0, s.secondary, s.secondary], 0x18);
  if (s.pcie !== undefined) {
    c[0x06] = 0x10;
    c[0x34] = 0x40;
    c.set([0x10, 0, 0x02 | (s.pcie << 4), 0], 0x40);
  }
  if (s.acs) c.set([0x0d, 0, 1, 0, 0x1f, 0, 0x1f, 0], 0x100);
  return {
    bdf: s.bdf,
    parent: s.parent ?? null,
    config: c,
    resources: [],
    ...(s.model === undefined ? {} : { model: s.model }),
  };
}

function at(bdf: string): pci_dev {
  const pdev = pci().devices.find((d) => d.dev.name === bdf);
  if (!pdev) throw new Error(bdf);
  return pdev;
}

async function boot(
  shapes: readonly shape[],
  group_id?: (name: string) => number | undefined,
): Promise<void> {
  runtime_pm_init();
  await iommu_bus_init(pci_bus_type(), group_id && ((dev) => group_id(dev.name)));
  await pci_scan({ devices: shapes.map(function_of) });
}

const ids = (...bdfs: string[]): (number | undefined)[] => bdfs.map((bdf) => group_of(at(bdf).dev)?.id);

describe('groups of a bus', () => {
  const shapes: shape[] = [
    { bdf: '0000:00:01.0', pcie: ROOT_PORT, secondary: 1, acs: true },
    { bdf: '0000:01:00.0', parent: '0000:00:01.0', pcie: ENDPOINT },
    { bdf: '0000:00:02.0', pcie: ROOT_PORT, secondary: 2 },
    { bdf: '0000:02:00.0', parent: '0000:00:02.0', pcie: ENDPOINT },
    { bdf: '0000:00:03.0', multi: true },
    { bdf: '0000:00:03.1' },
    { bdf: '0000:00:04.0', multi: true, pcie: ENDPOINT, acs: true },
    { bdf: '0000:00:04.1', pcie: ENDPOINT, acs: true },
    { bdf: '0000:00:05.0', pcie: 7, secondary: 3 },
    { bdf: '0000:03:01.0', parent: '0000:00:05.0' },
  ];

  it('should follow isolation', () =>
    on_machine(async () => {
      await boot(shapes);
      const id = (bdf: string): number | undefined => ids(bdf)[0];
      expect(id('0000:01:00.0')).not.toBe(id('0000:00:01.0'));
      expect(id('0000:02:00.0')).toBe(id('0000:00:02.0'));
      expect(id('0000:00:03.1')).toBe(id('0000:00:03.0'));
      expect(id('0000:00:04.1')).not.toBe(id('0000:00:04.0'));
      expect(id('0000:03:01.0')).toBe(id('0000:00:05.0'));
      expect(sysfs_readlink('/sys/bus/pci/devices/0000:01:00.0/iommu_group')).toBe(
        String(id('0000:01:00.0')),
      );
    }));

  it('should be what the machine says, and end with the device', () =>
    on_machine(async () => {
      await boot(shapes, (name) => (name.startsWith('0000:00:03') ? 77 : undefined));
      expect(ids('0000:00:03.0', '0000:00:03.1')).toEqual([77, 77]);
      await pci_stop_and_remove_bus_device(at('0000:00:03.1'));
      expect(group_of(at('0000:00:03.0').dev)?.devices.length).toBe(1);
    }));

  it('should not be there without an IOMMU', () =>
    on_machine(async () => {
      iommu_setup({ present: false });
      await boot(shapes);
      expect(ids('0000:01:00.0')).toEqual([undefined]);
    }));
});

describe('binding host drivers', () => {
  const driver = (name: string, managed: boolean): pci_driver => {
    const drv = new pci_driver();
    drv.name = name;
    drv.id_table = [
      {
        vendor: 0xabcd,
        device: 0x1234,
        subvendor: 0xffffffff,
        subdevice: 0xffffffff,
        class: 0,
        class_mask: 0,
      },
    ];
    drv.probe = () => 0;
    drv.driver_managed_dma = managed;
    return drv;
  };

  it('should fail while user space owns the group, and keep user space out afterwards', () =>
    on_machine(async () => {
      await boot([{ bdf: '0000:00:03.0' }]);
      const { dev } = at('0000:00:03.0');
      const group = group_of(dev);
      if (!group) throw new Error('no group');
      expect(await iommu_group_claim_dma_owner(group, {})).toBe(0);
      await pci_register_driver(driver('host', false));
      expect(dev.driver).toBeNull();
      await iommu_group_release_dma_owner(group);
      await pci_register_driver(driver('host2', false));
      expect(dev.driver?.name).toBe('host2');
      expect(await iommu_group_claim_dma_owner(group, {})).toBeLessThan(0);
      await device_release_driver(dev);
      expect(await iommu_group_claim_dma_owner(group, {})).toBe(0);
      await pci_register_driver(driver('vfio-like', true));
      expect(dev.driver?.name).toBe('vfio-like');
    }));
});

describe('DMA', () => {
  it('should reach user memory through the container only', () =>
    on_machine(async () => {
      const model = new dma_model();
      await boot([{ bdf: '0000:00:03.0', model }]);
      const group = group_of(at('0000:00:03.0').dev);
      const { hw } = model;
      if (!group || !hw) throw new Error('no group');
      expect(hw.dma_read(0n, 4)).toBe('fault');
      const c = new container();
      await c.open();
      expect(await c.attach(group)).toBe(0);
      const a = await anon(0x1000);
      const b = await anon(0x1000);
      await c.map(0n, 0x1000n, 3, BigInt(a));
      await c.map(0x1000n, 0x1000n, 1, BigInt(b));
      mm().store(a + 0xffe, Uint8Array.from([1, 2]));
      mm().store(b, Uint8Array.from([3, 4]));
      expect(hw.dma_read(0xffen, 4)).toEqual(Uint8Array.from([1, 2, 3, 4]));
      expect(hw.dma_write(0x10n, Uint8Array.from([9]))).toBeNull();
      expect(mm().load(a + 0x10, 1)[0]).toBe(9);
      expect(hw.dma_write(0x1000n, Uint8Array.from([9]))).toBe('fault');
      expect(hw.dma_read(0x1ffen, 4)).toBe('fault');
      await c.detach(group);
      expect(hw.dma_read(0n, 4)).toBe('fault');
      await c.release();
    }));
});
