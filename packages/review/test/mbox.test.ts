// SPDX-License-Identifier: GPL-2.0-only
import { describe, expect, it } from 'vitest';
import { readSeries } from '../src/index.ts';
import { fixture, remarks } from './helpers.ts';

const FORMAT_PATCH = fixture('format-patch.mbox');
/** The cover letter and patches 1 to 3. */
const MAILS = FORMAT_PATCH.split(/^(?=From [0-9a-f]{40} )/m);

describe('an mbox of git format-patch', () => {
  it('should give the cover letter and the patches', async () => {
    const series = await readSeries(FORMAT_PATCH, 'x.mbox');

    expect(series).toMatchObject({
      source: 'mbox',
      title: 'lamp: One switch at a time',
      version: 2,
      total: 3,
      messageId: 'cover.1677661800.git.ada@example.org',
      author: { name: 'Ada Sample', email: 'ada@example.org' },
      date: '2023-03-01T09:10:00Z',
      comments: [],
      gaps: [],
    });
    expect(series.patches.map((patch) => [patch.subject, patch.author?.name, patch.date])).toEqual([
      ['lamp: Give every lamp a lock', 'Ada Sample', '2023-03-01T09:05:00Z'],
      ['lamp: Switch under the lock', 'Jörg Müller', '2023-03-01T09:06:00Z'],
      ['lamp: Destroy the lock on removal', 'Ada Sample', '2023-03-01T09:07:00Z'],
    ]);
    expect(series.changelog.map(({ version, items }) => [version, items.length])).toEqual([
      [2, 2],
      [1, 0],
    ]);
  });

  it('should count files, lines and functions from the diffs', async () => {
    const { patches } = await readSeries(FORMAT_PATCH, 'x.mbox');

    expect(patches.map(({ insertions, deletions }) => [insertions, deletions])).toEqual([
      [2, 0],
      [17, 7],
      [1, 0],
    ]);
    expect(patches.map(({ functions }) => functions.map(({ name }) => name).join(' '))).toEqual([
      'lamp_probe',
      'lamp_set lamp_on lamp_off',
      'lamp_remove',
    ]);
    expect(patches[1]?.message).toMatch(
      /^Two users.*\n.*\n\nSigned-off-by: Jörg Müller <joerg@example.org>$/,
    );
    expect(patches[2]?.diff[0]?.hunks[0]).toMatchObject({ newStart: 13, newLines: 7, complete: true });
  });

  it('should put patches in order whatever the order of the file', async () => {
    const wanted = await readSeries(FORMAT_PATCH, 'x.mbox');
    const mixed = [MAILS[2], MAILS[1], MAILS[0], MAILS[3]].join('');

    expect(await readSeries(mixed, 'x.mbox')).toEqual(wanted);
  });

  it('should call a missing patch a gap', async () => {
    const series = await readSeries([MAILS[0], MAILS[1], MAILS[3]].join(''), 'x.mbox');

    expect(series.patches.map(({ from }) => from)).toEqual(['mail', null, 'mail']);
    expect(series.gaps).toEqual([{ what: 'patch 2/3 is missing', where: 'x.mbox' }]);
  });

  it('should do without a cover letter', async () => {
    const series = await readSeries(MAILS.slice(1).join(''), 'x.mbox');

    expect(series).toMatchObject({ title: 'lamp: Give every lamp a lock', cover: null, total: 3 });
    expect(series.diffstat).toMatchObject({ insertions: 20, deletions: 7 });
    expect(series.gaps.map(({ what }) => what)).toEqual([
      'no cover letter: title and author are those of the first patch',
    ]);
  });

  it('should read a single patch without a number, a resend, and an unnumbered series', async () => {
    const alone = MAILS[3]?.replace('[PATCH v2 3/3]', '[RESEND PATCH v7]') ?? '';
    const series = await readSeries(alone, 'x.patch');
    expect(series).toMatchObject({ version: 7, tags: ['RESEND'], total: 1, gaps: [] });
    expect(series.patches).toHaveLength(1);

    const unnumbered = await readSeries(
      MAILS.slice(1)
        .join('')
        .replace(/ \d\/3\]/g, ']'),
      'x.mbox',
    );
    expect(unnumbered.patches.map(({ number, from }) => [number, from])).toEqual([
      [1, 'mail'],
      [2, 'mail'],
      [3, 'mail'],
    ]);
  });

  it('should read the newest version, and say that there is another', async () => {
    const older = MAILS.join('')
      .replaceAll('[PATCH v2 ', '[PATCH ')
      .replaceAll('Message-Id: <', 'Message-Id: <old.');
    const series = await readSeries(older + FORMAT_PATCH, 'x.mbox');

    expect(series.version).toBe(2);
    expect(series.gaps).toEqual([
      { what: 'mails of v1 are in the file too and were not read', where: 'x.mbox' },
    ]);
  });

  it('should take the later of two mails of one patch', async () => {
    const series = await readSeries(
      FORMAT_PATCH + (MAILS[3] ?? '').replace('Lockdep wants', 'Lockdep needs'),
      'x.mbox',
    );

    expect(series.patches[2]?.message).toMatch(/^Lockdep needs/);
    expect(series.gaps.map(({ what }) => what)).toEqual(['patch 3 is there twice, the later mail was read']);
  });

  it('should read names and bodies in other character sets', async () => {
    const mail = MAILS[3] ?? '';
    const raw = mail.replace('From: Ada Sample', 'From: Ada S\u00e4mple');
    expect((await readSeries(Buffer.from(raw, 'latin1'), 'x')).author.name).toBe('Ada S\u00e4mple');

    const encoded = mail.replace('From: Ada Sample', 'From: =?iso-8859-2?Q?Ada_=A9ample?=');
    expect((await readSeries(encoded, 'x')).author.name).toBe('Ada Šample');
  });

  it('should read CRLF line ends', async () => {
    const wanted = await readSeries(FORMAT_PATCH, 'x.mbox');

    expect(await readSeries(FORMAT_PATCH.replaceAll('\n', '\r\n'), 'x.mbox')).toEqual(wanted);
  });
});

describe('an mbox of a whole thread', () => {
  it('should read folded, base64 and quoted-printable mails in any order', async () => {
    const series = await readSeries(fixture('thread.mbox'), 'thread.mbox');

    expect(series.gaps).toEqual([]);
    expect(series.patches.map((patch) => [patch.subject, patch.author?.name, patch.insertions])).toEqual([
      ['lamp: Give every lamp a lock', 'Ada Sample', 2],
      ['lamp: Switch under the lock', 'Jörg Müller', 17],
      ['lamp: Destroy the lock on removal', 'Ada Sample', 1],
    ]);
  });

  it('should build the thread from the headers', async () => {
    const { comments } = await readSeries(fixture('thread.mbox'), 'thread.mbox');

    expect(
      comments.map(({ author, patch, parent, replies }) => [author.name, patch, parent, replies]),
    ).toEqual([
      ['Bob Reviewer', 2, null, [2]],
      ['Ada Sample', 2, 1, []],
      ['Cleo Third', 0, null, []],
    ]);
    expect(comments[0]?.evidence).toEqual(['headers']);
    expect(comments[1]?.messageId).toBe('ada1@example.org');
  });

  it('should find the place of a quote without its hunk header, and of a reply that cut the diff out', async () => {
    const series = await readSeries(fixture('thread.mbox'), 'thread.mbox');

    expect(remarks(series)).toEqual([
      '1.1 message - | lit flag in disagreement. Take the lock in lamp_on() and lamp_off(). | Which two users?',
      '1.2 diff drivers/lamp/lamp.c:32 lamp_on | +\t\tlamp_set(lamp, LAMP_FULL); | An early return reads better, with the unlock in a helper.',
      '1.3 diff drivers/lamp/lamp.c:40 lamp_off | -\tlamp->lit = false; | Why not keep this line?',
      '2.1 message - | Which two users? | The button and sysfs.',
      '2.2 diff drivers/lamp/lamp.c:32 lamp_on | An early return reads better, with the unlock in a helper. | I will do that in v3.',
      '3.1 cover - | Lamps are switched from two places. This series makes them take turns. | Reviewed-by: Cleo Third <cleo@example.org>',
    ]);
    expect(series.comments[1]?.remarks.map(({ answers }) => answers)).toEqual([
      { comment: 1, remark: 1 },
      { comment: 1, remark: 2 },
    ]);
  });

  it('should say on which line of the file a remark stands', async () => {
    const text = fixture('thread.mbox');
    const { comments } = await readSeries(text, 'thread.mbox');

    for (const remark of comments.flatMap(({ remarks: list }) => list)) {
      expect(text.split('\n')[remark.at - 1]).toBe(remark.text.split('\n')[0]);
    }
  });

  it('should unescape "From " and leave format=flowed quotes alone', async () => {
    const { comments } = await readSeries(fixture('thread.mbox'), 'thread.mbox');

    expect(comments[1]?.remarks[0]?.text).toBe('The button and sysfs.\n\nFrom what I see these are all.');
  });
});
