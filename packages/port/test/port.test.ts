// SPDX-License-Identifier: GPL-2.0-only
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { readSeries } from '@vfio-lab/review/reader';
import { Machine } from '@vfio-lab/sim';
import type * as revisions from '@vfio-lab/series';
import { beforeAll, describe, expect, it } from 'vitest';
import { CReader } from '../src/c-atoms.ts';
import type { PortCheck } from '../src/index.ts';
import { checkPort, moduleName, portNew } from '../src/index.ts';
import { functionIn, SourceCache } from '../src/modules.ts';
import { removables, scratch, v8, without } from './helpers.ts';

const SECOND = '2-count-the-wake-ups-of-a-device.ts';

/** What a person does to patch 2. */
function portSecond(text: string): string {
  return text
    .replace(
      "import { dev_get_drvdata } from '@vfio-lab/kernel';",
      "import { dev_get_drvdata, pci_info_ratelimited } from '@vfio-lab/kernel';",
    )
    .replace(
      'export const patch',
      "declare module '@vfio-lab/headers' {\n  interface vfio_pci_core_device {\n    pm_wakeups: number;\n  }\n}\n\nexport const patch",
    )
    .replace(
      '/** C:',
      'export const fields = {\n  vfio_pci_core_device: { pm_wakeups: () => 0 },\n};\n\n/** C:',
    )
    .replace(
      '  if (vdev.pm_intx_masked)',
      '  vdev.pm_wakeups++;\n  if (vdev.pm_wakeups > 1) pci_info_ratelimited(vdev.pdev, `woken up ${vdev.pm_wakeups} times\\n`);\n\n  if (vdev.pm_intx_masked)',
    );
}

/** The lines that are missing, without their indentation. */
function missing(result: PortCheck): string[] {
  return result.patches.flatMap((p) =>
    p.hunks.flatMap((h) =>
      h.lines.filter((l) => l.status === 'missing').map((l) => `${p.number} ${l.kind}${l.text.trim()}`),
    ),
  );
}

describe('port new', () => {
  let root: string;
  let made: ReturnType<typeof portNew>;
  beforeAll(async () => {
    root = scratch();
    made = portNew('v800', 'v7', await v8(), { root });
  });
  const read = (name: string): string => readFileSync(path.join(root, 'packages/series/src', name), 'utf8');

  it('makes a module a patch, an index and the list', () => {
    expect(made.files.toSorted()).toEqual(readdirSync(made.dir).toSorted());
    expect(made.files).toEqual(['1-mask-intx-during-runtime-suspend.ts', SECOND, 'index.ts', 'checklist.md']);
  });

  it('carries every function from where it stands', () => {
    const from = made.patches.map((p) => p.tasks.map((t) => [t.function, t.from]));
    expect(from).toEqual([
      [
        ['vfio_pci_core_runtime_suspend', 'v7 3/5'],
        ['vfio_pci_core_runtime_resume', 'v7 3/5'],
        ['vfio_pci_intx_mask', 'v7 3/5'],
        [null, 'v7 3/5'],
        [null, 'v7 3/5'],
      ],
      [
        ['vfio_pci_core_runtime_resume', 'v800 1/2'],
        [null, 'new'],
      ],
    ]);
    expect(read('v800/1-mask-intx-during-runtime-suspend.ts')).toContain(
      "export { fields, statics } from '../v7/3-mask-intx-during-runtime-suspend.ts';",
    );
  });

  it('lists the C of every hunk', () => {
    expect(read('v800/checklist.md')).toContain(
      '\n      @@ -19,6 +19,11 @@ static int vfio_pci_core_runtime_resume(struct device *dev)\n      +\tvdev->pm_wakeups++;\n',
    );
  });

  it('gives a revision that links and loads at every prefix before anything is ported', async () => {
    const url = pathToFileURL(path.join(root, 'packages/series/src/index.ts')).href;
    const { revision, SERIES } = (await import(/* @vite-ignore */ url)) as typeof revisions;
    const series = SERIES.at(-1);
    expect(series).toMatchObject({
      name: 'v800',
      version: 8,
      author: { name: 'Ada Sample' },
      messageId: '20230301090000.1-1-ada@example.org',
    });
    expect(series?.changelog).toEqual([
      'Only the interrupt of the series; the rest is in already.',
      'New patch 2.',
    ]);
    expect(series?.patches.map((p) => p.patch.date)).toEqual([
      '2023-03-01T09:01:00Z',
      '2023-03-01T09:02:00Z',
    ]);
    for (const name of ['v800@0', 'v800@1', 'v800@2']) {
      const { image } = revision(name);
      await new Machine({}).run(() => {
        expect(image.boot()).toHaveProperty('vfio_pci_core_pm_ops');
        return Promise.resolve();
      });
    }
    expect(revision('v800').image.owner('vfio_pci_core_runtime_resume')).toBe(series?.patches[1]);
  });

  it('leaves what is there alone', async () => {
    const series = await v8();
    expect(() => portNew('v800', 'v7', series, { root })).toThrow(/^there is such a revision already: v8/);
    expect(() => portNew('v7', 'v6', series, { root })).toThrow(/^there is such a revision already: v7/);
  });

  it.each([
    ['8', 'v7', /^no name of a revision/],
    ['v8/../x', 'v7', /^no name of a revision/],
    ['v900', 'v1', /^no such revision: 'v1': there are: v3, v4/],
  ])('takes no %s from %s', async (name, from, error) => {
    const series = await v8();
    expect(() => portNew(name, from, series, { root })).toThrow(error);
    expect(existsSync(path.join(root, 'packages/series/src/v900'))).toBe(false);
  });

  it('takes no series with a patch that is not there, or cut', async () => {
    const whole = await v8();
    const [first, second] = whole.patches;
    const none = { ...whole, patches: [{ ...first, diff: [] }, second] };
    expect(() => portNew('v900', 'v7', none, { root })).toThrow(/^no diff of patch 1: v8\.mbox: /);
    const [diff] = first.diff;
    const cut = {
      ...whole,
      patches: [{ ...first, diff: [{ ...diff, hunks: [{ ...diff.hunks[0], complete: false }] }] }, second],
    };
    expect(() => portNew('v900', 'v7', cut, { root })).toThrow(
      /^patch 1 is cut in drivers\/vfio\/pci\/vfio_pci_core\.c @@/,
    );
  });

  it('leaves nothing behind on a fault', async () => {
    const other = scratch();
    const src = path.join(other, 'packages/series/src');
    const table = path.join(src, 'index.ts');
    const before = [readdirSync(src), readFileSync(path.join(src, 'revision.ts'), 'utf8')];
    // In the way of the second of the two files that know the revisions
    mkdirSync(`${table}.${process.pid}.new`);
    const series = await v8();
    expect(() => portNew('v800', 'v7', series, { root: other })).toThrow(
      /EISDIR|ENOTEMPTY|EEXIST|ERR_FS_EISDIR|directory/,
    );
    const after = readdirSync(src).filter((name) => !name.endsWith('.new'));
    expect([after, readFileSync(path.join(src, 'revision.ts'), 'utf8')]).toEqual(before);
  });

  it('names modules as their patches', () => {
    expect(moduleName(3, 'vfio/pci: Mask INTx during runtime suspend')).toBe(
      '3-mask-intx-during-runtime-suspend.ts',
    );
    expect(moduleName(4, 'vfio: VFIO_DEVICE_FEATURE_X/Y')).toBe('4-vfio-device-feature-x-y.ts');
    expect(moduleName(5, 'vfio: ')).toBe('5-patch.ts');
  });
});

describe('port check', () => {
  let root: string;
  let module: string;
  let ported: string;
  const cache = new SourceCache();
  let reader: CReader;
  const check = async (text: string): Promise<PortCheck> =>
    checkPort('v800', await v8(), { root, reader, cache: cache.overlay(module, text) });

  beforeAll(async () => {
    reader = await CReader.create();
    root = scratch();
    const { dir } = portNew('v800', 'v7', await v8(), { root });
    module = path.join(dir, SECOND);
    cache.read(module, dir);
    ported = portSecond(readFileSync(module, 'utf8'));
  });

  it('names every line that is not ported', async () => {
    expect(missing(await checkPort('v800', await v8(), { root, reader }))).toEqual([
      '2 +vdev->pm_wakeups++;',
      '2 +if (vdev->pm_wakeups > 1)',
      '2 +pci_info_ratelimited(vdev->pdev, "woken up %u times\\n",',
      '2 +vdev->pm_wakeups);',
      '2 +u32\t\t\tpm_wakeups;',
    ]);
  });

  it('finds nothing missing in the ported module', async () => {
    const result = await check(ported);
    expect(missing(result)).toEqual([]);
    expect(result).toMatchObject({ missing: 0, extra: 0, covered: 25 });
  });

  it.each([
    ['another sense', 'pm_wakeups > 1', 'pm_wakeups < 1', ['2 +if (vdev->pm_wakeups > 1)']],
    ['a field without a value', 'pm_wakeups: () => 0', 'pm_wakes: () => 0', ['2 +u32\t\t\tpm_wakeups;']],
    [
      'a line that the patch keeps',
      'await this.vfio_pci_intx_unmask(vdev);',
      '{}',
      ['2  vfio_pci_intx_unmask(vdev);'],
    ],
  ])('names %s', async (_, from, to, lines) => {
    expect(ported).toContain(from);
    const found = missing(await check(ported.replace(from, to)));
    for (const line of lines) expect(found).toContain(line);
  });

  it('names what comes in another order', async () => {
    const swapped = ported.replace(/( {2}vdev\.pm_wakeups\+\+;\n)([^\n]*\n)/, '$2$1');
    expect(missing(await check(swapped)).length).toBeGreaterThan(0);
  });

  it('names what the patch does not have', async () => {
    const result = await check(
      ported.replace('  return 0;', '  await this.vfio_pci_set_power_state(vdev, PCI_D0);\n  return 0;'),
    );
    const extra = result.patches.flatMap((p) => p.hunks.flatMap((h) => h.extra));
    expect(extra.map((e) => e.text)).toEqual(['call of vfio_pci_set_power_state(PCI_D0, vdev)']);
    expect(result.missing).toBe(0);
  });

  it('names what the patch takes out and the port still has', async () => {
    const text = [
      'From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001',
      'Message-Id: <1@example.org>',
      'From: Ada Sample <ada@example.org>',
      'Date: Wed, 1 Mar 2023 09:02:00 +0000',
      'Subject: [PATCH v8] vfio/pci: Leave the interrupt masked',
      '',
      'It is unmasked elsewhere.',
      '',
      '---',
      ' drivers/vfio/pci/vfio_pci_core.c | 3 ---',
      ' 1 file changed, 3 deletions(-)',
      '',
      'diff --git a/drivers/vfio/pci/vfio_pci_core.c b/drivers/vfio/pci/vfio_pci_core.c',
      'index 1111111..2222222 100644',
      '--- a/drivers/vfio/pci/vfio_pci_core.c',
      '+++ b/drivers/vfio/pci/vfio_pci_core.c',
      '@@ -10,8 +10,5 @@ static int vfio_pci_core_runtime_resume(struct device *dev)',
      ' {',
      ' \tstruct vfio_pci_core_device *vdev = dev_get_drvdata(dev);',
      ' ',
      '-\tif (vdev->pm_intx_masked)',
      '-\t\tvfio_pci_intx_unmask(vdev);',
      '-',
      ' \treturn 0;',
      ' }',
      '-- ',
      '2.39.5',
      '',
    ].join('\n');
    const series = await readSeries(text, 'one.mbox');
    const other = scratch();
    const { dir, patches } = portNew('v800', 'v7', series, { root: other });
    const file = path.join(dir, patches[0].module);
    const whole = await checkPort('v800', series, { root: other, reader });
    expect(missing(whole)).toEqual(['1 -if (vdev->pm_intx_masked)', '1 -vfio_pci_intx_unmask(vdev);']);
    writeFileSync(file, readFileSync(file, 'utf8').replace(/ {2}if \(vdev\.pm_intx_masked\).*\n\n/, ''));
    expect((await checkPort('v800', series, { root: other, reader })).missing).toBe(0);
  });

  it('names each statement that is taken out', async () => {
    const before = cache.read(path.join(path.dirname(module), '1-mask-intx-during-runtime-suspend.ts'));
    const file = path.join(scratch(), 'ported.ts');
    writeFileSync(file, ported);
    const all = removables(file, (name) => functionIn(before, name));
    expect(all.map((r) => r.text)).toHaveLength(3);
    for (const one of all) expect(missing(await check(without(ported, one))), one.text).not.toEqual([]);
  });

  it('wants a folder with modules', async () => {
    const series = await v8();
    await expect(checkPort('v900', series, { root })).rejects.toThrow(/^no such folder of modules/);
    await expect(checkPort('v800', series, { root, modules: root })).rejects.toThrow(/^no module of a patch/);
    const empty = { ...series, patches: series.patches.map((p) => ({ ...p, diff: [] })) };
    await expect(checkPort('v800', empty, { root })).rejects.toThrow(/^no patch in it has a diff/);
  });
});
