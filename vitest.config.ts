// SPDX-License-Identifier: GPL-2.0-only
// One configuration for all packages. Started in a package's folder it runs that package's tests; started in
// the root it runs what it is given: `npx vitest run packages/sim`.
import path from 'node:path';
import { defineConfig } from 'vitest/config';
import type { CoverageOptions } from 'vitest/node';
import { OWN, REPLAYS, WITH_REPLAYS } from './tools/coverage.mjs';

const top = import.meta.dirname;
const here = path.relative(top, process.cwd());
const inPackage = /^(packages|apps|tools)[\\/][^\\/]+$/.test(here);

const name = path.basename(here);

/** Reports of the lines that ran: of the package itself, and by testbed's recordings of the drivers that they run. */
function coverage(): CoverageOptions {
  const own = OWN[name];
  if (own !== undefined)
    return {
      enabled: inPackage,
      provider: 'v8',
      include: ['src/**/*.ts'],
      reporter: ['text-summary', 'json-summary'],
      thresholds: { lines: own },
    };
  const driver = Object.keys(WITH_REPLAYS).join(',');
  return {
    enabled: inPackage && (name === REPLAYS || name in WITH_REPLAYS),
    provider: 'v8',
    include: [`${top.split(path.sep).join('/')}/packages/{${driver}}/src/**/*.ts`],
    allowExternal: true,
    reporter: ['json'],
  };
}

export default defineConfig({
  root: inPackage ? process.cwd() : top,
  test: {
    include: inPackage ? ['test/**/*.test.ts'] : ['{packages,apps,tools}/*/test/**/*.test.ts'],
    passWithNoTests: true,
    testTimeout: 120_000,
    // Nothing in the packages is mutable at module level, so test files may share a worker.
    pool: 'threads',
    isolate: false,
    maxWorkers: 2,
    reporters: inPackage ? ['dot', ['json', { outputFile: '.cache/test-results.json' }]] : ['default'],
    coverage: coverage(),
  },
});
