// SPDX-License-Identifier: GPL-2.0-only
// Runs the benchmarks: every packages/*/bench/*.bench.ts, or those whose path contains an argument.
//
//   --save <file>     keep the ratios of this run
//   --compare <file>  show them beside those of an earlier run
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const here = process.env['INIT_CWD'] ?? process.cwd();

/**
 * Takes `name <file>` out of the arguments.
 * @param {string[]} args
 * @param {string} name
 * @returns {string | undefined}
 */
function take(args, name) {
  const at = args.indexOf(name);
  if (at < 0) return undefined;
  const [, file] = args.splice(at, 2);
  if (file !== undefined) return path.resolve(here, file);
  process.stderr.write(`vfio-lab: ${name} needs a file\n`);
  process.exit(2);
}

const wanted = process.argv.slice(2);
const save = take(wanted, '--save');
const compare = take(wanted, '--compare');

/** @type {Record<string, number>} */
let earlier = {};
if (compare !== undefined) {
  try {
    earlier = JSON.parse(readFileSync(compare, 'utf8'));
  } catch {
    process.stderr.write(`vfio-lab: ${compare}: no result of an earlier run; make one with --save\n`);
    process.exit(2);
  }
}

const files = readdirSync(path.join(root, 'packages'))
  .map((name) => path.join('packages', name, 'bench'))
  .filter((dir) => existsSync(path.join(root, dir)))
  .flatMap((dir) => readdirSync(path.join(root, dir)).map((name) => path.join(dir, name)))
  .filter((file) => file.endsWith('.bench.ts'))
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
  .sort();

if (files.length === 0) process.stderr.write('vfio-lab: no benchmark of that name\n');
process.exitCode = files.length === 0 ? 2 : 0;
const scratch = mkdtempSync(path.join(os.tmpdir(), 'vfio-lab-bench-'));
const results = path.join(scratch, 'results');
writeFileSync(results, '');
for (const file of files) {
  process.stdout.write(`\n# ${file}\n`);
  // One process each: a benchmark must not be measured with the previous one's heap and type feedback.
  const child = spawnSync(process.execPath, ['--import', './tools/register.mjs', file], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, VFIO_LAB_BENCH_RESULTS: results },
  });
  if (child.status !== 0) process.exitCode = child.status ?? 1;
}
/** @type {Record<string, number>} */
const now = {};
for (const line of readFileSync(results, 'utf8').split('\n')) {
  if (line === '') continue;
  const { name, ratio } = JSON.parse(line);
  now[name] = ratio;
}
rmSync(scratch, { recursive: true });
if (save !== undefined) writeFileSync(save, `${JSON.stringify(now, null, 2)}\n`);
if (compare !== undefined) {
  process.stdout.write('\nratios, before and now\n');
  for (const [name, ratio] of Object.entries(now)) {
    const before = earlier[name];
    const change =
      before === undefined || before === 0 ? 'new' : `${((ratio / before - 1) * 100).toFixed(0)} %`;
    process.stdout.write(
      `  ${name.padEnd(72)} ${(before ?? NaN).toFixed(2).padStart(9)} ${ratio.toFixed(2).padStart(9)}  ${change}\n`,
    );
  }
}
