// SPDX-License-Identifier: GPL-2.0-only
// The races that the review spoke of: where each would show, and what it looks like when it does.
import { InputError } from '@vfio-lab/sim';
import type { SubjectFinding } from './subject.ts';

export interface ClaimRace {
  /** The claim: 'C11'. */
  readonly id: string;
  /** The race, as what happens when it is there. */
  readonly what: string;
  /** Which scenario has it, if any has. */
  readonly scenario: string;
  /** Kinds of findings that are the race. */
  readonly kinds?: readonly string[];
  /** Fields that a data race on is the race: accesses that nothing orders, whatever comes of them. */
  readonly fields?: RegExp;
  /** An outcome that is the race. */
  readonly outcome?: RegExp;
  /** It goes on for long: an execution that does not end soon is looked at, whole, whether it has a finding of `kinds`. */
  readonly endless?: boolean;
  /** A variant that must have it, to show that the search would find it; null: the revisions have it themselves. */
  readonly whatIf: string | null;
}

/** A lock that is released too often, taken twice, or in the wrong order. */
const LOCKS = ['deadlock', 'lockdep-recursion', 'lock-owner', 'lock-held-at-exit'];

/** In the order of the claims. */
export const CLAIM_RACES: readonly ClaimRace[] = [
  {
    id: 'C11',
    what: 'a config access reaches a device that has lost its power',
    scenario: 'config-read-vs-low-power-entry',
    kinds: ['d3cold-access'],
    whatIf: 'v4+no-usage-reference',
  },
  {
    id: 'C13',
    what: 'a fault maps a BAR of a device that only the host has woken',
    scenario: 'fault-vs-host-access',
    outcome: /\bloaded\b/,
    whatIf: 'v4+no-engaged-test',
  },
  {
    id: 'C15',
    what: 'the device suspends under a long config access',
    scenario: 'long-config-read-vs-low-power-entry',
    kinds: ['d3cold-access'],
    whatIf: 'v4+no-usage-reference',
  },
  {
    id: 'C16',
    what: 'a write of PCI_COMMAND opens the mapped BAR again while low power is engaged',
    scenario: 'memory-enable-vs-low-power-entry',
    outcome: /load works/,
    whatIf: 'v4+no-engaged-test',
  },
  {
    id: 'C17',
    what: 'the second part of a config write runs without what protects the first',
    scenario: 'memory-enable-vs-low-power-entry',
    kinds: ['d3cold-access', ...LOCKS],
    whatIf: 'v4+no-usage-reference',
  },
  {
    id: 'C18',
    what: 'an ioctl touches a device that has been let to sleep',
    scenario: 'ioctl-vs-low-power-entry',
    kinds: ['d3cold-access'],
    whatIf: 'v4+no-ioctl-reference',
  },
  {
    id: 'C25',
    what: 'VFs are enabled on a PF that is in D3hot',
    scenario: 'sriov-enable-vs-d3hot-write',
    outcome: /[1-9]\d* VFs, PF .* in D3/,
    whatIf: 'v4+vf-enable-unlocked',
  },
  {
    id: 'C29',
    what: 'a device that is still in D0 interrupts for ever',
    scenario: 'intx-vs-low-power-entry',
    kinds: ['irq-storm'],
    endless: true,
    whatIf: 'v4+flag-in-handler',
  },
  {
    id: 'C30',
    what: 'the handler of a shared line reads a device that has lost its power',
    scenario: 'neighbour-interrupt-vs-low-power-entry',
    kinds: ['d3cold-access'],
    whatIf: 'v4+no-intx-mask',
  },
  {
    id: 'C31',
    what: 'the suspend callback masks an INTx that SET_IRQS is taking down',
    scenario: 'irq-teardown-vs-enter',
    kinds: ['use-after-free', 'double-free', 'oops', 'exception'],
    fields: /^vfio_pci_core_device\.(irq_type|num_ctx|ctx)\b|^vfio_pci_irq_ctx\./,
    whatIf: 'v4+no-ioctl-reference',
  },
  {
    id: 'C35',
    what: 'the device suspends although its guest has left low power',
    scenario: 'exit-vs-host-wake',
    kinds: ['undirected-suspend'],
    whatIf: 'v4+exit-order',
  },
  {
    id: 'C36',
    what: 'the resume callback waits for the memory_lock of who resumes',
    scenario: 'exit-vs-host-wake',
    kinds: LOCKS,
    whatIf: 'v4+resume-under-memory-lock',
  },
  {
    id: 'C37',
    what: 'the device suspends before an ioctl of another thread has ended',
    scenario: 'ioctl-vs-low-power-entry',
    kinds: ['d3cold-access'],
    whatIf: 'v4+no-ioctl-reference',
  },
  {
    id: 'C42',
    what: 'EXIT wakes the device itself and so tells its own guest',
    scenario: 'exit-vs-falling-asleep',
    outcome: /told [1-9]\d* times/,
    whatIf: null,
  },
  {
    id: 'C48',
    what: 'two EXITs move the usage count by more than one ENTER has',
    scenario: 'exit-vs-exit',
    kinds: ['usage-count'],
    outcome: /count (?!1\b)/,
    whatIf: 'v7+exit-unchecked',
  },
];

/** Is this finding the race? */
export function isRace({ kinds = [], fields }: ClaimRace, { kind, text }: SubjectFinding): boolean {
  return kinds.includes(kind) || (kind === 'data-race' && fields?.test(text) === true);
}

/** A race by its claim, in either case. Throws InputError. */
export function raceById(id: string): ClaimRace {
  const found = CLAIM_RACES.find((r) => r.id === id.toUpperCase());
  if (found !== undefined) return found;
  const ids = CLAIM_RACES.map((r) => r.id).join(', ');
  throw new InputError(`claim "${id}" speaks of no race`, '--id', `those that do: ${ids}`);
}
