// SPDX-License-Identifier: GPL-2.0-only
/*
 * Data races that random programs meet and that the kernel has, each checked against the C of v5.19. An entry says what
 * one side does, and the other where that is needed, so that another race on the same field is still told.
 */
import type { SubjectFinding } from '@vfio-lab/explore';
import type { RaceSide } from '@vfio-lab/testbed';

/** What an access must be like. What is absent may be anything. */
export interface RacePattern {
  access?: 'reads' | 'writes';
  /** The function of the driver that it is in, innermost; '': none. */
  site?: RegExp;
  task?: RegExp;
  /** Locks that its task holds. */
  holding?: readonly string[];
  /** Locks that it does not hold. */
  without?: readonly string[];
  /** It holds no lock at all. */
  unlocked?: true;
}

export interface KnownDataRace {
  /** Kebab-case, unique among all known findings. */
  id: string;
  /** Names of the revisions that have it. Absent: all. */
  revisions?: RegExp;
  /** What the options, set-up or tasks of the program must have in them. */
  program?: RegExp;
  /** struct.field */
  field: RegExp;
  one: RacePattern;
  other?: RacePattern;
  /** Functions of the driver on either side; none: it is the kernel's around it, see the reason. */
  functions: readonly string[];
  /** What the C does, and what comes of it. */
  reason: string;
  /** Findings that are no others when this race is in the same run. */
  leadsTo?: { kinds: readonly string[]; text: RegExp };
}

const OUTSIDE = /^$/;
/** A reset, a bind or a change of SR-IOV by the host, which has the device lock and nothing else. */
const HOST: RacePattern = {
  site: OUTSIDE,
  task: /^host$/,
  holding: ['&dev->mutex'],
  without: ['&vdev->memory_lock', '&new_dev_set->lock'],
};
const DRIVER: RacePattern = { site: /./ };
const IRQLOCK: RacePattern = {
  site: /^vfio_pci_intx_(?:mask|unmask_handler)$/,
  holding: ['&vdev->irqlock'],
};

export const KNOWN_DATA_RACES: readonly KnownDataRace[] = [
  {
    id: 'status-shown-unlocked',
    field: /^dev_pm_info\.(?:runtime_error|disable_depth|runtime_status)$/,
    one: { access: 'reads', site: OUTSIDE, task: /^host$/, unlocked: true },
    functions: [],
    reason:
      'drivers/base/power/sysfs.c: runtime_status_show() reads error, disable_depth and status without power.lock, to show them.',
  },
  {
    id: 'eventfd-polled-unlocked',
    field: /^eventfd_ctx\.count$/,
    one: { access: 'reads', without: ['&ctx->wqh'] },
    other: { access: 'writes', holding: ['&ctx->wqh'] },
    functions: [],
    reason:
      'fs/eventfd.c: eventfd_poll() reads the count by READ_ONCE() without the lock under which it is changed; its comment says why no wake-up is missed.',
  },
  {
    id: 'irq-actions-walked-unlocked',
    field: /^(?:irq_desc\.action|irqaction\.(?:next|handler|dev_id|flags))$/,
    one: { access: 'reads', site: OUTSIDE, task: /^irq\//, unlocked: true },
    other: { access: 'writes', site: /^vfio_(?:intx_set_signal|msi_set_vector_signal)$/ },
    functions: ['vfio_intx_set_signal', 'vfio_msi_set_vector_signal'],
    reason:
      'kernel/irq/handle.c: __handle_irq_event_percpu() walks the actions without desc->lock; __setup_irq() appends one by a plain store, ' +
      '__free_irq() unlinks one and waits for the handlers that run before it frees it. Who comes upon a new one that way has ' +
      'only the address to order what was set up before.',
    leadsTo: {
      kinds: ['data-race'],
      text: /^vfio_pci_(?:core_device\.(?:ctx|irq_type|virq_disabled|pci_2_3)|irq_ctx\.(?:masked|trigger)): .*\birq\/\d+ (?:reads|writes) it /,
    },
  },
  {
    id: 'irq-counts-reset-unlocked',
    field: /^irq_desc\.(?:irq_count|irqs_unhandled|last_unhandled)$/,
    one: { site: OUTSIDE, task: /^irq\//, unlocked: true },
    other: { access: 'writes', site: /^vfio_intx_set_signal$/, holding: ['&irq_desc_lock_class'] },
    functions: ['vfio_intx_set_signal'],
    reason:
      'kernel/irq/spurious.c: note_interrupt() counts without desc->lock; __setup_irq() of another device on the line sets the counts ' +
      'to 0 under it. One count more or less.',
  },
  {
    id: 'irq-settings-read-unlocked',
    field: /^irq_desc\.(?:status|istate)$/,
    one: {
      access: 'reads',
      site: /^(?:|vfio_intx_set_signal|vfio_msi_set_vector_signal)$/,
      without: ['&irq_desc_lock_class'],
    },
    other: { access: 'writes', holding: ['&irq_desc_lock_class'] },
    functions: ['vfio_intx_set_signal', 'vfio_msi_set_vector_signal'],
    reason:
      'kernel/irq: request_threaded_irq(), handle_irq_event_percpu() and note_interrupt() test settings and state of the line without ' +
      'desc->lock, under which __free_irq() and enable_irq() change other bits of the same words.',
  },
  {
    id: 'd3cold-allowed-unlocked',
    field: /^pci_dev\.(?:bridge_d3|no_d3cold|d3cold_allowed)$/,
    one: { access: 'writes', site: OUTSIDE, task: /^host$/, unlocked: true },
    functions: [],
    reason:
      'drivers/pci/pci-sysfs.c: a write of d3cold_allowed changes no_d3cold and, by pci_bridge_d3_update(), the bridge_d3 of the ' +
      'ports above, with no lock that a suspend or resume would hold; it then resumes the device, so that the next suspend has it.',
  },
  {
    id: 'pme-poll-ended-unlocked',
    field: /^pci_dev\.pme_poll$/,
    one: { access: 'writes', site: OUTSIDE, task: /^kworker\/system/, unlocked: true },
    functions: [],
    reason:
      'drivers/pci/pcie/pme.c: pcie_pme_handle_request() clears pme_poll without pci_pme_list_mutex; the list is rid of the device one poll later.',
  },
  {
    id: 'd-state-vs-host',
    field: /^pci_dev\.current_state$/,
    one: HOST,
    other: DRIVER,
    functions: ['vfio_pci_set_power_state', '__vfio_pci_memory_enabled'],
    reason:
      'A reset by sysfs puts the device into D0 (pci_dev_save_and_disable()) and restores its MSI with the device lock alone, a ' +
      'bind and an unbind have no more; the driver changes current_state and looks at it under memory_lock, or with no lock ' +
      'in open and close. No lock of the PCI core protects it.',
  },
  {
    id: 'd-state-in-open-and-close',
    field: /^pci_dev\.current_state$/,
    one: {
      site: /^vfio_pci_(?:core_enable|core_disable|set_power_state)$/,
      holding: ['&new_dev_set->lock', '&group->group_rwsem'],
      without: ['&vdev->memory_lock', '&dev->mutex'],
    },
    other: { site: /./, holding: ['&vdev->memory_lock'] },
    functions: ['vfio_pci_core_enable', 'vfio_pci_core_disable', '__vfio_pci_memory_enabled'],
    reason:
      'Open (pci_enable_device()) and close put the device into D0 without memory_lock, under which sriov_numvfs and an ioeventfd ' +
      'that is not taken away yet use its power state.',
  },
  {
    id: 'msi-vs-host-reset',
    field: /^pci_dev\.(?:irq|msi_enabled|msix_enabled)$/,
    one: HOST,
    other: { site: /^vfio_msi_/ },
    functions: ['vfio_msi_enable', 'vfio_msi_disable'],
    reason:
      'A reset by sysfs restores MSI (__pci_restore_msi_state()) under the device lock; SET_IRQS and close turn MSI on and off ' +
      'without it.',
  },
  {
    id: 'saved-state-vs-host-reset',
    field: /^pci_dev\.state_saved$/,
    one: HOST,
    other: { site: /^vfio_pci_(?:core_enable|core_disable|set_power_state)$/, without: ['&dev->mutex'] },
    functions: ['vfio_pci_core_enable', 'vfio_pci_core_disable', 'vfio_pci_set_power_state'],
    reason:
      'A reset by sysfs saves and restores config space under the device lock; open, close and the end of D3hot do so without ' +
      'it, in the same place: each may take the state of the other (see restore-vs-host-reset).',
  },
  {
    id: 'container-closed-vs-unset',
    field: /^vfio_container\.iommu_(?:driver|data)$/,
    one: { access: 'reads', site: /^vfio_fops_(?:release|unl_ioctl)$/, without: ['&container->group_lock'] },
    other: { access: 'writes', site: /^__vfio_group_unset_container$/, holding: ['&container->group_lock'] },
    functions: ['vfio_fops_release', 'vfio_fops_unl_ioctl', '__vfio_group_unset_container'],
    reason:
      'The release of a container, and an ioctl that it hands on to the IOMMU driver, take driver and data without group_lock; the ' +
      'last group that leaves sets them to NULL and frees the data.',
  },
  {
    id: 'intx-set-up-vs-masked',
    field: /^vfio_pci_core_device\.(?:ctx|irq_type)$/,
    one: { ...IRQLOCK, access: 'reads', without: ['&vdev->igate'] },
    other: { access: 'writes', site: /^vfio_(?:intx|msi)_(?:enable|disable)$/, without: ['&vdev->irqlock'] },
    functions: ['vfio_basic_config_write', 'vfio_pci_intx_mask', 'vfio_intx_enable', 'vfio_intx_disable'],
    reason:
      'DisINTx in config space masks and unmasks under irqlock without igate; SET_IRQS turns INTx on and off under igate without ' +
      'irqlock. Mended in v6.9 (CVE-2024-26810).',
  },
  {
    id: 'intx-mask-vs-set-up',
    field: /^vfio_pci_irq_ctx\.masked$/,
    one: { ...IRQLOCK, without: ['&vdev->igate'] },
    other: { site: /^vfio_intx_enable$/, holding: ['&vdev->igate'], without: ['&vdev->irqlock'] },
    functions: ['vfio_basic_config_write', 'vfio_pci_intx_mask', 'vfio_intx_enable'],
    reason:
      'vfio_intx_enable() sets the mask that the guest wants in a new ctx without irqlock; a write of DisINTx can find it there. ' +
      'Mended in v6.9 (CVE-2024-26810).',
  },
  {
    id: 'intx-eventfd-sent-unlocked',
    field: /^(?:vfio_pci_irq_ctx\.trigger|vfio_pci_core_device\.(?:ctx|irq_type))$/,
    one: {
      access: 'reads',
      site: /^vfio_send_intx_eventfd$/,
      task: /^(?:kworker\/system|user)/,
      without: ['&vdev->igate'],
    },
    other: {
      access: 'writes',
      site: /^vfio_(?:intx|msi)_(?:set_signal|enable|disable)$/,
      holding: ['&vdev->igate'],
    },
    functions: ['vfio_pci_intx_unmask', 'vfio_send_intx_eventfd', 'vfio_intx_set_signal'],
    reason:
      'An unmask that finds the line asserted sends the trigger from the work of a virqfd (virqfd_inject()) or from a write of ' +
      'DisINTx, without igate, under which SET_IRQS replaces it. Mended in v6.9 (CVE-2024-26812).',
  },
  {
    id: 'hot-reset-vs-suspend',
    revisions: /^(?:base|v3[@.][1-7]|v[4-7][@.][1-3])(?:\+|$)/,
    field: /^pci_dev\.(?:current_state|state_saved)$/,
    one: { site: OUTSIDE, task: /^kworker\/pm/ },
    other: {
      site: /^vfio_pci_(?:set_power_state|dev_set_hot_reset)$/,
      holding: ['&new_dev_set->lock', '&vdev->memory_lock'],
    },
    functions: ['vfio_pci_dev_set_hot_reset', 'vfio_pci_set_power_state'],
    reason:
      'A hot reset puts all devices of the set into D0 and resets them, also one that nobody has open and that is about to be ' +
      'suspended, whose state pci_pm_runtime_suspend() saves and changes. Mended by the series (v4 4/6), which takes a runtime-PM ' +
      'reference of each.',
  },
  {
    id: 'exit-resumes-unlocked',
    revisions: /^v4(?:[@.][456])?(?:\+|$)/,
    field: /^pci_dev\.current_state$/,
    program: /^(?:lp_exit|feature .*LP_EXIT)/m,
    one: { access: 'reads', site: /^__vfio_pci_memory_enabled$/, holding: ['&vdev->memory_lock'] },
    other: {
      access: 'writes',
      site: /^(?:|vfio_pci_core_feature_pm|vfio_device_pm_runtime_get|vfio_pci_rw)$/,
      without: ['&vdev->memory_lock', '&dev->mutex'],
    },
    functions: ['vfio_pci_core_feature_pm', '__vfio_pci_memory_enabled'],
    reason:
      'EXIT of v4 clears pm_runtime_engaged, releases memory_lock and resumes the device only then: a fault in between takes the ' +
      'device for awake or not by a current_state that a resume, of whoever is first, is about to change. From v5 on EXIT holds the device awake first.',
  },
  {
    id: 'ioeventfd-without-reference',
    revisions: /^v[567](?:[@.][45])?(?:\+|$)/,
    program: /^ioeventfd /m,
    field: /^pci_dev\.current_state$/,
    one: {
      access: 'reads',
      site: /^__vfio_pci_memory_enabled$/,
      holding: ['&vdev->memory_lock'],
      without: ['&vdev->vma_lock'],
    },
    other: { access: 'writes', without: ['&vdev->memory_lock', '&dev->mutex'] },
    functions: ['vfio_pci_ioeventfd_handler', 'vfio_pci_ioeventfd_do_write', '__vfio_pci_memory_enabled'],
    reason:
      'A signalled ioeventfd writes to the device under memory_lock, but holds no runtime-PM reference and, unlike a fault, does not ' +
      'ask for pm_runtime_engaged: it goes by a current_state that a suspend or resume is about to change.',
  },
  {
    id: 'idle-check-vs-unbind',
    field: /^(?:pci_dev|device)\.driver$/,
    one: { access: 'reads', site: OUTSIDE, task: /^kworker\/pm/, unlocked: true },
    // Of a VF from inside the driver of its PF.
    other: { access: 'writes', task: /^host$/, holding: ['&dev->mutex'] },
    functions: [],
    reason:
      'drivers/pci/pci-driver.c: pci_device_remove() takes a usage reference, but does not wait for an idle check that runs; ' +
      'pci_pm_runtime_idle() may look for the driver while it goes. Later kernels have a barrier there.',
  },
  {
    id: 'new-vf-in-set-without-group',
    field: /^vfio_device\.group$/,
    one: { access: 'reads', site: /^vfio_file_has_dev$/, holding: ['&new_dev_set->lock'] },
    other: { access: 'writes', site: /^__vfio_register_dev$/, without: ['&new_dev_set->lock'] },
    functions: ['vfio_assign_device_set', '__vfio_register_dev', 'vfio_file_has_dev'],
    reason:
      'A device is in its set (vfio_assign_device_set()) before __vfio_register_dev() gives it its group; a hot reset that walks ' +
      'the set meanwhile takes it for one of another group.',
  },
  {
    id: 'group-of-new-vf-unlocked',
    field: /^device\.iommu_group$/,
    one: { access: 'reads', site: /^vfio_pci_fill_devs$/ },
    other: { access: 'writes', site: /^vfio_pci_core_sriov_configure$/ },
    functions: ['vfio_pci_fill_devs', 'vfio_pci_core_sriov_configure'],
    reason:
      'A virtual function is on its bus before iommu_probe_device() gives it a group; GET_PCI_HOT_RESET_INFO, which walks the bus, ' +
      'asks for the group meanwhile (iommu_group_get()).',
  },
  {
    id: 'msi-control-written-unlocked',
    field: /^vfio_pci_core_device\.(?:irq_type|msi_qmax)$/,
    one: { access: 'reads', site: /^vfio_msi_config_(?:read|write)$/, unlocked: true },
    other: { access: 'writes', holding: ['&vdev->igate'] },
    functions: ['vfio_msi_config_write', 'vfio_intx_enable', 'vfio_intx_disable', 'vfio_msi_enable'],
    reason:
      'A write of the MSI control register asks is_msi() and msi_qmax without igate, and turns MSI on or off in hardware by what it sees.',
  },
  {
    id: 'guest-intx-mask-unlocked',
    field: /^vfio_pci_core_device\.virq_disabled$/,
    one: { access: 'writes', site: /^vfio_basic_config_write$/, unlocked: true },
    functions: [
      'vfio_basic_config_write',
      'vfio_intx_enable',
      'vfio_send_intx_eventfd',
      'vfio_pci_intx_unmask_handler',
    ],
    reason:
      'A write of the command register looks at virq_disabled and sets it with no lock. Two of them, one that enables INTx, and one ' +
      'that unmasks it may each see the old value, and the one that masks last leave INTx masked for a guest that has unmasked it.',
    leadsTo: {
      kinds: ['intx-state', 'lost-interrupt'],
      text: /its user has INTx unmasked and was not signalled, the driver has it masked$|and the eventfd is not signalled$|the guest has set DisINTx, and INTx is not masked$/,
    },
  },
  {
    id: 'bar-fixup-unlocked',
    field: /^vfio_pci_core_device\.bardirty$/,
    one: { site: /^vfio_(?:bar_fixup|basic_config_write)$/, unlocked: true },
    other: { site: /^vfio_(?:bar_fixup|basic_config_write)$/, unlocked: true },
    functions: ['vfio_bar_fixup', 'vfio_basic_config_write'],
    reason:
      'Accesses to the virtual config space have no lock: a read of the header fixes the BARs up that a write beside it has just made dirty.',
  },
];

/** Functions of work items, which only a traced run follows. */
const WORK: ReadonlySet<string> = new Set(['pm_runtime_work', 'pci_pme_list_scan']);

/** The function of the driver that a side is in, '' outside of them, traced or not. */
export function driverSite({ site }: RaceSide): string {
  return WORK.has(site) ? '' : site;
}

function isLike(p: RacePattern, s: RaceSide): boolean {
  return (
    (p.access === undefined || s.access === p.access) &&
    (p.site?.test(driverSite(s)) ?? true) &&
    (p.task?.test(s.task) ?? true) &&
    (p.holding ?? []).every((lock) => s.held.includes(lock)) &&
    !(p.without ?? []).some((lock) => s.held.includes(lock)) &&
    (p.unlocked !== true || s.held.length === 0)
  );
}

/** Does the list of known data races have this one? */
export function isKnownRace(k: KnownDataRace, f: SubjectFinding): boolean {
  if (f.detail === undefined || !k.field.test(`${String(f.detail.struct)}.${String(f.detail.field)}`))
    return false;
  const before = f.detail.before as RaceSide;
  const after = f.detail.after as RaceSide;
  const other = k.other ?? {};
  return (isLike(k.one, before) && isLike(other, after)) || (isLike(k.one, after) && isLike(other, before));
}
