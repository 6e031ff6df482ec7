// SPDX-License-Identifier: GPL-2.0-only
import { describe, expect, it } from 'vitest';
import type { Comment } from '../src/index.ts';
import { readSeries } from '../src/index.ts';
import { fixture, remarks } from './helpers.ts';

describe('a patchwork page of a series', () => {
  it('should give title, version, author, date and message id', async () => {
    const series = await readSeries(fixture('page.txt'), 'page.txt');

    expect(series).toMatchObject({
      source: 'patchwork',
      title: 'lamp: One switch at a time',
      version: 2,
      tags: ['RFC'],
      total: 3,
      messageId: 'lamp.v2@example.org',
      author: { name: 'Ada Sample', email: 'ada@example.org' },
      date: '2023-03-01T09:10:00Z',
      gaps: [],
    });
    expect(series.cover).toMatch(/^Lamps are switched from two places\./);
    expect(series.cover).not.toContain('Ada Sample (3)');
  });

  it('should list the patches of the cover letter, with diffstat and changelog', async () => {
    const { patches, diffstat, changelog } = await readSeries(fixture('page.txt'), 'page.txt');

    expect(patches.map(({ number, subject }) => [number, subject])).toEqual([
      [1, 'lamp: Give every lamp a lock'],
      [2, 'lamp: Switch under the lock'],
      [3, 'lamp: Destroy the lock on removal'],
    ]);
    expect(diffstat).toEqual({
      files: [
        { path: 'drivers/lamp/lamp.c', insertions: 19, deletions: 7, exact: true },
        { path: 'include/lamp.h', insertions: 1, deletions: 0, exact: true },
      ],
      insertions: 20,
      deletions: 7,
    });
    expect(changelog).toEqual([
      {
        version: 2,
        link: null,
        items: [
          'Give the lock a name of its own. It was called "mutex" before.',
          'New patch 3, found by lockdep.',
        ],
      },
      { version: 1, link: 'https://lists.example.org/r/20230201-lamp-v1-0-aaaa@example.org/', items: [] },
    ]);
  });

  it('should find the second of the cover letter when only its minute is shown', async () => {
    const { patches } = await readSeries(fixture('page.txt'), 'page.txt');

    expect(patches.map(({ date, dateFrom }) => [date, dateFrom])).toEqual([
      ['2023-03-01T09:10:03Z', 'attribution'],
      ['2023-03-01T09:10:04Z', 'attribution'],
      ['2023-03-01T09:10:05Z', 'derived'],
    ]);
  });

  it('should put every comment on its patch and under its parent', async () => {
    const { comments } = await readSeries(fixture('page.txt'), 'page.txt');
    const shape = ({ author, date, patch, parent, replies }: Comment): unknown[] => [
      author.name,
      date,
      patch,
      parent,
      replies,
    ];

    expect(comments.map(shape)).toEqual([
      ['Bob Reviewer', '2023-03-02T11:00:00Z', 1, null, []],
      ['Bob Reviewer', '2023-03-02T12:00:00Z', 2, null, [3, 4]],
      ['Ada Sample', '2023-03-02T14:01:00Z', 2, 2, []],
      ['Ada Sample', '2023-03-03T00:00:00Z', 2, 2, []],
    ]);
    expect(comments[0]?.evidence).toContain('date');
    expect(comments[2]?.evidence).toEqual(['date', 'words', 'thread', 'diff']);
  });

  it('should put every remark under its line of the diff', async () => {
    const series = await readSeries(fixture('page.txt'), 'page.txt');

    expect(remarks(series)).toEqual([
      '1.1 diff include/lamp.h:8 - | }; | What is it called in lockdep?',
      '2.1 diff drivers/lamp/lamp.c:18 lamp_set | +static void lamp_set(struct lamp *lamp, u8 level) | This wants a comment.',
      '2.2 diff drivers/lamp/lamp.c:43 lamp_off | } | lamp_off() could be called from an interrupt.',
      '3.1 diff drivers/lamp/lamp.c:43 lamp_off | lamp_off() could be called from an interrupt. | It never is.',
    ]);
    expect(series.comments[2]?.remarks[0]?.answers).toEqual({ comment: 2, remark: 2 });
    expect(series.comments[2]?.remarks[0]?.quotedBy).toBe('Bob Reviewer');
  });

  it('should take what it knows of a patch from quotes', async () => {
    const { patches } = await readSeries(fixture('page.txt'), 'page.txt');

    expect(patches.map(({ from, insertions, deletions }) => [from, insertions, deletions])).toEqual([
      ['quote', 2, 0],
      ['quote', 17, 7],
      [null, 0, 0],
    ]);
    expect(patches[1]?.functions.map(({ name }) => name)).toEqual(['lamp_set', 'lamp_on', 'lamp_off']);
    expect(patches[1]?.message).toMatch(/^Two users that switch at the same moment/);
  });

  it('should read the same from CRLF, with a byte order mark, and in Latin-1', async () => {
    const wanted = await readSeries(fixture('page.txt'), 'page.txt');

    expect(await readSeries(fixture('page.txt').replaceAll('\n', '\r\n'), 'page.txt')).toEqual(wanted);
    expect(await readSeries(`\ufeff${fixture('page.txt')}`, 'page.txt')).toEqual(wanted);
    const latin = fixture('page.txt').replaceAll('Bob Reviewer', 'Björn Reviewer');
    const series = await readSeries(Buffer.from(latin, 'latin1'), 'page.txt');
    expect(series.comments[0]?.author.name).toBe('Björn Reviewer');
  });

  it('should say which comment is missing and where a page may be cut', async () => {
    const lines = fixture('page.txt').split('\n');
    const head = (n: number): number => lines.findIndex((line) => line.endsWith(`| #${n}`));
    const without = [...lines.slice(0, head(1)), ...lines.slice(head(2))];

    const { gaps } = await readSeries(without.join('\n'), 'page.txt');
    expect(gaps.map(({ what }) => what)).toContain('comment 1 is missing before comment 2');

    const inHunk = lines.slice(
      0,
      lines.findIndex((line) => line.startsWith('> +\tint ret = 0;')),
    );
    const cut = await readSeries(inHunk.join('\n'), 'page.txt');
    expect(cut.gaps.map(({ what }) => what)).toContain(
      'comment 2 ends within a quoted hunk: the page may be cut',
    );
  });

  it('should take the header that Outlook puts on a quote for an attribution', async () => {
    const quote = [
      'Third, Cleo March 4, 2023, 8 a.m. UTC | #5',
      '> From: Ada Sample <ada@example.org>',
      '> Sent: Wednesday, March 1, 2023 10:10 AM',
      '> ',
      '> Two users that switch at the same moment could leave the level and the',
      '> lit flag in disagreement. Take the lock in lamp_on() and lamp_off().',
      '',
      'Since when?',
      'Third, Cleo March 4, 2023, 9 a.m. UTC | #6',
      '> From: Ada Sample <ada@example.org>',
      '> Sent: Wednesday, March 1, 2023 10:10 AM',
      '> Subject: [RFC PATCH v2 3/3] lamp: Destroy the lock on removal',
      '> ',
      '> Signed-off-by: Ada Sample <ada@example.org>',
      '',
      'Reviewed-by: Cleo Third <cleo@example.org>',
      '',
    ];
    const { comments } = await readSeries(fixture('page.txt') + quote.join('\n'), 'page.txt');

    expect(comments.slice(4).map(({ patch, evidence }) => [patch, evidence])).toEqual([
      [2, ['words']],
      [3, ['headers']],
    ]);
    expect(comments[4]?.remarks.map(({ quotedBy, text }) => [quotedBy, text])).toEqual([
      ['Ada Sample', 'Since when?'],
    ]);
  });

  it('should read the page of a single patch', async () => {
    const text = [
      '[v3] lamp: Count the switching',
      'Message ID 20230301101500.42-1-ada@example.org',
      'State New',
      'Headers show',
      'Commit Message',
      'Ada Sample March 1, 2023, 10:15 a.m. UTC',
      'So that it can be read from sysfs.',
      '---',
      ' drivers/lamp/lamp.c | 1 +',
      ' 1 file changed, 1 insertion(+)',
      'Patch',
      'diff mbox series',
      'diff --git a/drivers/lamp/lamp.c b/drivers/lamp/lamp.c',
      '--- a/drivers/lamp/lamp.c',
      '+++ b/drivers/lamp/lamp.c',
      '@@ -5,3 +5,4 @@ static int lamp_probe(struct lamp *lamp)',
      ' \tlamp->level = 0;',
      '+\tlamp->count = 0;',
      ' \tlamp->lit = false;',
      ' ',
      'Comments',
      'Bob Reviewer March 2, 2023, 8 a.m. UTC | #1',
      'On Wed, 1 Mar 2023 11:15:00 +0100, Ada Sample wrote:',
      '> @@ -5,3 +5,4 @@ static int lamp_probe(struct lamp *lamp)',
      '>  \tlamp->level = 0;',
      '> +\tlamp->count = 0;',
      '',
      'It is zero already.',
      '',
    ];
    const series = await readSeries(text.join('\n'), 'patch.txt');

    expect(series.patches).toHaveLength(1);
    expect(series.patches[0]).toMatchObject({ number: 1, insertions: 1, deletions: 0, from: 'mail' });
    expect(remarks(series)).toEqual([
      '1.1 diff drivers/lamp/lamp.c:6 lamp_probe | +\tlamp->count = 0; | It is zero already.',
    ]);
    expect(series.comments[0]?.patch).toBe(1);
  });
});
