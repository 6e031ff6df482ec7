// SPDX-License-Identifier: GPL-2.0-only
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { run } from '../src/program.ts';
import { capture } from './helpers.ts';

const folder = (): string => mkdtempSync(path.join(os.tmpdir(), 'vfio-lab-fuzz-'));
const CARD = '0000:01:00.0';
/** A program that goes wrong where nothing holds the device awake. */
const SAVED = {
  version: 1,
  revision: 'v4+no-usage-reference',
  kind: 'd3cold-access',
  text: 'config read',
  cause: '',
  schedule: 'user0@lock:&dev->power.lock#2,user1',
  program: {
    topology: 'own-power',
    options: '',
    setup: [
      `bind ${CARD}`,
      'container C0',
      `group G0 ${CARD}`,
      'set_container G0 C0',
      'set_iommu C0 3',
      `device D0 G0 ${CARD}`,
      'lp_enter D0',
    ],
    tasks: [
      { name: 'user0', ops: ['lp_exit D0'] },
      { name: 'user1', ops: ['wr D0 cfg 4 1 0'] },
    ],
  },
};

describe('vfio-lab fuzz', () => {
  it('says what is known of the kernel, and that nothing is new', async () => {
    const io = capture();
    const args = ['fuzz', '--revision', 'v7', '--topology', 'own-power', '--executions', '36', '--seed', '4'];
    expect(await run([...args, '--save', folder()], io)).toBe(0);
    expect(io.out).toMatch(
      /^fuzz v7, seed 4: 36 executions of \d+ programs in [\d.]+ s, \d+\/s, .*; ended by executions$/m,
    );
    expect(io.out).toContain('nothing new');
  });

  it('prints the same as JSON', async () => {
    const io = capture();
    expect(
      await run(['fuzz', '--revision', 'base', '--executions', '24', '--save', folder(), '--json'], io),
    ).toBe(0);
    const report = JSON.parse(io.out) as { executions: number; programs: number; findings: unknown[] };
    expect(report.executions).toBe(24);
    expect(report.programs).toBe(2);
    expect(Array.isArray(report.findings)).toBe(true);
  });

  it('replays what it has written', async () => {
    const file = path.join(folder(), 'case.json');
    writeFileSync(file, JSON.stringify(SAVED));
    const io = capture({}, { columns: 120 });
    expect(await run(['fuzz', '--replay', file], io)).toBe(1);
    expect(io.out).toMatch(/d3cold-access: config read of 0000:01:00.0 in D3cold by vfio_basic_config_write/);
    expect(io.out).toMatch(/^user1\n {2}wr D0 cfg 4 1 0$/m);
    expect(io.out).toContain('vfio_pci_core.ts');

    const json = capture();
    expect(await run(['fuzz', '--replay', file, '--json'], json)).toBe(1);
    expect((JSON.parse(json.out) as { leftAt: number }).leftAt).toBe(0);
  });

  it('writes a file and a page for what is new', async () => {
    const [save, html] = [folder(), folder()];
    const io = capture();
    const args = ['fuzz', '--revision', 'v4+no-usage-reference', '--topology', 'own-power', '--first'];
    expect(
      await run([...args, '--executions', '48', '--seed', '4', '--save', save, '--html', html], io),
    ).toBe(1);
    const [json] = readdirSync(save);
    expect(io.out).toContain(`vfio-lab fuzz --replay ${path.join(save, json)}`);
    const page = readFileSync(path.join(html, json.replace('.json', '.html')), 'utf8');
    expect(page).toContain('vfio_device_fops');
    expect(page).toContain('class="box"');
    const again = capture();
    expect(await run(['fuzz', '--replay', path.join(save, json)], again)).toBe(1);
    expect(again.out).not.toContain('does not show');
  });

  it.each([
    [['--tasks', '5'], '--tasks 5: give 1 to 4'],
    [['--time', '0'], '--time 0: give seconds, more than 0'],
    [['--topology', 'moon'], 'no topology "moon"'],
    [['--revision', 'v99'], 'no such revision'],
    [['--replay', 'nowhere.json'], 'nowhere.json'],
  ])('refuses %j', async (args, message) => {
    const io = capture();
    expect(await run(['fuzz', ...args], io)).toBe(2);
    expect(io.err).toContain(message);
    expect(io.err.trim().split('\n')).toHaveLength(1);
  });
});
