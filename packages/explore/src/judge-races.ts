// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is a race that the review spoke of there? Decided by a search of its scenario, never by what was said. Races of one
 * scenario are looked for in one search.
 */
import {
  NO_LOW_POWER,
  NO_WAKEUP,
  REFUSED,
  runScenario,
  type Scenario,
  scenarioByName,
} from '@vfio-lab/scenarios';
import { InputError } from '@vfio-lab/sim';
import { type Chooser, Limited, StepLimit } from './chooser.ts';
import { CLAIM_RACES, type ClaimRace } from './claim-races.ts';
import { explore, type Exploration } from './explore.ts';
import { ScenarioSubject } from './scenario-subject.ts';
import { replay } from './session.ts';
import type { Observation, Subject, SubjectFinding } from './subject.ts';
import { parseToken } from './token.ts';

/**
 * - `reachable`: a schedule has it;
 * - `exhausted-without`: all schedules have been searched, none has it;
 * - `not-reached`: none of those that have been searched has it, and there are more;
 * - `does-not-arise`: the revision lacks what the race is about.
 */
export type RaceVerdict = 'reachable' | 'exhausted-without' | 'not-reached' | 'does-not-arise';

export interface JudgedRace {
  revision: string;
  verdict: RaceVerdict;
  /** What shows it, why it does not arise, or how far the search came. */
  text: string;
  /** Leads there, when reachable; else ''. */
  schedule: string;
  /** Of the search, which other races may share. */
  executions: number;
  /** All schedules with at most so many preemptions have been searched; -1: no such claim, or all have. */
  bound: number;
  /** About how many executions are left. */
  remaining: number;
  seconds: number;
  /** Kinds of findings that came up and are not the race. */
  others: string[];
}

/** A race with what was found out about it, by revision; `whatIf` is among them. */
export interface RaceRow {
  id: string;
  what: string;
  scenario: string;
  whatIf: string | null;
  verdicts: Record<string, JudgedRace>;
}

export interface RaceOptions {
  /** Claims; default: all that speak of a race. */
  ids?: readonly string[];
  /** Without the variants that must have the race. */
  plain?: boolean;
  /** Limits of one search: executions, and milliseconds of `clock`. */
  executions?: number;
  time?: number;
  clock?: () => number;
  /** Asked now and then; true: stop, and report what there is. */
  stop?: (progress: RaceProgress) => boolean | Promise<boolean>;
}

export interface RaceProgress {
  /** Searches that have ended, of how many. */
  done: number;
  total: number;
  /** What is being searched. */
  scenario: string;
  revision: string;
  executions: number;
}

/** Schedules with one preemption that are tried before a search depth first. */
const WARM_UP = 1000;

/** Steps after which an execution of an endless race is given up. */
const LONG = 5000;

/** What scenarios say where the question does not arise, and what that means. */
const ABSENT: readonly (readonly [word: string, why: string])[] = [
  [NO_LOW_POWER, 'a user cannot let a device sleep in this revision'],
  [NO_WAKEUP, 'ENTER takes no eventfd in this revision'],
  [REFUSED, 'ENTER is refused for this device in this revision'],
];

/** A race by its claim, in either case. Throws InputError. */
export function raceById(id: string): ClaimRace {
  const found = CLAIM_RACES.find((r) => r.id === id.toUpperCase());
  if (found !== undefined) return found;
  const ids = CLAIM_RACES.map((r) => r.id).join(', ');
  throw new InputError(`claim "${id}" speaks of no race`, '--id', `those that do: ${ids}`);
}

function finding({ id, what }: ClaimRace): SubjectFinding {
  return { kind: id, text: what, task: '', fns: [], held: [] };
}

/** Runs a scenario; of its findings and outcomes, only the races are left, each as a finding of the kind of its claim. */
class RaceSubject implements Subject {
  /** What showed a race first, by claim. */
  readonly shown = new Map<string, string>();
  readonly others = new Set<string>();
  private readonly inner: ScenarioSubject;
  private readonly races: readonly ClaimRace[];

  constructor(scenario: Scenario, revision: string, races: readonly ClaimRace[]) {
    this.inner = new ScenarioSubject(scenario, revision);
    this.races = races;
  }

  async run(chooser: Chooser): Promise<Observation> {
    const endless = this.races.find((race) => race.endless === true);
    if (endless === undefined) return this.look(await this.inner.run(chooser));
    try {
      return this.look(await this.inner.run(new Limited(chooser, LONG)));
    } catch (error) {
      if (!(error instanceof StepLimit)) throw error;
      return { outcome: `no end after ${LONG} steps`, findings: [finding(endless)] };
    }
  }

  /** What an endless race comes to in the end: a finding of one of its kinds, or nothing. */
  async whole(race: ClaimRace, schedule: string): Promise<SubjectFinding | undefined> {
    const { observation } = await replay(this.inner, parseToken(schedule));
    return observation.findings.find((f) => race.kinds?.includes(f.kind) === true);
  }

  private look({ outcome, findings }: Observation): Observation {
    const hits: SubjectFinding[] = [];
    const used = new Set<SubjectFinding>();
    for (const race of this.races) {
      const hit = findings.find((f) => race.kinds?.includes(f.kind) === true);
      const seen = race.outcome?.test(outcome) === true;
      if (hit !== undefined) used.add(hit);
      if (hit === undefined && !seen) continue;
      if (!this.shown.has(race.id))
        this.shown.set(race.id, hit === undefined ? outcome : `${hit.kind}: ${hit.text}`);
      hits.push(finding(race));
    }
    for (const f of findings) if (!used.has(f)) this.others.add(f.kind);
    return { outcome, findings: hits };
  }

  get tables(): Subject['tables'] {
    return this.inner.tables;
  }

  taskName(tid: number): string {
    return this.inner.taskName(tid);
  }

  objName(obj: number): string {
    return this.inner.objName(obj);
  }
}

/** One search: races that share a scenario, on a revision. */
interface Job {
  scenario: string;
  revision: string;
  races: ClaimRace[];
}

/**
 * Judge the races of claims on revisions, and each on its variant.
 *
 * @param revisions names as `revision()` knows them
 * @returns one row a claim, in order; what a stop left out is missing from its verdicts
 * @throws InputError for an unknown revision or id
 */
export async function judgeRaces(revisions: readonly string[], opts: RaceOptions = {}): Promise<RaceRow[]> {
  const races = opts.ids === undefined ? CLAIM_RACES : opts.ids.map(raceById);
  const rows = races.map(({ id, what, scenario, whatIf }): RaceRow => ({
    id,
    what,
    scenario,
    whatIf,
    verdicts: {},
  }));
  const jobs = jobsOf(races, revisions, opts.plain === true);
  let asked = false;
  for (const [done, job] of jobs.entries()) {
    const stop = async (executions: number): Promise<boolean> => {
      const { scenario, revision } = job;
      asked ||= (await opts.stop?.({ done, total: jobs.length, scenario, revision, executions })) === true;
      return asked;
    };
    if (await stop(0)) break;
    const judged = await search(job, opts, stop);
    for (const row of rows) {
      const verdict = judged.get(row.id);
      if (verdict !== undefined) row.verdicts[job.revision] = verdict;
    }
  }
  return rows;
}

function jobsOf(races: readonly ClaimRace[], revisions: readonly string[], plain: boolean): Job[] {
  const jobs = new Map<string, Job>();
  for (const race of races) {
    const own = plain || race.whatIf === null ? [] : [race.whatIf];
    for (const revision of new Set([...revisions, ...own])) {
      const key = `${race.scenario} ${revision}`;
      const job = jobs.get(key) ?? { scenario: race.scenario, revision, races: [] };
      jobs.set(key, job);
      job.races.push(race);
    }
  }
  return [...jobs.values()];
}

async function search(
  { scenario: name, revision, races }: Job,
  opts: RaceOptions,
  stop: (executions: number) => Promise<boolean>,
): Promise<Map<string, JudgedRace>> {
  const scenario = scenarioByName(name);
  const none = { revision, schedule: '', executions: 0, bound: -1, remaining: 0, seconds: 0, others: [] };
  const { outcome } = await runScenario(scenario, { revision });
  const absent = ABSENT.find(([word]) => outcome.includes(word));
  if (absent !== undefined)
    return new Map(races.map(({ id }) => [id, { ...none, verdict: 'does-not-arise', text: absent[1] }]));
  const subject = new RaceSubject(scenario, revision, races);
  let all = false;
  const result = await explore(subject, {
    warmUp: WARM_UP,
    first: races.length === 1,
    ...(opts.executions !== undefined && { executions: opts.executions }),
    ...(opts.time !== undefined && { time: opts.time }),
    ...(opts.clock !== undefined && { clock: opts.clock }),
    stop: async (p) => (all = p.findings >= races.length) || stop(p.executions),
  });
  for (const race of races.filter((r) => r.endless === true)) {
    const found = result.findings.find((f) => f.kind === race.id);
    if (found === undefined) continue;
    const end = await subject.whole(race, found.schedule);
    if (end !== undefined) subject.shown.set(race.id, `${end.kind}: ${end.text}`);
    else result.findings.splice(result.findings.indexOf(found), 1);
  }
  return new Map(races.map((race) => [race.id, judged(race, revision, subject, result, all)]));
}

function judged(
  { id }: ClaimRace,
  revision: string,
  subject: RaceSubject,
  r: Exploration,
  all: boolean,
): JudgedRace {
  const { executions, bound, remaining, seconds } = r;
  const base = { revision, executions, bound, remaining, seconds, others: [...subject.others].toSorted() };
  const found = r.findings.find((f) => f.kind === id);
  if (found !== undefined)
    return {
      ...base,
      verdict: 'reachable',
      text: subject.shown.get(id) ?? found.text,
      schedule: found.schedule,
    };
  const wrong = r.findings.find((f) => f.kind === 'nondeterminism');
  if (r.exhausted && wrong === undefined)
    return {
      ...base,
      verdict: 'exhausted-without',
      text: `none of ${executions} executions, which are all`,
      schedule: '',
    };
  const far = bound < 0 ? '' : `, among them all with at most ${bound} preemption${bound === 1 ? '' : 's'}`;
  const why =
    wrong === undefined ? (all ? 'the others were found' : r.stopped) : `nondeterminism: ${wrong.text}`;
  return {
    ...base,
    verdict: 'not-reached',
    text: `none of ${executions} executions${far} (${why})`,
    schedule: '',
  };
}
