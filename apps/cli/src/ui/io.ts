// SPDX-License-Identifier: GPL-2.0-only
// What commands see of the terminal. Tests give streams of their own.
import { readFileSync } from 'node:fs';
import { InputError } from '@vfio-lab/review/reader';
import pc from 'picocolors';

export interface Stream {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number;
}

export interface Io {
  stdout: Stream;
  stderr: Stream;
  env: Record<string, string | undefined>;
}

export type Colors = ReturnType<typeof pc.createColors>;

/** Colours for standard output: on a terminal, unless NO_COLOR is set; FORCE_COLOR wins over a pipe. */
export function colors(io: Io): Colors {
  const { NO_COLOR, FORCE_COLOR, TERM } = io.env;
  if (NO_COLOR) return pc.createColors(false);
  if (FORCE_COLOR !== undefined) return pc.createColors(FORCE_COLOR !== '0');
  return pc.createColors(io.stdout.isTTY === true && TERM !== 'dumb');
}

/** Columns to fill: the terminal's, COLUMNS, or 100 for a pipe. Never below 40. */
export function width(io: Io): number {
  const columns = io.stdout.columns ?? Number(io.env['COLUMNS'] ?? 100);
  return Math.max(40, Number.isFinite(columns) && columns > 0 ? columns : 100);
}

/** Prints a value as JSON. 64-bit numbers become numbers when that is exact, and decimal strings otherwise. */
export function writeJson(io: Io, value: unknown): void {
  io.stdout.write(`${JSON.stringify(value, jsonValue, 2)}\n`);
}

/** Prints one value as one line of JSON. */
export function writeJsonLine(io: Io, value: unknown): void {
  io.stdout.write(`${JSON.stringify(value, jsonValue)}\n`);
}

function jsonValue(_key: string, value: unknown): unknown {
  if (typeof value !== 'bigint') return value;
  return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
}

/** What `-` on the command line becomes, since cac takes a lone dash for an option. */
export const STDIN = '(standard input)';

/** Reads a file that the user named, or standard input. Throws InputError when that does not work. */
export function readInput(fileName: string): Uint8Array {
  try {
    return readFileSync(fileName === STDIN ? 0 : fileName);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    const [what, mend] = PROBLEMS[code] ?? [`cannot be read (${code})`, 'give a file that can'];
    throw new InputError(what, fileName, mend);
  }
}

const PROBLEMS: Record<string, [string, string]> = {
  ENOENT: ['no such file', 'check the path'],
  ENOTDIR: ['no such file', 'check the path'],
  EISDIR: ['a directory', 'give a file in it'],
  EACCES: ['no permission to read', 'check its mode'],
};
