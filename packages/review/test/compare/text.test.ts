// SPDX-License-Identifier: GPL-2.0-only
import { revision } from '@vfio-lab/series';
import { describe, expect, it } from 'vitest';
import { align, lineDiff, Sources, unified } from '../../src/index.ts';

describe('differences of texts', () => {
  it('should mark the words of a line that changed', () => {
    const rows = lineDiff('a\nlet x = one(1);\nb', 'a\nlet x = two(1);\nb');
    expect(rows.map((r) => r.kind + r.text)).toEqual([' a', '-let x = one(1);', '+let x = two(1);', ' b']);
    expect(rows[2].words?.filter((w) => w.kind === '+').map((w) => w.text)).toEqual(['two']);
  });

  it('should not call two lines one line when they share nothing', () => {
    expect(lineDiff('alpha beta gamma', 'x y z')[0].words).toBeUndefined();
  });

  it('should put what is the same in one row', () => {
    expect(align(['a', 'b', 'd'], ['a', 'c', 'd'], (x) => x)).toEqual([
      { a: 'a', b: 'a' },
      { a: 'b', b: null },
      { a: null, b: 'c' },
      { a: 'd', b: 'd' },
    ]);
  });

  it('should give nothing for equal texts', () => {
    expect(unified('a', 'b', 'x', 'x')).toBe('');
    expect(unified('a', 'b', 'x', 'y')).toBe('--- a\n+++ b\n@@ -1,1 +1,1 @@\n-x\n+y\n');
  });
});

describe('the source of a function', () => {
  const sources = new Sources();

  it('should come from the patch that has it last', () => {
    const source = sources.of(revision('v4'), 'vfio_pci_core_runtime_resume');
    expect(source?.file).toMatch(/^packages\/series\/src\/v4\/6-/);
    expect(source?.text).toMatch(/^export async function vfio_pci_core_runtime_resume\(/);
  });

  it('should be followed through what a patch passes on', () => {
    expect(sources.of(revision('v7'), 'vfio_pci_runtime_pm_exit')?.file).toMatch(
      /^packages\/series\/src\/v6\/4-/,
    );
  });

  it('should come from the base where no patch has it', () => {
    expect(sources.of(revision('v4'), 'vfio_pci_core_enable')?.file).toBe(
      'packages/vfio-pci-core/src/vfio_pci_core.ts',
    );
    expect(sources.cfile(revision('v4'), 'vfio_pci_core_enable')).toBe('drivers/vfio/pci/vfio_pci_core.c');
  });

  it('should be there for every function of every image', () => {
    for (const name of ['base', 'v3', 'v4', 'v5', 'v6', 'v7', 'v4+exit-order']) {
      const rev = revision(name);
      expect(
        Object.keys(rev.image.table).filter((fn) => sources.of(rev, fn) === null),
        name,
      ).toEqual([]);
    }
  });
});
