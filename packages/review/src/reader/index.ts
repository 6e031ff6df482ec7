// SPDX-License-Identifier: GPL-2.0-only
export { InputError } from '@vfio-lab/sim';
export { readSeries } from './series-reader.ts';
export { functionHead, touchedFunctions } from './diff.ts';
export type {
  Block,
  Comment,
  DiffLine,
  Diffstat,
  FileDiff,
  FileStat,
  Gap,
  Hunk,
  Patch,
  Person,
  Remark,
  Revision,
  Series,
} from './types.ts';
