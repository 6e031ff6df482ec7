// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the patches of a revision touch: the lines they change in functions, the fields they add to structs, and what
 * the kernel functions called in those lines act on. A search looks there first.
 */
import type { Image } from './link.ts';
import { type Revision, revision } from './revision.ts';

/** Names that the patches of a revision deal with. */
export interface Touched {
  /** Functions that were changed or added. */
  functions: readonly string[];
  /** Identifiers in changed lines, and names of added fields. */
  words: ReadonlySet<string>;
  /** Objects that kernel functions called there act on: last words of their names. */
  acts: ReadonlySet<string>;
}

/** Kernel functions by name, and the objects they act on. */
const ACTS: readonly (readonly [calls: RegExp, objects: readonly string[]])[] = [
  [/^pm_runtime_(?:get|put|resume|suspend|idle|allow|forbid)/, ['usage_count', 'power.lock', 'power.work']],
  [/^eventfd_(?:signal|ctx_)/, ['ctx->wqh', 'kref']],
  [/intx|^(?:disable|enable|free|request)_irq/, ['irqlock', 'irq_desc_lock_class']],
  [/^(?:vfio_)?pci_set_power_state$|^pci_(?:user_)?(?:read|write)_config_|^io(?:read|write)\d/, ['hw']],
  [/^(?:queue|schedule|flush|cancel)_(?:delayed_)?work/, ['work']],
];

/** Lines of a function without comments, blanks and what only closes. */
function linesOf(image: Image, name: string): string[] {
  const fn = image.table[name] as unknown;
  if (typeof fn !== 'function') return [];
  return String(fn)
    .split('\n')
    .map((line) => line.replace(/\/\/.*$/, '').trim())
    .filter((line) => /\w/.test(line));
}

/** Lines that one has and the other has not, as often as that is so. */
function changed(before: readonly string[], after: readonly string[]): string[] {
  const left = [...before];
  const added = after.filter((line) => {
    const at = left.indexOf(line);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
  return [...added, ...left];
}

/** What the patches (what-ifs too) of a revision touch. Nothing for the base. */
export function touchedBy(rev: Revision): Touched {
  const base = revision('base').image;
  const functions = rev.image.patched();
  const words = new Set<string>();
  for (const name of functions) {
    for (const line of changed(linesOf(base, name), linesOf(rev.image, name)))
      for (const word of line.match(/[A-Za-z_]\w{2,}/g) ?? []) words.add(word);
  }
  for (const patch of rev.image.patches)
    for (const added of Object.values(patch.fields ?? {}))
      for (const name of Object.keys(added)) words.add(name);
  const acts = new Set<string>();
  for (const [calls, objects] of ACTS)
    for (const word of words) if (calls.test(word)) for (const name of objects) acts.add(name);
  return { functions, words, acts };
}

/**
 * Do the patches touch an object of this name: a lock (`&vdev->memory_lock`), a field (`vfio_device.open_count`), a
 * counter (`usage_count`), a device (`hw 0000:01:00.0`)?
 */
export function touches({ words, acts }: Touched, object: string): boolean {
  const name = object.startsWith('hw ') ? 'hw' : object.replace(/^&/, '');
  for (const act of acts) if (name === act || name.endsWith(`->${act}`)) return true;
  const last = /[A-Za-z_]\w+$/.exec(name)?.[0];
  if (last === undefined || last === 'lock' || last === 'hw') return false;
  // `vfio_pci_zap_and_down_write_memory_lock` takes a memory_lock.
  for (const word of words) if (word === last || word.endsWith(`_${last}`)) return true;
  return false;
}
