// SPDX-License-Identifier: GPL-2.0-only
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { run } from '../src/program.ts';
import { capture } from './helpers.ts';

const dir = mkdtempSync(path.join(tmpdir(), 'vfio-lab-'));
afterAll(() => rmSync(dir, { recursive: true }));

function file(name: string, text: string): string {
  const f = path.join(dir, name);
  writeFileSync(f, text);
  return f;
}

/** Run a command line: its status and what it printed. */
async function cli(...args: string[]): Promise<{ status: number; out: string; err: string }> {
  const io = capture();
  const status = await run(args, io);
  return { status, out: io.out, err: io.err };
}

const SCRIPT = `load_vfio
bind 0000:01:00.0
bind 0000:01:00.1
container C
group G 0000:01:00.0
set_container G C
set_iommu C 1
device D G 0000:01:00.0
feature D SET|3 data:0100000000000000
`;

describe('run', () => {
  it('prints one JSON object an operation, the same bytes twice', async () => {
    const script = file('enter.vt', SCRIPT);
    const first = await cli('run', script, '--revision', 'v4@4', '--topology', 'gpu');
    expect(first).toMatchObject({ status: 0, err: '' });
    const lines = first.out
      .trim()
      .split('\n')
      .map((l) => JSON.parse(l) as { n: number; rc: number });
    expect(lines).toHaveLength(9);
    expect(lines[8]).toEqual({ n: 9, op: 'feature D SET|3 data:0100000000000000', rc: 0 });
    expect(await cli('run', script, '--revision', 'v4@4', '--topology', 'gpu')).toEqual(first);
    expect((await cli('run', script, '--revision', 'v4@3')).out).toContain('"err":"ENOTTY"');
  });

  it.each([
    [['run', 'nowhere.vt'], 'vfio-lab: no such file: nowhere.vt: check the path\n'],
    [['run', file('bad.vt', 'contianer C\n')], 'did you mean container?'],
    [['run', file('a.vt', ''), '--revision', 'v44'], "revision 'v44'"],
    [['run', file('b.vt', ''), '--topology', 'mars'], 'no topology "mars"'],
    [['run', file('c.vt', ''), '--options', 'x=1'], 'no parameter "x"'],
    [['run', file('d.vt', ''), '--machine', file('m.json', '{')], 'not JSON'],
  ])('%s is one line and status 2', async (args, words) => {
    const { status, out, err } = await cli(...args);
    expect({ status, out }).toEqual({ status: 2, out: '' });
    expect(err).toContain(words);
    expect(err.trim().split('\n')).toHaveLength(1);
  });
});

describe('scenarios and scenario', () => {
  it('lists them, as JSON too', async () => {
    const list = JSON.parse((await cli('scenarios', '--json')).out) as { name: string; claims: string[] }[];
    expect(list.map((s) => s.name)).toEqual(
      expect.arrayContaining(['config-access-vs-low-power-entry', 'exit-vs-host-access']),
    );
    const table = (await cli('scenarios')).out;
    for (const s of list) expect(table).toContain(s.name);
  });

  it('runs one: outcome, findings, timeline', async () => {
    const { status, out } = await cli('scenario', 'low-power-enter', '--revision', 'v4', '--trace');
    expect(status).toBe(0);
    expect(out).toContain('outcome   asleep in D3cold');
    expect(out).toContain('pm_runtime_engaged = true');
    const json = JSON.parse((await cli('scenario', 'low-power-enter', '--json')).out) as {
      outcome: string;
      findings: unknown[];
    };
    expect(json).toMatchObject({ outcome: 'asleep in D3cold', findings: [] });
  });

  it('counts what random schedules come to', async () => {
    const { out } = await cli('scenario', 'low-power-enter', '--random', '3', '--json');
    expect(JSON.parse(out)).toMatchObject({ runs: 3, outcomes: { 'asleep in D3cold': 3 }, findings: [] });
  });

  it('faults are one line', async () => {
    expect((await cli('scenario', 'nonesuch')).err).toContain('no scenario "nonesuch"');
    expect((await cli('scenario', 'low-power-enter', '--seed', 'x')).err).toContain('--seed');
    expect((await cli('scenario', 'low-power-enter', '--replay', '*')).status).toBe(2);
  });
});

describe('review', () => {
  it('has patches, comments and the table as JSON', async () => {
    const { status, out } = await cli('review', 'v4', '--schedules', '1', '--json');
    expect(status).toBe(0);
    const review = JSON.parse(out) as {
      patches: { number: number; functions: { name: string; ported: boolean }[]; missing: string[] }[];
      comments: unknown[];
      scenarios: { name: string; cells: { prefix: number; changed: boolean }[] }[];
    };
    expect(review.patches.map((p) => p.number)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(review.patches.every((p) => p.missing.length === 0)).toBe(true);
    expect(review.patches[0].functions.map((f) => f.name)).toContain('vfio_pci_intx_mask');
    expect(review.comments).toEqual([]);
    const enter = review.scenarios.find((s) => s.name === 'low-power-enter');
    expect(enter?.cells.map((c) => c.changed)).toEqual([false, false, false, false, true, false, false]);
  }, 60_000);

  it('faults are one line', async () => {
    expect((await cli('review', 'v12')).err).toContain('no series "v12"');
    expect((await cli('review', 'v4', '--series', file('x.mbox', 'not a mail'))).status).toBe(2);
  });
});

describe('replay', () => {
  it('counts equal lines and exits 1 when one differs', async () => {
    const machine = file(
      'M.json',
      JSON.stringify({
        devices: [
          {
            bdf: '0000:00:00.0',
            path: '/sys/devices/pci0000:00/0000:00:00.0',
            config: '86808070'.padEnd(512, '0'),
            attrs: {},
          },
        ],
      }),
    );
    const script = file('r.vt', 'load_vfio\ncontainer C\napi_version C\n');
    const trace = file(
      'r.jsonl',
      '{"n":1,"op":"load_vfio","rc":0}\n{"n":2,"op":"container C","rc":0}\n{"n":3,"op":"api_version C","rc":0}\n',
    );
    const args = ['replay', script, '--machine', machine, '--revision', 'base', '--against', trace];
    expect(await cli(...args)).toEqual({ status: 0, out: '3/3 lines equal\n', err: '' });
    const other = file('o.jsonl', '{"n":3,"op":"api_version C","rc":7}\n');
    const differs = await cli(...args.slice(0, -1), other);
    expect(differs.status).toBe(1);
    expect(differs.out).toBe('0/1 lines equal\n3: api_version C\n  expected {"rc":7}\n  got      {"rc":0}\n');
    expect(JSON.parse((await cli(...args, '--json')).out)).toMatchObject({
      equal: 3,
      compared: 3,
      differences: [],
    });
  });

  it('faults are one line', async () => {
    expect((await cli('replay')).err).toContain('replay needs a script');
    expect((await cli('replay', '--all', '--dir', dir)).err).toContain('no index of recordings');
  });
});
