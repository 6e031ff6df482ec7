// SPDX-License-Identifier: GPL-2.0-only
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { run } from '../src/program.ts';
import { columns } from '../src/ui/text.ts';
import { capture } from './helpers.ts';

const FIXTURES = path.join(import.meta.dirname, '../../../packages/review/test/fixtures');
const page = path.join(FIXTURES, 'page.txt');

describe('vfio-lab series', () => {
  it('should print a page as head, patches, files, changes and thread', async () => {
    const io = capture();

    expect(await run(['series', page], io)).toBe(0);
    expect(io.err).toBe('');
    expect(io.out.split('\n').slice(0, 3)).toEqual([
      'lamp: One switch at a time',
      'v2 (RFC), 3 patches, 4 comments by 2 people',
      'Ada Sample <ada@example.org>, 2023-03-01 09:10 UTC',
    ]);
    expect(io.out).toContain('  2  lamp: Switch under the lock        +17  -7  quotes             3\n');
    expect(io.out).toContain('  drivers/lamp/lamp.c     26  +19  -7\n');
    expect(io.out).toContain(`  [2/3] lamp: Switch under the lock
    #2 Bob Reviewer, 2023-03-02 12:00
      lamp_set() drivers/lamp/lamp.c:18
        > +static void lamp_set(struct lamp *lamp, u8 level)
        This wants a comment.
      lamp_off() drivers/lamp/lamp.c:43
        > }
        lamp_off() could be called from an interrupt.
      #3 Ada Sample, 2023-03-02 14:01
        lamp_off() drivers/lamp/lamp.c:43
          > lamp_off() could be called from an interrupt.
          It never is.
`);
  });

  it('should stay within a narrow terminal', async () => {
    const io = capture({}, { isTTY: true, columns: 60 });

    await run(['series', page], io);
    const links = /https?:/;
    expect(io.out.split('\n').filter((line) => columns(line) > 60 && !links.test(line))).toEqual([]);
    expect(io.out).toContain('\u001b[1mlamp');
  });

  it('should print everything as JSON', async () => {
    const io = capture();

    expect(await run(['series', path.join(FIXTURES, 'thread.mbox'), '--json'], io)).toBe(0);
    const series = JSON.parse(io.out);
    expect(series.patches).toHaveLength(3);
    expect(series.comments.map((comment: { function: string | null }) => comment.function)).toEqual([
      'lamp_on',
      'lamp_on',
      null,
    ]);
  });

  it('should not let a mail speak to the terminal', async () => {
    const file = path.join(mkdtempSync(path.join(tmpdir(), 'vfio-lab-')), 'page.txt');
    writeFileSync(file, readFileSync(page, 'utf8').replace('This wants', '\u001b]0;x\u001b[2JThis wants'));
    const io = capture();

    expect(await run(['series', file], io)).toBe(0);
    expect(io.out).toContain('        ]0;x[2JThis wants a comment.\n');
    expect(io.out).not.toContain('\u001b');
  });

  it('should end with status 2 and one line for broken input', async () => {
    const io = capture();

    expect(await run(['series', path.join(FIXTURES, 'nothing')], io)).toBe(2);
    expect(io.out).toBe('');
    expect(io.err).toMatch(/^vfio-lab: no such file: \S+: check the path\n$/);
  });
});
