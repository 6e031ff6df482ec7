// SPDX-License-Identifier: GPL-2.0-only
// Scenarios on two revisions: what came of them, and where their timelines part.
import { runScenario, type Scenario, type ScenarioRun, type Schedule } from '@vfio-lab/scenarios';
import type { TraceEvent } from '@vfio-lab/sim';
import type { Cell } from '../review.ts';
import { align } from './text.ts';
import type { ScenarioPair, Timeline } from './types.ts';

/** Locks that belong to the driver under review; those of the driver core and of wait queues are left out. */
const LOCKS = /memory_lock|igate|irqlock|vma_lock|dev_set|sriov_pfs|group_rwsem|ioeventfds/;
/** Rows of a timeline that are shown before the first difference, and in all. */
const LEAD = 8;
const MOST = 400;

/** Does an event tell a reviewer something? What it takes to lay out the machine does not. */
export function telling(e: TraceEvent): boolean {
  if (e.task === 'boot') return false;
  return e.kind !== 'lock' || LOCKS.test(e.text);
}

const key = (e: TraceEvent): string =>
  JSON.stringify([e.task, e.kind, e.text, e.data['usage'], e.data['status']]);

/** The telling events of a run, from where the driver has been loaded on. */
export function events(run: ScenarioRun): TraceEvent[] {
  return run.events.filter(telling);
}

/** Two runs side by side; null when they did the same. */
export function timeline(a: readonly TraceEvent[], b: readonly TraceEvent[]): Timeline | null {
  const rows = align(a, b, key);
  const first = rows.findIndex((r) => r.a === null || r.b === null);
  if (first < 0) return null;
  const from = Math.max(0, first - LEAD);
  const last = rows.findLastIndex((r) => r.a === null || r.b === null);
  const to = Math.min(rows.length, last + 3, from + MOST);
  return { before: from, rows: rows.slice(from, to), cut: rows.length - to };
}

const emptyCell = (name: string): Cell => ({
  revision: name,
  prefix: 0,
  outcomes: {},
  findings: [],
  runs: 0,
  changed: false,
});

function add(cell: Cell, run: ScenarioRun, seed: number | null): void {
  cell.runs++;
  cell.outcomes[run.outcome] = (cell.outcomes[run.outcome] ?? 0) + 1;
  for (const kind of new Set(run.findings.map((f) => f.kind))) {
    const there = cell.findings.find((f) => f.kind === kind);
    if (there !== undefined) there.runs++;
    else {
      const text = run.findings.find((f) => f.kind === kind)?.text ?? '';
      cell.findings.push({ kind, runs: 1, text, seed, schedule: run.schedule });
    }
  }
}

/** Outcomes and kinds of findings, without how often. */
const signature = (cell: Cell): string =>
  JSON.stringify([Object.keys(cell.outcomes).sort(), cell.findings.map((f) => f.kind).sort()]);

/**
 * Run a scenario on both revisions: under the default schedule with a timeline, and, when it depends on the schedule, under
 * the random schedules with the seeds 0 to n-1.
 */
export async function compareScenario(
  scenario: Scenario,
  a: string,
  b: string,
  schedules: number,
): Promise<ScenarioPair> {
  const cells: [Cell, Cell] = [emptyCell(a), emptyCell(b)];
  const traces: TraceEvent[][] = [];
  const sampled = scenario.schedules !== undefined;
  const one = async (i: number, schedule: Schedule, tracing: boolean): Promise<void> => {
    const run = await runScenario(scenario, { revision: i === 0 ? a : b, schedule, tracing });
    add(cells[i], run, schedule.kind === 'random' ? schedule.seed : null);
    if (tracing) traces.push(events(run));
  };
  for (const i of [0, 1]) await one(i, { kind: 'default' }, true);
  for (let seed = 0; sampled && seed < schedules; seed++) {
    for (const i of [0, 1]) await one(i, { kind: 'random', seed }, false);
  }
  const line = timeline(traces[0], traces[1]);
  const differs = signature(cells[0]) !== signature(cells[1]);
  cells[1].changed = differs;
  return {
    name: scenario.name,
    about: scenario.about,
    claims: [...(scenario.claims ?? [])],
    topology: scenario.topology,
    a: cells[0],
    b: cells[1],
    state: differs ? 'differs' : line === null ? 'same' : 'order',
    sampled,
    timeline: line,
  };
}
