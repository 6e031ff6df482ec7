// SPDX-License-Identifier: GPL-2.0-only
import type { Chooser } from './chooser.ts';
import type { Tables } from './dpor.ts';

/** A finding of a run, as far as all subjects have it. */
export interface SubjectFinding {
  kind: string;
  text: string;
  task: string;
  fns: string[];
  held: string[];
  detail?: Record<string, unknown>;
  /** C functions that other tasks were in the middle of. */
  others?: { task: string; fns: readonly string[] }[];
}

/** What came of one execution. */
export interface Observation {
  outcome: string;
  findings: SubjectFinding[];
}

/** What can be searched: it runs under a chooser, as often as wanted, and each time only the choices differ. */
export interface Subject {
  run(chooser: Chooser): Observation | Promise<Observation>;
  /** Names of the last run, for reports and schedules. */
  readonly tables: Tables;
  taskName(tid: number): string;
  objName(obj: number): string;
}
