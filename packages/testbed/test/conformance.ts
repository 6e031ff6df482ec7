// SPDX-License-Identifier: GPL-2.0-only
// Replays every recording of a real kernel; the files conformance-*.test.ts have a share each, to run side by side.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { applyExceptions, type IndexEntry, readIndex, recordingsDir, replay } from '../src/index.ts';

/**
 * Recordings that still differ, with the number of differing lines. More is a failure; fewer has to be written down:
 * run the tests with VFIO_LAB_UPDATE_KNOWN=1.
 */
const KNOWN = path.join(import.meta.dirname, 'known-differences.json');
const SHARES = 2;
const update = process.env['VFIO_LAB_UPDATE_KNOWN'] === '1';

const keyOf = (e: IndexEntry): string =>
  `${path.basename(path.dirname(e.against))}/${path.basename(e.against, '.jsonl')}`;

function readKnown(): Record<string, number> {
  return existsSync(KNOWN) ? (JSON.parse(readFileSync(KNOWN, 'utf8')) as Record<string, number>) : {};
}

/** The tests of one share: every SHARES-th recording of the index. */
export function conformance(share: number): void {
  const dir = process.env['VFIO_LAB_CONFORMANCE'] ?? recordingsDir();
  const entries = readIndex(dir).filter((_, i) => i % SHARES === share);
  const known = readKnown();
  const found = new Map<string, number>();

  describe(`recordings of real kernels, share ${share + 1} of ${SHARES}`, () => {
    it.each(entries.map((e) => [keyOf(e), e] as const))('%s', async (key, entry) => {
      const { differences } = await replay(entry);
      const { unexplained, unneeded } = applyExceptions(entry, differences);
      found.set(key, unexplained.length);
      expect(unneeded, 'lines that need no exception any more').toEqual([]);
      if (unexplained.length > (known[key] ?? 0)) expect(unexplained).toEqual([]);
    });

    it('lists no difference that is gone', () => {
      const stale = [...found].filter(([key, n]) => n < (known[key] ?? 0));
      if (!update) expect(stale, 'VFIO_LAB_UPDATE_KNOWN=1 writes the list anew').toEqual([]);
    });

    afterAll(() => {
      if (!update) return;
      const table = readKnown();
      for (const [key, n] of found) {
        if (n === 0) delete table[key];
        else if (n < (table[key] ?? 0)) table[key] = n;
      }
      const sorted = Object.fromEntries(Object.entries(table).sort(([a], [b]) => (a < b ? -1 : 1)));
      writeFileSync(KNOWN, `${JSON.stringify(sorted, null, 2)}\n`);
    });
  });
}
