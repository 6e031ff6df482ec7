// SPDX-License-Identifier: GPL-2.0-only
/*
 * One search for races that the review spoke of, in one scenario on one revision: a unit of work, made of data.
 */
import {
  NO_LOW_POWER,
  NO_WAKEUP,
  REFUSED,
  runScenario,
  type Scenario,
  scenarioByName,
} from '@vfio-lab/scenarios';
import { type Chooser, Limited, StepLimit } from './chooser.ts';
import { type ClaimRace, isRace, raceById } from './claim-races.ts';
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
  /** About how many executions are left. */
  remaining: number;
  seconds: number;
  /** Kinds of findings that came up and are not the race. */
  others: string[];
}

/** Races that share a scenario, on a revision. */
export interface RaceJob {
  scenario: string;
  revision: string;
  /** Claims. */
  ids: string[];
  /** Limits: executions, and milliseconds. */
  executions?: number;
  time?: number;
}

/** Asked after every execution with their number; true: stop. */
export type Tick = (executions: number) => boolean | Promise<boolean>;

/** Steps of the programs, and points from boot on, after which an execution of an endless race is given up. */
const LONG = 5000;
const LONG_WITH_END = 50_000;

/** What scenarios say where the question does not arise, and what that means. */
const ABSENT: readonly (readonly [word: string, why: string])[] = [
  [NO_LOW_POWER, 'a user cannot let a device sleep in this revision'],
  [NO_WAKEUP, 'ENTER takes no eventfd in this revision'],
  [REFUSED, 'ENTER is refused for this device in this revision'],
];

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
  private readonly endless: ClaimRace | undefined;

  constructor(scenario: Scenario, revision: string, races: readonly ClaimRace[]) {
    this.endless = races.find((race) => race.endless === true);
    this.inner = new ScenarioSubject(
      scenario,
      revision,
      this.endless === undefined ? {} : { maxSteps: LONG_WITH_END },
    );
    this.races = races;
  }

  async run(chooser: Chooser): Promise<Observation> {
    if (this.endless === undefined) return this.look(await this.inner.run(chooser));
    try {
      return this.look(await this.inner.run(new Limited(chooser, LONG)));
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      // The programs have ended, and what they have set off goes on.
      if (error.message.startsWith('no end after')) chooser.end(0, [], []);
      else if (!(error instanceof StepLimit)) throw error;
      return { outcome: 'no end', findings: [finding(this.endless)] };
    }
  }

  /** What an endless race comes to in the end: a finding that is it, or nothing. */
  async whole(race: ClaimRace, schedule: string): Promise<SubjectFinding | undefined> {
    const { scenario, revision } = this.inner;
    // A hundred thousand interrupts, perhaps.
    const fast = new ScenarioSubject(scenario, revision, { races: false });
    const { observation } = await replay(fast, parseToken(schedule));
    return observation.findings.find((f) => isRace(race, f));
  }

  private look({ outcome, findings }: Observation): Observation {
    const hits: SubjectFinding[] = [];
    const used = new Set<SubjectFinding>();
    for (const race of this.races) {
      const hit = findings.find((f) => isRace(race, f));
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

/**
 * Search until every race of the job is found, all schedules are, a limit is reached or `tick` says so.
 *
 * @returns the verdicts, in the order of the ids
 * @throws InputError for an unknown revision, scenario or id
 */
export async function searchRaces(job: RaceJob, tick: Tick): Promise<Record<string, JudgedRace>> {
  const { revision, executions, time } = job;
  const races = job.ids.map(raceById);
  const scenario = scenarioByName(job.scenario);
  const none = { revision, schedule: '', executions: 0, remaining: 0, seconds: 0, others: [] };
  const { outcome } = await runScenario(scenario, { revision });
  const absent = ABSENT.find(([word]) => outcome.includes(word));
  if (absent !== undefined)
    return byClaim(races, () => ({ ...none, verdict: 'does-not-arise', text: absent[1] }));
  const subject = new RaceSubject(scenario, revision, races);
  let all = false;
  const result = await explore(subject, {
    first: races.length === 1,
    ...(executions !== undefined && { executions }),
    ...(time !== undefined && { time }),
    clock: () => performance.now(),
    stop: async (p) => (all = p.findings >= races.length) || tick(p.executions),
  });
  for (const race of races.filter((r) => r.endless === true)) {
    const found = result.findings.find((f) => f.kind === race.id);
    if (found === undefined) continue;
    const end = await subject.whole(race, found.schedule);
    if (end !== undefined) subject.shown.set(race.id, `${end.kind}: ${end.text}`);
    else result.findings.splice(result.findings.indexOf(found), 1);
  }
  return byClaim(races, (race) => judged(race, revision, subject, result, all));
}

function byClaim(
  races: readonly ClaimRace[],
  judge: (race: ClaimRace) => JudgedRace,
): Record<string, JudgedRace> {
  return Object.fromEntries(races.map((race) => [race.id, judge(race)]));
}

function judged(
  { id }: ClaimRace,
  revision: string,
  subject: RaceSubject,
  r: Exploration,
  all: boolean,
): JudgedRace {
  const { executions, remaining, seconds } = r;
  const base = { revision, schedule: '', executions, remaining, seconds };
  const others = [...subject.others].toSorted();
  const found = r.findings.find((f) => f.kind === id);
  if (found !== undefined) {
    const text = subject.shown.get(id) ?? found.text;
    return { ...base, others, verdict: 'reachable', text, schedule: found.schedule };
  }
  const wrong = r.findings.find((f) => f.kind === 'nondeterminism');
  // Where nothing orders two accesses there are more schedules than the search knows.
  const unordered = others.includes('data-race');
  if (r.exhausted && wrong === undefined && !unordered) {
    const text = `none of ${executions} executions, which are all`;
    return { ...base, others, verdict: 'exhausted-without', text };
  }
  const why =
    wrong !== undefined ? `nondeterminism: ${wrong.text}` : all ? 'the others were found' : r.stopped;
  const left = r.exhausted ? 'all of them, but with data races' : `about ${remaining} are left (${why})`;
  const text = `none of ${executions} executions, ${left}`;
  return { ...base, others, verdict: 'not-reached', text };
}
