// SPDX-License-Identifier: GPL-2.0-only
// What must hold when nothing goes on any more: while the devices are open, after the last close, after unbinding.
import { is_intx, type vfio_pci_core_device } from '@vfio-lab/headers';
import { group_of } from '@vfio-lab/iommu';
import { irq_to_desc, lost_irqs } from '@vfio-lab/irq';
import { dev_get_drvdata, pinned_modules, RPM_ACTIVE, slab_live, unreleased_files } from '@vfio-lab/kernel';
import { pci, PCI_COMMAND, PCI_COMMAND_INTX_DISABLE, PCI_D0, pci_num_vf } from '@vfio-lab/pci';
import { report } from '@vfio-lab/sim';
import type { Testbed } from './boot.ts';
import { intx_use } from './intx-use.ts';

function vdevs(testbed: Testbed): [string, vfio_pci_core_device][] {
  return testbed
    .boundDevices()
    .map((bdf) => [bdf, dev_get_drvdata<vfio_pci_core_device>(testbed.pciDevice(bdf).dev)]);
}

/**
 * With the devices still open and everything settled: INTx in step (`intx-state`), no interrupt lost
 * (`lost-interrupt`).
 */
export function checkInUse(testbed: Testbed): void {
  for (const [bdf, vdev] of vdevs(testbed)) {
    // Asleep, the masks are in the saved state, and an interrupt waits for the wake.
    const { dev, hw } = vdev.pdev;
    if (!is_intx(vdev) || dev.power.runtime_status !== RPM_ACTIVE || hw.hw_state() !== PCI_D0) continue;
    checkIntx(bdf, vdev);
    checkSignal(bdf, vdev);
  }
  for (const { irq, kind, actions } of lost_irqs()) {
    const how = kind === 'level' ? 'asserted, and its pin masked' : 'pending, and nobody sends it again';
    report('lost-interrupt', `irq ${irq} is ${how}, though ${actions.join(', ')} has it enabled`, { irq });
  }
}

/** What the driver believes is masked, and what the hardware and the line say. */
function checkIntx(bdf: string, vdev: vfio_pci_core_device): void {
  const { pdev } = vdev;
  const { masked } = vdev.ctx[0];
  const believes = `${bdf}: the driver has INTx ${masked ? 'masked' : 'unmasked'}`;
  const off = (pdev.hw.get16(PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE) !== 0;
  const depth = irq_to_desc(pdev.irq)?.depth ?? 0;
  if (vdev.pci_2_3 && off !== masked)
    report('intx-state', `${believes}, DisINTx is ${off ? 1 : 0}`, { by: pdev.hw.intx_off_by });
  if (vdev.ctx[0].trigger !== null && depth !== (!vdev.pci_2_3 && masked ? 1 : 0))
    report('intx-state', `${believes}, irq ${pdev.irq} is disabled ${depth} times`);
  if (vdev.virq_disabled && !masked)
    report('intx-state', `${bdf}: the guest has set DisINTx, and INTx is not masked`);
}

/** The user waits for an interrupt, and has not been told of the last one. */
function checkSignal(bdf: string, vdev: vfio_pci_core_device): void {
  const { masked, trigger } = vdev.ctx[0];
  const use = intx_use(vdev);
  if (use === undefined || trigger === null || vdev.virq_disabled) return;
  if (!use.unmasked || trigger.signals > use.signals) return;
  if (vdev.pdev.hw.intx_pending()) {
    report(
      'lost-interrupt',
      `${bdf} raises INTx, which its user has unmasked, and the eventfd is not signalled`,
      {
        device: bdf,
        masked,
      },
    );
  } else if (masked) {
    report(
      'intx-state',
      `${bdf}: its user has INTx unmasked and was not signalled, the driver has it masked`,
    );
  }
}

/**
 * When the user process has ended: the devices' usage counts are back (`usage-count`), and no file or eventfd has a
 * reference left (`file-reference`, `eventfd-reference`), no module either (`module-refcount`), and its memory is gone
 * (`mm-reference`).
 *
 * @param mark slab_mark() of before the devices were bound
 */
export function checkClosed(testbed: Testbed, mark: number): void {
  for (const [bdf, vdev] of vdevs(testbed)) {
    const { power } = vdev.pdev.dev;
    const count = power.usage_count.counter;
    // power/control "on" holds a reference of its own, and so do enabled VFs
    const rest = testbed.restingCount() + (power.runtime_auto ? 0 : 1) + (pci_num_vf(vdev.pdev) > 0 ? 1 : 0);
    if (count !== rest) report('usage-count', `${bdf}: usage count ${count} at rest, not ${rest}`);
    const flags = vdev as { pm_runtime_engaged?: boolean; platform_pm_engaged?: boolean };
    if (flags.pm_runtime_engaged === true || flags.platform_pm_engaged === true)
      report('usage-count', `${bdf}: low power is still engaged after close`);
  }
  for (const f of unreleased_files())
    report('file-reference', `${f.name} still has ${f.f_count} references after its process has ended`);
  for (const a of slab_live(mark)) {
    if (a.what === 'eventfd_ctx')
      report('eventfd-reference', `an eventfd of ${a.task} is still referenced after its process has ended`);
  }
  const users = testbed.memory.mm_users.counter;
  if (users !== 0) report('mm-reference', `${users} references on the memory of the process after its end`);
  for (const mod of pinned_modules())
    report('module-refcount', `module ${mod.name} still has ${mod.refcnt} references after all is closed`);
}

/**
 * With no device bound to vfio-pci any more, nothing that was allocated since `mark` has an owner (`leak`).
 */
export function checkUnbound(mark: number): void {
  // An IOMMU group keeps its blocking domain for its next owner.
  const groups = new Set(pci().devices.map((d) => group_of(d.dev)));
  let kept = [...groups].filter((g) => g?.blocking_domain).length;
  for (const a of slab_live(mark)) {
    if (a.what === 'eventfd_ctx' || (a.what === 'iommu_domain' && kept-- > 0)) continue;
    report('leak', `${a.what} allocated in ${a.fn || 'the kernel'} is never freed`, { allocation: a });
  }
}
