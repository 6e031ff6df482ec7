// SPDX-License-Identifier: GPL-2.0-only
import { runScenario, scenarioByName } from '@vfio-lab/scenarios';
import { InputError } from '@vfio-lab/sim';
import { describe, expect, it } from 'vitest';
import { judge, Nursery, stale, tally, type Verdict } from '../src/index.ts';
import { Hand, Threads } from '../src/crew.ts';
import { EQUIVALENT, equivalent } from '../src/equivalent.ts';
import { ObservedScenario } from '../src/observe.ts';
import { keyOf } from '../src/operators.ts';
import { isFor, UNNOTICED, whyUnnoticed } from '../src/unnoticed.ts';

const OPTIONS = { programs: 0, schedules: 0, seed: 1 };

/** Scenarios, and one recording, are enough for what is looked at here. */
const ENOUGH = ['low-power-enter', 'lspci-with-pme', 'neighbour-interrupt-in-d3cold', 'close-resumed'];

async function fate(revision: string, key: string, reaching = ENOUGH, schedules = 0): Promise<Verdict> {
  const options = { ...OPTIONS, schedules, chances: 100 };
  const nursery = await Nursery.open(revision, [key.slice(0, key.indexOf(':'))], options);
  const mutant = nursery.mutants.find((m) => keyOf(m) === key);
  if (mutant === undefined) throw new Error(`no mutant "${key}"`);
  return judge(nursery, mutant, reaching, false);
}

describe('mutants', () => {
  it.each([
    ['v4', 'vfio_pci_core_feature_pm: left out: pm_runtime_put(pdev.dev)'],
    ['v4', 'vfio_pci_core_feature_pm: left out: vdev.pm_runtime_engaged = true'],
    ['v4', 'vfio_pci_core_runtime_resume: left out: up_write(vdev.memory_lock)'],
    ['v4', 'vfio_pci_intx_mask: left out: const flags = spin_lock_irqsave(vdev.irqlock)'],
    ['v7', 'vfio_pci_core_runtime_suspend: left out: down_write(vdev.memory_lock)'],
    ['v7', 'vfio_device_pm_runtime_get: left out: const ret = pm_runtime_resume_and_get(dev)'],
    ['v7', 'vfio_pci_runtime_pm_exit: left out: up_write(vdev.memory_lock)'],
  ])('%s notices %s', async (revision, key) => {
    const verdict = await fate(revision, key);
    expect(verdict.fate).toBe('killed');
    expect(verdict.kill?.what).not.toBe('');
  });

  it.each([
    [
      'vfio_basic_config_write: moved down: vdev.virq_disabled = true',
      'the guest masks while INTx is unmasked',
      /^finding data-race: vfio_pci_core_device\.virq_disabled, vfio_basic_config_write\(\) writes/,
    ],
    [
      'vfio_pci_memory_lock_and_enable: moved down: down_write(vdev.memory_lock)',
      'ROM while memory is turned off',
      /^state after check: .* memory on$/,
    ],
  ])('notices under some schedule %s', async (key, program, what) => {
    const { kill } = await fate('v7', key, [program], 60);
    expect(kill).toMatchObject({ by: 'schedules', check: program, what: expect.stringMatching(what) });
  });

  it('does not notice what no program gets to', async () => {
    const verdict = await fate('v4', 'vfio_pci_core_feature_pm: left out: pm_runtime_put(pdev.dev)', []);
    expect(verdict).toMatchObject({ fate: 'survived', reason: 'no program gets there', runs: 0 });
  });

  it('marks each place of the changed functions, and runs as before', async () => {
    const nursery = await Nursery.open('v7', ['vfio_pci_runtime_pm_entry'], OPTIONS);
    const program = nursery.programs.find((p) => p.id === 'low-power-enter');
    const reached = await nursery.coverage(program ? [program] : []);
    // all but the second ENTRY
    expect(reached.get('low-power-enter')?.length).toBeGreaterThan(3);
  });

  it('is made of the functions of patches and of paths, and says which is not there', async () => {
    const { mutants } = await Nursery.open('v7', [], OPTIONS);
    const names = new Set(mutants.map((m) => m.function));
    for (const name of ['vfio_pci_runtime_pm_entry', 'vfio_intx_handler', 'vfio_pci_dev_set_try_reset'])
      expect(names).toContain(name);
    expect(new Set(mutants.map(keyOf)).size).toBe(mutants.length);
    await expect(Nursery.open('v7', ['vfio_pci_intx_mas'], OPTIONS)).rejects.toThrow(InputError);
  });

  it('gives the same on a worker thread', async () => {
    const setup = { revision: 'v7', functions: ['vfio_pci_runtime_pm_exit'], ...OPTIONS };
    const crew = new Threads(1);
    try {
      const task = { setup, index: 0, reaching: ENOUGH, doubt: false };
      const verdict = await crew.verdict(task);
      expect(verdict).toMatchObject({
        fate: 'killed',
        key: 'vfio_pci_runtime_pm_exit: left out: down_write(vdev.memory_lock)',
      });
      expect(verdict).toEqual(await new Hand().verdict(task));
      expect(await crew.coverage({ setup, from: 0, to: 2 })).toEqual(
        await new Hand().coverage({ setup, from: 0, to: 2 }),
      );
    } finally {
      await crew.end();
    }
  });

  it('counts', () => {
    const verdict = (f: Verdict['fate']): Verdict => ({ fate: f }) as Verdict;
    expect(tally([verdict('killed'), verdict('killed'), verdict('survived'), verdict('equivalent')])).toEqual(
      {
        total: 4,
        killed: 2,
        survived: 1,
        equivalent: 1,
        score: 2 / 3,
      },
    );
  });
});

describe('the table of equivalent mutants', () => {
  it('has a reason for each, no entry twice, and none that is no mutant any more', async () => {
    for (const e of EQUIVALENT) expect(e.reason.length).toBeGreaterThan(20);
    const keys = EQUIVALENT.map((e) => `${keyOf({ ...e, nth: e.nth ?? 1 })} ${e.series?.join() ?? ''}`);
    expect(new Set(keys).size).toBe(keys.length);
    expect(await stale(['v4', 'v7'])).toEqual([]);
  });

  it('holds for the series that it names', () => {
    const key = { function: 'f', operator: 'left out', text: 'x', nth: 1 } as const;
    const table = [
      { function: 'f', operator: 'left out', text: 'x', series: ['v4'], reason: 'none' },
    ] as const;
    expect(equivalent(key, 'v4', table)).toBe(table[0]);
    expect(equivalent(key, 'v7', table)).toBeUndefined();
    expect(equivalent({ ...key, nth: 2 }, 'v4', table)).toBeUndefined();
  });
});

describe('the list of those that nothing notices', () => {
  it('says why of each, and of none that is no mutant any more', async () => {
    const mutants = await Promise.all(['v4', 'v7'].map((name) => Nursery.open(name, [], OPTIONS)));
    for (const entry of UNNOTICED) {
      const meant = mutants.flatMap((n) => n.mutants).filter((m) => isFor(entry, m));
      expect(meant, String(entry.text)).not.toEqual([]);
      for (const m of meant) expect(whyUnnoticed(m, 1)).toBe(entry.why);
    }
  });
});

describe('guards', () => {
  const reached = ['open-and-close', 'lspci-with-pme', 'neighbour-interrupt-in-d3cold'];

  it.each([
    ['vfio_pci_core_disable: moved down: down_write(vdev.memory_lock)', 'pm_runtime_engaged read'],
    ['vfio_pci_core_runtime_resume: moved down: mutex_lock(vdev.igate)', 'pme_trigger read'],
    ['vfio_pci_intx_mask: moved down: const flags = spin_lock_irqsave(vdev.irqlock)', 'masked read'],
  ])('notice %s', async (key, what) => {
    const { kill } = await fate('v4', key, reached);
    expect(kill?.what).toContain(`finding unguarded: ${what} without`);
  });

  it('let a device be used as before', async () => {
    const scenario = scenarioByName('low-power-enter');
    await Nursery.open('v7', [], OPTIONS);
    const { lines } = await new ObservedScenario(scenario, 'v7@5').run({ kind: 'default' });
    // The flags of low power are never used without the lock; the power state is, while nobody can have the device open.
    const findings = lines.filter((line) => line.startsWith('finding'));
    for (const line of findings)
      expect(line).toMatch(/unguarded: current_state .* in .*(?:register_device|core_disable)/);
    const { outcome } = await runScenario(scenario, { revision: 'v7' });
    expect(lines[0]).toBe(`outcome ${outcome}`);
  });
});
