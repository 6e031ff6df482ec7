// SPDX-License-Identifier: GPL-2.0-only
/* vfio_pci_core.c alone, on a machine of its own, with devices that have locks and little else. */
import type { Kernel, vfio_pci_core_c } from '@vfio-lab/headers';
import { vfio_device_set, vfio_pci_core_device, VFIO_PCI_REQ_IRQ_INDEX } from '@vfio-lab/headers';
import {
  device_initialize,
  GFP_KERNEL,
  kfree,
  kzalloc,
  list_add_tail,
  slab_mark,
  slab_report_leaks,
} from '@vfio-lab/kernel';
import { init_rwsem, mutex_init, mutex_is_locked, rwsem_is_locked, spin_lock_init } from '@vfio-lab/locking';
import { pci_bus, pci_dev, pci_function_hw } from '@vfio-lab/pci';
import type { Finding } from '@vfio-lab/sim';
import { Machine, report } from '@vfio-lab/sim';
import { vfio_pci_core } from '../src/index.ts';

/** An image of vfio_pci_core.c with functions replaced or added. */
export function image(overrides: Partial<Kernel> = {}): Kernel {
  const { statics, ...functions } = vfio_pci_core;
  const k = Object.create({ ...functions }) as Kernel;
  return Object.assign(k, statics(k), { CONFIG_VFIO_PCI_VGA: true }, overrides);
}

export interface Rig {
  readonly k: Kernel & vfio_pci_core_c;
  /** A device of the set, on the bus that all share. */
  device(name: string): vfio_pci_core_device;
  readonly dev_set: vfio_device_set;
}

function make_device(name: string, bus: pci_bus): vfio_pci_core_device {
  const pdev = new pci_dev(new pci_function_hw({ name, config: new Uint8Array(256), bar_sizes: [] }));
  pdev.dev.name = name;
  device_initialize(pdev.dev);
  pdev.current_state = 0;
  pdev.bus = bus;
  const vdev = kzalloc(vfio_pci_core_device, GFP_KERNEL);
  if (vdev === null) throw new Error('no memory');
  vdev.pdev = pdev;
  vdev.vdev.dev = pdev.dev;
  vdev.irq_type = VFIO_PCI_REQ_IRQ_INDEX + 1;
  mutex_init(vdev.igate, '&vdev->igate');
  mutex_init(vdev.vma_lock, '&vdev->vma_lock');
  spin_lock_init(vdev.irqlock, '&vdev->irqlock');
  init_rwsem(vdev.memory_lock, '&vdev->memory_lock');
  return vdev;
}

/**
 * @returns what was found on the way: WARN_ON, leaks, locks still held
 */
export async function with_core(
  overrides: Partial<Kernel>,
  test: (rig: Rig) => Promise<void> | void,
): Promise<readonly Finding[]> {
  const m = new Machine();
  let failure: unknown;
  await m.run(async () => {
    const mark = slab_mark();
    const bus = new pci_bus();
    const dev_set = new vfio_device_set();
    mutex_init(dev_set.lock, '&dev_set->lock');
    const devices: vfio_pci_core_device[] = [];
    const device = (name: string): vfio_pci_core_device => {
      const vdev = make_device(name, bus);
      vdev.vdev.dev_set = dev_set;
      list_add_tail(vdev.vdev.dev_set_list, dev_set.device_list);
      devices.push(vdev);
      return vdev;
    };
    try {
      await test({ k: image(overrides), device, dev_set });
    } catch (error) {
      failure = error;
    }
    if (mutex_is_locked(dev_set.lock)) report('locked', 'dev_set->lock');
    for (const vdev of devices) {
      const { name } = vdev.pdev.dev;
      if (mutex_is_locked(vdev.igate)) report('locked', `igate of ${name}`);
      if (mutex_is_locked(vdev.vma_lock)) report('locked', `vma_lock of ${name}`);
      if (rwsem_is_locked(vdev.memory_lock)) report('locked', `memory_lock of ${name}`);
      kfree(vdev);
    }
    slab_report_leaks(mark);
  });
  if (failure !== undefined) throw failure as Error;
  return m.findings;
}
