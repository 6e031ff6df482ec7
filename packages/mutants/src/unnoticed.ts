// SPDX-License-Identifier: GPL-2.0-only
/* Why nothing notices some mutants, although they are not the same driver. */

import type { MutantKey } from './operators.ts';

interface Unnoticed extends Partial<Pick<MutantKey, 'operator' | 'as' | 'nth'>> {
  readonly function: string;
  readonly text: RegExp;
  readonly why: string;
}

const KNOWN: readonly Unnoticed[] = [
  {
    function: 'vfio_basic_config_write',
    operator: 'left out',
    text: /^up_write/,
    nth: 1,
    why: 'a write of the command register does not fail on these machines',
  },
  {
    function: 'vfio_pci_set_power_state',
    text: /current_state >= PCI_D3hot/,
    why: 'no device here has the quirk that keeps it out of D3hot',
  },
  {
    function: 'vfio_pci_core_disable',
    text: /PCI_COMMAND_INTX_DISABLE/,
    why: 'INTx of a device that is closed is masked a moment later or not at all before its reset, which clears it',
  },
  {
    function: 'vfio_pci_set_intx_trigger',
    operator: 'check left out',
    text: /^if \(ret\)$/,
    why: 'enabling INTx fails only for a device that has a pin and no line, and there is none',
  },
  {
    function: 'vfio_pci_zap_and_vma_lock',
    text: /^mm(?:put|ap_read_unlock)/,
    why: 'needs a process that ends, or maps, in the window of one statement of a hot reset',
  },
  {
    function: 'vfio_pci_dev_set_hot_reset',
    text: /^mutex_lock\(dev_set\.lock\)/,
    why: 'the first of the list is read without the lock: tells only when that device is unbound in between',
  },
];

const WINDOW =
  'a window of one statement, in which a plain field or register is used without its lock: under no schedule that was ' +
  'tried does it make a difference';
const UNREACHED = 'no program gets there';

/** Why a survivor survives. */
export function whyUnnoticed(mutant: MutantKey, programs: number): string {
  const known = KNOWN.find(
    (k) =>
      k.function === mutant.function &&
      k.text.test(mutant.text) &&
      (k.operator === undefined || k.operator === mutant.operator) &&
      (k.nth === undefined || k.nth === mutant.nth),
  );
  if (known !== undefined) return known.why;
  if (programs === 0) return UNREACHED;
  return mutant.operator.startsWith('moved') ? WINDOW : `${programs} programs get there, and none looks`;
}
