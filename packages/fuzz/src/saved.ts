// SPDX-License-Identifier: GPL-2.0-only
import { InputError } from '@vfio-lab/sim';
import { checkProgram, type Program } from './program.ts';

/** A finding as it is kept in a file: the program, and the schedule that leads to it. */
export interface SavedCase {
  version: 1;
  revision: string;
  kind: string;
  text: string;
  cause: string;
  schedule: string;
  program: Program;
}

/** The text of a file that `vfio-lab fuzz` has written, checked. Throws InputError naming what is wrong. */
export function checkSaved(text: string, file: string): SavedCase {
  const mend = 'give a file that vfio-lab fuzz has written';
  let value: Partial<Record<keyof SavedCase, unknown>>;
  try {
    value = JSON.parse(text) as typeof value;
  } catch {
    throw new InputError('not JSON', file, mend);
  }
  if (typeof value !== 'object' || value === null || value.version !== 1)
    throw new InputError('not a saved program', file, mend);
  const word = (key: keyof SavedCase): string => {
    const v = value[key];
    if (typeof v !== 'string') throw new InputError(`${key} is no text`, file, mend);
    return v;
  };
  return {
    version: 1,
    revision: word('revision'),
    kind: word('kind'),
    text: word('text'),
    cause: word('cause'),
    schedule: word('schedule'),
    program: checkProgram(value.program, file),
  };
}
