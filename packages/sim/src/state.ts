// SPDX-License-Identifier: GPL-2.0-only
/*
 * What classes say of their objects for those who keep and compare states: all that can be reached is state, but for
 * this.
 */

/** On a prototype: names of fields that nothing to come depends on, such as counts for reports. */
export const NOT_STATE = Symbol('not state');
/** On a prototype: a method that gives, as a list, what counts besides the fields. */
export const STATE = Symbol('state');

/** On a prototype: what instances hold never changes, so a checkpoint does not look into them. */
export const CONSTANT = Symbol('constant');

const constants = new WeakSet();

/** What is in this object never changes, so that a checkpoint need not look into it. */
export function constant<T extends object>(object: T): T {
  constants.add(object);
  return object;
}

const FIXED = Symbol('fixed');
const SCRATCH = Symbol('scratch');

/** These fields never change once an object of the class is made, so that a checkpoint need not look at them. */
export function fixed(cls: { readonly prototype: object }, fields: readonly string[]): void {
  Object.defineProperty(cls.prototype, FIXED, { value: fields });
}

/** These fields, and what they lead to, are no state while no lock is held: set anew before they are used. */
export function scratch(cls: { readonly prototype: object }, fields: readonly string[]): void {
  Object.defineProperty(cls.prototype, SCRATCH, { value: fields });
}

export function scratchOf(object: object): readonly string[] {
  return (object as { [SCRATCH]?: readonly string[] })[SCRATCH] ?? NONE;
}

export function fixedOf(object: object): readonly string[] {
  return (object as { [FIXED]?: readonly string[] })[FIXED] ?? NONE;
}

const NONE: readonly string[] = [];

/** Its content cannot be seen, or is no state. */
export function isOpaque(value: object): boolean {
  return (
    CONSTANT in value ||
    constants.has(value) ||
    value instanceof Promise ||
    value instanceof WeakMap ||
    value instanceof WeakSet ||
    value instanceof RegExp ||
    value instanceof Error ||
    // A module: its exports cannot be stored to.
    (value as { [Symbol.toStringTag]?: unknown })[Symbol.toStringTag] === 'Module'
  );
}
