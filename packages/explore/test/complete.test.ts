// SPDX-License-Identifier: GPL-2.0-only
import { scenarioByName } from '@vfio-lab/scenarios';
import { expect, it } from 'vitest';
import { Dpor, Hashes, Pct, Pos, ScenarioSubject } from '../src/index.ts';

// The host looks at current_state, and waits for block_cfg_access, without a lock.
it.each([
  ['exit-vs-host-wake', 'v4'],
  ['sriov-enable-vs-d3hot-write', 'base'],
  ['memory-enable-vs-low-power-entry', 'v7'],
])('sampling finds no class of %s on %s that the search has not', async (name, revision) => {
  const subject = new ScenarioSubject(scenarioByName(name), revision, { races: false });
  const hashes = new Hashes(subject.tables);
  const all = new Set<string>();
  const dpor = new Dpor();
  do {
    dpor.begin();
    await subject.run(dpor);
    all.add(dpor.execution.fingerprint(hashes));
  } while (dpor.advance());
  expect(all.size).toBe(dpor.executions);

  const sampled = new Set<string>();
  for (const search of [new Pos(2), new Pct(3, 4)]) {
    for (let i = 0; i < 100; i++) {
      search.begin();
      await subject.run(search);
      sampled.add(search.execution.fingerprint(hashes));
    }
  }
  expect(sampled.size).toBeGreaterThan(20);
  expect([...sampled].filter((key) => !all.has(key))).toEqual([]);
});
