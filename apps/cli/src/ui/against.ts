// SPDX-License-Identifier: GPL-2.0-only
// Two searches side by side, as text and as a page.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Comparison, Found, Reached, Side } from '@vfio-lab/explore';
import { replayCommand } from './findings.ts';
import { colors, type Io, width } from './io.ts';
import { wrap } from './text.ts';

/** Write the comparison of two searches as a page; tells on stderr. */
export async function writeComparison(what: string, a: Side, b: Side, folder: string, io: Io): Promise<void> {
  const { comparisonPage } = await import('@vfio-lab/explore');
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, `${what}-${a.revision}-against-${b.revision}.html`);
  writeFileSync(
    file,
    comparisonPage(what, a, b, (rev, schedule) => replayCommand(what, rev, schedule)),
  );
  io.stderr.write(`vfio-lab: wrote ${file}\n`);
}

/** What only one of two searches has reached, and what both have, as lines. */
export function compare(what: string, a: Side, b: Side, c: Comparison, io: Io): string[] {
  const paint = colors(io);
  const lines = [''];
  const side = (s: Side, only: readonly Reached[], findings: readonly Found[]): void => {
    lines.push(
      `${paint.bold(`only ${s.revision}`)}${only.length + findings.length === 0 ? ': nothing' : ''}`,
    );
    for (const o of only) {
      lines.push(...wrap(o.outcome, width(io) - 2).map((line) => `  ${line}`));
      lines.push(`    ${replayCommand(what, s.revision, o.schedule)}`);
    }
    for (const f of findings) lines.push(`  ${paint.red(f.kind)}: ${f.text}`);
  };
  side(a, c.onlyFirst, c.findingsOnlyFirst);
  side(b, c.onlySecond, c.findingsOnlySecond);
  lines.push(`${paint.bold('both')}${c.both.length === 0 ? ': nothing' : ''}`);
  for (const o of c.both) lines.push(...wrap(o.outcome, width(io) - 2).map((line) => `  ${line}`));
  if (!c.proved) lines.push(paint.yellow('not all was searched: an outcome may be missing on either side'));
  return lines;
}
