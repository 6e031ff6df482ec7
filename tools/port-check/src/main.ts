// SPDX-License-Identifier: GPL-2.0-only
/*
 * port-check: is every C function mirrored, in order, with the calls of the C?
 *
 *   node tools/boot.mjs port-check [inventory.json | --linux <dir>] [--all] [--json] [--write <file>] [C file name ...]
 *
 * Compares with the inventory that comes with it, with another one, or with a kernel tree. Without names, all files.
 * Prints a line a file and what differs below it; --all lists every function; --write saves the inventory. Exit code 1
 * when a file scores below 0.97, lacks a function, has one out of order or of another linkage, or when a function is
 * below 0.85 with no sentence that says why; 2 for arguments that make no sense.
 */

import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { LEFT_OUT } from '@vfio-lab/vfio-pci-core';
import { check, type Check, type CheckedFile, INVENTORY, leftOutProblems } from './check.ts';
import { type CFile, formatInventory, readInventory } from './inventory.ts';
import { readKernelTree } from './kernel-tree.ts';

function render(file: CheckedFile, all: boolean): string[] {
  const lines = [
    `${file.path}: ${file.score.toFixed(3)}  ${file.present}/${file.definitions} functions  ${file.mirror}`,
  ];
  if (file.absent.length > 0) lines.push(`  absent: ${file.absent.join(' ')}`);
  if (file.misplaced.length > 0) lines.push(`  out of order: ${file.misplaced.join(' ')}`);
  for (const fn of file.functions) {
    if (file.absent.includes(fn.name) || (fn.score === 1 && !all)) continue;
    const differences = [
      fn.missing.length > 0 ? `missing ${fn.missing.join(' ')}` : '',
      fn.extra.length > 0 ? `extra ${fn.extra.join(' ')}` : '',
      fn.moved.length > 0 ? `out of order ${fn.moved.join(' ')}` : '',
    ].filter(Boolean);
    const text = differences.length > 0 ? differences.join('; ') : `${fn.matched} calls`;
    lines.push(`  ${fn.score.toFixed(3)} ${fn.name}: ${text}`);
  }
  return lines;
}

function report(result: Check, all: boolean): string {
  const lines = result.files.flatMap((file) => render(file, all));
  const conditions = new Map<string, number>();
  for (const { condition } of result.leftOut) conditions.set(condition, (conditions.get(condition) ?? 0) + 1);
  const left = [...conditions].map(([condition, count]) => `${count} under ${condition}`).join(', ');
  const present = result.files.reduce((sum, file) => sum + file.present, 0);
  const definitions = result.files.reduce((sum, file) => sum + file.definitions, 0);
  lines.push(
    `${present}/${definitions} functions; left out: ${left} (packages/vfio-pci-core/src/left_out.ts)`,
  );
  return [...lines, ...result.problems.map((text) => `problem: ${text}`)].join('\n');
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      linux: { type: 'string' },
      write: { type: 'string' },
      all: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const names = positionals.filter((name) => !name.endsWith('.json'));
  const [inventoryPath] = positionals.filter((name) => name.endsWith('.json'));
  let inventory: CFile[];
  const problems: string[] = [];
  if (values.linux !== undefined) {
    inventory = await readKernelTree(values.linux);
    const others = [...new Set(LEFT_OUT.map((entry) => entry.file))];
    problems.push(...leftOutProblems(await readKernelTree(values.linux, others)));
  } else {
    inventory = readInventory(inventoryPath ?? INVENTORY);
  }
  if (values.write !== undefined) {
    writeFileSync(values.write, formatInventory('names, order and calls of the C functions', inventory));
  }
  const checked = check(inventory);
  const chosen = checked.files.filter(
    (file) => names.length === 0 || names.includes(path.basename(file.path)),
  );
  const result: Check = { ...checked, files: chosen, problems: [...checked.problems, ...problems] };
  process.stdout.write(`${values.json ? JSON.stringify(result, null, 2) : report(result, values.all)}\n`);
  return result.problems.length === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`port-check: ${(error as Error).message}\n`);
  process.exitCode = 2;
}
