// SPDX-License-Identifier: GPL-2.0-only
import { ioread32, pci_iomap, pci_iounmap, pci_read_config_word } from '@vfio-lab/pci';
import { ref } from '@vfio-lab/sim';
import { describe, expect, it } from 'vitest';
import { defineScenario, enter, runScenario, scenarioByName, searchRandom } from '../src/index.ts';

const CARD = '0000:01:00.0';

describe('runScenario', () => {
  it('gives the same bytes for the same seed', async () => {
    const scenario = scenarioByName('exit-vs-host-access');
    const run = (): Promise<string> =>
      runScenario(scenario, { revision: 'v4', schedule: { kind: 'random', seed: 7 }, tracing: true }).then(
        (r) => JSON.stringify(r),
      );
    const first = await run();
    expect(first.length).toBeGreaterThan(10_000);
    expect(await run()).toBe(first);
  });

  it('reports steps that are not as expected', async () => {
    const scenario = defineScenario({
      name: 'wrong',
      about: 'expects what is not so',
      topology: 'own-power',
      setup: async (lab) => {
        await lab.open(CARD);
        lab.step('open', CARD, { count: 5, power: 'D3cold' });
        lab.expect('one', 1, 2);
      },
    });
    const run = await runScenario(scenario, { revision: 'base' });
    expect(run.findings.map((f) => f.text)).toEqual([
      'open: count is 1, not 5',
      'open: power is D0, not D3cold',
      'one: 1, not 2',
    ]);
    expect(run.outcome).toBe('ok');
  });

  it('reports a device that does not come to rest, and INTx out of step', async () => {
    const scenario = defineScenario({
      name: 'restless',
      about: 'somebody takes a reference and keeps it, and clears DisINTx behind the back of the driver',
      topology: 'own-power',
      setup: async (lab) => {
        const dev = await lab.open(CARD);
        await dev.setTrigger(0, await lab.user.eventfd());
        await dev.maskIrq(0);
        const { hw } = lab.pdev(CARD);
        hw.set16(4, hw.get16(4) & ~0x0400);
        lab.pdev(CARD).dev.power.usage_count.counter++;
      },
    });
    const run = await runScenario(scenario, { revision: 'base' });
    expect(run.findings.map((f) => f.kind)).toContain('intx-state');
    expect(run.findings.map((f) => f.text)).toContain(`${CARD}: usage count 1 at rest, not 0`);
  });

  it.each([
    ['D3cold', 'own-power', 'd3cold-access'],
    ['D3hot', 'nosoftrst', 'd3hot-access'],
  ])('reports a task that touches a BAR in %s, where a host would hang', async (_state, topology, kind) => {
    const scenario = defineScenario({
      name: 'touch',
      about: 'the host reads and writes a BAR of a sleeping device, and its config space without waking it',
      topology,
      setup: async (lab) => {
        await enter(lab, await lab.open(CARD));
        await lab.settle();
      },
      programs: {
        host: async (lab) => {
          const pdev = lab.pdev(CARD);
          const bar = pci_iomap(pdev, 0, 0);
          if (bar === null) throw new Error('no BAR');
          await ioread32(bar);
          pci_iounmap(pdev, bar);
          await pci_read_config_word(pdev, 0, ref(0));
        },
      },
    });
    const { findings } = await runScenario(scenario, { revision: 'v4' });
    const mine = findings.filter((f) => f.kind === kind);
    expect(mine[0]?.text).toContain(`memory read of ${CARD}`);
    expect(mine[0]?.task).toBe('host');
    expect(mine.some((f) => f.text.startsWith(`config read of ${CARD}`))).toBe(kind === 'd3cold-access');
  });

  it('groups what was seen: set-up, programs by name, check', async () => {
    const scenario = defineScenario({
      name: 'words',
      about: 'says things',
      topology: 'own-power',
      setup: (lab) => Promise.resolve(lab.saw('before')),
      programs: {
        b: (lab) => Promise.resolve(lab.saw('two')),
        a: (lab) => Promise.resolve(lab.saw('one')),
      },
      check: (lab) => Promise.resolve(lab.saw('after')),
    });
    expect((await runScenario(scenario, { revision: 'base' })).outcome).toBe('before; a: one; b: two; after');
  });

  it('ends with a finding when the programs deadlock', async () => {
    const scenario = scenarioByName('vf-enable-vs-close');
    const search = await searchRandom(scenario, 'v4', 50, { stop: (_done, r) => r.findings.has('deadlock') });
    expect(search.outcomes.has('deadlock')).toBe(true);
  });
});

describe('searchRandom', () => {
  it('stops when asked, and counts outcomes', async () => {
    const scenario = scenarioByName('fault-vs-host-access');
    const search = await searchRandom(scenario, 'v4', 100, { from: 40, stop: (done) => done === 3 });
    expect(search.runs).toBe(3);
    expect([...search.outcomes.values()].reduce((a, b) => a + b)).toBe(3);
  });
});
