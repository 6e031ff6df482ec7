// SPDX-License-Identifier: GPL-2.0-only
import { NOT_STATE } from './state.ts';

/** A Map that counts its changes: a checkpoint does not look through one that has not changed. Made empty. */
export class CountedMap<K, V> extends Map<K, V> {
  changes = 0;

  get [NOT_STATE](): readonly string[] {
    return ['changes'];
  }

  override set(key: K, value: V): this {
    this.changes++;
    return super.set(key, value);
  }

  override delete(key: K): boolean {
    this.changes++;
    return super.delete(key);
  }

  override clear(): void {
    this.changes++;
    super.clear();
  }
}
