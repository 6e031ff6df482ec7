// SPDX-License-Identifier: GPL-2.0-only
import { existsSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { scenarioByName } from '@vfio-lab/scenarios';
import { InputError } from '@vfio-lab/sim';
import { type Model, ModelSubject } from './model.ts';
import { ScenarioSubject } from './scenario-subject.ts';
import type { Subject } from './subject.ts';

/** What a subject is made from, as data: another thread makes the same from it. */
export type SubjectSpec =
  | { kind: 'scenario'; scenario: string; revision: string }
  | { kind: 'model'; file: string };

/** The model that a file exports. Throws InputError when there is none. */
async function modelIn(file: string): Promise<Model> {
  if (!existsSync(file)) throw new InputError('no such file', file, 'check the path');
  let module: Record<string, Partial<Model> | null | undefined>;
  try {
    module = (await import(pathToFileURL(path.resolve(file)).href)) as typeof module;
  } catch (error) {
    // Whatever is wrong with it, it is the user's program.
    const message = String(error instanceof Error ? error.message : error);
    throw new InputError('the model cannot be loaded', file, message.replaceAll(/\s*\n\s*/g, ' '));
  }
  const model = Object.values(module).find((x) => x?.kind === 'model');
  if (model === undefined)
    throw new InputError('no model', file, 'write: export const model = defineModel(...)');
  return model as Model;
}

/** Make a subject, in whatever thread. Throws InputError for a name or file that is none. */
export async function subjectFrom(spec: SubjectSpec): Promise<Subject> {
  if (spec.kind === 'model') return new ModelSubject(await modelIn(spec.file));
  return new ScenarioSubject(scenarioByName(spec.scenario), spec.revision);
}
