// SPDX-License-Identifier: GPL-2.0-only
import { describe, expect, it } from 'vitest';
import { InputError } from '@vfio-lab/sim';
import { BASE, functionsOf, link, revision, SERIES, v4, WHATIFS } from '../src/index.ts';

describe('v4', () => {
  it('has the six patches of the mails, a second apart', () => {
    expect(v4.patches.map(({ patch }) => patch.number)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(v4.patches.map(({ patch }) => patch.messageId)).toEqual(
      [2, 3, 4, 5, 6, 7].map((n) => `20220701110814.7310-${n}-abhsahu@nvidia.com`),
    );
    const dates = [v4.date, ...v4.patches.map(({ patch }) => patch.date)].map((d) => Date.parse(d) / 1000);
    expect(dates.map((d) => d - (dates[0] ?? 0))).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  it.each([...v4.patches])(
    'patch $patch.number exports the functions that it names, and no others',
    (module) => {
      const named = Object.values(module.patch.functions).flat();
      expect([...functionsOf(module).keys()].toSorted()).toEqual(named.toSorted());
      for (const file of Object.keys(module.patch.functions)) expect(module.patch.files).toContain(file);
    },
  );

  it('adds functions only where the C does', () => {
    const base = link(BASE);
    const added = v4.patches.map((p) => [...functionsOf(p).keys()].filter((name) => !(name in base.table)));
    const seen = new Set<string>();
    const fresh = added.map((names) =>
      names.filter((name) => {
        const isNew = !seen.has(name);
        seen.add(name);
        return isNew;
      }),
    );
    expect(fresh.map((names) => names.toSorted())).toEqual([
      ['vfio_pci_core_runtime_resume', 'vfio_pci_core_runtime_suspend'],
      [],
      ['vfio_device_pm_runtime_get', 'vfio_device_pm_runtime_put'],
      ['vfio_pci_core_feature_pm', 'vfio_pci_pm_validate_flags'],
      ['vfio_pci_low_power_reentry_allowed'],
      ['vfio_pci_set_pme_trigger'],
    ]);
  });
});

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
    'v4@x',
    'base@1',
    'base+exit-order',
    'v4+none',
    'v4@3+no-usage-reference',
    'v4@',
  ])('refuses %j with one line that lists what there is', (name) => {
    expect(() => revision(name)).toThrow(InputError);
    expect(() => revision(name)).toThrow(/^[^\n]*there are: base, v4 \(v4@0 to v4@6\)[^\n]*$/);
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
