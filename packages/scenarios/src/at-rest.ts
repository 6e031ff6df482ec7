// SPDX-License-Identifier: GPL-2.0-only
// What must hold at the end of every scenario.
import { is_intx } from '@vfio-lab/headers';
import { group_of } from '@vfio-lab/iommu';
import { irq_to_desc } from '@vfio-lab/irq';
import { slab_live } from '@vfio-lab/kernel';
import { pci, PCI_COMMAND, PCI_COMMAND_INTX_DISABLE, PCI_D0 } from '@vfio-lab/pci';
import { report } from '@vfio-lab/sim';
import type { Lab } from './lab.ts';

/** INTx of a device in use: what the driver believes is masked, and what the hardware and the line say. */
export function checkIntx(bdfs: string[], lab: Lab): void {
  for (const bdf of bdfs) {
    const vdev = lab.vdev(bdf);
    const { pdev } = vdev;
    // Asleep, the masks are in the saved state.
    if (!is_intx(vdev) || lab.state(bdf).status !== 'active' || pdev.hw.hw_state() !== PCI_D0) continue;
    const { masked } = vdev.ctx[0];
    const off = (pdev.hw.get16(PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE) !== 0;
    const depth = irq_to_desc(pdev.irq)?.depth ?? 0;
    if (vdev.pci_2_3 && off !== masked) {
      report(
        'intx-state',
        `${bdf}: the driver has INTx ${masked ? 'masked' : 'unmasked'}, DisINTx is ${off ? 1 : 0}`,
      );
    }
    if (depth !== (!vdev.pci_2_3 && masked ? 1 : 0)) {
      report(
        'intx-state',
        `${bdf}: the driver has INTx ${masked ? 'masked' : 'unmasked'}, irq ${pdev.irq} is disabled ${depth} times`,
      );
    }
    if (vdev.virq_disabled && !masked)
      report('intx-state', `${bdf}: the guest has set DisINTx, and INTx is not masked`);
  }
}

/** After the last close a device holds no reference of ours (one with disable_idle_d3), and nothing is engaged. */
export function checkRest(bdfs: string[], lab: Lab): void {
  for (const bdf of bdfs) {
    const { count, engaged } = lab.state(bdf);
    const rest = lab.testbed.restingCount();
    if (count !== rest) report('usage-count', `${bdf}: usage count ${count} at rest, not ${rest}`);
    if (engaged) report('usage-count', `${bdf}: low power is still engaged after close`);
  }
}

/** With no device bound to vfio-pci any more, nothing that was allocated since `mark` has an owner. */
export function checkLeaks(mark: number): void {
  // An IOMMU group keeps its blocking domain for its next owner.
  const groups = new Set(pci().devices.map((d) => group_of(d.dev)));
  let kept = [...groups].filter((g) => g?.blocking_domain).length;
  for (const a of slab_live(mark)) {
    if (a.what === 'iommu_domain' && kept-- > 0) continue;
    report('leak', `${a.what} allocated in ${a.fn || 'the kernel'} is never freed`);
  }
}
