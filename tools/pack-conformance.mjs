// SPDX-License-Identifier: GPL-2.0-only
// Packs a folder of recordings (index.json, scripts, traces, machines, ...) into the archive that the testbed reads:
// a tar file, compressed with brotli. The result depends on names and contents alone.
//
//   node tools/boot.mjs pack-conformance <folder> [archive]
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants } from 'node:zlib';

const BLOCK = 512;
const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/**
 * The header of a file in a tar archive (ustar), with no owner and no date.
 * @param {string} name
 * @param {number} size
 */
function header(name, size) {
  if (Buffer.byteLength(name) > 100) throw new Error(`${name}: longer than a tar archive allows`);
  const block = Buffer.alloc(BLOCK);
  /** @type {(at: number, digits: number, value: number) => void} */
  const octal = (at, digits, value) =>
    void block.write(`${value.toString(8).padStart(digits, '0')}\0`, at, 'latin1');
  block.write(name, 0);
  octal(100, 7, 0o644);
  octal(108, 7, 0);
  octal(116, 7, 0);
  octal(124, 11, size);
  octal(136, 11, 0);
  block.write('        0', 148, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  octal(
    148,
    6,
    block.reduce((sum, byte) => sum + byte, 0),
  );
  return block;
}

const [dir, archive = path.join(root, 'packages', 'testbed', 'conformance', 'recordings.tar.br')] =
  process.argv.slice(2);
if (dir === undefined) {
  process.stderr.write('usage: pack-conformance <folder> [archive]\n');
  process.exitCode = 2;
} else {
  /** @type {Buffer[]} */
  const parts = [];
  // By base name first: recordings of one script lie side by side, and the compressor finds what they share.
  const names = readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .filter((name) => statSync(path.join(dir, name)).isFile())
    .map((name) => name.split(path.sep).join('/'))
    .sort((a, b) => {
      const [x, y] = [`${path.posix.basename(a)} ${a}`, `${path.posix.basename(b)} ${b}`];
      return x < y ? -1 : x > y ? 1 : 0;
    });
  for (const name of names) {
    const bytes = readFileSync(path.join(dir, name));
    parts.push(header(name, bytes.length), bytes, Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK));
  }
  parts.push(Buffer.alloc(2 * BLOCK));
  const tar = Buffer.concat(parts);
  const packed = brotliCompressSync(tar, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
      [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
      [constants.BROTLI_PARAM_SIZE_HINT]: tar.length,
    },
  });
  writeFileSync(archive, packed);
  process.stdout.write(`${names.length} files, ${tar.length} bytes -> ${packed.length}\n`);
}
