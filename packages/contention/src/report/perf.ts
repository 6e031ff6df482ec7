// SPDX-License-Identifier: GPL-2.0-only
// The table of `perf lock contention`. C: tools/perf/builtin-lock.c print_contention_result()
import type { LockKind } from '../engine/gate.ts';
import type { LockResult } from '../result.ts';

interface Row {
  contended: number;
  total: number;
  max: number;
  type: string;
  caller: string;
}

/** One line for each lock type and waiting function, longest total wait first. */
export function renderPerf(locks: readonly LockResult[]): string {
  const rows: Row[] = [];
  for (const lock of locks) {
    for (const [mode, suffix] of [
      ['write', 'W'],
      ['read', 'R'],
    ] as const) {
      for (const c of lock[mode].callers) {
        rows.push({
          contended: c.n,
          total: c.total,
          max: c.max,
          type: typeName(lock.kind, suffix),
          caller: `${c.site} (${lock.name})`,
        });
      }
    }
  }
  rows.sort((a, b) => b.total - a.total || (a.caller < b.caller ? -1 : 1));
  const head = ` ${['contended', 'total wait', 'max wait', 'avg wait'].map((h, i) => h.padStart(i === 0 ? 10 : 12)).join(' ')}   ${'type'.padStart(10)}   caller`;
  const lines = rows.map((r) => {
    const cells = [String(r.contended).padStart(10), time(r.total), time(r.max), time(r.total / r.contended)];
    return ` ${cells.join(' ')}   ${r.type.padStart(10)}   ${r.caller}`;
  });
  return `${[head, '', ...lines].join('\n')}\n`;
}

function typeName(kind: LockKind | null, suffix: string): string {
  return kind === 'rwsem' ? `rwsem:${suffix}` : (kind ?? 'unknown');
}

const UNITS: readonly (readonly [number, string])[] = [
  [3600e9, 'h '],
  [60e9, 'm '],
  [1e9, 's '],
  [1e6, 'ms'],
  [1e3, 'us'],
];

/** C: tools/perf/builtin-lock.c lock_stat_key_print_time(), 12 columns. */
function time(ns: number): string {
  for (const [base, unit] of UNITS) if (ns >= base) return `${(ns / base).toFixed(2).padStart(9)} ${unit}`;
  return `${String(Math.floor(ns)).padStart(9)} ns`;
}
