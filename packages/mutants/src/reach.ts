// SPDX-License-Identifier: GPL-2.0-only
/* Which programs to try on a mutant, and in which order. */

import type { Program } from './programs.ts';

/** Where programs get, seen from the places. */
export class Reach {
  readonly #programs: readonly Program[];
  /** By program: the places it gets to. */
  readonly #places: ReadonlyMap<string, readonly string[]>;
  readonly #count = new Map<string, number>();

  constructor(programs: readonly Program[], places: ReadonlyMap<string, readonly string[]>) {
    this.#programs = programs;
    this.#places = places;
    for (const list of places.values())
      for (const place of list) this.#count.set(place, (this.#count.get(place) ?? 0) + 1);
  }

  /** How much of a function a program shows that others do not. */
  #weight(program: Program, fn: string): number {
    let weight = 0;
    for (const place of this.#places.get(program.id) ?? [])
      if (place.startsWith(`${fn}:`)) weight += 1 / (this.#count.get(place) ?? 1);
    return weight;
  }

  /**
   * Ids of programs that get to a place: all scenarios and directed programs, then of the others those that show most of
   * its function.
   */
  programsFor(place: string, breadth: number): string[] {
    const reaching = this.#programs.filter((p) => this.#places.get(p.id)?.includes(place) === true);
    const fn = place.slice(0, place.indexOf(':'));
    const first = reaching.filter((p) => p.kind === 'scenario' || p.kind === 'directed');
    const others = reaching
      .filter((p) => !first.includes(p))
      .map((p) => ({ id: p.id, weight: this.#weight(p, fn) }))
      .toSorted((a, b) => b.weight - a.weight);
    return [...first.map((p) => p.id), ...others.slice(0, breadth).map((p) => p.id)];
  }
}
