// SPDX-License-Identifier: GPL-2.0-only
// One configuration for all packages. Started in a package's folder it runs that package's tests; started in
// the root it runs what it is given: `npx vitest run packages/sim`.
import path from 'node:path';
import { defineConfig } from 'vitest/config';

const top = import.meta.dirname;
const here = path.relative(top, process.cwd());
const inPackage = /^(packages|apps|tools)[\\/][^\\/]+$/.test(here);

/** Packages that the others stand on: at least 90 % of their lines run under their own tests. */
const COVERED = ['sim', 'locking', 'irq', 'runtime-pm', 'pci'];

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
    coverage: {
      enabled: inPackage && COVERED.includes(path.basename(here)),
      provider: 'v8',
      include: ['src/**/*.ts'],
      reporter: ['text-summary', 'json-summary'],
      thresholds: { lines: 90 },
    },
  },
});
