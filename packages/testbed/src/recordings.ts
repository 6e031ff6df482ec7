// SPDX-License-Identifier: GPL-2.0-only
// What real kernels answered: scripts, machines and traces, kept in the repository as one compressed archive.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { brotliDecompressSync } from 'node:zlib';

const PACKAGE = path.join(import.meta.dirname, '..');
const ARCHIVE = path.join(PACKAGE, 'conformance', 'recordings.tar.br');
const BLOCK = 512;

/** Files of a tar archive of plain files, by name. Throws when it is damaged. */
function* filesOf(tar: Buffer): Generator<[name: string, bytes: Buffer]> {
  const text = (at: number, length: number): string =>
    tar.toString('utf8', at, at + length).replace(/\0.*$/s, '');
  for (let at = 0; at + BLOCK <= tar.length && tar[at] !== 0;) {
    const name = text(at, 100);
    const size = parseInt(text(at + 124, 12), 8);
    const from = at + BLOCK;
    if (!(size >= 0 && from + size <= tar.length) || name.startsWith('/') || name.split('/').includes('..')) {
      throw new Error(`the archive is damaged at ${at}`);
    }
    yield [name, tar.subarray(from, from + size)];
    at = from + Math.ceil(size / BLOCK) * BLOCK;
  }
}

/** A folder that can be written, next to the dependencies or else with the system's temporary files. */
function cacheFolder(): string {
  for (const parent of [path.join(PACKAGE, '..', '..', 'node_modules', '.cache'), tmpdir()]) {
    try {
      const dir = path.join(parent, 'vfio-lab');
      mkdirSync(dir, { recursive: true });
      rmSync(mkdtempSync(path.join(dir, 'probe-')), { recursive: true });
      return dir;
    } catch {
      continue;
    }
  }
  throw new Error('no folder for temporary files can be written');
}

/**
 * The folder with the recordings that come with vfio-lab: `index.json`, `scripts`, `machines`, `traces`. Unpacked from
 * the archive when that has not been done for its present content.
 */
export function recordingsDir(): string {
  const packed = readFileSync(ARCHIVE);
  const dir = path.join(
    cacheFolder(),
    `recordings-${createHash('sha256').update(packed).digest('hex').slice(0, 16)}`,
  );
  if (existsSync(dir)) return dir;
  const fresh = mkdtempSync(`${dir}.`);
  for (const [name, bytes] of filesOf(brotliDecompressSync(packed))) {
    const file = path.join(fresh, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, bytes);
  }
  try {
    renameSync(fresh, dir);
  } catch (error) {
    // Somebody else has just done the same.
    rmSync(fresh, { recursive: true });
    if (!existsSync(dir)) throw error;
  }
  return dir;
}
