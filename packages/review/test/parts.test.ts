// SPDX-License-Identifier: GPL-2.0-only
import { describe, expect, it } from 'vitest';
import { parseChangelog, parseShortlog } from '../src/reader/changelog.ts';
import { canBe, patchworkDate, utc, writtenDates } from '../src/reader/dates.ts';
import { DiffReader, functionHead } from '../src/reader/diff.ts';
import { parseDiffstat } from '../src/reader/diffstat.ts';
import { parseAttribution, unquote } from '../src/reader/quotes.ts';
import { parseSubject } from '../src/reader/subject.ts';

describe('subjects', () => {
  it.each([
    [
      '[PATCH v4 3/6] vfio: x',
      { version: 4, number: 3, total: 6, title: 'vfio: x', patch: true, reply: false },
    ],
    ['[RFC PATCH v2 0/5] x', { version: 2, number: 0, total: 5, tags: ['RFC'] }],
    ['[v4,0/6] x', { version: 4, number: 0, total: 6, patch: true }],
    ['[RFC,net-next,v3,07/12] x', { version: 3, number: 7, total: 12, tags: ['RFC', 'net-next'] }],
    ['[PATCH RESEND] x', { version: 1, number: null, tags: ['RESEND'], patch: true }],
    ['[PATCH v5.1 10/12] x', { version: 5, reroll: 1, number: 10 }],
    ['Re: Fwd: [PATCH] a [b] c', { reply: true, title: 'a [b] c' }],
    ['AW: [PATCHv3] x', { reply: true, version: 3, patch: true }],
    ['Lunch', { patch: false, title: 'Lunch' }],
  ])('should take %s apart', (subject, wanted) => {
    expect(parseSubject(subject)).toMatchObject(wanted);
  });
});

describe('dates', () => {
  const iso = (text: string): string[] =>
    writtenDates(text).map((date) => {
      const moment = utc(date);
      return moment === null ? `${new Date(date.local).toISOString()} local` : new Date(moment).toISOString();
    });

  it.each([
    ['On Fri, 1 Jul 2022 16:38:09 +0530', ['2022-07-01T11:08:09.000Z']],
    ['On Fri, Jul 01, 2022 at 04:38:09PM +0530, A', ['2022-07-01T11:08:09.000Z']],
    ['On Wed, Jul 6, 2022 at 9:09 PM A', ['2022-07-06T21:09:00.000Z local']],
    ['On 7/6/2022 9:09 PM', ['2022-07-06T21:09:00.000Z local', '2022-06-07T21:09:00.000Z local']],
    ['Am 06.07.22 um 21:09', ['2022-07-06T21:09:00.000Z local']],
    ['On 2022-07-06 21:09, A', ['2022-07-06T21:09:00.000Z local']],
    ['On 26/07/2022 21:09', ['2022-07-26T21:09:00.000Z local']],
    ['no date', []],
  ])('should read %s', (text, wanted) => {
    expect(iso(text)).toEqual(wanted);
  });

  it('should match a local time with any offset of a quarter of an hour', () => {
    const [date] = writtenDates('7/6/2022 9:09 PM');
    const moment = Date.UTC(2022, 6, 6, 15, 39);
    expect(date && canBe(date, moment, 60_000)).toBe(true);
    expect(date && canBe(date, moment + 60_000, 60_000)).toBe(false);
    expect(date && canBe(date, moment - 24 * 3_600_000, 60_000)).toBe(false);
  });

  it('should read what patchwork writes', () => {
    const moments = [
      'July 6, 2022, 3:39 p.m. UTC',
      'Aug. 3, 2022, noon UTC',
      'Sept. 3, 2022, midnight',
      'May 1, 2022, 12 a.m. UTC',
    ];
    expect(moments.map((text) => new Date(patchworkDate(text) ?? 0).toISOString())).toEqual([
      '2022-07-06T15:39:00.000Z',
      '2022-08-03T12:00:00.000Z',
      '2022-09-03T00:00:00.000Z',
      '2022-05-01T00:00:00.000Z',
    ]);
    expect(patchworkDate('Smarch 3, 2022, noon')).toBeNull();
  });
});

describe('attribution lines', () => {
  it.each([
    [
      'On Fri, 1 Jul 2022 16:38:09 +0530\nAbby Sample <abby@example.org> wrote:',
      'Abby Sample',
      'abby@example.org',
    ],
    ['On 7/6/2022 9:09 PM, Abby Sample wrote:', 'Abby Sample', null],
    ['On Wed, Mar 01, 2023 at 10:10:02AM +0100, Abby Sample wrote:', 'Abby Sample', null],
    ['Am 06.07.22 um 21:09 schrieb Abby Sample:', 'Abby Sample', null],
    ['Le 06/07/2022 à 21:09, Abby Sample a écrit :', 'Abby Sample', null],
    ['Abby Sample <abby@example.org> writes:', 'Abby Sample', 'abby@example.org'],
    ['On Wed, 6 Jul 2022, "Abby Sample" <abby@example.org> wrote:', 'Abby Sample', 'abby@example.org'],
  ])('should find who is quoted in %j', (text, name, email) => {
    expect(parseAttribution(text)?.person).toEqual({ name, email });
  });

  it('should leave prose alone', () => {
    expect(parseAttribution('what the spec writes:')).toBeNull();
    expect(parseAttribution('he wrote it')).toBeNull();
  });

  it('should count quote marks however they are spaced', () => {
    expect(unquote('> >>  text')).toEqual({ depth: 3, text: ' text' });
    expect(unquote('> > > text')).toEqual({ depth: 3, text: 'text' });
    expect(unquote('>text')).toEqual({ depth: 1, text: 'text' });
    expect(unquote(' > text')).toEqual({ depth: 0, text: ' > text' });
  });
});

describe('diffs', () => {
  it.each([
    ['static int vfio_pci_x(struct device *dev)', 'vfio_pci_x'],
    ['struct lamp *lamp_get(int n,', 'lamp_get'],
    ['lamp_put(struct lamp *lamp)', 'lamp_put'],
    ['SYSCALL_DEFINE3(lamp, int, fd)', 'SYSCALL_DEFINE3'],
    ['extern int lamp_on(struct lamp *lamp);', null],
    ['EXPORT_SYMBOL_GPL(lamp_on);', null],
    ['MODULE_LICENSE("GPL")', null],
    ['struct lamp {', null],
    ['static const struct ops lamp_ops = {', null],
    ['\tlamp_on(lamp)', null],
    ['out_free:', null],
    ['#define lamp(x) (x)', null],
  ])('should know whether %j is the head of a function', (line, name) => {
    expect(functionHead(line)).toBe(name);
  });

  it('should read hunks by their counts, not by how lines look', () => {
    const reader = new DiffReader();
    const lines = [
      'diff --git a/x.sql b/x.sql',
      'index 1234567..89abcde 100644',
      '--- a/x.sql',
      '+++ b/x.sql',
      '@@ -1,3 +1,2 @@',
      ' one',
      '--- a comment',
      '',
      '@@ -9 +8,2 @@ last',
      ' nine',
      '+ten',
      '\\ No newline at end of file',
      '-- ',
      '2.39.5',
    ];

    expect(lines.map((line) => reader.take(line))).toEqual([...Array<boolean>(12).fill(true), false, false]);
    expect(reader.files[0]).toMatchObject({ path: 'x.sql', oldBlob: '1234567', newBlob: '89abcde' });
    expect(reader.files[0]?.hunks.map(({ complete }) => complete)).toEqual([true, true]);
    expect(reader.files[0]?.hunks[1]?.lines[1]).toMatchObject({ kind: '+', newLine: 9, oldLine: null });
  });

  it('should read renames, new files and binaries', () => {
    const reader = new DiffReader();
    const text = `diff --git a/a.c b/b.c
similarity index 100%
rename from a.c
rename to b.c
diff --git a/n.c b/n.c
new file mode 100644
index 0000000..89abcde
--- /dev/null
+++ b/n.c
@@ -0,0 +1 @@
+int n;
diff --git a/i.png b/i.png
index 1234567..89abcde 100644
Binary files a/i.png and b/i.png differ`;

    expect(text.split('\n').every((line) => reader.take(line))).toBe(true);
    expect(reader.files.map(({ oldPath, path, hunks }) => [oldPath, path, hunks.length])).toEqual([
      ['a.c', 'b.c', 0],
      ['n.c', 'n.c', 1],
      ['i.png', 'i.png', 0],
    ]);
  });
});

describe('cover letters', () => {
  it('should read scaled and exact bars of a diffstat', () => {
    const stat = parseDiffstat([
      ' a/long.c  | 312 ++++++++++++++++++++++++++---',
      ' b.c       |   3 ++-',
      ' i.png     | Bin 0 -> 12 bytes',
      ' new.h     |  56 ++++',
      ' 4 files changed, 330 insertions(+), 41 deletions(-)',
    ]);

    expect(stat?.files).toEqual([
      { path: 'a/long.c', insertions: 280, deletions: 32, exact: false },
      { path: 'b.c', insertions: 2, deletions: 1, exact: true },
      { path: 'i.png', insertions: 0, deletions: 0, exact: true },
      { path: 'new.h', insertions: 56, deletions: 0, exact: true },
    ]);
    expect(stat).toMatchObject({ insertions: 330, deletions: 41 });
  });

  it.each([
    ['Changes in v3:', 3],
    ['* Changes in v4', 4],
    ['Changes since v1:', 2],
    ['v2 -> v3:', 3],
    ['V1->V2', 2],
    ['Changes v2->v3:', 3],
    ['v4:', 4],
    ['Changelog since v5', 6],
  ])('should take %j for the heading of a revision', (heading, version) => {
    expect(parseChangelog([heading, '- one', '  more', '', '- two', '', 'Prose.'])).toEqual([
      { version, link: null, items: ['one more', 'two'] },
    ]);
  });

  it('should read a changelog without bullets', () => {
    expect(parseChangelog(['v2: Rename the lock.', 'v1: First.'])).toEqual([
      { version: 2, link: null, items: ['Rename the lock.'] },
      { version: 1, link: null, items: ['First.'] },
    ]);
  });

  it('should join the wrapped subjects of a shortlog', () => {
    const shortlog = parseShortlog(['Ada (2):', '  one two', '    three', '  four', '', ' a.c | 1 +']);
    expect(shortlog?.authors).toEqual([{ name: 'Ada', announced: 2, subjects: ['one two three', 'four'] }]);
  });
});
