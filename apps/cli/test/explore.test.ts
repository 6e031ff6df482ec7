// SPDX-License-Identifier: GPL-2.0-only
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
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
      '30',
      '--html',
      folder,
    );
    expect(out).toContain('undirected-suspend');
    expect(out).toContain('not all was searched');
    const page = readdirSync(folder).find((f) => f.endsWith('.html')) ?? '';
    expect(readFileSync(path.join(folder, page), 'utf8')).toContain('<svg');
  });

  it('a strategy that does not exist', async () => {
    expect(await cli('explore', 'exit-vs-host-access', '--strategy', 'magic')).toMatchObject({
      status: 2,
      out: '',
    });
  });
});
