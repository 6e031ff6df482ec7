// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is a race that the review spoke of there? Decided by a search of its scenario, never by what was said. Races of one
 * scenario are looked for in one search.
 */
import { CLAIM_RACES, type ClaimRace, raceById } from './claim-races.ts';
import { type JobState, runHere, runInThreads } from './race-crew.ts';
import type { JudgedRace, RaceJob } from './race-search.ts';

/** A race with what was found out about it, by revision. */
export interface RaceRow {
  id: string;
  what: string;
  scenario: string;
  /** The variant that must have it, which is among the verdicts; null: there is none, or none was asked for. */
  whatIf: string | null;
  verdicts: Record<string, JudgedRace>;
}

export interface RaceOptions {
  /** Claims; default: all that speak of a race. */
  ids?: readonly string[];
  /** Without the variants that must have the race. */
  plain?: boolean;
  /** Limits of one search: executions, and milliseconds. */
  executions?: number;
  time?: number;
  /** Threads; 1 (default): none but this one. */
  jobs?: number;
  /** Asked now and then; true: stop, and report what there is. */
  stop?: (progress: RaceProgress) => boolean | Promise<boolean>;
}

export interface RaceProgress {
  /** Searches that have ended, of how many. */
  done: number;
  total: number;
  /** What is being searched: the first of them, when there are several. */
  scenario: string;
  revision: string;
  /** Of all searches so far. */
  executions: number;
}

/**
 * Judge the races of claims on revisions, and each on its variant.
 *
 * @param revisions names as `revision()` knows them
 * @returns one row a claim, in order, the same for any number of threads; what a stop left out is missing from its verdicts
 * @throws InputError for an unknown id
 */
export async function judgeRaces(revisions: readonly string[], opts: RaceOptions = {}): Promise<RaceRow[]> {
  const races = opts.ids === undefined ? CLAIM_RACES : opts.ids.map(raceById);
  const rows = races.map(({ id, what, scenario, whatIf }): RaceRow => ({
    id,
    what,
    scenario,
    whatIf: opts.plain === true ? null : whatIf,
    verdicts: {},
  }));
  const jobs = jobsOf(races, revisions, opts);
  const watch = async (states: readonly JobState[]): Promise<boolean> =>
    (await opts.stop?.(progressOf(jobs, states))) === true;
  const threads = Math.min(opts.jobs ?? 1, jobs.length);
  const verdicts = threads > 1 ? await runInThreads(jobs, watch, threads) : await runHere(jobs, watch);
  for (const [n, { revision }] of jobs.entries()) {
    for (const row of rows) {
      const judged = verdicts[n]?.[row.id];
      if (judged !== undefined) row.verdicts[revision] = judged;
    }
  }
  return rows;
}

function progressOf(jobs: readonly RaceJob[], states: readonly JobState[]): RaceProgress {
  const at = states.findIndex((s) => !s.done && s.executions >= 0);
  const { scenario, revision } = jobs[Math.max(at, 0)];
  return {
    done: states.filter((s) => s.done).length,
    total: jobs.length,
    scenario,
    revision,
    executions: states.reduce((sum, s) => sum + Math.max(s.executions, 0), 0),
  };
}

function jobsOf(
  races: readonly ClaimRace[],
  revisions: readonly string[],
  { plain, executions, time }: RaceOptions,
): RaceJob[] {
  const jobs = new Map<string, RaceJob>();
  const limits = { ...(executions !== undefined && { executions }), ...(time !== undefined && { time }) };
  for (const { id, scenario, whatIf } of races) {
    const own = plain === true || whatIf === null ? [] : [whatIf];
    for (const revision of new Set([...revisions, ...own])) {
      const key = `${scenario} ${revision}`;
      const job = jobs.get(key) ?? { scenario, revision, ids: [], ...limits };
      jobs.set(key, job);
      job.ids.push(id);
    }
  }
  return [...jobs.values()];
}

/** Searches that a stop left out: claims by revision, in the order of the rows. */
export function notSearched(rows: readonly RaceRow[], revisions: readonly string[]): Map<string, string[]> {
  const left = new Map<string, string[]>();
  for (const { id, whatIf, verdicts } of rows) {
    for (const revision of new Set(whatIf === null ? revisions : [...revisions, whatIf])) {
      if (verdicts[revision] === undefined) left.set(revision, [...(left.get(revision) ?? []), id]);
    }
  }
  return left;
}
