// SPDX-License-Identifier: GPL-2.0-only
export * from './types.ts';
export * from './claims.ts';
export * from './judge.ts';
