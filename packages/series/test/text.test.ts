// SPDX-License-Identifier: GPL-2.0-only
/*
 * A patch module holds whole functions, so a later correction of the base does not reach it by itself. Here the text of
 * each is compared with the version before it: the lines that differ have to be those of the patch.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { v4 } from '../src/index.ts';

const packages = join(import.meta.dirname, '../..');
const files: Readonly<Record<string, string>> = {
  'drivers/vfio/vfio.c': 'vfio/src/vfio.ts',
  'drivers/vfio/pci/vfio_pci_core.c': 'vfio-pci-core/src/vfio_pci_core.ts',
  'drivers/vfio/pci/vfio_pci_intrs.c': 'vfio-pci-intrs/src/vfio_pci_intrs.ts',
  'drivers/vfio/pci/vfio_pci_config.c': 'vfio-pci-config/src/vfio_pci_config.ts',
};

/** The lines of a function without comments and indentation; none when the file does not have it. */
function linesOf(source: string, name: string): string[] {
  const start = source.search(new RegExp(`^export (async )?function ${name}\\(`, 'm'));
  if (start < 0) return [];
  return source
    .slice(start, source.indexOf('\n}\n', start) + 2)
    .split('\n')
    .map((line) => line.replace(/ ?\/\/ .*$/, '').trim())
    .filter((line) => line !== '');
}

/** `+added -removed`, by the longest common subsequence of lines. */
function diffstat(a: readonly string[], b: readonly string[]): string {
  let row = new Array<number>(b.length + 1).fill(0);
  for (const line of a) {
    const next = [0];
    for (const [j, other] of b.entries())
      next.push(line === other ? row[j] + 1 : Math.max(row[j + 1], next[j]));
    row = next;
  }
  const common = row[b.length];
  return `+${b.length - common} -${a.length - common}`;
}

describe('v4', () => {
  it('changes in every function the lines of the patch and no others', () => {
    const last = new Map<string, string[]>();
    const got: Record<string, string> = {};
    const dir = join(packages, 'series/src/v4');
    for (const { patch } of v4.patches) {
      const file = readdirSync(dir).find((name) => name.startsWith(`${patch.number}-`)) ?? '';
      const source = readFileSync(join(dir, file), 'utf8');
      for (const [c, names] of Object.entries(patch.functions)) {
        const base = readFileSync(join(packages, files[c] ?? ''), 'utf8');
        for (const name of names) {
          const now = linesOf(source, name);
          got[`${patch.number} ${name}`] = diffstat(last.get(name) ?? linesOf(base, name), now);
          last.set(name, now);
        }
      }
    }
    expect(got).toMatchInlineSnapshot(`
      {
        "1 vfio_pci_core_runtime_resume": "+5 -0",
        "1 vfio_pci_core_runtime_suspend": "+5 -0",
        "1 vfio_pci_intx_mask": "+4 -1",
        "3 vfio_device_fops_unl_ioctl": "+6 -1",
        "3 vfio_device_pm_runtime_get": "+11 -0",
        "3 vfio_device_pm_runtime_put": "+4 -0",
        "3 vfio_ioctl_device_feature": "+16 -5",
        "4 __vfio_pci_memory_enabled": "+5 -1",
        "4 vfio_pci_core_disable": "+9 -0",
        "4 vfio_pci_core_feature_pm": "+61 -0",
        "4 vfio_pci_core_ioctl_feature": "+2 -0",
        "4 vfio_pci_core_runtime_suspend": "+3 -0",
        "4 vfio_pci_dev_set_hot_reset": "+4 -0",
        "4 vfio_pci_pm_validate_flags": "+10 -0",
        "4 vfio_pci_rw": "+19 -6",
        "5 vfio_pci_core_disable": "+4 -1",
        "5 vfio_pci_core_feature_pm": "+15 -2",
        "5 vfio_pci_core_runtime_resume": "+6 -0",
        "5 vfio_pci_low_power_reentry_allowed": "+4 -0",
        "5 vfio_pci_pm_validate_flags": "+3 -1",
        "6 init_pci_cap_pm_perm": "+3 -3",
        "6 vfio_cap_init": "+4 -1",
        "6 vfio_pci_core_close_device": "+4 -0",
        "6 vfio_pci_core_ioctl": "+1 -0",
        "6 vfio_pci_core_runtime_resume": "+14 -1",
        "6 vfio_pci_get_irq_count": "+1 -1",
        "6 vfio_pci_set_irqs_ioctl": "+7 -0",
        "6 vfio_pci_set_pme_trigger": "+12 -0",
        "6 vfio_pm_config_write": "+6 -0",
        "6 vfio_update_pm_vconfig_bytes": "+1 -1",
      }
    `);
  });
});
