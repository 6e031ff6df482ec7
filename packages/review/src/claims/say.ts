// SPDX-License-Identifier: GPL-2.0-only
// Words that the checks share.
import {
  VFIO_DEVICE_FEATURE_GET,
  VFIO_DEVICE_FEATURE_PROBE,
  VFIO_DEVICE_FEATURE_SET,
} from '@vfio-lab/headers';
import type { Finding } from '@vfio-lab/sim';
import type { VfioDevice } from '@vfio-lab/testbed';
import type { Bench, BenchRun } from './bench.ts';
import { withWhatIf } from './bench.ts';
import type { Race, RaceResult } from './race.ts';
import type { ClaimContext, Judgement } from './types.ts';

/** A verdict from a condition, with what to say in either case. */
export function judge(
  holds: boolean,
  yes: string,
  no: string,
  values: Record<string, unknown> = {},
): Judgement {
  return { verdict: holds ? 'holds' : 'does-not-hold', text: holds ? yes : no, values };
}

export function unreachable(text: string, values: Record<string, unknown> = {}): Judgement {
  return { verdict: 'not-reachable', text, values };
}

/** What a run found out. Throws when it did not come to its end. */
export function valueOf<T>(run: BenchRun<T>): T {
  if (run.value === undefined)
    throw new Error(`the run did not end: ${run.findings.map((f) => `${f.kind}: ${f.text}`).join('; ')}`);
  return run.value;
}

/** Kinds of findings, each once. */
export function kinds(findings: readonly Finding[]): string[] {
  return [...new Set(findings.map((f) => f.kind))];
}

/** A race in a line: '40 schedules: 24 x a, 16 x b'. */
export function raceText(r: RaceResult): string {
  const outcomes = Object.entries(r.outcomes).sort((a, b) => b[1] - a[1]);
  if (outcomes.every(([text]) => text === '')) return `${r.runs} schedules`;
  const shown = outcomes.slice(0, 4).map(([text, n]) => `${n} x ${text}`);
  if (outcomes.length > 4) shown.push(`${outcomes.length - 4} more`);
  return `${r.runs} schedules: ${shown.join(', ')}`;
}

/**
 * A claim that some schedule does harm, judged by the findings of a race; and the road not taken, a what-if on top of
 * this revision, to show that the race would have found it.
 */
export async function harm<S>(
  c: ClaimContext,
  race: Race<S>,
  what: string,
  opts: { runs?: number; whatIf?: string; kinds?: readonly string[] } = {},
): Promise<Judgement> {
  const r = await c.race(race, opts.runs === undefined ? {} : { runs: opts.runs });
  const hits = Object.entries(r.findings).filter(
    ([kind]) => opts.kinds === undefined || opts.kinds.includes(kind),
  );
  const values: Record<string, unknown> = {
    runs: r.runs,
    outcomes: r.outcomes,
    findings: Object.fromEntries(hits.map(([kind, hit]) => [kind, hit.runs])),
  };
  const other = opts.whatIf === undefined ? null : withWhatIf(c.revision, opts.whatIf);
  if (other !== null) {
    const w = await c.race(race, { revision: other, ...(opts.runs !== undefined && { runs: opts.runs }) });
    values['whatIf'] = {
      revision: other,
      findings: Object.fromEntries(Object.entries(w.findings).map(([kind, hit]) => [kind, hit.runs])),
    };
  }
  const hit = hits[0];
  if (hit === undefined) return { verdict: 'does-not-hold', text: `no ${what} in ${raceText(r)}`, values };
  return {
    verdict: 'holds',
    text: `${hit[0]}: ${hit[1].text} (in ${hit[1].runs} of ${r.runs} schedules)`,
    values,
    seed: hit[1].seed,
    schedule: hit[1].schedule,
  };
}

/** PROBE of a feature for SET, GET or neither: 0 or -errno. */
export async function probe(
  dev: VfioDevice,
  feature: number,
  dir: 'SET' | 'GET' = 'SET',
  size = 8,
): Promise<number> {
  const way = dir === 'SET' ? VFIO_DEVICE_FEATURE_SET : VFIO_DEVICE_FEATURE_GET;
  return (await dev.feature(VFIO_DEVICE_FEATURE_PROBE | way | feature, new Uint8Array(size))).ret;
}

/** SET of a feature with 32-bit words as payload. */
export async function set(dev: VfioDevice, feature: number, ...words: number[]): Promise<number> {
  return (
    await dev.feature(VFIO_DEVICE_FEATURE_SET | feature, new Uint8Array(Uint32Array.from(words).buffer))
  ).ret;
}

/** ENTER and nothing before it: v3 to v7 all understand this as ENTER, where they have it. */
export function enterOnly(b: Bench): Promise<number> {
  return b.low.has.d3hotFirst || 'vfio_pci_core_feature_pm' in b.testbed.revision.image.table
    ? set(b.dev, 3, 1, 0)
    : set(b.dev, 3);
}

/** EXIT and nothing after it. */
export function exitOnly(b: Bench): Promise<number> {
  if (b.low.has.d3hotFirst) return set(b.dev, 3, 0, 0);
  return 'vfio_pci_core_feature_pm' in b.testbed.revision.image.table ? set(b.dev, 3, 2, 0) : set(b.dev, 5);
}
