// SPDX-License-Identifier: GPL-2.0-only

/**
 * JavaScript made at run time. For a name that is known when the code is made the engine makes an access of a few
 * instructions, for one that is looked up while it runs a search: worth it where that is done millions of times.
 *
 * @param names what the code may use, by name
 * @param source an expression
 */
export function compile<T>(names: Readonly<Record<string, unknown>>, source: string): T {
  const make = new Function(...Object.keys(names), `return ${source};`) as (...values: unknown[]) => T;
  return make(...Object.values(names));
}
