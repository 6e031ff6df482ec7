// SPDX-License-Identifier: GPL-2.0-only
// What user space has asked of INTx, as it sees it; against which the driver and the hardware are checked at rest.
import {
  type irq_set_data,
  is_intx,
  type Kernel,
  type vfio_pci_core_device,
  VFIO_IRQ_SET_ACTION_MASK,
  VFIO_IRQ_SET_ACTION_TRIGGER,
  VFIO_IRQ_SET_ACTION_TYPE_MASK,
  VFIO_IRQ_SET_ACTION_UNMASK,
  VFIO_IRQ_SET_DATA_BOOL,
  VFIO_IRQ_SET_DATA_EVENTFD,
  VFIO_PCI_INTX_IRQ_INDEX,
} from '@vfio-lab/headers';
import { machine, type u32 } from '@vfio-lab/sim';

/** INTx of one device from the user's side. */
export interface IntxUse {
  /**
   * The user has unmasked it, or set it up, and not masked it since. False also where that cannot be told: with an
   * eventfd that unmasks.
   */
  unmasked: boolean;
  /** How often its eventfd had been signalled before that. Signalled again: masked until the user has served it. */
  signals: number;
}

const USE = Symbol('INTx use');

function uses(): Map<vfio_pci_core_device, IntxUse> {
  return machine.scope(USE, () => new Map<vfio_pci_core_device, IntxUse>());
}

/** What the user of a device has asked of INTx; undefined when it has not set it up. */
export function intx_use(vdev: vfio_pci_core_device): IntxUse | undefined {
  return uses().get(vdev);
}

function signals(vdev: vfio_pci_core_device): number {
  return machine.peek(() => (is_intx(vdev) ? (vdev.ctx[0].trigger?.signals ?? 0) : 0));
}

function masked(vdev: vfio_pci_core_device): boolean {
  return machine.peek(() => is_intx(vdev) && vdev.ctx[0].masked);
}

function note(vdev: vfio_pci_core_device, flags: u32, count: u32, before: number): void {
  const all = uses();
  const use = all.get(vdev);
  const by_eventfd = (flags & VFIO_IRQ_SET_DATA_EVENTFD) !== 0;
  const action = flags & VFIO_IRQ_SET_ACTION_TYPE_MASK;
  if (action === VFIO_IRQ_SET_ACTION_TRIGGER) {
    if (count === 0) all.delete(vdev);
    else if (by_eventfd && use === undefined) all.set(vdev, { unmasked: true, signals: 0 });
    // Another eventfd: its count starts anew, and a signal that went to the old one, until the last moment, masks still.
    else if (by_eventfd && use !== undefined) {
      use.unmasked &&= before <= use.signals && !masked(vdev);
      use.signals = 0;
    }
    return;
  }
  if (use === undefined) return;
  if (action === VFIO_IRQ_SET_ACTION_MASK) use.unmasked = false;
  if (action === VFIO_IRQ_SET_ACTION_UNMASK) {
    use.unmasked = !by_eventfd;
    use.signals = before;
  }
}

/** A mask or unmask by boolean that is false: it is not done. */
function isNothing(flags: u32, data: irq_set_data): boolean {
  return (flags & VFIO_IRQ_SET_DATA_BOOL) !== 0 && data?.[0] === 0;
}

/** Write down from now on what the users of a driver ask of INTx. */
export function watch_intx_use(k: Kernel): void {
  const set = k.vfio_pci_set_irqs_ioctl;
  k.vfio_pci_set_irqs_ioctl = async function (
    this: Kernel,
    vdev: vfio_pci_core_device,
    flags: u32,
    index: u32,
    start: u32,
    count: u32,
    data: irq_set_data,
  ): Promise<number> {
    const before = signals(vdev);
    const ret = await set.call(this, vdev, flags, index, start, count, data);
    if (index === VFIO_PCI_INTX_IRQ_INDEX && ret >= 0 && !isNothing(flags, data))
      note(vdev, flags, count, before);
    return ret;
  };
}
