// SPDX-License-Identifier: GPL-2.0-only
// The tests of every package through turbo, and one sum over all of them.
//
//   node tools/test.mjs [--filter <package>] [turbo's own flags] [-- vitest's own arguments]
//
// Turbo skips a package whose files, dependencies and test data have not changed since it last passed; the
// counts of a skipped package come out of the cache with its result file.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { DETAILS, OWN, WITH_REPLAYS, withReplays } from './coverage.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const RESULT = path.join('.cache', 'test-results.json');
const COVERAGE = path.join('coverage', 'coverage-summary.json');

/** Directories of the workspace that hold a package. */
function packages() {
  return ['packages', 'apps', 'tools']
    .filter((folder) => existsSync(path.join(root, folder)))
    .flatMap((folder) => readdirSync(path.join(root, folder)).map((name) => path.join(root, folder, name)))
    .filter((dir) => existsSync(path.join(dir, 'package.json')));
}

/**
 * Test data outside the repository: the tests get its folder, turbo's hash what is in it.
 * @param {string | undefined} dir
 */
function digest(dir) {
  if (!dir || !existsSync(dir)) return '';
  const hash = createHash('sha256');
  for (const entry of readdirSync(dir, { recursive: true, encoding: 'utf8' }).sort()) {
    const stat = statSync(path.join(dir, entry));
    hash.update(`${entry} ${stat.isFile() ? `${stat.size} ${stat.mtimeMs}` : ''}\n`);
  }
  return hash.digest('hex').slice(0, 16);
}

/**
 * `sim` means `@vfio-lab/sim`; a folder, a glob, `...sim` and the full name are turbo's own and pass as they are.
 * @param {string} filter
 */
function fullName(filter) {
  return /^[a-z][a-z-]*$/.test(filter) ? `@vfio-lab/${filter}` : filter;
}

const args = process.argv.slice(2);
const split = args.indexOf('--') < 0 ? args.length : args.indexOf('--');
/** @type {string[]} */
const forTurbo = [];
for (let i = 0; i < split; i++) {
  const arg = args[i] ?? '';
  if (arg === '--filter' || arg === '-F') forTurbo.push(`--filter=${fullName(args[++i] ?? '')}`);
  else if (arg.startsWith('--filter=')) forTurbo.push(`--filter=${fullName(arg.slice('--filter='.length))}`);
  else forTurbo.push(arg);
}

/** @type {NodeJS.ProcessEnv} */
const env = { ...process.env, TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1' };
for (const name of ['VFIO_LAB_CONFORMANCE', 'VFIO_LAB_SERIES']) {
  const dir = process.env[name];
  if (dir) Object.assign(env, { [name]: path.resolve(dir), [`${name}_DIGEST`]: digest(dir) });
}

// What is there afterwards is what ran, or what turbo brought back from its cache.
for (const dir of packages()) {
  for (const file of [RESULT, COVERAGE, DETAILS]) rmSync(path.join(dir, file), { force: true });
}

// Of a whole run only what failed is worth reading; of chosen packages everything.
const turbo = ['run', 'test', '--continue', '--log-order=grouped', '--log-prefix=none'];
const chosen = forTurbo.some((arg) => arg.startsWith('--filter='));
if (!forTurbo.some((arg) => arg.startsWith('--output-logs'))) {
  turbo.push(`--output-logs=${chosen ? 'full' : 'errors-only'}`);
}
if (!process.stdout.isTTY && !env['FORCE_COLOR']) Object.assign(env, { NO_COLOR: '1' });
const child = spawnSync('turbo', [...turbo, ...forTurbo, ...args.slice(split)], {
  cwd: root,
  stdio: 'inherit',
  env,
  shell: process.platform === 'win32',
});
if (child.error) process.stderr.write(`vfio-lab: ${child.error.message}\n`);

const sum = { passed: 0, failed: 0, skipped: 0 };
const rows = [];
for (const dir of packages()) {
  const file = path.join(dir, RESULT);
  if (!existsSync(file)) continue;
  const result = JSON.parse(readFileSync(file, 'utf8'));
  // A file that does not load has no tests in it, and vitest counts it among the suites only.
  const broken = result.testResults.filter(
    (/** @type {{ status: string, assertionResults: unknown[] }} */ suite) =>
      suite.status === 'failed' && suite.assertionResults.length === 0,
  ).length;
  const passed = result.numPassedTests;
  const failed = result.numFailedTests + broken;
  const skipped = result.numPendingTests + (result.numTodoTests ?? 0);
  if (passed + failed + skipped === 0) continue;
  sum.passed += passed;
  sum.failed += failed;
  sum.skipped += skipped;
  const cells = [`${path.basename(dir).padEnd(18)} ${String(passed).padStart(5)} passed`];
  if (failed) cells.push(`${failed} failed`);
  if (skipped) cells.push(`${skipped} skipped`);
  const coverage = path.join(dir, COVERAGE);
  const name = path.basename(dir);
  if (existsSync(coverage)) {
    const { pct } = JSON.parse(readFileSync(coverage, 'utf8')).total.lines;
    const least = OWN[name] ?? 0;
    cells.push(`${pct} % of lines${pct < least ? ` (below the ${least} % it must have)` : ''}`);
  }
  const least = WITH_REPLAYS[name];
  const both = least === undefined ? null : withReplays(path.join(root, 'packages'), name);
  if (least !== undefined && both !== null) {
    const below = both < least;
    if (below) sum.failed++;
    cells.push(
      `${both} % of lines with the recordings${below ? ` (below the ${least} % it must have)` : ''}`,
    );
  }
  rows.push(cells.join(', '));
}
process.stdout.write(`\n${rows.map((row) => `  ${row}\n`).join('')}\n`);
if (sum.skipped && !env['VFIO_LAB_SERIES']) {
  process.stdout.write('Skipped for want of test data: VFIO_LAB_SERIES=<folder of saved review pages>\n\n');
}
process.stdout.write(
  `${sum.passed} passed, ${sum.failed} failed${sum.skipped ? `, ${sum.skipped} skipped` : ''}\n`,
);
if (child.signal === 'SIGINT') process.exitCode = 130;
else if (child.status !== 0 || sum.failed > 0 || sum.passed === 0) process.exitCode = child.status || 1;
