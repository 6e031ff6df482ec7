// SPDX-License-Identifier: GPL-2.0-only
/* The whole comparison: every file of an inventory with its mirror. */

import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { LEFT_OUT } from '@vfio-lab/vfio-pci-core';
import { compareFile, type FileResult } from './compare.ts';
import type { CFile } from './inventory.ts';
import { readMirrored, type TsFunction } from './mirrored.ts';

export const MINIMUM_OF_FILE = 0.97;
export const MINIMUM_OF_FUNCTION = 0.85;

/** Why a function may score less than the minimum: a sentence each. */
export const REASONS: ReadonlyMap<string, string> = new Map([
  [
    'vfio_register_group_dev',
    'Trees after v5.19-rc4 moved its iommu_capable() to vfio_group_find_or_alloc(); it has one other call.',
  ],
]);

export const ROOT = path.join(import.meta.dirname, '..', '..', '..');

/** The inventory that comes with the tool. */
export const INVENTORY = path.join(import.meta.dirname, '..', 'inventory', 'v5.19-rc4.json');

export interface CheckedFile extends FileResult {
  /** Path of the mirror in the repository. */
  readonly mirror: string;
}

export interface Check {
  readonly files: readonly CheckedFile[];
  /** What has to be mended, a sentence each; empty: all is well. */
  readonly problems: readonly string[];
  readonly leftOut: typeof LEFT_OUT;
}

/** The mirrored file of a C file: packages/<any>/src/<same name>.ts */
function mirrorOf(cPath: string): string | null {
  const name = `${path.basename(cPath, '.c')}.ts`;
  for (const pkg of readdirSync(path.join(ROOT, 'packages')).sort()) {
    const candidate = path.join(ROOT, 'packages', pkg, 'src', name);
    if (pkg !== 'headers' && existsSync(candidate)) return candidate;
  }
  return null;
}

/** For every name, a file other than `except` that calls it through the image. */
function callers(mirrors: ReadonlyMap<string, readonly TsFunction[]>, except: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const [file, functions] of mirrors) {
    if (file === except) continue;
    for (const fn of functions) {
      for (const call of fn.calls) if (call.linked) found.set(call.name, path.basename(file));
    }
  }
  return found;
}

function problemsOf(result: CheckedFile, reasons: ReadonlyMap<string, string>): string[] {
  const problems: string[] = [];
  const name = path.basename(result.path);
  if (result.absent.length > 0) problems.push(`${name} lacks ${result.absent.join(', ')}`);
  if (result.misplaced.length > 0) problems.push(`${name} has ${result.misplaced.join(', ')} out of order`);
  problems.push(...result.linkage.map((text) => `${name}: ${text}`));
  if (result.score < MINIMUM_OF_FILE) problems.push(`${name} scores ${result.score.toFixed(3)}`);
  for (const fn of result.functions) {
    if (fn.score >= MINIMUM_OF_FUNCTION || reasons.has(fn.name)) continue;
    problems.push(`${fn.name} scores ${fn.score.toFixed(3)}, and no sentence says why`);
  }
  return problems;
}

/**
 * Compare every file of an inventory with its mirror in the packages.
 *
 * @param reasons for functions below the minimum, by name
 */
export function check(inventory: readonly CFile[], reasons: ReadonlyMap<string, string> = REASONS): Check {
  const known = new Set(inventory.flatMap((file) => file.functions.flatMap((fn) => [fn.name, ...fn.calls])));
  const files: CheckedFile[] = [];
  const problems: string[] = [];
  const mirrors = new Map<string, readonly TsFunction[]>();
  for (const { path: cPath } of inventory) {
    const mirror = mirrorOf(cPath);
    if (mirror === null) problems.push(`${cPath} is not mirrored`);
    else mirrors.set(mirror, readMirrored(mirror));
  }
  for (const file of inventory) {
    const mirror = mirrorOf(file.path);
    if (mirror === null) continue;
    const calledElsewhere = callers(mirrors, mirror);
    const result = {
      ...compareFile(file, mirrors.get(mirror) ?? [], { known, calledElsewhere }),
      mirror: path.relative(ROOT, mirror),
    };
    files.push(result);
    problems.push(...problemsOf(result, reasons));
  }
  return { files, problems, leftOut: LEFT_OUT };
}

/** Functions of the files that are left out which the list of reasons does not have, or has and they do not. */
export function leftOutProblems(tree: readonly CFile[]): string[] {
  const problems: string[] = [];
  for (const file of tree) {
    const listed = LEFT_OUT.filter((entry) => entry.file === file.path).map((entry) => entry.name);
    const defined = file.functions.map((fn) => fn.name);
    for (const name of defined)
      if (!listed.includes(name))
        problems.push(`${name} of ${file.path} is neither there nor listed as left out`);
    for (const name of listed)
      if (!defined.includes(name))
        problems.push(`${name} is listed as left out, but ${file.path} has no such function`);
  }
  return problems;
}
