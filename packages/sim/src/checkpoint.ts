// SPDX-License-Identifier: GPL-2.0-only
/*
 * The state of a machine between two runs, kept and put back: a search boots and sets up once, not for every execution.
 *
 * 1. State is what ordinary properties, array elements, Map and Set entries and bytes of buffers reach from the roots.
 *    Nothing may hide it: no field with a #, no variable that a closure changes, no WeakMap. A cache may be kept
 *    elsewhere as long as a stale one does no harm.
 * 2. Objects keep their identity: what is restored is their content. What was made since is left to the collector.
 * 3. Promises cannot be put back, so no task may be in the middle of something: those there are have not started, and
 *    hold no lock.
 */
import { compile } from './codegen.ts';
import { KeptArrays, KeptBuffers, KeptMaps, KeptSets, KeptTables, type Tell } from './kept.ts';
import type { Machine } from './machine.ts';
import { fixedOf, isOpaque, scratchOf } from './state.ts';

/** Told before its machine is restored: what is no plain field any more can be made one again. */
export interface BeforeRestore {
  before_restore(): void;
  /** Told when a checkpoint is made: what is no plain field by now will stay so. */
  at_checkpoint?(): void;
}

/** Properties that only keep what is computed again when it is missing, and those of Obj that never change. */
const SKIPPED: ReadonlySet<string | symbol> = new Set(['accesses', 'maker', 'made_nr']);

/** All objects kept that have the same fields, and what is in those. */
interface Shape {
  readonly keys: readonly (string | symbol)[];
  readonly objects: object[];
  readonly values: unknown[];
}

/** Told of a field that is not as it was. */
type Found = (object: object, key: string | symbol, was: unknown, place: number, now: unknown) => void;

/** Looks for fields that are not as they were. Places count from `place`. */
type Differ = (shapes: readonly Shape[], place: number, found: Found) => void;

/** A Differ for any shapes. */
function differ(shapes: readonly Shape[], place: number, found: Found): void {
  let at = place;
  for (const { keys, objects, values } of shapes) {
    let i = 0;
    for (const object of objects as readonly Record<string | symbol, unknown>[]) {
      for (const key of keys) {
        const now = object[key];
        if (now !== values[i]) found(object, key, values[i], at + i, now);
        i++;
      }
    }
    at += i;
  }
}

/** Code made for some shapes: several times as fast for many objects, but it has to be compiled first. */
function differOf(shapes: readonly Shape[]): Differ {
  const loops = shapes.map(({ keys }, s) => {
    const tests = keys.map((key, k) => {
      const name = typeof key === 'string' ? JSON.stringify(key) : `keys[${s}][${k}]`;
      return `if ((now = o[${name}]) !== v[i + ${k}]) found(o, ${name}, v[i + ${k}], place + i + ${k}, now);`;
    });
    return `v = shapes[${s}].values;
      i = 0;
      for (o of shapes[${s}].objects) { ${tests.join(' ')} i += ${keys.length}; }
      place += i;`;
  });
  return compile(
    { keys: shapes.map(({ keys }) => keys) },
    `(shapes, place, found) => { let o, v, i, now; ${loops.join(' ')} }`,
  );
}

/** Comparisons from which on code is worth its compilation: for shapes with so many objects or fields, and for all. */
const LOOKS = 200;
const MANY = 4;
const LARGE = 80;
const MANY_LOOKS = 10_000;
/** Fields of a piece of code: to compile one that is twice as long takes more than twice as long. */
const FIELDS = 150;

/** Shapes that are compared in one go. */
interface Group {
  readonly shapes: readonly Shape[];
  /** How many places they have. */
  readonly places: number;
  differ: Differ;
}

function groupsOf(all: readonly Shape[]): Group[] {
  const groups: Group[] = [];
  let shapes: Shape[] = [];
  let fields = 0;
  for (const [i, shape] of all.entries()) {
    shapes.push(shape);
    fields += shape.keys.length;
    if (fields < FIELDS && i < all.length - 1) continue;
    groups.push({ shapes, places: shapes.reduce((n, { values }) => n + values.length, 0), differ });
    [shapes, fields] = [[], 0];
  }
  return groups;
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

function isScratch(object: object, key: string | symbol): boolean {
  return scratchOf(object).includes(key as string);
}

/** Own data properties that can be stored to. */
function fieldsOf(object: object): (string | symbol)[] {
  const never = [...fixedOf(object), ...scratchOf(object)];
  return Reflect.ownKeys(object).filter((key) => {
    if (SKIPPED.has(key) || never.includes(key as string)) return false;
    const property = Object.getOwnPropertyDescriptor(object, key) as PropertyDescriptor;
    return property.writable === true;
  });
}

const NOBODY: Tell = () => undefined;

export class Checkpoint {
  /** What everything kept can be reached from. */
  readonly roots: readonly unknown[];
  private readonly machine: Machine;
  private readonly shapes = new Map<unknown, Map<string, Shape>>();
  /** First those that get code early. */
  private readonly groups: readonly Group[];
  private readonly many: number;
  /** How often it has been compared. */
  private looks = 0;
  private readonly tables = new KeptTables();
  private readonly arrays = new KeptArrays();
  private readonly maps = new KeptMaps();
  private readonly sets = new KeptSets();
  private readonly buffers = new KeptBuffers();
  private readonly rest = [this.tables, this.arrays, this.maps, this.sets, this.buffers];
  /** What differences() has found in fields: objects, keys and values to put back, in threes. */
  private readonly changed: unknown[] = [];
  private tell: Tell = NOBODY;
  private readonly found: Found = (object, key, was, place, now) => {
    this.changed.push(object, key, was);
    this.tell(place, now);
  };
  private readonly listeners: BeforeRestore[] = [];
  /** What is said never to change: objects, names and values, in threes. */
  private readonly never: unknown[] = [];

  /**
   * Keep the state of a machine that does not run, and of whatever else the roots reach.
   *
   * @throws Error when a task is in the middle of something, or holds a lock
   */
  constructor(machine: Machine, roots: readonly unknown[]) {
    const busy = machine.tasks.find((t) => t.started);
    if (busy !== undefined) throw new Error(`no checkpoint while ${busy.name} is in ${busy.op.obj.name}`);
    const holder = machine.tasks.find((t) => t.held.length > 0);
    if (holder !== undefined)
      throw new Error(`no checkpoint while ${holder.name} holds ${holder.held[0].lock.name}`);
    this.machine = machine;
    this.roots = [machine, ...roots];
    reach(this.roots, (object) => this.keep(object), isScratch);
    const shapes = [...this.shapes.values()].flatMap((byKeys) => [...byKeys.values()]);
    const isMany = ({ objects, values }: Shape): boolean => objects.length >= MANY || values.length >= LARGE;
    const many = groupsOf(shapes.filter(isMany));
    this.many = many.length;
    this.groups = [...many, ...groupsOf(shapes.filter((shape) => !isMany(shape)))];
  }

  /** Numbers that differences() tells places by are below this one. */
  get places(): number {
    return this.groups.reduce((n, { places }) => n + places, this.containers);
  }

  private get containers(): number {
    return this.rest.reduce((n, { of }) => n + of.length, 0);
  }

  /** Go through everything that is kept: the number of its first place, and the fields that have one each. */
  each(see: (object: object, place: number, keys: readonly (string | symbol)[]) => void): void {
    let place = 0;
    for (const { shapes } of this.groups) {
      for (const { keys, objects } of shapes) {
        for (const object of objects) {
          see(object, place, keys);
          place += keys.length;
        }
      }
    }
    for (const { of } of this.rest) for (const container of of) see(container, place++, []);
  }

  /**
   * What is not as it was kept, always in the same order. A table, array, Map, Set or buffer is one place, that is told
   * of with its size and each of its items, or with what differs in it. undo() puts it back.
   */
  differences(tell: Tell): void {
    this.changed.length = 0;
    this.tell = tell;
    this.looks++;
    if (this.looks === LOOKS) this.compile(0, this.many);
    else if (this.looks === MANY_LOOKS) this.compile(this.many, this.groups.length);
    let place = 0;
    for (const group of this.groups) {
      group.differ(group.shapes, place, this.found);
      place += group.places;
    }
    for (const rest of this.rest) {
      rest.differences(place, tell);
      place += rest.of.length;
    }
  }

  private compile(from: number, to: number): void {
    for (const group of this.groups.slice(from, to)) group.differ = differOf(group.shapes);
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

  /** @throws Error when a field has changed that its class says is fixed */
  verify(): void {
    const { never } = this;
    for (let i = 0; i < never.length; i += 3) {
      const [object, key] = [never[i] as Record<string, unknown>, never[i + 1] as string];
      if (object[key] !== never[i + 2])
        throw new Error(`${object.constructor.name}.${key} is no fixed field: it has changed`);
    }
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
    for (const key of fixedOf(object)) this.never.push(object, key, (object as Record<string, unknown>)[key]);
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
      shape = { keys, objects: [], values: [] };
      byKeys.set(id, shape);
    }
    shape.objects.push(object);
    for (const key of keys) shape.values.push((object as Record<string | symbol, unknown>)[key]);
  }

  /** Make everything as it was. The machine must not run. */
  restore(): void {
    this.differences(NOBODY);
    this.undo();
  }
}
