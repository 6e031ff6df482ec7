// SPDX-License-Identifier: GPL-2.0-only
/*
 * Data races that the kernel has. A search is of no use when each of its runs tells of them, so they are kept apart
 * from the findings; `vfio-lab scenario` shows them as known.
 */

/** A data race that the kernel has, on purpose or by a defect of its own. */
export interface KnownRace {
  readonly struct: string;
  readonly field: string;
  /** What one side does. The other may be anything. */
  readonly side: {
    readonly access: 'reads' | 'writes';
    /** Only without this lock. */
    readonly without?: string;
    /** Only with this lock held. */
    readonly holding?: string;
    /** Only with no lock at all. */
    readonly unlocked?: true;
    /** Only outside of the driver. */
    readonly outside?: true;
    /** The C functions that do it. */
    readonly functions: readonly string[];
  };
  /** Only on these (base, v4, ...); absent: on all. */
  readonly revisions?: readonly string[];
  /** What the C does, and why it may stay: one sentence. */
  readonly reason: string;
}

export const KNOWN_RACES: readonly KnownRace[] = [
  {
    struct: 'dev_pm_info',
    field: 'runtime_status',
    side: { access: 'reads', without: '&dev->power.lock', functions: ['__pm_runtime_resume'] },
    reason:
      'might_sleep_if() at the top of __pm_runtime_resume() looks at the status before power.lock is taken; only that debug check uses what it sees.',
  },
  {
    struct: 'pci_dev',
    field: 'current_state',
    side: { access: 'reads', holding: 'pci_pme_list_mutex', functions: ['pci_pme_list_scan'] },
    reason:
      'pci_pme_list_scan() looks at the D-states of a device and of its bridge with nothing that keeps them from changing: a defect of v5.19, mended in v6.6 and v6.8 by a runtime-PM reference of the bridge.',
  },
  {
    struct: 'pci_dev',
    field: 'current_state',
    side: {
      access: 'reads',
      unlocked: true,
      outside: true,
      functions: ['pci_config_pm_runtime_get', 'power_state_show'],
    },
    reason:
      'pci_config_pm_runtime_get() asks for D3cold with a usage count that keeps the device from falling asleep, not from being woken by somebody else at that moment; it then resumes what is awake, which does nothing. power_state_show() just shows the state.',
  },
  {
    struct: 'pci_dev',
    field: 'block_cfg_access',
    side: { access: 'reads', without: 'pci_lock', functions: ['wait_event'] },
    reason:
      'pci_wait_cfg() waits for block_cfg_access to be false without pci_lock; it looks again with the lock before it goes on.',
  },
  {
    struct: 'vfio_pci_core_device',
    field: 'power_state_d3',
    side: { access: 'writes', without: '&vdev->memory_lock', functions: ['vfio_pci_set_power_state'] },
    revisions: ['v3'],
    reason:
      'v3 has vfio_pci_core_disable() set the power state without memory_lock, while sriov_numvfs sets it under memory_lock.',
  },
];
