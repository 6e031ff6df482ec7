// SPDX-License-Identifier: GPL-2.0-only
// What reading a series gives. Plain data: `JSON.stringify` of it is the output of `vfio-lab series --json`.

export interface Person {
  name: string;
  email: string | null;
}

export interface FileStat {
  path: string;
  insertions: number;
  deletions: number;
  /** False: taken from a diffstat whose bar is scaled, so only the sum of the two is sure. */
  exact: boolean;
}

export interface Diffstat {
  files: FileStat[];
  insertions: number;
  deletions: number;
}

export interface DiffLine {
  kind: '+' | '-' | ' ';
  text: string;
  /** Line in the old file; null for an added line. */
  oldLine: number | null;
  /** Line in the new file; for a removed line the one that stands in its place now. */
  newLine: number;
  /** C function that the line belongs to, as far as the diff shows. */
  function: string | null;
}

export interface Hunk {
  header: string;
  oldStart: number;
  oldLines: number;
  newStart: number;
  newLines: number;
  /** What git writes after the second @@. */
  context: string;
  lines: DiffLine[];
  /** False: lines announced in the header are missing, as in a quote that was cut. */
  complete: boolean;
}

export interface FileDiff {
  path: string;
  oldPath: string;
  /** Blob names of the `index` line, to see which patch follows which. */
  oldBlob: string | null;
  newBlob: string | null;
  hunks: Hunk[];
}

export interface Patch {
  /** 1 to the number of patches. */
  number: number;
  subject: string;
  author: Person | null;
  /** ISO 8601, UTC. */
  date: string | null;
  dateFrom: 'mail' | 'attribution' | 'derived' | null;
  messageId: string | null;
  messageIdFrom: 'mail' | 'derived' | null;
  /** Commit message, without the subject. */
  message: string | null;
  /** Where message, files and diff come from: the patch's own mail, or what comments quote of it. */
  from: 'mail' | 'quote' | null;
  files: FileStat[];
  insertions: number;
  deletions: number;
  diff: FileDiff[];
  /** C functions with changed lines. */
  functions: { file: string; name: string }[];
  changelog: Revision[];
}

export interface Revision {
  version: number;
  /** Link that the changelog gives for it. */
  link: string | null;
  items: string[];
}

/** Lines of a comment at one quoting depth; depth 0 is the author's own text. */
export interface Block {
  depth: number;
  /** Who wrote these lines, when an attribution line says so. */
  by: string | null;
  text: string;
  /** Line of the input file. */
  at: number;
}

export interface Remark {
  /** 1 for the first remark of its comment. */
  number: number;
  text: string;
  /** What it stands under: a line of the diff, the commit message, the cover letter, or nothing quoted. */
  place: 'diff' | 'message' | 'cover' | 'nothing';
  file: string | null;
  function: string | null;
  /** Line in the file as the patch leaves it. */
  line: number | null;
  hunk: string | null;
  /** The quoted line right above, and who wrote it. */
  quoted: string | null;
  quotedBy: string | null;
  /** The earlier remark that this one answers. */
  answers: { comment: number; remark: number } | null;
  /** Functions named with () in the remark, and in the paragraph above it when that is no diff. */
  mentions: string[];
  /** Line of the input file. */
  at: number;
}

export interface Comment {
  number: number;
  author: Person;
  /** ISO 8601, UTC. */
  date: string | null;
  messageId: string | null;
  /** Number of the patch, 0 for the cover letter, null when nothing tells. */
  patch: number | null;
  /** What tells: the mail headers, the date in the attribution, the quoted diff, its words, the thread. */
  evidence: ('headers' | 'date' | 'diff' | 'words' | 'thread')[];
  /** Number of the comment answered; null: the patch or the cover letter itself. */
  parent: number | null;
  replies: number[];
  /** Place of the first remark under a line of the diff. */
  file: string | null;
  function: string | null;
  line: number | null;
  remarks: Remark[];
  blocks: Block[];
}

/** Something missing or odd in the input that reading went on without. */
export interface Gap {
  what: string;
  where: string;
}

export interface Series {
  source: 'patchwork' | 'mbox';
  fileName: string;
  title: string;
  version: number;
  /** The other words of the subject's brackets: RFC, RESEND, a tree. */
  tags: string[];
  /** Number of patches announced. */
  total: number;
  messageId: string | null;
  author: Person;
  /** ISO 8601, UTC. */
  date: string | null;
  cover: string | null;
  patches: Patch[];
  diffstat: Diffstat | null;
  changelog: Revision[];
  comments: Comment[];
  gaps: Gap[];
}
