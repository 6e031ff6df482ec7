// SPDX-License-Identifier: GPL-2.0-only
export * from './ops.ts';
export * from './chooser.ts';
export * from './execution.ts';
export * from './dpor.ts';
export * from './brute.ts';
export * from './model.ts';
export * from './exhaust.ts';
export * from './subject.ts';
export * from './samplers.ts';
export * from './token.ts';
export * from './explore.ts';
export * from './scenario-subject.ts';
export * from './compare.ts';
export * from './explain.ts';
export * from './report.ts';
