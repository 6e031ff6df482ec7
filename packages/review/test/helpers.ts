// SPDX-License-Identifier: GPL-2.0-only
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Series } from '../src/index.ts';

/** Text of a file in test/fixtures. */
export function fixture(name: string): string {
  return readFileSync(path.join(import.meta.dirname, 'fixtures', name), 'utf8');
}

/** Every remark in one line: place, function, the line it stands under, its own first line. */
export function remarks(series: Series): string[] {
  return series.comments.flatMap(({ number, remarks: list }) =>
    list.map((remark) => {
      const place = remark.file === null ? '' : ` ${remark.file}:${remark.line ?? ''}`;
      const first = remark.text.split('\n')[0] ?? '';
      const name = remark.function ?? '-';
      return `${number}.${remark.number} ${remark.place}${place} ${name} | ${remark.quoted ?? ''} | ${first}`;
    }),
  );
}
