// SPDX-License-Identifier: GPL-2.0-only
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { InputError } from '@vfio-lab/sim';
import type { Io } from './io.ts';

/** Writes pages into a folder, which is made. Throws InputError when that does not work. */
export function writePages(dir: string, pages: ReadonlyMap<string, string>, io: Io): void {
  try {
    mkdirSync(dir, { recursive: true });
    for (const [name, text] of pages) writeFileSync(path.join(dir, name), text);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    throw new InputError(`cannot write pages (${code})`, dir, 'give a folder that can be made or written');
  }
  io.stderr.write(`${pages.size} pages; open ${path.join(dir, 'index.html')}\n`);
}
