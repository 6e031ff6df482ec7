// SPDX-License-Identifier: GPL-2.0-only
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { lockStatOf, renderLockStat } from '../src/report/lock-stat.ts';
import { renderPerf } from '../src/report/perf.ts';
import type { LockMode, LockResult, Site, Times } from '../src/result.ts';
import { runWorkload } from '../src/run.ts';
import { workloadByName } from '../src/workloads/index.ts';

const FILE = readFileSync(path.join(import.meta.dirname, 'fixtures', 'lock_stat.txt'), 'utf8');

const none: Times = { n: 0, min: 0, max: 0, total: 0 };

function emptyMode(): LockMode {
  return {
    conBounces: 0,
    contentions: 0,
    wait: none,
    acqBounces: 0,
    acquisitions: 0,
    hold: none,
    waitSites: [],
    holdSites: [],
    callers: [],
  };
}

/** A reader of the kernel's file, as a script has it: splits at blanks. */
function parse(text: string): {
  locks: LockResult[];
  symbols: Map<string, { address: string; symbol: string }>;
} {
  const locks: LockResult[] = [];
  const symbols = new Map<string, { address: string; symbol: string }>();
  let rules = 0;
  for (const line of text.split('\n').slice(4)) {
    const row = /^ *(.+?)(-[RW])?: +([\d. ]+)$/.exec(line);
    const site = /^ *(.+?) +(\d+) +\[<([0-9a-f]+)>\] (.+)$/.exec(line);
    if (/^ *-+$/.test(line)) rules++;
    else if (row !== null) {
      const [, name, kind = '-W', cells] = row;
      let lock = locks.find((l) => l.name === name);
      if (lock === undefined)
        locks.push((lock = { name, kind: null, write: emptyMode(), read: emptyMode() }));
      rules = 0;
      const v = cells.trim().split(/ +/).map(Number);
      const span = (at: number): Times => ({
        n: v[at],
        min: v[at + 1] * 1000,
        max: v[at + 2] * 1000,
        total: v[at + 3] * 1000,
      });
      lock[kind === '-R' ? 'read' : 'write'] = {
        ...emptyMode(),
        conBounces: v[0],
        contentions: v[1],
        wait: span(1),
        acqBounces: v[6],
        acquisitions: v[7],
        hold: span(7),
      };
    } else if (site !== null) {
      const [, name, count, address, symbol] = site;
      const lock = locks.find((l) => l.name === name) as LockResult;
      const list: Site[] = rules === 1 ? lock.write.waitSites : lock.write.holdSites;
      list.push({ site: `${symbol}@${address}`, count: Number(count) });
      symbols.set(`${symbol}@${address}`, { address, symbol });
    }
  }
  return { locks, symbols };
}

describe('lock_stat', () => {
  it('prints what it read from a real file, byte for byte but for the averages that need more digits', () => {
    const { locks, symbols } = parse(FILE);
    expect(locks.length).toBeGreaterThan(3);
    const printed = renderLockStat(locks, (s) => symbols.get(s) ?? { address: '', symbol: '' });
    const want = FILE.split('\n');
    const got = printed.split('\n');
    expect(got.length).toBe(want.length);
    for (const [i, line] of got.entries()) expect(blank(line)).toBe(blank(want[i]));
  });

  it('of a run is read back with the numbers of the run', async () => {
    const run = await runWorkload({
      workload: workloadByName('config-writes'),
      revision: 'v4',
      tasks: 8,
      cpus: 4,
      seed: 1,
    });
    const { locks } = parse(lockStatOf(run));
    const want = run.locks.find((l) => l.name === '&vdev->memory_lock') as LockResult;
    const got = locks.find((l) => l.name === '&vdev->memory_lock') as LockResult;
    for (const mode of ['write', 'read'] as const) {
      for (const key of ['conBounces', 'contentions', 'acqBounces', 'acquisitions'] as const)
        expect(got[mode][key]).toBe(want[mode][key]);
      expect(Math.abs(got[mode].wait.total - want[mode].wait.total)).toBeLessThan(10);
    }
    expect(got.write.waitSites.map((s) => s.site.replace(/\+.*/, ''))).toContain('vfio_basic_config_write');
    expect(lockStatOf(run)).toContain('[vfio_pci_core]');
  });

  it('perf prints types and callers, longest total first', async () => {
    const run = await runWorkload({
      workload: workloadByName('config-writes'),
      revision: 'v4',
      tasks: 8,
      cpus: 4,
      seed: 1,
    });
    const lines = renderPerf(run.locks).split('\n');
    expect(lines[0]).toBe('  contended   total wait     max wait     avg wait         type   caller');
    expect(lines.join('\n')).toMatch(/rwsem:W {3}vfio_basic_config_write/);
  });
});

/** The last cell of a time group is rounded from what the file does not show. */
function blank(line: string): string {
  return line.replace(/^( *\S+:(?: +[\d.]+){5}) +[\d.]+((?: +[\d.]+){5}) +[\d.]+$/, '$1 avg$2 avg');
}
