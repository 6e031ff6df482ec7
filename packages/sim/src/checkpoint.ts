// SPDX-License-Identifier: GPL-2.0-only
/*
 * The state of a machine between two runs, kept and put back: a search boots and sets up once, not for every execution.
 *
 * 1. State is what ordinary properties, array elements, Map and Set entries and bytes of buffers reach from the roots.
 *    Nothing may hide it: no field with a #, no variable that a closure changes, no WeakMap. A cache may be kept
 *    elsewhere as long as a stale one does no harm.
 * 2. Objects keep their identity: what is restored is their content. What was made since is left to the collector.
 * 3. Promises cannot be put back, so no task may be in the middle of something: those there are have not started.
 */
import type { Machine } from './machine.ts';

/** Told before its machine is restored: what is no plain field any more can be made one again. */
export interface BeforeRestore {
  before_restore(): void;
  /** Told when a checkpoint is made: what is no plain field by now will stay so. */
  at_checkpoint?(): void;
}

/** Properties that only keep what is computed again when it is missing. */
const CACHES: ReadonlySet<string | symbol> = new Set(['accesses']);

/** Puts the fields of all objects of one shape back. */
type Filler = (objects: readonly object[], values: readonly unknown[]) => void;

/** Told of what is not as it was kept: where, as a number that is the same each time, and what is there now. */
export type Tell = (place: number, now: unknown) => void;

/** Looks for fields that are not as they were in all objects of one shape. */
type Differ = (objects: readonly object[], values: readonly unknown[], place: number, tell: Tell) => void;

interface Shape {
  readonly keys: readonly (string | symbol)[];
  readonly fill: Filler;
  readonly differ: Differ;
  readonly objects: object[];
  readonly values: unknown[];
}

/** Its content cannot be seen, or is no state. */
export function isOpaque(value: object): boolean {
  return (
    value instanceof Promise ||
    value instanceof WeakMap ||
    value instanceof WeakSet ||
    value instanceof RegExp ||
    value instanceof Error ||
    // A module: its exports cannot be stored to.
    (value as { [Symbol.toStringTag]?: unknown })[Symbol.toStringTag] === 'Module'
  );
}

/** Code made for the shape: one store a field, which is ten times as fast as a loop over names. */
function filler(keys: readonly (string | symbol)[]): Filler {
  const stores = keys.map((key, k) =>
    typeof key === 'string' ? `o[${JSON.stringify(key)}] = v[i + ${k}];` : `o[keys[${k}]] = v[i + ${k}];`,
  );
  const code = `return (objects, v) => {
    let i = 0;
    for (const o of objects) { ${stores.join(' ')} i += ${keys.length}; }
  }`;
  return (new Function('keys', code) as (keys: readonly (string | symbol)[]) => Filler)(keys);
}

/** As filler(). */
function differ(keys: readonly (string | symbol)[]): Differ {
  const tests = keys.map((key, k) => {
    const field = typeof key === 'string' ? `o[${JSON.stringify(key)}]` : `o[keys[${k}]]`;
    return `now = ${field}; if (now !== v[i + ${k}]) tell(place + i + ${k}, now);`;
  });
  const code = `return (objects, v, place, tell) => {
    let i = 0, now;
    for (const o of objects) { ${tests.join(' ')} i += ${keys.length}; }
  }`;
  return (new Function('keys', code) as (keys: readonly (string | symbol)[]) => Differ)(keys);
}

/**
 * Call `see` with every object that can be reached from the roots.
 *
 * @param skip fields not to go through
 */
export function reach(
  roots: readonly unknown[],
  see: (object: object) => void,
  skip: (object: object, key: string | symbol) => boolean = () => false,
): void {
  const seen = new Set<object>();
  const queue: object[] = [];
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null || seen.has(value) || isOpaque(value)) return;
    seen.add(value);
    queue.push(value);
  };
  roots.forEach(visit);
  for (let at = 0; at < queue.length; at++) {
    const object = queue[at];
    see(object);
    if (ArrayBuffer.isView(object)) visit(object.buffer);
    else if (Array.isArray(object)) object.forEach(visit);
    else if (!(object instanceof ArrayBuffer)) {
      if (object instanceof Map) {
        for (const [key, value] of object) {
          visit(key);
          visit(value);
        }
      } else if (object instanceof Set) object.forEach(visit);
      for (const key of Reflect.ownKeys(object)) {
        // What an accessor gives is kept elsewhere, and asking may have effects.
        if (!skip(object, key)) visit(Object.getOwnPropertyDescriptor(object, key)?.value);
      }
    }
  }
}

/** Own data properties that can be stored to. */
function fieldsOf(object: object): (string | symbol)[] {
  return Reflect.ownKeys(object).filter((key) => {
    if (CACHES.has(key)) return false;
    const property = Object.getOwnPropertyDescriptor(object, key) as PropertyDescriptor;
    return property.writable === true;
  });
}

export class Checkpoint {
  /** What everything kept can be reached from. */
  readonly roots: readonly unknown[];
  private readonly machine: Machine;
  private readonly shapes = new Map<unknown, Map<string, Shape>>();
  private readonly records: { object: Record<string, unknown>; keys: ReadonlySet<string> }[] = [];
  private readonly arrays: { array: unknown[]; items: unknown[] }[] = [];
  private readonly maps: { map: Map<unknown, unknown>; entries: [unknown, unknown][] }[] = [];
  private readonly sets: { set: Set<unknown>; items: unknown[] }[] = [];
  private readonly buffers: { bytes: Uint8Array; saved: Uint8Array }[] = [];
  private readonly listeners: BeforeRestore[] = [];

  /**
   * Keep the state of a machine that does not run, and of whatever else the roots reach.
   *
   * @throws Error when a task is in the middle of something
   */
  constructor(machine: Machine, roots: readonly unknown[]) {
    const busy = machine.tasks.find((t) => t.started);
    if (busy !== undefined) throw new Error(`no checkpoint while ${busy.name} is in ${busy.op.obj.name}`);
    this.machine = machine;
    this.roots = [machine, ...roots];
    reach(this.roots, (object) => this.keep(object));
  }

  /** How many objects it keeps. */
  get size(): number {
    let n = this.arrays.length + this.maps.length + this.sets.length + this.buffers.length;
    for (const byKeys of this.shapes.values()) for (const shape of byKeys.values()) n += shape.objects.length;
    return n;
  }

  /** Numbers that differences() tells places by are below this one. */
  get places(): number {
    let n =
      this.records.length + this.arrays.length + this.maps.length + this.sets.length + this.buffers.length;
    for (const byKeys of this.shapes.values()) for (const { values } of byKeys.values()) n += values.length;
    return n;
  }

  /** Go through everything that is kept: the number of its first place, and a key for each of its places. */
  each(see: (object: object, place: number, keys: readonly (string | symbol)[]) => void): void {
    let place = 0;
    for (const byKeys of this.shapes.values()) {
      for (const { keys, objects } of byKeys.values()) {
        for (const object of objects) {
          see(object, place, keys);
          place += keys.length;
        }
      }
    }
    const rest = [
      ...this.records.map(({ object }) => object),
      ...this.arrays.map(({ array }) => array),
      ...this.maps.map(({ map }) => map),
      ...this.sets.map(({ set }) => set),
      ...this.buffers.map(({ bytes }) => bytes.buffer),
    ];
    for (const object of rest) see(object, place++, []);
  }

  /**
   * What is not as it was kept, always in the same order. A table, array, Map, Set or buffer is one place, that is told
   * of with its size and each
   * of its items, or with its bytes that are other ones.
   */
  differences(tell: Tell): void {
    let place = 0;
    for (const byKeys of this.shapes.values()) {
      for (const shape of byKeys.values()) {
        shape.differ(shape.objects, shape.values, place, tell);
        place += shape.values.length;
      }
    }
    for (const { object, keys } of this.records) {
      for (const key in object) {
        if (keys.has(key)) continue;
        tell(place, key);
        tell(place, object[key]);
      }
      place++;
    }
    for (const { array, items } of this.arrays) {
      if (array.length !== items.length || items.some((item, i) => item !== array[i])) {
        tell(place, array.length);
        for (const item of array) tell(place, item);
      }
      place++;
    }
    for (const { map, entries } of this.maps) {
      if (!sameEntries(map, entries)) {
        tell(place, map.size);
        for (const [key, value] of map) {
          tell(place, key);
          tell(place, value);
        }
      }
      place++;
    }
    for (const { set, items } of this.sets) {
      if (!sameItems(set, items)) {
        tell(place, set.size);
        for (const item of set) tell(place, item);
      }
      place++;
    }
    for (const { bytes, saved } of this.buffers) {
      if (Buffer.compare(bytes, saved) !== 0)
        for (let i = 0; i < bytes.length; i++) if (bytes[i] !== saved[i]) tell(place, i * 256 + bytes[i]);
      place++;
    }
  }

  private keep(object: object): void {
    if (ArrayBuffer.isView(object)) return;
    if (object instanceof ArrayBuffer) {
      const bytes = new Uint8Array(object);
      this.buffers.push({ bytes, saved: bytes.slice() });
      return;
    }
    if (Array.isArray(object)) {
      if (!Object.isFrozen(object)) this.arrays.push({ array: object, items: object.slice() });
      return;
    }
    if (object instanceof Map) this.maps.push({ map: object, entries: [...object] });
    else if (object instanceof Set) this.sets.push({ set: object, items: [...object] });
    const keys = fieldsOf(object);
    if ('before_restore' in object) {
      const listener = object as BeforeRestore;
      this.listeners.push(listener);
      listener.at_checkpoint?.();
    }
    if (keys.length > 0) this.shape(object, keys);
    // A literal or a null-prototype object may serve as a table that gains and loses entries.
    const proto: unknown = Object.getPrototypeOf(object);
    if ((proto === Object.prototype || proto === null) && Object.isExtensible(object))
      this.records.push({
        object: object as Record<string, unknown>,
        keys: new Set(Object.keys(object)),
      });
  }

  private shape(object: object, keys: readonly (string | symbol)[]): void {
    const proto: unknown = Object.getPrototypeOf(object);
    let byKeys = this.shapes.get(proto);
    if (byKeys === undefined) this.shapes.set(proto, (byKeys = new Map<string, Shape>()));
    const id = keys.map(String).join('\n');
    let shape = byKeys.get(id);
    if (shape === undefined) {
      shape = { keys, fill: filler(keys), differ: differ(keys), objects: [], values: [] };
      byKeys.set(id, shape);
    }
    shape.objects.push(object);
    for (const key of keys) shape.values.push((object as Record<string | symbol, unknown>)[key]);
  }

  /** Make everything as it was. The machine must not run. */
  restore(): void {
    for (const listener of this.listeners) listener.before_restore();
    for (const byKeys of this.shapes.values())
      for (const { fill, objects, values } of byKeys.values()) fill(objects, values);
    for (const { object, keys } of this.records) {
      for (const key in object) if (!keys.has(key)) delete object[key];
    }
    for (const { array, items } of this.arrays) {
      if (array.length !== items.length) array.length = items.length;
      for (let i = 0; i < items.length; i++) array[i] = items[i];
    }
    for (const { map, entries } of this.maps) if (!sameEntries(map, entries)) refill(map, entries);
    for (const { set, items } of this.sets) {
      if (sameItems(set, items)) continue;
      set.clear();
      for (const item of items) set.add(item);
    }
    for (const { bytes, saved } of this.buffers) bytes.set(saved);
    this.machine.revive();
  }
}

function sameEntries(map: Map<unknown, unknown>, entries: readonly [unknown, unknown][]): boolean {
  if (map.size !== entries.length) return false;
  let i = 0;
  for (const [key, value] of map) {
    if (entries[i][0] !== key || entries[i][1] !== value) return false;
    i++;
  }
  return true;
}

function refill(map: Map<unknown, unknown>, entries: readonly [unknown, unknown][]): void {
  map.clear();
  for (const [key, value] of entries) map.set(key, value);
}

function sameItems(set: Set<unknown>, items: readonly unknown[]): boolean {
  if (set.size !== items.length) return false;
  let i = 0;
  for (const item of set) if (items[i++] !== item) return false;
  return true;
}
