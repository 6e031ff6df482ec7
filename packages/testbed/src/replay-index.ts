// SPDX-License-Identifier: GPL-2.0-only
// The list of recordings in a folder, and which of them were made in one boot.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { InputError } from '@vfio-lab/sim';
import { recordingsDir } from './recordings.ts';

/** What to replay. All but `sharedBoot` are as on the command line. */
export interface ReplayRequest {
  script: string;
  machine: string;
  revision: string;
  against: string;
  /** One of several scripts that ran in one boot; left out: as the folder of the recording says. */
  sharedBoot?: boolean;
}

export interface IndexEntry extends ReplayRequest {
  name: string;
  machineName: string;
  ops: number;
}

/** The revision that Debian's 6.1.192 carries. */
const STABLE_REVISION = 'v7';

/** The recordings that `index.json` in a folder lists. Throws InputError. */
export function readIndex(dir: string): IndexEntry[] {
  const file = path.join(dir, 'index.json');
  let list: unknown;
  try {
    list = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    throw new InputError('no index of recordings', file, 'give the folder that has index.json with --dir');
  }
  if (!Array.isArray(list)) throw new InputError('not an array', file, 'list the recordings in an array');
  return list.map((value: unknown, i) => {
    const e = value as Record<string, unknown>;
    for (const member of ['script', 'trace', 'machine']) {
      if (typeof e[member] !== 'string')
        throw new InputError(`entry ${i} lacks "${member}"`, file, 'give script, trace and machine');
    }
    const script = e.script as string;
    const machine = e.machine as string;
    return {
      ...entryOf(script, machine),
      revision: typeof e.revision === 'string' ? e.revision : STABLE_REVISION,
      sharedBoot: typeof e.revision === 'string',
      ops: typeof e.ops === 'number' ? e.ops : 0,
      script: path.join(dir, script),
      machine: path.join(dir, machine),
      against: path.join(dir, e.trace as string),
    };
  });
}

/** Is it a recording with the modules of a single revision? Those of a distribution's kernel are made in a boot each. */
export function isSharedBoot(request: ReplayRequest): boolean {
  return request.sharedBoot ?? !path.basename(path.dirname(request.against)).startsWith('linux-');
}

/** A script that tampers with what a device is: no other can run in its boot. */
function tampers(script: string): boolean {
  return existsSync(script) && /^insmod fakeid\b/m.test(readFileSync(script, 'utf8'));
}

/**
 * Which recordings were made in one boot, each boot in the order in which its scripts ran. The scripts of one campaign
 * (their names begin with the same letters, or with digits) ran in one boot for each machine and revision, in the order
 * of the index: the interrupt counters that they print go on from one to the next.
 */
export function bootsOf(entries: readonly IndexEntry[]): IndexEntry[][] {
  const boots = new Map<string, IndexEntry[]>();
  for (const e of entries) {
    const alone = !isSharedBoot(e) || tampers(e.script);
    const campaign = /^[a-z]*/i.exec(e.name) as RegExpExecArray;
    const key = alone
      ? e.against
      : [path.basename(path.dirname(e.against)), e.machineName, campaign[0]].join('\n');
    const boot = boots.get(key);
    if (boot === undefined) boots.set(key, [e]);
    else boot.push(e);
  }
  return [...boots.values()];
}

/**
 * The recordings that ran before this one in its boot: those that the index beside it lists, and those of the same
 * folder and machine that come with vfio-lab, of which it may be a part that is not kept here. In the order of their
 * names, as every boot ran.
 */
export function earlierInBoot(request: ReplayRequest): IndexEntry[] {
  if (!isSharedBoot(request)) return [];
  const beside = path.join(path.dirname(request.against), '..', '..');
  const place = (e: { against: string; machine: string }): string =>
    path.join(path.basename(path.dirname(e.against)), path.basename(e.machine));
  const byName = new Map<string, IndexEntry>();
  for (const dir of [beside, recordingsDir()]) {
    if (!existsSync(path.join(dir, 'index.json'))) continue;
    for (const e of readIndex(dir)) {
      const name = path.basename(e.against);
      const there = existsSync(e.script) && existsSync(e.against);
      if (place(e) === place(request) && there && !byName.has(name)) byName.set(name, e);
    }
  }
  const self = path.basename(request.against);
  if (!byName.has(self)) byName.set(self, { ...entryOf(request.script, request.machine), ...request });
  const sorted = [...byName].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, e]) => e);
  const is = (e: IndexEntry): boolean => path.basename(e.against) === self;
  const boot = bootsOf(sorted).find((entries) => entries.some(is)) ?? [];
  return boot.slice(0, boot.findIndex(is));
}

/** A boot of an index with the recordings that are known to have run between its own, in their order. */
export function wholeBoot(boot: readonly IndexEntry[]): readonly IndexEntry[] {
  const nameOf = (e: IndexEntry): string => path.basename(e.against);
  const own = new Map(boot.map((e) => [nameOf(e), e]));
  const last = boot.reduce((a, b) => (nameOf(a) < nameOf(b) ? b : a));
  const whole = [...earlierInBoot(last), last].map((e) => own.get(nameOf(e)) ?? e);
  return boot.every((e) => whole.includes(e)) ? whole : boot;
}

function entryOf(script: string, machine: string): Pick<IndexEntry, 'name' | 'machineName' | 'ops'> {
  return {
    name: path.basename(script).replace(/\.vt$/, ''),
    machineName: path.basename(machine).replace(/\.json$/, ''),
    ops: 0,
  };
}
