// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which lock a field belongs to, and who uses it without: a lockset check. What the unchanged driver does without the lock
 * (it has its reasons) is known from running it; a mutant must not add to that.
 */

import type { Kernel, vfio_pci_core_device, vfio_pci_irq_ctx } from '@vfio-lab/headers';
import { holds, type mutex, type rw_semaphore, type spinlock_t } from '@vfio-lab/locking';
import type { PatchModule, Revision } from '@vfio-lab/series';
import { current, machine, report } from '@vfio-lab/sim';
import { layOver } from './compile.ts';

type Lock = mutex | rw_semaphore | spinlock_t;
type Fields = Record<string, unknown>;

/** Functions of the driver that a use is told by: the innermost. */
const DEPTH = 3;
const TOLD = Symbol('uses without the lock');

function used(lock: Lock, name: string, write: boolean, only?: ReadonlySet<string>): void {
  // Whoever looks from outside the driver needs no lock.
  const fn = current.fns.at(-1);
  if (fn === undefined || only?.has(fn) === false) return;
  const shared = holds(current, lock);
  if (write ? holds(current, lock, 'write') : shared) return;
  const where = current.fns.slice(-DEPTH).join(' > ');
  const text = `${name} ${write ? 'written' : 'read'} without ${lock.name} in ${where}`;
  const told = machine.scope(TOLD, () => new Set<string>());
  if (told.has(text)) return;
  told.add(text);
  report('unguarded', text);
}

/**
 * Watch fields of a struct. They move behind accessors of a prototype of its own, into fields of another name, where a
 * checkpoint finds them.
 */
function guard<T extends object>(
  struct: T,
  lock: Lock,
  fields: readonly string[],
  { only, stored }: { only?: ReadonlySet<string>; stored?: (value: unknown) => void } = {},
): void {
  const own = struct as Fields;
  const accessors = Object.create(Object.getPrototypeOf(struct) as object) as object;
  for (const field of fields) {
    if (!Object.hasOwn(struct, field)) continue;
    const kept = `guarded ${field}`;
    own[kept] = own[field];
    delete own[field];
    Object.defineProperty(accessors, field, {
      configurable: true,
      enumerable: true,
      get(this: Fields) {
        used(lock, field, false, only);
        return this[kept];
      },
      set(this: Fields, value: unknown) {
        used(lock, field, true, only);
        this[kept] = value;
        stored?.(value);
      },
    });
  }
  Object.setPrototypeOf(struct, accessors);
}

const POWER = [
  'pm_runtime_engaged',
  'pm_runtime_resumed',
  'pm_runtime_reentry_allowed',
  'pm_wake_eventfd_ctx',
];
const TRIGGERS = ['err_trigger', 'req_trigger', 'pme_trigger'];

/** The PCI core changes the state of a device all the time; only what it does for these functions is for memory_lock to order. */
const RESETS = ['vfio_pci_core_ioctl', 'vfio_exp_config_write', 'vfio_af_config_write'];
const POWERS: ReadonlySet<string> = new Set(['vfio_pci_set_power_state', ...RESETS]);

function guardDevice(vdev: vfio_pci_core_device): void {
  guard(vdev, vdev.memory_lock, POWER);
  guard(vdev, vdev.igate, TRIGGERS);
  guard(vdev, vdev.vma_lock, ['vma_list']);
  // Contexts come and go with the interrupt mode.
  guard(vdev, vdev.igate, ['ctx'], {
    stored: (value) => {
      for (const ctx of (value ?? []) as vfio_pci_irq_ctx[]) guard(ctx, vdev.irqlock, ['masked']);
    },
  });
  guard(vdev.pdev, vdev.memory_lock, ['current_state'], { only: POWERS });
  guard(vdev.pdev, vdev.memory_lock, ['state_saved'], { only: new Set(RESETS) });
}

function guardShared(vdev: vfio_pci_core_device): void {
  const set = vdev.vdev.dev_set;
  if (set !== null && Object.hasOwn(set, 'device_list')) guard(set, set.lock, ['device_list']);
  if (set !== null) guard(vdev, set.lock, ['needs_reset']);
  if (vdev.vf_token !== null) guard(vdev.vf_token, vdev.vf_token.lock, ['users', 'uuid']);
}

/** The name of a revision with its guards. */
export function guardedName(revision: string): string {
  return `${revision} guarded`;
}

/** A revision that reports `unguarded` for every use of such a field without its lock. */
export function withGuards(revision: Revision): Revision {
  const register = revision.image.table.vfio_pci_core_register_device as (
    this: Kernel,
    vdev: vfio_pci_core_device,
  ) => Promise<number>;
  const functions: PatchModule = {
    async vfio_pci_core_register_device(this: Kernel, vdev: vfio_pci_core_device): Promise<number> {
      guardDevice(vdev);
      const ret = await register.call(this, vdev);
      if (ret === 0) guardShared(vdev);
      return ret;
    },
  };
  return layOver(revision, guardedName(revision.name), functions);
}
