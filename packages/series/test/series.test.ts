// SPDX-License-Identifier: GPL-2.0-only
import { describe, expect, it } from 'vitest';
import { InputError } from '@vfio-lab/sim';
import { BASE, firstPrefix, functionsOf, link, revision, SERIES, v4, WHATIFS } from '../src/index.ts';
import type { SeriesInfo } from '../src/index.ts';

/** Of each patch, the functions that neither the base nor an earlier patch has. */
function added(series: SeriesInfo): string[][] {
  const seen = new Set(Object.keys(link(BASE).table));
  return series.patches.map((module) => {
    const fresh = [...functionsOf(module).keys()].filter((name) => !seen.has(name));
    for (const name of fresh) seen.add(name);
    return fresh.toSorted();
  });
}

describe.each([...SERIES])('$name', (series) => {
  const stem = /^(.*)-1-abhsahu@nvidia\.com$/.exec(series.messageId)?.[1];

  it.skipIf(stem === undefined)('has the patches of the mails, a second apart', () => {
    const numbers = series.patches.map(({ patch }) => patch.number);
    expect(numbers).toEqual(series.patches.map((_, i) => i + 1));
    expect(series.patches.map(({ patch }) => patch.messageId)).toEqual(
      numbers.map((n) => `${stem}-${n + 1}-abhsahu@nvidia.com`),
    );
    const dates = [series.date, ...series.patches.map(({ patch }) => patch.date)].map(
      (d) => Date.parse(d) / 1000,
    );
    expect(dates.map((d) => d - (dates[0] ?? 0))).toEqual([0, ...numbers]);
    expect(series.name).toBe(`v${series.version}`);
  });

  it.each([...series.patches])(
    'patch $patch.number exports the functions that it names, and no others',
    (module) => {
      const { patch } = module;
      const named = patch.inBase ? [] : Object.values(patch.functions).flat();
      expect([...functionsOf(module).keys()].toSorted()).toEqual(named.toSorted());
      for (const file of Object.keys(patch.functions)) expect(patch.files).toContain(file);
    },
  );

  it('can be linked at every prefix that is not less than the base', () => {
    for (let n = firstPrefix(series); n <= series.patches.length; n++) {
      const { name, image } = revision(`${series.name}@${n}`);
      expect(name).toBe(`${series.name}@${n}`);
      const last = series.patches[n - 1];
      for (const fn of functionsOf(last ?? {}).keys()) expect(image.owner(fn)).toBe(last);
    }
    expect(revision(`${series.name}@${firstPrefix(series)}`).image.patched()).toEqual([]);
  });
});

describe('a series adds functions only where the C does', () => {
  it('v3', () => {
    expect(added(series('v3'))).toEqual([
      [],
      [],
      [],
      [],
      [],
      ['vfio_device_pm_runtime_get'],
      ['vfio_pci_core_runtime_resume', 'vfio_pci_core_runtime_suspend'],
      ['vfio_pci_core_feature_pm'],
    ]);
  });

  it('v4', () => {
    expect(added(v4)).toEqual([
      ['vfio_pci_core_runtime_resume', 'vfio_pci_core_runtime_suspend'],
      [],
      ['vfio_device_pm_runtime_get', 'vfio_device_pm_runtime_put'],
      ['vfio_pci_core_feature_pm', 'vfio_pci_pm_validate_flags'],
      ['vfio_pci_low_power_reentry_allowed'],
      ['vfio_pci_set_pme_trigger'],
    ]);
  });

  it.each(['v5', 'v6', 'v7'])('%s', (name) => {
    const exits = name === 'v5' ? [] : ['__vfio_pci_runtime_pm_exit'];
    expect(added(series(name))).toEqual([
      [],
      ['vfio_device_pm_runtime_get', 'vfio_device_pm_runtime_put'],
      ['vfio_pci_core_runtime_resume', 'vfio_pci_core_runtime_suspend'],
      [
        ...exits,
        'vfio_pci_core_pm_entry',
        'vfio_pci_core_pm_exit',
        'vfio_pci_runtime_pm_entry',
        'vfio_pci_runtime_pm_exit',
      ],
      ['vfio_pci_core_pm_entry_with_wakeup'],
    ]);
  });
});

function series(name: string): SeriesInfo {
  const found = SERIES.find((s) => s.name === name);
  if (found === undefined) throw new Error(`no ${name}`);
  return found;
}

describe('base', () => {
  it('has the functions of all seven C files', () => {
    // 235 definitions: vfio_iommu_driver_allowed() is there twice, under one condition and its opposite; the accessors
    // that macros of vfio_pci_rdwr.c make come on top.
    const { table } = link(BASE);
    expect(Object.keys(table).length).toBeGreaterThanOrEqual(234);
    for (const name of [
      'vfio_init',
      'vfio_virqfd_init',
      'vfio_pci_core_init',
      'vfio_pci_init',
      'msix_mmappable_cap',
    ])
      expect(table).toHaveProperty(name);
  });
});

describe('revision', () => {
  it('knows the base, whole series and their prefixes, in both spellings', () => {
    expect(revision('base')).toMatchObject({ name: 'base', series: null, prefix: 0 });
    expect(revision('v4')).toMatchObject({ name: 'v4@6', prefix: 6 });
    expect(revision('v4@0').name).toBe('v4@0');
    expect(revision('v4.4').name).toBe('v4@4');
    for (let n = 0; n <= 6; n++) expect(revision(`v4@${n}`).image.patches).toHaveLength(n);
    expect(revision('v7')).toMatchObject({ name: 'v7@5', prefix: 5 });
    expect(revision('v7.3').name).toBe('v7@3');
    expect(SERIES.slice(0, 5).map(firstPrefix)).toEqual([5, 0, 0, 0, 0]);
    expect(revision('v3.5').image.table).toEqual(revision('base').image.table);
  });

  it('lays a what-if patch over everything else', () => {
    const { name, image } = revision('v4@6+exit-order');
    expect(name).toBe('v4@6+exit-order');
    expect(image.owner('vfio_pci_core_feature_pm')).toBe(
      WHATIFS.find(({ whatif }) => whatif.name === 'exit-order'),
    );
    expect(image.owner('vfio_pci_rw')).toBe(v4.patches[3]);
    expect(revision('v4+no-usage-reference+exit-order').whatifs).toHaveLength(2);
  });

  it.each([
    '',
    'v9',
    'v4@7',
    'v3@4',
    'v3@9',
    'v7@6',
    'v4@x',
    'base@1',
    'base+exit-order',
    'v4+none',
    'v4@3+no-usage-reference',
    'v4@',
  ])('refuses %j with one line that lists what there is', (name) => {
    expect(() => revision(name)).toThrow(InputError);
    expect(() => revision(name)).toThrow(
      /^[^\n]*there are: base, v3 \(v3@5 to v3@8\), v4 \(v4@0 to v4@6\), v5 \(v5@0 to v5@5\)[^\n]*$/,
    );
  });

  it.each([...WHATIFS])('links $whatif.name on every prefix that it is for', (module) => {
    const series = SERIES.find(({ name }) => name === module.whatif.series);
    for (const prefix of module.whatif.prefixes) {
      const { image } = revision(`${series?.name}@${prefix}+${module.whatif.name}`);
      for (const name of Object.values(module.whatif.functions).flat())
        expect(image.owner(name)).toBe(module);
    }
    expect([...functionsOf(module).keys()].toSorted()).toEqual(
      Object.values(module.whatif.functions).flat().toSorted(),
    );
  });
});
