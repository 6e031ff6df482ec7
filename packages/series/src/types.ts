// SPDX-License-Identifier: GPL-2.0-only

import type { PatchModule } from './link.ts';

/** What a patch mail says of itself. */
export interface PatchInfo {
  /** Its place in the series, from 1. */
  readonly number: number;
  /** Without the [PATCH ...] prefix. */
  readonly subject: string;
  /** Message-ID, without the angle brackets. */
  readonly messageId: string;
  /** When it was sent, ISO 8601. */
  readonly date: string;
  /** The base has it already, in this form or a later one: there is nothing to lay over it. */
  readonly inBase?: true;
  /** Paths of the kernel tree that it changes, in the order of the diff. */
  readonly files: readonly string[];
  /** The C functions that it changes or adds, by file, in file order. */
  readonly functions: Readonly<Record<string, readonly string[]>>;
}

/** A patch of a series: what it says of itself, and the functions as they stand after it (none when it is `inBase`). */
export interface SeriesPatch extends PatchModule {
  readonly patch: PatchInfo;
}

/** What a cover letter says of a series, and its patches. */
export interface SeriesInfo {
  /** The name of the revision: v4. */
  readonly name: string;
  readonly title: string;
  readonly version: number;
  readonly author: { readonly name: string; readonly email: string };
  /** When the cover letter was sent, ISO 8601. */
  readonly date: string;
  /** Message-ID of the cover letter, without the angle brackets. */
  readonly messageId: string;
  /** The kernel that it applies to. */
  readonly base: string;
  readonly summary: string;
  /** What changed since the version before, in our words. */
  readonly changelog: readonly string[];
  /** In order. */
  readonly patches: readonly SeriesPatch[];
}

/** What a what-if patch is. */
export interface WhatIfInfo {
  /** As in `v4+name`. */
  readonly name: string;
  readonly summary: string;
  /** The series that it changes. */
  readonly series: string;
  /** The prefixes of that series whose text it fits. */
  readonly prefixes: readonly number[];
  /** The C functions that it changes, by file. */
  readonly functions: Readonly<Record<string, readonly string[]>>;
}

/** A patch that nobody sent: the road not taken, to see what would have happened. */
export interface WhatIfPatch extends PatchModule {
  readonly whatif: WhatIfInfo;
}
