// SPDX-License-Identifier: GPL-2.0-only
import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { PortCheck } from '@vfio-lab/port';
import { describe, expect, it } from 'vitest';
import { run } from '../src/program.ts';
import { capture } from './helpers.ts';

const packages = path.join(import.meta.dirname, '../../../packages');
const mbox = path.join(packages, 'port/test/fixtures/v8.mbox');

/** A folder with the modules of the made-up series: patch 1 is that of v7, patch 2 is not ported. */
function modules(change: (text: string) => string = (text) => text): string {
  const dir = mkdtempSync(path.join(tmpdir(), 'port-cli-'));
  const v4 = path.join(packages, 'series/src/v4/1-mask-intx-during-runtime-suspend.ts');
  cpSync(v4, path.join(dir, '1-mask.ts'));
  const file = path.join(dir, '1-mask.ts');
  const text = readFileSync(file, 'utf8')
    .replace('is_intx(vdev) && ', 'vdev.irq_type === VFIO_PCI_INTX_IRQ_INDEX && ')
    .replace(/\bintx_masked\b/g, 'masked_changed');
  writeFileSync(file, change(text));
  writeFileSync(path.join(dir, '2-count.ts'), '// nothing yet\n');
  return dir;
}

describe('vfio-lab port', () => {
  it('prints what is covered, missing and extra of every hunk, status 1 when something is missing', async () => {
    const io = capture();
    const args = ['port', 'check', 'v8', '--series', mbox, '--modules', modules()];

    expect(await run(args, io)).toBe(1);
    expect(io.err).toBe('');
    expect(io.out).toContain('vfio_pci_intx_mask(): 3 covered, 0 missing, 0 extra');
    expect(io.out).toContain('missing +    vdev->pm_wakeups++;\n');
    expect(io.out).toContain('vfio_pci_core_runtime_resume() is not in 2-count.ts');
    expect(io.out).toMatch(/\n2 of 2 patches compared: 20 covered, 5 missing, 0 extra\n$/);
  });

  it('names a line that was taken out', async () => {
    const io = capture();
    const dir = modules((text) => text.replace('    masked_changed = true;\n', ''));
    await run(['port', 'check', 'v8', '--series', mbox, '--modules', dir, '--json'], io);
    const [first] = (JSON.parse(io.out) as PortCheck).patches;
    const lines = first?.hunks.flatMap((hunk) => hunk.lines).filter((line) => line.status === 'missing');
    expect(lines).toMatchObject([
      { kind: '+', text: '\t\tmasked_changed = true;', function: 'vfio_pci_intx_mask' },
    ]);
  });

  it.each([
    [['port', 'chek', 'v8', '--series', mbox], 'no action "chek": did you mean check?'],
    [['port', 'check', 'v8'], 'no --series: name the mbox or page of the series'],
    [['port', 'new', 'v8', '--series', mbox], 'no --from: name the revision to start from: v7'],
    [['port', 'check', 'v8', '--series', 'none.mbox'], 'no such file: none.mbox: check the path'],
    [
      ['port', 'new', 'v7', '--from', 'v6', '--series', mbox],
      /^vfio-lab: there is such a revision already: v7: /,
    ],
    [
      ['port', 'new', 'v99', '--from', 'v0', '--series', mbox],
      /^vfio-lab: no such revision: 'v0': there are: v3, /,
    ],
    [['port', 'check', 'v99', '--series', mbox], /^vfio-lab: no such folder of modules: /],
  ])('answers %j with one line and status 2', async (args, line) => {
    const io = capture();

    expect(await run(args, io)).toBe(2);
    expect(io.out).toBe('');
    if (typeof line === 'string') expect(io.err).toBe(`vfio-lab: ${line}\n`);
    else expect(io.err).toMatch(line);
    expect(io.err.split('\n')).toHaveLength(2);
  });
});
