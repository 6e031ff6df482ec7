// SPDX-License-Identifier: GPL-2.0-only
/* Programs for paths that neither a scenario nor a recording gets to. */

import type { Program } from '@vfio-lab/fuzz';

/** By name. */
export const DIRECTED: Readonly<Record<string, Program>> = {};
