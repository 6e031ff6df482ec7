// SPDX-License-Identifier: GPL-2.0-only
// What comparing two revisions gives. Plain data: `JSON.stringify` of it is the output of `vfio-lab review A B --json`.
import type { TraceEvent } from '@vfio-lab/sim';
import type { ClaimResult } from '../claims/index.ts';
import type { ErrnoDifference, LockGraph, UapiDifference } from '../matrix/index.ts';
import type { Comment } from '../reader/types.ts';
import type { Cell } from '../review.ts';
import type { Aligned, TextRow } from './text.ts';

/** One of the two revisions. */
export interface Side {
  /** As the user named it: v4, v4@3, v4+exit-order. */
  name: string;
  title: string;
  version: number;
  author: string;
  date: string;
  base: string;
  patches: number;
  /** What the series says changed since the one before it. */
  changelog: string[];
  /** Where its C comes from; null: nothing was given. */
  source: string | null;
}

/** A patch on one side. */
export interface SidePatch {
  number: number;
  subject: string;
  messageId: string;
  files: string[];
  functions: string[];
  /** The base has it already. */
  inBase: boolean;
}

export interface PatchPair {
  a: SidePatch | null;
  b: SidePatch | null;
  /** `merged`: the second has it no more because the base has it. */
  state: 'same' | 'changed' | 'dropped' | 'merged' | 'new';
  moved: boolean;
  /** How sure it is that the two are one patch, 0 to 1. */
  confidence: number;
  /** Functions that only one of the two touches. */
  onlyA: string[];
  onlyB: string[];
  /** The text that `change` compares: the C of the mails, or ours. */
  language: 'C' | 'TypeScript';
  /** The change of the change: the lines of the two patches' diffs against each other. */
  change: TextRow[];
}

export interface FunctionText {
  file: string;
  line: number;
  text: string;
}

export interface FunctionPair {
  name: string;
  /** The C file that it is in. */
  cfile: string;
  state: 'same' | 'changed' | 'dropped' | 'new';
  /** As it stands at the end of each revision; null: it is not there. */
  a: FunctionText | null;
  b: FunctionText | null;
  /** Numbers of the patches that touch it, on each side. */
  patchesA: number[];
  patchesB: number[];
  /** Hunks of the C patches, as unified diffs, by patch. */
  cA: { patch: number; diff: string }[];
  cB: { patch: number; diff: string }[];
  /** Line by line, with the words that changed. Empty when it is the same. */
  diff: TextRow[];
  /** Numbers of the comments on A that speak of it. */
  comments: number[];
}

/** What two runs of one scenario did, side by side, from the first difference on. */
export interface Timeline {
  /** Rows before the first difference. */
  before: number;
  rows: Aligned<TraceEvent>[];
  /** Rows left out at the end. */
  cut: number;
}

export interface ScenarioPair {
  name: string;
  about: string;
  claims: string[];
  topology: string;
  a: Cell;
  b: Cell;
  /** `order`: the same to see for the user, but done in another way or order. */
  state: 'same' | 'order' | 'differs';
  /** Some of the runs are random schedules: what one side lacks may be chance. */
  sampled: boolean;
  /** Null when the timelines are the same. */
  timeline: Timeline | null;
}

export interface LedgerEntry {
  comment: number;
  remark: number;
  author: string;
  date: string | null;
  messageId: string | null;
  patch: number | null;
  patchB: number | null;
  function: string | null;
  file: string | null;
  line: number | null;
  quoted: string | null;
  text: string;
  /**
   * `open`: the lines are as they were. `unknown`: it speaks of no line or function. `changed`: the lines, or the function, are
   * others now. `gone`: the function, or its lines, are no more. `dropped`: the patch is no more.
   */
  state: 'open' | 'unknown' | 'changed' | 'gone' | 'dropped';
  /** What the state rests on. */
  why: string;
}

export interface Comparison {
  a: Side;
  b: Side;
  patches: PatchPair[];
  functions: FunctionPair[];
  /** Struct fields that one side adds and the other does not. */
  fields: { onlyA: string[]; onlyB: string[] };
  scenarios: ScenarioPair[];
  comments: Comment[];
  ledger: LedgerEntry[];
  claims: ClaimResult[];
  /** What the same questions to both get for an answer. */
  uapi: UapiDifference[];
  /** Cells of the errno matrix (state of the device by call) that differ. */
  errno: ErrnoDifference[];
  /** Lock orders that only one of the two has. */
  locks: { onlyA: LockGraph['edges']; onlyB: LockGraph['edges'] };
  /** No scenario shows any difference, nor does any timeline, nor the interface. */
  sameBehaviour: boolean;
  stopped: boolean;
}
