// SPDX-License-Identifier: GPL-2.0-only
/*
 * port-check: is every C function mirrored, in order, with the calls of the C?
 *
 *   tsx tools/port-check/main.ts <inventory.json> [--all] [C file name ...]
 *
 * Without names, all files of the inventory. Prints a line a file and what differs below it; --all lists every
 * function. Exit code 1 when a file scores below 0.97 or lacks a function.
 */

import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { compareFile } from './compare.ts';
import { readInventory } from './inventory.ts';
import { readMirrored } from './mirrored.ts';

const MINIMUM = 0.97;

const root = path.join(import.meta.dirname, '..', '..');

/** The mirrored file of a C file: packages/<any>/src/<same name>.ts */
function mirrorOf(cPath: string): string | null {
  const name = `${path.basename(cPath, '.c')}.ts`;
  for (const pkg of readdirSync(path.join(root, 'packages')).sort()) {
    const candidate = path.join(root, 'packages', pkg, 'src', name);
    if (pkg !== 'headers' && existsSync(candidate)) return candidate;
  }
  return null;
}

function main(args: string[]): number {
  const all = args.includes('--all');
  const [inventoryPath, ...names] = args.filter((arg) => !arg.startsWith('--'));
  if (inventoryPath === undefined) {
    console.error('usage: port-check <inventory.json> [--all] [C file name ...]');
    return 2;
  }
  const inventory = readInventory(inventoryPath);
  const known = new Set(inventory.flatMap((file) => file.functions.flatMap((fn) => [fn.name, ...fn.calls])));
  let ok = true;
  for (const file of inventory) {
    if (names.length > 0 && !names.includes(path.basename(file.path))) continue;
    const mirror = mirrorOf(file.path);
    if (mirror === null) {
      console.log(`${file.path}: not mirrored`);
      ok = false;
      continue;
    }
    const result = compareFile(file, readMirrored(mirror), known);
    const { functions, absent, misplaced } = result;
    console.log(
      `${file.path}: ${result.score.toFixed(3)}  ${functions.length - absent.length}/${functions.length} functions  ` +
        path.relative(root, mirror),
    );
    if (absent.length > 0) console.log(`  absent: ${absent.join(' ')}`);
    if (misplaced.length > 0) console.log(`  out of order: ${misplaced.join(' ')}`);
    for (const fn of functions) {
      if (absent.includes(fn.name) || (fn.score === 1 && !all)) continue;
      const differences = [
        fn.missing.length > 0 ? `missing ${fn.missing.join(' ')}` : '',
        fn.extra.length > 0 ? `extra ${fn.extra.join(' ')}` : '',
      ];
      console.log(`  ${fn.score.toFixed(3)} ${fn.name}: ${differences.filter(Boolean).join('; ')}`);
    }
    if (result.score < MINIMUM || absent.length > 0) ok = false;
  }
  return ok ? 0 : 1;
}

process.exitCode = main(process.argv.slice(2));
