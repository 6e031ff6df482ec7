// SPDX-License-Identifier: GPL-2.0-only
import { describe, expect, it } from 'vitest';
import { run } from '../src/program.ts';
import { columns } from '../src/ui/text.ts';
import { capture } from './helpers.ts';

describe('vfio-lab claims', () => {
  it('should show a claim with the evidence of each revision', async () => {
    const io = capture();

    expect(await run(['claims', '--id', 'C43,c51', '--revision', 'v4,v7'], io)).toBe(0);
    expect(io.out).toContain('C43 Alex Williamson, 2022-07-06, on v4 4/6');
    expect(io.out).toContain('v4: holds\n    read -EIO, write -EIO');
    expect(io.out).toContain('v7: does not hold\n    signal, then unmask');
    expect(io.out.split('\n').filter((line) => columns(line) > 100)).toEqual([]);
  });

  it('should give JSON with verdicts and evidence', async () => {
    const io = capture();

    expect(await run(['claims', '--id', 'C9', '--revision', 'v3,v4@4', '--json'], io)).toBe(0);
    const { revisions, claims } = JSON.parse(io.out);
    expect(revisions).toEqual(['v3', 'v4@4']);
    expect(claims).toHaveLength(1);
    expect(claims[0]).toMatchObject({
      id: 'C9',
      on: 'v3 8/8',
      verdicts: { v3: 'holds', 'v4@4': 'does-not-hold' },
    });
    expect(claims[0].evidence['v3'].command).toBe('vfio-lab claims --id C9 --revision v3');
  });

  it('should print the timeline of one run', async () => {
    const io = capture();

    expect(await run(['claims', '--id', 'C43', '--revision', 'v4', '--trace'], io)).toBe(0);
    expect(io.out).toContain('down_write &vdev->memory_lock');
  });

  it('should print what sets revisions apart', async () => {
    const io = capture();

    expect(await run(['claims', '--table', '--revision', 'v6,v7'], io)).toBe(0);
    expect(io.out).toContain('order in the resume callback\n  v6 v7: signal, leave low power, unmask INTx');
  });

  it('should search races, and show the way to those it finds', async () => {
    const io = capture();

    const args = ['claims', '--races', '--id', 'C36,C42', '--revision', 'base,v7@4', '--time', '0.2'];
    expect(await run([...args, '--json'], io)).toBe(0);
    const { revisions, races } = JSON.parse(io.out);
    expect(revisions).toEqual(['base', 'v7@4']);
    expect(races.map((r: { id: string }) => r.id)).toEqual(['C36', 'C42']);
    expect(races[0].verdicts['base'].verdict).toBe('does-not-arise');
    const { verdict, command } = races[0].verdicts['v4+resume-under-memory-lock'];
    expect(verdict).toBe('reachable');
    expect(command).toContain('vfio-lab explore exit-vs-host-wake --revision v4+resume-under-memory-lock');

    const text = capture();
    expect(await run(['claims', '--races', '--id', 'C42', '--revision', 'v4,v7', '--time', '5'], text)).toBe(
      0,
    );
    expect(text.out).toContain('told 1 times, count 1');
    expect(text.out).toContain('vfio-lab explore exit-vs-falling-asleep --revision v7 --replay');
  });

  it.each([
    [['claims', '--id', 'C60'], /no claim "C60": --id: there are C1 to C59/],
    [['claims', '--revision', 'v9', '--id', 'C1'], /no such revision/],
    [['claims', '--revision', ','], /--revision names nothing/],
    [['claims', '--races', '--id', 'C14'], /claim "C14" speaks of no race/],
    [['claims', '--races', '--time', 'x'], /--time x: give a number of seconds/],
    [['claims', '--races', '--jobs', '0'], /--jobs 0: /],
    [['claims', '--trace'], /--trace needs one claim and one revision/],
    [['claims', '--id', 'C1', '--seed', 'x'], /--seed x: give a whole number/],
  ])('should refuse %j', async (args, message) => {
    const io = capture();

    expect(await run(args, io)).toBe(2);
    expect(io.err).toMatch(/^vfio-lab: [^\n]+\n$/);
    expect(io.err).toMatch(message);
  });
});
