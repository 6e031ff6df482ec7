// SPDX-License-Identifier: GPL-2.0-only
import { join, Machine, spawn, type Task } from '@vfio-lab/sim';
import { type Costs, freeCosts } from '../costs.ts';
import { Engine, type EngineWatch } from './engine.ts';
import type { HandOver } from './gate.ts';

export interface SimulateOptions {
  cpus: number;
  /** Left out: nothing costs anything. */
  costs?: Costs;
  handOver?: HandOver;
  watch?: EngineWatch;
}

/** Run programs on locks without a driver: `tasks` are started together, and the run ends when all have ended. */
export async function simulate(
  opts: SimulateOptions,
  tasks: (engine: Engine) => readonly (() => Promise<void>)[],
  before?: (m: Machine, engine: Engine) => void,
): Promise<{ machine: Machine; engine: Engine }> {
  const machine = new Machine({ max_steps: Infinity });
  let engine!: Engine;
  await machine.run(async () => {
    engine = new Engine(machine, { costs: freeCosts(), ...opts });
    before?.(machine, engine);
    engine.start();
    const started: Task[] = [];
    for (const [i, task] of tasks(engine).entries()) started.push(spawn(`task${i}`, task));
    for (const task of started) await join(task);
    engine.finish();
  });
  return { machine, engine };
}
