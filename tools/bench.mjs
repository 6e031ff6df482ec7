// SPDX-License-Identifier: GPL-2.0-only
// Runs the benchmarks: every packages/*/bench/*.bench.ts, or those whose path contains an argument.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const wanted = process.argv.slice(2);
const files = readdirSync(path.join(root, 'packages'))
  .map((name) => path.join('packages', name, 'bench'))
  .filter((dir) => existsSync(path.join(root, dir)))
  .flatMap((dir) => readdirSync(path.join(root, dir)).map((name) => path.join(dir, name)))
  .filter((file) => file.endsWith('.bench.ts'))
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
  .sort();

if (files.length === 0) process.stderr.write('vfio-lab: no benchmark of that name\n');
process.exitCode = files.length === 0 ? 2 : 0;
for (const file of files) {
  process.stdout.write(`\n# ${file}\n`);
  // One process each: a benchmark must not be measured with the previous one's heap and type feedback.
  const child = spawnSync(process.execPath, ['--import', './tools/register.mjs', file], {
    cwd: root,
    stdio: 'inherit',
  });
  if (child.status !== 0) process.exitCode = child.status ?? 1;
}
