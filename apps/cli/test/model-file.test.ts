// SPDX-License-Identifier: GPL-2.0-only
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

const top = path.resolve(import.meta.dirname, '../../..');
const dir = mkdtempSync(path.join(tmpdir(), 'vfio-lab-model-'));

const LOST_UPDATE = `
import { defineModel } from '@vfio-lab/explore';
export const model = defineModel('lost', (m) => {
  const x = m.variable('x', 0);
  for (const name of ['a', 'b'])
    m.task(name, function* () {
      const v = yield* x.read();
      yield* x.write(v + 1);
    });
});
`;

/** The command itself: how a file is loaded is up to the process. */
function explore(name: string, text: string | null): { status: number | null; out: string; err: string } {
  const file = path.join(dir, name);
  if (text !== null) writeFileSync(file, text);
  const args = ['--import', './tools/register.mjs', 'apps/cli/src/main.ts', 'explore', file, '--json'];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: top, encoding: 'utf8' });
  return { status, out: stdout, err: stderr.trim() };
}

afterAll(() => rmSync(dir, { recursive: true }));

describe("a model in a user's own folder", () => {
  it('is searched', () => {
    const { status, out, err } = explore('lost.ts', LOST_UPDATE);
    expect([err, status]).toEqual(['', 0]);
    expect(JSON.parse(out)).toMatchObject({ exhausted: true, findings: [] });
  });

  it.each([
    [
      'no TypeScript',
      'export const model = ;',
      /the model cannot be loaded: .*broken\.ts: .*Unexpected ";"$/,
    ],
    [
      'an import of nothing',
      `import './nothing.ts';`,
      /the model cannot be loaded: .*broken\.ts: .*nothing\.ts/,
    ],
    ['no model', 'export const model = null;', /no model: .*broken\.ts: write: export const model/],
    ['no file', null, /no such file: .*missing\.ts: check the path$/],
  ])('is one line and exit status 2 with %s', (_, text, line) => {
    const { status, out, err } = explore(text === null ? 'missing.ts' : 'broken.ts', text);
    expect(err.split('\n')).toHaveLength(1);
    expect(err).toMatch(line);
    expect([status, out]).toEqual([2, '']);
  });
});
