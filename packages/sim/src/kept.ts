// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a checkpoint keeps of objects besides their fields. There is one class for each kind of container, which keeps all
 * of that kind: a checkpoint looks at hundreds of them after every run, so each kind is gone through in one loop.
 */

import { CountedMap } from './counted-map.ts';

/** Told of what is not as it was kept: where, as a number that is the same each time, and what is there now. */
export type Tell = (place: number, now: unknown) => void;

/** All containers of a kind. Each is one place. */
abstract class Kept<T extends object, S> {
  readonly of: T[] = [];
  protected readonly saved: S[] = [];
  protected readonly changed: number[] = [];

  abstract add(container: T): void;
  protected abstract find(changed: number[]): void;
  protected abstract tell(i: number, place: number, tell: Tell): void;
  protected abstract put(i: number): void;

  /** Tell of everything in those that are not as they were, and remember which those are. Places count from `place`. */
  differences(place: number, tell: Tell): void {
    const { changed } = this;
    changed.length = 0;
    this.find(changed);
    for (const i of changed) this.tell(i, place + i, tell);
  }

  /** Put those back that differences() has found. */
  undo(): void {
    for (const i of this.changed) this.put(i);
  }
}

/** Objects that serve as tables: the entries that they have gained. Those that were there are fields. */
export class KeptTables extends Kept<Record<string, unknown>, readonly string[]> {
  override add(table: Record<string, unknown>): void {
    this.of.push(table);
    this.saved.push(Object.keys(table));
  }

  protected override find(changed: number[]): void {
    const { of, saved } = this;
    for (let i = 0; i < of.length; i++) {
      const keys = saved[i];
      let k = 0;
      // They come in the order in which they were put in, so that new ones come last.
      for (const key in of[i]) {
        if (key === keys[k++]) continue;
        changed.push(i);
        break;
      }
    }
  }

  protected override tell(i: number, place: number, tell: Tell): void {
    const table = this.of[i];
    for (const key in table) {
      if (this.saved[i].includes(key)) continue;
      tell(place, key);
      tell(place, table[key]);
    }
  }

  protected override put(i: number): void {
    const table = this.of[i];
    for (const key in table) if (!this.saved[i].includes(key)) delete table[key];
  }
}

export class KeptArrays extends Kept<unknown[], readonly unknown[]> {
  /** Numbers of those that were not empty. Most were: then there is only a length to look at. */
  private readonly filled: number[] = [];
  private readonly empty: number[] = [];

  override add(array: unknown[]): void {
    (array.length === 0 ? this.empty : this.filled).push(this.of.length);
    this.of.push(array);
    this.saved.push(array.length === 0 ? NOTHING : array.slice());
  }

  protected override find(changed: number[]): void {
    const { of, saved, empty, filled } = this;
    for (const i of empty) if (of[i].length !== 0) changed.push(i);
    for (const i of filled) {
      const [array, items] = [of[i], saved[i]];
      const n = items.length;
      let k = array.length === n ? 0 : n + 1;
      while (k < n && array[k] === items[k]) k++;
      if (k !== n) changed.push(i);
    }
  }

  protected override tell(i: number, place: number, tell: Tell): void {
    const array = this.of[i];
    tell(place, array.length);
    for (const item of array) tell(place, item);
  }

  protected override put(i: number): void {
    const [array, items] = [this.of[i], this.saved[i]];
    array.length = items.length;
    for (let k = 0; k < items.length; k++) array[k] = items[k];
  }
}

const NOTHING: readonly unknown[] = [];

export class KeptMaps extends Kept<Map<unknown, unknown>, readonly (readonly [unknown, unknown])[]> {
  /** By place, of those that count their changes. */
  private readonly changes: (number | undefined)[] = [];
  private readonly counted: number[] = [];
  private readonly others: number[] = [];

  override add(map: Map<unknown, unknown>): void {
    (map instanceof CountedMap ? this.counted : this.others).push(this.of.length);
    this.changes.push(map instanceof CountedMap ? map.changes : undefined);
    this.of.push(map);
    this.saved.push([...map]);
  }

  protected override find(changed: number[]): void {
    const { of, saved, changes } = this;
    for (const i of this.counted)
      if ((of[i] as Counted).changes !== changes[i] && differs(of[i], saved[i])) changed.push(i);
    for (const i of this.others) if (differs(of[i], saved[i])) changed.push(i);
  }

  protected override tell(i: number, place: number, tell: Tell): void {
    tell(place, this.of[i].size);
    for (const [key, value] of this.of[i]) {
      tell(place, key);
      tell(place, value);
    }
  }

  protected override put(i: number): void {
    const map = this.of[i];
    map.clear();
    for (const [key, value] of this.saved[i]) map.set(key, value);
    if (map instanceof CountedMap) map.changes = this.changes[i] as number;
  }
}

type Counted = CountedMap<unknown, unknown>;

function differs(map: Map<unknown, unknown>, entries: readonly (readonly [unknown, unknown])[]): boolean {
  if (map.size !== entries.length) return true;
  if (entries.length === 0) return false;
  let i = 0;
  for (const [key, value] of map) {
    const entry = entries[i++];
    if (entry[0] !== key || entry[1] !== value) return true;
  }
  return false;
}

export class KeptSets extends Kept<Set<unknown>, readonly unknown[]> {
  override add(set: Set<unknown>): void {
    this.of.push(set);
    this.saved.push([...set]);
  }

  protected override find(changed: number[]): void {
    for (let i = 0; i < this.of.length; i++) {
      const [set, items] = [this.of[i], this.saved[i]];
      let k = set.size === items.length ? 0 : items.length + 1;
      if (k === 0 && items.length > 0) for (const item of set) if (items[k] === item) k++;
      if (k !== items.length) changed.push(i);
    }
  }

  protected override tell(i: number, place: number, tell: Tell): void {
    tell(place, this.of[i].size);
    for (const item of this.of[i]) tell(place, item);
  }

  protected override put(i: number): void {
    this.of[i].clear();
    for (const item of this.saved[i]) this.of[i].add(item);
  }
}

/** A buffer in bytes, and in words as far as there are whole ones. */
interface Views {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
}

/** Words from which on a call of the library is faster than a loop. */
const SMALL = 64;

function wordsDiffer(a: Int32Array, b: Int32Array): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return true;
  return false;
}

function views(buffer: ArrayBufferLike): Views {
  return { bytes: new Uint8Array(buffer), words: new Int32Array(buffer, 0, buffer.byteLength >> 2) };
}

export class KeptBuffers extends Kept<ArrayBuffer, Views> {
  private readonly now: Views[] = [];

  override add(buffer: ArrayBuffer): void {
    this.of.push(buffer);
    this.now.push(views(buffer));
    this.saved.push(views(buffer.slice(0)));
  }

  protected override find(changed: number[]): void {
    for (let i = 0; i < this.of.length; i++) {
      const [now, saved] = [this.now[i], this.saved[i]];
      const small = now.words.length <= SMALL && now.bytes.length % 4 === 0;
      if (small ? wordsDiffer(now.words, saved.words) : Buffer.compare(now.bytes, saved.bytes) !== 0)
        changed.push(i);
    }
  }

  protected override tell(i: number, place: number, tell: Tell): void {
    const { bytes, words } = this.now[i];
    const saved = this.saved[i];
    for (let k = 0; k < words.length; k++) {
      if (words[k] === saved.words[k]) continue;
      tell(place, k);
      tell(place, words[k]);
    }
    for (let k = 4 * words.length; k < bytes.length; k++) {
      if (bytes[k] === saved.bytes[k]) continue;
      tell(place, k);
      tell(place, bytes[k]);
    }
  }

  protected override put(i: number): void {
    this.now[i].bytes.set(this.saved[i].bytes);
  }
}
