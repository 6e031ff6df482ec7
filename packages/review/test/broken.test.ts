// SPDX-License-Identifier: GPL-2.0-only
import { describe, expect, it } from 'vitest';
import { InputError, readSeries } from '../src/index.ts';
import { fixture } from './helpers.ts';

/** The page up to the line that starts so. */
function before(start: string): string {
  const lines = fixture('page.txt').split('\n');
  return lines
    .slice(
      0,
      lines.findIndex((line) => line.startsWith(start)),
    )
    .join('\n');
}

async function problem(input: string | Uint8Array): Promise<string> {
  try {
    const series = await readSeries(input, 'in.txt');
    return `read: ${series.title}`;
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    return (error as InputError).message;
  }
}

describe('broken input', () => {
  const kinds = 'take a patchwork series page saved as text, or an mbox of b4 or git format-patch';

  it.each([
    ['nothing', '', `the file is empty: in.txt:1: ${kinds}`],
    ['blank lines', '\n \n', `the file is empty: in.txt:1: ${kinds}`],
    ['a binary', Buffer.from([0x7f, 0x45, 0x4c, 0x46, 10, 2, 0]), `binary data: in.txt:2: ${kinds}`],
    ['gzip', Buffer.from([0x1f, 0x8b, 8, 0]), 'compressed with gzip: in.txt:1: unpack it first (gunzip)'],
    ['an HTML page', '\n<!DOCTYPE html>\n<html>', 'an HTML page: in.txt:2: save it as plain text'],
    ['prose', 'Dear all,\nno.\n', `neither a patchwork page nor an mbox: in.txt:1: ${kinds}`],
    [
      'a mail that is no patch',
      'From: a@b\nSubject: Lunch\n\nAt one?\n',
      'no patch among one mail: in.txt:1: the subject of a patch mail reads "[PATCH v4 3/6] ..."',
    ],
    [
      'a page cut in its head',
      'mbox series\n\n[v4,0/6] lamp: x\nMessage ID a@b\n',
      "the page ends before the message: in.txt:5: save the series' page as text once more, or take its mbox",
    ],
    [
      'a page cut in its cover letter',
      before('Changes since'),
      "the page ends before the list of patches: in.txt:13: save the series' page as text once more, or take its mbox",
    ],
    [
      'a page cut in its list of patches',
      before('  lamp: Destroy'),
      "3 patches announced, 2 listed: in.txt:21: save the series' page as text once more, or take its mbox",
    ],
  ])('should say in one line what is wrong with %s', async (_name, input, message) => {
    expect(await problem(input)).toBe(message);
  });

  it('should name patch, hunk and line where a diff is cut', async () => {
    const lines = fixture('format-patch.mbox').split('\n');
    const end = lines.findIndex((line) => line.startsWith('+\tmutex_destroy'));

    expect(await problem(lines.slice(0, end).join('\n'))).toBe(
      'patch 3 is cut: hunk "@@ -13,6 +13,7 @@ static int lamp_probe(struct lamp *lamp)" of drivers/lamp/lamp.c ' +
        `has 3 lines, fewer than announced: in.txt:${end}: fetch the mail again (b4 am <message id>)`,
    );
  });

  it('should either read or explain every cut of every kind of file', async () => {
    for (const name of ['page.txt', 'format-patch.mbox', 'thread.mbox']) {
      const bytes = Buffer.from(fixture(name));
      for (let part = 0; part <= 60; part++) {
        const at = Math.floor((bytes.length * part) / 60);
        expect(await problem(bytes.subarray(0, at))).not.toContain('\n');
        expect(await problem(bytes.subarray(at))).not.toContain('\n');
      }
    }
  });
});
