// SPDX-License-Identifier: GPL-2.0-only
/* What drives the driver: the scenarios, the recordings of real kernels and their scripts, directed and random programs. */

import { knownFinding, programOf, scenarioOf } from '@vfio-lab/fuzz';
import { type Scenario, scenarios } from '@vfio-lab/scenarios';
import { revision as load } from '@vfio-lab/series';
import type { Finding } from '@vfio-lab/sim';
import { type IndexEntry, readIndex, recordingsDir } from '@vfio-lab/testbed';
import { DIRECTED, DIRECTED_SCRIPTS, type DirectedScript } from './directed.ts';
import { ObservedScenario, observeScript } from './observe.ts';
import { scheduleOf } from './priorities.ts';

/** One of them: a scenario, or a script on a machine. */
export interface Program {
  readonly id: string;
  /** `recording`: made with this revision on a real kernel, so that its trace counts, not only what the driver did before. */
  readonly kind: 'scenario' | 'directed' | 'recording' | 'script' | 'random';
  readonly scenario?: Scenario;
  readonly script?: IndexEntry | DirectedScript;
  /** Is a finding, of those of a run, one that the unchanged driver is known for? */
  readonly known?: (f: Finding, all: readonly Finding[]) => boolean;
}

/** Threads of a random program, at most. */
const TASKS = 3;

/**
 * Every program for a revision, in the order in which they are tried.
 *
 * @param revision its full name
 * @param random how many random programs, of the numbers from `seed` on
 */
export function programsFor(revision: string, random: number, seed: number): Program[] {
  const entries = readIndex(recordingsDir());
  const own = entries.filter((e) => load(e.revision).name === revision);
  const key = (e: IndexEntry): string => `${e.name} on ${e.machineName}`;
  const seen = new Set(own.map(key));
  const others: IndexEntry[] = [];
  for (const e of entries) {
    if (seen.has(key(e))) continue;
    seen.add(key(e));
    others.push(e);
  }
  return [
    ...scenarios.map((scenario): Program => ({ id: scenario.name, kind: 'scenario', scenario })),
    ...Object.entries(DIRECTED_SCRIPTS).map(([id, script]): Program => ({ id, kind: 'directed', script })),
    ...Object.entries(DIRECTED).map(([id, program]): Program => ({
      id,
      kind: 'directed',
      scenario: leftOpen(scenarioOf(program)),
    })),
    ...own.map((script): Program => ({
      id: `${key(script)}${script.sharedBoot ? '' : ' (6.1.192)'}`,
      kind: 'recording',
      script,
    })),
    ...others.map((script): Program => ({ id: key(script), kind: 'script', script })),
    ...Array.from({ length: random }, (_, i) => randomProgram(revision, seed + i)),
  ];
}

/** A program that does not close what its tasks leave open, so that it is seen in which state that is. */
function leftOpen(scenario: Scenario): Scenario {
  const { exit: _exit, ...programs } = scenario.programs ?? {};
  return { ...scenario, programs };
}

function randomProgram(revision: string, seed: number): Program {
  const program = programOf(seed, '', TASKS);
  return {
    id: `random program ${seed}`,
    kind: 'random',
    scenario: scenarioOf(program),
    known: (f, all) => knownFinding(f, revision, program, all) !== null,
  };
}

/** Schedules under which a program of several tasks is looked at. */
const LOOKS = 12;

/** Run a program, to see where it gets: once, and one of several tasks under some schedules more. */
export async function runProgram({ kind, scenario, script }: Program, revision: string): Promise<void> {
  if (script !== undefined) await observeScript(script, revision);
  if (scenario === undefined) return;
  const subject = new ObservedScenario(scenario, revision);
  await subject.run({ kind: 'default' });
  if (kind === 'random' || Object.keys(scenario.programs ?? {}).length < 2) return;
  for (let seed = 0; seed < LOOKS; seed++) await subject.run(scheduleOf(seed));
}
