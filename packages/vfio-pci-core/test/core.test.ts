// SPDX-License-Identifier: GPL-2.0-only
import type { Kernel, vfio_pci_core_device, vfio_pci_regops } from '@vfio-lab/headers';
import {
  VFIO_DEVICE_FEATURE_PCI_VF_TOKEN,
  VFIO_DEVICE_FEATURE_PROBE,
  VFIO_DEVICE_FEATURE_SET,
  VFIO_PCI_CONFIG_REGION_INDEX,
  VFIO_PCI_INDEX_TO_OFFSET,
  vfio_pci_mmap_vma,
  VFIO_PCI_NUM_REGIONS,
  VFIO_PCI_OFFSET_TO_INDEX,
  VFIO_PCI_OFFSET_TO_POS,
  VFIO_PCI_REQ_IRQ_INDEX,
  vfio_pci_vf_token,
  VFIO_PCI_VGA_REGION_INDEX,
} from '@vfio-lab/headers';
import {
  container_of,
  create_process,
  EACCES,
  EBUSY,
  EINVAL,
  ENOMEM,
  ENOTTY,
  GFP_KERNEL,
  kfree,
  kzalloc,
  list_add,
  list_empty,
  list_first_entry,
  list_for_each_entry_safe,
  slab_fail,
  uuid_parse,
  vm_area_struct,
  vm_fault,
  VM_FAULT_NOPAGE,
  VM_FAULT_OOM,
  VM_FAULT_SIGBUS,
  VM_PFNMAP,
  VM_SHARED,
} from '@vfio-lab/kernel';
import {
  down_write,
  mutex_init,
  mutex_is_locked,
  mutex_lock,
  mutex_unlock,
  up_write,
} from '@vfio-lab/locking';
import { IORESOURCE_IO, IORESOURCE_MEM, pci, request_resource } from '@vfio-lab/pci';
import { pm_runtime_enable, pm_runtime_get_noresume, pm_runtime_set_active } from '@vfio-lab/runtime-pm';
import { join, ref, spawn } from '@vfio-lab/sim';
import { describe, expect, it } from 'vitest';
import { LEFT_OUT, left_out } from '../src/index.ts';
import { image, with_core } from './core-rig.ts';

const CLEAN: readonly unknown[] = [];
const TOKEN = 'bd8d9d2b-5a5f-4f5a-a211-f591514ba1f3';

describe('offsets', () => {
  it('should split into region and position, over 32 bits', () => {
    const off = VFIO_PCI_INDEX_TO_OFFSET(VFIO_PCI_VGA_REGION_INDEX) + 0xffffffff01;
    expect(VFIO_PCI_OFFSET_TO_INDEX(off)).toBe(VFIO_PCI_VGA_REGION_INDEX);
    expect(VFIO_PCI_OFFSET_TO_POS(off)).toBe(0xffffffff01);
  });
});

describe('left_out', () => {
  it('should name what is not ported, why, and end a run that gets there', () => {
    expect(new Set(LEFT_OUT.map((f) => f.condition))).toEqual(
      new Set(['CONFIG_VFIO_PCI_IGD', 'CONFIG_S390', 'CONFIG_VFIO_SPAPR_EEH']),
    );
    expect(() => left_out('vfio_pci_igd_init')).toThrow(/not ported \(CONFIG_VFIO_PCI_IGD\)/);
    expect(() => left_out('nothing')).toThrow(/not ported/);
  });
});

describe('vfio_pci_nointx', () => {
  it('should be for the listed Intel devices', async () => {
    await with_core({}, ({ k, device }) => {
      const { pdev } = device('a');
      const is = (vendor: number, id: number): boolean =>
        k.vfio_pci_nointx(Object.assign(pdev, { vendor, device: id }));
      for (const id of [0x1572, 0x1574, 0x1580, 0x1581, 0x1583, 0x158b, 0x37d0, 0x37d2, 0x1563])
        expect(is(0x8086, id)).toBe(true);
      for (const id of [0x1573, 0x1582, 0x158c, 0x37d3]) expect(is(0x8086, id)).toBe(false);
      expect(is(0x10de, 0x1572)).toBe(false);
    });
  });
});

describe('vfio_pci_probe_mmaps', () => {
  it('should take whole pages, and small BARs that can have their page to themselves', async () => {
    const findings = await with_core({}, ({ k, device }) => {
      const vdev = device('a');
      const { resource } = vdev.pdev;
      const root = pci().iomem_resource;
      const bar = (n: number, start: number, len: number, flags = IORESOURCE_MEM): void => {
        Object.assign(resource[n], { start, end: start + len - 1, flags });
        if (flags === IORESOURCE_MEM) request_resource(root, resource[n]);
      };
      bar(0, 0xfe000000, 0x2000);
      bar(1, 0xfe010000, 0x100); // alone in its page
      bar(2, 0xfe020800, 0x100); // in the middle of one
      bar(3, 0xc000, 0x1000, IORESOURCE_IO);
      bar(4, 0xfe030000, 0x100); // shares its page with bar 5
      bar(5, 0xfe030800, 0x100);
      k.vfio_pci_probe_mmaps(vdev);
      expect(vdev.bar_mmap_supported).toEqual([true, true, false, false, false, false]);
      expect(request_resource(root, Object.assign(resource[6], { start: 0xfe010800, end: 0xfe010fff }))).toBe(
        -EBUSY,
      );
      const other = device('b');
      Object.assign(other.pdev.resource[0], { start: 0xfe040000, end: 0xfe0400ff, flags: IORESOURCE_MEM });
      slab_fail();
      k.vfio_pci_probe_mmaps(other);
      expect(other.bar_mmap_supported[0]).toBe(false);
      for (const dummy of list_for_each_entry_safe(vdev.dummy_resources_list)) kfree(dummy);
    });
    expect(findings).toEqual(CLEAN);
  });
});

describe('vfio_pci_register_dev_region', () => {
  it('should append regions and hand out their indices behind the fixed ones', async () => {
    const calls: string[] = [];
    const ops = (name: string): vfio_pci_regops => ({
      rw: () => {
        calls.push(name);
        return 4;
      },
      release: () => undefined,
    });
    const findings = await with_core({}, async ({ k, device }) => {
      const vdev = device('a');
      expect(k.vfio_pci_register_dev_region(vdev, 1, 2, ops('first'), 0x1000, 3, null)).toBe(0);
      expect(k.vfio_pci_register_dev_region(vdev, 1, 3, ops('second'), 0x2000, 3, null)).toBe(0);
      slab_fail();
      expect(k.vfio_pci_register_dev_region(vdev, 1, 3, ops('third'), 0x2000, 3, null)).toBe(-ENOMEM);
      expect(vdev.num_regions).toBe(2);
      expect(vdev.region?.map(({ size, subtype }) => [subtype, size])).toEqual([
        [2, 0x1000],
        [3, 0x2000],
      ]);
      const at = (n: number): number => VFIO_PCI_INDEX_TO_OFFSET(VFIO_PCI_NUM_REGIONS + n);
      expect(await k.vfio_pci_rw(vdev, 0, 4, ref(at(1)), false)).toBe(4);
      expect(calls).toEqual(['second']);
      expect(await k.vfio_pci_rw(vdev, 0, 4, ref(at(2)), false)).toBe(-EINVAL);
      kfree(vdev.region);
    });
    expect(findings).toEqual(CLEAN);
  });
});

describe('vfio_pci_rw', () => {
  it('should send every region where it belongs', async () => {
    const calls: string[] = [];
    const note =
      (name: string) =>
      async (...a: readonly unknown[]): Promise<number> => {
        calls.push(`${name}${a[4] === true ? ' write' : ''}`);
        return 4;
      };
    const overrides: Partial<Kernel> = {
      vfio_pci_config_rw: note('config'),
      vfio_pci_bar_rw: note('bar'),
      vfio_pci_vga_rw: note('vga'),
    };
    await with_core(overrides, async ({ k, device }) => {
      const vdev = device('a');
      const rw = (index: number, iswrite: boolean): Promise<number> =>
        k.vfio_pci_rw(vdev, 0, 4, ref(VFIO_PCI_INDEX_TO_OFFSET(index)), iswrite);
      for (const index of [VFIO_PCI_CONFIG_REGION_INDEX, 0, 5, 6, VFIO_PCI_VGA_REGION_INDEX])
        await rw(index, false);
      expect(calls.splice(0)).toEqual(['config', 'bar', 'bar', 'bar', 'vga']);
      expect(await rw(6, true)).toBe(-EINVAL);
      await rw(5, true);
      expect(calls).toEqual(['bar write']);
      expect(await rw(VFIO_PCI_NUM_REGIONS, false)).toBe(-EINVAL);
      expect(await k.vfio_pci_core_read(vdev.vdev, 0, 0, ref(0))).toBe(0);
      expect(await k.vfio_pci_core_write(vdev.vdev, 0, 0, ref(0))).toBe(0);
      expect(await k.vfio_pci_core_write(vdev.vdev, 0, 1, ref(0))).toBe(4);
    });
  });
});

describe('vfio_pci_core_match', () => {
  it('should read the name, then one token', async () => {
    const seen: unknown[] = [];
    const overrides: Partial<Kernel> = {
      async vfio_pci_validate_vf_token(vdev, vf_token) {
        seen.push(vf_token);
        return 0;
      },
    };
    await with_core(overrides, async ({ k, device }) => {
      const { vdev } = device('0000:01:00.0');
      const match = (buf: string): Promise<number> => k.vfio_pci_core_match(vdev, buf);
      expect(await match('0000:01:00.1')).toBe(0);
      expect(await match('0000:01:00')).toBe(0);
      expect(await match('0000:01:00.0x')).toBe(0);
      expect(seen).toEqual([]);
      expect(await match('0000:01:00.0')).toBe(1);
      expect(await match('0000:01:00.0  ')).toBe(1);
      expect(await match(`0000:01:00.0 vf_token=${TOKEN}`)).toBe(1);
      expect(await match(`0000:01:00.0  vf_token=${TOKEN} `)).toBe(1);
      expect(seen).toEqual([false, false, true, true]);
      expect(await match('0000:01:00.0 vf_token=bd8d9d2b')).toBe(-EINVAL);
      expect(await match(`0000:01:00.0 vf_token=${TOKEN.replace('-', '_')}`)).toBe(-EINVAL);
      expect(await match(`0000:01:00.0 vf_token=${TOKEN} vf_token=${TOKEN}`)).toBe(-EINVAL);
      expect(await match('0000:01:00.0 other')).toBe(-EINVAL);
    });
  });
});

describe('vfio_pci_validate_vf_token', () => {
  it('should let nobody in without the token where there are VF users', async () => {
    const findings = await with_core({}, async ({ k, device }) => {
      const token = new vfio_pci_vf_token();
      mutex_init(token.lock, '&vdev->vf_token->lock');
      uuid_parse(TOKEN, token.uuid);
      const wrong = new vfio_pci_vf_token().uuid;
      const pf = device('pf');
      const vf = device('vf');
      const check = (vdev: vfio_pci_core_device, given: boolean, uuid = token.uuid): Promise<number> =>
        k.vfio_pci_validate_vf_token(vdev, given, uuid);

      expect(await check(pf, false)).toBe(0);
      expect(await check(pf, true)).toBe(-EINVAL);

      vf.pdev.is_virtfn = true;
      expect(await check(vf, false)).toBe(0);
      expect(await check(vf, true)).toBe(-EINVAL);

      vf.sriov_pf_core_dev = pf;
      pf.vf_token = token;
      expect(await check(vf, false)).toBe(-EACCES);
      expect(await check(vf, true, wrong)).toBe(-EACCES);
      expect(await check(vf, true)).toBe(0);

      token.users = 1;
      expect(await check(pf, false)).toBe(-EACCES);
      expect(await check(pf, true, wrong)).toBe(-EACCES);
      expect(await check(pf, true)).toBe(0);
      token.users = 0;
      expect(await check(pf, true, wrong)).toBe(0);
      expect(token.uuid.bytes).toEqual(wrong.bytes);
      expect(mutex_is_locked(token.lock)).toBe(false);
    });
    expect(findings).toEqual(CLEAN);
  });

  it('should be set by the feature, never shown', async () => {
    await with_core({}, async ({ k, device }) => {
      const vdev = device('pf');
      const set = VFIO_DEVICE_FEATURE_PCI_VF_TOKEN | VFIO_DEVICE_FEATURE_SET;
      expect(await k.vfio_pci_core_ioctl_feature(vdev.vdev, set, 0, 16)).toBe(-ENOTTY);
      vdev.vf_token = new vfio_pci_vf_token();
      expect(await k.vfio_pci_core_ioctl_feature(vdev.vdev, set | VFIO_DEVICE_FEATURE_PROBE, 0, 0)).toBe(0);
      expect(await k.vfio_pci_core_ioctl_feature(vdev.vdev, set, 0, 15)).toBe(-EINVAL);
      expect(
        await k.vfio_pci_core_ioctl_feature(vdev.vdev, VFIO_DEVICE_FEATURE_PCI_VF_TOKEN | (1 << 16), 0, 16),
      ).toBe(-EINVAL);
      expect(await k.vfio_pci_core_ioctl_feature(vdev.vdev, 99, 0, 16)).toBe(-ENOTTY);
    });
  });
});

describe('vfio_pci_zap_and_vma_lock', () => {
  const mapped = (vdev: vfio_pci_core_device, mm: vm_area_struct['vm_mm'], addr: number): vm_area_struct => {
    const vma = new vm_area_struct(mm, addr, addr + 0x1000, VM_SHARED | VM_PFNMAP);
    vma.vm_private_data = vdev;
    vma.ptes.set(addr / 0x1000, 0xfe000);
    const entry = kzalloc(vfio_pci_mmap_vma, GFP_KERNEL);
    if (entry === null) throw new Error('no memory');
    entry.vma = vma;
    list_add(entry.vma_next, vdev.vma_list);
    return vma;
  };

  it('should zap every mapping of every process and return with the list empty and vma_lock held', async () => {
    const findings = await with_core({}, async ({ k, device }) => {
      const vdev = device('a');
      const [one, two] = [create_process('one').mm, create_process('two').mm];
      if (one === null || two === null) throw new Error('no memory');
      const vmas = [mapped(vdev, one, 0x10000), mapped(vdev, two, 0x10000), mapped(vdev, one, 0x20000)];
      expect(await k.vfio_pci_zap_and_vma_lock(vdev, false)).toBe(1);
      expect(mutex_is_locked(vdev.vma_lock)).toBe(true);
      expect(list_empty(vdev.vma_list)).toBe(true);
      expect(vmas.map((vma) => vma.ptes.size)).toEqual([0, 0, 0]);
      await mutex_unlock(vdev.vma_lock);
    });
    expect(findings).toEqual(CLEAN);
  });

  it('should give up on contention when it only tries, holding nothing', async () => {
    const findings = await with_core({}, async ({ k, device }) => {
      const vdev = device('a');
      const { mm } = create_process('one');
      if (mm === null) throw new Error('no memory');
      const vma = mapped(vdev, mm, 0x10000);

      await mutex_lock(vdev.vma_lock);
      let got = -1;
      await join(
        spawn('other', async () => {
          got = await k.vfio_pci_zap_and_vma_lock(vdev, true);
        }),
      );
      expect(got).toBe(0);
      await mutex_unlock(vdev.vma_lock);

      await down_write(mm.mmap_lock);
      await join(
        spawn('other', async () => {
          got = await k.vfio_pci_zap_and_vma_lock(vdev, true);
        }),
      );
      expect(got).toBe(0);
      await up_write(mm.mmap_lock);
      expect(vma.ptes.size).toBe(1);

      await k.vfio_pci_zap_and_down_write_memory_lock(vdev);
      expect(vma.ptes.size).toBe(0);
      await up_write(vdev.memory_lock);
    });
    expect(findings).toEqual(CLEAN);
  });
});

describe('vfio_pci_mmap_fault', () => {
  it('should fill the whole vma once, and give SIGBUS without memory decode', async () => {
    let enabled = false;
    const findings = await with_core({ __vfio_pci_memory_enabled: () => enabled }, async ({ k, device }) => {
      const vdev = device('a');
      const { mm } = create_process('one');
      if (mm === null) throw new Error('no memory');
      const vma = new vm_area_struct(mm, 0x10000, 0x13000, VM_SHARED | VM_PFNMAP);
      vma.vm_private_data = vdev;
      vma.vm_pgoff = 0xfe000;
      const fault = (): Promise<number> => k.vfio_pci_mmap_fault(new vm_fault(vma, 0x11004, 0));

      expect(await fault()).toBe(VM_FAULT_SIGBUS);
      enabled = true;
      slab_fail();
      expect(await fault()).toBe(VM_FAULT_OOM);
      expect(vma.ptes.size).toBe(0);
      expect(await fault()).toBe(VM_FAULT_NOPAGE);
      expect([...vma.ptes.values()]).toEqual([0xfe000, 0xfe001, 0xfe002]);
      expect(await fault()).toBe(VM_FAULT_NOPAGE);
      await k.vfio_pci_mmap_open(vma);
      expect(vma.ptes.size).toBe(0);
      await k.vfio_pci_mmap_close(vma);
      expect(list_empty(vdev.vma_list)).toBe(true);
    });
    expect(findings).toEqual(CLEAN);
  });
});

describe('vfio_pci_dev_set_hot_reset', () => {
  const resettable: Partial<Kernel> = {
    async vfio_pci_dev_set_resettable(dev_set) {
      return container_of<vfio_pci_core_device>(list_first_entry(dev_set.device_list)).pdev;
    },
    vfio_pci_set_power_state: async () => 0,
  };

  it('should back out of every lock when a device is not the user', async () => {
    const zapped: string[] = [];
    const overrides: Partial<Kernel> = {
      ...resettable,
      vfio_dev_in_groups: (vdev) => vdev.pdev.dev.name !== 'c',
      async vfio_pci_zap_and_vma_lock(vdev) {
        zapped.push(vdev.pdev.dev.name);
        await mutex_lock(vdev.vma_lock);
        return 1;
      },
    };
    const findings = await with_core(overrides, async ({ k, device, dev_set }) => {
      for (const name of ['a', 'b', 'c', 'd']) device(name);
      expect(await k.vfio_pci_dev_set_hot_reset(dev_set, { count: 0, files: [] })).toBe(-EINVAL);
    });
    expect(zapped).toEqual(['a', 'b']);
    expect(findings).toEqual(CLEAN);
  });

  it('should back out when a memory_lock is taken', async () => {
    const overrides: Partial<Kernel> = { ...resettable, vfio_dev_in_groups: () => true };
    const findings = await with_core(overrides, async ({ k, device, dev_set }) => {
      const [, b] = ['a', 'b', 'c'].map((name) => device(name));
      await down_write(b.memory_lock);
      await join(
        spawn('reset', async () => {
          expect(await k.vfio_pci_dev_set_hot_reset(dev_set, { count: 0, files: [] })).toBe(-EBUSY);
        }),
      );
      await up_write(b.memory_lock);
    });
    expect(findings).toEqual(CLEAN);
  });

  it('should refuse a set that cannot be reset', async () => {
    const overrides: Partial<Kernel> = { vfio_pci_dev_set_resettable: async () => null };
    const findings = await with_core(overrides, async ({ k, device, dev_set }) => {
      device('a');
      expect(await k.vfio_pci_dev_set_hot_reset(dev_set, { count: 0, files: [] })).toBe(-EINVAL);
    });
    expect(findings).toEqual(CLEAN);
  });
});

describe('vfio_pci_dev_set_pm_runtime_get', () => {
  it('should put what it got, each once, when one device does not wake', async () => {
    await with_core({}, async ({ k, device, dev_set }) => {
      const devices = ['a', 'b', 'c', 'd'].map((name) => device(name));
      for (const { pdev } of devices) {
        await pm_runtime_set_active(pdev.dev);
        // keeps the count off 0, so that nothing is suspended behind the test
        await pm_runtime_get_noresume(pdev.dev);
        await pm_runtime_enable(pdev.dev);
      }
      const [, , c] = devices;
      const counts = (): number[] => devices.map(({ pdev }) => pdev.dev.power.usage_count.counter);
      const rest = counts();
      expect(await k.vfio_pci_dev_set_pm_runtime_get(dev_set)).toBe(0);
      expect(counts()).toEqual(rest.map((n) => n + 1));
      c.pdev.dev.power.runtime_error = -EINVAL;
      expect(await k.vfio_pci_dev_set_pm_runtime_get(dev_set)).toBe(-EINVAL);
      expect(counts()).toEqual(rest.map((n) => n + 1));
    });
  });
});

describe('vfio_pci_dev_set_needs_reset', () => {
  it('should want an unused set with a dirty device', async () => {
    await with_core({}, ({ k, device, dev_set }) => {
      const [a, b] = ['a', 'b'].map((name) => device(name));
      expect(k.vfio_pci_dev_set_needs_reset(dev_set)).toBe(false);
      a.needs_reset = true;
      expect(k.vfio_pci_dev_set_needs_reset(dev_set)).toBe(true);
      b.vdev.open_count = 1;
      expect(k.vfio_pci_dev_set_needs_reset(dev_set)).toBe(false);
    });
  });
});

describe('statics', () => {
  it('should be fresh for every image', async () => {
    await with_core({}, () => {
      const [a, b] = [image(), image()];
      a.vfio_pci_core_set_params(true, true, true);
      expect([a.nointxmask, a.disable_vga, a.disable_idle_d3]).toEqual([true, true, true]);
      expect([b.nointxmask, b.disable_vga, b.disable_idle_d3]).toEqual([false, false, false]);
      expect(a.vfio_vga_disabled()).toBe(true);
      expect(b.vfio_vga_disabled()).toBe(false);
      expect(a.vfio_pci_sriov_pfs).not.toBe(b.vfio_pci_sriov_pfs);
      expect(a.VFIO_PCI_NUM_IRQS).toBe(VFIO_PCI_REQ_IRQ_INDEX + 1);
    });
  });
});
