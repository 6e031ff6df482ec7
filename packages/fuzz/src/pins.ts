// SPDX-License-Identifier: GPL-2.0-only
// Who makes an interrupt storm: the pins that are asserted, and what the driver believes of them.
import { is_intx, type vfio_pci_core_device } from '@vfio-lab/headers';
import { irq_to_desc } from '@vfio-lab/irq';
import { dev_get_drvdata } from '@vfio-lab/kernel';
import { pci, type pci_dev } from '@vfio-lab/pci';
import type { Machine } from '@vfio-lab/sim';

/** Is there a handler for the device on its line? */
function handled(pdev: pci_dev, vdev: vfio_pci_core_device): boolean {
  let action = irq_to_desc(pdev.irq)?.action ?? null;
  while (action !== null && action.dev_id !== vdev) action = action.next;
  return action !== null;
}

function belief(pdev: pci_dev): string {
  if (pdev.dev.driver?.name !== 'vfio-pci') return 'for which there is no handler';
  const vdev = dev_get_drvdata<vfio_pci_core_device>(pdev.dev);
  if (!is_intx(vdev) || !handled(pdev, vdev)) return 'for which there is no handler';
  return `which the driver has ${vdev.ctx[0].masked ? 'masked' : 'unmasked'}`;
}

/**
 * The asserted interrupt pins of a machine.
 *
 * @returns one clause for each, '' for none, and the functions that have changed their DisINTx last
 */
export function assertedPins(m: Machine): { text: string; by: string } {
  return m.inspect(() => {
    const pins = pci().devices.filter((d) => d.hw.pin);
    return {
      text: pins.map((d) => `; ${d.dev.name} asserts INTx, ${belief(d)}`).join(''),
      by: pins.map((d) => d.hw.intx_off_by).join(),
    };
  });
}
