// SPDX-License-Identifier: GPL-2.0-only
// Random programs with every kind of operation, and a key of an execution that two executions share exactly when their
// happens-before graphs are the same.
import { Prng } from '@vfio-lab/sim';
import type { Execution } from '../src/execution.ts';
import {
  type Body,
  defineModel,
  type Model,
  type ModelCompletion,
  type ModelMutex,
  type ModelRwsem,
  type Variable,
} from '../src/model.ts';

type Action =
  | { do: 'access'; how: 'read' | 'write' | 'add'; variable: number }
  | { do: 'until'; variable: number; value: number }
  | {
      do: 'section';
      lock: number;
      how: 'mutex' | 'read' | 'write' | 'try' | 'tryread' | 'trywrite';
      inner: Action[];
    }
  | { do: 'complete'; completion: number }
  | { do: 'wait'; completion: number };

const ACCESSES = ['read', 'write', 'add'] as const;

function actions(prng: Prng, depth: number, waits: boolean): Action[] {
  const list: Action[] = [];
  for (let n = 1 + prng.below(depth === 0 ? 2 : 1); n > 0; n--) {
    const kind = prng.below(waits ? 10 : 8);
    if (kind < 2) list.push({ do: 'access', how: ACCESSES[prng.below(3)], variable: prng.below(2) });
    else if (kind < 8) {
      const how = (['mutex', 'read', 'write', 'try', 'tryread', 'trywrite'] as const)[kind - 2];
      const inner = prng.below(10) < 6 && depth < 2 ? actions(prng, depth + 1, waits) : [];
      list.push({ do: 'section', lock: prng.below(2), how, inner });
    } else if (kind === 8)
      list.push(prng.below(2) === 0 ? { do: 'complete', completion: 0 } : { do: 'wait', completion: 0 });
    else list.push({ do: 'until', variable: prng.below(2), value: prng.below(2) });
  }
  return list;
}

/** A program from a seed. `waits`: with completions and waits for a value. */
export function randomProgram(seed: number, waits: boolean): Model {
  const prng = new Prng(seed);
  const tasks = Array.from({ length: 2 + prng.below(2) }, () => actions(prng, 0, waits));
  return defineModel(`random ${seed}`, (m) => {
    const variables = [m.variable('v0', 0), m.variable('v1', 0)];
    const mutexes = [m.mutex('m0'), m.mutex('m1')];
    const sems = [m.rwsem('s0'), m.rwsem('s1')];
    const completions = [m.completion('c0')];
    for (const [i, list] of tasks.entries()) {
      m.task(`t${i}`, () => run(list, variables, mutexes, sems, completions));
    }
  });
}

function* run(
  list: Action[],
  v: Variable<number>[],
  mutexes: ModelMutex[],
  sems: ModelRwsem[],
  c: ModelCompletion[],
): Body {
  for (const a of list) {
    if (a.do === 'access') {
      if (a.how === 'write') yield* v[a.variable].write(1);
      else if (a.how === 'add') yield* v[a.variable].add(1);
      else yield* v[a.variable].read();
    } else if (a.do === 'until') {
      yield* v[a.variable].until((value) => value === a.value);
    } else if (a.do === 'complete') {
      yield* c[a.completion].complete();
    } else if (a.do === 'wait') {
      yield* c[a.completion].wait();
    } else {
      const mutex = mutexes[a.lock];
      const sem = sems[a.lock];
      let got = true;
      if (a.how === 'mutex') yield* mutex.lock();
      else if (a.how === 'read') yield* sem.downRead();
      else if (a.how === 'write') yield* sem.downWrite();
      else if (a.how === 'try') got = yield* mutex.trylock();
      else if (a.how === 'tryread') got = yield* sem.tryRead();
      else got = yield* sem.tryWrite();
      if (!got) continue;
      yield* run(a.inner, v, mutexes, sems, c);
      if (a.how === 'mutex' || a.how === 'try') yield* mutex.unlock();
      else if (a.how === 'read' || a.how === 'tryread') yield* sem.upRead();
      else yield* sem.upWrite();
    }
  }
}

/** The happens-before graph as text. After races(). */
export function graphKey(e: Execution): string {
  const id = (i: number): string => `${e.tid[i]}.${e.seq[i]}.${e.op[i]}`;
  const rows: string[] = [];
  for (let j = 0; j < e.length; j++) {
    const past: string[] = [];
    for (let i = 0; i < j; i++) if (e.before(i, j)) past.push(id(i));
    rows.push(`${id(j)}<${past.sort().join(',')}`);
  }
  return rows.sort().join('|');
}
