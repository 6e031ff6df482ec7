// SPDX-License-Identifier: GPL-2.0-only

/** A data race that the kernel has, on purpose or by a known defect. */
export interface KnownRace {
  readonly struct: string;
  readonly field: string;
  /** One side is in one of these C functions; absent: any. */
  readonly functions?: readonly string[];
  /** Only on these (base, v4, ...); absent: on all. */
  readonly revisions?: readonly string[];
  /** What the C does, in a sentence. */
  readonly reason: string;
}

export const KNOWN_RACES: readonly KnownRace[] = [
  {
    struct: 'dev_pm_info',
    field: 'runtime_status',
    functions: ['__pm_runtime_resume'],
    reason:
      'the argument of might_sleep_if() in __pm_runtime_resume() looks at runtime_status before power.lock is taken: a debugging aid',
  },
  {
    struct: 'pci_dev',
    field: 'current_state',
    functions: ['pci_pme_list_scan'],
    reason:
      'pci_pme_list_scan() looks at current_state of the device and of its bridge under pci_pme_list_mutex alone, which is not what guards it',
  },
  {
    struct: 'vfio_pci_core_device',
    field: 'power_state_d3',
    functions: ['vfio_pci_set_power_state'],
    revisions: ['v3'],
    reason:
      'v3 has vfio_pci_core_disable() set the power state without memory_lock, while sriov_numvfs sets it under memory_lock',
  },
];
