// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names of revisions:
 *   base              v5.19-rc4
 *   v4                a whole series
 *   v4@3, v4.3        its first three patches; 0 to all of them (v3@5 to v3@8: the base has the first five)
 *   v4+name           a what-if patch on top; several may follow one another
 */

import { InputError } from '@vfio-lab/sim';
import { BASE } from './base.ts';
import type { Image } from './link.ts';
import { link } from './link.ts';
import type { SeriesInfo, WhatIfPatch } from './types.ts';
import { v3 } from './v3/index.ts';
import { v4 } from './v4/index.ts';
import { v5 } from './v5/index.ts';
import { v6 } from './v6/index.ts';
import { v7 } from './v7/index.ts';
import { WHATIFS } from './whatif/index.ts';

/** Every series there is, oldest first. */
export const SERIES: readonly SeriesInfo[] = [v3, v4, v5, v6, v7];

/** A driver that can be booted, and how it came about. */
export interface Revision {
  /** The full name: `base`, `v4@6`, `v4@6+exit-order`. */
  readonly name: string;
  /** null: the base alone. */
  readonly series: SeriesInfo | null;
  /** How many patches of the series are in. */
  readonly prefix: number;
  readonly whatifs: readonly WhatIfPatch[];
  readonly image: Image;
}

/** The shortest prefix of a series that can be run: as many patches as the base has of it. */
export function firstPrefix(series: SeriesInfo): number {
  return series.patches.filter(({ patch }) => patch.inBase).length;
}

/** One line that says what revision() understands. */
export function revisionNames(): string {
  const names = SERIES.map((s) => `${s.name} (${s.name}@${firstPrefix(s)} to ${s.name}@${s.patches.length})`);
  const whatifs = WHATIFS.map(({ whatif }) => `${whatif.series}+${whatif.name}`);
  return ['base', ...names, ...whatifs].join(', ');
}

function unknown(name: string, what: string): InputError {
  return new InputError(what, `revision '${name}'`, `there are: ${revisionNames()}`);
}

function findWhatIf(name: string, tag: string, series: SeriesInfo | null, prefix: number): WhatIfPatch {
  const found = WHATIFS.find(({ whatif }) => whatif.name === tag);
  if (found === undefined) throw unknown(name, `no what-if patch '${tag}'`);
  const { whatif } = found;
  if (whatif.series !== series?.name || !whatif.prefixes.includes(prefix)) {
    const fits = whatif.prefixes.map((p) => `${whatif.series}@${p}`).join(', ');
    throw unknown(name, `'${tag}' goes on top of ${fits} only`);
  }
  return found;
}

/**
 * The revision of a name.
 *
 * @param name `base`, `v4`, `v4@3` or `v4.3`, each with `+what-if` behind it where that fits
 * @returns series, prefix and the linked image
 * @throws InputError for a name that is not one, with what exists in one line
 */
export function revision(name: string): Revision {
  // An image is immutable, and linking it costs more than booting it.
  let found = LINKED.get(name);
  if (found === undefined) LINKED.set(name, (found = build(name)));
  return found;
}

const LINKED = new Map<string, Revision>();

/** Make a driver that was linked elsewhere known by its name, to all that take the name of a revision. */
export function register(made: Revision): void {
  LINKED.set(made.name, made);
}

function build(name: string): Revision {
  const [stem = '', ...tags] = name.split('+');
  const parts = /^(?<series>[a-z]\w*)(?:[@.](?<prefix>\d+))?$/.exec(stem)?.groups;
  if (parts === undefined) throw unknown(name, 'no such revision');

  let series: SeriesInfo | null = null;
  let prefix = 0;
  if (stem !== 'base') {
    series = SERIES.find((s) => s.name === parts.series) ?? null;
    if (series === null) throw unknown(name, 'no such revision');
    prefix = parts.prefix === undefined ? series.patches.length : Number(parts.prefix);
    if (prefix > series.patches.length)
      throw unknown(name, `${series.name} has ${series.patches.length} patches`);
    if (prefix < firstPrefix(series))
      throw unknown(name, `the base has ${firstPrefix(series)} patches of ${series.name}`);
  }

  const whatifs = tags.map((tag) => findWhatIf(name, tag, series, prefix));
  const canonical = series === null ? 'base' : `${series.name}@${prefix}`;
  return {
    name: [canonical, ...whatifs.map(({ whatif }) => whatif.name)].join('+'),
    series,
    prefix,
    whatifs,
    image: link(BASE, ...(series?.patches.slice(0, prefix) ?? []), ...whatifs),
  };
}
