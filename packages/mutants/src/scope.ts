// SPDX-License-Identifier: GPL-2.0-only
/* Which functions of a revision are changed: those of its patches, and the INTx and reset paths of the base. */

import path from 'node:path';
import { functionIn, readModules, revisionDir, ROOT, SourceCache } from '@vfio-lab/port/modules';
import type { Image, Revision } from '@vfio-lab/series';
import { InputError, nearest } from '@vfio-lab/sim';
import type ts from 'typescript';

/** The INTx and reset paths, where no patch replaces them. */
export const PATHS: readonly string[] = [
  // interrupts
  'vfio_send_intx_eventfd',
  'vfio_pci_intx_mask',
  'vfio_pci_intx_unmask_handler',
  'vfio_pci_intx_unmask',
  'vfio_intx_handler',
  'vfio_intx_enable',
  'vfio_intx_set_signal',
  'vfio_intx_disable',
  'vfio_pci_set_intx_unmask',
  'vfio_pci_set_intx_mask',
  'vfio_pci_set_intx_trigger',
  'vfio_pci_set_irqs_ioctl',
  'vfio_basic_config_write',
  // reset
  'vfio_pci_core_enable',
  'vfio_pci_core_disable',
  'vfio_pci_set_power_state',
  'vfio_lock_and_set_power_state',
  'vfio_exp_config_write',
  'vfio_af_config_write',
  'vfio_pci_core_ioctl',
  'vfio_pci_zap_and_vma_lock',
  'vfio_pci_zap_and_down_write_memory_lock',
  'vfio_pci_memory_lock_and_enable',
  'vfio_pci_memory_unlock_and_restore',
  'vfio_pci_core_aer_err_detected',
  'vfio_pci_dev_set_resettable',
  'vfio_pci_dev_set_pm_runtime_get',
  'vfio_pci_dev_set_hot_reset',
  'vfio_pci_dev_set_needs_reset',
  'vfio_pci_dev_set_try_reset',
];

/** A function as it stands in a revision, with the file that has its text. */
export interface Subject {
  readonly name: string;
  /** Path of the C file: drivers/vfio/pci/vfio_pci_core.c. */
  readonly file: string;
  /** The number of the patch that has it, 0 for the base. */
  readonly patch: number;
  /** What says `patch` in words: 'v4 4/6', 'base'. */
  readonly from: string;
  readonly declaration: ts.FunctionDeclaration;
}

const CACHE = new SourceCache();

/** The C file that the docstring of a mirrored function names. */
function cFile(declaration: ts.FunctionDeclaration): string {
  const text = declaration.getSourceFile().text.slice(declaration.pos, declaration.getStart());
  return /C: (\S+\.[ch])/.exec(text)?.[1] ?? '';
}

/** The functions to change, patches first, each in the order of its text. */
export function subjectsOf(revision: Revision): Subject[] {
  const { series, prefix, image } = revision;
  const subjects: Subject[] = [];
  const seen = new Set<string>();
  const add = (name: string, patch: number, declaration: ts.FunctionDeclaration | undefined): void => {
    if (declaration === undefined || seen.has(name)) return;
    seen.add(name);
    const from = patch === 0 || series === null ? 'base' : `${series.name} ${patch}/${series.patches.length}`;
    subjects.push({ name, file: cFile(declaration), patch, from, declaration });
  };
  if (series !== null) {
    const { patches } = readModules(CACHE, revisionDir(ROOT, series.name), null);
    for (let number = prefix; number > 0; number--) {
      const source = patches.get(number);
      for (const name of source?.names() ?? []) {
        if (name in image.table) add(name, number, functionIn(source, name));
      }
    }
  }
  for (const name of PATHS) add(name, 0, functionIn(CACHE.base(ROOT, name), name));
  return subjects.toSorted((a, b) => (a.patch || Infinity) - (b.patch || Infinity));
}

/** The subjects with these names. Throws InputError for one that there is not. */
export function selected(subjects: readonly Subject[], names: readonly string[]): Subject[] {
  if (names.length === 0) return [...subjects];
  const known = subjects.map((s) => s.name);
  for (const name of names) {
    if (known.includes(name)) continue;
    const near = nearest(name, known);
    throw new InputError(
      `no function "${name}" among those that are changed`,
      '--function',
      near === null ? 'leave it out for all' : `did you mean ${near}?`,
    );
  }
  return subjects.filter((s) => names.includes(s.name));
}

/** Path of the TypeScript file of a subject, from the top of the repository. */
export function sourceOf(subject: Subject): string {
  return path.relative(ROOT, subject.declaration.getSourceFile().fileName);
}

export type { Image };
