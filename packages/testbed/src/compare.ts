// SPDX-License-Identifier: GPL-2.0-only
// A trace of ours beside a recording.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { InputError } from '@vfio-lab/sim';
import type { TraceLine } from './script/run.ts';

/** A line where ours and the recording differ. */
export interface Difference {
  n: number;
  op: string;
  expected: unknown;
  got: unknown;
}

export interface Comparison {
  equal: number;
  compared: number;
  differences: Difference[];
  /** Lines that differ because of a later change of the kernel (not compared). */
  excepted: Difference[];
}

export interface CompareOptions {
  /** Line numbers whose result was a race when it was recorded. */
  volatile?: readonly number[];
  /** Line numbers that may differ because of a later change of the kernel. */
  excepted?: readonly number[];
  /**
   * The recording is one of several scripts run in one boot of a kernel with the modules of a single revision: what
   * earlier scripts left behind (d3cold_allowed, the state before the first bind) and half-done idle work do not count.
   */
  sharedBoot?: boolean;
}

/** What these operations print is a detail of the recording host. */
const NOT_COMPARED = new Set(['irqs', 'sh', 'note']);

/** Read a recording: one JSON object a line. Throws InputError with the line that is wrong. */
export function readTrace(file: string): TraceLine[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    throw new InputError('cannot be read', file, 'check the path');
  }
  const lines: TraceLine[] = [];
  for (const [i, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      throw new InputError('not JSON', `${file}:${i + 1}`, 'give a recording with one JSON object a line');
    }
    if (
      typeof value !== 'object' ||
      value === null ||
      typeof (value as TraceLine).n !== 'number' ||
      typeof (value as TraceLine).op !== 'string'
    ) {
      throw new InputError('no "n" and "op"', `${file}:${i + 1}`, 'give a recording made from a script');
    }
    lines.push(value as TraceLine);
  }
  return lines;
}

/** The volatile lines of a script from `volatile.json` in the folder above it; none when there is no such file. */
export function volatileLines(scriptFile: string): number[] {
  const file = path.join(path.dirname(scriptFile), '..', 'volatile.json');
  if (!existsSync(file)) return [];
  const table = JSON.parse(readFileSync(file, 'utf8')) as Record<string, number[]>;
  return table[path.basename(scriptFile).replace(/\.vt$/, '')] ?? [];
}

/** Compare our lines with a recording, field by field; both are matched by script line. */
export function compareTraces(
  ours: readonly TraceLine[],
  recorded: readonly TraceLine[],
  opts: CompareOptions = {},
): Comparison {
  const result: Comparison = { equal: 0, compared: 0, differences: [], excepted: [] };
  const byLine = new Map(ours.map((l) => [l.n, l]));
  const volatile = new Set(opts.volatile ?? []);
  const excepted = new Set(opts.excepted ?? []);
  const bound = firstBinds(recorded);
  for (const expected of recorded) {
    const verb = expected.op.split(' ', 1)[0];
    if (NOT_COMPARED.has(verb) || volatile.has(expected.n)) continue;
    const got = byLine.get(expected.n);
    const ignored = opts.sharedBoot === true ? sharedBootFields(expected, bound) : [];
    const want = fields(expected, ignored);
    const have = got === undefined ? null : fields(got, ignored);
    const equal = isDeepStrictEqual(want, have);
    const difference = { n: expected.n, op: expected.op, expected: want, got: have };
    if (!equal && excepted.has(expected.n)) {
      result.excepted.push(difference);
      continue;
    }
    result.compared++;
    if (equal) result.equal++;
    else result.differences.push(difference);
  }
  return result;
}

function fields(line: TraceLine, ignored: readonly string[]): Record<string, unknown> {
  const { n: _n, op: _op, kmsg: _kmsg, ...rest } = line;
  for (const name of ignored) delete rest[name];
  return rest;
}

/** Script line at which each device is bound for the first time. */
function firstBinds(lines: readonly TraceLine[]): Map<string, number> {
  const bound = new Map<string, number>();
  for (const l of lines) {
    const m = /^bind (\S+)/.exec(l.op);
    if (m !== null && !bound.has(m[1])) bound.set(m[1], l.n);
  }
  return bound;
}

function sharedBootFields(line: TraceLine, bound: Map<string, number>): string[] {
  const ignored: string[] = [];
  const m = /^pm (\S+)/.exec(line.op);
  if (m !== null) {
    ignored.push('d3cold_allowed');
    if (line.n < (bound.get(m[1]) ?? Infinity)) ignored.push('power_state');
    if (line.runtime_usage === '0') ignored.push('power_state', 'runtime_status');
  }
  const file = /^sys(?:read|wait) (\S+)\/(d3cold_allowed|power_state)(?: |$)/.exec(line.op);
  if (file !== null && (file[2] === 'd3cold_allowed' || line.n < (bound.get(file[1]) ?? Infinity)))
    ignored.push('rc', 'value', 'ok');
  return ignored;
}
