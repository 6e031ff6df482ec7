// SPDX-License-Identifier: GPL-2.0-only
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { run } from '../src/program.ts';
import { capture } from './helpers.ts';

const dir = mkdtempSync(path.join(os.tmpdir(), 'vfio-lab-contention-'));
afterAll(() => rmSync(dir, { recursive: true }));

async function lab(...args: string[]): Promise<{ status: number; out: string; err: string }> {
  const io = capture({ COLUMNS: '120' });
  const status = await run(['contention', ...args], io);
  return { status, out: io.out, err: io.err };
}

const QUICK = ['config-reads', '--requests', '60', '--cpus', '4'];

describe('vfio-lab contention', () => {
  it('lists the workloads', async () => {
    expect((await lab()).out).toContain('low-power-vs-access');
  });

  it('prints one screen, the same every time', async () => {
    const first = await lab(...QUICK, '--revision', 'v7');
    expect(first.status).toBe(0);
    expect(first.out).toMatch(/v7, 8 tasks: [\d,]+ requests\/s/);
    expect(first.out).toContain('pci_lock');
    expect((await lab(...QUICK, '--revision', 'v7')).out).toBe(first.out);
    expect((await lab(...QUICK, '--revision', 'v7', '--seed', '2')).out).not.toBe(first.out);
  });

  it('says that results without random numbers are exact', async () => {
    expect((await lab(...QUICK, '--fixed')).out).toContain('exact');
    const json = JSON.parse((await lab(...QUICK, '--fixed', '--seeds', '3', '--json')).out) as {
      points: { seeds: number }[];
    };
    expect(json.points[0].seeds).toBe(1);
  });

  it('prints the formats of the kernel and of perf', async () => {
    expect((await lab(...QUICK, '--format', 'lock_stat')).out).toMatch(/^lock_stat version 0\.4\n/);
    expect((await lab(...QUICK, '--format', 'perf')).out).toContain('contended');
  });

  it('sweeps, and writes a page, data and a picture', async () => {
    const { out } = await lab(
      ...QUICK,
      '--tasks',
      '1,2..4',
      '--revision',
      'base,v4',
      '--seeds',
      '2',
      '--html',
      dir,
    );
    expect(out.split('\n').filter((l) => /^ +\d+ {2}(base|v4)/.test(l))).toHaveLength(6);
    expect(readdirSync(dir).sort()).toEqual(['config-reads.html', 'config-reads.json', 'config-reads.svg']);
    const page = readFileSync(path.join(dir, 'config-reads.html'), 'utf8');
    expect(page).toContain('Who held what');
    expect(page).not.toMatch(/<script|https?:\/\/(?!www\.w3\.org)/);
  });

  it('names what moved from one revision to another', async () => {
    const { out } = await lab(...QUICK, '--diff', 'base', 'v4', '--seeds', '2');
    expect(out).toContain('base -> v4');
    expect(out).toMatch(/&dev->power\.lock .*0\.00 -> 1\.00/);
  });

  it('takes open arrivals and costs of the user', async () => {
    const costs = path.join(dir, 'costs.json');
    writeFileSync(costs, '{"costs": {"config_read": {"value": 5, "unit": "us"}}}');
    const { out } = await lab(...QUICK, '--rate', '50000', '--costs', costs);
    expect(out).toContain('open arrivals, 50,000/s');
  });

  const WRONG: [string, string[], RegExp][] = [
    ['workload', ['nothing'], /no workload "nothing".*config-reads/],
    ['tasks', [...QUICK, '--tasks', '0'], /"0" is no number of tasks/],
    ['rule', [...QUICK, '--hand-over', 'x'], /no hand-over rule "x"/],
    ['format', [...QUICK, '--format', 'x'], /no format "x"/],
    ['think', [...QUICK, '--think', '5'], /--think 5/],
    ['revision', [...QUICK, '--revision', 'v99'], /v99/],
    ['diff', [...QUICK, '--diff', 'v4'], /two revisions/],
    ['costs', [...QUICK, '--costs', '/nowhere'], /no such file.*\/nowhere/],
  ];
  for (const [what, args, message] of WRONG) {
    it(`says in one line what is wrong with the ${what}`, async () => {
      const { status, err } = await lab(...args);
      expect(status).toBe(2);
      expect(err).toMatch(message);
      expect(err.trim().split('\n')).toHaveLength(1);
    });
  }

  it('says which member of a cost file is wrong', async () => {
    const file = path.join(dir, 'bad.json');
    for (const [text, message] of [
      ['{', /no JSON/],
      ['{}', /no object "costs"/],
      ['{"costs": {"confg": {"value": 1}}}', /no such cost.*costs\.confg/],
      ['{"costs": {"lock": {"value": -1}}}', /value -1 .*costs\.lock/],
      ['{"costs": {"lock": {"value": 1, "unit": "h"}}}', /unknown unit .*costs\.lock/],
      ['{"costs": {"lock": 3}}', /not an object.*costs\.lock/],
    ] as const) {
      writeFileSync(file, text);
      expect((await lab(...QUICK, '--costs', file)).err).toMatch(message);
    }
  });
});
