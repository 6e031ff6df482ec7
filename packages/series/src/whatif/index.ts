// SPDX-License-Identifier: GPL-2.0-only

import type { WhatIfPatch } from '../types.ts';
import * as exitOrder from './exit-order.ts';
import * as exitUnchecked from './exit-unchecked.ts';
import * as flagInHandler from './flag-in-handler.ts';
import * as noEngagedTest from './no-engaged-test.ts';
import * as noIntxMask from './no-intx-mask.ts';
import * as noIoctlReference from './no-ioctl-reference.ts';
import * as noUsageReference from './no-usage-reference.ts';
import * as resumeUnderMemoryLock from './resume-under-memory-lock.ts';
import * as vfEnableUnlocked from './vf-enable-unlocked.ts';

/** Every what-if patch. */
export const WHATIFS: readonly WhatIfPatch[] = [
  flagInHandler,
  noIntxMask,
  noIoctlReference,
  noUsageReference,
  exitOrder,
  resumeUnderMemoryLock,
  noEngagedTest,
  vfEnableUnlocked,
  exitUnchecked,
];
