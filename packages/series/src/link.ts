// SPDX-License-Identifier: GPL-2.0-only
/*
 * The linker. A mirrored C file is a module: its functions (with the running image as `this`) and `statics`, which
 * makes its file-scope data. An image is a table of functions, patches laid over the base in order; booting it gives
 * a Kernel: fresh data on top of that table.
 */

import * as headers from '@vfio-lab/headers';
import type { Kernel } from '@vfio-lab/headers';
import { compile, CONSTANT, current, machine } from '@vfio-lab/sim';

/** The namespace (`import * as x`) of a mirrored file: its functions by C name. */
export interface Module {
  /** Fresh file-scope data of the file. Called once a boot, after those of the modules before it. */
  readonly statics?: (k: Kernel) => Partial<Kernel>;
  readonly [name: string]: unknown;
}

/** What a patch adds to a struct: the initial value of each new field, by C struct and field name. */
export type struct_fields = Readonly<Record<string, Readonly<Record<string, () => unknown>>>>;

/** The namespace of a patch: the functions it changes or adds, whole, and the struct fields it adds. */
export interface PatchModule extends Module {
  readonly fields?: struct_fields;
}

export interface BootOptions {
  /** Keep the stack of C functions in `current.fns`, for timelines, findings and lock statistics. */
  readonly instrument?: boolean;
}

type AnyFunction = (this: unknown, ...args: unknown[]) => unknown;
type Table = Record<string, AnyFunction>;

const RESERVED: ReadonlySet<string> = new Set(['statics', 'fields']);

function isClass(fn: AnyFunction): boolean {
  return /^class\b/.test(Function.prototype.toString.call(fn));
}

/** The functions that a module contributes to an image, by C name. */
export function functionsOf(module: Module | PatchModule): Map<string, AnyFunction> {
  const functions = new Map<string, AnyFunction>();
  for (const [name, value] of Object.entries(module)) {
    if (RESERVED.has(name) || typeof value !== 'function' || isClass(value as AnyFunction)) continue;
    functions.set(name, value as AnyFunction);
  }
  return functions;
}

/** The same function, which also shows in `current.fns` from call to return (of its promise, when it gives one). */
function instrumented(name: string, fn: AnyFunction): AnyFunction {
  return function (this: unknown, ...args: unknown[]): unknown {
    // A call stays on the task that made it, so this stack is also the one to pop
    const { fns } = current;
    const depth = fns.length;
    fns.push(name);
    const leave = (): void => {
      fns.length = depth;
    };
    let result: unknown;
    try {
      result = fn.apply(this, args);
    } catch (error) {
      leave();
      throw error;
    }
    if (result instanceof Promise) {
      return result.then(
        (value: unknown) => {
          leave();
          return value;
        },
        (error: unknown) => {
          leave();
          throw error;
        },
      );
    }
    leave();
    return result;
  };
}

/**
 * A linked driver: base and patches. Immutable; boots any number of times, on any machine.
 *
 * 1. `table` has every function of every module; of one name the last module's.
 * 2. Two boots share functions and nothing else.
 * 3. Not instrumented, a call through a Kernel runs the module's own function with nothing in between.
 */
export class Image {
  readonly base: readonly Module[];
  readonly patches: readonly PatchModule[];
  readonly table: Readonly<Table>;
  readonly #owners = new Map<string, Module>();
  readonly #fields: ReadonlyMap<abstract new () => object, Record<string, () => unknown>>;
  #instrumented: Table | null = null;

  constructor(base: readonly Module[], patches: readonly PatchModule[]) {
    this.base = base;
    this.patches = patches;
    const table: Table = {};
    for (const module of base) {
      for (const [name, fn] of functionsOf(module)) {
        if (name in table) throw new Error(`${name} is defined by two files of the base`);
        table[name] = fn;
        this.#owners.set(name, module);
      }
    }
    for (const patch of patches) {
      for (const [name, fn] of functionsOf(patch)) {
        table[name] = fn;
        this.#owners.set(name, patch);
      }
    }
    this.table = table;
    this.#fields = collectFields(patches);
  }

  get [CONSTANT](): boolean {
    return true;
  }

  /** The module whose version of a function is in the image; undefined when there is no such function. */
  owner(name: string): Module | undefined {
    return this.#owners.get(name);
  }

  /** Names of the functions that a patch replaced or added, in the order of the patches. */
  patched(): string[] {
    return [...new Set(this.patches.flatMap((patch) => [...functionsOf(patch).keys()]))];
  }

  /**
   * Load the driver into the running machine: fresh file-scope data, and the struct fields of the patches made known to
   * the allocator. The init functions are left to the caller, in this order: vfio_init, vfio_virqfd_init,
   * vfio_pci_core_init, vfio_pci_init.
   */
  boot(options: BootOptions = {}): Kernel {
    for (const [struct, fields] of this.#fields) {
      machine.struct_fields.set(struct, { ...machine.struct_fields.get(struct), ...fields });
    }
    const kernel = Object.create(options.instrument ? this.#instrumentedTable() : this.table) as Kernel;
    for (const module of [...this.base, ...this.patches]) {
      if (module.statics === undefined) continue;
      for (const [name, value] of Object.entries(module.statics(kernel))) storeOf(name)(kernel, value);
    }
    return kernel;
  }

  #instrumentedTable(): Table {
    if (this.#instrumented === null) {
      this.#instrumented = {};
      for (const [name, fn] of Object.entries(this.table)) this.#instrumented[name] = instrumented(name, fn);
    }
    return this.#instrumented;
  }
}

type Store = (kernel: Kernel, value: unknown) => void;

// Code, not state.
const stores = new Map<string, Store>();

/** Gives an object a field of this name. Of computed names an object takes a dozen before the engine makes a table of it. */
function storeOf(name: string): Store {
  let store = stores.get(name);
  if (store === undefined) {
    store = compile<Store>({}, `(kernel, value) => { kernel[${JSON.stringify(name)}] = value; }`);
    stores.set(name, store);
  }
  return store;
}

function collectFields(
  patches: readonly PatchModule[],
): ReadonlyMap<abstract new () => object, Record<string, () => unknown>> {
  const structs: Readonly<Record<string, unknown>> = headers;
  const fields = new Map<abstract new () => object, Record<string, () => unknown>>();
  for (const patch of patches) {
    for (const [name, added] of Object.entries(patch.fields ?? {})) {
      const struct = structs[name];
      if (typeof struct !== 'function')
        throw new Error(`a patch adds fields to struct ${name}, which the headers lack`);
      const key = struct as abstract new () => object;
      fields.set(key, { ...fields.get(key), ...added });
    }
  }
  return fields;
}

/**
 * Lay patches over a base, in order.
 *
 * @param base the modules of the mirrored files; statics run in this order, so a file comes after those whose data it uses
 * @param patches each may replace functions, add functions, and add fields to structs
 * @throws when two base files define one function, or a patch extends an unknown struct
 */
export function link(base: readonly Module[], ...patches: readonly PatchModule[]): Image {
  return new Image(base, patches);
}
