// SPDX-License-Identifier: GPL-2.0-only
/* The state that devices of vfio-pci are in: what the driver believes, and what the hardware and the line say. */

import { is_intx, type vfio_pci_core_device } from '@vfio-lab/headers';
import { irq_to_desc } from '@vfio-lab/irq';
import { dev_get_drvdata, list_for_each_entry_safe } from '@vfio-lab/kernel';
import {
  pci,
  PCI_COMMAND,
  PCI_COMMAND_INTX_DISABLE,
  PCI_COMMAND_MEMORY,
  PCI_D0,
  pci_power_name,
} from '@vfio-lab/pci';

const STATUS = ['active', 'resuming', 'suspended', 'suspending'];

/** Flags while the device is open; a pointer counts as set or not. */
const FLAGS = [
  'virq_disabled',
  'reset_works',
  'bardirty',
  'nointx',
  'pm_intx_masked',
  'pm_runtime_engaged',
  'pm_runtime_resumed',
  'pm_runtime_reentry_allowed',
  'pm_wake_eventfd_ctx',
  'pme_trigger',
  'err_trigger',
  'req_trigger',
];

/** One line for each device that the driver has. */
export function deviceStates(): string[] {
  const lines: string[] = [];
  for (const pdev of pci().devices) {
    if (pdev.dev.driver?.name !== 'vfio-pci') continue;
    const vdev = dev_get_drvdata<vfio_pci_core_device | undefined>(pdev.dev);
    // between probe and the first use
    if (vdev?.pdev === undefined) continue;
    const { power } = pdev.dev;
    const words = [
      pdev.dev.name,
      `count ${power.usage_count.counter}`,
      STATUS[power.runtime_status] ?? '',
      pci_power_name(pdev.current_state),
      ...(vdev.needs_reset ? ['needs_reset'] : []),
    ];
    if (vdev.vdev.open_count > 0) {
      const fields = vdev as unknown as Record<string, unknown>;
      words.push(...FLAGS.filter((name) => Boolean(fields[name])), `irq_type ${vdev.irq_type}`);
      if (is_intx(vdev)) words.push(...intx(vdev));
      words.push(...memory(vdev));
    }
    lines.push(words.join(' '));
  }
  return lines;
}

function intx(vdev: vfio_pci_core_device): string[] {
  const { pdev } = vdev;
  const words = [vdev.ctx[0].masked ? 'masked' : 'unmasked'];
  if (pdev.hw.hw_state() === PCI_D0)
    words.push(`DisINTx ${(pdev.hw.get16(PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE) === 0 ? 0 : 1}`);
  words.push(`depth ${irq_to_desc(pdev.irq)?.depth ?? 0}`);
  return words;
}

/** Where memory decode is on, and whether user space has BARs mapped. */
function memory({ pdev, vconfig, vma_list }: vfio_pci_core_device): string[] {
  const words: string[] = [];
  const on = (command: number): boolean => (command & PCI_COMMAND_MEMORY) !== 0;
  if (on(vconfig[PCI_COMMAND])) words.push('memory on for the guest');
  if (pdev.hw.hw_state() === PCI_D0 && on(pdev.hw.get16(PCI_COMMAND))) words.push('memory on');
  for (const { vma } of list_for_each_entry_safe(vma_list)) {
    if (vma.ptes.size === 0) continue;
    words.push('mapped');
    break;
  }
  return words;
}
