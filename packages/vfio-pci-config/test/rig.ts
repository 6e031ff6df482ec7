// SPDX-License-Identifier: GPL-2.0-only
/* A device with hand-made config space under the driver's config code, nothing else of the driver around it. */
import type { Kernel } from '@vfio-lab/headers';
import {
  VFIO_PCI_CONFIG_REGION_INDEX,
  vfio_pci_core_device,
  VFIO_PCI_INDEX_TO_OFFSET,
} from '@vfio-lab/headers';
import {
  create_process,
  GFP_KERNEL,
  kfree,
  kzalloc,
  slab_mark,
  slab_report_leaks,
  spawn_thread,
} from '@vfio-lab/kernel';
import { down_write, init_rwsem, rwsem_is_locked } from '@vfio-lab/locking';
import { pci_dev, pci_function_hw } from '@vfio-lab/pci';
import type { pci_device_model, resource } from '@vfio-lab/pci';
import { join, Machine, ref, report } from '@vfio-lab/sim';
import { expect } from 'vitest';

import { vfio_pci_config } from '../src/index.ts';

const REGION = VFIO_PCI_INDEX_TO_OFFSET(VFIO_PCI_CONFIG_REGION_INDEX);

/** An image of vfio_pci_config.c alone; what it calls in other files is noted in `calls`. */
export function image(calls: string[] = [], overrides: Partial<Kernel> = {}): Kernel {
  const { statics, ...functions } = vfio_pci_config;
  const k = Object.create({ ...functions }) as Kernel;
  const others: Partial<Kernel> = {
    async vfio_pci_zap_and_down_write_memory_lock(vdev) {
      calls.push('zap');
      await down_write(vdev.memory_lock);
    },
    async vfio_pci_set_power_state(vdev, state) {
      calls.push(`D${state}`);
      vdev.pdev.current_state = state;
      return 0;
    },
    async vfio_pci_intx_unmask() {
      calls.push('intx unmask');
    },
  };
  // apart from the others: some patches change its type
  const intx = { vfio_pci_intx_mask: async () => void calls.push('intx mask') };
  Object.assign(k, statics(k), others, intx, overrides);
  return k;
}

export interface DeviceOptions {
  /** Bits that the hardware lets be written; default: all outside the header, and what the header has. */
  wmask?: Uint8Array;
  model?: pci_device_model;
  /** BAR and ROM resources by number. */
  resources?: Record<number, Partial<resource>>;
  /** Fields of the pci_dev. */
  pdev?: Partial<pci_dev>;
  /** Functions to put in place of the C ones, to make them fail. */
  overrides?: Partial<Kernel>;
  /** Kinds of the findings that the run has to have: none by default. */
  findings?: string[];
  /** Before vfio_config_init(). */
  prepare?: (rig: Rig) => void;
}

export interface Rig {
  readonly k: Kernel;
  readonly vdev: vfio_pci_core_device;
  readonly pdev: pci_dev;
  readonly hw: pci_function_hw;
  /** Calls of functions in other files. */
  readonly calls: string[];
  /** The result of vfio_config_init(). */
  readonly init: number;
  /** pread() of the config region: bytes in hex, or the errno. */
  read(off: number, len: number): Promise<string | number>;
  /** pwrite() of the config region: its result. */
  write(off: number, hex: string): Promise<number>;
  /** A register as the device has it. */
  phys(off: number, size: 1 | 2 | 4): number;
}

/** Open a device with this config space, do something, close it. Leaks and locks still held are findings too. */
export async function with_device(
  config: Uint8Array,
  options: DeviceOptions,
  test: (rig: Rig) => Promise<void>,
): Promise<void> {
  const m = new Machine();
  await m.run(async () => {
    const mark = slab_mark();
    const calls: string[] = [];
    const k = image(calls, options.overrides);
    k.vfio_pci_init_perm_bits();

    const hw = new pci_function_hw({
      name: '0000:01:00.0',
      config,
      wmask: options.wmask,
      bar_sizes: [],
      model: options.model,
    });
    const pdev = new pci_dev(hw);
    pdev.dev.name = hw.name;
    pdev.cfg_size = config.length;
    pdev.vendor = hw.get16(0);
    pdev.device = hw.get16(2);
    pdev.current_state = 0;
    pdev.pcie_cap = hw.exp_cap;
    pdev.pcie_flags_reg = hw.exp_cap === 0 ? 0 : hw.get16(hw.exp_cap + 2);
    pdev.pm_cap = hw.pm_cap;
    Object.assign(pdev, options.pdev);
    for (const [n, r] of Object.entries(options.resources ?? {})) Object.assign(pdev.resource[Number(n)], r);

    const vdev = kzalloc(vfio_pci_core_device, GFP_KERNEL);
    if (vdev === null) throw new Error('no memory');
    vdev.pdev = pdev;
    vdev.irq_type = 5;
    init_rwsem(vdev.memory_lock, '&vdev->memory_lock');

    const program = create_process('test');
    const mm = program.mm;
    if (mm === null) throw new Error('no memory');
    const buffer = mm.alloc(0x2000);
    const rig = {
      k,
      vdev,
      pdev,
      hw,
      calls,
      init: 0,
      async read(off: number, len: number) {
        const ppos = ref(REGION + off);
        const ret = await k.vfio_pci_config_rw(vdev, buffer, len, ppos, false);
        if (ppos.v !== REGION + off + Math.max(ret, 0))
          throw new Error('the position moved by another amount');
        return ret < 0 ? ret : Buffer.from(mm.load(buffer, ret)).toString('hex');
      },
      async write(off: number, hex: string) {
        const bytes = Buffer.from(hex, 'hex');
        mm.store(buffer, bytes);
        return await k.vfio_pci_config_rw(vdev, buffer, bytes.length, ref(REGION + off), true);
      },
      phys: (off: number, size: 1 | 2 | 4) =>
        size === 1 ? hw.config[off] : size === 2 ? hw.get16(off) : hw.get32(off),
    };
    const task = spawn_thread(program, 'user', async () => {
      options.prepare?.(rig);
      rig.init = await k.vfio_config_init(vdev);
      await test(rig);
      if (rig.init === 0) k.vfio_config_free(vdev);
    });
    await join(task);
    if (rwsem_is_locked(vdev.memory_lock)) report('locked', 'memory_lock is still held');
    kfree(vdev);
    k.vfio_pci_uninit_perm_bits();
    slab_report_leaks(mark);
  });
  expect(m.findings.map((f) => f.kind)).toEqual(options.findings ?? []);
}
