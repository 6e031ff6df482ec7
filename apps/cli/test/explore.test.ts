// SPDX-License-Identifier: GPL-2.0-only
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { run } from '../src/program.ts';

const MODEL = path.join(import.meta.dirname, '../../../packages/explore/examples/abba.ts');

async function cli(...args: string[]): Promise<{ status: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const status = await run(args, {
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
    env: { NO_COLOR: '1' },
  });
  return { status, out, err };
}

describe('vfio-lab explore', () => {
  it('a model: exhausted, with the deadlock and how to see it again', async () => {
    const { status, out } = await cli('explore', MODEL, '--json');
    const result = JSON.parse(out) as {
      exhausted: boolean;
      classes: number;
      findings: { kind: string; schedule: string }[];
    };
    expect(status).toBe(3);
    expect(result).toMatchObject({ exhausted: true, classes: 3 });
    const deadlock = result.findings.find((f) => f.kind === 'deadlock');
    expect(deadlock?.schedule).toBe('one@lock:b,two@lock:a');
    const again = await cli('explore', MODEL, '--replay', deadlock?.schedule ?? '');
    expect(again.status).toBe(3);
    expect(again.out).toContain('one waits to lock b holding a');
  });

  it('a scenario under a limit: not exhausted, and says so; what is left goes on', async () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'explore-'));
    const left = path.join(folder, 'left.json');
    const { status, out } = await cli(
      'explore',
      'exit-vs-host-access',
      '--revision',
      'v4@6',
      '--executions',
      '3',
      '--save',
      left,
      '--json',
    );
    expect(status).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      exhausted: false,
      stopped: 'executions',
      executions: 3,
      findings: [],
    });
    const more = await cli(
      'explore',
      'exit-vs-host-access',
      '--revision',
      'v4@6',
      '--executions',
      '3',
      '--resume',
      left,
    );
    expect(more.out).toContain('not exhausted (executions)');
  });

  it('two revisions, and a page for each finding', async () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'explore-'));
    const { out } = await cli(
      'explore',
      'exit-vs-host-access',
      '--revision',
      'v4+exit-order',
      '--against',
      'v4',
      '--executions',
      '200',
      '--html',
      folder,
    );
    expect(out).toContain('undirected-suspend');
    expect(out).toContain('packages/series/src/whatif/exit-order.ts:');
    expect(out).toContain('not all was searched');
    expect(out).toMatch(/both\n {2}guest: EXIT ok; host: lspci answered; awake in D0 \| 01:00\.0 D0 active/);
    const files = readdirSync(folder).sort();
    expect(files).toEqual([
      'exit-vs-host-access-v4+exit-order-1.html',
      'exit-vs-host-access-v4+exit-order-1.json',
      'exit-vs-host-access-v4+exit-order-against-v4.html',
    ]);
    const page = readFileSync(path.join(folder, files[0]), 'utf8');
    for (const part of [
      'guest, meanwhile in',
      'vfio_pci_core_feature_pm()',
      'pm_runtime_engaged = false',
      '01:00.0',
    ])
      expect(page).toContain(part);
    expect(page).not.toMatch(/<script|https?:|@import|url\(/);

    const again = await cli('explore', '--replay', path.join(folder, files[1]));
    expect(again.status).toBe(3);
    expect(again.out).toContain('undirected-suspend');
    expect(again.out).toContain('before add usage_count: host goes on');
    expect(
      Math.max(...again.out.split('\n').map((line) => (line.indexOf('/') < 0 ? line.length : 0))),
    ).toBeLessThanOrEqual(100);
    const elsewhere = await cli('explore', '--replay', path.join(folder, files[1]), '--revision', 'v4');
    expect(elsewhere.status).toBe(0);
    expect(elsewhere.out).toContain('does not show here');
  });

  it('what --replay cannot take', async () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'explore-'));
    const file = path.join(folder, 'x.json');
    writeFileSync(file, '{"version":1,"what":"exit-vs-host-access"}');
    expect(await cli('explore', '--replay', file)).toMatchObject({ status: 2, out: '' });
    expect(await cli('explore', '--replay', 'guest')).toMatchObject({ status: 2, out: '' });
    expect(await cli('explore')).toMatchObject({ status: 2, out: '' });
  });

  it('a strategy that does not exist', async () => {
    expect(await cli('explore', 'exit-vs-host-access', '--strategy', 'magic')).toMatchObject({
      status: 2,
      out: '',
    });
  });
});
