// SPDX-License-Identifier: GPL-2.0-only
// Findings that are the kernel's own: each checked against the C of its revision, with the functions it is in and why.
import type { SubjectFinding } from '@vfio-lab/explore';
import type { Program } from './program.ts';

export interface KnownFinding {
  /** Kebab-case, unique. */
  id: string;
  /** Names of the revisions that have it. */
  revisions: RegExp;
  kind: string;
  text: RegExp;
  /** The innermost function of the driver that it is in, when that tells it from others. */
  fn?: RegExp;
  /** What the program must have in it. */
  program?: RegExp;
  /** C functions that make it. */
  functions: readonly string[];
  reason: string;
}

export const KNOWN: readonly KnownFinding[] = [];

/** The known finding that a finding of a program is, or null. */
export function knownFinding(f: SubjectFinding, revision: string, program: Program): KnownFinding | null {
  const ops = [program.options, ...program.setup, ...program.tasks.flatMap((t) => t.ops)].join('\n');
  return (
    KNOWN.find(
      (k) =>
        k.kind === f.kind &&
        k.revisions.test(revision) &&
        k.text.test(f.text) &&
        (k.fn?.test(f.fns.at(-1) ?? '') ?? true) &&
        (k.program?.test(ops) ?? true),
    ) ?? null
  );
}
