// SPDX-License-Identifier: GPL-2.0-only
export * from './compare.ts';
export * from './behaviour.ts';
export * from './pairs.ts';
export { byCall } from './deep.ts';
export { seriesFromGit } from './side.ts';
export * from './source.ts';
export * from './text.ts';
export type * from './types.ts';
