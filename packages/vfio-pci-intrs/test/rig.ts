// SPDX-License-Identifier: GPL-2.0-only
/* vfio_pci_intrs.c alone, on a machine of its own, with one device. */
import type { Kernel } from '@vfio-lab/headers';
import { vfio_pci_core_device, VFIO_PCI_REQ_IRQ_INDEX } from '@vfio-lab/headers';
import {
  create_process,
  GFP_KERNEL,
  kfree,
  kzalloc,
  slab_mark,
  slab_report_leaks,
  spawn_thread,
} from '@vfio-lab/kernel';
import { spin_lock_init } from '@vfio-lab/locking';
import { pci, pci_dev, pci_function_hw } from '@vfio-lab/pci';
import type { Finding } from '@vfio-lab/sim';
import { join, Machine } from '@vfio-lab/sim';
import { vfio_pci_intrs } from '../src/index.ts';

export const NO_IRQ = VFIO_PCI_REQ_IRQ_INDEX + 1;
const PCI_COMMAND = 4;
const INTX_DISABLE = 0x400;

export interface Rig {
  readonly k: Kernel;
  readonly vdev: vfio_pci_core_device;
  readonly pdev: pci_dev;
  readonly hw: pci_function_hw;
  /** Calls of functions in other files. */
  readonly calls: string[];
  /** Is INTx disabled in the command register of the hardware? */
  disintx(): boolean;
}

/**
 * Run a test as a thread of a process.
 * @returns what was found on the way: WARN_ON, leaks
 */
export async function with_intrs(
  overrides: Partial<Kernel>,
  test: (rig: Rig) => Promise<void>,
): Promise<readonly Finding[]> {
  const m = new Machine();
  let failure: unknown;
  await m.run(async () => {
    const mark = slab_mark();
    const config = new Uint8Array(256);
    config[PCI_COMMAND] = 7;
    config[0x3d] = 1;
    const hw = new pci_function_hw({ name: '0000:01:00.0', config, bar_sizes: [] });
    pci().fabric.add(hw, null);
    const pdev = new pci_dev(hw);
    pdev.dev.name = hw.name;
    pdev.current_state = 0;
    const vdev = kzalloc(vfio_pci_core_device, GFP_KERNEL);
    if (vdev === null) throw new Error('no memory');
    vdev.pdev = pdev;
    vdev.irq_type = NO_IRQ;
    vdev.pci_2_3 = true;
    spin_lock_init(vdev.irqlock, '&vdev->irqlock');

    const calls: string[] = [];
    const k = Object.create({ ...vfio_pci_intrs }) as Kernel;
    const others: Partial<Kernel> = {
      VFIO_PCI_NUM_IRQS: NO_IRQ,
      async vfio_pci_memory_lock_and_enable() {
        calls.push('memory on');
        return 0;
      },
      async vfio_pci_memory_unlock_and_restore() {
        calls.push('memory back');
      },
      async vfio_virqfd_disable() {
        calls.push('virqfd off');
      },
      async vfio_virqfd_enable() {
        calls.push('virqfd on');
        return 0;
      },
    };
    Object.assign(k, others, overrides);
    const disintx = (): boolean => (hw.get16(PCI_COMMAND) & INTX_DISABLE) !== 0;
    await join(
      spawn_thread(create_process('test'), 'user', async () => {
        try {
          await test({ k, vdev, pdev, hw, calls, disintx });
        } catch (error) {
          failure = error;
        }
      }),
    );
    kfree(vdev);
    slab_report_leaks(mark);
  });
  if (failure !== undefined) throw failure as Error;
  return m.findings;
}

/** 32-bit file descriptors as they come behind a struct vfio_irq_set. */
export function fds(...list: readonly number[]): Uint8Array {
  return new Uint8Array(Int32Array.from(list).buffer);
}
