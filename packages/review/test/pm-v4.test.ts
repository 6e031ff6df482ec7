// SPDX-License-Identifier: GPL-2.0-only
// The review of the power management series, read from the page itself: VFIO_LAB_SERIES names the folder.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { readSeries } from '../src/index.ts';
import type { Series } from '../src/index.ts';

const file = path.join(process.env['VFIO_LAB_SERIES'] ?? '', 'pm-v4.patchwork.txt');
const present = process.env['VFIO_LAB_SERIES'] !== undefined && existsSync(file);
if (!present)
  console.warn(`skipped: no ${file}; VFIO_LAB_SERIES=<folder of saved review pages> runs these tests`);

const read = (): Promise<Series> => readSeries(readFileSync(file), 'pm-v4.patchwork.txt');

describe.skipIf(!present)('vfio/pci: power management changes, v4', () => {
  it('should have six patches, seven comments and no gaps', async () => {
    const series = await read();

    expect(series).toMatchObject({
      title: 'vfio/pci: power management changes',
      version: 4,
      total: 6,
      messageId: '20220701110814.7310-1-abhsahu@nvidia.com',
      author: { name: 'Abhishek Sahu', email: 'abhsahu@nvidia.com' },
      gaps: [],
    });
    expect(series.patches.map(({ subject }) => subject)).toEqual([
      'vfio/pci: Mask INTx during runtime suspend',
      'vfio: Add a new device feature for the power management',
      'vfio: Increment the runtime PM usage count during IOCTL call',
      'vfio/pci: Add the support for PCI D3cold state',
      'vfio/pci: Prevent low power re-entry without guest driver',
      'vfio/pci: Add support for virtual PME',
    ]);
    expect(series.comments).toHaveLength(7);
    expect(series.diffstat).toMatchObject({ insertions: 492, deletions: 31 });
    expect(series.changelog.map(({ version, items }) => [version, items.length])).toEqual([
      [4, 13],
      [3, 16],
      [2, 5],
    ]);
  });

  it('should put every comment on its patch, under its parent, in its function', async () => {
    const { comments } = await read();
    const rows = comments.map((comment) => [
      comment.number,
      comment.author.name,
      comment.patch,
      comment.parent,
      comment.function,
      comment.line,
    ]);

    expect(rows).toEqual([
      [1, 'Alex Williamson', 1, null, 'vfio_pci_intx_mask', 70],
      // Both speak of the commit message: no line of the diff stands above.
      [2, 'Alex Williamson', 5, null, null, null],
      [3, 'Alex Williamson', 4, null, null, null],
      [4, 'Abhishek Sahu', 1, 1, 'vfio_pci_intx_mask', 70],
      [5, 'Alex Williamson', 1, 4, 'vfio_pci_intx_mask', 70],
      [6, 'Abhishek Sahu', 1, 5, 'vfio_pci_intx_mask', 70],
      [7, 'Alex Williamson', 1, 6, 'vfio_pci_intx_mask', 70],
    ]);
    expect(comments.filter(({ file: path }) => path === 'drivers/vfio/pci/vfio_pci_intrs.c')).toHaveLength(5);
    expect(comments.every(({ evidence }) => evidence.includes('date') && evidence.includes('diff'))).toBe(
      true,
    );
  });

  it('should split comments into their remarks', async () => {
    const { comments } = await read();
    const first = comments.map(({ remarks }) =>
      remarks.map(({ place, text }) => `${place}: ${text.slice(0, 24)}`),
    );

    expect(first).toEqual([
      [
        'message: "The INTx lines may be s',
        'message: "...device sharing the i',
        "diff: There's certainly anothe",
      ],
      ['message: Nak, this policy should '],
      ['message: Not disabled, just wrapp', 'message: Unnecessary, just wrap i'],
      ['diff: For our case we should n', 'diff: We will set this flag in'],
      ['diff: Ok, maybe this is largel'],
      ['diff: Thanks Alex.\n I will ren', 'diff: Even after adding this p'],
      ['diff: We should also not see i'],
    ]);
    expect(comments[2]?.remarks[1]?.mentions).toEqual(['vfio_pci_config_rw']);
    expect(comments[3]?.remarks[0]?.answers).toEqual({ comment: 1, remark: 3 });
    expect(comments[0]?.remarks[2]?.hunk).toBe(
      '@@ -60,9 +62,11 @@ void vfio_pci_intx_mask(struct vfio_pci_core_device *vdev)',
    );
  });

  it('should put together from the quotes what patches 1, 4 and 5 change', async () => {
    const { patches } = await read();
    const quoted = patches.filter(({ from }) => from === 'quote');

    // The numbers are those of the diffstats in the quoted mails.
    expect(quoted.map((patch) => [patch.number, patch.insertions, patch.deletions, patch.date])).toEqual([
      [1, 40, 6, '2022-07-01T11:08:09Z'],
      [4, 164, 8, '2022-07-01T11:08:12Z'],
      [5, 84, 5, '2022-07-01T11:08:13Z'],
    ]);
    expect(patches[0]?.functions.map(({ name }) => name)).toEqual([
      'vfio_pci_core_runtime_suspend',
      'vfio_pci_core_runtime_resume',
      'vfio_pci_intx_mask',
    ]);
    expect(patches[4]?.functions.map(({ name }) => name)).toEqual([
      'vfio_pci_low_power_reentry_allowed',
      'vfio_pci_core_runtime_resume',
      'vfio_pci_core_disable',
      'vfio_pci_pm_validate_flags',
      'vfio_pci_core_feature_pm',
    ]);
  });
});
