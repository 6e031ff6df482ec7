// SPDX-License-Identifier: GPL-2.0-only
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { InputError } from '@vfio-lab/sim';

const DEFAULT_FILE = path.join(import.meta.dirname, '..', 'costs', 'default.json');

/** Every cost there is, in ns. The file says where each comes from. */
export const COST_NAMES = [
  'syscall',
  'page_fault',
  'code',
  'lock',
  'unlock',
  'atomic',
  'line_transfer',
  'wake_up',
  'context_switch',
  'idle_exit',
  'time_slice',
  'rwsem_handoff',
  'config_read',
  'config_write',
  'mmio_read',
  'mmio_write',
  'port',
  'eventfd_signal',
  'workqueue',
  'd3hot_exit',
  'd3cold_exit',
] as const;

export type CostName = (typeof COST_NAMES)[number];
/** Virtual ns by name. */
export type Costs = Readonly<Record<CostName, number>>;

/** A cost as its file gives it. */
export interface CostEntry {
  value: number;
  unit: string;
  source: string;
}

export interface CostModel {
  /** The file it was read from; that of the user when one was given. */
  file: string;
  entries: Readonly<Record<CostName, CostEntry>>;
  /** The values in ns. */
  ns: Costs;
}

const UNITS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, ms: 1e6, s: 1e9 };

/** All costs are nothing: time passes only where a program says so. For checks against theory. */
export function freeCosts(): Costs {
  const costs = Object.fromEntries(COST_NAMES.map((name) => [name, 0])) as Record<CostName, number>;
  return { ...costs, time_slice: Number.MAX_SAFE_INTEGER, rwsem_handoff: 4e6 };
}

/**
 * The cost model that comes with vfio-lab, with the entries of the user's file in place of its own.
 *
 * A file is `{"costs": {"NAME": {"value": 1.5, "unit": "us", "source": "..."}}}`.
 *
 * @throws InputError naming the file and the member that is wrong
 */
export function loadCosts(file?: string): CostModel {
  const entries = readEntries(DEFAULT_FILE) as Record<CostName, CostEntry>;
  for (const name of COST_NAMES)
    if (entries[name] === undefined) throw new Error(`${DEFAULT_FILE} lacks ${name}`);
  if (file !== undefined) Object.assign(entries, readEntries(file));
  const ns = Object.fromEntries(
    COST_NAMES.map((n) => [n, Math.round(entries[n].value * UNITS[entries[n].unit])]),
  );
  return { file: file ?? 'costs/default.json', entries, ns: ns as Record<CostName, number> };
}

function readEntries(file: string): Partial<Record<CostName, CostEntry>> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new InputError(
      code === 'ENOENT' ? 'no such file' : `cannot be read (${code})`,
      file,
      'give a cost file',
    );
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new InputError(
      `no JSON (${(error as Error).message})`,
      file,
      'see packages/contention/costs/default.json',
    );
  }
  const costs = isRecord(json) ? json['costs'] : undefined;
  if (!isRecord(costs)) {
    throw new InputError(
      'no object "costs"',
      file,
      'write {"costs": {"config_read": {"value": 800, "unit": "ns"}}}',
    );
  }
  const entries: Partial<Record<CostName, CostEntry>> = {};
  for (const [name, entry] of Object.entries(costs)) {
    const where = `${file}: costs.${name}`;
    const known = COST_NAMES.find((n) => n === name);
    if (known === undefined)
      throw new InputError('no such cost', where, `there are ${COST_NAMES.join(', ')}`);
    if (!isRecord(entry))
      throw new InputError('not an object', where, 'write {"value": 800, "unit": "ns", "source": "..."}');
    const { value, unit = 'ns', source = 'given by the user' } = entry;
    if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) {
      throw new InputError(`value ${JSON.stringify(value)} is no time`, where, 'give a number, 0 or more');
    }
    if (typeof unit !== 'string' || UNITS[unit] === undefined) {
      throw new InputError(
        `unknown unit ${JSON.stringify(unit)}`,
        where,
        `take one of ${Object.keys(UNITS).join(', ')}`,
      );
    }
    entries[known] = { value, unit, source: String(source) };
  }
  return entries;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
