// SPDX-License-Identifier: GPL-2.0-only
// What a checkpoint keeps of an object besides its fields: one class for each kind of container.

/** Told of what is not as it was kept: where, as a number that is the same each time, and what is there now. */
export type Tell = (place: number, now: unknown) => void;

export interface Kept {
  readonly of: object;
  differs(): boolean;
  /** What there is now, when it differs. */
  tell(place: number, tell: Tell): void;
  /** To be called when it differs. */
  restore(): void;
}

/** An object that serves as a table: the entries that it has gained. Those that were there are fields. */
export class KeptTable implements Kept {
  readonly of: Record<string, unknown>;
  private readonly keys: ReadonlySet<string>;

  constructor(of: Record<string, unknown>) {
    this.of = of;
    this.keys = new Set(Object.keys(of));
  }

  differs(): boolean {
    for (const key in this.of) if (!this.keys.has(key)) return true;
    return false;
  }

  tell(place: number, tell: Tell): void {
    for (const key in this.of) {
      if (this.keys.has(key)) continue;
      tell(place, key);
      tell(place, this.of[key]);
    }
  }

  restore(): void {
    for (const key in this.of) if (!this.keys.has(key)) delete this.of[key];
  }
}

export class KeptArray implements Kept {
  readonly of: unknown[];
  private readonly items: readonly unknown[];

  constructor(of: unknown[]) {
    this.of = of;
    this.items = of.slice();
  }

  differs(): boolean {
    const { of, items } = this;
    if (of.length !== items.length) return true;
    for (let i = 0; i < items.length; i++) if (of[i] !== items[i]) return true;
    return false;
  }

  tell(place: number, tell: Tell): void {
    tell(place, this.of.length);
    for (const item of this.of) tell(place, item);
  }

  restore(): void {
    const { of, items } = this;
    of.length = items.length;
    for (let i = 0; i < items.length; i++) of[i] = items[i];
  }
}

export class KeptMap implements Kept {
  readonly of: Map<unknown, unknown>;
  private readonly entries: readonly (readonly [unknown, unknown])[];

  constructor(of: Map<unknown, unknown>) {
    this.of = of;
    this.entries = [...of];
  }

  differs(): boolean {
    const { of, entries } = this;
    if (of.size !== entries.length) return true;
    let i = 0;
    for (const [key, value] of of) {
      const entry = entries[i++];
      if (entry[0] !== key || entry[1] !== value) return true;
    }
    return false;
  }

  tell(place: number, tell: Tell): void {
    tell(place, this.of.size);
    for (const [key, value] of this.of) {
      tell(place, key);
      tell(place, value);
    }
  }

  restore(): void {
    this.of.clear();
    for (const [key, value] of this.entries) this.of.set(key, value);
  }
}

export class KeptSet implements Kept {
  readonly of: Set<unknown>;
  private readonly items: readonly unknown[];

  constructor(of: Set<unknown>) {
    this.of = of;
    this.items = [...of];
  }

  differs(): boolean {
    const { of, items } = this;
    if (of.size !== items.length) return true;
    let i = 0;
    for (const item of of) if (items[i++] !== item) return true;
    return false;
  }

  tell(place: number, tell: Tell): void {
    tell(place, this.of.size);
    for (const item of this.of) tell(place, item);
  }

  restore(): void {
    this.of.clear();
    for (const item of this.items) this.of.add(item);
  }
}

export class KeptBuffer implements Kept {
  readonly of: ArrayBuffer;
  private readonly bytes: Uint8Array;
  private readonly saved: Uint8Array;
  /** The same in words, as far as there are whole ones. */
  private readonly words: Int32Array;
  private readonly savedWords: Int32Array;

  constructor(of: ArrayBuffer) {
    this.of = of;
    this.bytes = new Uint8Array(of);
    this.saved = this.bytes.slice();
    this.words = new Int32Array(of, 0, of.byteLength >> 2);
    this.savedWords = this.words.slice();
  }

  differs(): boolean {
    return Buffer.compare(this.bytes, this.saved) !== 0;
  }

  tell(place: number, tell: Tell): void {
    const { bytes, saved, words, savedWords } = this;
    for (let i = 0; i < words.length; i++) {
      if (words[i] === savedWords[i]) continue;
      tell(place, i);
      tell(place, words[i]);
    }
    for (let i = 4 * words.length; i < bytes.length; i++) {
      if (bytes[i] === saved[i]) continue;
      tell(place, i);
      tell(place, bytes[i]);
    }
  }

  restore(): void {
    this.bytes.set(this.saved);
  }
}
