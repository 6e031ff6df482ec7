// SPDX-License-Identifier: GPL-2.0-only
// How much of the packages the tests must run, and the sum of what several packages' tests run of one.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import coverage from 'istanbul-lib-coverage';

/**
 * Least percentage of lines that a package's own tests must run.
 * @type {Readonly<Record<string, number>>}
 */
export const OWN = {
  sim: 90,
  locking: 90,
  irq: 90,
  'runtime-pm': 90,
  pci: 90,
  vfio: 90,
  'vfio-pci': 90,
  'vfio-pci-config': 95,
};

/**
 * Mirrored packages that need the recordings as well, which testbed replays: least percentage of lines that both
 * together must run.
 * @type {Readonly<Record<string, number>>}
 */
export const WITH_REPLAYS = { 'vfio-pci-core': 90, 'vfio-pci-intrs': 95 };

/** The package whose tests replay the recordings. */
export const REPLAYS = 'testbed';

/** What a package's tests ran, line by line; relative to the package. */
export const DETAILS = path.join('coverage', 'coverage-final.json');

/**
 * Percentage of the lines of a package that its own tests and the replays run together; null when one of them left no
 * record, which is so when only chosen packages were tested.
 *
 * @param {string} packages the folder of the packages
 * @param {string} name
 */
export function withReplays(packages, name) {
  const map = coverage.createCoverageMap({});
  for (const from of [name, REPLAYS]) {
    const file = path.join(packages, from, DETAILS);
    if (!existsSync(file)) return null;
    /** @type {Record<string, coverage.FileCoverageData>} */
    const files = JSON.parse(readFileSync(file, 'utf8'));
    for (const data of Object.values(files)) {
      // The record may come from a cache that was filled in another folder.
      const inside = data.path.split(path.sep).join('/').split('/packages/').at(-1) ?? '';
      if (inside.startsWith(`${name}/`)) map.merge({ [inside]: { ...data, path: inside } });
    }
  }
  return map.getCoverageSummary().lines.pct;
}
