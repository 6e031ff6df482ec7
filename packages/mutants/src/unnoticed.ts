// SPDX-License-Identifier: GPL-2.0-only
/* Why nothing notices some mutants, although they are not the same driver. */

import type { MutantKey } from './operators.ts';

export interface Unnoticed extends Partial<Pick<MutantKey, 'operator' | 'as' | 'nth'>> {
  readonly function: string;
  readonly text: RegExp;
  readonly why: string;
}

/** The survivors of v4 and v7, each with what it would take. */
export const UNNOTICED: readonly Unnoticed[] = [
  {
    function: 'vfio_pci_core_disable',
    text: /^pci_write_config_word\(pdev, PCI_COMMAND, PCI_COMMAND_INTX_DISABLE\)$/,
    why:
      'DisINTx is set for the time of a reset, which takes back what the device raises: an interrupt after the end of the ' +
      'handler finds nobody with it as without it, and the reset clears bus mastering too (DMA has no timing here)',
  },
  {
    function: 'vfio_pci_core_ioctl',
    operator: 'moved up',
    text: /^vfio_pci_memory_unlock_and_restore\(vdev, cmd\)$/,
    why:
      'memory_lock is given up before pci_unmap_rom() turns the decode of the ROM off: that writes one BAR, with or without ' +
      'memory decode, and nobody else looks at it',
  },
  {
    function: 'vfio_pci_set_intx_trigger',
    operator: 'check left out',
    text: /^if \(ret\)$/,
    why: 'vfio_intx_enable() fails only for a device that has an interrupt pin and no line, and there is none',
  },
  {
    function: 'vfio_basic_config_write',
    operator: 'left out',
    text: /^up_write\(vdev\.memory_lock\)$/,
    nth: 1,
    why: 'the way out for a config write that the bus refuses, and none of these buses does',
  },
  {
    function: 'vfio_basic_config_write',
    operator: 'moved up',
    text: /^up_write\(vdev\.memory_lock\)$/,
    why:
      'bits of the virtual command register are set after memory_lock instead of before: plain stores to bytes, which are no ' +
      'field that is watched, and with no scheduling point between them and the unlock',
  },
  {
    function: 'vfio_pci_set_power_state',
    operator: 'check left out',
    text: /^if \(needs_save && pdev\.current_state >= PCI_D3hot\)$/,
    why: 'tells only for a device that a quirk keeps out of D3 (PCI_DEV_FLAGS_NO_D3), and there is none',
  },
  {
    function: 'vfio_pci_zap_and_vma_lock',
    operator: 'moved down',
    text: /^mmap_read_unlock\(mm\)$/,
    why:
      'mmap_lock is given up after the reference on its mm: tells only when that is the last, and the process that maps is the ' +
      'one that resets, so it has another',
  },
];

const WINDOW =
  'a window of one statement, in which a plain field or register is used without its lock: under no schedule that was ' +
  'tried does it make a difference';
const UNREACHED = 'no program gets there';

/** Does an entry speak of a mutant? */
export function isFor(k: Unnoticed, mutant: MutantKey): boolean {
  return (
    k.function === mutant.function &&
    k.text.test(mutant.text) &&
    (k.operator === undefined || k.operator === mutant.operator) &&
    (k.nth === undefined || k.nth === mutant.nth)
  );
}

/** Why a survivor survives. */
export function whyUnnoticed(mutant: MutantKey, programs: number): string {
  const known = UNNOTICED.find((k) => isFor(k, mutant));
  if (known !== undefined) return known.why;
  if (programs === 0) return UNREACHED;
  return mutant.operator.startsWith('moved') ? WINDOW : `${programs} programs get there, and none looks`;
}
