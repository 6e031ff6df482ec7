// SPDX-License-Identifier: GPL-2.0-only
/* kernel/module: what is left of modules here, their reference counts. */
import { machine, report } from '@vfio-lab/sim';

export type module_state = 'live' | 'coming' | 'going';

/** struct module */
export class module {
  readonly name: string;
  state: module_state = 'live';
  refcnt = 0;

  constructor(name: string) {
    this.name = name;
  }
}

class Modules {
  readonly by_name = new Map<string, module>();
}

/** The module of this name on the running machine, made on first use. C: THIS_MODULE of that module */
export function get_module(name: string): module {
  const { by_name } = machine.scope(Modules, () => new Modules());
  let mod = by_name.get(name);
  if (mod === undefined) by_name.set(name, (mod = new module(name)));
  return mod;
}

/**
 * Pin a module; false when it is going away. Built-in code (null) is always there.
 * C: kernel/module/main.c try_module_get()
 */
export function try_module_get(mod: module | null | undefined): boolean {
  if (mod === null || mod === undefined) return true;
  if (mod.state === 'going') return false;
  mod.refcnt++;
  return true;
}

/** One more reference on a module that is pinned already. C: kernel/module/main.c __module_get() */
export function __module_get(mod: module | null | undefined): void {
  if (mod !== null && mod !== undefined) mod.refcnt++;
}

/** C: kernel/module/main.c module_put() */
export function module_put(mod: module | null | undefined): void {
  if (mod === null || mod === undefined) return;
  if (mod.refcnt === 0) report('module-refcount', `module_put of ${mod.name} without a reference`);
  else mod.refcnt--;
}

/** Every module that somebody pins, in the order of their making; for checkers. */
export function pinned_modules(): module[] {
  const { by_name } = machine.scope(Modules, () => new Modules());
  return [...by_name.values()].filter((mod) => mod.refcnt > 0);
}

/** References on a module: /sys/module/NAME/refcnt. */
export function module_refcount(mod: module): number {
  return mod.refcnt;
}
