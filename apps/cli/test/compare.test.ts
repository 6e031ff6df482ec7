// SPDX-License-Identifier: GPL-2.0-only
import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { run } from '../src/program.ts';
import { columns } from '../src/ui/text.ts';
import { capture } from './helpers.ts';

const FAST = ['--no-claims', '--schedules', '1'];

describe('vfio-lab review A B', () => {
  it('should say what differs, within a terminal', async () => {
    const io = capture({}, { isTTY: true, columns: 120 });

    expect(await run(['review', 'v4', 'v7', ...FAST], io)).toBe(0);
    expect(io.out).toContain('v4 and v7: vfio/pci: power management changes');
    expect(io.out).toMatch(/\d+ of \d+ scenarios differ for the user, \d+ more in how it is done/);
    expect(io.out).toContain('No review thread of v4 given (--series-a).');
    const code = /[-+] |\/\/|^ {8}/;
    expect(io.out.split('\n').filter((line) => columns(line) > 120 && !code.test(line))).toEqual([]);
  }, 90_000);

  // The one before also loads everything that a comparison needs, hence its time.
  it('should say that v6 and v7 behave the same, and write pages', async () => {
    const dir = path.join(mkdtempSync(path.join(tmpdir(), 'vfio-lab-')), 'pages');
    const io = capture();

    expect(await run(['review', 'v6', 'v7', '--json', '--html', dir, ...FAST], io)).toBe(0);
    const c = JSON.parse(io.out);
    expect(c.sameBehaviour).toBe(true);
    expect(Object.keys(c)).toEqual(
      expect.arrayContaining(['patches', 'functions', 'scenarios', 'comments', 'ledger', 'claims']),
    );
    expect(io.err).toMatch(/^\d+ pages; open \S+index\.html\n$/);
    expect(existsSync(path.join(dir, 'scenario-low-power-enter.html'))).toBe(true);
  });

  it.each([
    [['review', 'v4', 'v9'], /no such revision: revision 'v9'/],
    [['review', 'v4', '--series-a', 'x'], /--series-a with one revision: name two/],
    [['review', 'v4', 'v7', '--series', 'x'], /--series with two revisions/],
    [['review', 'v4', 'v7', '--series-a', '/nope'], /no such file: \/nope/],
    [['review', 'v4', 'v7', '--linux', '/nope'], /--linux without a range/],
    [
      ['review', 'v4', 'v7', '--linux', '/nope', '--range-a', 'a..b'],
      /: \/nope a\.\.b: give a git directory/,
    ],
    [['review', 'v4', 'v7', '--range-a', 'a..b'], /a range without a tree/],
    [['check', 'v9'], /no series "v9"/],
    [['check', 'v7', '--format', 'kta'], /no format "kta": did you mean ktap\?/],
  ])('should answer %j with one line and status 2', async (args, line) => {
    const io = capture();

    expect(await run(args, io)).toBe(2);
    expect(io.out).toBe('');
    expect(io.err.trimEnd().split('\n')).toHaveLength(1);
    expect(io.err).toMatch(line);
  });
});

describe('vfio-lab check', () => {
  it('should give b4 its JSON', async () => {
    const io = capture();

    expect(await run(['check', 'v6', 'v7', '--format', 'b4', '--schedules', '1'], io)).toBe(0);
    const checks = JSON.parse(io.out);
    expect(checks).toMatchObject([{ tool: 'vfio-lab-scenarios', status: 'pass', url: '' }]);
    expect(Object.keys(checks[0]).sort()).toEqual(['details', 'status', 'summary', 'tool', 'url']);
  });

  it('should print KTAP', async () => {
    const io = capture();

    expect(await run(['check', 'v6', 'v7', '--format', 'ktap', '--schedules', '1'], io)).toBe(0);
    expect(io.out).toMatch(
      /^KTAP version 1\n1\.\.1\n {2}KTAP version 1\n {2}# Subtest: scenarios\n {2}1\.\.\d+\n/,
    );
    expect(io.out).toMatch(/\nok 1 scenarios\n$/);
  });
});
