// SPDX-License-Identifier: GPL-2.0-only
import { InputError } from '@vfio-lab/sim';
import { isMbox, readMbox } from './mbox.ts';
import { isPatchwork, readPatchwork } from './patchwork.ts';
import type { Series } from './types.ts';

const KINDS = 'take a patchwork series page saved as text, or an mbox of b4 or git format-patch';

/** Tab, line feed, vertical tab, form feed (between C sections), carriage return, escape (ISO-2022). */
const TEXT_CONTROLS = new Set([0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x1b]);

/**
 * Reads a patch series: a patchwork page saved as plain text, or an mbox with or without the replies.
 *
 * @param input the file's bytes, or its text
 * @param fileName what messages call it
 * @returns the series; what is missing in it is listed in `gaps`
 * @throws InputError when it is none of these, or is cut
 */
export async function readSeries(input: string | Uint8Array, fileName: string): Promise<Series> {
  const bytes = typeof input === 'string' ? Buffer.from(input) : Buffer.from(input);
  const binary = bytes.toString('latin1').replace(/^\xef\xbb\xbf/, '');
  if (binary.trim() === '') throw new InputError('the file is empty', `${fileName}:1`, KINDS);
  const control = bytes.findIndex((byte) => byte < 0x20 && !TEXT_CONTROLS.has(byte));
  if (control >= 0) {
    const line = binary.slice(0, control).split('\n').length;
    const zipped = binary.startsWith('\x1f\x8b');
    throw new InputError(
      zipped ? 'compressed with gzip' : 'binary data',
      `${fileName}:${line}`,
      zipped ? 'unpack it first (gunzip)' : KINDS,
    );
  }
  const lines = binary.split(/\r?\n/);
  if (isMbox(lines)) return readMbox(binary, fileName);
  const first = Math.max(
    0,
    lines.findIndex((line) => line.trim() !== ''),
  );
  if (/^\s*<(?:!doctype|html|\?xml)/i.test(lines[first] ?? '')) {
    throw new InputError('an HTML page', `${fileName}:${first + 1}`, 'save it as plain text');
  }
  const text = decode(bytes);
  const textLines = text.replace(/^\ufeff/, '').split(/\r?\n/);
  if (isPatchwork(textLines)) return readPatchwork(textLines, fileName);
  throw new InputError('neither a patchwork page nor an mbox', `${fileName}:${first + 1}`, KINDS);
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder('windows-1252').decode(bytes);
  }
}
