// SPDX-License-Identifier: GPL-2.0-only
// The races of the review, as often as it takes to believe it: each is found in the variant that leaves its fix out, and
// v4 has no finding under 10,000 random schedules. `npm run bench races`; another count: VFIO_LAB_SCHEDULES=1000.
import { scenarioByName, searchRandom } from '../src/index.ts';

const schedules = Number(process.env['VFIO_LAB_SCHEDULES'] ?? 10_000);

const RACES = [
  ['config-access-vs-low-power-entry', 'v4+no-usage-reference', 'd3cold-access'],
  ['reenter-vs-host-access', 'v4+exit-order', 'undirected-suspend'],
] as const;

for (const [name, variant, kind] of RACES) {
  const scenario = scenarioByName(name);
  const found = await searchRandom(scenario, variant, 1000, { stop: (_done, r) => r.findings.has(kind) });
  const first = found.findings.get(kind);
  process.stdout.write(
    `${name} on ${variant}: ${first === undefined ? 'NOTHING' : kind} after ${found.runs} schedules\n`,
  );
  const started = performance.now();
  const clean = await searchRandom(scenario, 'v4', schedules);
  const seconds = (performance.now() - started) / 1000;
  const kinds = [...clean.findings.keys()].join(', ') || 'no findings';
  process.stdout.write(
    `${name} on v4: ${clean.runs} schedules, ${kinds}; ${seconds.toFixed(1)} s, ${(clean.runs / seconds).toFixed(0)} a second\n`,
  );
  if (first === undefined || clean.findings.size > 0) process.exitCode = 1;
}
