// SPDX-License-Identifier: GPL-2.0-only
// Programs against each other, under many schedules.
import { type Finding, type Policy, Prng, type Task } from '@vfio-lab/sim';
import { type Bench, type BenchOptions, runBench } from './bench.ts';

export interface Race<S> extends BenchOptions {
  /** Runs first, alone; what it returns is handed to the rest. */
  setup(b: Bench): Promise<S>;
  programs(b: Bench, state: S): Record<string, () => Promise<void>>;
  /** What the run came to, in words; runs when the programs have ended and all is at rest. */
  outcome?(b: Bench, state: S): Promise<string>;
}

/** How long a task goes on before another gets in, in scheduling points; the seeds take them in turn. */
const BURSTS = [1, 4, 12, 40];

/**
 * Random schedules in bursts: the running task goes on for a random number of points, then any other may. Short bursts
 * find races of neighbouring operations, long ones those that need a task to stand still while others get far.
 */
export class BurstPolicy implements Policy {
  readonly name: string;
  readonly sticky = false;
  readonly #prng: Prng;
  readonly #burst: number;

  constructor(seed: number) {
    this.name = `burst:${seed}`;
    this.#prng = new Prng(seed);
    this.#burst = BURSTS[seed % BURSTS.length];
  }

  pick(running: Task | null, enabled: readonly Task[]): Task {
    if (enabled.length === 1) return enabled[0];
    if (running !== null && this.#prng.below(this.#burst) > 0 && enabled.includes(running)) return running;
    return enabled[this.#prng.below(enabled.length)];
  }
}

/** A run that had a finding of a kind. */
export interface RaceHit {
  runs: number;
  text: string;
  seed: number;
  schedule: string;
}

export interface RaceResult {
  runs: number;
  /** How often each outcome came. */
  outcomes: Record<string, number>;
  findings: Record<string, RaceHit>;
}

/** Run a race under the random schedules of these seeds. */
export async function runRace<S>(
  rev: string,
  race: Race<S>,
  seeds: readonly number[],
  tracing = false,
  events?: (run: Awaited<ReturnType<typeof runBench>>) => void,
): Promise<RaceResult> {
  const result: RaceResult = { runs: 0, outcomes: {}, findings: {} };
  for (const seed of seeds) {
    let schedule = '';
    const run = await runBench(
      rev,
      async (b) => {
        const state = await race.setup(b);
        schedule = await b.concurrently(race.programs(b, state), new BurstPolicy(seed));
        await b.settle();
        return (await race.outcome?.(b, state)) ?? '';
      },
      race,
      tracing,
    );
    events?.(run);
    result.runs++;
    const outcome = run.value ?? 'did not end';
    result.outcomes[outcome] = (result.outcomes[outcome] ?? 0) + 1;
    for (const [kind, f] of firsts(run.findings)) {
      const hit = result.findings[kind];
      if (hit === undefined) result.findings[kind] = { runs: 1, text: f.text, seed, schedule };
      else hit.runs++;
    }
  }
  return result;
}

function firsts(findings: readonly Finding[]): Map<string, Finding> {
  const first = new Map<string, Finding>();
  for (const f of findings) if (!first.has(f.kind)) first.set(f.kind, f);
  return first;
}
