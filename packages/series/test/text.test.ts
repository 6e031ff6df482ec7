// SPDX-License-Identifier: GPL-2.0-only
/*
 * A patch module holds whole functions, so a later correction of the base does not reach it by itself. Here the text of
 * each is compared with the version before it: the lines that differ have to be those of the patch.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { SeriesInfo } from '../src/index.ts';
import { v3, v4, v5, v6, v7 } from '../src/index.ts';

const packages = join(import.meta.dirname, '../..');
const files: Readonly<Record<string, string>> = {
  'drivers/vfio/vfio.c': 'vfio/src/vfio.ts',
  'drivers/vfio/vfio_main.c': 'vfio/src/vfio.ts', // its name since v6.0
  'drivers/vfio/pci/vfio_pci_core.c': 'vfio-pci-core/src/vfio_pci_core.ts',
  'drivers/vfio/pci/vfio_pci_intrs.c': 'vfio-pci-intrs/src/vfio_pci_intrs.ts',
  'drivers/vfio/pci/vfio_pci_config.c': 'vfio-pci-config/src/vfio_pci_config.ts',
};

/** The lines of a function without comments and indentation, wherever a file has it from; none when it has it not. */
function linesOf(file: string, name: string): string[] {
  const source = readFileSync(file, 'utf8');
  const start = source.search(new RegExp(`^export (async )?function ${name}\\(`, 'm'));
  if (start < 0) {
    const other = new RegExp(`^export \\{[^}]*\\b${name}\\b[^}]*\\} from '(.*)';`, 'm').exec(source)?.[1];
    return other === undefined ? [] : linesOf(join(dirname(file), other), name);
  }
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

/** What each patch of a series changes in each function. */
function changes(series: SeriesInfo): Record<string, string> {
  const last = new Map<string, string[]>();
  const got: Record<string, string> = {};
  const dir = join(packages, 'series/src', series.name);
  for (const { patch } of series.patches) {
    if (patch.inBase) continue;
    const file = readdirSync(dir).find((name) => name.startsWith(`${patch.number}-`)) ?? '';
    for (const [c, names] of Object.entries(patch.functions)) {
      for (const name of names) {
        const now = linesOf(join(dir, file), name);
        got[`${patch.number} ${name}`] = diffstat(
          last.get(name) ?? linesOf(join(packages, files[c] ?? ''), name),
          now,
        );
        last.set(name, now);
      }
    }
  }
  return got;
}

describe('every patch changes the lines of its mail, and no others', () => {
  it('v4', () => {
    expect(changes(v4)).toMatchInlineSnapshot(`
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

  it('v3', () => {
    expect(changes(v3)).toMatchInlineSnapshot(`
      {
        "6 vfio_device_fops_unl_ioctl": "+10 -3",
        "6 vfio_device_pm_runtime_get": "+6 -0",
        "7 vfio_pci_core_runtime_resume": "+5 -0",
        "7 vfio_pci_core_runtime_suspend": "+5 -0",
        "7 vfio_pci_intx_mask": "+4 -1",
        "8 __vfio_pci_memory_enabled": "+1 -1",
        "8 vfio_pci_config_rw": "+8 -1",
        "8 vfio_pci_core_disable": "+4 -0",
        "8 vfio_pci_core_feature_pm": "+53 -0",
        "8 vfio_pci_core_ioctl_feature": "+2 -0",
        "8 vfio_pci_core_runtime_suspend": "+7 -0",
        "8 vfio_pci_dev_set_hot_reset": "+4 -0",
        "8 vfio_pci_set_power_state": "+1 -0",
      }
    `);
  });

  it('v5', () => {
    expect(changes(v5)).toMatchInlineSnapshot(`
      {
        "2 vfio_device_fops_unl_ioctl": "+10 -3",
        "2 vfio_device_pm_runtime_get": "+11 -0",
        "2 vfio_device_pm_runtime_put": "+4 -0",
        "3 vfio_pci_core_runtime_resume": "+5 -0",
        "3 vfio_pci_core_runtime_suspend": "+5 -0",
        "3 vfio_pci_intx_mask": "+4 -1",
        "4 vfio_pci_core_disable": "+2 -0",
        "4 vfio_pci_core_ioctl_feature": "+4 -0",
        "4 vfio_pci_core_pm_entry": "+12 -0",
        "4 vfio_pci_core_pm_exit": "+13 -0",
        "4 vfio_pci_core_runtime_suspend": "+3 -0",
        "4 vfio_pci_dev_set_hot_reset": "+4 -0",
        "4 vfio_pci_mmap_fault": "+1 -1",
        "4 vfio_pci_runtime_pm_entry": "+11 -0",
        "4 vfio_pci_runtime_pm_exit": "+8 -0",
        "4 vfio_pci_rw": "+19 -6",
        "5 vfio_pci_core_disable": "+1 -1",
        "5 vfio_pci_core_ioctl_feature": "+2 -0",
        "5 vfio_pci_core_pm_entry": "+1 -1",
        "5 vfio_pci_core_pm_entry_with_wakeup": "+24 -0",
        "5 vfio_pci_core_pm_exit": "+1 -1",
        "5 vfio_pci_core_runtime_resume": "+1 -0",
        "5 vfio_pci_runtime_pm_entry": "+6 -1",
        "5 vfio_pci_runtime_pm_exit": "+14 -1",
      }
    `);
  });

  it('v6', () => {
    expect(changes(v6)).toMatchInlineSnapshot(`
      {
        "2 vfio_device_fops_unl_ioctl": "+10 -3",
        "2 vfio_device_pm_runtime_get": "+11 -0",
        "2 vfio_device_pm_runtime_put": "+4 -0",
        "3 vfio_pci_core_runtime_resume": "+5 -0",
        "3 vfio_pci_core_runtime_suspend": "+5 -0",
        "3 vfio_pci_intx_mask": "+4 -1",
        "4 __vfio_pci_runtime_pm_exit": "+6 -0",
        "4 vfio_pci_core_disable": "+2 -0",
        "4 vfio_pci_core_ioctl_feature": "+4 -0",
        "4 vfio_pci_core_pm_entry": "+12 -0",
        "4 vfio_pci_core_pm_exit": "+13 -0",
        "4 vfio_pci_core_runtime_suspend": "+3 -0",
        "4 vfio_pci_dev_set_hot_reset": "+4 -0",
        "4 vfio_pci_mmap_fault": "+1 -1",
        "4 vfio_pci_runtime_pm_entry": "+11 -0",
        "4 vfio_pci_runtime_pm_exit": "+5 -0",
        "4 vfio_pci_rw": "+19 -6",
        "5 __vfio_pci_runtime_pm_exit": "+4 -0",
        "5 vfio_pci_core_ioctl_feature": "+2 -0",
        "5 vfio_pci_core_pm_entry": "+1 -1",
        "5 vfio_pci_core_pm_entry_with_wakeup": "+24 -0",
        "5 vfio_pci_core_runtime_resume": "+6 -0",
        "5 vfio_pci_runtime_pm_entry": "+6 -1",
      }
    `);
  });

  it('v7', () => {
    expect(changes(v7)).toMatchInlineSnapshot(`
      {
        "2 vfio_device_fops_unl_ioctl": "+10 -3",
        "2 vfio_device_pm_runtime_get": "+11 -0",
        "2 vfio_device_pm_runtime_put": "+4 -0",
        "3 vfio_pci_core_runtime_resume": "+5 -0",
        "3 vfio_pci_core_runtime_suspend": "+5 -0",
        "3 vfio_pci_intx_mask": "+4 -1",
        "4 __vfio_pci_runtime_pm_exit": "+6 -0",
        "4 vfio_pci_core_disable": "+2 -0",
        "4 vfio_pci_core_ioctl_feature": "+4 -0",
        "4 vfio_pci_core_pm_entry": "+12 -0",
        "4 vfio_pci_core_pm_exit": "+13 -0",
        "4 vfio_pci_core_runtime_suspend": "+3 -0",
        "4 vfio_pci_dev_set_hot_reset": "+4 -0",
        "4 vfio_pci_mmap_fault": "+1 -1",
        "4 vfio_pci_runtime_pm_entry": "+11 -0",
        "4 vfio_pci_runtime_pm_exit": "+5 -0",
        "4 vfio_pci_rw": "+19 -6",
        "5 __vfio_pci_runtime_pm_exit": "+4 -0",
        "5 vfio_pci_core_ioctl_feature": "+2 -0",
        "5 vfio_pci_core_pm_entry": "+1 -1",
        "5 vfio_pci_core_pm_entry_with_wakeup": "+24 -0",
        "5 vfio_pci_core_runtime_resume": "+6 -0",
        "5 vfio_pci_runtime_pm_entry": "+6 -1",
      }
    `);
  });
});
