// SPDX-License-Identifier: GPL-2.0-only
// Findings that are the kernel's own: each checked against the C of its revision, with the functions it is in and why.
import type { SubjectFinding } from '@vfio-lab/explore';
import { isKnownRace, KNOWN_DATA_RACES, type KnownDataRace } from './known-races.ts';
import type { Program } from './program.ts';

export interface KnownFinding {
  /** Kebab-case, unique. */
  id: string;
  /** Names of the revisions that have it. */
  revisions: RegExp;
  kinds: readonly string[];
  text: RegExp;
  /** Findings that are no others when this one is in the same run. */
  leadsTo?: { kinds: readonly string[]; text: RegExp };
  /** The innermost function of the driver that it is in, when that tells it from others. */
  fn?: RegExp;
  /** The function that has changed DisINTx last. */
  by?: RegExp;
  /** The locks held, joined by commas. */
  held?: RegExp;
  /** Of a data race: the accesses. */
  race?: KnownDataRace;
  /** What its options, set-up or tasks must have in them. */
  program?: RegExp;
  /** Functions of the driver that make it; none: it is the kernel's around it, see the reason. */
  functions: readonly string[];
  reason: string;
}

/** Series with a low power, from the patch on that brings it; so far no later one has mended what is said of them. */
const LOW_POWER = /^v[3-7]/;

const FINDINGS: readonly KnownFinding[] = [
  {
    id: 'intx-eventfd-gone',
    revisions: /./,
    kinds: ['oops'],
    text: /^NULL pointer dereference: eventfd_signal\(\) of vfio_send_intx_eventfd/,
    functions: [
      'vfio_pci_set_intx_trigger',
      'vfio_intx_set_signal',
      'vfio_pci_intx_unmask',
      'vfio_send_intx_eventfd',
    ],
    reason:
      'SET_IRQS with eventfd -1 takes the trigger away and leaves INTx on. A software trigger, or an unmask (by ioctl, or ' +
      'by clearing DisINTx in config space, which takes no igate) with the line asserted, then signals a NULL context. ' +
      'Mended in v6.9 (CVE-2024-26812).',
  },
  {
    id: 'intx-masked-while-torn-down',
    revisions: /./,
    kinds: ['use-after-free'],
    text: /in a freed vfio_pci_irq_ctx/,
    fn: /^vfio_pci_intx_(?:mask|unmask_handler)$|^vfio_send_intx_eventfd$/,
    functions: ['vfio_basic_config_write', 'vfio_pci_intx_mask', 'vfio_pci_intx_unmask', 'vfio_intx_disable'],
    reason:
      'A write of DisINTx in config space masks INTx under irqlock, without igate. SET_IRQS that turns INTx off meanwhile ' +
      'sets irq_type and frees ctx without irqlock. Mended in v6.9 (CVE-2024-26810).',
  },
  {
    id: 'intx-enabled-without-handler',
    revisions: /./,
    kinds: ['WARN_ON'],
    text: /^WARN_ON at chip\.ts:\d+/,
    fn: /^vfio_pci_intx_unmask_handler$/,
    program: /nointxmask/,
    functions: ['vfio_intx_set_signal', 'vfio_pci_intx_unmask_handler'],
    reason:
      'With nointxmask a masked INTx is a disabled line. When its eventfd is taken away the handler goes too, and an unmask ' +
      'then enables a line that nobody has requested: __irq_startup() warns. Mended with the handler that stays (v6.9).',
  },
  {
    id: 'intx-line-disabled-twice',
    revisions: /./,
    kinds: ['intx-state'],
    text: /irq \d+ is disabled [12] times$/,
    leadsTo: { kinds: ['lost-interrupt'], text: /and the eventfd is not signalled$/ },
    program: /nointxmask/,
    functions: ['vfio_intx_set_signal', 'vfio_intx_handler'],
    reason:
      'With nointxmask, an interrupt that comes between request_irq() and the check of `masked` in vfio_intx_set_signal() ' +
      'disables the line, and the check disables it again: the next unmask leaves it disabled. Mended in v6.9 ' +
      '(CVE-2024-27437).',
  },
  {
    id: 'intx-line-enabled-twice',
    revisions: /./,
    kinds: ['WARN_ON'],
    text: /^Unbalanced enable for IRQ \d+/,
    fn: /^vfio_pci_intx_unmask_handler$/,
    program: /nointxmask/,
    functions: ['vfio_intx_set_signal', 'vfio_basic_config_write', 'vfio_pci_intx_unmask'],
    reason:
      'With nointxmask, clearing DisINTx in config space, which takes no igate, or an unmask eventfd can come between ' +
      'request_irq(), which enables the line, and the check of `masked` in vfio_intx_set_signal(), which is to disable it.',
  },
  {
    id: 'unmask-eventfd-asleep',
    revisions: LOW_POWER,
    kinds: ['d3cold-access'],
    text: /^config (?:read|write) of .* in D3cold by vfio_pci_intx_unmask_handler/,
    functions: ['virqfd_wakeup', 'vfio_pci_intx_unmask_handler'],
    reason:
      'A signalled unmask eventfd runs the handler at once, from eventfd_signal() in whatever task, with no runtime-PM ' +
      'reference: when the suspend has masked INTx, pci_check_and_unmask_intx() goes to the config space of a device ' +
      'without power.',
  },
  {
    id: 'vf-probe-vs-fault',
    revisions: /./,
    kinds: ['lockdep-inversion'],
    text: /&mm->mmap_lock.*&vdev->vma_lock|&vdev->vma_lock.*&mm->mmap_lock/,
    functions: [
      'vfio_pci_core_sriov_configure',
      'vfio_assign_device_set',
      'vfio_device_fops_release',
      'vfio_group_fops_release',
      'vfio_pci_mmap_fault',
    ],
    reason:
      'Enabling virtual functions probes them under memory_lock, and probing takes the lock of the device set. Under that ' +
      "lock a device's close takes group_rwsem, a group's under group_rwsem iommu->lock, MAP_DMA under iommu->lock " +
      'mmap_lock, a fault in a mapped BAR under mmap_lock vma_lock, and under that memory_lock again.',
  },
  {
    id: 'vf-probe-vs-close',
    revisions: /./,
    kinds: ['lockdep-inversion'],
    text: /&new_dev_set->lock.*&vdev->memory_lock|&vdev->memory_lock.*&new_dev_set->lock/,
    functions: [
      'vfio_pci_core_sriov_configure',
      'vfio_assign_device_set',
      'vfio_pci_core_disable',
      'vfio_pci_memory_lock_and_enable',
    ],
    reason:
      'Enabling virtual functions probes them under memory_lock, and probing takes the lock of the device set. A close takes ' +
      'memory_lock under the lock of the device set: in every revision to free the vectors of MSI, and in those with a low ' +
      'power always, to leave it.',
  },
  {
    id: 'vf-probe-vs-close-deadlock',
    revisions: /./,
    kinds: ['deadlock'],
    text: /waits for &new_dev_set->lock in vfio_assign_device_set holding .*&vdev->memory_lock/,
    functions: [
      'vfio_pci_core_sriov_configure',
      'vfio_assign_device_set',
      'vfio_pci_core_disable',
      'vfio_pci_memory_lock_and_enable',
    ],
    reason: 'What vf-probe-vs-close warns of: each waits for the lock that the other holds.',
  },
  {
    id: 'vf-removed-under-memory-lock',
    revisions: LOW_POWER,
    kinds: ['lockdep-recursion', 'lockdep-inversion'],
    text: /^&vdev->memory_lock taken for write while another lock of the class is held for write$|&vdev->memory_lock.*\(work_completion\)\(&dev->power\.work\)/,
    fn: /^vfio_pci_core_(?:runtime_(?:resume|suspend)|sriov_configure)$/,
    functions: [
      'vfio_pci_core_sriov_configure',
      'vfio_pci_core_runtime_resume',
      'vfio_pci_core_runtime_suspend',
    ],
    reason:
      'Virtual functions are enabled under memory_lock of the physical one. When one of them fails, as when a reset by the close ' +
      'takes them away meanwhile, pci_enable_sriov() removes those that are there. Removing a driver wakes the device and may ' +
      'suspend it again (__device_release_driver()), which takes its memory_lock: another lock, but of the same class; and ' +
      'pm_runtime_remove() waits for a work that takes it.',
  },
  {
    id: 'restore-vs-host-reset',
    revisions: /./,
    kinds: ['WARN_ON'],
    text: /can't update enabled VF BAR\d/,
    functions: ['vfio_pci_core_disable'],
    reason:
      'The close restores the config space that it has saved (pci_restore_state()) after it has given up the device lock, ' +
      'so it can run beside a reset by sysfs, which restores too: one enables VFs (sriov_restore_state()) that the other ' +
      'has found disabled, and pci_iov_update_resource() warns.',
  },
  {
    id: 'intx-asserted-not-set-up',
    revisions: /./,
    kinds: ['livelock'],
    text: /asserts INTx, for which there is no handler$/,
    functions: ['vfio_pci_core_enable', 'vfio_intx_disable', 'vfio_intx_handler'],
    reason:
      'An open device without a handler may still assert its line: DisINTx is cleared when it is opened, and not set when ' +
      'INTx is turned off. When another device shares the line, nobody claims the interrupt, and the kernel turns the line ' +
      'off after 100,000 of them.',
  },
  {
    id: 'resume-takes-igate',
    revisions: /^v4(?:[@.]6)?(?:\+|$)/,
    kinds: ['lockdep-inversion'],
    text: /&vdev->memory_lock -> &vdev->igate|&vdev->igate -> &vdev->memory_lock/,
    functions: ['vfio_pci_core_runtime_resume', 'vfio_pci_set_irqs_ioctl', 'vfio_pci_memory_lock_and_enable'],
    reason:
      'v4 6/6 signals PME from the resume callback: it takes igate under memory_lock. SET_IRQS holds igate when MSI takes ' +
      'memory_lock to reach its vectors.',
  },
  {
    id: 'flag-for-d3hot',
    revisions: /^v3(?:[@.]8)?(?:\+|$)/,
    kinds: ['d3hot-access'],
    text: /^memory (?:read|write) of /,
    functions: ['vfio_pci_core_feature_pm', '__vfio_pci_memory_enabled'],
    reason:
      'v3 8/8 keeps in a flag, power_state_d3, whether memory is in reach. EXIT clears it; when it comes before the device ' +
      'has slept, nobody has taken the device out of the D3hot that ENTER asks for.',
  },
  {
    id: 'command-register-race',
    revisions: /./,
    kinds: ['livelock', 'intx-state'],
    text: /asserts INTx, which the driver has (?:un)?masked$|the driver has INTx (?:masked, DisINTx is 0|unmasked, DisINTx is 1)$/,
    // Not by those that mask, unmask and set up INTx themselves: then it would be something else.
    by: /(?:^|,)(?!vfio_pci_intx_mask\b|vfio_pci_intx_unmask_handler\b|vfio_intx_\w+|vfio_msi_\w+)/,
    program: /^(?:hot)?reset |\/reset 1$|^wr D\d cfg (?:4|5|68|69|120|121) /m,
    functions: [
      'vfio_intx_handler',
      'vfio_pci_intx_mask',
      'vfio_default_config_write',
      'vfio_pm_config_write',
      'vfio_exp_config_write',
      'vfio_pci_core_ioctl',
      'vfio_pci_dev_set_hot_reset',
    ],
    reason:
      'DisINTx, the mask of INTx, is in a register that others read, change and write back without irqlock, and what ' +
      'SET_IRQS or the interrupt handler does to it in between is undone: a write of the command register ' +
      '(vfio_default_config_write()); a reset by ioctl, hot, by sysfs or by the FLR bit of config space (pci_save_state() to ' +
      'pci_restore_state()); and a ' +
      'write of PM_CTRL, whose stale state bits can wake a device without NoSoftRst behind the back of the PCI core, ' +
      'with its config space reset. The driver then disowns the interrupts of a device that it has masked, or waits for ' +
      'one that cannot interrupt.',
  },
  {
    id: 'pme-vs-port-suspend',
    revisions: /./,
    kinds: ['d3cold-access'],
    text: /^config (?:read|write) of \S+ in D3cold by (?:kworker\/system(?::\d+)?|PCIe PME \S+)$/,
    held: /^(?:&data->lock|pci_bus_sem)?$/,
    functions: [],
    reason:
      'drivers/pci/pcie/pme.c: the PME service of a root port works without a runtime-PM reference, and the suspend of the ' +
      'port does not wait for it. A PME that comes when the port is about to be turned off has pcie_pme_irq() or ' +
      'pcie_pme_work_fn() read the root status of a port without power (all ones, which they check for), or, when the ' +
      'power goes after that, pci_check_pme_status() the PMCSR of the device (all ones, taken for a PME).',
  },
  {
    id: 'idle-request-lost',
    revisions: /./,
    kinds: ['awake-at-rest'],
    text: /is active although nothing holds it awake$/,
    functions: [],
    reason:
      'drivers/base/power/runtime.c: rpm_resume() of a worker that has waited for the parent starts over and cancels what ' +
      'has been requested meanwhile, also the idle check of somebody who resumed the device and put it again; it finds the ' +
      'device active and asks for no other, so the device stays awake until its next use.',
  },
];

/** All known findings, data races last. */
export const KNOWN: readonly KnownFinding[] = [
  ...FINDINGS,
  ...KNOWN_DATA_RACES.map((k): KnownFinding => {
    const { id, revisions = /./, program = /(?:)/, functions, reason, leadsTo } = k;
    const known = { id, revisions, kinds: ['data-race'], text: /./, race: k, program, functions, reason };
    return leadsTo === undefined ? known : { ...known, leadsTo };
  }),
];

/**
 * The known finding that a finding of a program is, or null.
 *
 * @param all what else was found in the same run
 */
export function knownFinding(
  f: SubjectFinding,
  revision: string,
  program: Program,
  all: readonly SubjectFinding[] = [],
): KnownFinding | null {
  const ops = [program.options, ...program.setup, ...program.tasks.flatMap((t) => t.ops)].join('\n');
  const find = (one: SubjectFinding): KnownFinding | undefined =>
    KNOWN.find(
      (k) =>
        k.kinds.includes(one.kind) &&
        k.revisions.test(revision) &&
        k.text.test(one.text) &&
        (k.fn?.test(one.fns.at(-1) ?? '') ?? true) &&
        (k.race === undefined || isKnownRace(k.race, one)) &&
        (k.held?.test(one.held.join()) ?? true) &&
        (k.by?.test(String(one.detail?.by)) ?? true) &&
        (k.program?.test(ops) ?? true),
    );
  const follows = (k: KnownFinding | undefined): boolean =>
    k?.leadsTo !== undefined && k.leadsTo.kinds.includes(f.kind) && k.leadsTo.text.test(f.text);
  return find(f) ?? all.map(find).find(follows) ?? null;
}
