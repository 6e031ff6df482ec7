// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is the machine in a state that it has been in before? A number for what differs from a checkpoint: two states with the
 * same number go on in the same way, as far as 64 bits can tell.
 *
 * 1. Everything counts that a checkpoint keeps, and what can be reached from there and was made since: objects by their
 *    class, their content and how they hang together, not by their identity.
 * 2. A function, a promise and whatever else hides its content counts by identity. One made since is like no other.
 * 3. A class may leave fields out that nothing to come depends on (NOT_STATE), and say what counts in their place (STATE).
 */
import { type Checkpoint, reach } from './checkpoint.ts';
import { isOpaque, NOT_STATE, scratchOf, STATE } from './state.ts';

interface Summary {
  [STATE]?: () => readonly unknown[];
  [NOT_STATE]?: readonly (string | symbol)[];
}

function leftOut(object: object, key: string | symbol): boolean {
  return (object as Summary)[NOT_STATE]?.includes(key) === true || scratchOf(object).includes(key as string);
}

/**
 * A number for a set of strings, whatever their order, that is kept while the set grows: what it is with one more, or,
 * by `sign` -1, one less.
 */
export function hash_with(set: number, item: string, sign: 1 | -1 = 1): number {
  const h = Math.imul(numberOf(item) + 1, 0x9e3779b1);
  return (set + sign * Math.imul(h ^ (h >>> 15), 0x85ebca6b)) | 0;
}

// Numbers for what is known by its identity or its text, in this process. Equal things have equal numbers.
const strings = new Map<string, number>();
const identities = new WeakMap<object, number>();
let next_identity = 0;

function numberOf(text: string): number {
  let n = strings.get(text);
  if (n === undefined) strings.set(text, (n = strings.size));
  return n;
}

function identityOf(thing: object): number {
  let n = identities.get(thing);
  if (n === undefined) identities.set(thing, (n = next_identity++));
  return n;
}

const double = new Float64Array(1);
const halves = new Uint32Array(double.buffer);

// What starts the number of a value of each kind.
const UNDEFINED = 0;
const NULL = 1;
const BOOLEAN = 2;
const INTEGER = 3;
const DOUBLE = 4;
const STRING = 5;
const OPAQUE = 6;
const OLD = 7;
const NEW = 8;

export class Fingerprint {
  private readonly checkpoint: Checkpoint;
  /** Numbers of the objects of the checkpoint. */
  private readonly old = new Map<object, number>();
  /** Places of the checkpoint that do not count. */
  private readonly ignored: Uint8Array;
  private readonly summaries: Required<Pick<Summary, typeof STATE>>[] = [];
  /** Objects met in this state that the checkpoint does not have, in the order of their numbers. */
  private readonly fresh: object[] = [];
  private readonly numbers = new Map<object, number>();
  private a = 0;
  private b = 0;

  constructor(checkpoint: Checkpoint) {
    this.checkpoint = checkpoint;
    this.ignored = new Uint8Array(checkpoint.places);
    const roots = [...checkpoint.roots];
    checkpoint.each((object) => {
      if (!this.old.has(object)) this.old.set(object, this.old.size);
      roots.push(...((object as Summary)[STATE]?.() ?? []));
    });
    const counted = new Set<object>();
    reach(roots, (object) => counted.add(object), leftOut);
    // A view has no place of its own: what is in it is kept with its buffer.
    for (const object of counted)
      if (ArrayBuffer.isView(object) && this.old.has(object.buffer)) this.old.set(object, this.old.size);
    checkpoint.each((object, place, keys) => {
      const counts = counted.has(object);
      // What is no object with fields has one place and no keys.
      if (keys.length === 0 && !counts) this.ignored[place] = 1;
      for (const [i, key] of keys.entries()) if (!counts || leftOut(object, key)) this.ignored[place + i] = 1;
      if (counts && keys.length > 0 && STATE in object) this.summaries.push(object as Required<Summary>);
    });
  }

  /** The number of the state that the machine is in. It must not run. */
  take(): string {
    this.a = this.b = 0;
    this.checkpoint.differences(this.differs);
    for (const object of this.summaries) this.list(object[STATE]());
    for (let i = 0; i < this.fresh.length; i++) this.content(this.fresh[i]);
    this.fresh.length = 0;
    this.numbers.clear();
    return `${(this.a >>> 0).toString(36)}.${(this.b >>> 0).toString(36)}`;
  }

  private readonly differs = (place: number, value: unknown): void => {
    if (this.ignored[place] === 1) return;
    this.mix(place);
    this.value(value);
  };

  private mix(x: number): void {
    const a = Math.imul(this.a ^ x, 0x9e3779b1);
    this.a = a ^ (a >>> 15);
    const b = Math.imul((this.b + x) ^ 0x5bd1e995, 0x85ebca6b);
    this.b = b ^ (b >>> 13);
  }

  private list(values: readonly unknown[]): void {
    this.mix(values.length);
    for (const value of values) this.value(value);
  }

  private value(v: unknown): void {
    switch (typeof v) {
      case 'number':
        if ((v | 0) === v) {
          this.mix(INTEGER);
          this.mix(v);
        } else {
          double[0] = v;
          this.mix(DOUBLE);
          this.mix(halves[0]);
          this.mix(halves[1]);
        }
        break;
      case 'boolean':
        this.mix(BOOLEAN);
        this.mix(v ? 1 : 0);
        break;
      case 'undefined':
        this.mix(UNDEFINED);
        break;
      case 'object':
        if (v === null) this.mix(NULL);
        else this.object(v);
        break;
      case 'function':
        this.mix(OPAQUE);
        this.mix(identityOf(v));
        break;
      default:
        this.mix(STRING);
        this.mix(numberOf(String(v)));
    }
  }

  private object(v: object): void {
    const old = this.old.get(v);
    if (old !== undefined) {
      this.mix(OLD);
      this.mix(old);
      return;
    }
    // Bytes can be seen even where they never change.
    if (isOpaque(v) && !ArrayBuffer.isView(v)) {
      this.mix(OPAQUE);
      this.mix(identityOf(v));
      return;
    }
    let n = this.numbers.get(v);
    if (n === undefined) {
      n = this.fresh.push(v);
      this.numbers.set(v, n);
    }
    this.mix(NEW);
    this.mix(n);
  }

  private content(object: object): void {
    const proto: unknown = Object.getPrototypeOf(object);
    this.mix(proto === null ? 0 : identityOf(proto as object));
    if (ArrayBuffer.isView(object)) {
      const { buffer, byteOffset, byteLength } = object;
      this.mix(byteOffset);
      // Whole words where they can be had: there may be thousands.
      const whole = byteOffset % 4 === 0 ? byteLength >> 2 : 0;
      const words = new Int32Array(buffer, whole > 0 ? byteOffset : 0, whole);
      for (let i = 0; i < whole; i++) this.mix(words[i]);
      const bytes = new Uint8Array(buffer, byteOffset + 4 * whole, byteLength - 4 * whole);
      for (let i = 0; i < bytes.length; i++) this.mix(bytes[i]);
      return;
    }
    if (Array.isArray(object)) return this.list(object);
    if (object instanceof Map) {
      for (const [key, value] of object) {
        this.value(key);
        this.value(value);
      }
    } else if (object instanceof Set) {
      for (const item of object) this.value(item);
    }
    if (STATE in object) this.list((object as Required<Summary>)[STATE]());
    const not = [...((object as Summary)[NOT_STATE] ?? []), ...scratchOf(object)];
    const fields = object as Record<string | symbol, unknown>;
    for (const key of Object.keys(object)) {
      if (not.includes(key)) continue;
      this.value(key);
      this.value(fields[key]);
    }
    for (const key of Object.getOwnPropertySymbols(object)) {
      this.mix(numberOf(key.description ?? ''));
      this.value(fields[key]);
    }
  }
}
