// SPDX-License-Identifier: GPL-2.0-only
// Random system calls against every topology and every recorded machine; see packages/testbed/test/fuzz.ts.
//
//   npm run fuzz -- [--ops 1000000] [--seed 1] [--revision v7] [--machine gpu,sriov,machineA] [--jobs 2]
//
// The operations are divided among the machines. Prints a line each; a program that goes wrong is printed, as short
// as it can be, in the language of scripts. Exit code 1 when there was one.
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const testbed = path.join(root, 'packages', 'testbed');
const { values } = parseArgs({
  options: {
    ops: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: '1' },
    revision: { type: 'string', default: 'v7' },
    machine: { type: 'string' },
    jobs: { type: 'string', default: String(Math.min(2, os.availableParallelism())) },
  },
});
await import('./register.mjs');
const { recordingsDir, topologyNames } = await import(
  pathToFileURL(path.join(testbed, 'src', 'index.ts')).href
);
const recorded = path.join(recordingsDir(), 'machines');
const known = [
  ...topologyNames(),
  ...readdirSync(recorded)
    .map((file) => path.basename(file, '.json'))
    .filter((name) => /^machine[^.]*$/.test(name)),
];
const names = values.machine === undefined ? known : values.machine.split(',');
const [ops, seed, jobs] = [values.ops, values.seed, values.jobs].map(Number);
const wrong = [
  ...names
    .filter((name) => !known.includes(name))
    .map((name) => `no machine ${name}: there are ${known.join(', ')}`),
  ...[ops, seed, jobs]
    .filter((n) => !Number.isSafeInteger(n) || n < 0)
    .map(() => '--ops, --seed and --jobs take a number'),
];

/** @param {string} name */
async function one(name) {
  const { fuzz } = await import(pathToFileURL(path.join(testbed, 'test', 'fuzz.ts')).href);
  const started = performance.now();
  const share = Math.ceil(ops / names.length);
  const machine = topologyNames().includes(name) ? name : path.join(recorded, `${name}.json`);
  const r = await fuzz(machine, values.revision, share, seed + known.indexOf(name));
  const seconds = (performance.now() - started) / 1000;
  const defects = [...r.known].map(([kind, n]) => `${kind} in ${n}`).join(', ');
  process.stdout.write(
    `${name.padEnd(12)} ${String(r.ops).padStart(8)} operations, ${String(r.cases).padStart(6)} programs, ` +
      `${seconds.toFixed(0).padStart(5)} s; known defects: ${defects || 'none'}\n`,
  );
  if (r.failure !== null) {
    process.stdout.write(`${r.failure.problems.join('\n')}\n${r.failure.script}\n`);
    process.exitCode = 1;
  }
}

/** Each machine in a process of its own, `jobs` at a time. */
async function all() {
  const queue = [...names];
  const worker = async () => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
      const share = String(Math.ceil(ops / names.length));
      const args = ['--ops', share, '--seed', String(seed), '--revision', values.revision, '--machine', name];
      const child = spawn(process.execPath, [path.join(root, 'tools', 'boot.mjs'), 'fuzz', ...args], {
        stdio: 'inherit',
      });
      const code = await new Promise((resolve) => child.on('close', resolve));
      if (code !== 0) process.exitCode = 1;
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, jobs) }, worker));
}

if (wrong.length > 0) {
  process.stderr.write(`fuzz: ${wrong[0]}\n`);
  process.exitCode = 2;
} else if (names.length === 1) {
  await one(names[0] ?? '');
} else {
  await all();
}
