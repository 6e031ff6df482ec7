// SPDX-License-Identifier: GPL-2.0-only
/* vfio_pci.c alone: what it asks of vfio_pci_core.c is written down, not done. */
import { describe, expect, it } from 'vitest';
import { dev_get_drvdata, EINVAL, ENODEV, ENOENT, ENOMEM, slab_fail, slab_live } from '@vfio-lab/kernel';
import { PCI_ANY_ID, pci_dev, pci_function_hw } from '@vfio-lab/pci';
import { vfio_pci_core_device } from '@vfio-lab/headers';
import type { Kernel, vfio_device, vfio_pci_c } from '@vfio-lab/headers';
import { machine, Machine, ref } from '@vfio-lab/sim';
import { vfio_pci } from '../src/index.ts';

const { statics, ...functions } = vfio_pci;

const OPS = [
  'vfio_pci_core_enable',
  'vfio_pci_core_disable',
  'vfio_pci_core_finish_enable',
  'vfio_pci_core_close_device',
  'vfio_pci_core_register_device',
  'vfio_pci_core_unregister_device',
  'vfio_pci_core_init_device',
  'vfio_pci_core_uninit_device',
  'vfio_pci_core_set_params',
  'vfio_pci_core_sriov_configure',
  'vfio_pci_core_ioctl',
  'vfio_pci_core_ioctl_feature',
  'vfio_pci_core_read',
  'vfio_pci_core_write',
  'vfio_pci_core_mmap',
  'vfio_pci_core_request',
  'vfio_pci_core_match',
] as const;

interface Rig {
  k: Kernel;
  /** Calls into vfio_pci_core.c: name and the arguments that are no objects. */
  log: string[];
  /** What a call of vfio_pci_core.c shall give; 0 otherwise. */
  results: Partial<Record<(typeof OPS)[number], number>>;
}

async function withDriver(fn: (rig: Rig) => Promise<void> | void): Promise<void> {
  let failure: unknown;
  await new Machine().run(async () => {
    const rig: Rig = { k: Object.create({ ...functions }) as Kernel, log: [], results: {} };
    const fakes: Record<string, unknown> = { vfio_pci_core_err_handlers: {} };
    for (const name of OPS) {
      fakes[name] = (...args: unknown[]) => {
        rig.log.push([name, ...args.filter((arg) => typeof arg !== 'object')].join(' '));
        return rig.results[name] ?? 0;
      };
    }
    Object.assign(rig.k, fakes);
    Object.assign(rig.k, statics(rig.k));
    try {
      await fn(rig);
      expect(slab_live()).toEqual([]);
    } catch (error) {
      failure = error;
    }
  });
  if (failure !== undefined) throw failure as Error;
}

function pciDevice(vendor = 0x10de, device = 0x1234, classCode = 0x030200): pci_dev {
  const pdev = new pci_dev(new pci_function_hw({ name: 'dev', config: new Uint8Array(256), bar_sizes: [] }));
  pdev.dev.name = '0000:01:00.0';
  return Object.assign(pdev, { vendor, device, class: classCode });
}

const anyId = {
  vendor: PCI_ANY_ID,
  device: PCI_ANY_ID,
  subvendor: PCI_ANY_ID,
  subdevice: PCI_ANY_ID,
  class: 0,
  class_mask: 0,
};

describe('the file', () => {
  it('should define every function of the C file, with the type that is declared', () => {
    const declared: Pick<vfio_pci_c, keyof vfio_pci_c & keyof typeof vfio_pci> = vfio_pci;
    expect(Object.keys(declared)).toHaveLength(9 + 1);
  });
});

describe('vfio_pci_probe', () => {
  it('should make a device and register it; vfio_pci_remove undoes that', async () => {
    await withDriver(async ({ k, log }) => {
      const pdev = pciDevice();
      expect(await k.vfio_pci_probe(pdev, anyId)).toBe(0);
      expect(dev_get_drvdata(pdev.dev)).toBeInstanceOf(vfio_pci_core_device);
      await k.vfio_pci_remove(pdev);
      expect(log).toEqual([
        'vfio_pci_core_init_device',
        'vfio_pci_core_register_device',
        'vfio_pci_core_unregister_device',
        'vfio_pci_core_uninit_device',
      ]);
    });
  });

  it('should free the device when it cannot be registered', async () => {
    await withDriver(async ({ k, log, results }) => {
      results.vfio_pci_core_register_device = -EINVAL;
      expect(await k.vfio_pci_probe(pciDevice(), anyId)).toBe(-EINVAL);
      expect(log.at(-1)).toBe('vfio_pci_core_uninit_device');
      slab_fail();
      expect(await k.vfio_pci_probe(pciDevice(), anyId)).toBe(-ENOMEM);
    });
  });

  it('should refuse devices of the denylist unless that is off', async () => {
    await withDriver(async ({ k }) => {
      const qat = pciDevice(0x8086, 0x37c8);
      expect(await k.vfio_pci_probe(qat, anyId)).toBe(-EINVAL);
      expect(machine.log.at(-1)).toContain(
        '8086:37c8 exists in vfio-pci device denylist, driver probing disallowed.',
      );
      k.vfio_pci_parameters.disable_denylist = true;
      expect(await k.vfio_pci_probe(qat, anyId)).toBe(0);
      expect(machine.log.at(-1)).toContain('device denylist disabled - allowing device 8086:37c8.');
      await k.vfio_pci_remove(qat);
      k.vfio_pci_parameters.disable_denylist = false;
      expect(
        [0x19e2, 0x19e3, 0x37c9, 0x0435, 0x0443].every((id) =>
          k.vfio_pci_is_denylisted(pciDevice(0x8086, id)),
        ),
      ).toBe(true);
      expect(k.vfio_pci_is_denylisted(pciDevice(0x8086, 0x10d3))).toBe(false);
      expect(k.vfio_pci_is_denylisted(pciDevice(0x10de, 0x37c8))).toBe(false);
    });
  });
});

describe('vfio_pci_open_device', () => {
  function coreDevice(pdev: pci_dev): vfio_device {
    return Object.assign(new vfio_pci_core_device(), { pdev }).vdev;
  }

  it('should enable, then finish', async () => {
    await withDriver(async ({ k, log }) => {
      expect(await k.vfio_pci_open_device(coreDevice(pciDevice()))).toBe(0);
      expect(log).toEqual(['vfio_pci_core_enable', 'vfio_pci_core_finish_enable']);
    });
  });

  it('should fail as enabling does', async () => {
    await withDriver(async ({ k, log, results }) => {
      results.vfio_pci_core_enable = -ENODEV;
      expect(await k.vfio_pci_open_device(coreDevice(pciDevice()))).toBe(-ENODEV);
      expect(log).toEqual(['vfio_pci_core_enable']);
    });
  });

  it('should go on without the regions of an Intel GPU', async () => {
    await withDriver(async ({ k, log }) => {
      k.CONFIG_VFIO_PCI_IGD = true;
      expect(await k.vfio_pci_open_device(coreDevice(pciDevice(0x8086, 0x1912, 0x030000)))).toBe(0);
      expect(log.at(-1)).toBe('vfio_pci_core_finish_enable');
    });
  });
});

describe('vfio_pci_ops', () => {
  it('should lead to vfio_pci_core.c', async () => {
    await withDriver(async ({ k, log }) => {
      const ops = k.vfio_pci_ops;
      const vdev = Object.assign(new vfio_pci_core_device(), { pdev: pciDevice() }).vdev;
      await ops.open_device?.(vdev);
      await ops.ioctl?.(vdev, 1, 2);
      await ops.device_feature?.(vdev, 1, 2, 3);
      await ops.read?.(vdev, 1, 2, ref(0));
      await ops.write?.(vdev, 3, 4, ref(0));
      await ops.mmap?.(vdev, {} as never);
      await ops.request?.(vdev, 5);
      await ops.match?.(vdev, 'name');
      await ops.close_device?.(vdev);
      expect(log).toEqual([
        'vfio_pci_core_enable',
        'vfio_pci_core_finish_enable',
        'vfio_pci_core_ioctl 1 2',
        'vfio_pci_core_ioctl_feature 1 2 3',
        'vfio_pci_core_read 1 2',
        'vfio_pci_core_write 3 4',
        'vfio_pci_core_mmap',
        'vfio_pci_core_request 5',
        'vfio_pci_core_match name',
        'vfio_pci_core_close_device',
      ]);
    });
  });
});

describe('vfio_pci_sriov_configure', () => {
  it('should need the module parameter', async () => {
    await withDriver(async ({ k, log }) => {
      const pdev = pciDevice();
      const configure = k.vfio_pci_driver.sriov_configure;
      expect(await configure?.(pdev, 2)).toBe(-ENOENT);
      k.vfio_pci_parameters.enable_sriov = true;
      expect(await configure?.(pdev, 2)).toBe(0);
      expect(log).toEqual(['vfio_pci_core_sriov_configure 2']);
    });
  });
});

describe('vfio_pci_init', () => {
  it('should hand the parameters on and register the driver', async () => {
    await withDriver(async ({ k, log }) => {
      k.vfio_pci_parameters.disable_idle_d3 = true;
      k.vfio_pci_parameters.disable_denylist = true;
      expect(await k.vfio_pci_init()).toBe(0);
      expect(log).toEqual(['vfio_pci_core_set_params false false true']);
      expect(k.vfio_pci_driver.driver.owner).toBe(k.vfio_pci_module);
      expect(k.vfio_pci_driver.driver.bus.drivers).toContain(k.vfio_pci_driver.driver);
      expect(machine.log.at(-1)).toContain('vfio_pci: device denylist disabled.');
      await k.vfio_pci_cleanup();
      expect(k.vfio_pci_driver.driver.bus.drivers).toEqual([]);
    });
  });

  it('should keep VGA off without CONFIG_VFIO_PCI_VGA', async () => {
    await withDriver(async ({ k, log }) => {
      k.CONFIG_VFIO_PCI_VGA = false;
      await k.vfio_pci_init();
      expect(log).toEqual(['vfio_pci_core_set_params false true false']);
      await k.vfio_pci_cleanup();
    });
  });

  it('should not go on when the driver is registered already', async () => {
    await withDriver(async ({ k }) => {
      k.vfio_pci_parameters.ids = '1:2';
      await k.vfio_pci_init();
      const before = k.vfio_pci_driver.dynids.list.length;
      expect(await k.vfio_pci_init()).toBeLessThan(0);
      expect(k.vfio_pci_driver.dynids.list).toHaveLength(before);
      await k.vfio_pci_cleanup();
    });
  });

  it('should add the ids it is given and complain about the others', async () => {
    await withDriver(async ({ k }) => {
      k.vfio_pci_parameters.ids = '10de:1eb0,,8086:10d3:8086:a01f:20000:ffff00,1af4,zz:1,0x1b36:0010';
      await k.vfio_pci_init();
      const [any, ids] = [PCI_ANY_ID, k.vfio_pci_driver.dynids.list];
      expect(
        ids.map((id) => [id.vendor, id.device, id.subvendor, id.subdevice, id.class, id.class_mask]),
      ).toEqual([
        [0x10de, 0x1eb0, any, any, 0, 0],
        [0x8086, 0x10d3, 0x8086, 0xa01f, 0x20000, 0xffff00],
        [0x1b36, 0x0010, any, any, 0, 0],
      ]);
      expect(machine.log.filter((line) => line.includes('vfio_pci'))).toEqual([
        '<6>vfio_pci: add [10de:1eb0[ffffffff:ffffffff]] class 0x000000/00000000',
        '<6>vfio_pci: add [8086:10d3[8086:a01f]] class 0x020000/00ffff00',
        '<4>vfio_pci: invalid id string "1af4"',
        '<4>vfio_pci: invalid id string "zz:1"',
        '<6>vfio_pci: add [1b36:0010[ffffffff:ffffffff]] class 0x000000/00000000',
      ]);
      await k.vfio_pci_cleanup();
    });
  });
});
