// SPDX-License-Identifier: GPL-2.0-only
// The port of v4 against the mails themselves, as the review quotes them: VFIO_LAB_SERIES names the folder.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Series } from '@vfio-lab/review/reader';
import { readSeries } from '@vfio-lab/review/reader';
import { beforeAll, describe, expect, it } from 'vitest';
import { CReader } from '../src/c-atoms.ts';
import { checkPort } from '../src/index.ts';
import { functionIn, readModules, revisionDir, ROOT, SourceCache } from '../src/modules.ts';
import { removables, without } from './helpers.ts';

const page = path.join(process.env['VFIO_LAB_SERIES'] ?? '', 'pm-v4.patchwork.txt');
const present = process.env['VFIO_LAB_SERIES'] !== undefined && existsSync(page);

describe.skipIf(!present)('v4, patches 1, 4 and 5', () => {
  const cache = new SourceCache();
  const dir = revisionDir(ROOT, 'v4');
  let series: Series;
  let reader: CReader;
  beforeAll(async () => {
    series = await readSeries(readFileSync(page), 'pm-v4.patchwork.txt');
    reader = await CReader.create();
  });

  it('has nothing missing and nothing extra', async () => {
    const result = await checkPort('v4', series, { cache, reader });
    expect(result.patches.filter((p) => p.skipped === null).map((p) => p.number)).toEqual([1, 4, 5]);
    expect(result).toMatchObject({ missing: 0, extra: 0 });
    expect(result.covered).toBeGreaterThanOrEqual(185);
  });

  it('each of its statements, taken out, is named', async () => {
    const modules = readModules(cache, dir, dir);
    let total = 0;
    const unnamed: string[] = [];
    for (const number of [1, 4, 5]) {
      const source = modules.patches.get(number);
      if (source === undefined) throw new Error(`no module ${number}`);
      const before = (name: string) => {
        for (let n = number - 1; n > 0; n--) {
          const fn = functionIn(modules.patches.get(n), name);
          if (fn !== undefined) return fn;
        }
        return functionIn(cache.base(ROOT, name), name);
      };
      for (const one of removables(source.path, before)) {
        total++;
        const text = without(source.file.text, one);
        const result = await checkPort('v4', series, { reader, cache: cache.overlay(source.path, text) });
        const functions = result.patches.flatMap((p) =>
          p.number === number ? p.hunks.flatMap((h) => (h.missing > 0 ? h.functions : [])) : [],
        );
        if (!functions.includes(one.function)) unnamed.push(`${number} ${one.function}: ${one.text}`);
      }
    }
    expect(total).toBeGreaterThan(120);
    expect(unnamed).toEqual([]);
  }, 120_000);
});
