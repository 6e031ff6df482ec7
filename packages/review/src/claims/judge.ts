// SPDX-License-Identifier: GPL-2.0-only
// Claims against revisions.
import { revision } from '@vfio-lab/series';
import { InputError, type TraceEvent } from '@vfio-lab/sim';
import { lowPowerOf } from '@vfio-lab/testbed';
import { runBench } from './bench.ts';
import { claims } from './claims.ts';
import { runRace } from './race.ts';
import type { Claim, ClaimContext, ClaimResult, Evidence, Judgement, Verdict } from './types.ts';

/** The revisions that claims are judged on when none is named. */
export const CLAIM_REVISIONS: readonly string[] = ['v3', 'v4', 'v5', 'v6', 'v7'];

/** Random schedules of a race when the claim does not say. */
const RUNS = 12;

export interface JudgeOptions {
  /** Ids of the claims to judge; default: all. */
  ids?: readonly string[];
  /** Races run under this one random schedule. */
  seed?: number;
  /** Keep the timeline of the last run of each check. */
  tracing?: boolean;
  /** Called before each check. Return true to stop. */
  progress?(done: number, total: number, what: string): boolean | Promise<boolean>;
}

/** A claim by id, in either case. Throws InputError. */
export function claimById(id: string): Claim {
  const found = claims.find((c) => c.id === id.toUpperCase());
  if (found !== undefined) return found;
  throw new InputError(`no claim "${id}"`, '--id', `there are C1 to C${claims.length}`);
}

/**
 * Judge claims on revisions by running them.
 *
 * @param revisions names as `revision()` knows them
 * @returns one result a claim, in order; a claim that was stopped before has no verdict for the rest
 * @throws InputError for an unknown revision or id
 */
export async function judgeClaims(
  revisions: readonly string[],
  opts: JudgeOptions = {},
): Promise<ClaimResult[]> {
  for (const rev of revisions) revision(rev);
  const chosen = opts.ids === undefined ? claims : opts.ids.map(claimById);
  const total = chosen.length * revisions.length;
  const results: ClaimResult[] = [];
  let done = 0;
  for (const claim of chosen) {
    const { id, who, when, on, text, kind, sense, fate } = claim;
    const result: ClaimResult = { id, who, when, on, text, kind, sense, fate, verdicts: {}, evidence: {} };
    results.push(result);
    for (const rev of revisions) {
      if ((await opts.progress?.(done++, total, `${id} on ${rev}`)) === true) return results;
      const { verdict, evidence } = await judgeClaim(claim, rev, opts);
      result.verdicts[rev] = verdict;
      result.evidence[rev] = evidence;
    }
  }
  return results;
}

/** Judge one claim on one revision. */
export async function judgeClaim(
  claim: Claim,
  rev: string,
  opts: Pick<JudgeOptions, 'seed' | 'tracing'> = {},
): Promise<{ verdict: Verdict; evidence: Evidence }> {
  if (claim.check === undefined) return { verdict: 'not-about-behaviour', evidence: { text: claim.fate } };
  let events: TraceEvent[] = [];
  const keep = (run: { events: TraceEvent[] }): void => void (events = run.events);
  const missing = lacks(claim, rev);
  const tracing = opts.tracing ?? false;
  const low = lowPowerOf(rev);
  const context: ClaimContext = {
    revision: rev,
    low,
    has: (fn) => fn in revision(rev).image.table,
    notifies: notifies(rev),
    bench: async (body, options) => {
      const run = await runBench(rev, body, options, tracing);
      keep(run);
      return run;
    },
    race: (race, o = {}) => {
      const seeds =
        opts.seed === undefined ? Array.from({ length: o.runs ?? RUNS }, (_, i) => i) : [opts.seed];
      return runRace(o.revision ?? rev, race, seeds, tracing, keep);
    },
  };
  const judged: Judgement =
    missing === null ? await claim.check(context) : { verdict: 'not-reachable', text: missing };
  const { verdict, ...rest } = judged;
  // The base has part 1 in its merged form, in place of the first five patches of v3.
  if (rev.startsWith('v3') && /^v3 [1-5]\//.test(claim.on))
    rest.text += '; v3 runs with that patch as it was merged';
  const command = `vfio-lab claims --id ${claim.id} --revision ${rev}${judged.seed === undefined ? '' : ` --seed ${judged.seed} --trace`}`;
  return { verdict, evidence: { ...rest, command, ...(tracing && { events }) } };
}

function notifies(rev: string): boolean {
  return lowPowerOf(rev).has.wakeup || 'vfio_pci_set_pme_trigger' in revision(rev).image.table;
}

/** Why the question of a claim does not arise on a revision; null when it does. */
function lacks(claim: Claim, rev: string): string | null {
  const { has } = lowPowerOf(rev);
  if (claim.needs === undefined) return null;
  if (!has.lowPower) return 'a user cannot let a device sleep in this revision';
  if (claim.needs === 'notice' && !notifies(rev)) return 'nobody is told of a wake in this revision';
  if (claim.needs === 'wakeup' && !has.wakeup) return 'ENTER takes no eventfd in this revision';
  return null;
}
