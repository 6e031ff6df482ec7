// SPDX-License-Identifier: GPL-2.0-only
/* Which runs get to which statements: the driver with a mark before each of them. */

import type { Revision } from '@vfio-lab/series';
import ts from 'typescript';
import { compile, layOver } from './compile.ts';
import { withGuards } from './guards.ts';
import type { Edit, Mutant } from './operators.ts';

const MARK = '__reached';

/** The place of a mutant: mutants of one place share it. */
export function placeOf(m: Mutant): string {
  return `${m.function}:${m.anchor.getStart()}`;
}

/** Marks that say at run time that a statement is about to be executed. */
function marks(anchors: ReadonlyMap<string, ts.Statement>): Edit[] {
  const edits: Edit[] = [];
  for (const [place, anchor] of anchors) {
    const mark = `${MARK}(${JSON.stringify(place)});`;
    const at = anchor.getStart();
    const { parent } = anchor;
    if (ts.isBlock(parent) || ts.isCaseOrDefaultClause(parent)) {
      edits.push({ from: at, to: at, text: mark });
    } else {
      edits.push({ from: at, to: at, text: `{${mark}` }, { from: anchor.end, to: anchor.end, text: '}' });
    }
  }
  return edits;
}

/** A revision that tells where it gets. */
export class MarkedRevision {
  readonly name: string;
  readonly #reached = new Set<string>();

  /**
   * @param revision what to mark
   * @param mutants where
   */
  constructor(revision: Revision, mutants: readonly Mutant[]) {
    this.name = `${revision.name} marked`;
    const files = new Map<ts.SourceFile, { names: Set<string>; anchors: Map<string, ts.Statement> }>();
    for (const m of mutants) {
      const file = m.anchor.getSourceFile();
      let entry = files.get(file);
      if (entry === undefined) files.set(file, (entry = { names: new Set(), anchors: new Map() }));
      entry.names.add(m.function);
      entry.anchors.set(placeOf(m), m.anchor);
    }
    const globals = { [MARK]: (place: string) => void this.#reached.add(place) };
    const functions = [...files].map(([file, { names, anchors }]) =>
      compile(file, names, marks(anchors), globals),
    );
    withGuards(layOver(revision, this.name, Object.assign({}, ...functions) as Record<string, unknown>));
  }

  /** The places that were reached since the last call. */
  take(): string[] {
    const places = [...this.#reached];
    this.#reached.clear();
    return places;
  }
}
