// SPDX-License-Identifier: GPL-2.0-only
import type { Claim } from './types.ts';
import { v3Claims } from './v3.ts';
import { v4Claims } from './v4.ts';
import { v5Claims } from './v5.ts';

/** What was said in the review of v3 to v7, in order. */
export const claims: readonly Claim[] = [...v3Claims, ...v4Claims, ...v5Claims];
