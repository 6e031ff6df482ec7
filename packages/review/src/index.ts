// SPDX-License-Identifier: GPL-2.0-only
export * from './reader/index.ts';
export * from './review.ts';
export * from './compare/index.ts';
export * from './check.ts';
export * from './claims/index.ts';
export * from './matrix/index.ts';
