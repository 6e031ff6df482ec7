// SPDX-License-Identifier: GPL-2.0-only
// Replays every recording of a real kernel; the files conformance-*.test.ts have a share each, to run side by side.
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { bootsOf, type IndexEntry, readIndex, recordingsDir, RecordedBoot } from '../src/index.ts';
import { exceptedLines } from '../src/recording-exceptions.ts';

const SHARES = 2;

/**
 * Lines before which the recorder must have taken more or less time than usual: each is a race, and the same or another
 * recording has it come out the other way. A line that is not here is equal with the usual times.
 */
const OTHER_TIMES: Readonly<Record<string, readonly number[]>> = {
  // Still falling asleep, or asleep: lines 17, 33, 49 and 65 of the script are the same operation in the same place.
  'linux-6.1.192/114_lp_sequence_timing.machineA': [17],
  'linux-6.1.192/114_lp_sequence_timing.machineC': [33],
  // Has the child left its port yet? Recorded with v7 it has not.
  'linux-6.1.192/100_d3cold_lp_e1000e.machineB': [221],
  // Asleep between two entries, or not yet? Recorded with 6.1.192 it was.
  'v7/100_d3cold_lp_e1000e.machineB': [261],
};

const keyOf = (e: IndexEntry): string =>
  `${path.basename(path.dirname(e.against))}/${path.basename(e.against, '.jsonl')}`;

/** The tests of one share: every SHARES-th boot of the index. */
export function conformance(share: number): void {
  const dir = process.env['VFIO_LAB_CONFORMANCE'] ?? recordingsDir();
  const boots = bootsOf(readIndex(dir)).filter((_, i) => i % SHARES === share);

  describe(`recordings of real kernels, share ${share + 1} of ${SHARES}`, () => {
    describe.each(boots.map((boot) => [keyOf(boot[0]), boot] as const))('boot of %s', (_, boot) => {
      const recorded = new RecordedBoot(boot[0].machine, boot[0].revision);
      it.each(boot.map((e) => [keyOf(e), e] as const))('%s', async (key, entry) => {
        const { differences, excepted, times } = await recorded.replay(entry);
        expect(differences).toEqual([]);
        expect(
          excepted.map((d) => d.n),
          'every exception is needed',
        ).toEqual(exceptedLines(entry));
        expect(times.map((t) => t.n)).toEqual(OTHER_TIMES[key] ?? []);
      });
    });
  });
}
