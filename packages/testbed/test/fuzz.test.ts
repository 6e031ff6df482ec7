// SPDX-License-Identifier: GPL-2.0-only
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { fuzz, KNOWN_DEFECTS, runCase } from './fuzz.ts';

const TOPOLOGIES = readdirSync(path.join(import.meta.dirname, '..', 'topologies'))
  .filter((file) => file.endsWith('.json'))
  .map((file) => path.basename(file, '.json'));

/** Operations a topology; `npm run fuzz` runs as many as one likes. */
const OPS = 500;

describe('random system calls', () => {
  it.each(TOPOLOGIES.map((name, i) => [name, i] as const))('on %s', async (name, i) => {
    const report = await fuzz(name, 'v7', OPS, 1 + i);
    expect(report.ops).toBeGreaterThanOrEqual(OPS);
    // The script in the message runs as it stands: vfio-lab run.
    if (report.failure !== null)
      expect.fail(`${report.failure.problems.join('\n')}\n\n${report.failure.script}`);
  });

  it('show the known defects of the real driver, each with its reason', async () => {
    const setup = [
      'bind 0000:01:00.0',
      'container C0',
      'group G0 0000:01:00.0',
      'set_container G0 C0',
      'set_iommu C0 3',
    ];
    setup.push('device D0 G0 0000:01:00.0');
    const c = { machine: 'no-pm', revision: 'v7', options: '', kasan: false, setup };
    const ops = [
      'set_irqs D0 DEFD|TRIGGER intx 0 1 efd:-1',
      'set_irqs D0 DNONE|MASK intx 0 1',
      'wr D0 bar0 8 4 1',
      'set_irqs D0 DNONE|UNMASK intx 0 1',
    ];
    const nullContext = await runCase({ ...c, ops });
    expect(nullContext.problems).toHaveLength(1);
    expect(nullContext.problems[0]).toMatch(KNOWN_DEFECTS[0].problem);
    const notActivated = await runCase({
      ...c,
      options: 'nointxmask=1',
      ops: ['wr D0 cfg 4 2 0x400', 'set_irqs D0 DEFD|TRIGGER intx 0 1 efd:-1', 'wr D0 cfg 4 2 0'],
    });
    expect(notActivated.problems).toHaveLength(1);
    expect(notActivated.problems[0]).toMatch(KNOWN_DEFECTS[2].problem);
    for (const { reason } of KNOWN_DEFECTS) expect(reason).toMatch(/\w{3}.*\.$/);
  });
});
