// SPDX-License-Identifier: GPL-2.0-only
import { scenarioOf } from '@vfio-lab/fuzz';
import { describe, expect, it } from 'vitest';
import { DIRECTED } from '../src/directed.ts';
import { ObservedScenario } from '../src/observe.ts';
import { scheduleOf } from '../src/priorities.ts';

describe('ObservedScenario', () => {
  // An eventfd that unmasks is a reference to a watched field that the state has.
  const scenario = scenarioOf(DIRECTED['masking by everybody']);

  it('should show the same with ends kept and without', async () => {
    const [whole, kept] = [false, true].map((alike) => new ObservedScenario(scenario, 'v7', { alike }));
    for (const seed of [1, 2, 3, 1, 2, 3]) {
      const shown = await kept.run(scheduleOf(seed));
      expect(shown).toEqual(await whole.run(scheduleOf(seed)));
      expect(shown.lines).toContainEqual(expect.stringMatching(/^state after exit: .* count 0/));
    }
  });

  it('should name a data race by field and functions, and say in parentheses which locks they hold', async () => {
    const subject = new ObservedScenario(scenario, 'v7');
    const lines = new Set<string>();
    for (let seed = 1; seed <= 10; seed++)
      for (const line of (await subject.run(scheduleOf(seed))).lines) lines.add(line);
    // A guest's config write sets it without a lock.
    expect([...lines]).toContainEqual(
      expect.stringMatching(
        /^finding data-race: vfio_pci_core_device\.virq_disabled, vfio_basic_config_write\(\) writes, .*\(.*with no lock/,
      ),
    );
  });
});
