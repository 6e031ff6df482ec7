// SPDX-License-Identifier: GPL-2.0-only
/* How far the calls of a mirrored function are those of the C function. */

import type { CFile, CFunction } from './inventory.ts';
import type { TsFunction } from './mirrored.ts';

/**
 * Equivalences. C macros that an expression of TypeScript may stand for: when only one side has the call, it counts
 * for neither.
 */
export const OPTIONAL: ReadonlySet<string> = new Set([
  // arithmetic, byte order (all is little endian), constant expressions
  'min',
  'max',
  'fls',
  'hweight8',
  'round_up',
  'PAGE_ALIGN',
  'resource_size',
  'cpu_to_le16',
  'cpu_to_le32',
  'le16_to_cpu',
  'le32_to_cpu',
  'offsetofend',
  'ARRAY_SIZE',
  'BUILD_BUG_ON',
  'IS_ENABLED',
  // memory and strings, which the language has
  'memcpy',
  'memset',
  'strlen',
  'strcmp',
  'strncmp',
  // error pointers between types
  'ERR_CAST',
]);

/** Which allocator is called follows from what is allocated: a struct, an array, bytes. */
export const ALIASES: ReadonlyMap<string, string> = new Map([
  ['kmalloc', 'kzalloc'],
  ['kcalloc', 'kzalloc'],
  ['kzalloc_bytes', 'kzalloc'],
]);

/** What only TypeScript has to call: struct and 64-bit arithmetic that C does with operators, and C's global data. */
export const LANGUAGE: ReadonlySet<string> = new Set([
  'container_of',
  'sizeof',
  'offsetof',
  'addr_of',
  'field_ref',
  'ref',
  'VFIO_PCI_OFFSET_TO_POS',
  'pci_bus_type',
]);

export interface FunctionResult {
  readonly name: string;
  readonly score: number;
  /** Matched calls, and the calls of both sides that count. */
  readonly matched: number;
  readonly total: number;
  /** Calls of the C that are not in the mirror, and the other way round. */
  readonly missing: readonly string[];
  readonly extra: readonly string[];
  /** Calls that both have, at another place in the order. They count as not matched. */
  readonly moved: readonly string[];
}

export interface FileResult {
  readonly path: string;
  readonly score: number;
  /** Definitions in the C, and how many of them have a counterpart. */
  readonly definitions: number;
  readonly present: number;
  readonly functions: readonly FunctionResult[];
  /** C functions with no counterpart. */
  readonly absent: readonly string[];
  /** Functions that stand elsewhere in the order than in C. */
  readonly misplaced: readonly string[];
  /** Functions whose linkage is not that of the C, with what is wrong. */
  readonly linkage: readonly string[];
}

/** Indices of a longest common subsequence, as pairs. */
function common(a: readonly string[], b: readonly string[]): [number, number][] {
  const w = b.length + 1;
  const best = new Uint32Array((a.length + 1) * w);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      best[i * w + j] =
        a[i] === b[j] ? best[(i + 1) * w + j + 1] + 1 : Math.max(best[(i + 1) * w + j], best[i * w + j + 1]);
    }
  }
  const pairs: [number, number][] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    if (a[i] === b[j]) pairs.push([i++, j++]);
    else if (best[(i + 1) * w + j] >= best[i * w + j + 1]) i++;
    else j++;
  }
  return pairs;
}

/** Compare one function's calls. The score is twice the matched calls over the calls of both sides; 1 with none. */
export function compareCalls(name: string, c: readonly string[], mirror: readonly string[]): FunctionResult {
  const alias = (call: string): string => ALIASES.get(call) ?? call;
  const theirs = c.map(alias);
  const ours = mirror.filter((call) => !LANGUAGE.has(call)).map(alias);
  const pairs = common(theirs, ours);
  const inC = new Set(pairs.map(([i]) => i));
  const inOurs = new Set(pairs.map(([, j]) => j));
  const missing = theirs.filter((call, i) => !inC.has(i) && !OPTIONAL.has(call));
  const extra = ours.filter((call, j) => !inOurs.has(j) && !OPTIONAL.has(call));
  const total = 2 * pairs.length + missing.length + extra.length;
  const moved: string[] = [];
  for (const call of [...missing]) {
    const at = extra.indexOf(call);
    if (at < 0) continue;
    moved.push(call);
    extra.splice(at, 1);
    missing.splice(missing.indexOf(call), 1);
  }
  return {
    name,
    score: total === 0 ? 1 : (2 * pairs.length) / total,
    matched: pairs.length,
    total,
    missing,
    extra,
    moved,
  };
}

/** What a file is compared against besides its C. */
export interface Surroundings {
  /** Every name that C calls or defines anywhere in the inventory. */
  readonly known: ReadonlySet<string>;
  /** Names that the other mirrored files call through the image, with the file. */
  readonly calledElsewhere: ReadonlyMap<string, string>;
}

/**
 * Compare a file. Method calls whose name no C function calls (`subarray`, `push`) are the language's. Two definitions
 * of one function, under opposite conditions, are one function in TypeScript that makes the calls of both.
 *
 * Every function of the mirror is exported, for patches to replace. Linkage is what the comment above it says
 * (`C: <file> static name()`), and whoever is static in C is called by no other mirrored file.
 */
export function compareFile(c: CFile, mirror: readonly TsFunction[], around: Surroundings): FileResult {
  const byName = new Map(mirror.map((fn) => [fn.name, fn]));
  const theirs = new Map<string, CFunction>();
  for (const fn of c.functions) {
    const calls = [...(theirs.get(fn.name)?.calls ?? []), ...fn.calls];
    theirs.set(fn.name, { ...fn, calls });
  }
  const functions: FunctionResult[] = [];
  const absent: string[] = [];
  const linkage: string[] = [];
  for (const fn of theirs.values()) {
    const ours = byName.get(fn.name);
    if (ours === undefined) {
      absent.push(fn.name);
      functions.push({ ...compareCalls(fn.name, fn.calls, []), score: 0, total: fn.calls.length + 1 });
      continue;
    }
    const calls = ours.calls.filter((call) => !call.unsure || around.known.has(call.name));
    functions.push(
      compareCalls(
        fn.name,
        fn.calls,
        calls.map((call) => call.name),
      ),
    );
    const caller = around.calledElsewhere.get(fn.name);
    if (ours.isStatic !== fn.isStatic) linkage.push(`${fn.name} is ${fn.isStatic ? '' : 'not '}static in C`);
    else if (fn.isStatic && caller !== undefined) linkage.push(`${fn.name} is static and ${caller} calls it`);
  }
  const order = [...theirs.keys()].filter((name) => byName.has(name));
  const ourOrder = mirror.map((fn) => fn.name).filter((name) => theirs.has(name));
  const inOrder = new Set(common(order, ourOrder).map(([i]) => order[i]));
  const matched = functions.reduce((sum, fn) => sum + fn.matched, 0);
  const total = functions.reduce((sum, fn) => sum + fn.total, 0);
  return {
    path: c.path,
    score: total === 0 ? Number(absent.length === 0) : (2 * matched) / total,
    definitions: c.functions.length,
    present: c.functions.filter((fn) => byName.has(fn.name)).length,
    functions,
    absent,
    misplaced: order.filter((name) => !inOrder.has(name)),
    linkage,
  };
}
