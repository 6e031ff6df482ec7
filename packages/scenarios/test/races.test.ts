// SPDX-License-Identifier: GPL-2.0-only
import type { vfio_pci_core_device } from '@vfio-lab/headers';
import { disable_irq_nosync } from '@vfio-lab/irq';
import { pci_intx } from '@vfio-lab/pci';
import { KNOWN_RACES, type KnownRace } from '@vfio-lab/testbed';
import { describe, expect, it } from 'vitest';
import { defineScenario, runScenario, scenarios, Stage } from '../src/index.ts';

const CARD = '0000:01:00.0';

/** A guest masks INTx while the card raises it. */
const masking = (locked: boolean) =>
  defineScenario({
    name: 'masking',
    about: 'INTx is masked while it comes',
    topology: 'own-power',
    setup: async (lab) => {
      const dev = await lab.open(CARD);
      await dev.setTrigger(0, await lab.user.eventfd());
      // vfio_pci_intx_mask() with its irqlock left out
      if (!locked) {
        const vfio_pci_intx_mask = async (vdev: vfio_pci_core_device): Promise<void> => {
          if (vdev.ctx[0].masked) return;
          if (vdev.pci_2_3) await pci_intx(vdev.pdev, 0);
          else await disable_irq_nosync(vdev.pdev.irq);
          vdev.ctx[0].masked = true;
        };
        Object.assign(lab.testbed.kernel, { vfio_pci_intx_mask });
      }
      return dev;
    },
    programs: {
      card: (lab) => lab.ring(CARD),
      guest: async (_lab, dev) => {
        await dev.maskIrq(0);
      },
    },
  });

describe('data races of the driver', () => {
  it.each(['tasks', 'places'] as const)(
    'should be found in an INTx mask without its lock, told by %s',
    async (races) => {
      const texts: string[] = [];
      for (let seed = 0; seed < 20; seed++) {
        const run = await runScenario(masking(false), {
          revision: 'v7',
          races,
          schedule: { kind: 'random', seed },
        });
        texts.push(...run.findings.filter((f) => f.kind === 'data-race').map((f) => f.text));
      }
      const text = texts.find((t) => t.startsWith('vfio_pci_irq_ctx.masked'));
      expect(text).toMatch(/guest reads it/);
      expect(text).toMatch(/irq\/21 writes it.* with &vdev->irqlock/);
      if (races === 'places') expect(text).toContain('in vfio_intx_handler() with &vdev->irqlock');
    },
  );

  it('should not be found with the lock', async () => {
    for (let seed = 0; seed < 20; seed++) {
      const run = await runScenario(masking(true), {
        revision: 'v7',
        races: 'places',
        schedule: { kind: 'random', seed },
      });
      expect(run.findings).toEqual([]);
    }
  });
});

// As many as the time of the tests allows; a search has more.
const SEEDS = 5;

describe('the library of scenarios', () => {
  const hit = new Set<KnownRace>();

  it.each(scenarios.map((s) => [s.name, s] as const))(
    'should have only known races in %s',
    async (_name, scenario) => {
      for (const revision of ['base', 'v3', 'v4', 'v7']) {
        const stage = await Stage.set(scenario, { revision, races: 'tasks' });
        stage.keep();
        const found = new Set<string>();
        for (let seed = 0; seed < SEEDS; seed++) {
          const run = await stage.run({ kind: 'random', seed });
          for (const f of run.findings) if (f.kind === 'data-race') found.add(f.text);
          for (const { known } of run.known) hit.add(known);
        }
        expect([...found]).toEqual([]);
      }
    },
    60_000,
  );

  it('should have them in the functions that the list says', async () => {
    const known = new Set<string>();
    for (const name of ['low-power-enter', 'lspci-with-pme', 'exit-vs-host-access']) {
      const scenario = scenarios.find((s) => s.name === name);
      if (scenario === undefined) throw new Error(name);
      for (const seed of [1, 2, 3, 4, 5]) {
        const run = await runScenario(scenario, {
          revision: 'v4',
          races: 'places',
          schedule: { kind: 'random', seed },
        });
        expect(run.findings.filter((f) => f.kind === 'data-race')).toEqual([]);
        for (const k of run.known) known.add(k.known.field);
      }
    }
    expect([...known].sort()).toEqual(['current_state', 'runtime_status']);
  });

  it('should need every entry of the list', () => {
    expect(
      KNOWN_RACES.filter((k) => !hit.has(k)).map((k) => `${k.struct}.${k.field} ${k.side.functions.join()}`),
    ).toEqual([]);
  });
});
