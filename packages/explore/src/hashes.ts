// SPDX-License-Identifier: GPL-2.0-only
import type { Tables } from './dpor.ts';
import type { Numbers } from './execution.ts';

/** A 32-bit hash of a name (FNV-1a). */
function hashOf(name: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) h = Math.imul(h ^ name.charCodeAt(i), 0x01000193);
  return h;
}

/** Hashes of the names in a subject's tables: the same for the same task or object in every process. */
export class Hashes implements Numbers {
  readonly #tables: Tables;
  readonly #tasks: number[] = [];
  readonly #objects: number[] = [];

  constructor(tables: Tables) {
    this.#tables = tables;
  }

  taskHash(tid: number): number {
    return (this.#tasks[tid] ??= hashOf(this.#tables.taskKeys()[tid]));
  }

  objHash(obj: number): number {
    return (this.#objects[obj] ??= hashOf(this.#tables.objKeys()[obj] ?? ''));
  }
}
