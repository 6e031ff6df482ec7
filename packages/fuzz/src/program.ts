// SPDX-License-Identifier: GPL-2.0-only
import { InputError } from '@vfio-lab/sim';
import { topologyNames } from '@vfio-lab/testbed';
import { parseLines } from './operations.ts';

/** A task of a program: operations of one thread of the user, of the host's, or of the hardware. */
export interface ProgramTask {
  name: string;
  ops: string[];
}

/** A program: plain data, the operations written in the language of scripts. */
export interface Program {
  topology: string;
  /** Parameters of vfio-pci: 'nointxmask=1'. */
  options: string;
  /** When the user's tasks have ended, everybody comes to rest before the files are closed (default: closed at once). */
  rest?: boolean;
  /** What runs first, alone. */
  setup: string[];
  /** What runs then, at once. Names are unique. */
  tasks: ProgramTask[];
}

/** Names of the tasks that are threads of the user start with this; the process ends when they have ended. */
export const USER = 'user';

export function isUserTask(name: string): boolean {
  return name.startsWith(USER);
}

/** How many operations a program has, the set-up aside. */
export function sizeOf(program: Program): number {
  return program.tasks.reduce((sum, t) => sum + t.ops.length, 0);
}

/** The program as people read it. */
export function programText(program: Program): string[] {
  const lines = [
    `topology ${program.topology}${program.options === '' ? '' : `, vfio-pci ${program.options}`}`,
  ];
  if (program.setup.length > 0) lines.push('set-up', ...program.setup.map((op) => `  ${op}`));
  for (const task of program.tasks) lines.push(task.name, ...task.ops.map((op) => `  ${op}`));
  lines.push(program.rest === true ? 'at rest: close everything' : 'then: close everything');
  return lines;
}

function strings(value: unknown): string[] | null {
  return Array.isArray(value) && value.every((v) => typeof v === 'string') ? value : null;
}

/** A program read from a file, checked. Throws InputError naming the place. */
export function checkProgram(value: unknown, where: string): Program {
  const p = (typeof value === 'object' && value !== null ? value : {}) as Partial<
    Record<keyof Program, unknown>
  >;
  const bad = (what: string): InputError =>
    new InputError(what, where, 'give a file that vfio-lab fuzz has written');
  const setup = strings(p.setup);
  if (
    typeof p.topology !== 'string' ||
    typeof p.options !== 'string' ||
    setup === null ||
    !Array.isArray(p.tasks)
  )
    throw bad('the program needs topology, options, setup and tasks');
  if (!topologyNames().includes(p.topology)) throw bad(`no topology "${p.topology}"`);
  const tasks = p.tasks.map((t: Partial<ProgramTask> | null, i): ProgramTask => {
    const ops = strings(t?.ops);
    if (typeof t?.name !== 'string' || ops === null) throw bad(`task ${i + 1} needs a name and ops`);
    parseLines(ops, `${where}, ${t.name}`);
    return { name: t.name, ops };
  });
  if (new Set(tasks.map((t) => t.name)).size < tasks.length) throw bad('two tasks have one name');
  parseLines(setup, `${where}, setup`);
  const { topology, options, rest = false } = p;
  if (typeof rest !== 'boolean') throw bad('rest is true or false');
  return { topology, options, rest, setup, tasks };
}
