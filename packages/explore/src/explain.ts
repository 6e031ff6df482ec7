// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a search leaves out to be fast: the C functions of a finding. Its schedule is run once more, with a timeline and
 * an image that keeps its stacks; the run is the same but for that.
 */
import type { TraceEvent, Wait } from '@vfio-lab/sim';
import type { LockEdge, LockUse } from '@vfio-lab/locking';
import { replay } from './session.ts';
import { meanwhile, rowsOf, type Stack, type StackFrame } from './story.ts';
import type { Observation, Subject, SubjectFinding } from './subject.ts';
import { parseToken, type Replay } from './token.ts';

/** A subject that can be told to keep a timeline. */
interface Traced {
  tracing: boolean;
  readonly last: { readonly events: readonly TraceEvent[] } | null;
}

/** One execution in full. */
export interface TracedRun {
  observation: Observation;
  replay: Replay;
  /** Empty for what has no timeline. */
  events: readonly TraceEvent[];
}

/** Run a schedule with everything that can be known about it. Throws InputError for a text that is no schedule. */
export async function replayTraced(subject: Subject, schedule: string): Promise<TracedRun> {
  const traced = 'tracing' in subject ? (subject as unknown as Traced) : null;
  if (traced !== null) traced.tracing = true;
  const run = await replay(subject, parseToken(schedule));
  const events = traced?.last?.events ?? [];
  if (traced !== null) traced.tracing = false;
  return { ...run, events };
}

/** The finding of a traced run that is the same as one found without stacks. */
export function sameFinding<F extends SubjectFinding>(
  findings: readonly F[],
  of: SubjectFinding,
): F | undefined {
  const alike = findings.filter((f) => f.kind === of.kind);
  const race = of.detail?.race;
  const same = race === undefined ? undefined : alike.find((f) => f.detail?.race === race);
  return same ?? alike.find((f) => f.text === of.text) ?? alike.find((f) => f.task === of.task) ?? alike[0];
}

/** A finding of a traced run, with what the other tasks were in the middle of. */
export function withOthers(
  run: TracedRun,
  f: SubjectFinding,
): SubjectFinding & Required<Pick<SubjectFinding, 'others'>> {
  const rows = rowsOf(run.events, Infinity, (text) => text.startsWith(`${f.kind}:`));
  return { ...f, others: meanwhile(rows, f.task) };
}

/** Fill in the stacks, the locks and the details of findings, each from a run of its schedule. */
export async function explain<F extends SubjectFinding & { schedule: string }>(
  subject: Subject,
  findings: readonly F[],
): Promise<F[]> {
  if (!('tracing' in subject)) return [...findings];
  const all: F[] = [];
  for (const f of findings) {
    const run = f.kind === 'nondeterminism' ? null : await replayTraced(subject, f.schedule);
    const full = run === null ? undefined : sameFinding(run.observation.findings, f);
    if (run === null || full === undefined) {
      all.push(f);
      continue;
    }
    // The text names the function where there was none to name before.
    const { text, task, fns, held, detail, others } = withOthers(run, full);
    all.push({ ...f, text, task, fns, held, others, ...(detail !== undefined && { detail }) });
  }
  return all;
}

/** Where a C function stands: in which C file, and in which line of which mirrored one. '' where unknown. */
export type Place = (fn: string) => { c: string; ts: string };

function stack(title: string, fns: readonly string[], held: readonly string[], place: Place): Stack {
  return { title, held, frames: fns.map((fn): StackFrame => ({ fn, ...place(fn) })) };
}

/** The stacks that a finding is made of: both sides of a lock order, everybody in a deadlock, else who it is told of. */
export function stacksOf(f: SubjectFinding, place: Place): Stack[] {
  const d = (f.detail ?? {}) as {
    cycle?: readonly Wait[] | readonly string[];
    tasks?: readonly Wait[];
    edges?: readonly LockEdge[];
    in_handler?: LockUse;
    with_interrupts_on?: LockUse;
  };
  const list: Stack[] = [];
  if (f.kind === 'deadlock') {
    const waits = (d.cycle?.length ?? 0) > 0 ? (d.cycle as readonly Wait[]) : (d.tasks ?? []);
    for (const w of waits) {
      const on =
        w.on === ''
          ? ''
          : `, which ${w.on === w.task ? 'it' : w.on} ${w.how === 'wait' ? 'is to end' : 'has'}`;
      const held = w.holds.map((h) => h.lock);
      list.push(stack(`${w.task} waits for ${w.waits}${on}`, w.fns, held, place));
      const wanted = (lock: string): boolean => waits.some((other) => other.waits === lock);
      for (const h of w.holds)
        if (h.fns.length > 0 && wanted(h.lock))
          list.push(stack(`${w.task} took ${h.lock}`, h.fns, [], place));
    }
  }
  for (const e of d.edges ?? []) {
    list.push(stack(`${e.task} takes ${e.to}, ${e.from} held`, e.fns, e.held, place));
    if (e.outer_fns.length > 0) list.push(stack(`${e.task} took ${e.from}`, e.outer_fns, [], place));
  }
  if (d.in_handler) list.push(stack('taken in a handler', d.in_handler.fns, d.in_handler.held, place));
  if (d.with_interrupts_on)
    list.push(stack('taken with interrupts on', d.with_interrupts_on.fns, d.with_interrupts_on.held, place));
  if (list.length === 0 && f.task !== '') list.push(stack(f.task, f.fns, f.held, place));
  const told = new Set(list.map((s) => s.title.split(' ')[0]));
  for (const { task, fns } of f.others ?? [])
    if (!told.has(task)) list.push(stack(`${task}, meanwhile in`, fns, [], place));
  return list;
}
