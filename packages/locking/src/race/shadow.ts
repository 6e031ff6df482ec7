// SPDX-License-Identifier: GPL-2.0-only
/*
 * Structs whose fields tell of every access. The object stays what it is (identity, instanceof); its watched fields
 * become accessors on a prototype between it and its class, and their values move into a shadow.
 */
import { compile, fixed } from '@vfio-lab/sim';
import { FieldStates } from './field.ts';

/** Told of accesses to the fields of watched structs. */
export interface AccessObserver {
  read(shadow: Shadow, field: number, states: FieldStates): void;
  write(shadow: Shadow, field: number, states: FieldStates): void;
}

export type Struct = new (...args: never[]) => object;

/** The values of an instance, each under the name of its field, and what is known of the accesses to them. */
export abstract class Shadow {
  // Of the layout, and therefore on its prototype.
  declare readonly struct: string;
  declare readonly fields: readonly string[];
  observer: AccessObserver;
  readonly states: FieldStates;

  constructor(observer: AccessObserver, values: readonly unknown[]) {
    this.observer = observer;
    this.states = new FieldStates(values.length);
    this.fill(values);
  }

  /** Of the layout: put the values in. */
  protected abstract fill(values: readonly unknown[]): void;
}

fixed(Shadow, ['states']);

/** What the watched instances of a class with one set of fields have in common. */
interface Layout {
  readonly prototype: object;
  readonly shadow: new (observer: AccessObserver, values: readonly unknown[]) => Shadow;
}

/** What a field is called in a shadow, where it must not meet the shadow's own ones. */
function nameOf(field: string): string {
  return `_${field}`;
}

function makeLayout(cls: Struct, fields: readonly string[]): Layout {
  const prototype = Object.create(cls.prototype as object) as object;
  for (const [i, field] of fields.entries())
    Object.defineProperty(prototype, field, {
      configurable: true,
      enumerable: true,
      ...accessor(i, JSON.stringify(nameOf(field))),
    });
  const stores = fields.map((field, i) => `this[${JSON.stringify(nameOf(field))}] = values[${i}];`);
  const fill = compile({}, `function (values) { ${stores.join(' ')} }`);
  const shadow = class extends Shadow {
    declare fill: (values: readonly unknown[]) => void;
  };
  Object.assign(shadow.prototype, { struct: cls.name, fields, fill });
  return { prototype, shadow };
}

const SHADOW = Symbol('shadow');

interface Watched {
  [SHADOW]: Shadow;
}

interface Accessor {
  get(this: Watched): unknown;
  set(this: Watched, value: unknown): void;
}

/** Code of its own for each field: what it always does to one sort of object, the engine makes short. */
function accessor(field: number, name: string): Accessor {
  const code = `({
    get() { const s = this[SHADOW]; s.observer.read(s, ${field}, s.states); return s[${name}]; },
    set(v) { const s = this[SHADOW]; s.observer.write(s, ${field}, s.states); s[${name}] = v; },
  })`;
  return compile({ SHADOW }, code);
}

// Code, not state: the layouts that were needed so far in this process.
const layouts = new Map<Struct, Map<string, Layout>>();

function layoutOf(cls: Struct, fields: readonly string[]): Layout {
  let ofClass = layouts.get(cls);
  if (ofClass === undefined) layouts.set(cls, (ofClass = new Map()));
  const key = fields.join();
  let layout = ofClass.get(key);
  if (layout === undefined) ofClass.set(key, (layout = makeLayout(cls, fields)));
  return layout;
}

/** The shadow of a watched struct, undefined for everything else. */
export function shadowOf(obj: object): Shadow | undefined {
  return (obj as Partial<Watched>)[SHADOW];
}

/**
 * Watch a fresh struct of one of these classes and the structs of these classes that are embedded in it. A field whose
 * first value is an object is a lock, an atomic, a list or another part of the struct: reading where that is is no
 * access. Every other field is watched.
 */
export function watch(obj: object, structs: ReadonlySet<unknown>, observer: AccessObserver): void {
  if (!structs.has(obj.constructor) || SHADOW in obj) return;
  const target = obj as Record<string, unknown> & Partial<Watched>;
  const keys = Object.keys(target);
  const values = keys.map((key) => target[key]);
  const watched = keys.filter((_, i) => typeof values[i] !== 'object' || values[i] === null);
  const layout = layoutOf(obj.constructor as Struct, watched);
  // Last in, first out: then the engine goes back to the empty object's shape and all instances share one again.
  for (let i = keys.length - 1; i >= 0; i--) delete target[keys[i]];
  Object.setPrototypeOf(target, layout.prototype);
  const shadow = new layout.shadow(
    observer,
    values.filter((v) => typeof v !== 'object' || v === null),
  );
  Object.defineProperty(target, SHADOW, { value: shadow });
  for (const [i, key] of keys.entries()) {
    const value = values[i];
    if (typeof value !== 'object' || value === null) continue;
    target[key] = value;
    watch(value, structs, observer);
  }
}
