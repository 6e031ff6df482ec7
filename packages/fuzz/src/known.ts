// SPDX-License-Identifier: GPL-2.0-only
// Findings that are the kernel's own: each checked against the C of its revision, with the functions it is in and why.
import type { SubjectFinding } from '@vfio-lab/explore';
import type { Program } from './program.ts';

export interface KnownFinding {
  /** Kebab-case, unique. */
  id: string;
  /** Names of the revisions that have it. */
  revisions: RegExp;
  kind: string;
  text: RegExp;
  /** The innermost function of the driver that it is in, when that tells it from others. */
  fn?: RegExp;
  /** What the program must have in it. */
  program?: RegExp;
  /** C functions that make it. */
  functions: readonly string[];
  reason: string;
}

/** Series with a low power, from the patch on that brings it; so far no later one has mended what is said of them. */
const LOW_POWER = /^v[3-7]/;

export const KNOWN: readonly KnownFinding[] = [
  {
    id: 'intx-eventfd-gone',
    revisions: /./,
    kind: 'oops',
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
    id: 'intx-enabled-without-handler',
    revisions: /./,
    kind: 'WARN_ON',
    text: /^WARN_ON at chip\.ts:\d+/,
    fn: /^vfio_pci_intx_unmask_handler$/,
    program: /nointxmask/,
    functions: ['vfio_intx_set_signal', 'vfio_pci_intx_unmask_handler'],
    reason:
      'With nointxmask a masked INTx is a disabled line. When its eventfd is taken away the handler goes too, and an unmask ' +
      'then enables a line that nobody has requested: __irq_startup() warns. Mended with the handler that stays (v6.9).',
  },
  {
    id: 'unmask-eventfd-asleep',
    revisions: LOW_POWER,
    kind: 'd3cold-access',
    text: /^config (?:read|write) of .* in D3cold by vfio_pci_intx_unmask_handler/,
    functions: ['virqfd_wakeup', 'vfio_pci_intx_unmask_handler'],
    reason:
      'A signalled unmask eventfd runs the handler at once, from eventfd_signal() in whatever task, with no runtime-PM ' +
      'reference: when the suspend has masked INTx, pci_check_and_unmask_intx() goes to the config space of a device ' +
      'without power.',
  },
  {
    id: 'vf-probe-vs-close',
    revisions: LOW_POWER,
    kind: 'lockdep-inversion',
    text: /&new_dev_set->lock.*&vdev->memory_lock|&vdev->memory_lock.*&new_dev_set->lock/,
    functions: ['vfio_pci_core_sriov_configure', 'vfio_assign_device_set', 'vfio_pci_core_disable'],
    reason:
      'Enabling virtual functions probes them under memory_lock, and probing takes the lock of the device set; the close ' +
      'takes memory_lock to leave low power, under the lock of the device set.',
  },
  {
    id: 'vf-probe-vs-close-deadlock',
    revisions: LOW_POWER,
    kind: 'deadlock',
    text: /waits for &new_dev_set->lock in vfio_assign_device_set holding .*&vdev->memory_lock/,
    functions: ['vfio_pci_core_sriov_configure', 'vfio_assign_device_set', 'vfio_pci_core_disable'],
    reason: 'What vf-probe-vs-close warns of: each waits for the lock that the other holds.',
  },
  {
    id: 'intx-asserted-not-set-up',
    revisions: /./,
    kind: 'livelock',
    text: /asserts INTx, which the driver has not set up$/,
    functions: ['vfio_pci_core_enable', 'vfio_intx_handler'],
    reason:
      'An open device without INTx set up may still assert its line: DisINTx is cleared when it is opened. When another ' +
      'device shares the line, nobody claims the interrupt, and the kernel turns the line off after 100,000 of them.',
  },
];

/** The known finding that a finding of a program is, or null. */
export function knownFinding(f: SubjectFinding, revision: string, program: Program): KnownFinding | null {
  const ops = [program.options, ...program.setup, ...program.tasks.flatMap((t) => t.ops)].join('\n');
  return (
    KNOWN.find(
      (k) =>
        k.kind === f.kind &&
        k.revisions.test(revision) &&
        k.text.test(f.text) &&
        (k.fn?.test(f.fns.at(-1) ?? '') ?? true) &&
        (k.program?.test(ops) ?? true),
    ) ?? null
  );
}
