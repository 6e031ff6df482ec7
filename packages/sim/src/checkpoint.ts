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
import { KeptArrays, KeptBuffers, KeptMaps, KeptSets, KeptTables, type Tell } from './kept.ts';
import type { Machine } from './machine.ts';

/** Told before its machine is restored: what is no plain field any more can be made one again. */
export interface BeforeRestore {
  before_restore(): void;
  /** Told when a checkpoint is made: what is no plain field by now will stay so. */
  at_checkpoint?(): void;
}

/** Properties that only keep what is computed again when it is missing, and those of Obj that never change. */
const SKIPPED: ReadonlySet<string | symbol> = new Set(['accesses', 'maker', 'made_nr']);

/** Puts the fields of all objects of one shape back. */
type Filler = (objects: readonly object[], values: readonly unknown[]) => void;

/** Looks for fields that are not as they were in all objects of one shape: tells of each, and puts it into `changed`. */
type Differ = (
  objects: readonly object[],
  values: readonly unknown[],
  place: number,
  tell: Tell,
  changed: unknown[],
) => void;

interface Shape {
  readonly keys: readonly (string | symbol)[];
  readonly fill: Filler;
  readonly differ: Differ;
  readonly objects: object[];
  readonly values: unknown[];
}

/** On a prototype: what instances hold never changes, so a checkpoint does not look into them. */
export const CONSTANT = Symbol('constant');

/** Its content cannot be seen, or is no state. */
export function isOpaque(value: object): boolean {
  return (
    CONSTANT in value ||
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
    return `now = ${field}; if (now !== v[i + ${k}]) {
      changed.push(o, keys[${k}], v[i + ${k}]);
      tell(place + i + ${k}, now);
    }`;
  });
  const code = `return (objects, v, place, tell, changed) => {
    let i = 0, now;
    for (const o of objects) { ${tests.join(' ')} i += ${keys.length}; }
  }`;
  return (new Function('keys', code) as (keys: readonly (string | symbol)[]) => Differ)(keys);
}

/** Objects of a shape from which on code of its own is worth it: such code is cold when it is run. */
const MANY = 4;

/** What code made by differ() does, for any shape. */
function differOne(
  keys: readonly (string | symbol)[],
  objects: readonly object[],
  values: readonly unknown[],
  place: number,
  tell: Tell,
  changed: unknown[],
): void {
  let i = 0;
  for (const object of objects as readonly Record<string | symbol, unknown>[]) {
    for (const key of keys) {
      const now = object[key];
      if (now !== values[i]) {
        changed.push(object, key, values[i]);
        tell(place + i, now);
      }
      i++;
    }
  }
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
    if (SKIPPED.has(key)) return false;
    const property = Object.getOwnPropertyDescriptor(object, key) as PropertyDescriptor;
    return property.writable === true;
  });
}

export class Checkpoint {
  /** What everything kept can be reached from. */
  readonly roots: readonly unknown[];
  private readonly machine: Machine;
  private readonly shapes = new Map<unknown, Map<string, Shape>>();
  private readonly allShapes: Shape[] = [];
  private readonly tables = new KeptTables();
  private readonly arrays = new KeptArrays();
  private readonly maps = new KeptMaps();
  private readonly sets = new KeptSets();
  private readonly buffers = new KeptBuffers();
  private readonly rest = [this.tables, this.arrays, this.maps, this.sets, this.buffers];
  /** What differences() has found in fields: objects, keys and values to put back, in threes. */
  private readonly changed: unknown[] = [];
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

  /** Numbers that differences() tells places by are below this one. */
  get places(): number {
    return this.allShapes.reduce((n, { values }) => n + values.length, this.containers);
  }

  private get containers(): number {
    return this.rest.reduce((n, { of }) => n + of.length, 0);
  }

  /** Go through everything that is kept: the number of its first place, and the fields that have one each. */
  each(see: (object: object, place: number, keys: readonly (string | symbol)[]) => void): void {
    let place = 0;
    for (const { keys, objects } of this.allShapes) {
      for (const object of objects) {
        see(object, place, keys);
        place += keys.length;
      }
    }
    for (const { of } of this.rest) for (const container of of) see(container, place++, []);
  }

  /**
   * What is not as it was kept, always in the same order. A table, array, Map, Set or buffer is one place, that is told
   * of with its size and each of its items, or with what differs in it. undo() puts it back.
   */
  differences(tell: Tell): void {
    const { changed } = this;
    changed.length = 0;
    let place = 0;
    for (const { differ, keys, objects, values } of this.allShapes) {
      if (objects.length >= MANY) differ(objects, values, place, tell, changed);
      else differOne(keys, objects, values, place, tell, changed);
      place += values.length;
    }
    for (const rest of this.rest) {
      rest.differences(place, tell);
      place += rest.of.length;
    }
  }

  /** Put back what differences() has found, when nothing has changed since: cheaper than restore(). */
  undo(): void {
    for (const listener of this.listeners) listener.before_restore();
    const { changed } = this;
    for (let i = 0; i < changed.length; i += 3)
      (changed[i] as Record<string | symbol, unknown>)[changed[i + 1] as string] = changed[i + 2];
    for (const rest of this.rest) rest.undo();
    this.machine.revive();
  }

  private keep(object: object): void {
    if (ArrayBuffer.isView(object)) return;
    if (object instanceof ArrayBuffer) {
      this.buffers.add(object);
      return;
    }
    if (Array.isArray(object)) {
      if (!Object.isFrozen(object)) this.arrays.add(object);
      return;
    }
    if (object instanceof Map) this.maps.add(object);
    else if (object instanceof Set) this.sets.add(object);
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
      this.tables.add(object as Record<string, unknown>);
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
      this.allShapes.push(shape);
    }
    shape.objects.push(object);
    for (const key of keys) shape.values.push((object as Record<string | symbol, unknown>)[key]);
  }

  /** Make everything as it was. The machine must not run. */
  restore(): void {
    for (const listener of this.listeners) listener.before_restore();
    for (const { fill, objects, values } of this.allShapes) fill(objects, values);
    for (const rest of this.rest) rest.restore();
    this.machine.revive();
  }
}
