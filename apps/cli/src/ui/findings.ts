// SPDX-License-Identifier: GPL-2.0-only
// Findings of a search for people: as a story with stacks and places, as a file that replays, as a page.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type {
  Execution,
  Found,
  Place,
  Row,
  Story,
  Subject,
  SubjectFinding,
  TracedRun,
} from '@vfio-lab/explore';
import { InputError } from '@vfio-lab/sim';
import { type Io, readInput } from './io.ts';

/** What `--findings` writes for each finding and `--replay` takes. */
export interface SavedFinding {
  version: 1;
  /** A scenario, or the file of a model. */
  what: string;
  /** Null for a model. */
  revision: string | null;
  /** The schedule as a token. */
  schedule: string;
  finding: Pick<SubjectFinding, 'kind' | 'text' | 'task' | 'fns' | 'held'>;
  preemptions: number;
  steps: number;
}

/** A schedule that leaves everything to itself; an empty argument would be lost on the way. */
export const NO_CHOICE = 'default';

/** The command that runs a schedule again. */
export function replayCommand(what: string, revision: string, schedule: string): string {
  return `vfio-lab explore ${what}${revision === '' ? '' : ` --revision ${revision}`} --replay '${schedule === '' ? NO_CHOICE : schedule}'`;
}

/** Where the functions of a revision are to be read: read from the sources, now. Nowhere for a model ('' as revision). */
export async function placesOf(revision: string): Promise<Place> {
  if (revision === '') return () => ({ c: '', ts: '' });
  const { Sources } = await import('@vfio-lab/review');
  const { revision: load } = await import('@vfio-lab/series');
  const rev = load(revision);
  const sources = new Sources();
  const known = new Map<string, { c: string; ts: string }>();
  return (fn) => {
    let place = known.get(fn);
    if (place === undefined) {
      const source = sources.of(rev, fn);
      place = { c: sources.cfile(rev, fn), ts: source === null ? '' : `${source.file}:${source.line}` };
      known.set(fn, place);
    }
    return place;
  };
}

/** Rows of a run: the timeline of a machine, or the steps of a model. */
async function rowsFor(subject: Subject, run: TracedRun, finding: SubjectFinding | null): Promise<Row[]> {
  const { rowsOf } = await import('@vfio-lab/explore');
  if (run.events.length === 0) return modelRows(subject, run.replay.execution);
  return rowsOf(run.events, 400, (text) => finding === null || text.startsWith(`${finding.kind}:`));
}

async function modelRows(subject: Subject, execution: Execution): Promise<Row[]> {
  const { siteOf } = await import('@vfio-lab/explore');
  const rows: Row[] = [];
  for (let i = 0; i < execution.length; i++) {
    const text = siteOf(subject, execution.op[i]).replace(':', ' ');
    rows.push({
      task: subject.taskName(execution.tid[i]),
      text,
      where: '',
      locks: '',
      state: '',
      kind: 'step',
    });
  }
  return rows;
}

/** What one finding of a traced run is about; null: the run as it is, without one. */
export async function storyOf(
  what: string,
  revision: string,
  subject: Subject,
  run: TracedRun,
  schedule: string,
  finding: SubjectFinding | null,
  facts: Story['facts'] = [],
): Promise<Story> {
  const { stacksOf, withOthers } = await import('@vfio-lab/explore');
  const rows = await rowsFor(subject, run, finding);
  const where = `${path.basename(what)}${revision === '' ? '' : ` on ${revision}`}`;
  const command = replayCommand(what, revision, schedule);
  if (finding === null) {
    const none = { kind: '', text: '', task: '', fns: [], held: [] };
    return { title: where, finding: none, stacks: [], facts, command, rows };
  }
  if (!rows.some((r) => r.kind === 'finding')) {
    // A deadlock is told of when nobody runs any more.
    const last = rows.at(-1);
    const { task, text, kind } = finding;
    rows.push({
      ...last,
      task: task === '' ? (last?.task ?? '') : task,
      text: `${kind}: ${text}`,
      where: '',
      locks: '',
      state: '',
      kind: 'finding',
    });
  }
  const stacks = stacksOf(withOthers(run, finding), await placesOf(revision));
  return { title: `${finding.kind} in ${where}`, finding, stacks, facts, command, rows };
}

/** Write each finding as a file that replays (`saved`) and as a page (`html`); tells on stderr. */
export async function writeFindings(
  what: string,
  revision: string,
  findings: readonly Found[],
  executions: number,
  subject: Subject,
  folders: { saved: string | undefined; html: string | undefined },
  io: Io,
): Promise<void> {
  const { htmlPage, replayTraced, sameFinding } = await import('@vfio-lab/explore');
  for (const [i, f] of findings.entries()) {
    const stem = `${path.basename(what).replace(/\W+/g, '-')}-${revision || 'model'}-${i + 1}`;
    const { kind, text, task, fns, held, schedule, preemptions, steps } = f;
    const saved: SavedFinding = {
      version: 1,
      what,
      revision: revision === '' ? null : revision,
      schedule,
      finding: { kind, text, task, fns, held },
      preemptions,
      steps,
    };
    for (const folder of new Set([folders.saved, folders.html])) {
      if (folder === undefined) continue;
      mkdirSync(folder, { recursive: true });
      write(path.join(folder, `${stem}.json`), `${JSON.stringify(saved, null, 2)}\n`, io);
    }
    if (folders.html === undefined) continue;
    const run = await replayTraced(subject, schedule);
    const told = sameFinding(run.observation.findings, f) ?? f;
    const story = await storyOf(what, revision, subject, run, schedule, told, [
      ['found', `in execution ${f.at} of ${executions}; ${f.runs} of them have it`],
      ['schedule', `${preemptions} ${preemptions === 1 ? 'preemption' : 'preemptions'}, ${steps} steps`],
      ['outcome', run.observation.outcome],
    ]);
    write(path.join(folders.html, `${stem}.html`), htmlPage(story), io);
  }
}

function write(file: string, text: string, io: Io): void {
  writeFileSync(file, text);
  io.stderr.write(`vfio-lab: wrote ${file}\n`);
}

/** Read a finding that `--findings` has written. Throws InputError when it is none. */
export function readFinding(file: string): SavedFinding {
  const fault = (what: string): InputError =>
    new InputError(what, file, 'give a file that explore --findings has written, or a schedule');
  let saved: Partial<SavedFinding>;
  try {
    saved = JSON.parse(new TextDecoder().decode(readInput(file))) as Partial<SavedFinding>;
  } catch (error) {
    if (error instanceof SyntaxError) throw fault('is not JSON');
    throw error;
  }
  if (typeof saved !== 'object' || saved === null) throw fault('is no finding');
  if (saved.version !== 1) throw fault(`has version ${String(saved.version)}, not 1`);
  if (typeof saved.what !== 'string') throw fault('names no scenario ("what")');
  if (typeof saved.schedule !== 'string') throw fault('has no "schedule"');
  if (saved.revision !== null && typeof saved.revision !== 'string') throw fault('has no "revision"');
  return saved as SavedFinding;
}
